//! Rectangles with edges that are not part of them, as the pipeline's messages have them.

use ironrdp_pdu::geometry::ExclusiveRectangle;

use crate::picture::Rect;

/// A part of a surface: `left` and `top` belong to it, `right` and `bottom` do not. Never inverted, often empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: u16,
    pub(super) top: u16,
    pub(super) right: u16,
    pub(super) bottom: u16,
}

impl Area {
    /// The area of a message; an inverted one is empty.
    pub(super) fn new(rectangle: &ExclusiveRectangle) -> Self {
        let ExclusiveRectangle { left, top, right, bottom } = *rectangle;
        Self { left, top, right: right.max(left), bottom: bottom.max(top) }
    }

    /// An area by its corner and its size; it ends where coordinates do.
    pub(super) fn at(left: u16, top: u16, width: u16, height: u16) -> Self {
        Self { left, top, right: left.saturating_add(width), bottom: top.saturating_add(height) }
    }

    pub(super) fn width(self) -> u16 {
        self.right - self.left
    }

    pub(super) fn height(self) -> u16 {
        self.bottom - self.top
    }

    pub(super) fn is_empty(self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }

    /// Pixels in it.
    pub(super) fn count(self) -> usize {
        usize::from(self.width()) * usize::from(self.height())
    }

    /// The part that lies in both; empty when nothing does.
    pub(super) fn within(self, other: Self) -> Self {
        let (left, top) = (self.left.max(other.left), self.top.max(other.top));
        let (right, bottom) = (self.right.min(other.right), self.bottom.min(other.bottom));
        Self { left, top, right: right.max(left), bottom: bottom.max(top) }
    }

    /// The part that lies within a surface of this size.
    pub(super) fn clipped(self, (width, height): (u16, u16)) -> Self {
        self.within(Self { left: 0, top: 0, right: width, bottom: height })
    }

    /// The same as a rectangle of the picture; `None` when it is empty.
    pub(super) fn rect(self) -> Option<Rect> {
        (!self.is_empty()).then(|| Rect { x: self.left, y: self.top, width: self.width(), height: self.height() })
    }
}
