//! Quotes words for a POSIX shell, in commands that are shown to the user.

/// One word of a shell command, quoted only if necessary.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~@%:,=".contains(c);
    if word.chars().all(plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
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
}
