//! YAML, as far as the configurations of yc and kubectl need it: mappings and sequences of text, nested a few
//! levels deep.
//!
//! Security: these files have secrets in them, so what is wrong is told by its place and never quoted. What
//! is deeper than any configuration is refused where it gets too deep, and aliases are refused, not
//! expanded: so no file takes more time or memory than its own length.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use zeroize::Zeroizing;

/// yc's own files have four levels, a kubeconfig has some more.
const DEEPEST: usize = 16;

/// A value in a document.
pub(crate) enum Node {
    /// Nothing, `~`, or `null`.
    Null,
    /// Text, or what could also be read as a number or a truth value.
    Text(Zeroizing<String>),
    /// A sequence.
    List(Vec<Self>),
    /// A mapping.
    Map(BTreeMap<String, Self>),
}

/// What is wrong with a document, and where: line and column are counted from 1.
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) problem: &'static str,
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Of the event that was read last.
    line: usize,
    column: usize,
}

/// Reads the first document of a text.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { events: Parser::new_from_str(text), line: 1, column: 1 };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Ok(Node::Null),
            first => return reader.node(first, 0),
        }
    }
}

impl Node {
    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What is in a sequence; of anything else, nothing.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Fault> {
        let (event, place) = match self.events.next_event() {
            Some(Ok((event, span))) => (Some(event), span.start),
            Some(Err(error)) => (None, *error.marker()),
            None => return Err(self.fault("is cut off")),
        };
        (self.line, self.column) = (place.line().max(1), place.col() + 1);
        event.ok_or_else(|| self.fault("is not YAML"))
    }

    fn node(&mut self, first: Event<'a>, depth: usize) -> Result<Node, Fault> {
        if depth > DEEPEST {
            return Err(self.fault("is nested deeper than any configuration"));
        }
        match first {
            Event::Scalar(text, style, _, tag) => {
                let is_null = style == ScalarStyle::Plain
                    && tag.is_none()
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                Ok(if is_null { Node::Null } else { Node::Text(text.into_owned().into()) })
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Node::List(items)),
                        item => items.push(self.node(item, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.map(depth),
            Event::Alias(_) => Err(self.fault("has an alias, which is not followed")),
            _ => Err(self.fault("is not YAML")),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut map = BTreeMap::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Node::Map(map)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(self.fault("has a key that is not text")),
            };
            if map.contains_key(&key) {
                return Err(self.fault("has the same key twice"));
            }
            let value = self.next()?;
            map.insert(key, self.node(value, depth + 1)?);
        }
    }

    const fn fault(&self, problem: &'static str) -> Fault {
        Fault { line: self.line, column: self.column, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        match node {
            Node::Null => "null".into(),
            Node::Text(text) => format!("{:?}", &**text),
            Node::List(items) => {
                format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Node::Map(map) => {
                let pairs: Vec<_> =
                    map.iter().map(|(key, value)| format!("{key}: {}", shown(value))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        }
    }

    fn read(text: &str) -> String {
        match parse(text) {
            Ok(node) => shown(&node),
            Err(Fault { line, column, problem }) => format!("{line}:{column} {problem}"),
        }
    }

    #[test]
    fn text_is_text_whatever_else_it_could_be() {
        assert_eq!(
            read("a: 0x1F\nb: 'null'\nc:\nd: [1, {x: y}]\ne: |\n  one\n  two\nf: {g: true}\n"),
            r#"{a: "0x1F", b: "null", c: null, d: ["1", {x: "y"}], e: "one\ntwo\n", f: {g: "true"}}"#
        );
        assert_eq!(read("\u{feff}---\na: b\n---\nc: d\n"), r#"{a: "b"}"#, "the first document");
        for nothing in ["", "# only a comment\n", "---\n"] {
            assert_eq!(read(nothing), "null");
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        assert_eq!(read("a: b\n c: \"d"), "2:3 is not YAML");
        assert_eq!(read("a: 1\nb: 2\na: 3\n"), "3:1 has the same key twice");
        assert_eq!(read("? [a]\n: b\n"), "1:3 has a key that is not text");
        assert_eq!(read("a: &x b\nc: *x\n"), "2:4 has an alias, which is not followed");
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let laughs: String = (1..60).fold("a0: &a0 ha\n".into(), |text, n| {
            let alias = format!("*a{}, ", n - 1);
            text + &format!("a{n}: &a{n} [{}]\n", alias.repeat(9))
        });
        assert!(read(&laughs).contains("alias"));
        for deep in ["[", "{a: ", "- ", "? ", "- ? "] {
            let told = read(&deep.repeat(50_000));
            assert!(told.contains("is n"), "{deep} {told}");
        }
    }
}
