//! YAML with the place of every value, so that a text can be edited where it has to change and nowhere else.
//!
//! Aliases stay aliases here. [`Node::value`] follows them, as kubectl does, up to a limit.
//!
//! Security: a kubeconfig holds secrets, so a fault names a line and quotes nothing.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Value};

/// A kubeconfig has some eight levels; an extension may have more.
const DEEPEST: usize = 200;

/// More values than any kubeconfig has. Aliases of aliases can stand for billions.
const MOST_VALUES: usize = 500_000;

/// What is wrong with a text, or what keeps it from being edited.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) problem: &'static str,
}

/// A value, and its place in the text: the bytes from `start` up to `end`.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) line: usize,
    pub(super) form: Form,
    anchor: usize,
}

#[derive(Debug)]
pub(super) enum Form {
    Null,
    Bool(bool),
    /// Text, and what could also be read as a number.
    Text(String),
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
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) key_start: usize,
    /// Behind the colon. `None` where no colon follows the key.
    pub(super) behind_colon: Option<usize>,
    pub(super) line: usize,
    pub(super) value: Node,
}

impl Node {
    /// What the value means: aliases and merge keys (`<<`) are replaced by what they stand for.
    pub(super) fn value(&self) -> Result<Value, Fault> {
        let mut anchors = HashMap::new();
        self.collect(&mut anchors);
        Reading { anchors, left: MOST_VALUES }.value(self, 0)
    }

    /// The text under the key `name` of a map.
    pub(super) fn name(&self) -> Option<&str> {
        let Form::Map { pairs, .. } = &self.form else { return None };
        match &pairs.iter().find(|pair| pair.name == "name")?.value.form {
            Form::Text(text) => Some(text),
            _ => None,
        }
    }

    fn collect<'a>(&'a self, anchors: &mut HashMap<usize, &'a Self>) {
        if self.anchor > 0 {
            anchors.insert(self.anchor, self);
        }
        match &self.form {
            Form::List { items, .. } => items.iter().for_each(|item| item.collect(anchors)),
            Form::Map { pairs, .. } => pairs.iter().for_each(|pair| pair.value.collect(anchors)),
            _ => {}
        }
    }
}

/// Reads the first document of a text; `None` if it holds nothing.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Fault> {
    let mut reader = Reader {
        text,
        offsets: Offsets::of(text),
        events: Parser::new_from_str(text),
        line: 1,
        span: Span::default(),
    };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(None),
            first => {
                let node = reader.node(first, 0)?;
                // What follows must be YAML too: an edit must not hide that the file was broken.
                while !matches!(reader.next()?, Event::StreamEnd) {}
                return Ok(Some(node).filter(|node| !matches!(node.form, Form::Null)));
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    offsets: Offsets,
    events: Parser<'a, StrInput<'a>>,
    line: usize,
    /// Of the last event.
    span: Span,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Fault> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                (self.line, self.span) = (span.start.line().max(1), span);
                Ok(event)
            }
            Some(Err(error)) => {
                Err(Fault { line: error.marker().line().max(1), problem: "is not YAML" })
            }
            None => Err(self.fault("is cut off")),
        }
    }

    const fn fault(&self, problem: &'static str) -> Fault {
        Fault { line: self.line, problem }
    }

    fn place(&self) -> (usize, usize) {
        (self.offsets.byte(self.span.start.index()), self.offsets.byte(self.span.end.index()))
    }

    fn node(&mut self, first: Event<'a>, depth: usize) -> Result<Node, Fault> {
        if depth > DEEPEST {
            return Err(self.fault("is nested deeper than any kubeconfig"));
        }
        let ((start, end), line) = (self.place(), self.line);
        let is_flow = self.text[..end].ends_with(['{', '[']);
        let (form, end, anchor) = match first {
            Event::Scalar(text, style, anchor, tag) => {
                // The span goes on over spaces, a comment, and the empty lines behind a block.
                let end = match style {
                    ScalarStyle::SingleQuoted => quoted_end(self.text, start, '\''),
                    ScalarStyle::DoubleQuoted => quoted_end(self.text, start, '"'),
                    _ => start + self.text[start..end].trim_end().len(),
                };
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let form = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Form::Null,
                    "true" | "True" | "TRUE" if is_plain => Form::Bool(true),
                    "false" | "False" | "FALSE" if is_plain => Form::Bool(false),
                    _ => Form::Text(text.into_owned()),
                };
                (form, end, anchor)
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
                let last = pairs.last().map_or(end, |pair| pair.value.end);
                (Form::Map { is_flow, pairs }, self.end(is_flow, last), anchor)
            }
            _ => return Err(self.fault("is not YAML")),
        };
        Ok(Node { start, end, line, form, anchor })
    }

    /// The end of a list or map: of flow style, behind its bracket, whose event was read last.
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
            let ((key_start, key_end), line) = (self.place(), self.line);
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
            pairs.push(Pair { name, key_start, behind_colon, line, value });
        }
    }
}

/// Behind the closing quote of the text that begins here, perhaps with an anchor or a tag.
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

/// The parser counts characters.
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
            // The parser counts a line break that the end of the text lacks.
            Self::Ascii(length) => index.min(*length),
            Self::Bytes(bytes) => bytes[index.min(bytes.len() - 1)],
        }
    }
}

struct Reading<'a> {
    anchors: HashMap<usize, &'a Node>,
    /// How many values it may still read.
    left: usize,
}

impl Reading<'_> {
    fn value(&mut self, node: &Node, depth: usize) -> Result<Value, Fault> {
        let fault = |problem| Fault { line: node.line, problem };
        self.left = self.left.checked_sub(1).ok_or_else(|| fault("has aliases of too much"))?;
        if depth > 2 * DEEPEST {
            return Err(fault("has aliases that are nested too deep"));
        }
        Ok(match &node.form {
            Form::Null => Value::Null,
            Form::Bool(is) => Value::Bool(*is),
            Form::Text(text) => Value::String(text.clone()),
            Form::Alias(anchor) => {
                let target = self.anchors.get(anchor).copied();
                let target = target.ok_or_else(|| fault("has an alias of nothing"))?;
                self.value(target, depth + 1)?
            }
            Form::List { items, .. } => {
                let items = items.iter().map(|item| self.value(item, depth + 1));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Form::Map { pairs, .. } => Value::Object(self.map(pairs, depth)?),
        })
    }

    /// What a merge key brings gives way to the keys that are written out.
    fn map(&mut self, pairs: &[Pair], depth: usize) -> Result<Map<String, Value>, Fault> {
        let (mut map, mut merged) = (Map::new(), Map::new());
        for pair in pairs {
            let value = self.value(&pair.value, depth + 1)?;
            match value {
                Value::Object(more) if pair.name == "<<" => merged.extend(more),
                Value::Array(list) if pair.name == "<<" => {
                    let maps = list.into_iter().rev().filter_map(|item| match item {
                        Value::Object(more) => Some(more),
                        _ => None,
                    });
                    maps.for_each(|more| merged.extend(more));
                }
                value => {
                    map.insert(pair.name.clone(), value);
                }
            }
        }
        merged.extend(map);
        Ok(merged)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Result<Value, Fault> {
        parse(text)?.map_or(Ok(Value::Null), |node| node.value())
    }

    #[test]
    fn aliases_and_merge_keys_mean_what_they_stand_for() {
        let text =
            "a: &base {x: 1, y: true}\nb: *base\nc:\n  <<: *base\n  y: 'true'\nd: [*base, ~]\n";
        let base = json!({"x": "1", "y": true});
        let merged = json!({"x": "1", "y": "true"});
        assert_eq!(value(text), Ok(json!({"a": base, "b": base, "c": merged, "d": [base, null]})));
        assert_eq!(value("# nothing\n---\n"), Ok(Value::Null));
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
    fn a_bomb_of_aliases_is_refused() {
        let laughs: String = (1..60).fold("a0: &a0 ha\n".into(), |text, n| {
            let alias = format!("*a{}, ", n - 1);
            text + &format!("a{n}: &a{n} [{}]\n", alias.repeat(9))
        });
        assert!(value(&laughs).unwrap_err().problem.contains("aliases"));
        for deep in ["[", "{a: ", "- ", "? ", "- ? "] {
            assert!(value(&deep.repeat(50_000)).is_err(), "{deep}");
        }
    }

    #[test]
    fn what_is_broken_has_its_line() {
        assert_eq!(value("a: b\n c: \"d").unwrap_err().line, 2);
        assert_eq!(value("a: 1\nb: *none\n").unwrap_err().line, 2);
        assert_eq!(value("a: 1\n---\nb: [\n").unwrap_err().problem, "is not YAML");
    }
}
