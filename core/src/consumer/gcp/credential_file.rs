//! A credential configuration in a file, as Google's client libraries parse it (AIP-4117).

use std::time::Duration;

use serde_json::Value;

use super::{ID_TOKEN, JWT};

/// The values that the libraries accept as `timeout_millis`, and the default.
const TIMEOUTS: [u64; 2] = [5_000, 120_000];
const DEFAULT_TIMEOUT: u64 = 30_000;

/// Security: no `Debug`, because a header can contain a secret.
pub struct CredentialFile(Value);

impl CredentialFile {
    /// More than any configuration.
    pub const LIMIT: u64 = 64 * 1024;

    /// Parses a configuration; `None` if it is another file, such as the key of a Google service account.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(text).ok()?;
        (document["type"] == "external_account").then_some(Self(document))
    }

    /// The provider that exchanges the token.
    pub fn audience(&self) -> &str {
        self.0["audience"].as_str().unwrap_or_default()
    }

    /// Whether the configured token type is one of ID tokens.
    pub fn has_type_of_id_token(&self) -> bool {
        [ID_TOKEN, JWT].iter().any(|known| self.0["subject_token_type"] == **known)
    }

    /// Whether the libraries treat this one and the other in the same way.
    pub fn is_same(&self, document: &Value) -> bool {
        self.0 == *document
    }

    fn source(&self, key: &str) -> Option<&str> {
        self.0["credential_source"][key].as_str()
    }

    /// The command line that prints the token.
    pub fn command(&self) -> Option<&str> {
        self.0["credential_source"]["executable"]["command"].as_str()
    }

    /// How long the libraries wait for the command; `None` if they reject the configured value.
    pub fn timeout(&self) -> Option<Duration> {
        let millis = match &self.0["credential_source"]["executable"]["timeout_millis"] {
            Value::Null => DEFAULT_TIMEOUT,
            number => number.as_u64()?,
        };
        let [least, most] = TIMEOUTS;
        (least..=most).contains(&millis).then(|| Duration::from_millis(millis))
    }

    /// The file with the token.
    pub fn file(&self) -> Option<&str> {
        self.source("file")
    }

    /// The address of the token.
    pub fn url(&self) -> Option<&str> {
        self.source("url")
    }

    /// The secret of the agent, which is sent with the request.
    pub fn secret(&self) -> Option<&str> {
        let header = self.0["credential_source"]["headers"]["Authorization"].as_str()?;
        let secret = header.strip_prefix("Bearer ").unwrap_or(header);
        Some(secret).filter(|secret| !secret.is_empty())
    }

    /// The token in the content of the file, as the libraries send it: text is sent unchanged.
    pub fn token_in(&self, content: &str) -> Option<String> {
        let format = &self.0["credential_source"]["format"];
        if format["type"] != "json" {
            return Some(content.to_owned());
        }
        let document: Value = serde_json::from_str(content).ok()?;
        Some(document[format["subject_token_field_name"].as_str()?].as_str()?.to_owned())
    }
}

/// A credential configuration: each value is one that the libraries accept, or missing.
///
/// # Panics
/// If that does not hold.
#[cfg(feature = "fuzzing")]
pub fn gcp_credential_file(data: &[u8]) {
    let Some(file) = CredentialFile::parse(data) else { return };
    if let Some(timeout) = file.timeout() {
        assert!((5..=120).contains(&timeout.as_secs()));
    }
    if let Some(provider) = super::Provider::parse(file.audience()) {
        let again = super::Provider::parse(provider.name());
        assert_eq!(again.as_ref().map(super::Provider::name), Some(provider.name()));
        assert!(provider.parts().iter().all(|part| !part.is_empty()));
    }
    assert!(file.secret().is_none_or(|secret| !secret.is_empty()));
    let _ = (file.command(), file.url(), file.file(), file.has_type_of_id_token());
    let _ = file.token_in("{\"id_token\": \"a.b.c\"}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(source: &Value) -> CredentialFile {
        let document = json!({ "type": "external_account", "credential_source": source });
        CredentialFile::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_timeout_is_accepted_as_by_the_libraries() {
        for (millis, accepted) in [
            (Value::Null, Some(30)),
            (5_000.into(), Some(5)),
            (120_000.into(), Some(120)),
            (4_999.into(), None),
            (120_001.into(), None),
            ("30000".into(), None),
        ] {
            let file = of(&json!({ "executable": { "command": "x", "timeout_millis": millis } }));
            assert_eq!(file.timeout(), accepted.map(Duration::from_secs), "{millis}");
        }
    }

    #[test]
    fn a_token_is_found_as_by_the_libraries() {
        let text = of(&json!({ "file": "/t", "format": { "type": "text" } }));
        assert_eq!(text.token_in("a.b.c\n").as_deref(), Some("a.b.c\n"));
        let format = json!({ "type": "json", "subject_token_field_name": "id_token" });
        let json = of(&json!({ "file": "/t", "format": format }));
        assert_eq!(json.token_in("{\"id_token\": \"a.b.c\"}\n").as_deref(), Some("a.b.c"));
        assert_eq!(json.token_in("a.b.c"), None);
        assert!(CredentialFile::parse(b"{\"type\": \"service_account\"}").is_none());
    }

    #[test]
    fn the_agents_secret_is_read_from_the_header() {
        let with = |header: &str| of(&json!({ "headers": { "Authorization": header } }));
        assert_eq!(with("Bearer s").secret(), Some("s"));
        assert_eq!(with("s").secret(), Some("s"));
        assert_eq!(with("").secret(), None);
    }
}
