//! What one source configures, and how numbers and texts become settings.

use std::collections::{BTreeMap, BTreeSet};

use crate::setting::UNITS;
use crate::{HelperName, Kind, MOST_RELAYS, Message, Raw, RelayAddress, Setting, TicketTime, Units, Value};

/// What one source configures, and nothing about what it does not: each setting is on, off or *not configured*.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<Setting, Value>,
    warnings: Vec<Warning>,
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
    /// A value has the wrong type or size and counts as not configured. Only `Registry.pol` is read so leniently.
    #[error("{name} has a value of the wrong type and counts as not configured")]
    WrongType {
        /// Whose value.
        name: &'static str,
    },
    /// A member of a list is no address of a relay, or one too many; it is left out. Only `Registry.pol` is read so leniently.
    #[error("{name} has members that are no addresses of relays, or too many, and they are left out")]
    NotARelay {
        /// Whose.
        name: &'static str,
    },
    /// The name or the numbers of this setting are confirmed by nothing that we know; it has no effect.
    #[error("{name} is read, but neither its name nor its numbers are confirmed, and it has no effect")]
    Unconfirmed {
        /// Which.
        name: &'static str,
    },
}

impl Settings {
    /// The value of one setting, if it is configured.
    #[must_use]
    pub fn value(&self, setting: Setting) -> Option<&Value> {
        self.values.get(&setting)
    }

    /// What was read differently from how it was written.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// True when nothing is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Every configured value, under its name, as [`Settings::from_raw`] takes it.
    pub fn raw(&self) -> impl Iterator<Item = (&'static str, Raw)> + '_ {
        self.values.iter().flat_map(|(setting, value)| value.raw(*setting))
    }

    /// Settings from names and values that somebody else has read.
    ///
    /// # Errors
    /// The name that is unknown, or whose value is of another kind.
    pub fn from_raw(values: impl IntoIterator<Item = (String, Raw)>) -> Result<Self, String> {
        let mut reading = Reading::default();
        for (name, raw) in values {
            if !reading.take(&name, raw) {
                return Err(name);
            }
        }
        Ok(reading.finish())
    }

    /// The text of a file with these settings, for `policy.toml` or for the file of local switches.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| {
            let inside = text.chars().map(|c| match c {
                '"' | '\\' => format!("\\{c}"),
                c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
                c => c.to_string(),
            });
            format!("\"{}\"", inside.collect::<String>())
        };
        self.raw()
            .map(|(name, raw)| match raw {
                Raw::Number(number) => format!("{name} = {number}\n"),
                Raw::Text(text) => format!("{name} = {}\n", quoted(&text)),
                Raw::Names(names) => {
                    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
                    format!("{name} = [{}]\n", names.join(", "))
                }
            })
            .collect()
    }

    /// These settings, and where `other` configures something, that instead.
    #[must_use]
    pub fn overlaid(&self, other: &Self) -> Self {
        let mut whole = self.clone();
        whole.values.extend(other.values.iter().map(|(setting, value)| (*setting, value.clone())));
        whole.warnings.extend(other.warnings.iter().cloned());
        whole
    }

    /// Both: of what both configure, the stricter.
    #[must_use]
    pub(crate) fn narrowed(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (setting, value) in &other.values {
            let joined = match both.values.remove(setting) {
                Some(mine) => mine.stricter(value, setting.joining()),
                None => value.clone(),
            };
            both.values.insert(*setting, joined);
        }
        both.warnings.extend(other.warnings.iter().cloned());
        both
    }
}

/// Values on their way to [`Settings`]. Source: policy.md section 1.1.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    settings: Settings,
    expiry: Option<u32>,
    units: Option<u32>,
}

impl Reading {
    /// Takes a value under its exact name; false when there is no such name or the value is of another kind.
    pub(crate) fn take(&mut self, name: &str, raw: Raw) -> bool {
        if name == UNITS {
            let Raw::Number(number) = raw else { return false };
            self.units = Some(number);
            return true;
        }
        let Some(setting) = Setting::named(name).filter(|setting| raw.fits(setting.kind())) else { return false };
        let value = match (setting.kind(), raw) {
            (Kind::Time, Raw::Number(number)) => {
                self.expiry = Some(number);
                return true;
            }
            (Kind::Switch, Raw::Number(number)) => Some(Value::Switch(number != 0)),
            (_, Raw::Number(number)) => Some(Value::Number(number)),
            // An empty text is no text: the built-in one alone is shown.
            (_, Raw::Text(text)) => Message::new(&text).map(Value::Text),
            (Kind::Relays, Raw::Names(names)) => {
                let relays = names.iter().map(|name| RelayAddress::new(name)).collect::<Option<BTreeSet<_>>>();
                let Some(relays) = relays.filter(|relays| relays.len() <= MOST_RELAYS) else { return false };
                Some(Value::Relays(relays))
            }
            (_, Raw::Names(names)) => {
                Some(Value::Names(names.iter().filter_map(|name| HelperName::new(name)).collect::<BTreeSet<_>>()))
            }
        };
        if matches!(setting, Setting::OptimizeBandwidth) {
            self.settings.warnings.push(Warning::Unconfirmed { name: setting.name() });
        }
        if let Some(value) = value {
            self.settings.values.insert(setting, value);
        }
        true
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.settings.warnings.push(warning);
    }

    pub(crate) fn finish(mut self) -> Settings {
        let units = self.units.map_or(Units::Hours, |number| {
            Units::of(number).unwrap_or_else(|| {
                self.settings.warnings.push(Warning::UnitsUnknown { found: number });
                Units::Hours
            })
        });
        match self.expiry {
            Some(found) => {
                let time = TicketTime::new(found, units);
                if time.number() != found {
                    self.settings.warnings.push(Warning::ExpiryClamped { found, used: time.number() });
                }
                self.settings.values.insert(Setting::MaxTicketExpiry, Value::Time(time));
            }
            None if self.units.is_some() => self.settings.warnings.push(Warning::UnitsAlone),
            None => {}
        }
        self.settings
    }
}
