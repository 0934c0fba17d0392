//! `setup vault`: the token helper of the `vault` and `bao` CLIs, and the commands that prepare the server.

use std::path::PathBuf;

use toml_edit::{Item, TableLike};
use yc_id_token_integrations::VAULT_POLICY;

use super::changes::{Action, ChangeSet, FileChange, FileKind};
use super::names::free_profile;
use super::paths::{absolute_path, config_path};
use super::question::{Missing, Question};
use super::server_check::ServerCheck;
use super::server_side::{ServerSide, Use};
use super::trust::Trust;
use super::{Common, Setup, is_simple, named_profile, program, script_word, shell_word};
use crate::command::config::Document;
use crate::command::own_check::OwnCheck;
use crate::consumer::vault_settings as rows;
use crate::consumer::{ConsumerName, Helper, HelperInstallation};
use crate::env::{self, Env};
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::http::Endpoint;
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::Field;
use crate::shell::EXPORT;

const WHAT: &str = "address of Vault";

/// Connect Vault or OpenBao: install the token helper of their CLIs
#[derive(clap::Args, Debug)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(after_help = "Examples:
  yc-id-token setup vault
  yc-id-token setup vault --apply --key-file key.json --address https://vault.example --role robot

The output has the configuration for the server too: the auth method and the role.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// URL of the server [default: BAO_ADDR, VAULT_ADDR]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Role to log in with
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Mount path of the JWT auth method [default: jwt]
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// Namespace [default: none]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// PEM file with the certificate authority to trust instead of the system's
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    ca_cert: Option<String>,
    /// Do not install the token helper of the `vault` and `bao` CLIs
    #[arg(long)]
    no_helper: bool,
    /// Path of the token helper [default: ~/.local/bin/yc-id-token-vault-PROFILE]
    #[arg(long, value_name = "PATH", conflicts_with = "no_helper", hide_short_help = true)]
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
        let named = named_profile(context, &self.common)?;
        let (address, profile) = match named {
            Some(profile) => (self.address.clone(), profile.to_owned()),
            None => self.choose_server(context)?,
        };
        let consumer = ConsumerName::Vault;
        let missing = Missing::default();
        let mut setup = Setup::begin(context, &self.common, consumer, profile, missing)?;
        let helper = if self.no_helper {
            None
        } else {
            let helper = Helper::new(self.link.as_ref(), Some(setup.profile()), context)?;
            Some(HelperInstallation::plan(helper, context)?)
        };
        setup.resolve_identity()?;
        let server = self.server(&mut setup, address.as_ref())?;
        setup.missing.check()?;
        let default = Endpoint::parse(WHAT, &server.address)?.as_str().to_owned();
        let audience = setup.resolve_audience(&rows::OWN_AUDIENCE, &default)?;
        let trust = Trust::find(&setup, &audience)?;

        let (advice, server_file) =
            server_side(&trust, &server, cli(&setup)).present(&trust, &setup)?;
        let mut changes = ChangeSet {
            files: server_file.into_iter().collect(),
            actions: Vec::new(),
            advice: vec![advice],
            // Without a token helper, the CLI has no token yet.
            check: helper.is_some().then(|| server.check(&setup)),
            next: next_steps(&setup, &server, !self.no_helper)?,
        };
        if let Some(mut helper) = helper {
            if self.link.is_none() {
                helper = helper.or_present(&server.address, context);
            }
            let edits = helper.changes(context)?.into_iter();
            changes.files.extend(edits.map(|(file, text, verify)| {
                FileChange::new(FileKind::VaultCli, file, text, verify)
            }));
            if let Some(description) = helper.link_to_make() {
                let makes = helper.path().to_owned();
                let run = Box::new(move || helper.make_link());
                changes.actions.push(Action { description, makes, run });
            }
        }
        setup.finish(changes, output)
    }

    /// The address of the server, and its profile: the one that has the server already, whatever version of this
    /// program wrote it, or a new one.
    fn choose_server(&self, context: Context<'_>) -> Result<(Option<String>, String)> {
        let document = Document::read(config_path(context)?)?;
        let profiles = document.original_table(&["profiles"]);
        let profiles = profiles.into_iter().flat_map(|profiles| profiles.iter());
        let known: Vec<(&str, &dyn TableLike)> = profiles
            .filter_map(|(name, profile)| {
                let vault = profile.as_table_like()?.get("vault")?.as_table_like()?;
                Some((name, vault)).filter(|_| vault.contains_key(rows::ADDRESS.key))
            })
            .collect();
        let text = |vault: &dyn TableLike, field: &Field| {
            vault.get(field.key).and_then(Item::as_str).map(str::to_owned)
        };
        let own = context.env.get(rows::ADDRESS.var());
        let only = || text(known.first().filter(|_| known.len() == 1)?.1, &rows::ADDRESS);
        let question = address_question(own.or_else(|| cli_address(context.env)).or_else(only));
        let terminal = self.common.consent.terminal();
        let answer = question.flag_or_answer(self.address.as_ref(), terminal);
        // Without a terminal, `server` reports it, together with other missing settings.
        let address = match terminal {
            Some(_) => answer?,
            None => Missing::default().collect(answer)?.flatten(),
        };
        let server = address.as_ref().map(|address| Endpoint::parse(WHAT, address)).transpose()?;
        let existing = known.iter().filter(|(name, vault)| {
            let namespace = text(*vault, &rows::NAMESPACE);
            let address =
                text(*vault, &rows::ADDRESS).and_then(|it| Endpoint::parse(WHAT, &it).ok());
            is_simple(name)
                && server.is_some()
                && address == server
                && (self.namespace.is_none() || self.namespace == namespace)
        });
        if let Some((name, _)) = existing.into_iter().next() {
            return Ok((None, (*name).to_owned()));
        }
        let place = server.map(|server| server.address()).unwrap_or_default();
        let host = place.rsplit_once(':').map_or("", |(host, _)| host);
        let namespace = self.namespace.as_ref().map(|name| format!("{host}-{name}"));
        let names: Vec<&str> = namespace.iter().map(String::as_str).chain([host, &place]).collect();
        let profile = free_profile(context, ConsumerName::Vault.table(), &names, |profile| {
            known.iter().any(|(name, _)| *name == profile)
        })?;
        Ok((address, profile))
    }

    fn server(&self, setup: &mut Setup<'_>, address: Option<&String>) -> Result<Server> {
        let question = address_question(cli_address(setup.env()));
        let address = setup.resolve_or_prompt(&rows::ADDRESS, address, &question)?;
        let role = Question::new("--role", "role to log in with").validated_by(role_problem);
        let role = setup.resolve_or_prompt(&rows::ROLE, self.role.as_ref(), &role)?;
        // Not prompted for, because their defaults suit most servers.
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

impl Server {
    fn check(&self, setup: &Setup<'_>) -> ServerCheck {
        let check = OwnCheck::vault(cli(setup), Some(&self.address))
            .with_variable("VAULT_NAMESPACE", self.namespace.as_deref())
            .with_variable("VAULT_CACERT", self.ca_cert.as_deref());
        ServerCheck { check, server: "The server" }
    }
}

fn address_question(default: Option<String>) -> Question {
    Question::new("--address", "address of the server")
        .with_note("such as https://vault.example:8200")
        .with_default(default)
        .validated_by(|text| {
            Endpoint::parse(WHAT, text).err().map(|error| message!("{error}", error))
        })
}

/// The server that the CLIs use.
fn cli_address(env: &Env) -> Option<String> {
    env.first([env::BAO_OWN_ADDR, env::VAULT_OWN_ADDR]).map(|(_, address)| address)
}

/// The name of the installed CLI; both accept the same commands.
fn cli(setup: &Setup<'_>) -> &'static str {
    let has = |name| program::is_on_path(setup.env(), name);
    if has("bao") && !has("vault") { "bao" } else { "vault" }
}

/// The commands that configure the auth method, the policy and the role. They can be run again.
fn server_side(trust: &Trust, server: &Server, cli: &'static str) -> ServerSide {
    let Server { role, mount, .. } = server;
    let mount = mount.trim_matches('/');
    let namespace = server
        .namespace
        .as_ref()
        .map(|name| message!("export VAULT_NAMESPACE={}\n", script_word(name)));
    let commands = message!(
        "
{namespace}{cli} auth list -format=json | grep -qF {in_list} ||
  {cli} auth enable -path={mount} jwt
{cli} write {config} oidc_discovery_url={issuer}
{cli} policy read {role} >/dev/null 2>&1 || {cli} policy write {role} - <<'EOF'
{VAULT_POLICY}EOF
{cli} write {role_path} role_type=jwt user_claim=sub \\
  bound_audiences={audience} bound_subject={subject} \\
  token_policies={role} token_ttl=20m
",
        namespace = namespace.unwrap_or_default(),
        in_list = script_word(&format!("\"{mount}/\"")),
        mount = script_word(mount),
        config = script_word(&format!("auth/{mount}/config")),
        issuer = trust.issuer.quoted_for_sh(),
        role = script_word(role),
        role_path = script_word(&format!("auth/{mount}/role/{role}")),
        audience = trust.audience.quoted_for_sh(),
        subject = trust.subject.quoted_for_sh(),
        cli,
        VAULT_POLICY
    );
    ServerSide {
        heading: "Server",
        printed: message!(
            "{commands}\nThe policy is an example: write what the role may do.\n",
            commands
        ),
        content: commands,
        use_as: Use::Script,
    }
}

fn next_steps(setup: &Setup<'_>, server: &Server, has_helper: bool) -> Result<Message> {
    let cli = cli(setup);
    // OpenBao's own variable would take precedence over Vault's, which both CLIs read.
    let [address, namespace, ca_cert] = if cli == "bao" {
        ["BAO_ADDR", "BAO_NAMESPACE", "BAO_CACERT"]
    } else {
        ["VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_CACERT"]
    };
    let mut exports = vec![(address, server.address.clone())];
    exports.extend(server.namespace.clone().map(|name| (namespace, name)));
    exports.extend(server.ca_cert.clone().map(|file| (ca_cert, file)));
    let mut login = Message::default();
    // The helper remembers its profile and its configuration file.
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
        message!("  {EXPORT}{}\n", ForeignText::line(value).assigned_to(name), EXPORT)
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
