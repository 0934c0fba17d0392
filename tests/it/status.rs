//! `status` lists cached credentials and explains a profile. It works offline and shows no secret.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use yc_id_token_emulator::{Fault, Route};

use crate::sandbox::{Sandbox, change_entry};

const HOUR: Duration = Duration::from_secs(3600);

fn status(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let printed = sandbox.run(&[&["status"], arguments].concat()).ok();
    for secret in sandbox.secrets() {
        assert!(!crate::leaks::holds(&printed, &secret), "{printed}");
    }
    printed
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    serde_json::from_str(&status(sandbox, &[arguments, &["--json"]].concat())).unwrap()
}

/// A profile with the sandbox's key file.
fn configured() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.configure(&format!(
        "[defaults]\ntimeout = \"9s\"\n[profiles.prod]\nkey_file = \"{}\"\naudience = \"k8s\"\n",
        sandbox.home().join("key.json").display()
    ));
    sandbox
}

#[test]
fn an_empty_cache_is_reported_as_empty() {
    let sandbox = Sandbox::new();
    assert!(status(&sandbox, &[]).starts_with("nothing is cached in "));
    assert_eq!(json(&sandbox, &[])["credentials"], serde_json::json!([]));
    assert!(!sandbox.cache_folder().exists(), "and it is not made");
}

#[test]
fn each_credential_is_listed_with_its_purpose() {
    let sandbox = configured();
    sandbox.run(&["kubectl", "--profile=prod"]).ok();
    let requests = sandbox.cloud.requests().len();
    let reported = json(&sandbox, &[]);
    let [iam, id] = &reported["credentials"].as_array().unwrap()[..] else { panic!("{reported}") };
    assert_eq!((&iam["kind"], &id["kind"]), (&"iam-token".into(), &"id-token".into()));
    for credential in [iam, id] {
        assert_eq!(credential["consumer"], "kubectl");
        assert_eq!(credential["profile"], "prod");
        assert_eq!(credential["service_account"], sandbox.account.as_str());
        assert_eq!(credential["from"], sandbox.cloud.url());
        assert_eq!(credential["state"], "fresh");
        assert_eq!(credential["place"], "file");
        assert_eq!(credential["failure"], Value::Null);
    }
    assert_eq!(id["audience"], "k8s");
    let at = |name: &str| {
        let text = id[name].as_str().unwrap();
        yc_id_token::clock::Timestamp::parse_rfc3339(text).unwrap().unix_seconds()
    };
    let half = at("refreshed_from") - at("obtained_at");
    assert!((1799..=1801).contains(&half), "half of an hour: {reported}");
    let table = status(&sandbox, &[]);
    let row = table.lines().find(|line| line.starts_with("id-token")).unwrap();
    for cell in ["kubectl (prod)", "k8s", &sandbox.account, "fresh"] {
        assert!(row.contains(cell), "{cell}: {row}");
    }
    assert_eq!(sandbox.cloud.requests().len(), requests, "no server is called");
}

#[test]
fn times_are_shown_relative_to_now() {
    let sandbox = configured();
    sandbox.run(&["kubectl", "--profile=prod"]).ok();
    sandbox.age("id-token", Duration::from_secs(40 * 60 - 15));
    let table = status(&sandbox, &[]);
    let at = table.lines().position(|line| line.starts_with("id-token")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with("REFRESH AFTER"), "{table}");
    assert!(lines[at].contains("Z (in 20 min)  20"), "{table}");
    assert!(lines[at].ends_with("Z (10 min ago)"), "{table}");
    assert!(lines[at + 1].contains("Z (40 min ago) from"), "{table}");
    let explained = status(&sandbox, &["prod"]);
    assert!(explained.contains("the cache has it until 20"), "{explained}");
    assert!(explained.contains("Z (in 20 min); a run gets another"), "{explained}");
    assert!(!json(&sandbox, &[]).to_string().contains(" min"), "programs get RFC 3339");
}

#[test]
fn aged_expired_and_failed_credentials_are_marked() {
    let sandbox = configured();
    let state = |kind: &str| {
        let reported = json(&sandbox, &[]);
        let rows = reported["credentials"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["kind"] == kind).unwrap()
    };
    sandbox.run(&["token", "--profile=prod"]).ok();
    sandbox.age("id-token", HOUR * 2 / 3);
    assert_eq!(state("id-token")["state"], "ageing");
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(503)));
    let arguments = ["token", "--profile=prod", "--force-refresh"];
    sandbox.run(&arguments).fails(6, "E_UNAVAILABLE");
    let row = state("id-token");
    assert_eq!(
        (&row["state"], &row["failure"]["code"]),
        (&"ageing".into(), &"E_UNAVAILABLE".into())
    );
    assert!(status(&sandbox, &[]).contains("503"), "the last refresh's error");
    sandbox.age("id-token", HOUR);
    assert_eq!(state("id-token")["state"], "expired");

    // A credential that was never obtained.
    sandbox.run(&["token", "--profile=prod", "--audience=other"]).fails(6, "E_UNAVAILABLE");
    let reported = json(&sandbox, &[]);
    let failed =
        reported["credentials"].as_array().unwrap().iter().find(|row| row["state"] == "failed");
    let failed = failed.unwrap();
    assert_eq!((&failed["audience"], &failed["expires_at"]), (&"other".into(), &Value::Null));
}

#[test]
fn entries_without_metadata_are_used_and_listed() {
    let sandbox = configured();
    let first = sandbox.run(&["token", "--profile=prod"]).ok();
    // As an earlier version wrote it.
    for path in ["id-token", "iam-token"].iter().flat_map(|kind| sandbox.entries(kind)) {
        change_entry(&path, |stored| {
            assert!(stored.as_object_mut().unwrap().remove("about").is_some());
        });
    }
    assert_eq!(sandbox.run(&["token", "--profile=prod"]).ok(), first);
    assert_eq!(sandbox.token_requests(), (1, 1));
    assert_eq!(json(&sandbox, &[])["credentials"][0]["consumer"], Value::Null);
    assert!(status(&sandbox, &[]).contains("fresh"));
}

#[test]
fn a_profile_is_explained_setting_by_setting() {
    let mut sandbox = configured();
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
    let reported = json(&sandbox, &["prod", "--cache=file"]);
    let setting = |name: &str| {
        let settings = reported["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["name"] == name).unwrap();
        (found["value"].as_str().unwrap().to_owned(), found["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(setting("cache"), ("file".into(), "`--cache`".into()));
    let variable = "YC_ID_TOKEN_SERVICE_ACCOUNT";
    assert_eq!(setting("service_account"), (sandbox.account.clone(), variable.into()));
    let (audience, origin) = setting("audience");
    assert_eq!(audience, "k8s");
    assert!(
        origin.starts_with("profile `prod`, ") && origin.ends_with("config.toml:5"),
        "{origin}"
    );
    let (timeout, origin) = setting("timeout");
    assert_eq!(timeout, "9s");
    assert!(origin.starts_with("defaults, ") && origin.ends_with(":2"), "{origin}");
    assert_eq!(setting("background_refresh"), ("true".into(), "built in".into()));
    assert!(reported["identity"].as_str().unwrap().contains(&sandbox.key.id), "{reported}");
}

/// The forecast for a consumer's credentials, and the first of them.
fn outlook(sandbox: &Sandbox, consumer: &str) -> (String, Value) {
    let reported = json(sandbox, &["prod"]);
    let consumers = reported["consumers"].as_array().unwrap().clone();
    let forecast = consumers.into_iter().find(|it| it["consumer"] == consumer).unwrap();
    let credentials = forecast["credentials"].as_array().unwrap().clone();
    let outlooks = credentials.iter().map(|it| it["outlook"].as_str().unwrap().to_owned());
    (outlooks.collect::<Vec<_>>().join(" "), credentials[0].clone())
}

#[test]
fn the_forecast_matches_the_run() {
    let sandbox = configured();
    let outlook = |consumer: &str| outlook(&sandbox, consumer);
    assert_eq!(outlook("kubectl").0, "absent absent", "the ID token, by way of the IAM token");
    assert_eq!(sandbox.cloud.requests().len(), 0, "no server is called");
    sandbox.run(&["kubectl", "--profile=prod"]).ok();
    let (hit, credential) = outlook("kubectl");
    assert_eq!(hit, "hit");
    let key = credential["key"].as_str().unwrap();
    assert!(sandbox.entries("id-token")[0].to_str().unwrap().contains(key), "the key is its name");
    let part = |name: &str| {
        let parts = credential["parts"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!((part("audience"), part("key")), ("k8s".into(), sandbox.key.id.clone().into()));

    sandbox.age("id-token", HOUR * 2 / 3);
    assert_eq!(outlook("token").0, "ageing");
    let text = status(&sandbox, &["prod"]);
    assert!(text.contains("in the background"), "{text}");
    sandbox.age("id-token", Duration::from_secs(1100));
    assert_eq!(outlook("token").0, "short hit", "less than its consumer must get");
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    sandbox.run(&["token", "--profile=prod", "--force-refresh"]).fails(4, "E_SOURCE_DENIED");
    assert_eq!(outlook("token").0, "fails hit", "the failure is remembered");
}

#[test]
fn a_forecast_uses_the_minimum_lifetime_of_the_run() {
    let sandbox = configured();
    let config =
        fs::read_to_string(sandbox.home().join(".config/yc-id-token/config.toml")).unwrap();
    sandbox.run(&["kubectl", "--profile=prod"]).ok();
    sandbox.age("id-token", Duration::from_secs(52 * 60));
    assert_eq!(outlook(&sandbox, "token").0, "ageing");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token.jwt");
    sandbox.configure(&format!("{config}[profiles.prod.token]\noutput = {file:?}\n"));
    assert_eq!(outlook(&sandbox, "token").0, "short hit", "a file needs ten minutes");
    sandbox.run(&["token", "--profile=prod"]).ok();
    assert_eq!(sandbox.token_requests(), (1, 2), "and so does the run");
    assert_eq!(outlook(&sandbox, "token").0, "hit");
}

#[test]
fn consumers_of_the_profile_are_explained_with_their_own_settings() {
    let sandbox = configured();
    let config =
        fs::read_to_string(sandbox.home().join(".config/yc-id-token/config.toml")).unwrap();
    sandbox.configure(&format!(
        "{config}[profiles.prod.aws]\nrole_arn = \"arn:aws:iam::123456789012:role/robot\"\nduration = \"15m\"\n[profiles.prod.vault]\naddress = \"https://vault.example\"\nrole = \"robot\"\n"
    ));
    let reported = json(&sandbox, &["prod"]);
    let names: Vec<&str> = reported["consumers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| plan["consumer"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["token", "kubectl", "aws", "vault"]);
    assert_eq!(reported["consumers"][2]["server"], "https://sts.us-east-1.amazonaws.com");
    assert!(reported["consumers"][2]["doubts"][0].as_str().unwrap().contains("15 minutes"));
    assert_eq!(reported["consumers"][3]["credentials"][0]["from"], "https://vault.example");
}

#[test]
fn status_shows_digests_and_never_secrets() {
    let mut sandbox = configured();
    sandbox.configure("[profiles.given]\naudience = \"k8s\"\n");
    sandbox.set("YC_IAM_TOKEN", sandbox.cloud.issue_iam_token(&sandbox.account));
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
    let text = status(&sandbox, &["given"]);
    assert!(text.contains("the IAM token of YC_IAM_TOKEN"), "{text}");
    assert!(text.contains("not cached"), "{text}");
    sandbox.set("YC_ID_TOKEN_KEY_FILE", sandbox.key.to_json());
    let text = status(&sandbox, &["given"]);
    assert!(text.contains("authorized-key:(its content)"), "{text}");
}

#[test]
fn mistakes_are_reported() {
    let sandbox = configured();
    let (message, hint) = sandbox.run(&["status", "prd"]).fails(3, "E_CONFIG");
    assert!(message.contains("no profile `prd`") && hint.contains("`prod`"), "{message}: {hint}");
    sandbox.run(&["status", "prod", "--profile=other"]).fails(2, "E_USAGE");
    let mut homeless = Sandbox::new();
    homeless.set("HOME", "/dev/null/home");
    assert!(status(&homeless, &[]).starts_with("nothing is cached in /dev/null/home"));
}
