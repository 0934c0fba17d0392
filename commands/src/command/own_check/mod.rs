//! The consumer's own check: kubectl, the AWS CLI, gcloud, or the CLI of Vault or OpenBao requests the identity that
//! its server sees. `doctor` and `setup` run it to show what a user of that program would see.
//!
//! One file for each program: its command, its output when the server accepts the credential, and the meaning of its
//! errors.

mod aws;
mod gcloud;
mod kubectl;
mod vault;

use std::path::Path;
use std::time::Duration;

use super::on_path::on_path;
use super::query::{Answer, NoAnswer, query_with};
use crate::env::Env;
use crate::error::Exit;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::shell::THEN;

/// The start of this program's error lines, which other programs print or pass on.
const OWN: &str = "yc-id-token: ";

/// The start of a hint after that prefix.
const HINT: &str = "hint: ";

pub(super) struct OwnCheck {
    /// The name of the program on the `PATH`.
    program: &'static str,
    arguments: Vec<String>,
    /// Variables that are set for the program in addition to those of this process.
    variables: Vec<(&'static str, String)>,
    /// The arguments for unattended runs: JSON output and, if available, a time limit of the program itself. With it,
    /// an unresponsive server differs from a program that hangs.
    unattended: fn(Duration) -> Vec<String>,
    /// Parses the output when the server accepts the credential.
    accepted: fn(&Answer) -> Option<Accepted>,
    /// Interprets standard error otherwise.
    refused: fn(&Failure<'_>) -> Refusal,
}

pub(super) enum Outcome {
    Accepted(Accepted),
    /// The server refuses the credential, or could not be called.
    Refused(Refusal),
    /// The program is not installed: [`OwnCheck::command`] can be run on another machine.
    NotInstalled,
}

/// How the server sees the credential.
pub(super) struct Accepted {
    /// The identity that the server sees, as a sentence: "AWS sees `arn:…`".
    pub(super) text: Message,
    /// Everything that the server reports about the user, to find an ID in. It can contain secrets and must not be
    /// printed.
    pub(super) user: String,
}

/// Why the credential was not accepted.
pub(super) struct Refusal {
    /// The exit status of this problem; `None` if the settings may be correct: the server may be unreachable at the
    /// moment, or the time limit is over.
    pub(super) exit: Option<Exit>,
    pub(super) problem: Message,
    pub(super) hint: Message,
}

struct Failure<'a> {
    stderr: &'a str,
    /// The last line of standard error, as a sentence.
    message: ForeignText,
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

    /// `vault token lookup` or `bao token lookup`, with the token of the token helper. `address` is the server, if the
    /// variables of this process do not set it.
    pub(super) fn vault(cli: &'static str, address: Option<&str>) -> Self {
        vault::check(cli, address)
    }

    /// `gcloud auth application-default print-access-token` with this credential configuration.
    pub(super) fn gcloud(file: &Path) -> Self {
        gcloud::check(file)
    }

    /// Adds a variable, if it has a value.
    pub(super) fn with_variable(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.variables.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    pub(super) fn command(&self) -> Message {
        let variables = self.variables.iter().map(|(name, value)| {
            message!("{}{THEN}", ForeignText::new(value).assigned_to(name), THEN)
        });
        let variables = Message::join(&variables.collect::<Vec<_>>(), "");
        let words = self.arguments.iter().map(|word| ForeignText::new(word).quoted().into());
        let words: Vec<Message> = [self.program.into()].into_iter().chain(words).collect();
        message!("{variables}{}", Message::join(&words, " "), variables)
    }

    /// Runs the program within `limit`.
    pub(super) async fn run(&self, env: &Env, limit: Duration) -> Outcome {
        let Some(program) = on_path(env, self.program) else { return Outcome::NotInstalled };
        // The program's own time limit must be shorter.
        let words = [self.arguments.clone(), (self.unattended)(limit.mul_f32(0.7))].concat();
        let answer = match query_with(&program, &words, &self.variables, limit).await {
            Ok(answer) => answer,
            Err(reason) => return Outcome::Refused(self.without_answer(&reason)),
        };
        if answer.status.success()
            && let Some(accepted) = (self.accepted)(&answer)
        {
            return Outcome::Accepted(accepted);
        }
        let stderr = String::from_utf8_lossy(&answer.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let message = ForeignText::sentence(last.trim_start_matches("error: "));
        let message = if message.is_empty() { "it printed no reason".into() } else { message };
        let failure = Failure { stderr: &stderr, message, command: self.command() };
        Outcome::Refused((self.refused)(&failure))
    }

    fn without_answer(&self, reason: &NoAnswer) -> Refusal {
        match reason {
            NoAnswer::NoTime => Refusal {
                exit: None,
                problem: message!("`{}` was not run, as the time limit is over", self.command()),
                hint: "give more time with `--timeout`".into(),
            },
            NoAnswer::Late(_) | NoAnswer::TooMuch | NoAnswer::Failed(_) => Refusal {
                exit: Some(Exit::Temporary),
                problem: message!("`{}` {}", self.command(), reason.describe()),
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
    /// Whether standard error contains one of these texts.
    fn has(&self, signs: &[&str]) -> bool {
        signs.iter().any(|sign| self.stderr.contains(sign))
    }

    /// This program's error that the other program passed on. It is more precise than the other program's own.
    fn own_error(&self) -> Option<ForeignText> {
        self.own_lines().find(|line| !line.starts_with(HINT)).map(ForeignText::sentence)
    }

    fn own_hint(&self) -> Option<ForeignText> {
        self.own_lines().find_map(|line| line.strip_prefix(HINT)).map(ForeignText::sentence)
    }

    /// The lines of this program. OpenBao prints them as one quoted Go string.
    fn own_lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.stderr.lines().flat_map(|line| {
            let is_quoted = line.contains("\"yc-id-token: ");
            line.split(if is_quoted { "\\n" } else { "\n" })
        });
        lines.filter_map(|line| Some(line.split_once(OWN)?.1))
    }

    /// The program got no credential from this one.
    fn without_credential(&self, who: &'static str) -> Refusal {
        let hint = self.own_hint().map(Message::from);
        Refusal {
            exit: Some(Exit::Configuration),
            problem: message!(
                "{who}: {}",
                self.own_error().unwrap_or_else(|| self.message.clone()),
                who
            ),
            hint: hint.unwrap_or_else(|| message!("run `{}` in a terminal", self.command)),
        }
    }

    /// The server refuses the credential. `problem` is what it does not accept.
    fn not_accepted(&self, problem: &'static str, hint: &'static str) -> Refusal {
        Refusal {
            exit: Some(Exit::Consumer),
            problem: message!("{problem}: {}", self.message, problem),
            hint: hint.into(),
        }
    }

    /// The program fails by itself, because of its configuration, `what`.
    fn misconfigured(&self, who: &'static str, what: &'static str) -> Refusal {
        Refusal {
            exit: Some(Exit::Configuration),
            problem: message!("{who} cannot use it: {}", self.message, who),
            hint: message!("correct {what} until `{}` works", self.command, what),
        }
    }

    fn unreached(&self, server: &'static str) -> Refusal {
        Refusal {
            exit: None,
            problem: message!("{server} cannot be called: {}", self.message, server),
            hint: message!("check whether the server can be reached: `{}`", self.command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exit status and the problem that a check finds in this standard error.
    pub(super) fn refusal(check: &OwnCheck, stderr: &str) -> (Option<Exit>, String) {
        let Refusal { exit, problem, .. } = refused(check, stderr);
        (exit, problem.to_string())
    }

    fn refused(check: &OwnCheck, stderr: &str) -> Refusal {
        let message = ForeignText::sentence(stderr.lines().last().unwrap_or_default());
        (check.refused)(&Failure { stderr, message, command: check.command() })
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
