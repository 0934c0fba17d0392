//! Searches the traces of a run for a secret: unchanged, and inside any base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A part of a key of this length is not in a text by chance.
const PIECE: usize = 100;

/// Base64 of a shorter part could be there by chance.
const SHORT: usize = 12;

/// Whether a secret is in a text.
pub fn holds(text: &str, secret: &str) -> bool {
    !text.is_empty()
        && forms(secret).iter().any(|form| pieces(form).any(|piece| text.contains(piece)))
}

/// A long secret is searched in pieces, because a truncated message can leak a part.
fn pieces(secret: &str) -> impl Iterator<Item = &str> {
    let length = if secret.is_ascii() && secret.len() > 4 * PIECE { PIECE } else { secret.len() };
    (0..=secret.len() - length).step_by(length.max(1)).map(move |at| &secret[at..at + length])
}

/// A secret, and the characters that every base64 of a text around it contains, for each offset.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    if secret.len() < SHORT {
        return forms;
    }
    for before in 0..3 {
        let text = [&[0; 2][..before], secret.as_bytes()].concat();
        // A character has six bits. Those at both ends also contain bits of the neighbours.
        let whole = (before * 8).div_ceil(6)..text.len() * 8 / 6;
        forms.push(STANDARD_NO_PAD.encode(&text)[whole.clone()].to_owned());
        forms.push(URL_SAFE_NO_PAD.encode(&text)[whole].to_owned());
    }
    forms
}

#[test]
fn a_secret_is_found_in_every_base64_that_contains_it() {
    let secret = "p@ss?word~hunter2";
    assert!(holds("http://robot:p@ss?word~hunter2@proxy", secret));
    for before in ["", "u", "me", "robot", "robot:"] {
        for after in ["", "\n", "@proxy"] {
            let text = format!("{before}{secret}{after}");
            for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert!(holds(&format!("Basic {encoded}=="), secret), "{text}: {encoded}");
            }
        }
    }
    assert!(!holds("http://robot:p@ss?word~hunter3@proxy", secret));
}
