//! `vault`: tokens of HashiCorp Vault and OpenBao by their JWT auth method ("JWT/OIDC auth method (API)"
//! of either), for their CLIs, for scripts, and for programs that look for `VAULT_TOKEN`.
//!
//! Logging in is all that is done here. What the token is for, the CLIs do.

mod answer;
mod cli_config;
mod connection;
mod exec;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod hcl;
mod install;
mod login;
mod plan;
mod refusal;
mod report;
mod revoke;
mod store;
mod token_helper;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use crate::broker::Request as _;
use crate::credential::Credential;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::settings::{Field, Kind, Setting, Table, unfit};

use answer::{State, VaultToken};
pub(crate) use cli_config::VaultHelper;
use connection::Server;
#[cfg(feature = "fuzzing")]
pub use fuzzing::vault_hcl;
pub(crate) use install::HelperInstallation;
use login::{Login, Sharing};
pub(super) use plan::plan;
pub(super) use token_helper::is_request;

const OWN_AUDIENCE: Field =
    Field::new(Kind::Text, "audience", "", "YC_ID_TOKEN_VAULT_AUDIENCE")
        .help("AUD", "Audience of the ID token for Vault");

const ADDRESS: Field =
    Field::new(Kind::Text, "address", "--address", "YC_ID_TOKEN_VAULT_ADDRESS")
        .help("URL", "Address of the server [default: BAO_ADDR, VAULT_ADDR, https://127.0.0.1:8200]");

const NAMESPACE: Field =
    Field::new(Kind::Text, "namespace", "--namespace", "YC_ID_TOKEN_VAULT_NAMESPACE")
        .help("NAMESPACE", "Namespace [default: BAO_NAMESPACE, VAULT_NAMESPACE, none]");

const MOUNT: Field =
    Field::new(Kind::Text, "mount", "--mount", "YC_ID_TOKEN_VAULT_MOUNT")
        .help("PATH", "Path that the JWT auth method is mounted at [default: jwt]");

const ROLE: Field =
    Field::new(Kind::Text, "role", "--role", "YC_ID_TOKEN_VAULT_ROLE")
        .help("ROLE", "Role to log in with [default: the mount's own default]");

const CA_CERT: Field =
    Field::new(Kind::Path, "ca_cert", "--ca-cert", "YC_ID_TOKEN_VAULT_CA_CERT")
        .help("FILE", "PEM file of the server's certificate authority, trusted instead of the system's [default: BAO_CACERT, VAULT_CACERT]");

const CA_BYTES: Field =
    Field::new(Kind::Text, "ca_bytes", "", "YC_ID_TOKEN_VAULT_CA_BYTES")
        .help("PEM", "The server's certificate authority itself, as PEM");

const CA_PATH: Field =
    Field::new(Kind::Path, "ca_path", "--ca-path", "YC_ID_TOKEN_VAULT_CA_PATH")
        .help("FOLDER", "Folder of such files [default: BAO_CAPATH, VAULT_CAPATH]");

const CLIENT_CERT: Field =
    Field::new(Kind::Path, "client_cert", "--client-cert", "YC_ID_TOKEN_VAULT_CLIENT_CERT")
        .help("FILE", "PEM file of the certificate to show [default: BAO_CLIENT_CERT, VAULT_CLIENT_CERT]");

const CLIENT_KEY: Field =
    Field::new(Kind::Path, "client_key", "--client-key", "YC_ID_TOKEN_VAULT_CLIENT_KEY")
        .help("FILE", "PEM file of its private key [default: BAO_CLIENT_KEY, VAULT_CLIENT_KEY]");

const TLS_SERVER_NAME: Field =
    Field::new(Kind::Text, "tls_server_name", "--tls-server-name", "YC_ID_TOKEN_VAULT_TLS_SERVER_NAME")
        .help("NAME", "Name that the server's certificate must be for [default: BAO_TLS_SERVER_NAME, VAULT_TLS_SERVER_NAME, the address's]");

const WRAP_TTL: Field =
    Field::new(Kind::Time, "wrap_ttl", "--wrap-ttl", "YC_ID_TOKEN_VAULT_WRAP_TTL")
        .help("TIME", "Print a wrapping token of this life instead, which stands for the token and can be unwrapped once [default: VAULT_WRAP_TTL, none]")
        .flag_of("token");

pub(super) const TABLE: Table = Table {
    name: "vault",
    heading: "Vault options",
    settings: &[OWN_AUDIENCE, ADDRESS, NAMESPACE, MOUNT, ROLE, CA_CERT, CA_BYTES, CA_PATH, CLIENT_CERT, CLIENT_KEY, TLS_SERVER_NAME, WRAP_TTL],
};

/// What the auth method is mounted at unless somebody says otherwise.
const DEFAULT_MOUNT: &str = "jwt";

/// A token that was handed out is about to be used. Of a longer life, a tenth must be left.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// Log in to HashiCorp Vault or OpenBao
#[derive(clap::Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "Example: in the configuration of yc-id-token,
  [profiles.prod.vault]
  address = \"https://vault.example:8200\"
  role = \"robot\"

and then one of
  yc-id-token vault login --profile prod
  yc-id-token vault exec --profile prod -- bao kv get secret/robot
  yc-id-token vault install-helper"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    // Boxed, as it would make the command line of every other command larger.
    #[command(flatten)]
    options: Box<Options>,
}

#[derive(clap::Subcommand, Debug)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
enum Action {
    /// Print the token
    #[command(after_help = "Example:
  VAULT_TOKEN=\"$(yc-id-token vault token --profile prod)\" terraform plan")]
    Token {
        /// Print a wrapping token of this life instead, which stands for the token and can be unwrapped once [default: VAULT_WRAP_TTL, none]
        #[arg(long, value_name = "TIME")]
        wrap_ttl: Option<String>,
    },
    /// Store the token where the `vault` and `bao` CLIs look for it
    #[command(after_help = "Example:
  yc-id-token vault login --profile prod
  vault kv get secret/robot")]
    Login,
    /// Run a command with the token in its environment
    #[command(after_help = "Example: with a token of its own, which is revoked when it has ended
  yc-id-token vault exec --profile prod --revoke -- terraform plan")]
    Exec {
        /// Give the command a token of its own, and revoke it when the command has ended
        #[arg(long)]
        revoke: bool,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Revoke the token that is kept
    #[command(after_help = "Example:
  yc-id-token vault revoke --profile prod")]
    Revoke,
    /// Show the token that is kept, but for itself
    #[command(after_help = "Example:
  yc-id-token vault status --profile prod")]
    Status,
    /// Do what the `vault` and `bao` CLIs ask of a token helper
    #[command(after_help = "Example: what the CLI is given, by the name that it runs
  yc-id-token-vault get")]
    TokenHelper {
        /// get: print the token, without a newline; store: keep the one on standard input, and hand it out from now on; erase: remove what is kept
        #[arg(value_name = "REQUEST", value_parser = token_helper::parse_request)]
        request: token_helper::HelperRequest,
    },
    /// Make this program the token helper of the `vault` and `bao` CLIs
    #[command(after_help = "Example:
  yc-id-token vault install-helper
  yc-id-token vault install-helper --remove")]
    InstallHelper(install::Args),
}

/// Which server, and who we are there.
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, rustdoc::bare_urls, reason = "these lines are the help")]
#[command(next_help_heading = "Vault options")]
struct Options {
    /// Address of the server [default: BAO_ADDR, VAULT_ADDR, https://127.0.0.1:8200]
    #[arg(long, global = true, value_name = "URL")]
    address: Option<String>,
    /// Namespace [default: BAO_NAMESPACE, VAULT_NAMESPACE, none]
    #[arg(long, global = true, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Path that the JWT auth method is mounted at [default: jwt]
    #[arg(long, global = true, value_name = "PATH")]
    mount: Option<String>,
    /// Role to log in with [default: the mount's own default]
    #[arg(long, global = true, value_name = "ROLE")]
    role: Option<String>,
    /// PEM file of the server's certificate authority, trusted instead of the system's [default: BAO_CACERT, VAULT_CACERT]
    #[arg(long, global = true, value_name = "FILE")]
    ca_cert: Option<String>,
    /// Folder of such files [default: BAO_CAPATH, VAULT_CAPATH]
    #[arg(long, global = true, value_name = "FOLDER")]
    ca_path: Option<String>,
    /// PEM file of the certificate to show [default: BAO_CLIENT_CERT, VAULT_CLIENT_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    client_cert: Option<String>,
    /// PEM file of its private key [default: BAO_CLIENT_KEY, VAULT_CLIENT_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    client_key: Option<String>,
    /// Name that the server's certificate must be for [default: BAO_TLS_SERVER_NAME, VAULT_TLS_SERVER_NAME, the address's]
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Take any certificate: whoever stands between gets the ID token and the Vault token
    #[arg(long, global = true)]
    tls_skip_verify: bool,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        let options = &self.options;
        match &self.action {
            Action::Token { wrap_ttl } => token(options, wrap_ttl.as_ref(), context, output)?,
            Action::Login => store::login(options, context, output)?,
            Action::Exec { revoke, command } => {
                return exec::run(options, *revoke, command, context);
            }
            Action::Revoke => revoke::run(options, context, output)?,
            Action::Status => report::status(options, context, output)?,
            Action::TokenHelper { request } => request.run(options, context, output)?,
            Action::InstallHelper(arguments) => arguments.run(context.env, output)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Those that hand out a token that rests in the cache.
    pub(super) fn refresh(&self, context: Context<'_>) -> Result<()> {
        let hands_out = match &self.action {
            Action::Token { .. } | Action::Login => true,
            Action::TokenHelper { request } => request.hands_out(),
            Action::Exec { .. } | Action::Revoke | Action::Status | Action::InstallHelper(_) => {
                false
            }
        };
        if hands_out { Vault::open(&self.options, context)?.token().map(drop) } else { Ok(()) }
    }
}

fn token(
    options: &Options,
    wrap_ttl: Option<&String>,
    context: Context<'_>,
    output: &mut Output<'_>,
) -> Result<()> {
    let vault = Vault::open(options, context)?;
    let credential = match vault.wrap_ttl(wrap_ttl, context.env)? {
        Some(life) => vault.obtain(Sharing::Wrapped(life), MINIMUM_LIFETIME)?,
        None => vault.token()?,
    };
    let mut document = zeroize::Zeroizing::new(credential.secret.token.expose().to_owned());
    document.push('\n');
    output.document(document.as_bytes())
}

/// A run, and what it is told about Vault.
struct Vault {
    run: Run,
    server: Server,
    mount: String,
    role: Option<String>,
    audience: String,
}

impl Vault {
    fn open(options: &Options, context: Context<'_>) -> Result<Self> {
        let run = Run::open(context, &[&TABLE])?;
        let settings = &run.settings;
        let server = Server::read(options, settings, context.env)?;
        let own = |key, value: Option<&String>, flag| settings.consumer(&TABLE, key, value, flag);
        let mount = match own("mount", options.mount.as_ref(), "--mount") {
            Some(mount) => checked_path(mount, "the path of an auth method, such as `jwt`")?,
            None => DEFAULT_MOUNT.to_owned(),
        };
        let role = own("role", options.role.as_ref(), "--role").map(|role| role.value);
        let audience =
            super::audience(settings, &TABLE).unwrap_or_else(|| server.audience().to_owned());
        Ok(Self { run, server, mount, role, audience })
    }

    /// The wish for a token.
    fn login(&self, sharing: Sharing) -> Result<Login<'_>> {
        Ok(Login {
            server: &self.server,
            mount: &self.mount,
            role: self.role.as_deref(),
            id_token: self.run.id_token_request(&self.audience)?,
            sharing,
        })
    }

    fn obtain(
        &self,
        sharing: Sharing,
        minimum_lifetime: Duration,
    ) -> Result<Credential<VaultToken>> {
        let login = self.login(sharing)?;
        let credential = self.run.obtain(&login, minimum_lifetime)?;
        // Only now is it known what a tenth of its life is.
        let tenth = credential.lifetime.whole() / 10;
        if credential.lifetime.left(self.now()) < tenth {
            return self.run.obtain(&login, minimum_lifetime.max(tenth));
        }
        Ok(credential)
    }

    /// The token, from the cache or by logging in.
    fn token(&self) -> Result<Credential<VaultToken>> {
        self.obtain(Sharing::Shared, MINIMUM_LIFETIME)
    }

    /// The same, and not one that the server has forgotten: it has been revoked, or the server has been
    /// set up anew. A token for so many uses is not looked at, as that is a use.
    ///
    /// A server that cannot be asked now is no reason to doubt the token; that is told in `doubt`.
    fn living_token(
        &self,
        minimum_lifetime: Duration,
    ) -> Result<(Credential<VaultToken>, Option<Error>)> {
        let credential = self.obtain(Sharing::Shared, minimum_lifetime)?;
        let broker = self.run.broker();
        if broker.happened_during_run(credential.lifetime.obtained_at)
            || credential.secret.num_uses > 0
        {
            return Ok((credential, None));
        }
        match self.look_up(&credential.secret) {
            Ok(Some(_)) => Ok((credential, None)),
            Ok(None) => {
                tracing::info!("the token in the cache is no longer known to the server");
                let login = self.login(Sharing::Shared)?;
                let refused = Some(&credential.secret);
                let new =
                    broker.wait(&login.what(), broker.miss(&login, minimum_lifetime, refused))?;
                Ok((new, None))
            }
            Err(error) => Ok((credential, Some(error))),
        }
    }

    /// What the server knows of a token, or that it knows none of it.
    fn look_up(&self, token: &VaultToken) -> Result<Option<State>> {
        let Self { server, run, .. } = self;
        let what = server.state();
        run.broker().wait(&what, server.look_up(token, run.http()))
    }

    /// The token that rests in the cache. Nobody is asked for one.
    fn resting(&self) -> Result<Option<Credential<VaultToken>>> {
        self.run.broker().cached(&self.login(Sharing::Shared)?, Duration::ZERO)
    }

    fn wrap_ttl(&self, flag: Option<&String>, env: &Env) -> Result<Option<Duration>> {
        let ours = self.run.settings.consumer(&TABLE, "wrap_ttl", flag, "--wrap-ttl");
        let setting = ours.or_else(|| {
            connection::official(env, [env::BAO_OWN_WRAP_TTL, env::VAULT_OWN_WRAP_TTL])
        });
        let Some(Setting { value, origin }) = setting else { return Ok(None) };
        match crate::settings::parse_duration(&value) {
            Some(life) if life.subsec_nanos() == 0 => Ok(Some(life)),
            _ => Err(unfit(
                origin,
                message!(
                    "`{value}` is not a time in whole seconds, such as `60s`",
                    value = ForeignText::new(&value)
                ),
            )),
        }
    }

    fn now(&self) -> crate::clock::Moment {
        self.run.broker().clock().now()
    }
}

/// A path below the API, without slashes around it.
///
/// Security: it becomes part of an address, in which `..`, `?` and escapes would lead elsewhere.
fn checked_path(setting: Setting<String>, what: &'static str) -> Result<String> {
    let path = setting.value.trim_matches('/');
    let is_fit = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte))
    };
    if path.split('/').all(is_fit) {
        return Ok(path.to_owned());
    }
    let problem = message!("`{}` is not {what}", ForeignText::new(&setting.value), what);
    Err(unfit(setting.origin, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;

    #[test]
    fn a_path_leads_nowhere_else() {
        let checked = |text: &str| {
            checked_path(Setting { value: text.into(), origin: Origin::Flag("--mount") }, "a path")
        };
        for (text, path) in [("jwt", "jwt"), ("/team/jwt/", "team/jwt"), ("a.b_c", "a.b_c")] {
            assert_eq!(checked(text).unwrap(), path);
        }
        for bad in
            ["", "/", "a//b", "..", "jwt/../../sys", "%2e%2e", "a?b", "a#b", "a b", "é", "a\\b"]
        {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
