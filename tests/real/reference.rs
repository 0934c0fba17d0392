//! The reference pages of `docs` as a user follows them: their commands are run, and their configurations are valid.
//! `docs` compares their generated parts with the program.

use std::path::Path;

use super::documents::{Document, filled_in};
use super::kubeconfig::put_on_path;
use crate::fake_secret_service::FakeSecretService;
use crate::sandbox::{PROGRAM, Sandbox};

/// A sandbox with the program on the `PATH`, and the key where the pages have it.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
    sandbox.write_secret("keys/robot.json", &sandbox.key.to_json());
    sandbox
}

/// Types a block into a shell, and returns what that prints.
#[track_caller]
fn type_in(sandbox: &Sandbox, block: &str) -> String {
    sandbox.shell(block).ok()
}

#[test]
fn the_configurations_of_the_reference_are_valid() {
    let sandbox = sandbox();
    for page in ["configuration", "authentication"] {
        for block in Document::of(page).blocks("toml") {
            sandbox.configure(block);
            sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
            sandbox.run(&["config", "validate"]).ok();
        }
    }
}

#[test]
fn the_commands_for_the_configuration_work_as_on_their_page() {
    let mut sandbox = sandbox();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let page = Document::of("configuration");
    sandbox.configure(page.block("toml", "default_profile"));
    let printed = type_in(&sandbox, page.block("sh", "config set"));
    let identity = "authorized-key:";
    for part in ["prod", "config.toml", "https://k8s.example", identity] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let token = sandbox.run(&["token", "--decode"]).ok();
    assert!(token.contains("https://k8s.example"), "{token}");
}

#[test]
fn help_and_version_are_printed_as_on_the_page_of_the_command_line() {
    let sandbox = sandbox();
    let printed = type_in(&sandbox, Document::of("cli").block("sh", "--help"));
    for part in [
        "Commands:",
        "Usage: yc-id-token kubectl",
        concat!("yc-id-token ", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn an_error_code_is_explained_as_on_its_page() {
    let sandbox = sandbox();
    let page = Document::of("errors");
    let session = page.block("console", "explain E_SOURCE_DENIED");
    let (_, shown) = session.split_once("$ yc-id-token explain E_SOURCE_DENIED\n").unwrap();
    for code in ["E_SOURCE_DENIED", "source_denied"] {
        assert_eq!(sandbox.run(&["explain", code]).ok(), shown);
    }
    let (_, hint) = sandbox.run(&["explain", "E_SOURCE_DENID"]).fails(2, "E_USAGE");
    assert_eq!(hint, "did you mean `E_SOURCE_DENIED`?");
    let listed = sandbox.run(&["explain"]).ok();
    assert_eq!(listed.lines().count(), 1 + yc_id_token::error::Code::ALL.len(), "{listed}");
}

#[test]
fn service_accounts_are_listed_and_chosen_as_on_their_page() {
    let sandbox = sandbox();
    let page = Document::of("authentication");
    let block = page.block("sh", "service-accounts");
    let block = filled_in(block, "b1gexamplefolder0000", "b1gfolder");
    let block = filled_in(&block, "ajeexampleaccount000", &sandbox.account);
    let printed = type_in(&sandbox, &block);
    assert!(printed.contains("robot") && printed.contains("eyJ"), "{printed}");
}

#[test]
fn a_key_is_imported_and_used_as_on_the_page_of_authentication() {
    let mut sandbox = sandbox();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let _service = FakeSecretService::start(&mut sandbox);
    let printed = type_in(&sandbox, Document::of("authentication").block("sh", "key import"));
    assert!(printed.contains("keyring:robot") && printed.contains("eyJ"), "{printed}");
}
