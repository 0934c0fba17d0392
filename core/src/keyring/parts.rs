//! The items of a value in the keyring: one if it is small; otherwise one that refers to the parts, and the parts.
//!
//! ```text
//! NAME      yc-id-token 1 <SHA-256 of the value, hexadecimal> 0
//!           the value itself
//! ```
//! or
//! ```text
//! NAME      yc-id-token 1 <SHA-256 of the value, hexadecimal> 2a
//! NAME/a1   the beginning
//! NAME/a2   the rest
//! ```
//!
//! Only Windows needs parts; elsewhere every value fits into one item. Two sets of names, `a` and `b`, are used in
//! turn. The new parts are written first, then the item refers to them, then the old parts are removed. So a
//! reader gets the old or the new value, even if a writer was killed. If parts do not belong together, the SHA-256
//! does not match, and there is no value.
//!
//! Parts are written from the first and removed from the last on. So an interrupted run leaves no gap, and all of
//! them are found by looking for the next one.

use tracing::debug;
use zeroize::Zeroizing;

use super::{Items, Problem};
use crate::digest::Digest;
use crate::message;

const MAGIC: &str = "yc-id-token 1 ";

/// The limit on the number of parts; no key or credential needs as many.
const MAX_PARTS: usize = 40;

/// The set of names of the parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    A,
    B,
}

impl Place {
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }

    fn part(self, name: &str, number: usize) -> String {
        format!("{name}/{}{number}", self.letter())
    }
}

/// The first line of an item, and what follows.
struct Head<'a> {
    digest: &'a str,
    parts: usize,
    place: Place,
    /// The value, if it has no parts.
    value: &'a str,
}

impl<'a> Head<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (line, value) = text.strip_prefix(MAGIC)?.split_once('\n')?;
        let (digest, parts) = line.split_once(' ')?;
        let (parts, place) = match parts.strip_suffix('b') {
            Some(parts) => (parts, Place::B),
            None => (parts.strip_suffix('a').unwrap_or(parts), Place::A),
        };
        let parts = parts.parse().ok().filter(|parts| *parts <= MAX_PARTS)?;
        Some(Self { digest, parts, place, value })
    }
}

pub(super) fn get(items: &mut dyn Items, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
    let Some(text) = items.get(name)? else { return Ok(None) };
    let Some(head) = Head::parse(&text) else {
        debug!(name, "the item in the keyring is corrupt, and is not used");
        return Ok(None);
    };
    let mut value = Zeroizing::new(String::with_capacity(items.capacity() * head.parts.max(1)));
    value.push_str(if head.parts == 0 { head.value } else { "" });
    for number in 1..=head.parts {
        // If it is missing, the digest does not match.
        let part = items.get(&head.place.part(name, number))?;
        value.push_str(part.as_deref().map_or("", String::as_str));
    }
    let is_whole = Digest::of(value.as_bytes()).to_hex() == head.digest;
    if !is_whole {
        debug!(name, "the item in the keyring is incomplete, and is not used");
    }
    Ok(is_whole.then_some(value))
}

pub(super) fn set(items: &mut dyn Items, name: &str, value: &str) -> Result<(), Problem> {
    let old = items.get(name)?;
    let old = old.as_deref().and_then(|text| Head::parse(text));
    let limit = items.capacity();
    let pieces = if value.len() <= limit { Vec::new() } else { pieces(value, limit) };
    if pieces.len() > MAX_PARTS {
        return Err(Problem::Failed(message!("a value of {} bytes is too large", value.len())));
    }
    let place = old.as_ref().map_or(Place::A, |old| old.place.other());
    for (number, piece) in (1..).zip(&pieces) {
        items.set(&place.part(name, number), piece)?;
    }
    let digest = Digest::of(value.as_bytes()).to_hex();
    let (count, letter) = (pieces.len(), place.letter());
    let rest = if pieces.is_empty() { value } else { "" };
    items.set(name, &Zeroizing::new(format!("{MAGIC}{digest} {count}{letter}\n{rest}")))?;
    match old {
        Some(old) if old.parts > 0 => remove_parts(items, name, old.place, old.parts),
        _ => Ok(()),
    }
}

pub(super) fn remove(items: &mut dyn Items, name: &str) -> Result<bool, Problem> {
    let old = items.get(name)?;
    let old = old.as_deref().and_then(|text| Head::parse(text));
    let was_there = items.remove(name)?;
    for place in [Place::A, Place::B] {
        let known = old.as_ref().filter(|old| old.place == place).map_or(0, |old| old.parts);
        remove_parts(items, name, place, known)?;
    }
    Ok(was_there)
}

/// Removes the parts in a place: those that are `known`, and any that follow.
fn remove_parts(
    items: &mut dyn Items,
    name: &str,
    place: Place,
    known: usize,
) -> Result<(), Problem> {
    let mut count = known;
    while items.get(&place.part(name, count + 1))?.is_some() {
        count += 1;
    }
    for number in (1..=count).rev() {
        items.remove(&place.part(name, number))?;
    }
    Ok(())
}

/// Splits a text between characters.
fn pieces(mut text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let fits = |end: &usize| text.is_char_boundary(*end);
        let end = (1..=text.len().min(limit)).rev().find(fits).unwrap_or(text.len());
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fake::Fake;
    use super::*;

    const LIMIT: usize = 2_400;

    fn read(fake: &mut Fake) -> Option<String> {
        get(fake, "n").unwrap().map(|value| value.to_string())
    }

    #[test]
    fn only_a_large_value_is_split() {
        let mut fake = Fake::default();
        for (length, items) in [(0, 1), (LIMIT, 1), (LIMIT + 1, 3), (3 * LIMIT, 4), (10, 1)] {
            set(&mut fake, "n", &"x".repeat(length)).unwrap();
            assert_eq!(fake.items.len(), items, "{length}");
            assert_eq!(read(&mut fake).unwrap().len(), length);
        }
        assert!(remove(&mut fake, "n").unwrap());
        assert!(fake.items.is_empty());
        assert!(set(&mut fake, "n", &"x".repeat(MAX_PARTS * LIMIT + 1)).is_err());
        assert!(fake.items.is_empty());
    }

    #[test]
    fn missing_and_mixed_parts_are_never_a_wrong_value() {
        let large = |letter: &str| letter.repeat(2 * LIMIT);
        let mut whole = Fake::default();
        set(&mut whole, "n", &large("x")).unwrap();
        for name in whole.items.keys().cloned().collect::<Vec<_>>() {
            for harm in [None, Some("y".repeat(LIMIT)), Some(String::new())] {
                let mut fake = Fake { items: whole.items.clone(), breaks_after: None };
                match harm {
                    None => fake.items.remove(&name),
                    Some(text) => fake.items.insert(name.clone(), text),
                };
                assert_eq!(read(&mut fake), None, "{name}");
                set(&mut fake, "n", &large("z")).unwrap();
                assert_eq!(read(&mut fake), Some(large("z")), "and the next one is stored");
                remove(&mut fake, "n").unwrap();
                assert!(fake.items.is_empty(), "{:?}", fake.items.keys());
            }
        }
    }

    proptest! {
        #[test]
        fn a_stored_value_is_read_back(value in "[a-zé\u{1F511}\n]{0,3000}") {
            let mut fake = Fake::default();
            set(&mut fake, "n", &value).unwrap();
            prop_assert_eq!(read(&mut fake), Some(value));
        }

        #[test]
        fn an_interrupted_change_leaves_the_old_or_the_new_value(
            steps in proptest::collection::vec((0..4_usize, 0..8_usize), 1..6),
        ) {
            let mut fake = Fake::default();
            let mut kept = None;
            for (step, (parts, breaks_after)) in steps.into_iter().enumerate() {
                let value = step.to_string().repeat(parts * LIMIT + 1);
                fake.breaks_after = Some(breaks_after);
                let done = set(&mut fake, "n", &value);
                let now = read(&mut fake);
                prop_assert!(now == kept || now.as_ref() == Some(&value), "a value of neither");
                prop_assert!(done.is_err() || now.as_ref() == Some(&value));
                kept = now;
            }
            for breaks_after in [0, 1, 2] {
                fake.breaks_after = Some(breaks_after);
                let _ = remove(&mut fake, "n");
            }
            fake.breaks_after = None;
            remove(&mut fake, "n").unwrap();
            prop_assert!(fake.items.is_empty(), "{:?}", fake.items.keys());
        }

        #[test]
        fn an_item_of_another_form_has_no_value(text in "(yc-id-token 1 )?\\PC{0,80}\n?\\PC{0,20}") {
            let mut fake = Fake::default();
            fake.items.insert("n".into(), text);
            prop_assert_eq!(read(&mut fake), None);
        }
    }
}
