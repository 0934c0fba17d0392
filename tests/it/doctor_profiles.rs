//! `doctor` follows the consumers' files to the profiles that their entries use, and checks each of them.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::doctor::{Found, configured, examine};
use crate::doctor_kubectl::{kubeconfig, right};
use crate::fake_server::{FakeServer, Reply};
use crate::fake_sts::FakeSts;
use crate::fake_vault::FakeVault;
use crate::sandbox::{PROGRAM, Sandbox};

/// Writes the configuration: each of these profiles has the key and more settings.
fn profiles(sandbox: &Sandbox, profiles: &[(&str, &str)]) {
    let key = sandbox.home().join("key.json");
    let profile = |(name, more): &(&str, &str)| {
        format!("[profiles.{name}]\nkey_file = \"{}\"\n{more}\n", key.display())
    };
    sandbox.configure(&profiles.iter().map(profile).collect::<String>());
}

fn run_by_kubectl(sandbox: &Sandbox, profile: &str) {
    let mut exec = right();
    exec["args"] = json!(["kubectl", format!("--profile={profile}")]);
    kubeconfig(sandbox, &exec);
}

fn run_by_aws(sandbox: &Sandbox, profiles: &[&str]) {
    let section = |name: &&str| {
        format!("[profile {name}]\ncredential_process = {PROGRAM} aws --profile={name}\n")
    };
    sandbox.write(".aws/config", &profiles.iter().map(section).collect::<String>());
}

/// The names of the checked profiles.
fn checked(found: &Found) -> Vec<&str> {
    let names = found.0["checked"]["profiles"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap()).collect()
}

/// The number of findings about a profile with this text.
fn count(found: &Found, profile: &str, words: &str) -> usize {
    let checks = found.0["checks"].as_array().unwrap().iter();
    let says = |check: &&Value| check["finding"].as_str().unwrap().contains(words);
    checks.filter(|check| check["profile"] == *profile).filter(says).count()
}

#[test]
fn each_profile_that_an_entry_names_is_checked_once() {
    let mut sandbox = configured();
    let sts = FakeSts::start(&mut sandbox);
    profiles(&sandbox, &[("k", "audience = \"k8s\""), ("a", ""), ("b", ""), ("unused", "")]);
    run_by_kubectl(&sandbox, "k");
    run_by_aws(&sandbox, &["a", "b"]);
    let more = format!("[profile same]\ncredential_process = {PROGRAM} aws --profile a\n");
    let config = sandbox.home().join(".aws/config");
    fs::write(&config, fs::read_to_string(&config).unwrap() + &more).unwrap();
    let found = examine(&sandbox, &[]);
    found.exits(0);
    assert_eq!(checked(&found), ["k", "a", "b"]);
    assert_eq!(found.0["checked"]["consumers"], json!(["kubectl", "aws"]));
    for profile in ["k", "a", "b"] {
        assert_eq!(count(&found, profile, "a new ID token"), 1, "{profile}");
    }
    // Each with the audience of its consumer.
    assert_eq!(count(&found, "k", "aud `k8s`"), 1);
    assert_eq!(count(&found, "a", "aud `sts.amazonaws.com`"), 1);
    assert_eq!(count(&found, "k", ".kube/config is correct, with profile `k`"), 1);
    assert_eq!(count(&found, "a", "runs yc-id-token, with profile `a`"), 2);
    // A server that several profiles use is checked once.
    assert_eq!(count(&found, "k", "IAM at 127.0.0.1"), 1);
    assert_eq!(count(&found, "b", "IAM at 127.0.0.1"), 0);

    let text = sandbox.run(&["doctor"]).stdout;
    let heading = "\nprofile `a`, for AWS profile `a` of ";
    assert!(text.contains(heading) && text.contains(", AWS profile `same` of "), "{text}");
    assert!(text.ends_with("1 warning; checked: 3 profiles, kubectl, aws\n"), "{text}");

    // If a consumer or a profile is named, it is the only one that is checked.
    let found = examine(&sandbox, &["kubectl"]);
    assert_eq!(checked(&found), ["k"]);
    let found = examine(&sandbox, &["b"]);
    assert_eq!(checked(&found), ["b"]);
    let text = sandbox.run(&["doctor", "unused"]).stdout;
    assert!(text.contains("checked: profile `unused`, "), "{text}");
    drop(sts);
}

#[test]
fn a_profile_without_what_its_consumer_needs_is_an_error() {
    let mut sandbox = configured();
    profiles(&sandbox, &[("aws", "audience = \"x\"")]);
    run_by_aws(&sandbox, &["aws"]);
    for arguments in [&["aws"][..], &[]] {
        let found = examine(&sandbox, arguments);
        found.exits(3).has("error", "AWS profile `aws` of ");
        found.has("error", "role");
    }
    let wrong = format!("[profile x]\ncredential_process = {PROGRAM} kubectl --profile=aws\n");
    sandbox.write(".aws/config", &wrong);
    let words = "its arguments run `kubectl`, whose output AWS cannot read";
    examine(&sandbox, &[]).exits(3).has("error", words);
    run_by_aws(&sandbox, &["absent"]);
    examine(&sandbox, &["aws"]).exits(3).has("error", "there is no profile `absent`");
    // A token helper without a server.
    fs::remove_file(sandbox.home().join(".aws/config")).unwrap();
    let link = sandbox.home().join("programs/yc-id-token-vault");
    symlink(PROGRAM, &link).unwrap();
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", link.display()));
    sandbox.set("YC_ID_TOKEN_VAULT_ADDRESS", "ftp://vault.example");
    let found = examine(&sandbox, &["vault"]);
    found.exits(3).has("error", "yc-id-token fails there");
    sandbox.unset("YC_ID_TOKEN_VAULT_ADDRESS");
    let vault = FakeVault::start(&mut sandbox);
    let found = examine(&sandbox, &["vault"]);
    assert_eq!(checked(&found), ["aws"], "the only profile of the file");
    found.exits(0).has("ok", "is yc-id-token");
    drop(vault);
}

#[test]
fn an_unusable_entry_is_the_only_reported_problem() {
    let sandbox = configured();
    profiles(&sandbox, &[("k", "audience = \"k8s\""), ("other", "")]);
    run_by_kubectl(&sandbox, "prd");
    let found = examine(&sandbox, &[]);
    let wrong = found.exits(3).wrong();
    let errors: Vec<_> = wrong.iter().filter(|(result, _)| result == "error").collect();
    let [(_, only)] = errors[..] else { panic!("{wrong:?}") };
    assert!(only.contains("there is no profile `prd`"), "{only}");
    // The profile of a command that cannot be run is still checked.
    let mut exec = right();
    exec["command"] = json!("/nonexistent/yc-id-token");
    exec["args"] = json!(["kubectl", "--profile=k"]);
    kubeconfig(&sandbox, &exec);
    let found = examine(&sandbox, &[]);
    found.exits(3).has("error", "cannot be run");
    assert_eq!(checked(&found), ["k"]);
}

#[test]
fn the_profile_that_setup_wrote_is_found_under_any_name() {
    let sandbox = configured();
    profiles(&sandbox, &[("kubernetes", "audience = \"k8s\""), ("other", "")]);
    run_by_kubectl(&sandbox, "kubernetes");
    let found = examine(&sandbox, &["kubectl"]);
    assert_eq!(checked(&found), ["kubernetes"]);
    found.exits(0).has("ok", "a new ID token");
}

#[test]
fn the_default_profile_is_checked_in_addition_to_the_entries() {
    let sandbox = configured();
    profiles(&sandbox, &[("k", "audience = \"k8s\""), ("usual", "")]);
    let config = sandbox.home().join(".config/yc-id-token/config.toml");
    let text = "default_profile = \"usual\"\n".to_owned() + &fs::read_to_string(&config).unwrap();
    fs::write(&config, text).unwrap();
    run_by_kubectl(&sandbox, "k");
    assert_eq!(checked(&examine(&sandbox, &[])), ["usual", "k"]);
    // An entry without a profile uses it.
    let mut exec = right();
    exec["args"] = json!(["kubectl", "--audience=k8s"]);
    kubeconfig(&sandbox, &exec);
    let found = examine(&sandbox, &[]);
    assert_eq!(checked(&found), ["usual"]);
    found.exits(0).has("ok", "aud `k8s`");
}

#[test]
fn of_many_profiles_the_first_are_checked_and_the_rest_listed() {
    let mut sandbox = configured();
    let sts = FakeSts::start(&mut sandbox);
    let names: Vec<String> = (0..11).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    profiles(&sandbox, &names.iter().map(|name| (*name, "")).collect::<Vec<_>>());
    run_by_aws(&sandbox, &names);
    let found = examine(&sandbox, &["--timeout=60s"]);
    assert_eq!(checked(&found).len(), 8);
    found.exits(0).has("warning", "3 more profiles were not checked: `p8`, `p9`, `p10`");
    drop(sts);
}

#[test]
fn profiles_share_the_time_limit_and_the_rest_is_reported() {
    let mut sandbox = configured();
    let names = ["p0", "p1", "p2"];
    profiles(&sandbox, &names.map(|name| (name, "")));
    let sts = FakeSts::start(&mut sandbox);
    run_by_aws(&sandbox, &names);
    let silent = FakeServer::start(|_, _| {
        std::thread::park();
        Reply::Bytes(Vec::new())
    });
    sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", silent.url());
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", silent.url());
    let found = examine(&sandbox, &["--timeout=3s"]);
    assert_eq!(checked(&found), names, "each has its part");
    let late = found.has("error", "cannot get an IAM token");
    assert_eq!((&late["code"], &late["profile"]), (&json!("E_TIMEOUT"), &json!("p0")));
    drop(sts);
}
