//! `/oauth/token`: two exchanges of RFC 8693 at one address, distinguished by `requested_token_type`.
//!
//! * `id_token`: the exchange that `yc iam create-id-token` probably uses. The request is third-party evidence from one
//!   source; the answer follows RFC 8693; every refusal is assumed.
//!
//! * `access_token`: workload identity federation, an external JWT for an IAM token. Known from the vendor's page
//!   *Exchanging a JWT for an IAM token*. A JWT is trusted if it is registered, so federation settings cannot be
//!   tested.

use serde_json::json;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::id_token::Grant;
use super::service::Service;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// `POST /oauth/token`
pub(super) fn exchange(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    call.must_be_form()?;
    let grant_type = call.required_field("grant_type")?;
    if grant_type != TOKEN_EXCHANGE {
        return Err(Refusal::invalid_argument(format!("`grant_type` must be {TOKEN_EXCHANGE}"))
            .named("unsupported_grant_type"));
    }
    match call.required_field("requested_token_type")? {
        ID_TOKEN => id_token(service, call),
        ACCESS_TOKEN => federated_iam_token(service, call),
        _ => Err(Refusal::invalid_argument("`requested_token_type` is not supported")),
    }
}

/// The subject is a service account; the actor is the subject of the IAM token.
fn id_token(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    let subject_token_type = call.required_field("subject_token_type")?;
    if subject_token_type != service.cloud().subject_token_type {
        let problem = format!("Unsupported subject_token_type: {subject_token_type}");
        return Err(Refusal::invalid_argument(problem));
    }
    must_be(call, "actor_token_type", ACCESS_TOKEN)?;
    let subject = call.required_field("subject_token")?;
    let actor_token = call.required_field("actor_token")?;
    // The vendor documents this default for `yc`; that the server has it too is assumed.
    let audience = call.field("audience")?.unwrap_or(subject);

    let (variant, life, clock) = {
        let cloud = service.cloud();
        let Some(actor) = cloud.subject_of(actor_token) else {
            return Err(Refusal::usual(401));
        };
        if cloud.service_account(subject).is_none() {
            return Err(Refusal::not_found(format!("Service account {subject} not found")));
        }
        if !cloud.is_token_creator(subject, actor) {
            return Err(Refusal::permission_denied());
        }
        (cloud.id_token_variant.clone(), cloud.id_token_life, cloud.clock)
    };

    // Signing takes a millisecond or more, so the lock is released meanwhile.
    let life = variant.life.unwrap_or(life);
    let token = service
        .issuer
        .id_token(&variant, &Grant { subject, audience, life, clock })
        .map_err(|error| Refusal::internal(format!("cannot sign: {error}")))?;
    service.cloud().keep_secret(&token);

    let mut answer = json!({ variant.token_field.name(): token, "token_type": "Bearer" });
    if variant.issued_token_type {
        answer["issued_token_type"] = json!(ID_TOKEN);
    }
    if variant.expires_in {
        answer["expires_in"] = json!(life.as_secs());
    }
    Ok(Answer::ok(&answer))
}

/// The subject is an external JWT; `audience` is the service account to act as.
fn federated_iam_token(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    must_be(call, "subject_token_type", ID_TOKEN)?;
    let external_jwt = call.required_field("subject_token")?;
    let service_account_id = call.required_field("audience")?;

    let mut cloud = service.cloud();
    if !cloud.is_federated(external_jwt, service_account_id) {
        return Err(Refusal::invalid_argument("No federated credential matches the subject token"));
    }
    let issued = cloud.issue_iam_token(service_account_id);
    Ok(Answer::ok(&json!({
        "access_token": issued.token,
        "token_type": "Bearer",
        "expires_in": issued.life.as_secs(),
    })))
}

fn must_be(call: &Call, name: &str, expected: &str) -> Result<(), Refusal> {
    if call.required_field(name)? == expected {
        Ok(())
    } else {
        Err(Refusal::invalid_argument(format!("`{name}` must be {expected}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cloud::SUBJECT_ID;
    use super::super::testing::{Reply, claims_of, emulator, post_form};
    use super::super::{Emulator, ErrorShape, IdTokenVariant, TokenField};
    use super::*;

    /// The exchange of a correct client with some fields changed; an empty value omits the field.
    fn exchange_with(
        emulator: &Emulator,
        account: &str,
        actor: &str,
        changes: &[(&str, &str)],
    ) -> Reply {
        let usual = [
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", ID_TOKEN),
            ("subject_token", account),
            ("subject_token_type", SUBJECT_ID),
            ("actor_token", actor),
            ("actor_token_type", ACCESS_TOKEN),
            ("audience", "k8s"),
        ];
        let fields: Vec<(&str, &str)> = usual
            .into_iter()
            .map(|(name, value)| {
                let change = changes.iter().find(|(changed, _)| *changed == name);
                (name, change.map_or(value, |(_, value)| *value))
            })
            .filter(|(_, value)| !value.is_empty())
            .collect();
        post_form(emulator, "/oauth/token", &fields)
    }

    #[test]
    fn an_iam_token_becomes_an_id_token() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let actor = emulator.issue_iam_token(&account);

        let reply = exchange_with(&emulator, &account, &actor, &[]);
        assert_eq!(reply.status, 200);
        let answer = reply.json();
        assert_eq!(answer["issued_token_type"], ID_TOKEN);
        assert_eq!(answer["expires_in"], 3600);
        let token = answer["access_token"].as_str().unwrap();
        let claims = claims_of(token);
        assert_eq!(claims["iss"], emulator.issuer());
        assert_eq!(claims["sub"], account.as_str());
        assert_eq!(claims["aud"], "k8s");
        assert!(emulator.secrets().iter().any(|secret| secret == token));
        assert!(!emulator.secrets().contains(&account));

        let reply = exchange_with(&emulator, &account, &actor, &[("audience", "")]).json();
        assert_eq!(claims_of(reply["access_token"].as_str().unwrap())["aud"], account.as_str());
    }

    #[test]
    fn refusals_have_the_chosen_format() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let actor = emulator.issue_iam_token(&account);
        let stranger = emulator.issue_iam_token("ajestranger");

        let refusals = [
            (
                exchange_with(&emulator, &account, &actor, &[("grant_type", "password")]),
                400,
                "unsupported_grant_type",
            ),
            (
                exchange_with(&emulator, &account, &actor, &[("actor_token_type", "")]),
                400,
                "invalid_request",
            ),
            (exchange_with(&emulator, &account, "t1.unknown.token", &[]), 401, "invalid_token"),
            (exchange_with(&emulator, &account, &stranger, &[]), 403, "access_denied"),
            (exchange_with(&emulator, "ajeunknown", &actor, &[]), 404, "invalid_request"),
        ];
        for (reply, status, error) in refusals {
            assert_eq!((reply.status, reply.json()["error"].as_str()), (status, Some(error)));
        }

        let error_shape = ErrorShape::RpcStatus;
        emulator.set_id_token_variant(IdTokenVariant { error_shape, ..Default::default() });
        let reply = exchange_with(&emulator, &account, &stranger, &[]);
        assert_eq!((reply.status, reply.json()["code"].as_i64()), (403, Some(7)));
    }

    #[test]
    fn the_subject_token_type_can_be_another() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let actor = emulator.issue_iam_token(&account);
        emulator.accept_subject_token_type("urn:other:subject");
        let refused = exchange_with(&emulator, &account, &actor, &[]);
        assert_eq!(refused.status, 400);
        let problem = format!("Unsupported subject_token_type: {SUBJECT_ID}");
        assert_eq!(refused.json()["error_description"], problem);
        let change = [("subject_token_type", "urn:other:subject")];
        assert_eq!(exchange_with(&emulator, &account, &actor, &change).status, 200);
    }

    #[test]
    fn a_repeated_field_is_rejected() {
        let emulator = emulator();
        let twice = [("grant_type", TOKEN_EXCHANGE), ("grant_type", TOKEN_EXCHANGE)];
        let reply = post_form(&emulator, "/oauth/token", &twice);
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error_description"].as_str().unwrap().contains("more than once"));
    }

    #[test]
    fn fields_of_the_answer_vary() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let actor = emulator.issue_iam_token(&account);
        emulator.set_id_token_variant(IdTokenVariant {
            token_field: TokenField::IdToken,
            expires_in: false,
            issued_token_type: false,
            ..Default::default()
        });
        let answer = exchange_with(&emulator, &account, &actor, &[]).json();
        let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(names, ["id_token", "token_type"]);
    }

    #[test]
    fn a_registered_external_token_becomes_an_iam_token() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        emulator.federate("external.jwt.signature", &account);
        let exchange_with = |jwt: &str| {
            let fields = [
                ("grant_type", TOKEN_EXCHANGE),
                ("requested_token_type", ACCESS_TOKEN),
                ("audience", account.as_str()),
                ("subject_token", jwt),
                ("subject_token_type", ID_TOKEN),
            ];
            post_form(&emulator, "/oauth/token", &fields)
        };
        assert!(
            exchange_with("external.jwt.signature").json()["access_token"]
                .as_str()
                .unwrap()
                .starts_with("t1.")
        );
        let refused = exchange_with("another.jwt.signature");
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (400, Some("invalid_request"))
        );
        assert!(emulator.secrets().contains(&"another.jwt.signature".to_owned()));
    }
}
