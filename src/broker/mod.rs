//! How any credential is obtained: from the cache while it is fresh, else by one flight over all
//! processes, whose result, credential or failure, the others share.
//!
//! The rules hold for every credential alike; what differs, the key, the least life and the fetch,
//! comes in by [`Obtain`]. A hit takes no lock, starts no thread and no runtime.

mod flight;
mod freshness;
mod interruption;
mod memo;
mod overview;
mod prospect;
mod refresh;
mod runtime;
mod within;

use std::pin::{Pin, pin};
use std::time::Duration;

use tracing::{debug, info};

use crate::cache::{About, Cache, Digest, Key, KeyBuilder};
use crate::clock::{Clock, Deadline, Timestamp};
use crate::credential::{Credential, Lifetime, Restable};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::spinner::Spinner;
use flight::{Flight, Pause};
use freshness::Freshness;
#[cfg(unix)]
pub use interruption::is_ignored;
pub use overview::{Failure, Rest, Row, State, overview};
pub use prospect::{Outlook, Prospect};
pub use refresh::{REFRESH, Rerun, begin_session};
pub(crate) use runtime::block_on;
pub use within::UnderWay;
use within::Within;

/// Two ends are the same if they differ by no more than servers round and clocks differ.
const SAME_END: Duration = Duration::from_secs(30);

/// Something that the broker can obtain.
pub trait Obtain {
    /// What is obtained.
    type Secret: Restable + PartialEq;

    /// Its kind, by which its name in the cache begins.
    const KIND: &'static str;

    /// Adds to its name in the cache everything that changes the answer.
    fn identify(&self, key: KeyBuilder) -> KeyBuilder;

    /// Its name in the cache.
    fn key(&self) -> Key {
        self.identify(Key::of(Self::KIND)).build()
    }

    /// What `status` can say of it.
    fn about(&self) -> About;

    /// What it is, in a sentence: "an ID token for audience `k8s`".
    fn what(&self) -> Message;

    /// Whether it may rest in the cache, and be shared with other processes there.
    fn rests(&self) -> bool {
        true
    }

    /// Whether this one, now that it is known, may rest there after all. A credential for so many uses
    /// is its first user's.
    fn keeps(&self, _: &Credential<Self::Secret>) -> bool {
        true
    }

    /// Settings of its own that decide how it is obtained, and not what it is: whoever corrects one of them
    /// wants to see whether it helped, and not a failure of before.
    fn ways(&self) -> String {
        String::new()
    }

    /// Obtains it from its server. It has been checked: it is what was asked for, and alive.
    fn fetch(&self, broker: &Broker) -> impl Future<Output = Result<Credential<Self::Secret>>>;
}

/// What a run is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To hand out a credential. One that is past its soft point is refreshed by running this again, if
    /// it can be.
    Answer(Option<Rerun>),
    /// To refresh one, in the background.
    Refresh,
}

/// The broker of one run.
#[derive(Debug)]
pub struct Broker {
    clock: Clock,
    cache: Cache,
    deadline: Deadline,
    purpose: Purpose,
    force_refresh: bool,
    /// Over all settings that decide *how* a credential is obtained. A failure is remembered for
    /// these settings only: whoever changes one wants to see whether it helped.
    settings: Fingerprint,
    started: Timestamp,
    /// Who asks: the command, and the profile.
    asker: (Option<&'static str>, Option<String>),
    /// What people see while they wait.
    spinner: Spinner,
    /// What is being done, here and by the runs that this one is part of.
    within: Within,
}

/// A digest that takes longer to make than a hit has time for, and is made when it is needed.
pub struct Fingerprint(pub Box<dyn Fn() -> Digest>);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl Broker {
    /// The broker of a run that begins now.
    #[must_use]
    pub fn new(
        clock: Clock,
        cache: Cache,
        deadline: Deadline,
        purpose: Purpose,
        force_refresh: bool,
        settings: Fingerprint,
    ) -> Self {
        let started = clock.now().at;
        let (asker, spinner, within) = ((None, None), Spinner::none(), Within::default());
        Self {
            clock,
            cache,
            deadline,
            purpose,
            force_refresh,
            settings,
            started,
            asker,
            spinner,
            within,
        }
    }

    /// The same, within other runs, which are obtaining what this mark says.
    #[must_use]
    pub fn within(self, mark: &str) -> Self {
        Self { within: Within::of(mark), ..self }
    }

    /// What is being done, for the environment of a program that is to help with it.
    #[must_use]
    pub fn mark(&self) -> String {
        self.within.mark()
    }

    /// Begins something, called `name`, for which programs may be run that must not begin the same.
    pub fn begin(&self, name: &str, what: &Message) -> Result<UnderWay<'_>> {
        self.within.begin(name, what)
    }

    /// The same, with somebody who sees what is waited for.
    #[must_use]
    pub fn watched(self, spinner: Spinner) -> Self {
        Self { spinner, ..self }
    }

    /// The same, asked by the command of a consumer, with a profile.
    #[must_use]
    pub fn asked_by(mut self, consumer: Option<&'static str>, profile: Option<String>) -> Self {
        self.asker = (consumer, profile);
        self
    }

    /// Where credentials rest.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The clock of this run.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Obtains a credential that lives for `least_life` yet. On a hit, nothing else is touched.
    pub fn obtain<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
    ) -> Result<Credential<O::Secret>> {
        if let Some((hit, freshness)) = self.look(wanted, least_life)?
            && self.suffices(freshness)
        {
            self.refresh_soon(wanted, freshness);
            return Ok(hit);
        }
        // What was asked for by name and cannot be had is found out before anyone else is asked. Where a human
        // has to unlock it, this is also where the run can still be interrupted at once.
        self.cache.open()?;
        self.wait(&wanted.what(), self.miss(wanted, least_life, None))
    }

    /// Waits for what goes over the network, unless this run is to end. `what` is what it is getting.
    pub fn wait<T>(&self, what: &Message, work: impl Future<Output = Result<T>>) -> Result<T> {
        let watches_parent = matches!(self.purpose, Purpose::Answer(_));
        let doing = message!("getting {what}", what);
        as_one_type(work, |work| wait_for(work, what, watches_parent, &self.spinner, &doing))
    }

    /// The credential that rests in the cache, if it is good enough.
    pub fn cached<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
    ) -> Result<Option<Credential<O::Secret>>> {
        let found = self.look(wanted, least_life)?;
        let good = found.filter(|(_, freshness)| freshness.is_good_enough());
        Ok(good.map(|(credential, _)| credential))
    }

    /// Exchanges a credential, the parent, for another one at a server. `meanwhile` is done while the
    /// parent is being fetched, such as to open the connection.
    ///
    /// A parent from the cache is replaced once: if the server does not take it (it is revoked, or the
    /// clocks differ), or if what it was exchanged for ends with it. A server that caps a session at the
    /// end of the token would else give keys for the last minute of an old token.
    pub async fn exchange<O: Obtain, R, T>(
        &self,
        parent: &O,
        least_life: Duration,
        meanwhile: impl Future<Output = ()> + Send + 'static,
        send: impl AsyncFn(&O::Secret) -> Result<R>,
        is_refused: impl Fn(&R) -> bool,
        accept: impl Fn(&R, &O::Secret) -> Result<Credential<T>>,
    ) -> Result<Credential<T>> {
        let (used, reply) = self.present(parent, least_life, meanwhile, &send, is_refused).await?;
        let derived = accept(&reply, &used.secret)?;
        if !self.is_cut_short(&derived.lifetime, &used.lifetime) {
            return Ok(derived);
        }
        debug!("it ends with the token that it was exchanged for; once more with a new one");
        let longer = async {
            let new = self.miss(parent, least_life, Some(&used.secret)).await?;
            accept(&send(&new.secret).await?, &new.secret)
        };
        Ok(match longer.await {
            Ok(longer) if longer.lifetime.expires_at > derived.lifetime.expires_at => longer,
            Ok(_) => derived,
            Err(error) => {
                info!("{error}; using what the older token was exchanged for");
                derived
            }
        })
    }

    /// Whether a derived credential ends early because its parent was taken from the cache.
    fn is_cut_short(&self, derived: &Lifetime, parent: &Lifetime) -> bool {
        let (end, parents_end) = (derived.expires_at_here(), parent.expires_at_here());
        let is_old = Freshness::judge(parent, Duration::ZERO, self.clock.now());
        !matches!(is_old, Freshness::Fresh)
            && !self.is_news(parent.obtained_at)
            && end.distance(parents_end) <= SAME_END
    }

    /// Presents a credential to a server, and returns it with the answer. `meanwhile` is done while the
    /// credential is being fetched; one from the cache that the server does not take is replaced once.
    pub async fn present<O: Obtain, R>(
        &self,
        wanted: &O,
        least_life: Duration,
        meanwhile: impl Future<Output = ()> + Send + 'static,
        send: &impl AsyncFn(&O::Secret) -> Result<R>,
        is_refused: impl Fn(&R) -> bool,
    ) -> Result<(Credential<O::Secret>, R)> {
        let credential = match self.cached(wanted, least_life)? {
            Some(credential) => credential,
            None => {
                tokio::spawn(meanwhile);
                self.miss(wanted, least_life, None).await?
            }
        };
        let reply = send(&credential.secret).await?;
        if !is_refused(&reply) || self.is_news(credential.lifetime.obtained_at) {
            return Ok((credential, reply));
        }
        let credential = self.miss(wanted, least_life, Some(&credential.secret)).await?;
        let reply = send(&credential.secret).await?;
        Ok((credential, reply))
    }

    fn look<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
    ) -> Result<Option<(Credential<O::Secret>, Freshness)>> {
        if self.force_refresh || !wanted.rests() {
            return Ok(None);
        }
        let key = wanted.key();
        let Some(credential) = self.cache.get::<O::Secret>(&key)? else { return Ok(None) };
        let freshness = Freshness::judge(&credential.lifetime, least_life, self.clock.now());
        debug!(key = key.name(), ?freshness, "found in the cache");
        Ok(Some((credential, freshness)))
    }

    /// Whether this is good enough for what this run is for.
    const fn suffices(&self, freshness: Freshness) -> bool {
        match self.purpose {
            Purpose::Answer(_) => freshness.is_good_enough(),
            Purpose::Refresh => matches!(freshness, Freshness::Fresh),
        }
    }

    /// Past the soft point, has another process obtain the next credential.
    fn refresh_soon<O: Obtain>(&self, wanted: &O, freshness: Freshness) {
        if let (Purpose::Answer(Some(rerun)), Freshness::Ageing) = (&self.purpose, freshness)
            && flight::claim(&self.cache, &wanted.key(), self.clock.now().at)
        {
            rerun.start();
        }
    }

    /// Obtains a credential on the way to another one, within its flight. A credential equal to
    /// `refused` does not count as cached: a server has just turned it down.
    pub async fn miss<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
        refused: Option<&O::Secret>,
    ) -> Result<Credential<O::Secret>> {
        let key = wanted.key();
        let _under_way = self.begin(key.name(), &wanted.what())?;
        if !wanted.rests() {
            return wanted.fetch(self).await;
        }
        let settings = self.settings_of(wanted);
        let attempt = Attempt { broker: self, key: &key, settings, least_life, refused };
        let mut flight = Flight::to(&self.cache, &key);
        let mut pause = Pause::new();
        loop {
            if let Some(result) = attempt.settled() {
                return result;
            }
            let now = self.clock.now().at;
            if flight.take_off(now) {
                break;
            }
            if flight.is_unshared(now) {
                debug!(key = key.name(), "its result cannot be shared; not waiting for a turn");
                break;
            }
            let left = self.deadline.left();
            if left.is_zero() {
                let (holder, lock) = flight.holder();
                return attempt.fall_back(Error::LockTimeout {
                    what: wanted.what(),
                    holder,
                    lock,
                    budget: self.deadline.budget(),
                });
            }
            tokio::time::sleep(pause.next().min(left)).await;
        }
        // The flight before ours may have landed between our last look and the lock.
        if let Some(result) = attempt.settled() {
            return result;
        }
        info!("getting {}", wanted.what());
        match wanted.fetch(self).await {
            Ok(credential) => {
                let is_shared = self.store(wanted, &key, &credential);
                let now = self.clock.now().at;
                flight.lands(is_shared, now);
                memo::forget(&self.cache, &key);
                self.cache.sweep(now);
                Ok(credential)
            }
            Err(error) => {
                let (about, now) = (self.about(wanted), self.clock.now().at);
                let is_shared =
                    memo::remember(&self.cache, &key, &error, settings, now, about, &self.purpose);
                flight.lands(is_shared, now);
                attempt.fall_back(error)
            }
        }
    }

    /// Stores a credential for other runs, if it can be shared. Returns whether they can have it.
    fn store<O: Obtain>(&self, wanted: &O, key: &Key, credential: &Credential<O::Secret>) -> bool {
        if !wanted.keeps(credential) {
            debug!(key = key.name(), "it has a use limit, and is not cached");
            return false;
        }
        let stored = self.cache.put(key, credential, &self.about(wanted));
        if let Err(error) = &stored {
            debug!(key = key.name(), %error, "cannot store it in the cache");
        }
        stored.is_ok()
    }

    /// Over all that decides how this is obtained.
    fn settings_of<O: Obtain>(&self, wanted: &O) -> Digest {
        match wanted.ways() {
            ways if ways.is_empty() => self.settings.0(),
            ways => Digest::of((self.settings.0().to_hex() + &ways).as_bytes()),
        }
    }

    fn about<O: Obtain>(&self, wanted: &O) -> About {
        let (consumer, profile) = self.asker.clone();
        About {
            consumer: consumer.map(ForeignText::from),
            profile: profile.map(ForeignText::from),
            ..wanted.about()
        }
    }

    /// Whether this runs in the background, where nobody could answer a question.
    #[must_use]
    pub const fn is_unattended(&self) -> bool {
        matches!(self.purpose, Purpose::Refresh)
    }

    /// Whether something that happened at `at` happened in this run, or in one that ran beside it. What
    /// is still to come by this clock happened before the clock jumped back.
    #[must_use]
    pub fn is_news(&self, at: Timestamp) -> bool {
        at >= self.started && at <= self.clock.now().at
    }
}

/// Waits for what is not to be broken off.
pub fn finish<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    as_one_type(work, |work| {
        block_on(pin!(async {
            work.await;
            Ok(())
        }))
    })
}

/// Waits for what takes its time, unless this run is to end; the spinner says what it is `doing`, and an
/// interruption what it was getting.
pub fn wait_beside<T>(
    spinner: &Spinner,
    doing: &Message,
    what: &Message,
    work: impl Future<Output = T>,
) -> Result<T> {
    as_one_type(async { Ok(work.await) }, |work| wait_for(work, what, true, spinner, doing))
}

#[inline(never)]
fn wait_for(
    work: Work<'_>,
    what: &Message,
    watches_parent: bool,
    spinner: &Spinner,
    doing: &Message,
) -> Result<()> {
    block_on(pin!(async {
        tokio::select! {
            // Signals are heard before the work starts a program, which a signal must end too.
            biased;
            error = interruption::interruption(what, watches_parent) => Err(error),
            () = work => Ok(()),
            never = spinner.turn(doing) => match never {},
        }
    }))
}

/// Something to wait for.
type Work<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// Does a work by `wait`, which need not be made for each type of work and of result.
fn as_one_type<T>(
    work: impl Future<Output = Result<T>>,
    wait: impl FnOnce(Work<'_>) -> Result<()>,
) -> Result<T> {
    let mut result = None;
    wait(pin!(async { result = Some(work.await) }))?;
    result.unwrap_or_else(|| Err(Error::Internal("what was waited for is not there".into())))
}

/// One run's wish for one credential, and what has become of it so far.
struct Attempt<'a, T> {
    broker: &'a Broker,
    key: &'a Key,
    settings: Digest,
    least_life: Duration,
    refused: Option<&'a T>,
}

impl<T: Restable + PartialEq> Attempt<'_, T> {
    /// The result that another process, or an earlier run, has reached for us.
    fn settled(&self) -> Option<Result<Credential<T>>> {
        let resting = match self.acceptable() {
            Ok(resting) => resting,
            Err(error) => return Some(Err(error)),
        };
        if let Some(credential) = resting {
            let freshness =
                Freshness::judge(&credential.lifetime, self.least_life, self.broker.clock.now());
            if self.broker.suffices(freshness) {
                return Some(Ok(credential));
            }
        }
        let memo = memo::recall(&self.broker.cache, self.key, self.settings)?;
        let now = self.broker.clock.now().at;
        let can_do_without =
            || matches!(self.broker.purpose, Purpose::Answer(_)) && self.alive().is_some();
        let holds = memo.holds_at(now) || (memo.is_recent(now) && can_do_without());
        let is_news = self.broker.is_news(memo.at) && !memo.for_background;
        let counts = is_news || (holds && !self.wants_new());
        counts.then(|| {
            debug!(key = self.key.name(), "not asked again: it failed a moment ago");
            self.fall_back(memo.into_error())
        })
    }

    /// After a failure: the credential of before, while it is still alive. A run that asked for a
    /// new one is told the failure instead.
    fn fall_back(&self, failure: Error) -> Result<Credential<T>> {
        if self.wants_new() {
            return Err(failure);
        }
        let Some(credential) = self.alive() else { return Err(failure) };
        info!("{failure}; using the credential of before, which is still valid");
        Ok(credential)
    }

    /// What rests in the cache, while it is still alive.
    fn alive(&self) -> Option<Credential<T>> {
        let now = self.broker.clock.now();
        self.acceptable().ok()?.filter(|credential| !credential.lifetime.left(now).is_zero())
    }

    /// What rests in the cache, unless it is what we want to get away from.
    fn acceptable(&self) -> Result<Option<Credential<T>>> {
        let Some(credential) = self.broker.cache.get::<T>(self.key)? else { return Ok(None) };
        let refused = self.refused.is_some_and(|refused| *refused == credential.secret);
        let too_old =
            self.broker.force_refresh && !self.broker.is_news(credential.lifetime.obtained_at);
        Ok((!refused && !too_old).then_some(credential))
    }

    const fn wants_new(&self) -> bool {
        self.broker.force_refresh || self.refused.is_some()
    }
}

#[cfg(test)]
mod tests;
