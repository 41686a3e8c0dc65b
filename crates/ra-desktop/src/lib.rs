//! Capture, damage and injection: the novice's desktop, behind backends.
//!
//! In the story of a session this crate is both ends of the picture's way out and of the input's way in: a
//! [`Capture`] reads what changed, an [`Injector`] does what the expert was permitted to do, and a [`Watcher`] takes
//! it back when the novice presses ESC. It is the only crate with code for an operating system.
//!
//! What it never does: decide who may see or touch (it only obeys the gate of `ra-session`), open a gate, swallow a
//! key of the novice, wait for a network, or know what RDP is.
//!
//! Three threads, one part each:
//!
//! | thread | does | is ended by |
//! |---|---|---|
//! | capture | [`Capture::wait`], then [`Capture::read`] and [`Capture::cursor`] when the expert is ready | its [`Waker`] |
//! | injector | [`Injector::inject`] for each event; [`Injector::release_all`] once the gate is shut | dropping it, which lifts what is held |
//! | watcher | [`Watcher::run`]; shuts the gate itself, then reports | its [stopper](Watcher::stopper) |
//!
//! The order at the end: shut the gate, `release_all`, drop the injector, stop the watcher. The other way round is safe too
//! (an injector without a watcher refuses everything), only less tidy.
//!
//! The shortest real use:
//!
//! ```
//! use ra_desktop::{Choice, MonitorChoice, open};
//! use ra_session::Seat;
//!
//! let (_seat, input_gate, _view_gate) = Seat::new();
//! let mut desktop = open(Choice::Demo, &MonitorChoice::All, input_gate)?;
//! let damage = desktop.capture.read()?;
//! assert_eq!(damage.rects, [desktop.capture.size().rect()], "the first read is the whole picture");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say"))]

pub mod backend;
mod capture;
mod damage;
mod frame;
mod input;
mod monitor;
#[cfg(test)]
#[path = "../tests/support/novice.rs"]
mod novice;
mod watch;

pub use backend::x11::X11Access;
pub use capture::{CURSOR_LIMIT, Capture, CaptureError, Change, Cursor, CursorShape, Damage, Waker};
pub use frame::{BYTES_PER_PIXEL, Frame, Rect, Size};
pub use input::{InjectError, Injected, Injector};
pub use monitor::{Monitor, MonitorChoice, NoMonitorName};
pub use watch::{Cause, Revocation, Watcher};

use backend::demo::DemoEsc;
use ra_session::gate::InputGate;

/// Which desktop to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The desktop that the novice sits at; never the demo.
    Auto,
    /// The X11 desktop that `DISPLAY` names.
    X11,
    /// The embedded demo desktop.
    Demo,
}

/// A desktop that was opened: three parts for three threads.
pub struct Desktop {
    /// What it is, for the novice: `X11 desktop :0`, `demo desktop`.
    pub name: String,
    /// Reads it.
    pub capture: Box<dyn Capture>,
    /// Acts on it.
    pub injector: Injector,
    /// Listens for ESC. As long as it does not run, the injector refuses everything.
    pub watcher: Box<dyn Watcher>,
    /// What only the demo desktop has.
    pub demo: Option<Demo>,
}

/// The demo desktop's own handles.
#[derive(Clone)]
pub struct Demo {
    /// Its ESC key, for the reader of the controlling terminal.
    pub esc: DemoEsc,
    /// The random word of this run that stands on it, 8 lower-case letters.
    pub word: String,
}

/// Opens a desktop, or one monitor of it, whose injector obeys `gate`, and whose watcher shuts it.
///
/// Everything about one monitor is relative to it, and nothing beside it is ever read or pointed at.
///
/// # Errors
/// Each is one sentence for the novice: no display, a Wayland session, a missing extension, unusual pixels,
/// no such monitor.
pub fn open(choice: Choice, monitor: &MonitorChoice, gate: InputGate) -> Result<Desktop, OpenError> {
    match choice {
        Choice::Demo => {
            monitor.find(&[backend::demo::monitor()])?;
            backend::demo::open(gate)
        }
        Choice::Auto | Choice::X11 => {
            backend::x11::refuse_wayland(std::env::var_os("WAYLAND_DISPLAY").as_deref())?;
            backend::x11::open(None, monitor, gate)
        }
    }
}

/// Opens an X11 desktop by a key that was handed over, whatever the environment says.
///
/// # Errors
/// As [`open`].
pub fn open_with(access: &X11Access, monitor: &MonitorChoice, gate: InputGate) -> Result<Desktop, OpenError> {
    backend::x11::open_with(access, monitor, gate)
}

/// Why there is no desktop to share.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// `DISPLAY` is not set.
    #[error("there is no desktop to share here: DISPLAY is not set (the demo desktop needs none)")]
    NoDisplay,
    /// A Wayland session, or an X server inside one.
    #[error(
        "this is a Wayland session ({0}), and sharing needs an X11 session for now: choose one at the login screen"
    )]
    Wayland(&'static str),
    /// The X server does not answer, or not to us.
    #[error("cannot reach the X server: {0}")]
    Connect(String),
    /// The X server lacks something.
    #[error("the X server lacks the {0} extension, which sharing needs")]
    Missing(&'static str),
    /// The picture is not 24 bits of colour in 32.
    #[error("the X server's pixels are of an unusual kind ({0}); sharing needs 24 bits of colour in 32, little-endian")]
    Visual(String),
    /// The chosen monitor is not there.
    #[error("there is no monitor {wanted} here; there are: {there}")]
    NoMonitor {
        /// What was chosen.
        wanted: MonitorChoice,
        /// Those that are there, with their numbers.
        there: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// Root was asked to share somebody else's desktop.
    #[error(
        "this desktop belongs to another user: sharing runs with the rights of its owner, never as root for somebody else"
    )]
    NotOwner,
}

impl core::fmt::Debug for Desktop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Desktop").field("name", &self.name).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Demo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Demo").field("word", &self.word).finish_non_exhaustive()
    }
}
