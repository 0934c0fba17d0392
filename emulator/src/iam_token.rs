//! `IamTokenService`: creates IAM tokens, also for another account, and revokes them.
//!
//! cloudapi `yandex/cloud/iam/v1/iam_token_service.proto` in its REST form. Known: the calls, their fields, the format
//! of a refusal. Assumed: most messages, and the statuses of unknown accounts and tokens.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::assertion;
use super::call::Call;
use super::clock;
use super::cloud::IssuedIamToken;
use super::service::Service;

/// `POST /iam/v1/tokens`
pub(super) fn create(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        jwt: Option<String>,
        yandex_passport_oauth_token: Option<String>,
    }

    let body: Body = call.json()?;
    let subject_id = match (body.jwt, body.yandex_passport_oauth_token) {
        (Some(jwt), None) => assertion::verify(service, &jwt)?,
        (None, Some(token)) => {
            let person = service.cloud().person(&token).map(str::to_owned);
            person.ok_or_else(|| Refusal::unauthenticated("OAuth token is invalid or expired"))?
        }
        _ => {
            return Err(Refusal::invalid_argument(
                "Exactly one of the fields of identity must be set",
            ));
        }
    };
    let mut cloud = service.cloud();
    cloud.has_authenticated(&subject_id);
    Ok(issued(&cloud.issue_iam_token(&subject_id)))
}

/// `POST /iam/v1/tokens:createForServiceAccount`
pub(super) fn create_for_service_account(
    service: &Service,
    call: &Call,
) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        service_account_id: String,
    }

    let subject = service.authenticate(call)?;
    let wanted = call.json::<Body>()?.service_account_id;
    let mut cloud = service.cloud();
    if cloud.service_account(&wanted).is_none() {
        return Err(Refusal::not_found(format!("Service account {wanted} not found")));
    }
    if !cloud.is_token_creator(&wanted, &subject) {
        return Err(Refusal::permission_denied());
    }
    Ok(issued(&cloud.issue_iam_token(&wanted)))
}

/// `POST /iam/v1/tokens:revoke`
pub(super) fn revoke(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        iam_token: String,
    }

    service.authenticate(call)?;
    let token = call.json::<Body>()?.iam_token;
    match service.cloud().revoke_iam_token(&token) {
        Some(subject_id) => Ok(Answer::ok(&json!({ "subjectId": subject_id }))),
        None => Err(Refusal::invalid_argument("The IAM token to revoke is invalid or has expired")),
    }
}

fn issued(token: &IssuedIamToken) -> Answer {
    Answer::ok(&json!({
        "iamToken": token.token,
        "expiresAt": clock::rfc3339_nanos(token.expires_at),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{emulator, post_json};

    const FOR_ACCOUNT: &str = "/iam/v1/tokens:createForServiceAccount";

    #[test]
    fn only_permitted_subjects_can_impersonate_an_account() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let other = emulator.add_service_account("other", "b1gfolder");
        let bearer = format!("Bearer {}", emulator.issue_iam_token(&other));
        let ask = |authorization: &str, id: &str| {
            let headers = [("authorization", authorization), ("x-request-id", "e38e71c3")];
            post_json(&emulator, FOR_ACCOUNT, &headers, &json!({ "serviceAccountId": id }))
        };

        let denied = ask(&bearer, &account);
        assert_eq!(denied.status, 403);
        assert_eq!(denied.json()["code"], 7);
        assert_eq!(denied.json()["details"][0]["requestId"], "e38e71c3");
        assert_eq!(denied.header("x-request-id"), Some("e38e71c3"));
        assert!(denied.header("x-server-trace-id").is_some());

        emulator.grant_token_creator(&account, &other);
        let granted = ask(&bearer, &account);
        assert_eq!(granted.status, 200);
        assert!(granted.json()["iamToken"].as_str().unwrap().starts_with("t1."));
        let expires_at = granted.json()["expiresAt"].as_str().unwrap().to_owned();
        assert_eq!(expires_at.len(), "2026-01-01T12:00:00.123456789Z".len());

        assert_eq!(ask(&bearer, "ajeunknown").status, 404);
        assert_eq!(ask("Bearer t1.unknown.token", &account).status, 401);
        assert_eq!(ask("Basic x", &account).status, 401);
    }

    #[test]
    fn a_revoked_token_is_rejected() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let token = emulator.issue_iam_token(&account);
        let bearer = format!("Bearer {token}");
        let revoke = || {
            let headers = [("authorization", bearer.as_str())];
            post_json(&emulator, "/iam/v1/tokens:revoke", &headers, &json!({ "iamToken": token }))
        };
        assert_eq!(revoke().json()["subjectId"], Value::String(account.clone()));
        let again = revoke();
        assert_eq!((again.status, again.json()["code"].as_i64()), (401, Some(16)));
    }

    #[test]
    fn exactly_one_identity_must_be_given() {
        let emulator = emulator();
        let ask = |body: Value| post_json(&emulator, "/iam/v1/tokens", &[], &body).status;
        assert_eq!(ask(json!({})), 400);
        assert_eq!(ask(json!({ "jwt": "a.b.c", "yandexPassportOauthToken": "y0_x" })), 400);
        assert_eq!(ask(json!({ "yandexPassportOauthToken": "y0_x" })), 401);
        assert_eq!(ask(json!({ "JWT": "a.b.c" })), 400);
    }
}
