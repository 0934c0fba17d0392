//! Random numbers that spread requests of many processes over time, and random secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    #[cfg(test)]
    if let Some(fraction) = repeatable::next() {
        return fraction;
    }
    let mut bytes = [0_u8; 4];
    // Without randomness there is no TLS either.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// A new secret of 256 bits, as text.
pub fn secret() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Error::Internal("there is no randomness".into()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// Numbers that are the same in each run of a test.
#[cfg(test)]
pub(crate) mod repeatable {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Begins the sequence of a seed, for this thread.
    pub(crate) fn begin(seed: u64) {
        STATE.set(Some(seed));
    }

    /// `SplitMix64`, whose sequences are independent even for neighbouring seeds.
    pub(super) fn next() -> Option<f64> {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = STATE.get()?.wrapping_add(STEP);
        STATE.set(Some(state));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        Some(f64::from(high) / f64::from(u32::MAX))
    }
}
