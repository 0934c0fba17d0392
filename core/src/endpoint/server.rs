//! Serves the connections of an endpoint, with limits on their number, size and duration.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use super::{Answer, Endpoint, Socket};
use crate::error::{Cause, Error, Result};
use crate::runtime::task;

/// How many connections are served at once. Further ones wait in the system's queue.
const CONNECTIONS: usize = 128;

/// How long a client may take to send the head of a request, and may keep an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may last, even if its client reads slowly.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);

/// How long an accepted connection may still receive a request at the end.
const LINGER: Duration = Duration::from_millis(50);

/// How long to wait after a connection cannot be accepted, for example without free descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest head of a request. Bodies are not read.
const HEAD_LIMIT: usize = 16 * 1024;

/// Serves an endpoint until the end, then completes the current requests.
pub fn serve(
    endpoint: Endpoint,
    socket: &Socket,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<impl Future<Output = ()> + Send + 'static> {
    let listener = Listener::of(socket)
        .map_err(|error| Error::Internal(Cause::from(error).context("cannot use a socket")))?;
    let on_loopback = socket.is_on_loopback();
    let endpoint = Arc::new(endpoint);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    Ok(async move {
        let mut end = pin!(end);
        let mut connections = JoinSet::new();
        let (closing, _) = watch::channel(());
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut end => break,
                next = next => next,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok(Some(stream)) => {
                    let endpoint = Arc::clone(&endpoint);
                    let closing = closing.subscribe();
                    connections.spawn(task(async move {
                        let connection = connection(stream, endpoint, on_loopback, closing);
                        let _ = timeout(CONNECTION_TIMEOUT, connection).await;
                        drop(place);
                    }));
                }
                Ok(None) => {
                    warn!("a connection of another user to `{}` was refused", endpoint.name);
                }
                Err(error) => {
                    warn!("cannot accept a connection: {}", Cause::from(error).text());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop((listener, closing));
        while connections.join_next().await.is_some() {}
    })
}

async fn connection(
    stream: Stream,
    endpoint: Arc<Endpoint>,
    on_loopback: bool,
    mut closing: watch::Receiver<()>,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let response = response(endpoint.answer(&request, on_loopback));
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let lingered = async {
        // Fails at the end, when the sender is dropped.
        let _ = closing.changed().await;
        tokio::time::sleep(LINGER).await;
    };
    // A client that breaks the protocol or the connection gets no answer.
    tokio::select! {
        _ = &mut connection => return,
        () = lingered => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn response(Answer { status, content_type, body }: Answer) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Stream = Box<dyn ReadWrite>;

trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

enum Listener {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Listener {
    fn of(socket: &Socket) -> std::io::Result<Self> {
        Ok(match socket.try_clone()? {
            Socket::Tcp(listener) => Self::Tcp(tokio::net::TcpListener::from_std(listener)?),
            #[cfg(unix)]
            Socket::Unix(listener) => Self::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }

    /// The next connection; `None` for a connection of another user.
    async fn accept(&self) -> std::io::Result<Option<Stream>> {
        match self {
            Self::Tcp(listener) => Ok(Some(Box::new(listener.accept().await?.0))),
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                let is_known = user == 0 || user == rustix::process::geteuid().as_raw();
                Ok(if is_known { Some(Box::new(stream)) } else { None })
            }
        }
    }
}
