//! The table of what is cached.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::broker::{Row, State, overview};
use crate::cache::{FileCache, Place};
use crate::clock::{Clock, Timestamp};
use crate::command::table;
use crate::error::{Error, Result};
use crate::foreign_text::visible;
use crate::session::Context;
use crate::settings::Locations;

/// What is cached, and where.
pub(super) struct Cached {
    folder: PathBuf,
    now: Timestamp,
    rows: Vec<Row>,
}

const HEADS: [&str; 7] =
    ["CREDENTIAL", "FOR", "AUDIENCE", "SERVICE ACCOUNT", "STATE", "LIVES UNTIL", "REFRESHED FROM"];

pub(super) fn rows(context: Context<'_>) -> Result<Cached> {
    let Locations { cache_folder, runtime_folder, .. } = Locations::of_system();
    let folder = cache_folder.ok_or_else(|| {
        Error::Cache("there is no home folder that it could be in, so nothing is cached".into())
    })?;
    let now = Clock::now(context.clock);
    let files = FileCache::new(folder.clone(), runtime_folder);
    Ok(Cached { folder, now: now.at, rows: overview(&files, now) })
}

pub(super) fn text(cached: &Cached) -> String {
    let folder = visible(&cached.folder.display().to_string());
    if cached.rows.is_empty() {
        return format!("nothing is cached in {folder}\n");
    }
    let rows: Vec<[String; 7]> = cached.rows.iter().map(cells).collect();
    let mut lines = table::lines(HEADS, &rows).into_iter();
    let mut text = lines.next().unwrap_or_default() + "\n";
    for (row, line) in cached.rows.iter().zip(lines) {
        let _ = writeln!(text, "{line}");
        if let Some(rest) = row.resting {
            let place = match rest.place {
                Place::File => "",
                Place::Keyring => ", in the keyring",
            };
            let from = origin(&row.about.from);
            let _ = writeln!(text, "  obtained {}{from}{place}", rest.obtained_at);
        }
        if let Some(failure) = &row.failure {
            let message = failure.message.clone();
            let _ = writeln!(text, "  failed   {}: {message} [{}]", failure.at, failure.code);
        }
    }
    let _ = writeln!(text, "\nin {folder}; it is {} now", cached.now);
    text
}

fn origin(from: &str) -> String {
    if from.is_empty() { String::new() } else { format!(" from {}", visible(from)) }
}

fn cells(row: &Row) -> [String; 7] {
    let about = &row.about;
    // An entry of an earlier version does not say.
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let asker = match (&about.consumer, &about.profile) {
        (Some(consumer), Some(profile)) => format!("{consumer} ({profile})"),
        (consumer, _) => told(consumer),
    };
    let at = |at: Option<Timestamp>| at.map_or_else(|| "-".into(), |at| at.to_string());
    [
        row.kind().into(),
        asker,
        told(&about.audience),
        told(&about.service_account),
        row.state.name().into(),
        at(row.resting.map(|rest| rest.expires_at)),
        // It says nothing about what has expired.
        at(row.resting.filter(|_| row.state != State::Expired).map(|rest| rest.soft_at)),
    ]
}

/// The same for programs. This shape does not change; keys may come.
pub(super) fn json(cached: &Cached) -> Value {
    let rows: Vec<Value> = cached.rows.iter().map(object).collect();
    json!({ "folder": cached.folder.display().to_string(), "now": cached.now.to_string(), "credentials": rows })
}

fn object(row: &Row) -> Value {
    let at = |at: fn(&crate::broker::Rest) -> Timestamp| {
        row.resting.as_ref().map(|rest| at(rest).to_string())
    };
    let place = row.resting.map(|rest| match rest.place {
        Place::File => "file",
        Place::Keyring => "keyring",
    });
    let failure = row.failure.as_ref().map(|failure| {
        json!({
            "at": failure.at.to_string(),
            "code": failure.code.name(),
            "message": failure.message,
        })
    });
    json!({
        "kind": row.kind(),
        "key": row.key,
        "consumer": row.about.consumer,
        "profile": row.about.profile,
        "audience": row.about.audience,
        "service_account": row.about.service_account,
        "from": Some(&row.about.from).filter(|from| !from.is_empty()),
        "state": row.state.name(),
        "place": place,
        "obtained_at": at(|rest| rest.obtained_at),
        "refreshed_from": at(|rest| rest.soft_at),
        "expires_at": at(|rest| rest.expires_at),
        "failure": failure,
    })
}
