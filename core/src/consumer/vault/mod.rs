//! `vault`: tokens of HashiCorp Vault and OpenBao through their JWT auth method ("JWT/OIDC auth method (API)"), for
//! their CLIs, for scripts, and for programs that read `VAULT_TOKEN`.
//!
//! This module logs in. The other files are for the CLIs.

mod answer;
mod cached_token;
mod cli_config;
mod connection;
mod exec;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod hcl;
mod helper;
mod install;
mod login;
mod refusal;
pub mod settings;
mod target;
mod token_commands;
mod token_helper;
mod token_store;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use crate::credential::Credential;
use crate::env::{self, Env};
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::{Setting, Settings, Table, invalid_value};
use crate::source::IdTokenRequest;

use super::{Consumer, ConsumerRun, Delivery, PublicPath};
use answer::VaultToken;
pub use cli_config::VaultHelper;
use connection::{Server, checked_path};
#[cfg(feature = "fuzzing")]
pub use fuzzing::vault_hcl;
pub use helper::Helper;
pub(super) use helper::profile_in_name;
pub use install::HelperInstallation;
use login::{Login, Sharing};
use settings::{ADDRESS, MOUNT, OWN_AUDIENCE, ROLE, TABLE, WRAP_TTL};
pub(super) use token_helper::is_request;

/// The default mount of the auth method.
const DEFAULT_MOUNT: &str = "jwt";

/// A token is used soon.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// Log in to HashiCorp Vault or OpenBao, and manage the token
#[derive(clap::Args, Debug, Default)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  yc-id-token vault login --profile prod
  yc-id-token vault exec --profile prod -- bao kv get secret/robot
  yc-id-token vault install-helper --profile prod

Example: in the configuration file of yc-id-token,
  [profiles.prod.vault]
  address = \"https://vault.example:8200\"
  role = \"robot\""
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

/// Forecasts are made for the default action.
#[derive(clap::Subcommand, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
enum Action {
    /// Print a Vault token
    #[command(after_help = "Example:
  VAULT_TOKEN=\"$(yc-id-token vault token --profile prod)\" terraform plan")]
    Token,
    /// Log in and store the token where the `vault` and `bao` CLIs read it
    #[command(after_help = "Example:
  yc-id-token vault login --profile prod
  vault kv get secret/robot")]
    #[default]
    Login,
    /// Run a command with the token in its environment
    #[command(
        after_help = "Example: with a separate token, which is revoked when the command ends,
  yc-id-token vault exec --profile prod --revoke -- terraform plan

The exit status is that of the command."
    )]
    Exec {
        /// Get a separate token for the command, and revoke it when the command ends
        #[arg(long)]
        revoke: bool,
        /// Command to run, with its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Revoke the stored token
    #[command(after_help = "Example:
  yc-id-token vault revoke --profile prod")]
    Revoke,
    /// Show details of the stored token, without the token
    #[command(after_help = "Example:
  yc-id-token vault status --profile prod")]
    Status,
    /// Serve a request of the `vault` or `bao` CLI to its token helper
    #[command(after_help = "Example: by the name that the CLI runs,
  yc-id-token-vault get")]
    TokenHelper {
        /// Request: get (print the token), store (read a token from standard input) or erase (remove the stored token)
        #[arg(value_name = "REQUEST", value_parser = token_helper::parse_request)]
        request: token_helper::HelperRequest,
    },
    /// Install this program as the token helper of the `vault` and `bao` CLIs
    #[command(after_help = "Examples:
  yc-id-token vault install-helper --profile prod
  yc-id-token vault install-helper --remove

The helper stores `--profile` and `--config`, which override YC_ID_TOKEN_PROFILE and YC_ID_TOKEN_CONFIG of the shell. \
For another server than that of the profile, it uses the only profile with the `address` of that server.")]
    InstallHelper(install::Args),
}

/// The token of a role, and its server.
pub(super) struct Vault {
    server: Server,
    mount: String,
    role: Option<String>,
    audience: String,
    sharing: Sharing,
    minimum_lifetime: Duration,
}

/// A run for a token.
pub(super) type VaultRun = ConsumerRun<Vault>;

impl Consumer for Vault {
    const TABLE: &'static Table = &TABLE;
    const MINIMUM_SHARE: Option<u32> = Some(10);

    type Args = Args;
    type Secret = VaultToken;
    type Request<'a> = Login<'a>;

    /// The official clients' own variables do not count: they may be for other programs.
    fn is_configured(settings: &Settings) -> bool {
        [&ADDRESS, &ROLE, &MOUNT].into_iter().any(|field| settings.own(field).is_some())
    }

    fn open(args: &Args, settings: &Settings, context: Context<'_>) -> Result<Self> {
        let env = context.env;
        let server = Server::read(settings, env)?;
        let mount = match settings.own(&MOUNT) {
            Some(mount) => checked_path(mount, "the path of an auth method, such as `jwt`")?,
            None => DEFAULT_MOUNT.to_owned(),
        };
        let role = settings.own(&ROLE).map(|role| role.value);
        let audience = super::audience(settings, &OWN_AUDIENCE)
            .unwrap_or_else(|| server.audience().to_owned());
        let (sharing, minimum_lifetime) = args.action.use_of_token(settings, env)?;
        Ok(Self { server, mount, role, audience, sharing, minimum_lifetime })
    }

    fn audience(&self) -> Option<&str> {
        Some(&self.audience)
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> Login<'a> {
        let Self { server, mount, role, sharing, .. } = self;
        Login { server, mount, role: role.as_deref(), id_token, sharing: *sharing }
    }

    fn minimum_lifetime(&self) -> Duration {
        self.minimum_lifetime
    }

    fn server(&self) -> Option<super::Server> {
        let Server { endpoint, options, .. } = &self.server;
        let public = PublicPath { path: "/v1/sys/seal-status", query: &[] };
        let (endpoint, options) = (endpoint.clone(), options.clone());
        Some(super::Server { name: "Vault", endpoint, options, public })
    }

    fn try_exchange(context: Context<'_>) -> Result<Option<Message>> {
        let action = Action::Exec { revoke: true, command: Vec::new() };
        exec::try_and_revoke(&VaultRun::open(&Args { action }, context)?).map(Some)
    }

    fn render(&self, credential: &Credential<VaultToken>) -> Result<Delivery> {
        Ok(Delivery::line(credential.secret.token.expose()))
    }

    fn refresh(args: &Args, context: Context<'_>) -> Result<()> {
        let vault = if matches!(args.action, Action::TokenHelper { .. }) {
            token_helper::open(args, context)?.vault
        } else {
            VaultRun::open(args, context)?
        };
        vault.refresh()
    }

    fn run(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        match &args.action {
            Action::Token => return VaultRun::open(args, context)?.run(output),
            Action::Exec { revoke, command } => {
                return exec::run(args, *revoke, command, context);
            }
            Action::Login => token_commands::login(args, context, output)?,
            Action::Revoke => token_commands::revoke(args, context, output)?,
            Action::Status => token_commands::status(args, context, output)?,
            Action::TokenHelper { request } => request.run(args, context, output)?,
            Action::InstallHelper(arguments) => arguments.run(context, output)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Action {
    /// The users of the token, and its minimum lifetime.
    fn use_of_token(&self, settings: &Settings, env: &Env) -> Result<(Sharing, Duration)> {
        Ok(match self {
            Self::Token => {
                let wrap_ttl = wrap_ttl(settings, env)?;
                (wrap_ttl.map_or(Sharing::Shared, Sharing::Wrapped), MINIMUM_LIFETIME)
            }
            Self::Exec { revoke: true, .. } => (Sharing::Own, MINIMUM_LIFETIME),
            // The token of a running command cannot be renewed. The broker limits this to half of the lifetime, so it
            // never starts a background refresh, which would become the command's child.
            Self::Exec { revoke: false, .. } => (Sharing::Shared, Duration::MAX),
            Self::Login
            | Self::Revoke
            | Self::Status
            | Self::TokenHelper { .. }
            | Self::InstallHelper(_) => (Sharing::Shared, MINIMUM_LIFETIME),
        })
    }
}

fn wrap_ttl(settings: &Settings, env: &Env) -> Result<Option<Duration>> {
    let setting = settings
        .own(&WRAP_TTL)
        .or_else(|| connection::official(env, [env::BAO_OWN_WRAP_TTL, env::VAULT_OWN_WRAP_TTL]));
    let Some(Setting { value, origin }) = setting else { return Ok(None) };
    match crate::settings::parse_duration(&value) {
        Some(life) if life.subsec_nanos() == 0 => Ok(Some(life)),
        _ => Err(invalid_value(
            origin,
            message!(
                "`{value}` is not a time in whole seconds, such as `60s`",
                value = ForeignText::new(&value)
            ),
        )),
    }
}
