//! `aws sts get-caller-identity`, which AWS allows for every valid key (AWS CLI Command Reference).

use serde::Deserialize;

use super::{Accepted, Answer, Failure, OwnCheck, Refusal};
use crate::command::query::json;
use crate::foreign_text::ForeignText;
use crate::message;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity {
    arn: String,
}

pub(super) fn check(profile: &str) -> OwnCheck {
    let arguments =
        ["sts", "get-caller-identity", "--profile", profile].map(str::to_owned).to_vec();
    // The AWS CLI's own time limits are per attempt, so none is set.
    let unattended = |_| vec!["--output=json".to_owned()];
    OwnCheck { program: "aws", arguments, variables: Vec::new(), unattended, accepted, refused }
}

fn accepted(answer: &Answer) -> Option<Accepted> {
    let CallerIdentity { arn } = json(answer, |_: &CallerIdentity| true)?;
    let text = message!("AWS sees `{}`", ForeignText::new(&arn));
    Some(Accepted { text, user: arn })
}

fn refused(failure: &Failure<'_>) -> Refusal {
    if failure.has(&["custom-process", "Unable to locate credentials", "credential_process"]) {
        failure.without_credential("the AWS CLI gets no keys")
    } else if failure.has(&["An error occurred ("]) {
        failure.not_accepted(
            "AWS does not accept the keys",
            "compare the role's trust policy with iss, aud and sub of the token",
        )
    } else if failure.stderr.trim().is_empty() || failure.has(OF_NETWORK) {
        failure.unreached("AWS")
    } else {
        failure.misconfigured("the AWS CLI", "the AWS configuration")
    }
}

/// Texts that identify an error of the network.
const OF_NETWORK: &[&str] =
    &["Could not connect to the endpoint URL", "timeout on endpoint URL", "Connection was closed"];

#[cfg(test)]
mod tests {
    use super::super::tests::refusal;
    use super::*;
    use crate::error::Exit;

    #[test]
    fn errors_are_classified_by_their_origin() {
        let of = |stderr: &str| refusal(&check("p"), stderr);
        let (exit, problem) = of(
            "\nError when retrieving credentials from custom-process: yc-id-token: the role to assume is missing [E_MISSING]\nyc-id-token: hint: set it\n",
        );
        assert_eq!(exit, Some(Exit::Configuration));
        assert_eq!(problem, "the AWS CLI gets no keys: the role to assume is missing [E_MISSING]");
        let (exit, problem) = of(
            "\nAn error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: no",
        );
        assert_eq!(exit, Some(Exit::Consumer), "{problem}");
        assert_eq!(of("Could not connect to the endpoint URL: \"https://sts/\"").0, None);
        let absent = of("The config profile (p) could not be found");
        assert_eq!(absent.0, Some(Exit::Configuration));
    }
}
