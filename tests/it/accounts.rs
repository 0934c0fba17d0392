//! Service accounts are found by name, impersonated and listed. An OAuth token of a person works too.

use serde_json::Value;
use yc_id_token_emulator::Route;

use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";

#[test]
fn a_service_account_is_found_by_its_name_once_a_day() {
    let mut sandbox = Sandbox::new();
    let wanted = sandbox.cloud.add_service_account("my-robot", "b1gfolder");
    sandbox.cloud.add_service_account("my-robot", "b1gother");
    sandbox.cloud.grant_token_creator(&wanted, &sandbox.account);
    sandbox.set("YC_FOLDER_ID", "b1gfolder");
    let run = |audience| {
        let token =
            sandbox.run(&["token", "--service-account", "my-robot", "--audience", audience]);
        claims(token.ok().trim())["sub"].as_str().unwrap().to_owned()
    };
    assert_eq!(run("a"), wanted);
    assert_eq!(run("a"), wanted);
    assert_eq!(run("b"), wanted);
    assert_eq!(sandbox.cloud.count(Route::ServiceAccounts), 1, "its ID is cached");
    let requested = &sandbox.cloud.requests();
    let requested =
        requested.iter().find(|request| request.route == Route::ServiceAccounts).unwrap();
    assert!(requested.query.contains("filter=name+%3D+%22my-robot%22"), "{}", requested.query);

    // An ID is not looked up, whatever folder is set.
    sandbox.run(&["token", "--service-account", &wanted, "--audience", "c"]).ok();
    assert_eq!(sandbox.cloud.count(Route::ServiceAccounts), 1);
}

#[test]
fn a_folder_is_found_by_its_name_too() {
    let sandbox = Sandbox::new();
    let folder = sandbox.cloud.add_folder("prod", "b1gcloud");
    let wanted = sandbox.cloud.add_service_account("my-robot", &folder);
    sandbox.cloud.grant_token_creator(&wanted, &sandbox.account);
    let api = sandbox.cloud.url();
    let run = |more: &[&str]| {
        let words = ["token", "--service-account", "my-robot", "--folder-name", "prod"];
        sandbox.run(&[&words[..], more].concat())
    };
    // The API endpoint supplies the address of the resource manager.
    let mut elsewhere = sandbox.command(&[
        "token",
        "--service-account=my-robot",
        "--folder-name=prod",
        "--cloud-id=b1gcloud",
        "--endpoint",
        api,
    ]);
    elsewhere.env_remove("YC_ID_TOKEN_IAM_ENDPOINT");
    assert_eq!(claims(sandbox.finish(elsewhere).ok().trim())["sub"], wanted.as_str());
    let (message, hint) = run(&[]).fails(3, "E_MISSING");
    assert!(message.contains("the cloud of the folder `prod`"), "{message}");
    assert!(hint.contains("--cloud-id"), "{hint}");
    let (message, hint) = run(&["--cloud-id=b1gcloud", "--force-refresh"]).fails(3, "E_MISSING");
    assert!(
        message.contains("the address of the resource manager"),
        "an IAM token goes to no guessed place: {message}"
    );
    assert!(hint.contains("--folder-id"), "{hint}");
    let (message, _) =
        run(&["--cloud-id=b1gelse", "--endpoint", api]).fails(4, "E_SOURCE_NOT_FOUND");
    assert!(message.contains("cloud `b1gelse` has none of this name"), "{message}");
}

#[test]
fn an_unknown_name_is_reported_with_its_folder() {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_FOLDER_ID", "b1gfolder");
    let (message, hint) =
        sandbox.run(&["token", "--service-account", "my-robto"]).fails(4, "E_SOURCE_NOT_FOUND");
    assert!(message.contains("folder `b1gfolder` has none of this name"), "{message}");
    assert!(hint.contains("yc-id-token service-accounts"), "{hint}");
    let injected = "x\" OR name=\"robot";
    let (message, _) = sandbox.run(&["token", "--service-account", injected]).fails(3, "E_VALUE");
    assert!(message.contains("nor a valid name of one"), "{message}");
    assert_eq!(sandbox.cloud.count(Route::ServiceAccounts), 1, "that was not called");
}

#[test]
fn the_service_accounts_of_a_folder_are_listed_to_the_last_page() {
    let sandbox = Sandbox::new();
    let (message, hint) = sandbox.run(&["service-accounts"]).fails(3, "E_MISSING");
    assert!(message.contains("the folder"), "{message}");
    assert!(hint.contains("--folder-id"), "{hint}");
    for number in 0..1001 {
        sandbox.cloud.add_service_account(&format!("robot-{number}"), "b1glarge");
    }
    sandbox.cloud.label_service_account(&sandbox.account, "env", "prod");
    let list = |folder: &str, format: &str| {
        sandbox.run(&["service-accounts", "--folder-id", folder, "--format", format]).ok()
    };
    let table = list("b1gfolder", "table");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].contains("ID") && lines[1].contains("LAST AUTHENTICATED AT"), "{table}");
    let row = lines[3];
    assert!(
        row.contains(&sandbox.account) && row.contains("robot") && row.contains("env=prod"),
        "{table}"
    );
    assert_eq!(lines.len(), 5);
    let json: Value = serde_json::from_str(&list("b1glarge", "json")).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1001);
    assert_eq!(json[1000]["name"], "robot-1000");
    assert!(json[0]["created_at"].is_string() && json[0]["folder_id"] == "b1glarge");
    assert_eq!(
        serde_json::from_str::<Value>(&list("b1gempty", "json")).unwrap(),
        Value::Array(vec![])
    );
}

#[test]
fn another_service_account_can_be_impersonated() {
    let sandbox = Sandbox::new();
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    let run =
        || sandbox.run(&["token", "--audience", AUDIENCE, "--impersonate-service-account", &other]);
    let (message, hint) = run().fails(4, "E_SOURCE_DENIED");
    assert!(message.contains(&format!("to act as service account `{other}`")), "{message}");
    let grant = format!("grant `iam.serviceAccounts.tokenCreator` on service account `{other}`");
    assert!(hint.starts_with(&grant), "{hint}");
    sandbox.cloud.grant_token_creator(&other, &sandbox.account);
    let mut again = sandbox.command(&["token", "--force-refresh", "--audience", AUDIENCE]);
    again.env("YC_ID_TOKEN_IMPERSONATE_SERVICE_ACCOUNT", &other);
    let token = sandbox.finish(again).ok();
    assert_eq!(claims(token.trim())["sub"], other.as_str(), "it is its own token that is wanted");
    assert_eq!(run().ok(), token);

    // The sandbox's own token has another entry.
    let own = sandbox.run(&["token", "--audience", AUDIENCE]).ok();
    assert_eq!(claims(own.trim())["sub"], sandbox.account.as_str());
    assert_eq!(sandbox.cloud.count(Route::IamTokenForServiceAccount), 2);
    assert_eq!(sandbox.cloud.count(Route::IamToken), 2, "forced once");
}

#[test]
fn a_revoked_intermediate_token_is_replaced_once() {
    let sandbox = Sandbox::new();
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    sandbox.cloud.grant_token_creator(&other, &sandbox.account);
    let run = |audience| {
        sandbox
            .run(&["token", "--audience", audience, "--impersonate-service-account", &other])
            .ok()
    };
    run("a");
    sandbox.cloud.revoke_iam_tokens();
    run("b");
    assert_eq!(sandbox.token_requests(), (2, 3), "refused once, then by new tokens");
}

#[test]
fn an_oauth_token_of_a_person_works() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let oauth = "y0_AgAAAAAverysecretoauthtoken";
    let person = sandbox.cloud.add_person(oauth);
    sandbox.cloud.grant_token_creator(&sandbox.account, &person);
    let account = sandbox.account.clone();
    let file = sandbox.write_secret("oauth", oauth);
    let run = |sandbox: &Sandbox, identity: &str| {
        sandbox.run(&[
            "token",
            "--force-refresh",
            "--service-account",
            &account,
            "--identity",
            identity,
        ])
    };
    run(&sandbox, &format!("oauth-token:{}", file.display())).ok();
    let (message, hint) = run(&sandbox, "oauth-token").fails(3, "E_MISSING");
    assert!(message.contains("needs an OAuth token"), "{message}");
    assert!(hint.contains("YC_ID_TOKEN_OAUTH_TOKEN"), "{hint}");
    for variable in ["YC_ID_TOKEN_OAUTH_TOKEN", "YC_TOKEN"] {
        sandbox.set(variable, oauth);
        run(&sandbox, "oauth-token").ok();
        let found = sandbox.run(&["token", "--force-refresh", "--service-account", &account]);
        assert_eq!(claims(found.ok().trim())["sub"], account.as_str(), "found by itself");
        sandbox.unset(variable);
    }
    sandbox.keep_secret("y0_AgAAAAArevokedoauthtoken");
    sandbox.set("YC_TOKEN", "y0_AgAAAAArevokedoauthtoken");
    let (_, hint) = run(&sandbox, "oauth-token").fails(4, "E_SOURCE_AUTH");
    assert!(hint.contains("Yandex retires OAuth tokens"), "{hint}");
}

#[test]
fn another_installation_is_configured_once() {
    let mut sandbox = Sandbox::new();
    for variable in ["YC_ID_TOKEN_IAM_ENDPOINT", "YC_ID_TOKEN_OAUTH_ENDPOINT"] {
        sandbox.unset(variable);
    }
    let url = sandbox.cloud.url().to_owned();
    sandbox.configure(&format!(
        "[installations.private]\nendpoint = \"{url}\"\noauth_endpoint = \"{url}\"\n[profiles.there]\ninstallation = \"private\"\n"
    ));
    let token = sandbox.run(&["token", "--profile", "there"]).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
    assert_eq!(sandbox.cloud.count(Route::Endpoints), 1, "IAM is found by the API endpoint");
    // No secret of Yandex Cloud goes to another installation by mistake.
    let (message, hint) = sandbox
        .run(&[
            "token",
            "--profile=there",
            "--force-refresh",
            "--iam-endpoint=https://iam.api.cloud.yandex.net",
        ])
        .fails(3, "E_MISSING");
    assert!(message.contains("the OAuth endpoint that belongs to"), "{message}");
    assert!(hint.contains("--oauth-endpoint"), "{hint}");
    let mut of_its_own = sandbox.command(&["token", "--profile=there", "--force-refresh"]);
    sandbox.configure(&format!(
        "[installations.private]\niam_endpoint = \"{url}\"\noauth_endpoint = \"{url}\"\nassertion_audience = \"https://iam.private.example/tokens\"\nsubject_token_type = \"urn:private:id\"\n[profiles.there]\ninstallation = \"private\"\n"
    ));
    of_its_own.env("YC_ID_TOKEN_TIMEOUT", "9s");
    sandbox.finish(of_its_own).fails(4, "E_SOURCE_AUTH");
    let requested = sandbox.cloud.requests();
    let assertion: Value = serde_json::from_str(&requested.last().unwrap().body).unwrap();
    let assertion = claims(assertion["jwt"].as_str().unwrap());
    assert_eq!(assertion["aud"], "https://iam.private.example/tokens");
}
