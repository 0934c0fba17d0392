//! The gate: counts that do not depend on the machine must not exceed their limits. Page faults and peak memory do
//! depend on it: on the version of the kernel, and on what of the program is in the page cache.

use std::path::Path;
use std::process::ExitCode;

use crate::CONSUMERS;
use crate::counts::{instructions, system_calls};
use crate::place::Place;
use crate::table::thousands;

/// Instructions of a hit of each consumer, a little above today's counts. To raise them, give the reason. A third is the
/// relocation of addresses at the start, a tenth the parser of the configuration file. The margin of 1 % is for the
/// lengths of paths.
const INSTRUCTIONS: [u64; CONSUMERS.len()] = [370_000, 361_500, 409_000, 433_500];

/// The additional instructions with a thousand more profiles, which are not parsed.
const FOR_A_CROWD: u64 = 315_000;

/// System calls of a hit of each consumer.
const SYSTEM_CALLS: [u64; CONSUMERS.len()] = [45, 45, 46, 46];

/// The additional system calls: memory for the larger configuration.
const CALLS_FOR_A_CROWD: u64 = 6;

pub(crate) fn check(program: &Path) -> ExitCode {
    let place = Place::new(program);
    let mut exceeded = false;
    let mut judge = |what: String, figure: u64, limit: u64| {
        let verdict = if figure <= limit { "ok" } else { "TOO MUCH" };
        exceeded |= figure > limit;
        println!("{what}: {} of {}, {verdict}", thousands(figure), thousands(limit));
    };
    let bytes = std::fs::metadata(&place.program).unwrap().len();
    judge("bytes of the binary (D-Bus by zbus takes 1.4 MB)".into(), bytes, 8_000_000);
    for consumer in CONSUMERS {
        place.fill_cache(consumer);
    }
    let crowd = place.home_with(10_000, 1_000);
    let homes =
        [("", place.home.path(), 0, 0), (" in a crowd", &crowd, FOR_A_CROWD, CALLS_FOR_A_CROWD)];
    for (home_is, home, added, added_calls) in homes {
        let limits = INSTRUCTIONS.into_iter().zip(SYSTEM_CALLS);
        for (consumer, (limit, calls_limit)) in CONSUMERS.into_iter().zip(limits) {
            let run = place.hit(consumer).in_home(home.to_owned());
            let what = format!("instructions of a hit of `{consumer}`{home_is}");
            judge(what, instructions(&run).unwrap(), limit + added);
            let calls = system_calls(&run).unwrap();
            let what = format!("system calls of a hit of `{consumer}`{home_is}");
            judge(what, calls.all as u64, calls_limit + added_calls);
            judge(
                "… that make a process or a socket".into(),
                (calls.processes + calls.sockets) as u64,
                0,
            );
        }
    }
    if exceeded { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
