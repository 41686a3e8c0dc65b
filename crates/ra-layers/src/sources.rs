//! Where one user's policy is looked for.

use std::path::PathBuf;

use crate::Places;

/// Everything that policy for one user of this computer is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The places of the computer.
    pub places: Places,
    /// One more policy file, which can only restrict: what `RA_POLICY_FILE` names.
    pub more: Option<PathBuf>,
    /// The user's own local switches, which are for the novice's side.
    pub switches: Option<PathBuf>,
    /// The groups of the user; `None` asks the system. For tests.
    pub groups: Option<Vec<String>>,
}

impl Sources {
    /// What the administrator says, to the user of this process.
    #[must_use]
    pub fn of_the_machine() -> Self {
        let places = Places::of_the_system(rustix::process::getuid().is_root());
        Self { places, more: None, switches: None, groups: None }
    }

    /// With a further file.
    #[must_use]
    pub fn with_more(self, more: Option<PathBuf>) -> Self {
        Self { more, ..self }
    }
}
