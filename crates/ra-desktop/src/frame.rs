//! Pictures of a desktop: sizes, rectangles, and the pixels themselves.

/// Width and height of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

/// A part of a picture, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Pixels from the left edge.
    pub x: u16,
    /// Pixels from the top edge.
    pub y: u16,
    /// Pixels across; a rectangle that is reported is never empty.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

/// The desktop as it was read last: rows of B, G, R and one unused byte, from the top, without padding.
pub struct Frame {
    size: Size,
    /// The rows; what follows them is scratch of whoever fills the frame.
    memory: Box<dyn Memory>,
}

/// Where the pixels of a frame lie: in a vector, or in memory that an X server writes into.
pub(crate) trait Memory: AsRef<[u8]> + AsMut<[u8]> + Send + Sync {}

impl<T: AsRef<[u8]> + AsMut<[u8]> + Send + Sync> Memory for T {}

impl Size {
    /// The whole picture as a rectangle.
    #[must_use]
    pub const fn rect(self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// Bytes of all pixels.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.width) * usize::from(self.height) * BYTES_PER_PIXEL
    }
}

impl Rect {
    /// First column to the right of the rectangle.
    #[must_use]
    pub const fn right(self) -> u32 {
        self.x as u32 + self.width as u32
    }

    /// First row below the rectangle.
    #[must_use]
    pub const fn bottom(self) -> u32 {
        self.y as u32 + self.height as u32
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Bytes of one row of pixels.
    pub(crate) fn row_bytes(self) -> usize {
        usize::from(self.width) * BYTES_PER_PIXEL
    }

    /// What both rectangles cover, or nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()).checked_sub(u32::from(x))?;
        let height = self.bottom().min(other.bottom()).checked_sub(u32::from(y))?;
        let rect = Self { x, y, width: u16::try_from(width).ok()?, height: u16::try_from(height).ok()? };
        (!rect.is_empty()).then_some(rect)
    }

    /// The smallest rectangle around both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let span = |end: u32, start: u16| u16::try_from(end - u32::from(start)).unwrap_or(u16::MAX);
        Self {
            x,
            y,
            width: span(self.right().max(other.right()), x),
            height: span(self.bottom().max(other.bottom()), y),
        }
    }
}

impl Frame {
    /// A black picture.
    #[must_use]
    pub fn black(size: Size) -> Self {
        Self { size, memory: Box::new(vec![0; size.bytes()]) }
    }

    /// A picture whose rows lie at the beginning of `memory`; `None` when they do not fit into it.
    pub(crate) fn over(size: Size, memory: impl Memory + 'static) -> Option<Self> {
        (memory.as_ref().len() >= size.bytes()).then(|| Self { size, memory: Box::new(memory) })
    }

    /// Its size in pixels.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Bytes from one row to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        usize::from(self.size.width) * BYTES_PER_PIXEL
    }

    /// All rows, `stride * height` bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        (*self.memory).as_ref().get(..self.size.bytes()).unwrap_or_default()
    }

    /// The bytes of one row between two columns; empty outside the picture.
    #[must_use]
    pub fn row(&self, y: u16, x: u16, width: u16) -> &[u8] {
        self.range(y, x, width).and_then(|range| self.pixels().get(range)).unwrap_or_default()
    }

    pub(crate) fn row_mut(&mut self, y: u16, x: u16, width: u16) -> &mut [u8] {
        let range = self.range(y, x, width);
        range.and_then(|range| self.split().0.get_mut(range)).unwrap_or_default()
    }

    /// Copies `source`, packed rows of the size of `rect`, to its place.
    pub(crate) fn put(&mut self, rect: Rect, source: &[u8]) {
        for (y, row) in (rect.y..).zip(source.chunks_exact(rect.row_bytes().max(1)).take(usize::from(rect.height))) {
            let place = self.row_mut(y, rect.x, rect.width);
            if place.len() == row.len() {
                place.copy_from_slice(row);
            }
        }
    }

    /// Copies what lies packed in the scratch memory, `start` bytes behind its beginning, to its place in the picture.
    pub(crate) fn put_from_scratch(&mut self, rect: Rect, start: usize) {
        let first = self.range(rect.y, rect.x, rect.width);
        let last = self.range(rect.y.saturating_add(rect.height.saturating_sub(1)), rect.x, rect.width);
        let (Some(first), Some(_)) = (first, last) else { return };
        let stride = self.stride();
        let (pixels, scratch) = self.split();
        let places = pixels.get_mut(first.start..).unwrap_or_default().chunks_mut(stride.max(1));
        let rows = scratch.get(start..).unwrap_or_default().chunks_exact(rect.row_bytes().max(1));
        for (place, row) in places.zip(rows).take(usize::from(rect.height)) {
            if let Some(place) = place.get_mut(..row.len()) {
                place.copy_from_slice(row);
            }
        }
    }

    /// The rows, and the scratch memory behind them.
    fn split(&mut self) -> (&mut [u8], &mut [u8]) {
        (*self.memory).as_mut().split_at_mut_checked(self.size.bytes()).unwrap_or_default()
    }

    fn range(&self, y: u16, x: u16, width: u16) -> Option<core::ops::Range<usize>> {
        let inside = y < self.size.height && u32::from(x) + u32::from(width) <= u32::from(self.size.width);
        let start = usize::from(y) * self.stride() + usize::from(x) * BYTES_PER_PIXEL;
        inside.then(|| start..start + usize::from(width) * BYTES_PER_PIXEL)
    }
}

impl Clone for Frame {
    /// A copy that no desktop writes into.
    fn clone(&self) -> Self {
        Self { size: self.size, memory: Box::new(self.pixels().to_vec()) }
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.pixels() == other.pixels()
    }
}

impl Eq for Frame {}

impl core::fmt::Debug for Frame {
    /// Prints the size only: pixels are never printed.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Frame({}x{})", self.size.width, self.size.height)
    }
}

/// Blue, green, red, unused.
pub const BYTES_PER_PIXEL: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_intersect_and_unite() {
        let a = Rect { x: 0, y: 0, width: 10, height: 10 };
        let b = Rect { x: 5, y: 8, width: 10, height: 10 };
        assert_eq!(a.intersection(b), Some(Rect { x: 5, y: 8, width: 5, height: 2 }));
        assert_eq!(a.union(b), Rect { x: 0, y: 0, width: 15, height: 18 });
        assert_eq!(a.intersection(Rect { x: 10, ..a }), None, "touching is not overlapping");
        let edge = Rect { x: u16::MAX, y: u16::MAX, width: u16::MAX, height: u16::MAX };
        assert_eq!(edge.intersection(a), None);
    }

    #[test]
    fn a_row_outside_the_picture_is_empty() {
        let frame = Frame::black(Size { width: 4, height: 2 });
        assert_eq!(frame.row(1, 1, 3).len(), 12);
        assert!(frame.row(2, 0, 1).is_empty() && frame.row(0, 2, 3).is_empty());
    }

    #[test]
    fn packed_rows_are_copied_to_their_place_and_no_further() {
        let size = Size { width: 4, height: 3 };
        let rect = Rect { x: 1, y: 1, width: 2, height: 2 };
        let packed: Vec<u8> = (1..=16).collect();
        let mut expected = vec![0; size.bytes()];
        expected[20..28].copy_from_slice(&packed[..8]);
        expected[36..44].copy_from_slice(&packed[8..]);
        let mut frame = Frame::black(size);
        frame.put(rect, &packed);
        assert_eq!(frame.pixels(), expected);
        let mut memory = vec![0; size.bytes() + 4];
        memory.extend_from_slice(&packed);
        let mut over = Frame::over(size, memory).unwrap();
        over.put_from_scratch(rect, 4);
        assert_eq!(over, frame);
        for outside in [Rect { x: 3, ..rect }, Rect { y: 2, ..rect }, Rect { x: u16::MAX, y: u16::MAX, ..rect }] {
            over.put_from_scratch(outside, 4);
        }
        over.put_from_scratch(rect, usize::MAX);
        assert_eq!(over, frame, "nothing lands outside, and nothing comes from there");
        assert!(Frame::over(size, vec![0; size.bytes() - 1]).is_none());
    }
}
