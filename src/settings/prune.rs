//! A large configuration file, cut down to what one run needs before it is parsed.
//!
//! A generated file with a thousand profiles would cost each cache hit more than everything else. So
//! the tables of other profiles are blanked out, line by line: what is left has the lines of the file,
//! and is a file that says the same for this run.
//!
//! This is no parser of TOML, and need not be: whoever cannot make sense of what is left reads the whole
//! file, which then is right or tells what is wrong.

use std::collections::BTreeSet;

/// Parsing less takes no time worth saving.
const SMALL: usize = 8 * 1024;

/// The file without the profiles that this run does not use, with the lines where they are. `None`
/// where that is not certain, or not worth the trouble.
pub(super) fn pruned(text: &str, profile: Option<&str>) -> Option<String> {
    // In a text of several lines, what looks like a table may be none.
    if text.len() <= SMALL || text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let used = used(text, profile)?;
    let mut left = String::with_capacity(SMALL);
    let mut keeps = true;
    for line in text.split_inclusive('\n') {
        if let Some(head) = head(line) {
            keeps = profile_of(head).is_none_or(|profile| used.contains(profile));
        }
        left.push_str(if keeps { line } else { "\n" });
    }
    Some(left)
}

/// The profile, and those that it extends.
fn used<'a>(text: &'a str, profile: Option<&'a str>) -> Option<BTreeSet<&'a str>> {
    let mut used = BTreeSet::new();
    let mut next = profile;
    while let Some(profile) = next.filter(|profile| !used.contains(profile)) {
        used.insert(profile);
        next = parent(text, profile).ok()?;
    }
    Some(used)
}

/// It takes a parser to tell.
struct Unclear;

/// The profile that a profile extends, if it does.
fn parent<'a>(text: &'a str, profile: &str) -> Result<Option<&'a str>, Unclear> {
    let mut is_there = false;
    let mut inside = false;
    let mut parent = None;
    for line in text.lines() {
        if let Some(head) = head(line) {
            inside = head.strip_prefix("profiles.") == Some(profile);
            is_there |= inside;
        } else if inside && line.trim_start().starts_with("extends") {
            let value = line.split_once('=').and_then(|(_, value)| value.trim().strip_prefix('"'));
            let (name, _) = value.and_then(|value| value.split_once('"')).ok_or(Unclear)?;
            parent = Some(name);
        }
    }
    if is_there { Ok(parent) } else { Err(Unclear) }
}

/// The name in a line that begins a table: `[profiles.prod.aws]`.
fn head(line: &str) -> Option<&str> {
    let (name, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim();
    (rest.is_empty() || rest.starts_with('#')).then_some(name.trim())
}

/// The profile that a table belongs to. One with quotes or spaces in its name is left to the parser.
fn profile_of(head: &str) -> Option<&str> {
    let rest = head.strip_prefix("profiles.")?;
    let name = rest.split('.').next()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars().all(is_plain).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(middle: &str) -> String {
        let padding = "# padding\n".repeat(SMALL / 10 + 1);
        format!("[defaults]\ntimeout = 5\n{middle}{padding}")
    }

    fn lines(text: &str, profile: Option<&str>) -> Option<Vec<String>> {
        let left = pruned(text, profile)?;
        assert_eq!(left.lines().count(), text.lines().count(), "the lines stay where they are");
        let kept = left.lines().filter(|line| !line.is_empty() && *line != "# padding");
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
            "[defaults]\ntimeout = 5\n[profiles.base]\naudience = \"b\"\n[profiles.prod] # ours\nextends = \"base\"\n[profiles.prod.aws]\nregion = \"r\"\n[identity.robot]\ntype = \"metadata\""
        );
        assert!(!lines(&text, None).unwrap().join("\n").contains("profiles"));
    }

    #[test]
    fn what_is_not_certain_is_left_to_the_parser() {
        assert_eq!(pruned("[profiles.a]\n", Some("a")), None, "small");
        for (text, profile) in [
            ("[profiles.a]\npolicy = '''\n[profiles.b]\n'''\n", "a"),
            ("[profiles]\na = { audience = \"x\" }\n", "a"),
            ("profiles.a.audience = \"x\"\n", "a"),
            ("[profiles.a]\nextends = 'b'\n[profiles.b]\n", "a"),
            ("[profiles.\"a b\"]\naudience = \"x\"\n", "a b"),
            ("[profiles.a]\n", "absent"),
        ] {
            assert_eq!(pruned(&large(text), Some(profile)), None, "{text}");
        }
        // A circle is for the parser to tell of, but must not keep us here.
        let circle = large("[profiles.a]\nextends = \"b\"\n[profiles.b]\nextends = \"a\"\n");
        assert_eq!(lines(&circle, Some("a")).unwrap().len(), 6);
    }
}
