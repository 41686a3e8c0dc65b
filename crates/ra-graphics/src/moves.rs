//! Moves: pixels that the client already has, only elsewhere. A page was scrolled, a window was dragged.
//!
//! A guess is made from a few hashes, and every pixel is then compared, so a wrong guess costs time and never a wrong
//! picture. One frame has one direction; what else moved in it is sent as pixels.

mod guess;
mod order;

use crate::frame::FrameView;
use crate::geometry::Rect;
use crate::tiles::{CELL, Shown};
use guess::Guess;

/// Pixels that the client is told to copy within its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    /// Where they are to be.
    pub(crate) to: Rect,
    /// From there to where they are now.
    pub(crate) by: Step,
}

/// A distance in the picture, in pixels to the right and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Step {
    pub(crate) x: i32,
    pub(crate) y: i32,
}

impl Move {
    /// Where the pixels are now.
    pub(crate) fn from(&self) -> Rect {
        // Both places lie in one picture, whose sides fit 16 bits.
        let along = |at: u16, by: i32| (i32::from(at) + by) as u16;
        Rect { x: along(self.to.x, self.by.x), y: along(self.to.y, self.by.y), ..self.to }
    }
}

/// Finds moves; its buffers serve all frames.
#[derive(Default)]
pub(crate) struct Moves {
    found: Vec<Move>,
    guess: Guess,
    runs: Vec<OpenRun>,
    /// What was found last, the newest first: scrolling goes on with the same step more often than not, or with one of
    /// a few.
    recent: Vec<Step>,
    /// Searches in a row that found nothing.
    fruitless: u32,
}

/// Rows of a column that have moved, as far as it has been compared.
#[derive(Clone, Copy)]
struct OpenRun {
    start: i32,
    /// How many of them differ from what is there, up to [`LEAST_USEFUL`].
    useful: u32,
}

impl Moves {
    /// The moves of the last search, in the order in which they must be made.
    pub(crate) fn found(&self) -> &[Move] {
        &self.found
    }

    /// Whether all of `part` is right by a move of the last search.
    pub(crate) fn cover(&self, part: Rect) -> bool {
        self.found.iter().any(|Move { to, .. }| to.contains(part))
    }

    /// The smallest rectangle around all destinations.
    pub(crate) fn bounds(&self) -> Rect {
        self.found.iter().fold(Rect::default(), |bounds, made| bounds.union(made.to))
    }

    pub(crate) fn clear(&mut self) {
        self.found.clear();
    }

    /// Whether a few samples say that what was scrolled up or down in the last search goes on within `bounds`.
    pub(crate) fn scroll_on(&self, shown: &Shown, picture: &FrameView<'_>, bounds: Rect) -> bool {
        let Some(client) = shown.view() else { return false };
        // Of what goes sideways the edges matter, and those are only known once what stayed as it was is left out.
        self.recent.iter().any(|step| step.x == 0 && guess::agrees(&client, picture, bounds, *step))
    }

    /// Finds out what of `bounds` in `picture` the client has elsewhere in `bounds`.
    pub(crate) fn search(&mut self, shown: &Shown, picture: &FrameView<'_>, bounds: Rect) {
        self.found.clear();
        if bounds.height < LEAST_SIDE || bounds.width < LEAST_SIDE || bounds.area() < LEAST_AREA {
            return;
        }
        let Some(client) = shown.view() else { return };
        let goes_on = |step: &Step| guess::agrees(&client, picture, bounds, *step);
        let known = self.recent.iter().copied().find(goes_on);
        let last = self.recent.first().copied().filter(|step| step.x != 0);
        if let Some(step) = known.or_else(|| last.and_then(|step| guess::near(&client, picture, bounds, step))) {
            self.verify(&client, picture, bounds, step);
            // Little of it, and it may be by chance that blank paper looks as if it had gone on.
            if self.found.iter().map(|made| made.to.area()).sum::<usize>() < bounds.area() / 2 {
                self.found.clear();
            }
        }
        if self.found.is_empty() {
            // What does not move at all is not searched in every frame.
            self.fruitless += 1;
            if self.fruitless > PATIENCE && !self.fruitless.is_multiple_of(PATIENCE) {
                return;
            }
            if let Some(step) = self.guess.make(&client, picture, bounds) {
                self.verify(&client, picture, bounds, step);
            }
        }
        match self.found.first().map(|made| made.by) {
            Some(step) => {
                self.recent.retain(|known| *known != step);
                self.recent.truncate(MOST_RECENT - 1);
                self.recent.insert(0, step);
                self.fruitless = 0;
            }
            None => self.recent.clear(),
        }
    }

    /// Notes as moves what really has moved by `step`.
    fn verify(&mut self, client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect, step: Step) {
        let Some(area) = destination(bounds, step) else { return };
        let (first, last) = (i32::from(area.y), area.bottom() as i32);
        self.runs.clear();
        self.runs.resize(columns(area).len(), OpenRun { start: first, useful: 0 });
        // Row by row, as memory lies, and one row more than there are, so that the last runs end too.
        for y in first..=last {
            for (number, column) in columns(area).enumerate() {
                let mut run = self.runs[number];
                let moved = y < last && {
                    // Both rows lie within the bounds.
                    let before = Rect { x: (i32::from(column.x) + step.x) as u16, ..column };
                    let new = picture.row(column, y as usize);
                    let moved = same(new, client.row(before, (y + step.y) as usize));
                    run.useful +=
                        u32::from(moved && run.useful < LEAST_USEFUL && new != client.row(column, y as usize));
                    moved
                };
                if !moved {
                    if run.useful >= LEAST_USEFUL {
                        self.add(column, run.start as u16, y as u16, step);
                    }
                    run = OpenRun { start: y + 1, useful: 0 };
                }
                self.runs[number] = run;
            }
        }
        if self.found.len() > MOST_MOVES || !order::sort(&mut self.found) {
            self.found.clear();
        }
    }

    /// Adds the rows from `start` to before `end`, widening a move of the same rows in the columns to the left.
    fn add(&mut self, column: Rect, start: u16, end: u16, by: Step) {
        let to = Rect::new(column.x, start, column.width, end - start);
        let left = self
            .found
            .iter_mut()
            .find(|other| other.to.right() == u32::from(to.x) && other.to.y == to.y && other.to.height == to.height);
        match left {
            Some(left) => left.to.width += to.width,
            None => self.found.push(Move { to, by }),
        }
    }
}

/// The part of `bounds` whose pixels can have come from `bounds` by `step`.
///
/// When one rectangle moved and nothing else changed, the bounds hold it at both places, and this is exactly where it
/// is now.
fn destination(bounds: Rect, step: Step) -> Option<Rect> {
    let along = |start: u16, length: u16, by: i32| {
        let (start, end) = (i32::from(start), i32::from(start) + i32::from(length));
        let (first, last) = (start.max(start - by), end.min(end - by));
        (first < last).then_some((first as u16, (last - first) as u16))
    };
    let (x, width) = along(bounds.x, bounds.width, step.x)?;
    let (y, height) = along(bounds.y, bounds.height, step.y)?;
    Some(Rect::new(x, y, width, height))
}

/// Columns of at most a cell's width within a rectangle, over its whole height.
fn columns(area: Rect) -> impl ExactSizeIterator<Item = Rect> {
    (0..area.width.div_ceil(CELL)).map(move |number| {
        let offset = number * CELL;
        Rect::new(area.x + offset, area.y, CELL.min(area.width - offset), area.height)
    })
}

/// Whether two rows have the same colours.
fn same(a: &[u8], b: &[u8]) -> bool {
    a == b || a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0).all(|(a, b)| a[..3] == b[..3])
}

/// Narrower, lower or smaller changes are sent faster than they are searched.
const LEAST_SIDE: u16 = 32;
const LEAST_AREA: usize = 64 * 64;
/// Changed rows that a move must explain, or else the pixels cost less than the message.
const LEAST_USEFUL: u32 = 4;
/// Steps that are tried before a search: a wheel and a key, up and down.
const MOST_RECENT: usize = 4;
/// More moves than this are a guess gone wrong.
const MOST_MOVES: usize = 128;
/// After so many searches without a find only each such number of frames is searched.
const PATIENCE: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    const SIZE: Size = Size::new(400, 300);

    /// Pixels that look different everywhere.
    fn page(seed: u32) -> Vec<u8> {
        let pixel = |at: u32| (at ^ seed).wrapping_mul(0x9E37_79B1) >> 8;
        (0..SIZE.area() as u32).flat_map(|at| pixel(at).to_le_bytes()).collect()
    }

    /// Puts `rect` of `from` at another place of `to`.
    fn put(from: &[u8], rect: Rect, to: &mut [u8], x: u16, y: u16) {
        for row in 0..usize::from(rect.height) {
            let at = |x: u16, y: u16| ((usize::from(y) + row) * usize::from(SIZE.width) + usize::from(x)) * 4;
            let length = usize::from(rect.width) * 4;
            let source = &from[at(rect.x, rect.y)..][..length];
            to[at(x, y)..][..length].copy_from_slice(source);
        }
    }

    fn searched(before: &[u8], after: &[u8]) -> Moves {
        let view = |pixels| FrameView::new(pixels, usize::from(SIZE.width) * 4, SIZE).unwrap();
        let mut shown = Shown::default();
        shown.resize(SIZE);
        shown.copy_from(&view(before), SIZE.rect());
        let bounds = shown.difference(&view(after), SIZE.rect());
        let mut moves = Moves::default();
        moves.search(&shown, &view(after), bounds);
        moves
    }

    #[test]
    fn a_window_is_found_to_the_pixel_wherever_it_goes() {
        let (desk, window) = (page(1), page(77));
        let shape = Rect::new(10, 20, 133, 101);
        for (x, y) in [(100u16, 90u16), (111, 97), (89, 97), (111, 83), (89, 83), (100, 130), (140, 90), (60, 90)] {
            let (mut before, mut after) = (desk.clone(), desk.clone());
            put(&window, shape, &mut before, 100, 90);
            put(&window, shape, &mut after, x, y);
            let moves = searched(&before, &after);
            let wanted = (x, y) != (100, 90);
            assert_eq!(moves.found().is_empty(), !wanted);
            if wanted {
                assert_eq!(moves.bounds(), Rect::new(x, y, shape.width, shape.height));
                let area: usize = moves.found().iter().map(|made| made.to.area()).sum();
                assert_eq!(area, shape.area(), "all of it");
            }
        }
    }

    #[test]
    fn what_only_changed_is_no_move() {
        assert!(searched(&page(1), &page(2)).found().is_empty());
    }
}
