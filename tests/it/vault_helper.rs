//! The token helper of the `vault` and `bao` CLIs: its installation, its profile, and the servers it returns a token
//! for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fake_vault::{FakeVault, token};
use crate::sandbox::{Outcome, PROGRAM, Sandbox, eventually};

fn install(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    sandbox.run(&[&["vault", "install-helper"], more].concat())
}

fn helper(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.home().join(".local/bin").join(name)
}

/// Runs a helper as the CLI does.
fn run_helper(sandbox: &Sandbox, helper: &Path, request: &str) -> Outcome {
    let mut command = sandbox.other_command(helper);
    command.arg(request);
    sandbox.finish(command)
}

fn read(sandbox: &Sandbox, name: &str) -> Option<String> {
    fs::read_to_string(sandbox.home().join(name)).ok()
}

fn line(helper: &Path) -> String {
    format!("token_helper = \"{}\"\n", helper.display())
}

/// A profile for a server, with more settings for it.
fn profile(name: &str, address: &str, more: &str) -> String {
    format!("[profiles.{name}.vault]\naddress = \"{address}\"\nrole = \"{name}\"\n{more}")
}

/// A sandbox with two servers, and a profile for each.
fn two_servers() -> (Sandbox, [FakeVault; 2]) {
    let mut sandbox = Sandbox::new();
    let servers = [(); 2].map(|()| FakeVault::start(&mut sandbox));
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    sandbox.unset("VAULT_ADDR");
    let [one, two] = servers.each_ref().map(FakeVault::url);
    sandbox.configure(&(profile("one", &one, "") + &profile("two", &two, "")));
    (sandbox, servers)
}

/// New lines of the log since the last call.
fn log(sandbox: &Sandbox) -> String {
    let log = sandbox.log();
    fs::write(sandbox.log_file(), "").unwrap();
    log
}

#[test]
fn a_helper_is_installed_and_every_trace_of_it_removed() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let link = helper(&sandbox, "yc-id-token-vault");
    sandbox.write(".bao", "# mine");

    let printed = install(&sandbox, &[]).ok();
    assert_eq!(read(&sandbox, ".vault").unwrap(), line(&link));
    assert_eq!(read(&sandbox, ".bao").unwrap(), format!("# mine\n{}", line(&link)));
    for part in [link.to_str().unwrap(), PROGRAM, "/.vault", "/.bao", line(&link).trim()] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    let again = install(&sandbox, &[]).ok();
    assert!(again.lines().all(|line| line.starts_with("unchanged ")), "{again}");

    let printed = install(&sandbox, &["--remove"]).ok();
    let left = (read(&sandbox, ".vault"), read(&sandbox, ".bao"));
    assert_eq!(left, (None, Some("# mine\n".into())));
    assert!(!link.exists() && printed.lines().count() == 3, "{printed}");
    let again = install(&sandbox, &["--remove"]).ok();
    assert!(again.lines().all(|line| line.starts_with("unchanged ")), "{again}");
    assert_eq!(vault.logins(), 1);
}

#[test]
fn conflicts_with_the_helper_are_reported_and_left_unchanged() {
    let sandbox = Sandbox::new();
    let install = |more: &[&str]| install(&sandbox, more);
    let link = helper(&sandbox, "yc-id-token-vault");
    sandbox.write(".bao", "token_helper = \"/opt/other\"\n");
    let (text, hint) = install(&[]).fails(3, "E_CONFLICT");
    assert!(text.contains("`/opt/other`") && hint.contains("nothing has been changed"), "{text}");
    assert!(!link.exists() && !sandbox.home().join(".vault").exists());
    // A script of the user with the same name.
    let script = sandbox.write("yc-id-token-vault", "#!/bin/sh\n");
    sandbox.write(".bao", &line(&script));
    install(&[]).fails(3, "E_CONFLICT");
    fs::remove_file(sandbox.home().join(".bao")).unwrap();

    install(&["--link=/tmp/with space/yc-id-token-vault"]).fails(2, "E_USAGE");
    let (_, hint) = install(&["--link=/tmp/other-name"]).fails(2, "E_USAGE");
    assert!(hint.contains("by this name"), "{hint}");
    sandbox.write(".local/bin/yc-id-token-vault", "someone's");
    install(&[]).fails(1, "E_OUTPUT");
    install(&["--remove"]).fails(1, "E_OUTPUT");
    assert_eq!(fs::read_to_string(&link).unwrap(), "someone's");

    // A configuration file that is a link stays a link.
    fs::remove_file(&link).unwrap();
    let dotfiles = sandbox.write("dotfiles/bao", "");
    std::os::unix::fs::symlink(&dotfiles, sandbox.home().join(".bao")).unwrap();
    install(&[]).ok();
    assert!(fs::read_to_string(&dotfiles).unwrap().starts_with("token_helper = "));
    install(&["--remove"]).ok();
    assert_eq!(fs::read_to_string(&dotfiles).unwrap(), "");
    assert!(fs::symlink_metadata(sandbox.home().join(".bao")).unwrap().is_symlink());
}

#[test]
fn a_helper_keeps_its_profile_despite_variables() {
    let (mut sandbox, servers) = two_servers();
    let link = helper(&sandbox, "yc-id-token-vault-one");
    install(&sandbox, &["--profile=one"]).ok();
    assert_eq!(read(&sandbox, ".vault").unwrap(), line(&link));
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    sandbox.set("YC_ID_TOKEN_PROFILE", "two");
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    assert_eq!(servers.each_ref().map(FakeVault::logins), [1, 0]);
    let login: serde_json::Value = serde_json::from_str(&servers[0].requests()[0].body).unwrap();
    assert_eq!(login["role"], "one");
    sandbox.unset("YC_ID_TOKEN_PROFILE");
    let again = install(&sandbox, &["--profile=one"]).ok();
    assert!(again.lines().all(|line| line.starts_with("unchanged ")), "{again}");
    let printed = sandbox.run(&["vault", "login", "--profile=one"]).ok();
    assert!(
        printed.contains("stored     for the token helper, which is yc-id-token\n"),
        "{printed}"
    );

    // The variable works like the flag when the helper is installed.
    sandbox.set("YC_ID_TOKEN_PROFILE", "two");
    let printed = install(&sandbox, &[]).ok();
    sandbox.unset("YC_ID_TOKEN_PROFILE");
    let other = helper(&sandbox, "yc-id-token-vault-two");
    for name in [".vault", ".bao"] {
        assert_eq!(read(&sandbox, name).unwrap(), line(&other));
    }
    for part in [
        format!("made       {}", other.display()),
        format!(".bao: {}", line(&link)),
        format!(".bao: {}", line(&other).trim_end()),
        format!("removed    {}", link.display()),
    ] {
        assert!(printed.contains(&part), "{part}: {printed}");
    }
    assert!(fs::symlink_metadata(&link).is_err());
    assert_eq!(run_helper(&sandbox, &other, "get").ok(), token(1));
    assert_eq!(servers[1].logins(), 1);

    // The error names the command for that profile.
    sandbox.configure(&profile("two", "ftp://v.example", ""));
    let (text, _) = run_helper(&sandbox, &other, "get").fails(3, "E_ENDPOINT");
    assert!(text.contains("ftp://v.example"), "{text}");
    sandbox.configure("");
    let (text, _) = run_helper(&sandbox, &other, "get").fails(3, "E_CONFIG");
    assert!(text.contains("there is no profile `two`"), "{text}");
    // It can be removed without its profile too.
    install(&sandbox, &["--remove"]).ok();
    assert!(fs::symlink_metadata(&other).is_err() && read(&sandbox, ".bao").is_none());
}

#[test]
fn a_helper_for_another_configuration_path_is_a_script() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.unset("VAULT_ADDR");
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    let config = sandbox.write("it's there/config.toml", &profile("one", &vault.url(), ""));
    let flag = format!("--config={}", config.display());
    let printed = install(&sandbox, &["--profile=one", &flag]).ok();
    let script = helper(&sandbox, "yc-id-token-vault-one");
    assert!(printed.contains("which is a script that runs "), "{printed}");
    assert_eq!(fs::symlink_metadata(&script).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(run_helper(&sandbox, &script, "get").ok(), token(1));
    let again = install(&sandbox, &["--profile=one", &flag]).ok();
    assert!(again.lines().all(|line| line.starts_with("unchanged ")), "{again}");
    let login = sandbox.run(&["vault", "login", "--profile=one", &flag]).ok();
    assert!(login.contains("stored     for the token helper, which is yc-id-token\n"), "{login}");
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    let found = sandbox.run(&["doctor", "vault"]).stdout;
    assert!(
        found.contains(&format!("the token helper of {}", sandbox.home().display())),
        "{found}"
    );

    // The default path needs no script, so a link replaces it.
    let config = sandbox.configure(&profile("one", &vault.url(), ""));
    install(&sandbox, &["--profile=one", &format!("--config={}", config.display())]).ok();
    assert!(fs::symlink_metadata(&script).unwrap().is_symlink());
    assert_eq!(run_helper(&sandbox, &script, "get").ok(), token(1));
    install(&sandbox, &["--profile=one", &flag]).ok();
    let printed = install(&sandbox, &["--profile=one", &flag, "--remove"]).ok();
    assert!(printed.lines().all(|line| line.starts_with("removed ")), "{printed}");
    assert!(!script.exists());
}

#[test]
fn a_setting_that_a_helper_cannot_store_is_an_error() {
    let (mut sandbox, _servers) = two_servers();
    for arguments in [&["--role=r"][..], &["--profile=one", "--address=https://v.example"]] {
        let (text, hint) = install(&sandbox, arguments).fails(2, "E_USAGE");
        let flag = arguments.last().unwrap().split('=').next().unwrap();
        assert!(text.contains(&format!("cannot keep `{flag}`")), "{text}");
        assert!(hint.contains("`--profile`"), "{hint}");
    }
    let (text, hint) = install(&sandbox, &["--profile=tow"]).fails(3, "E_CONFIG");
    assert!(text.contains("`tow`") && hint.contains("`two`"), "{text}\n{hint}");
    let (text, _) = install(&sandbox, &["--profile=two;id"]).fails(2, "E_USAGE");
    assert!(text.contains("passes to a shell"), "{text}");
    let link = sandbox.home().join("yc-id-token-vault");
    let (text, _) = install(&sandbox, &["--profile=one", &format!("--link={}", link.display())])
        .fails(2, "E_USAGE");
    assert!(text.ends_with("is not named yc-id-token-vault-one"), "{text}");
    assert!(read(&sandbox, ".vault").is_none() && !sandbox.home().join(".local").exists());
    // A link whose name contains the profile.
    sandbox.set("YC_ID_TOKEN_TIMEOUT", "10s");
    let link = sandbox.home().join("yc-id-token-vault-two");
    install(&sandbox, &[&format!("--link={}", link.display())]).ok();
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
}

#[test]
fn the_profile_of_the_clis_server_is_used() {
    let (mut sandbox, servers) = two_servers();
    install(&sandbox, &["--profile=one"]).ok();
    let link = helper(&sandbox, "yc-id-token-vault-one");
    let logins = || servers.each_ref().map(FakeVault::logins);
    sandbox.set("VAULT_ADDR", servers[1].url() + "/");
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    assert_eq!(logins(), [0, 1]);
    let printed = sandbox.run(&["vault", "login", "--profile=two"]).ok();
    assert!(
        printed.contains("stored     for the token helper, which is yc-id-token\n"),
        "{printed}"
    );
    // The token that the CLI erased belongs to that server.
    run_helper(&sandbox, &link, "erase").ok();
    let next = run_helper(&sandbox, &link, "get").ok();
    assert_eq!(logins(), [0, 2]);
    // The background refresh is for the same token.
    sandbox.age("vault-token", Duration::from_secs(700));
    sandbox.let_half_a_minute_pass("vault-token");
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), next);
    eventually("there is another", || run_helper(&sandbox, &link, "get").ok() != next);
    assert_eq!(logins(), [0, 3]);
    // As `bao -address` sets it for its helper.
    sandbox.set("BAO_ADDR", servers[0].url());
    run_helper(&sandbox, &link, "get").ok();
    assert_eq!(logins(), [1, 3]);

    sandbox.set("BAO_ADDR", "https://other.example:8200");
    log(&sandbox);
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), "");
    let printed = log(&sandbox);
    assert!(printed.contains("0 profiles are for https://other.example:8200"), "{printed}");
    let found = sandbox.run(&["doctor", "vault", "--profile=one"]).stdout;
    assert!(found.contains("the CLI gets no token for https://other.example:8200"), "{found}");
    // Of two profiles for one server, neither is used.
    sandbox.configure(
        &(profile("one", &servers[0].url(), "")
            + &profile("two", &servers[1].url(), "")
            + &profile("three", &servers[1].url(), "")),
    );
    sandbox.set("BAO_ADDR", servers[1].url());
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), "");
    let found = sandbox.run(&["doctor", "vault", "--profile=one"]).stdout;
    assert!(found.contains("it could be `three` or `two`"), "{found}");
    // An address that takes precedence over every profile does not make it another server.
    sandbox.set("YC_ID_TOKEN_VAULT_ADDRESS", servers[0].url());
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), "");
    assert_eq!(logins(), [1, 3]);
}

#[test]
fn the_setup_of_a_second_server_leaves_the_helper_of_the_first() {
    let mut sandbox = Sandbox::new();
    sandbox.set("PATH", sandbox.home().join("programs"));
    let setup = |name: &str, address: &str, more: &[&str]| {
        let (name, address) = (format!("--name={name}"), format!("--address={address}"));
        let arguments = ["setup", "vault", "--apply", "--offline", "--role=r", &name, &address];
        sandbox.run(&[&arguments[..], more].concat()).ok()
    };
    let [one, two, link] =
        ["yc-id-token-vault-one", "yc-id-token-vault-two", "yc-id-token-vault-x"]
            .map(|name| helper(&sandbox, name));
    setup("one", "https://one.example:8200", &[]);
    assert_eq!(read(&sandbox, ".vault").unwrap(), line(&one));
    setup("x", "https://two.example:8200/", &[]);
    assert_eq!(read(&sandbox, ".vault").unwrap(), line(&one));
    assert!(
        !link.exists()
            && read(&sandbox, ".config/yc-id-token/config.toml").unwrap().contains("[profiles.x")
    );
    // For the same server, the requested profile is used.
    let printed = setup("two", "https://one.example:8200", &[]);
    assert_eq!(read(&sandbox, ".vault").unwrap(), line(&two));
    assert!(printed.contains(&format!("-{}+{}", line(&one), line(&two))), "{printed}");
    setup("x", "https://two.example:8200/", &[&format!("--link={}", link.display())]);
    assert_eq!(read(&sandbox, ".bao").unwrap(), line(&link));
}

#[test]
fn shown_commands_have_the_profile_of_the_helper() {
    let (mut sandbox, servers) = two_servers();
    install(&sandbox, &["--profile=one"]).ok();
    let link = helper(&sandbox, "yc-id-token-vault-one");
    let (_, hint) = run_helper(&sandbox, &link, "status").fails(3, "E_MISSING");
    assert_eq!(hint, "get one with `yc-id-token vault login --profile=one`");
    sandbox.set("VAULT_ADDR", servers[0].url());
    sandbox.keep_secret("hvs.mine");
    let mut store = sandbox.other_command(&link);
    store.arg("store").stdin(fs::File::open(sandbox.write_secret("stdin", "hvs.mine")).unwrap());
    sandbox.finish(store).ok();
    let printed = sandbox.run(&["vault", "status", "--profile=one"]).ok();
    let command = "`yc-id-token vault token-helper erase --profile=one`";
    assert!(printed.contains(command), "{printed}");
    // The token belongs to the first server, whichever the CLI calls.
    sandbox.set("VAULT_ADDR", servers[1].url());
    assert_eq!(sandbox.run(&["vault", "status", "--profile=one"]).ok(), printed);
    sandbox.run(&["vault", "status", "--profile=two"]).fails(3, "E_MISSING");
    // `doctor` keeps the helper's profile, whichever it checks itself.
    fs::remove_file(&link).unwrap();
    let found = sandbox.run(&["doctor", "vault", "--profile=two"]).stdout;
    assert!(
        found.contains("again with `yc-id-token vault install-helper --profile=one`"),
        "{found}"
    );
}

#[test]
fn a_helper_without_a_profile_takes_that_of_the_server() {
    let (mut sandbox, servers) = two_servers();
    // As the previous version created it.
    let link = helper(&sandbox, "yc-id-token-vault");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    let key = sandbox.get("YC_ID_TOKEN_KEY_FILE").unwrap();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let [one, two] = servers.each_ref().map(FakeVault::url);
    let key = format!("key_file = \"{}\"\n", key.to_str().unwrap());
    let profiles = ["one", "two"].map(|name| format!("[profiles.{name}]\n{key}"));
    sandbox.configure(&(profiles.concat() + &profile("one", &one, "") + &profile("two", &two, "")));
    for (server, logins) in [(&one, [1, 0]), (&two, [1, 1])] {
        sandbox.set("VAULT_ADDR", server);
        assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
        assert_eq!(servers.each_ref().map(FakeVault::logins), logins);
    }
    // With the variable of that version.
    sandbox.set("YC_ID_TOKEN_PROFILE", "one");
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    sandbox.unset("VAULT_ADDR");
    assert_eq!(run_helper(&sandbox, &link, "get").ok(), token(1));
    assert_eq!(servers.each_ref().map(FakeVault::logins), [1, 1]);
    // It is replaced by a helper with a profile.
    sandbox.write(".bao", &line(&link));
    install(&sandbox, &["--profile=one"]).ok();
    assert_eq!(read(&sandbox, ".bao").unwrap(), line(&helper(&sandbox, "yc-id-token-vault-one")));
    assert!(fs::symlink_metadata(&link).is_err());
}

#[test]
fn no_token_is_returned_for_another_namespace() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    let team = profile("team", &vault.url(), "namespace = \"team/\"\n");
    sandbox.configure(&team);
    install(&sandbox, &["--profile=team"]).ok();
    let link = helper(&sandbox, "yc-id-token-vault-team");
    let get = |sandbox: &Sandbox| run_helper(sandbox, &link, "get").ok();
    assert_eq!(get(&sandbox), token(1), "a flag of the CLI can set the namespace");
    let doctor = |sandbox: &Sandbox| sandbox.run(&["doctor", "vault"]).stdout;
    assert!(doctor(&sandbox).contains("export VAULT_NAMESPACE=team"));
    for (namespace, expected) in [
        ("team", token(1)),
        // A token is valid in the namespaces below its own.
        ("/team/project/", token(1)),
        ("teams", String::new()),
        ("other", String::new()),
    ] {
        sandbox.set("VAULT_NAMESPACE", namespace);
        assert_eq!(get(&sandbox), expected, "{namespace}");
    }
    let found = doctor(&sandbox);
    assert!(found.contains("(namespace `other`)") && found.contains("no profile is"), "{found}");
    // OpenBao's own variable takes precedence.
    sandbox.set("BAO_NAMESPACE", "team");
    assert_eq!(get(&sandbox), token(1));
    sandbox.unset("BAO_NAMESPACE");
    // A token that the CLI stores belongs to its namespace.
    let other = profile("other", &vault.url(), "namespace = \"other\"\n");
    sandbox.configure(&(team + &other));
    assert_ne!(get(&sandbox), token(1));
    let last = vault.requests().pop().unwrap();
    assert_eq!(last.headers["x-vault-namespace"], "other");
    assert_eq!(vault.logins(), 2);
}
