//! Google's libraries for Python, which gcloud also uses, and for JavaScript, with every way to get an ID token from
//! this program.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, KeySize, Options, Route};

use super::google::{EMAIL, FEDERATED, Google, IMPERSONATED, PROVIDER};
use super::{Killed, free_port, peer};
use crate::agent::{Agent, file};
use crate::leaks;
use crate::sandbox::{PROGRAM, Sandbox, claims, eventually};
use crate::setup::{setup, without_kubectl};
use crate::setup_gcp::secret_in;

/// A program that gets an access token.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    Python,
    JavaScript,
}

const CLIENTS: [Client; 2] = [Client::Python, Client::JavaScript];

impl Client {
    fn command(self, sandbox: &Sandbox, google: &Google) -> Command {
        const SCRIPT: &str =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/gcp-python/access_token.py");
        let (program, script) = match self {
            Self::Python => ("gcp-venv/bin/python", SCRIPT.into()),
            Self::JavaScript => ("aws-venv/bin/node", peer("gcp-javascript/access_token.mjs")),
        };
        let mut command = sandbox.other_command(peer(program));
        command.arg(script).arg(google.url());
        command
    }

    /// The access token that it gets.
    #[track_caller]
    pub fn token(self, sandbox: &Sandbox, google: &Google) -> String {
        let outcome = sandbox.finish(self.command(sandbox, google));
        assert!(outcome.status.success(), "{self:?}: {outcome:?}");
        outcome.stdout
    }

    /// The error that it shows.
    #[track_caller]
    fn error(self, sandbox: &Sandbox, google: &Google) -> String {
        let outcome = sandbox.finish(self.command(sandbox, google));
        assert!(!outcome.status.success(), "{self:?}: {outcome:?}");
        for secret in sandbox.secrets() {
            assert!(!leaks::holds(&outcome.stdout, &secret), "{self:?}: {outcome:?}");
        }
        outcome.stdout
    }
}

/// Writes a credential configuration with this source for the clients of a sandbox, and more.
fn set_up(sandbox: &mut Sandbox, source: &Value, more: &[(&str, &str)]) {
    let mut configuration = json!({
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    });
    for (name, value) in more {
        configuration[name] = (*value).into();
    }
    let file = sandbox.write("credentials.json", &configuration.to_string());
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", file);
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
}

fn executable() -> Value {
    json!({ "executable": { "command": format!("{PROGRAM} gcp"), "timeout_millis": 30_000 } })
}

/// The same with a file that caches the answer.
fn with_output_file(sandbox: &Sandbox) -> (Value, PathBuf) {
    let file = sandbox.home().join("answer.json");
    sandbox.may_hold_secrets(&file);
    let mut source = executable();
    source["executable"]["output_file"] = file.to_str().unwrap().into();
    source["executable"]["interactive_timeout_millis"] = 30_000.into();
    (source, file)
}

#[test]
fn the_libraries_run_the_program_and_exchange_what_it_prints() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    for client in CLIENTS {
        assert!(client.token(&sandbox, &google).starts_with(FEDERATED), "{client:?}");
    }
    assert_eq!(sandbox.token_requests(), (1, 1), "the second is answered from the cache");
    let jwt = ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
    let url = format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    );
    set_up(&mut sandbox, &executable(), &[jwt, ("service_account_impersonation_url", &url)]);
    for client in CLIENTS {
        assert!(client.token(&sandbox, &google).starts_with(IMPERSONATED), "{client:?}");
    }
}

#[test]
fn a_verbose_log_does_not_break_a_library() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    for client in CLIENTS {
        assert!(client.token(&sandbox, &google).starts_with(FEDERATED), "{client:?}");
    }
}

#[test]
fn clients_that_start_at_once_share_one_token() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    let start = |client: Client| {
        let mut command = client.command(&sandbox, &google);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = CLIENTS.into_iter().cycle().take(8).map(start).collect();
    for client in started {
        let outcome = sandbox.outcome(client);
        assert!(outcome.stdout.starts_with(FEDERATED), "{outcome:?}");
    }
    assert_eq!(sandbox.token_requests(), (1, 1));
    let mut tokens = google.subject_tokens();
    assert_eq!(tokens.len(), 8);
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

#[test]
fn the_libraries_show_the_error_of_a_run_that_failed() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    for (client, begin) in [
        (
            Client::Python,
            "RefreshError: Executable returned unsuccessful response: code: E_SOURCE_DENIED, message: ",
        ),
        (
            Client::JavaScript,
            "Error: The executable failed with exit code: E_SOURCE_DENIED and error message: ",
        ),
    ] {
        let shown = client.error(&sandbox, &google);
        let message = shown.strip_prefix(begin).unwrap_or_else(|| panic!("{shown}"));
        assert!(message.starts_with("cannot get an ID token for audience `https:"), "{message}");
        assert!(message.contains(". Hint: grant `iam.serviceAccounts.tokenCreator`"), "{message}");
    }
    assert_eq!(google.subject_tokens().len(), 0);
}

#[test]
fn the_libraries_read_the_answer_from_the_output_file() {
    for client in CLIENTS {
        let mut sandbox = Sandbox::new();
        let google = Google::start(&sandbox);
        let (source, file) = with_output_file(&sandbox);
        set_up(&mut sandbox, &source, &[]);
        client.token(&sandbox, &google);
        let kept = fs::read_to_string(&file).unwrap();
        sandbox.set("YC_ID_TOKEN_CACHE", "none");
        sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
        client.token(&sandbox, &google);
        assert_eq!(sandbox.token_requests(), (1, 1), "the program is not run again");

        let mut answer: Value = serde_json::from_str(&kept).unwrap();
        answer["expiration_time"] = 1.into();
        fs::write(&file, answer.to_string()).unwrap();
        let shown = client.error(&sandbox, &google);
        assert!(shown.contains("code: E_SOURCE_DENIED"), "{shown}");
        sandbox.cloud.always(Route::TokenExchange, None);
        client.token(&sandbox, &google);
        assert_ne!(fs::read_to_string(&file).unwrap(), answer.to_string());
    }
}

#[test]
fn interactive_mode_uses_the_file_and_shows_errors_to_the_user() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    let (source, _) = with_output_file(&sandbox);
    // It is for people, who are in workforce pools. The library for JavaScript has no such mode.
    let pool = "//iam.googleapis.com/locations/global/workforcePools/pool/providers/yandex-cloud";
    set_up(&mut sandbox, &source, &[("audience", pool)]);
    let interactive = |sandbox: &Sandbox| {
        let mut command = Client::Python.command(sandbox, &google);
        command.arg("interactive");
        sandbox.finish(command)
    };
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let outcome = interactive(&sandbox);
    assert!(outcome.stdout.contains("[E_SOURCE_DENIED]\nyc-id-token: hint: "), "{outcome:?}");
    assert!(outcome.stdout.contains("non-zero return code 4"), "{outcome:?}");
    sandbox.cloud.always(Route::TokenExchange, None);
    sandbox.set("YC_ID_TOKEN_FORCE_REFRESH", "true");
    let printed = interactive(&sandbox).ok();
    let audience = &claims(printed.trim_end())["aud"];
    assert_eq!(*audience, format!("https:{pool}"), "nothing else is at the terminal");
}

#[test]
fn the_libraries_exchange_a_token_file() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    let file = sandbox.home().join("google.jwt");
    sandbox.may_hold_secrets(&file);
    let path = file.to_str().unwrap();
    let audience = format!("--audience=https:{PROVIDER}");
    for (format, form) in [
        ("raw", json!({ "type": "text" })),
        ("json", json!({ "type": "json", "subject_token_field_name": "token" })),
    ] {
        sandbox.run(&["token", &audience, "--output", path, "--format", format]).ok();
        set_up(&mut sandbox, &json!({ "file": path, "format": form }), &[]);
        for client in CLIENTS {
            assert!(client.token(&sandbox, &google).starts_with(FEDERATED), "{client:?}, {format}");
        }
    }
}

#[test]
fn the_libraries_exchange_tokens_of_the_agent() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    let (path, secret) = (file(&sandbox, "google.jwt"), file(&sandbox, "secret"));
    let address = format!("127.0.0.1:{}", free_port());
    let audience = format!("--audience=https:{PROVIDER}");
    let (listen, secret_file) =
        (format!("--listen={address}"), format!("--secret-file={}", secret.display()));
    let endpoint = ["--serve=gcp-url", &listen, &secret_file, &audience];
    let arguments = [&endpoint[..], &["--file", path.to_str().unwrap()]].concat();
    let agent = sandbox.command(&[&["agent"], &arguments[..]].concat()).spawn().unwrap();
    let _agent = Killed(agent);
    eventually("it is ready", || {
        path.exists()
            && sandbox.run(&[&["agent", "check"], &endpoint[..]].concat()).status.success()
    });
    let secret = fs::read_to_string(secret).unwrap();
    sandbox.keep_secret(&secret);
    let served = json!({
        "url": format!("http://{address}/"),
        "headers": { "Authorization": format!("Bearer {secret}") },
        "format": { "type": "json", "subject_token_field_name": "id_token" },
    });
    for source in [json!({ "file": path, "format": { "type": "text" } }), served] {
        set_up(&mut sandbox, &source, &[]);
        sandbox.may_hold_secrets(&sandbox.home().join("credentials.json"));
        for client in CLIENTS {
            assert!(client.token(&sandbox, &google).starts_with(FEDERATED), "{client:?}, {source}");
        }
    }
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn a_token_for_another_audience_or_account_is_rejected() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    let refusal = |sandbox: &Sandbox| Client::Python.error(sandbox, &google);
    sandbox.set("YC_ID_TOKEN_GCP_AUDIENCE", "https://iam.googleapis.com/other");
    let shown = refusal(&sandbox);
    assert!(shown.contains("does not match the expected audience"), "{shown}");
    sandbox.unset("YC_ID_TOKEN_GCP_AUDIENCE");
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = sandbox.cloud.add_authorized_key(&other, KeySize::Rsa2048);
    let key = sandbox.write_secret("other.json", &key.to_json());
    sandbox.set("YC_ID_TOKEN_KEY_FILE", key);
    let shown = refusal(&sandbox);
    assert!(shown.contains("rejected by the attribute condition"), "{shown}");
}

#[test]
fn a_command_of_exec_acts_as_the_provider_or_as_a_service_account() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    sandbox.set("YC_ID_TOKEN_GCP_PROVIDER", PROVIDER);
    for client in CLIENTS {
        let run = |more: &[&str]| {
            let client = client.command(&sandbox, &google);
            let mut command = sandbox.command(&["exec", "--gcp"]);
            command.args(more).arg("--").arg(client.get_program()).args(client.get_args());
            sandbox.finish(command).stdout
        };
        assert!(run(&[]).starts_with(FEDERATED), "{client:?}");
        assert!(run(&["--service-account-email", EMAIL]).starts_with(IMPERSONATED), "{client:?}");
    }
}

/// Configures clients with `setup gcp` and this source.
fn set_up_by_setup(source: &[&str]) -> Sandbox {
    let mut sandbox = without_kubectl(Options::default());
    let written = sandbox.home().join("google.json");
    let output = format!("--output={}", written.display());
    setup(&sandbox, &[&["gcp", "--apply", "--provider", PROVIDER, &output], source].concat()).ok();
    for name in ["KEY_FILE", "IAM_ENDPOINT", "OAUTH_ENDPOINT"] {
        sandbox.unset(&format!("YC_ID_TOKEN_{name}"));
    }
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", written);
    sandbox
}

#[test]
fn the_libraries_accept_what_setup_writes_for_an_executable() {
    let mut sandbox = set_up_by_setup(&[]);
    let google = Google::start(&sandbox);
    let shown = Client::Python.error(&sandbox, &google);
    assert!(shown.contains("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"), "{shown}");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    for client in CLIENTS {
        assert!(client.token(&sandbox, &google).starts_with(FEDERATED), "{client:?}");
    }
}

#[test]
fn the_libraries_accept_what_setup_writes_for_the_agents_file() {
    let email = format!("--service-account-email={EMAIL}");
    let sandbox = set_up_by_setup(&["--source=file", &email]);
    let google = Google::start(&sandbox);
    sandbox.may_hold_secrets(&sandbox.home().join("google.jwt"));
    sandbox.run(&["agent", "--once"]).ok();
    for client in CLIENTS {
        assert!(client.token(&sandbox, &google).starts_with(IMPERSONATED), "{client:?}");
    }
}

#[test]
fn the_libraries_accept_what_setup_writes_for_an_address_of_the_agent() {
    let address = format!("127.0.0.1:{}", free_port());
    let sandbox = set_up_by_setup(&["--source=url", &format!("--listen={address}")]);
    let google = Google::start(&sandbox);
    secret_in(&sandbox, "google.json");
    // The libraries read their configuration once, so that a new agent must have the same secret.
    for run in 1..=2 {
        let agent = Agent::start(&sandbox, &[]);
        let ready = || sandbox.log().matches("has a new credential").count();
        eventually("the token is there", || ready() == run);
        eventually("the agent answers", || TcpStream::connect(&address).is_ok());
        for client in CLIENTS {
            assert!(client.token(&sandbox, &google).starts_with(FEDERATED), "{client:?}");
        }
        agent.terminate().ok();
    }
    assert_eq!(sandbox.token_requests(), (1, 1), "they are answered from the cache");
}
