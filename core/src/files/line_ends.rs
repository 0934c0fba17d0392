//! Keeps the byte order mark and the line ends of an edited text file.

const BOM: &str = "\u{feff}";

/// The text of a file as parsers see it: without a byte order mark, and with LF line ends.
pub(super) fn plain(content: &str) -> String {
    content.strip_prefix(BOM).unwrap_or(content).replace("\r\n", "\n")
}

/// A new text with the byte order mark and the line ends of the old content. Lines before and after the
/// change keep their own ends; new lines get the most common one.
pub(super) fn restored(content: &str, new_text: &str) -> String {
    let (bom, old) = content.strip_prefix(BOM).map_or(("", content), |old| (BOM, old));
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new_text.split_inclusive('\n').collect();
    let with = |end| old.iter().filter(|line| line.ends_with(end)).count();
    let end = if with("\r\n") * 2 > with("\n") { "\r\n" } else { "\n" };
    let is_same = |(old, new): &(&&str, &&str)| plain_line(old) == plain_line(new);
    let before = old.iter().zip(&new).take_while(is_same).count();
    let after = old[before..].iter().rev().zip(new[before..].iter().rev());
    let after = after.take_while(is_same).count();

    let mut restored = bom.to_owned();
    restored.extend(old[..before].iter().copied());
    for line in &new[before..new.len() - after] {
        match plain_line(line) {
            (text, true) => restored.extend([text, end]),
            (text, false) => restored.push_str(text),
        }
    }
    restored.extend(old[old.len() - after..].iter().copied());
    restored
}

/// A line without its end, and whether it has one.
fn plain_line(line: &str) -> (&str, bool) {
    match line.strip_suffix('\n') {
        Some(text) => (text.strip_suffix('\r').unwrap_or(text), true),
        None => (line, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_the_byte_order_mark_are_preserved() {
        for (content, new_text, expected) in [
            ("a\r\nb\r\n", "a\nx\nb\n", "a\r\nx\r\nb\r\n"),
            ("\u{feff}a\r\nb", "a\nb\nc\n", "\u{feff}a\r\nb\r\nc\r\n"),
            ("a\nb\r\nc\n", "a\nb\nx\nc\n", "a\nb\r\nx\nc\n"),
            ("a\nb\n", "b\n", "b\n"),
            ("", "a\n", "a\n"),
            ("a\r\n", "", ""),
            ("a\na\na\n", "a\na\n", "a\na\n"),
        ] {
            assert_eq!(restored(content, new_text), expected, "{content:?}");
            assert_eq!(plain(expected), new_text, "{content:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsers_see_exactly_the_new_text(
            content in "\u{feff}?([ab]?(\n|\r\n)){0,6}[ab]?",
            new_text in "([abc]?\n){0,6}[abc]?",
        ) {
            proptest::prop_assert_eq!(plain(&restored(&content, &new_text)), new_text);
            proptest::prop_assert_eq!(restored(&content, &plain(&content)), content);
        }
    }
}
