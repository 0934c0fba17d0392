//! `setup --undo`: removes what the last run wrote, in all files together.
//!
//! A file that has not changed since is restored from its backup, or removed if the run created it. In a changed file,
//! exactly the lines that the run added are removed. If these lines have changed, nothing is changed.

use std::path::Path;

use super::aws::check_readable as check_aws;
use super::changes::{Consent, FileChange, FileKind, apply, stamp};
use super::diff::Hunk;
use super::record::{ChangedFile, Record, state};
use crate::command::config::parse;
use crate::consumer::VaultHelper;
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::kubeconfig::Document;
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::problems;
use crate::settings::schema::PROFILE;

const WHAT: &str = "the changed file";

pub(super) fn run(consent: &Consent, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let (path, record) = Record::last(context, context.flags.get(&PROFILE))?;
    let mut files = Vec::new();
    for changed in &record.files {
        files.extend(undone(changed, context)?);
    }
    let is_unchanged = |made: &&Path| {
        record.made.iter().any(|it| it.path == *made && state(made).as_ref() == Some(&it.state))
    };
    let made: Vec<&Path> =
        record.made.iter().map(|made| &*made.path).filter(is_unchanged).collect();
    let mut shown_changes: Vec<Message> = files.iter().map(FileChange::diff).collect();
    shown_changes.extend(made.iter().map(|path| message!("remove {}\n", shown(path))));
    let profile = ForeignText::new(&record.profile);
    if shown_changes.is_empty() {
        shown_changes.push(message!(
            "Nothing is left to undo of the last run for the profile `{profile}`.\n",
            profile
        ));
    }
    if !consent.obtain(&files, &mut shown_changes, output)? {
        return Ok(());
    }
    let (mut done, _) = apply(Vec::new(), &files, &stamp(context.clock.now().at))?;
    // Last, because the other files refer to them until then.
    let unused = files.iter().filter_map(FileChange::used_backup);
    for path in made.into_iter().chain(unused) {
        done.push(match std::fs::remove_file(path) {
            Ok(()) => message!("removed    {}", shown(path)),
            Err(cause) => message!("left       {}: {}", shown(path), Error::unwritten(path, cause)),
        });
    }
    std::fs::remove_file(&path).map_err(|cause| Error::unwritten(&path, cause))?;
    shown_changes.push(message!(
        "{}\nThe last run of `setup` for the profile `{profile}` is undone.",
        Message::join(&done, "\n"),
        profile
    ));
    output.say(&Message::join(&shown_changes, "\n"))
}

/// The change that undoes an edit; `None` if there is nothing to undo.
fn undone(changed: &ChangedFile, context: Context<'_>) -> Result<Option<FileChange>> {
    let ChangedFile { path, kind, existed, before, after, .. } = changed;
    let file = EditedFile::open(WHAT, path)?;
    let now = file.digest();
    if !file.exists() || now == *before {
        return Ok(None);
    }
    let backup =
        changed.backup.as_ref().map(|backup| EditedFile::open(WHAT, backup)).transpose()?;
    let backup = backup.filter(|backup| backup.digest() == *before);
    if now == *after {
        if !existed {
            return Ok(Some(FileChange::removing(*kind, file)));
        }
        if let Some(backup) = backup {
            return Ok(Some(FileChange::restoring(*kind, file, backup)));
        }
    }
    let old = if *existed { backup.as_ref().map(EditedFile::text) } else { Some("") };
    let Some(text) = without(file.text(), &changed.hunks, *kind, old) else {
        return Err(changed_since(changed));
    };
    check(*kind, path, file.text(), &text, context)?;
    // `check` has read it.
    Ok(Some(FileChange::new(*kind, file, text, |_| Ok(()))))
}

/// The text without the added lines, and with the lines that they replaced, which are in `old`. `None` if the added
/// lines are not in the text exactly once, or if lines below them belong to them, or if no lines were recorded.
fn without(text: &str, hunks: &[Hunk], kind: FileKind, old: Option<&str>) -> Option<String> {
    if hunks.is_empty() {
        return None;
    }
    let old: Option<Vec<&str>> = old.map(|old| old.split_inclusive('\n').collect());
    let mut text = text.to_owned();
    for Hunk { at, removed, added } in hunks {
        let begins_line = |at: &usize| *at == 0 || text[..*at].ends_with('\n');
        let mut places = text.match_indices(&**added).map(|(at, _)| at).filter(begins_line);
        let place = places.next().filter(|_| !added.is_empty() && places.next().is_none())?;
        let end = place + added.len();
        let next = old.as_ref().and_then(|old| old.get(at + removed)).copied();
        if !ends_block(&text[end..], added, next, kind) {
            return None;
        }
        let replaced = match &old {
            Some(old) => old.get(*at..at + removed)?.concat(),
            None if *removed == 0 => String::new(),
            None => return None,
        };
        text.replace_range(place..end, &replaced);
    }
    Some(text)
}

/// Whether no line of `rest` belongs to the removed lines above it. `next` is the line that followed them.
fn ends_block(rest: &str, removed: &str, next: Option<&str>, kind: FileKind) -> bool {
    let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let Some(line) = rest.lines().find(is_content) else { return true };
    if next.is_some_and(|next| next.trim_end() == line.trim_end()) {
        return true;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    match kind {
        FileKind::Configuration | FileKind::Aws => line.trim_start().starts_with('['),
        FileKind::Kubeconfig | FileKind::Kuberc => {
            indent(line) <= removed.lines().find(is_content).map_or(0, indent)
        }
        FileKind::VaultCli | FileKind::Google | FileKind::Server => true,
    }
}

/// Fails if the program that reads the file could not read the new text.
fn check(kind: FileKind, path: &Path, now: &str, text: &str, context: Context<'_>) -> Result<()> {
    match kind {
        FileKind::Configuration => {
            parse(path, text)?;
            let mistakes = |text: &str| {
                let text = Some(text.to_owned());
                problems(
                    path,
                    text,
                    context.locations,
                    context.consumers,
                    &|_| Vec::new(),
                    Vec::new(),
                )
            };
            let (known, mut new) = (mistakes(now)?.len(), mistakes(text)?);
            // For example, another profile extends the removed one.
            if new.len() > known { Err(new.swap_remove(0)) } else { Ok(()) }
        }
        FileKind::Kubeconfig | FileKind::Kuberc => {
            Document::parse(text.to_owned()).map(drop).map_err(|fault| Error::Config {
                path: path.to_owned(),
                line: fault.mark.line,
                problem: fault.problem.into(),
                hint: None,
            })
        }
        FileKind::Aws => check_aws(path, text),
        FileKind::VaultCli => VaultHelper::check_readable(path, text),
        // It is restored or removed as a whole.
        FileKind::Google | FileKind::Server => Ok(()),
    }
}

fn changed_since(changed: &ChangedFile) -> Error {
    let backup = changed
        .backup
        .as_ref()
        .map(|backup| message!("; as it was before the run: `{}`", shown(backup)));
    Error::Conflict {
        problem: message!(
            "`{}` has changed where `setup` edited it, so that it cannot be undone",
            shown(&changed.path)
        ),
        hint: message!("edit it by hand{}; nothing has been changed", backup.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::diff::hunks;
    use super::*;

    #[test]
    fn exactly_the_added_lines_are_removed() {
        let undo = |kind, before: &str, after: &str, now: &str| {
            without(now, &hunks(before, after), kind, Some(before))
        };
        let (a, b) = ("[profiles.a]\nkey = 1\n", "\n[profiles.b]\nkey = 1\n");
        let (kind, both) = (FileKind::Configuration, format!("{a}{b}"));
        for (now, expected) in [
            (format!("# mine\n{both}"), Some(format!("# mine\n{a}"))),
            (format!("{both}\n[profiles.c]\n"), Some(format!("{a}\n[profiles.c]\n"))),
            // These lines belong to the profile that would be removed.
            (format!("{both}timeout = 5\n"), None),
            (format!("{both}\n# more\ntimeout = 5\n"), None),
            (both.replace("profiles.b", "profiles.x"), None),
            (format!("{both}{b}"), None),
        ] {
            assert_eq!(undo(kind, a, &both, &now), expected, "{now}");
        }
        let before = "users:\n- name: a\n  user: {}\nkind: Config\ncontexts: []\n";
        let after = "users:\n- name: a\n  user: {}\n- name: b\n  user:\n    x: 1\nkind: Config\ncontexts:\n- name: c\n";
        let kind = FileKind::Kubeconfig;
        let now = after.replace("kind", "- name: d\nkind");
        let expected = before.replace("kind", "- name: d\nkind");
        assert_eq!(undo(kind, before, after, &now), Some(expected));
        let now = after.replace("    x: 1\n", "    x: 1\n    env: []\n");
        assert_eq!(undo(kind, before, after, &now), None);
    }
}
