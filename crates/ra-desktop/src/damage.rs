//! What may have changed: damage on a grid of tiles, joined to few rectangles.
//!
//! Damage is a wake-up and an upper bound, never the truth: under a compositor that draws with OpenGL every blinking
//! cursor damages the whole screen. Whoever sends pictures compares with what the expert has; doing it here as well would
//! only cost the same memory traffic twice.

use crate::frame::{Rect, Size};

/// Edge of a tile in pixels: the tile size of RemoteFX and a good cell for ClearCodec.
pub(crate) const TILE: u16 = 64;

/// A grid of tiles over a picture; each remembers the smallest rectangle around what was marked in it.
#[derive(Debug)]
pub(crate) struct Tiles {
    size: Size,
    columns: u16,
    marks: Vec<Option<Rect>>,
}

impl Tiles {
    pub(crate) fn new(size: Size) -> Self {
        let columns = size.width.div_ceil(TILE);
        let count = usize::from(columns) * usize::from(size.height.div_ceil(TILE));
        Self { size, columns, marks: vec![None; count] }
    }

    /// Marks what of `rect` lies inside the picture.
    pub(crate) fn mark(&mut self, rect: Rect) {
        let columns = usize::from(self.columns);
        for part in self.cut(rect) {
            let place = usize::from(part.y / TILE) * columns + usize::from(part.x / TILE);
            if let Some(mark) = self.marks.get_mut(place) {
                *mark = Some(mark.map_or(part, |marked| marked.union(part)));
            }
        }
    }

    /// Cuts `rect` along the borders of the tiles.
    pub(crate) fn cut(&self, rect: Rect) -> Vec<Rect> {
        let Some(rect) = rect.intersection(self.size.rect()) else { return Vec::new() };
        let (left, top) = (rect.x / TILE, rect.y / TILE);
        let (columns, rows) = (rect.right().div_ceil(u32::from(TILE)), rect.bottom().div_ceil(u32::from(TILE)));
        (u32::from(top)..rows)
            .flat_map(|row| (u32::from(left)..columns).map(move |column| (column, row)))
            .filter_map(|(column, row)| {
                let start = |tile: u32| u16::try_from(tile * u32::from(TILE)).ok();
                rect.intersection(Rect { x: start(column)?, y: start(row)?, width: TILE, height: TILE })
            })
            .collect()
    }

    /// Takes the marks away and returns them as few rectangles that do not overlap.
    pub(crate) fn take(&mut self) -> Vec<Rect> {
        let mut done: Vec<Rect> = Vec::new();
        // Rectangles that end where the row of tiles before this one ended; only they can grow downwards.
        let mut open: Vec<Rect> = Vec::new();
        for row in self.marks.chunks_mut(usize::from(self.columns).max(1)) {
            let mut runs: Vec<Rect> = Vec::new();
            for mark in row.iter_mut().filter_map(Option::take) {
                match runs.last_mut() {
                    Some(run) if run.y == mark.y && run.height == mark.height && run.right() == u32::from(mark.x) => {
                        *run = run.union(mark);
                    }
                    _ => runs.push(mark),
                }
            }
            for run in &mut runs {
                let above = open.iter().position(|above| {
                    above.x == run.x && above.width == run.width && above.bottom() == u32::from(run.y)
                });
                if let Some(above) = above {
                    *run = run.union(open.swap_remove(above));
                }
            }
            done.append(&mut open);
            open = runs;
        }
        done.append(&mut open);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 200, height: 150 };

    #[test]
    fn one_tile_stays_one_rectangle_and_neighbours_become_one() {
        let mut tiles = Tiles::new(SIZE);
        tiles.mark(Rect { x: 64, y: 64, width: 64, height: 64 });
        assert_eq!(tiles.take(), [Rect { x: 64, y: 64, width: 64, height: 64 }]);
        tiles.mark(Rect { x: 10, y: 10, width: 150, height: 120 });
        assert_eq!(tiles.take(), [Rect { x: 10, y: 10, width: 150, height: 120 }]);
        assert!(tiles.take().is_empty(), "marks are taken once");
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut tiles = Tiles::new(SIZE);
        tiles.mark(Rect { x: 190, y: 140, width: u16::MAX, height: u16::MAX });
        assert_eq!(tiles.take(), [Rect { x: 190, y: 140, width: 10, height: 10 }]);
        tiles.mark(Rect { x: 200, y: 0, width: 5, height: 5 });
        assert!(tiles.take().is_empty());
    }

    #[test]
    fn rectangles_never_overlap_and_cover_every_mark() {
        // A small generator of its own keeps this deterministic.
        let mut seed = 0x2545_f491_u32;
        let mut random = |limit: u32| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            u16::try_from(seed % limit).unwrap()
        };
        for _ in 0..300 {
            let mut tiles = Tiles::new(SIZE);
            let marks: Vec<Rect> = (0..random(6))
                .map(|_| Rect { x: random(200), y: random(150), width: 1 + random(90), height: 1 + random(90) })
                .collect();
            marks.iter().for_each(|mark| tiles.mark(*mark));
            let rects = tiles.take();
            for (index, rect) in rects.iter().enumerate() {
                assert!(rects[index + 1..].iter().all(|other| rect.intersection(*other).is_none()), "{rects:?}");
                assert_eq!(rect.intersection(SIZE.rect()), Some(*rect), "inside the picture");
            }
            for part in marks.iter().flat_map(|mark| Tiles::new(SIZE).cut(*mark)) {
                let area = |rect: Rect| u32::from(rect.width) * u32::from(rect.height);
                let covered: u32 = rects.iter().filter_map(|rect| rect.intersection(part)).map(area).sum();
                assert_eq!(covered, area(part), "{marks:?} are covered by {rects:?}");
            }
        }
    }
}
