//! The agent process: its tasks, signals, reload and end.
//!
//! Between two renewals it only wakes up for signals and the watchdog of the service manager.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::info;

use super::credential::{AgentCredential, log_failure};
use super::endpoint::{self, Served};
use super::plan::Plan;
use super::service_manager::ServiceManager;
use super::state::Shared;
use crate::consumer::kept_document::Place;
use crate::endpoint::{Listen, PassedSockets, Socket, serve as serve_endpoint};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::run::OwnedContext;
use crate::runtime::task;
use signals::{Event, Signals};

/// How long running renewals may take to end.
const GRACE: Duration = Duration::from_millis(100);

/// Writes all files once. Fails if one of them has no valid credential afterwards, or if its readers cannot be
/// notified.
pub(super) async fn write_once(plan: Plan, context: &Arc<OwnedContext>) -> Result<()> {
    if plan.files.is_empty() {
        return Err(Error::Missing {
            problem: "no files are configured for the agent, and `--once` serves no endpoints".into(),
            hint: "add a table `[[agent.files]]` to the configuration file, or run `yc-id-token agent` without `--once`".into(),
        });
    }
    let shared = Arc::new(Shared::default());
    let mut tasks = JoinSet::new();
    for planned in plan.files {
        let mut credential = AgentCredential::in_file(planned, &shared);
        let context = Arc::clone(context);
        tasks.spawn(async move { credential.write_once(&context).await });
    }
    tasks.join_all().await.into_iter().collect()
}

/// Keeps all files fresh until a signal ends the agent.
pub(super) async fn serve(
    plan: Plan,
    read_plan: &dyn Fn() -> Result<Plan>,
    context: &Arc<OwnedContext>,
    env: &Env,
) -> Result<()> {
    let mut signals = Signals::catch()?;
    let mut manager = ServiceManager::of(env);
    let mut sockets = Sockets { passed: PassedSockets::take(env), open: Vec::new() };
    sockets.bind(&plan)?;
    let mut kept = Kept::start(plan, &sockets, context)?;
    loop {
        tokio::select! {
            event = signals.next() => match event {
                Event::End => break,
                Event::Reload => {
                    manager.reloading();
                    let started = read_plan().and_then(|plan| {
                        sockets.bind(&plan)?;
                        Kept::start(plan, &sockets, context)
                    });
                    match started {
                        Ok(next) => {
                            kept.stop().await;
                            kept.remove(&next.files);
                            sockets.keep(&next.addresses);
                            kept = next;
                            info!("the configuration was read again");
                        }
                        Err(error) => {
                            sockets.keep(&kept.addresses);
                            log_failure("the configuration stays as it was", &error);
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
    kept.remove(&[]);
    info!("the agent ends");
    Ok(())
}

/// The sockets of all endpoints. They stay open during a reload.
struct Sockets {
    passed: PassedSockets,
    open: Vec<(Listen, Socket)>,
}

impl Sockets {
    /// Opens the sockets of a plan that are not open yet.
    fn bind(&mut self, plan: &Plan) -> Result<()> {
        for endpoint in &plan.endpoints {
            if self.of(&endpoint.listen).is_none() {
                let socket = Socket::bind(&endpoint.listen, &self.passed)?;
                endpoint.check(&socket)?;
                self.open.push((endpoint.listen.clone(), socket));
            }
        }
        Ok(())
    }

    fn of(&self, listen: &Listen) -> Option<&Socket> {
        self.open.iter().find(|(other, _)| other == listen).map(|(_, socket)| socket)
    }

    /// Closes all other sockets.
    fn keep(&mut self, addresses: &[Listen]) {
        self.open.retain(|(listen, _)| addresses.contains(listen));
    }
}

/// The tasks and files of the current configuration.
struct Kept {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    end: watch::Sender<bool>,
    /// All files that the agent created, and those of them to remove at the end.
    files: Vec<PathBuf>,
    temporary: Vec<PathBuf>,
    addresses: Vec<Listen>,
}

impl Kept {
    fn start(plan: Plan, sockets: &Sockets, context: &Arc<OwnedContext>) -> Result<Self> {
        let temporary: Vec<PathBuf> = plan.temporary().cloned().collect();
        let mut files = temporary.clone();
        files.extend(plan.files.iter().map(|file| file.path.clone()));
        let addresses = plan.endpoints.iter().map(|endpoint| endpoint.listen.clone()).collect();
        let shared = Arc::new(Shared::default());
        let (mut tasks, (end, _)) = (JoinSet::new(), watch::channel(false));
        let mut credentials: Vec<AgentCredential> = Vec::new();
        for planned in plan.files {
            credentials.push(AgentCredential::in_file(planned, &shared));
        }
        for mut planned in plan.endpoints {
            let secret = planned.open_secret(context.clock().now())?;
            let changing = secret.clone().filter(|_| planned.changes_secret());
            let (first_attempt, mut attempted) = mpsc::channel(1);
            let mut served = Vec::new();
            for (audience, source) in std::mem::take(&mut planned.documents) {
                let memory = Arc::default();
                let place = Place::Memory(Arc::clone(&memory), changing.clone());
                let name = planned.name_of(&audience);
                let first = first_attempt.clone();
                credentials.push(AgentCredential::in_memory(place, source, name, &shared, first));
                served.push(Served { audience, memory });
            }
            let endpoint =
                endpoint::open(&planned, secret, served, context.clock(), Arc::clone(&shared));
            drop(first_attempt);
            if let Some(socket) = sockets.of(&planned.listen) {
                let mut end = end.subscribe();
                let ended = async move { _ = end.wait_for(|ends| *ends).await };
                let serve = serve_endpoint(endpoint, socket, ended)?;
                // The client whose connection made systemd start the agent waits for a credential.
                let is_passed = matches!(planned.listen, Listen::Systemd(_));
                tasks.spawn(task(async move {
                    if is_passed {
                        attempted.recv().await;
                    }
                    serve.await;
                }));
            }
        }
        for credential in credentials {
            tasks.spawn(task(credential.keep(Arc::clone(context), end.subscribe())));
        }
        Ok(Self { shared, tasks, end, files, temporary, addresses })
    }

    async fn stop(&mut self) {
        let _ = self.end.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            self.tasks.abort_all();
        }
    }

    /// Removes temporary files, except those still in use.
    fn remove(&self, used: &[PathBuf]) {
        for path in self.temporary.iter().filter(|path| !used.contains(path)) {
            // The file may never have been written.
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

    /// The signals of an agent. A signal that was ignored when the agent started stays ignored.
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

    /// The signal that ends an agent on Windows: a console break.
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
