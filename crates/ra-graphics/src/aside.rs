//! What was put aside: an off-screen surface of the client where it keeps what a window or a menu has covered.
//!
//! When the window goes away the client copies the pixels back, and none of them travel again. The surface has the
//! size of the desktop and each pixel its own place, so nothing has to be looked up: what comes to light is compared
//! with what was put aside at that very place.

use crate::frame::FrameView;
use crate::geometry::{Rect, Size};
use crate::moves::{Move, Moves};
use crate::tiles::Shown;

/// The client's off-screen surface as far as it is known.
#[derive(Default)]
pub(crate) struct Aside {
    kept: Shown,
    /// The surface exists, and begins black.
    exists: bool,
}

impl Aside {
    /// The client has no such surface any more.
    pub(crate) fn forget(&mut self) {
        self.exists = false;
    }

    /// Notes that the client copies `rect` of its picture there. True: the surface must be made first.
    pub(crate) fn keep(&mut self, shown: &Shown, rect: Rect) -> bool {
        let new = !self.exists || self.kept.size() != shown.size();
        if new {
            self.kept.resize(shown.size());
            self.exists = true;
        }
        self.kept.copy_shown(shown, rect);
        new
    }

    /// Whether anything is kept for a picture of this size.
    pub(crate) fn is_of_use(&self, size: Size) -> bool {
        self.exists && self.kept.size() == size
    }

    /// Whether `rect` of `picture` is exactly what is kept there.
    pub(crate) fn holds(&self, picture: &FrameView<'_>, rect: Rect) -> bool {
        self.kept.equals(picture, rect)
    }

    /// Takes out of a damaged part what is kept, in small blocks; returns what is left of it.
    pub(crate) fn take_back(
        &self,
        shown: &Shown,
        picture: &FrameView<'_>,
        part: Rect,
        mut restore: impl FnMut(Rect),
    ) -> Rect {
        let mut left = Rect::default();
        for block in blocks(part) {
            let differs = shown.difference(picture, block);
            if differs.is_empty() {
                continue;
            }
            if self.holds(picture, differs) {
                restore(differs);
            } else {
                left = left.union(differs);
            }
        }
        left
    }
}

/// What moves are about to cover: their destination without their source, as two strips at most.
pub(crate) fn covered(moves: &Moves) -> impl Iterator<Item = Rect> {
    let to = moves.bounds();
    let by = moves.found().first().map(|made| made.by).unwrap_or_default();
    let from = if to.is_empty() { to } else { Move { to, by }.from() };
    let kept = to.intersection(from);
    let strips = if kept.is_empty() {
        [to, Rect::default()]
    } else {
        let below = Rect { y: kept.y + kept.height, height: (to.bottom() - kept.bottom()) as u16, ..to };
        let above = Rect { height: kept.y - to.y, ..to };
        let right = Rect { x: kept.x + kept.width, width: (to.right() - kept.right()) as u16, ..kept };
        let left = Rect { x: to.x, width: kept.x - to.x, ..kept };
        // One step goes up or down, and left or right: of each pair one is empty.
        [if above.is_empty() { below } else { above }, if left.is_empty() { right } else { left }]
    };
    strips.into_iter().filter(|strip| !strip.is_empty())
}

/// Cuts a rectangle into blocks along the grid of [`BLOCK`].
fn blocks(part: Rect) -> impl Iterator<Item = Rect> {
    let pieces = |start: u16, end: u32| {
        (u32::from(start / BLOCK)..end.div_ceil(u32::from(BLOCK))).map(move |number| {
            let first = (number * u32::from(BLOCK)).max(u32::from(start));
            let last = ((number + 1) * u32::from(BLOCK)).min(end);
            (first as u16, (last - first) as u16) // within a picture
        })
    };
    pieces(part.y, part.bottom())
        .flat_map(move |(y, height)| pieces(part.x, part.right()).map(move |(x, width)| Rect::new(x, y, width, height)))
}

/// Side of the blocks in which what comes to light is looked for, in pixels.
const BLOCK: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_part_exactly() {
        let part = Rect::new(65, 70, 60, 33);
        let all: Vec<_> = blocks(part).collect();
        assert_eq!(all.iter().map(|block| block.area()).sum::<usize>(), part.area());
        assert_eq!(all[0], Rect::new(65, 70, 15, 10));
        assert!(all.iter().all(|block| part.contains(*block)));
    }
}
