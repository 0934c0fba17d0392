//! Tables in the output of commands, and the `--format` flag of commands that print a list.

use crate::foreign_text::Message;
use crate::message;

/// The output formats of commands that print a list.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(super) enum Format {
    #[default]
    Table,
    Json,
}

/// The lines of a table. Each column is as wide as its longest cell.
pub(super) fn lines<const N: usize>(
    heads: [&'static str; N],
    rows: &[[Message; N]],
) -> Vec<Message> {
    painted(heads, rows, &|_, _, cell| cell)
}

/// The same, with colours: `paint` gets the row, the column and the cell in its full width.
pub(super) fn painted<const N: usize>(
    heads: [&'static str; N],
    rows: &[[Message; N]],
    paint: &dyn Fn(usize, usize, Message) -> Message,
) -> Vec<Message> {
    let rows: Vec<[Message; N]> =
        std::iter::once(heads.map(Message::from)).chain(rows.iter().cloned()).collect();
    let widths = widths(&rows);
    let line = |(at, row): (usize, &[Message; N])| {
        let cell = |column: usize| {
            let cell = row[column].padded(widths[column]);
            // The first line has the heads.
            if at == 0 { cell } else { paint(at - 1, column, cell) }
        };
        Message::join(&std::array::from_fn::<_, N, _>(cell), "  ").trimmed()
    };
    rows.iter().enumerate().map(line).collect()
}

/// A table in a frame, as `yc` prints it.
pub(super) fn framed<const N: usize>(heads: [&'static str; N], rows: &[[Message; N]]) -> Message {
    let heads = heads.map(Message::from);
    let widths = widths(&[std::slice::from_ref(&heads), rows].concat());
    let rule = Message::join(&widths.map(|width| Message::repeated('-', width + 2)), "+");
    let rule = message!("+{rule}+\n", rule);
    let line = |cells: [Message; N]| message!("| {} |\n", Message::join(&cells, " | "));
    let pad = |row: &[Message; N], centred: bool| {
        std::array::from_fn(|column| {
            let (cell, width) = (&row[column], widths[column]);
            if centred { cell.centred(width) } else { cell.padded(width) }
        })
    };
    let mut text = vec![rule.clone(), line(pad(&heads, true)), rule.clone()];
    text.extend(rows.iter().map(|row| line(pad(row, false))));
    text.push(rule);
    Message::join(&text, "")
}

fn widths<const N: usize>(rows: &[[Message; N]]) -> [usize; N] {
    std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].as_str().chars().count()).max().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign_text::ForeignText;

    #[test]
    fn columns_are_as_wide_as_their_longest_filtered_cell() {
        let cell = |text: &str| Message::from(ForeignText::new(text));
        let rows = [[cell("a\u{1b}[2J"), cell("Ключ")]];
        assert_eq!(lines(["NAME", "X"], &rows), ["NAME   X", "a\u{fffd}[2J  Ключ"]);
        assert_eq!(
            framed(["NAME", "X"], &rows),
            "+-------+------+
| NAME  |  X   |
+-------+------+
| a\u{fffd}[2J | Ключ |
+-------+------+
"
        );
        assert_eq!(framed(["NAME"], &[]).lines().count(), 4);
    }
}
