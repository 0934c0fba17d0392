//! Fuzz targets: the answers of an STS, and AWS's own files.

use std::time::Duration;

use super::answer;
use super::ini::{Ini, Kind};
use super::refusal::{Refusal, RefusedRequest};
use super::role::RoleSession;
use crate::credential::{IdToken, Secret};
use crate::fuzzing::check_printed_error;
use crate::http::Reply;

/// Keys are valid for some time, up to the limit of STS. Every other answer is an error with a text.
///
/// # Panics
/// If that does not hold.
pub fn sts_xml(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else { return };
    match answer::read(&"keys".into(), &Reply::made_up(200, body)) {
        Ok(credential) => {
            let life = credential.lifetime.whole();
            assert!(!life.is_zero() && life <= Duration::from_secs(43_200), "{life:?}");
        }
        Err(error) => check_printed_error(&error),
    }
    let role = RoleSession {
        role_arn: Some("arn:aws:iam::123456789012:role/robot".into()),
        name: None,
        duration: Duration::from_secs(3600),
        policy: None,
        policy_arns: Vec::new(),
    };
    let token = IdToken(Secret::new("e30.e30.c2ln".into()));
    let request =
        RefusedRequest { what: &"keys".into(), role: &role, region: "us-east-1", token: &token };
    for status in [400, 403, 503] {
        check_printed_error(&Refusal::into_error_of(&Reply::made_up(status, body), &request));
    }
}

/// AWS's configuration: each line belongs to at most one setting, and faults have lines of the text.
///
/// # Panics
/// If that does not hold.
pub fn aws_ini(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let ini = Ini::parse(text);
    let count = text.lines().count();
    let mut next = 0;
    for section in &ini.sections {
        assert!(section.at >= next && section.at < count, "{text:?}");
        next = section.at + 1;
        for item in &section.items {
            assert!(item.lines.start >= next && item.lines.end <= count, "{text:?}");
            assert!(
                !item.key.is_empty() && item.more.iter().all(|(at, _)| item.lines.contains(at))
            );
            next = item.lines.end;
        }
        let _ = (section.name(Kind::Profile), section.name(Kind::Services));
    }
    assert!(ini.faults.iter().all(|fault| (1..=count).contains(&fault.line)), "{text:?}");
}
