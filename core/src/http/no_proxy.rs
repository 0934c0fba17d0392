//! `NO_PROXY`: which servers are reached without a proxy.
//!
//! The list is parsed like in Go's `golang.org/x/net/http/httpproxy`, which kubectl, Terraform and the Vault CLI use:
//! names with their subdomains, `.example.com` and `*.example.com` for subdomains only, addresses, networks, any of
//! them with a port, and `*`. As in curl, a leading dot also covers the name itself.

use std::net::IpAddr;

/// Whether a list covers `host` and `port`.
pub(super) fn covers(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    list.split([',', ' ', '\t'])
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .any(|item| item_covers(item, host, port))
}

fn item_covers(item: &str, host: &str, port: u16) -> bool {
    if item == "*" {
        return true;
    }
    let address: Option<IpAddr> = host.parse().ok();
    if let Some((network, bits)) = item.split_once('/') {
        return address.is_some_and(|address| is_within(network, bits, address));
    }
    let (name, wanted_port) = split_port(item);
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Some(address) = address {
        return name
            .parse::<IpAddr>()
            .is_ok_and(|listed| listed.to_canonical() == address.to_canonical());
    }
    let name = name.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    !name.is_empty()
        && (host == name || host.strip_suffix(&name).is_some_and(|before| before.ends_with('.')))
}

/// Splits off the port of a name or an address. An IPv6 address contains colons itself.
fn split_port(item: &str) -> (&str, Option<u16>) {
    if let Some((address, port)) = item.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, port.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match item.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => {
            (name, port.parse().ok())
        }
        _ => (item, None),
    }
}

fn is_within(network: &str, bits: &str, address: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_list_covers_the_same_hosts_as_in_go_programs() {
        for (list, host, port) in [
            ("*", "iam.example", 443),
            ("iam.example", "iam.example", 443),
            ("IAM.Example", "iam.example", 443),
            ("example", "iam.example", 443),
            (".example", "iam.example", 443),
            ("*.example", "iam.example", 443),
            ("iam.example:443", "iam.example", 443),
            ("example:8443", "iam.example", 8443),
            ("other, iam.example", "iam.example", 443),
            ("other iam.example", "iam.example", 443),
            ("10.0.0.1", "10.0.0.1", 443),
            ("10.0.0.1:443", "10.0.0.1", 443),
            ("10.0.0.0/8", "10.1.2.3", 443),
            ("0.0.0.0/0", "10.1.2.3", 443),
            ("fd00::/8", "[fd00::1]", 443),
            ("[fd00::1]:443", "[fd00::1]", 443),
            ("fd00::1", "[fd00::1]", 443),
            ("iam.example.", "iam.example", 443),
        ] {
            assert!(covers(list, host, port), "{list} covers {host}:{port}");
        }
        for (list, host, port) in [
            ("", "iam.example", 443),
            ("iam.example:8443", "iam.example", 443),
            ("xample", "iam.example", 443),
            ("iam.example.org", "iam.example", 443),
            ("10.0.0.0/8", "11.1.2.3", 443),
            ("10.0.0.1:80", "10.0.0.1", 443),
            ("10.0.0.0/8", "iam.example", 443),
            (".", "iam.example", 443),
        ] {
            assert!(!covers(list, host, port), "{list} does not cover {host}:{port}");
        }
    }
}
