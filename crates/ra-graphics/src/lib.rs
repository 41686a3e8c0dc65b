//! Pictures: damaged pixels in, messages for the expert's screen out.
//!
//! In the story this is the step after the desktop has said what changed and before the novice's engine puts bytes on
//! the wire. Three speakers live here, one per way in which an expert's program can be shown something:
//! [`gfx::GfxServer`] for the graphics pipeline ([MS-RDPEGFX]), [`bitmap::BitmapEncoder`] for programs without it, and
//! [`pointer::PointerEncoder`] for the shape of the mouse pointer, which is never drawn into the picture.
//!
//! Everything here is exact, but for film while it runs, which is made exact once it rests. The crate never reads a clock, starts a thread, opens a socket or decides whether a
//! picture may leave at all: that is the frame writer's gate. What a peer sends is bounded and cannot panic.
//!
//! ```
//! use std::time::Duration;
//! use ra_graphics::{FrameView, Rect, Size, gfx::GfxServer};
//!
//! # fn advertise() -> Vec<u8> { vec![0x12, 0, 0, 0, 22, 0, 0, 0, 1, 0, 4, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0, 0] }
//! let mut pipeline = GfxServer::new();
//! // What the expert's program said on the dynamic channel `gfx::CHANNEL_NAME`.
//! let replies = pipeline.receive(&advertise(), Duration::ZERO)?;
//! assert!(!replies.is_empty() && pipeline.ready_for_frame(Duration::ZERO));
//!
//! let size = Size::new(640, 480);
//! let pixels = vec![0x20; size.area() * 4]; // BGRX
//! let picture = FrameView::new(&pixels, 640 * 4, size)?;
//! for payload in pipeline.frame(&picture, &[Rect::new(10, 10, 30, 20)], Duration::ZERO)? {
//!     // hand `payload` to the dynamic channel
//!     assert!(payload.len() > 2);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there"))]

pub mod bitmap;
pub mod geometry;
pub mod gfx;
pub mod pointer;
/// Film: an encoder for what keeps changing in one place.
pub mod video {
    pub use crate::encode::avc420::{VideoEncoder, VideoError, fits, openh264};
}

mod aside;
mod classify;
mod encode;
mod fastpath;
mod film;
mod frame;
mod history;
mod line;
mod moves;
mod pacing;
mod plan;
mod tiles;

pub use frame::{FrameError, FrameView};
pub use geometry::{Rect, Size};
