//! `service-accounts`: those of a folder, as the vendor's CLI lists them.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::output::Output;
use crate::session::{Context, Session};
use crate::source::ServiceAccount;

/// List the service accounts of a folder, to choose one by its ID or name
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token service-accounts --folder-id b1g… --identity yc-cli
  yc-id-token service-accounts --folder-name prod --cloud-id b1g… --format json")]
pub struct Args {
    /// Form of the output: table or json
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

const HEADS: [&str; 5] = ["ID", "NAME", "LABELS", "CREATED AT", "LAST AUTHENTICATED AT"];

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let session = Session::open(context, &[])?;
        let folder = session.folder()?.ok_or_else(|| Error::Missing {
            problem: "the folder whose service accounts are wanted is not set".into(),
            hint: "give `--folder-id`, or `--folder-name` with `--cloud-id`".into(),
        })?;
        let accounts = session.service_accounts(&folder)?;
        let text = match self.format {
            Format::Table => table(&accounts),
            Format::Json => {
                let text = serde_json::to_string_pretty(&accounts);
                text.map_err(|error| Error::Internal(error.to_string()))? + "\n"
            }
        };
        output.write(text.as_bytes())
    }
}

fn table(accounts: &[ServiceAccount]) -> String {
    let rows: Vec<[String; 5]> = accounts.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADS[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let rule = widths.map(|width| "-".repeat(width + 2)).join("+");
    let rule = format!("+{rule}+\n");
    let mut text = rule.clone();
    for (head, width) in HEADS.iter().zip(widths) {
        let _ = write!(text, "| {head:^width$} ");
    }
    text.push_str("|\n");
    text.push_str(&rule);
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    }
    text.push_str(&rule);
    text
}

fn row(account: &ServiceAccount) -> [String; 5] {
    let labels: Vec<String> =
        account.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    [
        plain(&account.id),
        plain(&account.name),
        plain(&labels.join(",")),
        moment(&account.created_at),
        moment(account.last_authenticated_at.as_deref().unwrap_or_default()),
    ]
}

/// A time to the second, as people read it; it is in UTC.
fn moment(rfc3339: &str) -> String {
    let second = rfc3339.get(..19).unwrap_or(rfc3339);
    plain(&second.replacen('T', " ", 1))
}

/// Security: a control character in what a server says could rewrite the user's terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_wide_as_what_is_in_it() {
        let account: ServiceAccount = serde_json::from_str(
            r#"{"id":"ajeboa0du6edu6m43c3t","name":"a\u001b[2J","labels":{"x":"y","z":""},"createdAt":"2026-01-02T03:04:05.678Z"}"#,
        )
        .unwrap();
        assert_eq!(
            table(&[account]),
            "+----------------------+-------+--------+---------------------+-----------------------+
|          ID          | NAME  | LABELS |     CREATED AT      | LAST AUTHENTICATED AT |
+----------------------+-------+--------+---------------------+-----------------------+
| ajeboa0du6edu6m43c3t | a [2J | x=y,z= | 2026-01-02 03:04:05 |                       |
+----------------------+-------+--------+---------------------+-----------------------+
"
        );
        assert_eq!(table(&[]).lines().count(), 4);
    }
}
