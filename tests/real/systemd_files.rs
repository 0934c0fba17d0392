//! The files of `integrations/systemd`, checked by systemd's own parser, and their commands and those of the page, run.
//!
//! The tests cannot start a service manager, which needs its own control group. Its steps for these units are few and
//! done here: fill in the instance and the folder, create the folder, run the command.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use yc_id_token_emulator::{Fault, Route};

use super::documents::{Document, filled_in};
use super::project_file;
use crate::sandbox::{Outcome, PROGRAM, Sandbox, claims};

/// Placeholders of the files that a user may replace.
const HELPER: &str = "/usr/local/bin/yc-id-token";
const SERVICE: &str = "yc-id-token@.service";
const TIMER: &str = "yc-id-token@.timer";

fn file(name: &str) -> String {
    project_file(&format!("integrations/systemd/{name}"))
}

/// A unit's setting.
#[track_caller]
fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let set = |line: &'a str| line.strip_prefix(name)?.strip_prefix('=');
    unit.lines().find_map(set).unwrap_or_else(|| panic!("`{name}` is not set in:\n{unit}"))
}

/// A sandbox configured as on the page, with the units in the current folder.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.configure(Document::of("agent").block("toml", "[profiles.vault]"));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.write(SERVICE, &filled_in(&file(SERVICE), HELPER, PROGRAM));
    sandbox.write(TIMER, &file(TIMER));
    let run = sandbox.home().join("run");
    fs::create_dir(&run).unwrap();
    sandbox.set("XDG_RUNTIME_DIR", run);
    // `systemctl` then does only what works without a manager.
    sandbox.set("SYSTEMD_OFFLINE", "1");
    sandbox
}

/// Types one of the page's blocks into a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, block: &str) -> String {
    let outcome = sandbox.shell(&block.replace(HELPER, PROGRAM));
    // `systemctl` reports on standard error what it has done.
    assert!(outcome.status.success(), "{outcome:?}");
    outcome.stdout
}

fn token_file(sandbox: &Sandbox, instance: &str) -> PathBuf {
    let file = sandbox.home().join(format!("run/yc-id-token/{instance}.jwt"));
    sandbox.may_hold_secrets(&file);
    file
}

/// The manager's steps when it starts the service.
fn start(sandbox: &Sandbox, instance: &str) -> Outcome {
    let unit = fs::read_to_string(sandbox.home().join(SERVICE)).unwrap();
    let run = sandbox.home().join("run");
    let folder = run.join(setting(&unit, "RuntimeDirectory"));
    let mode = u32::from_str_radix(setting(&unit, "RuntimeDirectoryMode"), 8).unwrap();
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder).unwrap();
    let line = setting(&unit, "ExecStart");
    let line = line.replace("%t", run.to_str().unwrap()).replace("%i", instance);
    let mut words = line.split(' ');
    let mut command: Command = sandbox.other_command(words.next().unwrap());
    command.args(words).env_remove("PATH");
    sandbox.finish(command)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let sandbox = sandbox();
    let verify = |units: &[&str]| {
        let mut analyze = sandbox.other_command("systemd-analyze");
        analyze.args(["verify", "--user"]).args(units);
        sandbox.finish(analyze)
    };
    assert_eq!(verify(&["./yc-id-token@.service", "./yc-id-token@.timer"]).ok(), "");
    // Checks that it reports mistakes.
    let unit = filled_in(&file(SERVICE), "Restart=on-failure", "Restart=sometimes");
    sandbox.write(SERVICE, &unit);
    assert!(verify(&["./yc-id-token@.service"]).stderr.contains("sometimes"));
}

#[test]
fn the_pages_commands_keep_a_token_in_the_file_that_it_names() {
    let sandbox = sandbox();
    for unit in [SERVICE, TIMER] {
        let text = fs::read_to_string(sandbox.home().join(unit)).unwrap();
        sandbox.write(&format!("integrations/systemd/{unit}"), &text);
    }
    let page = Document::of("agent");
    assert!(type_in(&sandbox, page.block("sh", "--version")).starts_with("yc-id-token "));
    // Nothing can start anything now.
    type_in(
        &sandbox,
        &filled_in(page.block("sh", "enable --now yc-id-token@"), "enable --now", "enable"),
    );
    let units = sandbox.home().join(".config/systemd/user");
    for wanted in [
        "default.target.wants/yc-id-token@vault.service",
        "timers.target.wants/yc-id-token@vault.timer",
    ] {
        let unit = fs::read_to_string(units.join(wanted)).unwrap_or_else(|_| panic!("{wanted}"));
        assert!(unit.contains("[Install]"), "{wanted}");
    }

    let path = token_file(&sandbox, "vault");
    assert_eq!(start(&sandbox, "vault").ok(), "");
    let check = page.block("sh", "test -s").lines().last().unwrap();
    type_in(&sandbox, check);
    let token = fs::read_to_string(&path).unwrap();
    assert_eq!(claims(&token)["aud"], "https://vault.example:8200");
    assert_eq!(token, token.trim(), "no newline");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);

    // Beside the first one, because both use the folder.
    let other = token_file(&sandbox, "aws");
    assert_eq!(start(&sandbox, "aws").ok(), "");
    assert_eq!(claims(&fs::read_to_string(other).unwrap())["aud"], "sts.amazonaws.com");
    assert!(!sandbox.cache_folder().exists(), "the file is all there is");
}

#[test]
fn the_token_in_the_file_is_always_valid_for_half_an_hour() {
    let sandbox = sandbox();
    let path = token_file(&sandbox, "vault");
    let exp = |path: &Path| claims(&fs::read_to_string(path).unwrap())["exp"].as_u64().unwrap();
    for run in 1..=2 {
        start(&sandbox, "vault").ok();
        assert_eq!(sandbox.token_requests(), (run, run), "a new one each time");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let lifetime = exp(&path) - now;
    let timer = file(TIMER);
    let every: u64 = setting(&timer, "OnCalendar").strip_prefix("*:0/").unwrap().parse().unwrap();
    let delay = setting(&timer, "RandomizedDelaySec").strip_suffix("min").unwrap();
    // By default, a timer runs within a minute of its time.
    let longest = 60 * (every + delay.parse::<u64>().unwrap() + 1);
    assert!(lifetime - longest >= 30 * 60, "{lifetime} - {longest}");
    assert_eq!(60 % every, 0, "or the intervals were not even");
}

#[test]
fn the_token_stays_during_an_outage_of_the_cloud() {
    let sandbox = sandbox();
    let path = token_file(&sandbox, "vault");
    start(&sandbox, "vault").ok();
    let token = fs::read_to_string(&path).unwrap();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(503)));
    let (message, _) = start(&sandbox, "vault").fails(6, "E_UNAVAILABLE");
    assert!(message.contains("https://vault.example:8200"), "{message}");
    assert_eq!(fs::read_to_string(&path).unwrap(), token);
    let unit = file(SERVICE);
    let never = setting(&unit, "RestartPreventExitStatus");
    assert!(!never.split(' ').any(|status| status == "6"), "this one is tried again");

    let (message, _) = start(&sandbox, "unknown").fails(3, "E_CONFIG");
    assert!(message.contains("unknown"), "{message}");
    assert!(never.split(' ').any(|status| status == "3"), "that one is not");
}
