//! Film: pictures that follow each other in one place, as a stream of H.264 in which each builds on the one before.
//!
//! Source: [MS-RDPEGFX] 2.2.4.4, RFX_AVC420_BITMAP_STREAM.
//!
//! **Where it may be used.** Clients take the region rectangles for places on the *surface* and for the same places in
//! the decoded picture, whatever the destination rectangle of the message says (FreeRDP's
//! `gdi_SurfaceCommand_AVC420` hands the surface's own pixels to the decoder; `ironrdp-egfx` copies `(x, y)` to
//! `(x, y)`). So a film that does not begin in the corner of the desktop needs a surface of its own, of the size of the
//! film and not mapped to the output, from which each picture is copied to where it is seen. FreeRDP keeps a decoder for
//! each surface, `ironrdp-egfx` one for all of them: there must be one stream at a time, and a new one begins with
//! [`VideoEncoder::restart`].

#[cfg(feature = "h264")]
mod convert;
#[cfg(feature = "h264")]
mod openh264;

use std::error::Error;

use thiserror::Error;

use crate::frame::FrameView;
use crate::geometry::Rect;

/// Encodes pictures of one size as a stream.
pub trait VideoEncoder: Send {
    /// Appends the picture in `area` as one RFX_AVC420_BITMAP_STREAM: what to show of it, then the H.264 of it.
    ///
    /// The stream's picture has the size of the area, rounded up to multiples of 16. `regions` are those parts that the
    /// client shall show, relative to the area's corner; what of them lies outside is left out. An area of another size
    /// starts a new stream. `budget` is the number of bytes that the link bears for this picture: the stream stays
    /// near it on average and gets finer or coarser for that; `None` leaves the choice to the quality alone.
    ///
    /// # Errors
    /// When the area cannot be a film at all ([`VideoError::Area`], [`VideoError::TooLarge`]), or the library fails.
    /// `out` is then as it was, and the next picture starts a new stream.
    fn encode(
        &mut self,
        picture: &FrameView<'_>,
        area: Rect,
        regions: &[Rect],
        budget: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), VideoError>;

    /// Makes the next picture stand alone, for a decoder that has seen nothing before it.
    fn restart(&mut self);
}

/// Why a picture did not become part of a film.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VideoError {
    /// The area is empty or reaches beyond the picture: a mistake of the caller.
    #[error("a film of {area:?} in a picture of {width}x{height} pixels")]
    Area {
        /// The area asked for.
        area: Rect,
        /// Width of the picture in pixels.
        width: u16,
        /// Height of the picture in pixels.
        height: u16,
    },
    /// The area has more pixels along a side than the library can encode.
    #[error("a film of {width}x{height} pixels is larger than {LONG_SIDE}x{SHORT_SIDE}")]
    TooLarge {
        /// Width asked for, in pixels.
        width: u16,
        /// Height asked for, in pixels.
        height: u16,
    },
    /// The library did not do its work.
    #[error("the film could not be encoded")]
    Library(#[source] Box<dyn Error + Send + Sync>),
    /// The library kept returning nothing for a picture, as if it was to be left out.
    #[error("the film's encoder leaves a picture out")]
    LeftOut,
}

/// An encoder made from the sources of openh264; none in a build without the feature `h264`.
pub fn openh264() -> Option<Box<dyn VideoEncoder>> {
    #[cfg(feature = "h264")]
    return Some(Box::new(openh264::OpenH264::default()));
    #[cfg(not(feature = "h264"))]
    None
}

/// Whether openh264 takes an area of this size, once widened to whole macroblocks: its limit is level 5.2 of the
/// standard, one way or the other. A film that is larger is no film.
pub fn fits(width: u16, height: u16) -> bool {
    width.max(height) <= LONG_SIDE && width.min(height) <= SHORT_SIDE
}

/// Most pixels along the longer side.
const LONG_SIDE: u16 = 3840;
/// Most pixels along the shorter side: 2160 is a whole number of macroblocks.
const SHORT_SIDE: u16 = 2160;
