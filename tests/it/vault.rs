//! `vault`: a token of Vault or OpenBao, with as few logins as possible.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token_emulator::Route;

use crate::fake_vault::{Answer, FakeVault, token};
use crate::sandbox::{Sandbox, claims, eventually};

const TOKEN: &[&str] = &["vault", "token"];

/// The token that a run prints, as the number of the request that it answers.
#[track_caller]
fn printed(sandbox: &Sandbox, more: &[&str]) -> String {
    let text = sandbox.run(&[TOKEN, more].concat()).ok();
    text.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {text}")).to_owned()
}

/// The number of requests to Yandex Cloud and Vault.
fn requests(sandbox: &Sandbox, vault: &FakeVault) -> (usize, usize, usize) {
    let (iam, oauth) = sandbox.token_requests();
    (iam, oauth, vault.requests().len())
}

#[test]
fn a_login_posts_the_role_and_the_id_token_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    assert_eq!(printed(&sandbox, &[]), token(1));
    printed(&sandbox, &["--mount=/team/jwt/", "--namespace=one/two/", "--role=other"]);
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    printed(&sandbox, &[]);

    let [plain, other, default_role] = &vault.requests()[..] else { panic!("three requests") };
    assert_eq!(plain.line, "POST /v1/auth/jwt/login HTTP/1.1");
    assert_eq!(plain.headers["content-type"], "application/json");
    assert_eq!(plain.headers["x-vault-request"], "true");
    for name in ["x-vault-token", "x-vault-namespace", "x-vault-wrap-ttl", "authorization"] {
        assert!(!plain.headers.contains_key(name), "{name}");
    }
    let body = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let claims = claims(body(&plain.body)["jwt"].as_str().unwrap());
    assert_eq!(claims["aud"], vault.url().as_str(), "the address, unless another one is set");
    assert_eq!(claims["sub"], sandbox.account.as_str());
    assert_eq!(body(&plain.body)["role"], "robot");
    assert_eq!(other.line, "POST /v1/auth/team/jwt/login HTTP/1.1");
    assert_eq!(other.headers["x-vault-namespace"], "one/two");
    assert_eq!(body(&other.body)["role"], "other");
    assert!(body(&default_role.body).get("role").is_none(), "the mount has a default");
}

#[test]
fn a_cached_credential_is_not_requested_again() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    assert_eq!(printed(&sandbox, &[]), token(1));
    assert_eq!(requests(&sandbox, &vault), (1, 1, 1), "nothing was cached");
    let connections = (sandbox.cloud.connections(), vault.connections());
    assert_eq!(printed(&sandbox, &[]), token(1));
    let after = (sandbox.cloud.connections(), vault.connections());
    assert_eq!(after, connections, "a hit sends no request");
    assert_eq!(printed(&sandbox, &["--role=other"]), token(2));
    assert_eq!(requests(&sandbox, &vault), (1, 1, 2), "the ID token was cached");
    assert_eq!(printed(&sandbox, &["--force-refresh"]), token(3));
    assert_eq!(printed(&sandbox, &[]), token(3));
}

#[test]
fn a_token_is_used_until_a_tenth_of_its_lease_is_left() {
    // The lease, how long the token is used, and when it is not used any more.
    for (lease, kept, replaced) in [
        (1200, 1070, 1090),
        // A tenth would be less than a minute.
        (300, 230, 250),
        // Half of a shorter lease.
        (60, 25, 35),
        (2_764_800, 2_480_000, 2_490_000),
        // Without an expiry, it is looked up twice a day.
        (0, 38_000, 39_500),
    ] {
        let mut sandbox = Sandbox::new();
        let vault = FakeVault::start(&mut sandbox);
        sandbox.set("YC_ID_TOKEN_BACKGROUND_REFRESH", "false");
        vault.script([Answer::Auth(json!({ "lease_duration": lease }))]);
        let run = |count| {
            printed(&sandbox, &[]);
            assert_eq!(vault.logins(), count, "a lease of {lease} s");
        };
        run(1);
        sandbox.age("vault-token", Duration::from_secs(kept));
        run(1);
        sandbox.age("vault-token", Duration::from_secs(replaced - kept));
        run(2);
    }
}

#[test]
fn after_half_its_lease_a_token_is_refreshed_in_the_background() {
    for command in [&["vault", "token"][..], &["vault", "token-helper", "get"]] {
        let mut sandbox = Sandbox::new();
        let vault = FakeVault::start(&mut sandbox);
        let run = || sandbox.run(command).ok().trim().to_owned();
        run();
        sandbox.age("vault-token", Duration::from_secs(700));
        sandbox.let_half_a_minute_pass("vault-token");
        assert_eq!(run(), token(1), "no run waits");
        eventually("there is another", || run() == token(2));
        assert_eq!(vault.logins(), 2);
    }
    // A command gets a reusable token without child tokens that it does not know.
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.run(TOKEN).ok();
    sandbox.age("vault-token", Duration::from_secs(700));
    let command = ["vault", "exec", "--", "printenv", "VAULT_TOKEN"];
    assert_eq!(sandbox.run(&command).ok(), format!("{}\n", token(2)));
    assert_eq!(vault.request_paths(), ["login", "login"]);
}

#[test]
fn a_token_with_a_use_limit_is_never_shared_or_looked_up() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let limited = || Answer::Auth(json!({ "num_uses": 2 }));
    vault.script([limited(), limited(), limited()]);
    assert_ne!(printed(&sandbox, &[]), printed(&sandbox, &[]));
    assert_eq!(sandbox.entries("vault-token").len(), 0);
    sandbox.may_hold_secrets(&sandbox.home().join(".vault-token"));
    let text_printed = sandbox.run(&["vault", "login"]).ok();
    assert!(text_printed.contains("uses       2, so it is not cached\n"), "{text_printed}");
    assert_eq!(vault.request_paths(), ["login", "login", "login"]);
    sandbox.run(&["vault", "status"]).fails(3, "E_MISSING");
}

#[test]
fn a_wrapped_token_is_never_shared() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    assert_ne!(printed(&sandbox, &["--wrap-ttl=90s"]), printed(&sandbox, &["--wrap-ttl=2m"]));
    let lives: Vec<String> = vault
        .requests()
        .iter()
        .map(|request| request.headers["x-vault-wrap-ttl"].clone())
        .collect();
    assert_eq!(lives, ["90s", "120s"]);
    sandbox.set("VAULT_WRAP_TTL", "5m");
    printed(&sandbox, &[]);
    assert_eq!(vault.requests()[2].headers["x-vault-wrap-ttl"], "300s");
    assert_eq!(sandbox.entries("vault-token").len(), 0);
    let (text, _) = sandbox.run(&["vault", "token", "--wrap-ttl=soon"]).fails(2, "E_USAGE");
    assert!(text.contains("`soon` is not a time"), "{text}");
    // The CLI's own commands honour it, and must log in first.
    assert_eq!(sandbox.run(&["vault", "token-helper", "get"]).ok(), token(4));
    assert!(!vault.requests()[3].headers.contains_key("x-vault-wrap-ttl"));
}

#[test]
fn a_token_is_never_returned_for_another_request() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let elsewhere = format!("--address={}/other", vault.url());
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    sandbox.cloud.grant_token_creator(&other, &sandbox.account);
    let other = format!("--service-account={other}");
    let requests: &[&[&str]] = &[
        &[],
        &["--role=other"],
        &["--mount=other"],
        &["--namespace=other"],
        &["--audience=other"],
        &[&other],
        &[&elsewhere],
    ];
    let run = |more: &&[&str]| printed(&sandbox, more);
    let mut first: Vec<String> = requests.iter().map(run).collect();
    let again: Vec<String> = requests.iter().map(run).collect();
    assert_eq!(first, again);
    first.sort();
    first.dedup();
    assert_eq!(first.len(), requests.len(), "each has its own");
}

#[test]
fn a_hundred_processes_on_an_empty_cache_log_in_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    // All of them start before there is an answer.
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(2));
    let start = || sandbox.command(TOKEN).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let children: Vec<_> = (0..100).map(|_| start().unwrap()).collect();
    eventually("Vault is connected to ahead", || vault.connections() == 1);
    assert_eq!(vault.requests().len(), 0, "there is no ID token yet");
    for child in children {
        assert_eq!(sandbox.outcome(child).ok(), format!("{}\n", token(1)));
    }
    assert_eq!(requests(&sandbox, &vault), (1, 1, 1));
    assert_eq!(vault.connections(), 1, "that connection is the one that is used");
}

#[test]
fn settings_beat_the_clients_variables_which_keep_their_meaning() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let nowhere = "http://127.0.0.1:1";
    let reaches = |sandbox: &Sandbox, more: &[&str]| {
        let outcome = sandbox.run(&[TOKEN, &["--force-refresh"], more].concat());
        if outcome.status.success() { "vault".to_owned() } else { outcome.stderr }
    };
    sandbox.set("BAO_ADDR", nowhere);
    assert!(reaches(&sandbox, &[]).contains("127.0.0.1:1:"), "OpenBao's own comes first");
    sandbox.set("BAO_ADDR", "");
    assert!(reaches(&sandbox, &[]).contains("127.0.0.1:8200"), "even when it is empty");
    sandbox.unset("BAO_ADDR");
    assert_eq!(reaches(&sandbox, &[]), "vault");
    sandbox.set("VAULT_AGENT_ADDR", vault.url());
    sandbox.set("VAULT_ADDR", nowhere);
    assert_eq!(reaches(&sandbox, &[]), "vault", "an agent is in front of the server");
    assert_eq!(claims(&vault.jwt())["aud"], nowhere, "and the token is for the server");
    sandbox.unset("VAULT_AGENT_ADDR");
    sandbox.configure(&format!(
        "[profiles.p.vault]\naddress = \"{}/\"\naudience = \"vault\"\n",
        vault.url()
    ));
    assert_eq!(reaches(&sandbox, &["--profile=p"]), "vault");
    assert_eq!(claims(&vault.jwt())["aud"], "vault");
    sandbox.set("YC_ID_TOKEN_VAULT_ADDRESS", "http://127.0.0.1:2");
    assert!(reaches(&sandbox, &["--profile=p"]).contains("127.0.0.1:2:"));
    let flag = format!("--address={}", vault.url());
    assert_eq!(reaches(&sandbox, &["--profile=p", &flag]), "vault");

    let namespace = |sandbox: &Sandbox, more: &[&str]| {
        sandbox.run(&[TOKEN, &["--force-refresh", &flag], more].concat()).ok();
        vault.requests().last().unwrap().headers.get("x-vault-namespace").cloned()
    };
    sandbox.set("VAULT_NAMESPACE", "theirs/");
    assert_eq!(namespace(&sandbox, &[]).as_deref(), Some("theirs"));
    assert_eq!(namespace(&sandbox, &["--namespace=team"]).as_deref(), Some("team"));
    sandbox.set("BAO_NAMESPACE", "");
    assert_eq!(namespace(&sandbox, &[]), None);
}

#[test]
fn a_wrong_argument_is_reported_before_any_request() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for (argument, code, exit, text_printed) in [
        ("--mount=jwt/../../sys", "E_USAGE", 2, "not the path of an auth method"),
        ("--namespace=a b", "E_USAGE", 2, "not a namespace"),
        ("--address=http://vault.example", "E_ENDPOINT", 3, "plain http"),
        ("--client-cert=cert.pem", "E_MISSING", 3, "only one is set"),
    ] {
        let (text, _) = sandbox.run(&[TOKEN, &[argument]].concat()).fails(exit, code);
        assert!(text.contains(text_printed), "{argument}: {text}");
    }
    sandbox.configure("[profiles.p.vault]\nmount = \"a?b\"\n");
    let (text, _) = sandbox.run(&["vault", "token", "--profile=p"]).fails(3, "E_CONFIG");
    assert!(text.contains("config.toml:2: "), "{text}");
    assert_eq!(requests(&sandbox, &vault), (0, 0, 0));
}

#[test]
fn no_variable_turns_off_certificate_verification() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for name in ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"] {
        sandbox.set(name, "true");
        let (text, hint) =
            sandbox.run(&["vault", "token", "--address=https://127.0.0.1:1"]).fails(3, "E_VALUE");
        assert!(
            text.starts_with(name) && text.contains("a server in between could steal"),
            "{text}"
        );
        assert!(hint.contains("--ca-cert") && hint.contains("--tls-skip-verify"), "{hint}");
        // Without TLS there is nothing to verify.
        printed(&sandbox, &[]);
        sandbox.set(name, "FALSE");
    }
    let (text, _) =
        sandbox.run(&["vault", "token", "--address=https://127.0.0.1:1"]).fails(6, "E_NETWORK");
    assert!(text.contains("connection refused"), "{text}");
    assert_eq!(vault.logins(), 1);
}

#[test]
fn an_id_token_that_vault_rejects_as_expired_is_replaced_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let expired = || {
        Answer::Refusal(
            400,
            "error validating token: invalid expiration time (exp) claim: token is expired",
        )
    };
    sandbox.run(&["token", &format!("--audience={}", vault.url())]).ok();
    vault.script([expired()]);
    printed(&sandbox, &[]);
    assert_eq!(requests(&sandbox, &vault), (1, 2, 2));

    vault.script([expired(), expired()]);
    let (_, hint) = sandbox.run(&["vault", "token", "--role=other"]).fails(5, "E_CONSUMER_AUTH");
    assert!(hint.contains("`exp` = 20") && hint.contains("clock"), "{hint}");
    assert_eq!(requests(&sandbox, &vault), (1, 3, 4), "once, not for ever");
}

#[test]
fn temporary_errors_are_retried_and_then_reported_as_such() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let keys = "error validating token: error verifying token signature: fetching keys oidc: get keys failed: 503";
    for (number, (status, error)) in [
        (412, "required index state not present"),
        (429, "request path \"auth/jwt/login\": rate limit quota exceeded"),
        (500, "internal error"),
        (503, "Vault server temporarily overloaded"),
        (520, "unknown"),
        (400, keys),
    ]
    .into_iter()
    .enumerate()
    {
        let role = format!("--role=r{number}");
        let before = vault.logins();
        vault.script([Answer::Refusal(status, error), Answer::Refusal(status, error)]);
        printed(&sandbox, &[&role]);
        assert_eq!(vault.logins(), before + 3, "{status}");
        vault.script((0..3).map(|_| Answer::Refusal(status, error)));
        let (text, _) =
            sandbox.run(&["vault", "token", &role, "--mount=other"]).fails(6, "E_UNAVAILABLE");
        assert!(text.contains(error), "{text}");
        assert_eq!(vault.logins(), before + 6, "{status}: not for ever");
    }
    let before = vault.logins();
    let later = ("retry-after", "3600".to_owned());
    vault.script([Answer::RefusalWith(429, "rate limit quota exceeded", later)]);
    let (_, hint) = sandbox.run(&["vault", "token", "--role=later"]).fails(6, "E_UNAVAILABLE");
    assert_eq!(hint, "try again in 3600 s");
    vault.script([Answer::Refusal(501, "not implemented")]);
    sandbox.run(&["vault", "token", "--role=never"]).fails(6, "E_UNAVAILABLE");
    assert_eq!(vault.logins(), before + 2, "neither is tried again");
}

#[test]
fn a_redirecting_standby_is_reported_with_the_address() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let there = ("location", "https://active.example:8200/v1/auth/jwt/login?x=y".to_owned());
    vault.script([Answer::RefusalWith(307, "", there)]);
    let (text, hint) = sandbox.run(TOKEN).fails(6, "E_FOREIGN_ANSWER");
    assert!(text.ends_with("redirects to active.example:8200"), "{text}");
    assert!(hint.contains("active node") && hint.contains("--address"), "{hint}");
    assert_eq!(vault.logins(), 1);
}

/// Refuses the next login, and returns the hint of the run.
#[track_caller]
fn hint(
    sandbox: &Sandbox,
    vault: &FakeVault,
    status: u16,
    error: &'static str,
    code: &str,
) -> String {
    vault.script([Answer::Refusal(status, error)]);
    let before = vault.logins();
    // Other settings each time, so that no failure is remembered.
    let time = format!("--timeout={}s", 30 + before);
    let run = sandbox.run(&["vault", "token", "--namespace=team", &time]);
    let (text, hint) = run.fails(5, code);
    assert_eq!(vault.logins(), before + 1, "{error} is final");
    let url = vault.url();
    let server = format!("{} (namespace `team`)", url.trim_start_matches("http://"));
    let reason = error.trim_end_matches('.');
    assert_eq!(text, format!("cannot get a Vault token of the role `robot` at {server}: {reason}"));
    hint
}

const ROLE: &str = "`vault read -namespace=team auth/jwt/role/robot`";
const CONFIG: &str = "`vault read -namespace=team auth/jwt/config`";

#[test]
fn a_refused_token_is_compared_with_the_roles_conditions() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let (issuer, audience) = (sandbox.cloud.issuer().to_owned(), vault.url());
    let account = sandbox.account.clone();
    let claims = format!("`iss` = `{issuer}`, `aud` = `{audience}`, `sub` = `{account}`");
    let no_match = "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience";
    let unbound = "audience claim found in JWT but no audiences bound to the role";
    let early = "error validating token: invalid not before (nbf) claim: token not yet valid";
    let forged = "error validating token: error verifying token signature: failed to verify id token signature";
    let other =
        "error validating claims: claim \"sub\" does not match any associated bound claim values";
    let table: &[(&'static str, &[&str])] = &[
        (no_match, &["`bound_audiences`", &audience, "--audience", ROLE]),
        (unbound, &["`bound_audiences`", &audience, ROLE]),
        (
            "error validating token: invalid subject (sub) claim",
            &["`bound_subject`", &account, ROLE],
        ),
        (
            "error validating token: invalid issuer (iss) claim",
            &["`bound_issuer`", &issuer, CONFIG],
        ),
        (early, &["clock", "`iat` = 20"]),
        (forged, &["keys of the issuer", &issuer, CONFIG]),
        (other, &["`bound_claims`", &claims, ROLE]),
        ("claim \"email\" not found in token", &["`user_claim`", &claims, ROLE]),
    ];
    for (error, parts) in table {
        let hint = hint(&sandbox, &vault, 400, error, "E_CONSUMER_AUTH");
        for part in *parts {
            assert!(hint.contains(part), "{error}: `{part}` is not in: {hint}");
        }
    }
}

#[test]
fn a_missing_server_setup_gets_the_command_that_shows_it() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let issuer = sandbox.cloud.issuer().to_owned();
    let roles = "`vault list -namespace=team auth/jwt/role`";
    let mounts = "`vault auth list -namespace=team`";
    let no_route = "no handler for route \"auth/jwt/login\". route entry not found.";
    let write =
        format!("`vault write -namespace=team auth/jwt/config oidc_discovery_url={issuer}`");
    let table: &[(u16, &'static str, &[&str])] = &[
        (400, "role \"robot\" could not be found", &["--role", roles]),
        (400, "missing role", &["--role", "default_role", roles]),
        (400, "could not load configuration", &[&write]),
        (400, "role with oidc role_type is not allowed", &["`role_type=jwt`", ROLE]),
        (400, "something else", &["`sub` = ", ROLE]),
        (404, "namespace not found", &["--namespace", "VAULT_NAMESPACE"]),
        (404, no_route, &["--mount", mounts]),
        (405, "unsupported operation", &["--mount", mounts]),
    ];
    for (status, error, parts) in table {
        let hint = hint(&sandbox, &vault, *status, error, "E_CONSUMER_REFUSED");
        for part in *parts {
            assert!(hint.contains(part), "{error}: `{part}` is not in: {hint}");
        }
    }
    let hint = hint(&sandbox, &vault, 403, "permission denied", "E_CONSUMER_DENIED");
    assert!(hint.contains(mounts) && hint.contains("token_bound_cidrs"), "{hint}");
}

#[test]
fn an_answer_that_is_not_vaults_is_an_error_without_a_token() {
    let whole =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let cut =
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"auth\":{\"client_token\":\"hvs.CAESIJ";
    for (number, (bytes, tries, code, text_printed)) in [
        (whole("<!doctype html><p>Sign in"), 1, "E_FOREIGN_ANSWER", "a web page"),
        (whole(""), 1, "E_FOREIGN_ANSWER", "an empty body"),
        (
            whole("{\"auth\":{\"client_token\":\"hvs.CAESIJ"),
            1,
            "E_FOREIGN_ANSWER",
            "not the protocol's JSON",
        ),
        (
            whole("{\"auth\":{\"client_token\":\"a\\nb\",\"lease_duration\":1}}"),
            1,
            "E_FOREIGN_ANSWER",
            "not the protocol's JSON",
        ),
        (cut.to_owned(), 3, "E_NETWORK", "broke off"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sandbox = Sandbox::new();
        let vault = FakeVault::start(&mut sandbox);
        vault.script((0..tries).map(|_| Answer::Bytes(bytes.clone())));
        let (text, _) = sandbox.run(TOKEN).fails(6, code);
        assert!(text.contains(text_printed), "case {number}: {text}");
        assert_eq!(vault.logins(), tries, "case {number}");
    }
}

#[test]
fn a_refusal_is_requested_once_for_repeated_runs() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    vault.script([Answer::Refusal(403, "permission denied")]);
    let first = sandbox.run(TOKEN).fails(5, "E_CONSUMER_DENIED");
    assert_eq!(sandbox.run(TOKEN).fails(5, "E_CONSUMER_DENIED"), first);
    assert_eq!(vault.logins(), 1);
    // A change of the connection settings ends the remembered failure.
    let ca = sandbox.write("ca.pem", sandbox.cloud.ca_pem().unwrap_or_default());
    printed(&sandbox, &["--ca-cert", ca.to_str().unwrap()]);
    assert_eq!(vault.logins(), 2);
}
