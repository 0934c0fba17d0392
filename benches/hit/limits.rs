//! The limits of a hit, and the goals beyond them.

use std::fmt::Write as _;

use crate::CONSUMERS;
use crate::place::PEER;
use crate::runs::{AMONG_ENTRIES, FLOOR, Measured, Runs, WITH_PROFILES};
use crate::table::{megabytes, thousands};

/// What is limited: the highest value of these runs.
struct Limit {
    what: &'static str,
    figure: Figure,
    runs: &'static [&'static str],
    limit: f64,
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

#[rustfmt::skip]
const LIMITS: [Limit; 9] = [
    Limit { what: "wall time of `kubectl`, `token`, by the floor", figure: Figure::By(FLOOR), runs: &["kubectl", "token"], limit: 3.0, goal: 2.5 },
    Limit { what: "wall time of `aws`, `vault token`, by the floor", figure: Figure::By(FLOOR), runs: &["aws", "vault token"], limit: 3.5, goal: 3.0 },
    Limit { what: "wall time of `kubectl`, by `gke-gcloud-auth-plugin`", figure: Figure::By(PEER), runs: &["kubectl"], limit: 0.2, goal: 0.14 },
    Limit { what: "… among 10,000 entries, by `kubectl`", figure: Figure::By("kubectl"), runs: &[AMONG_ENTRIES], limit: 1.05, goal: 1.0 },
    Limit { what: "… with 1,000 profiles, by `kubectl`", figure: Figure::By("kubectl"), runs: &[WITH_PROFILES], limit: 1.5, goal: 1.2 },
    Limit { what: "instructions", figure: Figure::Instructions, runs: &CONSUMERS, limit: 420_000.0, goal: 350_000.0 },
    Limit { what: "page faults", figure: Figure::Faults, runs: &CONSUMERS, limit: 80.0, goal: 60.0 },
    Limit { what: "peak memory", figure: Figure::Memory, runs: &CONSUMERS, limit: 1.5e6, goal: 1.0e6 },
    Limit { what: "size of the binary", figure: Figure::Size, runs: &["kubectl"], limit: 8.0e6, goal: 6.5e6 },
];

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
    for Limit { what, figure, runs: names, limit, goal } in LIMITS {
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
        let _ = writeln!(table, "| {what} | {value} | {} | {} |", judged(limit), judged(goal));
    }
    table
}
