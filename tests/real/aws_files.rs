//! The files of `integrations/aws`, each used as a user would use it, and the commands of its page.

use std::fs;
use std::path::Path;

use serde_json::Value;
use yc_id_token_emulator::Options;

use super::aws::{Client, put_get, set_up};
use super::documents::{Document, filled_in};
use super::kubeconfig::put_on_path;
use super::moto::Moto;
use super::seaweedfs::{BUCKET, Role, SeaweedFs};
use super::{peer, project_file, terraform};
use crate::sandbox::{PROGRAM, Sandbox};

/// Placeholders of the files that a user replaces.
const ACCOUNT: &str = "ajeexampleaccount000";
const HELPER: &str = "/usr/local/bin/yc-id-token";
const ISSUER: &str = "https://auth.yandex.cloud";
const STORAGE: &str = "https://s3.example:9000";

fn file(name: &str) -> String {
    project_file(&format!("integrations/aws/{name}"))
}

fn page() -> Document {
    Document::of("aws")
}

/// A sandbox in the cloud of the files' issuer, configured as on the page.
fn sandbox(configuration: &str) -> Sandbox {
    let issuer = Some(ISSUER.to_owned());
    let sandbox = Sandbox::with_options(Options { issuer, ..Options::default() });
    configured(sandbox, configuration)
}

fn configured(mut sandbox: Sandbox, configuration: &str) -> Sandbox {
    sandbox.configure(configuration);
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.write(".aws/config", &filled_in(&file("config"), HELPER, PROGRAM));
    sandbox.write("trust-policy.json", &trust_policy(&sandbox));
    let cli = peer("aws-venv/bin/aws");
    let folders = [Path::new(PROGRAM), &cli].map(|program| program.parent().unwrap());
    put_on_path(&mut sandbox, &folders);
    sandbox
}

fn trust_policy(sandbox: &Sandbox) -> String {
    filled_in(&file("trust-policy.json"), ACCOUNT, &sandbox.account)
}

/// An administrator of the account, with another identity.
fn as_administrator(sandbox: &mut Sandbox) {
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIAADMINISTRATOR000");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "administrator");
}

fn as_the_sandbox(sandbox: &mut Sandbox) {
    sandbox.unset("AWS_ACCESS_KEY_ID");
    sandbox.unset("AWS_SECRET_ACCESS_KEY");
}

/// Types one of the page's blocks into a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, block: &str) -> String {
    sandbox.shell(&block.replace(HELPER, PROGRAM)).ok()
}

/// The role's trust policy as the account stores it.
fn trust_of_role(sandbox: &Sandbox) -> Value {
    let query = "aws iam get-role --role-name yandex-robot --query Role.AssumeRolePolicyDocument --output json";
    serde_json::from_str(&type_in(sandbox, query)).unwrap()
}

/// A policy's values can be lists; IAM treats a list of one like its item.
fn without_lists_of_one(value: &Value) -> Value {
    match value {
        Value::Array(list) if list.len() == 1 => without_lists_of_one(&list[0]),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), without_lists_of_one(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[test]
fn the_pages_commands_work() {
    let page = page();
    let mut sandbox = sandbox(page.block("toml", "[profiles.aws]"));
    let moto = Moto::start();
    set_up(&mut sandbox, &moto.url());
    assert!(type_in(&sandbox, page.block("sh", "--version")).starts_with("yc-id-token "));

    as_administrator(&mut sandbox);
    type_in(&sandbox, page.block("sh", "create-role"));
    let wanted: Value = serde_json::from_str(&trust_policy(&sandbox)).unwrap();
    assert_eq!(trust_of_role(&sandbox), wanted);
    let provider = type_in(&sandbox, "aws iam list-open-id-connect-providers --output text");
    let federated = wanted["Statement"][0]["Principal"]["Federated"].as_str().unwrap();
    assert!(provider.contains(federated), "{provider}");
    as_the_sandbox(&mut sandbox);

    let claims: Value =
        serde_json::from_str(&type_in(&sandbox, page.block("sh", "--decode"))).unwrap();
    assert_eq!(claims["iss"], ISSUER);
    // A new user has none of these set; the region comes from the files.
    sandbox.unset("AWS_REGION");
    sandbox.unset("AWS_DEFAULT_REGION");
    let name = format!("assumed-role/yandex-robot/yc-id-token-{}", sandbox.account);
    let typed = |saying: &str| type_in(&sandbox, page.block("sh", saying));
    for printed in
        [typed("--profile yandex"), typed("exec --aws --profile"), typed("exec --aws --serve")]
    {
        let identity: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(identity["Arn"], format!("arn:aws:sts::123456789012:{name}"));
    }
    let chained = "aws sts get-caller-identity --profile yandex-other --query Arn --output text";
    assert!(
        type_in(&sandbox, chained).starts_with("arn:aws:sts::222222222222:assumed-role/other/")
    );

    sandbox.set("AWS_DEFAULT_REGION", "eu-central-1");
    let identity = type_in(&sandbox, page.block("sh", "AWS_WEB_IDENTITY_TOKEN_FILE"));
    assert!(identity.contains("assumed-role/yandex-robot/robot"), "{identity}");
}

#[test]
fn the_quick_start_of_the_page_connects_the_cli() {
    // `doctor` reads the keys of the issuer.
    let mut sandbox = configured(Sandbox::new(), "");
    fs::remove_file(sandbox.home().join(".aws/config")).unwrap();
    let moto = Moto::start();
    set_up(&mut sandbox, &moto.url());
    sandbox.write_secret("key.json", &sandbox.key.to_json());
    let page = page();
    let written = type_in(&sandbox, page.block("sh", "setup aws --apply"));
    assert!(written.contains("aws iam create-role --role-name yandex-robot"), "{written}");
    let found = type_in(&sandbox, page.block("sh", "doctor aws"));
    assert!(found.contains("assumed-role/yandex-robot/"), "{found}");
}

#[test]
fn terraform_creates_the_same_role_and_can_assume_it() {
    let mut sandbox = sandbox(page().block("toml", "[profiles.aws]"));
    let moto = Moto::start();
    set_up(&mut sandbox, &moto.url());
    as_administrator(&mut sandbox);
    terraform::init(&mut sandbox, &file("terraform/main.tf"), &moto.url());
    let account = format!("-var=service_account_id={}", sandbox.account);
    terraform::run(&sandbox, &["apply", "-auto-approve", "-input=false", &account]);
    let role = terraform::run(&sandbox, &["output", "-raw", "role_arn"]);
    assert_eq!(role, "arn:aws:iam::123456789012:role/yandex-robot");
    let statement = |policy: &Value| without_lists_of_one(&policy["Statement"][0]);
    let wanted = statement(&serde_json::from_str(&trust_policy(&sandbox)).unwrap());
    let made = statement(&trust_of_role(&sandbox));
    for part in ["Action", "Condition", "Effect", "Principal"] {
        assert_eq!(made[part], wanted[part], "{part}");
    }

    // Its provider is written in Go, and reads `credential_process` too.
    as_the_sandbox(&mut sandbox);
    sandbox.set("AWS_PROFILE", "yandex");
    let caller = "data \"aws_caller_identity\" \"me\" {}\noutput \"me\" { value = data.aws_caller_identity.me.arn }\n";
    terraform::init(&mut sandbox, caller, &moto.url());
    terraform::run(&sandbox, &["apply", "-auto-approve", "-input=false", "-state=other"]);
    let me = terraform::run(&sandbox, &["output", "-raw", "-state=other", "me"]);
    assert!(me.starts_with("arn:aws:sts::123456789012:assumed-role/yandex-robot/"), "{me}");
}

#[test]
fn the_profile_for_an_s3_compatible_server_works() {
    let configuration = page().block("toml", "storage").to_owned();
    let mut sandbox = sandbox("");
    let role = Role { name: "yandex-robot", audience: "storage", subject: &sandbox.account };
    let store = SeaweedFs::start(&sandbox.cloud, &[role]);
    sandbox.configure(&filled_in(&configuration, STORAGE, &store.url()));
    let config = filled_in(&file("config"), STORAGE, &store.url());
    sandbox.write(".aws/config", &filled_in(&config, HELPER, PROGRAM));
    sandbox.set("AWS_PROFILE", "storage");
    for client in [Client::Cli, Client::Boto3, Client::Rust] {
        let text = format!("by {client:?}");
        let outcome = put_get(&sandbox, client, BUCKET, "object", &text);
        assert_eq!(outcome.ok(), format!("{text}\n"), "{client:?}");
    }
}
