//! `aws`: keys of a role for the AWS CLI and SDKs, which wait for the helper and show its errors to their user.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use yc_id_token::clock::Timestamp;
use yc_id_token_emulator::Route;

use crate::fake_sts::{Answer, FakeSts};
use crate::sandbox::{Outcome, Sandbox, eventually};

const ROLE: &str = "arn:aws:iam::123456789012:role/robot";

fn document(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.ok()).unwrap()
}

/// The number of the fake's keys.
fn key(outcome: Outcome) -> String {
    document(outcome)["AccessKeyId"].as_str().unwrap().to_owned()
}

/// The number of requests to Yandex Cloud and STS.
fn requests(sandbox: &Sandbox, sts: &FakeSts) -> (usize, usize, usize) {
    let (iam, oauth) = sandbox.token_requests();
    (iam, oauth, sts.count())
}

#[test]
fn every_sdk_accepts_the_document() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let before = SystemTime::now();
    let text = sandbox.run(&["aws"]).ok();
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    let document: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let keys: Vec<&str> = document.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "SessionToken", "Version"]
    );
    assert_eq!(document["Version"], 1, "a number");
    assert_eq!(document["AccountId"], "123456789012");
    let expiration = document["Expiration"].as_str().unwrap();
    assert!(expiration.len() == 20 && expiration.ends_with('Z'), "{expiration}");
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let expires_at = Timestamp::parse_rfc3339(expiration).unwrap().unix_seconds();
    let (earliest, latest) = (seconds(before) + 3600, seconds(SystemTime::now()) + 3600);
    assert!(
        (earliest..=latest).contains(&u64::try_from(expires_at).unwrap()),
        "the expiry is printed as it is: {expiration}"
    );
}

#[test]
fn the_request_is_one_unsigned_form_with_all_settings() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sandbox.run(&["aws"]).ok();
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    sandbox.configure(&format!(
        "[profiles.narrow.aws]\nrole_session_name = \"me@here\"\nduration = \"2h\"\npolicy = '{policy}'\npolicy_arn = [\"arn:aws:iam::aws:policy/A\", \"arn:aws:iam::aws:policy/B\"]\n"
    ));
    sandbox.run(&["aws", "--profile=narrow"]).ok();

    let [plain, narrow] = &sts.requests()[..] else { panic!("two requests") };
    assert_eq!(plain.line, "POST / HTTP/1.1", "nothing is in the address");
    assert_eq!(plain.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!plain.headers.contains_key("authorization"));
    let fields = |fields: &BTreeMap<String, String>| -> Vec<(String, String)> {
        let shown = fields.iter().filter(|(name, _)| *name != "WebIdentityToken");
        shown.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let name = format!("yc-id-token-{}", sandbox.account);
    assert_eq!(
        fields(&plain.fields),
        pairs(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("DurationSeconds", "3600"),
            ("RoleArn", ROLE),
            ("RoleSessionName", &name),
            ("Version", "2011-06-15"),
        ])
    );
    assert_eq!(
        fields(&narrow.fields),
        pairs(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("DurationSeconds", "7200"),
            ("Policy", policy),
            ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/A"),
            ("PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/B"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "me@here"),
            ("Version", "2011-06-15"),
        ])
    );
    let claims = crate::sandbox::claims(&plain.fields["WebIdentityToken"]);
    assert_eq!(claims["aud"], "sts.amazonaws.com", "the audience that AWS's guides name");
    assert_eq!(claims["sub"], sandbox.account.as_str());
}

#[test]
fn a_profile_can_serve_aws_beside_a_consumer_with_another_audience() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let audience = |arguments: &[&str]| {
        sandbox.run(&[&["aws", "--force-refresh"], arguments].concat()).ok();
        let token = sts.requests().pop().unwrap().fields["WebIdentityToken"].clone();
        crate::sandbox::claims(&token)["aud"].as_str().unwrap().to_owned()
    };
    sandbox.configure(
        "[profiles.one]\naudience = \"k8s\"\n[profiles.both]\nextends = \"one\"\naws = { audience = \"aws\" }\n",
    );
    assert_eq!(audience(&[]), "sts.amazonaws.com");
    assert_eq!(audience(&["--profile=one"]), "k8s");
    assert_eq!(audience(&["--profile=both"]), "aws");
    assert_eq!(audience(&["--profile=both", "--audience=this"]), "this");
}

#[test]
fn a_cached_credential_is_not_requested_again() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let first = sandbox.run(&["aws"]).ok();
    assert_eq!(requests(&sandbox, &sts), (1, 1, 1), "nothing was cached");
    let connections = (sandbox.cloud.connections(), sts.connections());
    assert_eq!(sandbox.run(&["aws"]).ok(), first);
    assert_eq!(
        (sandbox.cloud.connections(), sts.connections()),
        connections,
        "a hit sends no request"
    );

    sandbox.run(&["aws", "--duration=2h"]).ok();
    assert_eq!(requests(&sandbox, &sts), (1, 1, 2), "the ID token was cached");
    assert_ne!(sandbox.run(&["aws", "--force-refresh"]).ok(), first);
    assert_eq!(requests(&sandbox, &sts), (2, 2, 3));
}

#[test]
fn sts_is_connected_while_the_id_token_is_fetched() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(1));
    let child = sandbox.command(&["aws"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    eventually("STS is connected to", || sts.connections() == 1);
    assert_eq!(sts.count(), 0, "there is no token yet");
    sandbox.outcome(child.unwrap()).ok();
    assert_eq!((sts.connections(), sts.count()), (1, 1), "that connection is the one that is used");
}

#[test]
fn a_hundred_processes_on_an_empty_cache_call_sts_once() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    // All of them start before there is an answer.
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(2));
    let start = || sandbox.command(&["aws"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let children: Vec<_> = (0..100).map(|_| start().unwrap()).collect();
    let mut documents: Vec<String> =
        children.into_iter().map(|child| sandbox.outcome(child).ok()).collect();
    documents.dedup();
    assert_eq!(documents.len(), 1, "everyone has the same keys");
    assert_eq!(requests(&sandbox, &sts), (1, 1, 1));
}

#[test]
fn keys_are_never_returned_for_another_request() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let elsewhere = format!("{}/sts", sts.url());
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    sandbox.cloud.grant_token_creator(&other, &sandbox.account);
    let requests: &[&[&str]] = &[
        &[],
        &["--role-arn=arn:aws:iam::123456789012:role/other"],
        &["--role-session-name=other"],
        &["--duration=2h"],
        &["--policy={}"],
        &["--policy-arn=arn:aws:iam::aws:policy/A"],
        &["--policy-arn=arn:aws:iam::aws:policy/A", "--policy-arn=arn:aws:iam::aws:policy/B"],
        &["--audience=other"],
        &["--service-account", &other],
        &["--sts-endpoint", &elsewhere],
    ];
    let run = |more: &[&str]| key(sandbox.run(&[&["aws"], more].concat()));
    let mut first: Vec<String> = requests.iter().map(|more| run(more)).collect();
    let again: Vec<String> = requests.iter().map(|more| run(more)).collect();
    assert_eq!(first, again);
    first.sort();
    first.dedup();
    assert_eq!(first.len(), requests.len(), "each has its own");
}

#[test]
fn keys_are_returned_until_botocore_would_refresh_them() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (duration, kept, renewed) in [("1h", 44, 46), ("15m", 9, 11)] {
        let mut sandbox = Sandbox::new();
        let sts = FakeSts::start(&mut sandbox);
        sandbox.set("YC_ID_TOKEN_BACKGROUND_REFRESH", "false");
        let run = |count| {
            sandbox.run(&["aws", "--duration", duration]).ok();
            assert_eq!(sts.count(), count, "keys of {duration}");
        };
        run(1);
        sandbox.age("aws-session", minutes(kept));
        run(1);
        sandbox.age("aws-session", minutes(renewed - kept));
        run(2);
    }
}

#[test]
fn cached_keys_survive_an_outage_of_sts() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let first = sandbox.run(&["aws"]).ok();
    sandbox.age("aws-session", Duration::from_secs(50 * 60));
    sts.script([Answer::Refusal(403, "AccessDenied", "no more")]);
    let aged = key(sandbox.run(&["aws"]));
    assert!(first.contains(&aged), "they are good for ten minutes yet");
}

#[test]
fn an_id_token_that_sts_rejects_as_expired_is_replaced_once() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let expired = || Answer::Refusal(400, "ExpiredTokenException", "Token expired");
    sandbox.run(&["token", "--audience=sts.amazonaws.com"]).ok();
    sts.script([expired()]);
    sandbox.run(&["aws"]).ok();
    assert_eq!(requests(&sandbox, &sts), (1, 2, 2));
    let tokens: Vec<String> =
        sts.requests().iter().map(|request| request.fields["WebIdentityToken"].clone()).collect();
    assert_ne!(tokens[0], tokens[1]);

    sts.script([expired(), expired()]);
    let (_, hint) = sandbox.run(&["aws", "--duration=2h"]).fails(5, "E_CONSUMER_AUTH");
    assert!(hint.contains("clock"), "{hint}");
    assert_eq!(requests(&sandbox, &sts), (1, 3, 4), "once, not for ever");

    // A token obtained in the same run is not replaced.
    sts.script([expired()]);
    sandbox.run(&["aws", "--audience=new"]).fails(5, "E_CONSUMER_AUTH");
    assert_eq!(requests(&sandbox, &sts), (1, 4, 5));
}

#[test]
fn each_refusal_names_the_condition_to_check() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let issuer = sandbox.cloud.issuer().to_owned();
    let provider = issuer.split_once("://").unwrap().1;
    let account = &sandbox.account;
    let sub = format!("`{provider}:sub` = `{account}`");
    let aud = format!("`{provider}:aud` = `sts.amazonaws.com`");
    let claims = format!("`iss` = `{issuer}`, `aud` = `sts.amazonaws.com`, `sub` = `{account}`");
    let make = format!(
        "aws iam create-open-id-connect-provider --url {issuer} --client-id-list sts.amazonaws.com"
    );
    let denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let no_provider = "No OpenIDConnect provider found in your account for https://issuer";
    let duration =
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let table: &[(u16, &'static str, &'static str, &str, &[&str])] = &[
        (
            403,
            "AccessDenied",
            denied,
            "E_CONSUMER_DENIED",
            &["trust policy", "--role-name robot", &sub, &aud],
        ),
        (400, "InvalidIdentityToken", no_provider, "E_CONSUMER_AUTH", &[&make]),
        (
            400,
            "InvalidIdentityToken",
            "Incorrect token audience",
            "E_CONSUMER_AUTH",
            &["add `sts.amazonaws.com`", "--audience"],
        ),
        (400, "InvalidIdentityToken", "Token is invalid", "E_CONSUMER_AUTH", &[&claims]),
        (403, "IDPRejectedClaim", "The claim was rejected", "E_CONSUMER_AUTH", &[&claims]),
        (
            400,
            "MalformedPolicyDocument",
            "The policy is not valid",
            "E_CONSUMER_REFUSED",
            &["--policy"],
        ),
        (
            400,
            "PackedPolicyTooLarge",
            "Packed size is 130% of the limit",
            "E_CONSUMER_REFUSED",
            &["2 characters", "1 of `policy_arn`"],
        ),
        (
            403,
            "RegionDisabledException",
            "STS is not activated in this region",
            "E_CONSUMER_REFUSED",
            &["`ap-east-1`", "--region"],
        ),
        (
            400,
            "ValidationError",
            duration,
            "E_CONSUMER_REFUSED",
            &["--duration", "--role-name robot", "--max-session-duration"],
        ),
        (400, "InvalidParameterValue", "Something else", "E_CONSUMER_REFUSED", &[&claims]),
    ];
    for (number, (status, printed, message, code, hints)) in table.iter().enumerate() {
        sts.script([Answer::Refusal(*status, printed, message)]);
        let name = format!("--role-session-name=case-{number}");
        let arguments = [
            "aws",
            &name,
            "--region=ap-east-1",
            "--policy={}",
            "--policy-arn=arn:aws:iam::aws:policy/A",
        ];
        let before = sts.count();
        let (text, hint) = sandbox.run(&arguments).fails(5, code);
        assert_eq!(sts.count(), before + 1, "{printed} is final");
        let reason = format!(
            "cannot get keys of the role `{ROLE}`: {} ({printed}) (request id r-refused)",
            message.trim_end_matches('.')
        );
        assert_eq!(text, reason);
        for part in *hints {
            assert!(hint.contains(part), "{printed}: `{part}` is not in: {hint}");
        }
    }
}

#[test]
fn temporary_errors_are_retried_and_then_reported_as_such() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let key_not_retrieved = "Couldn't retrieve verification key from your identity provider";
    let passing: [(u16, &'static str, &'static str); 5] = [
        (400, "IDPCommunicationError", "An error occurred"),
        (400, "InvalidIdentityToken", key_not_retrieved),
        (400, "Throttling", "Rate exceeded"),
        (500, "InternalFailure", "An internal error"),
        (503, "ServiceUnavailable", "Busy"),
    ];
    for (number, (status, code, message)) in passing.into_iter().enumerate() {
        let name = format!("--role-session-name=case-{number}");
        let before = sts.count();
        sts.script([
            Answer::Refusal(status, code, message),
            Answer::Refusal(status, code, message),
        ]);
        sandbox.run(&["aws", &name]).ok();
        assert_eq!(sts.count(), before + 3, "{code}");

        sts.script((0..3).map(|_| Answer::Refusal(status, code, message)));
        let text = sandbox.run(&["aws", &name, "--duration=2h"]).fails(6, "E_UNAVAILABLE").0;
        assert!(text.contains(message) && text.contains(code), "{text}");
        assert_eq!(sts.count(), before + 6, "{code}: not for ever");
    }
}

#[test]
fn an_answer_that_is_not_stss_is_an_error_without_a_document() {
    let whole =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<AssumeRoleWithWebIdentityResponse>";
    let half = whole(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>",
    );
    let forbidden = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno".to_owned();
    let cases = [
        (whole("<!doctype html><p>Sign in"), 1, "E_FOREIGN_ANSWER", "a web page"),
        (
            whole(r#"{"AssumeRoleWithWebIdentityResponse":{}}"#),
            1,
            "E_FOREIGN_ANSWER",
            "not the protocol's XML",
        ),
        (whole(""), 1, "E_FOREIGN_ANSWER", "an empty body"),
        (half, 1, "E_FOREIGN_ANSWER", "not the protocol's XML"),
        (forbidden, 1, "E_FOREIGN_ANSWER", "answered 403"),
        (cut.to_owned(), 3, "E_NETWORK", "broke off"),
        (String::new(), 3, "E_NETWORK", "broke off"),
    ];
    for (number, (bytes, tries, code, printed)) in cases.into_iter().enumerate() {
        let mut sandbox = Sandbox::new();
        let sts = FakeSts::start(&mut sandbox);
        sts.script((0..tries).map(|_| Answer::Bytes(bytes.clone())));
        let (text, _) = sandbox.run(&["aws"]).fails(6, code);
        assert!(text.contains(printed), "case {number}: {text}");
        assert_eq!(sts.count(), tries, "case {number}");
    }
}

#[test]
fn keys_that_arrive_expired_are_not_returned() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sts.script([Answer::Keys(Duration::ZERO)]);
    let (text, hint) = sandbox.run(&["aws"]).fails(6, "E_FOREIGN_ANSWER");
    assert!(text.contains("has expired at") && hint.contains("clock"), "{text}\n{hint}");
}

#[test]
fn a_refusal_is_requested_once_for_all_retries_of_an_sdk() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sts.script([Answer::Refusal(403, "AccessDenied", "no")]);
    let first = sandbox.run(&["aws"]).fails(5, "E_CONSUMER_DENIED");
    assert_eq!(sandbox.run(&["aws"]).fails(5, "E_CONSUMER_DENIED"), first);
    assert_eq!(sts.count(), 1);
}

#[test]
fn a_wrong_argument_is_reported_before_any_request() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let long = format!("--policy={{\"a\":\"{}\"}}", "x".repeat(2048));
    for (argument, printed) in [
        ("--role-arn=robot", "not the ARN of a role"),
        ("--role-session-name=a b", "not the name of a session"),
        ("--duration=899", "900 to 43200"),
        ("--duration=13h", "900 to 43200"),
        ("--policy=file://policy.json", "the JSON itself"),
        ("--policy=[]", "not a JSON object"),
        (&long, "2056 characters"),
        ("--policy-arn=ReadOnly", "not the ARN of a policy"),
    ] {
        let (text, _) = sandbox.run(&["aws", argument]).fails(2, "E_USAGE");
        assert!(text.contains(printed), "{argument}: {text}");
    }
    sandbox.configure("[profiles.p.aws]\nduration = \"1m\"\n");
    let (text, _) = sandbox.run(&["aws", "--profile=p"]).fails(3, "E_CONFIG");
    assert!(text.contains("config.toml:2: "), "{text}");
    sandbox.set("YC_ID_TOKEN_AWS_DURATION", "1m");
    let (text, _) = sandbox.run(&["aws"]).fails(3, "E_VALUE");
    assert!(text.starts_with("YC_ID_TOKEN_AWS_DURATION: "), "{text}");
    assert_eq!(requests(&sandbox, &sts), (0, 0, 0));
}

#[test]
fn only_aws_requires_a_role() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sandbox.unset("YC_ID_TOKEN_AWS_ROLE_ARN");
    sandbox.run(&["aws"]).ok();
    let fields = &sts.requests()[0].fields;
    assert!(!fields.contains_key("RoleArn") && !fields.contains_key("RoleSessionName"));

    sandbox.unset("YC_ID_TOKEN_AWS_STS_ENDPOINT");
    let (_, hint) = sandbox.run(&["aws"]).fails(3, "E_MISSING");
    assert!(hint.contains("--role-arn"), "{hint}");
    let (text, _) = sandbox.run(&["aws", "--role-arn=arn:aws:iam::role/Short"]).fails(2, "E_USAGE");
    assert!(text.contains("not the ARN of a role"), "{text}");
}
