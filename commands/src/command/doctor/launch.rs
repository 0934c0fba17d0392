//! How an `exec` entry runs this program: directly, through another program, or in a shell.

use std::path::Path;

use super::programs::is_this_program;

/// A run of this program, as a command line describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) way: Way,
    /// The word that names this program.
    pub(super) program: String,
    /// Its arguments; `None` if only a shell could determine them.
    pub(super) arguments: Option<Vec<String>>,
    /// The variables that are set before it, as `env` accepts them.
    pub(super) variables: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `command` names it.
    Direct,
    /// `command` also contains its arguments, which no client splits.
    Unsplit,
    /// Another program runs it: `env`, `sudo`, `sh -c`.
    Through,
}

impl Launch {
    /// Finds this program in the command line. `is_known` recognises it by a path with another name.
    pub(super) fn find(
        command: &str,
        arguments: &[String],
        is_known: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let is_it = |word: &str| is_this_program(Path::new(word)) || is_known(word);
        let mut words = command.split_whitespace();
        if let Some(first) = words.next().filter(|first| *first != command && is_it(first))
            && !Path::new(command).exists()
        {
            let arguments = words.chain(arguments.iter().map(String::as_str));
            return Some(Self {
                way: Way::Unsplit,
                program: first.to_owned(),
                arguments: Some(arguments.map(str::to_owned).collect()),
                variables: Vec::new(),
            });
        }
        if is_it(command) {
            return Some(Self {
                way: Way::Direct,
                program: command.to_owned(),
                arguments: Some(arguments.to_vec()),
                variables: Vec::new(),
            });
        }
        if let Some(at) = arguments.iter().position(|word| is_it(word)) {
            return Some(Self::through(arguments, at));
        }
        arguments.iter().find_map(|script| Self::in_script(script, is_it))
    }

    /// The program is the word at this index, and the words before it belong to another program.
    fn through(words: &[String], at: usize) -> Self {
        let variables = words[..at].iter().filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            is_name(name).then(|| (name.to_owned(), value.to_owned()))
        });
        Self {
            way: Way::Through,
            program: words[at].clone(),
            arguments: Some(words[at + 1..].to_vec()),
            variables: variables.collect(),
        }
    }

    /// The program is in a line that a shell or `env -S` splits.
    fn in_script(script: &str, is_it: impl Fn(&str) -> bool) -> Option<Self> {
        if let Some(words) = plain_words(script) {
            let at = words.iter().position(|word| is_it(word))?;
            return Some(Self::through(&words, at));
        }
        let ends_word = |c: char| c.is_whitespace() || "\"'`;|&()<>={}".contains(c);
        let program = script.split(ends_word).find(|word| is_it(word))?;
        Some(Self {
            way: Way::Through,
            program: program.to_owned(),
            arguments: None,
            variables: Vec::new(),
        })
    }
}

/// Whether this is a valid name of a variable.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_part) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// The words of a line that means the same to every shell: one command, without expansions.
pub(super) fn plain_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        quoted => word.push(quoted),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '$' | '`' | '\\' => return None,
                        quoted => word.push(quoted),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '$' | '`' | ';' | '|' | '&' | '<' | '>' | '(' | ')' | '{' | '}' | '*' | '?' | '['
            | '~' | '#' | '!' | '\n' | '\r' => return None,
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(command: &str, arguments: &[&str]) -> Option<Launch> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Launch::find(command, &arguments, |word| word == "/opt/token")
    }

    #[track_caller]
    fn is(found: Option<Launch>, way: Way, program: &str, arguments: Option<&[&str]>) -> Launch {
        let found = found.unwrap();
        assert_eq!((found.way, found.program.as_str()), (way, program), "{found:?}");
        let its: Option<Vec<&str>> =
            found.arguments.as_ref().map(|words| words.iter().map(String::as_str).collect());
        assert_eq!(its.as_deref(), arguments, "{found:?}");
        found
    }

    #[test]
    fn the_program_is_found_however_it_is_run() {
        let words: Option<&[&str]> = Some(&["kubectl", "--profile=p"]);
        let plain = ["kubectl", "--profile=p"];
        is(find("yc-id-token", &plain), Way::Direct, "yc-id-token", words);
        is(
            find("/opt/my tools/yc-id-token", &plain),
            Way::Direct,
            "/opt/my tools/yc-id-token",
            words,
        );
        is(find("/opt/token", &plain), Way::Direct, "/opt/token", words);
        is(find("yc-id-token kubectl", &["--profile=p"]), Way::Unsplit, "yc-id-token", words);
        is(find("yc-id-token kubectl --profile=p", &[]), Way::Unsplit, "yc-id-token", words);
        let through = find("env", &["-u", "A", "B=c=d", "yc-id-token", "kubectl", "--profile=p"]);
        let through = is(through, Way::Through, "yc-id-token", words);
        assert_eq!(through.variables, [("B".into(), "c=d".into())]);
        for line in [
            "yc-id-token kubectl --profile=p",
            "exec yc-id-token 'kubectl' \"--profile=p\"",
            "A=b yc-id-token  kubectl --prof\\ile=p",
        ] {
            is(find("/bin/sh", &["-c", line]), Way::Through, "yc-id-token", words);
        }
        is(
            find("sh", &["-c", "exec \"$0\" \"$@\"", "/x/yc-id-token", "kubectl", "--profile=p"]),
            Way::Through,
            "/x/yc-id-token",
            words,
        );
        for line in [
            "yc-id-token kubectl --profile=$P",
            "cd /x; ./yc-id-token kubectl | cat",
            "TOKEN=$(yc-id-token kubectl)",
        ] {
            let program = if line.starts_with("cd") { "./yc-id-token" } else { "yc-id-token" };
            is(find("bash", &["-c", line]), Way::Through, program, None);
        }
    }

    #[test]
    fn other_programs_are_not_taken_for_it() {
        for (command, arguments) in [
            ("kubelogin", vec!["--cache=/home/me/yc-id-token-cache/x"]),
            ("aws", vec!["eks", "get-token", "--profile", "yc"]),
            ("sh", vec!["-c", "echo yc-id-tokens"]),
            ("", vec![]),
        ] {
            assert_eq!(find(command, &arguments), None, "{command}");
        }
    }
}
