//! Monitors: which part of a desktop is shared.

use std::fmt;
use std::str::FromStr;

use crate::OpenError;
use crate::frame::Rect;

/// Which of a desktop's monitors to share.
///
/// What was chosen is looked up once, when the desktop is opened, and is a monitor of that name from then on: one that goes away is
/// not replaced by another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MonitorChoice {
    /// The whole desktop, across all of them.
    #[default]
    All,
    /// The one that is marked as the primary one, else the first.
    Primary,
    /// The one at this place, counted from 1 from left to right, and from top to bottom where two stand above each other.
    Number(usize),
    /// The one of this name, such as `HDMI-1`.
    Named(String),
}

/// One monitor of a desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Its name, as the system has it.
    pub name: String,
    /// Where it lies on the desktop, pixels.
    pub area: Rect,
    /// It is the primary one.
    pub primary: bool,
}

/// A word that can name no monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a monitor is `all`, `primary`, its number from 1, or its name")]
pub struct NoMonitorName;

impl MonitorChoice {
    /// The monitor that was chosen; `None` for all of them.
    ///
    /// # Errors
    /// [`OpenError::NoMonitor`], with those that are there.
    pub(crate) fn find<'m>(&self, monitors: &'m [Monitor]) -> Result<Option<&'m Monitor>, OpenError> {
        let found = match self {
            Self::All => return Ok(None),
            Self::Primary => monitors.iter().find(|monitor| monitor.primary).or(monitors.first()),
            Self::Number(number) => number.checked_sub(1).and_then(|place| monitors.get(place)),
            Self::Named(name) => monitors.iter().find(|monitor| monitor.name == *name),
        };
        let missing = || OpenError::NoMonitor { wanted: self.clone(), there: listed(monitors) };
        found.map(Some).ok_or_else(missing)
    }
}

impl FromStr for MonitorChoice {
    type Err = NoMonitorName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err(NoMonitorName),
            "all" => Ok(Self::All),
            "primary" => Ok(Self::Primary),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|number| *number > 0).map(Self::Number).ok_or(NoMonitorName)
            }
            name => Ok(Self::Named(name.to_owned())),
        }
    }
}

impl fmt::Display for MonitorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Primary => f.write_str("primary"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// All monitors with their numbers, for a person, such as `1 (DP-1, 1920x1080 at 0,0, primary)`.
fn listed(monitors: &[Monitor]) -> String {
    let one = |(place, monitor): (usize, &Monitor)| {
        let Monitor { name, area: Rect { x, y, width, height }, primary } = monitor;
        let primary = if *primary { ", primary" } else { "" };
        format!("{} ({name}, {width}x{height} at {x},{y}{primary})", place + 1)
    };
    if monitors.is_empty() {
        return "none".to_owned();
    }
    monitors.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitors() -> [Monitor; 2] {
        let area = |x| Rect { x, y: 0, width: 1920, height: 1080 };
        [
            Monitor { name: "DP-1".to_owned(), area: area(0), primary: false },
            Monitor { name: "HDMI-1".to_owned(), area: area(1920), primary: true },
        ]
    }

    #[test]
    fn a_monitor_is_found_by_its_mark_its_number_and_its_name() {
        let monitors = monitors();
        for (word, name) in [
            ("all", None),
            ("primary", Some("HDMI-1")),
            ("1", Some("DP-1")),
            ("2", Some("HDMI-1")),
            ("DP-1", Some("DP-1")),
        ] {
            let choice: MonitorChoice = word.parse().unwrap();
            assert_eq!(choice.find(&monitors).unwrap().map(|monitor| monitor.name.as_str()), name, "{word}");
            assert_eq!(choice.to_string(), word);
        }
        let unmarked = &monitors[..1];
        assert_eq!(MonitorChoice::Primary.find(unmarked).unwrap(), unmarked.first(), "the first where none is marked");
        assert_eq!(MonitorChoice::default().find(&[]).unwrap(), None);
    }

    #[test]
    fn one_that_is_not_there_is_answered_with_those_that_are() {
        for word in ["3", "DP-2", "Primary"] {
            let error = word.parse::<MonitorChoice>().unwrap().find(&monitors()).unwrap_err();
            let expected = format!(
                "there is no monitor {word} here; there are: 1 (DP-1, 1920x1080 at 0,0), 2 (HDMI-1, 1920x1080 at 1920,0, primary)"
            );
            assert_eq!(error.to_string(), expected);
        }
        assert!(MonitorChoice::Primary.find(&[]).is_err());
        for word in ["", "0", "99999999999999999999"] {
            assert_eq!(word.parse::<MonitorChoice>(), Err(NoMonitorName), "{word:?}");
        }
    }
}
