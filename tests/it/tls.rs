//! Certificates and answers that kubectl and curl accept are accepted. Unsupported ones are named in plain words.

use std::fs;

use crate::front::Front;
use crate::sandbox::{Outcome, PROGRAM, Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";

/// A run whose IAM endpoint is behind such a server.
fn run(certificate: &str, answer: &str) -> (Outcome, Sandbox) {
    let mut sandbox = Sandbox::new();
    let front = Front::start(&sandbox, certificate, answer);
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", front.url());
    if certificate != "none" {
        sandbox.set("YC_ID_TOKEN_CA_FILE", front.ca_file());
    }
    (sandbox.run(&["token", "--audience", AUDIENCE]), sandbox)
}

/// Checks that an error has no internal terms of a library.
fn is_plain(text: &str) {
    for foreign in ["://docs.rs", "Error(", "Context {", "Other(", "rustls", "webpki"] {
        assert!(!text.contains(foreign), "{text}");
    }
}

#[test]
fn a_servers_own_certificate_is_accepted_as_the_ca_file() {
    for certificate in ["leaf itself", "authority itself"] {
        let (outcome, _sandbox) = run(certificate, "as it is");
        assert_eq!(claims(outcome.ok().trim())["aud"], AUDIENCE, "{certificate}");
    }
}

#[test]
fn a_trusted_certificate_must_be_valid_and_match_the_name() {
    for (certificate, problem, fix) in [
        ("expired leaf itself", "has expired by this machine's clock", "check this machine's date"),
        ("other leaf itself", "is for another name", "subject alternative name"),
    ] {
        let (outcome, _sandbox) = run(certificate, "as it is");
        let (message, hint) = outcome.fails(6, "E_TLS");
        assert!(message.contains(problem), "{certificate}: {message}");
        assert!(hint.contains(fix), "{certificate}: {hint}");
    }
}

#[test]
fn an_unsupported_kind_of_certificate_is_named() {
    for certificate in ["P-521 leaf", "P-521 authority"] {
        let (outcome, _sandbox) = run(certificate, "as it is");
        let (message, hint) = outcome.fails(6, "E_TLS");
        assert!(message.contains("P-521"), "{certificate}: {message}");
        assert!(hint.contains("P-256"), "{certificate}: {hint}");
        is_plain(&format!("{message}{hint}"));
    }
}

#[test]
fn a_ca_file_of_another_authority_gets_another_hint() {
    let (outcome, _sandbox) = run("unknown authority", "as it is");
    let (message, hint) = outcome.fails(6, "E_TLS");
    assert!(message.contains("an authority that is not trusted here"), "{message}");
    assert!(hint.contains("did not sign it: add the one that did"), "{hint}");
    is_plain(&format!("{message}{hint}"));
}

#[test]
fn a_malformed_certificate_in_a_ca_file_does_not_hide_the_others() {
    let mut sandbox = Sandbox::with_tls();
    let malformed = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let good = fs::read_to_string(sandbox.home().join("ca.pem")).unwrap();
    let bundle = sandbox.write("bundle.pem", &format!("{malformed}{good}"));
    for variable in ["YC_ID_TOKEN_CA_FILE", "SSL_CERT_FILE"] {
        sandbox.set(variable, &bundle);
        sandbox.run(&["token", "--audience", AUDIENCE, "--force-refresh"]).ok();
        sandbox.unset(variable);
    }
    sandbox.set("YC_ID_TOKEN_CA_FILE", &bundle);
    let report = sandbox.run(&["doctor", "--audience", AUDIENCE]).stdout;
    assert!(report.contains("certificate 1 of"), "{report}");
    sandbox.write("bundle.pem", malformed);
    let (message, _) =
        sandbox.run(&["token", "--audience", AUDIENCE, "--force-refresh"]).fails(3, "E_IDENTITY");
    assert!(
        message.contains("bundle.pem` holds one PEM certificate, which is malformed"),
        "{message}"
    );
}

#[test]
fn a_variable_without_certificates_is_the_reported_cause() {
    let mut sandbox = Sandbox::with_tls();
    sandbox.set("SSL_CERT_FILE", "/nonexistent/bundle.pem");
    let (message, hint) = sandbox.run(&["token", "--audience", AUDIENCE]).fails(6, "E_TLS");
    assert!(
        message.contains(
            "SSL_CERT_FILE names /nonexistent/bundle.pem, which cannot be read: no such file"
        ),
        "{message}"
    );
    assert!(hint.contains("correct the variable"), "{hint}");
    // Another file of authorities is enough.
    let ca_file = sandbox.home().join("ca.pem");
    sandbox.set("YC_ID_TOKEN_CA_FILE", ca_file);
    sandbox.run(&["token", "--audience", AUDIENCE]).ok();
}

#[test]
fn the_systems_folder_is_read_only_if_its_bundle_is_not_enough() {
    const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
    const IN_FOLDER: &str = "/etc/ssl/certs/0123abcd.0";
    let sandbox = Sandbox::with_tls();
    let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    sandbox.write("other.pem", &other.cert.pem());
    let run = |bundle: &str, in_folder: &str| {
        let copy = |from: &str, to: &str| match from {
            "" => String::new(),
            from => format!("cp {from} {to};"),
        };
        let script = format!(
            "set -e; mount -t tmpfs none /etc/ssl; mkdir /etc/ssl/certs; {} {}
             exec strace -f -e trace=open,openat -o trace {PROGRAM} token --audience {AUDIENCE} --force-refresh",
            copy(bundle, BUNDLE),
            copy(in_folder, IN_FOLDER),
        );
        let outcome = sandbox.finish(sandbox.in_own_namespaces(&["--mount"], &script));
        (outcome, fs::read_to_string(sandbox.home().join("trace")).unwrap().contains(IN_FOLDER))
    };
    for (bundle, in_folder, is_read) in [
        ("ca.pem", "other.pem", false),
        ("ca.pem", "", false),
        ("", "ca.pem", true),
        ("other.pem", "ca.pem", true),
        ("/dev/null", "ca.pem", true),
    ] {
        let (outcome, was_read) = run(bundle, in_folder);
        assert_eq!(claims(outcome.ok().trim())["aud"], AUDIENCE, "{bundle}, {in_folder}");
        assert_eq!(was_read, is_read, "{bundle}, {in_folder}");
    }
    let (message, _) = run("other.pem", "other.pem").0.fails(6, "E_TLS");
    assert!(message.contains("an authority that is not trusted here"), "{message}");
    let (message, hint) = run("", "").0.fails(6, "E_TLS");
    assert!(message.contains("no certificate authorities to trust"), "{message}");
    assert!(hint.contains("ca-certificates"), "{hint}");
}

#[test]
fn endless_authorities_end_at_the_time_limit() {
    let mut sandbox = Sandbox::with_tls();
    let pipe = sandbox.home().join("pipe");
    assert!(
        sandbox
            .finish({
                let mut command = sandbox.other_command("mkfifo");
                command.arg(&pipe);
                command
            })
            .status
            .success()
    );
    let token = ["token", "--audience", AUDIENCE, "--timeout=1s"];
    for (path, cause) in [
        (pipe.to_str().unwrap(), "no program has written within 1.0 s"),
        ("/dev/zero", "it is too large"),
        ("/dev/full", "it is too large"),
    ] {
        sandbox.set("SSL_CERT_FILE", path);
        let (message, hint) = sandbox.run(&token).fails(6, "E_TLS");
        assert!(message.contains(cause), "{path}: {message}");
        assert!(hint.contains("correct the variable"), "{path}: {hint}");
    }
    sandbox.unset("SSL_CERT_FILE");
    // In a folder, a pipe is skipped.
    sandbox.set("SSL_CERT_DIR", sandbox.home().to_path_buf());
    sandbox.run(&token).ok();
}

#[test]
fn a_complete_answer_without_close_notify_is_accepted() {
    for (certificate, answer) in
        [("leaf itself", "no goodbye"), ("none", "no goodbye"), ("none", "byte order mark")]
    {
        let (outcome, _sandbox) = run(certificate, answer);
        assert_eq!(claims(outcome.ok().trim())["aud"], AUDIENCE, "{certificate}, {answer}");
    }
}

#[test]
fn a_truncated_answer_is_reported_as_a_failed_connection() {
    let (outcome, _sandbox) = run("leaf itself", "cut short");
    let (message, hint) = outcome.fails(6, "E_NETWORK");
    assert!(message.contains("broke off: it was closed in the middle"), "{message}");
    is_plain(&format!("{message}{hint}"));
}

#[test]
fn an_unrequested_content_coding_is_named() {
    let (outcome, _sandbox) = run("none", "gzip");
    let (message, hint) = outcome.fails(6, "E_FOREIGN_ANSWER");
    assert!(message.contains("in the coding `gzip`"), "{message}");
    assert!(hint.contains("compresses"), "{hint}");
}
