//! A socket that reads no more than it may.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many more bytes a [`Metered`] stream reads. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

/// A stream that fails once its [`Allowance`] is used up: an unproved peer may not make us read for ever.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    allowance: Allowance,
}

impl Allowance {
    /// So many bytes and no more.
    pub(crate) fn bytes(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    /// The peer has proved itself: no more counting.
    pub(crate) fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn spend(&self, bytes: usize) {
        let left = self.left();
        if left != usize::MAX {
            self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        }
    }
}

impl<S> Metered<S> {
    pub(crate) fn new(inner: S, allowance: Allowance) -> Self {
        Self { inner, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.allowance.left();
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too much was sent before the proof")));
        }
        if left == usize::MAX {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(left.min(buf.remaining())));
        let result = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        let read = part.filled().len();
        buf.advance(read);
        self.allowance.spend(read);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn an_unproved_peer_is_read_up_to_its_allowance_and_not_a_byte_further() {
        let allowance = Allowance::bytes(5);
        let mut stream = Metered::new(std::io::Cursor::new(b"hello world".to_vec()), allowance.clone());
        let mut read = Vec::new();
        assert!(stream.read_to_end(&mut read).await.is_err());
        assert_eq!(read, b"hello");
        allowance.lift();
        assert_eq!(stream.read_to_end(&mut read).await.unwrap(), 6);
        assert_eq!(read, b"hello world");
    }
}
