//! Gateways that choose the outside port themselves (PCP), and gateways that are elsewhere all of a sudden.

use super::*;

const PCP: &str = "pcp 192.168.1.1 from 192.168.1.5";

#[test]
fn r006_where_the_gateway_chooses_the_port_that_one_is_listed_renewed_and_removed() {
    let mut place = Place::new();
    place.network.install(PCP, "192.168.1.5", "11.0.0.1");
    place.network.set_fault(PCP, Fault::Taken(1));
    let (ticket, reached) = place.invite(HOUR);
    let [entry] = place.network.table(PCP)[..] else { panic!("one mapping") };
    assert_ne!(place.network.asked(PCP)[0].external_port, entry.ask.external_port, "it chose another");
    assert_eq!(reached.external, [SocketAddr::from(([11, 0, 0, 1], entry.ask.external_port))]);
    assert_eq!(place.rows()[0].mapping.external_port, entry.ask.external_port);
    place.pass(Duration::from_secs(1800));
    place.settle();
    assert_eq!(only(&place.network.table(PCP)).external_port, entry.ask.external_port);
    place.end(&ticket);
    place.settle();
    assert!(place.network.table(PCP).is_empty() && place.rows().is_empty());
}

#[test]
fn r074_a_gateway_that_says_its_address_with_the_mapping_only_takes_back_what_leads_nowhere() {
    let place = Place::new();
    place.network.install(PCP, "192.168.1.5", "11.0.0.1");
    place.network.set_fault(PCP, Fault::SaysLater);
    assert_eq!(place.reach(HOUR).external[0].ip(), IpAddr::from([11, 0, 0, 1]));
    let place = Place::new();
    place.network.install(PCP, "192.168.1.5", "100.64.0.9");
    place.network.set_fault(PCP, Fault::SaysLater);
    let reached = place.reach(HOUR);
    assert!(reached.external.is_empty() && reached.mappings.is_empty());
    assert_eq!(reached.without[0].1, Unmapped::NotPublic(AddressClass::Shared));
    assert!(place.network.table(PCP).is_empty() && place.rows().is_empty(), "it was asked, and gave it back");
}

#[test]
fn a_firewall_without_nat_is_opened_for_an_address_of_this_computer() {
    let id = "pcp fe80::1%eth0 from 2001:db8::5";
    let place = Place::new();
    place.network.install(id, "2001:db8::5", "2001:db8::5");
    let reached = place.reach(HOUR);
    assert_eq!(reached.external.len(), 1);
    assert_eq!(reached.external[0].ip(), "2001:db8::5".parse::<IpAddr>().unwrap());
    let place = Place::new();
    place.network.install(id, "2001:db8::5", "2001:db8::77");
    assert_eq!(place.reach(HOUR).without[0].1, Unmapped::NotPublic(AddressClass::Documentation));
}

#[test]
fn r062_an_earlier_row_for_the_same_inside_does_not_take_the_new_mapping_with_it() {
    let mut place = Place::new();
    place.network.install(PCP, "192.168.1.5", "11.0.0.1");
    // The first one is asked for, made, and nobody here knows it.
    place.network.set_fault(PCP, Fault::AnswerLost);
    assert!(place.reach(HOUR).external.is_empty());
    place.network.set_fault(PCP, Fault::None);
    let first = only(&place.network.table(PCP)).external_port;
    let (ticket, reached) = place.invite(HOUR);
    assert_eq!(reached.external[0].port(), first, "the gateway has kept it");
    place.pass(2 * HELD_FOR);
    place.settle();
    assert_eq!(only(&place.network.table(PCP)).external_port, first, "and keeps it while a ticket needs it");
    place.end(&ticket);
    place.settle();
    assert!(place.network.table(PCP).is_empty() && place.rows().is_empty());
}

/// What a keeper tells, for as long as it lives.
fn keeper_that_tells(place: &Place) -> (MappingKeeper, std::sync::mpsc::Receiver<Moved>, Arc<Mutex<UnixTime>>) {
    let (time, clock) = clock_of(place);
    let (sender, told) = std::sync::mpsc::channel();
    let tell = move |moved: &Moved| drop(sender.send(moved.clone()));
    let keeper = MappingKeeper::start_telling(&place.paths, Arc::new(place.network.clone()), clock, tell).unwrap();
    (keeper, told, time)
}

#[test]
fn r072_an_address_that_changes_while_a_ticket_is_open_is_noticed_within_a_minute_and_told() {
    let mut place = Place::with_gateway();
    let (_, reached) = place.invite(2 * HOUR);
    let (keeper, told, time) = keeper_that_tells(&place);
    // It looks at once, and later again.
    place.network.restart("router", "11.0.0.99");
    place.pass(Duration::from_secs(61));
    *time.lock().unwrap() = place.now;
    keeper.wake();
    let moved = told.recv_timeout(SOON).unwrap();
    let port = reached.external[0].port();
    assert_eq!((moved.was, moved.now), (reached.external[0], Ok(SocketAddr::from(([11, 0, 0, 99], port)))));
    assert_eq!(only(&place.network.table("router")).external_port, port, "it is mapped there again");
    place.network.restart("router", "100.64.1.1");
    place.pass(Duration::from_secs(61));
    *time.lock().unwrap() = place.now;
    keeper.wake();
    let moved = told.recv_timeout(SOON).unwrap();
    let address = SocketAddr::from(([11, 0, 0, 99], port));
    assert_eq!((moved.was, moved.now), (address, Err(Unmapped::NotPublic(AddressClass::Shared))));
    // An outage is over, and the file is as good as it was.
    place.network.restart("router", "11.0.0.99");
    place.pass(Duration::from_secs(61));
    *time.lock().unwrap() = place.now;
    keeper.wake();
    let moved = told.recv_timeout(SOON).unwrap();
    assert_eq!((moved.was, moved.now), (address, Ok(address)), "it is back");
    drop(keeper);
    // For the invitation and for each change; once more where a look was under way when it changed.
    let asked = place.network.asked("router").len();
    assert!((4..10).contains(&asked), "it is not asked without end: {asked}");
}

#[test]
fn r072_a_gateway_that_has_lost_its_memory_gets_its_mapping_again_within_a_minute() {
    let mut place = Place::with_gateway();
    place.invite(2 * HOUR);
    place.pass(Duration::from_secs(10));
    let (keeper, _told, time) = keeper_that_tells(&place);
    assert!(place.network.wait_for_looks("router", 2, SOON), "one for the invitation, one of the keeper");
    place.network.restart("router", "11.0.0.1");
    assert!(place.network.table("router").is_empty());
    place.pass(Duration::from_secs(61));
    *time.lock().unwrap() = place.now;
    keeper.wake();
    assert!(place.network.wait_for("router", SOON, |table| table.len() == 1));
}
