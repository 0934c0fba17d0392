//! The contexts: whether the names in them exist, and whether the plugin gets the data of their clusters.

use crate::error::Exit;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

use super::Found;
use super::entry::{Entry, Plugin};
use super::kubeconfig::{Cluster, Context, Kubeconfig};
use crate::command::doctor::report::Group;

/// The size limit of one environment variable: `MAX_ARG_STRLEN` of Linux, and the limits of Windows and macOS.
const MAX_VARIABLE: u64 = if cfg!(target_os = "linux") {
    128 * 1024
} else if cfg!(windows) {
    32 * 1024
} else {
    1024 * 1024
};

/// The size of `KUBERNETES_EXEC_INFO` without the certificate authorities, rounded up.
const OTHER_FIELDS: u64 = 2 * 1024;

/// Checks the contexts of a user against its plugin.
pub(super) fn check(
    config: &Kubeconfig,
    user: &str,
    entry: &Entry<'_>,
    plugin: &Plugin,
    found: &mut Found,
) {
    let contexts: Vec<&Context> =
        config.contexts.iter().filter(|context| context.user() == user).collect();
    let mut problems = Problems::default();
    for context in &contexts {
        let Some(cluster) = config.cluster(context.cluster()) else {
            let names = config.clusters.iter().map(|cluster| cluster.name.as_str());
            let problem = message!(
                "there is no cluster `{}`{}",
                ForeignText::new(context.cluster()),
                nearest(context.cluster(), names)
            );
            problems.add(context, true, problem, "correct `cluster` in the context");
            continue;
        };
        check_audience(context, cluster, entry, plugin, &mut problems);
        check_size(context, cluster, entry, &mut problems);
        check_server(context, cluster, &mut problems);
    }
    if contexts.is_empty() && plugin.does.default_audience.is_none() {
        problems.alone(
            "no context uses it, and the audience is not set".into(),
            "give `--audience` with what the API server expects, or add a context",
        );
    }
    problems.report(found);
}

/// client-go sends no credentials to an address without `https://`, and uses its default if there is no address.
fn check_server(context: &Context, cluster: &Cluster, problems: &mut Problems) {
    let server = cluster.server();
    let is_https = server.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    if server.is_empty() {
        problems.add(
            context,
            true,
            "its cluster has no `server`, so kubectl uses localhost:8080".into(),
            "set `server` of the cluster to the https:// address of the API server",
        );
    } else if !is_https {
        problems.add(
            context,
            false,
            "its server is not an https:// address, and kubectl sends credentials only to those"
                .into(),
            "set `server` to the https:// address of the API server, unless it is `kubectl proxy`",
        );
    }
}

fn check_audience(
    context: &Context,
    cluster: &Cluster,
    entry: &Entry<'_>,
    plugin: &Plugin,
    problems: &mut Problems,
) {
    if plugin.does.audience.is_some() {
        return;
    }
    match cluster.audience() {
        Some(Ok(audience)) if !entry.exec.provides_cluster_info() => problems.add(
            context,
            true,
            match &plugin.does.default_audience {
                None => message!(
                    "the audience `{}` of its cluster's extension does not reach the plugin, and no other is set",
                    ForeignText::new(audience)
                ),
                Some(default) if default == audience => return,
                Some(default) => message!(
                    "the audience `{}` of its cluster's extension does not reach the plugin, which takes `{}`",
                    ForeignText::new(audience),
                    ForeignText::new(default)
                ),
            },
            "set `provideClusterInfo: true` in the user's `exec`",
        ),
        Some(Ok("")) => problems.add(
            context,
            true,
            "the audience in its cluster's extension is empty".into(),
            "write the audience that the API server expects into the extension `client.authentication.k8s.io/exec`, or remove it",
        ),
        Some(Err(())) => problems.add(
            context,
            true,
            "the audience in its cluster's extension is not a string".into(),
            "write `audience: \"…\"` in the extension `client.authentication.k8s.io/exec`",
        ),
        None if plugin.does.default_audience.is_none() => problems.add(
            context,
            true,
            "the audience is not set".into(),
            "give `--audience` with what the API server expects, or name it in the cluster's extension `client.authentication.k8s.io/exec` and set `provideClusterInfo: true`",
        ),
        Some(Ok(_)) | None => {}
    }
}

fn check_size(context: &Context, cluster: &Cluster, entry: &Entry<'_>, problems: &mut Problems) {
    let size = cluster.authorities_size(entry.folder);
    if entry.exec.provides_cluster_info() && size + OTHER_FIELDS > MAX_VARIABLE {
        problems.add(
            context,
            true,
            message!(
                "the certificate authorities of its cluster take {} kB, too much for the variable that passes them to the plugin",
                size.div_ceil(1024)
            ),
            "leave only the API server's own authority in `certificate-authority`, or give `--audience` and remove `provideClusterInfo`",
        );
    }
}

/// Problems, each with the contexts that have it.
#[derive(Default)]
struct Problems(Vec<Problem>);

struct Problem {
    contexts: Vec<ForeignText>,
    is_bad: bool,
    text: Message,
    fix: &'static str,
}

impl Problems {
    fn add(&mut self, context: &Context, is_bad: bool, text: Message, fix: &'static str) {
        let name = ForeignText::new(&context.name);
        match self.0.iter_mut().find(|problem| problem.text == text) {
            Some(problem) => problem.contexts.push(name),
            None => self.0.push(Problem { contexts: vec![name], is_bad, text, fix }),
        }
    }

    fn alone(&mut self, text: Message, fix: &'static str) {
        self.0.push(Problem { contexts: Vec::new(), is_bad: true, text, fix });
    }

    fn report(self, found: &mut Found) {
        for Problem { contexts, is_bad, text, fix } in self.0 {
            let text = match &contexts[..] {
                [] => text,
                [one] => message!("context `{one}`: {text}", one, text),
                [first, more @ ..] => {
                    message!("context `{first}` and {} more: {text}", more.len(), first, text)
                }
            };
            let list = if is_bad { &mut found.bad } else { &mut found.warnings };
            list.push((text, fix.into()));
        }
    }
}

/// Reports a current context that a command without `--context` cannot use.
pub(super) fn check_current(config: &Kubeconfig, group: &mut Group<'_>) {
    let fix = "choose one with `kubectl config use-context NAME`";
    match config.current_context.as_deref() {
        None | Some("") => {
            group.good("there is no current context, so kubectl needs `--context`");
        }
        Some(current) if !config.has_context(current) => group.bad(
            Exit::Configuration,
            message!(
                "the current context `{}` does not exist: without `--context`, every kubectl command fails",
                ForeignText::new(current)
            ),
            fix,
        ),
        Some(_) => {}
    }
}

/// Reports the contexts whose user does not exist and is probably a misspelt user of this program.
pub(super) fn check_users(config: &Kubeconfig, own_users: &[&str], group: &mut Group<'_>) {
    let unused = own_users.iter().any(|user| config.contexts.iter().all(|it| it.user() != *user));
    for context in &config.contexts {
        let user = context.user();
        if config.has_user(user) {
            continue;
        }
        let is_alike = own_users.iter().any(|name| name.eq_ignore_ascii_case(user));
        let text = message!(
            "context `{}`: there is no user `{}`{}",
            ForeignText::new(&context.name),
            ForeignText::new(user),
            nearest(user, own_users.iter().copied())
        );
        let fix = "correct `user` in the context; names differ by case";
        if is_alike || unused || config.is_current(context) {
            group.bad(Exit::Configuration, text, fix);
        } else {
            group.warning(text, fix);
        }
    }
}

/// The most similar name.
fn nearest<'a>(name: &str, mut names: impl Iterator<Item = &'a str>) -> Message {
    let alike = names.find(|other| other.eq_ignore_ascii_case(name));
    alike.map_or_else(Message::default, |alike| {
        message!("; there is `{alike}`", alike = ForeignText::new(alike))
    })
}
