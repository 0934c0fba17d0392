//! `exec --aws --serve`: a private endpoint with the keys of a role, which stay fresh while the command runs.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;
use yc_id_token_emulator::Options;

use crate::agent_endpoints::Loopback;
use crate::exec::{is_empty, kill, start, with_temporary_folder};
use crate::fake_sts::{Answer, FakeSts};
use crate::fake_vault::FakeVault;
use crate::sandbox::{Sandbox, eventually};

/// A command that runs beside its endpoint until it is released.
struct Served<'a> {
    sandbox: &'a Sandbox,
    child: Child,
    environment: BTreeMap<String, String>,
    endpoint: Loopback,
    secret_file: PathBuf,
}

impl<'a> Served<'a> {
    /// Starts the command with these additional options, and waits until it runs.
    fn start(sandbox: &'a Sandbox, options: &[&str]) -> Self {
        let environment = sandbox.home().join("environment");
        sandbox.may_hold_secrets(&environment);
        let script =
            "env -0 >e; mv e environment; until [ -e go ]; do sleep 0.02; done; rm go; exit 42";
        let words = [&["exec", "--aws", "--serve"], options, &["--", "sh", "-c", script]].concat();
        let mut command = sandbox.command(&words);
        command.current_dir(sandbox.home());
        let child = start(command);
        eventually("the command runs", || environment.exists());
        let text = fs::read_to_string(&environment).unwrap();
        fs::remove_file(environment).unwrap();
        let lines = text.split('\0').filter_map(|line| line.split_once('='));
        let environment: BTreeMap<String, String> =
            lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let address = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].clone();
        let address = address.strip_prefix("http://").unwrap().strip_suffix('/').unwrap().into();
        let secret_file = PathBuf::from(&environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]);
        let secret = fs::read_to_string(&secret_file).unwrap();
        sandbox.keep_secret(&secret);
        let endpoint = Loopback { address, secret };
        Self { sandbox, child, environment, endpoint, secret_file }
    }

    fn access_key(&self) -> String {
        let (status, body) = self.endpoint.get("/");
        assert_eq!(status, 200, "{body}");
        let keys: Value = serde_json::from_str(&body).unwrap();
        keys["AccessKeyId"].as_str().unwrap().to_owned()
    }

    fn let_go(self) {
        fs::write(self.sandbox.home().join("go"), "").unwrap();
        let address = self.endpoint.address.clone();
        assert_eq!(self.sandbox.outcome(self.child).status.code(), Some(42));
        assert!(TcpStream::connect(address).is_err(), "the endpoint ends with the command");
    }
}

/// The variables of AWS, by name.
fn of_aws(environment: &BTreeMap<String, String>) -> Vec<&str> {
    environment.keys().map(String::as_str).filter(|name| name.starts_with("AWS_")).collect()
}

/// The arguments of a process.
fn words_of(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap()
}

#[test]
fn a_command_has_a_private_endpoint_that_ends_with_it() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let sts = FakeSts::start(&mut sandbox);
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ] {
        sandbox.set(name, "inherited");
    }
    sandbox.set("no_proxy", "corp.example");
    let served = Served::start(&sandbox, &["--region=eu-west-1"]);
    let expected = [
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
    ];
    assert_eq!(of_aws(&served.environment), expected);
    for name in ["NO_PROXY", "no_proxy"] {
        assert_eq!(served.environment[name], "corp.example,127.0.0.1");
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let folder = served.secret_file.parent().unwrap();
    assert_eq!((mode(&served.secret_file), mode(folder)), (0o600, 0o700));

    assert_eq!(served.access_key(), "ASIA1");
    let status = |headers: &str| served.endpoint.get_with("/", headers).0;
    let right = format!("Authorization: {}\r\n", served.endpoint.secret);
    assert_eq!(status(&format!("Host: localhost\r\n{right}")), 200);
    assert_eq!(status("Host: localhost\r\n"), 401);
    assert_eq!(status("Host: localhost\r\nAuthorization: x\r\n"), 401);
    assert_eq!(status(&format!("Host: evil.example\r\n{right}")), 403);
    assert_eq!(status(&format!("Host: localhost\r\nOrigin: http://localhost\r\n{right}")), 403);
    assert_eq!(served.endpoint.get("/healthz").0, 404);
    assert_eq!(sts.count(), 1, "requests are answered from memory");

    let parent = served.child.id();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let command = children.split_whitespace().next().unwrap().parse().unwrap();
    for words in [parent, command].map(words_of) {
        assert!(!words.contains(&served.endpoint.secret), "{words}");
    }
    served.let_go();
    assert!(is_empty(&temporary), "the files are removed");
}

#[test]
fn the_keys_of_an_endpoint_are_always_valid() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let sts = FakeSts::start(&mut sandbox);
    sts.script((0..50).map(|_| Answer::Keys(Duration::from_secs(6))));
    let served = Served::start(&sandbox, &[]);
    for keys in 1..=3 {
        // Each answer in between has valid keys.
        eventually("there are new keys", || served.access_key() == format!("ASIA{keys}"));
    }
    served.let_go();
    assert!(is_empty(&temporary));
}

#[test]
fn a_signal_to_the_parent_ends_the_command_and_removes_the_files() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let _sts = FakeSts::start(&mut sandbox);
    let served = Served::start(&sandbox, &[]);
    assert!(!is_empty(&temporary));
    kill(&served.child, "TERM");
    assert_eq!(sandbox.outcome(served.child).status.code(), Some(128 + 15));
    assert!(is_empty(&temporary));
    assert!(TcpStream::connect(&served.endpoint.address).is_err());
}

#[test]
fn the_default_profile_has_no_conflicting_credentials() {
    let (mut sandbox, _) = with_temporary_folder(Options::default());
    let _sts = FakeSts::start(&mut sandbox);
    let config = "[default]\nregion = eu-west-1\n[profile other]\ncredential_process = /p\n";
    sandbox.write(".aws/config", config);
    sandbox.write(".aws/credentials", "[default]\naws_access_key_id = AKIA\n[x]\ny = z\n");
    let served = Served::start(&sandbox, &[]);
    assert!(!served.environment.contains_key("AWS_CONFIG_FILE"), "it is used as it is");
    let credentials = served.environment["AWS_SHARED_CREDENTIALS_FILE"].clone();
    assert_eq!(fs::read_to_string(&credentials).unwrap(), "[default]\n[x]\ny = z\n");
    assert_eq!(fs::metadata(&credentials).unwrap().mode() & 0o777, 0o600);
    served.let_go();
    assert!(!Path::new(&credentials).exists());
}

#[test]
fn an_endpoint_can_be_combined_with_other_credentials() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let _sts = FakeSts::start(&mut sandbox);
    let _vault = FakeVault::start(&mut sandbox);
    let provider = "--provider=projects/1/locations/global/workloadIdentityPools/p/providers/y";
    let options = ["--vault", "--gcp", provider, "--token-env=A=a", "--token-file-env=B=b"];
    let served = Served::start(&sandbox, &options);
    for name in ["VAULT_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "A", "B"] {
        assert!(served.environment.contains_key(name), "{name}");
    }
    assert_eq!(served.access_key(), "ASIA1");
    served.let_go();
    assert!(is_empty(&temporary));
}

#[test]
fn serve_requires_a_credential_type_and_its_settings() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let sts = FakeSts::start(&mut sandbox);
    let run = |options: &[&str]| {
        sandbox.run(&[&["exec", "--serve"], options, &["--", "touch", "was-run"]].concat())
    };
    let (_, hint) = run(&["--token-env=A=a"]).fails(3, "E_MISSING");
    assert!(hint.contains("`--aws`"), "{hint}");
    sts.script([Answer::Refusal(403, "AccessDenied", "no")]);
    run(&["--aws"]).fails(5, "E_CONSUMER_DENIED");
    assert!(!sandbox.home().join("was-run").exists());
    assert!(is_empty(&temporary));
}
