//! The issuer of ID tokens, as verifiers see it: its discovery document (OpenID Connect Discovery 1.0, section 4) and
//! its keys.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Endpoint, Http, HttpRequest, Reply};
use crate::message;

/// The path of the discovery document below an issuer.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

#[derive(Debug)]
pub struct Issuer {
    /// Its name, which equals `iss` of its tokens.
    pub name: String,
    /// Its keys: a JSON Web Key Set.
    pub keys: Value,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// Fetches the document and the keys of the issuer in `iss`.
    pub async fn fetch(iss: &str, http: &Http) -> Result<Self> {
        let what = message!("the discovery document of `{iss}`", iss = ForeignText::new(iss));
        let client = http.client(&Endpoint::parse("issuer", iss)?, &what)?;
        let reply = published(client.send(&HttpRequest::get(&what, DISCOVERY)).await?, &what)?;
        let discovery: Discovery = reply.json(&what)?;
        let what = message!("the keys of `{iss}`", iss = ForeignText::new(iss));
        let (endpoint, query) =
            Endpoint::parse_with_query("address of the issuer's keys", &discovery.jwks_uri)?;
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let client = http.client(&endpoint, &what)?;
        let request = HttpRequest { query: &query, ..HttpRequest::get(&what, "") };
        let reply = published(client.send(&request).await?, &what)?;
        let keys = reply.json(&what)?;
        Ok(Self { name: discovery.issuer, keys })
    }
}

fn published(reply: Reply, what: &Message) -> Result<Reply> {
    if reply.status == 200 {
        return Ok(reply);
    }
    Err(Error::Unreached {
        what: what.into(),
        code: Code::Foreign,
        problem: message!("{} answered {} ({})", reply.host, reply.status, reply.phrase()).into(),
        hint: "servers that check the tokens need it; check whether `iss` of the token is the address of an issuer".into(),
    })
}
