//! What a session costs and brings, counted while it runs.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A handle on the counters of a session; clones read the same ones, at any time, without waiting for anybody.
#[derive(Clone, Default)]
pub struct Counters {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    frames: AtomicU64,
    bytes: AtomicU64,
    /// Microseconds; 0: not known.
    round_trip: AtomicU64,
    codecs: [AtomicU64; Codec::ALL.len()],
}

/// The way in which a part of the picture came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Copied from what was there: moved, or shown from the cache.
    Copies,
    /// One colour.
    Fills,
    /// ClearCodec: text and flat graphics, exact.
    Clear,
    /// Planar: anything, exact.
    Planar,
    /// RemoteFX, progressive or not.
    RemoteFx,
    /// H.264: films.
    H264,
    /// Not compressed.
    Raw,
    /// Bitmap updates, of servers without the graphics pipeline.
    Bitmaps,
}

impl Codec {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 8] =
        [Self::Copies, Self::Fills, Self::Clear, Self::Planar, Self::RemoteFx, Self::H264, Self::Raw, Self::Bitmaps];

    /// A short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copies => "copies",
            Self::Fills => "fills",
            Self::Clear => "ClearCodec",
            Self::Planar => "planar",
            Self::RemoteFx => "RemoteFX",
            Self::H264 => "H.264",
            Self::Raw => "raw",
            Self::Bitmaps => "bitmaps",
        }
    }
}

/// What the counters said at one moment. All numbers count from the beginning of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames shown.
    pub frames: u64,
    /// Bytes received, of everything, as the protocol has them before TLS.
    pub bytes: u64,
    /// The round trip to the novice's computer: of the TCP handshake where it was dialled, until that computer says what
    /// it has measured since. `None` before. Source: [MS-RDPBCGR] 2.2.14.1.5.
    pub round_trip: Option<Duration>,
    codecs: [u64; Codec::ALL.len()],
}

impl Stats {
    /// Bytes of bitmaps, or of the orders that make them, that came in this way.
    #[must_use]
    pub fn of(&self, codec: Codec) -> u64 {
        self.codecs[codec as usize]
    }

    /// What has come since an earlier moment; the round trip is the newest.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut codecs = self.codecs;
        for (now, then) in codecs.iter_mut().zip(earlier.codecs) {
            *now = now.saturating_sub(then);
        }
        Self {
            frames: self.frames.saturating_sub(earlier.frames),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            round_trip: self.round_trip,
            codecs,
        }
    }
}

impl Counters {
    /// Reads all counters.
    #[must_use]
    pub fn read(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let round_trip = load(&self.shared.round_trip);
        Stats {
            frames: load(&self.shared.frames),
            bytes: load(&self.shared.bytes),
            round_trip: (round_trip > 0).then(|| Duration::from_micros(round_trip)),
            codecs: Codec::ALL.map(|codec| load(&self.shared.codecs[codec as usize])),
        }
    }

    pub(crate) fn frame(&self) {
        self.shared.frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.shared.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn brought(&self, codec: Codec, bytes: usize) {
        self.shared.codecs[codec as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn round_trip(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.shared.round_trip.store(micros.max(1), Ordering::Relaxed);
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_since_is_the_difference_and_the_round_trip_is_the_newest() {
        let counters = Counters::default();
        assert_eq!(counters.read(), Stats::default());
        counters.received(100);
        counters.brought(Codec::H264, 70);
        counters.round_trip(Duration::from_millis(20));
        let then = counters.read();
        counters.frame();
        counters.received(10);
        counters.brought(Codec::Clear, 5);
        counters.round_trip(Duration::from_millis(3));
        let news = counters.read().since(&then);
        assert_eq!((news.frames, news.bytes, news.of(Codec::H264), news.of(Codec::Clear)), (1, 10, 0, 5));
        assert_eq!(news.round_trip, Some(Duration::from_millis(3)));
    }

    #[test]
    fn every_codec_has_its_own_counter() {
        for (at, codec) in Codec::ALL.into_iter().enumerate() {
            assert_eq!(codec as usize, at, "{}", codec.name());
        }
    }
}
