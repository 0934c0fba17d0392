//! `setup kubectl`: a user and a context in the kubeconfig, and the configuration of the API server.

mod check;
mod context;
mod kubeconfig;
mod kuberc;
mod lock;
mod profile_choice;
mod user;

use std::path::{Path, PathBuf};

use serde_json::json;
use yc_id_token_integrations::KUBERNETES_AUTHENTICATION;

use super::changes::ChangeSet;
use super::names::entry_name;
use super::question::{Missing, Question};
use super::server_check::ServerCheck;
use super::server_side::{ServerSide, Use};
use super::trust::Trust;
use super::{Common, Setup, named_profile, program, shell_word};
use crate::command::own_check::OwnCheck;
use crate::consumer::ConsumerName;
use crate::error::{Result, shown};
use crate::foreign_text::{ForeignText, Message, is_invisible};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::Origin;

use kubeconfig::Kubeconfig;
pub(in crate::command) use kubeconfig::kubeconfig_names;
pub(super) use lock::KubeconfigLock;

const USER: &str = "yandex";
/// The prefix of user names on the API server, in the file below.
const USER_PREFIX: &str = "yandex:";

/// Connect kubectl: write a user and a context into the kubeconfig
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token setup kubectl
  yc-id-token setup kubectl --apply --key-file ~/key.json --audience kubernetes-prod

The output has the configuration for the API server too: an AuthenticationConfiguration, and the older flags.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Cluster of the kubeconfig [default: the only one]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// User to write [default: yandex, or yandex-PROFILE for another cluster]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    user: Option<String>,
    /// Context to write [default: USER@CLUSTER]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    context: Option<String>,
    /// Make the context the current one
    #[arg(long)]
    use_context: bool,
    /// Kubeconfig to change [default: KUBECONFIG, ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Write the full path of this program, for clients with another PATH, such as Lens
    #[arg(long, hide_short_help = true)]
    absolute: bool,
    /// Add this program to the allowlist of exec plugins in kubectl's preferences (kuberc)
    #[arg(long, hide_short_help = true)]
    kuberc: bool,
    /// Version of the exec protocol [default: that of the entry, or v1]
    #[arg(long, value_name = "VERSION", value_parser = ["v1", "v1beta1"], hide_short_help = true)]
    api_version: Option<String>,
}

/// The user and the context that the kubeconfig must have.
struct DesiredEntries {
    cluster: String,
    context: String,
    user: String,
    /// `v1` or `v1beta1`.
    api_version: String,
    /// The arguments, without the flag for the version.
    args: Vec<String>,
    command: String,
    /// Whether the command must be a path.
    is_absolute: bool,
    /// Whether the helper must get the cluster's entry, because only that has the audience.
    needs_cluster: bool,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let mut kubeconfig = Kubeconfig::read(
            self.kubeconfig.as_deref(),
            context.env,
            context.locations.home.as_deref(),
        )?;
        let named = named_profile(context, &self.common)?;
        let mut missing = Missing::default();
        let terminal = self.common.consent.terminal();
        let cluster = context::choose_cluster(self.cluster.as_ref(), &kubeconfig, terminal);
        let cluster = missing.collect(cluster)?.unwrap_or_default();
        let profile = match named {
            Some(name) => name.to_owned(),
            None => profile_choice::choose(context, &cluster, kubeconfig.merged())?,
        };
        let consumer = ConsumerName::Kubectl;
        let mut setup = Setup::begin(context, &self.common, consumer, profile, missing)?;
        setup.resolve_identity()?;
        let cluster_audience = kubeconfig.merged().audience_of(&cluster).map(str::to_owned);
        let own_audience = resolve_audience(&mut setup, cluster_audience.as_deref())?;
        setup.missing.check()?;
        let desired = self.desired_entries(&setup, &kubeconfig, cluster, own_audience.is_none())?;
        let user_state = user::check(&setup, &kubeconfig, &desired)?;
        context::check(&setup, &kubeconfig, &desired)?;
        setup.check_profile()?;
        let audience = own_audience.or(cluster_audience).unwrap_or_default();
        let trust = Trust::find(&setup, &audience)?;

        let (instructions, server_file) = server_side(&trust).present(&trust, &setup)?;
        let mut advice = vec![instructions];
        let current = kubeconfig.merged().current_context();
        let is_current = self.use_context || current.is_none_or(|name| name == desired.context);
        let next = next_steps(&desired, is_current, self.kubeconfig.as_deref());
        let others = other_plugins(&kubeconfig, &desired.user);
        let command = user::write(&mut kubeconfig, &desired, &user_state)?;
        context::write(&mut kubeconfig, &desired, is_current)?;
        let mut files = vec![kubeconfig.change(&desired.user)];
        let (kuberc_change, kuberc_advice) =
            kuberc::allow(&command, self.kuberc, &others, context)?;
        files.extend(kuberc_change.into_iter().chain(server_file));
        advice.extend(kuberc_advice);
        let check = ServerCheck {
            check: OwnCheck::kubectl(&desired.context, self.kubeconfig.as_deref()),
            server: "The API server",
        };
        let check = Some(check);
        setup.finish(ChangeSet { files, actions: Vec::new(), advice, check, next }, output)
    }

    fn desired_entries(
        &self,
        setup: &Setup<'_>,
        kubeconfig: &Kubeconfig,
        cluster: String,
        needs_cluster: bool,
    ) -> Result<DesiredEntries> {
        let value = |flag: &Option<String>, name, what, default| {
            let question = Question::new(name, what).with_default(Some(default));
            let question = question.validated_by(name_problem);
            question.flag_or_answer(flag.as_ref(), setup.terminal).map(Option::unwrap_or_default)
        };
        let (merged, profile) = (kubeconfig.merged(), setup.profile());
        let default = profile_choice::user_of(&cluster, profile, merged).map_or_else(
            || entry_name(USER, profile_choice::profile_of(USER, merged), profile),
            str::to_owned,
        );
        let user = value(&self.user, "--user", "user of the kubeconfig", default)?;
        let default = format!("{user}@{cluster}");
        let context = value(&self.context, "--context", "context of the kubeconfig", default)?;
        let env = setup.env();
        let command = if self.absolute { program::path(env)? } else { program::command(env)? };
        let mut args = vec!["kubectl".to_owned(), format!("--profile={}", setup.profile())];
        args.extend(setup.config_flag()?);
        let existing = || user::api_version_of(kubeconfig, &user);
        let api_version = self.api_version.clone().or_else(existing);
        Ok(DesiredEntries {
            cluster,
            context,
            api_version: api_version.unwrap_or_else(|| "v1".into()),
            user,
            args,
            command,
            is_absolute: self.absolute,
            needs_cluster,
        })
    }
}

fn name_problem(name: &str) -> Option<Message> {
    let is_valid =
        !name.trim().is_empty() && !name.chars().any(|c| c.is_control() || is_invisible(c));
    (!is_valid).then(|| "the name is empty, or has invisible characters".into())
}

/// The audience for the profile, or `None` if the cluster's entry has one. The cluster's entry takes precedence over
/// the defaults of the configuration file.
fn resolve_audience(
    setup: &mut Setup<'_>,
    cluster_audience: Option<&str>,
) -> Result<Option<String>> {
    let known = setup.settings()?.audience;
    let known = known.filter(|known| {
        cluster_audience.is_none() || !matches!(known.origin, Origin::Defaults { .. })
    });
    let (inherited, known): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|known| setup.is_inherited(&known.origin));
    if let Some(known) = known.into_iter().next() {
        return Ok(Some(known.value));
    }
    if let Some(audience) = cluster_audience {
        // Otherwise, the audience of the extended profile would take precedence.
        if !inherited.is_empty() {
            setup.configuration.set("audience", audience);
            return Ok(Some(audience.to_owned()));
        }
        return Ok(None);
    }
    let question = Question::new("--audience", "audience of the tokens")
        .with_note("as on the API server, such as kubernetes-prod");
    let answer = setup.missing.collect(question.answer(setup.terminal))?.flatten();
    let audience = answer.unwrap_or_default();
    setup.configuration.set("audience", audience.as_str());
    Ok(Some(audience))
}

/// The commands of the other users' exec plugins.
fn other_plugins(kubeconfig: &Kubeconfig, user: &str) -> Vec<String> {
    let merged = kubeconfig.merged();
    let others = merged.names("users").into_iter().filter(|name| *name != user);
    let command = |name: &str| {
        let entry = merged.entry("users", "user", name)?;
        entry.value["exec"]["command"].as_str().map(str::to_owned)
    };
    let mut commands: Vec<String> = others.filter_map(command).collect();
    commands.sort_unstable();
    commands.dedup();
    commands
}

/// The configuration of the API server, as a file and as flags, and the rights of the user.
fn server_side(trust: &Trust) -> ServerSide {
    let Trust { issuer, subject, audience, .. } = trust;
    let audiences = json!([audience]).to_string();
    let file = Message::from(KUBERNETES_AUTHENTICATION)
        .replaced("https://auth.yandex.cloud", &issuer.clone().into())
        .replaced("[kubernetes-prod]", &ForeignText::line(&audiences).into())
        .replaced("ajeexampleaccount000", &subject.clone().into());
    let flags = [
        format!("--oidc-issuer-url={issuer}"),
        format!("--oidc-client-id={audience}"),
        format!("--oidc-required-claim=sub={subject}"),
        "--oidc-username-claim=sub".into(),
        format!("--oidc-username-prefix={USER_PREFIX}"),
    ];
    let binding = message!(
        "kubectl create clusterrolebinding {} --clusterrole=view --user={}",
        shell_word(&format!("yandex-{subject}-view")),
        shell_word(&format!("{USER_PREFIX}{subject}"))
    );
    ServerSide {
        heading: "API server",
        printed: message!(
            "
{file}
Or, if the API server is configured by flags, which allow one service account:

{}

Then give rights to the user, such as to read most objects:

{binding}
",
            Message::join(&flags.map(|flag| shell_word(&flag).into()), "\n"),
            file,
            binding
        ),
        content: message!("# {binding}\n{file}", binding, file),
        use_as: Use::AuthenticationConfiguration,
    }
}

fn next_steps(desired: &DesiredEntries, is_current: bool, kubeconfig: Option<&Path>) -> Message {
    let kubeconfig = kubeconfig.map(|path| message!(" --kubeconfig={}", shown(path).quoted()));
    let context = (!is_current).then(|| message!(" --context={}", shell_word(&desired.context)));
    let (kubeconfig, context) = (kubeconfig.unwrap_or_default(), context.unwrap_or_default());
    message!("Try it:\n  kubectl{kubeconfig}{context} auth whoami\n", kubeconfig, context)
}
