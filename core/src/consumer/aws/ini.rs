//! The format of `~/.aws/config` and `~/.aws/credentials`, as Python's `configparser` parses it for botocore (the AWS
//! CLI, boto3 and others).
//!
//! ```text
//! [profile "a b"]           # a header can be indented, and can be quoted as in a shell
//!   region : eu-central-1   ; so can keys, which have `=` or `:`
//! services = local
//! [services local]
//! sts =
//!   endpoint_url = https://…
//! ```
//!
//! A line that is indented more than the key above it continues that key's value. A line that `configparser` rejects
//! is a [`Fault`], because botocore then reads no profile of the file. Other SDKs skip such a line, and so does this
//! reader.

use std::ops::Range;

use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::shell;

/// The sections and settings of a file. They borrow from its text, which can contain keys.
#[derive(Default)]
pub struct Ini<'a> {
    pub sections: Vec<Section<'a>>,
    pub faults: Vec<Fault>,
}

/// A header and its items.
pub struct Section<'a> {
    /// The text between the brackets.
    pub header: &'a str,
    /// The line of the header, counted from 0.
    pub at: usize,
    /// The white space before the header.
    pub indent: &'a str,
    pub items: Vec<Item<'a>>,
}

/// A key and its value.
pub struct Item<'a> {
    pub key: &'a str,
    /// The rest of its line, including an apparent comment: botocore makes that part of the value.
    pub value: &'a str,
    /// The start of the value in its line.
    pub value_at: usize,
    /// The white space before the key.
    pub indent: &'a str,
    /// Its lines, from the key to the last continuation.
    pub lines: Range<usize>,
    /// The continuation lines, each with its number.
    pub more: Vec<(usize, &'a str)>,
}

/// A line for which botocore rejects the file.
#[derive(Debug)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    pub problem: Message,
}

/// The kind of a section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Profile,
    Services,
}

impl<'a> Ini<'a> {
    /// Reads a text, with line ends of either kind.
    pub fn parse(text: &'a str) -> Self {
        let mut ini = Self::default();
        // The indentation of the last key or header, and whether a line can continue a key.
        let (mut level, mut has_key) = (0, false);
        let content = text.strip_prefix('\u{feff}');
        if content.is_some() {
            ini.fault(0, "the file begins with a byte order mark");
        }
        for (at, line) in content.unwrap_or(text).lines().enumerate() {
            let content = line.trim_matches(is_space);
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            if content.contains('\r') {
                ini.fault(at, "there is a carriage return within the line");
            }
            let indent = &line[..line.len() - line.trim_start_matches(is_space).len()];
            let depth = indent.chars().count();
            if has_key && depth > level {
                if let Some(item) = ini.last_item() {
                    item.more.push((at, content));
                    item.lines.end = at + 1;
                }
                continue;
            }
            level = depth;
            if let Some(header) = header(content) {
                ini.add_section(Section { header, at, indent, items: Vec::new() });
                has_key = false;
            } else if ini.sections.is_empty() {
                ini.fault(at, "there is no section above the line");
            } else if let Some(item) = item(line, at, indent) {
                ini.add_item(item);
                has_key = true;
            } else {
                ini.fault(at, "the line has neither a key with `=` nor a section in brackets");
            }
        }
        ini.check_nested();
        ini
    }

    /// The sections of a kind and a name, such as `[profile NAME]`.
    pub fn named(&self, kind: Kind, name: &str) -> impl Iterator<Item = &Section<'a>> {
        self.sections.iter().filter(move |section| section.name(kind).as_deref() == Some(name))
    }

    /// The items of `[DEFAULT]`, which `configparser` adds to every section.
    pub fn of_all_sections(&self) -> impl Iterator<Item = &Item<'a>> {
        self.sections.iter().filter(|section| section.is_for_all()).flat_map(|it| &it.items)
    }

    fn last_item(&mut self) -> Option<&mut Item<'a>> {
        self.sections.last_mut()?.items.last_mut()
    }

    fn add_section(&mut self, section: Section<'a>) {
        let same = self.sections.iter().find(|other| other.header == section.header);
        if let Some(first) = same.filter(|_| !section.is_for_all()) {
            let (header, line) = (ForeignText::new(section.header), first.at + 1);
            self.fault(
                section.at,
                message!("the section `[{header}]` is in line {line} too", header, line),
            );
        }
        self.sections.push(section);
    }

    fn add_item(&mut self, item: Item<'a>) {
        let Some(section) = self.sections.last() else { return };
        let header = section.header;
        let same = |section: &&Section<'_>| section.header == header;
        let mut others = self.sections.iter().filter(same).flat_map(|section| &section.items);
        let first = others.find(|other| other.is(item.key)).map(|other| other.lines.start + 1);
        if let Some(line) = first {
            let key = ForeignText::new(item.key);
            self.fault(
                item.lines.start,
                message!("the key `{key}` is in line {line} too", key, line),
            );
        }
        if let Some(section) = self.sections.last_mut() {
            section.items.push(item);
        }
    }

    /// A key without a value has nested settings, each with `=`.
    fn check_nested(&mut self) {
        let items = self.sections.iter().flat_map(|section| &section.items);
        let nested = items.filter(|item| item.value.is_empty()).flat_map(|item| &item.more);
        let wrong = nested.filter(|(_, line)| !line.contains('='));
        for at in wrong.map(|(at, _)| *at).collect::<Vec<_>>() {
            self.fault(at, "the line continues a key that has no value, and has no `=`");
        }
    }

    fn fault(&mut self, at: usize, problem: impl Into<Message>) {
        self.faults.push(Fault { line: at + 1, problem: problem.into() });
    }
}

impl<'a> Section<'a> {
    /// The name of a section of this kind. Like most SDKs, it ignores spaces within the brackets.
    pub fn name(&self, kind: Kind) -> Option<String> {
        let header = self.header.trim();
        let begin = match kind {
            Kind::Profile if header == "default" => return Some(header.to_owned()),
            Kind::Profile => "profile",
            Kind::Services => "services",
        };
        match <[String; 2]>::try_from(shell::words(header)?) {
            Ok([first, name]) if first.starts_with(begin) => Some(name),
            _ => None,
        }
    }

    /// The item of a key; the last one of duplicates.
    pub fn item(&self, key: &str) -> Option<&Item<'a>> {
        self.items.iter().rfind(|item| item.is(key))
    }

    fn is_for_all(&self) -> bool {
        self.header == "DEFAULT"
    }
}

impl<'a> Item<'a> {
    /// Whether it has this key, ignoring case.
    pub fn is(&self, key: &str) -> bool {
        self.key.eq_ignore_ascii_case(key)
    }

    /// The value without a trailing comment, as most SDKs read it.
    pub fn plain_value(&self) -> &'a str {
        without_comment(self.value)
    }

    /// The nested settings of a key without a value: line, key, value.
    pub(crate) fn nested(&self) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
        let lines = self.more.iter().filter(|_| self.plain_value().is_empty());
        lines.filter_map(|(at, line)| {
            let (key, value) = line.split_once('=')?;
            Some((at + 1, key.trim(), without_comment(value)))
        })
    }
}

/// `[header]`, with any text after it. `configparser` uses the last bracket.
fn header(content: &str) -> Option<&str> {
    let (header, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!header.is_empty()).then_some(header)
}

fn item<'a>(line: &'a str, at: usize, indent: &'a str) -> Option<Item<'a>> {
    let delimiter = line.find(['=', ':'])?;
    let key = line[..delimiter].trim_matches(is_space);
    let after = &line[delimiter + 1..];
    let value_at = line.len() - after.trim_start_matches(is_space).len();
    (!key.is_empty()).then(|| Item {
        key,
        value: after.trim_matches(is_space),
        value_at,
        indent,
        lines: at..at + 1,
        more: Vec::new(),
    })
}

/// White space as in Python's `strip`, which includes the ASCII separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A comment after a value begins behind white space.
fn without_comment(value: &str) -> &str {
    let marks = [" #", " ;", "\t#", "\t;"];
    let begins = marks.iter().filter_map(|mark| value.find(mark)).min();
    let value = value[..begins.unwrap_or(value.len())].trim();
    if value.starts_with(['#', ';']) { "" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, profile: &str, key: &str) -> Option<String> {
        let ini = Ini::parse(text);
        assert!(ini.faults.is_empty(), "{text:?}: {:?}", ini.faults);
        let section = ini.named(Kind::Profile, profile).last()?;
        section.item(key).map(|item| item.plain_value().to_owned())
    }

    #[test]
    fn a_key_is_found_in_every_notation() {
        for text in [
            "[profile p]\nregion=eu",
            "[profile p]\n  region = eu\n  output = json\n",
            "[profile p]\r\n\tRegion:eu\r\n",
            "  [profile p]\n region : eu # home\n",
            "[profile \"p\"] ; mine\nregion = eu\n",
            "[profile 'p']\n# a\n\nregion = eu\n    # b\n",
            "[ profile p ]\nregion = eu\n",
            "[a]\n  x = 1\n[profile p]\ns3 =\n  region = no\nregion = eu\n",
        ] {
            assert_eq!(value(text, "p", "region").as_deref(), Some("eu"), "{text:?}");
        }
        assert_eq!(value("[profile 'p q']\nregion = eu", "p q", "region").as_deref(), Some("eu"));
        assert_eq!(value("[default]\nregion = eu", "default", "region").as_deref(), Some("eu"));
        for text in [
            "[p]\nregion = eu",
            "[profile p]\ns3 =\n  region = eu",
            "[profile p]\n#region = eu\n",
            "[profile p q]\nregion = eu",
            "[profile 'p]\nregion = eu",
            "[default]\nx = 1\n  [profile p]\n  region = eu\n",
            "[profile]\nregion = eu\n[DEFAULT]\nregion = eu\n",
        ] {
            assert_eq!(value(text, "p", "region"), None, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_botocore_rejects_is_a_fault() {
        for (text, line) in [
            ("region = eu\n", 1),
            ("[a]\nregion\n", 2),
            ("[a]\n= eu\n", 2),
            ("[a]\n\u{1c}: eu\n", 2),
            ("[a]\n  region = eu\nregion = us\n", 3),
            ("[a]\nregion = eu\nREGION: us\n", 3),
            ("[a]\n[b]\n[a]\n", 3),
            ("[a]\ns3 =\n  path\n", 3),
            ("[]\n", 1),
            ("\u{feff}[a]\n", 1),
            ("[a]\nregion = eu\rx = 1\n", 2),
        ] {
            let faults = Ini::parse(text).faults;
            assert_eq!(
                faults.iter().map(|fault| fault.line).collect::<Vec<_>>(),
                [line],
                "{text:?}"
            );
        }
    }
}
