//! Scrolling: rows of pixels that the client already has, only further up or down.
//!
//! A guess is made from hashes of rows in a few columns of cells, and every row is then compared pixel by pixel, so a
//! wrong guess costs time and never a wrong picture.

use crate::frame::FrameView;
use crate::geometry::Rect;
use crate::tiles::{CELL, Shown};

/// Pixels that the client is told to copy within its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    /// Where they are to be.
    pub(crate) to: Rect,
    /// The row in which they begin now, in the same columns.
    pub(crate) from: u16,
}

/// Finds moves; its buffers serve all frames.
#[derive(Default)]
pub(crate) struct Scroll {
    moves: Vec<Move>,
    votes: Vec<u32>,
    rows: RowTable,
    runs: Vec<OpenRun>,
}

/// Rows of a column that have moved, as far as it has been compared.
#[derive(Clone, Copy)]
struct OpenRun {
    start: i32,
    /// How many of them differ from what is there, up to [`LEAST_USEFUL`].
    useful: u32,
}

impl Scroll {
    /// The moves of the last search, in the order in which they must be made.
    pub(crate) fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// Whether all of `part` is right by a move of the last search.
    pub(crate) fn covers(&self, part: Rect) -> bool {
        self.moves.iter().any(|Move { to, .. }| {
            (to.x..).contains(&part.x)
                && (to.y..).contains(&part.y)
                && part.right() <= to.right()
                && part.bottom() <= to.bottom()
        })
    }

    pub(crate) fn clear(&mut self) {
        self.moves.clear();
    }

    /// Finds out how `picture` scrolled within `bounds`, and makes those moves in what the client has.
    pub(crate) fn search(&mut self, shown: &mut Shown, picture: &FrameView<'_>, bounds: Rect) {
        self.moves.clear();
        if bounds.height < LEAST_HEIGHT || bounds.area() < LEAST_AREA {
            return;
        }
        let Some(client) = shown.view() else { return };
        if let Some(distance) = self.guess(&client, picture, bounds) {
            self.verify(&client, picture, bounds, distance);
        }
        for Move { to, from } in &self.moves {
            shown.move_rows(*to, *from);
        }
    }

    /// The distance, in rows, by which most rows of some columns were moved; positive when they came from below.
    fn guess(&mut self, client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect) -> Option<i32> {
        let height = usize::from(bounds.height);
        self.votes.clear();
        self.votes.resize(2 * height, 0);
        let columns = columns(bounds);
        let step = columns.len().div_ceil(COLUMNS_ASKED);
        for column in columns.step_by(step) {
            self.rows.clear(height);
            let mut changed = false;
            for row in 0..height {
                let y = usize::from(bounds.y) + row;
                changed = changed || client.row(column, y) != picture.row(column, y);
                self.rows.insert(hash(client.row(column, y)), row);
            }
            if !changed {
                continue;
            }
            for row in 0..height {
                let y = usize::from(bounds.y) + row;
                if let Some(before) = self.rows.find(hash(picture.row(column, y))).filter(|before| *before != row) {
                    self.votes[before + height - row] += 1;
                }
            }
        }
        let (place, votes) = self.votes.iter().enumerate().max_by_key(|(_, votes)| **votes)?;
        (*votes >= LEAST_VOTES).then(|| place as i32 - height as i32)
    }

    /// Notes as moves what really has moved by `distance`.
    fn verify(&mut self, client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect, distance: i32) {
        let bottom = bounds.bottom() as i32;
        let first = i32::from(bounds.y).max(i32::from(bounds.y) - distance);
        let last = bottom.min(bottom - distance);
        self.runs.clear();
        self.runs.resize(columns(bounds).len(), OpenRun { start: first, useful: 0 });
        // Row by row, as memory lies, and one row more than there are, so that the last runs end too.
        for y in first..=last {
            for (number, column) in columns(bounds).enumerate() {
                let mut run = self.runs[number];
                let moved = y < last && {
                    // Both rows lie within the bounds.
                    let (row, before) = (y as usize, (y + distance) as usize);
                    let new = picture.row(column, row);
                    let moved = same(new, client.row(column, before));
                    run.useful += u32::from(moved && run.useful < LEAST_USEFUL && new != client.row(column, row));
                    moved
                };
                if !moved {
                    if run.useful >= LEAST_USEFUL {
                        self.add(column, run.start as u16, y as u16, distance);
                    }
                    run = OpenRun { start: y + 1, useful: 0 };
                }
                self.runs[number] = run;
            }
        }
        // A copy must not overwrite what a later one in the same columns reads.
        if distance > 0 {
            self.moves.sort_by_key(|made| made.to.y);
        } else {
            self.moves.sort_by_key(|made| std::cmp::Reverse(made.to.y));
        }
        if self.moves.len() > MOST_MOVES {
            self.moves.clear();
        }
    }

    /// Adds the rows from `start` to before `end`, widening a move of the same rows in the columns to the left.
    fn add(&mut self, column: Rect, start: u16, end: u16, distance: i32) {
        let to = Rect::new(column.x, start, column.width, end - start);
        let left = self
            .moves
            .iter_mut()
            .find(|other| other.to.right() == u32::from(to.x) && other.to.y == to.y && other.to.height == to.height);
        match left {
            Some(left) => left.to.width += to.width,
            None => self.moves.push(Move { to, from: (i32::from(start) + distance) as u16 }),
        }
    }
}

/// Rows of a column by their hash; rows that look the same tell nothing about their place.
#[derive(Default)]
struct RowTable {
    slots: Vec<(u64, u32)>,
    mask: usize,
}

impl RowTable {
    fn clear(&mut self, rows: usize) {
        let slots = (rows * 2).next_power_of_two();
        self.mask = slots - 1;
        self.slots.clear();
        self.slots.resize(slots, (0, FREE));
    }

    fn insert(&mut self, hash: u64, row: usize) {
        let slot = self.slot(hash);
        self.slots[slot] = match self.slots[slot] {
            (_, FREE) => (hash, row as u32),
            (hash, _) => (hash, REPEATED),
        };
    }

    fn find(&self, hash: u64) -> Option<usize> {
        match self.slots[self.slot(hash)] {
            (_, FREE | REPEATED) => None,
            (_, row) => Some(row as usize),
        }
    }

    /// The slot of a hash, or the free one where it belongs; half of them are free.
    fn slot(&self, hash: u64) -> usize {
        let mut at = (hash >> 32) as usize & self.mask;
        while self.slots[at].1 != FREE && self.slots[at].0 != hash {
            at = (at + 1) & self.mask;
        }
        at
    }
}

/// The cells' columns within a rectangle, over its whole height.
fn columns(bounds: Rect) -> impl ExactSizeIterator<Item = Rect> {
    let first = bounds.x / CELL;
    let last = ((bounds.right() - 1) / u32::from(CELL)) as u16;
    (0..last - first + 1).map(move |number| {
        let left = bounds.x.max((first + number) * CELL);
        let right = bounds.right().min(u32::from(first + number + 1) * u32::from(CELL));
        Rect::new(left, bounds.y, (right - u32::from(left)) as u16, bounds.height)
    })
}

/// Whether two rows have the same colours.
fn same(a: &[u8], b: &[u8]) -> bool {
    a == b || a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0).all(|(a, b)| a[..3] == b[..3])
}

/// A quick hash of a row's colours in four lanes; nothing depends on its quality but time.
fn hash(row: &[u8]) -> u64 {
    let (blocks, rest) = row.as_chunks::<32>();
    let mut lanes = [1u64, 2, 3, 4];
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = (lane.rotate_left(23) ^ (u64::from_le_bytes(*word) & COLOUR_BITS)).wrapping_mul(FACTOR);
        }
    }
    for (number, pixel) in rest.as_chunks::<4>().0.iter().enumerate() {
        let lane = &mut lanes[number % 4];
        *lane = (lane.rotate_left(23) ^ (u64::from(u32::from_le_bytes(*pixel)) & COLOUR_BITS)).wrapping_mul(FACTOR);
    }
    lanes.iter().fold(0, |hash, lane| (hash ^ lane).wrapping_mul(FACTOR).rotate_left(31))
}

const COLOUR_BITS: u64 = 0x00FF_FFFF_00FF_FFFF;
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
const FREE: u32 = u32::MAX;
const REPEATED: u32 = u32::MAX - 1;
/// Lower or smaller changes are sent faster than they are searched.
const LEAST_HEIGHT: u16 = 32;
const LEAST_AREA: usize = 64 * 64;
/// Columns of cells whose rows are hashed: enough that one of them has text in it.
const COLUMNS_ASKED: usize = 8;
/// Rows that must agree on a distance before all are compared.
const LEAST_VOTES: u32 = 12;
/// Changed rows that a move must explain, or else the pixels cost less than the message.
const LEAST_USEFUL: u32 = 4;
/// More moves than this are a guess gone wrong.
const MOST_MOVES: usize = 512;
