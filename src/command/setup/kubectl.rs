//! `setup kubectl`: a user and a context of the kubeconfig, and the API server's side.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::kube_user::{self, Wanted};
use super::kubeconfig::Kubeconfig;
use super::plan::Plan;
use super::profile_choice;
use super::question::Question;
use super::terminal::Terminal;
use super::trust::Trust;
use super::{Common, Setup, kuberc, program, word};
use crate::consumer::ConsumerName;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message, is_invisible};
use crate::kubeconfig::Step;
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::Origin;
use crate::settings::schema::AUDIENCE;

const PROFILE: &str = "kubernetes";
const USER: &str = "yandex";
/// A file that the tests have an API server read.
const AUTHENTICATION: &str =
    include_str!("../../../integrations/kubectl/authentication-configuration.yaml");

/// Connect kubectl: a user and a context of the kubeconfig
#[derive(clap::Args, Debug)]
#[command(
    after_help = "It prints what the API server must be set up with, too: an AuthenticationConfiguration, and the older flags.

Examples:
  yc-id-token setup kubectl
  yc-id-token setup kubectl --apply --key-file ~/key.json --audience kubernetes-prod --cluster prod"
)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Cluster of the kubeconfig [default: the only one]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// User to write [default: yandex]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Context to write [default: USER@CLUSTER]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Make it the current context
    #[arg(long)]
    use_context: bool,
    /// The kubeconfig [default: KUBECONFIG, ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Name this program by its path, for programs with another PATH, such as Lens
    #[arg(long)]
    absolute: bool,
    /// Add this exec plugin to kubectl's allowlist, if kubectl's preferences (kuberc) restrict exec plugins
    #[arg(long)]
    kuberc: bool,
    /// Version of the exec protocol, for clients that know only one of them [default: that of the entry, or v1]
    #[arg(long, value_name = "VERSION", value_parser = ["v1", "v1beta1"])]
    api_version: Option<String>,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let mut kubeconfig = Kubeconfig::read(self.kubeconfig.as_deref(), context.env)?;
        if kubeconfig.merged().names("clusters").is_empty() {
            return Err(no_cluster(kubeconfig.path()));
        }
        let cluster = self.cluster(&kubeconfig)?;
        let profile = profile_choice::choose(context, &cluster, kubeconfig.merged(), PROFILE)?;
        let mut setup = Setup::begin(context, &self.common, ConsumerName::Kubectl, &profile)?;
        setup.settle_identity()?;
        let of_cluster = kubeconfig.merged().audience_of(&cluster).map(str::to_owned);
        let own = settle_audience(&mut setup, of_cluster.as_deref())?;
        let wanted = self.wanted(&setup, &kubeconfig, cluster, own.is_none())?;
        let user = kube_user::judge(&setup, &kubeconfig, &wanted)?;
        check_context(&setup, &kubeconfig, &wanted)?;
        setup.check_profile()?;
        let audience = own.or(of_cluster).unwrap_or_default();
        let trust = Trust::find(&setup, &audience)?;

        let mut advice = vec![server_side(&trust)];
        let current = kubeconfig.merged().current_context();
        let is_current = self.use_context || current.is_none_or(|name| name == wanted.context);
        let next = next(&wanted, is_current, self.kubeconfig.as_deref());
        let others = other_plugins(&kubeconfig, &wanted.user);
        let command = kube_user::write(&mut kubeconfig, &wanted, &user)?;
        write_context(&mut kubeconfig, &wanted, is_current)?;
        let mut changes = vec![kubeconfig.change(&wanted.user)];
        let (kuberc_change, kuberc_advice) =
            kuberc::plan(self.kuberc, &command, &others, setup.env())?;
        changes.extend(kuberc_change);
        advice.extend(kuberc_advice);
        setup.finish(Plan { changes, acts: Vec::new(), advice, next }, output)
    }

    fn cluster(&self, kubeconfig: &Kubeconfig) -> Result<String> {
        let merged = kubeconfig.merged();
        let names = merged.names("clusters");
        let list = || ForeignText::new(&names.join(", "));
        if let Some(name) = &self.cluster {
            if names.contains(&name.as_str()) {
                return Ok(name.clone());
            }
            return Err(Error::NoSuch {
                what: "cluster",
                name: name.to_owned().into(),
                place: message!("`{}`", shown(kubeconfig.path())),
                hint: message!("choose {}", list()),
            });
        }
        if let [only] = names[..] {
            return Ok(only.to_owned());
        }
        let terminal = Terminal::find().ok_or_else(|| Error::Missing {
            problem: "the kubeconfig has several clusters".into(),
            hint: message!("give `--cluster`: {}", list()),
        })?;
        let context = merged.current_context();
        let context = context.and_then(|name| merged.entry("contexts", "context", name));
        let of_current = context.and_then(|entry| entry.value["cluster"].as_str());
        let question = Question::new("--cluster", "cluster of the kubeconfig");
        let question = question.or(of_current.map(str::to_owned));
        loop {
            let name = question.answer(Some(terminal))?.unwrap_or_default();
            if names.contains(&name.as_str()) {
                return Ok(name);
            }
            terminal.say(&message!("! There is no such cluster: there is {}", list()));
        }
    }

    /// `provideClusterInfo` is needed where only the cluster's entry has the audience.
    fn wanted(
        &self,
        setup: &Setup<'_>,
        kubeconfig: &Kubeconfig,
        cluster: String,
        needs_cluster: bool,
    ) -> Result<Wanted> {
        let usual = if setup.profile() == PROFILE {
            USER.into()
        } else {
            format!("{USER}-{}", setup.profile())
        };
        let name = |flag: &Option<String>, name, text, default| {
            let question = Question::new(name, text).or(Some(default)).judged(name_problem);
            let Some(name) = flag else { return question.answer(setup.terminal) };
            question.check(name).map(|()| Some(name.clone()))
        };
        let user = name(&self.user, "--user", "user of the kubeconfig", usual)?.unwrap_or_default();
        let context = name(
            &self.context,
            "--context",
            "context of the kubeconfig",
            format!("{user}@{cluster}"),
        )?;
        let env = setup.env();
        let command = if self.absolute { program::path(env)? } else { program::command(env)? };
        let mut args = vec!["kubectl".to_owned(), format!("--profile={}", setup.profile())];
        args.extend(setup.config_flag()?);
        let version = self.api_version.clone();
        let version = version.or_else(|| kube_user::version_of(kubeconfig, &user));
        Ok(Wanted {
            cluster,
            context: context.unwrap_or_default(),
            user,
            version: version.unwrap_or_else(|| "v1".into()),
            args,
            command,
            is_absolute: self.absolute,
            needs_cluster,
        })
    }
}

fn name_problem(name: &str) -> Option<Message> {
    let is_fit =
        !name.trim().is_empty() && !name.chars().any(|c| c.is_control() || is_invisible(c));
    (!is_fit).then(|| "the name is empty, or has characters that cannot be seen".into())
}

fn no_cluster(path: &Path) -> Error {
    Error::Missing {
        problem: message!("there is no cluster in `{}`", shown(path)),
        hint: "add yours with `kubectl config set-cluster NAME --server=https://… --certificate-authority=FILE`, and run the command again".into(),
    }
}

/// The audience that the profile has or gets; `None` if the cluster's entry is to tell it.
fn settle_audience(setup: &mut Setup<'_>, of_cluster: Option<&str>) -> Result<Option<String>> {
    setup.take_over(&AUDIENCE);
    let known = setup.settings()?.audience;
    // What the cluster's entry says goes before the defaults of the file.
    let known = known
        .filter(|known| of_cluster.is_none() || !matches!(known.origin, Origin::Defaults { .. }));
    if let Some(known) = known {
        return Ok(Some(known.value));
    }
    if of_cluster.is_some() {
        return Ok(None);
    }
    let question = Question::new("--audience", "audience of the tokens")
        .noted("any name that the API server is configured with too, such as kubernetes-prod");
    let audience = question.answer(setup.terminal)?.unwrap_or_default();
    setup.configuration.set("audience", &audience);
    Ok(Some(audience))
}

/// Refuses to give a context another cluster or another user.
fn check_context(setup: &Setup<'_>, kubeconfig: &Kubeconfig, wanted: &Wanted) -> Result<()> {
    let merged = kubeconfig.merged();
    let Some(context) = merged.entry("contexts", "context", &wanted.context) else { return Ok(()) };
    let [cluster, user] = ["cluster", "user"].map(|key| context.value[key].as_str().unwrap_or(""));
    if cluster != wanted.cluster {
        setup.in_the_way(message!(
            "the context `{}` of `{}` is of the cluster `{}`",
            ForeignText::new(&wanted.context),
            shown(context.file),
            ForeignText::new(cluster)
        ))?;
    }
    if user != wanted.user && merged.entry("users", "user", user).is_some() {
        setup.in_the_way(message!(
            "the context `{}` of `{}` is of the user `{}`",
            ForeignText::new(&wanted.context),
            shown(context.file),
            ForeignText::new(user)
        ))?;
    }
    Ok(())
}

/// Writes the cluster and the user of the context; its namespace stays.
fn write_context(kubeconfig: &mut Kubeconfig, wanted: &Wanted, is_current: bool) -> Result<()> {
    let Wanted { cluster, user, context, .. } = wanted;
    let there = kubeconfig.merged().entry("contexts", "context", context);
    let is_own = there.is_some_and(|entry| entry.file == kubeconfig.path());
    match there.map(|entry| entry.value.clone()) {
        Some(there) if there["cluster"] == **cluster && there["user"] == **user => {}
        Some(there) if is_own && there.is_object() => {
            let place = [Step::Key("contexts"), Step::Named(context), Step::Key("context")];
            kubeconfig.set(&place, "cluster", &json!(cluster))?;
            kubeconfig.set(&place, "user", &json!(user))?;
        }
        _ => {
            let entry = json!({ "cluster": cluster, "user": user });
            if is_own {
                kubeconfig.set(
                    &[Step::Key("contexts"), Step::Named(context)],
                    "context",
                    &entry,
                )?;
            } else {
                kubeconfig.append("contexts", &json!({ "context": entry, "name": context }))?;
            }
        }
    }
    if is_current && kubeconfig.merged().current_context() != Some(context) {
        kubeconfig.set(&[], "current-context", &json!(context))?;
    }
    Ok(())
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

/// What the API server must be told.
fn server_side(trust: &Trust) -> Message {
    let Trust { issuer, subject, audience, note } = trust;
    let text = |text: &str| Message::from(ForeignText::line(text));
    let file = Message::from(AUTHENTICATION)
        .replaced("https://auth.yandex.cloud", &text(issuer))
        .replaced("[kubernetes-prod]", &text(&json!([audience]).to_string()))
        .replaced("ajeexampleaccount000", &text(subject));
    let flags = [
        format!("--oidc-issuer-url={issuer}"),
        format!("--oidc-client-id={audience}"),
        format!("--oidc-required-claim=sub={subject}"),
        "--oidc-username-claim=sub".into(),
        "--oidc-username-prefix=yandex:".into(),
    ];
    message!(
        "# The API server's side
{note}

{file}
or, where it is set up by flags, which can let one service account in:

{}

Then bind roles to the user `yandex:{}`.
",
        Message::join(&flags.map(|flag| word(&flag).into()), "\n"),
        text(subject),
        note,
        file
    )
}

fn next(wanted: &Wanted, is_current: bool, kubeconfig: Option<&Path>) -> Message {
    let kubeconfig = kubeconfig.map(|path| message!(" --kubeconfig={}", shown(path).quoted()));
    let context = (!is_current).then(|| message!(" --context={}", word(&wanted.context)));
    let (kubeconfig, context) = (kubeconfig.unwrap_or_default(), context.unwrap_or_default());
    message!("Try it:\n  kubectl{kubeconfig}{context} auth whoami\n", kubeconfig, context)
}
