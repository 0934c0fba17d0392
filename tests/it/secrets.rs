//! No command prints a secret, at any log level and with any failure.
//!
//! Every run of every test is searched (see `sandbox`). These are the commands most likely to leak.

use std::collections::BTreeSet;

use serde_json::Value;
use yc_id_token_emulator::{Fault, IdTokenVariant, KeySize, Route, TokenForm};

use crate::fake_sts::{Answer, FakeSts};
use crate::fake_vault::{self, FakeVault};
use crate::fake_yc::FakeYc;
use crate::federation;
use crate::sandbox::Sandbox;

/// A command line of the program.
pub struct Line {
    pub command: &'static str,
    arguments: &'static [&'static str],
    /// Whether it fetches credentials.
    obtains: bool,
}

/// Command lines that cover every command.
const LINES: &[Line] = &[
    obtains("token", &["--format=raw"]),
    obtains("token", &["--format=json"]),
    obtains("token", &["--format=header"]),
    obtains("token", &["--format=curl"]),
    obtains("token", &["--format=env"]),
    obtains("token", &["--format=terraform"]),
    obtains("token", &["--decode"]),
    obtains("token", &["--output=output"]),
    obtains("kubectl", &["--api-version=v1"]),
    obtains("kubectl", &["--api-version=v1beta1"]),
    obtains("aws", &[]),
    obtains("gcp", &[]),
    obtains("exec", &["--aws", "--", "true"]),
    obtains("exec", &["--aws", "--serve", "--", "true"]),
    obtains("exec", &["--gcp", "--", "true"]),
    obtains("exec", &["--vault", "--token-env=TOKEN", "--token-file-env=FILE=sts", "--", "true"]),
    obtains("vault token", &[]),
    obtains("vault token", &["--wrap-ttl=60s"]),
    obtains("vault login", &[]),
    obtains("vault exec", &["--", "true"]),
    obtains("vault exec", &["--revoke", "--", "true"]),
    obtains("vault token-helper", &["get"]),
    obtains("agent", &["--once", "--file=output"]),
    keeps_house("agent check"),
    keeps_house("vault status"),
    keeps_house("vault revoke"),
    keeps_house("vault install-helper"),
    keeps_house("key import"),
    keeps_house("key list"),
    keeps_house("key remove"),
    keeps_house("cache path"),
    keeps_house("cache clear"),
    keeps_house("profiles"),
    keeps_house("service-accounts"),
    keeps_house("status"),
    keeps_house("doctor"),
    keeps_house("explain"),
    keeps_house("setup kubectl"),
    keeps_house("setup aws"),
    keeps_house("setup vault"),
    keeps_house("setup gcp"),
    keeps_house("completions"),
    keeps_house("config path"),
    keeps_house("config edit"),
    keeps_house("config get"),
    keeps_house("config set"),
    keeps_house("config unset"),
    keeps_house("config validate"),
    keeps_house("man"),
    keeps_house("demo"),
    keeps_house("emulator"),
];

const fn obtains(command: &'static str, arguments: &'static [&'static str]) -> Line {
    Line { command, arguments, obtains: true }
}

const fn keeps_house(command: &'static str) -> Line {
    Line { command, arguments: &[], obtains: false }
}

impl Line {
    /// Whether it is the first of its command.
    fn is_first(&self) -> bool {
        let first = LINES.iter().find(|line| line.command == self.command);
        first.is_some_and(|first| first.arguments == self.arguments)
    }

    pub fn words(&self, more: &[&'static str]) -> Vec<&'static str> {
        self.command
            .split(' ')
            .chain(more.iter().copied())
            .chain(self.arguments.iter().copied())
            .collect()
    }
}

pub fn those_that_obtain() -> impl Iterator<Item = &'static Line> {
    LINES.iter().filter(|line| line.obtains)
}

/// The consumers' servers.
pub struct Servers {
    sts: FakeSts,
    vault: FakeVault,
}

/// A sandbox in which every command can run, with the most verbose log on standard error.
pub fn sandbox() -> (Sandbox, Servers) {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let vault = FakeVault::start(&mut sandbox);
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    sandbox.unset("YC_ID_TOKEN_VERBOSE");
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "k8s");
    let provider = "projects/1/locations/global/workloadIdentityPools/pool/providers/yandex";
    sandbox.set("YC_ID_TOKEN_GCP_PROVIDER", provider);
    for file in ["output", ".vault-token"] {
        sandbox.may_hold_secrets(&sandbox.home().join(file));
    }
    (sandbox, Servers { sts, vault })
}

/// The commands in the help below some words, recursively.
fn commands(sandbox: &Sandbox, below: &[&str]) -> BTreeSet<String> {
    let help = sandbox.run(&[below, &["--help"]].concat()).ok();
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return BTreeSet::from([below.join(" ")]);
    };
    let entries = list.lines().take_while(|line| !line.is_empty());
    // A description that continues on the next line is indented more.
    let names = entries.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty());
    let mut commands: BTreeSet<String> =
        names.flat_map(|name| commands(sandbox, &[below, &[name]].concat())).collect();
    // A command that works without a subcommand has its own line in the usage.
    if !below.is_empty() && help.contains(&format!("{} [OPTIONS]\n", below.join(" "))) {
        commands.insert(below.join(" "));
    }
    commands
}

#[test]
fn every_command_is_tested_for_secrets() {
    let (sandbox, _servers) = sandbox();
    let looked_at: BTreeSet<String> = LINES.iter().map(|line| line.command.to_owned()).collect();
    assert_eq!(commands(&sandbox, &[]), looked_at);
}

/// The kinds of identity.
const IDENTITIES: [&str; 10] = [
    "file",
    "variable",
    "token",
    "token-file",
    "oauth-token",
    "impersonation",
    "workload",
    "yc-profile",
    "yc-cli",
    "metadata",
];

/// Configures the sandbox with one kind of identity.
fn become_someone(sandbox: &mut Sandbox, identity: &str) {
    let token = sandbox.cloud.issue_iam_token(&sandbox.account);
    let oauth = "y0_AgAAAAAverysecretoauthtoken";
    let person = sandbox.cloud.add_person(oauth);
    sandbox.cloud.grant_token_creator(&sandbox.account, &person);
    let key_file = sandbox.home().join("key.json");
    match identity {
        "file" => sandbox.set("YC_ID_TOKEN_KEY_FILE", key_file),
        "variable" => sandbox.set("YC_SERVICE_ACCOUNT_KEY_FILE", sandbox.key.to_json()),
        "token" => sandbox.set("YC_IAM_TOKEN", token),
        "token-file" => {
            let file = sandbox.write_secret("iam-token", &token);
            sandbox.set("YC_ID_TOKEN_IAM_TOKEN_FILE", file);
        }
        "oauth-token" => sandbox.set("YC_TOKEN", oauth),
        "impersonation" => {
            let other = sandbox.cloud.add_service_account("other", "b1gfolder");
            let other_key = sandbox.cloud.add_authorized_key(&other, KeySize::Rsa2048);
            sandbox.cloud.grant_token_creator(&sandbox.account, &other);
            let file = sandbox.write_secret("other.json", &other_key.to_json());
            sandbox.set("YC_ID_TOKEN_KEY_FILE", file);
            let account = sandbox.account.clone();
            sandbox.set("YC_ID_TOKEN_IMPERSONATE_SERVICE_ACCOUNT", account);
        }
        "workload" => {
            let external = federation::external("app", 3600);
            sandbox.cloud.federate(&external, &sandbox.account);
            let file = sandbox.write_secret("external", &external);
            sandbox.set("YC_ID_TOKEN_IDENTITY", format!("kubernetes:{}", file.display()));
        }
        "yc-profile" => {
            let text = format!("current: a\nprofiles:\n  a:\n    token: {oauth}\n");
            sandbox.write_secret(".config/yandex-cloud/config.yaml", &text);
        }
        "yc-cli" => {
            FakeYc::install(sandbox);
            sandbox.set("YC_ID_TOKEN_IDENTITY", "yc-cli");
        }
        _ => {
            sandbox.cloud.attach_to_instance(Some(&sandbox.account));
            let address = sandbox.cloud.url().trim_start_matches("http://").to_owned();
            sandbox.set("YC_METADATA_ADDR", address);
        }
    }
}

#[test]
fn no_command_shows_a_secret_at_any_log_level() {
    for identity in IDENTITIES {
        let (mut sandbox, _servers) = sandbox();
        sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
        become_someone(&mut sandbox, identity);
        let speaks = if identity == "yc-cli" { "DEBUG running yc" } else { "DEBUG requesting" };
        // The identity does not change the format of the output, so the other identities need fewer lines.
        let lines = those_that_obtain().filter(|line| identity == "file" || line.is_first());
        for line in lines {
            let run = |more: &[&'static str]| {
                let outcome = sandbox.run(&line.words(more));
                assert!(outcome.status.success(), "{identity}: {:?}: {outcome:?}", line.words(&[]));
                outcome.stderr
            };
            // Into a file, which the sandbox searches at its end; and on standard error, with and without cached
            // credentials.
            assert_eq!(run(&["-vvv", "--log-file=log"]), "");
            assert!(run(&["-vvv", "--force-refresh"]).contains(speaks), "it logs a lot");
            assert!(run(&["-vvv"]).contains("INFO"), "it logs a lot");
        }
        assert!(sandbox.log().contains(speaks), "it logs a lot: {}", sandbox.log());
    }
}

#[test]
fn no_command_shows_a_secret_when_it_fails() {
    let (sandbox, Servers { sts, vault }) = sandbox();
    let usual = IdTokenVariant::default;
    let fails = |line: &Line, code: &str| {
        let words = line.words(&["-vvv", "--force-refresh"]);
        let outcome = sandbox.run(&words);
        if line.command == "gcp" {
            let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
            assert_eq!(answer["code"], code, "{outcome:?}");
            for secret in sandbox.secrets() {
                assert!(!crate::leaks::holds(&outcome.stdout, &secret), "{outcome:?}");
            }
        } else {
            assert!(outcome.stderr.contains(&format!("[{code}]")), "{words:?}: {outcome:?}");
            assert_eq!(outcome.stdout, "", "{words:?}");
        }
    };
    for line in those_that_obtain().filter(|line| line.is_first()) {
        for route in [Route::IamToken, Route::TokenExchange] {
            sandbox.cloud.always(route, Some(Fault::EchoSecret));
            fails(line, "E_SOURCE_REFUSED");
            sandbox.cloud.always(route, None);
        }
        sandbox
            .cloud
            .script(Route::TokenExchange, [Fault::Reset, Fault::Status(503), Fault::Truncated]);
        fails(line, "E_NETWORK");
        for variant in [
            IdTokenVariant { wrong_subject: true, ..usual() },
            IdTokenVariant { form: TokenForm::Garbage, ..usual() },
        ] {
            sandbox.cloud.set_id_token_variant(variant);
            fails(line, "E_SOURCE_TOKEN");
        }
        sandbox.cloud.set_id_token_variant(usual());
        if matches!(line.command, "aws" | "exec") {
            for answer in [
                Answer::Refusal(400, "InvalidIdentityToken", repeated(&sandbox)),
                Answer::Refusal(403, repeated(&sandbox), "no"),
            ] {
                sts.script([answer]);
                let outcome = sandbox.run(&line.words(&["-vvv", "--force-refresh"]));
                assert_eq!(outcome.status.code(), Some(5), "{outcome:?}");
            }
        }
        if line.command.starts_with("vault ") {
            vault.script([fake_vault::Answer::Refusal(400, repeated(&sandbox))]);
            let outcome = sandbox.run(&line.words(&["-vvv", "--force-refresh"]));
            assert_eq!(outcome.status.code(), Some(5), "{outcome:?}");
        }
    }
}

#[test]
fn commands_about_credentials_do_not_print_them() {
    for identity in IDENTITIES {
        let (mut sandbox, _servers) = sandbox();
        sandbox.configure("[profiles.p.vault]\nmount = \"jwt\"\n");
        sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
        become_someone(&mut sandbox, identity);
        for line in those_that_obtain().filter(|line| line.is_first()) {
            sandbox.run(&line.words(&["--profile=p"]));
        }
        for words in [&["status"][..], &["status", "p"], &["doctor", "p"]] {
            for more in [&["-vvv"][..], &["-vvv", "--json"]] {
                let outcome = sandbox.run(&[words, more].concat());
                assert!(outcome.stdout.contains("token"), "{outcome:?}");
                for secret in sandbox.secrets() {
                    assert!(!crate::leaks::holds(&outcome.stdout, &secret), "{outcome:?}");
                }
            }
        }
    }
}

/// A token, as the server that received it could repeat it.
fn repeated(sandbox: &Sandbox) -> &'static str {
    let secrets = sandbox.cloud.secrets();
    let token = secrets.iter().rfind(|secret| secret.starts_with("eyJ")).unwrap();
    let words = format!("no: {token}");
    Box::leak(words.into_boxed_str())
}

#[test]
fn a_secret_in_the_place_of_a_file_name_is_not_printed() {
    let (mut sandbox, _servers) = sandbox();
    let key = sandbox.key.to_json();
    let token = sandbox.cloud.issue_iam_token(&sandbox.account);
    let pem =
        serde_json::from_str::<Value>(&key).unwrap()["private_key"].as_str().unwrap().to_owned();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    for (variable, value) in [
        ("YC_ID_TOKEN_KEY_FILE", &pem),
        ("YC_SERVICE_ACCOUNT_KEY_FILE", &pem),
        ("YC_ID_TOKEN_IAM_TOKEN_FILE", &token),
    ] {
        let mut command = sandbox.command(&["token"]);
        command.env(variable, value);
        let (message, _) = sandbox.finish(command).fails(3, "E_VALUE");
        assert!(message.starts_with(variable), "{message}");
        assert!(message.ends_with("and must be the name of a file"), "{message}");
    }
    for identity in [token.clone(), format!("token-file:{token}"), format!("iam-token:{token}")] {
        let outcome = sandbox.run(&["token", "--service-account=aje1", "--identity", &identity]);
        assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
        assert!(outcome.stderr.contains("[redacted]"), "{outcome:?}");
    }
    // A file that ends in the middle of the key.
    for end in (0..key.len() - 8).step_by(97) {
        let file = sandbox.write_secret("broken.json", &key[..end]);
        sandbox.run(&["token", "--key-file", file.to_str().unwrap()]).fails(3, "E_IDENTITY");
    }
}
