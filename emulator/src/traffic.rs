//! The log of requests, and the faults and delays that a test has set for later requests.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use super::fault::Fault;

/// The calls that the emulator distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `POST /iam/v1/tokens`
    IamToken,
    /// `POST /iam/v1/tokens:createForServiceAccount`
    IamTokenForServiceAccount,
    /// `POST /iam/v1/tokens:revoke`
    RevokeIamToken,
    /// `POST /oauth/token`
    TokenExchange,
    /// `GET /computeMetadata/…`
    Metadata,
    /// `GET /oauth/jwks/keys`
    Jwks,
    /// `GET /.well-known/openid-configuration`
    Discovery,
    /// `GET /endpoints` and `GET /endpoints/{id}`
    Endpoints,
    /// `GET /iam/v1/serviceAccounts` and `GET /iam/v1/serviceAccounts/{id}`
    ServiceAccounts,
    /// `GET /resource-manager/v1/folders`
    Folders,
    /// Everything else
    Other,
}

impl Route {
    /// The one table of paths.
    pub(super) fn of(method: &str, path: &str) -> Self {
        match (method, path) {
            ("POST", "/iam/v1/tokens") => Self::IamToken,
            ("POST", "/iam/v1/tokens:createForServiceAccount") => Self::IamTokenForServiceAccount,
            ("POST", "/iam/v1/tokens:revoke") => Self::RevokeIamToken,
            ("POST", "/oauth/token") => Self::TokenExchange,
            ("GET", "/oauth/jwks/keys") => Self::Jwks,
            ("GET", "/.well-known/openid-configuration") => Self::Discovery,
            ("GET", "/resource-manager/v1/folders") => Self::Folders,
            ("GET", path) if is_at_or_below(path, "/endpoints") => Self::Endpoints,
            ("GET", path) if is_at_or_below(path, "/iam/v1/serviceAccounts") => {
                Self::ServiceAccounts
            }
            ("GET", path) if is_at_or_below(path, "/computeMetadata") => Self::Metadata,
            _ => Self::Other,
        }
    }
}

/// A request as it arrived.
#[derive(Clone)]
pub struct Request {
    /// The route of the call.
    pub route: Route,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, as sent, without the query.
    pub path: String,
    /// The query, as sent, without the question mark; empty if there was none.
    pub query: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// The time when it had arrived completely.
    pub at: Instant,
}

impl Request {
    /// The value of a header, if it was sent. The name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Header values and the body usually are credentials, so only their size is shown.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("route", &self.route)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The log, and the faults and delays of later requests.
#[derive(Default)]
pub(super) struct Traffic {
    requests: Vec<Request>,
    scripts: HashMap<Route, VecDeque<Fault>>,
    standing: HashMap<Route, Fault>,
    delays: HashMap<Route, Duration>,
}

impl Traffic {
    /// Logs a request and returns its fault and delay. A script precedes a standing fault.
    pub(super) fn receive(&mut self, request: Request) -> (Option<Fault>, Duration) {
        let route = request.route;
        self.requests.push(request);
        let scripted = self.scripts.get_mut(&route).and_then(VecDeque::pop_front);
        let fault = scripted.or_else(|| self.standing.get(&route).cloned());
        (fault, self.delays.get(&route).copied().unwrap_or_default())
    }

    pub(super) fn script(&mut self, route: Route, faults: impl IntoIterator<Item = Fault>) {
        self.scripts.entry(route).or_default().extend(faults);
    }

    pub(super) fn always(&mut self, route: Route, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.standing.insert(route, fault),
            None => self.standing.remove(&route),
        };
    }

    pub(super) fn delay(&mut self, route: Route, delay: Duration) {
        self.delays.insert(route, delay);
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub(super) fn clear_requests(&mut self) {
        self.requests.clear();
    }
}

fn is_at_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(route: Route) -> Request {
        Request {
            route,
            method: "POST".into(),
            path: "/oauth/token".into(),
            query: String::new(),
            headers: vec![("authorization".into(), "Bearer t1.secret".into())],
            body: "actor_token=t1.secret".into(),
            at: Instant::now(),
        }
    }

    #[test]
    fn paths_are_distinguished_up_to_the_colon() {
        assert_eq!(Route::of("POST", "/iam/v1/tokens"), Route::IamToken);
        assert_eq!(
            Route::of("POST", "/iam/v1/tokens:createForServiceAccount"),
            Route::IamTokenForServiceAccount
        );
        assert_eq!(Route::of("POST", "/iam/v1/tokens:revoke"), Route::RevokeIamToken);
        assert_eq!(Route::of("POST", "/iam/v1/tokens:other"), Route::Other);
        assert_eq!(Route::of("GET", "/iam/v1/tokens"), Route::Other);
        assert_eq!(Route::of("GET", "/iam/v1/serviceAccounts/aje1"), Route::ServiceAccounts);
        assert_eq!(Route::of("GET", "/iam/v1/serviceAccountsX"), Route::Other);
    }

    #[test]
    fn a_standing_fault_applies_after_the_script() {
        let mut traffic = Traffic::default();
        traffic.always(Route::Jwks, Some(Fault::Html));
        traffic.script(Route::Jwks, [Fault::Reset]);
        assert!(matches!(traffic.receive(request(Route::Jwks)).0, Some(Fault::Reset)));
        assert!(matches!(traffic.receive(request(Route::Jwks)).0, Some(Fault::Html)));
        assert!(traffic.receive(request(Route::Other)).0.is_none());
        traffic.always(Route::Jwks, None);
        assert!(traffic.receive(request(Route::Jwks)).0.is_none());
        assert_eq!(traffic.requests().len(), 4);
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", request(Route::TokenExchange)).contains("t1.secret"));
    }
}
