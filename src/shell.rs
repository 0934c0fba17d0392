//! Words for a POSIX shell, in commands that the user is told to type.

/// A word as a shell takes it for itself, quoted only where it must be.
#[must_use]
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
    fn a_word_stays_one_word() {
        assert_eq!(quoted("/home/me/key.json"), "/home/me/key.json");
        assert_eq!(quoted("/home/a b/it's.json"), r"'/home/a b/it'\''s.json'");
        assert_eq!(quoted(""), "''");
    }
}
