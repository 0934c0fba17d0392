//! `setup vault`: the token helper of the `vault` and `bao` CLIs, and the commands that prepare the server.

use std::path::PathBuf;

use super::changes::{Action, ChangeSet, FileChange};
use super::paths::absolute_path;
use super::question::Question;
use super::trust::Trust;
use super::{Common, Setup, program, shell_word};
use crate::consumer::vault_settings as rows;
use crate::consumer::{ConsumerName, Helper, HelperInstallation};
use crate::env;
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::http::Endpoint;
use crate::message;
use crate::output::Output;
use crate::run::Context;

const PROFILE: &str = "vault";

/// Connect Vault or OpenBao: the token helper of their CLIs
#[derive(clap::Args, Debug)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(
    after_help = "It prints what the server must be set up with, too: the auth method and the role.

Examples:
  yc-id-token setup vault
  yc-id-token setup vault --apply --key-file ~/key.json --address https://vault.example:8200 --role robot"
)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Address of the server [default: BAO_ADDR, VAULT_ADDR]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Role to log in with
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Path that the JWT auth method is mounted at [default: jwt]
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// Namespace [default: none]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// PEM file of the server's certificate authority, trusted instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<String>,
    /// Leave the CLIs as they are: `yc-id-token vault login` stores a token for them
    #[arg(long)]
    no_helper: bool,
    /// The token helper's file [default: ~/.local/bin/yc-id-token-vault-PROFILE]
    #[arg(long, value_name = "PATH", conflicts_with = "no_helper")]
    link: Option<PathBuf>,
}

struct Server {
    address: String,
    role: String,
    mount: String,
    namespace: Option<String>,
    ca_cert: Option<String>,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let mut setup = Setup::begin(context, &self.common, ConsumerName::Vault, PROFILE)?;
        let helper = if self.no_helper {
            None
        } else {
            let helper = Helper::new(self.link.as_ref(), Some(setup.profile()), context)?;
            Some(HelperInstallation::plan(helper, context)?)
        };
        setup.resolve_identity()?;
        let server = self.server(&mut setup)?;
        let default = Endpoint::parse("address of Vault", &server.address)?.as_str().to_owned();
        let audience = setup.resolve_audience(&rows::OWN_AUDIENCE, &default)?;
        let trust = Trust::find(&setup, &audience)?;

        let mut changes = ChangeSet {
            files: Vec::new(),
            actions: Vec::new(),
            advice: vec![server_instructions(&trust, &server)],
            next: next_steps(&setup, &server, !self.no_helper)?,
        };
        if let Some(mut helper) = helper {
            if self.link.is_none() {
                helper = helper.or_present(&server.address, context);
            }
            let edits = helper.changes(context)?.into_iter();
            changes
                .files
                .extend(edits.map(|(file, text, verify)| FileChange::new(file, text, verify)));
            if let Some(description) = helper.wanted_link() {
                let run = Box::new(move || helper.make_link());
                changes.actions.push(Action { description, run });
            }
        }
        setup.finish(changes, output)
    }

    fn server(&self, setup: &mut Setup<'_>) -> Result<Server> {
        let variable = setup.env().first([env::BAO_OWN_ADDR, env::VAULT_OWN_ADDR]);
        let address = Question::new("--address", "address of the server")
            .with_note("such as https://vault.example:8200")
            .with_default(variable.map(|(_, address)| address))
            .validated_by(|text| {
                let error = Endpoint::parse("address of Vault", text).err();
                error.map(|error| message!("{error}", error))
            });
        let address = setup.resolve_or_ask(&rows::ADDRESS, self.address.as_ref(), &address)?;
        let role = Question::new("--role", "role to log in with").validated_by(role_problem);
        let role = setup.resolve_or_ask(&rows::ROLE, self.role.as_ref(), &role)?;
        // Not prompted for: they have defaults that suit most servers.
        let mount = setup.resolve(&rows::MOUNT, self.mount.as_ref())?;
        let namespace = setup.resolve(&rows::NAMESPACE, self.namespace.as_ref())?;
        let ca_cert =
            self.ca_cert.as_ref().map(|file| absolute_path("--ca-cert", file)).transpose()?;
        let ca_cert = setup.resolve(&rows::CA_CERT, ca_cert.as_ref())?;
        Ok(Server {
            address: address.unwrap_or_default(),
            role: role.unwrap_or_default(),
            mount: mount.unwrap_or_else(|| "jwt".into()),
            namespace,
            ca_cert,
        })
    }
}

/// The name of the installed CLI; both accept the same commands.
fn cli(setup: &Setup<'_>) -> &'static str {
    let has = |name| program::is_on_path(setup.env(), name);
    if has("bao") && !has("vault") { "bao" } else { "vault" }
}

/// The commands that configure the auth method and the role.
fn server_instructions(trust: &Trust, server: &Server) -> Message {
    let Server { role, mount, .. } = server;
    let mount = mount.trim_matches('/');
    let namespace = server
        .namespace
        .as_ref()
        .map(|name| message!("export VAULT_NAMESPACE={}\n", shell_word(name)));
    trust.section(
        "The server's side",
        &message!(
            "
{}vault auth enable -path={} jwt
vault write {} oidc_discovery_url={}
vault write {} role_type=jwt user_claim=sub \\
  bound_audiences={} bound_subject={} \\
  token_policies={} token_ttl=20m

Then write the policy that the role is to have.
",
            namespace.unwrap_or_default(),
            shell_word(mount),
            shell_word(&format!("auth/{mount}/config")),
            trust.issuer.quoted(),
            shell_word(&format!("auth/{mount}/role/{role}")),
            trust.audience.quoted(),
            trust.subject.quoted(),
            shell_word(role)
        ),
    )
}

fn next_steps(setup: &Setup<'_>, server: &Server, has_helper: bool) -> Result<Message> {
    let cli = cli(setup);
    let mut exports = vec![("VAULT_ADDR", server.address.clone())];
    exports.extend(server.namespace.clone().map(|name| ("VAULT_NAMESPACE", name)));
    exports.extend(server.ca_cert.clone().map(|file| ("VAULT_CACERT", file)));
    let mut login = Message::default();
    // The helper keeps its profile and its configuration file.
    if !has_helper {
        let config = setup.config_flag()?;
        let config = config.map(|flag| message!(" {}", shell_word(&flag))).unwrap_or_default();
        login = message!(
            "  yc-id-token vault login --profile={}{config}\n",
            shell_word(setup.profile()),
            config
        );
    }
    let export = |(name, value): &(&'static str, String)| {
        message!("  export {name}={}\n", shell_word(value), name)
    };
    let exports = Message::join(&exports.iter().map(export).collect::<Vec<_>>(), "");
    Ok(message!("Try it:\n{exports}{login}  {cli} token lookup\n", exports, login, cli))
}

/// Vault accepts word characters in a role name, with dots and hyphens between them.
fn role_problem(text: &str) -> Option<Message> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_role = text.chars().all(|c| is_word(c) || ".-".contains(c))
        && text.starts_with(is_word)
        && text.ends_with(is_word);
    (!is_role).then(|| message!("`{}` cannot be the name of a role", ForeignText::new(text)))
}
