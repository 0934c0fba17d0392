//! The report: the findings as text, as JSON and for the file of a bug report, from the same structure.
//!
//! Security: it consists of texts, numbers, error messages and the structure of tokens. No type that contains a secret
//! can be added.

use std::path::Path;

use serde_json::{Value, json};

use crate::colour::{Colour, Colours};
use crate::command::own_check::Refusal;
use crate::error::{Error, Exit, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::http::record;
use crate::jwt::{self, Claims};
use crate::message;
use crate::settings::Explained;

#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    /// The profile that is being checked, and the heading of its findings.
    profile: Option<String>,
    heading: Option<Message>,
    /// The profiles and consumers that have been checked; `None` is a run without a profile.
    profiles: Vec<Option<String>>,
    consumers: Vec<&'static str>,
    /// The settings of each profile, for the file of a bug report.
    settings: Vec<Value>,
    /// The structure of ID tokens, for the file of a bug report.
    tokens: Vec<Value>,
}

#[derive(Debug)]
struct Finding {
    /// The heading of the profile's part of the report.
    heading: Option<Message>,
    profile: Option<String>,
    group: &'static str,
    grade: Grade,
    text: Message,
    fix: Option<Message>,
    code: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Grade {
    Good,
    /// Not checked.
    Note,
    /// It works, but with a problem or not for long.
    Warning,
    /// It does not work: a run that needs it ends with this status.
    Bad(Exit),
}

impl Grade {
    const fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Bad(_) => "error",
        }
    }

    fn paint(self, mark: &'static str, colours: Colours) -> Message {
        match self {
            Self::Good => colours.paint(Colour::Green, mark),
            Self::Note => mark.into(),
            Self::Warning => colours.paint(Colour::Yellow, mark),
            Self::Bad(_) => colours.paint(Colour::Red, mark),
        }
    }

    const fn mark(self, utf8: bool) -> &'static str {
        match (self, utf8) {
            (Self::Good, true) => "✓",
            (Self::Bad(_), true) => "✗",
            (Self::Note, true) => "-",
            (Self::Note, false) => "- ",
            (Self::Good, false) => "ok",
            (Self::Bad(_), false) => "x ",
            (Self::Warning, true) => "!",
            (Self::Warning, false) => "! ",
        }
    }
}

#[derive(Debug)]
pub(super) struct Group<'a> {
    report: &'a mut Report,
    name: &'static str,
    /// The profile of the findings.
    pub(super) profile: Option<String>,
}

impl Report {
    pub(super) fn group(&mut self, name: &'static str) -> Group<'_> {
        let profile = self.profile.clone();
        Group { report: self, name, profile }
    }

    pub(super) fn begin_profile(&mut self, name: Option<&str>, heading: Option<Message>) {
        self.profile = name.map(str::to_owned);
        self.heading = heading;
        self.profiles.push(self.profile.clone());
    }

    pub(super) fn end_profiles(&mut self) {
        self.profile = None;
        self.heading = None;
    }

    /// Adds the findings about a consumer's own files.
    pub(super) fn append(&mut self, consumer: &'static str, is_checked: bool, more: Self) {
        self.findings.extend(more.findings);
        self.consumers.extend(is_checked.then_some(consumer));
    }

    /// Adds options to the commands in a profile's findings and fixes.
    pub(super) fn complete(&mut self, complete: impl Fn(&Message, Option<&str>) -> Message) {
        for Finding { profile, text, fix, .. } in &mut self.findings {
            let profile = profile.as_deref();
            *text = complete(text, profile);
            *fix = fix.as_ref().map(|fix| complete(fix, profile));
        }
    }

    /// The exit status: that of the first error.
    pub(super) fn exit_status(&self) -> u8 {
        let bad = self.findings.iter().find_map(|finding| match finding.grade {
            Grade::Bad(exit) => Some(exit as u8),
            Grade::Good | Grade::Note | Grade::Warning => None,
        });
        bad.unwrap_or(0)
    }

    /// Adds the settings of the profile.
    pub(super) fn add_settings(&mut self, settings: &[Explained]) {
        let setting = |Explained { name, value, origin }: &Explained| json!({ "name": name, "value": value, "origin": message!("{origin}", origin) });
        let profile = self.profile.as_deref().map(ForeignText::new);
        let settings: Vec<Value> = settings.iter().map(setting).collect();
        self.settings.push(json!({ "profile": profile, "settings": settings }));
    }

    pub(super) fn settings(&self) -> &[Value] {
        &self.settings
    }

    pub(super) fn tokens(&self) -> &[Value] {
        &self.tokens
    }

    fn count(&self, is_it: impl Fn(Grade) -> bool) -> usize {
        self.findings.iter().filter(|finding| is_it(finding.grade)).count()
    }

    pub(super) fn text(&self, utf8: bool, colours: Colours) -> Message {
        let mut lines: Vec<Message> = Vec::new();
        let (mut heading, mut group) = (&None, "");
        for finding in &self.findings {
            let gap = if lines.is_empty() { "" } else { "\n" };
            let is_new = finding.heading != *heading;
            heading = &finding.heading;
            if let Some(heading) = heading.as_ref().filter(|_| is_new) {
                lines.push(message!("{gap}{heading}", gap, heading));
            }
            let margin = if heading.is_some() { "  " } else { "" };
            if is_new || finding.group != group {
                let gap = if heading.is_some() && is_new { "" } else { gap };
                group = finding.group;
                lines.push(message!("{gap}{margin}{group}", gap, margin, group));
            }
            let mark = finding.grade.mark(utf8);
            let painted = finding.grade.paint(mark, colours);
            let code = finding.code.map(|code| message!(" [{code}]", code)).unwrap_or_default();
            lines.push(message!(
                "{margin}  {painted} {}{code}",
                finding.text,
                margin,
                painted,
                code
            ));
            if let Some(fix) = &finding.fix {
                let indent = Message::repeated(' ', mark.chars().count());
                lines.push(message!("{margin}  {indent} fix: {fix}", margin, indent, fix));
            }
        }
        let bad = self.count(|grade| matches!(grade, Grade::Bad(_)));
        let warnings = self.count(|grade| grade == Grade::Warning);
        lines.push(message!("\n{}; checked: {}", verdict(bad, warnings), self.checked()));
        Message::join(&lines, "\n")
    }

    /// What has been checked: "3 profiles, kubectl, aws".
    fn checked(&self) -> Message {
        let profiles: Option<Message> = match &self.profiles[..] {
            [] => None,
            [Some(one)] => Some(message!("profile `{}`", ForeignText::new(one))),
            [None] => Some("settings without a profile".into()),
            more => Some(message!("{} profiles", more.len())),
        };
        let consumers = self.consumers.iter().map(|name| Message::from(*name));
        Message::join(&profiles.into_iter().chain(consumers).collect::<Vec<_>>(), ", ")
    }

    /// This format does not change; keys may be added.
    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "profile": finding.profile.as_deref().map(ForeignText::new),
                "group": finding.group,
                "result": finding.grade.name(),
                "finding": finding.text,
                "fix": finding.fix,
                "code": finding.code,
            })
        };
        json!({
            "exit": self.exit_status(),
            "version": env!("CARGO_PKG_VERSION"),
            "checked": {
                "profiles": self.profiles.iter().flatten().map(|name| ForeignText::new(name)).collect::<Vec<_>>(),
                "consumers": self.consumers,
            },
            "checks": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }
}

fn verdict(bad: usize, warnings: usize) -> Message {
    let counted = |count: usize, what: &'static str| match count {
        1 => message!("1 {what}", what),
        count => message!("{count} {what}s", count, what),
    };
    match (bad, warnings) {
        (0, 0) => "no problems".into(),
        (0, warnings) => counted(warnings, "warning"),
        (bad, 0) => counted(bad, "problem"),
        (bad, warnings) => {
            message!("{}, {}", counted(bad, "problem"), counted(warnings, "warning"))
        }
    }
}

impl Group<'_> {
    pub(super) fn good(&mut self, text: impl Into<Message>) {
        self.add(Grade::Good, text.into(), None, None);
    }

    /// Adds a note: something was not checked.
    pub(super) fn note(&mut self, text: impl Into<Message>) {
        self.add(Grade::Note, text.into(), None, None);
    }

    /// Adds a note about a file or folder of Windows: its access list is not read.
    pub(super) fn unchecked(&mut self, path: &Path) {
        let path = shown(path);
        let text = message!("who else can read {path} is not checked on Windows", path);
        self.note(message!("{text}; see with `icacls {}`", path.quoted(), text));
    }

    /// Adds a warning: it works, but with a problem or not for long.
    pub(super) fn warning(&mut self, text: impl Into<Message>, fix: impl Into<Message>) {
        self.add(Grade::Warning, text.into(), Some(fix.into()), None);
    }

    /// Adds an error: it does not work.
    pub(super) fn bad(&mut self, exit: Exit, text: impl Into<Message>, fix: impl Into<Message>) {
        self.add(Grade::Bad(exit), text.into(), Some(fix.into()), None);
    }

    /// Adds the error of a run.
    ///
    /// If several checks of a profile meet the same error, it is reported once.
    #[inline(never)]
    pub(super) fn error(&mut self, error: &Error) {
        let code = error.code();
        let text = message!("{error}", error);
        let is_it =
            |finding: &Finding| finding.profile == self.profile && finding.text == text.as_str();
        if self.report.findings.iter().any(is_it) {
            return;
        }
        let hint = error.hint().unwrap_or_else(|| "see `yc-id-token --help`".into());
        self.add(Grade::Bad(code.exit()), text, Some(hint), Some(code.name()));
    }

    /// Adds the structure of an ID token: its header, the names of its claims, and its lifetime.
    pub(super) fn add_token(&mut self, token: &str, claims: &Claims) {
        let seconds = || Some(claims.exp? - claims.iat?);
        self.report.tokens.push(json!({
            "profile": self.profile.as_deref().map(ForeignText::new),
            "header": jwt::header(token).map(record::shape_of_object),
            "claims": jwt::all_claims(token).ok().map(record::shape_of_object),
            "exp_minus_iat": seconds(),
        }));
    }

    /// Adds the failure of the consumer's own check.
    pub(super) fn refusal(&mut self, place: &Message, refusal: Refusal) {
        let Refusal { exit, problem, hint } = refusal;
        let grade = exit.map_or(Grade::Warning, Grade::Bad);
        self.add(grade, message!("{place}: {problem}", place, problem), Some(hint), None);
    }

    /// A hundred places call it.
    #[inline(never)]
    fn add(
        &mut self,
        grade: Grade,
        text: Message,
        fix: Option<Message>,
        code: Option<&'static str>,
    ) {
        let (heading, profile) = (self.report.heading.clone(), self.profile.clone());
        let group = self.name;
        self.report.findings.push(Finding { heading, profile, group, grade, text, fix, code });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_agree_and_contain_no_control_characters() {
        let mut report = Report::default();
        report.begin_profile(None, None);
        report.group("cache").good(ForeignText::new("a\u{1b}[2Jb"));
        report.group("cache").warning("open", "close it");
        assert_eq!(report.exit_status(), 0);
        report.group("network").bad(Exit::Temporary, "down", "wait");
        report.group("network").bad(Exit::Configuration, "wrong", "correct it");
        assert_eq!(report.exit_status(), 6, "the first decides");
        assert_eq!(
            report.text(true, Colours::NONE),
            "cache\n  ✓ a\u{fffd}[2Jb\n  ! open\n    fix: close it\n\nnetwork\n  ✗ down\n    fix: wait\n  ✗ wrong\n    fix: correct it\n\n2 problems, 1 warning; checked: settings without a profile"
        );
        assert!(report.text(false, Colours::NONE).replace('\u{fffd}', "").is_ascii());
        let json = report.json();
        assert_eq!(json["checks"][1]["result"], "warning");
        assert_eq!(json["checks"][1]["fix"], "close it");
        assert_eq!(json["exit"], 6);
    }
}
