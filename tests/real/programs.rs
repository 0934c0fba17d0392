//! The page about programs that have no page of their own, as a user follows it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::documents::Document;
use super::kubeconfig::put_on_path;
use crate::sandbox::{PROGRAM, Sandbox, claims};

#[test]
fn the_pages_commands_work() {
    let page = Document::of("programs");
    let mut sandbox = Sandbox::new();
    sandbox.configure(page.block("toml", "[profiles.service]"));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
    let file = sandbox.home().join("token.jwt");
    sandbox.may_hold_secrets(&file);
    let typed = |saying: &str| sandbox.shell(page.block("sh", saying)).ok();

    let shown = typed("doctor service");
    assert!(shown.contains("\"aud\": \"https://service.example\""), "{shown}");
    typed("--output=token.jwt");
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(token, token.trim_end(), "no newline");
    assert_eq!(claims(&token)["aud"], "https://service.example");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(typed("yc-id-token exec"), "");
}
