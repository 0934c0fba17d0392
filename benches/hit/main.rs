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

mod place;
mod table;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use yc_id_token::emulator::Route;

use place::{PEER, Place};
use table::{Table, megabytes, thousands};

/// The cache hits that are measured.
const CONSUMERS: [&str; 3] = ["kubectl", "token", "aws"];
const RUNS: usize = 1000;
const AT_ONCE: usize = 200;
/// How long each server takes to answer the two hundred.
const DELAY: Duration = Duration::from_secs(1);

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
    for consumer in CONSUMERS {
        place.fill_cache(consumer);
    }
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

    println!("{}\n\n{table}", table::machine(RUNS));
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
    let requests = place.requests();
    for _ in 0..RUNS {
        candidates.iter_mut().for_each(Candidate::run);
    }
    assert_eq!(place.requests(), requests, "these were no hits");

    let times: Vec<Times> = candidates.into_iter().map(Candidate::times).collect();
    let (floor, truth, hits) = (&times[0], &times[1], &times[2..]);
    let peer = peer.map(|_| &times[2 + CONSUMERS.len()]);
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
    let mut asked = |consumer: &str, emptied: &str, what: &str, target: &str| {
        place.empty_cache(emptied);
        let before = place.requests();
        place.fill_cache(consumer);
        let requests = place.requests() - before;
        table.add(format!("`{consumer}`, requests, {what}"), Ok(requests.to_string()), target);
    };
    asked("kubectl", "", "nothing cached", "2");
    asked("kubectl", "id-token", "IAM token cached", "1");
    asked("aws", "", "nothing cached", "3");
    asked("aws", "aws-session", "ID token cached", "1");
}

/// Two hundred runs on an empty cache, beside a single one, and what it costs to spawn as many that do
/// nothing.
fn at_once(place: &Place, table: &mut Table) {
    for route in [Route::IamToken, Route::TokenExchange] {
        place.cloud.delay(route, DELAY);
    }
    place.empty_cache("");
    let single = timed(|| place.fill_cache("kubectl"));
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
