//! Takes the secrets out of a configuration of another program, of whose text a diff shows a part.
//!
//! A value can go on in the lines below its key: as a block, in quotes, in flow style. So the whole text is
//! read from its beginning, and not only the lines that are shown. Where the form is not clear, too much is
//! taken out.

/// Keys whose values are secrets, by the ends of their names. In a kubeconfig, `value` is that of a variable
/// of some plugin's.
const SECRETS: &[&str] = &[
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

/// A text with its secrets taken out, line for line.
pub(super) fn masked(text: &str) -> String {
    let mut mask = Mask::default();
    text.split_inclusive('\n').map(|line| mask.line(line)).collect()
}

/// What is known of the lines so far.
#[derive(Default)]
struct Mask {
    /// What ends the value of a secret that has begun.
    until: Option<End>,
    /// How many brackets of flow style are open.
    depth: usize,
}

#[derive(Clone, Copy)]
enum End {
    /// A line that is not further in than this.
    Indent(usize),
    /// The line that holds this.
    Mark(&'static str),
    /// The next argument of a command, or value of flow style, whatever its place is.
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

    /// Whether a line belongs to the value of a secret that began above.
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
        // In flow style and in JSON, one line has many keys.
        while let Some(at) = rest.find([':', '=']) {
            let (key, value) = rest.split_at(at + 1);
            shown.push_str(&without_arguments(key));
            rest = value;
            if is_secret(&key[..at]) {
                let shown_value = if value.trim().is_empty() { "" } else { " [redacted]" };
                shown.push_str(shown_value);
                rest = self.behind_value(text, value, is_flow);
            }
        }
        // `? token` and, in the next line, `: value`; a flag, and its value as the next item.
        let last = rest.trim_end().trim_end_matches(['"', '\'', ',']);
        let last_word = last.rsplit([' ', '[', '"', '\'']).next().unwrap_or_default();
        if is_secret(last_word)
            && (last_word.starts_with("--") || text.trim_start().starts_with("? "))
        {
            self.until = Some(End::NextLine);
        }
        shown + &without_arguments(rest)
    }

    /// What follows the value of a secret in its line. Notes where the value ends if it goes on below.
    fn behind_value<'a>(&mut self, text: &str, value: &'a str, is_flow: bool) -> &'a str {
        let long = ["\"\"\"", "'''"].into_iter().find(|mark| value.matches(mark).count() == 1);
        if let Some(mark) = long {
            self.until = Some(End::Mark(mark));
            return "";
        }
        if !is_flow {
            self.until = Some(End::Indent(indent_of(text)));
            return "";
        }
        let behind = behind_flow_value(value);
        if behind.is_empty() {
            self.until = Some(End::NextLine);
        }
        behind
    }
}

/// How far in a line begins, behind the dashes of lists.
fn indent_of(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '-', '?']).len()
}

/// How many brackets are open after a line.
fn depth(before: usize, text: &str) -> usize {
    text.chars().fold(before, |depth, c| match c {
        '{' | '[' => depth + 1,
        '}' | ']' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// Whether a text ends with the key of a secret. The path of a file is no secret.
fn is_secret(text: &str) -> bool {
    let name = text.trim().trim_matches(['"', '\'']).to_lowercase();
    !name.ends_with("yc-id-token") && SECRETS.iter().any(|secret| name.ends_with(secret))
}

/// What follows a value of flow style: nothing, if it goes on in the next line.
fn behind_flow_value(text: &str) -> &str {
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

/// A text without what stands behind a word for a secret, such as `--password` or one of a comment, and
/// without a token.
fn without_arguments(text: &str) -> String {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "+=_-.".contains(c);
    let mut shown = String::new();
    let is_comment = text.trim_start().starts_with(['#', ';']);
    let mut is_argument = false;
    for part in text.split_inclusive(|c| !is_key(c)) {
        let word = part.trim_end_matches(|c| !is_key(c));
        let begins = ["t1.", "eyJ", "hvs.", "AKIA"].iter().any(|start| word.starts_with(start));
        let is_token = word.len() >= 60 || (begins && word.len() > 15);
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
    fn the_values_of_secrets_are_taken_out_in_every_form() {
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
    fn what_this_program_writes_is_shown() {
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
    fn a_value_that_goes_on_in_the_next_lines_is_taken_out_with_them() {
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
