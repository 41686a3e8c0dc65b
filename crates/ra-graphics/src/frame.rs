//! A borrowed picture: BGRX pixels, row by row, with the distance between rows.

use thiserror::Error;

use crate::geometry::{Rect, Size};

/// A picture that somebody else owns: four bytes a pixel in the order blue, green, red, unused; top row first.
///
/// The fourth byte is never looked at, so padding and alpha cannot make equal pictures differ.
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    pixels: &'a [u8],
    stride: usize,
    size: Size,
}

/// Why some bytes are not a picture of the size that was claimed for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Width or height is zero, or larger than the graphics pipeline can say.
    #[error("a picture of {width}x{height} pixels cannot be shown, each side must be 1 to {max}", max = FrameView::MAX_SIDE)]
    Size {
        /// Claimed width in pixels.
        width: u16,
        /// Claimed height in pixels.
        height: u16,
    },
    /// A row does not fit into the stride.
    #[error("a stride of {stride} bytes is less than a row of {row} bytes")]
    Stride {
        /// Claimed distance between two rows in bytes.
        stride: usize,
        /// Length of a row in bytes.
        row: usize,
    },
    /// The buffer ends before the last row does.
    #[error("{given} bytes of pixels where {needed} are needed")]
    TooShort {
        /// Bytes that are there.
        given: usize,
        /// Bytes that stride and size call for.
        needed: usize,
    },
}

impl<'a> FrameView<'a> {
    /// Longest side in pixels. Source: [MS-RDPEGFX] 2.2.2.14, RESET_GRAPHICS_PDU (width and height).
    pub const MAX_SIDE: u16 = 32_766;

    /// Borrows `pixels` as a picture whose rows start `stride` bytes apart. The last row may lack its padding.
    ///
    /// # Errors
    /// When the size is zero or too large, the stride shorter than a row, or the buffer too short.
    pub fn new(pixels: &'a [u8], stride: usize, size: Size) -> Result<Self, FrameError> {
        let Size { width, height } = size;
        if !(1..=Self::MAX_SIDE).contains(&width) || !(1..=Self::MAX_SIDE).contains(&height) {
            return Err(FrameError::Size { width, height });
        }
        let row = usize::from(width) * 4;
        if stride < row {
            return Err(FrameError::Stride { stride, row });
        }
        let needed = stride.saturating_mul(usize::from(height) - 1).saturating_add(row);
        if pixels.len() < needed {
            return Err(FrameError::TooShort { given: pixels.len(), needed });
        }
        Ok(Self { pixels, stride, size })
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The bytes from the first pixel of `rect` to its last one, and the distance between rows. It must be inside.
    #[cfg_attr(not(feature = "h264"), allow(dead_code, reason = "films only"))]
    pub(crate) fn window(&self, rect: Rect) -> (&'a [u8], usize) {
        let start = usize::from(rect.y) * self.stride + usize::from(rect.x) * 4;
        let length = (usize::from(rect.height) - 1) * self.stride + usize::from(rect.width) * 4;
        (&self.pixels[start..start + length], self.stride)
    }

    /// The bytes of row `y` within the columns of `rect`, which must lie inside the picture.
    pub(crate) fn row(&self, rect: Rect, y: usize) -> &'a [u8] {
        let start = y * self.stride + usize::from(rect.x) * 4;
        &self.pixels[start..start + usize::from(rect.width) * 4]
    }
}
