//! `yc-id-token vault` with a real server: what its clients do with the tokens, and what remains on the server.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::openbao::{ANSWER, OpenBao, SECRET, bao, cli, read_secret, sign_in, token};
use super::peer;
use crate::sandbox::{Sandbox, eventually};

/// Reads the secret with a given token.
const HVAC: &str = "
import hvac, os
client = hvac.Client(url=os.environ['VAULT_ADDR'], token=os.environ['VAULT_TOKEN'], verify=os.environ['VAULT_CACERT'])
assert client.is_authenticated()
secret = client.secrets.kv.v2.read_secret_version(path='robot', raise_on_deleted_version=True)
print(secret['data']['data']['answer'])
";

/// Logs in by itself.
const HVAC_LOGIN: &str = "
import hvac, os, sys
client = hvac.Client(url=os.environ['VAULT_ADDR'], verify=os.environ['VAULT_CACERT'])
auth = client.auth.jwt.jwt_login(role='robot', jwt=sys.stdin.read(), path='jwt')['auth']
print(auth['lease_duration'], auth['policies'])
";

fn install_helper(sandbox: &Sandbox) {
    sandbox.run(&["vault", "install-helper"]).ok();
}

#[test]
fn a_hundred_commands_of_the_cli_log_in_once() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    install_helper(&sandbox);
    for _ in 0..25 {
        let start = || {
            let mut command = cli(&sandbox, &["kv", "get", "-field=answer", SECRET]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: [Child; 4] = std::array::from_fn(|_| start());
        for child in children {
            assert_eq!(sandbox.outcome(child).ok(), ANSWER);
        }
    }
    assert_eq!(server.leases("jwt"), 1);
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn a_hundred_processes_on_an_empty_cache_leave_one_lease() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    // Otherwise each would be a lease of 32 days.
    server.role("", "robot", &server.url(), &sandbox.account, &json!({ "token_ttl": 0 }));
    let start = || {
        let mut command = sandbox.command(&["vault", "token"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..100).map(|_| start()).collect();
    let mut tokens: Vec<String> =
        children.into_iter().map(|child| sandbox.outcome(child).ok()).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "everyone has the same token");
    assert_eq!(server.leases("jwt"), 1);
    let printed = sandbox.run(&["vault", "status"]).ok();
    assert!(
        printed.contains("ttl        31d ") || printed.contains("ttl        32d "),
        "{printed}"
    );
}

#[test]
fn a_stored_token_is_found_by_the_cli_and_exec_needs_none() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    assert!(!read_secret(&sandbox).status.success(), "no client has logged in");
    let file = sandbox.home().join(".vault-token");
    sandbox.may_hold_secrets(&file);
    let printed = sandbox.run(&["vault", "login"]).ok();
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    let lookup = sandbox.finish(cli(&sandbox, &["token", "lookup", "-format=json"])).ok();
    let lookup: Value = serde_json::from_str(&lookup).unwrap();
    let accessor = lookup["data"]["accessor"].as_str().unwrap();
    assert!(printed.contains(&format!("accessor   {accessor}\n")), "{printed}");

    assert_eq!(
        sandbox.run(&["vault", "revoke"]).ok(),
        format!("revoked, and removed from {}\n", file.display())
    );
    assert_eq!(server.leases("jwt"), 0);
    assert!(!read_secret(&sandbox).status.success());
    let program = bao().display().to_string();
    let exec = |more: &[&str]| {
        let command = ["--", &program, "kv", "get", "-field=answer", SECRET];
        sandbox.run(&[&["vault", "exec"], more, &command].concat())
    };
    assert_eq!(exec(&[]).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 1);
    assert_eq!(exec(&["--revoke"]).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 1, "its own is gone, the shared one is not");
}

#[test]
fn logins_by_the_cli_itself_still_work_with_the_helper() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    install_helper(&sandbox);
    let made = server.admin(
        "POST",
        "auth/token/create",
        &json!({ "policies": ["robot"], "meta": { "who": "me" } }),
    );
    let mine = made["auth"]["client_token"].as_str().unwrap();
    sandbox.keep_secret(mine);
    let mut login = cli(&sandbox, &["login", "-no-print", "-"]);
    let stdin = sandbox.write_secret("stdin", mine);
    login.stdin(std::fs::File::open(stdin).unwrap());
    sandbox.finish(login).ok();
    let who = || {
        let arguments = ["token", "lookup", "-format=json"];
        let lookup = sandbox.finish(cli(&sandbox, &arguments)).ok();
        serde_json::from_str::<Value>(&lookup).unwrap()["data"]["meta"].clone()
    };
    assert_eq!(who(), json!({ "who": "me" }));
    assert_eq!(server.leases("jwt"), 0);
    sandbox.run(&["vault", "token-helper", "erase"]).ok();
    assert_eq!(who(), json!({ "role": "robot" }));
}

#[test]
fn after_setup_the_cli_logs_in_to_two_servers_by_address() {
    let mut sandbox = Sandbox::new();
    let servers = [(); 2].map(|()| OpenBao::start(&sandbox.cloud));
    let authorities = servers.each_ref().map(|server| server.ca_pem.as_str()).concat();
    let ca = sandbox.write("vault-ca.pem", &authorities);
    let [key, iam, oauth] = ["KEY_FILE", "IAM_ENDPOINT", "OAUTH_ENDPOINT"].map(|name| {
        let name = format!("YC_ID_TOKEN_{name}");
        let value = sandbox.get(&name).unwrap().into_string().unwrap();
        sandbox.unset(&name);
        value
    });
    for (server, role) in servers.iter().zip(["one", "two"]) {
        server.role("", role, &server.url(), &sandbox.account, &Value::Null);
        sandbox
            .run(&[
                "setup",
                "vault",
                "--apply",
                &format!("--name={role}"),
                &format!("--role={role}"),
                &format!("--address={}", server.url()),
                &format!("--ca-cert={}", ca.display()),
                &format!("--key-file={key}"),
                &format!("--iam-endpoint={iam}"),
                &format!("--oauth-endpoint={oauth}"),
            ])
            .ok();
    }
    // The variables of the CLI itself, and none for its helper.
    sandbox.set("SHELL", "/bin/sh");
    sandbox.set("VAULT_CACERT", ca);
    for _ in 0..2 {
        for (server, role) in servers.iter().zip(["one", "two"]) {
            sandbox.set("VAULT_ADDR", server.url());
            let lookup = sandbox.finish(cli(&sandbox, &["token", "lookup", "-format=json"])).ok();
            let lookup: Value = serde_json::from_str(&lookup).unwrap();
            assert_eq!(lookup["data"]["meta"], json!({ "role": role }));
            assert_eq!(server.leases("jwt"), 1);
        }
    }
    // The CLI passes the flag to its helper, and there is no token for a third server.
    let address = format!("-address={}", servers[0].url());
    sandbox.finish(cli(&sandbox, &["kv", "get", &address, SECRET])).ok();
    sandbox.set("VAULT_ADDR", "https://other.example:8200");
    assert_eq!(sandbox.finish(cli(&sandbox, &["print", "token"])).ok().trim(), "");
}

#[test]
fn a_namespace_has_its_own_tokens() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    server.admin("POST", "sys/namespaces/team", &Value::Null);
    server.admin_in(
        "team",
        "POST",
        "sys/mounts/secret",
        &json!({ "type": "kv", "options": { "version": "2" } }),
    );
    server.trust("team", "jwt", &sandbox.cloud);
    server.role("team", "robot", &server.url(), &sandbox.account, &Value::Null);
    server.store("team");
    let (root, team) = (token(&sandbox, &[]), token(&sandbox, &["--namespace=team/"]));
    assert_eq!(team.split('.').count(), root.split('.').count() + 1, "it names its namespace");
    sandbox.set("VAULT_NAMESPACE", "team");
    assert_eq!(token(&sandbox, &[]), team);
    install_helper(&sandbox);
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    let (_, hint) =
        sandbox.run(&["vault", "token", "--namespace=nobodys"]).fails(5, "E_CONSUMER_REFUSED");
    assert!(hint.contains("--namespace"), "{hint}");
}

#[test]
fn a_sealed_server_is_reported_and_can_be_unsealed() {
    let mut sandbox = Sandbox::new();
    let mut server = OpenBao::start_lasting(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    install_helper(&sandbox);
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    server.restart();
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 1, "the previous token");

    server.seal();
    let run = |arguments: &[&str]| sandbox.run(&[&["vault"], arguments].concat());
    let (text, hint) = run(&["token", "--force-refresh"]).fails(6, "E_CONSUMER_SEALED");
    assert!(text.ends_with("Vault is sealed") && hint.contains("unseal"), "{text}\n{hint}");
    run(&["login"]).fails(6, "E_CONSUMER_SEALED");
    // The CLI first gets a token from its helper, for this command too. None is cached.
    run(&["token-helper", "erase"]).ok();
    sandbox.keep_secret(server.unseal_key());
    let printed = sandbox.finish(cli(&sandbox, &["operator", "unseal", server.unseal_key()])).ok();
    assert!(printed.contains("Sealed"), "{printed}");
    eventually("the secret is read", || read_secret(&sandbox).status.success());
}

#[test]
fn hvac_uses_the_token_too() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    let python = peer("vault-venv/bin/python").display().to_string();
    let command = ["vault", "exec", "--revoke", "--", &python, "-c", HVAC];
    assert_eq!(sandbox.run(&command).ok(), format!("{ANSWER}\n"));
    assert_eq!(server.leases("jwt"), 0);

    // The token of the CLI's own login is the token of this program.
    let jwt = sandbox.run(&["token", &format!("--audience={}", server.url())]).ok();
    let mut own = sandbox.other_command(&python);
    own.args(["-c", HVAC_LOGIN])
        .stdin(std::fs::File::open(sandbox.write_secret("jwt", &jwt)).unwrap());
    assert_eq!(sandbox.finish(own).ok(), "1200 ['default', 'robot']\n");
    let file = sandbox.home().join(".vault-token");
    sandbox.may_hold_secrets(&file);
    let printed = sandbox.run(&["vault", "login"]).ok();
    assert!(printed.contains("policies   default, robot\n"), "{printed}");
}

/// The documentation lists the codes and their causes; here each comes from a server.
#[test]
fn the_servers_refusals_are_understood() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    let account = sandbox.account.clone();
    let url = server.url();
    server.role("", "audience", "elsewhere", &account, &Value::Null);
    server.role("", "subject", &url, "ajesomebodyelse00000", &Value::Null);
    server.role("", "unbound", &url, &account, &json!({ "bound_audiences": [] }));
    server.role("", "claims", &url, &account, &json!({ "bound_claims": { "sub": "other" } }));
    server.role("", "claim", &url, &account, &json!({ "user_claim": "email" }));
    server.role(
        "",
        "oidc",
        &url,
        &account,
        &json!({ "role_type": "oidc", "allowed_redirect_uris": ["http://localhost"] }),
    );
    server.admin("POST", "sys/auth/empty", &json!({ "type": "jwt" }));
    server.admin("POST", "sys/auth/userpass", &json!({ "type": "userpass" }));
    server.trust("", "issuer", &sandbox.cloud);
    let wrong =
        json!({ "jwks_url": sandbox.cloud.jwks_url(), "bound_issuer": "https://auth.example" });
    server.admin("POST", "auth/issuer/config", &wrong);
    let role = json!({ "role_type": "jwt", "bound_audiences": [url], "user_claim": "sub" });
    server.admin("POST", "auth/issuer/role/robot", &role);
    for (arguments, exit, code, part) in [
        (vec!["--role=audience"], 5, "E_CONSUMER_AUTH", "`bound_audiences`"),
        (vec!["--role=unbound"], 5, "E_CONSUMER_AUTH", "`bound_audiences`"),
        (vec!["--role=subject"], 5, "E_CONSUMER_AUTH", "`bound_subject`"),
        (vec!["--role=claims"], 5, "E_CONSUMER_AUTH", "`bound_claims`"),
        (vec!["--role=claim"], 5, "E_CONSUMER_AUTH", "`user_claim`"),
        (vec!["--role=oidc"], 5, "E_CONSUMER_REFUSED", "`role_type=jwt`"),
        (vec!["--role=unknown"], 5, "E_CONSUMER_REFUSED", "`vault list auth/jwt/role`"),
        (vec!["--mount=issuer"], 5, "E_CONSUMER_AUTH", "`bound_issuer`"),
        (vec!["--mount=empty"], 5, "E_CONSUMER_REFUSED", "`vault write auth/empty/config"),
        (vec!["--mount=userpass"], 5, "E_CONSUMER_DENIED", "`vault auth list`"),
        (vec!["--mount=none"], 5, "E_CONSUMER_DENIED", "`vault auth list`"),
    ] {
        let run = sandbox.run(&[&["vault", "token"], &arguments[..]].concat());
        let (text, hint) = run.fails(exit, code);
        assert!(hint.contains(part), "{arguments:?}: {text}\n{hint}");
    }
    // The cloud's clock is two hours behind the server's, so that its tokens have expired.
    sandbox.cloud.set_clock_shift(-7200);
    let (text, hint) =
        sandbox.run(&["vault", "token", "--force-refresh"]).fails(5, "E_CONSUMER_AUTH");
    assert!(text.contains("token is expired") && hint.contains("clock"), "{text}\n{hint}");
    sandbox.cloud.set_clock_shift(0);
    assert_eq!(server.leases("jwt"), 0);
}
