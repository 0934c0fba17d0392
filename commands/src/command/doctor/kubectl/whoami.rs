//! The user that the API servers see when kubectl calls them.

use crate::command::doctor::Checks;
use crate::command::doctor::network::all;
use crate::command::doctor::programs::Program;
use crate::command::doctor::report::Group;
use crate::command::own_check::{Accepted, Outcome, OwnCheck};
use crate::error::Exit;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::Run;

use super::Clusters;
use super::kubeconfig::Context;

/// The first minor version of kubectl that has `auth whoami`.
const FIRST_MINOR: u32 = 27;

/// How many clusters are called. A kubeconfig can have a thousand.
const MAX_CLUSTERS: usize = 4;

/// Calls the clusters of the users without problems, the current one first.
pub(super) fn check(
    checks: &Checks<'_>,
    kubectl: &Program,
    clusters: &Clusters,
    group: &mut Group<'_>,
) {
    if kubectl.minor().is_some_and(|minor| minor < FIRST_MINOR) {
        return;
    }
    let Clusters { config, right } = clusters;
    let of_user = |context: &Context| right.iter().find(|right| right.user == context.user());
    let (mut contexts, others): (Vec<_>, Vec<_>) = config
        .contexts
        .iter()
        .filter(|context| {
            config.cluster(context.cluster()).is_some_and(|it| !it.server().is_empty())
        })
        .filter_map(|context| Some((context, of_user(context)?.run.as_ref())))
        .partition(|(context, _)| config.is_current(context));
    contexts.extend(others);
    contexts.truncate(MAX_CLUSTERS);
    let limit = checks.part();
    let questions = contexts
        .iter()
        .map(|(context, _)| OwnCheck::kubectl(&context.name, None))
        .collect::<Vec<_>>();
    let questions = questions.iter().map(|question| question.run(checks.env, limit)).collect();
    let Some(answers) = checks.wait("calling the API server", all(questions)) else {
        return;
    };
    for ((context, run), outcome) in contexts.iter().zip(answers) {
        let place = message!("context `{}`", ForeignText::new(&context.name));
        match outcome {
            Outcome::Accepted(accepted) => report_name(&place, &accepted, *run, group),
            Outcome::Refused(refusal) => group.refusal(&place, refusal),
            Outcome::NotInstalled => {}
        }
    }
}

/// Compares the user that the server sees with the service account of the token.
fn report_name(place: &Message, seen: &Accepted, run: Option<&Run>, group: &mut Group<'_>) {
    let Accepted { text, user } = seen;
    let Some(Ok(account)) = run.map(Run::service_account) else {
        group.good(message!("{place}: {text}", place, text));
        return;
    };
    // A server can prefix the name, or store the subject in another field.
    if user.contains(account) {
        group.good(message!("{place}: {text}, which is the service account", place, text));
    } else {
        group.bad(
            Exit::Consumer,
            message!(
                "{place}: {text}, not the service account `{}` of the token",
                ForeignText::new(account),
                place,
                text
            ),
            "check which credentials kubectl sends, with `kubectl config view --minify`, and which claim the API server maps to the user name",
        );
    }
}
