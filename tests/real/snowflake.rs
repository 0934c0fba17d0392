//! `docs/snowflake.md`: Snowflake's library for Python logs in with the page's token at a copy of the service.

use std::fs;

use serde_json::{Value, json};

use super::pages::{Page, RelyingParty};
use crate::fake_server::{FakeServer, Reply, Request};

/// The value of an option in a statement on the page.
fn option<'a>(statement: &'a str, name: &str) -> &'a str {
    let rest = statement.split_once(&format!("{name} = '")).unwrap().1;
    rest.split_once('\'').unwrap().0
}

fn service(page: &Page) -> FakeServer {
    page.sandbox.keep_secret("a session token");
    let user = page.file("user.sql");
    // The documentation of `CREATE USER` gives this as the default audience.
    let audience = "snowflakecomputing.com";
    let relying_party =
        page.relying_party(option(&user, "ISSUER"), audience, option(&user, "SUBJECT"));
    FakeServer::start(move |request, _| Reply::json(200, &answer(request, &relying_party)))
}

fn answer(request: &Request, relying_party: &RelyingParty) -> Value {
    let path = request.line.split([' ', '?']).nth(1).unwrap();
    let data = match path {
        "/session/v1/login-request" => match log_in(&request.body, relying_party) {
            Ok(data) => data,
            Err(problem) => {
                return json!({ "success": false, "code": "394400", "message": problem, "data": null });
            }
        },
        "/queries/v1/query-request" => {
            let token = "Snowflake Token=\"a session token\"";
            assert_eq!(request.headers["authorization"], token);
            json!({
                "parameters": [],
                "rowtype": [{ "name": "CURRENT_USER()", "type": "text", "length": 16, "byteLength": 64, "nullable": true }],
                "rowset": [["ROBOT"]],
                "total": 1,
                "returned": 1,
                "queryId": "1",
                "queryResultFormat": "json",
                "statementTypeId": 4096,
            })
        }
        _ => Value::Null,
    };
    json!({ "success": true, "code": null, "message": null, "data": data })
}

fn log_in(body: &str, relying_party: &RelyingParty) -> Result<Value, String> {
    let request: Value = serde_json::from_str(body).unwrap();
    let text = |name: &str| request["data"][name].as_str().unwrap_or_default();
    let methods = [text("AUTHENTICATOR"), text("PROVIDER")];
    if methods != ["WORKLOAD_IDENTITY", "OIDC"] {
        return Err(format!("{methods:?}"));
    }
    relying_party.check(text("TOKEN"))?;
    Ok(json!({
        "token": "a session token",
        "masterToken": "a session token, too",
        "validityInSeconds": 3600,
        "masterValidityInSeconds": 14400,
        "sessionId": 1,
        "parameters": [],
        "sessionInfo": { "roleName": "PUBLIC" },
        "displayUserName": "ROBOT",
        "serverVersion": "9.0.0",
    }))
}

#[test]
fn the_library_of_snowflake_logs_in_with_the_pages_token() {
    let mut page = Page::of("snowflake");
    let service = service(&page);
    let port = service.url().rsplit_once(':').unwrap().1.to_owned();
    let here = format!("host = \"127.0.0.1\"\nport = {port}\nprotocol = \"http\"\n");
    let connections = page.file("connections.toml") + &here;
    page.sandbox.write_secret(".snowflake/connections.toml", &connections);
    page.sandbox.write("check.py", &page.file("check.py"));
    page.sandbox.set("PYTHONWARNINGS", "ignore");
    let python = |page: &Page| {
        let mut command = page.sandbox.other_command("python3");
        command.arg("check.py");
        page.sandbox.finish(command).stderr
    };
    let token_file = page.token_file();
    fs::create_dir(token_file.parent().unwrap()).unwrap();
    let output = format!("--output={}", token_file.display());
    page.sandbox.run(&["token", "--profile=snowflake", &output]).ok();
    let refused = python(&page);
    assert!(refused.contains("Refusing to send a Workload Identity attestation to"), "{refused}");

    page.sandbox.set("SNOWFLAKE_WIF_ALLOWED_HOST_SUFFIXES", "127.0.0.1");
    assert_eq!(page.type_in("exec --profile=snowflake", &[]).ok(), "ROBOT\n");
    assert_eq!(page.type_in("agent --once", &[]).ok(), "ROBOT\n");

    page.sandbox.run(&["token", "--profile=snowflake", "--audience=other", &output]).ok();
    let refused = python(&page);
    assert!(refused.contains("Failed to login: Login error: aud is"), "{refused}");
    fs::remove_file(token_file).unwrap();
    let refused = python(&page);
    assert!(refused.contains("Could not read token file: No such file"), "{refused}");
}
