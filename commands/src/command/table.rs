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

/// Styles a cell that is padded to the width of its column: gets the row, the column and the cell.
type Paint<'a> = &'a dyn Fn(usize, usize, Message) -> Message;

/// The lines of a table. Each column is as wide as its longest cell.
pub(super) fn lines<const N: usize>(
    heads: [&'static str; N],
    rows: &[[Message; N]],
) -> Vec<Message> {
    painted(heads, rows, &|_, _, cell| cell)
}

/// The same with colours.
pub(super) fn painted<const N: usize>(
    heads: [&'static str; N],
    rows: &[[Message; N]],
    paint: Paint<'_>,
) -> Vec<Message> {
    plain(&heads.map(Message::from), &slices(rows), paint)
}

/// A table in a frame, as `yc` prints it.
pub(super) fn framed<const N: usize>(heads: [&'static str; N], rows: &[[Message; N]]) -> Message {
    in_frame(&heads.map(Message::from), &slices(rows))
}

/// Makes the code below independent of the number of columns, so that it is compiled once.
fn slices<const N: usize>(rows: &[[Message; N]]) -> Vec<&[Message]> {
    rows.iter().map(<[Message; N]>::as_slice).collect()
}

fn plain(heads: &[Message], rows: &[&[Message]], paint: Paint<'_>) -> Vec<Message> {
    let widths = widths(heads, rows);
    let line = |cells: &[Message], paint: &dyn Fn(usize, Message) -> Message| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| paint(column, cell.padded(*width)));
        Message::join(&cells.collect::<Vec<_>>(), "  ").trimmed()
    };
    let mut lines = vec![line(heads, &|_, cell| cell)];
    lines.extend(
        rows.iter().enumerate().map(|(at, row)| line(row, &|column, cell| paint(at, column, cell))),
    );
    lines
}

fn in_frame(heads: &[Message], rows: &[&[Message]]) -> Message {
    let widths = widths(heads, rows);
    let rules: Vec<Message> =
        widths.iter().map(|width| Message::repeated('-', width + 2)).collect();
    let rule = message!("+{}+\n", Message::join(&rules, "+"));
    let line = |cells: &[Message], pad: fn(&Message, usize) -> Message| {
        let cells: Vec<Message> =
            cells.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
        message!("| {} |\n", Message::join(&cells, " | "))
    };
    let mut text = vec![rule.clone(), line(heads, Message::centred), rule.clone()];
    text.extend(rows.iter().map(|row| line(row, Message::padded)));
    text.push(rule);
    Message::join(&text, "")
}

fn widths(heads: &[Message], rows: &[&[Message]]) -> Vec<usize> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| &row[column]).chain([&heads[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    (0..heads.len()).map(width).collect()
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
