//! The meaning of a node: aliases and merge keys (`<<`) are replaced by their targets, as in kubectl.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{DEEPEST, Fault, Form, Node, Pair};

/// How many bytes the aliases of one document may copy.
const COPIED: usize = 4 * 1024 * 1024;

/// The size of a copied value in bytes, without its text.
const OWN: usize = size_of::<Value>();

impl Node {
    /// The node as a JSON value. Plain `true` and `false` are booleans, numbers are strings.
    pub fn value(&self) -> Result<Value, Fault> {
        self.serialized(true, |meaning| serde_json::to_value(meaning))
    }

    /// The node as JSON. Every scalar is a string: kubectl accepts `name: true` as a name.
    pub fn json(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.serialized(false, |meaning| {
            let mut json = Zeroizing::new(Vec::with_capacity(2 * (self.end - self.start)));
            serde_json::to_writer(&mut *json, meaning).map(|()| json)
        })
    }

    fn serialized<T>(
        &self,
        has_truths: bool,
        write: impl FnOnce(&Meaning<'_>) -> serde_json::Result<T>,
    ) -> Result<T, Fault> {
        let mut anchors = HashMap::new();
        self.collect(&mut anchors);
        let shared =
            Shared { anchors, has_truths, left: Cell::new(COPIED), fault: Cell::default() };
        let meaning = Meaning { node: self, is_copy: false, depth: 0, shared: &shared };
        let problem = "does not have the form of a configuration";
        write(&meaning)
            .map_err(|_error| shared.fault.take().unwrap_or_else(|| self.mark.fault(problem)))
    }

    fn collect<'a>(&'a self, anchors: &mut HashMap<usize, &'a Self>) {
        if self.anchor > 0 {
            anchors.insert(self.anchor, self);
        }
        match &self.form {
            Form::List { items, .. } => items.iter().for_each(|item| item.collect(anchors)),
            Form::Map { pairs, .. } => pairs.iter().for_each(|pair| pair.value.collect(anchors)),
            Form::Null | Form::Scalar { .. } | Form::Alias(_) => {}
        }
    }
}

#[derive(Clone, Copy)]
struct Meaning<'a> {
    node: &'a Node,
    /// Whether it was reached through an alias.
    is_copy: bool,
    depth: usize,
    shared: &'a Shared<'a>,
}

/// State that all nodes of a document share.
struct Shared<'a> {
    anchors: HashMap<usize, &'a Node>,
    has_truths: bool,
    /// How many bytes may still be copied.
    left: Cell<usize>,
    /// Serde's errors contain only text.
    fault: Cell<Option<Fault>>,
}

impl Serialize for Meaning<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failed = |fault: Fault| {
            let error = S::Error::custom(fault.problem);
            self.shared.fault.set(Some(fault));
            error
        };
        let target = self.target().map_err(failed)?;
        match &target.node.form {
            Form::Null | Form::Alias(_) => serializer.serialize_unit(),
            Form::Scalar { text, is_plain } => match text.as_str() {
                "true" | "True" | "TRUE" if *is_plain && self.shared.has_truths => {
                    serializer.serialize_bool(true)
                }
                "false" | "False" | "FALSE" if *is_plain && self.shared.has_truths => {
                    serializer.serialize_bool(false)
                }
                text => serializer.serialize_str(text),
            },
            Form::List { items, .. } => {
                serializer.collect_seq(items.iter().map(|item| target.below(item)))
            }
            Form::Map { pairs, .. } => {
                serializer.collect_map(target.merged(pairs).map_err(failed)?)
            }
        }
    }
}

impl<'a> Meaning<'a> {
    fn below(self, node: &'a Node) -> Self {
        Self { node, depth: self.depth + 1, ..self }
    }

    /// The node, or the target of its alias.
    fn target(self) -> Result<Self, Fault> {
        let fault = |problem| self.node.mark.fault(problem);
        // The tree alone is at most half as deep. An alias within its own target never ends.
        if self.depth > 2 * DEEPEST {
            return Err(fault("has aliases that are nested too deep"));
        }
        let target = match &self.node.form {
            Form::Alias(anchor) => {
                let named = self.shared.anchors.get(anchor).copied();
                let named = named.ok_or_else(|| fault("has an alias without a target"))?;
                Self { is_copy: true, ..self.below(named) }
            }
            Form::Null | Form::Scalar { .. } | Form::List { .. } | Form::Map { .. } => self,
        };
        if target.is_copy {
            let size = match &target.node.form {
                Form::Scalar { text, .. } => OWN + text.len(),
                Form::Map { pairs, .. } => {
                    OWN + pairs.iter().map(|pair| OWN + pair.name.len()).sum::<usize>()
                }
                Form::Null | Form::List { .. } | Form::Alias(_) => OWN,
            };
            let left = self.shared.left.get().checked_sub(size);
            let left = left.ok_or_else(|| fault("has more aliases than any configuration"))?;
            self.shared.left.set(left);
        }
        Ok(target)
    }

    /// The values of a mapping. Of a duplicate key, the last one counts. Written keys have precedence over those of a
    /// merge key; of several merged mappings, the first with a key counts.
    fn merged(self, pairs: &'a [Pair]) -> Result<BTreeMap<&'a str, Self>, Fault> {
        let (merges, written): (Vec<&Pair>, Vec<&Pair>) =
            pairs.iter().partition(|pair| pair.name == "<<");
        let mut map: BTreeMap<_, _> =
            written.iter().map(|pair| (pair.name.as_str(), self.below(&pair.value))).collect();
        for merge in merges {
            let target = self.below(&merge.value).target()?;
            let mappings = match &target.node.form {
                Form::List { items, .. } => items.iter().map(|item| target.below(item)).collect(),
                Form::Map { .. } => vec![target],
                Form::Null | Form::Scalar { .. } | Form::Alias(_) => Vec::new(),
            };
            for mapping in mappings {
                let mapping = mapping.target()?;
                let Form::Map { pairs, .. } = &mapping.node.form else { continue };
                for (name, value) in mapping.merged(pairs)? {
                    map.entry(name).or_insert(value);
                }
            }
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse;
    use super::*;

    fn value(text: &str) -> Result<Value, Fault> {
        parse(text)?.map_or(Ok(Value::Null), |node| node.value())
    }

    #[test]
    fn aliases_and_merge_keys_are_replaced_by_their_targets() {
        let text =
            "a: &base {x: 1, y: true}\nb: *base\nc:\n  <<: *base\n  y: 'true'\nd: [*base, ~]\n";
        let base = json!({"x": "1", "y": true});
        let merged = json!({"x": "1", "y": "true"});
        assert_eq!(value(text), Ok(json!({"a": base, "b": base, "c": merged, "d": [base, null]})));
        let text = "a: &a {k: 1}\nb: &b {k: 2, l: 2}\nc: {<<: [*a, *b]}\nk: 4\nk: 5\n";
        let read = value(text).unwrap();
        assert_eq!((&read["c"], &read["k"]), (&json!({"k": "1", "l": "2"}), &json!("5")));
        let text = "\u{feff}---\na: 0x1F\nb: null\nc: |\n  one\n  two\n---\nd: e\n";
        assert_eq!(value(text), Ok(json!({"a": "0x1F", "b": null, "c": "one\ntwo\n"})));
        for nothing in ["", "# nothing\n", "# nothing\n---\n"] {
            assert_eq!(value(nothing), Ok(Value::Null));
        }
    }

    #[test]
    fn every_scalar_of_the_json_is_a_string() {
        let node = parse("{a: true, b: [1, 'x', ~]}").unwrap().unwrap();
        assert_eq!(**node.json().unwrap(), *br#"{"a":"true","b":["1","x",null]}"#);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        for (begin, more, end) in [("[", "", "]"), ("{<<: [", "{a: b}", "]}")] {
            let laughs: String = (1..60).fold("a0: &a0 {ha: ha}\n".into(), |text, n| {
                let alias = format!("*a{}, ", n - 1);
                text + &format!("a{n}: &a{n} {begin}{}{more}{end}\n", alias.repeat(9))
            });
            assert!(value(&laughs).unwrap_err().problem.contains("aliases"));
        }
        let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), "*a, ".repeat(1_000));
        assert!(value(&large).unwrap_err().problem.contains("more aliases"));
        for circle in ["a: &x [*x]\n", "a: &x {<<: *x}\n"] {
            assert!(value(circle).unwrap_err().problem.contains("too deep"));
        }
    }
}
