//! The edit that sets a key of a map or appends an item to a list: which part of the text is replaced, and by what, in
//! the style of the text around it.

use serde_json::Value;

use super::block::{Block, is_long, scalar};
use super::document::Document;
use super::place::NOT_EDITABLE;
use crate::yaml::{Fault, Form, Mark, Node, Pair};

/// New text for a part of the old text.
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) new: String,
    pub(super) mark: Mark,
}

impl Document {
    /// The first key of a file that is empty or has only comments.
    pub(super) fn edit_of_nothing(&self, key: &str, value: &Value) -> Edit {
        let end = self.text.len();
        let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        let new = format!("{gap}{}\n", Block { lists: 0 }.pair(key, value, 0));
        Edit { start: end, end, new, mark: Mark::START }
    }

    pub(super) fn edit_of_map(&self, map: &Node, key: &str, value: &Value) -> Result<Edit, Fault> {
        let Form::Map { is_flow, pairs } = &map.form else {
            return Err(not_editable(map.mark));
        };
        let mut same = pairs.iter().filter(|pair| pair.name == key);
        match (same.next(), same.next()) {
            (_, Some(second)) => Err(second.mark.fault("has the same key twice")),
            (Some(pair), None) => self.replacement(pair, *is_flow, value),
            (None, None) if *is_flow => {
                let new = format!("{}: {}", Value::from(key), self.flow(map.start, value));
                Ok(self.insertion_in_flow(
                    map,
                    pairs.last().map(|pair| (pair.key_start, pair.value.end)),
                    &new,
                ))
            }
            (None, None) => {
                let first = pairs.first().ok_or_else(|| not_editable(map.mark))?;
                let column = self.column(first.key_start);
                let new = self.block().pair(key, value, column);
                Ok(self.insertion_behind_line(map, &format!("{}{new}", " ".repeat(column))))
            }
        }
    }

    /// Replaces the value of a key.
    fn replacement(&self, pair: &Pair, is_flow: bool, value: &Value) -> Result<Edit, Fault> {
        let mark = pair.mark;
        let behind = pair.behind_colon.ok_or_else(|| not_editable(mark))?;
        let old = &pair.value;
        if is_flow || !is_long(value) {
            let new = if is_flow { self.flow(behind, value) } else { scalar(value) };
            // A value on the key's line leaves the spaces and the comment around it unchanged.
            let is_beside = old.end > behind && !self.text[behind..old.start].contains('\n');
            let start = if is_beside { old.start } else { behind };
            let gap = if is_beside { "" } else { " " };
            return Ok(Edit { start, end: old.end, new: format!("{gap}{new}"), mark });
        }
        // A comment after the old value stays, on the line of the key.
        let end = self.end_of_line(old.end);
        let comment = self.text[old.end..end].trim_end();
        let block = self.block();
        let column = self.column(pair.key_start);
        let new = format!("{comment}{}", block.below(value, column));
        Ok(Edit { start: behind, end, new, mark })
    }

    pub(super) fn edit_of_list(&self, list: &Node, item: &Value) -> Result<Edit, Fault> {
        let Form::List { is_flow, items } = &list.form else {
            return Err(not_editable(list.mark));
        };
        let neighbour = items.last().ok_or_else(|| not_editable(list.mark))?;
        if *is_flow {
            let place = (neighbour.start, neighbour.end);
            let new = self.flow(neighbour.start, item);
            return Ok(self.insertion_in_flow(list, Some(place), &new));
        }
        let dash = self.dash(neighbour)?;
        let column = self.column(dash);
        let new = self.block().item(item, column);
        Ok(self.insertion_behind_line(list, &format!("{}{new}", " ".repeat(column))))
    }

    /// The position of the dash of an item of a block list.
    fn dash(&self, item: &Node) -> Result<usize, Fault> {
        let before = self.text[..item.start].trim_end();
        let dash = before.len().checked_sub(1).filter(|_| before.ends_with('-'));
        dash.ok_or_else(|| not_editable(item.mark))
    }

    fn insertion_behind_line(&self, node: &Node, new: &str) -> Edit {
        let end = self.end_of_line(node.end);
        let new = if end == self.text.len() { format!("\n{new}\n") } else { format!("\n{new}") };
        Edit { start: end, end, new, mark: node.mark }
    }

    /// Inserts after the last part of a list or map, on a separate line if the last part has one.
    fn insertion_in_flow(&self, node: &Node, last: Option<(usize, usize)>, new: &str) -> Edit {
        let mark = node.mark;
        let Some((start, end)) = last else {
            return Edit { start: node.end - 1, end: node.end - 1, new: new.to_owned(), mark };
        };
        let column = self.column(start);
        let begin = self.start_of_line(start);
        let has_own_line = begin > 0 && self.text[begin..start].trim().is_empty();
        let gap = if has_own_line { format!("\n{}", " ".repeat(column)) } else { " ".into() };
        Edit { start: end, end, new: format!(",{gap}{new}"), mark }
    }

    /// A value in flow style, on several lines if the file is indented JSON.
    fn flow(&self, beside: usize, value: &Value) -> String {
        let begin = self.start_of_line(beside);
        let indent = self.text[begin..].len() - self.text[begin..].trim_start_matches(' ').len();
        if !is_long(value) || !self.text.trim_start().starts_with("{\n") {
            return value.to_string();
        }
        // Serialising JSON does not fail.
        let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
        pretty.replace('\n', &format!("\n{}", " ".repeat(indent)))
    }

    /// The style of block lists in this file.
    fn block(&self) -> Block {
        let Some(Node { form: Form::Map { pairs, is_flow: false }, .. }) = &self.root else {
            return Block { lists: 0 };
        };
        let indents = pairs.iter().filter_map(|pair| match &pair.value.form {
            Form::List { is_flow: false, items } => {
                let dash = self.dash(items.first()?).ok()?;
                self.column(dash).checked_sub(self.column(pair.key_start))
            }
            _ => None,
        });
        Block { lists: indents.min().unwrap_or(0) }
    }

    fn start_of_line(&self, place: usize) -> usize {
        self.text[..place].rfind('\n').map_or(0, |at| at + 1)
    }

    fn end_of_line(&self, place: usize) -> usize {
        self.text[place..].find('\n').map_or(self.text.len(), |at| place + at)
    }

    /// The column in characters, from 0.
    fn column(&self, place: usize) -> usize {
        self.text[self.start_of_line(place)..place].chars().count()
    }
}

pub(super) const fn not_editable(mark: Mark) -> Fault {
    mark.fault(NOT_EDITABLE)
}
