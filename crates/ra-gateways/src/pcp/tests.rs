use std::net::Ipv6Addr;

use super::server::{Fault, Server, UP_FOR};
use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HERE_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn network(local: IpAddr) -> Network {
    Network { interface: "lo".to_owned(), index: 1, local, router: Some(local) }
}

fn mapper(server: &Server, secret: u8) -> Pcp {
    let local = server.address.ip();
    let mut pcp = Pcp::new(move || vec![network(local)], Zeroizing::new([secret; 32]));
    pcp.port = server.address.port();
    pcp
}

/// A router with this fault, and the name that it is found by.
fn found(local: IpAddr, fault: Fault) -> (Server, Pcp, GatewayId) {
    let server = Server::start(local, fault);
    let mapper = mapper(&server, 7);
    let [gateway] = &mapper.gateways().unwrap()[..] else { panic!("{fault:?}") };
    assert_eq!(gateway.local, local);
    (server, mapper, gateway.id.clone())
}

fn ask(external_port: u16) -> Ask {
    let lease = Lease::For(Duration::from_secs(600));
    Ask { transport: Transport::Tcp, internal: (Ipv4Addr::LOCALHOST, 3389).into(), external_port, lease }
}

#[test]
fn s017_a_router_that_speaks_pcp_gives_its_address_and_a_port_and_takes_them_back() {
    let (server, mapper, id) = found(HERE, Fault::None);
    assert_eq!(id.as_str(), "pcp 127.0.0.1 from 127.0.0.1");
    let outside = Some(IpAddr::V4(server.external));
    assert_eq!(mapper.look(&id), Ok(Seen { external: outside, up_for: Some(UP_FOR) }));
    let granted = Granted { external: outside, ..ask(50_000).granted() };
    assert_eq!(mapper.add(&id, &ask(50_000)), Ok(granted));
    assert_eq!(mapper.renew(&id, &ask(50_000)), Ok(granted));
    let [(3389, 50_000, 600, Some(_))] = server.entries()[..] else { panic!("{:?}", server.entries()) };
    assert_eq!(mapper.delete(&id, &ask(50_000)), Ok(()));
    assert!(server.entries().is_empty());
    assert_eq!(mapper.delete(&id, &ask(50_000)), Ok(()), "as good as gone");
}

#[test]
fn one_that_knows_nat_pmp_only_is_asked_in_that() {
    let (server, mapper, id) = found(HERE, Fault::NatPmpOnly);
    assert_eq!(id.protocol(), Some(MappedBy::NatPmp));
    let outside = Some(IpAddr::V4(server.external));
    assert_eq!(mapper.look(&id), Ok(Seen { external: outside, up_for: Some(UP_FOR) }));
    assert_eq!(mapper.add(&id, &ask(50_000)), Ok(ask(50_000).granted()));
    assert_eq!(server.entries(), [(3389, 50_000, 600, None)]);
    assert_eq!(mapper.delete(&id, &ask(50_000)), Ok(()));
    assert!(server.entries().is_empty());
}

#[test]
fn one_that_knows_pcp_only_says_its_address_with_the_mapping() {
    let (server, mapper, id) = found(HERE, Fault::PcpOnly);
    assert_eq!(id.protocol(), Some(MappedBy::Pcp));
    assert_eq!(mapper.look(&id), Ok(Seen { external: None, up_for: Some(UP_FOR) }));
    assert_eq!(mapper.add(&id, &ask(50_000)).unwrap().external, Some(IpAddr::V4(server.external)));
}

#[test]
fn the_firewall_is_opened_for_an_address_of_ipv6() {
    if std::net::UdpSocket::bind((HERE_6, 0)).is_err() {
        eprintln!("SKIPPED: this system has no IPv6");
        return;
    }
    let server = Server::start(HERE_6, Fault::None);
    let mapper = mapper(&server, 7);
    let [gateway] = &mapper.gateways().unwrap()[..] else { panic!("not found") };
    assert_eq!(gateway.id.as_str(), "pcp ::1 from ::1");
    assert_eq!(mapper.look(&gateway.id), Ok(Seen { external: Some(HERE_6), up_for: Some(UP_FOR) }));
    let ask = Ask { internal: (Ipv6Addr::LOCALHOST, 3389).into(), ..ask(3389) };
    let granted = Granted { external: Some(HERE_6), ..ask.granted() };
    assert_eq!(mapper.add(&gateway.id, &ask), Ok(granted), "nothing is translated");
    assert_eq!(mapper.delete(&gateway.id, &ask), Ok(()));
}

#[test]
fn what_it_gives_is_what_counts_and_its_no_is_a_no() {
    let (server, mapper, id) = found(HERE, Fault::OwnPort);
    assert_eq!(mapper.add(&id, &ask(50_000)).unwrap().external_port, 40_000);
    assert_eq!(mapper.delete(&id, &ask(50_000)), Ok(()), "the inside names it");
    assert!(server.entries().is_empty());
    let (_server, mapper, id) = found(HERE, Fault::LongLease);
    assert_eq!(mapper.add(&id, &ask(50_000)).unwrap().lease, Lease::For(Duration::from_secs(86_400)));
    for fault in [Fault::Refuses, Fault::NoLease] {
        let (_server, mapper, id) = found(HERE, fault);
        assert_eq!(mapper.add(&id, &ask(50_000)), Err(MapError::Refused), "{fault:?}");
    }
    let (_server, mapper, id) = found(HERE, Fault::NoAddress);
    assert_eq!(mapper.look(&id).unwrap().external, Some(Ipv4Addr::UNSPECIFIED.into()));
    let permanent = Ask { lease: Lease::Permanent, ..ask(50_000) };
    assert_eq!(mapper.add(&id, &permanent), Err(MapError::Refused));
}

#[test]
fn lost_datagrams_and_those_of_others_change_nothing() {
    for fault in [Fault::DeafAtFirst, Fault::Chatty] {
        let (server, mapper, id) = found(HERE, fault);
        assert_eq!(mapper.add(&id, &ask(50_000)).unwrap().external_port, 50_000, "{fault:?}");
        assert_eq!(server.entries().len(), 1, "{fault:?}");
        assert!(mapper.look(&id).is_ok(), "{fault:?}");
    }
}

#[test]
fn r007_silence_and_a_closed_port_are_no_gateway_and_no_long_wait() {
    let server = Server::start(HERE, Fault::Silent);
    let before = std::time::Instant::now();
    assert_eq!(mapper(&server, 7).gateways(), Ok(Vec::new()));
    assert!(before.elapsed() >= Duration::from_millis(750), "it was asked three times");
    assert!(before.elapsed() < GIVEN_UP);
    let id = GatewayId::new("pcp 127.0.0.1 from 127.0.0.1").unwrap();
    assert_eq!(mapper(&server, 7).add(&id, &ask(50_000)), Err(MapError::Unreachable), "who knows what it did");
    // Bound, so that nobody else has it, and it hears somebody else only: a datagram there is refused at once.
    let closed = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    closed.connect((Ipv4Addr::LOCALHOST, 1)).unwrap();
    let mut nobody = mapper(&server, 7);
    nobody.port = closed.local_addr().unwrap().port();
    let before = std::time::Instant::now();
    assert_eq!(nobody.gateways(), Ok(Vec::new()));
    assert!(before.elapsed() < Duration::from_millis(750), "it is not asked three times");
}

#[test]
fn r062_a_later_run_removes_what_an_earlier_one_made_and_nobody_else_does() {
    let (server, first, id) = found(HERE, Fault::None);
    assert!(first.add(&id, &ask(50_000)).is_ok());
    let stranger = mapper(&server, 8);
    assert_eq!(stranger.delete(&id, &ask(50_000)), Err(MapError::Refused), "it knows another secret");
    assert_eq!(server.entries().len(), 1);
    let later = mapper(&server, 7);
    assert_eq!(later.delete(&id, &ask(50_000)), Ok(()));
    assert!(server.entries().is_empty());
}

#[test]
fn names_that_say_no_gateway_are_not_asked() {
    let server = Server::start(HERE, Fault::None);
    let mapper = mapper(&server, 7);
    for name in [
        "pcp",
        "pcp 127.0.0.1",
        "pcp 127.0.0.1 from",
        "pcp 127.0.0.1 from ::1",
        "pcp 127.0.0.1 from 127.0.0.1 and more",
        "pcp fe80::1%gone from ::1",
        "pcp router from 127.0.0.1",
        "upnp 127.0.0.1 from 127.0.0.1",
        // An address that this computer does not have.
        "pcp 127.0.0.1 from 192.0.2.1",
    ] {
        let id = GatewayId::new(name).unwrap();
        assert_eq!(mapper.add(&id, &ask(50_000)), Err(MapError::Unreachable), "{name}");
    }
}

#[test]
fn udp_is_asked_for_as_udp_and_what_makes_it_ours_is_another_secret() {
    let (server, mapper, id) = found(HERE, Fault::None);
    let udp = Ask { transport: Transport::Udp, ..ask(50_000) };
    assert_eq!(mapper.add(&id, &udp).map(|granted| granted.external_port), Ok(50_000));
    let [(3389, 50_000, 600, Some(nonce))] = server.entries()[..] else { panic!("{:?}", server.entries()) };
    assert_eq!(mapper.delete(&id, &udp), Ok(()));
    assert_eq!(mapper.add(&id, &ask(50_000)).map(|granted| granted.external_port), Ok(50_000));
    assert_ne!(server.entries()[0].3, Some(nonce));
    let (server, mapper, id) = found(HERE, Fault::NatPmpOnly);
    assert_eq!(mapper.add(&id, &udp), Ok(udp.granted()));
    assert_eq!(mapper.delete(&id, &udp), Ok(()));
    assert!(server.entries().is_empty());
}
