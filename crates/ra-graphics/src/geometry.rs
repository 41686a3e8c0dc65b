//! Rectangles and sizes in pixels; the origin is the upper left corner.

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
}

impl Size {
    /// A size of `width` x `height` pixels.
    pub const fn new(width: u16, height: u16) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The rectangle at the origin that covers all of it.
    pub const fn rect(self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }
}

/// A rectangle: its upper left pixel, its width and its height.
///
/// It may be empty, and its far edges may lie beyond what 16 bits can say: they are computed in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// The leftmost column.
    pub x: u16,
    /// The topmost row.
    pub y: u16,
    /// Number of columns.
    pub width: u16,
    /// Number of rows.
    pub height: u16,
}

impl Rect {
    /// The rectangle of `width` x `height` pixels whose upper left pixel is (`x`, `y`).
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// Whether it holds no pixel.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The first column to the right of it.
    pub const fn right(self) -> u32 {
        self.x as u32 + self.width as u32
    }

    /// The first row below it.
    pub const fn bottom(self) -> u32 {
        self.y as u32 + self.height as u32
    }

    /// What of it lies inside `size`; empty when nothing does.
    pub fn clipped(self, size: Size) -> Self {
        let width = u32::from(size.width).min(self.right()).saturating_sub(u32::from(self.x));
        let height = u32::from(size.height).min(self.bottom()).saturating_sub(u32::from(self.y));
        if width == 0 || height == 0 {
            return Self::default();
        }
        // Neither exceeds the rectangle's own extent.
        Self::new(self.x, self.y, width as u16, height as u16)
    }

    /// Whether all of `other` lies in it; an empty one lies anywhere.
    pub(crate) fn contains(self, other: Self) -> bool {
        other.is_empty()
            || (self.x <= other.x
                && self.y <= other.y
                && other.right() <= self.right()
                && other.bottom() <= self.bottom())
    }

    /// What both cover; empty when nothing does.
    pub(crate) fn intersection(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()).saturating_sub(u32::from(x));
        let height = self.bottom().min(other.bottom()).saturating_sub(u32::from(y));
        if width == 0 || height == 0 {
            return Self::default();
        }
        // Neither exceeds the extent of the smaller one.
        Self::new(x, y, width as u16, height as u16)
    }

    /// Whether any pixel lies in both.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// The smallest rectangle around two that lie in one picture; an empty one does not count.
    pub(crate) fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = self.right().max(other.right());
        let bottom = self.bottom().max(other.bottom());
        // Both lie in one picture, so its sides bound the result.
        Self::new(x, y, (right - u32::from(x)) as u16, (bottom - u32::from(y)) as u16)
    }
}
