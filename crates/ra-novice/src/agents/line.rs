//! The agent's end of the line: waits for a host, says where it is, hears what to show.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::peer;
use super::wire::{FromAgent, LONGEST_LINE, On, Scene, from_host, line_of};

/// An agent's line to whichever host runs, one after the other.
#[derive(Debug)]
pub struct HostLine {
    socket: PathBuf,
    on: On,
    changes: Receiver<notify::Result<notify::Event>>,
    _watcher: RecommendedWatcher,
    reader: Option<BufReader<UnixStream>>,
    speaker: Speaker,
}

/// The way to say something to the host, from any thread. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Speaker(Arc<Mutex<Option<UnixStream>>>);

impl HostLine {
    /// Watches that directory for a host (see [`super::meeting_place`]); `on` is said to each one.
    ///
    /// # Errors
    /// When the directory cannot be used, or the system has no means left to watch it.
    pub fn watch(directory: &Path, on: On) -> io::Result<Self> {
        peer::prepare(directory)?;
        let (seen, changes) = channel();
        let watcher = notify::recommended_watcher(move |event| {
            // Nobody listens any more when the line is being taken down.
            let _ = seen.send(event);
        });
        let watch = |mut watcher: RecommendedWatcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        };
        let watcher = watcher.and_then(watch).map_err(|error: notify::Error| io::Error::other(error.to_string()))?;
        let socket = peer::socket_in(directory);
        Ok(Self { socket, on, changes, _watcher: watcher, reader: None, speaker: Speaker::default() })
    }

    /// The way to answer.
    #[must_use]
    pub fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }

    /// Waits until a host is there, and says to it where this agent is. At the first call one may be there already;
    /// later ones wait for another.
    ///
    /// # Errors
    /// When the directory can no longer be watched.
    pub fn connect(&mut self) -> io::Result<()> {
        let first = self.reader.take().is_none();
        self.speaker.set(None);
        if first && self.try_to_connect() {
            return Ok(());
        }
        loop {
            // Whatever has changed since the last host was met: it may have been replaced.
            let gone = |_| io::Error::other("the directory cannot be watched any more");
            let change = self.changes.recv().map_err(gone)?.map_err(|error| io::Error::other(error.to_string()))?;
            if !change.kind.is_access() && self.try_to_connect() {
                return Ok(());
            }
        }
    }

    /// The next thing to show; waits for it.
    ///
    /// # Errors
    /// When the host is gone, or makes no sense.
    pub fn hear(&mut self) -> io::Result<Scene> {
        let Some(reader) = &mut self.reader else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut line = Vec::new();
        reader.take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        from_host(&line)
    }

    fn try_to_connect(&mut self) -> bool {
        // What was seen until here is about this host or an earlier one.
        while self.changes.try_recv().is_ok() {}
        let connect = || -> io::Result<(UnixStream, UnixStream)> {
            let stream = UnixStream::connect(&self.socket)?;
            // The cookie is for a process of the same user only.
            let host = rustix::net::sockopt::socket_peercred(&stream)?.uid;
            if host != rustix::process::geteuid() {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            stream.set_write_timeout(Some(READS_WITHIN))?;
            (&stream).write_all(&line_of(&FromAgent::Here { on: self.on.clone() })?)?;
            Ok((stream.try_clone()?, stream))
        };
        match connect() {
            Ok((writer, stream)) => {
                self.speaker.set(Some(writer));
                self.reader = Some(BufReader::new(stream));
                true
            }
            Err(error) => {
                tracing::debug!(%error, "no host");
                false
            }
        }
    }
}

impl Speaker {
    /// The person answered the question of this number.
    pub fn answer(&self, question: u64, yes: bool) {
        self.say(&FromAgent::Answer { question, yes });
    }

    /// The person takes control back.
    pub fn take_back(&self) {
        self.say(&FromAgent::TakeBack);
    }

    /// The person ends the session.
    pub fn stop(&self) {
        self.say(&FromAgent::Stop);
    }

    fn say(&self, word: &FromAgent) {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut stream) = stream.as_ref() else { return };
        let said = line_of(word).and_then(|line| stream.write_all(&line));
        if let Err(error) = said {
            // The reader notices that the host is gone.
            tracing::debug!(%error, "the host hears nothing");
        }
    }

    fn set(&self, stream: Option<UnixStream>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }
}

/// A host that has not read for so long is gone.
const READS_WITHIN: Duration = Duration::from_secs(5);
