//! The text of one layer: TOML with the value names of the original registry.

use core::time::Duration;

use crate::PolicyError;

/// One layer of policy, or several merged: what is configured, and nothing about what is not.
///
/// The default is "nothing configured", which allows everything for the thirty days of 2001 (S97).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub(crate) help: Option<bool>,
    pub(crate) control: Option<bool>,
    pub(crate) longest: Option<TicketTime>,
    pub(crate) no_help: Option<String>,
    pub(crate) warnings: Vec<Warning>,
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

/// Something that was read differently from how it was written; worth one line in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// `MaxTicketExpiry` is outside 1 to 99 and was moved to the nearer end.
    #[error("MaxTicketExpiry = {found} is outside 1 to 99, {used} is used")]
    ExpiryClamped {
        /// As written.
        found: u32,
        /// As used.
        used: u32,
    },
    /// `MaxTicketExpiryUnits` is none of 0, 1, 2; hours are used.
    #[error("MaxTicketExpiryUnits = {found} is none of 0, 1, 2, hours are used")]
    UnitsUnknown {
        /// As written.
        found: u32,
    },
    /// `MaxTicketExpiryUnits` stands alone and means nothing.
    #[error("MaxTicketExpiryUnits without MaxTicketExpiry has no effect")]
    UnitsAlone,
}

impl Policy {
    /// Reads one layer.
    ///
    /// # Errors
    ///
    /// When the text is too large, is not TOML, has an unknown key or a value that is not a whole number of 32 bits.
    ///
    /// Source: policy.md sections 1, 1.1, 2.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let values: Values = toml::from_str(text)
            .map_err(|error| PolicyError::Text { message: error.message().to_owned(), span: error.span() })?;
        Ok(values.into())
    }

    /// The policy of a source that exists but cannot be read or understood: no help, whatever the other layers say.
    ///
    /// Source: policy.md P10.
    #[must_use]
    pub fn no_help(reason: impl Into<String>) -> Self {
        Self { no_help: Some(reason.into()), ..Self::default() }
    }

    /// What was read differently from how it was written.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

impl TicketTime {
    /// A time of 1 to 99 units; other numbers are moved to the nearer end, as the original's reader would have it.
    #[must_use]
    pub fn new(number: u32, units: Units) -> Self {
        Self { number: number.clamp(SHORTEST, LONGEST), units }
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

/// The largest policy text that is looked at: a real one has a few lines, so this only keeps a mistake from costing.
pub const MAX_POLICY_BYTES: usize = 64 * 1024;
/// The range that the policy editor offers. Source: policy.md section 1.
const SHORTEST: u32 = 1;
const LONGEST: u32 = 99;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    #[serde(rename = "fAllowToGetHelp")]
    help: Option<u32>,
    #[serde(rename = "fAllowFullControl")]
    control: Option<u32>,
    #[serde(rename = "MaxTicketExpiry")]
    expiry: Option<u32>,
    #[serde(rename = "MaxTicketExpiryUnits")]
    units: Option<u32>,
}

impl From<Values> for Policy {
    fn from(values: Values) -> Self {
        let mut warnings = Vec::new();
        let units = match values.units {
            Some(0) => Units::Minutes,
            None | Some(1) => Units::Hours,
            Some(2) => Units::Days,
            Some(found) => {
                warnings.push(Warning::UnitsUnknown { found });
                Units::Hours
            }
        };
        let longest = values.expiry.map(|found| {
            let time = TicketTime::new(found, units);
            if time.number != found {
                warnings.push(Warning::ExpiryClamped { found, used: time.number });
            }
            time
        });
        if values.units.is_some() && longest.is_none() {
            warnings.push(Warning::UnitsAlone);
        }
        Self {
            help: values.help.map(|value| value != 0),
            control: values.control.map(|value| value != 0),
            longest,
            no_help: None,
            warnings,
        }
    }
}
