//! For how long a gateway keeps a mapping.

use std::time::Duration;

use ra_session::UnixTime;

/// How long a mapping lives at its gateway when nobody renews it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    /// The gateway forgets it after this; whole seconds, from 1 to [`LONGEST_LEASE`].
    For(Duration),
    /// It stays until somebody removes it. Asked for only where a gateway knows nothing else (UPnP error 725).
    Permanent,
}

/// No longer than this may a mapping outlive a host that died: the lease of an interrupted run is over by then.
pub const LONGEST_LEASE: Duration = Duration::from_secs(60 * 60);

impl Lease {
    /// The lease for something that is wanted for `life` from now on: the smaller of that and [`LONGEST_LEASE`].
    ///
    /// Source: R72.
    #[must_use]
    pub fn of(life: Duration) -> Self {
        // Zero would mean "for ever" to a UPnP gateway.
        Self::For(Duration::from_secs(life.as_secs().clamp(1, LONGEST_LEASE.as_secs())))
    }

    /// How long after it was made or renewed it is to be renewed: at half time, but never in less than half a minute.
    ///
    /// A permanent one is asked for again as often as the longest: a gateway that was restarted has forgotten it too.
    ///
    /// Source: R72.
    #[must_use]
    pub fn renewal(self) -> Duration {
        match self {
            Self::For(lease) => (lease / 2).max(SHORTEST_RENEWAL),
            Self::Permanent => LONGEST_LEASE / 2,
        }
    }

    /// When a gateway that was asked at `from` has forgotten it; `None` for never.
    #[must_use]
    pub fn end(self, from: UnixTime) -> Option<UnixTime> {
        match self {
            Self::For(lease) => Some(from.after(lease)),
            Self::Permanent => None,
        }
    }

    /// The shorter of the two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self, other) {
            (Self::For(one), Self::For(two)) => Self::For(one.min(two)),
            (Self::For(one), Self::Permanent) | (Self::Permanent, Self::For(one)) => Self::For(one),
            (Self::Permanent, Self::Permanent) => Self::Permanent,
        }
    }
}

/// A gateway is not asked about the same mapping more often than this, however short its lease.
const SHORTEST_RENEWAL: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn r072_a_lease_is_the_smaller_of_the_remaining_life_and_an_hour() {
        for (life, lease) in [(0, 1), (1, 1), (1800, 1800), (3599, 3599), (3600, 3600), (3601, 3600), (u64::MAX, 3600)]
        {
            assert_eq!(Lease::of(seconds(life)), Lease::For(seconds(lease)), "{life}");
        }
        assert_eq!(Lease::of(Duration::from_millis(1999)), Lease::For(seconds(1)));
    }

    #[test]
    fn r072_a_lease_is_renewed_at_half_time() {
        assert_eq!(Lease::For(seconds(3600)).renewal(), seconds(1800));
        assert_eq!(Lease::For(seconds(100)).renewal(), seconds(50));
        assert_eq!(Lease::For(seconds(20)).renewal(), seconds(30), "it ends with its ticket before that");
        assert_eq!(Lease::Permanent.renewal(), seconds(1800));
    }

    #[test]
    fn a_lease_ends_and_a_permanent_one_does_not() {
        assert_eq!(Lease::For(seconds(60)).end(UnixTime(100)), Some(UnixTime(160)));
        assert_eq!(Lease::For(seconds(60)).end(UnixTime(u64::MAX)), Some(UnixTime(u64::MAX)));
        assert_eq!(Lease::Permanent.end(UnixTime(100)), None);
    }
}
