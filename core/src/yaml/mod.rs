//! YAML as a tree of nodes with their places in the text, to read the configurations of yc and kubectl, and to edit
//! one place without changing another byte.
//!
//! The tree keeps aliases as they are. [`Node::value`] and [`Node::json`] follow them.
//!
//! Security: these files contain secrets, so a [`Fault`] has a place and quotes nothing. Aliases could expand to
//! billions of values, so they are followed within a limit.

mod meaning;

use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use zeroize::Zeroizing;

/// A kubeconfig has some eight levels, the configuration of yc has four. An extension of a kubeconfig may have more.
const DEEPEST: usize = 200;

/// A line and a column, counted from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
}

/// An error in a text, or the reason why it cannot be edited.
#[derive(Debug, Eq, PartialEq)]
pub struct Fault {
    pub mark: Mark,
    pub problem: &'static str,
}

/// A value, and its place in the text: the bytes from `start` up to `end`.
#[derive(Debug)]
pub struct Node {
    pub start: usize,
    pub end: usize,
    pub mark: Mark,
    pub form: Form,
    anchor: usize,
}

#[derive(Debug)]
pub enum Form {
    /// Nothing, `~`, or `null`.
    Null,
    /// Text, or with `is_plain` (no quotes, no tag) text that could also be a number or a boolean.
    Scalar {
        text: Zeroizing<String>,
        is_plain: bool,
    },
    List {
        is_flow: bool,
        items: Vec<Node>,
    },
    Map {
        is_flow: bool,
        pairs: Vec<Pair>,
    },
    Alias(usize),
}

#[derive(Debug)]
pub struct Pair {
    pub name: String,
    pub key_start: usize,
    /// The place after the colon. `None` if no colon follows the key.
    pub behind_colon: Option<usize>,
    pub mark: Mark,
    pub value: Node,
}

/// Rules for a text, besides those of YAML.
#[derive(Default)]
struct Rules {
    /// The first document has no aliases and no duplicate keys.
    is_simple: bool,
    /// The documents after the first, which are not read, are valid YAML too.
    is_whole: bool,
}

/// Parses the first document of a text; `None` if it is empty.
pub fn parse(text: &str) -> Result<Option<Node>, Fault> {
    read(text, Rules::default())
}

/// The same, for a program's own file: aliases and duplicate keys are refused.
pub(crate) fn parse_simple(text: &str) -> Result<Option<Node>, Fault> {
    read(text, Rules { is_simple: true, ..Rules::default() })
}

/// The same, for an edit, which must not hide an error after the first document.
pub fn parse_whole(text: &str) -> Result<Option<Node>, Fault> {
    read(text, Rules { is_whole: true, ..Rules::default() })
}

/// The value of the first pair with this name.
pub fn get<'a>(pairs: &'a [Pair], name: &str) -> Option<&'a Node> {
    pairs.iter().find(|pair| pair.name == name).map(|pair| &pair.value)
}

fn read(text: &str, rules: Rules) -> Result<Option<Node>, Fault> {
    let mut reader = Reader {
        text,
        offsets: Offsets::of(text),
        events: Parser::new_from_str(text),
        span: Span::default(),
        rules,
    };
    let root = loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(None),
            first => break reader.node(first, 0)?,
        }
    };
    while reader.rules.is_whole && !matches!(reader.next()?, Event::StreamEnd) {}
    Ok(Some(root).filter(|root| !matches!(root.form, Form::Null)))
}

impl Mark {
    /// The beginning of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    pub const fn fault(self, problem: &'static str) -> Fault {
        Fault { mark: self, problem }
    }
}

impl From<&Marker> for Mark {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

struct Reader<'a> {
    text: &'a str,
    offsets: Offsets,
    events: Parser<'a, StrInput<'a>>,
    /// Of the last event.
    span: Span,
    rules: Rules,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Fault> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                self.span = span;
                Ok(event)
            }
            Some(Err(error)) => Err(Mark::from(error.marker()).fault("is not YAML")),
            None => Err(self.fault("is cut off")),
        }
    }

    fn mark(&self) -> Mark {
        Mark::from(&self.span.start)
    }

    fn fault(&self, problem: &'static str) -> Fault {
        self.mark().fault(problem)
    }

    fn place(&self) -> (usize, usize) {
        (self.offsets.byte(self.span.start.index()), self.offsets.byte(self.span.end.index()))
    }

    fn node(&mut self, first: Event<'a>, depth: usize) -> Result<Node, Fault> {
        if depth > DEEPEST {
            return Err(self.fault("is nested deeper than any configuration"));
        }
        let ((start, end), mark) = (self.place(), self.mark());
        let is_flow = self.text[..end].ends_with(['{', '[']);
        let (form, end, anchor) = match first {
            Event::Scalar(text, style, anchor, tag) => {
                // The span includes spaces, a comment, and the empty lines after a block.
                let end = match style {
                    ScalarStyle::SingleQuoted => quoted_end(self.text, start, '\''),
                    ScalarStyle::DoubleQuoted => quoted_end(self.text, start, '"'),
                    _ => start + self.text[start..end].trim_end().len(),
                };
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let form = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Form::Null,
                    _ => Form::Scalar { text: text.into_owned().into(), is_plain },
                };
                (form, end, anchor)
            }
            Event::Alias(_) if self.rules.is_simple => {
                return Err(self.fault("has an alias, which is not followed"));
            }
            Event::Alias(anchor) => (Form::Alias(anchor), end, 0),
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        item => items.push(self.node(item, depth + 1)?),
                    }
                }
                let last = items.last().map_or(end, |item| item.end);
                (Form::List { is_flow, items }, self.end(is_flow, last), anchor)
            }
            Event::MappingStart(anchor, _) => {
                let pairs = self.pairs(depth)?;
                if self.rules.is_simple
                    && let Some(again) = repeated(&pairs)
                {
                    return Err(again.mark.fault("has the same key twice"));
                }
                let last = pairs.last().map_or(end, |pair| pair.value.end);
                (Form::Map { is_flow, pairs }, self.end(is_flow, last), anchor)
            }
            _ => return Err(self.fault("is not YAML")),
        };
        Ok(Node { start, end, mark, form, anchor })
    }

    /// The end of a list or map. In flow style, it is after the bracket, whose event was read last.
    fn end(&self, is_flow: bool, last: usize) -> usize {
        if is_flow { self.place().0 + 1 } else { last }
    }

    fn pairs(&mut self, depth: usize) -> Result<Vec<Pair>, Fault> {
        let mut pairs = Vec::new();
        loop {
            let name = match self.next()? {
                Event::MappingEnd => return Ok(pairs),
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(self.fault("has a key that is not text")),
            };
            let ((key_start, key_end), mark) = (self.place(), self.mark());
            let behind = &self.text[key_end..];
            let gap = behind.len() - behind.trim_start_matches([' ', '\t']).len();
            let behind_colon = behind[gap..].starts_with(':').then_some(key_end + gap + 1);
            let value = self.next()?;
            let mut value = self.node(value, depth + 1)?;
            if value.start == value.end {
                // The parser puts an absent value before the colon.
                let place = behind_colon.unwrap_or(key_end);
                (value.start, value.end) = (place, place);
            }
            pairs.push(Pair { name, key_start, behind_colon, mark, value });
        }
    }
}

fn repeated(pairs: &[Pair]) -> Option<&Pair> {
    let mut names = HashSet::new();
    pairs.iter().find(|pair| !names.insert(&pair.name))
}

/// The place after the closing quote of the text that begins here, which may have an anchor or a tag.
fn quoted_end(text: &str, start: usize, quote: char) -> usize {
    let mut letters =
        text[start..].char_indices().skip_while(|(_, letter)| *letter != quote).skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote == '"' {
            letters.next();
        } else if letter == quote {
            let behind = start + at + 1;
            if quote == '"' || !text[behind..].starts_with(quote) {
                return behind;
            }
            letters.next();
        }
    }
    text.len()
}

/// Converts the parser's positions, which count characters.
enum Offsets {
    Ascii(usize),
    Bytes(Vec<usize>),
}

impl Offsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii(text.len());
        }
        Self::Bytes(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
    }

    fn byte(&self, index: usize) -> usize {
        match self {
            // The parser counts a line break that is missing at the end of the text.
            Self::Ascii(length) => index.min(*length),
            Self::Bytes(bytes) => bytes[index.min(bytes.len() - 1)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let Fault { mark: Mark { line, column }, problem } = parse_simple(text).unwrap_err();
        format!("{line}:{column} {problem}")
    }

    #[test]
    fn places_are_bytes_of_the_text() {
        let text = "# ключ\nимя: 'значение' # …\nlist:\n- a\ntext: |\n  one\n  two\n\n\nlast:";
        let root = parse(text).unwrap().unwrap();
        let Form::Map { pairs, .. } = &root.form else { panic!("{root:?}") };
        let shown: Vec<&str> =
            pairs.iter().map(|pair| &text[pair.value.start..pair.value.end]).collect();
        assert_eq!(shown, ["'значение'", "a", "one\n  two", ""]);
        assert_eq!(pairs[3].value.end, text.len());
    }

    #[test]
    fn a_fault_has_its_place() {
        assert_eq!(fault("a: b\n c: \"d"), "2:3 is not YAML");
        assert_eq!(fault("a: 1\nb: *none\n"), "2:4 is not YAML");
        assert_eq!(fault("a: 1\nb: 2\na: 3\n"), "3:1 has the same key twice");
        assert_eq!(fault("? [a]\n: b\n"), "1:3 has a key that is not text");
        assert_eq!(fault("a: &x b\nc: *x\n"), "2:4 has an alias, which is not followed");
        let second = "a: 1\n---\nb: [\n";
        assert_eq!(parse_whole(second).unwrap_err().problem, "is not YAML");
        assert!(parse(second).is_ok(), "the second document is not read");
    }

    #[test]
    fn deep_nesting_is_refused() {
        for deep in ["[", "{a: ", "- ", "? ", "- ? "] {
            let fault = fault(&deep.repeat(50_000));
            assert!(fault.contains("is n"), "{deep} {fault}");
        }
    }
}
