//! A network that can fail: a TCP proxy that forwards until it is told to stop.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::Failure;

/// A proxy between two programs. It ends with the test's process; its connections end when it is dropped.
pub struct Proxy {
    addr: SocketAddr,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    silent: AtomicBool,
    held: Mutex<bool>,
    goes_on: Condvar,
    bytes: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens at `at` and forwards each connection to `to`.
    ///
    /// # Errors
    /// When it cannot listen there.
    #[track_caller]
    pub fn start(at: SocketAddr, to: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(at)?;
        let addr = listener.local_addr()?;
        let line = Arc::new(Line::default());
        let accepting = Arc::clone(&line);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(to) else { continue };
                let _no_matter = (near.set_nodelay(true), far.set_nodelay(true));
                let _ended = accepting.join(&near, &far);
            }
        });
        Ok(Self { addr, line })
    }

    /// Where to connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Bytes forwarded until now, both ways.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.line.bytes.load(Ordering::Relaxed)
    }

    /// Swallows everything from now on; the connections stay open, as with a cable that was pulled.
    pub fn stop_forwarding(&self) {
        self.line.silent.store(true, Ordering::Relaxed);
    }

    /// Takes nothing more from either side until [`Proxy::go_on`]: whoever sends is held up, and loses nothing.
    pub fn hold(&self) {
        self.line.set_held(true);
    }

    /// Passes on again, what was held up first.
    pub fn go_on(&self) {
        self.line.set_held(false);
    }

    /// Closes every connection; new ones are forwarded again.
    pub fn cut(&self) {
        self.line.silent.store(false, Ordering::Relaxed);
        self.go_on();
        for stream in self.line.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Line {
    fn set_held(&self, held: bool) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.goes_on.notify_all();
    }

    /// Waits for as long as the line is held.
    fn pass(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.goes_on.wait_while(held, |held| *held).unwrap_or_else(PoisonError::into_inner));
    }

    fn join(self: &Arc<Self>, near: &TcpStream, far: &TcpStream) -> std::io::Result<()> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).extend([near.try_clone()?, far.try_clone()?]);
        for (from, to) in [(near, far), (far, near)] {
            let (mut from, mut to, line) = (from.try_clone()?, to.try_clone()?, Arc::clone(self));
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(n) = from.read(&mut buffer) {
                    if n == 0 {
                        break;
                    }
                    if line.silent.load(Ordering::Relaxed) {
                        continue;
                    }
                    line.pass();
                    line.bytes.fetch_add(n as u64, Ordering::Relaxed);
                    if to.write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
                // A pulled cable does not tell the other end that this one has gone.
                if !line.silent.load(Ordering::Relaxed) {
                    let _gone = to.shutdown(Shutdown::Write);
                }
            });
        }
        Ok(())
    }
}
