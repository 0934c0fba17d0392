//! The consumer's own check: kubectl, the AWS CLI, or the CLI of Vault or OpenBao asks its server who it is signed in
//! as. `doctor` and `setup` run it, and so learn what a user of that program would see.
//!
//! One file for each program: its command, what it prints when the server accepts the credential, and what its errors
//! mean.

mod aws;
mod gcloud;
mod kubectl;
mod vault;

use std::path::Path;
use std::time::Duration;

use super::ask::{Answer, Silence, ask_with};
use super::on_path::on_path;
use crate::env::Env;
use crate::error::Exit;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::shell::THEN;

/// The beginning of the error lines of this program, which the others print or pass on.
const OWN: &str = "yc-id-token: ";

/// How a hint begins behind that.
const HINT: &str = "hint: ";

/// A check by one program.
pub(super) struct OwnCheck {
    /// The name of the program, which is looked for on the `PATH`.
    program: &'static str,
    arguments: Vec<String>,
    /// Variables that are set for it besides those of this process.
    variables: Vec<(&'static str, String)>,
    /// The arguments that the command has only here: for JSON and, if there is one, a time limit of its own, which tells
    /// a server that does not answer from a program that hangs.
    unattended: fn(Duration) -> Vec<String>,
    /// What it prints when the server accepts the credential.
    accepted: fn(&Answer) -> Option<Accepted>,
    /// What its standard error means otherwise.
    refused: fn(&Failure<'_>) -> Refusal,
}

/// The result of a check.
pub(super) enum Outcome {
    /// The server accepts the credential.
    Accepted(Accepted),
    /// It does not, or it could not be asked.
    Refused(Refusal),
    /// The program is not installed: [`OwnCheck::command`] can be run elsewhere.
    NotInstalled,
}

/// What the server says of the credential.
pub(super) struct Accepted {
    /// Who the server sees, as a sentence: "AWS sees `arn:…`".
    pub(super) text: Message,
    /// All that it says of the user, to look for an ID in. It can hold what must not be printed.
    pub(super) user: String,
}

/// Why there is no such answer.
pub(super) struct Refusal {
    /// The exit status that this problem has; `None` if it says nothing against the settings: the server may be out of
    /// reach at the moment, or the time limit may be over.
    pub(super) exit: Option<Exit>,
    pub(super) problem: Message,
    pub(super) hint: Message,
}

/// The failure of a program.
struct Failure<'a> {
    /// What it printed on standard error.
    stderr: &'a str,
    /// The last line of that, as a sentence.
    said: ForeignText,
    /// The command to run by hand.
    command: Message,
}

impl OwnCheck {
    /// `kubectl auth whoami` in this context.
    pub(super) fn kubectl(context: &str, kubeconfig: Option<&Path>) -> Self {
        kubectl::check(context, kubeconfig)
    }

    /// `aws sts get-caller-identity` with this profile of the AWS configuration.
    pub(super) fn aws(profile: &str) -> Self {
        aws::check(profile)
    }

    /// `vault token lookup`, or that of `bao`, with the token of the token helper. `address` is the server, if the
    /// variables of this process do not name it.
    pub(super) fn vault(cli: &'static str, address: Option<&str>) -> Self {
        vault::check(cli, address)
    }

    /// `gcloud auth application-default print-access-token` with this credential configuration.
    pub(super) fn gcloud(file: &Path) -> Self {
        gcloud::check(file)
    }

    /// The same with a variable, if that has a value.
    pub(super) fn with_variable(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.variables.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    /// The command to run by hand.
    pub(super) fn command(&self) -> Message {
        let variables = self.variables.iter().map(|(name, value)| {
            message!("{}{THEN}", ForeignText::new(value).assigned_to(name), THEN)
        });
        let variables = Message::join(&variables.collect::<Vec<_>>(), "");
        let words = self.arguments.iter().map(|word| ForeignText::new(word).quoted().into());
        let words: Vec<Message> = [self.program.into()].into_iter().chain(words).collect();
        message!("{variables}{}", Message::join(&words, " "), variables)
    }

    /// Runs the program, for no longer than `limit`.
    pub(super) async fn run(&self, env: &Env, limit: Duration) -> Outcome {
        let Some(program) = on_path(env, self.program) else { return Outcome::NotInstalled };
        // Shorter than the limit.
        let words = [self.arguments.clone(), (self.unattended)(limit.mul_f32(0.7))].concat();
        let answer = match ask_with(&program, &words, &self.variables, limit).await {
            Ok(answer) => answer,
            Err(silence) => return Outcome::Refused(self.silent(&silence)),
        };
        if answer.status.success()
            && let Some(accepted) = (self.accepted)(&answer)
        {
            return Outcome::Accepted(accepted);
        }
        let stderr = String::from_utf8_lossy(&answer.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let said = ForeignText::sentence(last.trim_start_matches("error: "));
        let said = if said.is_empty() { "it printed no reason".into() } else { said };
        let failure = Failure { stderr: &stderr, said, command: self.command() };
        Outcome::Refused((self.refused)(&failure))
    }

    fn silent(&self, silence: &Silence) -> Refusal {
        match silence {
            Silence::NoTime => Refusal {
                exit: None,
                problem: message!("`{}` was not run, as the time limit is over", self.command()),
                hint: "give more time with `--timeout`".into(),
            },
            Silence::Late(_) | Silence::TooMuch | Silence::Failed(_) => Refusal {
                exit: Some(Exit::Temporary),
                problem: message!("`{}` {}", self.command(), silence.describe()),
                hint: message!(
                    "run `{}` in a terminal: {}, the credential helper or the network hangs",
                    self.command(),
                    self.program
                ),
            },
        }
    }
}

impl Failure<'_> {
    /// Whether one of these is in what it printed.
    fn has(&self, signs: &[&str]) -> bool {
        signs.iter().any(|sign| self.stderr.contains(sign))
    }

    /// The error of this program that it passed on, which is more than it says itself.
    fn by_us(&self) -> Option<ForeignText> {
        self.own_lines().find(|line| !line.starts_with(HINT)).map(ForeignText::sentence)
    }

    fn hint_by_us(&self) -> Option<ForeignText> {
        self.own_lines().find_map(|line| line.strip_prefix(HINT)).map(ForeignText::sentence)
    }

    /// The lines of this program. OpenBao prints them as one quoted string of Go.
    fn own_lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.stderr.lines().flat_map(|line| {
            let is_quoted = line.contains("\"yc-id-token: ");
            line.split(if is_quoted { "\\n" } else { "\n" })
        });
        lines.filter_map(|line| Some(line.split_once(OWN)?.1))
    }

    /// The program got no credential from this one.
    fn without_credential(&self, who: &'static str) -> Refusal {
        let hint = self.hint_by_us().map(Message::from);
        Refusal {
            exit: Some(Exit::Configuration),
            problem: message!("{who}: {}", self.by_us().unwrap_or_else(|| self.said.clone()), who),
            hint: hint.unwrap_or_else(|| message!("run `{}` in a terminal", self.command)),
        }
    }

    /// The server refuses the credential: `problem` says what it does not accept.
    fn not_accepted(&self, problem: &'static str, hint: &'static str) -> Refusal {
        Refusal {
            exit: Some(Exit::Consumer),
            problem: message!("{problem}: {}", self.said, problem),
            hint: hint.into(),
        }
    }

    /// The program fails by itself, because of `what` it is configured with.
    fn misconfigured(&self, who: &'static str, what: &'static str) -> Refusal {
        Refusal {
            exit: Some(Exit::Configuration),
            problem: message!("{who} cannot use it: {}", self.said, who),
            hint: message!("correct {what} until `{}` works", self.command, what),
        }
    }

    /// The server cannot be called.
    fn unreached(&self, server: &'static str) -> Refusal {
        Refusal {
            exit: None,
            problem: message!("{server} cannot be called: {}", self.said, server),
            hint: message!("check whether the server can be reached: `{}`", self.command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a check makes of this standard error: the exit status, with the problem.
    pub(super) fn refusal(check: &OwnCheck, stderr: &str) -> (Option<Exit>, String) {
        let Refusal { exit, problem, .. } = refused(check, stderr);
        (exit, problem.to_string())
    }

    fn refused(check: &OwnCheck, stderr: &str) -> Refusal {
        let said = ForeignText::sentence(stderr.lines().last().unwrap_or_default());
        (check.refused)(&Failure { stderr, said, command: check.command() })
    }

    #[test]
    fn the_error_and_the_hint_are_found_in_a_quoted_string() {
        let stderr = r#"failed to get token from token helper: "yc-id-token: no role [E_MISSING]\nyc-id-token: hint: give `--role`\n": exit status 3"#;
        let Refusal { problem, hint, .. } = refused(&OwnCheck::vault("bao", None), stderr);
        assert_eq!(problem.as_str(), "the CLI gets no token: no role [E_MISSING]");
        assert_eq!(hint.as_str(), "give `--role`");
    }

    #[test]
    fn a_command_can_be_pasted() {
        let check = OwnCheck::kubectl("my context", Some(Path::new("/k/c")));
        let command = "kubectl auth whoami '--context=my context' --kubeconfig=/k/c";
        assert_eq!(check.command().as_str(), command);
        let check = OwnCheck::aws("a b");
        assert_eq!(check.command().as_str(), "aws sts get-caller-identity --profile 'a b'");
        let check = OwnCheck::vault("bao", Some("https://vault.example:8200"));
        assert_eq!(
            check.command().as_str(),
            "BAO_ADDR=https://vault.example:8200 bao token lookup"
        );
    }
}
