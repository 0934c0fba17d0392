//! Every identity works, and a wrong one is reported with a fix.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, KeySize, Route};

use crate::doctor::examine;
use crate::fake_yc::FakeYc;
use crate::federation::external;
use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";

fn token(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let arguments: Vec<&str> =
        ["token", "--audience", AUDIENCE].iter().chain(arguments).copied().collect();
    sandbox.run(&arguments).ok().trim().to_owned()
}

#[test]
fn every_format_of_key_file_works() {
    let sandbox = Sandbox::new();
    let large = sandbox.cloud.add_authorized_key(&sandbox.account, KeySize::Rsa4096);
    for (case, key) in [("2048", &sandbox.key), ("4096", &large)] {
        let snake: Value = serde_json::from_str(&key.to_json()).unwrap();
        let pem = snake["private_key"].as_str().unwrap();
        assert!(pem.starts_with("PLEASE DO NOT REMOVE THIS LINE!"), "the vendor's first line");
        let bare = &pem[pem.find("-----BEGIN").unwrap()..];
        let camel =
            json!({ "id": key.id, "serviceAccountId": key.service_account_id, "privateKey": pem });
        let nested = json!({ "key": { "id": key.id, "serviceAccountId": key.service_account_id }, "privateKey": bare });
        let pkcs1 = json!({ "id": key.id, "service_account_id": key.service_account_id, "private_key": key.private_key_pkcs1_pem() });
        let windows = json!({ "id": key.id, "service_account_id": key.service_account_id, "private_key": pem.replace('\n', "\r\n") });
        for (shape, text) in [
            ("snake", snake.to_string()),
            ("camel", camel.to_string()),
            ("nested", nested.to_string()),
            ("pkcs1", pkcs1.to_string()),
            ("windows", windows.to_string()),
        ] {
            let file = sandbox.write_secret(&format!("{case}-{shape}.json"), &text);
            let audience = format!("{case}-{shape}");
            let printed = sandbox.run(&[
                "token",
                "--audience",
                &audience,
                "--force-refresh",
                "--key-file",
                file.to_str().unwrap(),
            ]);
            assert_eq!(claims(printed.ok().trim())["aud"], audience.as_str());
        }
    }
}

#[test]
fn a_key_that_others_can_read_is_rejected_with_a_fix() {
    let sandbox = Sandbox::new();
    let file = sandbox.home().join("key.json");
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let (message, hint) = sandbox.run(&["token"]).fails(3, "E_IDENTITY");
        assert!(
            message.ends_with(&format!("can be read by others (mode {mode:04o})")),
            "{message}"
        );
        let command = hint.strip_prefix("run `").unwrap().strip_suffix('`').unwrap();
        let mut shell = sandbox.other_command("sh");
        shell.args(["-c", command]);
        sandbox.finish(shell).ok();
        sandbox.run(&["token"]).ok();
    }
}

#[test]
fn a_broken_key_file_is_reported_in_words() {
    let sandbox = Sandbox::new();
    let key = |private_key: &str| {
        json!({ "id": "ajek", "service_account_id": "ajes", "private_key": private_key })
            .to_string()
    };
    let elliptic = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n";
    for (content, problem) in [
        ("", "is not the JSON of an authorized key"),
        ("<html>", "is not the JSON of an authorized key"),
        ("{}", "has no `id`"),
        (key("nonsense").as_str(), "holds no PEM private key"),
        (
            key("-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n")
                .as_str(),
            "holds an RSA private key that is damaged",
        ),
        (key(elliptic).as_str(), "holds a private key that is not RSA"),
    ] {
        let file = sandbox.write_secret("broken.json", content);
        let (message, hint) =
            sandbox.run(&["token", "--key-file", file.to_str().unwrap()]).fails(3, "E_IDENTITY");
        assert!(message.contains(problem), "{message}");
        assert!(hint.contains("yc iam key create"), "{hint}");
    }
    let (message, _) =
        sandbox.run(&["token", "--key-file", "absent.json"]).fails(3, "E_UNREADABLE");
    assert_eq!(
        message,
        "cannot read the authorized key file `absent.json`: no such file or directory"
    );
    let (message, _) = sandbox.run(&["token", "--key-file", "/"]).fails(3, "E_UNREADABLE");
    assert_eq!(message, "cannot read the authorized key file `/`: it is a directory");
    assert_eq!(sandbox.token_requests(), (0, 0), "nothing was sent");
}

#[test]
fn a_key_can_be_used_without_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write_secret("key", &sandbox.key.to_json());
    let mut shell = sandbox.other_command("bash");
    let program = crate::sandbox::PROGRAM;
    shell.args(["-c", &format!("{program} token --audience {AUDIENCE} --key-file <(cat key)")]);
    assert_eq!(claims(sandbox.finish(shell).ok().trim())["aud"], AUDIENCE);
}

#[test]
fn an_iam_token_in_the_environment_or_a_file_works() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let account = sandbox.account.clone();
    let iam_token = sandbox.cloud.issue_iam_token(&account);
    let file = sandbox.write_secret("iam-token", &format!("{iam_token}\n"));
    let direct = token(
        &sandbox,
        &["--service-account", &account, "--iam-token-file", file.to_str().unwrap()],
    );
    assert_eq!(claims(&direct)["sub"], account.as_str());
    for variable in ["YC_ID_TOKEN_IAM_TOKEN", "YC_IAM_TOKEN", "YC_TOKEN"] {
        let mut environment =
            sandbox.command(&["token", "--audience", variable, "--service-account", &account]);
        environment.env(variable, &iam_token);
        assert_eq!(claims(sandbox.finish(environment).ok().trim())["aud"], variable);
    }
    assert_eq!(sandbox.cloud.count(Route::IamToken), 0);
    assert!(sandbox.entries("iam-token").is_empty(), "a given token is not cached");
}

#[test]
fn a_given_token_does_not_identify_the_service_account() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_IAM_TOKEN", sandbox.cloud.issue_iam_token(&sandbox.account));
    let (message, hint) = sandbox.run(&["token"]).fails(3, "E_MISSING");
    assert!(message.contains("the IAM token of YC_IAM_TOKEN does not name one"), "{message}");
    assert!(hint.contains("--service-account"));
    sandbox.keep_secret("y0_AgAAAAAverysecretoauth");
    sandbox.set("YC_IAM_TOKEN", "y0_AgAAAAAverysecretoauth");
    let (message, _) = sandbox.run(&["token", "--service-account", "aje"]).fails(3, "E_VALUE");
    assert_eq!(message, "YC_IAM_TOKEN: holds an OAuth token; an IAM token (`t1.…`) is needed");
}

#[test]
fn the_metadata_identity_works_and_never_uses_a_proxy() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let account = sandbox.account.clone();
    sandbox.cloud.attach_to_instance(Some(&account));
    sandbox.set("YC_METADATA_ADDR", sandbox.cloud.url().trim_start_matches("http://").to_owned());
    for variable in
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        sandbox.set(variable, "http://127.0.0.1:1");
    }
    assert_eq!(
        claims(&token(&sandbox, &["--service-account", &account]))["sub"],
        account.as_str(),
        "found by itself"
    );
    token(
        &sandbox,
        &[
            "--service-account",
            &account,
            "--identity",
            "metadata",
            "--proxy",
            "http://127.0.0.1:1",
            "--force-refresh",
        ],
    );
    assert_eq!(sandbox.cloud.count(Route::Metadata), 2);

    sandbox.cloud.attach_to_instance(None);
    let (message, hint) = sandbox
        .run(&["token", "--service-account", &account, "--identity", "metadata", "--force-refresh"])
        .fails(4, "E_SOURCE_NOT_FOUND");
    assert!(message.contains("no service account is attached to this machine"), "{message}");
    assert!(hint.contains("yc compute instance update"), "{hint}");
}

/// A virtual machine with the sandbox's service account, and no configuration.
fn machine() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.cloud.attach_to_instance(Some(&sandbox.account));
    sandbox.set("YC_METADATA_ADDR", sandbox.cloud.url().trim_start_matches("http://").to_owned());
    sandbox
}

/// The number of requests for the account to the metadata service.
fn lookups(sandbox: &Sandbox) -> usize {
    let requests = sandbox.cloud.requests();
    requests.iter().filter(|request| request.path.ends_with("/service-accounts/")).count()
}

#[test]
fn metadata_that_names_the_account_needs_no_settings() {
    let sandbox = machine();
    sandbox.cloud.name_attached_account(true);
    let first = token(&sandbox, &[]);
    assert_eq!(claims(&first)["sub"], sandbox.account.as_str());
    assert_eq!(sandbox.cloud.count(Route::Metadata), 2, "the IAM token, and the account");
    assert_eq!(token(&sandbox, &[]), first);
    sandbox.run(&["token", "--audience", "another", "--identity", "metadata"]).ok();
    assert_eq!(lookups(&sandbox), 1, "the ID is cached");
    let found = examine(&sandbox, &["--audience=k8s"]);
    found.exits(0).has("ok", "names its service account");
    found.has("ok", "its signature is valid");
    sandbox.configure("[profiles.vm]\nidentity = \"metadata\"\naudience = \"k8s\"\n");
    assert!(!sandbox.run(&["status", "vm"]).ok().contains("not documented"));
}

#[test]
fn metadata_without_the_account_gets_a_hint() {
    let sandbox = machine();
    let (message, hint) = sandbox.run(&["token", "--audience", AUDIENCE]).fails(3, "E_MISSING");
    assert!(message.ends_with("does not name it"), "{message}");
    for way in [
        "`--service-account`",
        "YC_ID_TOKEN_SERVICE_ACCOUNT",
        "`yc-id-token config set defaults.service_account ID`",
    ] {
        assert!(hint.contains(way), "{way}: {hint}");
    }
    let found = examine(&sandbox, &[]);
    let check = found.exits(3).has("error", &message);
    assert_eq!(check["fix"], hint.as_str(), "doctor reports the same");
    assert_eq!(found.wrong().iter().filter(|(result, _)| result == "error").count(), 1);

    sandbox.configure("[profiles.vm]\nidentity = \"metadata\"\naudience = \"k8s\"\n");
    let (_, hint) = sandbox.run(&["token", "--profile", "vm"]).fails(3, "E_MISSING");
    assert!(sandbox.run(&["status", "vm"]).ok().contains(&hint), "status reports the same");
    let start = hint.find("`yc-id-token ").unwrap() + "`yc-id-token ".len();
    let command = hint[start..].split('`').next().unwrap().replace("ID", &sandbox.account);
    sandbox.run(&command.split(' ').collect::<Vec<_>>()).ok();
    let before = lookups(&sandbox);
    let offline = ["setup", "kubectl", "--identity=metadata", "--audience=a", "--cluster=c"];
    sandbox.write(".kube/config", "clusters:\n- name: c\n");
    sandbox.run(&[&offline[..], &["--offline", "--print"]].concat()).fails(3, "E_MISSING");
    sandbox.run(&["token", "--profile", "vm"]).ok();
    token(&sandbox, &["--service-account", &sandbox.account]);
    assert_eq!(lookups(&sandbox), before, "an account that is set is not looked up");
}

#[test]
fn outside_the_cloud_a_missing_identity_gets_a_hint() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_METADATA_ADDR", "127.0.0.1:1");
    for arguments in [&["token"][..], &["token", "--service-account", "aje1"]] {
        let (message, hint) = sandbox.run(arguments).fails(3, "E_MISSING");
        assert!(message.starts_with("no identity for Yandex Cloud was found"), "{message}");
        assert!(hint.contains("--key-file") && hint.contains("YC_IAM_TOKEN"), "{hint}");
    }
    let (message, hint) = sandbox
        .run(&["token", "--service-account", "aje1", "--identity", "metadata"])
        .fails(6, "E_NETWORK");
    assert!(message.contains("cannot connect to 127.0.0.1:1"), "{message}");
    assert!(hint.contains("inside Yandex Cloud only"), "{hint}");
}

#[test]
fn a_machine_of_another_cloud_is_not_used() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_METADATA_ADDR", sandbox.cloud.url().trim_start_matches("http://").to_owned());
    let answer = |status: u16, body: &str| Fault::Body {
        status,
        content_type: "application/json".into(),
        body: body.into(),
    };
    let google =
        r#"{"access_token":"ya29.c.googles-own-token","expires_in":3599,"token_type":"Bearer"}"#;
    sandbox.keep_secret("ya29.c.googles-own-token");
    for (fault, problem) in [
        (answer(200, google), "is another cloud's"),
        (answer(200, "<html>"), "is another cloud's"),
        (answer(401, ""), "answered 401"),
        (answer(404, ""), "has no service account"),
    ] {
        sandbox.cloud.always(Route::Metadata, Some(fault));
        let (message, _) =
            sandbox.run(&["token", "--service-account", "aje1"]).fails(3, "E_MISSING");
        assert!(message.contains(problem), "{message}");
    }
    sandbox.cloud.always(Route::Metadata, Some(answer(200, google)));
    sandbox
        .run(&["token", "--service-account", "aje1", "--identity", "metadata"])
        .fails(6, "E_FOREIGN_ANSWER");
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 0, "a token of Google's goes nowhere");
}

#[test]
fn variables_of_other_tools_do_not_change_a_profiles_identity() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.configure("[profiles.prod]\nkey_file = \"~/key.json\"\n");
    sandbox.set("YC_IAM_TOKEN", sandbox.cloud.issue_iam_token("ajesomebodyelse"));
    sandbox.set("YC_TOKEN", "t1.some.thing");
    token(&sandbox, &["--profile", "prod"]);
    assert_eq!(sandbox.cloud.count(Route::IamToken), 1, "the profile's key was used");
    assert!(sandbox.log().contains("from profile `prod`"), "and -v logs it");
}

#[test]
fn a_revoked_key_and_a_missing_role_get_hints() {
    let sandbox = Sandbox::new();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let (message, hint) =
        sandbox.run(&["token", "--audience", AUDIENCE]).fails(4, "E_SOURCE_DENIED");
    assert!(
        message.starts_with(&format!("cannot get an ID token for audience `{AUDIENCE}`: ")),
        "{message}"
    );
    assert!(message.contains("(request id "), "{message}");
    let role = format!(
        "grant `iam.serviceAccounts.tokenCreator` on service account `{}` to itself",
        sandbox.account
    );
    assert!(hint.starts_with(&role), "{hint}");

    let sandbox = Sandbox::new();
    sandbox.cloud.revoke_authorized_key(&sandbox.key.id);
    let (message, hint) = sandbox.run(&["token", "--audience", AUDIENCE]).fails(4, "E_SOURCE_AUTH");
    assert!(message.contains(&sandbox.key.id) && message.contains("(request id "), "{message}");
    assert!(hint.contains("may be revoked"), "{hint}");

    let sandbox = Sandbox::new();
    let (message, hint) = sandbox
        .run(&["token", "--audience", AUDIENCE, "--service-account", "ajeunknown"])
        .fails(4, "E_SOURCE_NOT_FOUND");
    assert!(message.contains("(request id "), "{message}");
    assert!(hint.contains("`ajeunknown` is not known there"), "{hint}");
}

#[test]
fn doctor_finds_a_subject_token_type_that_works() {
    const ACCEPTED: &str = "urn:ietf:params:oauth:token-type:subject_id";
    let sandbox = Sandbox::new();
    sandbox.cloud.accept_subject_token_type(ACCEPTED);
    let (message, hint) = sandbox.run(&["token"]).fails(4, "E_SOURCE_REFUSED");
    assert!(message.contains("Unsupported subject_token_type"), "{message}");
    assert!(hint.contains("`yc-id-token doctor`"), "{hint}");
    assert!(hint.contains("--subject-token-type"), "{hint}");

    let found = examine(&sandbox, &[]);
    let works = format!("the exchange with subject token type `{ACCEPTED}` works");
    let check = found.exits(4).has("warning", &works);
    let command = format!("config set defaults.subject_token_type {ACCEPTED}");
    assert_eq!(check["group"], "id token");
    assert_eq!(check["fix"], format!("run `yc-id-token {command}`"));
    assert!(sandbox.entries("id-token").is_empty(), "what was tried is not cached");

    token(&sandbox, &["--subject-token-type", ACCEPTED]);
    sandbox.run(&command.split(' ').collect::<Vec<_>>()).ok();
    token(&sandbox, &["--force-refresh"]);
    examine(&sandbox, &[]).exits(0);
}

#[test]
fn doctor_finds_that_only_the_vendors_command_gets_a_token() {
    let sandbox = Sandbox::new();
    let yc = FakeYc::install(&sandbox);
    sandbox.cloud.accept_subject_token_type("urn:unknown");
    let found = examine(&sandbox, &["--endpoint", sandbox.cloud.url()]);
    found.exits(4).has("warning", "no known way to an ID token works");
    yc.behave("export YC_ID_TOKEN_SUBJECT_TOKEN_TYPE=urn:unknown");
    let found = examine(&sandbox, &["--endpoint", sandbox.cloud.url()]);
    let check = found.exits(4).has("warning", "`yc iam create-id-token` works");
    assert_eq!(check["fix"], "run `yc-id-token config set defaults.id_token_route yc-cli`");

    sandbox.cloud.accept_subject_token_type("urn:yandex-cloud:token-type:subject_id");
    yc.behave("echo \"ERROR: unknown command 'create-id-token' for 'yc iam'\" >&2; exit 1");
    let by_yc = ["--id-token-route=yc-cli", "--endpoint", sandbox.cloud.url()];
    let found = examine(&sandbox, &by_yc);
    let check = found.exits(4).has("warning", "the exchange with subject token type");
    assert!(check["fix"].as_str().unwrap().contains("id_token_route exchange"), "{check}");
}

#[test]
fn doctor_tries_no_other_way_without_an_iam_token() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.write_secret("token", &external("stranger", 3600));
    let account = sandbox.account.clone();
    let workload = ["--identity=token-file:token", "--service-account", &account];
    let found = examine(&sandbox, &workload);
    let wrong = found.exits(4).wrong();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[test]
fn a_revoked_iam_token_in_the_cache_is_replaced_silently() {
    let sandbox = Sandbox::new();
    token(&sandbox, &[]);
    sandbox.cloud.revoke_iam_tokens();
    let fresh = sandbox.run(&["token", "--audience", "another"]).ok();
    assert_eq!(claims(fresh.trim())["aud"], "another");
    assert_eq!(sandbox.token_requests(), (2, 3), "refused once, a new IAM token, accepted");
}

#[test]
fn the_api_endpoint_supplies_the_address_of_iam() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_IAM_ENDPOINT");
    let api = sandbox.cloud.url().to_owned();
    token(&sandbox, &["--endpoint", &api]);
    assert_eq!(sandbox.cloud.count(Route::Endpoints), 1);
    token(&sandbox, &["--endpoint", &api]);
    assert_eq!(sandbox.cloud.count(Route::Endpoints), 1, "and not on a hit");
    sandbox.unset("YC_ID_TOKEN_OAUTH_ENDPOINT");
    let (_, hint) = sandbox.run(&["token", "--endpoint", &api]).fails(3, "E_MISSING");
    assert!(hint.contains("--oauth-endpoint"), "{hint}");
}
