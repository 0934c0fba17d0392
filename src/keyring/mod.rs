//! The system's keyring: the Secret Service of a desktop (GNOME Keyring, KWallet, KeePassXC), the Keychain of
//! macOS, the Credential Manager of Windows.
//!
//! It is opened when a value is needed and not before. Whatever is asked of it is done by a thread of its own
//! and waited for until a deadline: a keyring that is locked waits for a human, who need not be there, and one
//! that hangs would have us hang.
//!
//! Values are text, as KWallet keeps nothing else. What is larger than a keyring takes is split: see `parts`.

mod parts;
mod problem;
#[cfg_attr(all(unix, not(target_os = "macos")), path = "secret_service/mod.rs")]
#[cfg_attr(not(all(unix, not(target_os = "macos"))), path = "native.rs")]
mod system;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Deadline;
pub use problem::Problem;

/// The service that all our items are under.
const SERVICE: &str = "yc-id-token";

/// How long nobody is waited for: a keyring that is well answers within a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a human is waited for, who may have to find and type a password.
const PATIENCE_AT_TERMINAL: Duration = Duration::from_secs(60);

/// What a system's keyring can do. An item holds a text of at most 2,560 bytes.
trait Items {
    /// The text under a name.
    fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem>;

    /// Keeps a text under a name, instead of what was there.
    fn set(&mut self, name: &str, text: &str) -> Result<(), Problem>;

    /// Removes what is under a name, and tells whether there was something.
    fn remove(&mut self, name: &str) -> Result<bool, Problem>;
}

/// Opens the keyring, and says so before it has a human asked for a password.
type Opener = fn(&Unlocking) -> Result<Box<dyn Items>, Problem>;

type Job = Box<dyn FnOnce(Result<&mut dyn Items, Problem>) + Send>;

/// Whether the keyring is locked, and a human is being asked to unlock it.
#[derive(Clone, Debug, Default)]
struct Unlocking(Arc<AtomicBool>);

impl Unlocking {
    fn set(&self, unlocking: bool) {
        self.0.store(unlocking, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The keyring, not opened until it is needed.
#[derive(Debug)]
pub struct Keyring {
    opener: Opener,
    deadline: Option<Deadline>,
    worker: OnceLock<Worker>,
}

#[derive(Debug)]
struct Worker {
    jobs: mpsc::Sender<Job>,
    unlocking: Unlocking,
    /// What it was given up for. It has not come back since, and is not waited for again.
    given_up: OnceLock<Problem>,
}

impl Keyring {
    /// The keyring of this user. Nothing is waited for longer than until the deadline.
    #[must_use]
    pub const fn of_system(deadline: Option<Deadline>) -> Self {
        Self { opener: system::open, deadline, worker: OnceLock::new() }
    }

    /// Opens it, and has it unlocked if it is locked.
    pub fn open(&self) -> Result<(), Problem> {
        self.call(|_| Ok(()))
    }

    /// The value under a name. What is not whole is not there.
    pub fn get(&self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        let name = name.to_owned();
        self.call(move |items| parts::get(items, &name))
    }

    /// Keeps a value under a name, instead of what was there. Whoever reads meanwhile gets the old one or the
    /// new one.
    pub fn set(&self, name: &str, value: Zeroizing<String>) -> Result<(), Problem> {
        let name = name.to_owned();
        self.call(move |items| parts::set(items, &name, &value))
    }

    /// Removes the value under a name, and tells whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, Problem> {
        let name = name.to_owned();
        self.call(move |items| parts::remove(items, &name))
    }

    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Items) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let worker = self.worker.get_or_init(|| Worker::start(self.opener));
        if let Some(problem) = worker.given_up.get() {
            return Err(problem.clone());
        }
        let (reply, result) = mpsc::channel();
        let job: Job = Box::new(move |items| {
            // Nobody may be waiting any more.
            let _ = reply.send(items.and_then(work));
        });
        let patience = self.patience();
        // A thread that is gone drops the job, and with it the other end of `result`.
        let _ = worker.jobs.send(job);
        result.recv_timeout(patience).unwrap_or_else(|error| {
            let problem = match error {
                RecvTimeoutError::Timeout if worker.unlocking.is_set() => Problem::Locked,
                RecvTimeoutError::Timeout => Problem::Slow(patience),
                RecvTimeoutError::Disconnected => Problem::Failed("it cannot be asked".into()),
            };
            Err(worker.given_up.get_or_init(|| problem).clone())
        })
    }

    fn patience(&self) -> Duration {
        let is_watched = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
        let patience = if is_watched { PATIENCE_AT_TERMINAL } else { PATIENCE };
        self.deadline.map_or(patience, |deadline| patience.min(deadline.left()))
    }
}

impl Worker {
    fn start(open: Opener) -> Self {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let unlocking = Unlocking::default();
        let its = unlocking.clone();
        // It ends with the keyring that it is for, or with the process. That it cannot be started is found out
        // by its first job.
        let _ = std::thread::Builder::new().name("keyring".into()).spawn(move || {
            let mut items = open(&its);
            its.set(false);
            for job in waiting {
                job(match &mut items {
                    Ok(items) => Ok(items.as_mut()),
                    Err(problem) => Err(problem.clone()),
                });
            }
        });
        Self { jobs, unlocking, given_up: OnceLock::new() }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A keyring in memory.

    use std::collections::BTreeMap;

    use super::*;

    /// What is kept, and after how many changes it breaks.
    #[derive(Default)]
    pub(super) struct Fake {
        pub(super) items: BTreeMap<String, String>,
        pub(super) breaks_after: Option<usize>,
    }

    impl Fake {
        fn change(&mut self) -> Result<(), Problem> {
            match &mut self.breaks_after {
                Some(0) => return Err(Problem::Failed("killed".into())),
                Some(left) => *left -= 1,
                None => {}
            }
            Ok(())
        }
    }

    impl Items for Fake {
        fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
            Ok(self.items.get(name).map(|text| text.clone().into()))
        }

        fn set(&mut self, name: &str, text: &str) -> Result<(), Problem> {
            self.change()?;
            assert!(text.len() <= 2_560, "{} bytes are more than Windows takes", text.len());
            self.items.insert(name.into(), text.into());
            Ok(())
        }

        fn remove(&mut self, name: &str) -> Result<bool, Problem> {
            self.change()?;
            Ok(self.items.remove(name).is_some())
        }
    }

    impl Keyring {
        /// An empty one.
        pub(crate) fn fake() -> Self {
            Self::opened_by(|_| Ok(Box::new(Fake::default())), None)
        }

        /// One that keeps nothing.
        pub(crate) const fn full() -> Self {
            Self::opened_by(
                |_| Ok(Box::new(Fake { breaks_after: Some(0), ..Fake::default() })),
                None,
            )
        }

        /// One that cannot be used.
        pub(crate) fn absent() -> Self {
            Self::opened_by(|_| Err(Problem::Absent("there is none".into())), None)
        }

        pub(super) const fn opened_by(opener: Opener, deadline: Option<Deadline>) -> Self {
            Self { opener, deadline, worker: OnceLock::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hang() {
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn what_is_kept_comes_back_until_it_is_removed() {
        let keyring = Keyring::fake();
        assert_eq!(keyring.get("a").unwrap(), None);
        keyring.set("a", "secret".to_owned().into()).unwrap();
        assert_eq!(keyring.get("a").unwrap().unwrap().as_str(), "secret");
        assert!(keyring.remove("a").unwrap());
        assert!(!keyring.remove("a").unwrap());
        assert_eq!(keyring.get("a").unwrap(), None);
    }

    #[test]
    fn one_that_hangs_is_given_up_and_told_from_one_that_is_locked() {
        let soon = || Some(Deadline::within(Duration::from_millis(20)));
        let hangs: Opener = |_| {
            hang();
            Err(Problem::Empty)
        };
        let slow = Keyring::opened_by(hangs, soon());
        assert!(matches!(slow.open(), Err(Problem::Slow(_))));
        assert!(matches!(slow.get("a"), Err(Problem::Slow(_))), "and is not waited for again");
        let asks: Opener = |unlocking| {
            unlocking.set(true);
            hang();
            Err(Problem::Empty)
        };
        // Until its thread has come so far, it is a slow one.
        let told =
            |_: &usize| matches!(Keyring::opened_by(asks, soon()).open(), Err(Problem::Locked));
        assert!((0..1000).find(told).is_some());
    }

    #[test]
    fn one_that_cannot_be_opened_says_why_each_time() {
        let keyring = Keyring::opened_by(|_| Err(Problem::Empty), None);
        assert!(matches!(keyring.open(), Err(Problem::Empty)));
        assert!(matches!(keyring.get("a"), Err(Problem::Empty)));
    }
}
