//! Guessing by which step pixels have moved, from hashes of few of them.

use std::collections::HashMap;

use super::{LEAST_SIDE, Step, columns, destination, same};
use crate::frame::FrameView;
use crate::geometry::Rect;

/// Guesses steps; its buffers serve all frames.
#[derive(Default)]
pub(super) struct Guess {
    votes: Vec<u32>,
    rows: Table<Places<u32, 1>>,
    anchors: Table<Places<(u16, u16), 3>>,
    steps: HashMap<Step, u32>,
}

/// Whether most of a few samples of `bounds` have moved by `step`.
pub(super) fn agrees(client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect, step: Step) -> bool {
    let (moved, asked) = agreement(client, picture, bounds, step);
    asked >= 3 && moved * 4 >= asked * 3
}

/// The step next to `step` by which most of a few samples of `bounds` have moved, if there is one: what is dragged goes
/// faster and slower little by little.
pub(super) fn near(client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect, step: Step) -> Option<Step> {
    let around = -NEAR..=NEAR;
    let steps = around.clone().flat_map(|y| around.clone().map(move |x| Step { x: step.x + x, y: step.y + y }));
    let (best, (moved, asked)) = steps
        .filter(|step| *step != Step::default())
        .map(|step| (step, agreement(client, picture, bounds, step)))
        .max_by_key(|(_, (moved, _))| *moved)?;
    (asked >= 3 && moved * 4 >= asked * 3).then_some(best)
}

/// How many samples have moved by `step`, of how many that have changed at all.
fn agreement(client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect, step: Step) -> (u32, u32) {
    let Some(area) = destination(bounds, step) else { return (0, 0) };
    let (mut asked, mut moved) = (0, 0);
    for number in 1..=SAMPLES {
        // A diagonal crosses everything that is wide or high.
        let place = |start: u16, length: u16| start + (u32::from(length) * number / (SAMPLES + 1)) as u16;
        let x = place(area.x, area.width).min((area.right() as u16).saturating_sub(SAMPLE.min(area.width)));
        let y = place(area.y, area.height);
        let sample = Rect::new(x, y, SAMPLE.min(area.width), 1);
        let new = picture.row(sample, usize::from(y));
        let blank = new.as_chunks::<4>().0.windows(2).all(|pair| pair[0] == pair[1]);
        if blank || new == client.row(sample, usize::from(y)) {
            continue; // as it is everywhere, or as it was
        }
        asked += 1;
        // Within the bounds, as the destination is.
        let before = Rect { x: (i32::from(x) + step.x) as u16, ..sample };
        moved += u32::from(same(new, client.row(before, (i32::from(y) + step.y) as usize)));
    }
    (moved, asked)
}

impl Guess {
    /// The step that most of what was asked agrees on.
    pub(super) fn make(&mut self, client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect) -> Option<Step> {
        self.scrolled(client, picture, bounds).or_else(|| self.dragged(client, picture, bounds))
    }

    /// Up or down: the distance by which most rows of some columns were moved.
    fn scrolled(&mut self, client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect) -> Option<Step> {
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
                self.rows.entry(hash(client.row(column, y))).note(row as u32);
            }
            if !changed {
                continue;
            }
            for row in 0..height {
                let y = usize::from(bounds.y) + row;
                for before in self.rows.find(hash(picture.row(column, y))) {
                    if *before as usize != row {
                        self.votes[*before as usize + height - row] += 1;
                    }
                }
            }
        }
        let (place, votes) = self.votes.iter().enumerate().max_by_key(|(_, votes)| **votes)?;
        (*votes >= LEAST_VOTES).then(|| Step { x: 0, y: place as i32 - height as i32 })
    }

    /// In any direction: short pieces of rows that are chosen by their content are looked up where they were.
    fn dragged(&mut self, client: &FrameView<'_>, picture: &FrameView<'_>, bounds: Rect) -> Option<Step> {
        // The middle rows of a large area speak for all.
        let rows = (MOST_PIXELS / usize::from(bounds.width)).clamp(usize::from(LEAST_SIDE), usize::from(bounds.height));
        let first = usize::from(bounds.y) + (usize::from(bounds.height) - rows) / 2;
        let Self { anchors, steps, .. } = self;
        anchors.clear(rows * usize::from(bounds.width) / ANCHOR_EVERY);
        for y in first..first + rows {
            each_anchor(client.row(bounds, y), |x, hash| anchors.entry(hash).note((x, y as u16)));
        }
        steps.clear();
        for y in (first..first + rows).step_by(ROWS_SKIPPED) {
            each_anchor(picture.row(bounds, y), |x, hash| {
                for (before_x, before_y) in anchors.find(hash) {
                    let step = Step { x: i32::from(*before_x) - i32::from(x), y: i32::from(*before_y) - y as i32 };
                    if step != Step::default() {
                        *steps.entry(step).or_default() += 1;
                    }
                }
            });
        }
        // Rows that look like their neighbours make neighbouring steps equally likely: samples of all decide. What then
        // breaks ties is the step itself, so that the same pictures always give the same answer.
        let most = *steps.values().max()?;
        let likely = steps.iter().filter(|(_, votes)| **votes >= LEAST_VOTES.max(most / 2));
        likely
            .max_by_key(|(step, votes)| (agreement(client, picture, bounds, **step).0, **votes, step.x, step.y))
            .map(|(step, _)| *step)
    }
}

/// Where something is; of what is in many places nothing can be learnt.
#[derive(Clone, Copy)]
struct Places<P, const MOST: usize> {
    at: [P; MOST],
    count: u8,
}

impl<P: Copy + Default, const MOST: usize> Default for Places<P, MOST> {
    fn default() -> Self {
        Self { at: [P::default(); MOST], count: 0 }
    }
}

impl<P: Copy, const MOST: usize> Places<P, MOST> {
    fn note(&mut self, place: P) {
        if let Some(free) = self.at.get_mut(usize::from(self.count)) {
            *free = place;
        }
        self.count += u8::from(usize::from(self.count) <= MOST);
    }

    fn few(&self) -> &[P] {
        self.at.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// Entries by hash, in open addressing.
#[derive(Default)]
struct Table<E> {
    slots: Vec<Option<(u64, E)>>,
    mask: usize,
    used: usize,
    /// Where entries go for which there is no room.
    spare: E,
}

impl<P: Copy + Default, const MOST: usize> Table<Places<P, MOST>> {
    /// Forgets all, and makes room for so many.
    fn clear(&mut self, entries: usize) {
        let slots = (entries.max(16) * 2).next_power_of_two();
        self.mask = slots - 1;
        self.used = 0;
        self.slots.clear();
        self.slots.resize(slots, None);
    }

    /// The entry of a hash, a new one if there is none.
    fn entry(&mut self, hash: u64) -> &mut Places<P, MOST> {
        let slot = self.slot(hash);
        // Half of the slots stay free, so that probing ends.
        if self.slots[slot].is_none() {
            if self.used > self.mask / 2 {
                return &mut self.spare;
            }
            self.used += 1;
        }
        &mut self.slots[slot].get_or_insert_with(|| (hash, Places::default())).1
    }

    fn find(&self, hash: u64) -> &[P] {
        self.slots.get(self.slot(hash)).and_then(Option::as_ref).map(|(_, places)| places.few()).unwrap_or_default()
    }

    /// The slot of a hash, or the free one where it belongs.
    fn slot(&self, hash: u64) -> usize {
        let mut at = (hash >> 32) as usize & self.mask;
        while self.slots[at].is_some_and(|(other, _)| other != hash) {
            at = (at + 1) & self.mask;
        }
        at
    }
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

/// Calls `each` with the place (from the row's beginning) and the hash of pieces that their content chooses.
///
/// The hash rolls along the row: it is a polynomial of the last [`ANCHOR`] colours. Pieces of one colour are left out.
fn each_anchor(row: &[u8], mut each: impl FnMut(u16, u64)) {
    let pixels = row.as_chunks::<4>().0;
    let colour = |pixel: &[u8; 4]| u32::from_le_bytes(*pixel) & 0x00FF_FFFF;
    let mut rolling: u32 = 0;
    let mut since_step = 0; // pixels since the colour changed
    let mut before = None;
    for (x, pixel) in pixels.iter().enumerate() {
        let now = colour(pixel);
        rolling = rolling.wrapping_mul(BASE).wrapping_add(now + 1);
        since_step = if before == Some(now) { since_step + 1 } else { 0 };
        before = Some(now);
        if x >= ANCHOR {
            rolling = rolling.wrapping_sub((colour(&pixels[x - ANCHOR]) + 1).wrapping_mul(OLDEST));
        }
        let mixed = rolling.wrapping_mul(0x9E37_79B1);
        if mixed >> (32 - ANCHOR_BITS) == 0 && x >= ANCHOR && since_step < ANCHOR {
            each((x - ANCHOR) as u16, u64::from(rolling).wrapping_mul(FACTOR) ^ u64::from(mixed));
        }
    }
}

/// `BASE` to the power of [`ANCHOR`].
const OLDEST: u32 = {
    let (mut power, mut times) = (1u32, 0);
    while times < ANCHOR {
        power = power.wrapping_mul(BASE);
        times += 1;
    }
    power
};

/// Pixels by which a step may differ from the one before to be found by trying.
const NEAR: i32 = 3;
const BASE: u32 = 0x0100_0193;
const COLOUR_BITS: u64 = 0x00FF_FFFF_00FF_FFFF;
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Pixels of a piece: a few letters, since two of them stand together in many places.
const ANCHOR: usize = 32;
/// One place in so many is chosen.
const ANCHOR_BITS: u32 = 5;
const ANCHOR_EVERY: usize = 1 << ANCHOR_BITS;
/// New rows are looked at in such steps; the old ones are all in the table.
const ROWS_SKIPPED: usize = 4;
/// Pixels that are searched for anchors at most: half a millisecond.
const MOST_PIXELS: usize = 400_000;
/// Columns of cells whose rows are hashed: enough that one of them has text in it.
const COLUMNS_ASKED: usize = 8;
/// Rows or pieces that must agree on a step before all pixels are compared.
const LEAST_VOTES: u32 = 12;
/// Pieces of rows that are compared to see whether a step goes on.
const SAMPLES: u32 = 24;
/// Pixels of such a piece.
const SAMPLE: u16 = 64;
