//! The part of the picture that is encoded as video: one rectangle around everything that looks like film.
//!
//! A change of its size begins a new stream, which costs a whole picture; so it grows at once and shrinks late.

use std::time::Duration;

use crate::encode::avc420::fits;
use crate::geometry::Rect;

/// Where the film is.
#[derive(Debug, Default)]
pub(crate) struct Film {
    area: Rect,
    used: Duration,
    /// Since when much less would do.
    roomy: Option<Duration>,
}

impl Film {
    /// Forgets where it was.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The rectangle to encode when `need` is to be shown by video; nothing when that does not pay.
    pub(crate) fn place(&mut self, need: Rect, at: Duration) -> Option<Rect> {
        let fits = |area: Rect| fits(area.width, area.height);
        if need.area() < LEAST_AREA || !fits(need) {
            return None;
        }
        let recent = at.saturating_sub(self.used) <= FORGOTTEN_AFTER;
        if !recent {
            self.area = need;
            self.roomy = None;
        } else if self.area.contains(need) {
            if need.area() * 2 > self.area.area() {
                self.roomy = None;
            } else if at.saturating_sub(*self.roomy.get_or_insert(at)) >= SHRINKS_AFTER {
                self.area = need;
                self.roomy = None;
            }
        } else if need.width == self.area.width && need.height == self.area.height {
            // It moved: the stream goes on.
            self.area = need;
            self.roomy = None;
        } else {
            let both = self.area.union(need);
            self.area = if fits(both) { both } else { need };
            self.roomy = None;
        }
        self.used = at;
        Some(self.area)
    }
}

/// Smaller films cost less as pixels than a stream of their own: 96 x 96.
const LEAST_AREA: usize = 96 * 96;
/// A film that starts after such a pause is another one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2);
/// So long must half of the rectangle do before it shrinks.
const SHRINKS_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn it_grows_at_once_and_shrinks_late() {
        let mut film = Film::default();
        let (small, large) = (Rect::new(64, 64, 200, 200), Rect::new(64, 64, 640, 360));
        assert_eq!(film.place(small, ms(5000)), Some(small));
        assert_eq!(film.place(large, ms(5030)), Some(large));
        assert_eq!(film.place(small, ms(5060)), Some(large));
        assert_eq!(film.place(small, ms(6000)), Some(large));
        assert_eq!(film.place(small, ms(6100)), Some(small));
        let moved = Rect { x: 300, ..small };
        assert_eq!(film.place(moved, ms(6130)), Some(moved), "a film that is dragged keeps its stream");
        assert_eq!(film.place(large, ms(9000)), Some(large), "another film");
    }

    #[test]
    fn a_small_or_an_enormous_one_is_none() {
        let mut film = Film::default();
        assert_eq!(film.place(Rect::new(0, 0, 95, 96), ms(1)), None);
        assert_eq!(film.place(Rect::new(0, 0, 3841, 200), ms(1)), None);
    }
}
