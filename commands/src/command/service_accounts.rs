//! `service-accounts`: lists the service accounts of a folder, as `yc iam service-account list` does.

use super::table::{self, Format};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::source::ServiceAccount;

/// List the service accounts of a folder
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token service-accounts --folder-id b1g… --identity yc-cli
  yc-id-token service-accounts --folder-name prod --cloud-id b1g… --format json")]
pub struct Args {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

const HEADS: [&str; 5] = ["ID", "NAME", "LABELS", "CREATED AT", "LAST AUTHENTICATED AT"];

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let run = Run::open(context, &[])?;
        let folder = run.folder()?.ok_or_else(|| Error::Missing {
            problem: "the folder whose service accounts to list is not set".into(),
            hint: "give `--folder-id`, or `--folder-name` with `--cloud-id`".into(),
        })?;
        let accounts = run.service_accounts(&folder)?;
        match self.format {
            Format::Table => {
                let rows: Vec<[Message; 5]> = accounts.iter().map(row).collect();
                output.say(&table::framed(HEADS, &rows))
            }
            Format::Json => output.json(&accounts),
        }
    }
}

fn row(account: &ServiceAccount) -> [Message; 5] {
    let labels: Vec<Message> = account
        .labels
        .iter()
        .map(|(name, value)| message!("{name}={value}", name, value))
        .collect();
    [
        account.id.clone().into(),
        account.name.clone().into(),
        Message::join(&labels, ","),
        time(&account.created_at),
        account.last_authenticated_at.as_ref().map(time).unwrap_or_default(),
    ]
}

/// `2026-01-02 03:04:05`, in UTC.
fn time(rfc3339: &ForeignText) -> Message {
    ForeignText::from(rfc3339.get(..19).unwrap_or(rfc3339).replacen('T', " ", 1)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_same_cells_as_in_yc() {
        let account: ServiceAccount = serde_json::from_str(
            r#"{"id":"ajeboa0du6edu6m43c3t","name":"robot","labels":{"x":"y","z":""},"createdAt":"2026-01-02T03:04:05.678Z"}"#,
        )
        .unwrap();
        assert_eq!(
            row(&account),
            ["ajeboa0du6edu6m43c3t", "robot", "x=y,z=", "2026-01-02 03:04:05", ""]
        );
    }
}
