//! What settings hold: times, texts for the novice, names of helpers.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeSet;

use crate::setting::Joining;
use crate::{Kind, RelayAddress, Setting};

/// The value of a setting, already interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Switch(bool),
    /// A time.
    Time(TicketTime),
    /// A number without a meaning to us.
    Number(u32),
    /// A text.
    Text(Message),
    /// A list of names.
    Names(BTreeSet<HelperName>),
    /// A list of relays.
    Relays(BTreeSet<RelayAddress>),
}

/// A value as it is written in a file, before anybody has interpreted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// A whole number of 32 bits.
    Number(u32),
    /// A text.
    Text(String),
    /// A list of texts.
    Names(Vec<String>),
}

/// A number of minutes, hours or days as the policy editor offers it: 1 to 99 of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketTime {
    number: u32,
    units: Units,
}

/// The unit of [`TicketTime`]. Source: policy.md section 1, `MaxTicketExpiryUnits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// 0
    Minutes,
    /// 1, the editor's default
    Hours,
    /// 2
    Days,
}

/// A text of the administrator for the novice: one line, without anything that could rearrange what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(String);

/// The name of an account or group: `DOMAIN\name`, or `name` for one of this computer. Compares without case.
#[derive(Debug, Clone)]
pub struct HelperName(String);

impl TicketTime {
    /// A time of 1 to 99 units; other numbers are moved to the nearer end, as the original's reader would have it.
    #[must_use]
    pub fn new(number: u32, units: Units) -> Self {
        Self { number: number.clamp(SHORTEST, LONGEST), units }
    }

    /// How many units, 1 to 99.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Which unit.
    #[must_use]
    pub const fn units(self) -> Units {
        self.units
    }

    /// The time itself.
    #[must_use]
    pub fn duration(self) -> Duration {
        let minutes = match self.units {
            Units::Minutes => 1,
            Units::Hours => 60,
            Units::Days => 24 * 60,
        };
        Duration::from_secs(u64::from(self.number) * minutes * 60)
    }
}

impl Units {
    /// The number that stands for it in a policy.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Minutes => 0,
            Self::Hours => 1,
            Self::Days => 2,
        }
    }

    /// The unit that a number stands for.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Minutes),
            1 => Some(Self::Hours),
            2 => Some(Self::Days),
            _ => None,
        }
    }
}

impl Message {
    /// The text as it may be shown, at most [`MESSAGE_CHARS`] characters; `None` when nothing is left of it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut line = String::new();
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word.chars().filter(|c| !rearranges(*c)));
        }
        let line: String = line.trim().chars().take(MESSAGE_CHARS).collect();
        (!line.is_empty()).then_some(Self(line))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks that change the direction of text around them, or that cannot be seen.
fn rearranges(c: char) -> bool {
    matches!(u32::from(c), 0x061C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F)
}

impl HelperName {
    /// A name; `None` when it is empty.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let name = name.trim();
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when it names an account or group of this computer rather than of a domain.
    #[must_use]
    pub fn is_local(&self) -> bool {
        !self.0.contains('\\')
    }
}

impl PartialEq for HelperName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for HelperName {}

impl PartialOrd for HelperName {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HelperName {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        let lower = |name: &Self| name.0.to_lowercase();
        lower(self).cmp(&lower(other))
    }
}

impl Value {
    /// What holds where nobody says anything; `None` where nothing does. Source: policy.md section 2, S97.
    #[must_use]
    pub fn default_of(setting: Setting) -> Option<Self> {
        Some(match setting {
            Setting::AllowToGetHelp
            | Setting::AllowFullControl
            | Setting::AllowBuddyHelp
            | Setting::EnableChatControl
            | Setting::LoggingEnabled => Self::Switch(true),
            Setting::AllowUnsolicited
            | Setting::AllowUnsolicitedFullControl
            | Setting::AllowOfferByPassword
            | Setting::CreateEncryptedOnlyTickets
            | Setting::UseCustomMessages => Self::Switch(false),
            Setting::MaxTicketExpiry => Self::Time(TicketTime { number: DEFAULT_LONGEST_DAYS, units: Units::Days }),
            Setting::OfficialHelpers | Setting::OfferHelpers => Self::Names(BTreeSet::new()),
            Setting::UseMailto
            | Setting::OfficialRelays
            | Setting::ViewMessage
            | Setting::ShareControlMessage
            | Setting::UseBandwidthOptimization
            | Setting::OptimizeBandwidth => return None,
        })
    }

    /// The stricter of two values of one setting.
    pub(crate) fn stricter(self, other: &Self, joining: Joining) -> Self {
        match (joining, self, other) {
            (Joining::Allows, Self::Switch(one), Self::Switch(other)) => Self::Switch(one && *other),
            (Joining::Demands, Self::Switch(one), Self::Switch(other)) => Self::Switch(one || *other),
            (Joining::Shorter, Self::Time(one), Self::Time(other)) => {
                Self::Time(if other.duration() < one.duration() { *other } else { one })
            }
            (Joining::Both, Self::Names(one), Self::Names(other)) => {
                Self::Names(one.into_iter().filter(|name| other.contains(name)).collect())
            }
            (Joining::Both, Self::Relays(one), Self::Relays(other)) => {
                Self::Relays(one.into_iter().filter(|relay| other.contains(relay)).collect())
            }
            // Values of one setting are of one kind; what joins by order keeps the first.
            (_, first, _) => first,
        }
    }

    /// The value as a file would have it, under its name or names.
    pub(crate) fn raw(&self, setting: Setting) -> Vec<(&'static str, Raw)> {
        let raw = match self {
            Self::Switch(on) => Raw::Number(u32::from(*on)),
            Self::Time(time) => {
                return vec![
                    (setting.name(), Raw::Number(time.number)),
                    (crate::setting::UNITS, Raw::Number(time.units.number())),
                ];
            }
            Self::Number(number) => Raw::Number(*number),
            Self::Text(text) => Raw::Text(text.0.clone()),
            Self::Names(names) => Raw::Names(names.iter().map(|name| name.0.clone()).collect()),
            Self::Relays(relays) => Raw::Names(relays.iter().map(ToString::to_string).collect()),
        };
        vec![(setting.name(), raw)]
    }
}

impl Raw {
    /// What kind of thing this is, for messages.
    pub(crate) fn fits(&self, kind: Kind) -> bool {
        match self {
            Self::Number(_) => matches!(kind, Kind::Switch | Kind::Time | Kind::Number),
            Self::Text(_) => kind == Kind::Text,
            Self::Names(_) => matches!(kind, Kind::Names | Kind::Relays),
        }
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{}", u32::from(*on)),
            Self::Time(time) => write!(f, "{} {}", time.number, time.units),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&text.0),
            Self::Names(names) if names.is_empty() => f.write_str("nobody"),
            Self::Relays(relays) if relays.is_empty() => f.write_str("none"),
            Self::Relays(relays) => {
                f.write_str(&relays.iter().map(RelayAddress::as_str).collect::<Vec<_>>().join(", "))
            }
            Self::Names(names) => f.write_str(&names.iter().map(|name| name.0.as_str()).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// The longest text of an administrator that is shown: it must not push the question off the screen.
pub const MESSAGE_CHARS: usize = 1000;
/// The range that the policy editor offers. Source: policy.md section 1.
const SHORTEST: u32 = 1;
const LONGEST: u32 = 99;
/// The maximum of a Windows XP where nothing is configured. Source: policy.md section 2, seed item S97.
const DEFAULT_LONGEST_DAYS: u32 = 30;
