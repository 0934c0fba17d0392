//! The command line of a `credential_process`. AWS tools parse it in different ways, so it is limited to what all of
//! them understand.

/// The arguments in a command line of this program.
pub(super) fn arguments(command: &str) -> &str {
    command.split_once("yc-id-token").map_or(command, |(_, rest)| {
        rest.trim_start_matches(".exe").trim_start_matches('"').trim_start()
    })
}

/// One word of the command line, or `None` if it cannot be written for all tools. botocore splits the command line as a
/// shell does, other SDKs pass it to a shell, and Windows has neither; all of them understand `"…"`.
pub(in crate::command::setup) fn process_word(word: &str) -> Option<String> {
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric() || "-_./:=+,@".contains(c) || (cfg!(windows) && c == '\\')
    };
    if word.is_empty() || !word.chars().all(|c| is_plain(c) || c == ' ') {
        return None;
    }
    Some(if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_every_sdk() {
        assert_eq!(process_word("/usr/bin/yc-id-token").as_deref(), Some("/usr/bin/yc-id-token"));
        assert_eq!(process_word("/a b/yc").as_deref(), Some("\"/a b/yc\""));
        for bad in ["", "~/yc", "$HOME/yc", "/a'b", "/a\"b", "/é"] {
            assert_eq!(process_word(bad), None, "{bad}");
        }
    }
}
