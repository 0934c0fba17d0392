//! Names in messages.

use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The known name that is most similar.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let similarity = |candidate: &&str| strsim::jaro_winkler(name, candidate);
    let best = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(&best) > 0.8).then_some(best)
}

/// A list of names to choose from, for a message.
pub fn list(names: &[&str]) -> Message {
    let quoted = |name: &&str| message!("`{}`", ForeignText::new(name));
    let shown: Vec<Message> = names.iter().take(20).map(quoted).collect();
    match &shown[..] {
        _ if names.len() > 20 => message!("{} or others", Message::join(&shown, ", ")),
        [rest @ .., last] if !rest.is_empty() => {
            message!("{} or {last}", Message::join(rest, ", "), last)
        }
        _ => Message::join(&shown, ", "),
    }
}

/// A kind of value with its article.
pub(super) fn with_article(kind: &'static str) -> Message {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    message!("{article} {kind}", article, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_reads_as_a_choice() {
        for (names, text) in [
            (&["a"][..], "`a`"),
            (&["a", "b"], "`a` or `b`"),
            (&["a", "b", "c"], "`a`, `b` or `c`"),
        ] {
            assert_eq!(list(names).as_str(), text);
        }
        let many: Vec<&str> = std::iter::repeat_n("a", 21).collect();
        assert!(list(&many).as_str().ends_with("`a` or others"));
    }
}
