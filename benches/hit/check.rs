//! The gate: counts that do not depend on the machine must not exceed their limits.

use std::path::Path;
use std::process::ExitCode;

use crate::CONSUMERS;
use crate::counts::{instructions, system_calls};
use crate::place::Place;
use crate::table::thousands;

/// Instructions of a hit of each consumer, a little above today's counts. To raise them, give the reason. A third is the
/// relocation of addresses at the start, a tenth the parser of the configuration file. The margin of 1 % is for the
/// lengths of paths.
const INSTRUCTIONS: [u64; CONSUMERS.len()] = [390_500, 380_500, 428_000, 452_000];

/// The additional instructions with fifty more profiles to parse.
const FOR_A_CROWD: u64 = 440_000;

/// System calls of a hit of each consumer.
const SYSTEM_CALLS: [u64; CONSUMERS.len()] = [45, 45, 46, 46];

/// The additional system calls: memory for the larger configuration.
const CALLS_FOR_A_CROWD: u64 = 10;

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
    for (place_is, added, added_calls) in
        [("", 0, 0), (" in a crowd", FOR_A_CROWD, CALLS_FOR_A_CROWD)]
    {
        let limits = INSTRUCTIONS.into_iter().zip(SYSTEM_CALLS);
        for (consumer, (limit, calls_limit)) in CONSUMERS.into_iter().zip(limits) {
            let figure = instructions(&place, consumer).unwrap();
            let what = format!("instructions of a hit of `{consumer}`{place_is}");
            judge(what, figure, limit + added);
            let calls = system_calls(&place, consumer).unwrap();
            let what = format!("system calls of a hit of `{consumer}`{place_is}");
            judge(what, calls.all as u64, calls_limit + added_calls);
            judge(
                "… that make a process or a socket".into(),
                (calls.processes + calls.sockets) as u64,
                0,
            );
        }
        place.crowd();
    }
    if exceeded { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
