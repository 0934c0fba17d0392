//! The vendor's CLI, `yc`, as a source of tokens. `yc iam create-id-token` is the only documented way to get an ID
//! token. `yc iam create-token` prints an IAM token of the account that is logged in, including browser logins.
//!
//! yc gets this process's environment. As in all uses of yc, `YC_IAM_TOKEN` has precedence over yc's profile, even
//! over one that is named here.
//!
//! At the deadline or on a signal, yc is killed. If this process is killed by SIGKILL, yc keeps running to its
//! end: `PR_SET_PDEATHSIG` needs unsafe code.

mod words;

use std::io;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tracing::debug;
use zeroize::Zeroizing;

use super::IdentityInputs;
use super::yc_config::YcProfile;
use crate::cache::Key;
use crate::child::{self, ChildError, Kill, Running};
use crate::clock::Deadline;
use crate::credential::{IamToken, Secret};
use crate::digest::Digest;
use crate::env::{self, Env};
use crate::error::{Cause, Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use words::YcOutput;

/// More than any configuration of yc.
const MAX_CONFIG_SIZE: u64 = 4 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct YcCli {
    /// Its possible paths, in the order in which they are tried.
    programs: Vec<PathBuf>,
    /// Whether the path is from the settings.
    is_given: bool,
    profile: Option<String>,
    config_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct YcOptions<'a> {
    /// The account that it acts as, instead of its profile.
    pub actor: Option<YcActor<'a>>,
    /// Whether no user can log in with a browser.
    pub is_unattended: bool,
    /// What is being obtained, for the environment of yc.
    pub mark: &'a str,
}

/// An account that yc acts as.
#[derive(Clone, Copy, Debug)]
pub struct YcActor<'a> {
    pub token: &'a IamToken,
    /// The API endpoint of its installation, `host:port`.
    pub api: &'a str,
}

struct Call<'a> {
    yc: &'a YcCli,
    what: &'a Message,
    service_account: Option<&'a str>,
    /// Whether it acts as another account than its profile's.
    has_actor: bool,
}

impl YcCli {
    /// The configured yc, with this profile of yc's own, or its current one.
    pub fn of(inputs: IdentityInputs<'_>, profile: Option<&str>) -> Self {
        let program = inputs.settings.yc_path.as_ref().map(|path| path.value.clone());
        Self::new(program, profile.map(str::to_owned), inputs.locations.home.as_deref())
    }

    /// yc at `program`, or on `PATH`, or in its installer's folder under `home`; with this profile of yc's own, or
    /// its current one.
    pub fn new(program: Option<PathBuf>, profile: Option<String>, home: Option<&Path>) -> Self {
        let is_given = program.is_some();
        let installed = home.map(|home| {
            let name = format!("yc{}", std::env::consts::EXE_SUFFIX);
            home.join("yandex-cloud").join("bin").join(name)
        });
        let programs = match program {
            Some(program) => vec![program],
            None => [Some("yc".into()), installed].into_iter().flatten().collect(),
        };
        Self { programs, is_given, profile, config_file: home.map(YcProfile::default_path) }
    }

    pub fn describe(&self) -> Message {
        match &self.profile {
            Some(profile) => {
                message!("yc's profile `{profile}`", profile = ForeignText::new(profile))
            }
            None => "yc's current profile".into(),
        }
    }

    /// A fingerprint for cache keys, computed without running yc: the program, the profile, yc's own variables and
    /// its whole configuration, because any change of these may change the identity.
    pub fn fingerprint(&self, env: &Env) -> Digest {
        let read = |path: &PathBuf| private_file::read_plain(path, MAX_CONFIG_SIZE).ok();
        let content = Zeroizing::new(self.config_file.as_ref().and_then(read).unwrap_or_default());
        let programs = self.programs.iter().map(|program| program.to_string_lossy());
        let key = programs.fold(Key::of("yc"), |key, program| key.with("program", &program));
        let key = self.profile.iter().fold(key, |key, profile| key.with("profile", profile));
        let key = [env::YC_IAM_TOKEN, env::YC_TOKEN].into_iter().fold(key, |key, variable| {
            key.with(variable.name, &Zeroizing::new(env.get(variable).unwrap_or_default()))
        });
        let key = key.with("configuration", &Digest::of(&content).to_hex()).build();
        Digest::of(key.name().as_bytes())
    }

    /// Runs `yc iam create-id-token` and returns the printed ID token, unchecked. `what` names it in messages.
    pub async fn id_token(
        &self,
        what: &Message,
        service_account: &str,
        audience: &str,
        options: YcOptions<'_>,
        deadline: Deadline,
    ) -> Result<Secret> {
        let arguments =
            ["iam", "create-id-token", "--subject-id", service_account, "--audience", audience];
        let service_account = Some(service_account);
        let call = Call { yc: self, what, service_account, has_actor: options.actor.is_some() };
        let running = self.start(what, &arguments, options)?;
        call.finish(running, words::is_jwt, deadline).await
    }

    /// Runs `yc iam create-token` and returns the IAM token. yc does not print its expiry, and may have cached it for
    /// hours, so use it immediately.
    pub async fn iam_token(
        &self,
        what: &Message,
        options: YcOptions<'_>,
        deadline: Deadline,
    ) -> Result<Secret> {
        let call =
            Call { yc: self, what, service_account: None, has_actor: options.actor.is_some() };
        let running = self.start(what, &["iam", "create-token"], options)?;
        call.finish(running, words::is_iam_token, deadline).await
    }

    fn start(&self, what: &Message, arguments: &[&str], options: YcOptions<'_>) -> Result<Running> {
        let mut refused = None;
        // The browser that yc opens for a user must not be closed with yc.
        let kill = if options.is_unattended { Kill::Group } else { Kill::Alone };
        for program in &self.programs {
            let prepare = |command: &mut Command| self.prepare(command, arguments, options);
            let error = match child::start(program, options.mark, kill, prepare) {
                Ok(running) => {
                    debug!(program = %program.display(), "running yc for {what}");
                    return Ok(running);
                }
                Err(error) => error,
            };
            if error.kind() != io::ErrorKind::NotFound || self.is_given {
                // An inaccessible folder on PATH gives the same error.
                refused.get_or_insert((program, error));
            }
        }
        let hint = "install the Yandex Cloud CLI, or give its path with `--yc-path` or YC_ID_TOKEN_YC_PATH";
        Err(match refused {
            Some((program, error)) => Error::IdentityFile {
                what: "the Yandex Cloud CLI",
                path: program.clone(),
                problem: Cause::from(error).context("cannot be run"),
                hint: hint.into(),
            },
            None => Error::Missing {
                problem: message!(
                    "cannot get {what}: there is no Yandex Cloud CLI `yc`, neither on PATH nor in its installer's folder",
                    what
                ),
                hint: hint.into(),
            },
        })
    }

    /// The format is set because a profile of yc can have another default. `--no-user-output` is not set, because
    /// errors are built from these messages.
    fn prepare(&self, command: &mut Command, arguments: &[&str], options: YcOptions<'_>) {
        command.args(arguments).args(["--format", "text"]);
        if let Some(profile) = &self.profile {
            command.args(["--profile", profile]);
        }
        if options.is_unattended {
            command.arg("--no-browser");
        }
        if let Some(YcActor { token: IamToken(token), api }) = options.actor {
            // Security: yc's profile may belong to another installation, which must not get this token.
            command.args(["--endpoint", api]);
            // Their precedence is not documented.
            command.env(env::YC_IAM_TOKEN.name, token.expose()).env_remove(env::YC_TOKEN.name);
        }
    }

    fn try_it(&self) -> Message {
        let profile = self
            .profile
            .as_ref()
            .map(|profile| message!(" --profile {profile}", profile = ForeignText::new(profile)));
        message!("run `yc iam create-token{}` in a terminal", profile.unwrap_or_default())
    }
}

impl Call<'_> {
    async fn finish(
        &self,
        running: Running,
        is_token: fn(&str) -> bool,
        deadline: Deadline,
    ) -> Result<Secret> {
        let outcome = running.finish(&[], deadline).await;
        let outcome = outcome.map_err(|silence| self.silent(silence))?;
        let stdout = String::from_utf8_lossy(&outcome.stdout);
        let output = YcOutput::read(&String::from_utf8_lossy(&outcome.stderr));
        if !outcome.status.success() {
            return Err(output.refusal(self, outcome.status));
        }
        // yc may print a notice of an update or a deprecation first.
        let token = stdout.lines().rev().map(str::trim).find(|line| is_token(line));
        token
            .map(|token| Secret::new(token.to_owned()))
            .ok_or_else(|| output.no_token(self, &stdout))
    }

    fn silent(&self, silence: ChildError) -> Error {
        let try_it = self.yc.try_it();
        let (code, problem, hint) = match silence {
            ChildError::TooMuch => {
                (Code::Foreign, "yc prints far more than a token".into(), try_it)
            }
            ChildError::UnreadableOutput(cause) => {
                (Code::Foreign, cause.context("the output of yc cannot be read"), try_it)
            }
            ChildError::Late { budget, stderr } => {
                let output = YcOutput::read(&String::from_utf8_lossy(&stderr)).addition();
                let hint = message!(
                    "it may be waiting for a login in a browser: {try_it}; else give more time with `--timeout`",
                    try_it
                );
                (
                    Code::Timeout,
                    message!("yc did not finish within {budget:.1} s{output}", budget, output)
                        .into(),
                    hint,
                )
            }
        };
        Error::Unreached { what: self.what.into(), code, problem, hint }
    }

    fn grant(&self) -> Message {
        let profile = self.yc.describe();
        let who = if self.has_actor {
            "the identity".into()
        } else {
            message!("the account of {profile}", profile)
        };
        match self.service_account {
            Some(account) => message!(
                "grant `iam.serviceAccounts.tokenCreator` on service account `{account}` to {who}",
                account = ForeignText::new(account),
                who
            ),
            None => "see the access policies of the organization".into(),
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
