//! Random numbers that spread requests of many processes over time.

use ring::rand::{SecureRandom as _, SystemRandom};

/// A random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness there is no TLS either.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
