//! Waiting for an X connection and for another thread at the same time.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use x11rb::rust_connection::RustConnection;

use crate::OpenError;
use crate::capture::Waker;

/// An eventfd that lies in `poll` beside the connection.
#[derive(Clone, Debug)]
pub(super) struct Wake(Arc<OwnedFd>);

impl Wake {
    pub(super) fn new() -> Result<Self, OpenError> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        Ok(Self(Arc::new(fd.map_err(|error| OpenError::Connect(error.to_string()))?)))
    }

    pub(super) fn waker(&self) -> Waker {
        let fd = Arc::clone(&self.0);
        // It fails only when the counter is full, and then the other side is awake already.
        Waker::new(move || _ = rustix::io::write(&*fd, &1_u64.to_ne_bytes()))
    }

    /// Whether somebody woke us since the last call.
    pub(super) fn take(&self) -> bool {
        rustix::io::read(&*self.0, &mut [0; 8]).is_ok()
    }

    /// Blocks until the connection has something to read, somebody wakes us, or the deadline is there.
    ///
    /// Events that the connection has read already do not count: take those first.
    pub(super) fn wait(&self, connection: &RustConnection, deadline: Option<Instant>) -> Result<(), Errno> {
        loop {
            let time = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let mut fds = [
                PollFd::from_borrowed_fd(connection.stream().as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, time.map(timespec).as_ref()) {
                Err(Errno::INTR) => {}
                result => return result.map(drop),
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) }
}
