//! The engine's thread: its runtime, the signals, and the picture that is saved at the end.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ra_expert::{Controls, EndReason, Picture, Viewer};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::failure::Failure;
use crate::terminal;

/// What a signal means now.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    running: Arc<Mutex<Option<Running>>>,
}

struct Running {
    controls: Controls,
    picture: Picture,
    screenshot: Option<PathBuf>,
    asked: bool,
}

impl Signals {
    /// From here on a signal never leaves the terminal without its echo. Before a session it ends the program as a
    /// "no" to its question would; during one it ends the session in good order, and only then the program.
    pub(crate) fn watch() -> io::Result<Self> {
        let signals = Self::default();
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let mut watched = {
            let _guard = runtime.enter();
            Watched {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
                user: signal(SignalKind::user_defined1())?,
            }
        };
        let seen = signals.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        Some(()) = watched.interrupt.recv() => seen.end(),
                        Some(()) = watched.terminate.recv() => seen.end(),
                        Some(()) = watched.hang_up.recv() => seen.end(),
                        Some(()) = watched.user.recv() => seen.save(),
                        else => return,
                    }
                }
            });
        })?;
        Ok(signals)
    }

    fn session(&self, running: Option<Running>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    fn end(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.as_mut() {
            Some(session) if !session.asked => {
                session.asked = true;
                session.controls.end();
            }
            // Nobody was reached yet, or the second signal: no more patience.
            _ => {
                terminal::restore();
                std::process::exit(0);
            }
        }
    }

    fn save(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { picture, screenshot: Some(path), .. }) = running.as_ref()
            && let Err(failure) = screenshot(picture, path)
        {
            error!(path = %path.display(), "{failure}");
        }
    }
}

struct Watched {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user: Signal,
}

/// Where the viewer's connections live.
enum Network {
    /// On the thread that keeps an endpoint already: nothing is handed on from thread to thread then, which costs a wake-up
    /// for each frame.
    Kept(Handle),
    Own(Runtime),
}

impl Network {
    /// The runtime that was entered, or one of its own.
    fn here() -> Result<Self, Failure> {
        if let Ok(kept) = Handle::try_current() {
            return Ok(Self::Kept(kept));
        }
        let own = Builder::new_current_thread().enable_all().build();
        own.map(Self::Own).map_err(|error| Failure::Engine(error.to_string()))
    }

    fn run(self, viewer: Viewer) -> Result<EndReason, Failure> {
        match self {
            Self::Kept(network) => {
                let ran = network.block_on(network.spawn(viewer.run()));
                ran.map_err(|error| Failure::Engine(error.to_string()))
            }
            Self::Own(network) => {
                let reason = network.block_on(viewer.run());
                // A question on the terminal that nobody will answer any more must not keep the program.
                network.shutdown_background();
                Ok(reason)
            }
        }
    }
}

/// Runs the viewer on a thread of its own; the main thread belongs to the window.
pub(crate) fn start(
    viewer: Viewer,
    signals: &Signals,
    screenshot_file: Option<PathBuf>,
) -> Result<JoinHandle<Result<EndReason, Failure>>, Failure> {
    let network = Network::here()?;
    let picture = viewer.picture();
    signals.session(Some(Running {
        controls: viewer.controls(),
        picture: picture.clone(),
        screenshot: screenshot_file.clone(),
        asked: false,
    }));
    let run = move || {
        let reason = network.run(viewer)?;
        // Whatever the end was, what was seen is worth keeping.
        if let Some(path) = screenshot_file {
            screenshot(&picture, &path)?;
        }
        Ok(reason)
    };
    thread::Builder::new().name("engine".to_owned()).spawn(run).map_err(|error| Failure::Engine(error.to_string()))
}

/// Waits for the end; a panic in a decoder ends the session, not the manners.
pub(crate) fn finish(engine: JoinHandle<Result<EndReason, Failure>>) -> Result<EndReason, Failure> {
    engine.join().unwrap_or_else(|_| Err(Failure::Engine("a fault in the program; please report it".to_owned())))
}

/// Writes the picture beside its place and moves it there: a reader never sees half a file.
fn screenshot(picture: &Picture, path: &Path) -> Result<(), Failure> {
    let Some(snapshot) = picture.snapshot() else {
        info!("nothing was seen, so there is no screenshot");
        return Ok(());
    };
    let part = {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        path.with_file_name(name)
    };
    let write = || {
        let mut file = BufWriter::new(File::create(&part)?);
        snapshot.write_png(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|error| {
        // What was begun is worth nothing.
        let _ = fs::remove_file(&part);
        Failure::CannotWrite { path: path.display().to_string(), error }
    })
}
