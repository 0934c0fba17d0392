//! The system's keyring: the Secret Service of a desktop (GNOME Keyring, KWallet, KeePassXC), the Keychain of
//! macOS, the Credential Manager of Windows.
//!
//! It is opened on first use. Calls run on their own thread with a deadline, so that a hanging keyring does not hang
//! the run. `system` makes them, with the crates of the `keyring` family.
//!
//! While a prompt is open (a password, or `KeePassXC`'s confirmation for each item), a call may take as long as the
//! run, and a notice is shown on a terminal. Without a prompt, the keyring must answer within 3 s. Each case has its
//! own error. Background processes open no prompt.
//!
//! Values are text, because `KWallet` stores nothing else. `parts` splits those that are too large for Windows.

mod parts;
mod problem;
mod prompts;
mod system;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::clock::Deadline;
pub use problem::Problem;
use prompts::Prompts;
pub use prompts::forbid_prompts;

/// The service attribute of all items.
const SERVICE: &str = "yc-id-token";

/// How long a keyring may be silent: a healthy one answers within a tenth of a second.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a person may take to answer a prompt. On a terminal, a silent keyring gets as much, because some show a
/// window without a prompt on the bus.
pub const PROMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a wait checks whether a prompt is open.
const TICK: Duration = Duration::from_millis(50);

/// What a system's keyring can do.
trait Items {
    /// How many bytes an item can hold, besides the first line of [`parts`].
    fn capacity(&self) -> usize;

    /// The text under a name.
    fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem>;

    /// Stores a text under a name, and replaces any old one.
    fn set(&mut self, name: &str, text: &str) -> Result<(), Problem>;

    /// Removes the text under a name, and returns whether there was one.
    fn remove(&mut self, name: &str) -> Result<bool, Problem>;
}

type Opener = fn(&Prompts) -> Result<Box<dyn Items>, Problem>;

type Job = Box<dyn FnOnce(Result<&mut dyn Items, Problem>) + Send>;

/// The keyring, not opened until it is needed.
#[derive(Debug)]
pub struct Keyring {
    opener: Opener,
    deadline: Option<Deadline>,
    /// How long each call waits for a person.
    people: Duration,
    worker: OnceLock<Worker>,
}

#[derive(Debug)]
struct Worker {
    jobs: mpsc::Sender<Job>,
    prompts: Prompts,
    /// Why the worker was abandoned. It is not used again.
    given_up: OnceLock<Problem>,
}

impl Keyring {
    /// The keyring of the user. No call waits beyond the deadline.
    pub const fn of_system(deadline: Option<Deadline>) -> Self {
        Self::opened_by(system::open, deadline, PROMPT_TIMEOUT)
    }

    /// The keyring of the user, for commands that change it. The time for prompts is for each call, not for the
    /// whole run, so that a failed change can still be undone.
    pub const fn for_changes(people: Duration) -> Self {
        Self::opened_by(system::open, None, people)
    }

    const fn opened_by(opener: Opener, deadline: Option<Deadline>, people: Duration) -> Self {
        Self { opener, deadline, people, worker: OnceLock::new() }
    }

    /// Opens it, and unlocks it if it is locked.
    pub fn open(&self) -> Result<(), Problem> {
        self.call(|_| Ok(()))
    }

    /// The value under a name; `None` also if it is incomplete.
    pub fn get(&self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        let name = name.to_owned();
        self.call(move |items| parts::get(items, &name))
    }

    /// Stores a value under a name, and replaces any old one. Other processes read either the old or the new value.
    pub fn set(&self, name: &str, value: Zeroizing<String>) -> Result<(), Problem> {
        let name = name.to_owned();
        self.call(move |items| parts::set(items, &name, &value))
    }

    /// Removes the value under a name, and returns whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, Problem> {
        let name = name.to_owned();
        self.call(move |items| parts::remove(items, &name))
    }

    /// The same, but fails if it takes a prompt.
    pub fn remove_without_prompt(&self, name: &str) -> Result<bool, Problem> {
        let prompts = self.worker().prompts.clone();
        let name = name.to_owned();
        self.call(move |items| {
            let _silent = prompts.forbid_for_now();
            parts::remove(items, &name)
        })
    }

    fn worker(&self) -> &Worker {
        self.worker.get_or_init(|| Worker::start(self.opener))
    }

    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Items) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let worker = self.worker();
        if let Some(problem) = worker.given_up.get() {
            return Err(problem.clone());
        }
        let (reply, result) = mpsc::channel();
        let job: Job = Box::new(move |items| {
            // The caller may have given up.
            let _ = reply.send(items.and_then(work));
        });
        // If the thread has ended, `wait` sees that the other end of `result` is dropped.
        let _ = worker.jobs.send(job);
        self.wait(&result, &worker.prompts)
            .unwrap_or_else(|problem| Err(worker.given_up.get_or_init(|| problem).clone()))
    }

    /// Waits for the end of a job. On an error, the keyring is abandoned.
    fn wait<T>(&self, result: &mpsc::Receiver<T>, prompts: &Prompts) -> Result<T, Problem> {
        let begin = Instant::now();
        let mut quiet_since = begin;
        let (patience, people) = match (is_at_terminal(), self.deadline) {
            (true, _) => (self.people, self.people),
            // Without a terminal, a prompt may take the time limit of the run.
            (false, Some(deadline)) => (SILENCE_TIMEOUT, deadline.budget()),
            (false, None) => (self.people.min(SILENCE_TIMEOUT), self.people),
        };
        loop {
            let asks = prompts.is_open();
            if asks {
                prompts.show_notice();
            }
            let (since, patience) = if asks { (begin, people) } else { (quiet_since, patience) };
            let left = patience.saturating_sub(since.elapsed());
            let left = self.deadline.map_or(left, |deadline| left.min(deadline.left()));
            if left.is_zero() {
                let waited = begin.elapsed();
                return Err(if asks { Problem::Unanswered(waited) } else { Problem::Slow(waited) });
            }
            match result.recv_timeout(left.min(TICK)) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Problem::Failed("the thread that calls it has ended".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if asks {
                // After the prompt, the keyring gets its full time again.
                quiet_since = Instant::now();
            }
        }
    }
}

/// Whether a user can see the notice.
pub fn is_at_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}

impl Worker {
    fn start(open: Opener) -> Self {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let prompts = Prompts::default();
        let its = prompts.clone();
        // It ends when the `Keyring` is dropped. If it cannot be started, its first job fails.
        let _ = std::thread::Builder::new().name("keyring".into()).spawn(move || {
            let mut items = open(&its);
            for job in waiting {
                job(match &mut items {
                    Ok(items) => Ok(items.as_mut()),
                    Err(problem) => Err(problem.clone()),
                });
            }
        });
        Self { jobs, prompts, given_up: OnceLock::new() }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A keyring in memory.

    use std::collections::BTreeMap;

    use super::*;

    /// Its items, and after how many changes it fails.
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
        fn capacity(&self) -> usize {
            2_400
        }

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
            Self::opened_by(|_| Ok(Box::new(Fake::default())), None, PROMPT_TIMEOUT)
        }

        /// One that stores nothing.
        pub(crate) const fn full() -> Self {
            Self::opened_by(
                |_| Ok(Box::new(Fake { breaks_after: Some(0), ..Fake::default() })),
                None,
                PROMPT_TIMEOUT,
            )
        }

        /// One that cannot be used.
        pub(crate) fn absent() -> Self {
            Self::opened_by(|_| Err(Problem::Absent("there is none".into())), None, PROMPT_TIMEOUT)
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
    fn a_stored_value_is_read_until_it_is_removed() {
        let keyring = Keyring::fake();
        assert_eq!(keyring.get("a").unwrap(), None);
        keyring.set("a", "secret".to_owned().into()).unwrap();
        assert_eq!(keyring.get("a").unwrap().unwrap().as_str(), "secret");
        assert!(keyring.remove("a").unwrap());
        assert!(!keyring.remove("a").unwrap());
        assert_eq!(keyring.get("a").unwrap(), None);
    }

    #[test]
    fn a_silent_keyring_and_an_unanswered_prompt_are_different_errors() {
        let soon = |opener: Opener| {
            let deadline = Deadline::within(Duration::from_millis(20));
            Keyring::opened_by(opener, Some(deadline), PROMPT_TIMEOUT)
        };
        let hangs: Opener = |_| {
            hang();
            Err(Problem::Empty)
        };
        let slow = soon(hangs);
        assert!(matches!(slow.open(), Err(Problem::Slow(_))));
        assert!(matches!(slow.get("a"), Err(Problem::Slow(_))), "and is not waited for again");
        let asks: Opener = |prompts| {
            prompts.set_open(true);
            hang();
            Err(Problem::Empty)
        };
        // Before its thread reaches the prompt, the keyring only looks slow.
        let told = |_: &usize| matches!(soon(asks).open(), Err(Problem::Unanswered(_)));
        assert!((0..1000).find(told).is_some());
    }

    #[test]
    fn a_prompt_may_take_longer_than_a_silent_keyring() {
        let answered: Opener = |prompts| {
            prompts.set_open(true);
            std::thread::sleep(SILENCE_TIMEOUT + 2 * TICK);
            prompts.set_open(false);
            Ok(Box::new(fake::Fake::default()))
        };
        Keyring::opened_by(answered, None, PROMPT_TIMEOUT).open().unwrap();
    }

    #[test]
    fn a_keyring_that_cannot_be_opened_fails_each_call() {
        let keyring = Keyring::opened_by(|_| Err(Problem::Empty), None, PROMPT_TIMEOUT);
        assert!(matches!(keyring.open(), Err(Problem::Empty)));
        assert!(matches!(keyring.get("a"), Err(Problem::Empty)));
    }
}
