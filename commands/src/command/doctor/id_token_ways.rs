//! Other routes to an ID token, because the vendor documents only `yc`: the known subject token types of the exchange,
//! and the `yc` command. Nothing of these attempts is cached.

use crate::error::Error;
use crate::foreign_text::Message;
use crate::message;
use crate::run::Context;
use crate::settings::{Field, SUBJECT_TOKEN_TYPES, schema};
use crate::source::{IdentityInputs, YcCli};

use super::profile::ProfileCheck;
use super::report::Group;
use super::{identity, token};

/// A route that works: its description, and the setting that selects it.
type Way = (Message, &'static Field, &'static str);

pub(super) fn check(check: &ProfileCheck<'_>, group: &mut Group<'_>) {
    let Some(Ok(run)) = check.run.as_ref().and_then(|_| identity::run(check)) else { return };
    let Ok(audience) = token::audience(check, &run) else { return };
    let Ok(request) = run.id_token_request(&audience) else { return };
    let Context { env, locations, .. } = check.context;
    let inputs = IdentityInputs { settings: &run.settings, env, locations };
    let yc = run.source().identity.yc().cloned().unwrap_or_else(|| YcCli::of(inputs, None));
    let work = async {
        let mut tries = Vec::new();
        for known in SUBJECT_TOKEN_TYPES {
            let way = message!("the exchange with subject token type `{known}`", known);
            let outcome = request.exchange(known, run.broker()).await;
            tries.push(((way, &schema::SUBJECT_TOKEN_TYPE, known), outcome));
        }
        let outcome = request.run_yc(&yc, run.broker()).await;
        tries.push((
            ("`yc iam create-id-token`".into(), &schema::ID_TOKEN_ROUTE, "yc-cli"),
            outcome,
        ));
        tries
    };
    let Some(tries) = check.checks.wait("trying the known ways to an ID token", work) else {
        return;
    };
    let (mut working, mut failed) = (Vec::<Way>::new(), Vec::new());
    for ((way, setting, value), outcome) in tries {
        match outcome {
            Ok(_) => working.push((way, setting, value)),
            Err(error) => failed.push(message!("{way}: {}", reason(&error), way)),
        }
    }
    let failed = Message::join(&failed, "; ");
    let source = run.source();
    let in_use = if source.uses_yc() { "yc-cli" } else { source.subject_token_type() };
    if working.is_empty() {
        group.warning(
            message!("no known way to an ID token works: {failed}", failed),
            "check the service account, its role and the endpoints; if they are right, get the `subject_token_type` of a service account's ID from the cloud's support, and set it with `--subject-token-type`",
        );
        return;
    }
    if working.iter().any(|(.., value)| *value == in_use) {
        for (way, ..) in working {
            group.good(message!("{way} works", way));
        }
    } else {
        for (way, setting, value) in working {
            let mut command = run.settings.set_command(setting, value);
            if source.uses_yc() {
                let route = run.settings.set_command(&schema::ID_TOKEN_ROUTE, "exchange");
                command = message!("{route}` and `{command}", route, command);
            }
            group.warning(message!("{way} works", way), message!("run `{command}`", command));
        }
    }
    if !failed.is_empty() {
        group.note(message!("tried without success: {failed}", failed));
    }
}

/// The reason of a failure, without the name of the credential.
fn reason(error: &Error) -> Message {
    match error {
        Error::Refused { reason, request_id: Some(id), .. } => {
            message!("{reason} (request id {id})", reason, id)
        }
        Error::Refused { reason, request_id: None, .. } => reason.clone(),
        other => message!("{other}", other),
    }
}
