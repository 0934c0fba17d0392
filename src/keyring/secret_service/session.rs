//! How secrets cross the bus: `dh-ietf1024-sha256-aes128-cbc-pkcs7` of the Secret Service. Who listens on the bus,
//! or reads the memory of its daemon later, does not have them.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use num_bigint::BigUint;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// The name of this on the bus.
pub(super) const ALGORITHM: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";

/// The bytes of a number of 1024 bits.
const WIDTH: usize = 128;

/// RFC 2409, 6.2: the "Second Oakley Group". Its generator is 2.
const PRIME: &[u8] = b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";

/// Our side of an agreement.
pub(super) struct Offer {
    private: BigUint,
    /// Our public key.
    pub(super) public: Vec<u8>,
}

/// The key that both sides have.
pub(super) struct Shared(Zeroizing<[u8; 16]>);

/// A secret as it crosses the bus.
pub(super) struct Sealed {
    pub(super) iv: [u8; 16],
    pub(super) bytes: Vec<u8>,
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        16
    }
}

impl Offer {
    /// A new one; `None` where the system has no random numbers.
    pub(super) fn new() -> Option<Self> {
        let private = BigUint::from_bytes_be(random::<WIDTH>()?.as_slice());
        // `KWallet` refuses a public key without its leading zeros.
        let public = wide(&BigUint::from(2_u8).modpow(&private, &prime()?))?.to_vec();
        Some(Self { private, public })
    }

    /// What follows from the other side's public key. `None` where that is no key, and for one in 256 keys, with
    /// which a secret begins with a zero: GNOME Keyring derives the key from all of it, and `KWallet` leaves the
    /// zero out.
    pub(super) fn accept(&self, theirs: &[u8]) -> Option<Shared> {
        let (prime, theirs) = (prime()?, BigUint::from_bytes_be(theirs));
        // Security: 0, 1 and -1 would make everyone's key the same.
        let one = BigUint::from(1_u8);
        if theirs <= one || theirs >= &prime - &one {
            return None;
        }
        let common = wide(&theirs.modpow(&self.private, &prime))?;
        if common[0] == 0 {
            return None;
        }
        let mut key = Zeroizing::new([0; 16]);
        let derived = Salt::new(HKDF_SHA256, &[]).extract(common.as_slice());
        derived.expand(&[], KeyLength).and_then(|key_of| key_of.fill(key.as_mut_slice())).ok()?;
        Some(Shared(key))
    }
}

impl Shared {
    pub(super) fn seal(&self, secret: &[u8]) -> Option<Sealed> {
        let iv = *random::<16>()?;
        let cipher = cbc::Encryptor::<Aes128>::new_from_slices(self.0.as_slice(), &iv).ok()?;
        Some(Sealed { iv, bytes: cipher.encrypt_padded_vec::<Pkcs7>(secret) })
    }

    pub(super) fn open(&self, iv: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = cbc::Decryptor::<Aes128>::new_from_slices(self.0.as_slice(), iv).ok()?;
        cipher.decrypt_padded_vec::<Pkcs7>(bytes).ok().map(Zeroizing::new)
    }
}

/// A number with its leading zeros.
fn wide(number: &BigUint) -> Option<Zeroizing<[u8; WIDTH]>> {
    let bytes = Zeroizing::new(number.to_bytes_be());
    let mut padded = Zeroizing::new([0; WIDTH]);
    padded[WIDTH.checked_sub(bytes.len())?..].copy_from_slice(&bytes);
    Some(padded)
}

fn prime() -> Option<BigUint> {
    BigUint::parse_bytes(PRIME, 16)
}

fn random<const LENGTH: usize>() -> Option<Zeroizing<[u8; LENGTH]>> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_key_and_nobody_else() {
        let agreed = || {
            let [one, other, third] = [(); 3].map(|()| Offer::new().unwrap());
            let ours = one.accept(&other.public)?;
            Some((ours, other.accept(&one.public)?, third.accept(&one.public)?))
        };
        // One in 256 keys is refused.
        let (ours, theirs, stranger) = std::iter::repeat_with(agreed).flatten().next().unwrap();
        for length in [0, 1, 15, 16, 2_500] {
            let secret = vec![b's'; length];
            let Sealed { iv, bytes } = ours.seal(&secret).unwrap();
            assert_eq!(*theirs.open(&iv, &bytes).unwrap(), secret);
            assert!(stranger.open(&iv, &bytes).is_none_or(|opened| *opened != secret));
        }
        assert!(ours.open(&[0; 15], &[0; 16]).is_none());
        assert!(ours.open(&[0; 16], &[0; 15]).is_none());
    }

    #[test]
    fn a_public_key_that_makes_everyones_key_the_same_is_refused() {
        let offer = Offer::new().unwrap();
        let prime = prime().unwrap();
        let minus_one = (&prime - 1_u8).to_bytes_be();
        for theirs in [vec![], vec![0], vec![1], minus_one, prime.to_bytes_be()] {
            assert!(offer.accept(&theirs).is_none());
        }
    }

    #[test]
    fn a_key_that_services_derive_in_two_ways_is_refused() {
        // With this private key, the common secret is the public key of the other side.
        let offer = Offer { private: BigUint::from(1_u8), public: Vec::new() };
        let common = |bits: u32| BigUint::from(2_u8).pow(bits).to_bytes_be();
        assert!(offer.accept(&common(1016)).is_some());
        assert!(offer.accept(&common(1015)).is_none());
        assert_eq!(Offer::new().unwrap().public.len(), WIDTH);
    }
}
