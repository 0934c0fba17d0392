//! The secret of an endpoint, in a private file that its clients read.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::private_file::{self, Access};

/// A secret that clients send.
pub(crate) struct SecretFile {
    /// The digest of the secret, so that a comparison takes as long for every wrong one.
    digest: Digest,
}

impl SecretFile {
    /// Writes a new secret.
    pub(crate) fn write(path: PathBuf) -> Result<Self> {
        write_secret(&path).map(|digest| Self { digest })
    }

    pub(super) fn is_right(&self, given: &[u8]) -> bool {
        Digest::of(given) == self.digest
    }
}

/// Writes a new secret, and returns its digest.
fn write_secret(path: &Path) -> Result<Digest> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Error::Internal("there is no randomness".into()))?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
    private_file::write_output(path, secret.as_bytes(), Access::PRIVATE)
        .map_err(|error| Error::unwritten(path, error))?;
    Ok(Digest::of(secret.as_bytes()))
}
