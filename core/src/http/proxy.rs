//! The address of a proxy, as users write it.

use std::fmt;
use std::fmt::Write as _;

use reqwest::Url;

use super::endpoint;

/// The address of a proxy. It can contain a password, so it is never printed whole.
#[derive(Clone)]
pub struct ProxyAddress(Url);

impl ProxyAddress {
    /// Parses `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://` or `socks5h://` and
    /// `[user:password@]host:port`. The default scheme is `http://`.
    ///
    /// As in curl and kubectl, a password can contain any character: the user information ends at the last `@`.
    /// Percent-encoded characters are not encoded again.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let known = matches!(
            scheme.to_ascii_lowercase().as_str(),
            "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h"
        );
        let (user_information, place) = match rest.rsplit_once('@') {
            Some((user_information, place)) => (Some(user_information), place),
            None => (None, rest),
        };
        let mut address = format!("{scheme}://");
        if let Some(user_information) = user_information {
            let (user, password) = user_information
                .split_once(':')
                .map_or((user_information, None), |(user, word)| (user, Some(word)));
            encode(user, &mut address);
            if let Some(password) = password {
                address.push(':');
                encode(password, &mut address);
            }
            address.push('@');
        }
        address.push_str(place);
        let url = Url::parse(&address).ok()?;
        let is_place = !place.contains(char::is_whitespace) && url.host().is_some();
        (known && is_place).then_some(Self(url))
    }

    /// The whole address with its password, for the connection and for a digest.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }

    /// Whether the proxy needs addresses, so that names are looked up here (`socks4`, `socks5`).
    pub(super) fn wants_addresses(&self) -> bool {
        matches!(self.0.scheme(), "socks4" | "socks5")
    }

    /// Whether clients connect to it with plain HTTP.
    pub(super) fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Host and port, as for a lookup of a socket address.
    pub(super) fn host_and_port(&self) -> (String, u16) {
        let host = self.0.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let usual = if self.0.scheme().starts_with("socks") { 1080 } else { 80 };
        (host, self.0.port_or_known_default().unwrap_or(usual))
    }

    /// The address without user and password.
    pub fn shown(&self) -> String {
        endpoint::without_credentials(&self.0)
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Percent-encodes all characters that are not unreserved (RFC 3986 section 2.3) and not encoded already.
fn encode(text: &str, encoded: &mut String) {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_encoded = *byte == b'%'
            && bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || is_encoded {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_can_contain_any_character() {
        for (text, user, password) in [
            ("http://user:p@ss@proxy.example:3128", "user", "p%40ss"),
            ("http://user:a:b@proxy.example:3128", "user", "a%3Ab"),
            ("http://DOM\\user:x@proxy.example:3128", "DOM%5Cuser", "x"),
            (
                "http://user:пароль@proxy.example:3128",
                "user",
                "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C",
            ),
            ("http://user:a b[c]/d?e#f@proxy.example:3128", "user", "a%20b%5Bc%5D%2Fd%3Fe%23f"),
            ("user:p%40ss@proxy.example:3128", "user", "p%40ss"),
            ("http://user:100%@proxy.example:3128", "user", "100%25"),
            ("http://user:@proxy.example:3128", "user", ""),
        ] {
            let url = ProxyAddress::parse(text).unwrap_or_else(|| panic!("{text}")).0;
            assert_eq!(
                (url.username(), url.password().unwrap_or_default()),
                (user, password),
                "{text}"
            );
            assert_eq!((url.host_str(), url.port()), (Some("proxy.example"), Some(3128)), "{text}");
        }
    }

    #[test]
    fn an_invalid_proxy_address_is_rejected() {
        for text in
            ["", "http://", "ftp://proxy.example", "http://proxy example:1", "http://proxy:99999"]
        {
            assert!(ProxyAddress::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_proxy_password_is_not_printed() {
        let proxy = ProxyAddress::parse("http://user:hunter2@proxy.example:3128").unwrap();
        assert_eq!(format!("{proxy:?}"), "http://proxy.example:3128/");
    }
}
