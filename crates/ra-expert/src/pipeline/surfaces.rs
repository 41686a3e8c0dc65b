//! Surfaces, the cache of tiles, and how they become the picture.
//!
//! INVARIANT: the surface in front, one that alone covers the whole output, has no pixels of its own between two frames:
//! the picture's are its. A page that scrolls is therefore moved once, in place, and nothing else is copied.

use std::collections::BTreeMap;

use tracing::debug;

use super::area::Area;
use crate::picture::Canvas;

/// One change to what surfaces show, in the order in which it was sent. Every area has been checked against nothing:
/// it is clipped where it is used.
#[derive(Debug)]
pub(super) enum Step {
    /// The output has this size from here on, and no surface exists.
    Reset {
        size: (u16, u16),
    },
    Create {
        surface: u16,
        size: (u16, u16),
    },
    Delete {
        surface: u16,
    },
    /// Shown with its corner at this place of the output.
    Map {
        surface: u16,
        at: (u32, u32),
    },
    /// Not shown any more.
    Unmap {
        surface: u16,
    },
    /// Decoded pixels, which begin at `from` in the frame's store, row after row without gaps.
    Pixels {
        surface: u16,
        area: Area,
        from: usize,
    },
    Fill {
        surface: u16,
        colour: u32,
        areas: Vec<Area>,
    },
    Copy {
        from: u16,
        to: u16,
        area: Area,
        points: Vec<(u16, u16)>,
    },
    Keep {
        surface: u16,
        slot: u16,
        area: Area,
    },
    Paste {
        slot: u16,
        surface: u16,
        points: Vec<(u16, u16)>,
    },
    Evict {
        slot: u16,
    },
}

/// Everything that has pixels, apart from the picture itself.
#[derive(Debug, Default)]
pub(super) struct Surfaces {
    surfaces: BTreeMap<u16, Surface>,
    tiles: BTreeMap<u16, Tile>,
    /// Bytes in `tiles`.
    kept: usize,
    output: (u16, u16),
    /// The surface whose pixels are the picture's.
    front: Option<u16>,
    dirty: Vec<(u16, Area)>,
    scratch: Vec<u32>,
}

#[derive(Debug)]
struct Surface {
    size: (u16, u16),
    /// Row after row, `0x00RRGGBB`.
    pixels: Vec<u32>,
    at: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Tile {
    size: (u16, u16),
    pixels: Vec<u32>,
}

impl Surfaces {
    /// Takes all steps in their order and shows the result, as a whole. True when the picture is not what it was.
    pub(super) fn apply(&mut self, steps: &mut Vec<Step>, store: &[u32], canvas: &mut Canvas) -> bool {
        self.borrow_front(canvas);
        for step in steps.drain(..) {
            self.take(step, store, canvas);
        }
        self.show(canvas)
    }

    fn take(&mut self, step: Step, store: &[u32], canvas: &mut Canvas) {
        match step {
            Step::Reset { size } => {
                self.surfaces.clear();
                self.dirty.clear();
                self.front = None;
                self.output = size;
                canvas.start_pipeline(size.0, size.1);
            }
            Step::Create { surface, size } => {
                self.leave_front_of(surface, canvas);
                let pixels = vec![0; usize::from(size.0) * usize::from(size.1)];
                self.surfaces.insert(surface, Surface { size, pixels, at: None });
            }
            Step::Delete { surface } => {
                self.leave_front_of(surface, canvas);
                self.surfaces.remove(&surface);
            }
            Step::Map { surface, at } => {
                if self.front != Some(surface) || at != (0, 0) {
                    self.leave_front(canvas);
                }
                if let Some(mapped) = self.surfaces.get_mut(&surface) {
                    mapped.at = Some(at);
                    let whole = mapped.whole();
                    self.touch(surface, whole);
                }
            }
            Step::Unmap { surface } => {
                self.leave_front_of(surface, canvas);
                if let Some(mapped) = self.surfaces.get_mut(&surface) {
                    mapped.at = None;
                }
            }
            Step::Pixels { surface, area, from } => {
                let source = store.get(from..).unwrap_or_default();
                if let Some(target) = self.surfaces.get_mut(&surface) {
                    target.put(area, source);
                    self.touch(surface, area);
                }
            }
            Step::Fill { surface, colour, areas } => {
                for area in areas {
                    if let Some(target) = self.surfaces.get_mut(&surface) {
                        target.rows(area, |row| row.fill(colour));
                        self.touch(surface, area);
                    }
                }
            }
            Step::Copy { from, to, area, points } => self.copy(from, to, area, &points),
            Step::Keep { surface, slot, area } => self.keep(surface, slot, area),
            Step::Paste { slot, surface, points } => {
                let (Some(tile), Some(target)) = (self.tiles.get(&slot), self.surfaces.get_mut(&surface)) else {
                    return;
                };
                let areas = points.iter().map(|&(x, y)| Area::at(x, y, tile.size.0, tile.size.1));
                for area in areas.clone() {
                    target.put_wide(area, &tile.pixels, tile.size.0);
                }
                let areas: Vec<Area> = areas.collect();
                areas.into_iter().for_each(|area| self.touch(surface, area));
            }
            Step::Evict { slot } => self.evict(slot),
        }
    }

    fn copy(&mut self, from: u16, to: u16, area: Area, points: &[(u16, u16)]) {
        let Some(source) = self.surfaces.get_mut(&from) else { return };
        let area = area.clipped(source.size);
        if area.is_empty() {
            return;
        }
        match points {
            &[point] if from == to => source.shift(area, point),
            _ if from == to => {
                // A copy may overwrite what the next one is to be made of.
                let mut scratch = core::mem::take(&mut self.scratch);
                scratch.clear();
                source.rows(area, |row| scratch.extend_from_slice(row));
                for &(x, y) in points {
                    source.put_wide(Area::at(x, y, area.width(), area.height()), &scratch, area.width());
                }
                scratch.clear();
                scratch.shrink_to(SCRATCH);
                self.scratch = scratch;
            }
            _ => {
                let (pixels, stride) = (core::mem::take(&mut source.pixels), source.size.0);
                let corner = usize::from(area.top) * usize::from(stride) + usize::from(area.left);
                if let (Some(target), Some(window)) = (self.surfaces.get_mut(&to), pixels.get(corner..)) {
                    for &(x, y) in points {
                        target.put_wide(Area::at(x, y, area.width(), area.height()), window, stride);
                    }
                }
                if let Some(source) = self.surfaces.get_mut(&from) {
                    source.pixels = pixels;
                }
            }
        }
        for &(x, y) in points {
            self.touch(to, Area::at(x, y, area.width(), area.height()));
        }
    }

    fn keep(&mut self, surface: u16, slot: u16, area: Area) {
        let Some(source) = self.surfaces.get_mut(&surface) else { return };
        let area = area.clipped(source.size);
        // An empty source holds no tile, so the slot keeps what it had.
        if area.is_empty() {
            return;
        }
        let before = self.tiles.get(&slot).map_or(0, Tile::bytes);
        let kept = self.kept - before + area.count() * 4;
        if kept > MAX_KEPT {
            debug!(slot, kept, "the cache of tiles is full");
            return self.evict(slot);
        }
        let mut pixels = Vec::with_capacity(area.count());
        source.rows(area, |row| pixels.extend_from_slice(row));
        self.tiles.insert(slot, Tile { size: (area.width(), area.height()), pixels });
        self.kept = kept;
    }

    fn evict(&mut self, slot: u16) {
        if let Some(tile) = self.tiles.remove(&slot) {
            self.kept -= tile.bytes();
        }
    }

    fn touch(&mut self, surface: u16, area: Area) {
        let Some(target) = self.surfaces.get(&surface) else { return };
        let area = area.clipped(target.size);
        // Looking back a little folds what is painted twice; looking back to the beginning would cost more than painting.
        // What another surface has painted in between may lie below, so nobody looks further back than that.
        let mut recent = self.dirty.iter().rev().take(LOOK_BACK).take_while(|(other, _)| *other == surface);
        if !area.is_empty() && !recent.any(|&(_, known)| area.within(known) == area) {
            self.dirty.push((surface, area));
        }
    }

    /// Gives the front surface its pixels for the time of a frame.
    fn borrow_front(&mut self, canvas: &mut Canvas) {
        if let Some(front) = self.front.and_then(|id| self.surfaces.get_mut(&id)) {
            canvas.swap(&mut front.pixels);
        }
    }

    /// As [`Surfaces::leave_front`], if this surface is in front; what happens to others behind it is not seen.
    fn leave_front_of(&mut self, surface: u16, canvas: &mut Canvas) {
        if self.front == Some(surface) {
            self.leave_front(canvas);
        }
    }

    /// From here on the picture has pixels of its own again: a copy of what was in front.
    fn leave_front(&mut self, canvas: &mut Canvas) {
        if let Some(front) = self.front.take().and_then(|id| self.surfaces.get(&id)) {
            let mut copy = front.pixels.clone();
            canvas.swap(&mut copy);
        }
    }

    /// Shows what has become dirty.
    fn show(&mut self, canvas: &mut Canvas) -> bool {
        if self.front.is_none()
            && let Some(front) = self.covering()
        {
            // The picture's own pixels are all covered; nobody needs them any more.
            canvas.swap(&mut Vec::new());
            self.front = Some(front);
        }
        if let Some(front) = self.front.and_then(|id| self.surfaces.get_mut(&id)) {
            canvas.swap(&mut front.pixels);
        }
        let mut changed = false;
        for (id, area) in self.dirty.drain(..) {
            let Some(Surface { at: Some(at), size, pixels }) = self.surfaces.get(&id) else { continue };
            let Some(rect) = area.rect() else { continue };
            if self.front == Some(id) {
                canvas.note(rect);
                changed = true;
            } else {
                changed |= canvas.show(rect, pixels, size.0, *at);
            }
        }
        changed
    }

    /// The surface that covers the output by itself and is wholly fresh, if no other one is shown.
    fn covering(&self) -> Option<u16> {
        let mut shown = self.surfaces.iter().filter(|(_, surface)| surface.at.is_some());
        let (&id, surface) = shown.next()?;
        let alone = shown.next().is_none() && surface.at == Some((0, 0)) && surface.size == self.output;
        (alone && self.dirty.contains(&(id, surface.whole()))).then_some(id)
    }
}

impl Surface {
    fn whole(&self) -> Area {
        Area::at(0, 0, self.size.0, self.size.1)
    }

    /// Hands over each row of an area, as far as the surface goes.
    fn rows(&mut self, area: Area, mut with: impl FnMut(&mut [u32])) {
        let area = area.clipped(self.size);
        if area.is_empty() {
            return;
        }
        let stride = usize::from(self.size.0);
        let rows = self.pixels.chunks_exact_mut(stride.max(1));
        for row in rows.skip(usize::from(area.top)).take(usize::from(area.height())) {
            if let Some(part) = row.get_mut(usize::from(area.left)..usize::from(area.right)) {
                with(part);
            }
        }
    }

    /// Puts pixels into an area that has exactly their size; what lies beyond the surface is left out.
    fn put(&mut self, area: Area, pixels: &[u32]) {
        self.put_wide(area, pixels, area.width());
    }

    /// The same for pixels whose rows are `stride` apart.
    fn put_wide(&mut self, area: Area, pixels: &[u32], stride: u16) {
        let mut rows = pixels.chunks(usize::from(stride).max(1));
        self.rows(area, |to| {
            let from = rows.next().unwrap_or_default();
            let length = to.len().min(from.len());
            to[..length].copy_from_slice(&from[..length]);
        });
    }

    /// Moves an area, which lies within the surface, to another place; the two may overlap.
    fn shift(&mut self, area: Area, (x, y): (u16, u16)) {
        let target = Area::at(x, y, area.width(), area.height()).clipped(self.size);
        let stride = usize::from(self.size.0);
        let at = |x: u16, y: u16| usize::from(y) * stride + usize::from(x);
        let (width, height) = (usize::from(target.width()), target.height());
        if target.is_empty() {
            return;
        }
        if width == stride {
            let start = at(0, area.top);
            self.pixels.copy_within(start..start + width * usize::from(height), at(0, y));
            return;
        }
        let mut row = |row: u16| {
            let start = at(area.left, area.top + row);
            self.pixels.copy_within(start..start + width, at(x, y + row));
        };
        // Rows that are still needed are not overwritten first.
        if y > area.top { (0..height).rev().for_each(&mut row) } else { (0..height).for_each(&mut row) }
    }
}

impl Tile {
    fn bytes(&self) -> usize {
        self.pixels.len() * 4
    }
}

/// Bytes of tiles: four times of what the small cache that we ask for may hold, for servers that count otherwise.
/// Source: [MS-RDPEGFX] 3.3.1.4.
const MAX_KEPT: usize = 64 << 20;
/// Pixels of scratch space that are kept between copies.
const SCRATCH: usize = 1 << 20;
/// Dirty areas that a new one is compared with.
const LOOK_BACK: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;

    fn fill(surface: u16, colour: u32, area: Area) -> Step {
        Step::Fill { surface, colour, areas: vec![area] }
    }

    #[test]
    fn the_screens_surface_stays_in_front_while_others_come_and_go_behind_it() {
        let (picture, mut surfaces) = (Picture::default(), Surfaces::default());
        let mut canvas = picture.lock();
        let (size, whole) = ((8, 6), Area::at(0, 0, 8, 6));
        let mut tell = |steps: Vec<Step>| {
            let mut steps = steps;
            surfaces.apply(&mut steps, &[], &mut canvas);
            (surfaces.front, canvas.row(0)[0], canvas.pixels().len())
        };
        let opening = vec![
            Step::Reset { size },
            Step::Create { surface: 1, size },
            Step::Map { surface: 1, at: (0, 0) },
            fill(1, 5, whole),
        ];
        assert_eq!(tell(opening), (Some(1), 5, 48));
        let behind = vec![Step::Create { surface: 2, size: (4, 4) }, fill(2, 6, whole), Step::Unmap { surface: 2 }];
        assert_eq!(tell(behind), (Some(1), 5, 48));
        let carried = Step::Copy { from: 2, to: 1, area: whole, points: vec![(0, 0)] };
        assert_eq!(tell(vec![carried, Step::Map { surface: 1, at: (0, 0) }]), (Some(1), 6, 48));
        assert_eq!(tell(vec![Step::Delete { surface: 2 }]), (Some(1), 6, 48));
        // One that is shown beside it ends that, and the picture has pixels of its own.
        let beside = vec![Step::Create { surface: 3, size: (2, 2) }, Step::Map { surface: 3, at: (0, 0) }];
        assert_eq!(tell(beside), (None, 0, 48));
        assert_eq!(tell(vec![Step::Delete { surface: 3 }, fill(1, 9, whole)]), (Some(1), 9, 48));
        assert_eq!(tell(vec![Step::Delete { surface: 1 }]), (None, 9, 48));
    }
}
