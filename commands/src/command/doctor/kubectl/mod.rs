//! Kubeconfigs whose exec plugin is this program (Kubernetes documentation, "client-go credential plugins").
//!
//! kubectl itself reads its files and calls its API servers. Without kubectl, this module reads the files by the same
//! rules.

mod context;
mod entry;
mod kubeconfig;
mod policy;
mod scalar;
mod whoami;

use std::path::{Path, PathBuf};

use crate::error::{Exit, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::kubeconfig::kubeconfig_paths;
use crate::message;
use crate::run::Run;

use super::Checks;
use super::entry::Entries;
use super::launch::Launch;
use super::programs::{Program, Programs};
use super::report::Group;
use crate::command::query::NoAnswer;
use entry::Entry;
use kubeconfig::{Exec, Kubeconfig, Reading, Unreadable};
use policy::Policy;

const CORRECT: &str = "correct the file until `kubectl config view` prints it";

/// Checks the kubeconfigs. Returns the users that run this program, with the clusters to call for them.
pub(super) fn check(
    checks: &Checks<'_>,
    programs: &Programs,
    group: &mut Group<'_>,
) -> (Entries, Option<Clusters>) {
    let kubectl = programs.kubectl.as_ref();
    if let Some(kubectl) = kubectl {
        kubectl.report(group);
    }
    let files = kubeconfig_paths(checks.env, checks.locations.home.as_deref());
    let (mut entries, mut clusters) = (Entries::default(), None);
    let (mentioned, by_kubectl) = match read(checks, kubectl, &files, group) {
        Read::Config { config, by_kubectl } => {
            let kubectl = kubectl.filter(|_| by_kubectl);
            let look = Scan { checks, kubectl, files: &files, config: &config };
            let right = look.check(&mut entries, group);
            clusters = Some(Clusters { config, right });
            (entries.is_mentioned, by_kubectl)
        }
        // The reason has been reported.
        Read::Nothing { mentioned } => {
            entries.is_mentioned = files.iter().any(|file| kubeconfig::mentions(file));
            (mentioned, true)
        }
    };
    match kubectl {
        None if mentioned || checks.consumer.is_some() => group.warning(
            "kubectl is not on the PATH, so the kubeconfig was read without it",
            "install kubectl, unless only other programs read the kubeconfig",
        ),
        Some(_) if mentioned && !by_kubectl => group.warning(
            "the kubeconfig was read without kubectl, because it does not work",
            "once `kubectl config view` works in a terminal, run this again",
        ),
        _ => {}
    }
    if !mentioned {
        group.good("no kubeconfig uses yc-id-token; `yc-id-token setup kubectl` adds a user");
    }
    (entries, clusters)
}

/// The kubeconfig, and its users without problems.
pub(super) struct Clusters {
    config: Kubeconfig,
    right: Vec<WorkingUser>,
}

/// A user without problems.
struct WorkingUser {
    user: String,
    /// The opened run of its identity, if its arguments can be read.
    run: Option<Run>,
}

impl Clusters {
    /// Calls the clusters of the users without problems.
    pub(super) fn call(&self, checks: &Checks<'_>, programs: &Programs, group: &mut Group<'_>) {
        if let Some(kubectl) = &programs.kubectl {
            whoami::check(checks, kubectl, self, group);
        }
    }
}

enum Read {
    Config {
        config: Kubeconfig,
        by_kubectl: bool,
    },
    /// It cannot be read, which has been reported.
    Nothing {
        mentioned: bool,
    },
}

fn read(
    checks: &Checks<'_>,
    kubectl: Option<&Program>,
    files: &[PathBuf],
    group: &mut Group<'_>,
) -> Read {
    // A kubectl that hangs or is broken has been reported already.
    let working = kubectl.filter(|kubectl| kubectl.version.is_ok());
    let asked = working.and_then(|kubectl| {
        let question = Kubeconfig::by_kubectl(&kubectl.path, checks.part());
        checks.wait("reading the kubeconfig", question)
    });
    match asked {
        Some(Reading::Read(config)) => return Read::Config { config, by_kubectl: true },
        Some(Reading::Refused(message)) => {
            let mentioned = files.iter().any(|file| kubeconfig::mentions(file));
            let text = message!("kubectl refuses its configuration: {message}", message);
            let fix = CORRECT;
            if mentioned || checks.consumer.is_some() {
                group.bad(Exit::Configuration, text, fix);
            } else {
                group.warning(text, fix);
            }
            return Read::Nothing { mentioned: true };
        }
        Some(Reading::Unanswered(reason)) => {
            let text = message!("`kubectl config view` {}", reason.describe());
            if let NoAnswer::NoTime = reason {
                group.warning(text, "give more time with `--timeout`");
            } else {
                let fix = "run `kubectl config view` in a terminal: kubectl hangs or cannot be run";
                group.bad(Exit::Configuration, text, fix);
            }
        }
        Some(Reading::Failed(status)) => group.bad(
            Exit::Configuration,
            message!(
                "`kubectl config view` fails without a reason ({})",
                ForeignText::new(&status.to_string())
            ),
            "run `kubectl config view` in a terminal: kubectl is broken, or another program has that name",
        ),
        Some(Reading::NoKubeconfig) => group.warning(
            "`kubectl config view --raw -o json` prints no kubeconfig",
            "run `kubectl config view` in a terminal: kubectl is broken, or another program has that name",
        ),
        None => {}
    }
    by_files(files, group)
}

/// Reads the files without kubectl.
fn by_files(files: &[PathBuf], group: &mut Group<'_>) -> Read {
    let mut config = Kubeconfig::default();
    let mut mentioned = false;
    for file in files {
        match Kubeconfig::by_file(file) {
            Ok(Some(more)) => config.extend(more),
            Ok(None) => {}
            // Only errors of files that mention this program are errors here.
            Err(Unreadable { problem, mentions: true }) => {
                mentioned = true;
                group.bad(
                    Exit::Configuration,
                    message!("{}: {problem}", shown(file), problem),
                    CORRECT,
                );
            }
            Err(Unreadable { problem, mentions: false }) => group.warning(
                message!("{}: {problem}", shown(file), problem),
                "check the owner of the file, and that you may read it",
            ),
        }
    }
    if mentioned {
        return Read::Nothing { mentioned };
    }
    Read::Config { config, by_kubectl: false }
}

/// The input of the checks.
struct Scan<'a> {
    checks: &'a Checks<'a>,
    /// kubectl, if it works.
    kubectl: Option<&'a Program>,
    files: &'a [PathBuf],
    config: &'a Kubeconfig,
}

impl Scan<'_> {
    /// Adds the users that run this program to the entries, and returns those without problems.
    fn check(&self, entries: &mut Entries, group: &mut Group<'_>) -> Vec<WorkingUser> {
        let own_exec: Vec<_> = self.config.users.iter().filter_map(Self::own_exec).collect();
        if own_exec.is_empty() {
            return Vec::new();
        }
        entries.is_mentioned = true;
        let policy = self.kubectl.and_then(|kubectl| Policy::read(self.checks, kubectl, group));
        let mut right = Vec::new();
        for (user, exec, launch, credentials) in &own_exec {
            let origin = self.file_of(user);
            let place = match &origin {
                Some(file) => message!("user `{}` of {}", ForeignText::new(user), shown(file)),
                None => message!("user `{}`", ForeignText::new(user)),
            };
            let folder = origin.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
            let entry =
                Entry { checks: self.checks, place: &place, exec, launch, credentials, folder };
            let mut findings = entry.findings();
            findings.bad.extend(policy.as_ref().and_then(|policy| policy.problem(&entry)));
            if let Some(plugin) = &findings.plugin {
                context::check(self.config, user, &entry, plugin, &mut findings.found);
            }
            let entry::Findings { bad, found, plugin } = findings;
            let is_right = bad.is_empty() && found.bad.is_empty();
            let (run, entry) = plugin.map(|plugin| (plugin.run, plugin.entry)).unzip();
            group.profile = entry.as_ref().and_then(|entry| entry.target.profile.clone());
            for (problem, fix) in bad.into_iter().chain(found.bad) {
                group.bad(Exit::Configuration, message!("{place}: {problem}", place, problem), fix);
            }
            for (warning, fix) in found.warnings {
                group.warning(message!("{place}: {warning}", place, warning), fix);
            }
            if is_right {
                let profile = entry.as_ref().map(|entry| entry.target.shown());
                group.good(message!("{place} is correct{}", profile.unwrap_or_default(), place));
                right.push(WorkingUser { user: (*user).to_owned(), run });
            }
            entries.usable.extend(entry);
        }
        group.profile = None;
        let names: Vec<&str> = own_exec.iter().map(|(user, ..)| *user).collect();
        context::check_users(self.config, &names, group);
        context::check_current(self.config, group);
        right
    }

    /// The exec plugin of a user, if it is this program.
    fn own_exec(
        user: &kubeconfig::User,
    ) -> Option<(&str, &Exec, Launch, &kubeconfig::Credentials)> {
        let credentials = user.user.as_ref()?;
        let exec = credentials.exec.as_ref()?;
        let command = exec.command.as_deref().unwrap_or_default();
        let arguments = exec.args.as_deref().unwrap_or_default();
        let own = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
        let is_known = |word: &str| {
            let path = Path::new(word);
            let is_path = path.is_absolute() && own.is_some();
            is_path && path.canonicalize().ok() == own
        };
        let launch = Launch::find(command, arguments, is_known)?;
        Some((&user.name, exec, launch, credentials))
    }

    /// The file that defines a user: the first that has the name, as for kubectl.
    fn file_of(&self, user: &str) -> Option<PathBuf> {
        if let [only] = self.files {
            return Some(only.clone());
        }
        let has_it = |file: &&PathBuf| matches!(Kubeconfig::by_file(file), Ok(Some(config)) if config.has_user(user));
        self.files.iter().find(has_it).cloned()
    }
}

/// Parses a kubeconfig and the commands in it, for the fuzz target.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz_kubeconfig(data: &[u8]) {
    if let Ok(Some(config)) = Kubeconfig::parse(data) {
        for user in &config.users {
            let _ = Scan::own_exec(user);
        }
    }
}

/// Problems and their fixes, of an entry or of the contexts that use it.
#[derive(Default)]
struct Found {
    bad: Vec<(Message, Message)>,
    warnings: Vec<(Message, Message)>,
}
