//! The part of a configuration file that a run needs. To parse a thousand profiles takes longer than all the rest of
//! a run, so the tables of other profiles are left out without parsing them.
//!
//! A mistake in those tables, also in their syntax, does not stop the run; `config validate` reports it.

use memchr::{memchr_iter, memmem};

use super::file::Text;

/// A shorter text is parsed whole.
const SHORT: usize = 1024;

/// The delimiters of strings that can contain line breaks.
const MULTI_LINE: [&str; 2] = ["\"\"\"", "'''"];

/// A place in an excerpt where lines of the file are left out.
pub(super) struct Gap {
    /// The position in the excerpt.
    at: usize,
    lines: usize,
}

/// The lines that are left out before a position.
pub(super) fn lines_before(gaps: &[Gap], at: usize) -> usize {
    gaps.iter().filter(|gap| gap.at <= at).map(|gap| gap.lines).sum()
}

/// The text without the tables of all profiles but these. `None` if it is better to parse the whole text: if the
/// tables cannot be found without parsing, or if the excerpt would be more than half of the text. Without a profile,
/// which only finds the default one for the next excerpt, that is an eighth.
///
/// A line that starts with `[profiles.NAME` is always the header of a table, except in a multi-line string, because
/// `profiles` is not a TOML value. The table is left out up to the next line that starts with `[`. If that line is the
/// inside of an array, the excerpt is invalid, because it has only the closing bracket of that array. A profile whose
/// name is quoted, or that is not written as such a table, is never left out.
pub(super) fn of(text: &Text, profiles: &[String]) -> Option<Text> {
    let whole = text.content.as_str();
    let bytes = whole.as_bytes();
    let is_multi_line = |delimiter: &&str| memmem::find(bytes, delimiter.as_bytes()).is_some();
    if whole.len() < SHORT || MULTI_LINE.iter().any(is_multi_line) {
        return None;
    }
    let mut excerpt =
        Excerpt { whole, content: String::new(), gaps: Vec::new(), part: Part::Kept(0) };
    for at in memchr_iter(b'[', bytes).filter(|at| is_first_of_line(bytes, *at)) {
        let is_other =
            profile_of(&whole[at..]).is_some_and(|name| profiles.iter().all(|it| it != name));
        excerpt.table(at, is_other);
    }
    excerpt.finish();
    let Excerpt { content, gaps, .. } = excerpt;
    let most = whole.len() / if profiles.is_empty() { 8 } else { 2 };
    (content.len() <= most).then(|| Text { path: text.path.clone(), content, gaps })
}

struct Excerpt<'a> {
    whole: &'a str,
    content: String,
    gaps: Vec<Gap>,
    part: Part,
}

/// The current part of the whole text, with its start.
#[derive(Clone, Copy)]
enum Part {
    Kept(usize),
    LeftOut(usize),
}

impl Excerpt<'_> {
    /// Continues with a table that starts at `at`.
    fn table(&mut self, at: usize, is_left_out: bool) {
        match (self.part, is_left_out) {
            (Part::Kept(start), true) => {
                self.content.push_str(&self.whole[start..at]);
                self.part = Part::LeftOut(at);
            }
            (Part::LeftOut(start), false) => {
                let lines = memchr_iter(b'\n', &self.whole.as_bytes()[start..at]).count();
                self.gaps.push(Gap { at: self.content.len(), lines });
                self.part = Part::Kept(at);
            }
            (Part::Kept(_), false) | (Part::LeftOut(_), true) => {}
        }
    }

    fn finish(&mut self) {
        if let Part::Kept(start) = self.part {
            self.content.push_str(&self.whole[start..]);
        }
    }
}

fn is_first_of_line(bytes: &[u8], at: usize) -> bool {
    let before = bytes[..at].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    before.is_none_or(|byte| *byte == b'\n')
}

/// The profile of a table with this header, if its name needs no quotes.
fn profile_of(header: &str) -> Option<&str> {
    let name = header.strip_prefix("[profiles.")?;
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let end = name.bytes().position(|byte| !is_bare(&byte))?;
    (end > 0 && matches!(name.as_bytes()[end], b'.' | b']')).then(|| &name[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::Table;

    use super::*;

    /// Without a comment that is much longer than the rest, the file would be parsed whole.
    fn text(content: &str) -> Text {
        let comment = "#".repeat(8 * content.len() + SHORT);
        Text::of("config.toml".into(), format!("{content}\n[profiles.last]\n{comment}\n"))
    }

    fn excerpt(content: &str, profiles: &[&str]) -> Option<Text> {
        let profiles: Vec<String> = profiles.iter().map(|&name| name.to_owned()).collect();
        of(&text(content), &profiles)
    }

    #[test]
    fn tables_of_other_profiles_are_left_out() {
        let whole = "default_profile = \"a\"\r\n[profiles.a]\r\nx = 1\r\n  [profiles.b] # [profiles.a]\r\n\
            x = [\r\n[1], [2],\r\n]\r\n[profiles.b.aws]\r\nx = 1\r\n\t[profiles.a.aws]\r\ny = 1\r\n\
            [profiles.\"b\"]\r\n[[profiles.c]]\r\n[defaults]\r\nz = 1";
        let kept = "default_profile = \"a\"\r\n[profiles.a]\r\nx = 1\r\n  [1], [2],\r\n]\r\n\
            [profiles.a.aws]\r\ny = 1\r\n[profiles.\"b\"]\r\n[[profiles.c]]\r\n[defaults]\r\nz = 1\n";
        let excerpt = excerpt(whole, &["a"]).unwrap();
        assert_eq!(excerpt.content, kept);
        for word in ["default_profile", "y = 1", "z = 1"] {
            let line = text(whole).line(whole.find(word).unwrap());
            assert_eq!(excerpt.line(kept.find(word).unwrap()), line, "{word}");
        }
    }

    #[test]
    fn a_text_that_needs_the_parser_is_read_whole() {
        for whole in
            ["[profiles.a]\nx = \"\"\"\n[profiles.b]\n\"\"\"\n", "x = '''\n[profiles.b]'''"]
        {
            assert!(excerpt(whole, &["a"]).is_none(), "{whole}");
        }
        let few_profiles = Text::of("config.toml".into(), "[profiles.a]\n[profiles.b]\n".into());
        assert!(of(&few_profiles, &["a".into()]).is_none());
        let long = format!("[profiles.a]\nx = \"{}\"\n[profiles.b]\n", "x".repeat(SHORT));
        assert!(of(&Text::of("config.toml".into(), long.clone()), &["a".into()]).is_none());
        assert!(of(&Text::of("config.toml".into(), long), &["b".into()]).is_some());
    }

    /// A document of lines that look like headers where they are none.
    fn document() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "[profiles.a]",
            "[profiles.b]",
            "[profiles.a.aws]",
            "[profiles.b.aws] # [x]",
            "[profiles.\"a\"]",
            "[profiles.'b'.aws]",
            "[[profiles.b]]",
            "[ profiles . a ]",
            " [profiles.b.x.y]",
            "[profiles]",
            "[x]",
            "[defaults]",
            "[[x]]",
            "k = 1",
            "l = [",
            "[1],",
            "[1]",
            "[[1]]",
            "[\"a\"]",
            "[a]",
            "]",
            ", [2]",
            "],",
            "l = [[1],",
            "m = { n = [",
            "] }",
            "}",
            "n = { \"]\" = 1,",
            "o = 1 }",
            "a.aws.z = 1",
            "# [profiles.b]",
            "p = \"[profiles.b]\"",
            "q = ''",
            "r = \"]\"",
            "s = \"\"\"",
            "\"\"\"",
            "'''",
            "t = '''[",
            "\r",
            "",
        ]);
        prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn an_excerpt_has_what_the_whole_text_has(content in document()) {
            let whole = text(&content);
            if let (Ok(mut all), Some(excerpt)) = (toml::from_str::<Table>(&whole.content), of(&whole, &["a".into()]))
                && let Ok(mut part) = toml::from_str::<Table>(&excerpt.content)
            {
                let profile = |table: &mut Table| match table.remove("profiles") {
                    Some(toml::Value::Table(mut profiles)) => profiles.remove("a"),
                    other => other,
                };
                prop_assert_eq!(profile(&mut all), profile(&mut part));
                prop_assert_eq!(all, part);
            }
        }
    }
}
