//! One connection between the two sides, as the engines take it.

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions. `Sync` is what the engines' framing asks for; no stream is used by two threads at a time.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// A connection for Remote Desktop, which runs unchanged inside, with its own TLS.
pub struct Pipe {
    /// The bytes.
    pub stream: Box<dyn Duplex>,
    /// The way that they took when it was opened; it may become a better one.
    pub path: Path,
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The way between the two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// From computer to computer; the other one's address as it is seen from here.
    Direct(SocketAddr),
    /// Through the relay of this host name.
    Relay(String),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(address) => write!(f, "{address}"),
            Self::Relay(host) => write!(f, "relay {host}"),
        }
    }
}
