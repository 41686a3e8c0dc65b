use std::net::Ipv4Addr;
use std::time::Instant;

use ra_nat::{Lease, Transport};

use super::*;
use crate::pcp::server::{Fault as PcpFault, Server};
use crate::upnp::router::{Fault as UpnpFault, Router};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One network on loopback whose router speaks both.
fn both(pcp: PcpFault, upnp: UpnpFault, router: Option<IpAddr>) -> (Server, Router, Gateways) {
    let (server, router_of_upnp) = (Server::start(HERE, pcp), Router::start(upnp));
    let network = Network { interface: "lo".to_owned(), index: 1, local: HERE, router };
    let mut gateways = Gateways::new(move || vec![network.clone()], Zeroizing::new([7; 32]));
    gateways.pcp.port = server.address.port();
    gateways.upnp.everybody = router_of_upnp.searches_go_to;
    gateways.upnp.trusted = vec![HERE];
    (server, router_of_upnp, gateways)
}

fn ask() -> Ask {
    let lease = Lease::For(Duration::from_secs(600));
    Ask { transport: Transport::Tcp, internal: (Ipv4Addr::LOCALHOST, 3389).into(), external_port: 50_000, lease }
}

#[test]
fn r006_a_router_that_speaks_both_is_asked_by_pcp_and_nobody_waits_for_the_rest() {
    // The other one would take four seconds to be silent.
    let (server, _router, gateways) = both(PcpFault::None, UpnpFault::SlowDescription, Some(HERE));
    let begun = Instant::now();
    let [gateway] = &gateways.gateways().unwrap()[..] else { panic!("one network, one gateway") };
    assert!(begun.elapsed() < SEARCH, "took {:?}", begun.elapsed());
    assert_eq!(gateway.id.protocol(), Some(MappedBy::Pcp));
    assert_eq!(gateways.add(&gateway.id, &ask()).unwrap().external_port, 50_000);
    assert_eq!(server.entries().len(), 1);
    assert!(gateways.look(&gateway.id).is_ok());
    assert_eq!(gateways.delete(&gateway.id, &ask()), Ok(()));
    assert!(server.entries().is_empty());
}

#[test]
fn r006_one_that_is_silent_in_pcp_is_asked_by_upnp() {
    for (fault, router) in [(PcpFault::Silent, Some(HERE)), (PcpFault::None, None)] {
        let (server, upnp, gateways) = both(fault, UpnpFault::None, router);
        let [gateway] = &gateways.gateways().unwrap()[..] else { panic!("one network, one gateway") };
        assert_eq!(gateway.id.protocol(), Some(MappedBy::Upnp), "{fault:?}");
        assert!(gateways.add(&gateway.id, &ask()).is_ok());
        assert_eq!((upnp.ports(), server.entries().len()), (vec![50_000], 0));
    }
}

#[test]
fn s016_two_gateways_on_two_networks_are_both_found() {
    let (server, _router, mut gateways) = both(PcpFault::None, UpnpFault::None, Some(HERE));
    let network = |local: [u8; 4], router: Option<IpAddr>| Network {
        interface: "lo".to_owned(),
        index: 1,
        local: local.into(),
        router,
    };
    let networks = vec![network([127, 0, 0, 2], None), network([127, 0, 0, 1], Some(HERE))];
    gateways.networks = Arc::new(move || networks.clone());
    let found = gateways.gateways().unwrap();
    let protocols: Vec<_> = found.iter().map(|gateway| (gateway.local, gateway.id.protocol().unwrap())).collect();
    let expected = [([127, 0, 0, 2].into(), MappedBy::Upnp), (HERE, MappedBy::Pcp)];
    assert_eq!(protocols, expected, "in the order of the networks");
    assert_eq!(server.entries().len(), 0, "a search maps nothing");
}

#[test]
fn r007_a_network_that_no_route_leaves_through_is_not_searched_for_long() {
    let (_server, _router, gateways) = both(PcpFault::None, UpnpFault::SlowDescription, None);
    let begun = Instant::now();
    assert_eq!(gateways.gateways(), Ok(Vec::new()));
    assert!(begun.elapsed() >= SEARCH_WITHOUT_ROUTER && begun.elapsed() < SEARCH, "took {:?}", begun.elapsed());
    let nothing = Gateways::new(Vec::new, Zeroizing::new([7; 32]));
    let begun = Instant::now();
    assert_eq!(nothing.gateways(), Ok(Vec::new()), "no network, no search");
    assert!(begun.elapsed() < SEARCH_WITHOUT_ROUTER);
}
