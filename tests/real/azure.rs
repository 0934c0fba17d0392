//! `docs/azure.md`: azure-identity exchanges the page's token at a copy of the token endpoint of Microsoft Entra ID ("OAuth 2.0
//! client credentials flow", "Access token request with a federated credential").

use serde_json::{Value, json};

use super::pages::{Page, RelyingParty};
use crate::fake_server::{FakeServer, Reply, Request};
use crate::fake_sts::form_fields;
use crate::front::Front;

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "22222222-2222-2222-2222-222222222222";

/// The error codes for mismatching claims of an assertion, which Entra compares with the federated credential.
const REFUSALS: [(&str, &str, &str); 3] = [
    ("iss", "AADSTS700211", "issuer"),
    ("aud", "AADSTS700212", "audience"),
    ("sub", "AADSTS700213", "subject"),
];

/// Starts the authority, and configures the page's sandbox to use it. It ends when both are dropped.
fn authority(page: &mut Page) -> (FakeServer, Front) {
    let trusted: Value = serde_json::from_str(&page.file("federated-credential.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let relying_party = page.relying_party(
        &text(&trusted["issuer"]),
        &text(&trusted["audiences"][0]),
        &text(&trusted["subject"]),
    );
    let server = FakeServer::start(move |request, _| {
        let (status, body) = answer(request, &relying_party);
        Reply::json(status, &body)
    });
    let front = Front::before(&server.url(), "authority itself", "as it is");
    page.sandbox.set("AZURE_AUTHORITY_HOST", front.url());
    page.sandbox.set("REQUESTS_CA_BUNDLE", front.ca_file());
    (server, front)
}

fn answer(request: &Request, relying_party: &RelyingParty) -> (u16, Value) {
    let mut fields = form_fields(&request.body);
    let assertion = fields.remove("client_assertion").unwrap_or_default();
    let is_as_documented = request.line == format!("POST /{TENANT}/oauth2/v2.0/token HTTP/1.1")
        && [
            ("client_id", CLIENT),
            ("grant_type", "client_credentials"),
            ("scope", "https://management.azure.com/.default"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ]
        .iter()
        .all(|(name, value)| fields.get(*name).is_some_and(|field| field == value));
    if !is_as_documented {
        return (400, json!({ "error": "invalid_request", "error_description": request.line }));
    }
    let Err(problem) = relying_party.check(&assertion) else {
        return (
            200,
            json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "an access token" }),
        );
    };
    let refusal = REFUSALS.iter().find(|(claim, ..)| problem.starts_with(claim));
    let description = refusal.map_or(problem.clone(), |(_, code, claim)| {
        format!(
            "{code}: No matching federated identity record found for presented assertion {claim}."
        )
    });
    (401, json!({ "error": "invalid_client", "error_description": description }))
}

#[test]
fn azure_identity_exchanges_the_pages_token() {
    let mut page = Page::of("azure");
    let (server, _front) = authority(&mut page);
    page.sandbox.write("check.py", &page.file("check.py"));
    let printed = page.type_in("exec --profile=azure", &[]).ok();
    assert!(printed.starts_with("an access token until "), "{printed}");

    let token_file = page.token_file();
    page.type_in("agent --once", &[]).ok();
    for (name, value) in [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT)] {
        page.sandbox.set(name, value);
    }
    page.sandbox.set("AZURE_FEDERATED_TOKEN_FILE", &token_file);
    let python = |page: &Page| {
        let mut command = page.sandbox.other_command("python3");
        command.arg("check.py");
        page.sandbox.finish(command)
    };
    let printed = python(&page).ok();
    assert!(printed.starts_with("an access token until "), "{printed}");
    assert_eq!(server.requests().len(), 2);

    let output = format!("--output={}", token_file.display());
    page.sandbox.run(&["token", "--profile=azure", "--audience=other", &output]).ok();
    let refused = python(&page);
    let text = "AADSTS700212: No matching federated identity record found for presented assertion";
    assert!(!refused.status.success() && refused.stderr.contains(text), "{refused:?}");

    page.sandbox.unset("AZURE_TENANT_ID");
    let refused = python(&page).stderr;
    assert!(refused.contains("Missing required arguments: 'tenant_id'"), "{refused}");
}
