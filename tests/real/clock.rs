//! A wrong clock, or one that is set while credentials are cached: no expired token is returned, and each change costs
//! at most one fetch.
//!
//! libfaketime sets the clock that the program reads. The uptime is the real one plus ten days, so that a token can be
//! older than a machine that has just started.

use std::time::Duration;

use yc_id_token_emulator::Route;

use super::peer;
use crate::sandbox::{PROGRAM, Sandbox, claims};

const TEN_DAYS: u32 = 10 * 24 * 3600;

/// Runs the program with a clock that is ahead or behind by this much.
fn token_at(sandbox: &Sandbox, shift: &str) -> String {
    let script = format!(
        "LD_PRELOAD={} FAKETIME={shift} FAKETIME_DONT_FAKE_MONOTONIC=1 exec {PROGRAM} token --audience=k8s",
        peer("libfaketime.so.1").display()
    );
    let uptime = format!("--boottime={TEN_DAYS}");
    sandbox.finish(sandbox.in_own_namespaces(&["--time", &uptime], &script)).ok()
}

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_BACKGROUND_REFRESH", "false");
    sandbox
}

#[test]
fn a_jump_of_hours_in_either_direction_costs_one_fetch() {
    let sandbox = sandbox();
    let fetches = || sandbox.cloud.count(Route::TokenExchange);
    for (number, shift) in ["+0", "+3h", "+0", "-3h", "+0", "-10d", "+365d"].into_iter().enumerate()
    {
        let first = token_at(&sandbox, shift);
        assert_eq!(fetches(), number + 1, "the clock is at {shift}");
        for _ in 0..3 {
            assert_eq!(token_at(&sandbox, shift), first);
        }
        assert_eq!(fetches(), number + 1, "and stays there");
        let expires_at = claims(first.trim())["exp"].as_i64().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(expires_at - 300 > i64::try_from(now.as_secs()).unwrap(), "it is alive");
    }
}

#[test]
fn a_clock_set_back_does_not_extend_a_token() {
    let sandbox = sandbox();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let old = token_at(&sandbox, "+0");
    sandbox.age("id-token", minutes(50));
    assert_eq!(token_at(&sandbox, "-30m"), old, "ten minutes are left, by either account");
    sandbox.age("id-token", minutes(6));
    assert_ne!(token_at(&sandbox, "-30m"), old, "it is 56 minutes old, whatever the clock shows");
}

#[test]
fn a_machine_that_slept_wakes_with_a_new_token() {
    let sandbox = sandbox();
    let old = token_at(&sandbox, "+0");
    // During the sleep, the clock and the uptime advanced, or only one of them.
    sandbox.age("id-token", Duration::from_secs(8 * 3600));
    let new = token_at(&sandbox, "+0");
    assert_ne!(new, old);
    assert_eq!(token_at(&sandbox, "+0"), new);
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 2);
}
