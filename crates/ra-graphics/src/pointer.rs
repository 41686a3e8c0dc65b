//! The mouse pointer's shape and position as fast-path pointer updates.

use thiserror::Error;

/// What the client said about pointers in its capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointerClient {
    /// `pointerCacheSize` of the pointer capability (`colorPointerCacheSize` when that is all there is).
    pub cache_size: u16,
    /// `largePointerSupportFlags`, 0 when not announced.
    pub large_pointer_flags: u16,
    /// `MaxRequestSize` of the multifragment update capability in bytes, when announced.
    pub max_request_size: Option<u32>,
}

/// How the colours of a pointer shape relate to its alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// Colours as they are; what RDP wants.
    Straight,
    /// Colours multiplied by alpha, as X11 has them.
    Premultiplied,
}

/// A pointer shape: BGRA, top row first, rows without gaps.
#[derive(Debug, Clone, Copy)]
pub struct PointerShape<'a> {
    /// `width * height * 4` bytes.
    pub pixels: &'a [u8],
    /// What the alpha bytes mean to the colours.
    pub alpha: Alpha,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Column of the pixel that points, clamped to the shape.
    pub hot_x: u16,
    /// Row of the pixel that points, clamped to the shape.
    pub hot_y: u16,
}

/// A pointer shape that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PointerError {
    /// The pixels are not as many as width and height say.
    #[error("{given} bytes for a pointer that takes {needed}")]
    Length {
        /// Bytes that are there.
        given: usize,
        /// Bytes that the size calls for.
        needed: usize,
    },
}

/// Turns pointer shapes into whole fast-path PDUs and remembers which of them the client still has.
#[derive(Debug)]
pub struct PointerEncoder {}

impl PointerEncoder {
    /// An encoder for one client whose cache is empty, as it is after each (re)activation.
    pub fn new(_client: PointerClient) -> Self {
        Self {}
    }

    /// The PDUs that make `shape` the client's pointer.
    ///
    /// # Errors
    /// When the shape's buffer does not fit its size.
    pub fn shape(&mut self, _shape: &PointerShape<'_>) -> Result<Vec<Vec<u8>>, PointerError> {
        Ok(Vec::new())
    }

    /// The PDU that hides the pointer.
    pub fn hidden(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// The PDU that shows the client's own default pointer.
    pub fn default_shape(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// The PDU that moves the client's pointer to a place on the desktop.
    pub fn position(&mut self, _x: u16, _y: u16) -> Vec<u8> {
        Vec::new()
    }
}
