//! Places in a kubeconfig, as paths of keys and names.

use serde_json::Value;

use crate::yaml::{self, Fault, Form, Node};

/// Why an edit is refused: the text would mean something else afterwards.
pub(super) const NOT_EDITABLE: &str = "is written in a style that cannot be edited in place";

/// One step down from the root.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    /// The item of a list that has this `name`.
    Named(&'a str),
}

/// The node at a place of the text.
pub(super) fn at<'a>(root: &'a Node, place: &[Step<'_>]) -> Result<&'a Node, Fault> {
    let mut node = root;
    for step in place {
        let refusal = |problem| node.mark.fault(problem);
        let mut found: Box<dyn Iterator<Item = &Node>> = match (&node.form, step) {
            (Form::Alias(_), _) => return Err(refusal("is an alias, and would change its anchor")),
            (Form::Map { pairs, .. }, Step::Key(key)) => {
                let same = pairs.iter().filter(move |pair| pair.name == *key);
                Box::new(same.map(|pair| &pair.value))
            }
            (Form::List { items, .. }, Step::Named(name)) => {
                Box::new(items.iter().filter(move |item| name_of(item) == Some(*name)))
            }
            _ => return Err(refusal(NOT_EDITABLE)),
        };
        let first = found.next().ok_or_else(|| refusal(NOT_EDITABLE))?;
        if let Some(second) = found.next() {
            return Err(second.mark.fault("has the same name or key twice"));
        }
        node = first;
    }
    if matches!(node.form, Form::Alias(_)) {
        return Err(node.mark.fault("is an alias, and would change its anchor"));
    }
    Ok(node)
}

/// The text under the key `name` of a map.
fn name_of(node: &Node) -> Option<&str> {
    let Form::Map { pairs, .. } = &node.form else { return None };
    match &yaml::get(pairs, "name")?.form {
        Form::Scalar { text, .. } => Some(text),
        Form::Null | Form::List { .. } | Form::Map { .. } | Form::Alias(_) => None,
    }
}

/// The value at the same place.
pub(super) fn at_value<'a>(root: &'a mut Value, place: &[Step<'_>]) -> Option<&'a mut Value> {
    place.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Named(name) => value.as_array_mut()?.iter_mut().find(|item| item["name"] == **name),
    })
}
