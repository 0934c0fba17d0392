//! Masks the secrets in another program's configuration, because diffs show a part of it.
//!
//! A value can continue on the lines below its key: as a block, in quotes, in flow style. So the whole text is masked
//! from its beginning, not only the lines of the diff. When in doubt, it masks too much.

/// Keys whose values are secrets, by the ends of their names. In a kubeconfig, `value` is an environment
/// variable of an exec plugin.
const SECRET_KEYS: &[&str] = &[
    "key-data",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "value",
    "apikey",
    "api-key",
    "api_key",
    "private-key",
    "private_key",
    "secret_access_key",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "authorization",
    "jwt",
    "assertion",
];

const REDACTED: &str = "[redacted]";

/// The text with its secrets masked; it has the same number of lines.
pub(super) fn masked(text: &str) -> String {
    let mut mask = Mask::default();
    text.split_inclusive('\n').map(|line| mask.line(line)).collect()
}

#[derive(Default)]
struct Mask {
    /// The end of a secret value that continues on the next line.
    until: Option<End>,
    /// The number of open brackets in flow style.
    depth: usize,
}

#[derive(Clone, Copy)]
enum End {
    /// The first line that is not indented more than this.
    Indent(usize),
    /// The line that contains this.
    Mark(&'static str),
    /// The next line that is not empty, whatever its indentation.
    NextLine,
}

impl Mask {
    fn line(&mut self, line: &str) -> String {
        let text = line.trim_end_matches(['\n', '\r']);
        let end = &line[text.len()..];
        if self.is_within(text) {
            let blanks = &text[..text.len() - text.trim_start().len()];
            let shown = if text.trim().is_empty() { "" } else { REDACTED };
            return [blanks, shown, end].concat();
        }
        if let Some(at) = text.find("-----BEGIN").filter(|_| text.contains("PRIVATE KEY")) {
            if !text.contains("-----END") {
                self.until = Some(End::Mark("-----END"));
            }
            return [&text[..at], REDACTED, end].concat();
        }
        let is_flow = self.depth > 0 || text.contains(['{', '[']);
        self.depth = depth(self.depth, text);
        self.key_values(text, is_flow) + end
    }

    /// Whether a line belongs to a secret value that began above.
    fn is_within(&mut self, text: &str) -> bool {
        let is_within = match self.until {
            None => false,
            Some(End::Mark(mark)) => {
                if text.contains(mark) {
                    self.until = None;
                }
                true
            }
            Some(End::Indent(indent)) => text.trim().is_empty() || indent_of(text) > indent,
            Some(End::NextLine) if text.trim().is_empty() => true,
            Some(End::NextLine) => {
                self.until = None;
                self.depth = depth(self.depth, text);
                return true;
            }
        };
        if !is_within {
            self.until = None;
        }
        is_within
    }

    fn key_values(&mut self, text: &str, is_flow: bool) -> String {
        let (mut shown, mut rest) = (String::new(), text);
        // In flow style and JSON, one line can have many keys.
        while let Some(at) = rest.find([':', '=']) {
            let (key, value) = rest.split_at(at + 1);
            shown.push_str(&without_arguments(key));
            rest = value;
            if is_secret(&key[..at]) {
                let shown_value = if value.trim().is_empty() { "" } else { " [redacted]" };
                shown.push_str(shown_value);
                rest = self.after_value(text, value, is_flow);
            }
        }
        // The value is on the next line after `? token`, and after a flag in a list of arguments.
        let last = rest.trim_end().trim_end_matches(['"', '\'', ',']);
        let last_word = last.rsplit([' ', '[', '"', '\'']).next().unwrap_or_default();
        if is_secret(last_word)
            && (last_word.starts_with("--") || text.trim_start().starts_with("? "))
        {
            self.until = Some(End::NextLine);
        }
        shown + &without_arguments(rest)
    }

    /// The rest of a line after a secret value. Sets `until` if the value continues below.
    fn after_value<'a>(&mut self, text: &str, value: &'a str, is_flow: bool) -> &'a str {
        let long = ["\"\"\"", "'''"].into_iter().find(|mark| value.matches(mark).count() == 1);
        if let Some(mark) = long {
            self.until = Some(End::Mark(mark));
            return "";
        }
        if !is_flow {
            self.until = Some(End::Indent(indent_of(text)));
            return "";
        }
        let rest = after_flow_value(value);
        if rest.is_empty() {
            self.until = Some(End::NextLine);
        }
        rest
    }
}

/// The column at which a line begins, after the dashes of lists.
fn indent_of(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '-', '?']).len()
}

/// The number of open brackets after a line.
fn depth(before: usize, text: &str) -> usize {
    text.chars().fold(before, |depth, c| match c {
        '{' | '[' => depth + 1,
        '}' | ']' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// Whether a text ends with the key of a secret.
fn is_secret(text: &str) -> bool {
    let name = text.trim().trim_matches(['"', '\'']).to_lowercase();
    !name.ends_with("yc-id-token") && SECRET_KEYS.iter().any(|secret| name.ends_with(secret))
}

/// The text after a value in flow style; empty if the value continues on the next line.
fn after_flow_value(text: &str) -> &str {
    let value = text.trim_start();
    let Some(quote) = value.chars().next().filter(|first| ['"', '\''].contains(first)) else {
        return value.find([',', '}', ']']).map_or("", |end| &value[end..]);
    };
    let mut letters = value.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        let is_doubled = quote == '\'' && value[at + 1..].starts_with(quote);
        if letter == '\\' && quote == '"' || letter == quote && is_doubled {
            letters.next();
        } else if letter == quote {
            return &value[at + 1..];
        }
    }
    ""
}

/// Masks tokens, and the word after a secret flag such as `--password`, or after the name of a secret in a
/// comment.
fn without_arguments(text: &str) -> String {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "+=_-.".contains(c);
    let mut shown = String::new();
    let is_comment = text.trim_start().starts_with(['#', ';']);
    let mut is_argument = false;
    for part in text.split_inclusive(|c| !is_key(c)) {
        let word = part.trim_end_matches(|c| !is_key(c));
        let has_prefix = ["t1.", "eyJ", "hvs.", "AKIA"].iter().any(|start| word.starts_with(start));
        let is_token = word.len() >= 60 || (has_prefix && word.len() > 15);
        let is_hidden = is_token || is_argument;
        shown.push_str(if is_hidden && !word.is_empty() { REDACTED } else { word });
        shown.push_str(&part[word.len()..]);
        if !word.is_empty() {
            is_argument = is_secret(word) && (is_comment || word.starts_with('-'));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_values_are_masked_in_every_style() {
        let hidden =
            masked("      - name: X\n        value: hunter2\n    - --token=hvs.CAESIJlU4dmb\n");
        assert!(!hidden.contains("hunter2") && !hidden.contains("CAES"), "{hidden}");
        let flow = masked(
            "- {name: x, user: {token: hunter2, a: b}} # c\n{\"user\":{\"password\":\"hun\\\"ter2\",\"tokenFile\":\"/run/jwt\"}}\n- {token: 'it''s hunter2', exec: {args: [--token=hunter2]}}\n",
        );
        assert!(!flow.contains("hun"), "{flow}");
        assert!(flow.contains(", a: b}} # c\n") && flow.contains("\"/run/jwt\"}}\n"), "{flow}");
        let whole = masked("    tokenFile: /run/jwt\n");
        assert_eq!(whole, "    tokenFile: /run/jwt\n");
    }

    #[test]
    fn what_this_program_writes_is_not_masked() {
        for text in [
            "credential_process = /usr/bin/yc-id-token aws --profile=aws\n",
            "      command: yc-id-token\n      args: [kubectl, --profile=kubernetes]\n",
            "# yc-id-token runs as the service account\nkey_file = \"/home/me/key.json\"\n",
            "token_helper = \"/home/me/.local/bin/yc-id-token-vault\"\n",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn values_that_continue_on_the_next_lines_are_masked() {
        for text in [
            "    token: |\n      hunter2\n\n      hunter2\n    a: b\n",
            "    token:\n      hunter2\n    a: b\n",
            "  - password:\n      \"hunter2\n      more hunter2\"\n    a: b\n",
            "    \"token\": \"x\n\n      hunter2\"\n    a: b\n",
            "    ? token\n    : hunter2\n    a: b\n",
            "- {user: {\"password\":\"hunter2\",\n name: u, token:\n hunter2}}\n    a: b\n",
            "    args:\n    - --password\n    - hunter2\n    a: b\n",
            "    args: [login, --client-secret, hunter2]\n    a: b\n",
            "    args: [login, --client-secret,\n    hunter2]\n    a: b\n",
            "    key: |\n      -----BEGIN PRIVATE KEY-----\n      hunter2\n      -----END PRIVATE KEY-----\n    a: b\n",
            "    passwd: hunter2\n    apiKey: hunter2\n    cookie: hunter2\n    a: b\n",
            "    # password hunter2\n    # password: hunter2\n    a: b\n",
            "token = \"\"\"\nhunter2\nhunter2\"\"\"\n    a: b\n",
            "secret =\n  hunter2\n    a: b\n",
        ] {
            let shown = masked(text);
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
            assert_eq!(shown.lines().count(), text.lines().count(), "{shown}");
            let is_ini = text.starts_with("secret =");
            assert!(is_ini || shown.ends_with("\n    a: b\n"), "{text}: {shown}");
        }
    }
}
