//! `yc-id-token aws` as the `credential_process` of real clients, each of which has its own parser for the output.

use std::fs;
use std::path::Path;
use std::time::Duration;

use yc_id_token_emulator::IdTokenVariant;

use super::aws::{Client, access_keys_of_fifty_requests, cli, put_get, set_up};
use super::moto::Moto;
use super::peer;
use super::seaweedfs::{BUCKET, SeaweedFs};
use crate::aws_endpoint::Proxy;
use crate::fake_sts::{Answer, FakeSts};
use crate::sandbox::{PROGRAM, Sandbox};

const CLIENTS: [Client; 4] = [Client::Cli, Client::Boto3, Client::JavaScript, Client::Rust];

/// Makes this program the `credential_process` of the clients' profile, and counts its runs.
fn sign_in(sandbox: &mut Sandbox, endpoint: &str, audience: &str, role: &str) {
    set_up(sandbox, endpoint);
    let process = format!(
        r#"/bin/sh -c 'echo >> "$HOME/runs"; exec {PROGRAM} aws --audience={audience} --role-arn={}'"#,
        SeaweedFs::role_arn(role)
    );
    sandbox.write(".aws/config", &format!("[profile robot]\ncredential_process = {process}\n"));
    sandbox.set("AWS_PROFILE", "robot");
}

/// The number of runs of this program.
fn runs(sandbox: &Sandbox) -> usize {
    fs::read(sandbox.home().join("runs")).map_or(0, |runs| runs.len())
}

#[test]
fn every_client_stores_an_object_and_reads_it_back() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    sign_in(&mut sandbox, &store.url(), "s3", "writer");
    for client in CLIENTS {
        let text = format!("by {client:?}");
        assert_eq!(
            put_get(&sandbox, client, BUCKET, "object", &text).ok(),
            format!("{text}\n"),
            "{client:?}"
        );
    }
    assert_eq!(sandbox.token_requests(), (1, 1), "they share what is cached");
    assert_eq!(sandbox.entries("aws-session").len(), 1);
}

#[test]
fn fifty_requests_of_one_program_run_the_helper_once() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    sign_in(&mut sandbox, &moto.url(), "s3", "writer");
    assert_eq!(access_keys_of_fifty_requests(&sandbox).len(), 1);
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn keys_capped_by_a_cached_token_come_from_a_new_one() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::that_caps_sessions(&sandbox);
    sign_in(&mut sandbox, &store.url(), "s3", "writer");
    // A session ends with the token, which is valid for another minute and a half.
    let life = Some(Duration::from_secs(95));
    sandbox.cloud.set_id_token_variant(IdTokenVariant { life, ..IdTokenVariant::default() });
    sandbox.run(&["token", "--audience=s3"]).ok();
    sandbox.obtain_earlier("id-token", Duration::from_secs(3505));
    sandbox.cloud.set_id_token_variant(IdTokenVariant::default());
    assert_eq!(access_keys_of_fifty_requests(&sandbox).len(), 1);
    assert_eq!(runs(&sandbox), 1, "boto3 is content with the first keys");
    assert_eq!(sandbox.token_requests().1, 2, "one token was too short, and one was not");
}

#[test]
fn a_refusal_reaches_the_user_of_every_client() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    sign_in(&mut sandbox, &store.url(), "s3", "other");
    for client in CLIENTS {
        let outcome = put_get(&sandbox, client, BUCKET, "object", "text");
        assert!(!outcome.status.success(), "{client:?}: {outcome:?}");
        for part in [
            "cannot get keys of the role `arn:aws:iam::123456789012:role/other`",
            "[E_CONSUMER_DENIED]",
            &format!(":sub` = `{}`", sandbox.account),
        ] {
            assert!(outcome.stderr.contains(part), "{client:?}: {part}: {outcome:?}");
        }
    }
    assert_eq!(sandbox.entries("aws-session").len(), 0);
}

#[test]
fn a_role_can_be_assumed_from_this_role() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    sign_in(&mut sandbox, &moto.url(), "s3", "writer");
    let config = fs::read_to_string(sandbox.home().join(".aws/config")).unwrap();
    let chained = "[profile chained]\nrole_arn = arn:aws:iam::222222222222:role/other\nrole_session_name = chained\nsource_profile = robot\n";
    sandbox.write(".aws/config", &format!("{config}{chained}"));
    sandbox.set("AWS_PROFILE", "chained");
    let identity = ["sts", "get-caller-identity", "--query=Arn", "--output=text"];
    assert_eq!(
        sandbox.finish(cli(&sandbox, &identity)).ok(),
        "arn:aws:sts::222222222222:assumed-role/other/chained\n"
    );
}

#[test]
fn a_truncated_answer_of_sts_leaks_no_secret_to_the_client() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sign_in(&mut sandbox, &sts.url(), "s3", "writer");
    let half = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>wJalrXUtnFEMI/K7MDENG+1</SecretAccessKey>";
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}", half.len());
    sts.script([Answer::Bytes(answer)]);
    let identity = ["sts", "get-caller-identity"];
    let outcome = sandbox.finish(cli(&sandbox, &identity));
    assert!(!outcome.status.success() && outcome.stdout.is_empty(), "{outcome:?}");
    assert!(outcome.stderr.contains("[E_FOREIGN_ANSWER]"), "{outcome:?}");
}

#[test]
fn exec_overrides_a_conflicting_profile_for_every_client() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    set_up(&mut sandbox, &store.url());
    // None of them may be misled here.
    sandbox.write(".aws/config", "[profile broken]\ncredential_process = /bin/false\n");
    sandbox.set("AWS_PROFILE", "broken");
    let role = format!("--role-arn={}", SeaweedFs::role_arn("writer"));
    let list = format!("s3://{BUCKET}/");
    for command in [
        vec![peer("aws-venv/bin/aws").display().to_string(), "s3".into(), "ls".into(), list],
        vec![
            peer("aws-venv/bin/python").display().to_string(),
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/peers/aws-python/put_get.py")
                .display()
                .to_string(),
            BUCKET.into(),
            "object".into(),
            "text".into(),
        ],
        vec![
            peer("aws-rust/debug/aws-rust").display().to_string(),
            BUCKET.into(),
            "object".into(),
            "text".into(),
        ],
    ] {
        let mut arguments = vec![
            "exec".to_owned(),
            "--aws".into(),
            "--audience=s3".into(),
            role.clone(),
            "--".into(),
        ];
        arguments.extend(command);
        let printed = sandbox.run(&arguments).ok();
        assert!(printed.contains("first") || printed == "text\n", "{arguments:?}: {printed}");
    }
}

/// Every region of botocore, by the rule set that AWS publishes for its SDKs.
#[test]
fn the_table_of_endpoints_is_that_of_aws() {
    const PROGRAM: &str = r#"
import botocore.endpoint_provider, botocore.loaders
loader = botocore.loaders.Loader()
partitions = loader.load_data("partitions")
rules = loader.load_service_model("sts", "endpoint-rule-set-1")
provider = botocore.endpoint_provider.EndpointProvider(rules, partitions)
for partition in partitions["partitions"]:
    for region in partition["regions"]:
        if region.endswith("-global"):
            continue
        for fips in (False, True):
            for dual_stack in (False, True):
                url = provider.resolve_endpoint(
                    Region=region, UseFIPS=fips, UseDualStack=dual_stack, UseGlobalEndpoint=False).url
                print(partition["id"], region, int(fips), int(dual_stack), url)
"#;
    let mut sandbox = Sandbox::new();
    let proxy = Proxy::start(&mut sandbox);
    let mut python = sandbox.other_command(peer("aws-venv/bin/python"));
    python.args(["-c", PROGRAM]);
    let table = sandbox.finish(python).ok();
    assert!(table.lines().count() > 100, "{table}");
    for (number, line) in table.lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let [partition, region, fips, dual_stack, url] = words[..] else { panic!("{line}") };
        let mut arguments = vec![
            // Each has its own role, because failures are remembered and GovCloud has two names for one host.
            format!("--role-arn=arn:{partition}:iam::123456789012:role/robot-{number}"),
            format!("--region={region}"),
        ];
        arguments.extend((fips == "1").then(|| "--sts-fips".to_owned()));
        arguments.extend((dual_stack == "1").then(|| "--sts-dual-stack".to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let host = url.strip_prefix("https://").unwrap();
        assert_eq!(proxy.host(&sandbox, &arguments), format!("{host}:443"), "{line}");
    }
}
