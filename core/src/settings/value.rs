//! Valid values of settings, and errors about invalid ones.

use std::time::Duration;

use super::{CacheSetting, IdTokenRoute, Origin, Setting, by_name, list};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message, is_invisible};
use crate::http::ProxyAddress;
use crate::message;

/// The problem of an empty value. A shell that expands an unset variable passes one.
pub const EMPTY: &str = "is empty; give a value or leave it out";

/// The problem of a secret in place of a file name.
pub(super) const MISPLACED_SECRET: &str =
    "looks like a key or a token, and must be the name of a file";

/// The problem with the text of a setting, if it has one. A line break or an invisible character would be signed,
/// sent and compared with the text.
pub fn text_problem(key: &str, value: &str) -> Option<&'static str> {
    // The usual case, which every hit checks.
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let is_audience = key == "audience";
    if value.trim().is_empty() {
        Some(EMPTY)
    } else if value.chars().any(|c| c.is_control() || is_invisible(c)) {
        Some("contains a line break or an invisible character")
    } else if value.trim() != value {
        Some("begins or ends with a blank")
    } else if is_audience && value.contains(char::is_whitespace) {
        Some("contains a blank, and an audience is one word")
    } else {
        None
    }
}

/// Parses a switch.
pub fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// The error for a value in the wrong format.
pub(super) fn not_of_form(
    origin: Origin,
    value: &str,
    what: &'static str,
    form: &'static str,
) -> Error {
    invalid_value(
        origin,
        message!(
            "`{value}` is not {what}: it must be {form}",
            value = ForeignText::new(value),
            what,
            form
        ),
    )
}

/// The error for an invalid value.
pub fn invalid_value(origin: Origin, problem: impl Into<Message>) -> Error {
    let problem = problem.into();
    match origin {
        Origin::Flag(flag) => Error::Usage {
            problem: message!("`{flag}`: {problem}", flag, problem),
            hint: message!("correct the value of `{flag}`", flag),
        },
        Origin::Profile { path, line, .. }
        | Origin::Defaults { path, line }
        | Origin::OnlyProfile { path, line }
        | Origin::Shared { path, line } => {
            Error::Config { path: path.to_path_buf(), line, problem, hint: None }
        }
        origin => Error::Value { origin: message!("{origin}", origin), problem },
    }
}

pub(super) fn parse_cache(text: &str) -> Option<CacheSetting> {
    by_name(&CacheSetting::ALL, text)
}

/// Parses the route. An unknown one is an error, because a typo must not silently select the default.
pub(super) fn parse_route(setting: Setting<String>) -> Result<Setting<IdTokenRoute>> {
    match by_name(&IdTokenRoute::ALL, &setting.value) {
        Some(value) => Ok(Setting { value, origin: setting.origin }),
        None => Err(invalid_value(
            setting.origin,
            message!(
                "there is no route `{}` to an ID token: it must be {}",
                ForeignText::new(&setting.value),
                list(&IdTokenRoute::ALL.map(|(_, name)| name))
            ),
        )),
    }
}

/// A run's time limit: more than an hour is rejected as a typo.
pub(super) fn parse_timeout(text: &str) -> Option<Duration> {
    parse_duration(text).filter(|timeout| *timeout <= Duration::from_secs(3600))
}

/// Parses a time: `20s`, `500ms`, `2m`, `1h`, or a bare number of seconds. Not zero.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3600)?),
        _ => return None,
    };
    (duration > Duration::ZERO).then_some(duration)
}

pub(super) fn parse_proxy(setting: Setting<String>) -> Result<Setting<ProxyAddress>> {
    match ProxyAddress::parse(&setting.value) {
        Some(value) => Ok(Setting { value, origin: setting.origin }),
        // Not quoted: it can contain a password.
        None => Err(invalid_value(
            setting.origin,
            "the proxy is not of the form `http://[user:password@]host:port` or `socks5://host:port`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_means_what_its_unit_says_or_nothing(number in any::<u64>(), unit in 0..5_usize) {
            let (unit, millis) = [("ms", 1), ("", 1000), ("s", 1000), ("m", 60_000), ("h", 3_600_000)][unit];
            let meant = u128::from(number) * millis;
            match parse_duration(&format!("{number}{unit}")) {
                Some(duration) => prop_assert_eq!(duration.as_millis(), meant),
                None => prop_assert!(number == 0 || meant / 1000 > u128::from(u64::MAX)),
            }
        }

        #[test]
        fn no_text_is_a_time_of_nothing_or_of_more_than_an_hour(text in "\\PC{0,8}|[0-9]{0,22}[ms h]{0,3}") {
            prop_assert_ne!(parse_duration(&text), Some(Duration::ZERO));
            prop_assert!(parse_timeout(&text).is_none_or(|time| time <= Duration::from_secs(3600)));
        }
    }
}
