//! What a run costs: a cache hit beside the cheapest program there is, `/bin/true`, and another cloud's
//! plugin; two hundred runs at once; and how often a server is asked.
//!
//! `benches/run` builds what is measured and runs this: `hit PROGRAM FLOOR`, where FLOOR is an empty
//! static `main`. It prints one Markdown table, each figure beside its target, and judges nothing: a
//! busy machine makes no failure. It fails when something could not be measured.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench makes files, prints, and fails by panicking"
)]

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use yc_id_token::emulator::{Emulator, KeySize, Options, Route};

/// The cache hits that are measured.
const CONSUMERS: [&str; 2] = ["kubectl", "token"];
const RUNS: usize = 1000;
const AT_ONCE: usize = 200;
/// How long each server takes to answer the two hundred.
const DELAY: Duration = Duration::from_secs(1);

/// Another cloud's plugin for kubectl, the fastest of its kind.
const PEER: &str = "gke-gcloud-auth-plugin";
const PEER_TOKEN: &str = "ya29.bench";

fn main() -> ExitCode {
    // Cargo adds `--bench` to the arguments that it was given for us.
    let arguments: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .map(Into::into)
        .collect();
    let [program, floor] = arguments.as_slice() else {
        panic!("give the static program and an empty static `main`; better: use benches/run");
    };
    let place = Place::new(program);
    place.fill_cache();
    let mut table = Table::default();
    size(&place, &mut table);
    wall(&place, floor, &mut table);
    for consumer in CONSUMERS {
        instructions(&place, consumer, &mut table);
        system_calls(&place, consumer, &mut table);
        memory(&place, consumer, &mut table);
    }
    cold_requests(&place, &mut table);
    at_once(&place, &mut table);

    println!("{}\n\n{table}", machine());
    if table.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn size(place: &Place, table: &mut Table) {
    let bytes = fs::metadata(&place.program).unwrap().len();
    table.add("size of the binary", Ok(megabytes(bytes)), "≤ 6 MB");
    let linked = place.under(&["ldd"], &[]).map(|output| {
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if text == "statically linked" { "none".into() } else { text }
    });
    table.add("shared libraries it needs", linked, "none");
}

/// Wall time from just before the spawn to just after the wait. All candidates take turns in one loop,
/// so that whatever else the machine does hits all of them.
fn wall(place: &Place, floor: &Path, table: &mut Table) {
    let mut candidates = vec![
        Candidate::new(place.command(floor, &[])),
        Candidate::new(place.command(Path::new("/bin/true"), &[])),
    ];
    candidates.extend(CONSUMERS.map(|consumer| Candidate::new(place.hit(consumer))));
    let peer = place.peer();
    candidates.extend(peer.as_ref().ok().map(|peer| Candidate::new(place.command(peer, &[]))));
    let requests = place.cloud.requests().len();
    for _ in 0..RUNS {
        candidates.iter_mut().for_each(Candidate::run);
    }
    assert_eq!(place.cloud.requests().len(), requests, "these were no hits");

    let times: Vec<Times> = candidates.into_iter().map(Candidate::times).collect();
    let (floor, truth, hits) = (&times[0], &times[1], &times[2..4]);
    let peer = peer.map(|_| &times[4]);
    table.add("an empty static `main`, wall", Ok(floor.to_string()), "");
    table.add("`/bin/true`, wall", Ok(truth.to_string()), "");
    if let Ok(peer) = peer {
        table.add(format!("`{PEER}`, cached, wall"), Ok(peer.to_string()), "");
    }
    for (consumer, hit) in CONSUMERS.iter().zip(hits) {
        table.add(format!("`{consumer}`, hit, wall"), Ok(hit.to_string()), "");
        table.add("… by the empty `main`", Ok(hit.by(floor)), "≤ 3");
        table.add("… by `/bin/true`", Ok(hit.by(truth)), "");
        let by_peer = peer.as_ref().map(|peer| hit.by(peer));
        match by_peer {
            Ok(ratio) => table.add(format!("… by `{PEER}`"), Ok(ratio), "≤ 0.2"),
            Err(why) => table.leave_out(format!("… by `{PEER}`"), why, "≤ 0.2"),
        }
    }
}

fn instructions(place: &Place, consumer: &str, table: &mut Table) {
    let counts = format!("--callgrind-out-file={}", place.home.path().join("callgrind").display());
    let counted =
        place.under_hit(&["valgrind", "--tool=callgrind", &counts], consumer).and_then(|output| {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let total = text.lines().find_map(|line| line.split_once("Collected : "));
            total.map(|(_, total)| thousands(total.trim())).ok_or(text)
        });
    table.add(format!("`{consumer}`, hit, instructions (callgrind)"), counted, "≤ 700,000");
}

fn system_calls(place: &Place, consumer: &str, table: &mut Table) {
    let trace = place.home.path().join("trace");
    let traced = place.under_hit(&["strace", "-f", "-o", trace.to_str().unwrap()], consumer);
    let names = traced.map(|_| called(&fs::read_to_string(&trace).unwrap()));
    let count = |of: &[&str]| {
        let names = names.as_ref().map_err(Clone::clone)?;
        Ok(names
            .iter()
            .filter(|name| of.is_empty() || of.contains(&name.as_str()))
            .count()
            .to_string())
    };
    table.add(format!("`{consumer}`, hit, system calls"), count(&[]), "≤ 60");
    table.add("… for memory", count(&["brk", "mmap", "mprotect", "mremap", "munmap"]), "");
    table.add("… that make a thread or process", count(&["clone", "clone3", "fork", "vfork"]), "0");
    table.add("… that make a socket", count(&["socket", "socketpair"]), "0");
}

/// The names of the system calls in a trace: `PID NAME(…`. A call that another thread interrupts has
/// a second line, without its name in front.
fn called(trace: &str) -> Vec<String> {
    let lines = trace.lines().filter_map(|line| line.split_once(' '));
    let names = lines.filter_map(|(_, call)| call.trim_start().split_once('('));
    names.filter(|(name, _)| !name.contains(' ')).map(|(name, _)| name.to_owned()).collect()
}

/// Peak resident memory. GNU time runs it from a process that is smaller still: a child of ours would
/// be charged with what we had before it became something else.
fn memory(place: &Place, consumer: &str, table: &mut Table) {
    let file = place.home.path().join("memory");
    let peaks = (0..10).map(|_| {
        place.under_hit(&["/usr/bin/time", "-f", "%M", "-o", file.to_str().unwrap()], consumer)?;
        fs::read_to_string(&file).unwrap().trim().parse::<u64>().map_err(|error| error.to_string())
    });
    let peak = peaks
        .collect::<Result<Vec<_>, _>>()
        .map(|peaks| megabytes(peaks.iter().max().unwrap() * 1024));
    table.add(format!("`{consumer}`, hit, peak memory"), peak, "≤ 4 MB");
}

fn cold_requests(place: &Place, table: &mut Table) {
    place.empty_cache("");
    place.cloud.clear_requests();
    place.fill_cache();
    table.add("requests, nothing cached", Ok(place.cloud.requests().len().to_string()), "2");
    place.empty_cache("id-token");
    place.cloud.clear_requests();
    place.fill_cache();
    table.add("requests, IAM token cached", Ok(place.cloud.requests().len().to_string()), "1");
}

/// Two hundred runs on an empty cache, beside a single one, and what it costs to spawn as many that do
/// nothing.
fn at_once(place: &Place, table: &mut Table) {
    for route in [Route::IamToken, Route::TokenExchange] {
        place.cloud.delay(route, DELAY);
    }
    place.empty_cache("");
    let single = timed(|| place.fill_cache());
    let spawn = timed(|| together(|| place.command(&place.program, &["--version"])));
    place.empty_cache("");
    place.cloud.clear_requests();
    let last = timed(|| together(|| place.hit("kubectl")));

    let what = format!("{AT_ONCE} runs at once, nothing cached, {} s an answer", DELAY.as_secs());
    let requests =
        [Route::IamToken, Route::TokenExchange].map(|route| place.cloud.count(route).to_string());
    table.add(format!("{what}: requests to IAM, OAuth"), Ok(requests.join(", ")), "1, 1");
    let figure = format!(
        "{:.2} ({:.2} s by {:.2} s + {:.2} s)",
        last.as_secs_f64() / (single + spawn).as_secs_f64(),
        last.as_secs_f64(),
        single.as_secs_f64(),
        spawn.as_secs_f64()
    );
    table.add("… last answer by a single fetch + spawning", Ok(figure), "≤ 1.3");
}

fn together(command: impl Fn() -> Command) {
    let children: Vec<Child> = (0..AT_ONCE).map(|_| command().spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// A home with a configuration, and the cloud that it names.
struct Place {
    home: tempfile::TempDir,
    cloud: Emulator,
    program: PathBuf,
}

impl Place {
    fn new(program: &Path) -> Self {
        let cloud = Emulator::start(Options::default()).unwrap();
        let account = cloud.add_service_account("robot", "b1gfolder");
        let key = cloud.add_authorized_key(&account, KeySize::Rsa2048);
        let place = Self {
            home: tempfile::tempdir().unwrap(),
            cloud,
            program: program.canonicalize().unwrap(),
        };
        let key_file = place.write(".config/yc-id-token/key.json", &key.to_json());
        fs::set_permissions(key_file, fs::Permissions::from_mode(0o600)).unwrap();
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
"#
            ),
        );
        place
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A command as kubectl would run it, but for its output, which goes to `/dev/null`. There is
    /// nothing here that would make the standard library fork where it can spawn.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let info = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBERNETES_EXEC_INFO", info)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn hit(&self, consumer: &str) -> Command {
        self.command(&self.program, &[consumer, "--profile", "prod"])
    }

    fn fill_cache(&self) {
        assert!(self.hit("kubectl").status().unwrap().success());
    }

    /// Removes what is cached of a kind of credential; of all kinds, if that is empty.
    fn empty_cache(&self, kind: &str) {
        for entry in fs::read_dir(self.home.path().join(".cache/yc-id-token")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(kind) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// A hit under a tool that watches it.
    fn under_hit(&self, tool: &[&str], consumer: &str) -> Result<Output, String> {
        self.under(tool, &[consumer, "--profile", "prod"])
    }

    fn under(&self, tool: &[&str], arguments: &[&str]) -> Result<Output, String> {
        let output = self
            .command(Path::new(tool[0]), &tool[1..])
            .arg(&self.program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(output),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(format!("there is no `{}`", tool[0]))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The peer, with a kubeconfig of one cluster and a token in its cache.
    fn peer(&self) -> Result<PathBuf, String> {
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
        let output = self.command(&program, &[]).stdout(Stdio::piped()).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains(PEER_TOKEN) {
            Ok(program)
        } else {
            Err("this version does not take its token from the cache made for it".into())
        }
    }
}

struct Candidate {
    command: Command,
    times: Vec<Duration>,
}

impl Candidate {
    fn new(command: Command) -> Self {
        Self { command, times: Vec::with_capacity(RUNS) }
    }

    fn run(&mut self) {
        let start = Instant::now();
        let status = self.command.status().unwrap();
        self.times.push(start.elapsed());
        assert!(status.success(), "{:?}", self.command);
    }

    fn times(mut self) -> Times {
        self.times.sort_unstable();
        Times { least: self.times[0], median: self.times[self.times.len() / 2] }
    }
}

/// Under load, the least time is the honest one.
struct Times {
    least: Duration,
    median: Duration,
}

impl Times {
    fn by(&self, other: &Self) -> String {
        let ratio = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
        let (least, median) = (ratio(self.least, other.least), ratio(self.median, other.median));
        format!("{least:.2} min, {median:.2} median")
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "{:.2} ms min, {:.2} ms median",
            milliseconds(self.least),
            milliseconds(self.median)
        )
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<[String; 3]>,
    incomplete: bool,
}

impl Table {
    fn add(&mut self, what: impl Into<String>, figure: Result<String, String>, target: &str) {
        self.incomplete |= figure.is_err();
        let figure =
            figure.unwrap_or_else(|why| format!("not measured: {}", why.replace('\n', " ")));
        self.rows.push([what.into(), figure, target.into()]);
    }

    /// A comparison that not every machine can make.
    fn leave_out(&mut self, what: impl Into<String>, why: &str, target: &str) {
        self.rows.push([what.into(), format!("left out: {why}"), target.into()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | figure | target |\n| --- | --- | --- |")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model =
        information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{} × {}, Linux {}, load {}; wall times of {RUNS} runs each, taking turns, output to `/dev/null`",
        std::thread::available_parallelism().unwrap(),
        model.map_or("unknown processor", |(_, model)| model),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default()
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// A number with commas between the thousands.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
