//! The cost of a run and an agent: a cache hit compared with smaller programs and another cloud's plugin; two hundred
//! runs at once; and how often each server is called.
//!
//! `benches/run` builds the programs and runs this: `hit PROGRAM FLOOR REFERENCE`. FLOOR is an empty static `main`, and
//! REFERENCE one that reads the files that it is given, and prints the last. It prints Markdown tables with the limits,
//! but does not fail above them, because a busy machine must not cause a failure. It fails if something cannot be
//! measured. The programs are first installed from an archive.
//!
//! `benches/check` runs `hit PROGRAM` alone, which only counts what does not depend on the machine, and fails above a
//! limit. `benches/agent` runs `hit agent PROGRAM`, which measures an agent, and `benches/endpoint` runs `hit endpoint
//! PROGRAM`, which measures an endpoint of the agent. `release/binary` runs `hit order PROGRAM MAP`, which prints
//! a linker script.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench makes files, prints few digits, and fails by panicking"
)]

mod agent;
mod check;
mod cold;
mod counts;
mod endpoint;
mod install;
mod limits;
mod order;
mod place;
mod round_trips;
mod runs;
mod shuffle;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use yc_id_token_emulator::Route;

use install::install;
use place::Place;
use runs::Runs;
use table::Table;

const CONSUMERS: [&str; 4] = ["kubectl", "token", "aws", "vault token"];
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
    let folder = tempfile::tempdir().unwrap();
    let installed = |program: &Path| install(folder.path(), program);
    let (program, floor, reference) = match arguments.as_slice() {
        [mode, program] if mode.as_os_str() == "agent" => return agent_alone(program),
        [mode, program, map] if mode.as_os_str() == "order" => return order::print(program, map),
        [endpoint, program] if endpoint.as_os_str() == "endpoint" => {
            let (place, mut table) = (Place::new(program), Table::default());
            println!("{}\n", table::machine());
            endpoint::measure(&place, &mut table);
            println!("{table}");
            return ExitCode::SUCCESS;
        }
        [program, floor, reference] => (installed(program), installed(floor), installed(reference)),
        [program] => return check::check(&installed(program)),
        _ => panic!("give the static program, and two smaller ones: use benches/run"),
    };
    let place = Place::new(&program);
    for consumer in CONSUMERS {
        place.fill_cache(consumer);
    }
    println!("{}.\n", table::machine());
    let runs = Runs::measure(&place, &floor, &reference);
    println!("{runs}\n{}", limits::table(&runs));
    let mut table = Table::default();
    linked(&place, &mut table);
    agent::measure(&place, &mut table);
    cold_requests(&place, &mut table);
    cold_time(&place, &mut table);
    cold::measure(&place, &mut table);
    at_once(&place, &mut table);
    println!("{table}");
    if runs.incomplete || table.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn agent_alone(program: &Path) -> ExitCode {
    let mut table = Table::default();
    agent::measure(&Place::new(program), &mut table);
    println!("{table}");
    if table.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn linked(place: &Place, table: &mut Table) {
    let linked = place.run(&place.program, &[]).under(&["ldd"]).map(|output| {
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if text == "statically linked" { "none".into() } else { text }
    });
    table.add("shared libraries of the binary", linked, "none");
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
    let last = timed(|| together(|| place.hit("kubectl").command()));

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

/// A command, with the wall times of its runs from just before the spawn to just after the wait, and their minor page
/// faults.
struct Candidate {
    command: Command,
    times: Vec<Duration>,
    faults: Vec<u64>,
}

impl Candidate {
    fn new(command: Command) -> Self {
        Self { command, times: Vec::new(), faults: Vec::new() }
    }

    fn run(&mut self) {
        let faults = counts::faults_of_children();
        let start = Instant::now();
        let status = self.command.status().unwrap();
        self.times.push(start.elapsed());
        self.faults.push(counts::faults_of_children() - faults);
        assert!(status.success(), "{:?}", self.command);
    }

    fn faults(&self) -> u64 {
        let mut faults = self.faults.clone();
        faults.sort_unstable();
        faults[faults.len() / 2]
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
    /// The median divided by that of others.
    fn by(&self, others: &Self) -> f64 {
        self.median.as_secs_f64() / others.median.as_secs_f64()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [minimum, median] = [self.minimum, self.median].map(|time| time.as_secs_f64() * 1000.0);
        write!(f, "{minimum:.2} ms min, {median:.2} ms median")
    }
}
