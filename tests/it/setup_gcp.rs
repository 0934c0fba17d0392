//! `setup gcp` writes the credential configuration of Google's libraries and the agent's part, and prints the setup of
//! the project. `tests/real/gcp.rs` uses the result with the libraries.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};
use yc_id_token_emulator::Options;

use crate::agent::{Agent, file};
use crate::real::google::{EMAIL, PROVIDER};
use crate::real::{free_port, http_with};
use crate::sandbox::{Outcome, PROGRAM, Sandbox, claims, eventually};
use crate::setup::{dialogue, setup, without_kubectl};

const ISSUER: &str = "https://issuer.example";
const CONFIG: &str = ".config/yc-id-token/config.toml";
const OUTPUT: &str = ".config/yc-id-token/google-yandex-cloud.json";

fn sandbox() -> Sandbox {
    without_kubectl(Options { issuer: Some(ISSUER.to_owned()), ..Options::default() })
}

/// The provider as copied from Google's console.
fn short() -> &'static str {
    PROVIDER.strip_prefix("//iam.googleapis.com/").unwrap()
}

fn apply(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    setup(sandbox, &[&["gcp", "--apply", "--provider", short()], more].concat())
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.home().join(name)).unwrap_or_default()
}

fn document(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&read(sandbox, OUTPUT)).unwrap()
}

/// Checks that the credential configuration has a secret, and returns it.
pub fn secret_in(sandbox: &Sandbox, path: &str) -> String {
    sandbox.may_hold_secrets(&sandbox.home().join(path));
    let document: Value = serde_json::from_str(&read(sandbox, path)).unwrap();
    let header = document["credential_source"]["headers"]["Authorization"].as_str().unwrap();
    let secret = header.strip_prefix("Bearer ").unwrap().to_owned();
    sandbox.keep_secret(&secret);
    secret
}

#[test]
fn the_executable_is_written_once_with_the_projects_commands() {
    let sandbox = sandbox();
    let printed = apply(&sandbox, &[]).ok();
    let program = sandbox.home().join("programs/yc-id-token");
    let expected = json!({
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": { "executable": {
            "command": format!("{} gcp --profile=yandex-cloud", program.display()),
            "timeout_millis": 30_000,
        } },
    });
    assert_eq!(document(&sandbox), expected);
    let output = sandbox.home().join(OUTPUT);
    assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o600);
    let table = format!("[profiles.yandex-cloud.gcp]\nprovider = \"{PROVIDER}\"\n");
    assert!(read(&sandbox, CONFIG).ends_with(&table), "{}", read(&sandbox, CONFIG));
    let member = format!(
        "--member=principal://iam.googleapis.com/{}/subject/{}\n",
        short().strip_suffix("/providers/yandex-cloud").unwrap(),
        sandbox.account
    );
    for part in [
        "  gcloud iam workload-identity-pools create yandex-cloud --project=123456789012 --location=global\n",
        "providers create-oidc yandex-cloud --project=123456789012 --location=global \\\n",
        " --issuer-uri=https://issuer.example \\\n",
        &format!(" --attribute-condition=\"assertion.sub == '{}'\"\n", sandbox.account),
        &member,
        "integrations/gcp/terraform/main.tf",
        &format!("  export GOOGLE_APPLICATION_CREDENTIALS={}\n", output.display()),
        "  export GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1\n",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!printed.contains("--allowed-audiences"), "{printed}");
    for again in [&["gcp", "--apply"][..], &["gcp", "--print", "--provider", PROVIDER]] {
        let printed = setup(&sandbox, again).ok();
        assert!(printed.starts_with("Nothing to change"), "{again:?}: {printed}");
    }
    setup(&sandbox, &["--undo", "--apply"]).ok();
    assert!(!output.exists() && !sandbox.home().join(CONFIG).exists());
}

#[test]
fn undo_also_removes_the_agents_token_file() {
    let mut sandbox = sandbox();
    sandbox.configure("[[agent.files]]\npath = \"~/mine\"\naudience = \"mine\"\n");
    let before = read(&sandbox, CONFIG);
    for name in ["mine", ".config/yc-id-token/google-yandex-cloud.jwt"] {
        sandbox.may_hold_secrets(&sandbox.home().join(name));
    }
    let email = format!("--service-account-email={EMAIL}");
    let printed = apply(&sandbox, &["--source=file", &email]).ok();
    assert!(printed.contains("  yc-id-token agent   # as a service"), "{printed}");
    assert!(
        printed.contains(&format!("add-iam-policy-binding {EMAIL} --role=roles/iam.work")),
        "{printed}"
    );
    let token = sandbox.home().join(".config/yc-id-token/google-yandex-cloud.jwt");
    let written = document(&sandbox);
    assert_eq!(written["credential_source"]["file"], token.to_str().unwrap());
    let impersonation = written["service_account_impersonation_url"].as_str().unwrap();
    assert!(impersonation.ends_with(&format!("/{EMAIL}:generateAccessToken")), "{impersonation}");
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.run(&["agent", "--once", "--profile=yandex-cloud"]).ok();
    assert_eq!(claims(&fs::read_to_string(&token).unwrap())["aud"], format!("https:{PROVIDER}"));
    assert!(setup(&sandbox, &["gcp", "--apply"]).ok().starts_with("Nothing to change"));
    setup(&sandbox, &["--undo", "--apply"]).ok();
    assert_eq!(read(&sandbox, CONFIG), before);
    assert!(!sandbox.home().join(OUTPUT).exists());
}

#[test]
fn an_address_has_one_secret_that_is_never_shown() {
    let mut sandbox = sandbox();
    let other = "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"127.0.0.1:9911\"\nsecret_file = \"~/s\"\naudiences = [\"a\"]\n";
    sandbox.configure(other);
    let printed = setup(&sandbox, &["gcp", "--provider", short(), "--source=url", "--print"]).ok();
    assert!(printed.contains("+listen = \"127.0.0.1:9912\"\n"), "{printed}");
    sandbox.configure("");
    let address = format!("127.0.0.1:{}", free_port());
    let listen = format!("--listen={address}");
    let printed = apply(&sandbox, &["--source=url", &listen]).ok();
    let secret = secret_in(&sandbox, OUTPUT);
    assert!(!printed.contains(&secret), "{printed}");
    assert_eq!(document(&sandbox)["credential_source"]["url"], format!("http://{address}/"));
    assert!(setup(&sandbox, &["gcp", "--apply"]).ok().starts_with("Nothing to change"));
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let server = address.parse().unwrap();
    for _ in 0..2 {
        let agent = Agent::start(&sandbox, &[]);
        let ask = |secret: &str| {
            let header = format!("Bearer {secret}");
            http_with(server, "GET", "/", &[("authorization", header.as_str())], "")
        };
        eventually("the token is there", || ask(&secret).is_ok_and(|(status, _)| status == 200));
        let body: Value = serde_json::from_str(&ask(&secret).unwrap().1).unwrap();
        let token = body["id_token"].as_str().unwrap();
        assert_eq!(claims(token)["aud"], format!("https:{PROVIDER}"));
        assert_eq!(ask("other").unwrap().0, 401);
        agent.terminate().ok();
        assert!(sandbox.home().join(OUTPUT).exists());
    }
    setup(&sandbox, &["--undo", "--apply"]).ok();
    assert!(!sandbox.home().join(OUTPUT).exists());

    let key = format!("--key-file={}", sandbox.home().join("key.json").display());
    apply(&sandbox, &["--source=url", &listen, &key]).ok();
    secret_in(&sandbox, OUTPUT);
    fs::set_permissions(sandbox.home().join(OUTPUT), fs::Permissions::from_mode(0o644)).unwrap();
    let (_, hint) = apply(&sandbox, &["--source=url"]).fails(3, "E_IDENTITY");
    assert!(hint.contains("chmod 600"), "{hint}");
    let (message, _) = sandbox.run(&["agent"]).fails(3, "E_IDENTITY");
    assert!(message.contains("can be read by others"), "{message}");
}

#[test]
fn a_path_that_the_libraries_would_split_is_refused() {
    let mut sandbox = sandbox();
    let folder = sandbox.home().join("my programs");
    fs::create_dir(&folder).unwrap();
    symlink(PROGRAM, folder.join("yc-id-token")).unwrap();
    sandbox.set("PATH", folder);
    let (message, hint) = apply(&sandbox, &[]).fails(2, "E_USAGE");
    assert!(message.contains("Google's libraries split it at spaces"), "{message}");
    assert!(hint.contains("a link without spaces"), "{hint}");
    assert!(!sandbox.home().join(CONFIG).exists());
    apply(&sandbox, &["--source=file"]).ok();
}

#[test]
fn another_file_or_provider_is_only_replaced_with_force() {
    let sandbox = sandbox();
    let key = sandbox.write("google.json", "{\"type\": \"service_account\"}\n");
    let output = format!("--output={}", key.display());
    let (message, _) = apply(&sandbox, &[&output]).fails(3, "E_CONFLICT");
    assert!(message.contains("is not a credential configuration"), "{message}");
    apply(&sandbox, &[&output, "--force"]).ok();
    let other = short().replace("providers/yandex-cloud", "providers/other");
    let arguments = ["gcp", "--apply", "--provider", &other, &output];
    let (message, _) = setup(&sandbox, &arguments).fails(3, "E_CONFLICT");
    assert!(message.contains("is for another provider"), "{message}");
    setup(&sandbox, &arguments[..4]).ok();
    let config = read(&sandbox, CONFIG);
    assert!(config.contains("[profiles.yandex-cloud]\n"), "{config}");
    assert!(config.contains("[profiles.yandex-cloud-other]\n"), "{config}");
}

#[test]
fn values_that_google_would_refuse_are_refused() {
    let sandbox = sandbox();
    for (arguments, words) in [
        (vec!["--provider=projects/my-project"], "is not the name of a provider"),
        (vec!["--provider", short(), "--source=aws"], "there is no source `aws`"),
        (vec!["--provider", short(), "--service-account-email=robot"], "is not the email"),
        (vec!["--provider", short(), "--source=url", "--listen=0.0.0.0:80"], "of loopback"),
        (vec!["--provider", short(), "--token-file=t"], "is for `--source=file`"),
        (vec!["--provider", short(), "--listen=127.0.0.1:1"], "is for `--source=url`"),
    ] {
        let (message, _) =
            setup(&sandbox, &[&["gcp", "--apply"][..], &arguments].concat()).fails(2, "E_USAGE");
        assert!(message.contains(words), "{message}");
    }
    let (message, _) = setup(&sandbox, &["gcp", "--apply"]).fails(3, "E_MISSING");
    assert!(message.contains("the provider of the workload identity pool is missing"), "{message}");
    assert!(!sandbox.home().join(CONFIG).exists());
}

#[test]
fn the_commands_for_the_project_are_a_script_that_can_be_run_again() {
    let mut sandbox = sandbox();
    let script = sandbox.home().join("project.sh");
    let audience = "--audience=https://own.example";
    apply(&sandbox, &["--server-config", script.to_str().unwrap(), audience]).ok();
    // It knows which resources exist.
    let gcloud = "#!/bin/sh
case \"$*\" in
  *' providers describe '*) exec grep -q create-oidc \"$HOME/done\" ;;
  *' describe '*) exec grep -q ' create ' \"$HOME/done\" ;;
esac
printf '%s\\n' \"$*\" >>\"$HOME/done\"
";
    let gcloud = sandbox.write("clis/gcloud", gcloud);
    fs::set_permissions(&gcloud, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write("done", "");
    let path: PathBuf = gcloud.parent().unwrap().into();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", path.display()));
    let run = || {
        let mut shell = sandbox.other_command("/bin/sh");
        shell.arg(&script);
        sandbox.finish(shell).ok();
        read(&sandbox, "done")
    };
    let created = run();
    let condition = format!("--attribute-condition=assertion.sub == '{}'", sandbox.account);
    assert!(created.contains(&condition), "{created}");
    assert!(created.contains(" --allowed-audiences=https://own.example\n"), "{created}");
    assert_eq!(run(), created);
}

#[test]
fn gclouds_own_check_runs_last_and_shows_no_token() {
    let mut sandbox = sandbox();
    let gcloud = "#!/bin/sh\n[ \"$1 $2 $3 $GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES\" = 'auth application-default print-access-token 1' ] || exit 9\n[ -f \"$GOOGLE_APPLICATION_CREDENTIALS\" ] && echo ya29.secret\n";
    let gcloud = sandbox.write("programs/gcloud", gcloud);
    fs::set_permissions(&gcloud, fs::Permissions::from_mode(0o755)).unwrap();
    let printed = apply(&sandbox, &[]).ok();
    assert!(printed.contains("It works. `GOOGLE_APPLICATION_CREDENTIALS="), "{printed}");
    assert!(!printed.contains("ya29."), "{printed}");
    sandbox.set("GOOGLE_CREDENTIALS", "{}");
    let printed = setup(&sandbox, &["gcp"]).ok();
    assert!(printed.contains("Unset GOOGLE_CREDENTIALS: as long as it is set"), "{printed}");
}

#[test]
fn a_terminal_is_prompted_for_missing_settings() {
    let sandbox = sandbox();
    let answers = format!("my-pool\n{PROVIDER}\n\nexec\nfile\ny\n");
    let printed = dialogue(&sandbox, "setup gcp", &answers).stdout;
    for part in [
        "! `my-pool` is not the name of a provider",
        "Google service account to impersonate (empty:",
        "! there is no source `exec`",
        "+[[agent.files]]",
        "Apply? [y/N]: written ",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(document(&sandbox)["credential_source"]["file"].is_string());
}

#[test]
fn a_credential_configuration_requires_googles_endpoint_type() {
    let sandbox = Sandbox::new();
    let file = file(&sandbox, "google.json");
    fs::write(&file, "{\"type\": \"external_account\"}").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for (table, words) in [
        ("type = \"token\"", "is for endpoints of the type `gcp-url`"),
        ("type = \"gcp-url\"\nsecret_file = \"s\"", "not both"),
        ("type = \"gcp-url\"", "has no `Authorization` header with a secret"),
    ] {
        sandbox.configure(&format!(
            "[[agent.endpoints]]\n{table}\nlisten = \"127.0.0.1:{}\"\naudiences = [\"a\"]\ncredential_file = \"~/google.json\"\n",
            free_port()
        ));
        let (message, _) = sandbox.run(&["agent"]).fails(3, "E_CONFIG");
        assert!(message.contains(words), "{message}");
    }
}
