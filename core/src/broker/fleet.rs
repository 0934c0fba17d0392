//! Simulates half a day of a fleet of agents, and counts its requests to Yandex Cloud.
//!
//! `tests/run fleet -- --nocapture` prints the table of `docs/scaling.md`. The rules and the schedule are the
//! broker's own; only the servers and the time are simulated. Agents do not depend on each other, so each has its own
//! timeline.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use super::*;
use crate::cache::Memory;
use crate::clock::Offset;
use crate::credential::{IamToken, IdToken, Secret};
use crate::error::Code;
use crate::random::repeatable;

const AGENTS: u64 = 10_000;
const AUDIENCES: [&str; 2] = ["sts.amazonaws.com", "https://vault.example"];

const BEGIN: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(HOUR);
const IAM_TOKEN_LIFETIME: Duration = Duration::from_secs(12 * HOUR);

/// All times are in seconds after the start of all agents.
const END: u64 = 13 * HOUR;
const OUTAGE: Range<u64> = 3 * HOUR..3 * HOUR + 30 * MINUTE;

/// Agents recover from an outage within their longest pause: a sixteenth of an hour, plus up to half of that at
/// random.
const RECOVERY: u64 = 6 * MINUTE;

/// How often a request that is answered with 503 is sent (`http/client.rs`).
const TRIES: u32 = 3;

/// The shortest time over which a rate is measured.
const WINDOW: u64 = 10;

/// The limits of the table's periods, in minutes.
const PERIODS: [u64; 15] = [0, 1, 30, 60, 90, 120, 180, 210, 216, 240, 270, 300, 660, 720, 780];

/// Requests in one second.
#[derive(Clone, Copy, Default)]
struct Requests {
    id_token: u32,
    iam_token: u32,
    failed: u32,
}

/// What a part of the fleet has done.
struct Log {
    seconds: Vec<Requests>,
    /// For how many seconds a file was expired, outside of the outage.
    expired: u64,
    /// The shortest remaining lifetime of a file outside of the outage and the recovery.
    minimum_left: Duration,
}

/// A machine with an agent, and its view of Yandex Cloud.
struct Machine<'a> {
    log: &'a RefCell<Log>,
    cache: Memory,
}

impl Machine<'_> {
    /// Sends a request to a server, which fails during the outage.
    fn send(&self, broker: &Broker, count: fn(&mut Requests) -> &mut u32) -> Result<()> {
        let second = second_of(broker.clock().now().at);
        let mut log = self.log.borrow_mut();
        let requests = &mut log.seconds[index(second)];
        if !OUTAGE.contains(&second) {
            *count(requests) += 1;
            return Ok(());
        }
        requests.failed += TRIES;
        Err(Error::Unavailable {
            what: "a token".into(),
            host: "server.example".into(),
            status: 503,
            reason: "busy".into(),
            request_id: None,
            retry_after: None,
        })
    }

    /// Tries to renew a file, as the agent does.
    async fn renew(&self, file: &mut File, number: u64) {
        let settings = Digest::of(b"settings");
        let now = file.due.into();
        let broker = Broker::new(BrokerOptions {
            clock: Clock::Fixed(now),
            cache: Cache::Memory(Memory::clone(&self.cache)),
            deadline: Deadline::within(Duration::from_secs(20)),
            purpose: Purpose::Renew(file.schedule.lead()),
            force_refresh: false,
            settings: Fingerprint(Box::new(move || settings)),
            asker: Asker::default(),
            spinner: Spinner::none(),
            outer_runs: String::new(),
        });
        let request = IdTokenRequest { machine: self, audience: file.audience, number };
        let failure = match broker.fetch_shared(&request, Duration::from_secs(600), None).await {
            Ok(credential) => {
                self.note(file);
                file.schedule.keep(credential.lifetime);
                None
            }
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable);
                Some(error)
            }
        };
        file.schedule.note(failure.as_ref(), now);
        file.due = file.due.plus(file.schedule.pause(now));
    }

    /// Records the remaining lifetime of a file that is replaced.
    fn note(&self, file: &File) {
        let Some(before) = file.schedule.lifetime() else { return };
        let mut log = self.log.borrow_mut();
        let (expiry, now) = (second_of(before.expires_at), second_of(file.due));
        let before_outage = OUTAGE.start.min(now).saturating_sub(expiry);
        log.expired += before_outage + now.saturating_sub(expiry.max(OUTAGE.end));
        if !(OUTAGE.start..OUTAGE.end + RECOVERY).contains(&now) {
            log.minimum_left = log.minimum_left.min(before.left(file.due.into()));
        }
    }
}

/// A file that an agent keeps fresh.
struct File {
    audience: &'static str,
    schedule: Schedule,
    due: Timestamp,
}

struct IdTokenRequest<'a> {
    machine: &'a Machine<'a>,
    audience: &'static str,
    number: u64,
}

impl Request for IdTokenRequest<'_> {
    type Secret = IdToken;

    const KIND: &'static str = "id-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        key.with("audience", self.audience)
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata::default()
    }

    fn what(&self) -> Message {
        "an ID token".into()
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IdToken>> {
        let Self { machine, .. } = *self;
        let actor = IamTokenRequest { machine, number: self.number };
        let send = async |_: &IamToken| machine.send(broker, |requests| &mut requests.id_token);
        broker.present(&actor, Duration::from_secs(60), async {}, &send, |()| false).await?;
        let secret = IdToken(Secret::new(format!("{}-{}", self.audience, self.number)));
        Ok(Credential { secret, lifetime: lifetime(broker, ID_TOKEN_LIFETIME) })
    }
}

struct IamTokenRequest<'a> {
    machine: &'a Machine<'a>,
    number: u64,
}

impl Request for IamTokenRequest<'_> {
    type Secret = IamToken;

    const KIND: &'static str = "iam-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        key
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata::default()
    }

    fn what(&self) -> Message {
        "an IAM token".into()
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IamToken>> {
        self.machine.send(broker, |requests| &mut requests.iam_token)?;
        let secret = IamToken(Secret::new(format!("iam-{}", self.number)));
        Ok(Credential { secret, lifetime: lifetime(broker, IAM_TOKEN_LIFETIME) })
    }
}

fn lifetime(broker: &Broker, whole: Duration) -> Lifetime {
    let now = broker.clock().now();
    Lifetime::new(now, now.at.plus(whole), Offset::default())
}

fn second_of(at: Timestamp) -> u64 {
    at.since(BEGIN).as_secs()
}

/// Simulates a part of the agents to the end.
fn run(agents: Range<u64>) -> Log {
    let seconds = vec![Requests::default(); index(END)];
    let log = Log { seconds, expired: 0, minimum_left: Duration::MAX }.into();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for agent in agents {
        repeatable::begin(agent);
        let machine = Machine { log: &log, cache: Memory::default() };
        let file = |audience| File { audience, schedule: Schedule::default(), due: BEGIN };
        let mut files = AUDIENCES.map(file);
        let mut number = 0;
        runtime.block_on(async {
            while let Some(file) = files.iter_mut().min_by_key(|file| file.due)
                && second_of(file.due) < END
            {
                number += 1;
                machine.renew(file, number).await;
            }
        });
        let expiries = files.map(|file| file.schedule.lifetime().unwrap().expires_at);
        assert!(expiries.iter().all(|at| second_of(*at) > END), "a file has expired at the end");
    }
    log.into_inner()
}

/// Simulates the whole fleet on all processors.
fn run_fleet() -> Log {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u64::try_from(threads).unwrap();
    let share = AGENTS.div_ceil(threads);
    let parts = (0..threads).map(|part| part * share..((part + 1) * share).min(AGENTS));
    let logs = std::thread::scope(|scope| {
        let running: Vec<_> = parts.map(|part| scope.spawn(|| run(part))).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
    });
    logs.into_iter()
        .reduce(|mut all, part| {
            for (all, part) in all.seconds.iter_mut().zip(part.seconds) {
                all.id_token += part.id_token;
                all.iam_token += part.iam_token;
                all.failed += part.failed;
            }
            all.expired += part.expired;
            all.minimum_left = all.minimum_left.min(part.minimum_left);
            all
        })
        .unwrap()
}

impl Requests {
    const fn all(&self) -> u32 {
        self.id_token + self.iam_token + self.failed
    }
}

impl Log {
    /// The mean number of requests per second.
    fn mean(&self, time: &Range<u64>, count: impl Fn(&Requests) -> u32) -> f64 {
        let seconds =
            self.seconds.iter().skip(index(time.start)).take(index(time.end - time.start));
        let requests: u32 = seconds.map(count).sum();
        f64::from(requests) / f64::from(u32::try_from(time.end - time.start).unwrap())
    }

    /// The mean number of requests per second in the busiest window.
    fn peak(&self, time: &Range<u64>) -> f64 {
        let windows = time.clone().step_by(index(WINDOW));
        let rates = windows.map(|at| self.mean(&(at..at + WINDOW), Requests::all));
        rates.fold(0.0, f64::max)
    }

    /// A row for each period.
    fn table(&self) -> String {
        let mut table = String::from(
            "| from | to | ID tokens | IAM tokens | failed | all | busiest 10 s |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for bounds in PERIODS.windows(2) {
            let [start, end] = [bounds[0] * MINUTE, bounds[1] * MINUTE];
            let period = start..end;
            let rates = [
                self.mean(&period, |requests| requests.id_token),
                self.mean(&period, |requests| requests.iam_token),
                self.mean(&period, |requests| requests.failed),
                self.mean(&period, Requests::all),
                self.peak(&period),
            ];
            let clock = |second: u64| format!("{}:{:02}", second / HOUR, second % HOUR / MINUTE);
            let rates = rates.map(|rate| format!("{rate:.1}")).join(" | ");
            writeln!(table, "| {} | {} | {rates} |", clock(start), clock(end)).unwrap();
        }
        table
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// The text of `docs/scaling.md`, in this crate's folder or the one above.
fn page() -> String {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut pages = folders.map(|folder| folder.join("docs/scaling.md"));
    std::fs::read_to_string(pages.find(|page| page.exists()).unwrap()).unwrap()
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for people")]
fn a_fleet_sends_its_requests_evenly_and_has_no_expired_file() {
    let log = run_fleet();
    let table = log.table();
    println!("{table}");
    assert_eq!(log.expired, 0, "seconds of expired files, outside of the outage");
    assert!(log.minimum_left > ID_TOKEN_LIFETIME / 2, "{:?}", log.minimum_left);

    let steady = [MINUTE..OUTAGE.start, OUTAGE.end + RECOVERY..END];
    for time in &steady {
        let (mean, peak) = (log.mean(time, Requests::all), log.peak(time));
        println!("From minute {}, peak to mean is {:.2}.", time.start / MINUTE, peak / mean);
        assert!(peak <= 2.0 * mean, "{peak} to {mean}");
        // All agents got their first tokens together. When these expire, the requests must not come in a wave.
        let wave = log.peak(&(time.start + 50 * MINUTE..time.start + 70 * MINUTE));
        assert!(wave <= 1.5 * mean, "{wave} to {mean}");
    }
    assert!(page().contains(&table), "the table of the page is not this one");
}
