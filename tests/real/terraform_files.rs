//! The files of `integrations/terraform`, and the commands of its page.
//!
//! Their providers are in no package registry. Terraform's formatter parses the files, Terraform itself evaluates the
//! expressions with the token, and kubectl or this test runs the commands of a provider.

use std::path::Path;

use serde_json::{Value, json};

use super::api_server::{ApiServer, Trust};
use super::documents::Document;
use super::kubeconfig::{put_on_path, set_up, whoami};
use super::{project_file, terraform};
use crate::sandbox::{PROGRAM, Sandbox, claims};

fn file(name: &str) -> String {
    project_file(&format!("integrations/terraform/{name}"))
}

/// A sandbox configured as on the page.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Document::of("terraform").block("toml", "[profiles.service]"));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
    sandbox
}

/// Types one of the page's blocks into a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, block: &str) -> String {
    sandbox.shell(block).ok()
}

#[test]
fn terraform_can_read_the_files() {
    let sandbox = sandbox();
    for name in ["external.tf", "kubernetes.tf"] {
        terraform::assert_formatted(&sandbox, name, &file(name));
    }
}

#[test]
fn the_exec_blocks_authenticate_to_kubernetes() {
    let mut sandbox = sandbox();
    let read = terraform::read_hcl(&sandbox, &file("kubernetes.tf"));
    let provider = |name: &str| {
        let providers = read["provider"].as_array().unwrap();
        providers.iter().find_map(|provider| provider.get(name)).unwrap().clone()
    };
    let exec = provider("kubernetes")["exec"][0].clone();
    let helm = provider("helm")["kubernetes"]["exec"].clone();
    let trust = Trust::in_cloud(&sandbox.cloud, "kubernetes-prod");
    let server = ApiServer::start(trust, &sandbox.cloud);
    for exec in [exec, helm] {
        // Both use the same Go library as kubectl, with these names for its settings.
        let user = json!({ "exec": {
            "apiVersion": exec["api_version"],
            "command": exec["command"],
            "args": exec["args"],
            "interactiveMode": "Never",
        } });
        set_up(&mut sandbox, &user, &[("prod", &server, Value::Null)]);
        assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
    }
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn the_external_data_source_works_in_terraform() {
    let mut sandbox = sandbox();
    let read = terraform::read_hcl(&sandbox, &file("external.tf"));
    let program = read["data"][0]["external"]["id_token"]["program"].as_array().unwrap().clone();
    let mut words = program.iter().map(|word| word.as_str().unwrap());
    let mut command = sandbox.other_command(words.next().unwrap());
    command.args(words);
    let printed = sandbox.finish(command).ok();
    let result: Value = serde_json::from_str(&printed).unwrap();
    assert!(result.as_object().unwrap().values().all(Value::is_string), "it takes nothing else");
    assert_eq!(claims(result["token"].as_str().unwrap())["aud"], "https://service.example");

    // This is the provider's part; the rest of the file is for Terraform.
    sandbox.write_secret("terraform/result.json", &printed);
    let text = file("external.tf");
    let rest = &text[text.find("locals {").unwrap()..];
    let rest = rest.replace("data.external.id_token.result", "jsondecode(file(\"result.json\"))");
    let variable = Document::of("terraform").block("hcl", "id_token").to_owned();
    let check = "output \"same\" {\n  value = nonsensitive(local.id_token == var.id_token)\n}\n";
    sandbox.write("terraform/main.tf", &format!("{rest}{variable}{check}"));
    // Otherwise it checks for updates.
    sandbox.set("CHECKPOINT_DISABLE", "1");
    let export = Document::of("terraform").block("sh", "TF_VAR_id_token").to_owned();
    let export = format!("{export}printf %s \"$TF_VAR_id_token\"");
    sandbox.set("TF_VAR_id_token", type_in(&sandbox, &export));
    let text_printed = terraform::run(&sandbox, &["apply", "-auto-approve", "-input=false"]);
    for secret in sandbox.secrets() {
        assert!(!text_printed.contains(&secret), "Terraform prints no token");
    }
    assert_eq!(terraform::run(&sandbox, &["output", "-raw", "same"]), "true");
    let expires_at = terraform::run(&sandbox, &["output", "-raw", "expires_at"]);
    assert_eq!(expires_at, result["expires_at"].as_str().unwrap());
}

#[test]
fn the_pages_commands_work() {
    let sandbox = sandbox();
    let page = Document::of("terraform");
    assert!(type_in(&sandbox, page.block("sh", "--version")).starts_with("yc-id-token "));
    let decoded = type_in(&sandbox, page.block("sh", "--decode"));
    let decoded: Value = serde_json::from_str(&decoded).unwrap();
    assert_eq!(decoded["aud"], "https://service.example");
    // The target exists.
    for (name, text_printed) in
        [("vault/terraform/provider.tf", "auth_login_jwt"), ("aws/config", "credential_process")]
    {
        assert!(project_file(&format!("integrations/{name}")).contains(text_printed));
    }
}
