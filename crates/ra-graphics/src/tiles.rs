//! Damage on a grid: overlaps vanish, unchanged pixels are trimmed away, neighbours are joined into strips.

use crate::classify::pixel;
use crate::frame::FrameView;
use crate::geometry::{Rect, Size};
use crate::moves::Move;

/// Side of a cell of the grid in pixels. A bitmap of this size is below 16 KiB in every encoding.
pub(crate) const CELL: u16 = 64;
/// Widest strip in pixels. Even as raw pixels it fits one segment of 65,535 bytes.
pub(crate) const STRIP: u16 = 4 * CELL;

/// What a client that only takes pixels has, and what it lacks.
#[derive(Default)]
pub(crate) struct Damage {
    grid: Grid,
    shown: Shown,
    repaint: bool,
}

impl Damage {
    /// Counts the client's whole picture as unknown, from the next frame on.
    pub(crate) fn repaint(&mut self) {
        self.repaint = true;
    }

    /// Narrows `damage` down to what differs from the client's picture and notes that the client will have it.
    pub(crate) fn settle(&mut self, picture: &FrameView<'_>, damage: &[Rect]) -> &Grid {
        let Self { grid, shown, repaint } = self;
        grid.clear(picture.size());
        if shown.size() != picture.size() || *repaint {
            shown.resize(picture.size());
            grid.add(picture.size().rect());
            *repaint = false;
        } else {
            damage.iter().for_each(|rect| grid.add(*rect));
            grid.trim(|part| shown.difference(picture, part));
        }
        grid.parts().for_each(|part| shown.copy_from(picture, part));
        grid
    }
}

/// The damaged part of each cell, as its bounding rectangle.
#[derive(Default)]
pub(crate) struct Grid {
    size: Size,
    columns: usize,
    cells: Vec<Rect>,
}

impl Grid {
    /// Forgets all damage and takes on the size of a picture.
    pub(crate) fn clear(&mut self, size: Size) {
        self.size = size;
        self.columns = usize::from(size.width.div_ceil(CELL));
        self.cells.clear();
        self.cells.resize(self.columns * usize::from(size.height.div_ceil(CELL)), Rect::default());
    }

    /// Adds what of `damage` lies inside the picture.
    pub(crate) fn add(&mut self, damage: Rect) {
        for part in pieces(damage.clipped(self.size)) {
            let index = self.index_of(part);
            self.cells[index] = self.cells[index].union(part);
        }
    }

    /// What of `rect` lies inside the picture, cut along the borders of cells.
    pub(crate) fn pieces(&self, rect: Rect) -> impl Iterator<Item = Rect> + use<> {
        pieces(rect.clipped(self.size))
    }

    /// Cells in a row.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The damaged parts with the places of their cells.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = (usize, Rect)> {
        self.cells.iter().copied().enumerate().filter(|(_, part)| !part.is_empty())
    }

    /// The place of a cell in reading order, by any of its pixels.
    pub(crate) fn index_of(&self, part: Rect) -> usize {
        usize::from(part.y / CELL) * self.columns + usize::from(part.x / CELL)
    }

    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nothing is damaged.
    pub(crate) fn is_clean(&self) -> bool {
        self.parts().next().is_none()
    }

    /// The damaged part of a cell; empty when there is none.
    pub(crate) fn part(&self, index: usize) -> Rect {
        self.cells[index]
    }

    /// Sets the damaged part of a cell, which must lie in it.
    pub(crate) fn set(&mut self, index: usize, part: Rect) {
        self.cells[index] = part;
    }

    /// Smallest rectangle around all damage; empty when there is none.
    pub(crate) fn bounds(&self) -> Rect {
        self.cells.iter().fold(Rect::default(), |bounds, cell| bounds.union(*cell))
    }

    /// The damaged parts of cells, row by row.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Rect> {
        self.cells.iter().copied().filter(|part| !part.is_empty())
    }

    /// Replaces each damaged part by what `trim` leaves of it.
    pub(crate) fn trim(&mut self, mut trim: impl FnMut(Rect) -> Rect) {
        for part in self.cells.iter_mut().filter(|part| !part.is_empty()) {
            *part = trim(*part);
        }
    }

    /// Joins parts that lie side by side into strips of at most [`STRIP`] columns, where that adds few pixels.
    pub(crate) fn strips(&self, strips: &mut Vec<Rect>) {
        strips.clear();
        let mut open = Rect::default();
        let mut damaged = 0; // pixels of the parts in `open`
        for part in self.parts() {
            let joined = open.union(part);
            let beside = !open.is_empty() && open.right() == u32::from(part.x) && open.y / CELL == part.y / CELL;
            if beside && joined.width <= STRIP && joined.area() <= damaged + part.area() + joined.area() / 5 {
                open = joined;
                damaged += part.area();
            } else {
                strips.extend((!open.is_empty()).then_some(open));
                open = part;
                damaged = part.area();
            }
        }
        strips.extend((!open.is_empty()).then_some(open));
    }
}

/// Joins rectangles that together make a larger one; for those that are only copied, size costs nothing.
pub(crate) fn join(rects: &mut Vec<Rect>) {
    rects.sort_unstable_by_key(|rect| (rect.y, rect.height, rect.x));
    rects.dedup_by(|next, open| {
        let beside = open.y == next.y && open.height == next.height && open.right() == u32::from(next.x);
        if beside {
            *open = open.union(*next);
        }
        beside
    });
    rects.sort_unstable_by_key(|rect| (rect.x, rect.width, rect.y));
    rects.dedup_by(|next, open| {
        let below = open.x == next.x && open.width == next.width && open.bottom() == u32::from(next.y);
        if below {
            *open = open.union(*next);
        }
        below
    });
}

/// Cuts a rectangle that lies in a picture along the borders of cells.
fn pieces(rect: Rect) -> impl Iterator<Item = Rect> {
    let along = |start: u16, end: u32| {
        let first = u32::from(start / CELL);
        (first..end.div_ceil(u32::from(CELL)).max(first)).map(move |number| {
            let from = (number * u32::from(CELL)).max(u32::from(start));
            let to = ((number + 1) * u32::from(CELL)).min(end);
            (from as u16, (to - from) as u16) // the sides of a picture fit 16 bits
        })
    };
    let columns = move || along(rect.x, rect.right());
    let rows = if rect.is_empty() { along(0, 0) } else { along(rect.y, rect.bottom()) };
    rows.flat_map(move |(y, height)| columns().map(move |(x, width)| Rect::new(x, y, width, height)))
}

/// Cuts a rectangle into pieces of at most `width` columns.
pub(crate) fn cut(rect: Rect, width: u16) -> impl Iterator<Item = Rect> {
    (0..rect.width.div_ceil(width)).map(move |piece| {
        let offset = piece * width;
        Rect::new(rect.x + offset, rect.y, width.min(rect.width - offset), rect.height)
    })
}

/// The picture that the client has, pixel for pixel, in rows without gaps.
#[derive(Default)]
pub(crate) struct Shown {
    pixels: Vec<u8>,
    size: Size,
}

impl Shown {
    /// Takes on a new size; what the client then has is unknown.
    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
        self.pixels.clear();
        self.pixels.resize(size.area() * 4, 0);
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn view(&self) -> Option<FrameView<'_>> {
        FrameView::new(&self.pixels, usize::from(self.size.width) * 4, self.size).ok()
    }

    /// Notes that the client has `rect` of `picture`.
    pub(crate) fn copy_from(&mut self, picture: &FrameView<'_>, rect: Rect) {
        for y in usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height) {
            let range = self.range(rect, y);
            self.pixels[range].copy_from_slice(picture.row(rect, y));
        }
    }

    /// Notes that the client moves pixels within its picture.
    pub(crate) fn make(&mut self, made: &Move) {
        let (to, from, count) = (made.to, made.from(), usize::from(made.to.height));
        let row = |this: &mut Self, number: usize| {
            let source = this.range(from, usize::from(from.y) + number);
            let destination = this.range(to, usize::from(to.y) + number).start;
            this.pixels.copy_within(source, destination);
        };
        if to.y < from.y {
            (0..count).for_each(|number| row(self, number));
        } else {
            (0..count).rev().for_each(|number| row(self, number));
        }
    }

    /// Copies `rect` out of another picture of the same size.
    pub(crate) fn copy_shown(&mut self, other: &Self, rect: Rect) {
        for y in usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height) {
            let range = self.range(rect, y);
            self.pixels[range.clone()].copy_from_slice(&other.pixels[range]);
        }
    }

    /// Whether `rect` of `picture` looks exactly so.
    pub(crate) fn equals(&self, picture: &FrameView<'_>, rect: Rect) -> bool {
        (usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height)).all(|y| {
            let (new, old) = (picture.row(rect, y), &self.pixels[self.range(rect, y)]);
            new == old || new.as_chunks::<4>().0.iter().zip(old.as_chunks::<4>().0).all(|(a, b)| pixel(*a) == pixel(*b))
        })
    }

    /// What of `rect` differs from `picture`: the bounding rectangle, empty when nothing does.
    ///
    /// Looks from outside inwards: where everything differs, as in a film, that is the first and the last row.
    pub(crate) fn difference(&self, picture: &FrameView<'_>, rect: Rect) -> Rect {
        let rows = usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height);
        let Some((top, mut left, mut right)) = rows.clone().find_map(|y| {
            let (left, right) = self.differing(picture, rect, y, 0..0)?;
            Some((y, left, right))
        }) else {
            return Rect::default();
        };
        let mut bottom = top + 1;
        // Where columns are known to differ it only matters whether a row is one more that does.
        for y in (bottom..rows.end).rev() {
            if let Some(wider) = self.differing(picture, rect, y, left..right) {
                (left, right) = wider;
                bottom = y + 1;
                break;
            }
        }
        for y in top + 1..bottom {
            if left == 0 && right == usize::from(rect.width) {
                break;
            }
            if let Some(wider) = self.differing(picture, rect, y, left..right) {
                (left, right) = wider;
            }
        }
        Rect::new(rect.x + left as u16, top as u16, (right - left) as u16, (bottom - top) as u16)
    }

    /// The columns of a row that differ from `picture`, together with those that are `known` to in others; nothing where
    /// none of this row does.
    fn differing(
        &self,
        picture: &FrameView<'_>,
        rect: Rect,
        y: usize,
        known: std::ops::Range<usize>,
    ) -> Option<(usize, usize)> {
        let (new, old) = (picture.row(rect, y), &self.pixels[self.range(rect, y)]);
        if new == old {
            return None;
        }
        let (new, old) = (new.as_chunks::<4>().0, old.as_chunks::<4>().0);
        let differs = |x: &usize| pixel(new[*x]) != pixel(old[*x]);
        let outside = if known.is_empty() { new.len() } else { known.start };
        let first = (0..outside).find(differs);
        let last = (known.end.max(first.unwrap_or(0))..new.len()).rfind(differs);
        if first.is_none() && last.is_none() && !known.clone().any(|x| differs(&x)) {
            return None; // nothing but unused bytes
        }
        Some((first.unwrap_or(known.start), last.map_or(known.end, |last| last + 1)))
    }

    fn range(&self, rect: Rect, y: usize) -> std::ops::Range<usize> {
        let start = (y * usize::from(self.size.width) + usize::from(rect.x)) * 4;
        start..start + usize::from(rect.width) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moves::Step;

    #[test]
    fn damage_is_clipped_and_counted_once() {
        let mut grid = Grid::default();
        grid.clear(Size::new(100, 70));
        grid.add(Rect::new(90, 60, 60_000, 60_000));
        grid.add(Rect::new(95, 62, 2, 2));
        grid.add(Rect::new(100, 0, 5, 5));
        grid.add(Rect::new(u16::MAX, u16::MAX, u16::MAX, u16::MAX));
        let parts: Vec<_> = grid.parts().collect();
        assert_eq!(parts, [Rect::new(90, 60, 10, 4), Rect::new(90, 64, 10, 6)]);
        assert_eq!(grid.bounds(), Rect::new(90, 60, 10, 10));
    }

    #[test]
    fn whole_rows_of_cells_become_strips_of_four() {
        let mut grid = Grid::default();
        grid.clear(Size::new(600, 65));
        grid.add(Rect::new(0, 0, 600, 65));
        let mut strips = Vec::new();
        grid.strips(&mut strips);
        assert_eq!(strips[0], Rect::new(0, 0, 256, 64));
        assert_eq!(strips[2], Rect::new(512, 0, 88, 64));
        assert_eq!(strips[5], Rect::new(512, 64, 88, 1));
        assert_eq!(strips.iter().map(|strip| strip.area()).sum::<usize>(), 600 * 65);
    }

    #[test]
    fn distant_corners_of_neighbours_stay_apart() {
        let mut grid = Grid::default();
        grid.clear(Size::new(128, 64));
        grid.add(Rect::new(62, 0, 2, 2));
        grid.add(Rect::new(64, 60, 2, 2));
        let mut strips = Vec::new();
        grid.strips(&mut strips);
        assert_eq!(strips.len(), 2);
    }

    #[test]
    fn what_makes_a_rectangle_is_joined_and_nothing_else() {
        let mut grid = Grid::default();
        grid.clear(Size::new(640, 480));
        let (large, small) = (Rect::new(10, 70, 300, 200), Rect::new(500, 100, 9, 9));
        grid.add(large);
        grid.add(small);
        let mut rects: Vec<_> = grid.parts().collect();
        join(&mut rects);
        assert_eq!(rects, [large, small]);
    }

    #[test]
    fn only_colours_make_a_difference() {
        let size = Size::new(8, 8);
        let mut shown = Shown::default();
        shown.resize(size);
        let mut pixels = vec![0; size.area() * 4];
        pixels[3] = 0xFF;
        let view = FrameView::new(&pixels, 32, size).unwrap();
        assert!(shown.difference(&view, size.rect()).is_empty());
        pixels[(2 * 8 + 5) * 4] = 1;
        pixels[(4 * 8 + 3) * 4 + 2] = 1;
        let view = FrameView::new(&pixels, 32, size).unwrap();
        assert_eq!(shown.difference(&view, size.rect()), Rect::new(3, 2, 3, 3));
        shown.copy_from(&view, Rect::new(3, 2, 3, 3));
        assert!(shown.difference(&view, size.rect()).is_empty());
    }

    #[test]
    fn rows_move_either_way() {
        let size = Size::new(2, 6);
        let mut shown = Shown::default();
        for (to, from) in [(0u16, 2u16), (2, 0)] {
            shown.resize(size);
            for (i, pixel) in shown.pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                pixel[0] = (i / 2) as u8;
            }
            let by = Step { x: 0, y: i32::from(from) - i32::from(to) };
            shown.make(&Move { to: Rect::new(1, to, 1, 4), by });
            for y in 0..4 {
                assert_eq!(shown.pixels[((usize::from(to) + y) * 2 + 1) * 4], from as u8 + y as u8);
                assert_eq!(shown.pixels[(usize::from(to) + y) * 2 * 4], to as u8 + y as u8);
            }
        }
    }
}
