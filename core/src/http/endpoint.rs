//! Addresses of servers, which are refused if a secret would be sent in plain text.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::names;
use crate::error::Error;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The base address of a server: https, or plain http on this machine.
///
/// Security: credentials are sent to these addresses. Plain http is only accepted on loopback, for an emulator, and
/// never goes through a proxy.
#[derive(Clone, Eq, PartialEq)]
pub struct Endpoint {
    /// As the parser of URLs writes it, without a trailing slash.
    text: String,
}

impl Endpoint {
    /// Parses an address: a URL, or `host[:port]`, which means https. `what` names it in errors.
    pub fn parse(what: &'static str, text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let absolute =
            if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        if is_plain(&absolute) {
            return Ok(Self { text: absolute });
        }
        let refuse = |url: String, problem: &'static str, hint| Error::Endpoint {
            what,
            url: url.into(),
            problem: problem.into(),
            hint,
        };
        let Ok(url) = Url::parse(&absolute) else {
            return Err(refuse(
                behind_credentials(text).into(),
                "is not an address",
                "give it as `https://host[:port]`".into(),
            ));
        };
        if !url.username().is_empty() || url.password().is_some() {
            let shown = without_credentials(&url);
            return Err(refuse(
                shown,
                "has a user name in it",
                "credentials do not belong in an address".into(),
            ));
        }
        let shown = url.to_string();
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(
                shown,
                "has a query or a fragment",
                "give it as `https://host[:port]`".into(),
            ));
        }
        match url.scheme() {
            "https" => Ok(Self::of(&url)),
            "http" if is_loopback(url.host_str().unwrap_or_default()) => Ok(Self::of(&url)),
            "http" => Err(refuse(
                shown,
                "is plain http, which would show your token to the network",
                "give it as `https://…`".into(),
            )),
            _ => Err(refuse(
                shown,
                "is neither https nor http",
                "give it as `https://host[:port]`".into(),
            )),
        }
    }

    /// Parses an address with a query, which is returned separately.
    pub fn parse_with_query(
        what: &'static str,
        text: &str,
    ) -> Result<(Self, Vec<(String, String)>), Error> {
        let (address, query) = text.trim().split_once('?').unwrap_or((text, ""));
        let endpoint = Self::parse(what, address)?;
        let mut parsed = endpoint.url()?;
        parsed.set_query(Some(query));
        let query = parsed.query_pairs().filter(|(name, _)| !name.is_empty());
        Ok((endpoint, query.map(|(name, value)| (name.into(), value.into())).collect()))
    }

    /// The metadata service of this machine: link-local, and always plain http.
    pub fn metadata(address: &str) -> Result<Self, Error> {
        Url::parse(&format!("http://{address}"))
            .ok()
            .filter(|url| url.host().is_some() && url.path() == "/" && url.username().is_empty())
            .map(|url| Self::of(&url))
            .ok_or_else(|| Error::Endpoint {
                what: "metadata address",
                url: behind_credentials(address).into(),
                problem: "is not of the form `host[:port]`".into(),
                hint: "correct YC_METADATA_ADDR, or unset it".into(),
            })
    }

    fn of(url: &Url) -> Self {
        Self { text: url.as_str().trim_end_matches('/').to_owned() }
    }

    pub(super) fn url(&self) -> Result<Url, Error> {
        Url::parse(&self.text).map_err(Error::internal)
    }

    /// The host, and the port if it is not the default.
    fn authority(&self) -> (&str, Option<u16>) {
        let (_, rest) = self.text.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        let parts = authority.rsplit_once(':');
        // The colons of an IPv6 address are in brackets.
        let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        parts.map_or((authority, None), |(host, port)| (host, Some(port)))
    }

    /// Host, and port if it is not the default: the server's name in messages.
    pub fn host(&self) -> Message {
        let (host, port) = self.authority();
        let host = ForeignText::new(host);
        port.map_or_else(
            || host.clone().into(),
            |port| message!("{host}:{port}", host = &host, port),
        )
    }

    pub(super) fn host_and_port(&self) -> (String, u16) {
        let (host, port) = self.authority();
        (host.to_owned(), port.unwrap_or(if self.is_tls() { 443 } else { 80 }))
    }

    pub fn address(&self) -> String {
        let (host, port) = self.host_and_port();
        format!("{host}:{port}")
    }

    /// The address as text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_tls(&self) -> bool {
        self.text.starts_with("https:")
    }

    pub(super) fn is_on_loopback(&self) -> bool {
        is_loopback(self.authority().0)
    }
}

/// The address of a path below a base.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a text is an endpoint as the parser of URLs would write it, of the usual form: a lower-case name with https,
/// or this machine with http. That parser takes 6 % of the instructions of a cache hit.
fn is_plain(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let (is_host, default_port) = match scheme {
        "https" => (is_plain_name(host), "443"),
        "http" => (matches!(host, "127.0.0.1" | "localhost"), "80"),
        _ => return false,
    };
    is_host
        && port.is_none_or(|port| {
            port != default_port
                && port.starts_with(|first: char| matches!(first, '1'..='9'))
                && port.parse::<u16>().is_ok()
        })
}

/// Whether a host is a name of lower-case letters, digits and hyphens, and no IPv4 address or encoded Unicode.
fn is_plain_name(host: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let mut labels = host.split('.');
    labels.all(|it| !it.is_empty() && !it.starts_with("xn--") && it.bytes().all(is_plain))
        && host
            .rsplit('.')
            .next()
            .is_some_and(|it| it.starts_with(|it: char| it.is_ascii_lowercase()))
}

/// Whether a host is `localhost` or an address of loopback.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    names::is_this_machine(host) || address.is_ok_and(|address| address.is_loopback())
}

/// A URL without user and password, for messages.
pub(super) fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for addresses that cannot have credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

/// The part behind a user and password, which even an invalid URL can have.
fn behind_credentials(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_address_is_what_the_parser_of_urls_writes(
            scheme in "https?",
            host in "(xn--|[a-z0-9-]{1,4}[.]){0,3}[a-z0-9-]{0,4}[.]?|127.0.0.1|localhost",
            port in "|:[0-9]{1,6}|:443|:80",
        ) {
            let text = format!("{scheme}://{host}{port}");
            if is_plain(&text) {
                let url = Url::parse(&text).unwrap();
                prop_assert_eq!(url.as_str(), format!("{text}/"));
                prop_assert!(scheme == "https" || is_loopback(url.host_str().unwrap()));
            }
        }
    }

    #[test]
    fn the_usual_addresses_are_plain() {
        for text in
            ["https://iam.api.cloud.yandex.net", "https://a-1.example:8443", "http://127.0.0.1:1"]
        {
            assert!(is_plain(text), "{text}");
        }
        for text in [
            "http://iam.example",
            "https://1.2.3.4",
            "https://a@b.example",
            "https://a.example/",
            "https://a:443",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn the_parts_of_an_address_are_those_of_its_url() {
        for text in [
            "https://a.example",
            "https://a.example:1/b:2/c",
            "http://[::1]",
            "http://[::1]:8",
            "http://localhost/b",
        ] {
            let (endpoint, url) =
                (Endpoint::parse("endpoint", text).unwrap(), Url::parse(text).unwrap());
            assert_eq!(endpoint.authority(), (url.host_str().unwrap(), url.port()), "{text}");
            assert_eq!(Some(endpoint.host_and_port().1), url.port_or_known_default(), "{text}");
            assert_eq!(endpoint.is_tls(), url.scheme() == "https", "{text}");
        }
    }

    #[test]
    fn plain_http_is_only_allowed_on_this_machine() {
        for good in [
            "https://iam.example",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
            "iam.example:443",
        ] {
            assert!(Endpoint::parse("endpoint", good).is_ok(), "{good}");
        }
        for bad in [
            "http://iam.example",
            "http://127.0.0.1.example",
            "http://10.0.0.1",
            "ftp://iam.example",
            "https://",
            "https://a?b=c",
        ] {
            assert!(Endpoint::parse("endpoint", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_shown() {
        let error = Endpoint::parse("endpoint", "https://user:hunter2@iam.example").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let error = Endpoint::parse("endpoint", "https://user:hunter2@iam:99999").unwrap_err();
        assert_eq!(error.to_string(), "the endpoint `iam:99999` is not an address");
        let error = Endpoint::metadata("user:hunter2@169.254.169.254").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_query_is_returned_separately() {
        let (endpoint, query) =
            Endpoint::parse_with_query("endpoint", "https://a.example/b/c?v=2.0&x=%2F").unwrap();
        assert_eq!(endpoint.as_str(), "https://a.example/b/c");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query, [pair("v", "2.0"), pair("x", "/")]);
        assert!(Endpoint::parse_with_query("endpoint", "http://a.example?v=1").is_err());
    }

    #[test]
    fn paths_are_below_the_base() {
        let base = Endpoint::parse("endpoint", "https://gateway.example/yandex/").unwrap();
        assert_eq!(
            join(&base.url().unwrap(), "/iam/v1/tokens").as_str(),
            "https://gateway.example/yandex/iam/v1/tokens"
        );
        assert_eq!(base.host(), "gateway.example");
        assert_eq!(
            Endpoint::parse("endpoint", "iam.example:443").unwrap().as_str(),
            "https://iam.example"
        );
    }
}
