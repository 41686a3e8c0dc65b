//! The gateways of this computer's networks: the one place in the program that knows any.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ra_nat::{Mapper, NoGateway};
use ra_novice::mappings::{CREATION, FAREWELL, Mappings, Reached, Wanted};
use ra_novice::settings::Paths;
use ra_novice::store::StoreError;

/// How gateways are found and asked. None is found yet: UPnP (igd-next) and its cousins come with the issue about reach.
pub(crate) fn gateways() -> Arc<dyn Mapper> {
    Arc::new(NoGateway)
}

/// Asks every gateway to send on what arrives for this computer; without one the invitation does without (R6, R7).
pub(crate) fn ask_gateways(paths: &Paths, listening: &[SocketAddr], life: Duration) -> Reached {
    let wanted = Wanted { listeners: listening.to_vec(), life, external_port: None };
    let reached = open(paths).map(|mut mappings| mappings.reach(&wanted, crate::now(), CREATION));
    noted(reached).unwrap_or_default()
}

/// Gives back what was asked for an invitation that was not made after all.
pub(crate) fn give_back(paths: &Paths, reached: &Reached) {
    if !reached.mappings.is_empty() {
        noted(open(paths).and_then(|mut mappings| mappings.give_back(reached, crate::now(), FAREWELL)));
    }
}

/// Removes what no open ticket needs, as far as gateways answer; the rest stays noted for the next time.
pub(crate) fn settle(paths: &Paths) {
    // A command must not make the table only to find it empty.
    if paths.store().try_exists().unwrap_or(true) {
        noted(open(paths).and_then(|mut mappings| mappings.settle(crate::now(), FAREWELL)));
    }
}

fn open(paths: &Paths) -> Result<Mappings, StoreError> {
    Mappings::open(paths, gateways())
}

/// What goes wrong with gateways is no reason not to do what was asked for.
fn noted<T>(outcome: Result<T, StoreError>) -> Option<T> {
    outcome.inspect_err(|error| tracing::warn!(%error, "gateways cannot be asked")).ok()
}
