//! The OIDC issuer: its key, the ID tokens it signs, and every way in which they can be wrong.
//!
//! Vendor page *ID token* lists the claims `iss sub aud exp iat jti` and a lifetime of an hour. RS256 and `kty`/`use`
//! of the key are third-party evidence. JWS is RFC 7515, JWK RFC 7517.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};

use super::answer::ErrorShape;
use super::clock::Clock;
use super::random::{self, Generator};

const KEY_BITS: usize = 2048;
/// How long ago an expired token expired: longer than any leeway for clocks.
const EXPIRED_SINCE: i64 = 600;

/// How the ID tokens and the answers around them differ from the assumed default. Some variants are possible because
/// the vendor documents too little, and some must be rejected by a client.
#[derive(Clone, Debug)]
pub struct IdTokenVariant {
    /// The field of the answer that contains the token.
    pub token_field: TokenField,
    /// Whether the answer has `expires_in`.
    pub expires_in: bool,
    /// Whether the answer has `issued_token_type`.
    pub issued_token_type: bool,
    /// The `aud` claim.
    pub audience: AudienceClaim,
    /// Whether `sub` is another account than the requested one.
    pub wrong_subject: bool,
    /// The `exp` claim.
    pub expiry: ExpiryClaim,
    /// Seconds added to `iat`.
    pub issued_at_shift: i64,
    /// Seconds from now to `nbf`, if that claim is present.
    pub not_before: Option<i64>,
    /// Whether it is a signed JWT at all.
    pub form: TokenForm,
    /// The lifetime of the token, if not [`Options::id_token_life`](super::Options::id_token_life).
    pub life: Option<Duration>,
    /// The format of the exchange's refusals.
    pub error_shape: ErrorShape,
}

impl Default for IdTokenVariant {
    fn default() -> Self {
        Self {
            token_field: TokenField::AccessToken,
            expires_in: true,
            issued_token_type: true,
            audience: AudienceClaim::String,
            wrong_subject: false,
            expiry: ExpiryClaim::Usual,
            issued_at_shift: 0,
            not_before: None,
            form: TokenForm::Signed,
            life: None,
            error_shape: ErrorShape::OAuth,
        }
    }
}

/// Where in the answer the ID token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenField {
    /// As in RFC 8693, section 2.2.1, for tokens of all kinds.
    AccessToken,
    /// As in OIDC.
    IdToken,
}

impl TokenField {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::IdToken => "id_token",
        }
    }
}

/// The variants of `aud` (RFC 7519, section 4.1.3, allows the first two).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceClaim {
    /// The requested audience.
    String,
    /// An array of one: the requested audience.
    Array,
    /// Another audience.
    Wrong,
}

/// The variants of `exp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryClaim {
    /// The lifetime of the token from now.
    Usual,
    /// Ten minutes ago.
    Past,
    /// The claim is missing.
    Absent,
}

/// What the token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// A JWT, signed with RS256.
    Signed,
    /// A JWT with `alg` `none` (RFC 7518, section 3.6).
    Unsigned,
    /// Not a JWT.
    Garbage,
}

/// The claims of an ID token, as requested and granted.
pub(super) struct Grant<'a> {
    pub(super) subject: &'a str,
    pub(super) audience: &'a str,
    pub(super) life: Duration,
    pub(super) clock: Clock,
}

/// Signs ID tokens.
pub(super) struct Issuer {
    /// `iss`
    pub(super) name: String,
    key: SigningKey,
}

/// The issuer's key, which can be created before the issuer has a name.
pub(super) struct SigningKey {
    id: String,
    private: rsa::PrivateKey,
}

impl SigningKey {
    pub(super) fn generate() -> Result<Self, rsa::Error> {
        let private = rsa::PrivateKey::new(&mut Generator, KEY_BITS)?;
        Ok(Self { id: random::resource_id(), private })
    }
}

impl Issuer {
    pub(super) fn new(name: String, key: SigningKey) -> Self {
        Self { name, key }
    }

    /// RFC 7517, section 5.
    pub(super) fn jwks(&self) -> Value {
        let public = self.key.private.as_public_key();
        json!({ "keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.key.id,
            "n": URL_SAFE_NO_PAD.encode(public.n_bytes()),
            "e": URL_SAFE_NO_PAD.encode(public.e_bytes()),
        }] })
    }

    pub(super) fn id_token(
        &self,
        variant: &IdTokenVariant,
        grant: &Grant<'_>,
    ) -> Result<String, rsa::Error> {
        let claims = self.claims(variant, grant);
        match variant.form {
            TokenForm::Signed => self.sign(&claims),
            TokenForm::Unsigned => {
                Ok(format!("{}.", signing_input(&json!({ "alg": "none", "typ": "JWT" }), &claims)))
            }
            TokenForm::Garbage => Ok("this is not a JSON Web Token".to_owned()),
        }
    }

    fn claims(&self, variant: &IdTokenVariant, grant: &Grant<'_>) -> Value {
        let life = i64::try_from(grant.life.as_secs()).unwrap_or(i64::MAX);
        let now = grant.clock.now().unix_timestamp();
        let issued_at = match variant.expiry {
            ExpiryClaim::Past => now.saturating_sub(life).saturating_sub(EXPIRED_SINCE),
            ExpiryClaim::Usual | ExpiryClaim::Absent => now,
        };
        let subject = grant.subject.to_owned();
        let subject = if variant.wrong_subject { random::resource_id() } else { subject };
        let audience = match variant.audience {
            AudienceClaim::String => json!(grant.audience),
            AudienceClaim::Array => json!([grant.audience]),
            AudienceClaim::Wrong => json!(format!("not-{}", grant.audience)),
        };
        let mut claims = json!({
            "iss": self.name,
            "sub": subject,
            "aud": audience,
            "iat": issued_at.saturating_add(variant.issued_at_shift),
            "jti": random::uuid(),
        });
        if let Some(shift) = variant.not_before {
            claims["nbf"] = json!(now.saturating_add(shift));
        }
        if variant.expiry != ExpiryClaim::Absent {
            claims["exp"] = json!(issued_at.saturating_add(life));
        }
        claims
    }

    fn sign(&self, claims: &Value) -> Result<String, rsa::Error> {
        let header = json!({ "alg": "RS256", "kid": self.key.id, "typ": "JWT" });
        let signed = signing_input(&header, claims);
        let signature = self
            .key
            .private
            .pkcs1v15_sign_with_rng::<Sha256, _>(&mut Generator, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// RFC 7515, section 5.1, step 8.
fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |document: &Value| URL_SAFE_NO_PAD.encode(document.to_string());
    format!("{}.{}", part(header), part(claims))
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

    use super::*;

    const GRANT: Grant<'static> = Grant {
        subject: "ajeaccount",
        audience: "k8s",
        life: Duration::from_secs(3600),
        clock: Clock::shifted_by(0),
    };

    fn issuer() -> Issuer {
        Issuer::new("https://auth.yandex.cloud".into(), SigningKey::generate().unwrap())
    }

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_verified_by_ring_with_the_published_key() {
        let issuer = issuer();
        let token = issuer.id_token(&IdTokenVariant::default(), &GRANT).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let jwks = issuer.jwks();
        let jwk = &jwks["keys"][0];
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let public = RsaPublicKeyComponents { n: number("n"), e: number("e") };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).unwrap();

        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(decode(header), json!({ "alg": "RS256", "kid": jwk["kid"], "typ": "JWT" }));
        let claims = decode(claims);
        assert_eq!(claims["iss"], "https://auth.yandex.cloud");
        assert_eq!(claims["sub"], "ajeaccount");
        assert_eq!(claims["aud"], "k8s");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    }

    #[test]
    fn variants_change_what_they_name() {
        let issuer = issuer();
        let claims = |variant: IdTokenVariant| issuer.claims(&variant, &GRANT);
        let now = GRANT.clock.now().unix_timestamp();

        let array = claims(IdTokenVariant { audience: AudienceClaim::Array, ..Default::default() });
        assert_eq!(array["aud"], json!(["k8s"]));
        let wrong = claims(IdTokenVariant { wrong_subject: true, ..Default::default() });
        assert_ne!(wrong["sub"], "ajeaccount");
        let past = claims(IdTokenVariant { expiry: ExpiryClaim::Past, ..Default::default() });
        assert!(past["exp"].as_i64().unwrap() <= now - EXPIRED_SINCE + 1);
        let endless = claims(IdTokenVariant { expiry: ExpiryClaim::Absent, ..Default::default() });
        assert!(endless.get("exp").is_none());
        let shifted = claims(IdTokenVariant { issued_at_shift: 500, ..Default::default() });
        assert!(shifted["iat"].as_i64().unwrap() >= now + 500);

        let unsigned = IdTokenVariant { form: TokenForm::Unsigned, ..Default::default() };
        assert!(issuer.id_token(&unsigned, &GRANT).unwrap().ends_with('.'));
    }
}
