//! The instance metadata service: the service account that is attached to a virtual machine, and its IAM tokens.
//!
//! Vendor pages *Getting an IAM token from inside a VM* and *Metadata folders*: known are the path, the header and the
//! answer of a token, and 404 without an attached account. The folder of service accounts lists `default/`, or nothing
//! without an attached account. Whether it can name the account is not documented, so that is an option. Assumed from
//! Google's service with the same interface: 403 without the header, the folder as JSON with `recursive=true`, and how
//! it names an account.

use serde_json::json;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::service::Service;

const ACCOUNTS_PATH: &str = "/computeMetadata/v1/instance/service-accounts/";
const TOKEN_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// `GET /computeMetadata/…`: the two paths that are served.
pub(super) fn answer(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    if call.request.header("metadata-flavor") != Some("Google") {
        return Err(Refusal::of_status(403, "Missing Metadata-Flavor:Google header"));
    }
    match call.request.path.as_str() {
        ACCOUNTS_PATH => Ok(accounts(service, call)),
        TOKEN_PATH => token(service),
        _ => Err(Refusal::usual(404)),
    }
}

fn token(service: &Service) -> Result<Answer, Refusal> {
    let mut cloud = service.cloud();
    let account = cloud.attached_to_instance.clone().ok_or_else(|| Refusal::usual(404))?;
    let issued = cloud.issue_iam_token(&account);
    Ok(Answer::ok(&json!({
        "access_token": issued.token,
        "expires_in": issued.life.as_secs(),
        "token_type": "Bearer",
    })))
}

fn accounts(service: &Service, call: &Call) -> Answer {
    let cloud = service.cloud();
    let account = cloud.attached_to_instance.as_deref();
    let named = account.filter(|_| cloud.names_attached_account);
    if call.request.query.split('&').any(|part| part == "recursive=true") {
        return Answer::ok(&match (account, named) {
            (_, Some(id)) => json!({ "default": { "aliases": ["default"], "email": id }, id: {} }),
            (Some(_), None) => json!({ "default": {} }),
            (None, None) => json!({}),
        });
    }
    let listed = ["default"].into_iter().filter(|_| account.is_some()).chain(named);
    let listed: Vec<String> = listed.map(|name| format!("{name}/")).collect();
    Answer::new(200, "text/plain", listed.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emulator, get};
    use super::*;

    const FLAVOR: [(&str, &str); 1] = [("metadata-flavor", "Google")];

    #[test]
    fn the_attached_account_gets_tokens() {
        let emulator = emulator();
        assert_eq!(get(&emulator, TOKEN_PATH, &FLAVOR).status, 404);
        assert_eq!(get(&emulator, TOKEN_PATH, &[]).status, 403);

        let account = emulator.add_service_account("robot", "b1gfolder");
        emulator.attach_to_instance(Some(&account));
        let reply = get(&emulator, TOKEN_PATH, &FLAVOR);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["expires_in"], 43200);
        assert_eq!(reply.header("x-request-id"), None, "the metadata service is no API");
        emulator.attach_to_instance(None);
        assert_eq!(get(&emulator, TOKEN_PATH, &FLAVOR).status, 404);
    }

    #[test]
    fn the_folder_of_accounts_names_the_account_if_enabled() {
        let emulator = emulator();
        let recursive = format!("{ACCOUNTS_PATH}?recursive=true");
        let tree = || get(&emulator, &recursive, &FLAVOR).json();
        assert_eq!(tree(), json!({}));
        let account = emulator.add_service_account("robot", "b1gfolder");
        emulator.attach_to_instance(Some(&account));
        assert_eq!(tree(), json!({ "default": {} }), "as the vendor documents it");
        emulator.name_attached_account(true);
        assert_eq!(tree()["default"]["email"], account);
        assert_eq!(get(&emulator, ACCOUNTS_PATH, &FLAVOR).status, 200);
        assert_eq!(get(&emulator, ACCOUNTS_PATH, &[]).status, 403);
    }
}
