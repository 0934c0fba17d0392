//! The Markdown table of figures, and the machine that they are of.

use std::fmt;
use std::fs;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
    pub(crate) incomplete: bool,
}

impl Table {
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        figure: Result<String, String>,
        target: &str,
    ) {
        self.incomplete |= figure.is_err();
        let figure =
            figure.unwrap_or_else(|why| format!("not measured: {}", why.replace('\n', " ")));
        self.rows.push([what.into(), figure, target.into()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | figure | target |\n| --- | --- | --- |")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model =
        information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{} × {}, Linux {}, load {}",
        std::thread::available_parallelism().unwrap(),
        model.map_or("unknown processor", |(_, model)| model),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default()
    )
}

pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// A number with commas between the thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
