//! The cost of an agent with twenty files: its memory, its system calls between renewals, and the memory that renewals
//! leave behind.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use yc_id_token_emulator::{Emulator, KeySize, Options, Route};

use crate::place::{Place, private};
use crate::table::{Table, megabytes, thousands};

const FILES: usize = 20;

/// How long an idle agent is observed.
const IDLE: Duration = Duration::from_secs(60);

/// How often each file is renewed before the memory is compared, and again afterwards.
const ROUNDS: usize = 15;

/// No step takes this long.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Adds the rows about an agent.
pub(crate) fn measure(place: &Place, table: &mut Table) {
    // The first renewal of a file is at a random time in half of its lifetime, so few are in the first minute.
    let hours = Duration::from_secs(23 * 3600);
    let memory = Agent::start(place, hours, &[]).map(|agent| agent.memory());
    table.add("`agent`, 20 credentials, resident memory", memory.map(megabytes), "≤ 8 MB");
    let calls = calls_between_renewals(place, hours).map(thousands);
    table.add("… system calls between renewals, in 60 s", calls, "0");
    let growth = growth(place).map(|growth| format!("{growth:.2}"));
    table.add("… resident memory after 600 renewals, by that after 300", growth, "≤ 1.05");
}

/// A running agent whose files have all been written.
struct Agent {
    child: Child,
    cloud: Emulator,
}

impl Agent {
    /// Starts the agent, under a tool if one is given.
    fn start(place: &Place, id_token_life: Duration, tool: &[&str]) -> Result<Self, String> {
        let options = Options { tls: true, id_token_life, ..Options::default() };
        let cloud = Emulator::start_with(options).map_err(|error| error.to_string())?;
        let account = cloud.add_service_account("robot", "b1gfolder");
        let key = cloud.add_authorized_key(&account, KeySize::Rsa2048);
        private(&place.write("agent/key.json", &key.to_json()));
        place.write("agent/ca.pem", cloud.ca_pem().ok_or("the emulator has no authority")?);
        let url = cloud.url();
        let mut config = format!(
            "[defaults]\nkey_file = \"key.json\"\nca_file = \"ca.pem\"\niam_endpoint = \"{url}\"\noauth_endpoint = \"{url}\"\n"
        );
        for number in 0..FILES {
            let _ = write!(
                config,
                "[[agent.files]]\npath = \"token-{number}\"\naudience = \"{number}\"\nremove_on_exit = true\n"
            );
        }
        let config = place.write("agent/config.toml", &config);
        let words: Vec<&Path> = tool.iter().map(Path::new).chain([&*place.program]).collect();
        let mut command = place.command(words[0], &[]);
        command.args(&words[1..]).args(["agent", "--cache=none", "--config"]).arg(&config);
        let child = command.stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let agent = Self { child, cloud };
        let files: Vec<PathBuf> =
            (0..FILES).map(|number| config.with_file_name(format!("token-{number}"))).collect();
        eventually(|| files.iter().all(|file| file.exists()));
        Ok(agent)
    }

    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// The lowest memory in this many rounds, in each of which all files are renewed. A running renewal needs more.
    fn lowest_memory(&self, rounds: usize) -> u64 {
        let rounds = (0..rounds).map(|_| {
            let enough = self.cloud.count(Route::TokenExchange) + FILES;
            eventually(|| self.cloud.count(Route::TokenExchange) >= enough);
            self.memory()
        });
        rounds.min().unwrap()
    }
}

impl Drop for Agent {
    /// Ends the agent as a service manager does. The tool, which blocks signals, ends with it.
    fn drop(&mut self) {
        let pid = self.child.id();
        let watched = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let watched = watched.unwrap_or_default().trim().to_owned();
        let pid = if watched.is_empty() { pid.to_string() } else { watched };
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

fn calls_between_renewals(place: &Place, lifetime: Duration) -> Result<u64, String> {
    let trace = place.home.path().join("agent/trace");
    let tool = ["strace", "-f", "-ttt", "-o", trace.to_str().unwrap()];
    let agent = Agent::start(place, lifetime, &tool)?;
    // Waits for the end of the last renewals' threads.
    sleep(Duration::from_secs(2));
    let begin = seconds();
    sleep(IDLE);
    let end = seconds();
    drop(agent);
    let trace = fs::read_to_string(trace).map_err(|error| error.to_string())?;
    let times = trace.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse().ok());
    Ok(times.filter(|time: &f64| (begin..end).contains(time)).count() as u64)
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The memory after many renewals, divided by the memory after half of them.
fn growth(place: &Place) -> Result<f64, String> {
    let agent = Agent::start(place, Duration::from_secs(2), &[])?;
    let before = agent.lowest_memory(ROUNDS);
    let after = agent.lowest_memory(ROUNDS);
    #[allow(clippy::cast_precision_loss, reason = "two digits are printed")]
    Ok(after as f64 / before as f64)
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = SystemTime::now() + TIMEOUT;
    while !holds() {
        assert!(SystemTime::now() < deadline, "the agent did not reach the expected state");
        sleep(Duration::from_millis(10));
    }
}
