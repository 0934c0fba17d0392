//! `kubectl auth whoami`, available since kubectl 1.27.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Accepted, Answer, Failure, OwnCheck, Refusal};
use crate::command::query::json;
use crate::foreign_text::ForeignText;
use crate::message;

pub(super) fn check(context: &str, kubeconfig: Option<&Path>) -> OwnCheck {
    let mut arguments =
        vec!["auth".to_owned(), "whoami".to_owned(), format!("--context={context}")];
    arguments.extend(kubeconfig.map(|path| format!("--kubeconfig={}", path.display())));
    OwnCheck { program: "kubectl", arguments, variables: Vec::new(), unattended, accepted, refused }
}

fn unattended(limit: Duration) -> Vec<String> {
    vec!["--output=json".to_owned(), format!("--request-timeout={}ms", limit.as_millis())]
}

fn accepted(answer: &Answer) -> Option<Accepted> {
    let name = |review: &Value| Some(review["status"]["userInfo"]["username"].as_str()?.to_owned());
    let review = json(answer, |review| name(review).is_some())?;
    let text = message!("the API server sees `{}`", ForeignText::new(&name(&review)?));
    Some(Accepted { text, user: review["status"]["userInfo"].to_string() })
}

fn refused(failure: &Failure<'_>) -> Refusal {
    if failure.has(&["Unauthorized", "must be logged in"]) {
        failure.not_accepted(
            "the API server does not accept the token",
            "compare iss, aud and sub of the token with the API server's AuthenticationConfiguration or --oidc flags",
        )
    } else if failure.has(&["getting credentials:"]) {
        failure.without_credential("kubectl gets no token")
    } else if failure.stderr.trim().is_empty() || failure.has(OF_SERVER) {
        failure.unreached("the API server")
    } else if failure.has(&["unknown command \"whoami\""]) {
        Refusal {
            exit: None,
            problem: "this kubectl has no `auth whoami`, which 1.27 has".into(),
            hint: "try `kubectl get --raw /version`, or use a newer kubectl".into(),
        }
    } else {
        failure.misconfigured("kubectl", "the context, its user or its cluster")
    }
}

/// Texts that identify an error of the network or the server, not of kubectl's configuration. The server of a private
/// network may be unreachable at the moment.
const OF_SERVER: &[&str] = &[
    "Unable to connect to the server",
    "The connection to the server",
    "Error from server",
    "API is not enabled",
    "the server ",
    "timed out",
    "deadline exceeded",
    "Client.Timeout",
];

#[cfg(test)]
mod tests {
    use super::super::tests::refusal;
    use super::*;
    use crate::error::Exit;

    #[test]
    fn errors_are_classified_by_their_origin() {
        let of = |stderr: &str| refusal(&check("c", None), stderr);
        let (exit, problem) = of("error: You must be logged in to the server (Unauthorized)");
        assert_eq!(exit, Some(Exit::Consumer));
        assert!(problem.starts_with("the API server does not accept the token"), "{problem}");
        let (exit, problem) = of(
            "yc-id-token: there is no profile `x` [E_CONFIG]\nyc-id-token: hint: y\nUnable to connect to the server: getting credentials: exec: it failed",
        );
        assert_eq!(exit, Some(Exit::Configuration));
        assert_eq!(problem, "kubectl gets no token: there is no profile `x` [E_CONFIG]");
        assert_eq!(of("Unable to connect to the server: EOF").0, None);
        assert_eq!(of("error: context \"x\" does not exist").0, Some(Exit::Configuration));
    }
}
