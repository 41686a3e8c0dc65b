//! Whether a gateway has lost its memory since it was last looked at.

use std::time::Duration;

/// True when a gateway that said `before` and, `elapsed` later by our clock, says `now` has begun anew in between: then none of
/// its mappings are there any more.
///
/// Clocks may differ by a sixteenth and two seconds.
///
/// Source: RFC 6887, 8.5; RFC 6886, 3.6.
#[must_use]
pub fn has_restarted(before: Duration, elapsed: Duration, now: Duration) -> bool {
    let Some(counted) = now.checked_sub(before) else {
        // It may have been looked at twice within one of its seconds, and the answers have overtaken one another.
        return before.saturating_sub(now) > Duration::from_secs(1);
    };
    let slack = Duration::from_secs(2);
    counted + slack < elapsed.saturating_sub(elapsed / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r072_a_gateway_that_counts_less_than_time_has_passed_was_restarted() {
        let seconds = Duration::from_secs;
        for (before, elapsed, now, restarted) in [
            (1000, 60, 1060, false),
            (1000, 60, 1056, false),
            (1000, 60, 1100, false),
            (1000, 0, 1000, false),
            (1000, 0, 999, false),
            (1000, 60, 30, true),
            (15, 60, 1, true),
            (5, 3600, 900, true),
            (0, 3600, 3600, false),
            (0, 3600, 3373, false),
            (0, 3600, 3372, true),
        ] {
            assert_eq!(
                has_restarted(seconds(before), seconds(elapsed), seconds(now)),
                restarted,
                "{before} {elapsed} {now}"
            );
        }
    }
}
