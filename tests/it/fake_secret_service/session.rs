//! The service's side of `dh-ietf1024-sha256-aes128-cbc-pkcs7`, which encrypts secrets on the bus.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use num_bigint::BigUint;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

/// The name of this algorithm on the bus.
pub(super) const ALGORITHM: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";

/// The size of a 1024-bit number in bytes.
const WIDTH: usize = 128;

/// RFC 2409, 6.2: the "Second Oakley Group". Its generator is 2.
const PRIME: &[u8] = b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";

/// The shared key.
pub(super) struct Shared([u8; 16]);

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        16
    }
}

impl Shared {
    /// Derives the shared key, and returns the service's public key with it.
    pub(super) fn agree(theirs: &[u8]) -> (Self, Vec<u8>) {
        let prime = BigUint::parse_bytes(PRIME, 16).unwrap();
        let private = BigUint::from_bytes_be(&random::<WIDTH>());
        let public = BigUint::from(2_u8).modpow(&private, &prime).to_bytes_be();
        let common = BigUint::from_bytes_be(theirs).modpow(&private, &prime).to_bytes_be();
        // With leading zeros, as in GNOME Keyring.
        let common = [vec![0; WIDTH - common.len()], common].concat();
        let mut key = [0; 16];
        let derived = Salt::new(HKDF_SHA256, &[]).extract(&common);
        derived.expand(&[], KeyLength).and_then(|key_of| key_of.fill(&mut key)).unwrap();
        (Self(key), public)
    }

    /// Returns the initialisation vector and the encrypted secret.
    pub(super) fn seal(&self, secret: &[u8]) -> ([u8; 16], Vec<u8>) {
        let iv = random::<16>();
        let cipher = cbc::Encryptor::<Aes128>::new_from_slices(&self.0, &iv).unwrap();
        (iv, cipher.encrypt_padded_vec::<Pkcs7>(secret))
    }

    /// `None` if it was encrypted with another key.
    pub(super) fn open(&self, iv: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let cipher = cbc::Decryptor::<Aes128>::new_from_slices(&self.0, iv).unwrap();
        cipher.decrypt_padded_vec::<Pkcs7>(bytes).ok()
    }
}

fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
