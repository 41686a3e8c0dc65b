//! Time as an argument: a point on a clock that only the driver reads.

use std::time::Duration;

/// A point in monotonic time, counted from an origin that the driver chose.
///
/// Deadlines of this crate are `Moment`s; tests move them by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The point that lies `since_origin` after the driver's origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time from the origin to this point.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// This point moved into the future; it stays at the end of time rather than wrap.
    #[must_use]
    pub const fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long from `earlier` to here; zero when `earlier` lies later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A point in calendar time: whole seconds since 1970-01-01T00:00:00Z.
///
/// Tickets live by it, because an invitation says so and because a ticket outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This point moved into the future; it stays at the end of time rather than wrap.
    #[must_use]
    pub const fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_secs()))
    }
}
