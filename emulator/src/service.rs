//! One request from arrival to answer: logged, delayed, replaced if a fault is scripted, or else answered by its route.

use std::future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::response::Response;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::cloud::Cloud;
use super::discovery;
use super::fault::{self, Reaction};
use super::folders;
use super::iam_token;
use super::id_token::Issuer;
use super::metadata;
use super::oauth;
use super::server::Wire;
use super::service_accounts;
use super::traffic::{Request, Route, Traffic};

/// No request to IAM has a larger body.
const LARGEST_BODY: usize = 1 << 20;

pub(super) struct Service {
    /// The emulator's address, without a trailing slash.
    pub(super) url: String,
    pub(super) issuer: Issuer,
    cloud: Mutex<Cloud>,
    traffic: Mutex<Traffic>,
    connections: Arc<AtomicUsize>,
}

impl Service {
    pub(super) fn new(url: String, issuer: Issuer, cloud: Cloud) -> Self {
        Self {
            url,
            issuer,
            cloud: Mutex::new(cloud),
            traffic: Mutex::default(),
            connections: Arc::default(),
        }
    }

    pub(super) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        lock(&self.cloud)
    }

    pub(super) fn traffic(&self) -> MutexGuard<'_, Traffic> {
        lock(&self.traffic)
    }

    /// The number of accepted TCP connections, including those whose handshake failed.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn connection_counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.connections)
    }

    /// The subject of the request's IAM token.
    pub(super) fn authenticate(&self, call: &Call) -> Result<String, Refusal> {
        let token = call.bearer().ok_or_else(|| {
            Refusal::unauthenticated("The header `Authorization: Bearer` is missing")
        })?;
        match self.cloud().subject_of(token) {
            Some(subject) => Ok(subject.to_owned()),
            None => Err(Refusal::usual(401)),
        }
    }

    fn answer(&self, call: &Call) -> Result<Answer, Refusal> {
        match call.request.route {
            Route::IamToken => iam_token::create(self, call),
            Route::IamTokenForServiceAccount => iam_token::create_for_service_account(self, call),
            Route::RevokeIamToken => iam_token::revoke(self, call),
            Route::TokenExchange => oauth::exchange(self, call),
            Route::Metadata => metadata::answer(self, call),
            Route::Jwks => Ok(Answer::ok(&self.issuer.jwks())),
            Route::Discovery => Ok(discovery::openid_configuration(self)),
            Route::Endpoints => discovery::endpoints(self, call),
            Route::ServiceAccounts => service_accounts::list_or_get(self, call),
            Route::Folders => folders::list(self, call),
            Route::Other => Err(Refusal::usual(404)),
        }
    }

    fn answer_or_refuse(&self, call: &Call) -> Answer {
        match self.answer(call) {
            Ok(answer) if call.request.route == Route::Metadata => answer,
            Ok(answer) => answer.traced(&call.request_id),
            Err(refusal) => {
                let exchange_errors = self.cloud().id_token_variant.error_shape;
                fault::refuse(call, &refusal, exchange_errors)
            }
        }
    }
}

/// The paths are matched in [`Route::of`], so that the log and the answer cannot differ.
pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new().fallback(respond).with_state(service)
}

async fn respond(
    State(service): State<Arc<Service>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: HttpRequest,
) -> Response {
    let call = Call::read(receive(request).await).await;
    let (fault, delay) = service.traffic().receive(call.request.clone());
    let exchange_errors = {
        let mut cloud = service.cloud();
        call.secrets().iter().for_each(|secret| cloud.keep_secret(secret));
        cloud.id_token_variant.error_shape
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }

    let reaction = match fault {
        Some(fault) => fault.react(&call, exchange_errors),
        None => Reaction::Answer(service.answer_or_refuse(&call)),
    };
    let answer = match reaction {
        Reaction::Answer(answer) => answer,
        Reaction::CutShort(answer, bytes) => {
            wire.cut_after(bytes);
            answer
        }
        // hyper must try to answer before it notices the reset.
        Reaction::Reset => {
            wire.reset();
            Answer::empty(500)
        }
        Reaction::Silence => future::pending().await,
    };
    let now = service.cloud().clock.now();
    let response = answer.into_response(now);
    let status = response.status().as_u16();
    tracing::debug!(method = call.request.method, path = call.request.path, status, "emulator");
    response
}

/// A request, read to its end.
async fn receive(request: HttpRequest) -> Request {
    let (head, body) = request.into_parts();
    let method = head.method.as_str().to_owned();
    let path = head.uri.path().to_owned();
    // A body that breaks off or is too large reads as empty, and is then rejected as malformed.
    let body = body::to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    Request {
        route: Route::of(&method, &path),
        method,
        path,
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        at: Instant::now(),
    }
}

/// A test that panics while it holds the lock has failed already; the others may go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use serde_json::json;

    use super::super::clock::{self, Clock};
    use super::super::testing::{emulator, get, post_json};
    use super::super::{Emulator, Options, StartError};
    use super::*;

    #[test]
    fn unknown_paths_are_refused_and_logged() {
        let emulator = emulator();
        let reply = get(&emulator, "/compute/v1/instances?folderId=x", &[("x-request-id", "mine")]);
        assert_eq!((reply.status, reply.json()["code"].as_i64()), (404, Some(5)));
        assert_eq!(reply.header("x-request-id"), Some("mine"));

        assert_eq!(emulator.count(Route::Other), 1);
        let logged = &emulator.requests()[0];
        assert_eq!(
            (logged.method.as_str(), logged.path.as_str()),
            ("GET", "/compute/v1/instances")
        );
        assert_eq!(logged.query, "folderId=x");
        assert_eq!(logged.header("x-request-id"), Some("mine"));
        emulator.clear_requests();
        assert_eq!(emulator.count(Route::Other), 0);
    }

    #[test]
    fn a_wrong_clock_shows_in_every_answer() {
        let emulator = emulator();
        let account = emulator.add_service_account("robot", "b1gfolder");
        emulator.set_clock_shift(-86_400 * 365);
        let bearer = format!("Bearer {}", emulator.issue_iam_token(&account));
        let headers = [("authorization", bearer.as_str())];
        let body = json!({ "serviceAccountId": account });
        let reply = post_json(&emulator, "/iam/v1/tokens:createForServiceAccount", &headers, &body);

        let server_time = Clock::shifted_by(-86_400 * 365).now();
        assert!(reply.header("date").unwrap().contains(&server_time.year().to_string()));
        let expires_at = reply.json()["expiresAt"].as_str().unwrap().to_owned();
        assert!(expires_at > clock::rfc3339(server_time));
        assert!(expires_at < clock::rfc3339(Clock::default().now()));
    }

    #[test]
    fn an_answer_is_delayed() {
        let emulator = emulator();
        let delay = Duration::from_millis(120);
        emulator.delay(Route::Jwks, delay);
        let start = Instant::now();
        assert_eq!(get(&emulator, "/oauth/jwks/keys", &[]).status, 200);
        assert!(start.elapsed() >= delay);
    }

    #[test]
    fn two_hundred_clients_at_once_are_served() {
        let emulator = emulator();
        thread::scope(|scope| {
            for _ in 0..200 {
                scope.spawn(|| assert_eq!(get(&emulator, "/endpoints", &[]).status, 200));
            }
        });
        assert_eq!(emulator.count(Route::Endpoints), 200);
        assert_eq!(emulator.connections(), 200);
    }

    #[test]
    fn a_port_is_free_again_when_the_emulator_is_dropped() {
        let first = emulator();
        let address = first.url().trim_start_matches("http://").parse().unwrap();
        let taken = Emulator::start_with(Options { address, ..Options::default() });
        assert!(matches!(taken, Err(StartError::Listen { .. })));
        drop(first);
        let second = Emulator::start_with(Options { address, ..Options::default() }).unwrap();
        assert_eq!(get(&second, "/endpoints", &[]).status, 200);
    }

    #[test]
    fn it_starts_and_stops_inside_another_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let emulator = emulator();
            let address = emulator.url().trim_start_matches("http://").parse().unwrap();
            assert!(Emulator::start_with(Options { address, ..Options::default() }).is_err());
        });
    }
}
