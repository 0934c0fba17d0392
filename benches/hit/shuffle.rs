//! The order of runs in a round.

use std::time::{SystemTime, UNIX_EPOCH};

/// Orders from pseudo-random numbers (`SplitMix64`), so that a printed seed repeats them.
pub(crate) struct Shuffle {
    pub(crate) seed: u64,
    state: u64,
}

impl Shuffle {
    /// The seed is in `SEED`, or a new one.
    pub(crate) fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros().into();
        let seed = std::env::var("SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
        Self { seed, state: seed }
    }

    /// The next order of `0..length`.
    pub(crate) fn order(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let choices = u64::try_from(last + 1).unwrap();
            order.swap(last, usize::try_from(self.number() % choices).unwrap());
        }
        order
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
