//! Reads the messages of yc, for errors.
//!
//! Its errors are at the end of stderr: `ERROR:`, the gRPC code and description, then the request's identifiers and
//! advice for the vendor's support, one paragraph each.

use std::process::ExitStatus;

use super::Call;
use crate::error::{Code, Error};
use crate::foreign_text::{ForeignText, Message};
use crate::jwt::all_claims;
use crate::message;
use crate::source;

/// The output of yc on stderr.
pub(super) struct YcOutput {
    /// The paragraph of the error, or the whole output.
    error: String,
    request_id: Option<ForeignText>,
}

impl YcOutput {
    pub(super) fn read(stderr: &str) -> Self {
        let error = ["ERROR:", "Error:"].iter().filter_map(|mark| stderr.rfind(mark)).max();
        let error = match error {
            Some(at) => {
                let lines = stderr[at + "ERROR:".len()..].trim_start().lines();
                lines.take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ")
            }
            None => stderr.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        let request_id =
            stderr.lines().find_map(|line| line.trim().strip_prefix("server-request-id:"));
        let is_id = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        Self { error, request_id: request_id.map(str::trim).filter(is_id).map(ForeignText::new) }
    }

    /// The error for a failed run.
    pub(super) fn refusal(self, call: &Call<'_>, status: ExitStatus) -> Error {
        if is_page(&self.error) {
            return page(call);
        }
        let (code, hint) = self.meaning(call);
        let reason = match (self.reason(), status.code()) {
            (Some(reason), _) => message!("yc reports: {reason}", reason),
            (None, Some(code)) => {
                message!("yc ended with status {code} and printed no reason", code)
            }
            (None, None) => "yc was killed".into(),
        };
        Error::Refused { what: call.what.into(), code, reason, request_id: self.request_id, hint }
    }

    /// The error for a successful run that printed no token.
    ///
    /// Security: the output is not quoted, because it may be a token in another format.
    pub(super) fn no_token(self, call: &Call<'_>, stdout: &str) -> Error {
        if is_page(stdout) {
            return page(call);
        }
        if stdout.contains("Usage:") {
            let reason = "yc printed its help instead of a token".into();
            let (what, code, hint) = (call.what.into(), Code::SourceRefused, too_old());
            return Error::Refused { what, code, reason, request_id: None, hint };
        }
        let printed =
            if stdout.trim().is_empty() { "nothing" } else { "something that is not a token" };
        let output = self.addition();
        Error::Unreached {
            what: call.what.into(),
            code: Code::Foreign,
            problem: message!("yc printed {printed}{output}", printed, output).into(),
            hint: message!("{} to see what it needs", call.yc.try_it()),
        }
    }

    /// An addition to a message: the output of yc, if there is any.
    pub(super) fn addition(&self) -> Message {
        self.reason()
            .map(|reason| message!("; on standard error: {reason}", reason))
            .unwrap_or_default()
    }

    fn reason(&self) -> Option<ForeignText> {
        let reason = self.error.rsplit("desc = ").next().unwrap_or_default();
        // Security: the lines of a key are short enough to look harmless.
        let reason = reason.split("-----BEGIN").next().unwrap_or_default();
        Some(ForeignText::sentence(reason)).filter(|reason| !reason.is_empty())
    }

    fn meaning(&self, call: &Call<'_>) -> (Code, Message) {
        let has = |marks: &[&str]| marks.iter().any(|mark| self.error.contains(mark));
        // For files, Go prints the same words after a colon.
        let is_denied = has(&["code = PermissionDenied", "PERMISSION_DENIED", "Permission denied"])
            || (has(&["permission denied"]) && !has(&[": permission denied"]));
        let try_it = call.yc.try_it();
        if has(&["unknown command", "unknown flag"]) {
            (Code::SourceRefused, too_old())
        } else if has(&["nauthenticated", "UNAUTHENTICATED"]) {
            let hint = if call.has_actor {
                "the IAM token that yc was given is not accepted; check that the identity is active"
                    .into()
            } else {
                message!(
                    "log in with `yc init`, or set another YC_IAM_TOKEN; then {try_it}",
                    try_it
                )
            };
            (Code::SourceAuth, hint)
        } else if is_denied {
            (Code::SourceDenied, call.grant())
        } else if has(&["code = NotFound", "NOT_FOUND"]) {
            let hint = match call.service_account {
                Some(account) => message!(
                    "check `--service-account`: `{account}` is not known there, or not to {}",
                    call.yc.describe(),
                    account = ForeignText::new(account)
                ),
                None => try_it,
            };
            (Code::SourceNotFound, hint)
        } else if has(&[
            "code = Unavailable",
            "UNAVAILABLE",
            "code = DeadlineExceeded",
            "code = ResourceExhausted",
            "connection refused",
            "no such host",
            "i/o timeout",
            "network is unreachable",
        ]) {
            (Code::Unavailable, message!("try again; if it persists, {try_it}", try_it))
        } else {
            (
                Code::SourceRefused,
                message!("{try_it} to see more; yc is set up with `yc init`", try_it),
            )
        }
    }
}

/// Whether this is a JWT. Its signature is not checked.
pub(super) fn is_jwt(text: &str) -> bool {
    all_claims(text).is_ok()
}

/// Whether this is an IAM token, and not a sentence about one.
pub(super) fn is_iam_token(text: &str) -> bool {
    source::is_iam_token(text) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_page(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("<html") || text.contains("<!doctype")
}

fn page(call: &Call<'_>) -> Error {
    Error::Unreached {
        what: call.what.into(),
        code: Code::Foreign,
        problem: "yc printed a web page".into(),
        hint: message!(
            "sign in to the network if it has a login page, and check yc's proxy; then {}",
            call.yc.try_it()
        ),
    }
}

fn too_old() -> Message {
    "this yc is too old for `yc iam create-id-token`: run `yc components update`".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_and_its_request_id_are_read_from_ycs_output() {
        let output = YcOutput::read(
            "A new version is available.\nERROR: iam token create failed: rpc error: code = NotFound desc = Subject not\nfound.\n\n\n\
             server-request-id: e4a1ac3f-e7e8\nclient-request-id: 1a4f56c1\n\nUse server-request-id for investigation\n",
        );
        assert_eq!(output.reason().as_deref(), Some("Subject not found"));
        assert_eq!(output.request_id.as_deref(), Some("e4a1ac3f-e7e8"));
        assert_eq!(YcOutput::read("one\n\n two\n").addition(), "; on standard error: one two");
        let none = YcOutput::read(" \nserver-request-id: t1.abc.def\n");
        assert_eq!(none.request_id, None, "that is no identifier");
    }

    #[test]
    fn secrets_in_ycs_output_are_not_repeated() {
        let token = "t1.9euelZq.hunter2";
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}", "hunter2/".repeat(8));
        for stderr in
            [format!("ERROR: token {token} expired"), format!("ERROR: bad key {key}"), key]
        {
            let reason = YcOutput::read(&stderr).reason().unwrap_or_default();
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn a_host_name_or_a_sentence_is_not_a_token() {
        assert!(!is_iam_token("t1.abc.def will expire"));
        assert!(!is_jwt("api.cloud.yandex"));
        assert!(is_jwt("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
    }
}
