//! Reading a desktop: what a backend offers to the thread that makes frames.

use std::sync::Arc;
use std::time::Duration;

use crate::frame::{Frame, Rect, Size};

/// The seeing half of a desktop. It lives on a thread of its own.
///
/// The thread alternates: [`wait`](Capture::wait) until something happened, then [`read`](Capture::read) when the
/// expert is ready for a picture. Between the two nothing is copied, so a slow expert skips pictures for free.
pub trait Capture: Send {
    /// Size of the picture as it was read last.
    fn size(&self) -> Size;

    /// Blocks until something changed, the [`Waker`] was used, or the time is over (`None`: no limit).
    ///
    /// Each happening is told once: after `picture` the picture is dirty until the next [`read`](Capture::read), and
    /// `wait` does not return for it again before. The first call tells `picture` and `cursor` at once.
    ///
    /// # Errors
    /// The desktop is gone; nothing helps but opening it again.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<Change, CaptureError>;

    /// Reads what may have changed into [`frame`](Capture::frame) and tells which parts that is.
    ///
    /// The first read tells the whole picture. A read with nothing to tell is cheap.
    ///
    /// # Errors
    /// The desktop is gone.
    fn read(&mut self) -> Result<Damage, CaptureError>;

    /// The picture as of the last read; black before the first.
    fn frame(&self) -> &Frame;

    /// The name of the monitor that is shared, while it is not there: switched off, or unplugged.
    ///
    /// The frame is black then, never another monitor's picture, and goes on when that monitor is back.
    fn missing_monitor(&self) -> Option<&str> {
        None
    }

    /// The pointer, if its shape or place changed since the last call; the first call tells all.
    ///
    /// # Errors
    /// The desktop is gone.
    fn cursor(&mut self) -> Result<Option<Cursor>, CaptureError>;

    /// A handle that makes [`wait`](Capture::wait) return from another thread.
    fn waker(&self) -> Waker;
}

/// Why [`Capture::wait`] returned. All false: the time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// There may be something to read; the size may have changed too.
    pub picture: bool,
    /// The pointer has another shape or another place.
    pub cursor: bool,
    /// Somebody used the [`Waker`].
    pub woken: bool,
}

/// What one [`Capture::read`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Parts that may differ from the frame before: nothing has changed anywhere else, but much of this may be as it
    /// was. They do not overlap, and they lie inside the frame.
    pub rects: Vec<Rect>,
    /// The frame has another size than before; `rects` then is the whole of it.
    pub resized: bool,
}

/// News of the pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The shape, if that is new.
    pub shape: Option<CursorShape>,
    /// Its hot spot's place in the frame, in pixels; where it was seen last while it is elsewhere.
    pub position: (u16, u16),
}

/// What the pointer looks like.
#[derive(Clone, PartialEq, Eq)]
pub enum CursorShape {
    /// No pointer is drawn.
    Hidden,
    /// A picture.
    Image {
        /// Its size; at most [`CURSOR_LIMIT`] a side, never empty.
        size: Size,
        /// The point of it that points, from its upper left corner; always inside.
        hotspot: (u16, u16),
        /// `width * height` pixels of B, G, R, A from the top; alpha is straight, not premultiplied.
        bgra: Vec<u8>,
    },
}

/// Makes [`Capture::wait`] or [`Watcher::run`](crate::Watcher::run) return. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(wake))
    }

    /// Wakes. A wake-up that finds nobody waiting is kept for the next wait; several are one.
    pub fn wake(&self) {
        (self.0)();
    }
}

/// Why a desktop cannot be read any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The connection to it is gone.
    #[error("the desktop is gone: {0}")]
    Gone(String),
    /// It changed faster than it could be read.
    #[error("the desktop keeps changing its size")]
    Unsteady,
}

impl Damage {
    /// Whether nothing can differ.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rects.is_empty()
    }
}

impl core::fmt::Debug for CursorShape {
    /// Prints no pixels.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Hidden => f.write_str("Hidden"),
            Self::Image { size, .. } => write!(f, "Image({}x{})", size.width, size.height),
        }
    }
}

impl core::fmt::Debug for Waker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Waker")
    }
}

/// Largest pointer that is passed on, in pixels a side; of a larger one the part around its hot spot is. RDP carries 96x96 at most in the messages that every expert understands. Source: [MS-RDPBCGR] 2.2.9.1.1.4.4.
pub const CURSOR_LIMIT: u16 = 96;
