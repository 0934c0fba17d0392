//! The cache key: a SHA-256 over everything that changes the answer.
//!
//! Two requests have the same key exactly when the same credential answers both. Each input is hashed with its name
//! and both lengths, so that different lists of inputs never give the same bytes.

use std::fmt::{self, Write as _};

use crate::digest::Hasher;
use crate::foreign_text::Printable;

/// The name of a credential in the cache.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key(String);

impl Key {
    /// Starts the key of a kind of credential, such as `id-token`.
    pub fn of(kind: &'static str) -> KeyBuilder {
        Self::begin(kind, None)
    }

    /// The same, and collects the inputs for [`KeyBuilder::build_with_inputs`].
    pub fn with_inputs(kind: &'static str) -> KeyBuilder {
        Self::begin(kind, Some(Vec::new()))
    }

    fn begin(kind: &'static str, inputs: Option<KeyInputs>) -> KeyBuilder {
        KeyBuilder { kind, hasher: Hasher::new(), inputs }.with("kind", kind)
    }

    /// Parses the name of a key, for example from a file name.
    pub fn read(text: &str) -> Option<Self> {
        let (kind, digest) = text.rsplit_once('-')?;
        let is_name = !kind.is_empty()
            && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && digest.len() == 64
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_name.then(|| Self(text.to_owned()))
    }

    /// The kind of its credential, such as `id-token`.
    pub fn kind(&self) -> &str {
        self.0.rsplit_once('-').map_or(&self.0, |(kind, _)| kind)
    }

    /// The key as used in file names: the kind, and the digest in hexadecimal.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A key consists of a word of the program and a digest, so it contains no foreign text.
impl Printable for Key {}

/// The names and values that a key is made of.
pub type KeyInputs = Vec<(String, String)>;

#[derive(Clone)]
pub struct KeyBuilder {
    kind: &'static str,
    hasher: Hasher,
    /// Only collected if they are shown.
    inputs: Option<KeyInputs>,
}

impl KeyBuilder {
    /// Adds an input that changes the answer. For a secret, pass its digest, because `status` shows the inputs.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        for part in [name, value] {
            self.hasher.update(&(part.len() as u64).to_le_bytes());
            self.hasher.update(part.as_bytes());
        }
        if let Some(inputs) = &mut self.inputs {
            inputs.push((name.into(), value.into()));
        }
        self
    }

    /// The finished key and its inputs, if [`Key::with_inputs`] started it.
    pub fn build_with_inputs(mut self) -> (Key, KeyInputs) {
        let inputs = self.inputs.take().unwrap_or_default();
        (self.build(), inputs)
    }

    pub fn build(self) -> Key {
        let mut name = self.kind.to_owned();
        let _ = write!(name, "-{}", self.hasher.finish().to_hex());
        Key(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn different_inputs_give_different_keys() {
        let keys = [
            Key::of("id-token").with("a", "bc").build(),
            Key::of("id-token").with("ab", "c").build(),
            Key::of("id-token").with("a", "b").with("c", "").build(),
            Key::of("id-token").with("a", "b").build(),
            Key::of("id-token").build(),
            Key::of("iam-token").with("a", "bc").build(),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "{key:?} stands for two requests");
        }
    }

    #[test]
    fn a_key_is_the_same_with_collected_inputs() {
        let (key, parts) = Key::with_inputs("id-token").with("audience", "k8s").build_with_inputs();
        assert_eq!(key, Key::of("id-token").with("audience", "k8s").build());
        let parts: Vec<_> = parts.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(parts, [("kind", "id-token"), ("audience", "k8s")]);
    }

    #[test]
    fn a_key_is_the_same_in_every_version() {
        let key = Key::of("id-token").with("audience", "k8s").build();
        assert_eq!(key, Key::of("id-token").with("audience", "k8s").build());
        assert_eq!(key.name().len(), "id-token-".len() + 64);
    }

    /// Inputs that could give the same bytes if they were only joined.
    fn parts() -> impl Strategy<Value = Vec<(String, String)>> {
        proptest::collection::vec(("[ab\0]{0,3}", "[ab\0]{0,3}"), 0..4)
    }

    proptest! {
        #[test]
        fn only_equal_lists_of_parts_have_equal_keys(
            kinds in (0..3_usize, 0..3_usize),
            one in parts(),
            other in parts(),
        ) {
            let key = |kind: usize, parts: &[(String, String)]| {
                let begun = Key::of(["a", "b", "ab"][kind]);
                parts.iter().fold(begun, |key, (name, value)| key.with(name, value)).build()
            };
            let equal = kinds.0 == kinds.1 && one == other;
            prop_assert_eq!(key(kinds.0, &one) == key(kinds.1, &other), equal);
            prop_assert_eq!(key(kinds.0, &one), key(kinds.0, &one));
        }
    }
}
