//! The gateways of this computer's networks: the one place in the program that knows any.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ra_gateways::{Gateways, Network};
use ra_nat::{AddressClass, GatewayId, MappedBy, Mapper, NoGateway, Transport, is_public};
use ra_novice::mappings::{self, CREATION, FAREWELL, Mappings, Moved, Reached, Unmapped, Wanted};
use ra_novice::settings::Paths;
use ra_novice::store::StoreError;
use serde_json::json;

use crate::tell::Teller;

/// How gateways are found and asked: by PCP, NAT-PMP and UPnP, on every network that may have one.
pub(crate) fn gateways(paths: &Paths) -> Arc<dyn Mapper> {
    let kept = mappings::secret(paths).or_else(|error| {
        tracing::debug!(%error, "what is mapped by PCP is mapped for this run");
        mappings::random_secret()
    });
    match kept {
        Ok(secret) => {
            Arc::new(Gateways::new(|| networks().into_iter().filter(Network::may_have_a_gateway).collect(), secret))
        }
        Err(error) => {
            tracing::warn!(%error, "gateways cannot be asked");
            Arc::new(NoGateway)
        }
    }
}

/// This computer's networks. Whoever has public addresses alone asks nobody, and does not wait for a search.
pub(crate) fn networks() -> Vec<Network> {
    let networks = Network::look().inspect_err(|error| tracing::warn!(%error, "the addresses are not known"));
    networks.unwrap_or_default()
}

/// Asks every gateway to send on what arrives for this computer; without one the invitation does without (R6, R7).
pub(crate) fn ask_gateways(paths: &Paths, listening: &[SocketAddr], life: Duration) -> Reached {
    if listening.iter().all(|addr| addr.ip().to_canonical().is_loopback()) {
        // Nobody but this computer is meant to come in.
        return Reached::default();
    }
    let wanted = Wanted { transport: Transport::Tcp, listeners: listening.to_vec(), life, external_port: None };
    let reached = open(paths).map(|mut mappings| mappings.reach(&wanted, crate::now(), CREATION));
    noted(reached).unwrap_or_default()
}

/// Asks every gateway to send on the datagrams that arrive for these sockets.
#[cfg(feature = "p2p")]
pub(crate) fn ask_gateways_for_udp(
    paths: &Paths,
    gateways: Arc<dyn Mapper>,
    sockets: &[SocketAddr],
    life: Duration,
) -> Reached {
    let v6 = |network: &Network| network.local.is_ipv6() && is_public(network.local);
    let networks = networks();
    let listeners = sockets.iter().flat_map(|socket| match socket {
        // A socket for IPv6 takes no IPv4 here, other than a listener of ours: so it is named with each of its addresses.
        SocketAddr::V6(at) if at.ip().is_unspecified() => {
            let own = networks.iter().filter(|network| v6(network)).map(|network| network.local);
            own.map(|local| SocketAddr::new(local, at.port())).collect()
        }
        one => vec![*one],
    });
    let wanted = Wanted { transport: Transport::Udp, listeners: listeners.collect(), life, external_port: None };
    let reached = Mappings::open(paths, gateways).map(|mut mappings| mappings.reach(&wanted, crate::now(), CREATION));
    noted(reached).unwrap_or_default()
}

/// Tells programs each address that a gateway gave, and people what it means for who is elsewhere.
pub(crate) fn tell(reached: &Reached, teller: &Teller) {
    for (external, gateway) in reached.external.iter().zip(&reached.gateways) {
        teller.event("mapped", json!({ "external": external.to_string(), "via": via(gateway) }));
        teller.say(&format!(
            "Your router sends {external} on to this computer, so it can be reached from elsewhere too."
        ));
    }
    if reached.searched && reached.external.is_empty() && reached.without.is_empty() && is_behind_nat(&networks()) {
        teller.say(
            "No router here sends anything on to this computer (UPnP, PCP). Who is in your own network can connect; others \
             may not: `novice-host doctor` says more.",
        );
    }
    for (gateway, why) in &reached.without {
        let why = in_words(*why);
        tracing::info!(%gateway, why, "no mapping");
        if reached.external.is_empty() {
            teller.say(&format!("Your router {why}. Who is in your own network can connect; others may not."));
        }
    }
}

/// True when none of this computer's addresses is one that an expert elsewhere could dial.
fn is_behind_nat(networks: &[Network]) -> bool {
    !networks.iter().any(|network| network.local.is_ipv4() && is_public(network.local))
}

/// Says that an address in an invitation leads here no longer.
pub(crate) fn tell_moved(moved: &Moved, teller: &Teller) {
    let (was, via) = (moved.was.to_string(), via(&moved.gateway));
    let stale = "The invitation that you sent names the old one";
    match moved.now {
        Ok(now) if now == moved.was => {
            teller.event("mapped", json!({ "external": was, "via": via }));
            teller.say(&format!("Your router sends {was} on to this computer again."));
        }
        Ok(now) => {
            teller.event("mapped", json!({ "external": now.to_string(), "via": via, "was": was }));
            teller.say(&format!(
                "Your router is reached at {now} now and no longer at {was}. {stale}: send a new one to who is elsewhere."
            ));
        }
        Err(why) => {
            teller.event("unmapped", json!({ "was": was, "via": via, "why": reason(why) }));
            teller.say(&format!("Your router {}. {stale}: who is elsewhere cannot connect now.", in_words(why)));
        }
    }
}

/// What follows "your router".
pub(crate) fn in_words(why: Unmapped) -> String {
    match why {
        Unmapped::NotPublic(class) => nowhere(class).to_owned(),
        Unmapped::No(error) => format!("lets nobody in: {error}"),
        Unmapped::NoAnswer => "does not answer".to_owned(),
        Unmapped::NoRoom => "keeps too many entries of earlier invitations".to_owned(),
    }
}

/// What an outside address that is not public means, after "your router".
pub(crate) const fn nowhere(class: AddressClass) -> &'static str {
    match class {
        AddressClass::Private => "stands behind another router, and nobody elsewhere can reach it",
        AddressClass::Shared => {
            "has an address that your provider shares among its customers, and nobody elsewhere can reach it"
        }
        AddressClass::Unspecified => "says that it has no connection to the Internet",
        _ => "says that it has an address which nobody on the Internet can have",
    }
}

/// The word for it in what programs read.
pub(crate) const fn reason(why: Unmapped) -> &'static str {
    match why {
        Unmapped::NotPublic(class) => class.name(),
        Unmapped::No(_) => "refused",
        Unmapped::NoAnswer => "no_answer",
        Unmapped::NoRoom => "no_room",
    }
}

/// The protocol that a gateway was asked in, as the event names it.
pub(crate) fn via(gateway: &GatewayId) -> &'static str {
    gateway.protocol().map_or("other", MappedBy::name)
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
    Mappings::open(paths, gateways(paths))
}

/// What goes wrong with gateways is no reason not to do what was asked for.
fn noted<T>(outcome: Result<T, StoreError>) -> Option<T> {
    outcome.inspect_err(|error| tracing::warn!(%error, "gateways cannot be asked")).ok()
}

#[cfg(test)]
mod tests {
    use ra_nat::MapError;

    use super::*;

    #[test]
    fn s084_each_kind_of_address_outside_has_a_sentence_that_says_what_it_means() {
        for (class, says) in [
            (AddressClass::Private, "behind another router"),
            (AddressClass::Shared, "provider shares"),
            (AddressClass::Unspecified, "no connection"),
            (AddressClass::Documentation, "nobody on the Internet can have"),
            (AddressClass::LinkLocal, "nobody on the Internet can have"),
        ] {
            let words = in_words(Unmapped::NotPublic(class));
            assert!(words.contains(says), "{class:?}: {words}");
        }
    }

    #[test]
    fn who_has_an_address_of_the_internet_is_behind_nothing() {
        let network = |local: &str| Network {
            interface: "eth0".to_owned(),
            index: 2,
            local: local.parse().unwrap(),
            router: None,
        };
        assert!(is_behind_nat(&[network("192.168.1.5"), network("2a00::5")]));
        assert!(!is_behind_nat(&[network("192.168.1.5"), network("11.0.0.5")]));
    }

    #[test]
    fn programs_read_the_protocol_and_the_reason() {
        let gateway = |name| GatewayId::new(name).unwrap();
        assert_eq!(via(&gateway("nat-pmp 10.0.0.1 from 10.0.0.5")), "nat-pmp");
        assert_eq!(via(&gateway("upnp 10.0.0.1 from 10.0.0.5")), "upnp");
        assert_eq!(via(&gateway("somebody")), "other");
        let reasons = [Unmapped::NotPublic(AddressClass::Shared), Unmapped::No(MapError::Conflict), Unmapped::NoAnswer];
        assert_eq!(reasons.map(reason), ["shared", "refused", "no_answer"]);
    }
}
