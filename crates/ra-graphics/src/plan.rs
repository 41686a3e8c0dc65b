//! The plan of a frame: the shortest way from what the client has to what the novice has.
//!
//! | what happened | what is sent |
//! |---|---|
//! | nothing, whatever was reported | nothing |
//! | a page was scrolled, a window dragged | a copy within the client's picture ([`crate::moves`]) |
//! | something was covered that had been there for a second | first a copy to the client's off-screen surface ([`crate::aside`]) |
//! | that came to light again | a copy back |
//! | a natural picture changed thrice within a second, or is too long for the line | video ([`crate::film`]) |
//! | video stood still for a tenth of a second | the same pixels exactly ([`crate::history`]) |
//! | anything else | the pixels, by the codec that [`crate::classify`] chooses |

use std::time::Duration;

use crate::aside::{Aside, covered};
use crate::classify::{Colours, Scanner};
use crate::film::Film;
use crate::frame::FrameView;
use crate::geometry::Rect;
use crate::history::History;
use crate::moves::{Move, Moves};
use crate::tiles::{Grid, Shown, join};

/// What the client can take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Means {
    /// It decodes video, and we can encode it.
    pub(crate) video: bool,
    /// Bytes that its line takes at once without making it wait, where that is known to be little.
    pub(crate) room: Option<usize>,
}

/// What one frame is made of, in the order in which it must be sent.
#[derive(Default)]
pub(crate) struct Plan {
    /// The off-screen surface must be made first.
    pub(crate) new_aside: bool,
    /// Copied to the off-screen surface.
    pub(crate) saves: Vec<Rect>,
    /// Copied back.
    pub(crate) restores: Vec<Rect>,
    /// Where the film is.
    pub(crate) film: Rect,
    /// What of it is shown.
    pub(crate) film_parts: Vec<Rect>,
    /// Sent as pixels.
    pub(crate) strips: Vec<Rect>,
}

impl Plan {
    fn clear(&mut self) {
        self.new_aside = false;
        self.saves.clear();
        self.restores.clear();
        self.film_parts.clear();
        self.strips.clear();
    }
}

/// Makes plans, and knows what the client then has.
#[derive(Default)]
pub(crate) struct Planner {
    plan: Plan,
    moves: Moves,
    shown: Shown,
    aside: Aside,
    history: History,
    film: Film,
    scanner: Scanner,
    grid: Grid,
    /// Cells of one kind, while they are gathered.
    picked: Grid,
    repaint: bool,
    frames: usize,
}

impl Planner {
    /// Counts the client's whole picture as unknown, from the next frame on.
    pub(crate) fn repaint(&mut self) {
        self.repaint = true;
    }

    /// The plan that was made last, with its moves.
    pub(crate) fn last(&self) -> (&Plan, &[Move]) {
        (&self.plan, self.moves.found())
    }

    /// Whether the plan that was made last leaves nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.plan.strips.is_empty()
            && self.plan.film_parts.is_empty()
            && self.plan.restores.is_empty()
            && self.moves.found().is_empty()
    }

    /// When a frame is due even if nothing changes, because something is to be made exact.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.history.next_due()
    }

    /// Notes that a rectangle of the last plan was sent as a picture of many colours.
    pub(crate) fn saw_natural(&mut self, rect: Rect, at: Duration) {
        for piece in self.grid.pieces(rect) {
            self.history.natural(self.grid.index_of(piece), piece, at);
        }
    }

    /// Plans a frame and notes that the client will have it.
    pub(crate) fn make(&mut self, picture: &FrameView<'_>, damage: &[Rect], at: Duration, means: Means) {
        self.plan.clear();
        self.moves.clear();
        self.frames = self.frames.wrapping_add(1);
        self.grid.clear(picture.size());
        self.picked.clear(picture.size());
        if std::mem::take(&mut self.repaint) || self.shown.size() != picture.size() {
            self.begin(picture);
        } else {
            let compared = self.compare(picture, damage, at);
            if means.video {
                self.pick_film(picture, at);
            }
            if !self.grid.is_clean() {
                self.copy(picture, compared, at);
            }
        }
        if let (true, Some(room)) = (means.video, means.room) {
            self.pick_what_is_too_long(picture, room);
        }
        self.show_film(picture, at);
        for cell in 0..self.grid.len() {
            let part = self.grid.part(cell);
            if !part.is_empty() {
                self.shown.copy_from(picture, part);
                self.grid.set(cell, self.history.exact_with(cell, part));
            }
        }
        self.repair(at, means.room.unwrap_or(MOST_REPAIRED));
        self.grid.strips(&mut self.plan.strips);
    }

    /// The client knows nothing of a picture of this size.
    fn begin(&mut self, picture: &FrameView<'_>) {
        self.shown.resize(picture.size());
        self.aside.forget();
        self.film.forget();
        self.grid.add(picture.size().rect());
        self.history.begin(&self.grid, self.grid.columns());
    }

    /// Narrows the damage down to what differs; false where that is left to [`Self::copy`].
    fn compare(&mut self, picture: &FrameView<'_>, damage: &[Rect], at: Duration) -> bool {
        let Self { grid, shown, history, moves, .. } = self;
        damage.iter().for_each(|rect| grid.add(*rect));
        // While a large page is scrolled every pixel is compared with where it was anyway.
        let bounds = grid.bounds();
        let large = bounds.area() * 4 >= picture.size().area() && history.is_exact();
        let compared = !(large && moves.scroll_on(shown, picture, bounds));
        if compared {
            grid.trim(|part| shown.difference(picture, part));
        }
        grid.damaged().for_each(|(cell, _)| history.changed(cell, at));
        compared
    }

    /// Picks the cells that are part of a film.
    fn pick_film(&mut self, picture: &FrameView<'_>, at: Duration) {
        let cells = 0..self.grid.len();
        let film: Vec<_> =
            cells.filter(|cell| !self.grid.part(*cell).is_empty() && self.history.is_film(*cell, at)).collect();
        // A few cells are looked at each time, so that text where a film was is soon sent as text again. Where most of them
        // are film, the rest is a dark or overexposed corner of it.
        let looked_at: Vec<_> =
            film.iter().copied().filter(|cell| (cell + self.frames).is_multiple_of(LOOKED_AT)).collect();
        let plain: Vec<_> =
            looked_at.iter().copied().filter(|cell| !self.is_natural(picture, self.grid.part(*cell))).collect();
        let over = plain.len() * MOSTLY_FILM > looked_at.len();
        for cell in film {
            if over && plain.binary_search(&cell).is_ok() {
                self.history.plain(cell);
                continue;
            }
            self.history.natural(cell, self.grid.part(cell), at);
            self.pick(cell);
        }
    }

    /// Finds what the client can copy.
    fn copy(&mut self, picture: &FrameView<'_>, compared: bool, at: Duration) {
        let Self { plan, moves, shown, aside, history, grid, .. } = self;
        // What moved leaves a trace as large as itself; small changes far from each other are none.
        if grid.parts().map(|part| part.area()).sum::<usize>() * SCATTERED >= grid.bounds().area() {
            moves.search(shown, picture, grid.bounds());
        }
        if moves.found().is_empty() {
            if !compared {
                grid.trim(|part| shown.difference(picture, part)); // they were taken for moved
            }
            for (cell, part) in grid.damaged() {
                let worth = part.area() >= LEAST_KEPT && history.was_at_rest(cell) && !history.is_rough(grid, part);
                if aside.is_of_use(picture.size()) && part.area() >= LEAST_RESTORED && aside.holds(picture, part) {
                    plan.restores.push(part);
                } else if worth {
                    // What is about to be copied back must not be overwritten before: it is kept another time.
                    plan.saves.push(part);
                }
            }
            join(&mut plan.saves);
        } else {
            plan.saves.extend(covered(moves).filter(|strip| !history.is_rough(grid, *strip)));
        }
        for rect in &plan.saves {
            plan.new_aside |= aside.keep(shown, *rect);
        }
        if !moves.found().is_empty() {
            moves.found().iter().for_each(|made| shown.make(made));
            history.moved(grid, moves.found(), at);
            grid.trim(|part| if moves.cover(part) { Rect::default() } else { shown.difference(picture, part) });
            if aside.is_of_use(picture.size()) {
                grid.trim(|part| {
                    if part.area() < LEAST_RESTORED {
                        return part;
                    }
                    if aside.holds(picture, part) {
                        plan.restores.push(part);
                        return Rect::default();
                    }
                    aside.take_back(shown, picture, part, |block| plan.restores.push(block))
                });
            }
        }
        for part in &plan.restores {
            shown.copy_from(picture, *part);
            let cell = grid.index_of(*part);
            history.exact(cell, *part);
            if grid.part(cell) == *part {
                grid.set(cell, Rect::default());
            }
        }
        join(&mut plan.restores);
    }

    /// Picks the natural pictures of a frame that would be too long for the line: it shows them roughly first.
    fn pick_what_is_too_long(&mut self, picture: &FrameView<'_>, room: usize) {
        let mut natural: Vec<_> = self.grid.damaged().collect();
        if natural.iter().map(|(_, part)| part.area() * NATURAL_BYTES).sum::<usize>() <= room {
            return;
        }
        let mut plain = Vec::new();
        natural.retain(|(cell, part)| {
            let many = self.scanner.scan(picture, *part) == Colours::Many;
            if many && !self.scanner.is_natural() {
                plain.push(*cell);
            }
            many
        });
        // A few dark or overexposed parts of a natural picture go with it; a page of text in many colours does not.
        if plain.len() * MOSTLY_FILM > natural.len() {
            natural.retain(|(cell, _)| plain.binary_search(cell).is_err());
        }
        let pixels: usize = natural.iter().map(|(_, part)| part.area()).sum();
        let bounds = natural.iter().fold(Rect::default(), |bounds, (_, part)| bounds.union(*part));
        // Video encodes everything between them as well.
        if pixels * NATURAL_BYTES > room && pixels * 2 >= bounds.area() {
            natural.into_iter().for_each(|(cell, _)| self.pick(cell));
        }
    }

    fn is_natural(&mut self, picture: &FrameView<'_>, part: Rect) -> bool {
        self.scanner.scan(picture, part) == Colours::Many && self.scanner.is_natural()
    }

    fn pick(&mut self, cell: usize) {
        self.picked.set(cell, self.grid.part(cell));
        self.grid.set(cell, Rect::default());
    }

    /// Shows by video what was picked, if that pays.
    fn show_film(&mut self, picture: &FrameView<'_>, at: Duration) {
        let Self { plan, shown, history, film, grid, picked, .. } = self;
        if picked.is_clean() {
            return;
        }
        match film.place(picked.bounds(), at) {
            Some(area) => {
                plan.film = area;
                picked.damaged().for_each(|(cell, part)| history.rough(cell, part));
                plan.film_parts.extend(picked.parts());
                join(&mut plan.film_parts);
                plan.film_parts.iter().for_each(|part| shown.copy_from(picture, *part));
            }
            None => picked.damaged().for_each(|(cell, part)| grid.set(cell, part)),
        }
    }

    /// Adds what has come to rest and is to be made exact, about so many bytes of it.
    fn repair(&mut self, at: Duration, room: usize) {
        let Self { history, grid, picked, .. } = self;
        picked.clear(self.shown.size());
        let mut bytes = 0;
        for (cell, part) in history.due(at) {
            picked.set(cell, part);
            bytes += part.area() * NATURAL_BYTES;
            if bytes >= room {
                break;
            }
        }
        for (cell, part) in picked.damaged() {
            let whole = grid.part(cell).union(part);
            grid.set(cell, whole);
            history.repaired(cell, at);
            history.exact(cell, whole);
        }
    }
}

/// Smaller changes than 32 x 32 pixels are sent again sooner than put aside.
const LEAST_KEPT: usize = 32 * 32;
/// Pixels below which a copy costs as much as sending them.
const LEAST_RESTORED: usize = 64;
/// One cell of a film in so many is looked at in each frame.
const LOOKED_AT: usize = 4;
/// A film is still one when fewer than one part in so many of what was looked at is plain.
const MOSTLY_FILM: usize = 4;
/// Less than one pixel in so many has changed of everything between the changes: nothing moved as a whole.
const SCATTERED: usize = 8;
/// Bytes that a pixel of a natural picture takes when it is sent exactly; a little less than three.
const NATURAL_BYTES: usize = 3;
/// Bytes of one frame in which a fast line makes a film exact: all of a large one.
const MOST_REPAIRED: usize = 32 << 20;
