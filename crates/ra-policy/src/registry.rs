//! `Registry.pol`: the file in which Windows group policy travels, entry by entry, and what its entries do.
//!
//! Source: [MS-GPREG] 2.2.1 and 3.2.5.1, policy.md section 4.

use std::collections::BTreeMap;

use crate::setting::UNITS;
use crate::settings::Reading;
use crate::{Kind, MOST_RELAYS, PolicyError, Raw, RelayAddress, Setting, Settings, Warning};

/// One instruction of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The registry key, without a hive.
    pub key: String,
    /// The value name, or an instruction that begins with `**`.
    pub value: String,
    /// The registry type: 1 text, 4 number.
    pub kind: u32,
    /// The data, at most 65,535 bytes.
    pub data: Vec<u8>,
}

/// Reads the entries of a file.
///
/// # Errors
/// [`PolicyError::Registry`] when the signature, the version or any entry is not as it must be. Nothing of such a file
/// is used: an entry that is cut off may be the one that forbids.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry>, PolicyError> {
    if bytes.len() > MAX_REGISTRY_BYTES {
        return Err(PolicyError::RegistryTooLarge);
    }
    let mut file = Walk { bytes, at: 0 };
    if file.take(4)? != SIGNATURE {
        return Err(wrong(0, "it does not begin with PReg"));
    }
    if file.number()? != VERSION {
        return Err(wrong(4, "its version is not 1"));
    }
    let mut entries = Vec::new();
    while file.at < bytes.len() {
        entries.push(file.entry()?);
    }
    Ok(entries)
}

/// The file of these entries, byte for byte as [`read`] takes it. Names and data above their limits make a file that
/// nobody reads.
#[must_use]
pub fn to_bytes(entries: &[Entry]) -> Vec<u8> {
    let mut file = SIGNATURE.to_vec();
    file.extend(VERSION.to_le_bytes());
    let text = |file: &mut Vec<u8>, text: &str| file.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    for entry in entries {
        text(&mut file, "[");
        text(&mut file, &entry.key);
        text(&mut file, "\0;");
        text(&mut file, &entry.value);
        text(&mut file, "\0;");
        file.extend(entry.kind.to_le_bytes());
        text(&mut file, ";");
        file.extend(u32::try_from(entry.data.len()).unwrap_or(u32::MAX).to_le_bytes());
        text(&mut file, ";");
        file.extend(&entry.data);
        text(&mut file, "]");
    }
    file
}

/// What the entries configure, carried out one after the other on an empty registry.
#[must_use]
pub fn settings(entries: &[Entry]) -> Settings {
    let mut registry = Registry::default();
    for entry in entries {
        registry.apply(entry);
    }
    registry.settings()
}

/// Goes through the file field by field; never looks for a separator, as each may stand in names and data too.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn entry(&mut self) -> Result<Entry, PolicyError> {
        self.sign('[')?;
        let at = self.at;
        let key = self.name()?;
        if key.is_empty() {
            return Err(wrong(at, "an entry has no key"));
        }
        self.sign(';')?;
        let value = self.name()?;
        self.sign(';')?;
        let kind = self.number()?;
        self.sign(';')?;
        let at = self.at;
        let size = self.number()? as usize;
        if size > MAX_DATA {
            return Err(wrong(at, "an entry has more than 65,535 bytes of data"));
        }
        self.sign(';')?;
        let data = self.take(size)?.to_vec();
        self.sign(']')?;
        Ok(Entry { key, value, kind, data })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PolicyError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count));
        let taken = taken.ok_or_else(|| wrong(self.at, "it ends in the middle of an entry"))?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, PolicyError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn unit(&mut self) -> Result<u16, PolicyError> {
        let bytes = self.take(2)?;
        Ok(bytes.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
    }

    fn sign(&mut self, expected: char) -> Result<(), PolicyError> {
        let at = self.at;
        if u32::from(self.unit()?) == u32::from(expected) {
            Ok(())
        } else {
            Err(wrong(at, "a separator is not where it must be"))
        }
    }

    /// A name with its NUL.
    fn name(&mut self) -> Result<String, PolicyError> {
        let at = self.at;
        let mut units = Vec::new();
        loop {
            match self.unit()? {
                0 => return String::from_utf16(&units).map_err(|_| wrong(at, "a name is not UTF-16")),
                _ if units.len() == MAX_NAME => return Err(wrong(at, "a name is longer than 512 units")),
                unit => units.push(unit),
            }
        }
    }
}

/// The part of a registry that matters here. Names compare without case.
#[derive(Default)]
struct Registry {
    /// Lower-case key, then lower-case value name.
    keys: BTreeMap<String, BTreeMap<String, Stored>>,
}

/// A value as it was set: its name as written, its type, its data.
type Stored = (String, u32, Vec<u8>);

impl Registry {
    fn apply(&mut self, entry: &Entry) {
        let key = entry.key.to_ascii_lowercase();
        let name = entry.value.to_ascii_lowercase();
        let Some(instruction) = name.strip_prefix("**") else {
            return self.set(key, name, entry);
        };
        if let Some(name) = instruction.strip_prefix("del.") {
            if let Some(values) = self.keys.get_mut(&key) {
                values.remove(name);
            }
        } else if instruction == "delvals." || instruction == "delvals" {
            self.keys.remove(&key);
        } else if instruction == "deletevalues" {
            let Some(values) = self.keys.get_mut(&key) else { return };
            for name in listed(&entry.data) {
                values.remove(&name);
            }
        } else if instruction == "deletekeys" {
            for name in listed(&entry.data) {
                let gone = format!("{key}\\{name}");
                let below = format!("{gone}\\");
                self.keys.retain(|key, _| *key != gone && !key.starts_with(&below));
            }
        } else if let Some(name) = instruction.strip_prefix("soft.")
            && self.keys.get(&key).is_none_or(|values| !values.contains_key(name))
        {
            self.set(key, name.to_owned(), entry);
        }
        // `**securekey` is about permissions; an instruction that nobody knows is still no value.
    }

    fn set(&mut self, key: String, name: String, entry: &Entry) {
        if key == POLICY_KEY || key.strip_prefix(POLICY_KEY).is_some_and(|below| below.starts_with('\\')) {
            let written = entry.value.get(entry.value.len() - name.len()..).unwrap_or(&entry.value).to_owned();
            self.keys.entry(key).or_default().insert(name, (written, entry.kind, entry.data.clone()));
        }
    }

    fn settings(&self) -> Settings {
        let mut reading = Reading::default();
        let empty = BTreeMap::new();
        let values = self.keys.get(POLICY_KEY).unwrap_or(&empty);
        let mut take = |name: &'static str, kind: Kind| {
            let Some((_, found, data)) = values.get(&name.to_ascii_lowercase()) else { return };
            let raw = match (kind, found, data.as_slice()) {
                (Kind::Text, &TEXT, data) => text(data).map(Raw::Text),
                (Kind::Switch | Kind::Time | Kind::Number, &NUMBER, &[a, b, c, d]) => {
                    Some(Raw::Number(u32::from_le_bytes([a, b, c, d])))
                }
                _ => None,
            };
            match raw {
                Some(raw) => {
                    reading.take(name, raw);
                }
                None => reading.warn(Warning::WrongType { name }),
            }
        };
        for setting in Setting::ALL.iter().filter(|setting| !is_list(setting.kind())) {
            take(setting.name(), setting.kind());
        }
        take(UNITS, Kind::Number);
        for setting in Setting::ALL.iter().filter(|setting| is_list(setting.kind())) {
            let key = format!("{POLICY_KEY}\\{}", setting.name().to_ascii_lowercase());
            let Some(values) = self.keys.get(&key) else { continue };
            let names = values.values().filter_map(|(written, kind, data)| {
                let named = (*kind == TEXT).then(|| text(data)).flatten();
                // The editor writes the name twice; a list that was made by hand may have it on the left only.
                named.map(|named| if named.is_empty() { written.clone() } else { named })
            });
            let mut names: Vec<String> = names.collect();
            if setting.kind() == Kind::Relays {
                // What is no relay allows none, and does not make the list go away.
                let all = names.len();
                names.retain(|name| RelayAddress::new(name).is_some());
                names.truncate(MOST_RELAYS);
                if names.len() < all {
                    reading.warn(Warning::NotARelay { name: setting.name() });
                }
            }
            reading.take(setting.name(), Raw::Names(names));
        }
        reading.finish()
    }
}

/// Whether it is written as a key with a value for each member.
const fn is_list(kind: Kind) -> bool {
    matches!(kind, Kind::Names | Kind::Relays)
}

/// Text up to its NUL.
fn text(data: &[u8]) -> Option<String> {
    if !data.len().is_multiple_of(2) {
        return None;
    }
    let units = data.chunks_exact(2).map(|pair| u16::from(pair[0]) | u16::from(pair[1]) << 8);
    String::from_utf16(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>()).ok()
}

/// Names that are separated by `;`, lower-case.
fn listed(data: &[u8]) -> Vec<String> {
    let names = text(data).unwrap_or_default();
    names.split(';').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

fn wrong(offset: usize, message: &'static str) -> PolicyError {
    PolicyError::Registry { message, offset }
}

/// The largest file that is read: the policies of a whole computer fit many times.
pub const MAX_REGISTRY_BYTES: usize = 4 * 1024 * 1024;
/// The key under which Remote Assistance has its values, as the editor spells it.
pub const REGISTRY_KEY: &str = "Software\\Policies\\Microsoft\\Windows NT\\Terminal Services";
const POLICY_KEY: &str = "software\\policies\\microsoft\\windows nt\\terminal services";
const SIGNATURE: &[u8] = b"PReg";
const VERSION: u32 = 1;
/// `size` is at most this. Source: [MS-GPREG] 2.2.1.
const MAX_DATA: usize = 65_535;
/// UTF-16 units of a key or value name: twice the longest key name of a registry.
const MAX_NAME: usize = 512;
/// `REG_SZ` and `REG_DWORD`.
const TEXT: u32 = 1;
const NUMBER: u32 = 4;
