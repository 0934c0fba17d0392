//! `agent`: credential files are written atomically, and stay fresh through failures.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use yc_id_token_emulator::{Fault, KeySize, Options, Route};

use crate::fake_sts::FakeSts;
use crate::federation::external;
use crate::sandbox::{Outcome, Sandbox, claims, eventually};

/// A running agent, which is killed when it is dropped.
pub struct Agent<'a> {
    sandbox: &'a Sandbox,
    child: Option<Child>,
}

impl<'a> Agent<'a> {
    pub fn start(sandbox: &'a Sandbox, arguments: &[&str]) -> Self {
        Self::of(sandbox, sandbox.command(&[&["agent"], arguments].concat()))
    }

    pub fn of(sandbox: &'a Sandbox, mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { sandbox, child: Some(child) }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(self.pid().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// Ends the agent as a service manager does.
    pub fn terminate(mut self) -> Outcome {
        self.signal("TERM");
        self.sandbox.outcome(self.child.take().unwrap())
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A file in the home that may contain a secret.
pub fn file(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.home().join(name);
    sandbox.may_hold_secrets(&path);
    path
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn with_lifetime(seconds: u64) -> Sandbox {
    let id_token_life = Duration::from_secs(seconds);
    Sandbox::with_options(Options { id_token_life, ..Options::default() })
}

const CONFIGURATION: &str = "
[profiles.sts]
audience = \"sts.amazonaws.com\"
[profiles.k8s]
audience = \"k8s\"

[[agent.files]]
profile = \"sts\"
path = \"~/sts.jwt\"

[[agent.files]]
profile = \"k8s\"
path = \"~/k8s.json\"
format = \"kubectl\"
mode = \"0400\"

[[agent.files]]
profile = \"sts\"
audience = \"other\"
path = \"~/other.json\"
format = \"json\"
group = \"GROUP\"
";

/// A sandbox with three files, and their paths.
fn configured() -> (Sandbox, [PathBuf; 3]) {
    let sandbox = Sandbox::new();
    let group = fs::metadata(sandbox.home()).unwrap().gid().to_string();
    sandbox.configure(&CONFIGURATION.replace("GROUP", &group));
    let files = ["sts.jwt", "k8s.json", "other.json"].map(|name| file(&sandbox, name));
    (sandbox, files)
}

#[test]
fn once_writes_each_file_in_its_format_for_its_readers() {
    let (sandbox, [sts, k8s, other]) = configured();
    let run = || sandbox.run(&["agent", "--once"]).ok();
    assert_eq!(run(), "");
    let token = read(&sts);
    assert_eq!(claims(&token)["aud"], "sts.amazonaws.com");
    assert_eq!(token, token.trim(), "no newline");
    let credential: Value = serde_json::from_str(&read(&k8s)).unwrap();
    assert_eq!(credential["kind"], "ExecCredential");
    assert_eq!(claims(credential["status"]["token"].as_str().unwrap())["aud"], "k8s");
    let object: Value = serde_json::from_str(&read(&other)).unwrap();
    assert_eq!(object["audience"], "other");
    assert_eq!([mode(&sts), mode(&k8s), mode(&other)], [0o600, 0o400, 0o640]);
    let files = fs::read_dir(sandbox.home()).unwrap().map(|entry| entry.unwrap().file_name());
    let unfinished = files.filter(|name| name.to_string_lossy().starts_with(".yc-id-token-"));
    assert_eq!(unfinished.count(), 0);
    // Other processes share cached credentials, and a fresh file is not rewritten.
    let inode = fs::metadata(&sts).unwrap().ino();
    run();
    assert_eq!(fs::metadata(&sts).unwrap().ino(), inode);
    assert_eq!(sandbox.run(&["token", "--profile=sts"]).ok().trim(), token);
    assert_eq!(sandbox.token_requests(), (1, 3));
    // The permissions of a file that others can read are corrected.
    fs::set_permissions(&sts, fs::Permissions::from_mode(0o644)).unwrap();
    run();
    assert_eq!(mode(&sts), 0o600);
}

#[test]
fn googles_libraries_accept_a_file_of_format_gcp() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_AUDIENCE");
    let provider = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/yandex";
    let answer = file(&sandbox, "answer.json");
    let arguments = ["--file", answer.to_str().unwrap(), "--format=gcp"];
    let (_, hint) =
        sandbox.run(&[&["agent", "--once"], &arguments[..]].concat()).fails(3, "E_MISSING");
    assert!(hint.contains("`--provider`"), "{hint}");
    let arguments = [&arguments[..], &["--provider", provider]].concat();
    sandbox.run(&[&["agent", "--once"], &arguments[..]].concat()).ok();
    let document: Value = serde_json::from_str(&read(&answer)).unwrap();
    assert_eq!((&document["version"], &document["success"]), (&1.into(), &true.into()));
    let token = document["id_token"].as_str().unwrap();
    assert_eq!(claims(token)["aud"], format!("https:{provider}"));
    sandbox.run(&[&["agent", "check"], &arguments[..]].concat()).ok();
}

#[test]
fn once_writes_aws_keys_and_fails_like_any_other_command() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let keys = file(&sandbox, "keys.json");
    let arguments = ["agent", "--once", "--file", keys.to_str().unwrap(), "--format=aws"];
    sandbox.run(&arguments).ok();
    let document: Value = serde_json::from_str(&read(&keys)).unwrap();
    assert_eq!((&document["Version"], &document["AccessKeyId"]), (&1.into(), &"ASIA1".into()));
    sandbox.run(&["agent", "check", "--file", keys.to_str().unwrap(), "--format=aws"]).ok();

    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(503)));
    let token = file(&sandbox, "token");
    let arguments = ["agent", "--once", "--file", token.to_str().unwrap(), "--audience=k8s"];
    sandbox.run(&arguments).fails(6, "E_UNAVAILABLE");
    assert!(!token.exists());
}

#[test]
fn a_file_is_replaced_in_time_and_survives_an_outage() {
    let sandbox = with_lifetime(8);
    let token = file(&sandbox, "token");
    let changes = sandbox.home().join("changes");
    let script = format!("echo $# >> {}", changes.display());
    let path = token.to_str().unwrap();
    let command = ["sh", "-c", &script, "sh", "a b", "$HOME"];
    let command = command.map(|word| format!("--on-change={word}"));
    let mut arguments = vec!["--file", path, "--audience=k8s"];
    arguments.extend(command.iter().map(String::as_str));
    let agent = Agent::start(&sandbox, &arguments);
    eventually("it is written", || !read(&token).is_empty());
    let first = read(&token);
    eventually("it is replaced", || read(&token) != first);
    let expiry = |token: &str| claims(token)["exp"].as_i64().unwrap();
    assert!(expiry(&read(&token)) > expiry(&first));

    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let requested = sandbox.cloud.count(Route::TokenExchange);
    eventually("it sends its request", || {
        sandbox.cloud.count(Route::TokenExchange) > requested + 1
    });
    let last = read(&token);
    assert!(!last.is_empty());
    assert!(sandbox.log().contains("is not renewed"), "{}", sandbox.log());
    sandbox.cloud.always(Route::TokenExchange, None);
    eventually("it is replaced", || read(&token) != last);
    let replaced = |log: &str| log.matches("has a new credential").count();
    eventually("each change is reported", || read(&changes).lines().count() >= 3);
    assert!(read(&changes).lines().all(|line| line == "2"), "no shell reads the words");
    assert_eq!(agent.terminate().ok(), "");
    assert!(replaced(&sandbox.log()) >= read(&changes).lines().count());
    assert_eq!(mode(&token), 0o600, "the file stays");
}

#[test]
fn an_agent_that_starts_during_an_outage_uses_what_is_cached() {
    let sandbox = Sandbox::new();
    let token = file(&sandbox, "token");
    let cached = sandbox.run(&["token", "--audience=k8s"]).ok();
    sandbox.age("id-token", Duration::from_secs(45 * 60));
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(503)));
    let arguments = ["agent", "--once", "--audience=k8s", "--file", token.to_str().unwrap()];
    sandbox.run(&arguments).ok();
    assert_eq!(read(&token), cached.trim());
    sandbox.cloud.always(Route::TokenExchange, None);
    sandbox.let_half_a_minute_pass("id-token");
    sandbox.run(&arguments).ok();
    assert_ne!(read(&token), cached.trim());
}

#[test]
fn check_succeeds_while_every_file_has_a_usable_credential() {
    let (sandbox, [sts, k8s, other]) = configured();
    let check = || sandbox.run(&["agent", "check"]);
    let (message, _) = check().fails(3, "E_EXPIRED");
    assert!(message.contains("sts.jwt") && message.contains("no such file"), "{message}");
    sandbox.run(&["agent", "--once"]).ok();
    let requests = sandbox.token_requests();
    assert_eq!(check().ok(), "");
    for path in [&k8s, &other, &sts] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        let before = read(path);
        fs::write(path, "").unwrap();
        check().fails(3, "E_EXPIRED");
        fs::write(path, before).unwrap();
        check().ok();
    }
    // A token valid for an hour, issued 55 minutes ago.
    sandbox.cloud.set_clock_shift(-55 * 60);
    let arguments = ["token", "--cache=none", "--audience=k8s", "--output", sts.to_str().unwrap()];
    sandbox.run(&arguments).ok();
    let (message, _) = check().fails(3, "E_EXPIRED");
    assert!(message.contains("it expires in"), "{message}");
    assert_eq!(requests, (1, 3), "check requests nothing");
}

#[test]
fn the_process_that_reads_a_file_gets_a_signal_when_it_changes() {
    let sandbox = with_lifetime(8);
    let (token, noticed) = (file(&sandbox, "token"), sandbox.home().join("noticed"));
    let pid_file = sandbox.home().join("pid");
    let script = format!(
        "trap 'echo >> {}' USR1; echo $$ > {}; while :; do sleep 0.05; done",
        noticed.display(),
        pid_file.display()
    );
    let mut reader = sandbox.other_command("sh");
    let mut reader = reader.args(["-c", &script]).spawn().unwrap();
    eventually("the reader runs", || !read(&pid_file).is_empty());
    let pid_file = pid_file.to_str().unwrap();
    let arguments = ["--audience=k8s", "--signal=SIGUSR1", "--pid-file", pid_file, "--file"];
    let agent = Agent::start(&sandbox, &[&arguments[..], &[token.to_str().unwrap()]].concat());
    eventually("it notices two changes", || read(&noticed).lines().count() >= 2);
    agent.terminate().ok();
    reader.kill().unwrap();
    reader.wait().unwrap();
    // A PID in the wrong format gets no signal.
    fs::write(pid_file, "1\n").unwrap();
    sandbox.run(&[&["agent", "--once", "--force-refresh"], &arguments[..], &["output"]].concat());
    sandbox.may_hold_secrets(&sandbox.home().join("output"));
    assert!(sandbox.log().contains("holds no process ID"), "{}", sandbox.log());
}

#[test]
fn temporary_files_are_removed_at_the_end() {
    let sandbox = Sandbox::new();
    let (kept, removed) = (file(&sandbox, "kept"), file(&sandbox, "removed"));
    for signal in ["TERM", "INT"] {
        sandbox.configure(
            "[[agent.files]]\npath = \"~/kept\"\n[[agent.files]]\npath = \"~/removed\"\nremove_on_exit = true\n",
        );
        let agent = Agent::start(&sandbox, &[]);
        eventually("they are there", || kept.exists() && removed.exists());
        agent.signal(signal);
        agent.terminate().ok();
        assert!(kept.exists() && !removed.exists(), "{signal}");
    }
    // Also while a server does not answer.
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    let requested = sandbox.cloud.count(Route::TokenExchange);
    let agent = Agent::start(&sandbox, &["--cache=none"]);
    eventually("it sends its request", || sandbox.cloud.count(Route::TokenExchange) > requested);
    agent.terminate().ok();
}

#[test]
fn a_new_configuration_is_used_after_sighup_and_a_broken_one_is_not() {
    let sandbox = Sandbox::new();
    let (one, two) = (file(&sandbox, "one"), file(&sandbox, "two"));
    let table = |name: &str, audience: &str| {
        format!(
            "[[agent.files]]\npath = \"~/{name}\"\naudience = \"{audience}\"\nremove_on_exit = true\n"
        )
    };
    sandbox.configure(&table("one", "a"));
    let agent = Agent::start(&sandbox, &[]);
    eventually("it is there", || one.exists());
    sandbox.configure("[[agent.files]]\npath = \"~/two\"\nmode = \"0666\"\n");
    agent.signal("HUP");
    eventually("it is refused", || sandbox.log().contains("the configuration stays as it was"));
    for expected in ["the mode cannot be `0666`", "code=\"E_CONFIG\""] {
        assert!(sandbox.log().contains(expected), "{}", sandbox.log());
    }
    assert!(one.exists() && !two.exists());
    sandbox.configure(&(table("one", "b") + &table("two", "a")));
    agent.signal("HUP");
    let audience = |path: &Path| {
        let token = read(path);
        (!token.is_empty()).then(|| claims(&token)["aud"].as_str().unwrap().to_owned())
    };
    eventually("it is used", || audience(&one) == Some("b".into()) && two.exists());
    sandbox.configure(&table("two", "a"));
    agent.signal("HUP");
    eventually("the file that is gone is removed", || !one.exists());
    agent.terminate().ok();
    assert!(!two.exists());
    assert_eq!(sandbox.token_requests(), (1, 2), "what is cached is not requested again");
}

#[test]
fn a_replaced_key_is_used_at_the_next_renewal() {
    let sandbox = with_lifetime(4);
    let token = file(&sandbox, "token");
    let arguments = ["--audience=k8s", "--cache=none", "--file", token.to_str().unwrap()];
    let agent = Agent::start(&sandbox, &arguments);
    eventually("it is there", || token.exists());
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = sandbox.cloud.add_authorized_key(&other, KeySize::Rsa2048);
    sandbox.write_secret("key.json", &key.to_json());
    eventually("it is used", || claims(&read(&token))["sub"] == other.as_str());
    agent.terminate().ok();
}

#[test]
fn a_replaced_projected_token_is_used_at_the_next_renewal() {
    let mut sandbox = with_lifetime(4);
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
    let replace = |lifetime: i64| {
        let projected = external("system:serviceaccount:prod:app", lifetime);
        sandbox.cloud.federate(&projected, &sandbox.account);
        sandbox.write_secret("projected", &projected);
        projected
    };
    replace(3600);
    let token = file(&sandbox, "token");
    let identity = format!("--identity=kubernetes:{}", sandbox.home().join("projected").display());
    let arguments =
        ["--audience=k8s", "--cache=none", &identity, "--file", token.to_str().unwrap()];
    let agent = Agent::start(&sandbox, &arguments);
    eventually("it is there", || token.exists());
    let next = replace(7200);
    eventually("it is used", || {
        sandbox.cloud.requests().iter().any(|request| request.body.contains(&next))
    });
    agent.terminate().ok();
}

#[test]
fn once_fails_if_it_writes_no_file_or_cannot_notify_its_readers() {
    let sandbox = Sandbox::new();
    let token = file(&sandbox, "token");
    let once = |more: &[&str]| sandbox.run(&[&["agent", "--once"], more].concat());
    let arguments = ["--audience=k8s", "--file", token.to_str().unwrap(), "--on-change=no-such"];
    let (message, _) = once(&arguments).fails(126, "E_NOT_RUN");
    assert!(message.contains("has changed, but cannot run `no-such`"), "{message}");
    assert!(token.exists());
    sandbox.configure(
        "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"unix:/tmp/socket\"\naudiences = [\"a\"]\n",
    );
    let (message, _) = once(&[]).fails(3, "E_MISSING");
    assert!(message.contains("no files are configured"), "{message}");
    let arguments = ["--serve=token", "--listen=unix:/tmp/socket"];
    once(&arguments).fails(2, "E_USAGE");
}

#[test]
fn invalid_settings_are_rejected_before_any_request() {
    let sandbox = Sandbox::new();
    let fails = |arguments: &[&str], exit, code| {
        sandbox.run(&[&["agent", "--once"], arguments].concat()).fails(exit, code).0
    };
    fails(&[], 3, "E_MISSING");
    for (argument, expected) in [
        ("--format=yaml", "there is no format `yaml`: it must be `raw`, "),
        ("--mode=0644", "the mode cannot be `0644`: it must be `0600`, "),
        ("--group=no-such-group", "there is no group `no-such-group`"),
    ] {
        let message = fails(&["--file=token", argument], 2, "E_USAGE");
        assert!(message.contains(expected), "{message}");
    }
    fails(&["--file=token", "--signal=HUP"], 2, "E_USAGE");
    fails(&["--file=token", "--signal=KILL", "--pid-file=pid"], 2, "E_USAGE");
    fails(&["--mode=0600"], 2, "E_USAGE");
    for (table, expected) in [
        ("path = \"a\"\nprofil = \"x\"", "config.toml:3: unknown key `profil`"),
        ("path = \"a\"\nprofile = \"x\"", "there is no profile `x`"),
        ("audience = \"a\"", "config.toml:2: `path` is missing"),
        ("path = \"a\"\nformat = \"x\"", "config.toml:3: there is no format `x`"),
        (
            "path = \"a\"\n[[agent.files]]\npath = \"a\"",
            "config.toml:4: two files of the agent are",
        ),
        ("path = \"a\"\non_change = \"x y\"\nsignal = \"HUP\"", "belong together"),
    ] {
        sandbox.configure(&format!("[[agent.files]]\n{table}\n"));
        let message = fails(&[], 3, "E_CONFIG");
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(sandbox.token_requests(), (0, 0));
    sandbox.configure("[[agent.files]]\nprofil = \"x\"\n[agent.endpoint]\n");
    let problems = sandbox.run(&["config", "validate"]);
    assert_eq!(problems.status.code(), Some(3));
    assert!(problems.stdout.contains("3 problems"), "{problems:?}");
    sandbox.configure("[[agent.files]]\npath = \"a\"\nmode = \"0777\"\n");
    let problems = sandbox.run(&["config", "validate"]);
    assert!(problems.stdout.contains("config.toml:3: the mode cannot be `0777`"), "{problems:?}");
}

#[test]
fn validate_reports_all_mistakes_about_an_agent_by_line() {
    let sandbox = Sandbox::new();
    sandbox.configure(
        "[[agent.files]]
path = \"a\"
mode = \"0777\"
[[agent.files]]
path = \"a\"
format = \"x\"
profil = \"x\"
[[agent.endpoints]]
type = \"x\"
listen = \"127.0.0.1:1\"
[profiles.x]
audienc = \"x\"
",
    );
    let problems = sandbox.run(&["config", "validate"]).stdout;
    let lines = problems.lines().filter_map(|line| line.split_once("config.toml:"));
    let lines: Vec<&str> = lines.map(|(_, rest)| rest.split_once(':').unwrap().0).collect();
    assert_eq!(lines, ["3", "5", "6", "7", "9", "12"], "{problems}");
}

#[test]
fn the_log_can_be_read_by_programs() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    sandbox.unset("YC_ID_TOKEN_VERBOSE");
    let token = file(&sandbox, "token");
    let arguments = ["--log-format=json", "--audience=k8s", "--file", token.to_str().unwrap()];
    let agent = Agent::start(&sandbox, &arguments);
    eventually("it is there", || token.exists());
    let outcome = agent.terminate();
    assert!(outcome.status.success(), "{outcome:?}");
    let events: Vec<Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let written = |event: &&Value| event["message"].as_str().unwrap().contains("new credential");
    let event = events.iter().find(written).unwrap();
    assert_eq!(event["level"], "info");
    for field in ["time", "expires_at"] {
        assert!(event[field].as_str().unwrap().ends_with('Z'), "{event}");
    }
    // An error before the log is opened is in the same format.
    let outcome = sandbox.run(&["agent", "--log-format=json", "--file=x", "--mode=0777"]);
    let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!((&error["code"], &error["exit"]), (&"E_USAGE".into(), &2.into()));
}
