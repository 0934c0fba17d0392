//! The functions that the fuzz targets in `fuzz/` call: every parser of foreign input, with the properties that must
//! hold for any input. The tests run them on the corpus.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

pub use crate::cache::fuzzing::cache_entry;
use crate::clock::Timestamp;
use crate::colour::Colours;
pub use crate::consumer::{aws_ini, exec_info, gcp_credential_file, sts_xml, vault_hcl};
use crate::error::{Error, ErrorFormat, Report};
use crate::foreign_text::{ForeignText, VALUE_LIMIT};
use crate::http::{Endpoint, ProxyAddress};
use crate::jwt::{Claims, all_claims};
pub use crate::settings::fuzzing::config;
use crate::source::{AuthorizedKey, YcProfile};

pub fn key_file(data: &[u8]) {
    let parsed = AuthorizedKey::parse(Zeroizing::new(data.to_vec()), Path::new("key.json"));
    let signed = parsed.and_then(|key| key.check());
    if let Err(error) = signed {
        check_printed_error(&error);
    }
}

/// yc's configuration. No error repeats a secret, wherever it is in the file.
pub fn yc_config(data: &[u8]) {
    let secret = "hunter2".repeat(12);
    let mut content = data.to_vec();
    if let Ok(text) = std::str::from_utf8(data) {
        content = text.replace("SECRET", &secret).into_bytes();
    }
    // The same word can be there already.
    let shows = |text: &str| {
        text.contains("hunter2hunter2") && !String::from_utf8_lossy(data).contains("hunter2")
    };
    let path = Path::new("config.yaml");
    for name in [None, Some("p")] {
        let profile = YcProfile::parse(&content, path, name);
        let error = profile.map_or_else(|error| error, |profile| profile.has_no_credentials());
        check_printed_error(&error);
        let printed = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(!shows(&printed), "{printed}");
    }
}

/// An ID token: raw bytes, and a valid token around any header and any claims.
pub fn jwt_claims(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"RS256"}"#, text));
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    for token in [text, &format!("{header}.{claims}.c2ln")] {
        let _ = all_claims(token);
        let Ok(claims) = Claims::read(token) else { continue };
        for at in [claims.expires_at(), claims.issued_at()].into_iter().flatten() {
            assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }
        assert!(claims.aud.first().is_none_or(|first| claims.aud.contains(first)));
        assert!(!claims.aud.to_string().is_empty());
    }
}

/// The dates of HTTP and of RFC 3339.
pub fn dates(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for read in [Timestamp::parse_http_date, Timestamp::parse_rfc3339] {
        let Some(at) = read(text) else { continue };
        let again = Timestamp::parse_rfc3339(&at.to_string()).map(Timestamp::unix_seconds);
        // An offset can lead to years that cannot be printed.
        let day = 86_400;
        assert!(again.is_some_and(|again| again.abs_diff(at.unix_seconds()) < day), "{text:?}");
    }
}

/// Addresses of servers and proxies, and texts of servers as they are repeated in errors.
pub fn addresses(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Endpoint::parse("endpoint", text) {
        Ok(endpoint) => {
            let again = Endpoint::parse("endpoint", endpoint.as_str()).ok();
            let again = again.as_ref().map(Endpoint::as_str);
            assert_eq!(again, Some(endpoint.as_str()), "{text:?}");
            let is_here = endpoint.as_str().starts_with("https://")
                || ["http://localhost", "http://127.", "http://[::1]"]
                    .iter()
                    .any(|here| endpoint.as_str().starts_with(here));
            assert!(is_here, "{text:?} would be sent a token in plain http");
        }
        Err(error) => check_printed_error(&error),
    }
    // A URL is read without the line breaks and tabs in it.
    if !text.replace(['\n', '\r', '\t'], "").contains("hunter2") {
        if let Err(error) = Endpoint::parse("endpoint", &format!("https://me:hunter2@{text}")) {
            assert!(!error.to_string().contains(":hunter2"), "{error}");
        }
        if let Some(proxy) = ProxyAddress::parse(&format!("http://me:hunter2@{text}")) {
            assert!(!format!("{proxy:?}").contains(":hunter2"), "{proxy:?}");
        }
    }
    let _ = Endpoint::metadata(text);
    let words = ForeignText::sentence(text);
    assert!(words.chars().count() <= VALUE_LIMIT + 1, "{words:?}");
    let is_long = |word: &str| word.len() > 64;
    assert!(!words.split(|c: char| !c.is_ascii_alphanumeric()).any(is_long), "{words:?}");
}

/// An error is printed as two lines without terminal control, whatever it quotes.
pub fn check_printed_error(error: &Error) {
    let mut printed = Vec::new();
    Report::of(error).print(ErrorFormat::Text, Colours::NONE, &mut printed);
    let printed = String::from_utf8_lossy(&printed);
    assert!(printed.lines().count() <= 2, "{printed:?}");
    assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
}
