//! Words of shell commands: quoted for a script of `sh` or for the user's own shell, and parsed from lines that users
//! write.
//!
//! The user's own shell is `sh`, or on Windows PowerShell. Most commands also work in cmd.exe.

/// One word of a POSIX shell's command, quoted only if necessary.
pub fn quoted(word: &str) -> String {
    if is_plain(word, "/._-+~@%:,=") {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// One word of a command in the user's own shell, quoted only if necessary.
pub fn quoted_here(word: &str) -> String {
    if cfg!(windows) { quoted_for_windows(word) } else { quoted(word) }
}

/// A variable and its value in the user's own shell, after [`EXPORT`], or before [`THEN`] and a command.
pub fn assignment_here(name: &str, value: &str) -> String {
    if cfg!(windows) {
        format!("$env:{name} = {}", quoted_for_powershell(value))
    } else {
        format!("{name}={}", quoted(value))
    }
}

/// What is before an assignment that lasts for the session.
pub const EXPORT: &str = if cfg!(windows) { "" } else { "export " };

/// What is between an assignment and a command that needs it.
pub const THEN: &str = if cfg!(windows) { "; " } else { " " };

/// Double quotes work in PowerShell and cmd.exe, if neither expands anything in the word.
fn quoted_for_windows(word: &str) -> String {
    // At the start of a word, PowerShell reads `@` as a mark of its own.
    if is_plain(word, r"/\._-+~:=@") && !word.starts_with('@') {
        word.to_owned()
    } else if word.contains(['"', '“', '”', '„', '$', '`', '%']) {
        quoted_for_powershell(word)
    } else {
        format!("\"{word}\"")
    }
}

/// Security: PowerShell also ends a word in quotes at a typographic quotation mark.
fn quoted_for_powershell(word: &str) -> String {
    let mut quoted = String::from("'");
    for c in word.chars() {
        quoted.push(c);
        if matches!(c, '\'' | '‘' | '’' | '‚' | '‛') {
            quoted.push(c);
        }
    }
    quoted + "'"
}

fn is_plain(word: &str, marks: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

/// The words of a line, as a POSIX shell and Python's `shlex` split them: nothing is expanded. `None` if a quotation
/// mark is not closed.
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let part = word.get_or_insert_default();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '\\') => part.push(chars.next()?),
            (Some('"'), '\\') => match chars.next()? {
                escaped @ ('"' | '\\') => part.push(escaped),
                other => part.extend(['\\', other]),
            },
            (None, c) if c.is_ascii_whitespace() => {
                words.extend(word.take().filter(|word| !word.is_empty()));
            }
            (_, c) => part.push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_if_necessary() {
        assert_eq!(quoted("/home/me/key.json"), "/home/me/key.json");
        assert_eq!(quoted("/home/a b/it's.json"), r"'/home/a b/it'\''s.json'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn words_are_quoted_for_the_shells_of_windows() {
        for (word, expected) in [
            (r"C:\keys\key.json", r"C:\keys\key.json"),
            (r"C:\my keys\it's.json", r#""C:\my keys\it's.json""#),
            ("", r#""""#),
            ("a,b", r#""a,b""#),
            ("--context=yandex@prod", "--context=yandex@prod"),
            ("@prod", r#""@prod""#),
            ("it's $HOME", "'it''s $HOME'"),
            (r#"{"a":1}"#, r#"'{"a":1}'"#),
        ] {
            assert_eq!(quoted_for_windows(word), expected);
        }
        assert_eq!(quoted_for_powershell("https://v.example"), "'https://v.example'");
    }

    #[test]
    fn typographic_quotation_marks_do_not_end_a_word_of_powershell() {
        assert_eq!(quoted_for_windows("a”; evil; “b"), "'a”; evil; “b'");
        assert_eq!(quoted_for_windows("a’ $(evil)"), "'a’’ $(evil)'");
        assert_eq!(quoted_for_powershell("a‘; evil"), "'a‘‘; evil'");
    }

    #[test]
    fn a_line_is_split_as_a_shell_splits_it() {
        for (line, expected) in [
            ("vi", Some(vec!["vi"])),
            (" code  --wait\t-n ", Some(vec!["code", "--wait", "-n"])),
            ("'/opt/my ed/ed' \"-a b\" c'd e'", Some(vec!["/opt/my ed/ed", "-a b", "cd e"])),
            (r#"a\ b "\"\$""#, Some(vec!["a b", r#""\$"#])),
            ("ed ''", Some(vec!["ed", ""])),
            ("  ", Some(vec![])),
            ("ed 'a", None),
            ("ed \\", None),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(words(line), expected, "{line}");
        }
        for word in ["/home/a b/it's.json", "", "$(x) \"y\""] {
            assert_eq!(words(&quoted(word)).unwrap(), [word]);
        }
    }
}
