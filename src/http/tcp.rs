//! \[net\] The listeners of `[http]`: opened and closed as the configuration says, tried again where they cannot be.
//!
//! Before it: the configuration in effect. After it: `accept`, with a [`Guard`] before the router. Invariants: an address that
//! is taken stops nothing; a reload that changes nothing about it leaves connections alone.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accept::{Bounds, serve};
use super::core::Core;
use super::guard::{self, Guard};
use super::listener::{Accepted, Listener};
use super::peer::Peer;
use crate::clock;
use crate::daemon::Configuration;
use crate::notify::secret::Kind;
use crate::page::Site;
use crate::plan::{Address, HttpSettings};

/// An address that cannot be had is tried again after so long.
const AGAIN: Duration = Duration::from_secs(15);

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 128;

/// A listener of one configuration.
struct Open {
    stop: watch::Sender<bool>,
    guard: watch::Sender<Arc<Guard>>,
}

/// Serves `[http]` until the daemon stops, whatever the configuration comes to say.
#[expect(clippy::disallowed_methods, reason = "the listeners of the page are tasks beside the daemon")]
pub async fn serve_pages(core: Core, router: Router) {
    let mut configuration = core.snapshot.clone();
    let mut stop = core.stop.clone();
    let mut open: HashMap<Address, Open> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut known: Option<Arc<Configuration>> = None;
    loop {
        let now = Arc::clone(&configuration.borrow_and_update().configuration);
        if known.as_ref() != Some(&now) {
            let wanted = now.http.as_ref().and_then(|settings| Some((settings, guard_of(&now, settings)?)));
            open.retain(|address, listener| {
                let stays = wanted.as_ref().is_some_and(|(settings, _)| settings.listen.contains(address));
                if !stays {
                    listener.stop.send_replace(true);
                }
                stays
            });
            if let Some((settings, guard)) = wanted {
                for address in &settings.listen {
                    match open.get(address) {
                        Some(listener) => drop(listener.guard.send_replace(Arc::clone(&guard))),
                        None => {
                            let (stop, stopped) = watch::channel(false);
                            let (sender, guarded) = watch::channel(Arc::clone(&guard));
                            let one = listen(address.clone(), core.clone(), router.clone(), guarded, stopped);
                            tasks.spawn(one);
                            open.insert(address.clone(), Open { stop, guard: sender });
                        }
                    }
                }
            }
            known = Some(now);
        }
        tokio::select! {
            changed = configuration.changed() => if changed.is_err() { break },
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next() => {}
        }
    }
    for listener in open.values() {
        listener.stop.send_replace(true);
    }
    while tasks.join_next().await.is_some() {}
}

/// What is asked of requests by a configuration; nothing where its token cannot be read: then nothing is served.
fn guard_of(configuration: &Configuration, settings: &HttpSettings) -> Option<Arc<Guard>> {
    let token = match settings.token.as_ref().map(|source| source.resolve(Kind::Page)).transpose() {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(%error, "the status page is not served: its token cannot be read");
            return None;
        }
    };
    if settings.is_open() {
        tracing::warn!(
            "others than this machine can open the status page without a token: `slack-alert check --explain page-open`"
        );
    }
    let site = Site {
        host: configuration.host.to_string(),
        base: settings.base_path(),
        zone: configuration.zone.clone().unwrap_or(jiff::tz::TimeZone::UTC),
        control: settings.control && token.is_some(),
        show_output: settings.show_output,
    };
    Some(Arc::new(Guard::new(settings, &configuration.host, token, site)))
}

/// Listens at one address, from when it can be had until it is wanted no more.
async fn listen(
    address: Address,
    core: Core,
    router: Router,
    guard: watch::Receiver<Arc<Guard>>,
    mut stop: watch::Receiver<bool>,
) {
    let clock = Arc::clone(&core.clock);
    let mut told = None;
    let listener = loop {
        let error = match Bound::bind(&address) {
            Ok(listener) => break listener,
            Err(error) => error,
        };
        // Once, and again when the reason is another.
        let why = error.to_string();
        if told.as_ref() != Some(&why) {
            tracing::error!(%address, %error, "the status page cannot be served here; it is tried again every {} s", AGAIN.as_secs());
            told = Some(why);
        }
        tokio::select! {
            () = clock::sleep_until(&*clock, clock.now().mono + AGAIN) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    };
    tracing::info!(address = %listener.shown(), "the status page is served");
    let guarded = guarded(router, guard);
    match listener {
        Bound::Tcp(listener) => serve(Tcp(listener), guarded, Bounds::TCP, clock, stop).await,
        Bound::Unix(listener, path) => serve(Socket { listener, path }, guarded, Bounds::TCP, clock, stop).await,
    }
}

/// The router behind a guard, which may change with the configuration. The guard comes first: it takes a proxy's path away.
fn guarded(router: Router, guard: watch::Receiver<Arc<Guard>>) -> Router {
    let layer = axum::middleware::from_fn(move |request: Request, next: Next| {
        let guard = Arc::clone(&guard.borrow());
        async move { guard::watch(axum::extract::State(guard), request, next).await as Response }
    });
    Router::new().fallback_service(router).layer(layer)
}

/// A socket that is listened on.
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Bound {
    #[expect(clippy::disallowed_methods, reason = "the door of the status page: its sockets")]
    fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let socket = match address {
                    SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
                    SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
                };
                // What the daemon before this one has left half closed is no reason not to listen.
                socket.set_reuseaddr(true)?;
                socket.bind(*address)?;
                Ok(Self::Tcp(socket.listen(BACKLOG)?))
            }
            Address::Unix(path) => {
                clear(path)?;
                let listener = UnixListener::bind(path)?;
                // Whoever may open its folder may look, as a proxy must.
                std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o660))?;
                Ok(Self::Unix(listener, path.clone()))
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map(|address| format!("http://{address}/")).unwrap_or_default()
            }
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }
}

/// Takes a socket away that nobody listens on; one that somebody listens on is taken.
#[expect(clippy::disallowed_methods, reason = "the door of the status page: its sockets")]
fn clear(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name, which is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => std::fs::remove_file(path),
    }
}

struct Tcp(TcpListener);

impl Listener for Tcp {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<Accepted<TcpStream>> {
        let (stream, address) = self.0.accept().await?;
        // Answers are small, and some are waited for.
        let _ = stream.set_nodelay(true);
        Ok(Accepted { stream, peer: Peer::Tcp { address, may_change: false, user: None } })
    }
}

struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// The name goes while somebody still listens: whoever is to listen there next waits for that, and makes its own afterwards.
impl Drop for Socket {
    #[expect(clippy::disallowed_methods, reason = "the door of the status page: its sockets")]
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener for Socket {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<Accepted<UnixStream>> {
        let (stream, _) = self.listener.accept().await?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Accepted { stream, peer: Peer::Tcp { address, may_change: false, user: None } })
    }
}
