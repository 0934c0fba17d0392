//! A second request to a proxy that has failed, to find out why it cannot be reached, and which authentication
//! schemes it offers. The HTTP client reports neither.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::proxy::ProxyAddress;
use crate::error::plain;
use crate::foreign_text::{ForeignText, Message};

/// Short, because the proxy has just failed.
const PROXY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than the head of any answer.
const MAX_ANSWER: usize = 16 * 1024;

/// Why the proxy cannot be reached, if it still cannot.
pub(super) async fn why_unreached(proxy: &ProxyAddress) -> Option<Message> {
    let connected =
        tokio::time::timeout(PROXY_TIMEOUT, TcpStream::connect(proxy.host_and_port())).await;
    connected.ok()?.err().map(|error| plain(&error))
}

/// The authentication schemes that a proxy offers (`Proxy-Authenticate`, RFC 9110 section 11.7.1). The request has no
/// credentials, so that a wrong password is not tried again.
pub(super) async fn offered_schemes(proxy: &ProxyAddress, host: &str) -> Vec<ForeignText> {
    if !proxy.is_plain_http() {
        return Vec::new();
    }
    let answer = tokio::time::timeout(PROXY_TIMEOUT, ask(proxy, host)).await;
    let head = answer.ok().and_then(Result::ok).unwrap_or_default();
    schemes(&head)
}

async fn ask(proxy: &ProxyAddress, host: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(proxy.host_and_port()).await?;
    let question = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() < MAX_ANSWER && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(&buffer[..read]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn schemes(head: &str) -> Vec<ForeignText> {
    let mut lines = head.lines();
    if !lines.next().is_some_and(|status| status.contains(" 407")) {
        return Vec::new();
    }
    let mut found: Vec<ForeignText> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("proxy-authenticate"))
        .filter_map(|(_, value)| value.split_whitespace().next().map(ForeignText::new))
        .collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_schemes_are_read_from_the_head_of_the_answer() {
        let head = "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM\r\nX: y\r\n\r\nProxy-Authenticate: Basic";
        assert_eq!(schemes(head), [ForeignText::new("Negotiate"), ForeignText::new("NTLM")]);
        assert!(schemes("HTTP/1.1 200 OK\r\nProxy-Authenticate: NTLM\r\n\r\n").is_empty());
        assert!(schemes("").is_empty());
    }
}
