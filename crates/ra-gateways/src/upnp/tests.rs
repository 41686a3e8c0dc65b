use std::time::Instant;

use super::router::{Fault, Router};
use super::*;

fn mapper(router: &Router) -> Upnp {
    let trusted = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    Upnp { everybody: router.searches_go_to, trusted, ..Upnp::new(|| vec![Ipv4Addr::LOCALHOST]) }
}

/// A router with this fault, and the name that it is found by.
fn found(fault: Fault) -> (Router, Upnp, GatewayId) {
    let router = Router::start(fault);
    let mapper = mapper(&router);
    let mut gateways = mapper.gateways().unwrap();
    assert_eq!(gateways.len(), 1, "{fault:?}");
    let gateway = gateways.remove(0);
    assert_eq!(gateway.local, IpAddr::V4(Ipv4Addr::LOCALHOST));
    (router, mapper, gateway.id)
}

fn ask(external_port: u16) -> Ask {
    Ask { transport: Transport::Tcp, internal: "127.0.0.1:3389".parse().unwrap(), external_port, lease: TEN_MINUTES }
}

const TEN_MINUTES: Lease = Lease::For(Duration::from_secs(600));

#[test]
fn r006_a_router_is_found_asked_and_left_as_it_was() {
    let (router, mapper, id) = found(Fault::None);
    assert_eq!(mapper.look(&id).unwrap().external, Some("11.0.0.1".parse().unwrap()));
    assert_eq!(mapper.add(&id, &ask(50_000)), Ok(ask(50_000).granted()));
    assert_eq!(*router.table.lock().unwrap(), [(50_000, "127.0.0.1".to_owned(), 3389, 600)]);
    assert_eq!(mapper.renew(&id, &ask(50_000)), Ok(ask(50_000).granted()));
    assert_eq!(router.ports(), [50_000]);
    assert_eq!(mapper.delete(&id, &ask(50_000)), Ok(()));
    assert_eq!(mapper.delete(&id, &ask(50_000)), Err(MapError::NoSuchMapping));
    assert!(router.ports().is_empty());
}

#[test]
fn r073_what_belongs_to_another_computer_is_neither_taken_over_nor_removed() {
    let (router, mapper, id) = found(Fault::None);
    router.table.lock().unwrap().push((3389, "192.168.1.77".to_owned(), 3389, 0));
    assert_eq!(mapper.add(&id, &ask(3389)), Err(MapError::Conflict));
    assert_eq!(mapper.delete(&id, &ask(3389)), Err(MapError::NoSuchMapping));
    assert_eq!(router.ports(), [3389]);
    // Also where it does not say whose it is.
    let (router, mapper, id) = found(Fault::Secretive);
    router.table.lock().unwrap().push((3389, "192.168.1.77".to_owned(), 3389, 0));
    assert_eq!(mapper.add(&id, &ask(3389)), Err(MapError::Conflict));
    assert_eq!(mapper.add(&id, &ask(50_000)), Ok(ask(50_000).granted()));
    assert_eq!(mapper.delete(&id, &ask(50_000)), Ok(()));
}

#[test]
fn what_a_router_cannot_do_is_told_apart() {
    for (fault, error) in [
        (Fault::PermanentOnly, MapError::OnlyPermanent),
        (Fault::SamePortOnly, MapError::SamePortOnly),
        (Fault::Refuses, MapError::Refused),
        (Fault::Lies, MapError::Refused),
        (Fault::Gibberish, MapError::Unreachable),
    ] {
        let (router, mapper, id) = found(fault);
        assert_eq!(mapper.add(&id, &ask(50_000)), Err(error), "{fault:?}");
        assert!(router.ports().is_empty(), "{fault:?}");
    }
    let (_router, mapper, id) = found(Fault::PermanentOnly);
    let permanent = Ask { lease: Lease::Permanent, ..ask(50_000) };
    assert_eq!(mapper.add(&id, &permanent), Ok(permanent.granted()));
    let (_router, mapper, id) = found(Fault::Gibberish);
    assert!(mapper.look(&id).is_err());
}

#[test]
fn a_router_that_says_it_has_no_connection_has_no_address_either() {
    let (_router, mapper, id) = found(Fault::Disconnected);
    assert_eq!(mapper.look(&id).unwrap().external, Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let (_router, mapper, id) = found(Fault::None);
    assert_eq!(mapper.look(&id).unwrap().up_for, Some(Duration::from_secs(77)));
    for fault in [Fault::ZeroAddress, Fault::NoAddress] {
        let (_router, mapper, id) = found(fault);
        assert_eq!(mapper.look(&id).unwrap().external, Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), "{fault:?}");
    }
}

#[test]
fn a_description_that_is_huge_deep_or_slow_is_ignored_in_time() {
    // Each takes the time of a whole search.
    let searches =
        [Fault::HugeDescription, Fault::DeepDescription, Fault::SlowDescription, Fault::ElsewhereDescription].map(
            |fault| {
                std::thread::spawn(move || {
                    let router = Router::start(fault);
                    let before = Instant::now();
                    assert_eq!(mapper(&router).gateways(), Ok(Vec::new()), "{fault:?}");
                    assert!(
                        before.elapsed() < SEARCH + Duration::from_secs(3),
                        "{fault:?} took {:?}",
                        before.elapsed()
                    );
                })
            },
        );
    for search in searches {
        search.join().unwrap();
    }
}

#[test]
fn an_answer_without_an_end_is_cut_off() {
    let (_router, mapper, id) = found(Fault::EndlessAnswers);
    let before = Instant::now();
    assert!(mapper.look(&id).is_err());
    assert!(before.elapsed() < ra_nat::ANSWERED_WITHIN);
}

#[test]
fn a_search_that_was_lost_is_repeated() {
    let (_router, mapper, id) = found(Fault::DeafAtFirst);
    assert!(mapper.add(&id, &ask(50_000)).is_ok());
}

#[test]
fn a_router_that_hangs_is_given_up_in_time_and_searched_for_anew() {
    let (_router, mapper, id) = found(Fault::Hangs);
    let before = Instant::now();
    assert_eq!(mapper.add(&id, &ask(50_000)), Err(MapError::Unreachable));
    assert!(before.elapsed() < ra_nat::ANSWERED_WITHIN);
    assert!(mapper.held().is_empty());
}

#[test]
fn r062_a_gateway_of_an_earlier_run_is_found_by_its_name() {
    let (router, before, id) = found(Fault::None);
    assert!(before.add(&id, &ask(50_000)).is_ok());
    let later = mapper(&router);
    assert_eq!(later.delete(&id, &ask(50_000)), Ok(()));
    let unknown = GatewayId::new("upnp 127.0.0.9 from 127.0.0.1").unwrap();
    assert_eq!(later.delete(&unknown, &ask(50_000)), Err(MapError::Unreachable));
}

#[test]
fn r007_where_nobody_answers_there_is_no_gateway() {
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mapper = Upnp { everybody: silent.local_addr().unwrap(), ..Upnp::new(|| vec![Ipv4Addr::LOCALHOST]) };
    assert_eq!(mapper.gateways(), Ok(Vec::new()));
    assert_eq!(Upnp::new(Vec::new).gateways(), Ok(Vec::new()), "no address, no search");
}
