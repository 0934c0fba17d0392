//! The keyring where there is none, and what is refused before it would be asked. With a real one: `real::keyring`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::Sandbox;

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    // Whatever session the tests run in.
    sandbox.set("XDG_RUNTIME_DIR", sandbox.home().to_owned());
    sandbox
}

#[test]
fn without_a_session_bus_there_is_no_keyring() {
    let mut sandbox = sandbox();
    let (message, hint) = sandbox.run(&["key", "import", "key.json"]).fails(3, "E_KEYRING");
    let absent = "there is no keyring here: there is no D-Bus session bus";
    assert_eq!(
        message,
        format!("cannot put the key `{}` into the keyring: {absent}", sandbox.account)
    );
    assert_eq!(hint, "run it in the session of a desktop; or keep the key in its file");
    assert_eq!(sandbox.run(&["key", "list", "--format", "json"]).ok(), "[]\n", "nothing is listed");
    assert!(sandbox.home().join("key.json").exists());
    let cached = &["token", "--audience", "k8s", "--key-file", "key.json"];
    for how in ["flag", "variable", "profile"] {
        let mut command = sandbox.command(cached);
        match how {
            "flag" => command.args(["--cache", "keyring"]),
            "variable" => command.env("YC_ID_TOKEN_CACHE", "keyring"),
            _ => {
                sandbox.configure("[profiles.prod]\ncache = \"keyring\"\n");
                command.args(["--profile", "prod"])
            }
        };
        let (message, hint) = sandbox.finish(command).fails(7, "E_CACHE");
        assert_eq!(message, format!("cannot keep credentials in the keyring: {absent}"));
        assert!(hint.ends_with("or give `--cache file`, or `--cache none`"), "{hint}");
    }
    assert_eq!(sandbox.token_requests(), (0, 0), "nobody was asked for what could not be kept");
    assert_eq!(sandbox.run(&["cache", "clear"]).ok().split(' ').nth(1), Some("0"));
    sandbox.set("DBUS_SESSION_BUS_ADDRESS", "nonsense");
    sandbox.run(&["key", "import", "key.json"]).fails(3, "E_KEYRING");
}

#[test]
fn a_key_that_cannot_sign_or_be_named_never_gets_to_the_keyring() {
    let sandbox = sandbox();
    let damaged = r#"{"id":"ajek","service_account_id":"ajes","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}"#;
    let file = sandbox.write_secret("damaged.json", damaged);
    let import = |arguments: &[&str]| sandbox.run(&[&["key", "import"], arguments].concat());
    import(&["damaged.json"]).fails(3, "E_IDENTITY");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, hint) = import(&["damaged.json"]).fails(3, "E_IDENTITY");
    assert!(hint.contains("chmod 600"), "{hint}");
    import(&["nothing.json"]).fails(3, "E_UNREADABLE");
    import(&["-"]).fails(3, "E_IDENTITY");
    import(&["-", "--delete-file"]).fails(2, "E_USAGE");
    import(&["key.json", "--delete-file", "--keep-file"]).fails(2, "E_USAGE");
    std::os::unix::fs::symlink("key.json", sandbox.home().join("link.json")).unwrap();
    import(&["link.json", "--delete-file"]).fails(2, "E_USAGE");
    for name in ["../robot", ".robot", "a b", ""] {
        let (_, hint) = import(&["key.json", "--name", name]).fails(2, "E_USAGE");
        assert!(name.is_empty() || hint.contains("letters, digits"), "{hint}");
        sandbox.run(&["key", "remove", "--", name]).fails(2, "E_USAGE");
        let identity = format!("keyring:{name}");
        let (exit, code) = if name.is_empty() { (3, "E_MISSING") } else { (2, "E_USAGE") };
        sandbox.run(&["token", "--audience", "a", "--identity", &identity]).fails(exit, code);
    }
}

#[test]
fn a_list_of_keys_that_others_could_have_written_is_not_used() {
    let sandbox = sandbox();
    let entry = sandbox.write(
        ".local/share/yc-id-token/keys/robot.json",
        r#"{"name":"robot","key_id":"ajek","service_account_id":"ajes\u001b[2J","created_at":null,"imported_at":"now"}"#,
    );
    let token = ["token", "--audience", "a", "--identity", "keyring:robot"];
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    let (message, hint) = sandbox.run(&token).fails(3, "E_IDENTITY");
    assert!(message.ends_with("is open to others"), "{message}");
    assert!(hint.contains("key import FILE --name robot"), "{hint}");
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o600)).unwrap();
    let (message, _) = sandbox.run(&token).fails(3, "E_KEYRING");
    assert!(message.starts_with("cannot read the key `robot` from the keyring"), "{message}");
    let list = sandbox.run(&["key", "list"]).ok();
    assert!(list.contains("ajes\u{fffd}[2J"), "and cannot rewrite a terminal: {list:?}");
}

#[test]
fn without_a_home_there_are_no_keys_in_the_keyring() {
    let mut sandbox = sandbox();
    sandbox.set("HOME", "/dev/null");
    sandbox.set("XDG_DATA_HOME", "");
    let (_, hint) = sandbox.run(&["token", "--identity", "keyring:robot"]).fails(3, "E_UNREADABLE");
    assert!(!hint.is_empty());
}
