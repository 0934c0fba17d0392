//! Parses the configuration of the `vault` and `bao` CLIs: HCL 1 or JSON, with one setting.
//!
//! ```text
//! token_helper = "/usr/local/bin/yc-id-token-vault" # the only setting that there is
//! ```

use crate::foreign_text::{ForeignText, Message};
use crate::message;

pub(super) const TOKEN_HELPER: &str = "token_helper";

/// The reason why every command of the CLI rejects the file.
#[derive(Debug)]
pub(super) struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    pub problem: Message,
}

/// The token helper in a text. As in the CLIs, an empty one counts as none.
pub(super) fn token_helper(text: &str) -> Result<Option<String>, Fault> {
    // Only white space can be before the brace of JSON, and no comment.
    let content = text.trim_start_matches(is_space);
    let is_json = content.starts_with('{');
    let at = if is_json { text.len() - content.len() + 1 } else { 0 };
    let helper = Scanner { text, at, is_json }.settings()?;
    Ok(helper.filter(|helper| !helper.is_empty()))
}

/// The line for a token helper.
pub(super) fn line(helper: &str) -> String {
    let mut line = format!("{TOKEN_HELPER} = \"");
    for c in helper.chars() {
        match c {
            '\\' | '"' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            c => line.push(c),
        }
    }
    line + "\""
}

/// White space in HCL.
const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn not_a_setting(name: &str) -> Message {
    message!("`{}` is not a setting of the CLI", ForeignText::new(name))
}

fn not_a_string() -> Message {
    "`token_helper` is not a string in double quotes".into()
}

/// A text and a position in it.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    is_json: bool,
}

impl Scanner<'_> {
    fn settings(&mut self) -> Result<Option<String>, Fault> {
        let mut helper = None;
        loop {
            self.skip_space()?;
            // Text after a JSON object is ignored.
            if self.rest().is_empty() || self.is_json && self.starts_with("}") {
                return Ok(helper);
            }
            let start = self.at;
            let is_quoted = self.starts_with("\"");
            let key = match is_quoted {
                true => self.string()?,
                false if self.is_json => String::new(),
                false => self.word(),
            };
            let wrong = |rest: &Self, problem| Err(rest.fault(start, problem));
            if key.is_empty() {
                return wrong(self, "the line is not of the form `token_helper = \"PATH\"`".into());
            }
            if key != TOKEN_HELPER {
                return wrong(self, not_a_setting(&key));
            }
            if helper.is_some() {
                return wrong(self, "`token_helper` is set twice".into());
            }
            self.skip_space()?;
            if !self.takes(if self.is_json { ":" } else { "=" }) {
                return wrong(self, "`token_helper` is not followed by its value".into());
            }
            self.skip_space()?;
            if !self.starts_with("\"") {
                return wrong(self, not_a_string());
            }
            helper = Some(self.string()?);
            self.skip_space()?;
            self.takes(",");
        }
    }

    fn word(&mut self) -> String {
        let is_part = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest[..end].to_owned();
        self.at += end;
        word
    }

    /// A string in double quotes, with the escapes of HCL's scanner.
    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut string = String::new();
        loop {
            let at = self.at;
            match self.next() {
                Some('"') => return Ok(string),
                None | Some('\n') => return Err(self.fault(start, "the string has no end".into())),
                Some('\\') => {
                    let escaped = self.escape().ok_or_else(|| {
                        let escape: String = self.text[at..].chars().take(2).collect();
                        let escape = ForeignText::new(&escape);
                        self.fault(
                            at,
                            message!(
                                "`{escape}` is not an escape; write a backslash as `\\\\`",
                                escape
                            ),
                        )
                    })?;
                    string.push(escaped);
                }
                Some(c) => string.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.next()?;
        let (radix, digits) = match kind {
            'a' => return Some('\u{7}'),
            'b' => return Some('\u{8}'),
            'f' => return Some('\u{c}'),
            'n' => return Some('\n'),
            'r' => return Some('\r'),
            't' => return Some('\t'),
            'v' => return Some('\u{b}'),
            '\\' | '"' => return Some(kind),
            'x' => (16, 2),
            'u' => (16, 4),
            'U' => (16, 8),
            '0'..='7' => {
                self.at -= 1;
                (8, 3)
            }
            _ => return None,
        };
        let code = self.text.get(self.at..self.at + digits)?;
        self.at += digits;
        let is_digit = |c: char| c.is_digit(radix);
        char::from_u32(u32::from_str_radix(code, radix).ok()?)
            .filter(|_| code.chars().all(is_digit))
    }

    fn skip_space(&mut self) -> Result<(), Fault> {
        loop {
            let start = self.at;
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
            if self.starts_with("#") || self.starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.starts_with("/*") {
                let end = self.rest().find("*/");
                self.at +=
                    end.ok_or_else(|| self.fault(start, "the comment has no end".into()))? + 2;
            }
            if self.at == start {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn takes(&mut self, token: &str) -> bool {
        let takes = self.starts_with(token);
        self.at += if takes { token.len() } else { 0 };
        takes
    }

    fn starts_with(&self, token: &str) -> bool {
        self.rest().starts_with(token)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fault(&self, at: usize, problem: Message) -> Fault {
        let line = memchr::memchr_iter(b'\n', &self.text.as_bytes()[..at]).count() + 1;
        Fault { line, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_helper_is_found_in_every_notation() {
        for text in [
            "token_helper = \"/p/x\"\n",
            "token_helper=\"/p/x\"",
            "# token_helper = \"/no\"\n\n// no\n/* token_helper = \"/no\" */ token_helper   = \"/p/x\" # yes",
            "\n {\"token_helper\": \"/p/x\",\n}",
            "{\"token_helper\": \"/p/x\"",
            "\"token_helper\" =\n \"/p\\x2fx\"",
            "token_helper = \"\\u002fp\\057\\U00000078\"",
        ] {
            assert_eq!(token_helper(text).unwrap().as_deref(), Some("/p/x"), "{text}");
        }
        for text in ["", "# token_helper = \"/no\"", "token_helper = \"\"", "{}", "// c"] {
            assert_eq!(token_helper(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn a_line_that_the_cli_rejects_is_a_fault() {
        for (text, line) in [
            ("token_helper = \"C:\\Users\\x\"", 1),
            ("\ntoken_helper = \"\\x4\"", 2),
            ("token_helper = /no", 1),
            ("token_helper = \"/a\nb\"", 1),
            ("# a\nother = \"/no\"", 2),
            ("token_helper = \"/a\"\ntoken_helper = \"/a\"", 2),
            ("/*", 1),
            ("token_helper \"/a\"", 1),
            ("{\"token_helper\":\n \"\\/a\"}", 2),
            ("# c\n{\"token_helper\": \"/a\"}", 2),
            ("token_helper = \"/a\",,", 1),
            ("{\"other\": 1}", 1),
            ("=", 1),
            ("# a\n\u{a0}token_helper = \"/a\"", 2),
            ("\u{c}", 1),
        ] {
            assert_eq!(token_helper(text).unwrap_err().line, line, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_line_that_is_written_reads_back_as_the_path(path in "[ -~é\n]{1,20}") {
            proptest::prop_assert_eq!(token_helper(&line(&path)).unwrap(), Some(path));
        }
    }
}
