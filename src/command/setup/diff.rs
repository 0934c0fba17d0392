//! A unified diff, as `diff -u` prints it.
//!
//! The lines that two texts have in common are found by the table of their longest common subsequences. A
//! configuration is small enough for that, once what is the same at both ends is left out.

use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

/// Beyond this many cells of the table, the middle is shown as replaced altogether.
const LARGEST_TABLE: usize = 4_000_000;

/// What becomes of a line.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Step {
    Keep,
    Remove,
    Add,
}

/// The difference between two texts, without the head that names files; empty if there is none.
pub(super) fn unified(before: &str, after: &str) -> Message {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let steps = steps(&old, &new);
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(first) = (at..steps.len()).find(|step| steps[*step] != Step::Keep) {
        let begin = first.saturating_sub(CONTEXT).max(at);
        // Changes with little between them are shown together.
        let mut last = first;
        while let Some(next) = (last + 1..steps.len()).find(|step| steps[*step] != Step::Keep)
            && next - last <= 2 * CONTEXT + 1
        {
            last = next;
        }
        let end = (last + CONTEXT + 1).min(steps.len());
        hunk(&mut lines, &steps, begin..end, &old, &new);
        at = end;
    }
    Message::join(&lines, "")
}

/// The steps from one text to the other.
fn steps(old: &[&str], new: &[&str]) -> Vec<Step> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(new).take_while(same).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut steps = vec![Step::Keep; head];
    steps.extend(steps_between(old, new));
    steps.extend(vec![Step::Keep; tail]);
    steps
}

fn steps_between(old: &[&str], new: &[&str]) -> Vec<Step> {
    let width = new.len() + 1;
    let mut steps = Vec::new();
    let (mut i, mut j) = (0, 0);
    if (old.len() + 1) * width <= LARGEST_TABLE {
        // How many lines the rest of one text, from `i`, and the rest of the other, from `j`, have in common.
        let mut common = vec![0_u32; (old.len() + 1) * width];
        for i in (0..old.len()).rev() {
            for j in (0..new.len()).rev() {
                let (below, beside) = (common[(i + 1) * width + j], common[i * width + j + 1]);
                common[i * width + j] = if old[i] == new[j] {
                    common[(i + 1) * width + j + 1] + 1
                } else {
                    below.max(beside)
                };
            }
        }
        while i < old.len() && j < new.len() {
            let step = if old[i] == new[j] {
                Step::Keep
            } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
                Step::Remove
            } else {
                Step::Add
            };
            i += usize::from(step != Step::Add);
            j += usize::from(step != Step::Remove);
            steps.push(step);
        }
    }
    steps.extend(vec![Step::Remove; old.len() - i]);
    steps.extend(vec![Step::Add; new.len() - j]);
    steps
}

fn hunk(
    lines: &mut Vec<Message>,
    steps: &[Step],
    range: std::ops::Range<usize>,
    old: &[&str],
    new: &[&str],
) {
    let count = |steps: &[Step], other: Step| steps.iter().filter(|step| **step != other).count();
    let (before, inside) = (&steps[..range.start], &steps[range]);
    let (mut i, mut j) = (count(before, Step::Add), count(before, Step::Remove));
    let (old_count, new_count) = (count(inside, Step::Add), count(inside, Step::Remove));
    // A hunk without lines of one text stands behind the line of this number.
    let (old_start, new_start) = (i + usize::from(old_count > 0), j + usize::from(new_count > 0));
    lines.push(message!(
        "@@ -{old_start},{old_count} +{new_start},{new_count} @@\n",
        old_start,
        old_count,
        new_start,
        new_count
    ));
    for step in inside {
        let (mark, line) = match step {
            Step::Keep => (" ", old[i]),
            Step::Remove => ("-", old[i]),
            Step::Add => ("+", new[j]),
        };
        i += usize::from(*step != Step::Add);
        j += usize::from(*step != Step::Remove);
        let ended = line.strip_suffix('\n');
        let end = if ended.is_some() { "" } else { "\\ No newline at end of file\n" };
        let line = ForeignText::line(ended.unwrap_or(line));
        lines.push(message!("{mark}{line}\n{end}", mark, line, end));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        let before: String = (1..=20).map(|line| line.to_string() + "\n").collect();
        let after = before.replace("\n5\n", "\nfive\n").replace("\n18\n", "\n18\nmore\n");
        assert_eq!(
            unified(&before, &after),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -16,5 +16,6 @@\n 16\n 17\n 18\n+more\n 19\n 20\n"
        );
        assert_eq!(unified("", "a\n"), "@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified("a", "a\n"), "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n");
        assert_eq!(unified("a\n", "a\n"), "");
    }

    proptest! {
        #[test]
        fn the_steps_lead_from_one_text_to_the_other(old in "([abc]\n){0,12}", new in "([abc]\n){0,12}") {
            let (olds, news): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
            let (mut i, mut j) = (0, 0);
            for step in steps(&olds, &news) {
                match step {
                    Step::Keep => {
                        prop_assert_eq!(olds[i], news[j]);
                        i += 1;
                        j += 1;
                    }
                    Step::Remove => i += 1,
                    Step::Add => j += 1,
                }
            }
            prop_assert_eq!((i, j), (olds.len(), news.len()));
        }
    }
}
