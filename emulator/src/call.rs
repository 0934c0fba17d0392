//! A parsed request: the parts that the routes use.

use axum::body::Body;
use axum::extract::{Form, FromRequest as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Refusal;
use super::random;
use super::traffic::Request;

pub(super) struct Call {
    pub(super) request: Request,
    /// The client's `x-request-id`, or a new one.
    pub(super) request_id: String,
    /// The query of a GET or the form of a POST; `None` if it is not a form.
    fields: Option<Vec<(String, String)>>,
}

impl Call {
    pub(super) async fn read(request: Request) -> Self {
        let request_id = request.header("x-request-id").map_or_else(random::uuid, str::to_owned);
        let fields = fields(&request).await;
        Self { request, request_id, fields }
    }

    /// The body as JSON. The type rejects unknown fields, because a misspelt name must not count as missing.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_str(&self.request.body)
            .map_err(|error| Refusal::invalid_argument(format!("Request is malformed: {error}")))
    }

    /// Rejects a body that is not a form, the only format that `/oauth/token` reads.
    pub(super) fn must_be_form(&self) -> Result<(), Refusal> {
        match self.fields {
            Some(_) => Ok(()),
            None => {
                Err(Refusal::invalid_argument("the body must be application/x-www-form-urlencoded"))
            }
        }
    }

    /// A field of the query or form. An empty value counts as missing, and no field may be repeated (RFC 6749, section
    /// 3.2).
    pub(super) fn field<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => {
                Err(Refusal::invalid_argument(format!("`{name}` is given more than once")))
            }
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    pub(super) fn required_field<'a>(&'a self, name: &'a str) -> Result<&'a str, Refusal> {
        self.field(name)?.ok_or_else(|| Refusal::invalid_argument(format!("`{name}` is required")))
    }

    /// The IAM token of the `Authorization` header.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.request.header("authorization")?.strip_prefix("Bearer ")
    }

    /// Every secret that the client sent, on any route, because a fault may hide the request from its handler.
    pub(super) fn secrets(&self) -> Vec<String> {
        let body: Value = serde_json::from_str(&self.request.body).unwrap_or_default();
        let in_json = ["jwt", "yandexPassportOauthToken", "iamToken"]
            .into_iter()
            .filter_map(|name| body.get(name)?.as_str());
        // A subject that is a JWT is a secret; an account ID, the alternative, is not.
        let subject_tokens = self.values("subject_token").filter(|token| token.contains('.'));
        self.bearer()
            .into_iter()
            .chain(self.values("actor_token"))
            .chain(subject_tokens)
            .chain(in_json)
            .map(str::to_owned)
            .collect()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.as_deref().unwrap_or_default();
        fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// axum's extractor takes the query of a GET and the body of a POST, as HTML forms do.
async fn fields(request: &Request) -> Option<Vec<(String, String)>> {
    let http = axum::http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("/?{}", request.query))
        .header("content-type", request.header("content-type").unwrap_or_default())
        .body(Body::from(request.body.clone()))
        .ok()?;
    let Form(fields) = Form::from_request(http, &()).await.ok()?;
    Some(fields)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::traffic::Route;
    use super::*;

    fn call(method: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Call {
        let request = Request {
            route: Route::Other,
            method: method.to_owned(),
            path: "/".to_owned(),
            query: query.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.to_owned(),
            at: Instant::now(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Call::read(request))
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

    #[test]
    fn fields_come_from_queries_and_forms_and_nowhere_else() {
        let query = call("GET", "filter=name+%3D+%22x%22&empty=", &[], "");
        assert_eq!(query.field("filter").unwrap(), Some("name = \"x\""));
        assert_eq!(query.field("empty").unwrap(), None);
        assert!(query.required_field("absent").is_err());

        let form = call("POST", "", &[FORM], "audience=https%3A%2F%2Fk8s&twice=1&twice=2");
        assert_eq!(form.field("audience").unwrap(), Some("https://k8s"));
        assert!(form.field("twice").is_err());
        let json = call("POST", "", &[("content-type", "application/json")], "{}");
        assert!(json.must_be_form().is_err());
    }

    #[test]
    fn secrets_and_names_are_distinguished() {
        let bearer = ("authorization", "Bearer t1.bearer");
        let by_id = call("POST", "", &[FORM, bearer], "subject_token=ajeaccount&actor_token=actor");
        assert_eq!(by_id.secrets(), ["t1.bearer", "actor"]);
        let by_jwt = call("POST", "", &[FORM], "subject_token=e30.e30.x");
        assert_eq!(by_jwt.secrets(), ["e30.e30.x"]);
        let json = call("POST", "", &[], r#"{"jwt":"e30.e30.x","serviceAccountId":"ajeaccount"}"#);
        assert_eq!(json.secrets(), ["e30.e30.x"]);
    }
}
