//! YAML, as far as the configurations of yc and kubectl need it: mappings and sequences of text, nested a few
//! levels deep.
//!
//! Security: these files have secrets in them, so what is wrong is told by its place and never quoted. What
//! is deeper than any configuration is refused where it gets too deep, and aliases are refused, not
//! expanded: so no file takes more time or memory than its own length. [`parse_as_kubectl`] accepts both within
//! limits, because kubectl does.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// yc's own files have four levels, a kubeconfig has some more.
const DEEPEST: usize = 16;

/// How many bytes the aliases of one document may copy.
const COPIED: usize = 4 * 1024 * 1024;

/// A value in a document.
#[derive(Clone)]
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
    /// What only kubectl accepts; `None` where that is a fault.
    lenient: Option<Anchors>,
}

/// The values that aliases can name, and how many bytes may still be copied.
struct Anchors {
    values: HashMap<usize, Node>,
    left: usize,
}

/// Reads the first document of a text.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    read(text, None)
}

/// Reads the first document of a text as kubectl does: it follows aliases and merge keys, and of a key that
/// comes twice the last one counts. What is deeper than any setting is read as nothing.
pub(crate) fn parse_as_kubectl(text: &str) -> Result<Node, Fault> {
    read(text, Some(Anchors { values: HashMap::new(), left: COPIED }))
}

fn read(text: &str, lenient: Option<Anchors>) -> Result<Node, Fault> {
    let events = Parser::new_from_str(text);
    let mut reader = Reader { events, line: 1, column: 1, lenient };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Ok(Node::Null),
            first => return reader.node(first, 0),
        }
    }
}

impl Node {
    /// What a copy takes, in bytes.
    fn size(&self) -> usize {
        const OWN: usize = size_of::<Node>();
        OWN + match self {
            Self::Null => 0,
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Map(map) => map.iter().map(|(key, value)| OWN + key.len() + value.size()).sum(),
        }
    }
}

/// For readers that take JSON too. Every scalar is a string.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(map) => serializer.collect_map(map),
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
            if self.lenient.is_none() {
                return Err(self.fault("is nested deeper than any configuration"));
            }
            return self.skip(&first).map(|()| Node::Null);
        }
        let (anchor, node) = match first {
            Event::Scalar(text, style, anchor, tag) => {
                let is_null = style == ScalarStyle::Plain
                    && tag.is_none()
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let text = || Node::Text(text.into_owned().into());
                (anchor, if is_null { Node::Null } else { text() })
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        item => items.push(self.node(item, depth + 1)?),
                    }
                }
                (anchor, Node::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Node::Map(self.map(depth)?)),
            Event::Alias(anchor) => return self.alias(anchor),
            _ => return Err(self.fault("is not YAML")),
        };
        if let Some(anchors) = self.lenient.as_mut().filter(|_| anchor > 0) {
            let Some(left) = anchors.left.checked_sub(node.size()) else {
                return Err(self.fault("has an anchor of too much"));
            };
            anchors.left = left;
            anchors.values.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize) -> Result<Node, Fault> {
        let Some(anchors) = &mut self.lenient else {
            return Err(self.fault("has an alias, which is not followed"));
        };
        let Some(value) = anchors.values.get(&anchor) else {
            return Err(self.fault("has an alias within what it names"));
        };
        let Some(left) = anchors.left.checked_sub(value.size()) else {
            return Err(self.fault("has more aliases than any configuration"));
        };
        anchors.left = left;
        Ok(value.clone())
    }

    /// Passes over a value, however deep it is.
    fn skip(&mut self, first: &Event<'a>) -> Result<(), Fault> {
        let change = |event: &Event<'_>| match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => 1,
            Event::SequenceEnd | Event::MappingEnd => -1,
            _ => 0,
        };
        let mut open: isize = change(first);
        while open > 0 {
            open += change(&self.next()?);
        }
        Ok(())
    }

    fn map(&mut self, depth: usize) -> Result<BTreeMap<String, Node>, Fault> {
        let mut map = BTreeMap::new();
        let mut merged = BTreeMap::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => Some(key.into_owned()),
                key if self.lenient.is_some() => {
                    self.skip(&key)?;
                    None
                }
                _ => return Err(self.fault("has a key that is not text")),
            };
            let is_known = key.as_ref().is_some_and(|key| map.contains_key(key));
            if is_known && self.lenient.is_none() {
                return Err(self.fault("has the same key twice"));
            }
            let value = self.next()?;
            let value = self.node(value, depth + 1)?;
            match key {
                Some(key) if key == "<<" && self.lenient.is_some() => merge(&mut merged, value),
                Some(key) => drop(map.insert(key, value)),
                None => {}
            }
        }
        for (key, value) in merged {
            map.entry(key).or_insert(value);
        }
        Ok(map)
    }

    const fn fault(&self, problem: &'static str) -> Fault {
        Fault { line: self.line, column: self.column, problem }
    }
}

/// Takes over what a merge key names. Of several mappings, the first that has a key decides.
fn merge(map: &mut BTreeMap<String, Node>, value: Node) {
    let mappings = match value {
        Node::List(mappings) => mappings,
        other => vec![other],
    };
    for mapping in mappings {
        if let Node::Map(more) = mapping {
            for (key, value) in more {
                map.entry(key).or_insert(value);
            }
        }
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
        result(parse(text))
    }

    fn read_as_kubectl(text: &str) -> String {
        result(parse_as_kubectl(text))
    }

    fn result(read: Result<Node, Fault>) -> String {
        match read {
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

    #[test]
    fn what_kubectl_accepts_is_read_as_kubectl_reads_it() {
        let text =
            "x: &a {k: 1, l: [&b two, *b]}\ny: *a\nz: {<<: *a, k: 3}\nk: 4\nk: 5\n? [c]\n: d\n";
        assert_eq!(
            read_as_kubectl(text),
            r#"{k: "5", x: {k: "1", l: ["two", "two"]}, y: {k: "1", l: ["two", "two"]}, z: {k: "3", l: ["two", "two"]}}"#
        );
        assert_eq!(read_as_kubectl("a: &x [*x]\n"), "1:8 has an alias within what it names");
        let deep = format!("{}e{}", "{d: ".repeat(200), "}".repeat(200));
        let read = read_as_kubectl(&format!("a: {deep}\nb: c\n"));
        assert!(read.ends_with(r#", b: "c"}"#), "what is too deep is passed over: {read}");
    }

    #[test]
    fn aliases_copy_no_more_than_a_configuration_can_need() {
        let laughs: String = (1..60).fold("a0: &a0 ha\n".into(), |text, n| {
            let alias = format!("*a{}, ", n - 1);
            text + &format!("a{n}: &a{n} [{}]\n", alias.repeat(9))
        });
        let told = read_as_kubectl(&laughs);
        assert!(told.contains("more aliases") || told.contains("too much"), "{told}");
        let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), "*a, ".repeat(1_000));
        assert!(read_as_kubectl(&large).contains("more aliases"));
        for deep in ["[", "{a: ", "- ", "? ", "- ? "] {
            read_as_kubectl(&deep.repeat(50_000));
        }
    }
}
