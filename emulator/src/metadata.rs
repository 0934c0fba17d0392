//! The instance metadata service, which returns IAM tokens of the account attached to a virtual machine.
//!
//! Vendor page *Getting an IAM token from inside a VM*: the path, the header and the answer are known,
//! and so is 404 where no account is attached. That a call without the header gets 403 is assumed,
//! from Google's service of the same interface.

use serde_json::json;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::service::Service;

const TOKEN_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// `GET /computeMetadata/v1/instance/service-accounts/default/token`, the one path of many that is served.
pub(super) fn token(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    if call.request.header("metadata-flavor") != Some("Google") {
        return Err(Refusal::of_status(403, "Missing Metadata-Flavor:Google header"));
    }
    let mut cloud = service.cloud();
    let (TOKEN_PATH, Some(account)) =
        (call.request.path.as_str(), cloud.attached_to_instance.clone())
    else {
        return Err(Refusal::usual(404));
    };
    let issued = cloud.issue_iam_token(&account);
    Ok(Answer::ok(&json!({
        "access_token": issued.token,
        "expires_in": issued.life.as_secs(),
        "token_type": "Bearer",
    })))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emulator, get};
    use super::*;

    #[test]
    fn the_attached_account_is_spoken_for() {
        let emulator = emulator();
        let flavor = [("metadata-flavor", "Google")];
        assert_eq!(get(&emulator, TOKEN_PATH, &flavor).status, 404);
        assert_eq!(get(&emulator, TOKEN_PATH, &[]).status, 403);

        let account = emulator.add_service_account("robot", "b1gfolder");
        emulator.attach_to_instance(Some(&account));
        let reply = get(&emulator, TOKEN_PATH, &flavor);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["expires_in"], 43200);
        assert_eq!(reply.header("x-request-id"), None, "the metadata service is no API");
        emulator.attach_to_instance(None);
        assert_eq!(get(&emulator, TOKEN_PATH, &flavor).status, 404);
    }
}
