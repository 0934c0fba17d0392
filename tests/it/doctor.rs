//! `doctor` finds problems and prints fixes, and its exit status is that of the first problem.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, Route};

use crate::fake_server::{FakeServer, Reply};
use crate::fake_sts::FakeSts;
use crate::fake_vault::FakeVault;
use crate::sandbox::{PROGRAM, Sandbox};

/// The result of a run.
pub struct Found(pub Value);

pub fn examine(sandbox: &Sandbox, arguments: &[&str]) -> Found {
    let outcome = sandbox.run(&[&["doctor", "--json"], arguments].concat());
    assert_eq!(outcome.stderr, "");
    for secret in sandbox.secrets() {
        assert!(!crate::leaks::holds(&outcome.stdout, &secret), "{}", outcome.stdout);
    }
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(found["exit"], outcome.status.code().unwrap(), "{found:#}");
    Found(found)
}

impl Found {
    /// The findings that are not good, with their results, in the order of the report.
    pub fn wrong(&self) -> Vec<(String, String)> {
        let checks = self.0["checks"].as_array().unwrap().iter();
        let wrong = checks.filter(|check| check["result"] != "ok");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        wrong
            .inspect(|check| assert!(check["fix"].is_string(), "without a fix: {check}"))
            .map(|check| (text(&check["result"]), text(&check["finding"])))
            .collect()
    }

    /// The only finding with this result and text.
    #[track_caller]
    pub fn has(&self, result: &str, words: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        let is_it = |check: &&Value| {
            check["result"] == result && check["finding"].as_str().unwrap().contains(words)
        };
        checks.iter().find(is_it).unwrap_or_else(|| panic!("no `{words}`: {:#}", self.0))
    }

    #[track_caller]
    pub fn exits(&self, status: i64) -> &Self {
        assert_eq!(self.0["exit"], status, "{:#}", self.0);
        self
    }
}

/// A sandbox with only this program on the `PATH`, and a profile.
pub fn configured() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let programs = sandbox.home().join("programs");
    fs::create_dir(&programs).unwrap();
    symlink(PROGRAM, programs.join("yc-id-token")).unwrap();
    sandbox.set("PATH", programs);
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    configure(&sandbox, "");
    sandbox
}

/// Writes the configuration, with more for the profile `prod` and below.
pub fn configure(sandbox: &Sandbox, more: &str) {
    sandbox.configure(&format!(
        "[profiles.prod]\nkey_file = \"{}\"\naudience = \"k8s\"\n{more}",
        sandbox.home().join("key.json").display()
    ));
}

#[test]
fn a_working_setup_has_no_problems() {
    let sandbox = configured();
    let found = examine(&sandbox, &["prod"]);
    assert_eq!(found.wrong(), [], "{:#}", found.0);
    found.exits(0).has("ok", "its signature is valid");
    let token = found.has("ok", "a new ID token")["finding"].as_str().unwrap();
    for claim in [sandbox.cloud.issuer(), &sandbox.account, "`k8s`"] {
        assert!(token.contains(claim), "{claim}: {token}");
    }
    found.has("ok", "its issuer matches the discovery document");
    found.has("ok", "OAuth at 127.0.0.1");
    found.has("ok", "is closed to others (mode 0600)");
    assert_eq!(sandbox.token_requests(), (1, 1));
    examine(&sandbox, &["prod"]).exits(0);
    assert_eq!(sandbox.token_requests(), (2, 2), "a token is really fetched each time");
    let left = fs::read_dir(sandbox.cache_folder()).unwrap().count();
    assert!(left <= 4, "the probe leaves nothing behind: {left}");

    let outcome = sandbox.run(&["doctor", "prod"]);
    assert!(outcome.stdout.ends_with("\nno problems; checked: profile `prod`\n"), "{outcome:?}");
    assert!(outcome.stdout.is_ascii(), "by the locale: {outcome:?}");
    let mut command = sandbox.command(&["doctor", "prod"]);
    command.env("LC_ALL", "C.UTF-8");
    assert!(sandbox.finish(command).ok().contains("  ✓ "));
}

#[test]
fn a_broken_configuration_does_not_stop_the_other_checks() {
    let sandbox = configured();
    sandbox.configure("[profiles.prod]\naudiance = \"k8s\"\n");
    let mut command = sandbox.command(&["doctor", "prod", "--json"]);
    command.env("YC_ID_TOKEN_KEY_FILE", sandbox.home().join("key.json"));
    let outcome = sandbox.finish(command);
    let found = Found(serde_json::from_str(&outcome.stdout).unwrap());
    let check = found.exits(3).has("error", "unknown key `audiance`");
    assert_eq!(check["fix"], "did you mean `audience`?");
    found.has("ok", "its signature is valid");

    let found = examine(&sandbox, &["nope"]);
    found.exits(3).has("error", "there is no profile `nope`");
    let (message, _) = sandbox.run(&["doctor", "a", "--profile=b"]).fails(2, "E_USAGE");
    assert!(message.contains("two profiles"), "{message}");
}

#[test]
fn a_consumer_is_checked_with_the_profile_of_its_name() {
    let sandbox = configured();
    let profile = "[profiles.aws]\nextends = \"prod\"\naudience = \"sts\"\n";
    configure(&sandbox, profile);
    let found = examine(&sandbox, &["aws"]);
    found.exits(3).has("error", "the role is not set");
    configure(
        &sandbox,
        &format!(
            "{profile}[profiles.aws.aws]\nrole_arn = \"arn:aws:iam::123456789012:role/robot\"\nsts_endpoint = \"{}\"\n",
            sandbox.cloud.url()
        ),
    );
    let found = examine(&sandbox, &["aws"]);
    found.exits(0).has("ok", "profile `aws`");
    found.has("ok", "aud `sts`");
    let checks = found.0["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["group"] != "kubectl"), "{:#}", found.0);
    examine(&sandbox, &["aws", "--profile=prod"]).exits(3).has("ok", "profile `prod`");
}

#[test]
fn a_missing_home_configuration_and_network_are_findings() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("HOME", "/dev/null/home");
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "http://127.0.0.1:1");
    sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", "http://127.0.0.1:1");
    let found = examine(&sandbox, &["--timeout=6s"]);
    found.has("error", "connection refused");
    found.has("error", "no identity for Yandex Cloud was found");
    let errors = found.wrong();
    let is_it = |(_, text): &&(String, String)| text.starts_with("no identity for Yandex Cloud");
    assert_eq!(errors.iter().filter(is_it).count(), 1, "once: {errors:?}");
    found.has("warning", "the clock cannot be compared");
    assert_ne!(found.0["exit"], 0);
}

#[test]
fn a_variable_that_overrides_the_profile_is_reported() {
    let mut sandbox = configured();
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "other");
    let found = examine(&sandbox, &["prod"]);
    let words = "`audience` is `other` because of YC_ID_TOKEN_AUDIENCE, not `k8s` (profile `prod`";
    found.exits(0).has("warning", words);
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "k8s");
    assert_eq!(examine(&sandbox, &["prod"]).wrong(), [], "it reports the same");
}

#[test]
fn a_key_that_is_readable_or_missing_is_reported() {
    let sandbox = configured();
    let key = sandbox.home().join("key.json");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let found = examine(&sandbox, &["prod"]);
    let check = found.exits(3).has("error", "can be read by others (mode 0644)");
    assert!(check["fix"].as_str().unwrap().contains("chmod 600"), "{check}");
    found.has("ok", "IAM at 127.0.0.1");
    fs::rename(&key, sandbox.home().join("moved")).unwrap();
    sandbox.may_hold_secrets(&sandbox.home().join("moved"));
    examine(&sandbox, &["prod"]).exits(3).has("error", "no such file");
}

#[test]
fn the_clock_is_compared_with_the_servers() {
    for (shift, result, words, exit) in [
        (3, "ok", "the clock agrees", 0),
        (30, "warning", "s behind that of", 0),
        (-30, "warning", "s ahead of that of", 0),
        (600, "error", "s behind that of", 3),
    ] {
        let sandbox = configured();
        sandbox.cloud.set_clock_shift(shift);
        let found = examine(&sandbox, &["prod"]);
        found.exits(exit).has(result, words);
        found.has("ok", "its signature is valid");
    }
}

#[test]
fn a_network_failure_is_reported_with_the_route() {
    let mut sandbox = configured();
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "http://127.0.0.1:1");
    let found = examine(&sandbox, &["prod"]);
    found.exits(6).has("error", "cannot get an answer from IAM");
    found.has("ok", "OAuth at 127.0.0.1");

    let mut sandbox = Sandbox::with_tls();
    let found = examine(&sandbox, &[]);
    let check = found.exits(6).has("error", "cannot get an answer from IAM");
    assert_eq!(check["code"], "E_TLS");
    sandbox.set("YC_ID_TOKEN_CA_FILE", sandbox.home().join("ca.pem"));
    let found = examine(&sandbox, &[]);
    assert!(found.has("ok", "IAM at ")["finding"].as_str().unwrap().contains("TLS "));
    found.exits(0).has("ok", "ca.pem (YC_ID_TOKEN_CA_FILE)");
    // A proxy that is not running, and one that is not for this server.
    sandbox.set("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1");
    sandbox.keep_secret("hunter2");
    let found = examine(&sandbox, &["--timeout=9s"]);
    let way = "IAM is called through the proxy http://127.0.0.1:1/ (HTTPS_PROXY is set)";
    found.exits(6).has("warning", way);
    sandbox.set("NO_PROXY", "127.0.0.1");
    examine(&sandbox, &[]).exits(0).has("ok", "without a proxy (NO_PROXY names it)");
    sandbox.write("ca.pem", "nothing");
    examine(&sandbox, &[]).exits(3).has("error", "holds no PEM certificate");
}

#[test]
fn a_refusal_of_yandex_is_reported_as_in_a_run() {
    let sandbox = configured();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let found = examine(&sandbox, &["prod"]);
    let check = found.exits(4).has("error", "cannot get an ID token for audience `k8s`");
    assert!(check["fix"].as_str().unwrap().contains("iam.serviceAccounts.tokenCreator"));
    assert_eq!(check["code"], "E_SOURCE_DENIED");
}

#[test]
fn a_token_that_servers_would_reject_is_reported() {
    let sandbox = configured();
    let json = |body: Value| Fault::Body {
        status: 200,
        content_type: "application/json".into(),
        body: body.to_string(),
    };
    let jwks = format!("{}/oauth/jwks/keys", sandbox.cloud.url());
    let other = json!({ "issuer": "https://other.example", "jwks_uri": jwks });
    sandbox.cloud.always(Route::Discovery, Some(json(other)));
    let found = examine(&sandbox, &["prod"]);
    found.exits(4).has("error", "but its discovery document has `https://other.example`");
    found.has("ok", "its signature is valid");
    sandbox.cloud.always(Route::Discovery, None);

    sandbox.cloud.always(Route::Jwks, Some(json(json!({ "keys": [] }))));
    examine(&sandbox, &["prod"]).exits(4).has("error", "not among those that the issuer publishes");
    sandbox.cloud.always(Route::Jwks, Some(Fault::Html));
    examine(&sandbox, &["prod"]).exits(6).has("error", "a web page");
}

#[test]
fn the_cache_folder_is_checked() {
    let mut sandbox = configured();
    examine(&sandbox, &["prod"]).exits(0).has("ok", "was created: it is closed to others");
    let folder = sandbox.cache_folder();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let found = examine(&sandbox, &["prod"]);
    found.exits(0).has("warning", "is open to others (mode 0755)");
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "a file").unwrap();
    let found = examine(&sandbox, &["prod"]);
    found.exits(7).has("error", "it is not a directory");
    found.has("ok", "its signature is valid");
    fs::remove_file(&folder).unwrap();
    // Owned by another user.
    sandbox.set("XDG_CACHE_HOME", sandbox.home().join("theirs"));
    let theirs = sandbox.home().join("theirs/yc-id-token");
    fs::create_dir_all(&theirs).unwrap();
    if std::os::unix::fs::chown(&theirs, Some(12345), None).is_ok() {
        examine(&sandbox, &["prod"]).exits(7).has("error", "it belongs to someone else");
    }
    examine(&sandbox, &["prod", "--cache=none"]).exits(0).has("warning", "nothing is cached");
}

#[test]
fn an_oauth_token_gets_a_warning() {
    let mut sandbox = configured();
    let token = "y0_AgAAAAoauthtokenofaperson0123456789";
    sandbox.cloud.add_person(token);
    sandbox.keep_secret(token);
    sandbox.set("YC_ID_TOKEN_OAUTH_TOKEN", token);
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
    examine(&sandbox, &[]).has("warning", "retires OAuth tokens at the end of 2026");
}

#[test]
fn aws_profiles_that_run_this_program_are_checked() {
    let mut sandbox = configured();
    let sts = FakeSts::start(&mut sandbox);
    let spaced = sandbox.home().join("with space");
    fs::create_dir(&spaced).unwrap();
    symlink(PROGRAM, spaced.join("yc-id-token")).unwrap();
    let spaced = spaced.join("yc-id-token");
    let check = |sandbox: &Sandbox, process: &str| {
        let text = format!("[profile sa]\ncredential_process = {process}\n");
        sandbox.write(".aws/config", &text);
        examine(sandbox, &["aws", "--profile=prod"])
    };
    let right = format!("{PROGRAM} aws --profile=prod");
    check(&sandbox, &right).exits(0).has("ok", "profile `sa` of ");
    check(&sandbox, &format!("\"{}\" aws", spaced.display())).exits(0);
    for (process, words) in [
        (format!("{} aws", spaced.display()), "has spaces, and is not quoted"),
        ("yc-id-token-aws".into(), "`yc-id-token-aws` is not on the PATH"),
        ("~/bin/yc-id-token aws".into(), "no shell reads it"),
        ("/nonexistent/yc-id-token aws".into(), "`/nonexistent/yc-id-token` cannot be run"),
        ("\"/p/yc-id-token aws".into(), "the quotes of `credential_process` do not match"),
    ] {
        check(&sandbox, &process).exits(3).has("error", words);
    }
    check(&sandbox, "yc-id-token aws --profile=prod").exits(0).has("warning", "is not a full path");
    sandbox.write(".aws/credentials", "[sa]\naws_access_key_id = AKIAEXAMPLE\n");
    check(&sandbox, &right).exits(3).has("error", "the same profile also has access keys");
    fs::remove_file(sandbox.home().join(".aws/credentials")).unwrap();
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
    check(&sandbox, &right).exits(0).has("warning", "AWS_ACCESS_KEY_ID is set");
    sandbox.unset("AWS_ACCESS_KEY_ID");
    sandbox.set("YC_ID_TOKEN_AWS_DURATION", "15m");
    let found = check(&sandbox, &right);
    found.exits(0).has("warning", "botocore runs the helper for every request");
    found.has("ok", "STS at 127.0.0.1");
    drop(sts);
}

#[test]
fn the_token_helper_of_vault_is_checked() {
    let mut sandbox = configured();
    let vault = FakeVault::start(&mut sandbox);
    configure(&sandbox, &format!("[profiles.prod.vault]\naddress = \"{}\"\n", vault.url()));
    let link = sandbox.home().join("programs/yc-id-token-vault");
    symlink(PROGRAM, &link).unwrap();
    let check = |sandbox: &Sandbox, helper: &str| {
        sandbox.write(".vault", &format!("token_helper = \"{helper}\"\n"));
        examine(sandbox, &["vault", "--profile=prod"])
    };
    let right = link.to_str().unwrap();
    let found = check(&sandbox, right);
    found.exits(0).has("ok", "is yc-id-token");
    found.has("ok", "Vault at 127.0.0.1");
    let spaced = sandbox.home().join("with space");
    fs::create_dir(&spaced).unwrap();
    symlink(PROGRAM, spaced.join("yc-id-token-vault")).unwrap();
    for (helper, words) in [
        ("/nonexistent/yc-id-token-vault", "there is no such file"),
        ("yc-id-token-vault", "is not a full path"),
        (spaced.join("yc-id-token-vault").to_str().unwrap(), "its path has spaces"),
        (&format!("{right} vault"), "reads the whole value as one path"),
        (PROGRAM, "only under the name yc-id-token-vault"),
    ] {
        check(&sandbox, helper).exits(3).has("error", words);
    }
    // An OpenBao with its own file, which names no helper.
    let bao = sandbox.write("programs/bao", "#!/bin/sh\necho OpenBao v2\n");
    fs::set_permissions(&bao, Permissions::from_mode(0o755)).unwrap();
    check(&sandbox, right).has("warning", "so the CLI of OpenBao does not use yc-id-token");
    sandbox.write(".bao", &format!("token_helper = \"{right}\"\n"));
    assert_eq!(check(&sandbox, right).exits(0).wrong(), []);
    fs::remove_file(bao).unwrap();
    fs::remove_file(sandbox.home().join(".bao")).unwrap();
    // The fix can be pasted.
    for arguments in [&["vault", "--profile=prod"][..], &["prod"]] {
        sandbox.write(".vault", "token_helper = \"/nonexistent/yc-id-token-vault\"\n");
        let found = examine(&sandbox, arguments);
        let fix = found.has("error", "there is no such file")["fix"].clone();
        assert_eq!(fix, "install it again with `yc-id-token vault install-helper --profile=prod`");
    }
    check(&sandbox, "/bin/true").exits(0).has("ok", "is another program");
    sandbox.set("VAULT_TOKEN", "hvs.somebodyelsestoken");
    sandbox.keep_secret("hvs.somebodyelsestoken");
    check(&sandbox, right).exits(0).has("warning", "VAULT_TOKEN is set");
}

#[test]
fn programs_that_hang_or_print_nonsense_do_not_block() {
    let sandbox = configured();
    for (name, script) in [
        ("kubectl", "exec /bin/sleep 600"),
        ("aws", "printf 'aws-cli/2 \\033[2J\\nmore\\n'"),
        ("vault", "exit 1"),
    ] {
        let path = sandbox.write(&format!("programs/{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let found = examine(&sandbox, &["prod", "--timeout=9s"]);
    found.exits(3).has("error", "kubectl did not answer within");
    assert_eq!(found.has("ok", "aws-cli/2")["finding"].as_str().unwrap().find('\u{1b}'), None);
    found.has("warning", "vault does not print its version");
}

#[test]
fn a_silent_server_costs_only_the_time_limit() {
    let mut sandbox = configured();
    let silent = FakeServer::start(|_, _| {
        std::thread::park();
        Reply::Bytes(Vec::new())
    });
    sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", silent.url());
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", silent.url());
    let found = examine(&sandbox, &["prod", "--timeout=3s"]);
    assert_eq!(found.exits(6).has("error", "cannot get an answer from IAM")["code"], "E_TIMEOUT");
    found.has("error", "cannot get an IAM token");
}
