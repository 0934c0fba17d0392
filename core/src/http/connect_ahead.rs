//! A connection that is opened before the request that will use it is known.
//!
//! With nothing cached, the ID token's request needs the IAM token, but its connection does not: the
//! name lookup and the TCP and TLS handshakes of the second server run while the first answers.
//! The HTTP client has no call for that, so this layer wraps its connector. It keeps a connection that is opened
//! ahead, and fails the request for it, which is never sent. The next request gets that connection.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The layer. Each client has its own, as each client talks to one server.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectAhead {
    requested: Arc<AtomicBool>,
    connected: Arc<AtomicBool>,
}

impl ConnectAhead {
    /// The next connection is one to keep aside.
    pub(super) fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether there has been a connection at all: what takes too long before is another matter than
    /// what takes too long after.
    pub(super) fn has_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for ConnectAhead {
    type Service = Connector<S>;

    fn layer(&self, inner: S) -> Connector<S> {
        let Self { requested, connected } = self.clone();
        Connector { inner, requested, connected, aside: Arc::default() }
    }
}

/// The connector that the layer makes.
#[derive(Clone)]
pub(super) struct Connector<S> {
    inner: S,
    requested: Arc<AtomicBool>,
    connected: Arc<AtomicBool>,
    /// The connection that was opened ahead. Its type has no name outside the HTTP client. The lock is
    /// held while it is being opened, so that the request that comes early waits for it.
    aside: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

impl<S, R> Service<R> for Connector<S>
where
    R: Send + 'static,
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let clone = self.inner.clone();
        // The clone may not be ready; the one that was polled is.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let aside = Arc::clone(&self.aside);
        let ahead = self.requested.swap(false, Ordering::Relaxed);
        let connected = Arc::clone(&self.connected);
        let mut connect = move |target| {
            let connecting = inner.call(target);
            let connected = Arc::clone(&connected);
            async move { connecting.await.inspect(|_| connected.store(true, Ordering::Relaxed)) }
        };
        Box::pin(async move {
            let mut aside = aside.lock().await;
            if ahead {
                *aside = Some(Box::new(connect(target).await?));
                return Err("the connection was opened ahead of its request".into());
            }
            let kept = aside.take().and_then(|connection| connection.downcast().ok());
            drop(aside);
            match kept {
                Some(connection) => Ok(*connection),
                None => connect(target).await,
            }
        })
    }
}
