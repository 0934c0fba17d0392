//! A large configuration file, cut down to what one run needs before it is parsed.
//!
//! A generated file with a thousand profiles would cost each cache hit more than everything else. So
//! the tables of other profiles are left out, and what is left is a file that says the same for this
//! run. Which lines are missing is kept, for the origins of settings.
//!
//! This is no parser of TOML, and need not be: whoever cannot make sense of what is left reads the whole
//! file, which then is right or tells what is wrong.

use memchr::memmem;

/// Parsing less takes no time worth saving.
const SMALL: usize = 8 * 1024;

/// What is left of a file.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    pub(super) text: String,
    /// Where lines are missing, and how many.
    pub(super) gaps: Vec<Gap>,
}

/// Lines that are missing.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Gap {
    pub(super) at: usize,
    pub(super) lines: usize,
}

/// How a table of a profile begins.
const PROFILE: &str = "[profiles.";

/// The file without the profiles that this run does not use. `None` where that is not certain, or not
/// worth the trouble.
pub(super) fn pruned(text: &str, profile: Option<&str>) -> Option<Pruned> {
    if text.len() <= SMALL {
        return None;
    }
    let heads = heads(text.as_bytes())?;
    let used = used(text, profile)?;
    let mut left = Pruned::default();
    let mut begin = 0;
    let mut left_out = 0;
    for end in heads.into_iter().chain([text.len()]) {
        let table = &text[begin..end];
        if is_used(table, &used) {
            left.leave_out(&text[left_out..begin]);
            left.text.push_str(table);
            left_out = end;
        }
        begin = end;
    }
    left.leave_out(&text[left_out..]);
    Some(left)
}

impl Pruned {
    fn leave_out(&mut self, tables: &str) {
        if !tables.is_empty() {
            let lines = memchr::memchr_iter(b'\n', tables.as_bytes()).count();
            self.gaps.push(Gap { at: self.text.len(), lines });
        }
    }
}

/// Where the tables begin. `None` if a bracket at the begin of a line may be something else than the
/// head of a table, or a head stand elsewhere: in a text of several lines, or indented.
fn heads(text: &[u8]) -> Option<Vec<usize>> {
    let has = |quotes: &[u8]| memmem::find(text, quotes).is_some();
    if has(b"\"\"\"") || has(b"'''") {
        return None;
    }
    let mut heads = Vec::new();
    for bracket in memchr::memchr_iter(b'[', text) {
        match text[..bracket].last() {
            None | Some(b'\n') => heads.push(bracket),
            Some(b' ' | b'\t') => {
                let is_white = |byte: &&u8| matches!(byte, b' ' | b'\t');
                let before = text[..bracket].iter().rev().find(|byte| !is_white(byte));
                before.filter(|byte| **byte != b'\n')?;
            }
            Some(_) => {}
        }
    }
    Some(heads)
}

/// Whether a piece of the file belongs to a profile that is used, or to no profile by a plain name.
fn is_used(table: &str, used: &[&str]) -> bool {
    let Some(rest) = table.strip_prefix(PROFILE) else { return true };
    let is_plain = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let is_it = |profile: &&str| {
        rest.strip_prefix(*profile).is_some_and(|rest| rest.starts_with([']', '.', ' ', '\t']))
    };
    !is_plain || used.iter().any(is_it)
}

/// The profile, and those that it extends.
fn used<'a>(text: &'a str, profile: Option<&'a str>) -> Option<Vec<&'a str>> {
    let mut used = Vec::new();
    let mut next = profile;
    while let Some(profile) = next.filter(|profile| !used.contains(profile)) {
        used.push(profile);
        let head = format!("\n{PROFILE}{profile}]");
        let begin = memmem::find(text.as_bytes(), head.as_bytes())? + head.len();
        let table = &text[begin..];
        let end = memmem::find(table.as_bytes(), b"\n[").unwrap_or(table.len());
        next = parent(&table[..end]).ok()?;
    }
    Some(used)
}

/// It takes a parser to tell.
struct Unclear;

/// The profile that a profile extends, if it does.
fn parent(table: &str) -> Result<Option<&str>, Unclear> {
    let mut lines = table.lines().filter(|line| line.trim_start().starts_with("extends"));
    let Some(line) = lines.next() else { return Ok(None) };
    let value = line.split_once('=').and_then(|(_, value)| value.trim().strip_prefix('"'));
    let (name, _) = value.and_then(|value| value.split_once('"')).ok_or(Unclear)?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(middle: &str) -> String {
        let padding = "# padding\n".repeat(SMALL / 10 + 1);
        format!("[defaults]\ntimeout = 5\nlist = [\"a\"]\n{middle}{padding}")
    }

    fn lines(text: &str, profile: Option<&str>) -> Option<Vec<String>> {
        let left = pruned(text, profile)?;
        let missing: usize = left.gaps.iter().map(|gap| gap.lines).sum();
        assert_eq!(left.text.lines().count() + missing, text.lines().count());
        let kept = left.text.lines().filter(|line| *line != "# padding");
        Some(kept.map(str::to_owned).collect())
    }

    #[test]
    fn the_profile_and_those_it_extends_are_left() {
        let text = large(
            "[profiles.base]\naudience = \"b\"\n[profiles.other]\naudience = \"o\"\n[profiles.other.aws]\nregion = \"r\"\n[profiles.prod] # ours\nextends = \"base\"\n[profiles.prod.aws]\nregion = \"r\"\n[identity.robot]\ntype = \"metadata\"\n",
        );
        let left = lines(&text, Some("prod")).unwrap().join("\n");
        assert_eq!(
            left,
            "[defaults]\ntimeout = 5\nlist = [\"a\"]\n[profiles.base]\naudience = \"b\"\n[profiles.prod] # ours\nextends = \"base\"\n[profiles.prod.aws]\nregion = \"r\"\n[identity.robot]\ntype = \"metadata\""
        );
        assert!(!lines(&text, None).unwrap().join("\n").contains("profiles"));
    }

    #[test]
    fn what_is_not_certain_is_left_to_the_parser() {
        assert!(pruned("[profiles.a]\n", Some("a")).is_none(), "small");
        for (text, profile) in [
            ("[profiles.a]\npolicy = '''\n[profiles.b]\n'''\n", "a"),
            ("[profiles]\na = { audience = \"x\" }\n", "a"),
            ("profiles.a.audience = \"x\"\n", "a"),
            ("[profiles.a]\nextends = 'b'\n[profiles.b]\n", "a"),
            ("[profiles.\"a b\"]\naudience = \"x\"\n", "a b"),
            ("[profiles.a]\n", "absent"),
            ("[profiles.a]\n  [defaults]\n", "a"),
            ("[profiles.a]\n\t[defaults]\n", "a"),
        ] {
            assert!(pruned(&large(text), Some(profile)).is_none(), "{text}");
        }
        // A circle is for the parser to tell of, but must not keep us here.
        let circle = large("[profiles.a]\nextends = \"b\"\n[profiles.b]\nextends = \"a\"\n");
        assert_eq!(lines(&circle, Some("a")).unwrap().len(), 7);
    }
}
