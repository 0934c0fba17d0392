//! The report: what was found, in text and in JSON from the same structure.
//!
//! Security: it is made of texts, numbers and error messages. No type that holds a secret goes in, so none comes
//! out.

use serde_json::{Value, json};

use crate::command::own_check::Refusal;
use crate::error::{Error, Exit};
use crate::foreign_text::Message;
use crate::message;

#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    group: &'static str,
    grade: Grade,
    text: Message,
    fix: Option<Message>,
    code: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Grade {
    Good,
    /// It works, and not well or not for long.
    Warning,
    /// It does not work: this is how a run that meets it ends.
    Bad(Exit),
}

impl Grade {
    const fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad(_) => "error",
        }
    }

    const fn mark(self, utf8: bool) -> &'static str {
        match (self, utf8) {
            (Self::Good, true) => "✓",
            (Self::Bad(_), true) => "✗",
            (Self::Good, false) => "ok",
            (Self::Bad(_), false) => "x ",
            (Self::Warning, true) => "!",
            (Self::Warning, false) => "! ",
        }
    }
}

/// The findings of one group of checks.
#[derive(Debug)]
pub(super) struct Group<'a> {
    report: &'a mut Report,
    name: &'static str,
}

impl Report {
    pub(super) const fn group(&mut self, name: &'static str) -> Group<'_> {
        Group { report: self, name }
    }

    /// Completes the commands in what was found, and in what to do.
    pub(super) fn complete(&mut self, complete: impl Fn(&Message) -> Message) {
        for finding in &mut self.findings {
            finding.text = complete(&finding.text);
            finding.fix = finding.fix.as_ref().map(&complete);
        }
    }

    /// The exit status: that of the first finding that is bad.
    pub(super) fn exit_status(&self) -> u8 {
        let bad = self.findings.iter().find_map(|finding| match finding.grade {
            Grade::Bad(exit) => Some(exit as u8),
            Grade::Good | Grade::Warning => None,
        });
        bad.unwrap_or(0)
    }

    fn count(&self, is_it: impl Fn(Grade) -> bool) -> usize {
        self.findings.iter().filter(|finding| is_it(finding.grade)).count()
    }

    pub(super) fn text(&self, utf8: bool) -> Message {
        let mut lines = Vec::new();
        let mut group = "";
        for finding in &self.findings {
            if finding.group != group {
                let gap = if group.is_empty() { "" } else { "\n" };
                group = finding.group;
                lines.push(message!("{gap}{group}", gap, group));
            }
            let mark = finding.grade.mark(utf8);
            let code = finding.code.map(|code| message!(" [{code}]", code)).unwrap_or_default();
            lines.push(message!("  {mark} {}{code}", finding.text, mark, code));
            if let Some(fix) = &finding.fix {
                let indent = Message::repeated(' ', mark.chars().count());
                lines.push(message!("  {indent} fix: {fix}", indent, fix));
            }
        }
        let bad = self.count(|grade| matches!(grade, Grade::Bad(_)));
        let warnings = self.count(|grade| grade == Grade::Warning);
        lines.push(message!("\n{}", verdict(bad, warnings)));
        Message::join(&lines, "\n")
    }

    /// This shape does not change; keys may come.
    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
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

    /// It works, and not well or not for long; the fix says what to do.
    pub(super) fn warning(&mut self, text: impl Into<Message>, fix: impl Into<Message>) {
        self.add(Grade::Warning, text.into(), Some(fix.into()), None);
    }

    /// It does not work; the fix says what to do.
    pub(super) fn bad(&mut self, exit: Exit, text: impl Into<Message>, fix: impl Into<Message>) {
        self.add(Grade::Bad(exit), text.into(), Some(fix.into()), None);
    }

    /// It does not work, as a run would say it.
    #[inline(never)]
    pub(super) fn error(&mut self, error: &Error) {
        let code = error.code();
        let hint = error.hint().unwrap_or_else(|| "see `yc-id-token --help`".into());
        self.add(
            Grade::Bad(code.exit()),
            message!("{error}", error),
            Some(hint),
            Some(code.name()),
        );
    }

    /// The consumer's own check fails.
    pub(super) fn refusal(&mut self, place: &Message, refusal: Refusal) {
        let Refusal { exit, problem, hint } = refusal;
        let grade = exit.map_or(Grade::Warning, Grade::Bad);
        self.add(grade, message!("{place}: {problem}", place, problem), Some(hint), None);
    }

    /// There are a hundred places that call it.
    #[inline(never)]
    fn add(
        &mut self,
        grade: Grade,
        text: Message,
        fix: Option<Message>,
        code: Option<&'static str>,
    ) {
        self.report.findings.push(Finding { group: self.name, grade, text, fix, code });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign_text::ForeignText;

    #[test]
    fn text_and_json_say_the_same_and_nothing_rewrites_the_terminal() {
        let mut report = Report::default();
        report.group("cache").good(ForeignText::new("a\u{1b}[2Jb"));
        report.group("cache").warning("open", "close it");
        assert_eq!(report.exit_status(), 0);
        report.group("network").bad(Exit::Temporary, "down", "wait");
        report.group("network").bad(Exit::Configuration, "wrong", "mend it");
        assert_eq!(report.exit_status(), 6, "the first decides");
        assert_eq!(
            report.text(true),
            "cache\n  ✓ a\u{fffd}[2Jb\n  ! open\n    fix: close it\n\nnetwork\n  ✗ down\n    fix: wait\n  ✗ wrong\n    fix: mend it\n\n2 problems, 1 warning"
        );
        assert!(report.text(false).replace('\u{fffd}', "").is_ascii());
        let json = report.json();
        assert_eq!(json["checks"][1]["result"], "warning");
        assert_eq!(json["checks"][1]["fix"], "close it");
        assert_eq!(json["exit"], 6);
    }
}
