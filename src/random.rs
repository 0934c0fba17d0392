//! Random numbers that spread requests of many processes over time, and random secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness there is no TLS either.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// A new secret of 256 bits, as text.
pub(crate) fn secret() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Error::Internal("there is no randomness".into()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
