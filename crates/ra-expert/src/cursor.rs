//! The novice's pointer as the expert's side knows it.

use core::fmt;
use std::sync::Arc;

/// A change of the novice's pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cursor {
    /// The system's ordinary arrow.
    Arrow,
    /// No pointer at all.
    Hidden,
    /// A shape of its own.
    Shape(Arc<CursorShape>),
    /// The pointer stands here now, because the novice, or a program there, moved it; pixels of the desktop.
    Position {
        /// From the left edge.
        x: u16,
        /// From the top edge.
        y: u16,
    },
}

/// The picture of a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct CursorShape {
    /// Pixels, 1..=384.
    pub width: u16,
    /// Pixels, 1..=384.
    pub height: u16,
    /// The pixel that points, from the left edge; less than `width`.
    pub hotspot_x: u16,
    /// The pixel that points, from the top edge; less than `height`.
    pub hotspot_y: u16,
    /// `width * height` pixels of red, green, blue, opacity; colours are multiplied by the opacity already.
    pub rgba: Vec<u8>,
}

impl fmt::Debug for CursorShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CursorShape({}x{})", self.width, self.height)
    }
}
