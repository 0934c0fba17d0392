//! How a client finds the other services: the issuer's discovery document and the list of API endpoints.
//!
//! Known: both addresses, and the format of the endpoints (cloudapi `api_endpoint_service.proto`: `address` has a port
//! and no scheme; the OAuth host is not in the list). Assumed: the discovery document, which has exactly what section 3
//! of its specification (OIDC Discovery 1.0) requires.

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::service::Service;

/// The endpoints that a lookup of accounts and folders needs.
const ENDPOINT_IDS: [&str; 2] = ["iam", "resource-manager"];

/// `GET /.well-known/openid-configuration`
pub(super) fn openid_configuration(service: &Service) -> Answer {
    let url = &service.url;
    Answer::ok(&json!({
        "issuer": service.issuer.name,
        "authorization_endpoint": format!("{url}/oauth/authorize"),
        "token_endpoint": format!("{url}/oauth/token"),
        "jwks_uri": format!("{url}/oauth/jwks/keys"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

/// `GET /endpoints` and `GET /endpoints/{api_endpoint_id}`
pub(super) fn endpoints(service: &Service, call: &Call) -> Result<Answer, Refusal> {
    let address =
        service.url.split_once("://").map_or(service.url.as_str(), |(_, address)| address);
    let endpoint = |id: &str| json!({ "id": id, "address": address });
    match call.request.path.strip_prefix("/endpoints/") {
        None => {
            let all: Vec<Value> = ENDPOINT_IDS.into_iter().map(endpoint).collect();
            Ok(Answer::ok(&json!({ "endpoints": all })))
        }
        Some(id) if ENDPOINT_IDS.contains(&id) => Ok(Answer::ok(&endpoint(id))),
        Some(id) => Err(Refusal::not_found(format!("Endpoint {id} not found"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emulator, get};
    use super::super::{Emulator, Options};
    use super::*;

    #[test]
    fn discovery_names_the_issuer_of_the_tokens_and_this_host() {
        let issuer = Some("https://auth.yandex.cloud".to_owned());
        let emulator = Emulator::start_with(Options { issuer, ..Options::default() }).unwrap();
        let document = get(&emulator, "/.well-known/openid-configuration", &[]).json();
        assert_eq!(document["issuer"], "https://auth.yandex.cloud");
        assert_eq!(document["jwks_uri"], emulator.jwks_url());
        let jwks = get(&emulator, "/oauth/jwks/keys", &[]).json();
        assert_eq!(jwks["keys"][0]["e"], "AQAB");
    }

    #[test]
    fn endpoints_have_no_scheme() {
        let emulator = emulator();
        let address = emulator.url().trim_start_matches("http://");
        let list = get(&emulator, "/endpoints", &[]).json();
        assert_eq!(list["endpoints"][0], json!({ "id": "iam", "address": address }));
        assert_eq!(list["endpoints"][1]["id"], "resource-manager");
        assert_eq!(get(&emulator, "/endpoints/iam", &[]).json()["address"], address);
        assert_eq!(get(&emulator, "/endpoints/compute", &[]).status, 404);
    }
}
