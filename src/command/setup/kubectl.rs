//! `setup kubectl`: a user and a context of the kubeconfig, and the API server's side.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::change::Change;
use super::kubeconfig::Kubeconfig;
use super::plan::Plan;
use super::question::Question;
use super::trust::Trust;
use super::{Common, Setup, kuberc, program};
use crate::env;
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::output::Output;
use crate::session::Context;
use crate::settings::Origin;
use crate::shell::quoted;

const PROFILE: &str = "kubernetes";
const USER: &str = "yandex";
const API_VERSION: &str = "client.authentication.k8s.io/v1";

const INSTALL_HINT: &str =
    "This cluster is signed in to with yc-id-token, which is not on the PATH.
Install it, or write its absolute path as `command` of the user in the kubeconfig.
";

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
    /// Cluster of the kubeconfig [default: that of the current context]
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
    /// Let kubectl run this exec plugin, and of the others only those that are allowed already
    #[arg(long)]
    kuberc: bool,
}

/// What the kubeconfig is to say.
struct Entry {
    cluster: String,
    user: String,
    context: String,
    exec: Value,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let mut setup = Setup::begin(context, &self.common, "kubectl", PROFILE)?;
        let mut kubeconfig = Kubeconfig::read(self.kubeconfig.as_deref(), setup.env())?;
        if kubeconfig.can_be_written() && kubeconfig.names("clusters").is_empty() {
            return Err(no_cluster(&kubeconfig.path));
        }
        setup.settle_identity()?;
        let cluster = self.cluster(&setup, &kubeconfig)?;
        let of_cluster = kubeconfig.audience_of(&cluster).map(str::to_owned);
        let own = settle_audience(&mut setup, of_cluster.as_deref())?;
        let entry = self.entry(&setup, cluster, own.is_none())?;
        let audience = own.or(of_cluster).unwrap_or_default();
        let trust = Trust::find(&setup, &audience)?;

        let mut advice = vec![server_side(&trust)];
        let mut changes = Vec::new();
        let is_current = self.use_context
            || kubeconfig.current_context().is_none_or(|name| name == entry.context);
        let next = next(&entry, is_current, self.kubeconfig.as_deref());
        let command = entry.exec["command"].as_str().unwrap_or_default().to_owned();
        if kubeconfig.can_be_written() {
            check(&setup, &kubeconfig, &entry)?;
            write(&mut kubeconfig, &entry, is_current);
            let change = kubeconfig.change()?;
            advice.extend(change.as_ref().and_then(lost_comments));
            changes.extend(change);
        } else {
            advice.insert(0, snippet(&kubeconfig.path, &entry));
        }
        let (kuberc_change, kuberc_advice) = kuberc::plan(self.kuberc, &command, setup.env())?;
        changes.extend(kuberc_change);
        advice.extend(kuberc_advice);
        setup.finish(Plan { changes, acts: Vec::new(), advice, next }, output)
    }

    fn cluster(&self, setup: &Setup<'_>, kubeconfig: &Kubeconfig) -> Result<String> {
        let names = kubeconfig.names("clusters");
        let of_current = kubeconfig
            .current_context()
            .and_then(|name| kubeconfig.entry("contexts", "context", name)?["cluster"].as_str());
        let only = || if let [one] = names[..] { Some(one) } else { None };
        let default = of_current.or_else(only).map(str::to_owned);
        let no_such = |name: &str| Error::NoSuch {
            what: "cluster",
            name: name.to_owned().into(),
            place: message!("`{}`", shown(&kubeconfig.path)),
            hint: message!("it has {}", ForeignText::new(&names.join(", "))),
        };
        if let Some(name) = &self.cluster {
            let is_known = !kubeconfig.can_be_written() || names.contains(&name.as_str());
            return if is_known { Ok(name.clone()) } else { Err(no_such(name)) };
        }
        loop {
            let question =
                Question::new("--cluster", "cluster of the kubeconfig").or(default.clone());
            let name = question.answer(setup.terminal)?.unwrap_or_default();
            if !kubeconfig.can_be_written() || names.contains(&name.as_str()) {
                return Ok(name);
            }
            match setup.terminal {
                Some(terminal) => terminal
                    .say(&format!("! There is no such cluster: there is {}", names.join(", "))),
                None => return Err(no_such(&name)),
            }
        }
    }

    /// `provideClusterInfo` is needed where the cluster's entry knows the audience and we do not.
    fn entry(&self, setup: &Setup<'_>, cluster: String, needs_cluster: bool) -> Result<Entry> {
        let usual = if setup.profile() == PROFILE {
            USER.into()
        } else {
            format!("{USER}-{}", setup.profile())
        };
        let name = |flag: &Option<String>, name, text, default| {
            let question = Question::new(name, text).or(Some(default));
            flag.clone().map_or_else(|| question.answer(setup.terminal), |name| Ok(Some(name)))
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
        let exec = json!({
            "apiVersion": API_VERSION,
            "args": args,
            "command": command,
            "env": null,
            "installHint": INSTALL_HINT,
            "interactiveMode": "Never",
            "provideClusterInfo": needs_cluster,
        });
        Ok(Entry { cluster, user, context: context.unwrap_or_default(), exec })
    }
}

fn no_cluster(path: &Path) -> Error {
    Error::Missing {
        problem: message!("there is no cluster in `{}`", shown(path)),
        hint: "add yours with `kubectl config set-cluster NAME --server=https://… --certificate-authority=FILE`, and run the command again".into(),
    }
}

/// The audience that the profile has or gets; `None` if the cluster's entry is to tell it.
fn settle_audience(setup: &mut Setup<'_>, of_cluster: Option<&str>) -> Result<Option<String>> {
    let said = setup.context.flags.audience.clone();
    setup.take_over("audience", said.as_ref(), env::AUDIENCE);
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
        .noted("any name that the API server is told too, such as kubernetes-prod");
    let audience = question.answer(setup.terminal)?.unwrap_or_default();
    setup.configuration.set("audience", &audience);
    Ok(Some(audience))
}

/// What is there by these names and is not ours.
fn check(setup: &Setup<'_>, kubeconfig: &Kubeconfig, entry: &Entry) -> Result<()> {
    let path = shown(&kubeconfig.path);
    if let Some(user) = kubeconfig.entry("users", "user", &entry.user) {
        let command = user["exec"]["command"].as_str().unwrap_or_default();
        let is_ours = Path::new(command).file_stem().is_some_and(|name| name == "yc-id-token");
        let has_other = user.as_object().is_some_and(|user| user.keys().any(|key| key != "exec"));
        if !is_ours || has_other {
            setup.in_the_way(message!(
                "the user `{}` of `{path}` signs in by other means",
                ForeignText::new(&entry.user),
                path
            ))?;
        }
    }
    if let Some(context) = kubeconfig.entry("contexts", "context", &entry.context)
        && context["cluster"] != *entry.cluster
    {
        let other = context["cluster"].as_str().unwrap_or_default();
        setup.in_the_way(message!(
            "the context `{}` of `{path}` is of the cluster `{}`",
            ForeignText::new(&entry.context),
            ForeignText::new(other),
            path
        ))?;
    }
    Ok(())
}

fn write(kubeconfig: &mut Kubeconfig, entry: &Entry, is_current: bool) {
    let Entry { cluster, user, context, exec } = entry;
    // Its environment stays: it may hold settings of ours.
    let mut exec = exec.clone();
    if let Some(there) = kubeconfig.entry("users", "user", user) {
        exec["env"] = there["exec"]["env"].clone();
    }
    kubeconfig.put("users", "user", user, json!({ "exec": exec }));
    // Its namespace stays.
    let there = kubeconfig.entry("contexts", "context", context).cloned();
    let mut with = there.filter(Value::is_object).unwrap_or_else(|| json!({}));
    with["cluster"] = json!(cluster);
    with["user"] = json!(user);
    kubeconfig.put("contexts", "context", context, with);
    if is_current {
        kubeconfig.make_current(context);
    }
}

/// What kubectl cannot keep of a file that somebody wrote by hand.
fn lost_comments(change: &Change) -> Option<String> {
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    change.file().text().lines().find(|line| is_comment(line))?;
    Some(format!(
        "kubectl writes `{}` anew: its comments will be in the copy beside it only.\n",
        change.file().path().display()
    ))
}

/// The entries to add by hand.
fn snippet(path: &Path, entry: &Entry) -> String {
    let Entry { cluster, user, context, exec } = entry;
    let args = exec["args"].to_string();
    let indented = |line: &str| format!("        {line}\n");
    let hint = INSTALL_HINT.lines().map(indented).collect::<Vec<_>>().concat();
    format!(
        "There is no kubectl on the PATH to write the kubeconfig. Add this to `{path}`, with the cluster's own entry:

users:
- name: {user}
  user:
    exec:
      apiVersion: {API_VERSION}
      command: {command}
      args: {args}
      interactiveMode: Never
      provideClusterInfo: {info}
      installHint: |
{hint}contexts:
- name: {context}
  context:
    cluster: {cluster}
    user: {user}
",
        path = path.display(),
        user = json!(user),
        context = json!(context),
        cluster = json!(cluster),
        command = exec["command"],
        info = exec["provideClusterInfo"],
    )
}

/// What the API server must be told.
fn server_side(trust: &Trust) -> String {
    let Trust { issuer, subject, audience, note } = trust;
    let file = AUTHENTICATION
        .replace("https://auth.yandex.cloud", issuer)
        .replace("[kubernetes-prod]", &json!([audience]).to_string())
        .replace("ajeexampleaccount000", subject);
    let flags = [
        format!("--oidc-issuer-url={issuer}"),
        format!("--oidc-client-id={audience}"),
        format!("--oidc-required-claim=sub={subject}"),
        "--oidc-username-claim=sub".into(),
        "--oidc-username-prefix=yandex:".into(),
    ];
    let flags: Vec<String> = flags.iter().map(|flag| quoted(flag)).collect();
    format!(
        "# The API server's side
{note}

{file}
or, where it is set up by flags, which can let one service account in:

{}

Then bind roles to the user `yandex:{subject}`.
",
        flags.join("\n")
    )
}

fn next(entry: &Entry, is_current: bool, kubeconfig: Option<&Path>) -> String {
    let flag = |name: &str, value: &str| format!(" --{name}={}", quoted(value));
    let kubeconfig = kubeconfig.map(|path| flag("kubeconfig", &path.to_string_lossy()));
    let context = (!is_current).then(|| flag("context", &entry.context));
    let flags = [kubeconfig, context].into_iter().flatten().collect::<Vec<_>>().concat();
    format!("Try it:\n  kubectl{flags} auth whoami\n")
}
