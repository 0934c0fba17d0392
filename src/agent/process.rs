//! The process of the agent: its files as tasks, signals, reload, and its end.
//!
//! Between two renewals it sleeps: it wakes up for signals and for the watchdog of the service manager only.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use super::file::ServedFile;
use super::plan::Plan;
use super::service_manager::ServiceManager;
use super::state::Shared;
use crate::env::Env;
use crate::error::Result;
use crate::run::OwnedContext;
use signals::{Event, Signals};

/// How long renewals that are under way may take to end.
const GRACE: Duration = Duration::from_millis(100);

/// Writes all files. It fails if one of them has no valid credential then.
pub(super) async fn write_once(plan: Plan, context: &Arc<OwnedContext>) -> Result<()> {
    let shared = Arc::new(Shared::default());
    let mut tasks = JoinSet::new();
    for (at, planned) in plan.files.into_iter().enumerate() {
        let mut file = ServedFile::new(planned, at, Arc::clone(&shared));
        let context = Arc::clone(context);
        tasks.spawn(async move { file.renew(&context).await });
    }
    let failure = tasks.join_all().await.into_iter().flatten().next();
    failure.map_or(Ok(()), Err)
}

/// Keeps all files until a signal ends the agent.
pub(super) async fn serve(
    plan: Plan,
    read_plan: &dyn Fn() -> Result<Plan>,
    context: &Arc<OwnedContext>,
    env: &Env,
) -> Result<()> {
    let mut signals = Signals::catch()?;
    let mut manager = ServiceManager::of(env);
    let mut kept = Kept::start(plan, context);
    loop {
        tokio::select! {
            event = signals.next() => match event {
                Event::End => break,
                Event::Reload => {
                    manager.reloading();
                    match read_plan() {
                        Ok(plan) => {
                            kept.stop_with(&plan).await;
                            kept = Kept::start(plan, context);
                            info!("the configuration was read again");
                        }
                        Err(error) => {
                            warn!("the configuration stays as it was: {}", error.with_code());
                        }
                    }
                    manager.reloaded();
                }
            },
            () = kept.shared.changed() => {
                let summary = kept.shared.summary(context.clock().now());
                manager.report(&summary, kept.shared.is_complete());
            }
            () = manager.watchdog() => {}
        }
    }
    manager.stopping();
    kept.stop().await;
    kept.remove(|_| true);
    info!("the agent ends");
    Ok(())
}

/// The files that are kept at a time.
struct Kept {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    end: watch::Sender<bool>,
    /// The files that are removed at the end.
    temporary: Vec<PathBuf>,
}

impl Kept {
    fn start(plan: Plan, context: &Arc<OwnedContext>) -> Self {
        let paths = plan.files.iter().map(|file| file.path.clone());
        let shared = Arc::new(Shared::of(paths));
        let temporary = plan.files.iter().filter(|file| file.remove_on_exit);
        let temporary = temporary.map(|file| file.path.clone()).collect();
        let (mut tasks, (end, _)) = (JoinSet::new(), watch::channel(false));
        for (at, planned) in plan.files.into_iter().enumerate() {
            let file = ServedFile::new(planned, at, Arc::clone(&shared));
            tasks.spawn(file.keep(Arc::clone(context), end.subscribe()));
        }
        Self { shared, tasks, end, temporary }
    }

    /// Ends all tasks.
    async fn stop(&mut self) {
        let _ = self.end.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            self.tasks.abort_all();
        }
    }

    /// Ends all tasks, and removes the files that are no longer kept.
    async fn stop_with(&mut self, next: &Plan) {
        self.stop().await;
        self.remove(|path| next.files.iter().all(|file| file.path != *path));
    }

    /// Removes those of the files that are temporary.
    fn remove(&self, is_meant: impl Fn(&PathBuf) -> bool) {
        for path in self.temporary.iter().filter(|path| is_meant(path)) {
            // It may never have been written.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
mod signals {
    use rustix::process::Signal;
    use tokio::signal::unix::{self, SignalKind, signal};

    use crate::error::{Cause, Error, Result};
    use crate::runtime::is_ignored;

    pub(super) enum Event {
        End,
        Reload,
    }

    /// The signals of an agent. Those that it was started to ignore stay ignored.
    pub(super) struct Signals {
        end: [Option<unix::Signal>; 2],
        reload: Option<unix::Signal>,
    }

    impl Signals {
        pub(super) fn catch() -> Result<Self> {
            let catch = |number: Signal| {
                let number = number.as_raw();
                let caught = (!is_ignored(number)).then(|| signal(SignalKind::from_raw(number)));
                caught.transpose().map_err(|error| {
                    Error::Internal(Cause::from(error).context("cannot wait for signals"))
                })
            };
            Ok(Self {
                end: [catch(Signal::TERM)?, catch(Signal::INT)?],
                reload: catch(Signal::HUP)?,
            })
        }

        pub(super) async fn next(&mut self) -> Event {
            let Self { end: [terminate, interrupt], reload } = self;
            tokio::select! {
                () = received(terminate) => Event::End,
                () = received(interrupt) => Event::End,
                () = received(reload) => Event::Reload,
            }
        }
    }

    async fn received(signal: &mut Option<unix::Signal>) {
        if let Some(signal) = signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(windows)]
mod signals {
    use tokio::signal::windows::{CtrlC, ctrl_c};

    use crate::error::{Cause, Error, Result};

    pub(super) enum Event {
        End,
        #[expect(dead_code, reason = "Windows has no signal for it")]
        Reload,
    }

    /// What ends an agent: a break of the console.
    pub(super) struct Signals(CtrlC);

    impl Signals {
        pub(super) fn catch() -> Result<Self> {
            let failed =
                |error| Error::Internal(Cause::from(error).context("cannot wait for a break"));
            ctrl_c().map(Self).map_err(failed)
        }

        pub(super) async fn next(&mut self) -> Event {
            if self.0.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            Event::End
        }
    }
}
