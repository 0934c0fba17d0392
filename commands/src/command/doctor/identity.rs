//! The identity: whether it is found, where it comes from, and whether it is safe and does not expire soon.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock::Deadline;
use crate::error::Result;
#[cfg(unix)]
use crate::error::shown;
use crate::keyring::Keyring;
use crate::message;
use crate::run::Run;
use crate::settings::{CacheSetting, IdentityKind};

use super::Checks;
use super::profile::ProfileCheck;
use super::report::Group;
use crate::foreign_text::ForeignText;

/// A healthy keyring answers within a tenth of a second.
const SLOW: Duration = Duration::from_millis(500);

/// Opens a run with the identity, within its part of the time limit.
pub(super) fn run(check: &ProfileCheck<'_>) -> Option<Result<Run>> {
    let mut settings = check.settings.clone()?;
    settings.timeout.value = check.checks.part();
    settings.force_refresh = true;
    let context = check.context.for_people();
    Some(Run::of(settings, context, Some("doctor")))
}

/// Checks the identity, and returns a run with it.
pub(super) fn check(check: &ProfileCheck<'_>, group: &mut Group<'_>) -> Option<Run> {
    let settings = check.settings.as_ref()?;
    let setting = settings.identity.clone();
    let in_keyring = setting.as_ref().is_some_and(|it| it.value.kind == IdentityKind::Keyring);
    if in_keyring || settings.cache.value == CacheSetting::Keyring {
        time_keyring(check.checks, group);
    }
    let run = match run(check)? {
        Ok(run) => run,
        Err(error) => {
            group.error(&error);
            return None;
        }
    };
    let identity = &run.source().identity;
    match &setting {
        None if identity.is_last_resort() => {}
        None => group.good(message!(
            "{}, the first one available, as no identity is set",
            identity.describe()
        )),
        Some(setting) => {
            group.good(message!("{}, from {}", identity.describe(), setting.origin));
        }
    }
    if let Some(file) = setting.as_ref().and_then(|setting| setting.value.secret_file()) {
        report_mode(file, group);
    }
    if let Some(acts_as) = &run.source().impersonated {
        group.good(message!(
            "it acts as service account `{acts_as}`",
            acts_as = ForeignText::new(acts_as)
        ));
    }
    if run.lookup_hint().is_some() {
        match run.service_account() {
            Ok(account) => group.good(message!(
                "the metadata service names its service account: `{}`",
                ForeignText::new(account)
            )),
            Err(error) => {
                check.checks.end_if_interrupted(&error);
                group.error(&error);
                return None;
            }
        }
    }
    // An identity that was found without a setting and has no account is reported as an error already.
    if let Some((problem, hint)) = identity.warning() {
        group.warning(problem, hint);
    }
    Some(run)
}

/// Opens the keyring, with its prompt if it is locked.
fn time_keyring(checks: &Checks<'_>, group: &mut Group<'_>) {
    let began = Instant::now();
    match Keyring::of_system(Some(Deadline::within(checks.part()))).open() {
        Ok(()) if began.elapsed() < SLOW => {
            group.good(message!("the keyring answers in {} ms", began.elapsed().as_millis()));
        }
        Ok(()) => group.warning(
            message!("the keyring takes {} ms to answer", began.elapsed().as_millis()),
            "unlock it at login, or set `cache = \"file\"`",
        ),
        Err(problem) => group.warning(message!("{problem}", problem), problem.hint()),
    }
}

/// A key that others can read has been reported as an error before this.
#[cfg(unix)]
fn report_mode(file: &Path, group: &mut Group<'_>) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = file.metadata() else { return };
    if metadata.is_file() {
        let mode = metadata.permissions().mode() & 0o777;
        group.good(message!("{} is closed to others (mode {mode:04o})", shown(file), mode));
    }
}

#[cfg(windows)]
fn report_mode(file: &Path, group: &mut Group<'_>) {
    group.unchecked(file);
}
