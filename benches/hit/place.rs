//! The environment of the measured runs: a home with a configuration, and the cloud and STS in it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use yc_id_token_emulator::{Emulator, KeySize};

/// Another cloud's plugin for kubectl, the fastest known one.
pub(crate) const PEER: &str = "gke-gcloud-auth-plugin";
const PEER_TOKEN: &str = "ya29.bench";

const CONFIG: &str = ".config/yc-id-token";
const CACHE: &str = ".cache/yc-id-token";

pub(crate) struct Place {
    pub(crate) home: tempfile::TempDir,
    pub(crate) cloud: Emulator,
    pub(crate) program: PathBuf,
    server: Server,
}

impl Place {
    pub(crate) fn new(program: &Path) -> Self {
        let cloud = Emulator::start().unwrap();
        let account = cloud.add_service_account("robot", "b1gfolder");
        let key = cloud.add_authorized_key(&account, KeySize::Rsa2048);
        let place = Self {
            // Not $TMPDIR: the length of the path decides what a hit allocates.
            home: tempfile::tempdir_in("/tmp").unwrap(),
            cloud,
            program: program.canonicalize().unwrap(),
            server: Server::start(),
        };
        private(&place.write(".config/yc-id-token/key.json", &key.to_json()));
        let url = place.cloud.url();
        place.write(
            ".config/yc-id-token/config.toml",
            &format!(
                r#"[identity.robot]
type = "authorized-key"
key_file = "key.json"

[profiles.staging]
audience = "https://k8s.staging.example"
identity = "robot"

[profiles.prod]
audience = "https://k8s.example"
identity = "robot"
iam_endpoint = "{url}"
oauth_endpoint = "{url}"

[profiles.prod.aws]
role_arn = "arn:aws:iam::123456789012:role/robot"
region = "eu-central-1"
sts_endpoint = "http://{server}"

[profiles.prod.vault]
address = "http://{server}"
"#,
                server = place.server.address
            ),
        );
        place
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> Run {
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        Run { program: program.to_owned(), arguments, home: self.home.path().to_owned() }
    }

    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        self.run(program, arguments).command()
    }

    pub(crate) fn hit(&self, consumer: &str) -> Run {
        self.run(&self.program, &words(consumer))
    }

    pub(crate) fn fill_cache(&self, consumer: &str) {
        self.hit(consumer).succeed();
    }

    /// A run of a program that reads the files of a hit of `kubectl`, and prints the last of them.
    pub(crate) fn reference(&self, program: &Path) -> Run {
        let [config, cache] = [CONFIG, CACHE].map(|folder| self.home.path().join(folder));
        let entries = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
        let is_entry = |path: &PathBuf| {
            path.extension().is_some_and(|it| it == "v1")
                && path.file_name().unwrap().to_string_lossy().starts_with("id-token-")
        };
        let entry = entries.filter(is_entry).min().unwrap();
        let files = [config.join("config.toml"), config.join("key.json"), entry];
        self.run(program, &files.each_ref().map(|file| file.to_str().unwrap()))
    }

    /// A copy of the home, with more cache entries and profiles.
    pub(crate) fn home_with(&self, entries: usize, profiles: usize) -> PathBuf {
        let home = self.home.path().join(format!("{entries}-{profiles}"));
        for folder in [CONFIG, CACHE] {
            let copy = home.join(folder);
            fs::create_dir_all(&copy).unwrap();
            for file in fs::read_dir(self.home.path().join(folder)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), copy.join(file.file_name())).unwrap();
            }
        }
        let config = home.join(CONFIG).join("config.toml");
        let mut text = fs::read_to_string(&config).unwrap();
        for number in 0..profiles {
            let _ = write!(
                text,
                "\n[profiles.p{number}]\naudience = \"https://k8s-{number}.example\"\nidentity = \"robot\"\n"
            );
        }
        fs::write(&config, text).unwrap();
        for number in 0..entries {
            fs::write(home.join(CACHE).join(format!("id-token-{number:064x}.v1")), "").unwrap();
        }
        home
    }

    /// The number of requests that all servers have received.
    pub(crate) fn requests(&self) -> usize {
        self.cloud.requests().len() + self.server.requests.load(Ordering::Relaxed)
    }

    /// Removes the cached credentials of a kind, or of all kinds if that is empty.
    pub(crate) fn empty_cache(&self, kind: &str) {
        for entry in fs::read_dir(self.home.path().join(CACHE)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(kind) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// A run of the other plugin, with a kubeconfig of one cluster and a cached token.
    pub(crate) fn peer(&self) -> Result<Run, String> {
        let program = Path::new("/usr/bin").join(PEER);
        if !program.exists() {
            return Err("it is not installed".into());
        }
        self.write(
            ".kube/config",
            r#"{"apiVersion": "v1", "kind": "Config", "current-context": "bench", "users": [{"name": "bench", "user": {}}],
"clusters": [{"name": "bench", "cluster": {"server": "https://127.0.0.1:1"}}],
"contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}]}"#,
        );
        self.write(
            ".kube/gke_gcloud_auth_plugin_cache",
            &format!(
                r#"{{"current_context": "bench", "access_token": "{PEER_TOKEN}", "token_expiry": "2099-01-01T00:00:00Z", "extra_args": ""}}"#
            ),
        );
        let run = self.run(&program, &[]);
        let output = run.command().stdout(Stdio::piped()).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains(PEER_TOKEN) {
            Ok(run)
        } else {
            Err("this version does not read the prepared cache".into())
        }
    }
}

/// A run of a program in a home.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) program: PathBuf,
    arguments: Vec<String>,
    pub(crate) home: PathBuf,
}

impl Run {
    pub(crate) fn in_home(self, home: PathBuf) -> Self {
        Self { home, ..self }
    }

    /// The command as kubectl would run it, with its output to `/dev/null`. It sets nothing that would make the
    /// standard library fork instead of spawn.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.start(&self.program);
        command.args(&self.arguments);
        command
    }

    /// The same under a tool that observes it.
    pub(crate) fn under(&self, tool: &[&str]) -> Result<Output, String> {
        let mut command = self.start(Path::new(tool[0]));
        command.args(&tool[1..]).arg(&self.program).args(&self.arguments);
        match command.stdout(Stdio::piped()).stderr(Stdio::piped()).output() {
            Ok(output) if output.status.success() => Ok(output),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(format!("there is no `{}`", tool[0]))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    pub(crate) fn succeed(&self) {
        assert!(self.command().status().unwrap().success());
    }

    fn start(&self, program: &Path) -> Command {
        let info = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("KUBERNETES_EXEC_INFO", info)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

/// Makes a file private.
pub(crate) fn private(path: &Path) -> PathBuf {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

/// The words of a consumer's command.
fn words(consumer: &str) -> Vec<&str> {
    consumer.split(' ').chain(["--profile", "prod"]).collect()
}

/// An STS and a Vault that return a credential for every request.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if answer(&stream.unwrap()).is_some() {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { address, requests }
    }
}

const KEYS: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/robot/bench</Arn></AssumedRoleUser>\
    <Credentials><AccessKeyId>ASIABENCH</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
    <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

const LOGIN: &str = r#"{"auth":{"client_token":"s.bench","accessor":"a","policies":["p"],"lease_duration":3600,"renewable":true,"token_type":"service","num_uses":0}}"#;

/// Answers the only request of a connection, if there is one.
fn answer(mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    let head = head.to_lowercase();
    let (_, rest) = head.split_once("content-length:")?;
    let length = rest.lines().next()?.trim().parse().ok()?;
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let body = if head.contains("/login ") { LOGIN } else { KEYS };
    let head =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).ok()
}
