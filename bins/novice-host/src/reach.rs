//! The gateways of this computer's networks: the one place in the program that knows any.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ra_gateways::Upnp;
use ra_nat::{Mapper, is_public};
use ra_novice::endpoints::Surroundings;
use ra_novice::mappings::{CREATION, FAREWELL, Mappings, Reached, Unmapped, Wanted};
use ra_novice::settings::Paths;
use ra_novice::store::StoreError;
use serde_json::json;

use crate::tell::Teller;

/// How gateways are found and asked: by UPnP, on every network with private addresses.
pub(crate) fn gateways() -> Arc<dyn Mapper> {
    Arc::new(Upnp::new(behind_gateways))
}

/// This computer's addresses that are good behind a gateway only. Whoever has public ones alone needs none, and does not
/// wait for a search.
fn behind_gateways() -> Vec<Ipv4Addr> {
    let around = Surroundings::look().inspect_err(|error| tracing::warn!(%error, "the addresses are not known"));
    let addresses = around.map(|around| around.addresses).unwrap_or_default();
    let useful = |ip: &Ipv4Addr| !ip.is_loopback() && !ip.is_link_local() && !is_public(IpAddr::V4(*ip));
    let v4 = addresses.into_iter().filter_map(|address| match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    v4.filter(useful).collect()
}

/// Asks every gateway to send on what arrives for this computer; without one the invitation does without (R6, R7).
pub(crate) fn ask_gateways(paths: &Paths, listening: &[SocketAddr], life: Duration) -> Reached {
    if listening.iter().all(|addr| addr.ip().to_canonical().is_loopback()) {
        // Nobody but this computer is meant to come in.
        return Reached::default();
    }
    let wanted = Wanted { listeners: listening.to_vec(), life, external_port: None };
    let reached = open(paths).map(|mut mappings| mappings.reach(&wanted, crate::now(), CREATION));
    noted(reached).unwrap_or_default()
}

/// Tells programs each address that a gateway gave, and people what it means for who is elsewhere.
pub(crate) fn tell(reached: &Reached, teller: &Teller) {
    for external in &reached.external {
        teller.event("mapped", json!({ "external": external.to_string(), "via": VIA }));
        teller.say(&format!(
            "Your router sends {external} on to this computer, so it can be reached from elsewhere too."
        ));
    }
    for (gateway, why) in &reached.without {
        let why = match why {
            Unmapped::NotPublic => "stands behind another one, and nobody elsewhere can reach it".to_owned(),
            Unmapped::No(error) => format!("lets nobody in: {error}"),
            Unmapped::NoAnswer => "does not answer".to_owned(),
            Unmapped::NoRoom => "keeps too many entries of earlier invitations".to_owned(),
        };
        tracing::info!(%gateway, why, "no mapping");
        if reached.external.is_empty() {
            teller.say(&format!("Your router {why}. Who is in your own network can connect; others may not."));
        }
    }
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

/// The protocol, as the event names it.
const VIA: &str = "upnp";

fn open(paths: &Paths) -> Result<Mappings, StoreError> {
    Mappings::open(paths, gateways())
}

/// What goes wrong with gateways is no reason not to do what was asked for.
fn noted<T>(outcome: Result<T, StoreError>) -> Option<T> {
    outcome.inspect_err(|error| tracing::warn!(%error, "gateways cannot be asked")).ok()
}
