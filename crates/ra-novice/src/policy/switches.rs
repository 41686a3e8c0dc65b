//! The local switches: what the person at the computer, or its administrator for everybody, allows.
//!
//! The control panel of the original, as a file of a few lines.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::PathBuf;

use ra_policy::{PolicyText, Raw, Setting, Settings};

use super::{Found, Trust, switches_file};
use crate::durable::Pending;
use crate::settings::Paths;

/// Writes one switch; the others stay as they are. `value` is the number as a policy has it; `None` makes the switch not configured.
///
/// # Errors
/// [`SwitchError`]; then the file is as it was.
pub fn set_switch(paths: &Paths, name: &str, value: Option<u32>) -> Result<PathBuf, SwitchError> {
    let path = paths.switches();
    let known = Setting::named(name).is_some_and(Setting::is_local_switch) || name == UNITS;
    if !known {
        return Err(SwitchError::Unknown { name: name.to_owned() });
    }
    let trust = Trust::OwnOr(paths.places.administrator);
    let before = match switches_file(ra_policy::Source::OwnSwitches, path.clone(), trust).found {
        Found::Nothing => Settings::default(),
        Found::Settings(settings) => settings,
        // A file that cannot be understood is not overwritten: somebody meant something by it.
        Found::Unusable(why) => return Err(SwitchError::Unusable { path, reason: why.reason }),
    };
    let mut values: Vec<(String, Raw)> =
        before.raw().filter(|(other, _)| *other != name).map(|(name, raw)| (name.to_owned(), raw)).collect();
    if name == Setting::MaxTicketExpiry.name() && value.is_none() {
        values.retain(|(other, _)| other != UNITS);
    }
    values.extend(value.map(|value| (name.to_owned(), Raw::Number(value))));
    let after = Settings::from_raw(values).map_err(|name| SwitchError::Unknown { name })?;
    if let Some(warning) = after.warnings().first() {
        return Err(SwitchError::Value { why: warning.to_string() });
    }
    let text = format!("{HEAD}{}", after.to_toml());
    PolicyText::switches_from_toml(&text).map_err(|error| SwitchError::Value { why: error.to_string() })?;

    let failed = |source| SwitchError::Write { path: path.clone(), source };
    let directory = paths.config();
    let is_machine = directory == paths.places.machine;
    let mode = if is_machine { 0o755 } else { 0o700 };
    fs::DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(failed)?;
    let owner = fs::metadata(directory).map_err(failed)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(failed(io::ErrorKind::PermissionDenied.into()));
    }
    let pending = Pending::write(&path, ".settings-", text.as_bytes()).map_err(failed)?;
    if is_machine {
        // Every user's host has to see the machine's switches.
        pending.readable_by_all().map_err(failed)?;
    }
    pending.commit().map_err(failed)?;
    Ok(path)
}

/// Why a switch was not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchError {
    /// There is no such switch.
    #[error("there is no local switch {name}")]
    Unknown {
        /// As it was given.
        name: String,
    },
    /// The value means nothing.
    #[error("{why}")]
    Value {
        /// Why.
        why: String,
    },
    /// The file of switches cannot be used as it is.
    #[error("{path} cannot be used: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

const UNITS: &str = "MaxTicketExpiryUnits";
const HEAD: &str = "# Written by `novice-host settings set`.\n";
