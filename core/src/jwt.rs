//! JSON Web Tokens (RFC 7515, 7519): reads the claims of ID tokens, verifies them, and signs the assertion
//! that is exchanged for an IAM token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::debug;

use crate::clock::Timestamp;
use crate::credential::Secret;
use crate::error::Cause;
use crate::foreign_text::Message;
use crate::message;

/// The registered claims of an ID token (RFC 7519 section 4.1).
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    pub iss: Option<String>,
    /// The service account's ID.
    pub sub: Option<String>,
    #[serde(default)]
    pub aud: Audience,
    /// `NumericDate`, as `iat` and `nbf`: seconds since the epoch.
    pub exp: Option<f64>,
    pub iat: Option<f64>,
    pub nbf: Option<f64>,
}

/// `aud`: one string or an array of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }

    /// The only one, or the first of several.
    pub fn first(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::One(one) => Some(one),
            Self::Many(many) => many.first().map(String::as_str),
        }
    }
}

impl std::fmt::Display for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::One(one) => write!(f, "`{one}`"),
            Self::Many(many) => write!(f, "{many:?}"),
        }
    }
}

impl Claims {
    /// Reads the claims without checking the signature: the token came from its issuer over TLS (OpenID
    /// Connect Core 1.0 section 3.1.3.7, item 6), and the consumer's server checks it.
    pub fn read(token: &str) -> Result<Self, &'static str> {
        let payload = payload(token)?;
        serde_json::from_slice(&payload)
            .map_err(|error| unread(&error, "it is a JWT, but its claims are not of an ID token"))
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        self.exp.and_then(timestamp)
    }

    pub fn not_before(&self) -> Option<Timestamp> {
        self.nbf.and_then(timestamp)
    }

    pub fn issued_at(&self) -> Option<Timestamp> {
        self.iat.and_then(timestamp)
    }
}

/// All claims of a token, for display.
pub fn all_claims(token: &str) -> Result<Map<String, Value>, &'static str> {
    serde_json::from_slice(&payload(token)?)
        .map_err(|error| unread(&error, "its claims are not a JSON object"))
}

/// The header of a token.
pub fn header(token: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&decoded(token.split('.').next().unwrap_or_default())?).ok()
}

/// Logs the details of a parse error; the user gets only `problem`.
fn unread(error: &serde_json::Error, problem: &'static str) -> &'static str {
    debug!(%error, "{problem}");
    problem
}

/// Verifies the signature of a token with the issuer's published keys (RFC 7517), as a consumer's server
/// does, and returns the ID of the signing key. Yandex Cloud signs with RS256.
pub fn verify(token: &str, keys: &Value) -> Result<String, &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or("the token is not a JWT")?;
    let header = Value::from(header(token).ok_or("the token has no header")?);
    if header["alg"] != "RS256" {
        return Err("the token is not signed with RS256");
    }
    let keys = keys["keys"].as_array().ok_or("the issuer publishes no keys")?;
    let key = keys.iter().find(|key| key["kid"] == header["kid"]);
    let key = key.ok_or("the token's key is not among those that the issuer publishes")?;
    let component = |name: &str| {
        key[name].as_str().and_then(decoded).ok_or("a key that the issuer publishes is damaged")
    };
    let public = RsaPublicKeyComponents { n: component("n")?, e: component("e")? };
    let signature = decoded(signature).ok_or("the token is not signed")?;
    let verified = public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature);
    verified.ok().ok_or("the token's signature is wrong")?;
    Ok(header["kid"].as_str().unwrap_or_default().to_owned())
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn payload(token: &str) -> Result<Vec<u8>, &'static str> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it is not a JWT of three parts");
    };
    let decode = |part| decoded(part).ok_or("it is not a JWT: a part is not base64url");
    let header: Map<String, Value> = serde_json::from_slice(&decode(header)?)
        .map_err(|error| unread(&error, "it is not a JWT: the header is not JSON"))?;
    match header.get("alg").and_then(Value::as_str) {
        None => Err("its header names no algorithm"),
        Some(alg) if alg.eq_ignore_ascii_case("none") => Err("it is not signed"),
        Some(_) if decode(signature)?.is_empty() => Err("it is not signed"),
        Some(_) => decode(payload),
    }
}

fn timestamp(seconds: f64) -> Option<Timestamp> {
    // The year 10000; at larger values an f64 loses whole seconds.
    let is_in_range = seconds.is_finite() && (0.0..253_402_300_800.0).contains(&seconds);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    is_in_range.then(|| Timestamp::from_unix_seconds(seconds.floor() as i64))
}

/// An RSA key that signs assertions.
pub struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// Reads a private key of 2048 to 4096 bits in PEM, PKCS#8 or PKCS#1. Text around the PEM block, such as
    /// the first line of Yandex Cloud's keys, is ignored (RFC 7468 section 2).
    pub fn from_pem(pem: &str) -> Result<Self, Message> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                "holds no PEM private key (`-----BEGIN PRIVATE KEY-----`)".into()
            }
            error => message!("holds a PEM private key that is damaged: {}", Cause::new(error)),
        })?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err("holds a private key that is not RSA".into()),
        };
        pair.map(Self).map_err(|rejected| match rejected.to_string().as_str() {
            "WrongAlgorithm" => "holds a private key that is not RSA".into(),
            "TooSmall" => "holds an RSA key of less than 2048 bits".into(),
            "TooLarge" => "holds an RSA key of more than 4096 bits".into(),
            _ => "holds an RSA private key that is damaged".into(),
        })
    }

    /// Returns a JWT signed with PS256 (RFC 7518 section 3.5).
    pub fn sign(&self, key_id: &str, claims: &Value) -> Result<Secret, &'static str> {
        let header = json!({ "typ": "JWT", "alg": "PS256", "kid": key_id });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed =
            self.0.sign(&RSA_PSS_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature);
        signed.ok().ok_or("the key could not sign")?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(Secret::new(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims),
            URL_SAFE_NO_PAD.encode("signature")
        )
    }

    #[test]
    fn an_audience_is_a_string_or_a_list() {
        let one = Claims::read(&token(
            r#"{"alg":"RS256"}"#,
            r#"{"sub":"aje1","aud":"k8s","exp":1795464938,"iat":1795461338.5}"#,
        ))
        .unwrap();
        assert!(one.aud.contains("k8s") && !one.aud.contains("k"));
        assert_eq!(one.expires_at().unwrap().unix_seconds(), 1_795_464_938);
        assert_eq!(one.issued_at().unwrap().unix_seconds(), 1_795_461_338);
        let many =
            Claims::read(&token(r#"{"alg":"RS256"}"#, r#"{"aud":["vault","k8s"]}"#)).unwrap();
        assert!(many.aud.contains("k8s"));
        assert_eq!(many.expires_at(), None);
    }

    #[test]
    fn only_signed_jwts_are_accepted() {
        let rs256 = r#"{"alg":"RS256"}"#;
        let unsigned =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(rs256), URL_SAFE_NO_PAD.encode("{}"));
        for bad in [
            "",
            "a.b",
            "a.b.c.d",
            "<html>",
            &token("{}", "{}"),
            &token(r#"{"alg":"none"}"#, "{}"),
            &token(rs256, "[]"),
            &unsigned,
        ] {
            assert!(Claims::read(bad).is_err(), "{bad}");
        }
        assert_eq!(Claims::read(&token(rs256, r#"{"exp":1e300}"#)).unwrap().expires_at(), None);
    }

    #[test]
    fn a_missing_or_damaged_key_is_named_in_the_error() {
        assert!(
            SigningKey::from_pem("not a key")
                .is_err_and(|problem| problem.contains("no PEM private key"))
        );
        let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(SigningKey::from_pem(damaged).is_err_and(|problem| problem.contains("damaged")));
    }
}
