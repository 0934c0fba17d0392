//! Google's security token service and its IAM credentials API on loopback, with strict checks: a request must match
//! the documentation ("Method: token", "Method: generateAccessToken") exactly, and a token must be accepted by the
//! issuer's key, its claims and the provider's attribute condition.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};
use yc_id_token::jwt;

use super::http_get;
use crate::fake_server::{FakeServer, Reply, Request};
use crate::fake_sts::form_fields;
use crate::sandbox::{Sandbox, claims};

pub const PROVIDER: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/yandex-cloud/providers/yandex-cloud";
pub const EMAIL: &str = "robot@my-project.iam.gserviceaccount.com";

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const SCOPE_TO_IMPERSONATE: &str = "https://www.googleapis.com/auth/iam";
const TOKEN_TYPES: &str = "urn:ietf:params:oauth:token-type";

/// All access tokens begin like this.
pub const FEDERATED: &str = "ya29.federated-";
pub const IMPERSONATED: &str = "ya29.impersonated-";

/// Both servers. They stop when dropped.
pub struct Google(FakeServer);

/// The trust of the provider.
struct Provider {
    issuer: String,
    keys: Value,
    /// The attribute condition.
    condition: String,
}

impl Google {
    /// Starts servers with a provider that trusts a sandbox's cloud and its account.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, format!("assertion.sub == '{}'", sandbox.account))
    }

    /// The same with another attribute condition.
    pub fn start_with(sandbox: &Sandbox, condition: String) -> Self {
        let address = sandbox.cloud.url().trim_start_matches("http://").parse().unwrap();
        let (_, keys) = http_get(address, "/oauth/jwks/keys");
        let provider = Provider {
            issuer: sandbox.cloud.issuer().to_owned(),
            keys: serde_json::from_str(&keys).unwrap(),
            condition,
        };
        for secret in [FEDERATED, IMPERSONATED] {
            sandbox.keep_secret(secret);
        }
        Self(FakeServer::start(move |request, number| match provider.answer(request, number) {
            Ok(answer) => Reply::json(200, &answer),
            Err(Refusal(status, error, description)) => {
                Reply::json(status, &json!({ "error": error, "error_description": description }))
            }
        }))
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The received subject tokens, in order.
    pub fn subject_tokens(&self) -> Vec<String> {
        let fields = self.0.requests().into_iter().map(|request| form_fields(&request.body));
        fields.filter_map(|mut fields| fields.remove("subject_token")).collect()
    }
}

struct Refusal(u16, &'static str, String);

impl Provider {
    fn answer(&self, request: &Request, number: usize) -> Result<Value, Refusal> {
        let impersonate =
            format!("POST /v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken HTTP/1.1");
        match request.line.as_str() {
            "POST /v1/token HTTP/1.1" => self.exchange(request, number),
            line if line == impersonate => generate_access_token(request, number),
            line => Err(Refusal(404, "not_found", line.to_owned())),
        }
    }

    fn exchange(&self, request: &Request, number: usize) -> Result<Value, Refusal> {
        let invalid = |what: &str| Refusal(400, "invalid_request", format!("Invalid {what}"));
        let content_type = request.headers.get("content-type").map_or("", String::as_str);
        let media_type = content_type.split(';').next();
        if media_type != Some("application/x-www-form-urlencoded") {
            return Err(invalid("content type"));
        }
        if request.headers.contains_key("authorization") {
            return Err(invalid("header: authorization"));
        }
        let mut fields: BTreeMap<String, String> = form_fields(&request.body);
        for (name, value) in [
            ("audience", PROVIDER),
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", &format!("{TOKEN_TYPES}:access_token")),
        ] {
            if fields.remove(name).as_deref() != Some(value) {
                return Err(invalid(name));
            }
        }
        let scope = fields.remove("scope").unwrap_or_default();
        if ![SCOPE, SCOPE_TO_IMPERSONATE].contains(&scope.as_str()) {
            return Err(invalid("scope"));
        }
        let token_type = fields.remove("subject_token_type").unwrap_or_default();
        if ![":id_token", ":jwt"].iter().any(|end| token_type == format!("{TOKEN_TYPES}{end}")) {
            return Err(invalid("subject_token_type"));
        }
        let token = fields.remove("subject_token").unwrap_or_default();
        if let Some((name, _)) = fields.pop_first() {
            return Err(invalid(&name));
        }
        self.check(&token)?;
        Ok(json!({
            "access_token": format!("{FEDERATED}{number}"),
            "issued_token_type": format!("{TOKEN_TYPES}:access_token"),
            "token_type": "Bearer",
            "expires_in": 3599,
        }))
    }

    fn check(&self, token: &str) -> Result<(), Refusal> {
        let invalid = |problem: String| Refusal(400, "invalid_grant", problem);
        jwt::verify(token, &self.keys).map_err(|problem| invalid(problem.to_owned()))?;
        let claims = claims(token);
        if claims["iss"] != self.issuer {
            return Err(invalid(format!(
                "The issuer in ID Token {} does not match the expected ones",
                claims["iss"]
            )));
        }
        if ![PROVIDER.to_owned(), format!("https:{PROVIDER}")]
            .iter()
            .any(|own| claims["aud"] == *own)
        {
            return Err(invalid(format!(
                "The audience in ID Token [{}] does not match the expected audience.",
                claims["aud"]
            )));
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        if claims["exp"].as_u64().unwrap() <= now {
            return Err(invalid("ID Token is stale to sign-in.".into()));
        }
        let subject = claims["sub"].as_str().unwrap();
        if self.condition != format!("assertion.sub == '{subject}'") {
            let problem = "The given credential is rejected by the attribute condition.";
            return Err(Refusal(401, "unauthorized_client", problem.into()));
        }
        Ok(())
    }
}

fn generate_access_token(request: &Request, number: usize) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let authorization = request.headers.get("authorization").map_or("", String::as_str);
    if !authorization.starts_with(&format!("Bearer {FEDERATED}")) {
        return Err(Refusal(401, "unauthenticated", "no federated token".into()));
    }
    if body["scope"] != json!([SCOPE]) || body["lifetime"] != "3600s" {
        return Err(Refusal(400, "invalid_argument", body.to_string()));
    }
    Ok(
        json!({ "accessToken": format!("{IMPERSONATED}{number}"), "expireTime": "2099-01-01T00:00:00Z" }),
    )
}
