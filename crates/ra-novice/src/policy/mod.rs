//! Policy on the novice's side: `ra-layers` reads it; here it is watched, switched and published.

mod publish;
mod switches;
mod watch;

pub use publish::{PublishError, publish};
pub use ra_layers::{EffectivePolicy, Found, Places, PolicyFile, Unusable};
pub(crate) use ra_layers::{MACHINE_CONFIG, SWITCHES, Trust, groups, read_text};
use ra_layers::{Sources, switches_file};
pub use switches::{SwitchError, set_switch};
pub use watch::PolicyWatch;

use crate::settings::Paths;

impl From<&Paths> for Sources {
    fn from(paths: &Paths) -> Self {
        Self {
            places: paths.places.clone(),
            more: paths.more_policy.clone(),
            switches: Some(paths.switches()),
            groups: paths.groups.clone(),
        }
    }
}

/// The local switches that [`set_switch`] writes for this caller.
#[must_use]
pub fn switches(paths: &Paths) -> Found {
    let trust = Trust::OwnOr(paths.places.administrator);
    switches_file(ra_policy::Source::OwnSwitches, paths.switches(), trust).found
}

#[cfg(test)]
mod tests;
