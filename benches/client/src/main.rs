//! `client AUTHORITIES KEY IAM OAUTH AUDIENCE`: signs an assertion, exchanges it for an IAM token, and that for an ID
//! token. It has no settings, no cache and no checks, so it is what a run with nothing cached is compared with.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [authorities, key, iam, oauth, audience] = arguments.as_slice() else {
        return Err("give AUTHORITIES KEY IAM OAUTH AUDIENCE".into());
    };
    let client = client(authorities)?;
    let key: Value = serde_json::from_slice(&std::fs::read(key)?)?;
    let body = json!({ "jwt": assertion(&key)? });
    let answer = client.post(format!("{iam}/iam/v1/tokens")).json(&body).send().await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", text(&key, "service_account_id")?),
        ("subject_token_type", "urn:yandex-cloud:token-type:subject_id"),
        ("actor_token", text(&answer, "iamToken")?),
        ("actor_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", audience),
    ];
    let answer = client.post(format!("{oauth}/oauth/token")).form(&fields).send().await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    println!("{}", text(&answer, "access_token")?);
    Ok(())
}

fn client(authorities: &str) -> Result<reqwest::Client> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(authorities)?.flatten());
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).http1_only().no_proxy().build()?)
}

/// A JWT of the key, signed with PS256.
fn assertion(key: &Value) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let header = json!({ "alg": "PS256", "typ": "JWT", "kid": key["id"] });
    let claims = json!({
        "iss": key["service_account_id"],
        "aud": "https://iam.api.cloud.yandex.net/iam/v1/tokens",
        "iat": now,
        "exp": now + 3600,
    });
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    // The vendor's text starts with a line that is not PEM.
    let der = PrivatePkcs8KeyDer::from_pem_slice(text(key, "private_key")?.as_bytes())?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| error.to_string())?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the key cannot sign")?;
    Ok(format!("{signed}.{}", encode(&signature)))
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str> {
    object[name].as_str().ok_or_else(|| format!("there is no `{name}`").into())
}
