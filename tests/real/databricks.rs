//! `docs/databricks.md`: Databricks' SDK exchanges the page's token at a copy of a workspace ("Authenticate with an identity
//! provider token": `/oidc/v1/token`), and uses what it gets there.

use serde_json::{Value, json};

use super::documents::filled_in;
use super::pages::{Page, RelyingParty};
use crate::fake_server::{FakeServer, Reply, Request};
use crate::fake_sts::form_fields;

const HOST: &str = "https://dbc-00000000-0000.cloud.databricks.com";
const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
const DISCOVERY: &str = "/oidc/.well-known/oauth-authorization-server";

fn workspace(page: &Page) -> FakeServer {
    let policy: Value = serde_json::from_str(&page.file("federation-policy.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let trusted = &policy["oidc_policy"];
    let relying_party = page.relying_party(
        &text(&trusted["issuer"]),
        &text(&trusted["audiences"][0]),
        &text(&trusted["subject"]),
    );
    FakeServer::start(move |request, _| {
        let (status, body) = answer(request, &relying_party);
        Reply::json(status, &body)
    })
}

fn answer(request: &Request, relying_party: &RelyingParty) -> (u16, Value) {
    let path = request.line.split([' ', '?']).nth(1).unwrap();
    let host = format!("http://{}", request.headers["host"]);
    match path {
        "/.well-known/databricks-config" => {
            (200, json!({ "oidc_endpoint": format!("{host}/oidc"), "workspace_id": "1" }))
        }
        DISCOVERY => (
            200,
            json!({
                "authorization_endpoint": format!("{host}/oidc/v1/authorize"),
                "token_endpoint": format!("{host}/oidc/v1/token"),
            }),
        ),
        "/oidc/v1/token" => exchange(&request.body, relying_party),
        "/api/2.0/preview/scim/v2/Me" => {
            assert_eq!(request.headers["authorization"], "Bearer an access token");
            (200, json!({ "userName": CLIENT }))
        }
        _ => (404, json!({ "error_code": "NOT_FOUND" })),
    }
}

fn exchange(body: &str, relying_party: &RelyingParty) -> (u16, Value) {
    let mut fields = form_fields(body);
    let token = fields.remove("subject_token").unwrap_or_default();
    let expected = [
        ("client_id", CLIENT),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("scope", "all-apis"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    if !expected.iter().all(|(name, value)| fields.get(*name).is_some_and(|field| field == value)) {
        return (400, json!({ "error": "invalid_request", "error_description": "the form" }));
    }
    match relying_party.check(&token) {
        Ok(()) => (
            200,
            json!({ "access_token": "an access token", "token_type": "Bearer", "expires_in": 3600 }),
        ),
        Err(problem) => (400, json!({ "error": "invalid_grant", "error_description": problem })),
    }
}

#[test]
fn the_sdk_of_databricks_exchanges_the_pages_token() {
    let page = Page::of("databricks");
    let workspace = workspace(&page);
    page.sandbox.write("check.py", &page.file("check.py"));
    let url = workspace.url();
    let replaced = [(HOST, &*url)];
    assert_eq!(page.type_in("token-file-env", &replaced).ok(), format!("{CLIENT}\n"));

    let token_file = page.token_file();
    page.sandbox.write(".databrickscfg", &filled_in(&page.file("databrickscfg"), HOST, &url));
    assert_eq!(page.type_in("agent --once", &[]).ok(), format!("{CLIENT}\n"));

    // The alternative of the page for a program that needs the token once.
    let mut exec = page.sandbox.command(&["exec", "--profile=databricks"]);
    exec.args(["--token-env=DATABRICKS_OIDC_TOKEN", "--", "python3", "check.py"]);
    exec.env("DATABRICKS_AUTH_TYPE", "env-oidc").env_remove("DATABRICKS_OIDC_TOKEN_FILEPATH");
    assert_eq!(page.sandbox.finish(exec).ok(), format!("{CLIENT}\n"));

    let python = |page: &Page| {
        let mut command = page.sandbox.other_command("python3");
        command.arg("check.py");
        page.sandbox.finish(command).stderr
    };
    let output = format!("--output={}", token_file.display());
    page.sandbox.run(&["token", "--profile=databricks", "--audience=other", &output]).ok();
    let refused = python(&page);
    assert!(refused.contains("invalid_grant: aud is"), "{refused}");
    std::fs::remove_file(token_file).unwrap();
    let refused = python(&page);
    assert!(refused.contains("default auth: cannot configure default credentials"), "{refused}");
}

/// The SDK's request type accepts the policy without unknown keys.
#[test]
fn the_federation_policy_has_the_keys_of_the_api() {
    let page = Page::of("databricks");
    let policy = page.file("federation-policy.json");
    let script = "import json, sys; from databricks.sdk.service.oauth2 import FederationPolicy
print(FederationPolicy.from_dict(json.loads(sys.argv[1])).as_dict() == json.loads(sys.argv[1]))";
    let mut python = page.sandbox.other_command("python3");
    python.args(["-c", script, &policy]);
    assert_eq!(page.sandbox.finish(python).ok(), "True\n");
}
