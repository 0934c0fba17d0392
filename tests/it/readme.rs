//! Lists in the documentation are complete.

use yc_id_token::error::Code;

const README: &str = include_str!("../../README.md");

#[test]
fn every_error_code_is_listed_with_its_exit_status() {
    for code in Code::ALL {
        let status = (code.exit() as u8).to_string();
        let cell = format!("`{}`", code.name());
        let row = README.lines().find(|line| line.starts_with('|') && line.contains(&cell));
        let row = row.unwrap_or_else(|| panic!("{code} is not in the table"));
        let statuses: Vec<&str> =
            row.split('|').nth(1).unwrap().split(',').map(str::trim).collect();
        assert!(statuses.contains(&status.as_str()), "{code} exits with {status}: {row}");
    }
}
