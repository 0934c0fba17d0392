//! The table of cached credentials.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::broker::{Row, State, overview};
use crate::cache::{FileCache, Place};
use crate::clock::{Clock, Timestamp};
use crate::colour::{Colour, Colours};
use crate::command::table;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::Context;
use crate::settings::Locations;

pub(super) struct CacheTable {
    folder: PathBuf,
    now: Timestamp,
    rows: Vec<Row>,
}

const HEADS: [&str; 7] =
    ["CREDENTIAL", "FOR", "AUDIENCE", "SERVICE ACCOUNT", STATE, "EXPIRES", "REFRESH AFTER"];
const STATE: &str = "STATE";

pub(super) fn rows(context: Context<'_>) -> Result<CacheTable> {
    let Locations { cache_folder, runtime_folder, .. } = context.locations.clone();
    let folder = cache_folder.ok_or_else(|| {
        Error::Cache("there is no home folder that it could be in, so nothing is cached".into())
    })?;
    let now = Clock::now(context.clock);
    let files = FileCache::new(folder.clone(), runtime_folder);
    Ok(CacheTable { folder, now: now.at, rows: overview(&files, now) })
}

pub(super) fn text(cache: &CacheTable, colours: Colours) -> Message {
    let folder = shown(&cache.folder);
    if cache.rows.is_empty() {
        return message!("nothing is cached in {folder}\n", folder);
    }
    let now = cache.now;
    let rows: Vec<[Message; 7]> = cache.rows.iter().map(|row| cells(row, now)).collect();
    let paint = |row: usize, column: usize, cell: Message| {
        let is_state = HEADS[column] == STATE;
        if is_state { colours.paint(colour(cache.rows[row].state), cell) } else { cell }
    };
    let mut table = table::painted(HEADS, &rows, &paint).into_iter();
    let mut lines: Vec<Message> = table.next().into_iter().collect();
    for (row, line) in cache.rows.iter().zip(table) {
        lines.push(line);
        if let Some(cached) = row.cached {
            let place = match cached.place {
                Place::File => "",
                Place::Keyring => ", in the keyring",
            };
            let from = origin(&row.about.from);
            let at = cached.obtained_at.beside(now);
            lines.push(message!("  obtained {at}{from}{place}", at, from, place));
        }
        if let Some(failure) = &row.failure {
            lines.push(message!(
                "  failed   {}: {} [{}]",
                failure.at.beside(now),
                failure.message,
                failure.code
            ));
        }
    }
    lines.push(message!("\nin {folder}; it is {now} now\n", now, folder));
    Message::join(&lines, "\n")
}

fn origin(from: &ForeignText) -> Message {
    if from.is_empty() { Message::default() } else { message!(" from {from}", from) }
}

const fn colour(state: State) -> Colour {
    match state {
        State::Fresh => Colour::Green,
        State::Ageing => Colour::Yellow,
        State::Expired | State::Failed => Colour::Red,
    }
}

fn cells(row: &Row, now: Timestamp) -> [Message; 7] {
    let about = &row.about;
    // Entries of earlier versions lack this.
    let text_or_dash =
        |text: &Option<ForeignText>| text.clone().map_or_else(|| "-".into(), Message::from);
    let requester: Message = match (&about.consumer, &about.profile) {
        (Some(consumer), Some(profile)) => message!("{consumer} ({profile})", consumer, profile),
        (consumer, _) => text_or_dash(consumer),
    };
    let at =
        |at: Option<Timestamp>| at.map_or_else(|| "-".into(), |at| message!("{}", at.beside(now)));
    [
        ForeignText::new(row.kind()).into(),
        requester,
        text_or_dash(&about.audience),
        text_or_dash(&about.service_account),
        row.state.name().into(),
        at(row.cached.map(|cached| cached.expires_at)),
        // An expired credential has no refresh time.
        at(row.cached.filter(|_| row.state != State::Expired).map(|cached| cached.soft_at)),
    ]
}

/// The same as JSON. This format does not change; keys may be added.
pub(super) fn json(cache: &CacheTable) -> Value {
    let rows: Vec<Value> = cache.rows.iter().map(object).collect();
    json!({ "folder": shown(&cache.folder), "now": cache.now.to_string(), "credentials": rows })
}

fn object(row: &Row) -> Value {
    let at = |at: fn(&crate::broker::CachedCredential) -> Timestamp| {
        row.cached.as_ref().map(|cached| at(cached).to_string())
    };
    let place = row.cached.map(|cached| match cached.place {
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
        "key": row.key.name(),
        "consumer": row.about.consumer,
        "profile": row.about.profile,
        "audience": row.about.audience,
        "service_account": row.about.service_account,
        "from": Some(&row.about.from).filter(|from| !from.is_empty()),
        "state": row.state.name(),
        "place": place,
        "obtained_at": at(|cached| cached.obtained_at),
        "refreshed_from": at(|cached| cached.soft_at),
        "expires_at": at(|cached| cached.expires_at),
        "failure": failure,
    })
}
