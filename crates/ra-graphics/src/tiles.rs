//! Damage on a grid: overlaps vanish, unchanged pixels are trimmed away, neighbours are joined into strips.

use crate::classify::pixel;
use crate::frame::FrameView;
use crate::geometry::{Rect, Size};
use crate::scroll::Scroll;

/// Side of a cell of the grid in pixels. A bitmap of this size is below 16 KiB in every encoding.
pub(crate) const CELL: u16 = 64;
/// Widest strip in pixels. Even as raw pixels it fits one segment of 65,535 bytes.
pub(crate) const STRIP: u16 = 4 * CELL;

/// What the client has and what it lacks.
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
    ///
    /// With `scroll`, what the client has is first moved to where it is now, as far as that helps.
    pub(crate) fn settle(&mut self, picture: &FrameView<'_>, damage: &[Rect], scroll: Option<&mut Scroll>) -> &Grid {
        let Self { grid, shown, repaint } = self;
        grid.clear(picture.size());
        if shown.size() != picture.size() || *repaint {
            shown.resize(picture.size());
            grid.add(picture.size().rect());
            *repaint = false;
        } else {
            damage.iter().for_each(|rect| grid.add(*rect));
            grid.trim(|part| shown.difference(picture, part));
            if let Some(scroll) = scroll {
                scroll.search(shown, picture, grid.bounds());
                if !scroll.moves().is_empty() {
                    let covers = |part| scroll.covers(part);
                    grid.trim(|part| if covers(part) { Rect::default() } else { shown.difference(picture, part) });
                }
            }
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
        let damage = damage.clipped(self.size);
        if damage.is_empty() {
            return;
        }
        let (right, bottom) = (damage.right(), damage.bottom());
        let (mut y, mut row) = (u32::from(damage.y), usize::from(damage.y / CELL));
        while y < bottom {
            let next_y = (u32::from(CELL) * (row as u32 + 1)).min(bottom);
            let (mut x, mut column) = (u32::from(damage.x), usize::from(damage.x / CELL));
            while x < right {
                let next_x = (u32::from(CELL) * (column as u32 + 1)).min(right);
                // Clipped to a picture whose sides fit 16 bits.
                let part = Rect::new(x as u16, y as u16, (next_x - x) as u16, (next_y - y) as u16);
                let cell = &mut self.cells[row * self.columns + column];
                *cell = union(*cell, part);
                (x, column) = (next_x, column + 1);
            }
            (y, row) = (next_y, row + 1);
        }
    }

    /// Smallest rectangle around all damage; empty when there is none.
    pub(crate) fn bounds(&self) -> Rect {
        self.cells.iter().fold(Rect::default(), |bounds, cell| union(bounds, *cell))
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
            let joined = union(open, part);
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

/// Cuts a rectangle into pieces of at most `width` columns.
pub(crate) fn cut(rect: Rect, width: u16) -> impl Iterator<Item = Rect> {
    (0..rect.width.div_ceil(width)).map(move |piece| {
        let offset = piece * width;
        Rect::new(rect.x + offset, rect.y, width.min(rect.width - offset), rect.height)
    })
}

/// The smallest rectangle around two; an empty one does not count.
fn union(a: Rect, b: Rect) -> Rect {
    if a.is_empty() {
        return b;
    }
    if b.is_empty() {
        return a;
    }
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let right = a.right().max(b.right());
    let bottom = a.bottom().max(b.bottom());
    // Both lie in one picture, so its sides bound the result.
    Rect::new(x, y, (right - u32::from(x)) as u16, (bottom - u32::from(y)) as u16)
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

    /// Notes that the client moves `rows` rows of the columns of `rect`, which holds the destination, from row `from`.
    pub(crate) fn move_rows(&mut self, rect: Rect, from: u16) {
        let (to, from, count) = (usize::from(rect.y), usize::from(from), usize::from(rect.height));
        let row = |this: &mut Self, number: usize| {
            let source = this.range(rect, from + number);
            let destination = this.range(rect, to + number).start;
            this.pixels.copy_within(source, destination);
        };
        if to < from {
            (0..count).for_each(|number| row(self, number));
        } else {
            (0..count).rev().for_each(|number| row(self, number));
        }
    }

    /// What of `rect` differs from `picture`: the bounding rectangle, empty when nothing does.
    pub(crate) fn difference(&self, picture: &FrameView<'_>, rect: Rect) -> Rect {
        let width = usize::from(rect.width);
        let (mut left, mut right) = (width, 0);
        let (mut top, mut bottom) = (None, 0);
        for y in usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height) {
            let (new, old) = (picture.row(rect, y), &self.pixels[self.range(rect, y)]);
            if new == old {
                continue;
            }
            let (new, old) = (new.as_chunks::<4>().0, old.as_chunks::<4>().0);
            let differs = |x: &usize| pixel(new[*x]) != pixel(old[*x]);
            let first = (0..left).find(differs);
            let last = (right.max(first.unwrap_or(0))..width).rfind(differs);
            // Where columns are known to differ it only matters whether this row is one more that does.
            if first.is_none() && last.is_none() && !(left..right).any(|x| differs(&x)) {
                continue; // nothing but unused bytes
            }
            left = first.unwrap_or(left);
            right = last.map_or(right, |last| last + 1);
            top = top.or(Some(y));
            bottom = y + 1;
        }
        let Some(top) = top else { return Rect::default() };
        Rect::new(rect.x + left as u16, top as u16, (right - left) as u16, (bottom - top) as u16)
    }

    fn range(&self, rect: Rect, y: usize) -> std::ops::Range<usize> {
        let start = (y * usize::from(self.size.width) + usize::from(rect.x)) * 4;
        start..start + usize::from(rect.width) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            shown.move_rows(Rect::new(1, to, 1, 4), from);
            for y in 0..4 {
                assert_eq!(shown.pixels[((usize::from(to) + y) * 2 + 1) * 4], from as u8 + y as u8);
                assert_eq!(shown.pixels[(usize::from(to) + y) * 2 * 4], to as u8 + y as u8);
            }
        }
    }
}
