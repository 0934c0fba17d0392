//! Unified diffs in the format of `diff -u`.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, group_diff_ops};

use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// After this time, the rest is shown as replaced, even where lines are equal.
const DIFF_TIMEOUT: Duration = Duration::from_millis(500);

const CONTEXT_LINES: usize = 3;

/// The difference between two texts, without the header that names files; empty if there is none.
pub(super) fn unified(before: &str, after: &str) -> Message {
    if before == after {
        return Message::default();
    }
    let [before, after]: [Vec<&str>; 2] =
        [before, after].map(|text| text.split_inclusive('\n').collect());
    let mut lines = Vec::new();
    for hunk in group_diff_ops(operations(&before, &after), CONTEXT_LINES) {
        let header = UnifiedHunkHeader::new(&hunk).to_string();
        lines.push(message!("{}\n", ForeignText::new(&header)));
        for change in hunk.iter().flat_map(|operation| operation.iter_changes(&before, &after)) {
            let mark = match change.tag() {
                ChangeTag::Equal => " ",
                ChangeTag::Delete => "-",
                ChangeTag::Insert => "+",
            };
            let ended = change.value().strip_suffix('\n');
            let end = if ended.is_some() { "" } else { "\\ No newline at end of file\n" };
            let line = ForeignText::line(ended.unwrap_or(change.value()));
            lines.push(message!("{mark}{line}\n{end}", mark, line, end));
        }
    }
    Message::join(&lines, "")
}

/// A place where a text differs from an earlier one.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Hunk {
    /// The first line of the earlier text that was replaced, counted from 0.
    pub(super) at: usize,
    /// The number of lines that were replaced.
    pub(super) removed: usize,
    /// The lines that replaced them.
    pub(super) added: String,
}

/// The places where two texts differ, from the first to the last.
pub(super) fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    let [before, after]: [Vec<&str>; 2] =
        [before, after].map(|text| text.split_inclusive('\n').collect());
    let operations = operations(&before, &after).into_iter();
    let changes = operations.filter(|it| it.tag() != similar::DiffTag::Equal);
    let hunk = |change: similar::DiffOp| Hunk {
        at: change.old_range().start,
        removed: change.old_range().len(),
        added: after[change.new_range()].concat(),
    };
    changes.map(hunk).collect()
}

/// Calls one algorithm directly, because `TextDiff` would add 300 kB.
fn operations(before: &[&str], after: &[&str]) -> Vec<similar::DiffOp> {
    let mut hook = Compact::new(Replace::new(Capture::new()), before, after);
    let deadline = Some(Instant::now() + DIFF_TIMEOUT);
    let Ok(()) =
        myers::diff_deadline(&mut hook, before, 0..before.len(), after, 0..after.len(), deadline);
    hook.into_inner().into_inner().into_ops()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_three_lines_of_context() {
        let before: String = (1..=20).map(|line| line.to_string() + "\n").collect();
        let after = before.replace("\n5\n", "\nfive\n").replace("\n18\n", "\n18\nmore\n");
        assert_eq!(
            unified(&before, &after),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -16,5 +16,6 @@\n 16\n 17\n 18\n+more\n 19\n 20\n"
        );
        assert_eq!(unified("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a", "a\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
        assert_eq!(unified("a\rb\n", "a\rc\n"), "@@ -1 +1 @@\n-a b\n+a c\n");
        assert_eq!(unified("a\n", "a\n"), "");
    }
}
