//! Tests of the broker's rules, with a fixed clock and a server that counts requests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::*;
use crate::cache::{FileCache, KeyringCache};
use crate::clock::Offset;
use crate::credential::{IdToken, Lifetime, Secret};
use crate::error::Code;
use crate::foreign_text::Message;
use crate::keyring::Keyring;

const BEGIN: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A server that issues `token-1`, `token-2`, … with a lifetime of one hour, after the failures in its queue.
#[derive(Default)]
struct Server {
    sent: Cell<u32>,
    failures: RefCell<VecDeque<Error>>,
}

impl Request for &Server {
    type Secret = IdToken;

    const KIND: &'static str = "id-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        key
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata::from("server.example")
    }

    fn what(&self) -> Message {
        "a token".into()
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IdToken>> {
        self.sent.set(self.sent.get() + 1);
        if let Some(failure) = self.failures.borrow_mut().pop_front() {
            return Err(failure);
        }
        let now = broker.clock().now();
        let lifetime = Lifetime::new(now, now.at.plus(HOUR), Offset::default());
        Ok(Credential {
            secret: IdToken(Secret::new(format!("token-{}", self.sent.get()))),
            lifetime,
        })
    }
}

fn broker(clock: Clock, cache: Cache, purpose: Purpose, force: bool, settings: &str) -> Broker {
    let settings = Digest::of(settings.as_bytes());
    Broker::new(BrokerOptions {
        clock,
        cache,
        deadline: Deadline::within(MINUTE),
        purpose,
        force_refresh: force,
        settings: Fingerprint(Box::new(move || settings)),
        asker: Asker::default(),
        spinner: Spinner::none(),
        outer_runs: String::new(),
    })
}

struct World {
    folder: tempfile::TempDir,
    server: Server,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: Server::default() }
    }

    /// A run of the program, this many seconds after the start of the test.
    fn run(
        &self,
        seconds: u64,
        force: bool,
        settings: &str,
    ) -> std::result::Result<String, (Code, u32)> {
        self.run_for(Purpose::Answer(None), seconds, force, settings)
    }

    fn run_for(
        &self,
        purpose: Purpose,
        seconds: u64,
        force: bool,
        settings: &str,
    ) -> std::result::Result<String, (Code, u32)> {
        let clock = Clock::Fixed(BEGIN.plus(Duration::from_secs(seconds)).into());
        let cache = Cache::File(FileCache::new(self.folder.path().join("cache"), None));
        let broker = broker(clock, cache, purpose, force, settings);
        match broker.obtain(&&self.server, MINUTE) {
            Ok(credential) => Ok(credential.secret.0.expose().to_owned()),
            Err(error) => Err((error.code(), self.server.sent.get())),
        }
    }

    fn at(&self, seconds: u64) -> std::result::Result<String, (Code, u32)> {
        self.run(seconds, false, "usual")
    }

    fn fail_next(&self, retry_after: Option<Duration>) {
        self.server.failures.borrow_mut().push_back(Error::Unavailable {
            what: "a token".into(),
            host: "host".into(),
            status: 503,
            reason: "busy".into(),
            request_id: None,
            retry_after,
        });
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what a run comes to")]
fn token(number: u32) -> std::result::Result<String, (Code, u32)> {
    Ok(format!("token-{number}"))
}

#[test]
fn a_credential_is_used_until_its_hard_point() {
    let world = World::new();
    assert_eq!(world.at(0), token(1));
    assert_eq!(world.at(3540), token(1));
    assert_eq!(world.at(3541), token(2));
    assert_eq!(world.at(3600), token(2));
}

#[test]
fn a_clock_that_was_set_back_costs_one_fetch() {
    let world = World::new();
    assert_eq!(world.at(7200), token(1));
    assert_eq!(world.at(0), token(2));
    assert_eq!(world.at(1), token(2));
}

#[test]
fn a_failure_is_remembered_for_five_seconds() {
    let world = World::new();
    world.fail_next(None);
    assert_eq!(world.at(0), Err((Code::Unavailable, 1)));
    assert_eq!(world.at(4), Err((Code::Unavailable, 1)), "not sent again");
    assert_eq!(world.at(5), token(2));
}

#[test]
fn a_failure_is_remembered_for_the_retry_after_up_to_a_limit() {
    let world = World::new();
    world.fail_next(Some(Duration::from_secs(30)));
    assert_eq!(world.at(0), Err((Code::Unavailable, 1)));
    assert_eq!(world.at(29), Err((Code::Unavailable, 1)));
    world.fail_next(Some(HOUR));
    assert_eq!(world.at(30), Err((Code::Unavailable, 2)));
    assert_eq!(world.at(89), Err((Code::Unavailable, 2)));
    assert_eq!(world.at(90), token(3));
}

#[test]
fn a_failure_is_not_repeated_for_other_settings_or_a_later_clock() {
    let world = World::new();
    world.fail_next(None);
    world.fail_next(None);
    assert_eq!(world.at(100), Err((Code::Unavailable, 1)));
    assert_eq!(world.run(100, false, "other"), Err((Code::Unavailable, 2)));
    assert_eq!(world.run(99, false, "other"), token(3), "the clock has jumped back");
}

#[test]
fn a_valid_credential_is_returned_when_the_refresh_fails() {
    let world = World::new();
    assert_eq!(world.at(0), token(1));
    for _ in 0..2 {
        world.fail_next(None);
    }
    assert_eq!(world.at(3550), token(1));
    assert_eq!(world.at(3552), token(1));
    assert_eq!(world.server.sent.get(), 2, "and the failure is remembered");
    assert_eq!(
        world.run(3553, true, "usual"),
        Err((Code::Unavailable, 3)),
        "a run that needs a new one fails"
    );
    assert_eq!(world.at(3554), token(1));
    assert_eq!(world.at(3600), token(4), "never past its expiry");
}

#[test]
fn a_failing_server_is_retried_every_30_s_while_a_credential_is_valid() {
    let world = World::new();
    assert_eq!(world.at(0), token(1));
    world.fail_next(None);
    for seconds in [3545, 3555, 3574] {
        assert_eq!(world.at(seconds), token(1), "at {seconds}");
    }
    assert_eq!(world.server.sent.get(), 2);
    assert_eq!(world.at(3575), token(3));
}

#[test]
fn a_background_refresh_fetches_only_past_the_soft_point() {
    let world = World::new();
    let refresh = |seconds| world.run_for(Purpose::Refresh, seconds, false, "usual");
    assert_eq!(world.at(0), token(1));
    assert_eq!(refresh(1800), token(1), "still fresh");
    assert_eq!(refresh(1801), token(2));
    assert_eq!(world.at(1802), token(2));
    assert_eq!(
        world.at(1801 + 1801),
        token(2),
        "a run that answers does not wait for the next one"
    );
    world.fail_next(None);
    assert_eq!(refresh(1801 + 1801), token(2), "a failed refresh destroys nothing");
    assert_eq!(world.server.sent.get(), 3);
}

#[test]
fn force_refresh_replaces_the_credential_of_all_runs() {
    let world = World::new();
    assert_eq!(world.at(0), token(1));
    assert_eq!(world.run(10, true, "usual"), token(2));
    assert_eq!(world.at(11), token(2));
}

#[test]
fn a_refused_credential_is_not_read_from_the_cache_again() {
    let world = World::new();
    assert_eq!(world.at(0), token(1));
    let clock = Clock::Fixed(BEGIN.plus(MINUTE).into());
    let cache = Cache::File(FileCache::new(world.folder.path().join("cache"), None));
    let broker = broker(clock, cache, Purpose::Answer(None), false, "usual");
    let refused = IdToken(Secret::new("token-1".into()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let next =
        runtime.block_on(broker.fetch_shared(&&world.server, MINUTE, Some(&refused))).unwrap();
    assert_eq!(next.secret.0.expose(), "token-2");
    let again =
        runtime.block_on(broker.fetch_shared(&&world.server, MINUTE, Some(&refused))).unwrap();
    assert_eq!(again.secret.0.expose(), "token-2", "what another process got instead is good");
}

#[test]
fn a_required_keyring_is_opened_before_the_credential_is_fetched() {
    let world = World::new();
    let run = |keyring, force| {
        let files = FileCache::new(world.folder.path().join("cache"), None);
        let cache = Cache::Keyring(KeyringCache::new(files, keyring));
        let clock = Clock::Fixed(BEGIN.into());
        let broker = broker(clock, cache, Purpose::Answer(None), force, "usual");
        let obtained = broker.obtain(&&world.server, MINUTE);
        obtained.map(|credential| credential.secret.0.expose().to_owned()).map_err(|it| it.code())
    };
    for force in [false, true] {
        assert_eq!(run(Keyring::absent(), force), Err(Code::Cache));
    }
    assert_eq!(world.server.sent.get(), 0, "nothing is requested that cannot be stored");
    assert_eq!(
        run(Keyring::full(), false),
        Ok("token-1".into()),
        "the fetched credential is returned"
    );
    assert_eq!(run(Keyring::fake(), false), Ok("token-2".into()));
}
