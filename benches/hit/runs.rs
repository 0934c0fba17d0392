//! The table of runs: a hit of each consumer beside smaller programs and another cloud's plugin.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::place::{PEER, Place, Run};
use crate::shuffle::Shuffle;
use crate::table::{megabytes, thousands};
use crate::{CONSUMERS, Candidate, Times, counts};

pub(crate) const FLOOR: &str = "empty static `main` (the floor)";
const REFERENCE: &str = "static `main` that reads the same files and prints";
pub(crate) const AMONG_ENTRIES: &str = "`kubectl` among 10,000 entries";
pub(crate) const WITH_PROFILES: &str = "`kubectl` with 1,000 profiles";

const ROUNDS: usize = 1000;

/// The runs of one program after another.
pub(crate) struct Runs {
    rows: Vec<(String, Measured)>,
    seed: u64,
    /// Whether a figure of this project's program is missing.
    pub(crate) incomplete: bool,
    /// Why the other plugin is left out.
    no_peer: Option<String>,
}

/// What a run costs.
pub(crate) struct Measured {
    times: Times,
    pub(crate) faults: u64,
    pub(crate) memory: Result<u64, String>,
    pub(crate) instructions: Result<u64, String>,
    calls: Result<counts::Calls, String>,
    pub(crate) size: u64,
}

impl Measured {
    /// The wall time divided by that of another run.
    pub(crate) fn by(&self, other: &Self) -> f64 {
        self.times.by(&other.times)
    }
}

impl Runs {
    /// Measures all in one loop, in another order in each round, so that other load on the machine affects all, and
    /// none always follows the same one.
    pub(crate) fn measure(place: &Place, floor: &Path, reference: &Path) -> Self {
        let mut runs = vec![
            (FLOOR.to_owned(), place.run(floor, &[])),
            (REFERENCE.to_owned(), place.reference(reference)),
            ("`/bin/true`".to_owned(), place.run(Path::new("/bin/true"), &[])),
        ];
        let hits = CONSUMERS.map(|consumer| (consumer.to_owned(), place.hit(consumer)));
        runs.extend(hits);
        runs.push((
            AMONG_ENTRIES.to_owned(),
            place.hit("kubectl").in_home(place.home_with(10_000, 0)),
        ));
        runs.push((
            WITH_PROFILES.to_owned(),
            place.hit("kubectl").in_home(place.home_with(0, 1_000)),
        ));
        let own = 3..runs.len();
        let peer = place.peer();
        let no_peer = peer.as_ref().err().cloned();
        runs.extend(peer.ok().map(|peer| (PEER.to_owned(), peer)));

        let mut candidates: Vec<Candidate> =
            runs.iter().map(|(_, run)| Candidate::new(run.command())).collect();
        let mut shuffle = Shuffle::new();
        let seed = shuffle.seed;
        // The copies of the home are used for the first time.
        for (_, run) in &runs {
            run.succeed();
        }
        let requests = place.requests();
        for _ in 0..ROUNDS {
            for at in shuffle.order(candidates.len()) {
                candidates[at].run();
            }
        }
        let measured = runs
            .iter()
            .zip(candidates)
            .map(|((name, run), candidate)| (name.clone(), measured(run, candidate)));
        let rows: Vec<(String, Measured)> = measured.collect();
        assert_eq!(place.requests(), requests, "these were no hits");
        let is_incomplete =
            |run: &Measured| run.memory.is_err() || run.instructions.is_err() || run.calls.is_err();
        let incomplete = rows[own].iter().any(|(_, run)| is_incomplete(run));
        Self { rows, seed, incomplete, no_peer }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Measured> {
        self.rows.iter().find(|(row, _)| row == name).map(|(_, measured)| measured)
    }
}

fn measured(run: &Run, candidate: Candidate) -> Measured {
    let faults = candidate.faults();
    Measured {
        times: candidate.times(),
        faults,
        memory: counts::memory(run),
        instructions: counts::instructions(run),
        calls: counts::system_calls(run),
        size: fs::metadata(&run.program).unwrap().len(),
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Wall times of {ROUNDS} rounds in an order shuffled with SEED={}, output to `/dev/null`:\n",
            self.seed
        )?;
        writeln!(
            f,
            "| run | wall time | by the floor | page faults | peak memory | instructions | system calls |\n\
             | --- | --- | --- | --- | --- | --- | --- |"
        )?;
        let or_dash = |figure: Result<String, String>| figure.unwrap_or_else(|_| "–".into());
        for (name, run) in &self.rows {
            let is_command = name == PEER || CONSUMERS.contains(&name.as_str());
            let name = if is_command { format!("`{name}`") } else { name.clone() };
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                run.times,
                self.get(FLOOR).map_or_else(String::new, |floor| format!("{:.2}", run.by(floor))),
                run.faults,
                or_dash(run.memory.clone().map(megabytes)),
                or_dash(run.instructions.clone().map(thousands)),
                or_dash(
                    run.calls.as_ref().map(|calls| calls.all.to_string()).map_err(Clone::clone)
                ),
            )?;
        }
        match &self.no_peer {
            Some(why) => writeln!(f, "\n`{PEER}` is left out: {why}."),
            None => Ok(()),
        }
    }
}
