//! `KWallet` as the Secret Service: one password opens the wallet for every program, and it stores only text.

use std::fs;
use std::num::NonZeroU32;
use std::process::Stdio;

use ring::pbkdf2::{self, PBKDF2_HMAC_SHA512};
use yc_id_token_emulator::KeySize;

use super::Killed;
use super::display::{Display, Person, close};
use super::gnome_keyring::{Bus, is_on_bus};
use crate::sandbox::{Outcome, Sandbox, eventually};

/// The title of the prompt for the password.
const WINDOW: &str = "KDE Wallet Service";

const PASSWORD: &[&str] = &["ctrl+a", "p", "a", "s", "s", "w", "o", "r", "d", "Return"];

const SALT: [u8; 56] = [7; 56];

const IMPORT: &[&str] = &["key", "import", "key.json", "--name", "robot", "--delete-file"];

struct KWallet {
    program: Option<Killed>,
    _bus: Bus,
    _display: Display,
    sandbox: Sandbox,
}

impl KWallet {
    /// The daemon without a wallet.
    fn without_wallet() -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        let bus = Bus::start(&mut sandbox);
        let display = Display::start(&mut sandbox);
        let program = Some(start(&sandbox));
        Self { program, _bus: bus, _display: display, sandbox }
    }

    /// With an open wallet, as after a login.
    fn open() -> Self {
        let mut kwallet = Self::without_wallet();
        let folder = kwallet.sandbox.home().join(".local/share/kwalletd");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("kdewallet.salt"), SALT).unwrap();
        kwallet.log_in();
        // The daemon offers the wallets that exist when it starts.
        kwallet.restart();
        kwallet.log_in();
        kwallet
    }

    /// Passes the hash of the password, as a login does. The wallet is created if it is missing.
    fn log_in(&self) {
        let mut hash = [0; 56];
        let rounds = NonZeroU32::new(50_000).unwrap();
        pbkdf2::derive(PBKDF2_HMAC_SHA512, rounds, &SALT, b"password", &mut hash);
        let hash: Vec<String> = hash.iter().map(u8::to_string).collect();
        let mut call = self.sandbox.other_command("dbus-send");
        call.args(["--session", "--print-reply", "--dest=org.kde.kwalletd5"]);
        call.args(["/modules/kwalletd5", "org.kde.KWallet.pamOpen", "string:kdewallet"]);
        call.arg(format!("array:byte:{}", hash.join(","))).arg("int32:0").stdout(Stdio::null());
        assert!(call.status().unwrap().success());
    }

    /// Ends the daemon, and starts it with its wallet closed.
    fn restart(&mut self) {
        self.program = None;
        eventually("it has left the bus", || !is_on_bus(&self.sandbox));
        self.program = Some(start(&self.sandbox));
    }

    fn wallet_size(&self) -> u64 {
        let file = self.sandbox.home().join(".local/share/kwalletd/kdewallet.kwl");
        fs::metadata(file).unwrap().len()
    }

    fn import(&self) -> Outcome {
        self.sandbox.run(IMPORT)
    }

    fn sign(&self, timeout: &str) -> Outcome {
        let robot = ["token", "--audience", "a", "--identity", "keyring:robot", "--cache", "none"];
        self.sandbox.run(&[&robot[..], &["--timeout", timeout]].concat())
    }
}

fn start(sandbox: &Sandbox) -> Killed {
    let mut daemon = sandbox.other_command("kwalletd5");
    let daemon = Killed(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually("it is on the bus", || is_on_bus(sandbox));
    daemon
}

#[test]
fn a_key_in_kwallet_is_used_and_is_there_after_a_restart() {
    let mut kwallet = KWallet::open();
    let empty = kwallet.wallet_size();
    let reported = kwallet.import().ok();
    assert!(reported.contains("`key.json` is deleted"), "{reported}");
    kwallet.sign("60s").ok();
    // Another key of 4096 bits replaces it.
    let (cloud, account) = (&kwallet.sandbox.cloud, &kwallet.sandbox.account);
    let large = cloud.add_authorized_key(account, KeySize::Rsa4096).to_json();
    kwallet.sandbox.write_secret("key.json", &large);
    assert!(kwallet.import().ok().contains("it replaces the key"));

    // In UTF-16, the first key alone is larger than the second in UTF-8.
    let written = empty + 2 * u64::try_from(large.len()).unwrap();
    eventually("the wallet is written", || kwallet.wallet_size() > written);
    kwallet.restart();
    let (message, hint) = kwallet.sign("4s").fails(3, "E_KEYRING_LOCKED");
    assert!(message.ends_with("prompt was not answered within 4 s"), "{message}");
    assert!(hint.contains("answer the prompt"), "{hint}");
    close(&kwallet.sandbox, WINDOW, "Escape");

    let declining = Person::who_presses(&kwallet.sandbox, WINDOW, &["Escape"]);
    let (message, hint) = kwallet.sign("60s").fails(3, "E_KEYRING_LOCKED");
    assert!(message.ends_with("the keyring is locked"), "{message}");
    assert!(hint.contains("unlock the keyring"), "{hint}");
    drop(declining);

    let unlocking = Person::who_presses(&kwallet.sandbox, WINDOW, PASSWORD);
    kwallet.sign("60s").ok();
    drop(unlocking);
    kwallet.sandbox.run(&["key", "remove", "robot"]).ok();
    kwallet.sandbox.run(&["key", "remove", "robot"]).fails(3, "E_CONFIG");
}

#[test]
fn credentials_in_kwallet_are_used_and_cleared() {
    let kwallet = KWallet::open();
    let token = ["token", "--audience", "a", "--key-file", "key.json", "--cache", "keyring"];
    let first = kwallet.sandbox.run(&token).ok();
    assert_eq!(kwallet.sandbox.run(&token).ok(), first);
    assert_eq!(kwallet.sandbox.token_requests(), (1, 1));
    let reported = kwallet.sandbox.run(&["cache", "clear"]).ok();
    assert!(reported.starts_with("removed 2 credentials"), "{reported}");
}

#[test]
fn a_kwallet_without_a_wallet_is_reported() {
    let kwallet = KWallet::without_wallet();
    let (message, hint) = kwallet.import().fails(3, "E_KEYRING");
    assert!(
        message.ends_with("the keyring has no default collection to store anything in"),
        "{message}"
    );
    assert!(hint.contains("KWalletManager"), "{hint}");
    assert!(kwallet.sandbox.home().join("key.json").exists());
}
