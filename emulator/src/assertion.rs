//! Verifies the JWT that a client signs with its authorized key to get an IAM token.
//!
//! Vendor page *Getting an IAM token for a service account*: PS256 only, salt of 32 bytes, `kid` is the ID of the key,
//! `iss` the service account, `aud` the address of the call as a string or an array, `exp` at most an hour after `iat`.
//! Known messages: the one about `kid`. Assumed: the other messages, and that a clock may be 60 s ahead.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::sha2::Sha256;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::Refusal;
use super::cloud::RegisteredKey;
use super::service::Service;

/// `aud` of the Russian installation, which every SDK sends whatever host it calls.
const AUDIENCE: &str = "https://iam.api.cloud.yandex.net/iam/v1/tokens";
const LONGEST_LIFE: i64 = 3600;
const CLOCK_LEEWAY: i64 = 60;

/// Returns the service account that the assertion authenticates.
pub(super) fn verify(service: &Service, jwt: &str) -> Result<String, Refusal> {
    let mut parts = jwt.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::unauthenticated("The JWT does not have three parts"));
    };
    let key = signing_key(service, &decode_json(header, "header")?)?;
    let signed = &jwt[..header.len() + 1 + claims.len()];
    check_signature(&key.public_key, signed, signature)?;
    check_claims(service, &key.service_account_id, &decode_json(claims, "payload")?)?;
    Ok(key.service_account_id)
}

#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    iat: Option<i64>,
    exp: Option<i64>,
}

/// RFC 7519, section 4.1.3: go-sdk sends an array, the Python and Node.js SDKs a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Many(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

fn signing_key(service: &Service, header: &Header) -> Result<RegisteredKey, Refusal> {
    if header.alg.as_deref() != Some("PS256") {
        return Err(Refusal::unauthenticated("The only supported algorithm of the JWT is PS256"));
    }
    let Some(kid) = &header.kid else {
        return Err(Refusal::unauthenticated(
            "The required field 'kid' is missing from the JWT header",
        ));
    };
    service.cloud().authorized_key(kid).cloned().ok_or_else(|| {
        Refusal::unauthenticated(format!("The key '{kid}' does not exist or was deleted"))
    })
}

fn check_signature(key: &rsa::PublicKey, signed: &str, signature: &str) -> Result<(), Refusal> {
    let refusal = || Refusal::unauthenticated("The signature of the JWT is invalid");
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refusal())?;
    // Accepts only a salt of the digest's length, 32.
    key.pss_verify::<Sha256>(signed.as_bytes(), &signature).map_err(|_| refusal())
}

fn check_claims(service: &Service, key_owner: &str, claims: &Claims) -> Result<(), Refusal> {
    let cloud = service.cloud();
    let now = cloud.clock.now().unix_timestamp();
    if claims.iss.as_deref() != Some(key_owner) {
        return Err(Refusal::unauthenticated(
            "The key does not belong to the service account in 'iss'",
        ));
    }
    if cloud.service_account(key_owner).is_none() {
        return Err(Refusal::unauthenticated(format!("Service account '{key_owner}' not found")));
    }
    let here = format!("{}/iam/v1/tokens", service.url);
    if !claims.aud.as_ref().is_some_and(|aud| aud.contains(AUDIENCE) || aud.contains(&here)) {
        return Err(Refusal::unauthenticated(
            "The field 'aud' of the JWT does not contain the token service",
        ));
    }
    let (Some(iat), Some(exp)) = (claims.iat, claims.exp) else {
        return Err(Refusal::unauthenticated("The fields 'iat' and 'exp' of the JWT are required"));
    };
    if exp.saturating_sub(iat) > LONGEST_LIFE {
        return Err(Refusal::unauthenticated("The JWT is valid for longer than an hour"));
    }
    if exp <= now {
        return Err(Refusal::unauthenticated("The JWT has expired"));
    }
    if iat > now.saturating_add(CLOCK_LEEWAY) {
        return Err(Refusal::unauthenticated("The JWT was issued in the future"));
    }
    Ok(())
}

fn decode_json<T: DeserializeOwned>(part: &str, name: &str) -> Result<T, Refusal> {
    URL_SAFE_NO_PAD
        .decode(part)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| Refusal::unauthenticated(format!("The {name} of the JWT is malformed")))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
    use rsa::pkcs8::DecodePrivateKey as _;
    use serde_json::{Value, json};

    use super::super::random::Generator;
    use super::super::testing::{emulator, jwt_part, post_json, soon};
    use super::super::{AuthorizedKey, Emulator, KeySize};
    use super::*;

    /// Signs with ring, which is a different implementation than the one that verifies.
    fn sign(
        key: &AuthorizedKey,
        header: &Value,
        claims: &Value,
        encoding: &'static dyn RsaEncoding,
    ) -> String {
        let pem =
            key.private_key_pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let der = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
        let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
        let signed = format!("{}.{}", jwt_part(header), jwt_part(claims));
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn header(key: &AuthorizedKey) -> Value {
        json!({ "alg": "PS256", "typ": "JWT", "kid": key.id })
    }

    fn claims(key: &AuthorizedKey) -> Value {
        json!({ "iss": key.service_account_id, "aud": AUDIENCE, "iat": soon(0), "exp": soon(3600) })
    }

    fn with(mut document: Value, name: &str, value: Value) -> Value {
        document[name] = value;
        document
    }

    /// The answer to an assertion: status and message. The message is empty on success.
    fn submit(emulator: &Emulator, jwt: &str) -> (u16, String) {
        let answer = post_json(emulator, "/iam/v1/tokens", &[], &json!({ "jwt": jwt }));
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        (answer.status, message)
    }

    #[test]
    fn assertions_of_the_sdks_are_accepted() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let key = emulator.add_authorized_key(&account, KeySize::Rsa2048);

        let here = format!("{}/iam/v1/tokens", emulator.url());
        for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(here), json!(["other", AUDIENCE])] {
            let jwt = sign(&key, &header(&key), &with(claims(&key), "aud", aud), &RSA_PSS_SHA256);
            assert_eq!(submit(&emulator, &jwt), (200, String::new()));
            assert!(emulator.secrets().contains(&jwt));
        }
    }

    #[test]
    fn each_flaw_has_its_own_message() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let other = emulator.add_service_account("other", "b1gfolder");
        let key = emulator.add_authorized_key(&account, KeySize::Rsa2048);
        let (good_header, good) = (header(&key), claims(&key));
        let no_kid = json!({ "alg": "PS256" });

        let cases = [
            (with(good_header.clone(), "alg", json!("RS256")), good.clone(), "PS256"),
            (no_kid, good.clone(), "The required field 'kid' is missing from the JWT header"),
            (with(good_header.clone(), "kid", json!("ajeunknown")), good.clone(), "'ajeunknown'"),
            (good_header.clone(), with(good.clone(), "iss", json!(other)), "'iss'"),
            (good_header.clone(), with(good.clone(), "aud", json!("https://example.org")), "'aud'"),
            (
                good_header.clone(),
                with(good.clone(), "exp", json!(soon(3700))),
                "longer than an hour",
            ),
            (
                good_header.clone(),
                with(with(good.clone(), "iat", json!(soon(-3600))), "exp", json!(soon(-1))),
                "has expired",
            ),
            (
                good_header.clone(),
                with(with(good.clone(), "iat", json!(soon(200))), "exp", json!(soon(300))),
                "in the future",
            ),
            (good_header.clone(), with(good.clone(), "exp", json!("soon")), "payload"),
            (good_header.clone(), with(good.clone(), "exp", Value::Null), "'exp'"),
        ];
        for (header, claims, words) in cases {
            let (status, message) =
                submit(&emulator, &sign(&key, &header, &claims, &RSA_PSS_SHA256));
            assert_eq!(status, 401, "{message}");
            assert!(message.contains(words), "{message:?} does not contain {words:?}");
        }
        assert_eq!(submit(&emulator, "not.a-jwt").0, 401);
    }

    #[test]
    fn only_pss_with_a_salt_of_32_bytes_is_accepted() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let key = emulator.add_authorized_key(&account, KeySize::Rsa2048);
        let invalid = (401, "The signature of the JWT is invalid".to_owned());

        let pkcs1 = sign(&key, &header(&key), &claims(&key), &RSA_PKCS1_SHA256);
        assert_eq!(submit(&emulator, &pkcs1), invalid);

        let signed = format!("{}.{}", jwt_part(&header(&key)), jwt_part(&claims(&key)));
        let private = rsa::PrivateKey::from_pkcs8_pem(&key.private_key_pem).unwrap();
        let digest = <Sha256 as rsa::sha2::Digest>::digest(signed.as_bytes());
        for (salt, expected) in [(32, (200, String::new())), (20, invalid.clone())] {
            let scheme = rsa::Pss::<Sha256>::new_with_salt(salt);
            let signature = private.sign_with_rng(&mut Generator, scheme, &digest).unwrap();
            let jwt = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(submit(&emulator, &jwt), expected, "salt of {salt}");
        }
    }

    #[test]
    fn a_revoked_key_is_rejected_and_an_adopted_one_accepted() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        let key = emulator.add_authorized_key(&account, KeySize::Rsa2048);
        let jwt = sign(&key, &header(&key), &claims(&key), &RSA_PSS_SHA256);
        assert_eq!(submit(&emulator, &jwt).0, 200);
        emulator.revoke_authorized_key(&key.id);
        assert_eq!(submit(&emulator, &jwt).0, 401);

        let again = emulator.adopt_authorized_key(&account, &key);
        assert_ne!(again.id, key.id);
        let jwt = sign(&again, &header(&again), &claims(&again), &RSA_PSS_SHA256);
        assert_eq!(submit(&emulator, &jwt).0, 200);
    }
}
