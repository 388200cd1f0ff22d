//! What the server accepts connections from. Before it: a socket. After it: `accept`.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Peer;

/// Something that connections come from.
pub trait Listener: Send + 'static {
    /// What a connection is.
    type Stream: Stream;

    /// The next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<Accepted<Self::Stream>>> + Send;
}

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Writes what fits without waiting: to a client that is turned away. Whether it arrives does not matter.
    fn write_at_once(&self, bytes: &[u8]);
}

/// A connection, and who is at its other end.
#[derive(Debug)]
pub struct Accepted<S> {
    /// The connection.
    pub stream: S,
    /// Who is at its other end.
    pub peer: Peer,
}

impl Stream for tokio::net::UnixStream {
    fn write_at_once(&self, bytes: &[u8]) {
        let _ = self.try_write(bytes);
    }
}

impl Stream for tokio::net::TcpStream {
    fn write_at_once(&self, bytes: &[u8]) {
        let _ = self.try_write(bytes);
    }
}
