//! Words of a POSIX shell: quoted for commands that are shown to the user, and read from lines that users write.

/// One word of a shell command, quoted only if necessary.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~@%:,=".contains(c);
    if word.chars().all(plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
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
