//! What is known of each cell over time: when it changed, whether it looks like film, and what the client has of it
//! only roughly.

use std::time::Duration;

use crate::geometry::Rect;
use crate::moves::Move;
use crate::tiles::{CELL, Grid};

/// One record for each cell of the picture's grid.
#[derive(Default)]
pub(crate) struct History {
    cells: Vec<Cell>,
    columns: usize,
    moved: Vec<(usize, Rect)>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// When it changed last, and how long it had then been as it was.
    changed: Duration,
    gap: Duration,
    /// How often in a row it became a picture of many colours, and when that was last.
    streak: u8,
    natural: Duration,
    /// Whether most of the cell did.
    wide: bool,
    /// What of it the client has only roughly.
    rough: Rect,
    /// It was made exact in the frame of that time: its colours then are no sign of film.
    repaired: Option<Duration>,
}

impl History {
    /// Begins anew, for a picture with as many cells as the grid has, in rows of `columns`.
    pub(crate) fn begin(&mut self, grid: &Grid, columns: usize) {
        self.cells.clear();
        self.cells.resize(grid.len(), Cell::default());
        self.columns = columns;
    }

    pub(crate) fn changed(&mut self, cell: usize, at: Duration) {
        let cell = &mut self.cells[cell];
        cell.gap = at.saturating_sub(cell.changed);
        cell.changed = at;
    }

    /// Whether the cell had been the same for a while before it changed in the frame of this time.
    pub(crate) fn was_at_rest(&self, cell: usize) -> bool {
        self.cells[cell].gap >= WORTH_KEEPING
    }

    /// Notes that the part of a cell that was just sent has many colours.
    pub(crate) fn natural(&mut self, cell: usize, part: Rect, at: Duration) {
        let cell = &mut self.cells[cell];
        if cell.repaired == Some(at) {
            return;
        }
        let follows = at.saturating_sub(cell.natural) <= FILM_STEP;
        cell.streak = if follows { cell.streak.saturating_add(1) } else { 1 };
        cell.natural = at;
        cell.wide = part.area() * 4 >= usize::from(CELL) * usize::from(CELL) * 3;
    }

    /// Notes that a cell does not look like film any more.
    pub(crate) fn plain(&mut self, cell: usize) {
        self.cells[cell].streak = 0;
    }

    /// Whether the cell has become another picture of many colours again and again.
    ///
    /// One that shows only the edge of a film is film when a neighbour is; the strip that comes to light when a
    /// photograph is scrolled has no such neighbour.
    pub(crate) fn is_film(&self, cell: usize, at: Duration) -> bool {
        let own = |cell: &Cell| cell.streak >= FILM_AFTER && at.saturating_sub(cell.natural) <= FILM_PAUSE;
        let record = &self.cells[cell];
        if !own(record) {
            return false;
        }
        let column = cell % self.columns.max(1);
        let left = (column > 0).then(|| cell - 1);
        let right = (column + 1 < self.columns).then_some(cell + 1);
        record.wide
            || [left, right, cell.checked_sub(self.columns), cell.checked_add(self.columns)]
                .into_iter()
                .flatten()
                .filter_map(|neighbour| self.cells.get(neighbour))
                .any(|neighbour| neighbour.wide && own(neighbour))
    }

    /// Notes that the client has a part of a cell only roughly.
    pub(crate) fn rough(&mut self, cell: usize, part: Rect) {
        let rough = &mut self.cells[cell].rough;
        *rough = rough.union(part);
    }

    /// Notes that the client has a part of a cell exactly.
    pub(crate) fn exact(&mut self, cell: usize, part: Rect) {
        let cell = &mut self.cells[cell];
        if part.contains(cell.rough) {
            cell.rough = Rect::default();
        }
    }

    /// Notes that a part of a cell is sent exactly; returns what to send, which is more where little was left to repair.
    pub(crate) fn exact_with(&mut self, cell: usize, part: Rect) -> Rect {
        let rough = self.cells[cell].rough;
        let sent = if rough.area() <= part.area() * 2 { part.union(rough) } else { part };
        self.exact(cell, sent);
        sent
    }

    /// Whether the client has any pixel of `rect` only roughly.
    pub(crate) fn is_rough(&self, grid: &Grid, rect: Rect) -> bool {
        grid.pieces(rect).any(|piece| self.cells[grid.index_of(piece)].rough.overlaps(piece))
    }

    /// Whether the client has everything exactly.
    pub(crate) fn is_exact(&self) -> bool {
        self.cells.iter().all(|cell| cell.rough.is_empty())
    }

    /// Carries along with moves what is only roughly there.
    pub(crate) fn moved(&mut self, grid: &Grid, moves: &[Move], at: Duration) {
        if self.is_exact() {
            return;
        }
        self.moved.clear();
        for made in moves {
            for piece in grid.pieces(made.to) {
                let from = Move { to: piece, by: made.by }.from();
                if self.is_rough(grid, from) {
                    self.moved.push((grid.index_of(piece), piece));
                }
            }
        }
        for number in 0..self.moved.len() {
            let (cell, piece) = self.moved[number];
            self.rough(cell, piece);
            self.cells[cell].changed = at;
        }
    }

    /// The cells that have come to rest and are to be made exact, with what of them is not.
    pub(crate) fn due(&self, at: Duration) -> impl Iterator<Item = (usize, Rect)> {
        let due = move |cell: &Cell| !cell.rough.is_empty() && at >= cell.due();
        self.cells.iter().enumerate().filter(move |(_, cell)| due(cell)).map(|(number, cell)| (number, cell.rough))
    }

    /// Notes that a cell is made exact in the frame of this time.
    pub(crate) fn repaired(&mut self, cell: usize, at: Duration) {
        self.cells[cell].repaired = Some(at);
    }

    /// When the next cell is to be made exact.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.cells.iter().filter(|cell| !cell.rough.is_empty()).map(Cell::due).min()
    }
}

impl Cell {
    /// A cell that changes slowly is waited for a little longer, since it will likely change again.
    fn due(&self) -> Duration {
        self.changed + (self.gap + self.gap / 2).clamp(REST, LONGEST_REST)
    }
}

/// What has been the same for so long is put aside when something covers it: it will come to light again.
const WORTH_KEEPING: Duration = Duration::from_secs(1);
/// Pictures of a film follow each other at least this quickly: 5 a second.
const FILM_STEP: Duration = Duration::from_millis(200);
/// So many pictures in a row are a film.
const FILM_AFTER: u8 = 3;
/// A film that pauses for longer begins anew.
const FILM_PAUSE: Duration = Duration::from_millis(500);
/// How long a cell must have been still before it is made exact.
const REST: Duration = Duration::from_millis(100);
/// With 70 ms for encoding, the way and decoding it is exact a quarter of a second after its last change.
const LONGEST_REST: Duration = Duration::from_millis(180);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::moves::Step;

    const WHOLE: Rect = Rect::new(0, 0, 64, 64);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn history() -> (History, Grid) {
        let mut grid = Grid::default();
        grid.clear(Size::new(192, 128));
        let mut history = History::default();
        history.begin(&grid, 3);
        (history, grid)
    }

    #[test]
    fn film_is_what_becomes_another_picture_three_times_quickly() {
        let (mut history, _) = history();
        for (number, at) in [1000, 1033, 1066].into_iter().enumerate() {
            assert!(!history.is_film(0, ms(at)), "after {number} pictures");
            history.natural(0, WHOLE, ms(at));
        }
        assert!(history.is_film(0, ms(1100)));
        assert!(!history.is_film(0, ms(1600)), "it has stopped");
        history.natural(0, WHOLE, ms(1600));
        assert!(!history.is_film(0, ms(1600)), "it begins anew");
    }

    #[test]
    fn an_edge_is_film_beside_film_only() {
        let (mut history, _) = history();
        let edge = Rect::new(64, 0, 5, 64);
        for at in [1000, 1033, 1066] {
            history.natural(1, edge, ms(at));
        }
        assert!(!history.is_film(1, ms(1070)));
        for at in [1000, 1033, 1066] {
            history.natural(2, WHOLE, ms(at));
        }
        assert!(history.is_film(1, ms(1070)));
    }

    #[test]
    fn a_repair_is_no_picture_of_a_film() {
        let (mut history, _) = history();
        for at in [1000, 1100, 1200, 1300] {
            history.repaired(0, ms(at));
            history.natural(0, WHOLE, ms(at));
        }
        assert!(!history.is_film(0, ms(1300)));
    }

    #[test]
    fn what_is_rough_moves_along_and_is_due_when_it_rests() {
        let (mut history, grid) = history();
        history.changed(0, ms(1000));
        history.rough(0, Rect::new(10, 10, 20, 20));
        assert_eq!(history.due(ms(1090)).count(), 0);
        assert_eq!(history.due(ms(1180)).collect::<Vec<_>>(), [(0, Rect::new(10, 10, 20, 20))]);
        let made = Move { to: Rect::new(74, 0, 40, 64), by: Step { x: -64, y: 0 } };
        history.moved(&grid, &[made], ms(2000));
        assert!(history.is_rough(&grid, Rect::new(70, 0, 10, 10)) && history.is_rough(&grid, WHOLE));
        assert!(!history.is_rough(&grid, Rect::new(128, 0, 64, 128)));
        history.exact(1, Rect::new(64, 0, 64, 64));
        history.exact(0, Rect::new(10, 10, 20, 20));
        assert_eq!(history.next_due(), None);
    }
}
