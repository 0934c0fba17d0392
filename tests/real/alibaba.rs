//! `docs/alibaba.md`: Alibaba Cloud's SDK exchanges the page's token at a copy of its STS (`AssumeRoleWithOIDC`).

use serde_json::{Value, json};

use super::pages::{Page, RelyingParty};
use crate::fake_server::{FakeServer, Reply, Request};
use crate::fake_sts::form_fields;

const SECRET: &str = "alibaba-secret-";

/// The default endpoint of the SDK cannot be configured from outside.
const REDIRECTION: &str = "
from alibabacloud_credentials.provider import oidc

initialise = oidc.OIDCRoleArnCredentialsProvider.__init__
oidc.OIDCRoleArnCredentialsProvider.__init__ = lambda self: initialise(self, sts_endpoint='URL')
";

fn sts(page: &Page) -> FakeServer {
    page.sandbox.keep_secret(SECRET);
    let policy: Value = serde_json::from_str(&page.file("trust-policy.json")).unwrap();
    let statement = policy["Statement"][0].clone();
    let condition = |name: &str| statement["Condition"]["StringEquals"][name].as_str().unwrap();
    let relying_party =
        page.relying_party(condition("oidc:iss"), condition("oidc:aud"), condition("oidc:sub"));
    let provider = statement["Principal"]["Federated"][0].as_str().unwrap().to_owned();
    FakeServer::start(move |request, _| {
        let (status, body) = answer(request, &provider, &relying_party);
        Reply::json(status, &body)
    })
}

fn answer(request: &Request, provider: &str, relying_party: &RelyingParty) -> (u16, Value) {
    let query = request.line.split([' ', '?']).nth(2).unwrap_or_default();
    let mut fields = form_fields(query);
    let token = fields.remove("OIDCToken").unwrap_or_default();
    let expected = [
        ("Action", "AssumeRoleWithOIDC"),
        ("Version", "2015-04-01"),
        ("OIDCProviderArn", provider),
        ("RoleArn", "acs:ram::1234567890123456:role/robot"),
    ];
    if !expected.iter().all(|(name, value)| fields.get(*name).is_some_and(|field| field == value)) {
        return (400, json!({ "Code": "InvalidParameter" }));
    }
    match relying_party.check(&token) {
        Ok(()) => {
            let credentials = json!({
                "AccessKeyId": "STS.example",
                "AccessKeySecret": format!("{SECRET}1"),
                "SecurityToken": format!("{SECRET}2"),
                "Expiration": "2099-01-01T00:00:00Z",
            });
            (200, json!({ "Credentials": credentials }))
        }
        Err(problem) => (400, json!({ "Code": "AuthenticationFail", "Message": problem })),
    }
}

#[test]
fn the_sdk_of_alibaba_cloud_exchanges_the_pages_token() {
    let mut page = Page::of("alibaba");
    let sts = sts(&page);
    page.sandbox.write("check.py", &page.file("check.py"));
    let redirection = REDIRECTION.replace("URL", &sts.url());
    page.sandbox.write("redirection/sitecustomize.py", &redirection);
    page.sandbox.set("PYTHONPATH", page.sandbox.home().join("redirection"));
    page.sandbox.set("PYTHONDONTWRITEBYTECODE", "1");
    // The default chain finally calls the metadata service of a machine.
    page.sandbox.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    assert_eq!(page.type_in("exec --profile=alibaba", &[]).ok(), "STS.example\n");

    let token_file = page.token_file();
    page.type_in("agent --once", &[]).ok();
    let python = |page: &Page, provider: &str| {
        let mut command = page.sandbox.other_command("python3");
        command.arg("check.py").env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &token_file);
        command.env("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/robot");
        command.env("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", provider);
        page.sandbox.finish(command)
    };
    let provider = "acs:ram::1234567890123456:oidc-provider/yandex-cloud";
    assert_eq!(python(&page, provider).ok(), "STS.example\n");
    let refused = python(&page, "").stderr;
    let text = "unable to load credentials from any of the providers in the chain";
    assert!(refused.contains(text) && !refused.contains("oidc_role_arn"), "{refused}");

    let output = format!("--output={}", token_file.display());
    page.sandbox.run(&["token", "--profile=alibaba", "--audience=other", &output]).ok();
    let refused = python(&page, provider).stderr;
    let text = "error refreshing credentials from oidc_role_arn, http_code: 400";
    assert!(refused.contains(text) && refused.contains("aud is"), "{refused}");
}
