//! The configuration of the Vault CLIs.

use super::hcl;

/// A path is found, and is the same when it is written; or there is a fault in one of the lines.
///
/// # Panics
/// If that does not hold.
pub fn vault_hcl(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match hcl::token_helper(text) {
        Ok(Some(helper)) => {
            let again = hcl::token_helper(&hcl::line(&helper));
            assert_eq!(again.ok().flatten().as_ref(), Some(&helper), "{text:?}");
        }
        Ok(None) => {}
        Err(fault) => assert!((1..=text.lines().count() + 1).contains(&fault.line), "{text:?}"),
    }
}
