//! The session that is requested from STS: the parameters of `AssumeRoleWithWebIdentity`, checked against the limits
//! of its API reference before the request.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::settings::{Setting, Settings, invalid_value, parse_duration};

use super::endpoint::Sts;
use super::settings::{DURATION, POLICY, POLICY_ARN, ROLE_SESSION_NAME};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The lowest maximum duration that a role can have.
const DEFAULT_DURATION: Duration = Duration::from_secs(3600);
const SHORTEST: Duration = Duration::from_secs(900);
const LONGEST: Duration = Duration::from_secs(43_200);

const POLICY_LIMIT: usize = 2048;
const POLICY_ARNS_LIMIT: usize = 10;
const SESSION_NAME_LIMIT: usize = 64;

#[derive(Debug)]
pub(super) struct RoleSession {
    /// `None` if an S3-compatible server decides by the token alone.
    pub(super) role_arn: Option<String>,
    /// The name of the session, if one is set.
    pub(super) name: Option<String>,
    pub(super) duration: Duration,
    pub(super) policy: Option<String>,
    pub(super) policy_arns: Vec<String>,
}

impl RoleSession {
    pub(super) fn read(
        settings: &Settings,
        role_arn: Option<Setting<String>>,
        sts: &Sts,
    ) -> Result<Self> {
        let role_arn = match role_arn {
            Some(arn) => Some(checked(arn, |arn| role_arn_problem(arn, sts.is_aws))?),
            None if sts.is_aws => return Err(no_role()),
            None => None,
        };
        let name = settings.own(&ROLE_SESSION_NAME);
        let name = name.map(|name| checked(name, session_name_problem)).transpose()?;
        let duration = match settings.own(&DURATION) {
            Some(duration) => read_duration(duration)?,
            None => DEFAULT_DURATION,
        };
        let policy = settings.own(&POLICY);
        let policy = policy.map(|policy| checked(policy, policy_problem)).transpose()?;
        let policy_arns = match settings.own(&POLICY_ARN) {
            Some(arns) => read_policy_arns(&arns)?,
            None => Vec::new(),
        };
        Ok(Self { role_arn, name, duration, policy, policy_arns })
    }

    /// The name of the session: the configured one, or one for the service account. `None` without a role.
    pub(super) fn session_name(&self, service_account: &str) -> Option<String> {
        let default = || self.role_arn.is_some().then(|| default_session_name(service_account));
        self.name.clone().or_else(default)
    }

    /// The role's name without its path, for `aws iam` commands.
    pub(super) fn role_name(&self) -> &str {
        let arn = self.role_arn.as_deref().unwrap_or_default();
        arn.rsplit('/').next().unwrap_or(arn)
    }
}

fn no_role() -> Error {
    Error::Missing {
        problem: "the role is not set".into(),
        hint: "give `--role-arn`, or `role_arn` in the table `aws` of the profile; only an S3-compatible server, named by `--sts-endpoint`, can do without".into(),
    }
}

fn checked(
    setting: Setting<String>,
    problem: impl FnOnce(&str) -> Option<Message>,
) -> Result<String> {
    match problem(&setting.value) {
        Some(problem) => Err(invalid_value(setting.origin, problem)),
        None => Ok(setting.value),
    }
}

/// The problem of a role's ARN, if it has one. The rules are those of AWS or of S3-compatible servers.
pub fn role_arn_problem(arn: &str, is_aws: bool) -> Option<Message> {
    if is_aws { role_problem(arn) } else { foreign_role_problem(arn) }
}

/// The problem of an ARN of an AWS role.
fn role_problem(arn: &str) -> Option<Message> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let is_role = matches!(
        parts[..],
        ["arn", partition, "iam", "", account, role]
            if is_word(partition, "-")
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(|name| is_word(name, "+=,.@/_-"))
    );
    if is_role && arn.len() <= 2048 {
        return None;
    }
    let what = if parts.get(2) == Some(&"sts") {
        "the ARN of a session, and must be the ARN of its role"
    } else {
        "not the ARN of a role"
    };
    Some(message!(
        "`{arn}` is {what}: it must be of the form `arn:aws:iam::123456789012:role/NAME`",
        arn = ForeignText::new(arn),
        what
    ))
}

/// The problem of an ARN of a role on another server: Ceph has tenants for accounts, SeaweedFS neither.
fn foreign_role_problem(arn: &str) -> Option<Message> {
    let is_arn = arn.starts_with("arn:") && arn.bytes().all(|byte| byte.is_ascii_graphic());
    (!is_arn || !(20..=2048).contains(&arn.len())).then(|| {
        message!(
            "`{arn}` is not the ARN of a role: it must be of the form `arn:aws:iam::…:role/NAME`",
            arn = ForeignText::new(arn)
        )
    })
}

fn session_name_problem(name: &str) -> Option<Message> {
    (!(2..=SESSION_NAME_LIMIT).contains(&name.len()) || !is_word(name, "+=,.@_-")).then(|| {
        message!(
            "`{name}` is not the name of a session: it must be 2 to {SESSION_NAME_LIMIT} letters, digits and characters of `+=,.@_-`", name = ForeignText::new(name), SESSION_NAME_LIMIT)
    })
}

/// A name that identifies the program and the service account in CloudTrail.
fn default_session_name(service_account: &str) -> String {
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(*c);
    let account: String = service_account.chars().filter(is_allowed).collect();
    format!("yc-id-token-{account}").chars().take(SESSION_NAME_LIMIT).collect()
}

fn read_duration(setting: Setting<String>) -> Result<Duration> {
    let duration = parse_duration(&setting.value)
        .filter(|duration| (SHORTEST..=LONGEST).contains(duration) && duration.subsec_nanos() == 0);
    duration.ok_or_else(|| {
        let problem = message!(
            "`{}` is not a time that STS gives keys for: it must be 15m to 12h (900 to 43200 seconds)",
            ForeignText::new(&setting.value));
        invalid_value(setting.origin, problem)
    })
}

fn policy_problem(policy: &str) -> Option<Message> {
    let length = policy.chars().count();
    if length > POLICY_LIMIT {
        return Some(message!(
            "the policy has {length} characters, and STS takes {POLICY_LIMIT}",
            length,
            POLICY_LIMIT
        ));
    }
    if let Some(path) = policy.strip_prefix("file://") {
        return Some(message!(
            "the policy must be the JSON itself, not the name of the file `{path}`",
            path = ForeignText::new(path)
        ));
    }
    let read = serde_json::from_str::<Map<String, Value>>(policy);
    read.err().map(|error| {
        message!(
            "the policy is not a JSON object (line {}, column {})",
            error.line(),
            error.column()
        )
    })
}

fn read_policy_arns(setting: &Setting<String>) -> Result<Vec<String>> {
    let arns: Vec<String> = setting.value.split_whitespace().map(str::to_owned).collect();
    let wrong = |problem: Message| Err(invalid_value(setting.origin.clone(), problem));
    if arns.len() > POLICY_ARNS_LIMIT {
        return wrong(message!(
            "{} policies are given, and STS takes {POLICY_ARNS_LIMIT}",
            arns.len(),
            POLICY_ARNS_LIMIT
        ));
    }
    match arns.iter().find(|arn| !arn.starts_with("arn:") || !(20..=2048).contains(&arn.len())) {
        Some(arn) => wrong(message!(
            "`{arn}` is not the ARN of a policy: it must be of the form `arn:aws:iam::aws:policy/NAME`",
            arn = ForeignText::new(arn)
        )),
        None => Ok(arns),
    }
}

fn is_word(text: &str, marks: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;

    #[test]
    fn only_the_arn_of_a_role_is_accepted() {
        for good in [
            "arn:aws:iam::123456789012:role/robot",
            "arn:aws-us-gov:iam::123456789012:role/path/to/Robot_1+=,.@-",
        ] {
            assert_eq!(role_problem(good), None, "{good}");
        }
        for bad in [
            "",
            "robot",
            "arn:aws:iam::123456789012:user/robot",
            "arn:aws:iam::12345:role/robot",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam:us-east-1:123456789012:role/robot",
            "arn:aws:iam::123456789012:role/robot\n",
            "arn:aws:sts::123456789012:assumed-role/robot/session",
        ] {
            assert!(role_problem(bad).is_some(), "{bad}");
        }
        assert!(
            role_problem("arn:aws:sts::123456789012:assumed-role/r/s").unwrap().contains("session")
        );
        assert_eq!(foreign_role_problem("arn:aws:iam::role/S3Writer"), None);
        assert!(foreign_role_problem("role/S3Writer").is_some());
    }

    #[test]
    fn a_session_is_named_after_the_service_account() {
        let name = default_session_name("aje123");
        assert_eq!(name, "yc-id-token-aje123");
        for account in ["имя", "a b/c", &"x".repeat(200)] {
            let name = default_session_name(account);
            assert_eq!(session_name_problem(&name), None, "{name}");
        }
        for bad in ["", "a", "a b", "a/b", "имя", &"x".repeat(65)] {
            assert!(session_name_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_within_the_limits_of_sts() {
        let read = |text: &str| {
            read_duration(Setting { value: text.into(), origin: Origin::Flag("--duration") })
        };
        for (text, seconds) in [("900", 900), ("15m", 900), ("12h", 43_200), ("3600s", 3600)] {
            assert_eq!(read(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for bad in ["899", "43201", "13h", "0", "soon", "900500ms", "1d"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_policy_is_a_json_object_of_limited_size() {
        assert_eq!(policy_problem(r#"{"Version":"2012-10-17","Statement":[]}"#), None);
        for bad in
            ["[]", "{", "file://policy.json", "", &format!("{{\"a\":\"{}\"}}", "x".repeat(2048))]
        {
            assert!(policy_problem(bad).is_some(), "{bad}");
        }
        let arns = |text: &str| {
            read_policy_arns(&Setting { value: text.into(), origin: Origin::Flag("--policy-arn") })
        };
        let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
        assert_eq!(arns(&format!("{arn}\n{arn}")).unwrap().len(), 2);
        assert!(arns("ReadOnlyAccess").is_err());
        assert!(arns(&[arn; 11].join("\n")).is_err());
    }
}
