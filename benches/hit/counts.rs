//! Counts what a run does, with external tools and its own log.

use std::fs;
use std::time::Duration;

use yc_id_token::clock::Timestamp;
use yc_id_token_emulator::{Emulator, KeySize, Options};

use crate::place::{Place, Run, private};

/// System calls of a run.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) all: usize,
    pub(crate) processes: usize,
    pub(crate) sockets: usize,
}

pub(crate) fn instructions(run: &Run) -> Result<u64, String> {
    let output = run.under(&["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"])?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let total = text.lines().find_map(|line| line.split_once("Collected : "));
    total.and_then(|(_, total)| total.trim().parse().ok()).ok_or(text)
}

pub(crate) fn system_calls(run: &Run) -> Result<Calls, String> {
    let trace = run.home.join("trace");
    run.under(&["strace", "-f", "-o", trace.to_str().unwrap()])?;
    let names = called(&fs::read_to_string(&trace).unwrap());
    let count = |of: &[&str]| names.iter().filter(|name| of.contains(&name.as_str())).count();
    Ok(Calls {
        all: names.len(),
        processes: count(&["clone", "clone3", "fork", "vfork"]),
        sockets: count(&["socket", "socketpair"]),
    })
}

/// The names of the system calls in a trace: `PID NAME(…`. A call that another thread interrupts has a second line,
/// which does not start with its name.
pub(crate) fn called(trace: &str) -> Vec<String> {
    let lines = trace.lines().filter_map(|line| line.split_once(' '));
    let names = lines.filter_map(|(_, call)| call.trim_start().split_once('('));
    names.filter(|(name, _)| !name.contains(' ')).map(|(name, _)| name.to_owned()).collect()
}

/// Peak resident memory in bytes, the highest of ten runs. The kernel charges a process with the memory that it had
/// before its `exec`: that of this process, because it does not fork, but only 0.4 MB of GNU time.
pub(crate) fn memory(run: &Run) -> Result<u64, String> {
    let file = run.home.join("memory");
    let tool = ["/usr/bin/time", "-f", "%M", "-o", file.to_str().unwrap()];
    let peaks = (0..10).map(|_| {
        run.under(&tool)?;
        fs::read_to_string(&file).unwrap().trim().parse::<u64>().map_err(|error| error.to_string())
    });
    let peaks = peaks.collect::<Result<Vec<_>, _>>()?;
    Ok(peaks.iter().max().unwrap() * 1024)
}

/// The minor page faults of all children of this process that have ended: `cminflt` in `proc_pid_stat(5)`. None of
/// them is from before an `exec`, because this process spawns without a fork.
pub(crate) fn faults_of_children() -> u64 {
    let status = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = status.rsplit_once(") ").unwrap();
    after_name.split(' ').nth(8).unwrap().parse().unwrap()
}

/// The last log message of each stage, and the name of the stage.
const STAGES: [(&str, &str); 6] = [
    ("identity: ", ""),
    ("trust is set up", "the cache, its locks, the authorities that are trusted"),
    ("getting an IAM token", "making a client"),
    ("signed the assertion", "making another, reading the key, signing"),
    ("/iam/v1/tokens\" status=200", "IAM: connection and answer"),
    ("/oauth/token\" status=200", "OAuth server: answer, on a connection that was opened ahead"),
];

pub(crate) fn cold_stages(place: &Place) -> Vec<(&'static str, Duration)> {
    const RUNS: usize = 21;
    let cloud = Emulator::start_with(Options { tls: true, ..Options::default() }).unwrap();
    let account = cloud.add_service_account("robot", "b1gfolder");
    let key =
        private(&place.write(
            "cold/key.json",
            &cloud.add_authorized_key(&account, KeySize::Rsa2048).to_json(),
        ));
    let ca = place.write("cold/ca.pem", cloud.ca_pem().unwrap());
    let log = place.home.path().join("cold/log");
    let mut times = vec![Vec::new(); STAGES.len() - 1];
    for _ in 0..RUNS {
        let _ = fs::remove_file(&log);
        let mut command = place.command(&place.program, &["token", "--cache=none", "-vvv"]);
        command.env("YC_ID_TOKEN_KEY_FILE", &key).env("YC_ID_TOKEN_CA_FILE", &ca);
        command.env("YC_ID_TOKEN_LOG_FILE", &log);
        command.env("YC_ID_TOKEN_IAM_ENDPOINT", cloud.url());
        command.env("YC_ID_TOKEN_OAUTH_ENDPOINT", cloud.url());
        assert!(command.status().unwrap().success());
        let text = fs::read_to_string(&log).unwrap();
        let ends = STAGES.map(|(mark, _)| {
            let line = text.lines().find(|line| line.contains(mark));
            let line = line.unwrap_or_else(|| panic!("`{mark}` is not in the log:\n{text}"));
            micros(line.split(' ').next().unwrap())
        });
        for (stage, pair) in times.iter_mut().zip(ends.windows(2)) {
            stage.push(pair[1].saturating_sub(pair[0]));
        }
    }
    let names = STAGES.iter().skip(1).map(|(_, name)| *name);
    let medians = times.into_iter().map(|mut stage| {
        stage.sort_unstable();
        Duration::from_micros(stage[RUNS / 2])
    });
    names.zip(medians).collect()
}

/// A timestamp of the log, in microseconds.
fn micros(text: &str) -> u64 {
    let (whole, fraction) = text.trim_end_matches('Z').split_once('.').unwrap();
    let seconds = Timestamp::parse_rfc3339(&format!("{whole}Z")).unwrap().unix_seconds();
    u64::try_from(seconds).unwrap() * 1_000_000 + fraction.parse::<u64>().unwrap()
}
