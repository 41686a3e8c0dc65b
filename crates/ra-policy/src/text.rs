//! The TOML of an administrator: settings, and sections for groups of users.

use core::ops::Range;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::setting::UNITS;
use crate::settings::Reading;
use crate::{PolicyError, Raw, Setting, Settings};

/// A policy file: what holds for everybody, and what instead holds for the members of some groups (S99, S100).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyText {
    everybody: Settings,
    groups: BTreeMap<String, Settings>,
}

impl PolicyText {
    /// Reads a policy file.
    ///
    /// # Errors
    /// When the text is too large, is not TOML, has an unknown key or a value of another kind; with the place.
    ///
    /// Source: policy.md sections 1, 1.1, 2.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        Self::read(text, |_| true, true)
    }

    /// Reads a file of local switches: only what the original's control panel has, and no sections.
    ///
    /// # Errors
    /// As [`PolicyText::from_toml`].
    pub fn switches_from_toml(text: &str) -> Result<Settings, PolicyError> {
        Self::read(text, Setting::is_local_switch, false).map(|text| text.everybody)
    }

    /// What holds for a member of these groups: a section in place of what stands above all sections, and of several
    /// sections the strictest.
    #[must_use]
    pub fn for_member_of(&self, groups: &[String]) -> Settings {
        let sections = self.groups.iter().filter(|(name, _)| groups.contains(name)).map(|(_, section)| section.clone());
        match sections.reduce(|one, other| one.narrowed(&other)) {
            Some(section) => self.everybody.overlaid(&section),
            None => self.everybody.clone(),
        }
    }

    /// The groups that have a section of their own.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// What was read differently from how it was written, in the whole file.
    pub fn warnings(&self) -> impl Iterator<Item = &crate::Warning> {
        self.everybody.warnings().iter().chain(self.groups.values().flat_map(|section| section.warnings()))
    }

    fn read(text: &str, allowed: impl Fn(Setting) -> bool, sections: bool) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let table = DeTable::parse(text)
            .map_err(|error| PolicyError::Text { message: error.message().to_owned(), span: error.span() })?;
        let mut groups = BTreeMap::new();
        let mut everybody = Reading::default();
        for (key, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(named) if sections && key.get_ref() == SECTIONS => {
                    for (name, section) in named {
                        let DeValue::Table(section) = section.get_ref() else {
                            return Err(wrong(name.span(), "a section for a group is written [group.NAME]".to_owned()));
                        };
                        let mut reading = Reading::default();
                        for (key, value) in section {
                            take(&mut reading, key, value, &allowed)?;
                        }
                        groups.insert(name.get_ref().to_string(), reading.finish());
                    }
                }
                _ => take(&mut everybody, key, value, &allowed)?,
            }
        }
        Ok(Self { everybody: everybody.finish(), groups })
    }
}

fn take(
    reading: &mut Reading,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    allowed: &impl Fn(Setting) -> bool,
) -> Result<(), PolicyError> {
    let name = key.get_ref().as_ref();
    let setting = if name == UNITS { Some(Setting::MaxTicketExpiry) } else { Setting::named(name) };
    match setting {
        None => return Err(wrong(key.span(), format!("unknown setting `{name}`{}", meant(name)))),
        Some(setting) if !allowed(setting) => {
            return Err(wrong(key.span(), format!("`{name}` is not a local switch: only a policy can set it")));
        }
        Some(_) => {}
    }
    let taken = raw(value.get_ref()).is_some_and(|raw| reading.take(name, raw));
    let wanted = || match setting.map(Setting::kind) {
        Some(crate::Kind::Text) => "a text",
        Some(crate::Kind::Names) => "a list of names",
        Some(crate::Kind::Relays) => "a list of at most 20 addresses such as \"https://relay.example.org\"",
        _ => "a whole number of 32 bits",
    };
    if taken { Ok(()) } else { Err(wrong(value.span(), format!("`{name}` takes {}", wanted()))) }
}

/// The setting that somebody may have meant.
fn meant(name: &str) -> String {
    let known = Setting::ALL.iter().map(|setting| setting.name()).chain([UNITS]);
    let same = known.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    same.map_or_else(String::new, |known| format!(", did you mean `{known}`?"))
}

fn raw(value: &DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok().map(Raw::Number),
        DeValue::String(text) => Some(Raw::Text(text.to_string())),
        DeValue::Array(list) => {
            let names = list.iter().map(|name| name.get_ref().as_str().map(str::to_owned));
            names.collect::<Option<Vec<_>>>().map(Raw::Names)
        }
        _ => None,
    }
}

fn wrong(span: Range<usize>, message: String) -> PolicyError {
    PolicyError::Text { message, span: Some(span) }
}

/// The largest policy text that is looked at: a real one has a few lines, so this only keeps a mistake from costing.
pub const MAX_POLICY_BYTES: usize = 64 * 1024;
/// The table that holds the sections for groups of users.
const SECTIONS: &str = "group";
