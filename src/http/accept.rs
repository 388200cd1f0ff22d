//! \[net\] The loop that accepts connections, and the bounds that hold for each.
//!
//! Before it: a [`Listener`]. After it: the router. What a client may do is bounded in number ([`Bounds::connections`]), in
//! bytes (headers, body) and in time: headers that do not come, and a connection on which nothing moves, end it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::answer::busy_at_once;
use super::listener::{Accepted, Listener, Stream};
use super::peer::Peer;
use crate::clock::{self, SharedClock};

/// Without file descriptors for a connection, the next try is after so long.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// How often it is asked whether anything moves on a connection.
const LOOK: Duration = Duration::from_secs(10);

/// What is being answered when the daemon stops has so long.
const AT_STOP: Duration = Duration::from_secs(2);

/// What clients may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at one time; one more is told that the server is busy.
    pub connections: usize,
    /// Connections besides these that rest: see [`KeepOpen`].
    pub resting: usize,
    /// Bytes of headers.
    pub headers: usize,
    /// From the first look for headers to their end.
    pub header_time: Duration,
    /// A connection on which nothing moves for so long ends; of `LOOK`, a whole number.
    pub idle: Duration,
}

impl Bounds {
    /// Those of the control socket.
    pub const SOCKET: Self = Self {
        connections: 64,
        resting: 512,
        headers: 8 << 10,
        header_time: Duration::from_secs(5),
        idle: Duration::from_secs(30),
    };

    /// Those of a listener for browsers and scrapers.
    /// Browsers send the cookies of every service of the host.
    pub const TCP: Self = Self { connections: 256, resting: 0, headers: 32 << 10, ..Self::SOCKET };
}

/// Every request carries one: a handler that waits for its client for long (a command that runs under `wrap`) says so here,
/// and its connection may rest. Such connections have places of their own, so that those who ask still find one.
#[derive(Clone, Debug)]
pub struct KeepOpen {
    /// What the connection occupies until its end.
    place: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    rests: Arc<AtomicBool>,
    resting: Arc<Semaphore>,
}

impl KeepOpen {
    fn new(place: OwnedSemaphorePermit, resting: &Arc<Semaphore>) -> Self {
        Self { place: Arc::new(Mutex::new(Some(place))), rests: Arc::default(), resting: Arc::clone(resting) }
    }

    /// From now on nothing needs to move on this connection. `false` where too many rest already: then it may not.
    #[must_use]
    pub fn keep(&self) -> bool {
        if !self.rests.load(Ordering::Relaxed) {
            let Ok(place) = Arc::clone(&self.resting).try_acquire_owned() else { return false };
            self.occupy(Some(place));
            self.rests.store(true, Ordering::Relaxed);
        }
        true
    }

    fn occupy(&self, place: Option<OwnedSemaphorePermit>) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

/// Serves until `stop` is true; then what is being answered has [`AT_STOP`].
#[expect(clippy::disallowed_methods, reason = "the server owns its connections")]
pub async fn serve<L: Listener>(
    mut listener: L,
    router: Router,
    bounds: Bounds,
    clock: SharedClock,
    mut stop: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(bounds.connections));
    let resting = Arc::new(Semaphore::new(bounds.resting));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok(accepted) => match Arc::clone(&free).try_acquire_owned() {
                Ok(place) => {
                    let keep_open = KeepOpen::new(place, &resting);
                    let served = connection(
                        accepted,
                        router.clone(),
                        bounds,
                        (Arc::clone(&clock), stop.clone()),
                        keep_open.clone(),
                    );
                    connections.spawn(async move {
                        served.await;
                        keep_open.occupy(None);
                    });
                }
                Err(_) => accepted.stream.write_at_once(&busy_at_once()),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                clock::sleep_until(&*clock, clock.now().mono + AFTER_ERROR).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        () = clock::sleep_until(&*clock, clock.now().mono + AT_STOP) => {}
    }
}

/// Serves one connection.
async fn connection<S: Stream>(
    Accepted { stream, peer }: Accepted<S>,
    router: Router,
    bounds: Bounds,
    (clock, mut stop): (SharedClock, watch::Receiver<bool>),
    keep_open: KeepOpen,
) {
    let moved = Arc::new(AtomicU64::new(0));
    let io = Counted { stream, moved: Arc::clone(&moved) };
    let service = service(router, peer, keep_open.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_time)
        .max_header_size(bounds.headers)
        // A client that has sent its request may close its own side, and waits for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    let (mut seen, mut still) = (0, Duration::ZERO);
    loop {
        tokio::select! {
            // An error is the client's: it went away, or sent what is no HTTP.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = clock::sleep_until(&*clock, clock.now().mono + LOOK) => {
                let now = moved.load(Ordering::Relaxed);
                still = if now == seen { still + LOOK } else { Duration::ZERO };
                seen = now;
                if still >= bounds.idle && !keep_open.rests.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

/// The router as hyper wants it; every request knows who sent it.
fn service(
    router: Router,
    peer: Peer,
    keep_open: KeepOpen,
) -> impl Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Future + Send,
> {
    let inner = TowerToHyperService::new(router);
    service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(keep_open.clone());
        inner.call(request.map(axum::body::Body::new))
    })
}

/// A connection that counts how often something moved on it.
struct Counted<S> {
    stream: S,
    moved: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    fn note(&self, moved: bool) {
        if moved {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.note(buffer.filled().len() > before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(matches!(polled, Poll::Ready(Ok(written)) if written > 0));
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
