//! The trusted server certificates, and client certificates.

use serde_json::json;
use yc_id_token_emulator::Options;

use super::openbao::{ANSWER, OTHER_NAME, OpenBao, read_secret, sign_in, token};
use crate::sandbox::Sandbox;

const TOKEN: &[&str] = &["vault", "token"];

#[test]
fn only_the_configured_authority_is_trusted() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    let file = sandbox.home().join("vault-ca.pem").display().to_string();
    let expected = token(&sandbox, &[]);
    // The certificate of another cloud is valid, but not the server's.
    let other = Sandbox::with_tls();
    let wrong = sandbox.write("wrong.pem", other.cloud.ca_pem().unwrap());
    let refused = |sandbox: &Sandbox, more: &[&str]| {
        let (text, hint) =
            sandbox.run(&[TOKEN, &["--force-refresh"], more].concat()).fails(6, "E_TLS");
        assert!(text.contains("authority that is not trusted here"), "{text}");
        assert!(hint.contains("--ca-cert") && hint.contains("VAULT_CACERT"), "{hint}");
    };
    let accepted = |sandbox: &Sandbox, more: &[&str]| {
        token(sandbox, &[&["--force-refresh"], more].concat());
    };
    refused(&sandbox, &["--ca-cert", wrong.to_str().unwrap()]);
    assert_eq!(token(&sandbox, &[]), expected, "what is cached outlives that");
    sandbox.unset("VAULT_CACERT");
    refused(&sandbox, &[]);
    accepted(&sandbox, &["--ca-cert", &file]);
    accepted(&sandbox, &["--ca-file", &file]);
    accepted(&sandbox, &["--tls-skip-verify"]);
    sandbox.set("VAULT_CACERT_BYTES", &server.ca_pem);
    accepted(&sandbox, &[]);
    sandbox.set("BAO_CACERT_BYTES", "no certificate");
    let (text, _) = sandbox.run(&[TOKEN, &["--force-refresh"]].concat()).fails(3, "E_VALUE");
    assert!(text.starts_with("BAO_CACERT_BYTES: "), "{text}");
    for name in ["VAULT_CACERT_BYTES", "BAO_CACERT_BYTES"] {
        sandbox.unset(name);
    }

    let folder = sandbox.home().join("authorities");
    sandbox.write("authorities/note", "no certificate");
    sandbox.set("VAULT_CAPATH", &folder);
    let (text, _) = sandbox.run(&[TOKEN, &["--force-refresh"]].concat()).fails(3, "E_IDENTITY");
    assert!(text.contains("holds no file with a PEM certificate"), "{text}");
    sandbox.write("authorities/ca.pem", &server.ca_pem);
    accepted(&sandbox, &[]);
    sandbox.set("VAULT_CACERT", &wrong);
    refused(&sandbox, &[]);
    accepted(&sandbox, &["--ca-path", folder.to_str().unwrap()]);

    // In a profile, paths start at the file.
    sandbox.write(".config/yc-id-token/ca.pem", &server.ca_pem);
    sandbox.configure("[profiles.p.vault]\nca_cert = \"ca.pem\"\n");
    accepted(&sandbox, &["--profile=p"]);
}

#[test]
fn a_server_by_another_name_and_a_client_with_a_certificate() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    sandbox.set("VAULT_ADDR", server.mutual_url());
    let audience = format!("--audience={}", server.url());
    let run = |sandbox: &Sandbox, more: &[&str]| {
        sandbox.run(&[TOKEN, &["--force-refresh", &audience], more].concat())
    };
    let (text, hint) = run(&sandbox, &[]).fails(6, "E_TLS");
    assert!(text.contains("certificate is for another name"), "{text}");
    assert!(hint.contains("--tls-server-name"), "{hint}");

    let name = format!("--tls-server-name={OTHER_NAME}");
    let failure = run(&sandbox, &[&name]);
    assert!(failure.stderr.contains("[E_TLS]"), "it wants a certificate: {failure:?}");
    let (certificate, key) = &server.client_pem;
    let certificate = sandbox.write("client.pem", certificate);
    let open_key = sandbox.write("open-key.pem", key);
    let key = sandbox.write_secret("key.pem", key);
    let certificate = format!("--client-cert={}", certificate.display());
    let with_key = |key: &std::path::Path| format!("--client-key={}", key.display());
    let (text, hint) =
        run(&sandbox, &[&name, &certificate, &with_key(&open_key)]).fails(3, "E_IDENTITY");
    assert!(text.contains("can be read by others") && hint.contains("chmod 600"), "{text}");
    std::fs::remove_file(open_key).unwrap();
    let printed = run(&sandbox, &[&name, &certificate, &with_key(&key)]).ok();
    sandbox.keep_secret(printed.trim());
    let mismatch =
        sandbox.write_secret("other-key.pem", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    let (text, _) =
        run(&sandbox, &[&name, &certificate, &with_key(&mismatch)]).fails(3, "E_IDENTITY");
    assert!(text.contains("does not match the certificate"), "{text}");

    // The official clients' variables, which the CLI reads too.
    sandbox.set("VAULT_TLS_SERVER_NAME", OTHER_NAME);
    sandbox.set("VAULT_CLIENT_CERT", sandbox.home().join("client.pem"));
    sandbox.set("VAULT_CLIENT_KEY", key);
    sandbox.set("YC_ID_TOKEN_VAULT_AUDIENCE", server.url());
    sandbox.run(&["vault", "install-helper"]).ok();
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
}

#[test]
fn a_mount_trusts_a_tls_issuer_by_either_document() {
    let options = Options { tls: true, ..Options::default() };
    let mut sandbox = Sandbox::with_options(options);
    let ca = sandbox.write("ca.pem", sandbox.cloud.ca_pem().unwrap());
    sandbox.set("YC_ID_TOKEN_CA_FILE", ca);
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    token(&sandbox, &[]);
    let config = json!({
        "oidc_discovery_url": "",
        "oidc_discovery_ca_pem": "",
        "jwks_url": sandbox.cloud.jwks_url(),
        "jwks_ca_pem": sandbox.cloud.ca_pem(),
        "bound_issuer": sandbox.cloud.issuer(),
    });
    server.admin("POST", "auth/jwt/config", &config);
    token(&sandbox, &["--force-refresh"]);
    assert_eq!(server.leases("jwt"), 2);
}
