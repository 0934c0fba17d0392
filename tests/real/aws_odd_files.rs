//! Unusual or invalid AWS configuration files: `setup aws` edits those that botocore can read. Afterwards botocore
//! reads the same values and the new profile.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::peer;
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

/// The values that botocore reads; `None` if it rejects the file.
fn by_botocore(sandbox: &Sandbox, files: &[PathBuf]) -> Vec<Option<Value>> {
    let mut command = sandbox.other_command(peer("aws-venv/bin/python"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/aws-python/profiles.py");
    command.arg(script).args(files);
    let printed = sandbox.finish(command).ok();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why a file that botocore can read is not edited.
const REASONS: &[&str] = &[
    "another section defines the same profile",
    "the line is indented, so it continues the value",
    "cannot be edited without a change of other settings",
    "botocore ignores a header with spaces",
];

/// Runs `setup` for the profile `yandex` on each text, and compares what botocore reads before and after. Returns how
/// each run ended.
fn edited(texts: &[String]) -> Vec<Outcome> {
    let mut sandbox = Sandbox::new();
    let write = |(number, text)| sandbox.write(&format!("odd/{number}"), text);
    let files: Vec<PathBuf> = texts.iter().map(String::as_str).enumerate().map(write).collect();
    let before = by_botocore(&sandbox, &files);
    let arguments = [
        "setup",
        "aws",
        "--role-arn=arn:aws:iam::123456789012:role/robot",
        "--region=eu-central-1",
        "--offline",
        "--apply",
        "--force",
    ];
    let outcomes: Vec<Outcome> = files
        .iter()
        .map(|file| {
            sandbox.set("AWS_CONFIG_FILE", file);
            sandbox.run(&arguments)
        })
        .collect();
    let after = by_botocore(&sandbox, &files);
    for (number, outcome) in outcomes.iter().enumerate() {
        let text = &texts[number];
        let now = fs::read_to_string(&files[number]).unwrap();
        let case = format!("{text:?} became {now:?}: {outcome:?}");
        if !outcome.status.success() {
            assert_eq!(&now, text, "{case}");
            assert!(outcome.stderr.contains("E_CONF"), "{case}");
            let has_reason = REASONS.iter().any(|reason| outcome.stderr.contains(reason));
            assert!(before[number].is_none() || has_reason, "{case}");
            continue;
        }
        let (Some(before), Some(after)) = (&before[number], &after[number]) else {
            panic!("botocore rejects the file: {case}");
        };
        let yandex = &after["profiles"]["yandex"];
        assert_eq!(yandex["region"], "eu-central-1", "{case}");
        let process = format!("{PROGRAM} aws --profile=yandex");
        assert_eq!(yandex["credential_process"], process.as_str(), "{case}");
        let rest = |read: &Value| {
            let mut read = read.clone();
            read["profiles"].as_object_mut().unwrap().remove("yandex");
            read
        };
        assert_eq!(rest(before), rest(after), "{case}");
    }
    outcomes
}

#[test]
fn odd_files_of_aws_stay_readable_with_a_new_profile_in_them() {
    let good = [
        "",
        "[default]\r\nregion = eu\r\n",
        "[profile yandex]\n  region = us\n  output = json\n",
        "[profile yandex]\n\tregion:us\n\tOutput : json\n[profile b]\n\tregion = x\n",
        "  [profile yandex]\n    s3 =\n        max_concurrent_requests = 20\n\n    output = json\n# b\n  [profile b]\n",
        "[profile 'yandex']\nregion = us\n[profile \"b c\"]\nregion = x\n",
        "[profile ya\"nd\"ex]\n; c\n",
        "[profile yandex]\nregion = us\nrole_arn = a\n  b\n# c\n  d\nsource_profile = default\n[sso-session s]\nx = 1\n",
        "[profile yandex]\ncredential_process = /opt/other\n  --more\n\n\n  --still\nregion=eu",
        "[plugins]\ncli_legacy_plugin_path = /p\n[services s]\nsts =\n  endpoint_url = https://s\n[yandex]\nregion = no\n",
        "[DEFAULT]\noutput = json\n[profile yandex]\n[DEFAULT]\nx = 1\n",
        "# only a comment",
        "[ profile b ]\n[profile yandex ]\nregion = us\n",
        "[profile yandex] trailing ] text\nregion = us\n",
        "[profile b]\nkey:with = colon\nurl = https://x:1/?a=b # c\n",
    ];
    let bad = [
        "\u{feff}[default]\n",
        "region = us\n",
        "[profile b]\nregion\n",
        "[profile b]\nregion = a\nRegion = b\n",
        "[profile b]\n[profile b]\n",
        "[profile b]\ns3 =\n  text\n",
        "[profile b]\n= x\n",
        "[profile yandex]\n[profile \"yandex\"]\n",
        "[ profile yandex ]\nregion = us\n",
        "[profile yandex]\nregion = us\n  output = json\n",
        "[profile yandex]\n    [profile b]\n",
        "[DEFAULT]\naws_access_key_id = A\n",
    ];
    let texts: Vec<String> = good.iter().chain(&bad).map(|text| (*text).to_owned()).collect();
    for (number, outcome) in edited(&texts).iter().enumerate() {
        let is_good = number < good.len();
        assert_eq!(outcome.status.success(), is_good, "{:?}: {outcome:?}", texts[number]);
    }
}

#[test]
fn random_files_are_edited_as_botocore_reads_them_or_left() {
    const LINES: &[&str] = &[
        "[profile yandex]",
        "[profile 'yandex' ]",
        "[profile b]",
        "  [profile c]",
        "[default]",
        "[DEFAULT]",
        "[services s]",
        "region = us",
        "  region = us",
        "\tregion : us ",
        "  Output=json",
        "s3 =",
        "  s3 =",
        "    a = b",
        "   text",
        "credential_process = /opt/other",
        "  role_arn : r",
        "",
        "# c",
        "    ; c",
    ];
    // The same numbers in every run (xorshift).
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % limit as u64).unwrap()
    };
    let mut text = || {
        let mut lines = vec![LINES[random(5)]];
        lines.extend((0..random(9)).map(|_| LINES[random(LINES.len())]));
        lines.join("\n") + "\n"
    };
    let texts: Vec<String> = (0..300).map(|_| text()).collect();
    let successes = edited(&texts).iter().filter(|outcome| outcome.status.success()).count();
    assert!((100..300).contains(&successes), "{successes}");
}
