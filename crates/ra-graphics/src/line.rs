//! The line: how much it carries, from when frames were acknowledged.
//!
//! Acknowledgements come from whoever shows the frames, so a slow decoder looks like a slow line; both are served by
//! sending less.

use std::collections::VecDeque;
use std::time::Duration;

/// What acknowledgements tell about the line and whoever sits at its end.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Frames on their way, oldest first.
    sent: VecDeque<Sent>,
    /// From sending to acknowledgement, at best.
    quickest: Option<Duration>,
    /// When the last acknowledgement came.
    answered: Duration,
    /// Bytes a second, once that is known.
    rate: Option<usize>,
    /// Bytes of frames, and the microseconds for which they kept the line busy, since the rate was reckoned last.
    told: (usize, usize),
    /// When a slow line will have carried what was given to it.
    busy_until: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    id: u32,
    at: Duration,
    bytes: usize,
}

impl Line {
    /// Notes that a frame of so many bytes is sent.
    pub(crate) fn sent(&mut self, id: u32, bytes: usize, at: Duration) {
        if let Some(rate) = self.rate.filter(|rate| *rate < FAST) {
            let carried = Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate.max(1) as u64);
            self.busy_until = self.busy_until.max(at).saturating_add(carried);
        }
        self.sent.push_back(Sent { id, at, bytes });
        // A client that acknowledges nothing must not grow this.
        if self.sent.len() > MOST_REMEMBERED {
            self.sent.pop_front();
        }
    }

    /// Notes that a frame, and with it all before, was acknowledged; unknown ones mean nothing.
    pub(crate) fn answered(&mut self, id: u32, at: Duration) {
        let Some(place) = self.sent.iter().position(|sent| sent.id == id) else { return };
        let sent = self.sent[place].at;
        let bytes = self.sent.drain(..=place).fold(0usize, |sum, sent| sum.saturating_add(sent.bytes));
        // What was sent while the line was still busy with the frame before has waited for that one, not travelled.
        let began = self.answered.max(sent + self.quickest.unwrap_or_default());
        let busy = at.saturating_sub(began).as_micros() as usize;
        self.answered = at;
        if self.sent.is_empty() {
            self.busy_until = at; // it was quicker than was thought
        }
        if bytes < BRIEF {
            let took = at.saturating_sub(sent);
            self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
            return;
        }
        // Acknowledgements come in bursts, so that only many frames together tell how long the line was busy.
        self.told.0 = self.told.0.saturating_add(bytes);
        self.told.1 = self.told.1.saturating_add(busy);
        if bytes >= TELLING && busy > 0 {
            self.told = (bytes, busy);
        } else if self.room().is_none() || self.told.1 < LONG_ENOUGH {
            return;
        }
        let (bytes, busy) = std::mem::take(&mut self.told);
        if let Some(now) = bytes.saturating_mul(1_000_000).checked_div(busy) {
            self.rate = Some(self.rate.map_or(now, |rate| (rate / 4).saturating_mul(3).saturating_add(now / 4)));
        }
    }

    /// From when on the line can take another frame without what is on its way becoming old; `None`: not before the next
    /// acknowledgement.
    ///
    /// The first long frame tells how much the line carries, and until it has arrived nothing follows it.
    pub(crate) fn free_at(&self) -> Option<Duration> {
        let on_its_way = || self.sent.iter().fold(0usize, |sum, sent| sum.saturating_add(sent.bytes));
        match self.rate {
            None => (on_its_way() < TELLING).then_some(Duration::ZERO),
            Some(rate) if rate < FAST => Some(self.busy_until.saturating_sub(AGE)),
            Some(_) => Some(Duration::ZERO),
        }
    }

    /// Whether an answer takes long even to a brief frame, or what is sent takes long to arrive.
    pub(crate) fn is_long(&self) -> bool {
        self.quickest.is_some_and(|quickest| quickest >= LONG) || self.room().is_some()
    }

    /// Forgets what is on its way: nobody will acknowledge it.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.busy_until = Duration::ZERO;
    }

    /// Bytes of a frame that such a line carries in [`AGE`]; nothing while it is fast or not known.
    pub(crate) fn room(&self) -> Option<usize> {
        let rate = self.rate.filter(|rate| *rate < FAST)?;
        Some((rate / 1000 * AGE.as_millis() as usize).max(LEAST_ROOM))
    }
}

/// More than are ever on their way to a client that acknowledges.
const MOST_REMEMBERED: usize = 64;
/// A frame so short takes no time on the line that could be measured, bytes: it tells the delay.
const BRIEF: usize = 4 * 1024;
/// A frame so long takes longer to carry than to show, bytes: only by such a one a line is called slow.
const TELLING: usize = 64 * 1024;
/// Frames of a slow line tell its rate when they have kept it busy for so many microseconds.
const LONG_ENOUGH: usize = 150_000;
/// A line that carries so many bytes a second needs no thrift: 16 Mbit/s.
const FAST: usize = 2_000_000;
/// A way so long there and back carries a frame more at once.
const LONG: Duration = Duration::from_millis(30);
/// A frame should occupy a slow line no longer than this, and wait for it no longer.
const AGE: Duration = Duration::from_millis(40);
/// Room that even the slowest line gets, or nothing would be sent at all, bytes.
const LEAST_ROOM: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_slow_line_is_known_by_its_long_frames() {
        let mut line = Line::default();
        let (mut now, mut id) = (ms(1000), 0);
        let mut frame = |line: &mut Line, bytes: usize, rate: usize| {
            id += 1;
            line.sent(id, bytes, now);
            now += ms(20 + (bytes * 1000 / rate) as u64);
            line.answered(id, now);
            now += ms(100);
        };
        frame(&mut line, 500, 250_000);
        for _ in 0..10 {
            frame(&mut line, 25_000, 250_000);
        }
        assert_eq!(line.room(), None, "it may be the one who shows them who is slow");
        frame(&mut line, 300_000, 250_000);
        for _ in 0..10 {
            frame(&mut line, 25_000, 250_000);
        }
        let room = line.room().unwrap();
        assert!((8_000..12_000).contains(&room), "{room} bytes in 40 ms at 250 kB a second");
        for _ in 0..20 {
            frame(&mut line, 1_000_000, 100_000_000);
        }
        assert_eq!(line.room(), None, "the line has become fast");
    }

    #[test]
    fn frames_on_their_way_at_once_do_not_make_a_line_look_slower() {
        let mut line = Line::default();
        line.sent(0, 100, ms(0));
        line.answered(0, ms(20));
        line.sent(1, 250_000, ms(20));
        line.answered(1, ms(1040));
        for number in 2..20u32 {
            // 25,000 bytes each, a tenth of a second each on the line, one behind the other.
            let now = u64::from(number) * 1000;
            line.sent(number * 2, 25_000, ms(now));
            line.sent(number * 2 + 1, 25_000, ms(now));
            line.answered(number * 2, ms(now + 120));
            line.answered(number * 2 + 1, ms(now + 220));
        }
        let room = line.room().unwrap();
        assert!((9_000..11_000).contains(&room), "{room}");
    }

    #[test]
    fn a_burst_of_acknowledgements_does_not_make_a_line_fast() {
        let mut line = Line::default();
        line.sent(1, 250_000, ms(0));
        line.answered(1, ms(1000));
        for number in 1..200u32 {
            let now = 1000 + u64::from(number) * 200;
            (0..3).for_each(|frame| line.sent(number * 3 + frame, 16_000, ms(now)));
            // The first is held up, and then all three are acknowledged at once.
            (0..3).for_each(|frame| {
                line.answered(number * 3 + frame, ms(now + 190) + Duration::from_micros(frame.into()))
            });
        }
        let room = line.room().unwrap();
        assert!((8_000..13_000).contains(&room), "{room}");
    }

    #[test]
    fn nothing_follows_the_first_long_frame_until_it_has_arrived() {
        let mut line = Line::default();
        assert_eq!(line.free_at(), Some(ms(0)));
        line.sent(1, 500, ms(0));
        line.sent(2, 300, ms(5));
        assert_eq!(line.free_at(), Some(ms(0)), "brief ones may follow each other");
        line.sent(3, 250_000, ms(10));
        assert_eq!(line.free_at(), None);
        line.answered(3, ms(1010));
        assert!(line.free_at() <= Some(ms(1010)));
        line.sent(4, 25_000, ms(1010));
        let free = line.free_at().unwrap();
        assert!((ms(1060)..ms(1080)).contains(&free), "a slow line carries that for a tenth of a second: {free:?}");
    }

    #[test]
    fn lies_and_silence_do_no_harm() {
        let mut line = Line::default();
        for id in 0..1000 {
            line.sent(id, usize::MAX, ms(u64::from(id)));
            line.answered(id.wrapping_mul(7), ms(0));
        }
        assert!(line.sent.len() <= MOST_REMEMBERED);
        line.answered(999, ms(5000));
        let _ = line.room();
    }
}
