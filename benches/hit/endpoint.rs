//! How fast an endpoint of the agent answers a hundred clients. The agent has the first core and the clients the
//! second, with real-time priority where that is allowed, so that other programs do not affect the result.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::table::{Table, thousands};

const CLIENTS: u32 = 100;
/// Requests per second of all clients together.
const RATE: u32 = 5_000;
const SECONDS: u32 = 10;
/// How long an answer may take if the clients do not wait for each other.
const TARGET: &str = "≤ 5 ms";

/// An agent on the first core, which is killed when this is dropped.
struct Agent {
    child: Child,
    address: String,
    request: String,
}

impl Agent {
    fn start(place: &Place) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = free.to_string();
        let secret = place.home.path().join("secret");
        let (listen, secret_file) =
            (format!("--listen={address}"), format!("--secret-file={}", secret.display()));
        let mut command = place.command(Path::new("taskset"), &["--cpu-list", "0"]);
        command.arg(&place.program);
        command.args(["agent", "--profile=prod", "--serve=token", &listen, &secret_file]);
        command.env("YC_METADATA_ADDR", "127.0.0.1:9").stderr(Stdio::null());
        let own = std::process::id().to_string();
        let for_this_process = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(&own).output();
            output.unwrap().status.success()
        };
        for_this_process("chrt", &["--all-tasks", "--fifo", "--pid", "10"]);
        let child = command.spawn().unwrap();
        assert!(for_this_process("taskset", &["--all-tasks", "--cpu-list", "--pid", "1"]));
        while !fs::metadata(&secret).is_ok_and(|it| it.len() > 0) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let secret = fs::read_to_string(secret).unwrap();
        let request =
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {secret}\r\n\r\n");
        let agent = Self { child, address, request };
        while !agent.connect().is_answered() {
            std::thread::sleep(Duration::from_millis(1));
        }
        agent
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, request: self.request.clone() }
    }

    /// The CPU time of the agent.
    fn computed(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A persistent connection.
struct Client {
    stream: TcpStream,
    request: String,
}

impl Client {
    /// Sends a request. Returns whether the answer has a credential.
    fn is_answered(&mut self) -> bool {
        self.stream.write_all(self.request.as_bytes()).unwrap();
        let mut answer = [0; 16 * 1024];
        let mut length = 0;
        loop {
            length += self.stream.read(&mut answer[length..]).unwrap();
            let text = std::str::from_utf8(&answer[..length]).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let whole = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if whole.unwrap().parse() == Ok(body.len()) {
                return head.starts_with("HTTP/1.1 200 ");
            }
        }
    }
}

pub(crate) fn measure(place: &Place, table: &mut Table) {
    let agent = Agent::start(place);
    let before = agent.computed();
    let paced = sorted(together(&agent, |client, number| {
        // A late answer does not delay the other requests: the time is measured from when each was due.
        let begin = Instant::now() + Duration::from_secs(1) / RATE * number;
        let mut times = Vec::new();
        for turn in 0..RATE / CLIENTS * SECONDS {
            let due = begin + Duration::from_secs(1) * CLIENTS / RATE * turn;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            assert!(client.is_answered());
            times.push(due.elapsed());
        }
        times
    }));
    let share = agent.computed().saturating_sub(before).as_secs_f64() / f64::from(SECONDS);
    let what = format!("`agent`, {CLIENTS} clients, {} requests/s", thousands(RATE.into()));
    table.add(format!("{what}: half of the answers"), Ok(share_of(&paced, 50)), "");
    table.add("… 99 % of the answers", Ok(share_of(&paced, 99)), TARGET);
    table.add("… 99.9 % of the answers", Ok(share_of(&paced, 99.9)), "");
    table.add("… of one core", Ok(format!("{:.0} %", share * 100.0)), "≤ 100 %");

    let begin = Instant::now();
    let end = begin + Duration::from_secs(SECONDS.into());
    let hurried = sorted(together(&agent, |client, _| {
        let mut times = Vec::new();
        while Instant::now() < end {
            let sent = Instant::now();
            assert!(client.is_answered());
            times.push(sent.elapsed());
        }
        times
    }));
    let rate = hurried.len() as u64 * 1000 / u64::try_from(begin.elapsed().as_millis()).unwrap();
    let what = format!("`agent`, {CLIENTS} clients, one request after the other");
    table.add(format!("{what}: requests/s"), Ok(thousands(rate)), "≥ 5,000");
    table.add("… 99 % of the answers", Ok(share_of(&hurried, 99)), "");
}

/// Runs all clients at once, each with its number.
fn together(
    agent: &Agent,
    work: impl Fn(&mut Client, u32) -> Vec<Duration> + Sync,
) -> Vec<Duration> {
    let clients: Vec<Client> = (0..CLIENTS).map(|_| agent.connect()).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .zip(0..)
            .map(|(mut client, number)| {
                let work = &work;
                scope.spawn(move || work(&mut client, number))
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

/// The longest time of this percentage of answers.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn share_of(times: &[Duration], percent: impl Into<f64>) -> String {
    let at = (times.len() as f64 * percent.into() / 100.0) as usize;
    format!("{:.2} ms", times[at.min(times.len() - 1)].as_secs_f64() * 1000.0)
}
