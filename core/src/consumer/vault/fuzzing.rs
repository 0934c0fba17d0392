//! Fuzzes the configuration of the Vault CLIs.

use super::hcl;

/// A path is found, and is the same after it is written; or one of the lines has a fault.
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
