//! The sandbox of every run of the program: its own home, no inherited environment, and a search for secrets in all
//! files it leaves behind.
//!
//! Each run logs at the highest level to a file, so that every test also searches the log for secrets.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use yc_id_token_emulator::{AuthorizedKey, Emulator, KeySize, Options, Route};

use crate::leaks;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_yc-id-token");

/// No single run takes this long, even on a busy machine.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);

/// Restores signals that the tests were started to ignore, as `nohup` and a shell's `&` do. A signal that is caught,
/// not ignored, has its default action in a started program.
static HEARING: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    let runtime = runtime.unwrap();
    let entered = runtime.enter();
    for number in [1, 2, 3, 15] {
        if yc_id_token::runtime::is_ignored(number) {
            drop(signal(SignalKind::from_raw(number)).unwrap());
        }
    }
    drop(entered);
    runtime
});

/// A home, an environment and an emulated cloud.
pub struct Sandbox {
    home: tempfile::TempDir,
    environment: BTreeMap<OsString, OsString>,
    pub cloud: Emulator,
    pub account: String,
    pub key: AuthorizedKey,
    /// Secrets that the cloud does not know.
    secrets: Mutex<Vec<String>>,
    /// Files that may contain secrets.
    secret_files: Mutex<Vec<PathBuf>>,
}

impl Sandbox {
    /// A sandbox configured with a key file and the endpoints of its own cloud.
    pub fn new() -> Self {
        Self::with_options(Options::default())
    }

    /// The same with a cloud that uses TLS.
    pub fn with_tls() -> Self {
        let sandbox = Self::with_options(Options { tls: true, ..Options::default() });
        sandbox.write("ca.pem", sandbox.cloud.ca_pem().unwrap());
        sandbox
    }

    pub fn with_options(options: Options) -> Self {
        LazyLock::force(&HEARING);
        let cloud = Emulator::start_with(options).unwrap();
        let account = cloud.add_service_account("robot", "b1gfolder");
        let key = cloud.add_authorized_key(&account, KeySize::Rsa2048);
        let home = tempfile::tempdir().unwrap();
        let mut sandbox = Self {
            home,
            environment: BTreeMap::new(),
            cloud,
            account,
            key,
            secrets: Mutex::default(),
            secret_files: Mutex::default(),
        };
        let key_file = sandbox.write_secret("key.json", &sandbox.key.to_json());
        sandbox.set("HOME", sandbox.home().to_owned());
        sandbox.set("PATH", "/usr/bin:/bin");
        sandbox.set("YC_ID_TOKEN_KEY_FILE", key_file);
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", sandbox.cloud.url().to_owned());
        sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", sandbox.cloud.url().to_owned());
        // No metadata service answers, whatever cloud the tests run in.
        sandbox.set("YC_METADATA_ADDR", "127.0.0.1:1");
        sandbox.set("YC_ID_TOKEN_VERBOSE", "3");
        sandbox.set("YC_ID_TOKEN_LOG_FILE", sandbox.log_file());
        sandbox
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn cache_folder(&self) -> PathBuf {
        self.home().join(".cache/yc-id-token")
    }

    /// The cache entries of a kind, such as `id-token`.
    pub fn entries(&self, kind: &str) -> Vec<PathBuf> {
        let Ok(folder) = fs::read_dir(self.cache_folder()) else {
            return Vec::new();
        };
        let mut entries: Vec<PathBuf> = folder
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with(kind) && path.extension() == Some(OsStr::new("v1"))
            })
            .collect();
        entries.sort();
        entries
    }

    /// Ages the cache entries of a kind by this much.
    pub fn age(&self, kind: &str, by: Duration) {
        self.shift(kind, &["obtained_at", "obtained_uptime", "expires_at"], by);
    }

    /// Backdates the cache entries of a kind by this much, without changing their expiry.
    pub fn obtain_earlier(&self, kind: &str, by: Duration) {
        self.shift(kind, &["obtained_at", "obtained_uptime"], by);
    }

    fn shift(&self, kind: &str, points: &[&str], by: Duration) {
        let entries = self.entries(kind);
        assert!(!entries.is_empty(), "there is no `{kind}` in the cache");
        for path in entries {
            change_entry(&path, |stored| {
                for point in points.iter().copied() {
                    // Windows has no uptime.
                    let Some(at) = stored["lifetime"][point].as_i64() else { continue };
                    let before = at - i64::try_from(by.as_millis()).unwrap();
                    // A machine whose uptime is shorter was restarted since then.
                    let before = if point == "obtained_uptime" { before.max(0) } else { before };
                    stored["lifetime"][point] = before.into();
                }
            });
        }
    }

    /// Ends the half minute in which a credential of a kind is not requested again, and forgets the last attempt.
    pub fn let_half_a_minute_pass(&self, kind: &str) {
        let half_a_minute = Duration::from_secs(31);
        for entry in fs::read_dir(self.cache_folder()).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with(kind) {
                continue;
            }
            match path.extension().unwrap().to_str() {
                Some("lock") => {
                    let lock = fs::File::options().write(true).open(&path).unwrap();
                    lock.set_modified(SystemTime::now() - half_a_minute).unwrap();
                }
                Some("failure") => {
                    let mut memo: serde_json::Value =
                        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                    for point in ["at", "until"] {
                        memo[point] = (memo[point].as_i64().unwrap() - 31_000).into();
                    }
                    fs::write(&path, memo.to_string()).unwrap();
                }
                _ => {}
            }
        }
    }

    pub fn log_file(&self) -> PathBuf {
        self.home().join("log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.insert(name.into(), value.into());
    }

    pub fn get(&self, name: &str) -> Option<OsString> {
        self.environment.get(OsStr::new(name)).cloned()
    }

    pub fn unset(&mut self, name: &str) {
        self.environment.remove(OsStr::new(name));
    }

    /// Writes a file below the home.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes a private file that may contain secrets.
    pub fn write_secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.secret_files.lock().unwrap().push(path.clone());
        path
    }

    /// Writes the configuration file.
    pub fn configure(&self, text: &str) -> PathBuf {
        self.write(".config/yc-id-token/config.toml", text)
    }

    /// Adds a secret that the cloud does not know.
    pub fn keep_secret(&self, secret: &str) {
        self.secrets.lock().unwrap().push(secret.into());
    }

    /// Marks a file that may contain secrets.
    pub fn may_hold_secrets(&self, path: &Path) {
        self.secret_files.lock().unwrap().push(path.into());
    }

    /// The program with arguments, not started yet.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.other_command(PROGRAM);
        command.args(arguments);
        command
    }

    /// Another program in the same environment.
    pub fn other_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.environment).current_dir(self.home()).stdin(Stdio::null());
        command
    }

    /// A shell as root in new namespaces, such as `--mount`, without being root outside.
    pub fn in_own_namespaces(&self, namespaces: &[&str], script: &str) -> Command {
        let mut shell = self.other_command("unshare");
        shell.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["--user", "--map-root-user"]);
        shell.args(namespaces).args(["sh", "-c", script]);
        shell
    }

    /// Runs the program.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome {
        self.finish(self.command(arguments))
    }

    /// Waits for the end of a command.
    pub fn finish(&self, mut command: Command) -> Outcome {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.outcome(child)
    }

    /// Runs commands in a shell, which stops at the first that fails and at a variable that is not set.
    pub fn shell(&self, commands: &str) -> Outcome {
        let mut shell = self.other_command("/bin/sh");
        shell.args(["-eu", "-c", commands]);
        self.finish(shell)
    }

    /// Waits for a child whose standard output and error are pipes.
    pub fn outcome(&self, mut child: Child) -> Outcome {
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let status = wait(&mut child);
        let outcome =
            Outcome { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
        self.assert_no_secret_in("stderr", &outcome.stderr);
        outcome
    }

    /// The number of token requests to the cloud.
    pub fn token_requests(&self) -> (usize, usize) {
        (self.cloud.count(Route::IamToken), self.cloud.count(Route::TokenExchange))
    }

    fn assert_no_secret_in(&self, place: &str, text: &str) {
        for secret in self.secrets() {
            assert!(!leaks::holds(text, &secret), "a secret is in {place}:\n{text}");
        }
    }

    /// Every secret of the cloud, and the additional ones.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.cloud.secrets();
        secrets.extend(self.secrets.lock().unwrap().iter().cloned());
        secrets
    }
}

impl Drop for Sandbox {
    /// Searches every file that must not contain secrets.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the program's log:\n{}", self.log());
            return;
        }
        let mut folders = vec![self.home().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().map(Result::unwrap) {
                let path = entry.path();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && !self.is_secret_file(&path) {
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    self.assert_no_secret_in(&path.display().to_string(), &text);
                }
            }
        }
    }
}

impl Sandbox {
    fn is_secret_file(&self, path: &Path) -> bool {
        let is_unfinished =
            path.file_name().unwrap().to_string_lossy().starts_with(".yc-id-token-");
        let is_entry = path.starts_with(self.cache_folder())
            && (is_unfinished || path.extension() == Some(OsStr::new("v1")));
        is_entry || self.secret_files.lock().unwrap().iter().any(|secret| secret == path)
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The standard output of a successful run with empty standard error.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.status.success() && self.stderr.is_empty(), "{self:?}");
        self.stdout
    }

    /// The message and the hint of a run that failed as expected: two lines, with this exit status and code, and empty
    /// standard output.
    #[track_caller]
    pub fn fails(self, exit: i32, code: &str) -> (String, String) {
        assert_eq!((self.status.code(), self.stdout.as_str()), (Some(exit), ""), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [message, hint] = lines[..] else { panic!("not two lines: {self:?}") };
        let message = message.strip_prefix("yc-id-token: ").unwrap_or_else(|| panic!("{self:?}"));
        let message =
            message.strip_suffix(&format!(" [{code}]")).unwrap_or_else(|| panic!("{self:?}"));
        let hint = hint.strip_prefix("yc-id-token: hint: ").unwrap_or_else(|| panic!("{self:?}"));
        (message.into(), hint.into())
    }
}

/// Changes the content of a cache entry, so that it stays a valid entry.
pub fn change_entry(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let entry = fs::read_to_string(path).unwrap();
    let (head, body) = entry.split_once('\n').unwrap();
    let mut stored = serde_json::from_str(body).unwrap();
    change(&mut stored);
    let body = stored.to_string();
    let magic = head.rsplit_once(' ').unwrap().0;
    let checksum = crc32fast::hash(body.as_bytes());
    fs::write(path, format!("{magic} {checksum:08x}\n{body}")).unwrap();
}

/// Waits until a condition holds, or fails. It does not sleep for a guessed time.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + RUN_TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The claims of an ID token.
pub fn claims(token: &str) -> serde_json::Map<String, serde_json::Value> {
    yc_id_token::jwt::all_claims(token).unwrap()
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut text).unwrap();
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + RUN_TIMEOUT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
