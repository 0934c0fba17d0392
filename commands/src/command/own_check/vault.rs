//! `vault token lookup` and `bao token lookup`. Both CLIs get the token from their token helper.

use serde::Deserialize;

use super::{Accepted, Answer, Failure, OwnCheck, Refusal};
use crate::command::query::json;
use crate::foreign_text::ForeignText;
use crate::message;

/// The fields of the answer that are not secret.
#[derive(Deserialize)]
struct Lookup {
    data: Token,
}

#[derive(Deserialize)]
struct Token {
    display_name: String,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    ttl: u64,
}

pub(super) fn check(cli: &'static str, address: Option<&str>) -> OwnCheck {
    let name = if cli == "bao" { "BAO_ADDR" } else { "VAULT_ADDR" };
    OwnCheck {
        program: cli,
        arguments: vec!["token".to_owned(), "lookup".to_owned()],
        variables: address.map(|address| (name, address.to_owned())).into_iter().collect(),
        unattended: |_| vec!["-format=json".to_owned()],
        accepted,
        refused,
    }
}

fn accepted(answer: &Answer) -> Option<Accepted> {
    let Token { display_name, policies, ttl } = json(answer, |_: &Lookup| true)?.data;
    let text = message!(
        "the server sees `{}`, with the policies {}, for {ttl} s",
        ForeignText::new(&display_name),
        ForeignText::new(&policies.join(", ")),
        ttl
    );
    Some(Accepted { text, user: display_name })
}

fn refused(failure: &Failure<'_>) -> Refusal {
    if failure.has(&["token helper", "getting token", "yc-id-token: "]) {
        failure.without_credential("the CLI gets no token")
    } else if failure.has(&["Code: 403", "permission denied"]) {
        failure.not_accepted(
            "the server does not accept the token, or got none",
            "check with `yc-id-token vault status` whether there is a token, and whether the CLI calls the server of the profile",
        )
    } else if failure.stderr.trim().is_empty() || failure.has(OF_SERVER) {
        failure.unreached("the server")
    } else {
        failure.misconfigured("the CLI", "the CLI's configuration")
    }
}

/// Texts that identify an error of the network, or a server that is not ready.
const OF_SERVER: &[&str] =
    &["dial tcp", "connection refused", "no such host", "i/o timeout", "Code: 5", "x509: "];

#[cfg(test)]
mod tests {
    use super::super::tests::refusal;
    use super::*;
    use crate::error::Exit;

    #[test]
    fn errors_are_classified_by_their_origin() {
        let of = |stderr: &str| refusal(&check("vault", None), stderr);
        let denied = "Error looking up token: Error making API request.\n\nURL: GET https://v/v1/auth/token/lookup-self\nCode: 403. Errors:\n\n* permission denied";
        assert_eq!(of(denied).0, Some(Exit::Consumer));
        let (exit, problem) =
            of("error getting token: exit status 3\nyc-id-token: there is no role [E_MISSING]");
        assert_eq!(exit, Some(Exit::Configuration));
        assert_eq!(problem, "the CLI gets no token: there is no role [E_MISSING]");
        let down = "Error looking up token: Get \"https://v\": dial tcp 127.0.0.1:1: connect: connection refused";
        assert_eq!(of(down).0, None);
    }
}
