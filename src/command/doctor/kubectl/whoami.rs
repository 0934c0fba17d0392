//! The user that the API servers see when kubectl calls them.

use std::time::Duration;

use serde_json::Value;

use crate::command::ask::{Answer, Silence, ask};
use crate::command::doctor::Checks;
use crate::command::doctor::network::all;
use crate::command::doctor::programs::Program;
use crate::command::doctor::report::Group;
use crate::error::Exit;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

use super::entry::Plugin;
use super::kubeconfig::{Context, Kubeconfig};

/// The first minor version of kubectl that has `auth whoami`.
const FIRST: u32 = 27;

/// How many clusters are called. A kubeconfig can have a thousand.
const MOST: usize = 4;

/// How the line of a hint begins, after the program's name.
const HINT: &str = "hint: ";

/// Calls the clusters of the users that are right, the current one first.
pub(super) fn check(
    checks: &Checks<'_>,
    kubectl: &Program,
    config: &Kubeconfig,
    right: &[(&str, Option<Plugin>)],
    group: &mut Group<'_>,
) {
    if kubectl.minor().is_some_and(|minor| minor < FIRST) {
        return;
    }
    let plugin_of = |context: &Context| right.iter().find(|(user, _)| *user == context.user());
    let mut contexts: Vec<_> = config
        .contexts
        .iter()
        .filter(|context| {
            config.cluster(context.cluster()).is_some_and(|it| !it.server().is_empty())
        })
        .filter_map(|context| Some((context, plugin_of(context)?.1.as_ref())))
        .collect();
    contexts.sort_by_key(|(context, _)| !config.is_current(context));
    contexts.truncate(MOST);
    let limit = checks.part();
    let questions = contexts.iter().map(|(context, _)| question(kubectl, context, limit));
    let Some(answers) = checks.wait("calling the API server", all(questions.collect())) else {
        return;
    };
    for ((context, plugin), answer) in contexts.iter().zip(answers) {
        tell(context, *plugin, answer, group);
    }
}

async fn question(
    kubectl: &Program,
    context: &Context,
    limit: Duration,
) -> Result<Answer, Silence> {
    // Shorter than the limit, to tell a server that does not answer from a kubectl that hangs.
    let request = limit.mul_f32(0.7).as_millis();
    let arguments = [
        "auth".to_owned(),
        "whoami".to_owned(),
        "--output=json".to_owned(),
        format!("--context={}", context.name),
        format!("--request-timeout={request}ms"),
    ];
    ask(&kubectl.path, &arguments, limit).await
}

fn tell(
    context: &Context,
    plugin: Option<&Plugin>,
    answer: Result<Answer, Silence>,
    group: &mut Group<'_>,
) {
    let name = ForeignText::new(&context.name);
    let place = message!("context `{name}`", name);
    let command = message!("kubectl auth whoami --context={}", name.quoted());
    let answer = match answer {
        Ok(answer) => answer,
        Err(Silence::NoTime) => {
            group.warning(
                message!(
                    "{place}: the API server was not called, as the time limit is over",
                    place
                ),
                "give more time with `--timeout`",
            );
            return;
        }
        Err(silence) => {
            group.bad(
                Exit::Temporary,
                message!("{place}: `kubectl auth whoami` {}", silence.describe(), place),
                message!(
                    "run `{command} -v=8` in a terminal: kubectl, the plugin or the network hangs",
                    command
                ),
            );
            return;
        }
    };
    let name =
        |review: &Value| review["status"]["userInfo"]["username"].as_str().map(str::to_owned);
    let review = answer.json(|review| name(review).is_some());
    if let Some(review) = review.filter(|_| answer.status.success()) {
        tell_name(&place, &review["status"]["userInfo"], plugin, group);
        return;
    }
    let text = String::from_utf8_lossy(&answer.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = ForeignText::sentence(last.trim_start_matches("error: "));
    let said = if said.is_empty() { "it printed no reason".into() } else { said };
    if text.contains("Unauthorized") || text.contains("must be logged in") {
        group.bad(
            Exit::Consumer,
            message!("{place}: the API server does not accept the token: {said}", place, said),
            "compare iss, aud and sub of the token above with the API server's AuthenticationConfiguration or --oidc flags",
        );
    } else if text.contains("getting credentials:") {
        group.bad(
            Exit::Configuration,
            message!(
                "{place}: kubectl gets no token: {}",
                plugin_says(&text).unwrap_or(said),
                place
            ),
            plugin_hints(&text)
                .map_or_else(|| message!("run `{command}` in a terminal", command), Message::from),
        );
    } else if is_of_server(&text) {
        group.warning(
            message!("{place}: the API server cannot be called: {said}", place, said),
            message!("check whether the server can be reached: `{command}`", command),
        );
    } else {
        group.bad(
            Exit::Configuration,
            message!("{place}: kubectl cannot use it: {said}", place, said),
            message!(
                "correct the context, its user or its cluster until `{command}` works",
                command
            ),
        );
    }
}

/// Whether the error is about the network or the server, and not about what kubectl is configured with. A server
/// of a private network may be out of reach at the moment.
fn is_of_server(stderr: &str) -> bool {
    let signs = [
        "Unable to connect to the server",
        "The connection to the server",
        "Error from server",
        "API is not enabled",
        "the server ",
        "timed out",
        "deadline exceeded",
        "Client.Timeout",
    ];
    stderr.trim().is_empty() || signs.iter().any(|sign| stderr.contains(sign))
}

/// The plugin's own error, which is more than kubectl prints of it.
fn plugin_says(stderr: &str) -> Option<ForeignText> {
    plugin_lines(stderr).find(|line| !line.starts_with(HINT)).map(ForeignText::sentence)
}

fn plugin_hints(stderr: &str) -> Option<ForeignText> {
    plugin_lines(stderr).find_map(|line| line.strip_prefix(HINT)).map(ForeignText::sentence)
}

fn plugin_lines(stderr: &str) -> impl Iterator<Item = &str> {
    stderr.lines().filter_map(|line| line.strip_prefix("yc-id-token: "))
}

/// Compares the user that the server knows with the service account of the token.
fn tell_name(place: &Message, user: &Value, plugin: Option<&Plugin>, group: &mut Group<'_>) {
    let name = ForeignText::new(user["username"].as_str().unwrap_or_default());
    let Some(Ok(account)) = plugin.map(|plugin| plugin.run.service_account()) else {
        group.good(message!("{place}: the API server sees `{name}`", place, name));
        return;
    };
    // A server can prefix the name, or keep the subject in another field.
    if user.to_string().contains(account) {
        group.good(message!(
            "{place}: the API server sees `{name}`, which is the service account",
            place,
            name
        ));
    } else {
        group.bad(
            Exit::Consumer,
            message!(
                "{place}: the API server sees `{name}`, and not the service account `{}` of the token",
                ForeignText::new(account),
                place,
                name
            ),
            "check which credentials kubectl sends, with `kubectl config view --minify`, and which claim the API server maps to the user name",
        );
    }
}
