//! `agent check`: whether every file holds a credential that can be used. It reads the files alone, so that it works
//! in another process, without a cache, and as often as a probe likes.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::plan::Plan;
use crate::clock::Timestamp;
use crate::consumer::kept_document::MINIMUM_LIFETIME_IN_FILE;
use crate::error::{Code, Error, Result, plain, shown};
use crate::foreign_text::Message;
use crate::jwt::Claims;
use crate::message;
use crate::private_file;
use crate::run::Context;

/// More than any credential has.
const LIMIT: u64 = 256 * 1024;

/// Fails if a file is not there, or its credential has too little left.
pub(super) fn check(plan: &Plan, context: Context<'_>) -> Result<()> {
    let now = context.clock.now().at;
    for file in &plan.files {
        if let Some(problem) = problem(&file.path, now) {
            return Err(Error::WrongToken {
                what: message!("`{}`", shown(&file.path)),
                code: Code::Expired,
                problem,
                hint: "see the log of the agent for why it has not been renewed".into(),
            });
        }
    }
    Ok(())
}

fn problem(path: &Path, now: Timestamp) -> Option<Message> {
    let content = match private_file::read_plain(path, LIMIT) {
        Ok(content) => zeroize::Zeroizing::new(content),
        Err(error) => {
            return Some(message!("it cannot be read: {}", plain(&error)));
        }
    };
    let Some((expires_at, whole)) = lifetime(&String::from_utf8_lossy(&content)) else {
        return Some("it has no credential whose expiry is known".into());
    };
    let left = expires_at.since(now);
    if left.is_zero() {
        return Some(message!("it has expired at {expires_at}", expires_at));
    }
    let least = MINIMUM_LIFETIME_IN_FILE.min(whole / 2);
    (left < least).then(|| message!("it expires in {} s", left.as_secs()))
}

/// When the credential in a document expires, and its whole lifetime. A token says so itself, in each format; of the
/// keys of AWS only the expiry is known.
fn lifetime(document: &str) -> Option<(Timestamp, Duration)> {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut words = document.split(|c| !is_of_token(c)).filter(|word| word.starts_with("eyJ"));
    if let Some(claims) = words.find_map(|word| Claims::read(word).ok()) {
        let expires_at = claims.expires_at()?;
        let whole = claims.issued_at().map(|issued_at| expires_at.since(issued_at));
        return Some((expires_at, whole.unwrap_or(Duration::MAX)));
    }
    let keys: Value = serde_json::from_str(document).ok()?;
    Some((Timestamp::parse_rfc3339(keys.get("Expiration")?.as_str()?)?, Duration::MAX))
}
