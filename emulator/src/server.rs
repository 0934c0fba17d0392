//! The server of the emulator: a runtime on a separate thread, the listener, and connections that can be broken.
//!
//! axum cannot send half an answer or none, so [`Wire`] does it below HTTP: a handler sets how many more bytes may be
//! sent, and then the connection fails.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Hundreds of clients start at once in the tests, and the usual 128 would refuse some.
const BACKLOG: u32 = 1024;
/// The wait when the process has no free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A bound address that is not served yet.
pub(super) struct Bound {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("emulator")
            .enable_all()
            .build()?;
        match listen(&runtime, address) {
            Ok((listener, address)) => Ok(Self { runtime, listener, address }),
            Err(error) => {
                // Dropping a runtime may block, which is forbidden if the caller is in another runtime.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// The address of clients: a port that was 0 is known now.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn serve(
        self,
        router: Router,
        tls: Option<TlsAcceptor>,
        connections: Arc<AtomicUsize>,
    ) -> io::Result<Server> {
        let Self { runtime, listener, address } = self;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("emulator".into()).spawn(move || {
            let (ready, incoming) = mpsc::channel(1);
            runtime.spawn(accept(listener, tls, connections, ready));
            let incoming = Incoming { ready: incoming, address };
            let service = router.into_make_service_with_connect_info::<Wire>();
            runtime.spawn(async move { axum::serve(incoming, service).await });
            // An error means that the server was dropped, which is the request to stop.
            let _ = runtime.block_on(stopped);
            // The runtime is dropped here: it closes the listener and every connection, stalled or not.
        })?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}

/// A running server. When dropped, it stops and waits for its end.
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been printed already.
            let _ = thread.join();
        }
    }
}

/// What may still be sent on a connection, for its handler.
#[derive(Clone)]
pub(super) struct Wire(Arc<Limit>);

struct Limit {
    bytes: AtomicUsize,
    reset: AtomicBool,
}

impl Wire {
    /// Sends this many bytes, then closes the connection.
    pub(super) fn cut_after(&self, bytes: usize) {
        self.0.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Sends nothing more and resets the connection (RST, not FIN).
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
        self.cut_after(0);
    }

    fn unlimited() -> Self {
        Self(Arc::new(Limit { bytes: AtomicUsize::new(usize::MAX), reset: AtomicBool::new(false) }))
    }
}

impl Connected<IncomingStream<'_, Incoming>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Self {
        stream.io().wire.clone()
    }
}

/// A connection that honours its [`Wire`].
pub(super) struct Connection {
    stream: Stream,
    wire: Wire,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Stream {
    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(context, bytes),
        }
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(context),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(context, into),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let left = connection.wire.0.bytes.load(Ordering::Relaxed);
        if left == usize::MAX {
            return connection.stream.write(context, bytes);
        }
        if left == 0 {
            // The bytes that may be sent must arrive before the connection is closed.
            ready!(connection.stream.flush(context))?;
            if connection.wire.0.reset.load(Ordering::Relaxed) {
                connection.tcp().set_zero_linger()?;
            }
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let allowed = &bytes[..bytes.len().min(left)];
        let written = ready!(connection.stream.write(context, allowed))?;
        connection.wire.0.bytes.store(left - written, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(context),
        }
    }
}

/// Connections that are ready to be served, as a listener for axum.
pub(super) struct Incoming {
    ready: mpsc::Receiver<Connection>,
    address: SocketAddr,
}

impl Listener for Incoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => (connection, self.address),
            // The accepting task only ends with the runtime, as this one does.
            None => future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Each handshake has its own task, so that a slow or broken client delays no other.
async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
    ready: mpsc::Sender<Connection>,
) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connections.fetch_add(1, Ordering::Relaxed);
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            if let Ok(stream) = handshake(tcp, tls).await {
                // A stopping server has no receiver.
                let _ = ready.send(Connection { stream, wire: Wire::unlimited() }).await;
            }
        });
    }
}

async fn handshake(tcp: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
    tcp.set_nodelay(true)?;
    Ok(match tls {
        Some(tls) => Stream::Tls(Box::new(tls.accept(tcp).await?)),
        None => Stream::Plain(tcp),
    })
}

fn listen(runtime: &Runtime, address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let _context = runtime.enter();
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Unix this lets a stopped emulator be started again on its port; on Windows it would let two emulators share
    // it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
