//! A Kubernetes API server with the functions that a client needs to get its identity and to list namespaces.
//!
//! The real one is in no package registry. This one validates bearer tokens as kube-apiserver does (its
//! `plugin/pkg/authenticator/token/oidc`, and observations of version 1.36): signature by a key of the issuer, exact
//! `iss`, one of the audiences, `exp` without leeway, `nbf` with five minutes of it. A failure returns only
//! `Unauthorized`; the reason is in the log, which contains no token.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use yc_id_token_emulator::Emulator;

/// The only leeway of kube-apiserver's OIDC verifier.
const NOT_BEFORE_LEEWAY: f64 = 300.0;

/// The trust of the server: one entry of `jwt` in an `AuthenticationConfiguration`.
#[derive(Clone)]
pub struct Trust {
    pub issuer: String,
    pub audiences: Vec<String>,
    pub username_prefix: String,
    /// The only accepted subjects, if there is a rule for them.
    pub subjects: Option<Vec<String>>,
}

impl Trust {
    /// Trust in the ID tokens of a cloud for one audience.
    pub fn in_cloud(cloud: &Emulator, audience: &str) -> Self {
        Self {
            issuer: cloud.issuer().to_owned(),
            audiences: vec![audience.to_owned()],
            username_prefix: "cloud-sa:".to_owned(),
            subjects: None,
        }
    }
}

/// A request as the server logged it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub status: u16,
    /// A hash that distinguishes tokens.
    pub token: Option<String>,
    /// Why the token was refused.
    pub refusal: Option<&'static str>,
}

/// A running server. It stops when dropped.
pub struct ApiServer {
    pub url: String,
    pub ca_pem: String,
    authority: Arc<Authority>,
    _runtime: tokio::runtime::Runtime,
}

impl ApiServer {
    /// Starts a server that verifies tokens with the published keys of the cloud.
    pub fn start(trust: Trust, cloud: &Emulator) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("api-server")
            .enable_all()
            .build()
            .unwrap();
        let (ca_pem, acceptor) = tls();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let authority = Arc::new(Authority::new(trust, cloud));
        let app = axum::Router::new().fallback(handle).with_state(Arc::clone(&authority));
        let (ready, handshaken) = mpsc::channel(16);
        runtime.spawn(accept(listener, acceptor, ready));
        runtime.spawn(async move { axum::serve(Connections { handshaken, address }, app).await });
        Self { url: format!("https://{address}"), ca_pem, authority, _runtime: runtime }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.authority.log.lock().unwrap().clone()
    }

    /// The accepted tokens, each once, in the order of their arrival.
    pub fn tokens(&self) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for request in self.requests().into_iter().filter(|request| request.refusal.is_none()) {
            tokens.extend(request.token.filter(|token| !tokens.contains(token)));
        }
        tokens
    }
}

/// Validates tokens.
struct Authority {
    trust: Trust,
    jwks: SocketAddr,
    /// By `kid`. Fetched when an unknown one arrives.
    keys: Mutex<HashMap<String, RsaPublicKeyComponents<Vec<u8>>>>,
    log: Mutex<Vec<Request>>,
}

impl Authority {
    fn new(trust: Trust, cloud: &Emulator) -> Self {
        let address = cloud.url().strip_prefix("http://").expect("a cloud without TLS");
        Self {
            trust,
            jwks: address.parse().unwrap(),
            keys: Mutex::default(),
            log: Mutex::default(),
        }
    }

    /// The user of the token at a time, or why it is rejected.
    fn judge(&self, token: &str, now: SystemTime) -> Result<String, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("it is no JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("it is no JWT")?;
        let header = json_part(header)?;
        if header["alg"] != "RS256" {
            return Err("it is not signed with RS256");
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "it is no JWT")?;
        let key_id = header["kid"].as_str().ok_or("its header names no key")?;
        self.verify(key_id, signed.as_bytes(), &signature)?;

        let claims = json_part(claims)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let expires_at = claims["exp"].as_f64().ok_or("it has no `exp`")?;
        let subject = claims["sub"].as_str().ok_or("it has no `sub`")?;
        if claims["iss"] != self.trust.issuer.as_str() {
            Err("it is of another issuer")
        } else if !self.trust.audiences.iter().any(|trusted| names(&claims["aud"], trusted)) {
            Err("it is for another audience")
        } else if expires_at < now {
            Err("it has expired")
        } else if claims["nbf"].as_f64().is_some_and(|from| from > now + NOT_BEFORE_LEEWAY) {
            Err("it is not valid yet")
        } else if !self.lets_in(subject) {
            Err("a validation rule is against it")
        } else {
            Ok(format!("{}{subject}", self.trust.username_prefix))
        }
    }

    fn lets_in(&self, subject: &str) -> bool {
        let subjects = self.trust.subjects.as_ref();
        subjects.is_none_or(|subjects| subjects.iter().any(|one| one == subject))
    }

    fn verify(&self, key_id: &str, signed: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let mut keys = self.keys.lock().unwrap();
        if !keys.contains_key(key_id) {
            *keys = fetch_keys(self.jwks);
        }
        let key = keys.get(key_id).ok_or("its issuer has no such key")?;
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).map_err(|_| "it is forged")
    }
}

fn json_part(part: &str) -> Result<Value, &'static str> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is no JWT")?;
    serde_json::from_slice(&json).map_err(|_| "it is no JWT")
}

fn names(audience: &Value, trusted: &str) -> bool {
    audience == trusted
        || audience.as_array().is_some_and(|all| all.iter().any(|one| one == trusted))
}

fn fetch_keys(jwks: SocketAddr) -> HashMap<String, RsaPublicKeyComponents<Vec<u8>>> {
    let (status, body) = super::http_get(jwks, "/oauth/jwks/keys");
    assert_eq!(status, 200, "{body}");
    let document: Value = serde_json::from_str(&body).unwrap();
    let keys = document["keys"].as_array().unwrap();
    let number = |key: &Value, name| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    keys.iter()
        .map(|key| {
            let public = RsaPublicKeyComponents { n: number(key, "n"), e: number(key, "e") };
            (key["kid"].as_str().unwrap().to_owned(), public)
        })
        .collect()
}

async fn handle(State(authority): State<Arc<Authority>>, request: HttpRequest) -> Response {
    let method = request.method().as_str().to_owned();
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get(header::AUTHORIZATION);
    let token = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let verdict = token.as_deref().map(|token| {
        // The keys may have to be fetched.
        tokio::task::block_in_place(|| authority.judge(token, SystemTime::now()))
    });
    let (status, body) = match &verdict {
        None => failure(403, "Forbidden", "the request is anonymous"),
        Some(Err(_)) => failure(401, "Unauthorized", "Unauthorized"),
        Some(Ok(user)) => answer(&method, &path, user),
    };
    authority.log.lock().unwrap().push(Request {
        method,
        path,
        status,
        token: token.as_deref().map(hash),
        refusal: verdict.and_then(Result::err),
    });
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn answer(method: &str, path: &str, user: &str) -> (u16, Value) {
    let ok = |body| (200, body);
    match (method, path) {
        ("GET", "/version") => ok(json!({ "major": "1", "minor": "37", "gitVersion": "v1.37.1" })),
        ("GET", "/api") => ok(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ("GET", "/apis") => {
            let version = json!({ "groupVersion": "authentication.k8s.io/v1", "version": "v1" });
            let name = "authentication.k8s.io";
            let group = json!({ "name": name, "versions": [version], "preferredVersion": version });
            ok(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [group] }))
        }
        ("GET", "/api/v1") => ok(resources(
            "v1",
            &json!({
                "name": "namespaces", "singularName": "namespace", "shortNames": ["ns"],
                "namespaced": false, "kind": "Namespace", "verbs": ["get", "list"],
            }),
        )),
        ("GET", "/apis/authentication.k8s.io/v1") => ok(resources(
            "authentication.k8s.io/v1",
            &json!({
                "name": "selfsubjectreviews", "singularName": "selfsubjectreview",
                "namespaced": false, "kind": "SelfSubjectReview", "verbs": ["create"],
            }),
        )),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews") => {
            let info = json!({ "username": user, "groups": ["system:authenticated"] });
            (
                201,
                json!({
                    "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
                    "metadata": {}, "status": { "userInfo": info },
                }),
            )
        }
        ("GET", "/api/v1/namespaces") => {
            let item =
                |name| json!({ "metadata": { "name": name }, "status": { "phase": "Active" } });
            ok(json!({
                "kind": "NamespaceList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" },
                "items": [item("default"), item("kube-system")],
            }))
        }
        _ => failure(404, "NotFound", "the server could not find the requested resource"),
    }
}

fn resources(version: &str, resource: &Value) -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
        "resources": [resource],
    })
}

fn failure(status: u16, reason: &str, message: &str) -> (u16, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status,
    });
    (status, body)
}

fn hash(token: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12])
}

/// A certificate authority, and a server certificate of it.
fn tls() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    // OpenSSL would treat a leaf with the name of its issuer as self-signed.
    params.distinguished_name.push(DnType::CommonName, "the cluster's CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.into()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (ca.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections. One with an unfinished handshake delays no other.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                // An error means that the server is stopping.
                let _ = ready.send((stream, peer)).await;
            }
        });
    }
}

/// Connections after their handshake, as axum expects them.
struct Connections {
    handshaken: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for Connections {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.handshaken.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// This server is itself tested, with results of the real server.
#[test]
fn tokens_are_accepted_and_rejected_as_by_the_real_server() {
    let sandbox = crate::sandbox::Sandbox::new();
    let token = sandbox.run(&["token", "--audience=k8s"]).ok();
    let token = token.trim_end();
    let expires_at = crate::sandbox::claims(token)["exp"].as_u64().unwrap();
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let alive = at(expires_at - 60);
    let trust = Trust::in_cloud(&sandbox.cloud, "k8s");
    let judge = |trust: &Trust, token: &str, now| {
        Authority::new(trust.clone(), &sandbox.cloud).judge(token, now)
    };

    let user = format!("cloud-sa:{}", sandbox.account);
    assert_eq!(judge(&trust, token, alive), Ok(user.clone()));
    assert_eq!(judge(&trust, token, at(expires_at)), Ok(user));
    assert_eq!(judge(&trust, token, at(expires_at + 1)), Err("it has expired"));
    let with_slash = Trust { issuer: format!("{}/", trust.issuer), ..trust.clone() };
    assert_eq!(judge(&with_slash, token, alive), Err("it is of another issuer"));
    let elsewhere = Trust { audiences: vec!["k8s2".into(), "k8".into()], ..trust.clone() };
    assert_eq!(judge(&elsewhere, token, alive), Err("it is for another audience"));

    let (header, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let other_claims = URL_SAFE_NO_PAD.encode(json!({ "exp": expires_at }).to_string());
    let forged = format!("{header}.{other_claims}.{signature}");
    assert_eq!(judge(&trust, &forged, alive), Err("it is forged"));
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let unsigned = format!("{unsigned}.{other_claims}.");
    assert_eq!(judge(&trust, &unsigned, alive), Err("it is not signed with RS256"));
}
