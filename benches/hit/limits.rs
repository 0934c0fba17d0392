//! The limits of a hit, and the goals beyond them.

use std::fmt::Write as _;

use crate::CONSUMERS;
use crate::place::PEER;
use crate::runs::{AMONG_ENTRIES, FLOOR, Measured, Runs, WITH_PROFILES};
use crate::table::{megabytes, thousands};

/// What is limited: the highest figure of some runs.
struct Limit {
    what: &'static str,
    figure: Figure,
    runs: &'static [&'static str],
    most: f64,
    goal: f64,
}

enum Figure {
    /// Wall time, divided by that of another run.
    By(&'static str),
    Instructions,
    Faults,
    Memory,
    Size,
}

const LIMITS: [Limit; 9] = [
    limit(
        "wall time of `kubectl`, `token`, by the floor",
        Figure::By(FLOOR),
        &["kubectl", "token"],
        3.0,
        2.5,
    ),
    limit(
        "wall time of `aws`, `vault token`, by the floor",
        Figure::By(FLOOR),
        &["aws", "vault token"],
        3.5,
        3.0,
    ),
    limit(
        "wall time of `kubectl`, by `gke-gcloud-auth-plugin`",
        Figure::By(PEER),
        &["kubectl"],
        0.2,
        0.14,
    ),
    limit(
        "… among 10,000 entries, by `kubectl`",
        Figure::By("kubectl"),
        &[AMONG_ENTRIES],
        1.05,
        1.05,
    ),
    limit("… with 1,000 profiles, by `kubectl`", Figure::By("kubectl"), &[WITH_PROFILES], 1.5, 1.2),
    limit("instructions", Figure::Instructions, &CONSUMERS, 420_000.0, 350_000.0),
    limit("page faults", Figure::Faults, &CONSUMERS, 80.0, 60.0),
    limit("peak memory", Figure::Memory, &CONSUMERS, 1.5e6, 1.0e6),
    limit("size of the binary", Figure::Size, &["kubectl"], 8.0e6, 6.5e6),
];

const fn limit(
    what: &'static str,
    figure: Figure,
    runs: &'static [&'static str],
    most: f64,
    goal: f64,
) -> Limit {
    Limit { what, figure, runs, most, goal }
}

impl Figure {
    fn of(&self, run: &Measured, runs: &Runs) -> Option<f64> {
        match self {
            Self::By(other) => Some(run.by(runs.get(other)?)),
            Self::Instructions => run.instructions.as_ref().ok().map(|count| *count as f64),
            Self::Faults => Some(run.faults as f64),
            Self::Memory => run.memory.as_ref().ok().map(|bytes| *bytes as f64),
            Self::Size => Some(run.size as f64),
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "these are counts")]
    fn show(&self, value: f64) -> String {
        match self {
            Self::By(_) => format!("{value:.2}"),
            Self::Instructions | Self::Faults => thousands(value as u64),
            Self::Memory | Self::Size => megabytes(value as u64),
        }
    }
}

/// The Markdown table of the limits, with what the runs reach.
pub(crate) fn table(runs: &Runs) -> String {
    let mut table = String::from("| what | figure | limit | goal |\n| --- | --- | --- | --- |\n");
    for Limit { what, figure, runs: names, most, goal } in LIMITS {
        let values = names.iter().map(|name| figure.of(runs.get(name)?, runs));
        let highest = values
            .collect::<Option<Vec<f64>>>()
            .map(|values| values.into_iter().fold(0.0, f64::max));
        let judged = |most: f64| {
            let verdict =
                highest.map_or("", |value| if value <= most { ", met" } else { ", not met" });
            format!("≤ {}{verdict}", figure.show(most))
        };
        let value = highest.map_or_else(|| "not measured".into(), |value| figure.show(value));
        let _ = writeln!(table, "| {what} | {value} | {} | {} |", judged(most), judged(goal));
    }
    table
}
