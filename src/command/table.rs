//! Tables for people.

use crate::foreign_text::visible;

/// The lines of a table: heads above columns that are as wide as what is in them, and no wider.
///
/// Security: cells can come from servers and files, so that control characters are taken out.
pub(super) fn lines<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let cells = |row: &[String; N]| row.each_ref().map(|cell| visible(cell));
    let rows: Vec<[String; N]> =
        std::iter::once(heads.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let widths = widths(&rows);
    let line = |row: &[String; N]| {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The same in a frame, as the vendor's CLI draws it.
pub(super) fn framed<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let cells = |row: &[String; N]| row.each_ref().map(|cell| visible(cell));
    let heads = heads.map(str::to_owned);
    let rows: Vec<[String; N]> = rows.iter().map(cells).collect();
    let widths = widths(&[std::slice::from_ref(&heads), &rows].concat());
    let rule = format!("+{}+\n", widths.map(|width| "-".repeat(width + 2)).join("+"));
    let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | "));
    let pad = |row: &[String; N], centred: bool| {
        std::array::from_fn(|column| {
            let (cell, width) = (&row[column], widths[column]);
            if centred { format!("{cell:^width$}") } else { format!("{cell:<width$}") }
        })
    };
    let mut text = rule.clone() + &line(pad(&heads, true)) + &rule;
    for row in &rows {
        text += &line(pad(row, false));
    }
    text + &rule
}

fn widths<const N: usize>(rows: &[[String; N]]) -> [usize; N] {
    std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_what_is_in_it_and_stays_a_table() {
        let rows = [["a\u{1b}[2J".to_owned(), "Ключ".to_owned()]];
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
