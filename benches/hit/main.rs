//! The cost of a run and an agent: a cache hit compared with a minimal program, `/bin/true`, and another cloud's
//! plugin; two hundred runs at once; and how often each server is called.
//!
//! `benches/run` builds the programs and runs this: `hit PROGRAM FLOOR`, where FLOOR is an empty static `main`. It
//! prints one Markdown table, each figure with its target, and judges nothing, because a busy machine must not cause a
//! failure. It fails if something cannot be measured.
//!
//! `benches/check` runs `hit PROGRAM` alone, which only counts what does not depend on the machine, and fails above a
//! limit. `benches/agent` runs `hit agent PROGRAM`, which measures an agent, and `benches/endpoint` runs `hit endpoint
//! PROGRAM`, which measures an endpoint of the agent. `release/binary` runs `hit order PROGRAM MAP`, which prints
//! a linker script.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench makes files, prints, and fails by panicking"
)]

mod agent;
mod check;
mod counts;
mod endpoint;
mod order;
mod place;
mod table;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use yc_id_token_emulator::Route;

use place::{PEER, Place};
use table::{Table, megabytes, thousands};

const CONSUMERS: [&str; 4] = ["kubectl", "token", "aws", "vault token"];
const RUNS: usize = 1000;
const AT_ONCE: usize = 200;
/// How long each server takes to answer in the test with two hundred runs.
const DELAY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Cargo adds `--bench` to the arguments.
    let arguments: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .map(Into::into)
        .collect();
    let (program, floor) = match arguments.as_slice() {
        [mode, program] if mode.as_os_str() == "agent" => return agent_alone(program),
        [mode, program, map] if mode.as_os_str() == "order" => return order::print(program, map),
        [endpoint, program] if endpoint.as_os_str() == "endpoint" => {
            let (place, mut table) = (Place::new(program), Table::default());
            println!("{}\n", table::machine());
            endpoint::measure(&place, &mut table);
            println!("{table}");
            return ExitCode::SUCCESS;
        }
        [program, floor] => (program, floor),
        [program] => return check::check(program),
        _ => panic!("give the static program, and an empty static `main`: use benches/run"),
    };
    let place = Place::new(program);
    for consumer in CONSUMERS {
        place.fill_cache(consumer);
    }
    let mut table = Table::default();
    size(&place, &mut table);
    wall(&place, floor, &mut table);
    for consumer in CONSUMERS {
        counted(&place, consumer, "hit", &mut table);
        let memory = counts::memory(&place, consumer).map(megabytes);
        table.add(format!("`{consumer}`, hit, peak memory"), memory, "≤ 4 MB");
    }
    agent::measure(&place, &mut table);
    cold_requests(&place, &mut table);
    cold_time(&place, &mut table);
    at_once(&place, &mut table);
    place.crowd();
    for consumer in CONSUMERS {
        place.fill_cache(consumer);
        counted(&place, consumer, "hit among 10,000 entries and 50 profiles", &mut table);
    }

    let runs = format!("wall times of {RUNS} runs each, taking turns, output to `/dev/null`");
    println!("{}; {runs}\n\n{table}", table::machine());
    if table.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn agent_alone(program: &Path) -> ExitCode {
    let mut table = Table::default();
    agent::measure(&Place::new(program), &mut table);
    println!("{table}");
    if table.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn size(place: &Place, table: &mut Table) {
    let bytes = fs::metadata(&place.program).unwrap().len();
    table.add("size of the binary", Ok(megabytes(bytes)), "≤ 8 MB");
    let linked = place.under(&["ldd"], &[]).map(|output| {
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if text == "statically linked" { "none".into() } else { text }
    });
    table.add("shared libraries it needs", linked, "none");
}

/// Wall time from just before the spawn to just after the wait. All candidates take turns in one loop, so that other
/// load on the machine affects all of them.
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

fn counted(place: &Place, consumer: &str, what: &str, table: &mut Table) {
    let instructions = counts::instructions(place, consumer).map(thousands);
    table.add(format!("`{consumer}`, {what}, instructions (callgrind)"), instructions, "≤ 700,000");
    let calls = counts::system_calls(place, consumer);
    let figure = |count: fn(&counts::Calls) -> usize| {
        calls.as_ref().map(|calls| count(calls).to_string()).map_err(Clone::clone)
    };
    table.add(format!("`{consumer}`, {what}, system calls"), figure(|calls| calls.all), "≤ 60");
    table.add("… for memory", figure(|calls| calls.memory), "");
    table.add("… that make a thread or process", figure(|calls| calls.processes), "0");
    table.add("… that make a socket", figure(|calls| calls.sockets), "0");
}

/// The time of an uncached run, by the stages in its log: medians of some runs against a cloud that uses TLS and
/// answers at once.
fn cold_time(place: &Place, table: &mut Table) {
    let stages = counts::cold_stages(place);
    for (stage, time) in &stages {
        let figure = format!("{:.2} ms", time.as_secs_f64() * 1000.0);
        table.add(format!("`token`, nothing cached, TLS: {stage}"), Ok(figure), "");
    }
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

/// Two hundred runs on an empty cache, compared with a single run plus the time to spawn as many processes that do
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
        Times { minimum: self.times[0], median: self.times[self.times.len() / 2] }
    }
}

/// Under load, the minimum is the most reliable value.
struct Times {
    minimum: Duration,
    median: Duration,
}

impl Times {
    fn by(&self, other: &Self) -> String {
        let ratio = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
        let (minimum, median) =
            (ratio(self.minimum, other.minimum), ratio(self.median, other.median));
        format!("{minimum:.2} min, {median:.2} median")
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "{:.2} ms min, {:.2} ms median",
            milliseconds(self.minimum),
            milliseconds(self.median)
        )
    }
}
