//! `KeePassXC` as the Secret Service, with its defaults: it prompts for each entry and each process.

use std::io::Write as _;
use std::process::Stdio;

use yc_id_token_emulator::KeySize;

use super::Killed;
use super::display::{Display, Person, close, is_shown};
use super::gnome_keyring::{Bus, is_on_bus};
use crate::sandbox::{Outcome, Sandbox, claims, eventually};

/// The title of the prompt for access.
const REQUEST: &str = "Access Request";

/// The title of the prompt for the password of the database.
const UNLOCK: &str = "Unlock Database";

const IMPORT: &[&str] = &["key", "import", "key.json", "--name", "robot", "--delete-file"];

/// A database whose root group is exposed, which otherwise takes a click in its settings.
const DATABASE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<KeePassFile>
  <Meta>
    <DatabaseName>passwords</DatabaseName>
    <CustomData>
      <Item>
        <Key>FDO_SECRETS_EXPOSED_GROUP</Key>
        <Value>{11111111-2222-3333-4444-555555555555}</Value>
      </Item>
    </CustomData>
  </Meta>
  <Root><Group><UUID>ERERESIiMzNERFVVVVVVVQ==</UUID><Name>Root</Name></Group></Root>
</KeePassFile>
"#;

/// Only the service itself is not a default. The other settings prevent windows about updates.
const SETTINGS: &str = "[General]
ConfigVersion=2
UpdateCheckMessageShown=true

[GUI]
CheckForUpdates=false

[FdoSecrets]
Enabled=true
";

struct KeePassXc {
    sandbox: Sandbox,
    _bus: Bus,
    _display: Display,
    program: Killed,
}

impl KeePassXc {
    /// With its database open or locked.
    fn start(is_open: bool) -> Self {
        Self::with_database(DATABASE, is_open)
    }

    fn with_database(database: &str, is_open: bool) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        let bus = Bus::start(&mut sandbox);
        let display = Display::start(&mut sandbox);
        sandbox.write("database.xml", database);
        sandbox.write(".config/keepassxc/keepassxc.ini", SETTINGS);
        let mut import = sandbox.other_command("keepassxc-cli");
        import.args(["import", "--set-password", "database.xml", "database.kdbx"]);
        let import = import.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(b"password\npassword\n").unwrap();
        assert!(import.wait().unwrap().success());

        let mut program = sandbox.other_command("keepassxc");
        // A running instance is announced to the next one there.
        program
            .env("TMPDIR", sandbox.home())
            .args(is_open.then_some("--pw-stdin"))
            .arg("database.kdbx");
        program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = program.spawn().unwrap();
        program.stdin.take().unwrap().write_all(b"password\n").unwrap();
        let program = Killed(program);
        eventually("it is on the bus", || is_on_bus(&sandbox));
        let title = if is_open { "passwords - KeePassXC" } else { "Locked.* - KeePassXC" };
        eventually("its window is shown", || is_shown(&sandbox, title));
        Self { sandbox, _bus: bus, _display: display, program }
    }

    /// A simulated user who presses a key in each prompt.
    fn person(&self, key: &'static [&str]) -> Person {
        Person::who_presses(&self.sandbox, REQUEST, key)
    }

    fn import(&self, timeout: &str) -> Outcome {
        self.sandbox.run(&[IMPORT, &["--timeout", timeout]].concat())
    }

    fn sign(&self) -> Outcome {
        let robot = ["token", "--audience", "a", "--identity", "keyring:robot", "--cache", "none"];
        self.sandbox.run(&robot)
    }

    fn has_key_file(&self) -> bool {
        self.sandbox.home().join("key.json").exists()
    }

    fn listed(&self) -> String {
        self.sandbox.run(&["key", "list", "--format", "json"]).ok()
    }
}

#[test]
fn a_key_in_keepassxc_is_used_once_the_user_allows_it() {
    let keepassxc = KeePassXc::start(true);
    let person = keepassxc.person(&["Return"]);
    let reported = keepassxc.import("60s").ok();
    assert!(reported.contains("`key.json` is deleted") && !keepassxc.has_key_file(), "{reported}");
    let token = keepassxc.sign().ok();
    assert_eq!(claims(token.trim())["sub"], keepassxc.sandbox.account.as_str());
    // Another key of 4096 bits replaces it.
    let (cloud, account) = (&keepassxc.sandbox.cloud, &keepassxc.sandbox.account);
    let large = cloud.add_authorized_key(account, KeySize::Rsa4096);
    keepassxc.sandbox.write_secret("key.json", &large.to_json());
    let reported = keepassxc.import("60s").ok();
    assert!(reported.contains("it replaces the key"), "{reported}");
    keepassxc.sign().ok();
    keepassxc.sandbox.run(&["key", "remove", "robot"]).ok();
    keepassxc.sandbox.run(&["key", "remove", "robot"]).fails(3, "E_CONFIG");
    drop(person);
}

#[test]
fn a_key_file_stays_unless_keepassxc_gives_the_key_to_another_process() {
    let keepassxc = KeePassXc::start(true);
    let (message, hint) = keepassxc.import("4s").fails(3, "E_KEYRING_LOCKED");
    assert!(message.ends_with("prompt was not answered within 4 s"), "{message}");
    assert!(hint.contains("answer the prompt"), "{hint}");
    assert!(keepassxc.has_key_file());
    assert_eq!(keepassxc.listed(), "[]\n");
    // The prompt stays open after the process that caused it.
    close(&keepassxc.sandbox, REQUEST, "Escape");

    let person = keepassxc.person(&["Escape"]);
    let (message, hint) = keepassxc.import("60s").fails(3, "E_KEYRING_LOCKED");
    assert!(message.ends_with("access was declined in the keyring's prompt"), "{message}");
    assert!(hint.contains("allow access"), "{hint}");
    assert!(keepassxc.has_key_file());
    assert_eq!(keepassxc.listed(), "[]\n");
    drop(person);

    let person = keepassxc.person(&["Return"]);
    keepassxc.import("60s").ok();
    assert!(!keepassxc.has_key_file());
    drop(person);
    let person = keepassxc.person(&["Escape"]);
    let (message, _) = keepassxc.sign().fails(3, "E_KEYRING_LOCKED");
    assert!(
        message.starts_with("cannot read the key `robot` from the keyring: access"),
        "{message}"
    );
    drop(person);
}

#[test]
fn a_locked_database_of_keepassxc_can_be_unlocked() {
    let keepassxc = KeePassXc::start(false);
    let (message, _) = keepassxc.import("4s").fails(3, "E_KEYRING_LOCKED");
    assert!(message.ends_with("prompt was not answered within 4 s"), "{message}");
    assert!(keepassxc.has_key_file());
    close(&keepassxc.sandbox, UNLOCK, "Escape");

    let password = &["ctrl+a", "p", "a", "s", "s", "w", "o", "r", "d", "Return"];
    let unlocking = Person::who_presses(&keepassxc.sandbox, UNLOCK, password);
    let allowing = keepassxc.person(&["Return"]);
    keepassxc.import("60s").ok();
    assert!(!keepassxc.has_key_file());
    drop((unlocking, allowing));
}

#[test]
fn a_keepassxc_that_ends_with_its_prompt_open_is_reported_at_once() {
    let KeePassXc { sandbox, _bus, _display, program } = KeePassXc::start(false);
    let mut import = sandbox.command(&[IMPORT, &["--timeout", "60s"]].concat());
    let import = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the prompt is shown", || is_shown(&sandbox, UNLOCK));
    drop(program);
    let (message, _) = sandbox.outcome(import).fails(3, "E_KEYRING");
    assert!(message.ends_with("it ended while its prompt was open"), "{message}");
    assert!(sandbox.home().join("key.json").exists());
}

#[test]
fn a_keepassxc_without_an_exposed_database_gets_a_hint() {
    let exposed = DATABASE.find("<CustomData>").unwrap()..DATABASE.find("</Meta>").unwrap();
    let mut database = DATABASE.to_owned();
    database.replace_range(exposed, "");
    let keepassxc = KeePassXc::with_database(&database, true);
    let (message, hint) = keepassxc.import("10s").fails(3, "E_KEYRING");
    assert!(message.ends_with("no default collection to store anything in"), "{message}");
    assert!(hint.contains("expose a database in KeePassXC's settings"), "{hint}");
    assert!(keepassxc.has_key_file());
}
