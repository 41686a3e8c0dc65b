//! Words for people: durations, times of day, and text that fits its place.

use std::time::{Duration, SystemTime};

/// Columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Width(pub(crate) usize);

/// The longest of several wordings that fits, else the shortest one cut; `None` when there is none.
pub(crate) fn fit(wordings: &[String], room: Width) -> Option<String> {
    let fitting = wordings.iter().find(|wording| width_of(wording) <= room);
    fitting.cloned().or_else(|| wordings.last().map(|shortest| cut(shortest, room)))
}

/// The columns that a text takes: two for East Asian wide characters and pictures, one for any other.
pub(crate) fn width_of(text: &str) -> Width {
    Width(text.chars().map(columns).sum())
}

fn cut(text: &str, room: Width) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += columns(*c);
        used <= room.0
    };
    text.chars().take_while(fits).collect()
}

fn columns(c: char) -> usize {
    let wide = matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD);
    if wide { 2 } else { 1 }
}

/// A duration as `--expires` takes it: a number and one of `s`, `m`, `h`, `d`; a bare number means minutes.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "s" => 1,
        "m" | "" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("give a number and s, m, h or d, such as 60m or 6h".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "give a number and s, m, h or d, such as 60m or 6h".to_owned())?;
    match number.checked_mul(unit) {
        Some(0) => Err("an invitation needs some time to be used".to_owned()),
        Some(seconds) if seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err("an invitation can be open for 99 days at most".to_owned()),
    }
}

/// A duration in words: `45 seconds`, `60 minutes`, `6 hours`, `2 days`.
pub(crate) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let (number, unit) = match seconds {
        s if s % 86_400 == 0 && s > 0 => (s / 86_400, "day"),
        s if s % 3600 == 0 && s > 3600 => (s / 3600, "hour"),
        s if s % 60 == 0 && s > 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A moment in the local time of whoever reads it, with the day unless that is today.
pub(crate) fn local(time: SystemTime, now: SystemTime) -> String {
    let zoned = |time| jiff::Timestamp::try_from(time).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    let (then, today) = (zoned(time), zoned(now));
    let format = if then.date() == today.date() { "%H:%M" } else { "%-d %B %Y, %H:%M" };
    then.strftime(format).to_string()
}

/// A moment for programs: RFC 3339, UTC, whole milliseconds.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let stamp = jiff::Timestamp::try_from(time).unwrap_or_default();
    format!("{stamp:.3}")
}

/// Seconds since 1970 as the system counts time.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// 99 days: more than that no policy can allow.
const LONGEST: u64 = 99 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wording_that_fits_is_taken() {
        let wordings = ["0123456789".to_owned(), "012345".to_owned(), "0123".to_owned()];
        assert_eq!(fit(&wordings, Width(10)).as_deref(), Some("0123456789"));
        assert_eq!(fit(&wordings, Width(9)).as_deref(), Some("012345"));
        assert_eq!(fit(&wordings, Width(3)).as_deref(), Some("012"));
        assert_eq!(fit(&wordings, Width(0)).as_deref(), Some(""));
        assert_eq!(fit(&[], Width(10)), None);
        assert_eq!(fit(&["漢字".to_owned()], Width(3)).as_deref(), Some("漢"));
    }

    #[test]
    fn durations_read_as_they_are_written() {
        for (text, seconds) in
            [("30s", 30), ("60m", 3600), ("60", 3600), ("6h", 21_600), ("2d", 172_800), ("99d", LONGEST)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0m", "m", "-5m", "1.5h", "100d", "5 weeks", "99999999999999999999d", "5мин", "١m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        let words = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(
            [words(30), words(60), words(3600), words(7200), words(86_400), words(90)].join(", "),
            "30 seconds, 1 minute, 60 minutes, 2 hours, 1 day, 90 seconds"
        );
    }

    #[test]
    fn times_for_programs_are_utc() {
        assert_eq!(rfc3339(at(992_646_863)), "2001-06-15T23:14:23.000Z");
    }
}
