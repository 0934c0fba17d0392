//! A credential that a long-running process (`exec`, the agent) keeps fresh, in a file or in memory.
//!
//! Each renewal has its own thread, because it waits for locks, programs and servers. Between two renewals nothing
//! runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::broker::{Purpose, Schedule};
use crate::clock::Moment;
use crate::credential::Lifetime;
use crate::endpoint::Secret;
use crate::error::{Error, Result};
use crate::private_file::{self, Access};
use crate::run::OwnedContext;
use crate::runtime;

use super::delivery;
use super::document::{Document, DocumentSource, Obtained};

/// The minimum lifetime of a token in a file, which is used until the next one is written.
pub const MINIMUM_LIFETIME_IN_FILE: Duration = Duration::from_secs(10 * 60);

/// Held by the current renewal. Each renewal has its own client with all authorities of the system. If all ran at
/// once, for example at the start, the allocator would keep the memory of all.
static TURN: Mutex<()> = Mutex::const_new(());

/// How long a renewal waits for others. Then it runs at the same time, because a server that does not answer must not
/// delay renewals that do not need it.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// The place of a document.
pub enum Place {
    File(PathBuf, Access),
    /// Memory for an endpoint, and its secret if that can change: it then changes with the document.
    Memory(Arc<Memory>, Option<Arc<Secret>>),
}

/// A document in memory, with which a server answers.
#[derive(Default)]
pub struct Memory(std::sync::Mutex<Option<Document>>);

impl Memory {
    /// The document, unless its credential has expired.
    pub fn read(&self, now: Moment) -> Option<Zeroizing<Vec<u8>>> {
        let document = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let valid = document.as_ref().filter(|it| !it.lifetime.left(now).is_zero());
        valid.map(|document| document.content.clone())
    }
}

/// A document and its place.
pub struct KeptDocument {
    place: Place,
    source: Arc<DocumentSource>,
    schedule: Schedule,
}

/// The result of a renewal.
pub struct Renewed {
    /// Whether a new document is in its place.
    pub is_new: bool,
    pub failure: Option<Error>,
}

impl KeptDocument {
    pub fn new(place: Place, source: DocumentSource) -> Self {
        Self { place, source: Arc::new(source), schedule: Schedule::default() }
    }

    pub const fn lifetime(&self) -> Option<&Lifetime> {
        self.schedule.lifetime()
    }

    /// Obtains a credential that is not due yet, and stores it. After a failure the previous one stays, unless a
    /// cached one expires later.
    pub async fn renew(&mut self, context: &Arc<OwnedContext>) -> Renewed {
        let Obtained { document, mut failure } = self.obtain(context).await;
        let expires_at = |lifetime: &Lifetime| lifetime.expires_at;
        let is_better = |document: &Document| {
            failure.is_none()
                || self.lifetime().map(expires_at) < Some(document.lifetime.expires_at)
        };
        let mut is_new = false;
        if let Some(document) = document.filter(is_better) {
            match self.write(document) {
                Ok(new) => is_new = new,
                Err(error) => failure = Some(error),
            }
        }
        if is_new
            && let Place::Memory(_, Some(secret)) = &self.place
            && let Err(error) = secret.change(context.clock().now())
        {
            failure = Some(error);
        }
        self.schedule.note(failure.as_ref(), context.clock().now());
        Renewed { is_new, failure }
    }

    async fn obtain(&self, context: &Arc<OwnedContext>) -> Obtained {
        let (sender, receiver) = oneshot::channel();
        let (source, context) = (Arc::clone(&self.source), Arc::clone(context));
        let purpose = Purpose::Renew(self.schedule.lead());
        let work = move || {
            let _ = sender.send(source.obtain(context.to_run(&purpose)));
        };
        let failed = |error: Error| Obtained { document: None, failure: Some(error) };
        let _turn = timeout(TURN_TIMEOUT, TURN.lock()).await;
        let started = std::thread::Builder::new().name("renewal".into()).spawn(work);
        match started {
            Ok(_) => receiver
                .await
                .unwrap_or_else(|_| failed(Error::Internal("a renewal has no result".into()))),
            Err(error) => failed(Error::denied("cannot start a thread", error)),
        }
    }

    /// Writes a document, unless it is there already. Returns whether it was written.
    pub(crate) fn write(&mut self, document: Document) -> Result<bool> {
        let Document { content, lifetime } = document;
        let is_new = match &self.place {
            Place::File(path, access) => {
                let is_new = !private_file::is_written(path, &content, *access);
                if is_new {
                    delivery::write(path, &content, *access)?;
                }
                is_new
            }
            Place::Memory(memory, _) => {
                let mut kept = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
                let before = kept.replace(Document { content, lifetime });
                before.is_none_or(|before| before.lifetime != lifetime)
            }
        };
        self.schedule.keep(lifetime);
        Ok(is_new)
    }

    /// Waits until the next attempt.
    pub async fn wait(&self, context: &OwnedContext) {
        runtime::sleep(context.clock(), self.schedule.pause(context.clock().now())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use yc_id_token_emulator::{Emulator, Fault, KeySize, Route};

    use super::*;
    use crate::clock::{Clock, SimulatedTime, Timestamp};
    use crate::consumer::TABLES;
    use crate::consumer::document::DocumentFormat;
    use crate::env::Env;
    use crate::error::Code;
    use crate::jwt::Claims;
    use crate::random::repeatable;
    use crate::run::Context;
    use crate::settings::{Flags, Locations, Settings};

    const HOUR: Duration = Duration::from_secs(3600);
    const BEGIN: Timestamp = Timestamp::from_unix_seconds(1_900_000_000);

    /// A file that a process keeps fresh, with simulated time on the machine and in the cloud.
    struct World {
        cloud: Emulator,
        time: &'static SimulatedTime,
        folder: tempfile::TempDir,
        context: Arc<OwnedContext>,
        file: KeptDocument,
    }

    impl World {
        fn new() -> Self {
            let (cloud, folder) = (Emulator::start().unwrap(), tempfile::tempdir().unwrap());
            let account = cloud.add_service_account("robot", "b1gfolder");
            let key = cloud.add_authorized_key(&account, KeySize::Rsa2048);
            let key_file = folder.path().join("key.json");
            private_file::write(&key_file, key.to_json().as_bytes()).unwrap();
            let env = Env::Fake(HashMap::from([
                ("YC_ID_TOKEN_AUDIENCE", "k8s".to_owned()),
                ("YC_ID_TOKEN_KEY_FILE", key_file.to_str().unwrap().to_owned()),
                ("YC_ID_TOKEN_IAM_ENDPOINT", cloud.url().to_owned()),
                ("YC_ID_TOKEN_OAUTH_ENDPOINT", cloud.url().to_owned()),
            ]));
            let locations = Locations {
                cache_folder: Some(folder.path().join("cache")),
                ..Locations::default()
            };
            let time = SimulatedTime::starting_at(BEGIN);
            let context = Context {
                flags: &Flags::default(),
                env: &env,
                locations: &locations,
                clock: Clock::Simulated(time),
                purpose: &Purpose::Answer(None),
                consumers: TABLES,
                for_people: false,
            };
            let format = DocumentFormat::RAW;
            let settings =
                Settings::load(context.flags, &env, &locations, TABLES, format.tables()).unwrap();
            let source = DocumentSource { settings, format, command: "agent" };
            let place = Place::File(folder.path().join("token"), Access::PRIVATE);
            let file = KeptDocument::new(place, source);
            let context = Arc::new(OwnedContext::of(context));
            Self { cloud, time, folder, context, file }
        }

        /// Renews the file until `end`. Before each renewal, when its token is oldest, `is_well` checks the remaining
        /// lifetime. Renewals with certain numbers fail.
        async fn renew_until(
            &mut self,
            end: Timestamp,
            fails: impl Fn(u32) -> bool,
            is_well: impl Fn(Duration) -> bool,
        ) -> u32 {
            let mut renewals = 0;
            while self.time.now() < end {
                self.renew(fails(renewals).then_some(Fault::Status(403))).await;
                renewals += 1;
                self.file.wait(&self.context).await;
                let token = std::fs::read_to_string(self.folder.path().join("token")).unwrap();
                let left =
                    Claims::read(&token).unwrap().expires_at().unwrap().since(self.time.now());
                assert!(is_well(left), "{left:?} is left at {}", self.time.now());
            }
            renewals
        }

        async fn renew(&mut self, fault: Option<Fault>) {
            let shift = self.time.now().unix_seconds() - now().unix_seconds();
            self.cloud.set_clock_shift(shift);
            self.cloud.always(Route::TokenExchange, fault);
            self.file.renew(&self.context).await;
        }
    }

    fn now() -> Timestamp {
        Clock::System.now().at
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_has_half_of_its_lifetime_left_throughout_a_week() {
        let mut world = World::new();
        let half = Duration::from_secs(30 * 60 - 5);
        let end = BEGIN.plus(7 * 24 * HOUR);
        let renewals = run(world.renew_until(end, |_| false, |left| left >= half));
        // After half an hour at the latest, and up to a fifth of an hour earlier.
        assert!((7 * 24 * 2..=7 * 24 * 10 / 3 + 1).contains(&renewals), "{renewals}");
        // An IAM token is valid for twelve hours, and is used for nearly as long.
        assert!(world.cloud.count(Route::IamToken) <= 20, "{}", world.cloud.count(Route::IamToken));
        assert!(files(&world.folder.path().join("cache")) < 10, "nothing piles up");
    }

    #[test]
    fn a_file_has_a_valid_token_while_the_issuer_sometimes_fails() {
        let mut world = World::new();
        let end = BEGIN.plus(24 * HOUR);
        // One attempt in five fails, two in a row.
        let fails = |renewal: u32| renewal % 10 > 7;
        run(world.renew_until(end, fails, |left| left >= HOUR * 2 / 5));
        assert!(world.cloud.count(Route::TokenExchange) > 48);
    }

    #[test]
    fn an_iam_token_is_replaced_early_and_used_if_that_fails() {
        repeatable::begin(1);
        let mut world = World::new();
        let minutes = |minutes: u64| BEGIN.plus(Duration::from_secs(minutes * 60));
        let half = Duration::from_secs(30 * 60 - 5);
        run(world.renew_until(minutes(680), |_| false, |left| left >= half));
        assert_eq!(world.cloud.count(Route::IamToken), 1);
        world.cloud.always(Route::IamToken, Some(Fault::Status(403)));
        run(world.renew_until(minutes(715), |_| false, |left| left >= half));
        assert!(world.cloud.count(Route::IamToken) > 1);
    }

    #[test]
    fn the_secret_of_an_endpoint_changes_with_the_credential() {
        let mut world = World::new();
        let path = world.folder.path().join("secret");
        let secret = Arc::new(Secret::written(path.clone(), BEGIN.into()).unwrap());
        let read = || std::fs::read(&path).unwrap();
        let first = read();
        world.file.place = Place::Memory(Arc::default(), Some(Arc::clone(&secret)));
        run(async {
            world.renew(None).await;
            assert_eq!(read(), first, "the secret is as new as the first credential");
            while world.time.now() < BEGIN.plus(2 * HOUR) {
                world.file.wait(&world.context).await;
                world.renew(None).await;
            }
        });
        let second = read();
        assert_ne!(second, first);
        assert!(secret.is_right(&second, world.time.now().into()));
        assert!(!secret.is_right(&first, world.time.now().into()), "its grace has passed");
    }

    #[test]
    fn the_pause_after_failures_grows_within_limits() {
        let mut world = World::new();
        run(async {
            world.renew_until(BEGIN.plus(Duration::from_secs(1)), |_| false, |_| true).await;
            world.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
            let mut pauses = Vec::new();
            for _ in 0..8 {
                let failure = world.file.renew(&world.context).await.failure.unwrap();
                assert_eq!(failure.code(), Code::SourceDenied);
                let pause = world.file.schedule.pause(world.time.now().into());
                pauses.push(pause.as_secs());
                world.time.pass(pause);
            }
            assert!((5..=7).contains(&pauses[0]), "{pauses:?}");
            assert!(pauses.iter().all(|pause| *pause <= 3600 / 16 * 3 / 2), "{pauses:?}");
            assert!(pauses[7] >= 3600 / 16, "{pauses:?}");
        });
    }
}
