//! New YAML in block style, as kubectl writes it.

use serde_json::Value;

/// Whether a value needs its own lines in block style.
pub(super) fn is_long(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => is_paragraph(text),
        _ => false,
    }
}

/// Whether a text can be a literal block.
fn is_paragraph(text: &str) -> bool {
    let is_plain = |line: &str| {
        !line.is_empty() && !line.starts_with([' ', '\t']) && !line.chars().any(char::is_control)
    };
    text.strip_suffix('\n').is_some_and(|lines| lines.split('\n').all(is_plain))
}

/// A value on one line. JSON is YAML.
pub(super) fn scalar(value: &Value) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_plain = |text: &str| {
        let word = text.strip_prefix("--").unwrap_or(text);
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "_./@=-".contains(c))
            && !WORDS.contains(&word.to_lowercase().as_str())
    };
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        // The only control character that JSON accepts unescaped and YAML does not.
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}

/// Block style, and how far a list is indented below its key.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) lists: usize,
}

impl Block {
    /// `key: value`. All lines except the first are indented for a key in this column.
    pub(super) fn pair(self, key: &str, value: &Value, column: usize) -> String {
        let key = scalar(&Value::from(key));
        if is_long(value) {
            format!("{key}:{}", self.below(value, column))
        } else {
            format!("{key}: {}", scalar(value))
        }
    }

    /// The text after the colon of a key in this column.
    pub(super) fn below(self, value: &Value, column: usize) -> String {
        let indented = |column: usize, text: &str| format!("\n{}{text}", " ".repeat(column));
        match value {
            Value::Array(items) => {
                let column = column + self.lists;
                items.iter().map(|item| indented(column, &self.item(item, column))).collect()
            }
            Value::Object(map) => {
                let pairs = map.iter().map(|(key, value)| self.pair(key, value, column + 2));
                pairs.map(|pair| indented(column + 2, &pair)).collect()
            }
            Value::String(text) => {
                let lines = text.lines().map(|line| indented(column + 2, line));
                format!(" |{}", lines.collect::<String>())
            }
            other => format!(" {other}"),
        }
    }

    /// An item after a dash in this column.
    pub(super) fn item(self, item: &Value, column: usize) -> String {
        let Value::Object(map) = item else { return format!("- {}", scalar(item)) };
        let pairs: Vec<String> =
            map.iter().map(|(key, value)| self.pair(key, value, column + 2)).collect();
        format!("- {}", pairs.join(&format!("\n{}", " ".repeat(column + 2))))
    }
}
