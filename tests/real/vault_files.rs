//! The files of `integrations/vault`, each used as a user would use it, and the commands of its page.
//!
//! The Terraform provider for Vault is in no package registry. Terraform's formatter parses its two files, but does not
//! apply them. The role in one is compared with the role that the CLI creates, and the login of the other is made by
//! the test.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token_emulator::Options;

use super::documents::{Document, filled_in};
use super::kubeconfig::put_on_path;
use super::openbao::{ANSWER, OpenBao, bao, cli};
use super::{Killed, peer, project_file};
use crate::sandbox::{PROGRAM, Sandbox, eventually};

/// Placeholders of the files that a user replaces.
const ACCOUNT: &str = "ajeexampleaccount000";
const ADDRESS: &str = "https://vault.example:8200";
const AUTHORITY: &str = "/etc/ssl/vault-ca.pem";
const ISSUER: &str = "https://auth.yandex.cloud";
const RUN: &str = "/run/yc-id-token";

fn file(name: &str) -> String {
    project_file(&format!("integrations/vault/{name}"))
}

fn page() -> Document {
    Document::of("vault")
}

/// A text with the values of this sandbox and server in place of the placeholders.
fn here(sandbox: &Sandbox, server: &OpenBao, text: &str) -> String {
    let home = sandbox.home().display().to_string();
    text.replace(ACCOUNT, &sandbox.account)
        .replace(ADDRESS, &server.url())
        .replace(AUTHORITY, &format!("{home}/vault-ca.pem"))
        .replace(ISSUER, sandbox.cloud.url())
        .replace(RUN, &home)
}

/// A sandbox and a server, configured as on the page, with `vault` and `bao` on the `PATH`.
fn start() -> (Sandbox, OpenBao) {
    start_in(Sandbox::new())
}

/// The same in this sandbox.
fn start_in(mut sandbox: Sandbox) -> (Sandbox, OpenBao) {
    let server = OpenBao::start_untrusting();
    sandbox.write("vault-ca.pem", &server.ca_pem);
    let configuration = page().block("toml", "[profiles.vault]").to_owned();
    sandbox.configure(&here(&sandbox, &server, &configuration));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.write("policy.hcl", &file("policy.hcl"));
    let folder = sandbox.home().join("clis");
    fs::create_dir(&folder).unwrap();
    for name in ["vault", "bao"] {
        std::os::unix::fs::symlink(bao(), folder.join(name)).unwrap();
    }
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap(), &folder]);
    sandbox.set("SHELL", "/bin/sh");
    sandbox.set("VAULT_ADDR", server.url());
    sandbox.set("VAULT_CACERT", sandbox.home().join("vault-ca.pem"));
    set_up(&mut sandbox, &server);
    (sandbox, server)
}

/// Runs the administrator's commands of the page.
fn set_up(sandbox: &mut Sandbox, server: &OpenBao) {
    sandbox.set("VAULT_TOKEN", server.root_token());
    let steps = page().block("sh", "vault write auth/jwt/role").to_owned();
    type_in(sandbox, server, &steps);
    sandbox.unset("VAULT_TOKEN");
}

/// Types one of the page's blocks into a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, server: &OpenBao, block: &str) -> String {
    sandbox.shell(&here(sandbox, server, block)).ok()
}

#[test]
fn the_pages_commands_work() {
    let (sandbox, server) = start();
    let page = page();
    let typed = |saying: &str| type_in(&sandbox, &server, page.block("sh", saying));
    assert!(typed("--version").starts_with("yc-id-token "));
    let claims: Value = serde_json::from_str(&typed("--decode")).unwrap();
    assert_eq!(claims["iss"], sandbox.cloud.issuer());
    assert_eq!(typed("vault exec"), ANSWER);
    let file = sandbox.home().join(".vault-token");
    sandbox.may_hold_secrets(&file);
    let printed = typed("vault login");
    assert!(printed.contains("role       robot\n") && printed.ends_with(ANSWER), "{printed}");
    fs::remove_file(file).unwrap();
    let printed = typed("install-helper --profile");
    let made = "yc-id-token-vault-vault, which leads to";
    assert!(printed.contains(made) && printed.ends_with(ANSWER), "{printed}");
    assert_eq!(server.leases("jwt"), 1, "all of them have had the same token");
    assert!(typed("--remove").lines().all(|line| line.starts_with("removed ")));
    assert!(!sandbox.home().join(".bao").exists());
}

#[test]
fn the_quick_start_of_the_page_connects_the_cli() {
    let (sandbox, server) = start();
    fs::remove_file(sandbox.home().join(".config/yc-id-token/config.toml")).unwrap();
    sandbox.write_secret("key.json", &sandbox.key.to_json());
    let page = page();
    let typed = |saying: &str| type_in(&sandbox, &server, page.block("sh", saying));
    let written = typed("setup vault --apply");
    assert!(written.contains("vault write auth/jwt/role/robot role_type=jwt"), "{written}");
    let found = typed("doctor vault");
    let exchange = "an exchange returns a Vault token of the role `robot`";
    assert!(found.contains(exchange) && found.contains("no problems"), "{found}");
}

#[test]
fn the_agent_logs_in_again_at_each_rotation_of_the_token_file() {
    let (mut sandbox, server) = start();
    let config = here(&sandbox, &server, &file("agent.hcl"));
    let config = sandbox.write("agent.hcl", &filled_in(&config, "\"30s\"", "\"100ms\""));
    let (jwt, sink) = (sandbox.home().join("vault.jwt"), sandbox.home().join("vault-token"));
    for file in [&jwt, &sink] {
        sandbox.may_hold_secrets(file);
    }
    let block = page().block("sh", "--output=").to_owned();
    let rotate = filled_in(&block, "yc-id-token token", "yc-id-token token --force-refresh");
    type_in(&sandbox, &server, &block);

    let log = fs::File::create(sandbox.home().join("agent.log")).unwrap();
    let mut agent = cli(&sandbox, &["agent", &format!("-config={}", config.display())]);
    agent.stdout(log.try_clone().unwrap()).stderr(log);
    let _agent = Killed(agent.spawn().unwrap());
    let handed_on = || fs::read_to_string(&sink).unwrap_or_default();
    let mut last = String::new();
    for _ in 0..3 {
        eventually(
            "the agent has another token",
            || !matches!(handed_on(), token if token.is_empty() || token == last),
        );
        last = handed_on();
        sandbox.keep_secret(&last);
        assert!(jwt.exists(), "the agent leaves it there");
        sandbox.set("VAULT_TOKEN", &last);
        assert_eq!(super::openbao::read_secret(&sandbox).ok(), ANSWER);
        type_in(&sandbox, &server, &rotate);
    }
    assert!(server.leases("jwt") >= 3);
}

#[test]
fn openbaos_agent_logs_in_again_at_each_renewal_by_an_agent() {
    let id_token_life = Duration::from_secs(20);
    let options = Options { id_token_life, ..Options::default() };
    let (mut sandbox, server) = start_in(Sandbox::with_options(options));
    let config = here(&sandbox, &server, &file("agent.hcl"));
    let config = sandbox.write("agent.hcl", &filled_in(&config, "\"30s\"", "\"100ms\""));
    let (jwt, sink) = (sandbox.home().join("vault.jwt"), sandbox.home().join("vault-token"));
    for file in [&jwt, &sink] {
        sandbox.may_hold_secrets(file);
    }
    let arguments = ["agent", "--profile=vault", "--file", jwt.to_str().unwrap()];
    let _agent = Killed(sandbox.command(&arguments).spawn().unwrap());
    let log = fs::File::create(sandbox.home().join("agent.log")).unwrap();
    let mut agent = cli(&sandbox, &["agent", &format!("-config={}", config.display())]);
    agent.stdout(log.try_clone().unwrap()).stderr(log);
    let _openbaos_agent = Killed(agent.spawn().unwrap());
    let mut tokens: Vec<String> = Vec::new();
    while tokens.len() < 3 {
        let mut next = String::new();
        eventually("it has another token", || {
            next = fs::read_to_string(&sink).unwrap_or_default();
            !next.is_empty() && !tokens.contains(&next)
        });
        sandbox.keep_secret(&next);
        sandbox.set("VAULT_TOKEN", &next);
        assert_eq!(super::openbao::read_secret(&sandbox).ok(), ANSWER);
        tokens.push(next);
    }
    let renewals = sandbox.log().matches("has a new credential").count();
    assert!(renewals >= 3, "{renewals}");
}

#[test]
fn a_job_of_gitlab_reads_a_secret_and_leaves_no_token() {
    const JOB: &str = "
import sys, yaml
document = yaml.safe_load(sys.stdin)
variables, job = document.pop('variables'), document.pop('deploy')
assert not document, document
print('\\n'.join(f\"export {name}='{value}'\" for name, value in variables.items()))
print('\\n'.join(job['script']))
print('cp answer reported')
print('\\n'.join(job['after_script']))
";
    let (mut sandbox, server) = start();
    let yaml = sandbox.write("gitlab-ci.yml", &here(&sandbox, &server, &file("gitlab-ci.yml")));
    let mut python = sandbox.other_command(peer("venv/bin/python"));
    python.args(["-c", JOB]).stdin(fs::File::open(yaml).unwrap());
    let script = sandbox.finish(python).ok();
    // A runner: no configuration, and the key in a variable.
    fs::remove_file(sandbox.home().join(".config/yc-id-token/config.toml")).unwrap();
    sandbox.unset("VAULT_ADDR");
    sandbox.set("YC_SERVICE_ACCOUNT_KEY_FILE", sandbox.key.to_json());
    assert_eq!(type_in(&sandbox, &server, &script), "");
    assert_eq!(fs::read_to_string(sandbox.home().join("reported")).unwrap(), ANSWER);
    assert!(!sandbox.home().join("answer").exists());
    assert_eq!(server.leases("jwt"), 0);
    assert!(!sandbox.cache_folder().exists());
}

#[test]
fn terraform_reads_its_files_which_define_the_same_role() {
    let (sandbox, server) = start();
    for name in ["role.tf", "provider.tf"] {
        let path = sandbox.write(name, &file(&format!("terraform/{name}")));
        let mut terraform = sandbox.other_command(peer("terraform/terraform"));
        terraform.args(["fmt", "-check", "-diff"]).arg(path);
        let output = terraform.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let role = file("terraform/role.tf");
    let made = server.admin("GET", "auth/jwt/role/robot", &Value::Null)["data"].clone();
    for (parameter, expected, written) in [
        ("role_type", json!("jwt"), "\"jwt\""),
        ("user_claim", json!("sub"), "\"sub\""),
        ("bound_audiences", json!([server.url()]), "[var.audience]"),
        ("bound_subject", json!(sandbox.account), "var.service_account_id"),
        ("token_policies", json!(["robot"]), "[vault_policy.robot.name]"),
        ("token_ttl", json!(1200), "1200"),
    ] {
        assert_eq!(made[parameter], expected, "{parameter}");
        let value = |line: &str| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == parameter).then(|| value.trim().to_owned())
        };
        assert_eq!(role.lines().find_map(value).as_deref(), Some(written), "{parameter}");
    }
}

#[test]
fn the_credentials_of_terraforms_provider_work() {
    let (mut sandbox, server) = start();
    let provider = file("terraform/provider.tf");
    let page = page();
    let export = page.block("sh", "TERRAFORM_VAULT_AUTH_JWT");
    let login = format!(
        "{export}printf %s \"$TERRAFORM_VAULT_AUTH_JWT\" | vault write -field=token auth/jwt/login role=robot jwt=-"
    );
    for printed in ["mount = \"jwt\"", "role  = \"robot\"", "skip_child_token = true"] {
        assert!(provider.contains(printed), "{printed}");
    }
    let token = type_in(&sandbox, &server, &login);
    sandbox.keep_secret(&token);
    sandbox.set("VAULT_TOKEN", &token);
    assert_eq!(super::openbao::read_secret(&sandbox).ok(), ANSWER);
    // The provider would do this if it were not disabled.
    let child = sandbox.finish(cli(&sandbox, &["token", "create"]));
    assert!(child.stderr.contains("permission denied"), "{child:?}");
}
