//! `gcloud auth application-default print-access-token` (gcloud reference). It gets an access token with the file that
//! `GOOGLE_APPLICATION_CREDENTIALS` names, as the client libraries do. The token is not shown.

use std::path::Path;

use super::{Accepted, Answer, Failure, OwnCheck, Refusal};
use crate::env;
use crate::foreign_text::ForeignText;

pub(super) fn check(file: &Path) -> OwnCheck {
    let arguments = ["auth", "application-default", "print-access-token"].map(str::to_owned);
    let variables = vec![
        (env::GOOGLE_APPLICATION_CREDENTIALS.name, file.to_string_lossy().into_owned()),
        (env::GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES.name, "1".to_owned()),
    ];
    let (arguments, unattended) = (arguments.to_vec(), |_| vec!["--quiet".to_owned()]);
    OwnCheck { program: "gcloud", arguments, variables, unattended, accepted, refused }
}

fn accepted(answer: &Answer) -> Option<Accepted> {
    let is_token = !answer.stdout.trim_ascii().is_empty();
    is_token.then(|| Accepted {
        text: "Google Cloud gives an access token for the ID token".into(),
        user: String::new(),
    })
}

fn refused(failure: &Failure<'_>) -> Refusal {
    // The error is followed by advice about logging in.
    let mut lines = failure.stderr.lines();
    let reason = lines.find_map(|line| line.strip_prefix("ERROR: "));
    let message = reason
        .map_or_else(|| failure.message.clone(), |line| ForeignText::sentence(reason_of(line)));
    let failure = &Failure { stderr: failure.stderr, message, command: failure.command.clone() };
    if failure.has(&["Executable returned unsuccessful response", "Executable exited"]) {
        failure.without_credential("gcloud gets no ID token")
    } else if failure.has(&[
        "invalid_grant",
        "unauthorized_client",
        "invalid_target",
        "PERMISSION_DENIED",
    ]) {
        failure.not_accepted(
            "Google Cloud does not accept the ID token",
            "compare issuer, audiences and attribute condition of the provider with iss, aud and sub of the token",
        )
    } else if failure.stderr.trim().is_empty() || failure.has(OF_NETWORK) {
        failure.unreached("Google Cloud")
    } else {
        failure.misconfigured("gcloud", "the credential configuration")
    }
}

/// The reason in an error, without the name of the command.
fn reason_of(line: &str) -> &str {
    let known = "There was a problem refreshing your current auth tokens: ";
    let reason = line.strip_prefix('(').and_then(|line| line.split_once(") "));
    let reason = reason.map_or(line, |(_, reason)| reason);
    reason.strip_prefix(known).unwrap_or(reason)
}

/// Texts that identify an error of the network.
const OF_NETWORK: &[&str] = &[
    "Max retries exceeded",
    "Failed to establish a new connection",
    "Connection aborted",
    "timed out",
];

#[cfg(test)]
mod tests {
    use super::super::tests::refusal;
    use super::*;
    use crate::error::Exit;

    #[test]
    fn errors_are_classified_by_their_origin() {
        let of = |stderr: &str| refusal(&check(Path::new("/g.json")), stderr);
        let begin = "ERROR: (gcloud.auth.application-default.print-access-token) There was a problem refreshing your current auth tokens: ";
        let end = "\nPlease run:\n\n  $ gcloud auth login\n\nto select an already authenticated account to use.\n";
        for (reason, exit, problem) in [
            (
                "Executable returned unsuccessful response: code: E_SOURCE_DENIED, message: no",
                Some(Exit::Configuration),
                "gcloud gets no ID token: Executable",
            ),
            (
                "('Error code unauthorized_client: The given credential is rejected by the attribute condition.', '{}')",
                Some(Exit::Consumer),
                "Google Cloud does not accept the ID token: ('Error code unauthorized_client",
            ),
            (
                "HTTPSConnectionPool(host='sts.googleapis.com', port=443): Max retries exceeded with url: /v1/token",
                None,
                "Google Cloud cannot be called: HTTPSConnectionPool",
            ),
        ] {
            let (found, text) = of(&format!("{begin}{reason}{end}"));
            assert_eq!(found, exit, "{reason}");
            assert!(text.starts_with(problem), "{text}");
        }
        assert_eq!(of("ERROR: File g.json was not found.").0, Some(Exit::Configuration));
    }
}
