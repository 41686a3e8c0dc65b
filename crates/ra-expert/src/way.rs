//! Ways to the novice's computer: it is dialled, it dials, or somebody has brought a connection already.
//!
//! Whatever the way, what follows is the same: negotiation, TLS, the judgement over the key, the proof. Source: S90.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};
use std::net::TcpListener;
use std::sync::Arc;

use ra_ticket::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of bytes both ways, whatever carries it. Everything that can be one is one.
///
/// `Sync` is what the framing of ironrdp asks for; no stream is used by two threads at a time.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}

/// Opens a connection once more after it was lost, for a [`Way::Over`] whose first one somebody has brought.
pub trait Redial: Send + Sync + 'static {
    /// A new connection to the same computer, on which the expert speaks first. It is asked for again and again while the
    /// path may be gone, a second after it failed or at the latest some seconds after it began, and is dropped then.
    fn redial(&self) -> Redialling<'_>;
}

/// What [`Redial::redial`] does.
pub type Redialling<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Duplex>>> + Send + 'a>>;

/// How a [`Viewer`](crate::Viewer) comes to its connection.
#[derive(Default)]
#[non_exhaustive]
pub enum Way {
    /// It dials the endpoints of the plan.
    #[default]
    Dial,
    /// It dials the endpoints of the plan, and has a connection brought by another way at the same time; the first that
    /// shows the right key wins. Where addresses are to be tried strictly one after the other, the other way comes last.
    DialAlso {
        /// The other way, now and after a loss.
        other: Arc<dyn Redial>,
        /// What the other end is called in events when it was reached that way.
        endpoint: Endpoint,
    },
    /// Over a connection that is there already. For plans that know the novice's key: nobody is asked about a second
    /// connection when the first had to find that key out.
    Over {
        /// The connection, on which the expert speaks first. Whoever made it has set what its transport needs to carry a
        /// key at once, such as `TCP_NODELAY`.
        stream: Box<dyn Duplex>,
        /// What the other end is called in events.
        endpoint: Endpoint,
        /// The way back after a loss; without one a loss is the end.
        again: Option<Arc<dyn Redial>>,
    },
    /// The novice's computer dials this port. The first caller that shows the right key is it; others are sent away,
    /// and the port is closed as soon as it has come. For plans that know the novice's key.
    Listening(TcpListener),
}

impl Way {
    /// Over a connection that is there already; `endpoint` is what its other end is called in events.
    #[must_use]
    pub fn over(stream: impl Duplex + 'static, endpoint: Endpoint) -> Self {
        Self::Over { stream: Box::new(stream), endpoint, again: None }
    }

    /// The same with a way back after a loss; means nothing for another way, which has one of its own.
    #[must_use]
    pub fn with_redial(mut self, redial: Arc<dyn Redial>) -> Self {
        if let Self::Over { again, .. } = &mut self {
            *again = Some(redial);
        }
        self
    }
}

/// A stream that has become a connection of ours. It has a name, because futures over a bare `Box<dyn Duplex>` do not pass
/// the compiler's check that they may move between threads.
pub(crate) struct Transport(Box<dyn Duplex>);

impl Transport {
    pub(crate) fn new(stream: Box<dyn Duplex>) -> Self {
        Self(stream)
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial => f.write_str("Dial"),
            Self::DialAlso { endpoint, .. } => write!(f, "DialAlso({endpoint})"),
            Self::Over { endpoint, .. } => write!(f, "Over({endpoint})"),
            Self::Listening(listener) => f.debug_tuple("Listening").field(&listener.local_addr()).finish(),
        }
    }
}
