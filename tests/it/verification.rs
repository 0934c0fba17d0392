//! A token that differs from the request is never returned and never cached. The vendor's response format does not
//! matter.

use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token::clock::{Clock, Timestamp};
use yc_id_token_emulator::{
    AudienceClaim, ErrorShape, ExpiryClaim, Fault, IdTokenVariant, Route, TokenField, TokenForm,
};

use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";

#[test]
fn a_wrong_token_is_rejected_and_not_cached() {
    let sandbox = Sandbox::new();
    let usual = IdTokenVariant::default;
    for (variant, difference) in [
        (IdTokenVariant { audience: AudienceClaim::Wrong, ..usual() }, "it is for audience"),
        (IdTokenVariant { wrong_subject: true, ..usual() }, "it is for service account"),
        (IdTokenVariant { expiry: ExpiryClaim::Past, ..usual() }, "it has expired at"),
        (IdTokenVariant { expiry: ExpiryClaim::Absent, ..usual() }, "it has no expiration time"),
        (IdTokenVariant { issued_at_shift: 600, ..usual() }, "it is issued at"),
        (IdTokenVariant { not_before: Some(600), ..usual() }, "it is not valid before"),
        (IdTokenVariant { form: TokenForm::Unsigned, ..usual() }, "it is not signed"),
        (IdTokenVariant { form: TokenForm::Garbage, ..usual() }, "it is not a JWT"),
    ] {
        sandbox.cloud.set_id_token_variant(variant);
        let (message, _) = sandbox
            .run(&["token", "--audience", AUDIENCE, "--force-refresh"])
            .fails(4, "E_SOURCE_TOKEN");
        let start = format!("cannot use an ID token for audience `{AUDIENCE}`: {difference}");
        assert!(message.starts_with(&start), "{message}");
        assert!(sandbox.entries("id-token").is_empty());
    }
    sandbox.cloud.set_id_token_variant(usual());
    sandbox.run(&["token", "--audience", AUDIENCE, "--force-refresh"]).ok();
}

#[test]
fn the_right_token_is_found_in_every_response_format() {
    let sandbox = Sandbox::new();
    let usual = IdTokenVariant::default;
    for variant in [
        IdTokenVariant { token_field: TokenField::IdToken, ..usual() },
        IdTokenVariant { expires_in: false, issued_token_type: false, ..usual() },
        IdTokenVariant { audience: AudienceClaim::Array, ..usual() },
        IdTokenVariant { issued_at_shift: 30, ..usual() },
        IdTokenVariant { issued_at_shift: -30, ..usual() },
    ] {
        let case = format!("{variant:?}");
        sandbox.cloud.set_id_token_variant(variant);
        let token = sandbox.run(&["token", "--audience", AUDIENCE, "--force-refresh"]).ok();
        assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str(), "{case}");
    }
}

#[test]
fn a_token_without_expiry_is_renewed_within_a_day() {
    let sandbox = Sandbox::new();
    let life = Some(Duration::from_secs(7_000 * 365 * 24 * 3600));
    sandbox.cloud.set_id_token_variant(IdTokenVariant { life, ..IdTokenVariant::default() });
    let text = sandbox.run(&["kubectl", "--audience", AUDIENCE]).ok();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let end = Timestamp::parse_rfc3339(answer["status"]["expirationTimestamp"].as_str().unwrap());
    let left = end.unwrap().since(Clock::System.now().at);
    assert!(left <= Duration::from_secs(24 * 3600), "{text}");
}

#[test]
fn the_expiry_of_an_iam_token_is_read_optional_and_validated() {
    for (end, refused) in [
        (json!("2026-11-27T19:00:00Z"), Some("it has expired at 2026-11-27T19:00:00Z")),
        (json!("2036-11-27T19:00:00"), Some("the expiry `2036-11-27T19:00:00`")),
        (json!("2036-11-27T19:00:61Z"), Some(", which is not a time")),
        (json!("soon"), Some("the expiry `soon`")),
        (json!("2036-11-27T19:00:00.123456789+03:00"), None),
        (json!(""), None),
        (Value::Null, None),
    ] {
        let sandbox = Sandbox::new();
        let token = sandbox.cloud.issue_iam_token(&sandbox.account);
        let body = json!({ "iamToken": token, "expiresAt": end }).to_string();
        let content_type = "application/json".into();
        sandbox.cloud.script(Route::IamToken, [Fault::Body { status: 200, content_type, body }]);
        let outcome = sandbox.run(&["token", "--audience", AUDIENCE]);
        match refused {
            Some(problem) => {
                let (message, _) = outcome.fails(4, "E_SOURCE_TOKEN");
                assert!(message.contains(problem), "{message}");
            }
            None => drop(outcome.ok()),
        }
    }
}

#[test]
fn an_empty_iam_token_is_rejected_before_use() {
    let sandbox = Sandbox::new();
    let body = json!({ "iamToken": "", "expiresAt": "2036-11-27T19:00:00Z" }).to_string();
    let content_type = "application/json".into();
    sandbox.cloud.script(Route::IamToken, [Fault::Body { status: 200, content_type, body }]);
    let (message, _) = sandbox.run(&["token", "--audience", AUDIENCE]).fails(4, "E_SOURCE_TOKEN");
    assert!(message.ends_with("it is empty"), "{message}");
    assert_eq!(sandbox.token_requests(), (1, 0));
}

#[test]
fn a_refusal_is_parsed_in_both_formats() {
    for error_shape in [ErrorShape::OAuth, ErrorShape::RpcStatus] {
        let sandbox = Sandbox::new();
        sandbox
            .cloud
            .set_id_token_variant(IdTokenVariant { error_shape, ..IdTokenVariant::default() });
        sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
        let (message, hint) =
            sandbox.run(&["token", "--audience", AUDIENCE]).fails(4, "E_SOURCE_DENIED");
        assert!(message.contains("(request id "), "{message}");
        assert!(hint.contains("iam.serviceAccounts.tokenCreator"), "{hint}");
    }
}

#[test]
fn a_wrong_local_clock_neither_rejects_nor_keeps_tokens_wrongly() {
    for shift in [-7200, 7200] {
        let sandbox = Sandbox::new();
        sandbox.cloud.set_clock_shift(shift);
        let first = sandbox.run(&["kubectl", "--audience", AUDIENCE]).ok();
        assert_eq!(
            sandbox.token_requests(),
            (2, 1),
            "an assertion of another time is refused once"
        );
        assert_eq!(
            sandbox.run(&["kubectl", "--audience", AUDIENCE]).ok(),
            first,
            "kept, {shift} s off"
        );
        assert_eq!(sandbox.token_requests(), (2, 1));

        let answer: Value = serde_json::from_str(&first).unwrap();
        let expires = claims(answer["status"]["token"].as_str().unwrap())["exp"].as_i64().unwrap();
        let reported = answer["status"]["expirationTimestamp"].as_str().unwrap();
        let reported = Timestamp::parse_rfc3339(reported).unwrap().unix_seconds();
        let here = expires - shift - 60;
        assert!(
            (here - 2..=here + 2).contains(&reported),
            "kubectl judges by the clock of this machine"
        );
    }
}
