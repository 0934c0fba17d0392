//! Opens a connection before the request for it is ready.
//!
//! With nothing cached, the request for the ID token needs the IAM token, but its connection does not. So the name
//! lookup and the TCP and TLS handshakes of the second server run while the first one answers. The HTTP client has no
//! call for that, so this layer wraps its connector. It keeps the connection, and fails the request that opened it,
//! which is never sent. The next request gets the connection.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The layer. Each client talks to one server, and has its own layer.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectAhead {
    requested: Arc<AtomicBool>,
    connected: Arc<AtomicBool>,
}

impl ConnectAhead {
    /// Marks the next connection as one to keep.
    pub(super) fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether a connection was ever made. A timeout before that has another cause than a timeout after it.
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

/// The connector of the layer.
#[derive(Clone)]
pub(super) struct Connector<S> {
    inner: S,
    requested: Arc<AtomicBool>,
    connected: Arc<AtomicBool>,
    /// The kept connection. Its type has no name outside the HTTP client. The lock is held while the connection is
    /// opened, so that an early request waits for it.
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
        // The clone may not be ready; use the one that was polled.
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
