//! The pages of an agent's endpoint: its state, and credentials.

use serde_json::json;

use super::{Kind, Pages};
use crate::endpoint::{Answer, Service, StatusCode};

impl Service for Pages {
    fn page(&self, path: &str, query: &str) -> Answer {
        let now = self.clock.now();
        match path {
            "/healthz" => Answer::text("ok\n"),
            "/readyz" if self.shared.is_ready(now) => Answer::text("ok\n"),
            "/readyz" => {
                let summary = self.shared.summary(now);
                Answer::error(StatusCode::SERVICE_UNAVAILABLE, &summary)
            }
            "/metrics" => Answer::text(self.shared.metrics(now)),
            "/" => self.credential(query),
            _ => Answer::error(StatusCode::NOT_FOUND, "there is no such page"),
        }
    }

    fn answered(&self, status: StatusCode) {
        self.shared.count_request(&self.name, status.as_u16());
    }
}

impl Pages {
    fn credential(&self, query: &str) -> Answer {
        let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
        let mut audience =
            parameters.filter(|(name, _)| *name == "audience").map(|(_, value)| value);
        let document = match audience.next().map(decoded) {
            None if self.documents.len() > 1 => {
                return Answer::error(StatusCode::BAD_REQUEST, "add the parameter `audience`");
            }
            None => self.documents.first(),
            Some(audience) => self.documents.iter().find(|it| it.audience == audience),
        };
        let Some(document) = document else {
            return Answer::error(
                StatusCode::FORBIDDEN,
                "the audience is not one that the configuration of the agent allows",
            );
        };
        let Some(content) = document.memory.read(self.clock.now()) else {
            return Answer::no_credential();
        };
        let content = String::from_utf8_lossy(&content).into_owned();
        match self.kind {
            Kind::AwsContainer => Answer::json(content),
            Kind::Github => Answer::json(json!({ "value": content }).to_string()),
            Kind::GcpUrl => Answer::json(json!({ "id_token": content }).to_string()),
            Kind::Token => Answer::text(content),
        }
    }
}

/// Decodes a value of a query.
fn decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let encoded = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = encoded.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (first, byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                &after[2..]
            }
            (b'+', _) => {
                decoded.push(b' ');
                after
            }
            (other, _) => {
                decoded.push(*other);
                after
            }
        };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_query_are_decoded() {
        assert_eq!(decoded("api%3A%2F%2FAzure"), "api://Azure");
        assert_eq!(decoded("a+b%2"), "a b%2");
        assert_eq!(decoded("%zz%c3%a9"), "%zzé");
    }
}
