//! When an invitation ends, by the arithmetic of the file.

/// The moment from which an invitation counts as expired, in seconds since 1970-01-01T00:00:00Z.
///
/// For the expert it is information only: the novice's own record decides, and ending a ticket early never shows
/// here (R19, R22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry(u64);

impl Expiry {
    /// `DtStart` + 60 * `DtLength`; no value of the two can overflow.
    ///
    /// Source: invitation-file.md 3.1.
    #[must_use]
    pub fn of(start: u32, length_minutes: u32) -> Self {
        Self(u64::from(start) + 60 * u64::from(length_minutes))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0
    }

    /// Whether the invitation is expired at `now` (seconds since 1970, UTC); at the very second it already is.
    #[must_use]
    pub fn has_passed(self, now: u64) -> bool {
        now >= self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s023_s028_r018_the_sample_of_2001_ends_an_hour_after_its_start() {
        // 2001-06-15T23:14:23Z and sixty minutes.
        let expiry = Expiry::of(992_646_863, 60);
        assert_eq!(expiry.unix_seconds(), 992_650_463);
        assert!(!expiry.has_passed(992_650_462));
        assert!(expiry.has_passed(992_650_463));
    }

    #[test]
    fn a_length_of_zero_is_already_expired() {
        assert!(Expiry::of(1_767_225_600, 0).has_passed(1_767_225_600));
    }

    proptest! {
        #[test]
        fn s028_r018_expiry_is_start_plus_minutes_for_all_values(start: u32, minutes: u32) {
            let expiry = Expiry::of(start, minutes).unix_seconds();
            prop_assert_eq!(u128::from(expiry), u128::from(start) + 60 * u128::from(minutes));
        }
    }
}
