//! The cache folder: its owner, its permissions, and whether files can be written and locked there.

use std::path::{Path, PathBuf};

use crate::cache::FileCache;
use crate::error::{Exit, MOVE_CACHE, plain, shown};
use crate::private_file::{self, CHECKS_PERMISSIONS};
use crate::settings::CacheSetting;

use super::profile::ProfileCheck;
use super::report::Group;
use crate::foreign_text::Message;
use crate::message;

/// Everything stored there takes less space than this.
const SPACE: u64 = 1024 * 1024;

pub(super) fn check(check: &ProfileCheck<'_>, group: &mut Group<'_>) {
    let checks = check.checks;
    let setting = check.settings.as_ref().map(|settings| &settings.cache);
    if let Some(setting) = setting.filter(|setting| setting.value == CacheSetting::None) {
        group.warning(
            message!("nothing is cached ({})", setting.origin),
            "every run calls the servers; set `cache = \"file\"` to cache credentials",
        );
        return;
    }
    let Some(folder) = checks.locations.cache_folder.clone() else {
        group.warning(
            "there is no home folder to store credentials in: every run calls the servers",
            MOVE_CACHE,
        );
        return;
    };
    // The folder is the same for all profiles.
    if checks.has_checked_cache.replace(true) {
        return;
    }
    match std::fs::symlink_metadata(&folder) {
        Ok(_) => {
            if !is_private(&folder, group) {
                return;
            }
        }
        Err(_) => {
            let files = FileCache::new(folder.clone(), None);
            if let Err(error) = files.prepare() {
                unusable(&folder, &plain(&error), group);
                return;
            }
            let text = message!("{} was created: it", shown(&folder));
            report_closed(CHECKS_PERMISSIONS, &folder, &text, group);
        }
    }
    if private_file::locks_can_hang(&folder) {
        let locks = checks.locations.runtime_folder.clone();
        group.warning(
            message!(
                "{} is on a network: {}",
                shown(&folder),
                match locks {
                    Some(locks) => message!("locks are taken in {}", shown(&locks)),
                    None =>
                        "no locks are taken, and runs at the same time do not share a token".into(),
                }
            ),
            message!("{MOVE_CACHE} on this machine", MOVE_CACHE),
        );
    }
    if let Some(left) = private_file::space_left(&folder).filter(|left| *left < SPACE) {
        group.warning(
            message!("there are {left} bytes left for {}", shown(&folder), left),
            "free some space: a token that cannot be stored is fetched again by every run",
        );
    }
    match try_out(&folder) {
        Ok(()) => group.good("files can be written and locked there"),
        Err(error) => unusable(&folder, &plain(&error), group),
    }
}

fn unusable(folder: &Path, problem: &Message, group: &mut Group<'_>) {
    group.bad(
        Exit::Cache,
        message!(
            "{} cannot be used: {problem}; every run calls the servers",
            shown(folder),
            problem
        ),
        or_move_it("make it writable for this user"),
    );
}

/// Whether the folder is safe to use.
fn is_private(folder: &Path, group: &mut Group<'_>) -> bool {
    let name = shown(folder);
    match private_file::look_at_folder(folder) {
        Ok(0) => {
            report_closed(CHECKS_PERMISSIONS, folder, &message!("{name}", name), group);
            true
        }
        Ok(open) => {
            group.warning(
                message!(
                    "{name} is open to others (mode {open:04o}), until the next run writes there",
                    name,
                    open
                ),
                message!("run `chmod 700 {name}`", name),
            );
            true
        }
        Err(error) => {
            group.bad(
                Exit::Cache,
                message!("{name} is not used: {}", plain(&error), name),
                or_move_it("remove it"),
            );
            false
        }
    }
}

/// The hint for an unusable folder.
fn or_move_it(first: &'static str) -> Message {
    // The hint of Windows has no other folder.
    if cfg!(windows) {
        first.into()
    } else {
        message!("{first}, or {MOVE_CACHE}", first, MOVE_CACHE)
    }
}

/// Reports that a folder is closed to others, where that was checked.
fn report_closed(is_checked: bool, folder: &Path, text: &Message, group: &mut Group<'_>) {
    if is_checked {
        group.good(message!("{text} is closed to others", text));
    } else {
        group.unchecked(folder);
    }
}

fn try_out(folder: &Path) -> std::io::Result<()> {
    let place = |end: &str| -> PathBuf {
        let name = format!("{}doctor-{}{end}", private_file::TEMPORARY, std::process::id());
        folder.join(name)
    };
    let (file, lock) = (place(""), place(".lock"));
    let tried = private_file::write(&file, b"probe").and_then(|()| {
        // No lock is taken where taking one could hang.
        if private_file::locks_can_hang(folder) {
            return Ok(());
        }
        private_file::open_lock(&lock)?.try_lock().map_err(std::io::Error::from)
    });
    let _ = (std::fs::remove_file(&file), std::fs::remove_file(&lock));
    tried
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;
    use crate::colour::Colours;

    #[test]
    fn a_folder_is_called_closed_only_where_its_permissions_are_checked() {
        let tell = |is_checked| {
            let mut report = Report::default();
            let group = &mut report.group("cache");
            report_closed(is_checked, Path::new("it"), &"it".into(), group);
            report.text(true, Colours::NONE).to_string()
        };
        assert!(tell(true).contains("✓ it is closed to others"));
        assert!(tell(false).contains("not checked") && !tell(false).contains('✓'));
    }
}
