use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;

use proptest::prelude::*;
use ra_nat::fake::{Entry, FakeGateways, Fault};
use ra_nat::{AddressClass, Ask, Gateway, HELD_FOR, Lease, NoGateway, Stage, Transport};
use ra_session::invitations::{EndCause, Guard, Status, TicketId};
use ra_ticket::SessionId;
use zeroize::Zeroizing;

use super::*;
use crate::store::{TicketKind, TicketRow};

const T0: UnixTime = UnixTime(1_767_225_600);
/// For what happens at once; a loaded machine may take its time.
const SOON: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

fn at(seconds: u64) -> UnixTime {
    T0.after(Duration::from_secs(seconds))
}

/// One installation, the network around it, and the time on both.
struct Place {
    directory: tempfile::TempDir,
    paths: Paths,
    network: FakeGateways,
    now: UnixTime,
    made: u8,
}

impl Place {
    fn new() -> Self {
        // In memory where there is such a place: what a killed process leaves is the same there, and a busy disk that syncs
        // takes a hundred times as long.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let paths = paths_in(directory.path());
        let network = FakeGateways::new();
        network.set_time(T0);
        Self { directory, paths, network, now: T0, made: 0 }
    }

    fn with_gateway() -> Self {
        let place = Self::new();
        place.network.install("router", "192.168.1.5", "11.0.0.1");
        place
    }

    fn mappings(&self) -> Mappings {
        Mappings::open(&self.paths, Arc::new(self.network.clone())).unwrap()
    }

    fn store(&self) -> Store {
        Store::open(&self.paths.store()).unwrap()
    }

    fn rows(&self) -> Vec<MappingRow> {
        self.store().mappings(self.now).unwrap()
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.network.set_time(self.now);
    }

    /// What a host or a command does now.
    fn settle(&self) {
        self.mappings().settle(self.now, SOON).unwrap();
    }

    fn reach(&self, life: Duration) -> Reached {
        self.mappings().reach(&wanted(life), self.now, SOON)
    }

    /// Asks the gateways and makes the ticket.
    fn invite(&mut self, life: Duration) -> (TicketId, Reached) {
        let reached = self.reach(life);
        (self.insert(life, &reached.mappings), reached)
    }

    fn insert(&mut self, life: Duration, mappings: &[MappingKey]) -> TicketId {
        let mut row = ticket(self.made, self.now, life);
        self.made += 1;
        self.store().insert_mapped(&mut row, mappings).unwrap();
        row.id
    }

    fn end(&self, ticket: &TicketId) {
        assert!(self.store().end(ticket, EndCause::Owner, self.now).unwrap());
    }
}

fn paths_in(directory: &Path) -> Paths {
    let state = directory.as_os_str().to_owned();
    let variable = |name: &str| matches!(name, "RA_STATE_DIR" | "RA_CONFIG_DIR").then(|| state.clone());
    Paths::resolve(variable, false).unwrap()
}

fn wanted(life: Duration) -> Wanted {
    Wanted { transport: Transport::Tcp, listeners: vec!["[::]:3389".parse().unwrap()], life, external_port: None }
}

fn ticket(seed: u8, start: UnixTime, life: Duration) -> TicketRow {
    TicketRow {
        id: TicketId::parse(&format!("T{seed}")).unwrap(),
        session_id: SessionId::from_entropy(&[seed; 48]),
        name: "Kim".to_owned(),
        needs_password: true,
        challenge: Some(Zeroizing::new(vec![seed; 33])),
        pass_stub: None,
        start,
        length: life.as_secs(),
        kind: TicketKind::Both,
        view_only: false,
        owner: 0,
        helper: None,
        assistant: None,
        status: Status::Open,
        ended: None,
        file: None,
        endpoints: Vec::new(),
        guard: Guard::default(),
    }
}

fn nothing_found() -> Reached {
    Reached { searched: true, ..Reached::default() }
}

fn only(table: &[Entry]) -> Ask {
    assert_eq!(table.len(), 1, "{table:?}");
    table[0].ask
}

#[test]
fn s016_r006_every_gateway_on_every_interface_is_asked_and_gives_an_address_and_a_port() {
    let mut place = Place::new();
    place.network.install("first", "192.168.1.5", "11.0.0.1");
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    let (_, reached) = place.invite(HOUR);
    let (first, second) = (only(&place.network.table("first")), only(&place.network.table("second")));
    assert_eq!(first.internal, "192.168.1.5:3389".parse().unwrap(), "sends to our port on its network");
    assert_eq!(second.internal, "10.0.0.5:3389".parse().unwrap());
    let expected: Vec<std::net::SocketAddr> =
        vec![([11, 0, 0, 1], first.external_port).into(), ([11, 0, 0, 2], second.external_port).into()];
    assert_eq!(reached.external, expected);
    assert!(reached.without.is_empty());
    assert!(place.rows().iter().all(|row| row.mapping.stage == Stage::Made && row.used_until == Some(at(3600))));
}

#[test]
fn r006_each_listener_gets_a_mapping_and_loopback_none() {
    let place = Place::with_gateway();
    let listeners = ["0.0.0.0:3389", "[::]:4000", "127.0.0.1:5000"].map(|text| text.parse().unwrap()).to_vec();
    let wanted = Wanted { listeners, ..wanted(HOUR) };
    let reached = place.mappings().reach(&wanted, place.now, SOON);
    assert_eq!(reached.external.len(), 2);
    let mut ports: Vec<u16> = place.network.table("router").iter().map(|entry| entry.ask.internal.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [3389, 4000]);
}

/// A code's endpoint speaks UDP: its mapping is another than that of the same port for TCP, and goes with the ticket that uses it.
#[test]
fn r061_what_a_code_uses_is_mapped_for_udp_and_goes_with_its_ticket() {
    let mut place = Place::with_gateway();
    let (file, _) = place.invite(HOUR);
    let mut row = ticket(77, place.now, HOUR);
    place.store().insert(&mut row).unwrap();
    let udp = Wanted { transport: Transport::Udp, ..wanted(HOUR) };
    let reached = place.mappings().reach(&udp, place.now, SOON);
    assert!(place.store().use_mappings(&row.id, &reached.mappings).unwrap());
    let table = place.network.table("router");
    let transports: Vec<_> = table.iter().map(|entry| (entry.ask.transport, entry.ask.internal.port())).collect();
    assert_eq!(transports, [(Transport::Tcp, 3389), (Transport::Udp, 3389)]);
    assert_eq!(reached.external, [std::net::SocketAddr::from(([11, 0, 0, 1], table[1].ask.external_port))]);

    assert!(place.store().end(&row.id, EndCause::Owner, place.now).unwrap());
    assert!(!place.store().use_mappings(&row.id, &reached.mappings).unwrap(), "it has ended");
    place.mappings().settle(place.now, SOON).unwrap();
    assert_eq!(only(&place.network.table("router")).transport, Transport::Tcp, "the other ticket's stays");
    assert!(place.store().end(&file, EndCause::Owner, place.now).unwrap());
    place.mappings().settle(place.now, SOON).unwrap();
    assert!(place.network.table("router").is_empty());
}

#[test]
fn r007_without_a_gateway_and_with_one_that_fails_or_refuses_there_is_no_address_and_no_error() {
    let reached = Place::new().reach(HOUR);
    assert_eq!(reached, nothing_found());
    let place = Place::new();
    let none = Mappings::open(&place.paths, Arc::new(NoGateway)).unwrap().reach(&wanted(HOUR), place.now, SOON);
    assert_eq!(none, nothing_found());
    for (fault, why, rows) in [
        (Fault::Refuses, Unmapped::No(MapError::Refused), 0),
        (Fault::Unreachable, Unmapped::NoAnswer, 0),
        (Fault::Taken(100), Unmapped::No(MapError::Conflict), 0),
    ] {
        let place = Place::with_gateway();
        place.network.set_fault("router", fault);
        let reached = place.reach(HOUR);
        assert!(reached.external.is_empty() && reached.mappings.is_empty(), "{fault:?}");
        assert_eq!(reached.without.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [why], "{fault:?}");
        assert_eq!(place.rows().len(), rows, "{fault:?}: what a gateway said no to is not noted");
        assert!(place.network.table("router").is_empty());
    }
}

#[test]
fn r007_one_gateway_that_fails_does_not_take_the_other_s_address_away() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    place.network.set_fault("router", Fault::Refuses);
    let (_, reached) = place.invite(HOUR);
    assert_eq!(reached.external.len(), 1);
    assert_eq!(reached.external[0].ip(), IpAddr::from([11, 0, 0, 2]));
}

/// The gateway keeps silent for as long as the test wants, so only the deadline can end the wait.
#[test]
fn r007_a_silent_gateway_or_search_holds_an_invitation_no_longer_than_its_deadline() {
    let short = Duration::from_millis(300);
    let place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    place.network.set_fault("router", Fault::Silent);
    let begun = Instant::now();
    let reached = place.mappings().reach(&wanted(HOUR), place.now, short);
    assert!(begun.elapsed() >= short && begun.elapsed() < SOON);
    assert_eq!(reached.external.len(), 1, "the other one has answered meanwhile");
    assert_eq!(reached.without.len(), 1);
    assert_eq!(reached.without[0].1, Unmapped::NoAnswer);
    place.network.set_search_hangs(true);
    assert_eq!(place.mappings().reach(&wanted(HOUR), place.now, short), nothing_found());
    // Lets the threads go.
    place.network.set_search_hangs(false);
    place.network.set_fault("router", Fault::None);
}

#[test]
fn r007_no_more_gateways_are_asked_than_a_network_can_have() {
    let place = Place::new();
    for n in 0..20 {
        place.network.install(&format!("router {n}"), "192.168.1.5", "11.0.0.1");
    }
    assert_eq!(place.reach(HOUR).mappings.len(), ra_nat::MOST_GATEWAYS);
}

#[test]
fn r074_behind_a_second_gateway_nothing_is_listed_and_nothing_is_opened() {
    for (external, class) in [
        ("192.168.0.7", AddressClass::Private),
        ("10.1.1.1", AddressClass::Private),
        ("172.16.0.1", AddressClass::Private),
        ("100.64.0.9", AddressClass::Shared),
        ("127.0.0.1", AddressClass::Loopback),
        ("169.254.1.1", AddressClass::LinkLocal),
        ("0.0.0.0", AddressClass::Unspecified),
        ("192.0.2.1", AddressClass::Documentation),
    ] {
        let place = Place::new();
        place.network.install("router", "192.168.1.5", external);
        let reached = place.reach(HOUR);
        assert!(reached.external.is_empty(), "{external}");
        assert_eq!(reached.without[0].1, Unmapped::NotPublic(class), "{external}");
        assert!(place.network.asked("router").is_empty(), "{external}");
        assert!(place.rows().is_empty());
    }
}

#[test]
fn r072_the_lease_is_the_ticket_s_life_or_an_hour_and_is_renewed_at_half_time() {
    let mut place = Place::with_gateway();
    let (_, reached) = place.invite(2 * HOUR);
    assert_eq!(only(&place.network.table("router")).lease, Lease::For(HOUR));
    place.pass(Duration::from_secs(1799));
    place.settle();
    assert_eq!(place.network.asked("router").len(), 1, "not yet");
    place.pass(Duration::from_secs(1));
    place.settle();
    assert_eq!(place.network.asked("router").len(), 2);
    place.pass(Duration::from_secs(4000));
    place.settle();
    let renewed = only(&place.network.table("router"));
    assert_eq!(renewed.lease, Lease::For(Duration::from_secs(1400)), "what the ticket has left");
    assert_eq!(renewed.external_port, reached.external[0].port(), "at the port that the invitation names");
    place.pass(Duration::from_secs(1400));
    place.settle();
    assert!(place.network.table("router").is_empty() && place.rows().is_empty());
}

#[test]
fn r072_a_gateway_that_knows_permanent_mappings_only_gets_one_with_a_durable_note() {
    let mut place = Place::with_gateway();
    place.network.set_fault("router", Fault::OnlyPermanent);
    let (ticket, reached) = place.invite(HOUR);
    assert_eq!(reached.external.len(), 1);
    assert_eq!(only(&place.network.table("router")).lease, Lease::Permanent);
    // The program is gone for a year, and the gateway has not forgotten it: neither has the table.
    place.pass(HOUR * 24 * 365);
    assert_eq!(place.network.table("router").len(), 1);
    assert_eq!(place.rows()[0].mapping.gone_by, None);
    assert!(!place.store().end(&ticket, EndCause::Owner, place.now).unwrap(), "expired long ago");
    place.settle();
    assert!(place.network.table("router").is_empty() && place.rows().is_empty());
}

#[test]
fn r072_a_gateway_that_was_restarted_gets_its_mapping_again() {
    let mut place = Place::with_gateway();
    let (_, reached) = place.invite(HOUR);
    place.network.restart("router", "11.0.0.99");
    place.pass(Duration::from_secs(1800));
    place.settle();
    assert_eq!(only(&place.network.table("router")).external_port, reached.external[0].port());
    assert_eq!(place.rows()[0].mapping.external, IpAddr::from([11, 0, 0, 99]), "its new address is noted");
}

#[test]
fn r072_a_port_that_went_to_somebody_else_is_left_to_them() {
    let mut place = Place::with_gateway();
    let (ticket, reached) = place.invite(HOUR);
    place.network.restart("router", "11.0.0.1");
    place.network.give_away("router", reached.external[0].port());
    place.pass(Duration::from_secs(1800));
    place.settle();
    assert_eq!(place.rows().len(), 1, "it may become free again");
    let (other, again) = place.invite(HOUR);
    assert_ne!(again.external, reached.external, "a new invitation lists another port");
    for ticket in [ticket, other] {
        place.end(&ticket);
    }
    place.pass(HELD_FOR);
    place.settle();
    assert!(place.rows().is_empty());
    assert_eq!(place.network.table("router").len(), 1, "theirs is not removed");
}

#[test]
fn r072_a_gateway_that_renews_nothing_gets_the_mapping_again_when_its_lease_is_over() {
    let mut place = Place::with_gateway();
    place.invite(2 * HOUR);
    place.pass(Duration::from_secs(1800));
    place.network.set_fault("router", Fault::Taken(1));
    place.settle();
    assert_eq!((place.network.table("router").len(), place.rows().len()), (1, 1), "still there, and still noted");
    place.pass(Duration::from_secs(1800));
    assert!(place.network.table("router").is_empty());
    place.settle();
    assert_eq!(place.network.table("router").len(), 1);
}

#[test]
fn r073_a_taken_port_is_followed_by_another_and_the_fifth_other_one_still_counts() {
    let place = Place::with_gateway();
    place.network.set_fault("router", Fault::Taken(5));
    let reached = place.reach(HOUR);
    let asked: Vec<u16> = place.network.asked("router").iter().map(|ask| ask.external_port).collect();
    assert_eq!(asked.len(), 6);
    assert!(asked.iter().all(|port| *port >= 49152));
    assert_eq!(reached.external[0].port(), asked[5]);
    assert_eq!(place.rows()[0].mapping.external_port, asked[5]);
    let place = Place::with_gateway();
    place.network.set_fault("router", Fault::Taken(6));
    assert!(place.reach(HOUR).external.is_empty());
    assert_eq!(place.network.asked("router").len(), 6);
}

#[test]
fn r007_a_gateway_that_wants_a_port_which_an_earlier_row_holds_does_not_take_the_others_with_it() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    place.network.set_fault("router", Fault::Unreachable);
    // Nobody knows what became of it.
    let wanted = Wanted { external_port: Some(3389), ..wanted(HOUR) };
    assert_eq!(place.mappings().reach(&wanted, place.now, SOON).external.len(), 1);
    place.network.set_fault("router", Fault::AnswerLost);
    assert_eq!(place.mappings().reach(&wanted, place.now, SOON).external.len(), 1);
    place.network.set_fault("router", Fault::SamePortOnly);
    let reached = place.reach(HOUR);
    assert_eq!(reached.external.len(), 1, "of the second one");
    assert_eq!(reached.without, [(GatewayId::new("router").unwrap(), Unmapped::NoRoom)]);
    place.pass(HELD_FOR);
    place.settle();
    assert!(place.rows().is_empty());
    assert_eq!(place.reach(HOUR).external.len(), 2, "it is settled now");
}

#[test]
fn r073_a_port_that_is_asked_for_is_tried_first() {
    let place = Place::with_gateway();
    let wanted = Wanted { external_port: Some(3389), ..wanted(HOUR) };
    assert_eq!(place.mappings().reach(&wanted, place.now, SOON).external[0].port(), 3389);
    let place = Place::with_gateway();
    place.network.give_away("router", 3389);
    assert!(place.mappings().reach(&wanted, place.now, SOON).external[0].port() >= 49152);
}

#[test]
fn r061_a_mapping_is_shared_and_goes_at_once_with_the_last_ticket_that_uses_it() {
    let mut place = Place::with_gateway();
    let (one, first) = place.invite(HOUR);
    let (other, second) = place.invite(HOUR);
    assert_eq!(first, second, "one port, one mapping");
    place.end(&one);
    place.settle();
    assert_eq!(place.network.table("router").len(), 1, "the other one still uses it");
    place.end(&other);
    place.settle();
    assert!(place.network.table("router").is_empty() && place.rows().is_empty());
}

#[test]
fn r061_the_mapping_of_another_port_stays() {
    let mut place = Place::with_gateway();
    let (one, _) = place.invite(HOUR);
    let other = Wanted { listeners: vec!["[::]:4000".parse().unwrap()], ..wanted(HOUR) };
    let reached = place.mappings().reach(&other, place.now, SOON);
    place.insert(HOUR, &reached.mappings);
    place.end(&one);
    place.pass(HELD_FOR);
    place.settle();
    assert_eq!(only(&place.network.table("router")).internal.port(), 4000);
}

#[test]
fn s059_r059_when_no_ticket_is_open_every_mapping_at_every_gateway_is_removed() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    place.network.set_fault("second", Fault::OnlyPermanent);
    place.invite(HOUR);
    place.invite(2 * HOUR);
    place.pass(HELD_FOR);
    place.store().end_all(EndCause::Owner, place.now).unwrap();
    assert_eq!(place.network.table("router").len() + place.network.table("second").len(), 2);
    place.settle();
    assert!(place.network.table("router").is_empty() && place.network.table("second").is_empty());
    assert!(place.rows().is_empty());
}

#[test]
fn r059_with_the_last_ticket_that_runs_out_too() {
    let mut place = Place::with_gateway();
    place.network.set_fault("router", Fault::OnlyPermanent);
    place.invite(Duration::from_secs(60));
    place.pass(Duration::from_secs(59));
    place.settle();
    assert_eq!(place.network.table("router").len(), 1);
    place.pass(Duration::from_secs(1));
    place.settle();
    assert!(place.network.table("router").is_empty() && place.rows().is_empty());
}

#[test]
fn r059_what_a_gateway_does_not_confirm_stays_noted_until_it_does() {
    let mut place = Place::with_gateway();
    place.network.set_fault("router", Fault::OnlyPermanent);
    let (ticket, _) = place.invite(HOUR);
    place.network.set_fault("router", Fault::Unreachable);
    place.pass(HELD_FOR);
    place.end(&ticket);
    place.settle();
    assert_eq!(place.rows()[0].mapping.stage, Stage::Leaving);
    // The answer to the next removal is lost, so the one after it hears that there is no such mapping.
    place.network.set_fault("router", Fault::AnswerLost);
    place.settle();
    assert_eq!((place.network.table("router").len(), place.rows().len()), (0, 1));
    place.network.set_fault("router", Fault::None);
    place.settle();
    assert!(place.rows().is_empty());
}

#[test]
fn s059_r062_after_a_crash_the_next_start_removes_what_no_ticket_uses_and_forgets_what_ran_out() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    // Killed after the gateways had answered and before there was a ticket.
    let reached = place.reach(HOUR);
    assert_eq!(reached.mappings.len(), 2);
    place.pass(HELD_FOR);
    place.network.set_fault("second", Fault::Unreachable);
    place.settle();
    assert!(place.network.table("router").is_empty());
    assert_eq!(place.rows().len(), 1, "the one that does not answer stays noted");
    place.pass(HOUR + ra_nat::ANSWERED_WITHIN);
    let asked = place.network.asked("second").len();
    place.settle();
    assert!(place.rows().is_empty(), "its lease is over");
    assert_eq!(place.network.asked("second").len(), asked);
}

#[test]
fn r062_an_answer_that_was_lost_leaves_a_note_and_the_mapping_is_removed() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    place.network.set_fault("router", Fault::AnswerLost);
    place.network.set_fault("second", Fault::AnswerLost);
    let reached = place.reach(HOUR);
    assert!(reached.external.is_empty(), "what is not certain is not listed");
    assert_eq!(place.network.table("router").len() + place.network.table("second").len(), 2, "and yet it is there");
    assert!(place.rows().iter().all(|row| row.mapping.stage == Stage::Asked));
    place.network.set_fault("router", Fault::None);
    place.network.set_fault("second", Fault::None);
    place.settle();
    assert_eq!(place.rows().len(), 2, "held for as long as a late answer could take effect");
    place.pass(HELD_FOR);
    place.settle();
    assert!(place.network.table("router").is_empty() && place.network.table("second").is_empty());
    assert!(place.rows().is_empty());
}

#[test]
fn r062_an_invitation_that_was_not_made_gives_back_what_was_asked_for_it() {
    let place = Place::with_gateway();
    let mut mappings = place.mappings();
    let reached = mappings.reach(&wanted(HOUR), place.now, SOON);
    assert_eq!(place.network.table("router").len(), 1);
    mappings.give_back(&reached, place.now, SOON).unwrap();
    assert!(place.network.table("router").is_empty() && place.rows().is_empty());
    assert_eq!(mappings.still_there(&reached, place.now).unwrap(), []);
    let reached = mappings.reach(&wanted(HOUR), place.now, SOON);
    place.network.set_fault("router", Fault::Refuses);
    mappings.give_back(&reached, place.now, SOON).unwrap();
    assert_eq!(mappings.still_there(&reached, place.now).unwrap(), reached.external, "it did not say that it is gone");
}

#[test]
fn r062_a_mapper_that_breaks_down_is_one_that_does_not_answer() {
    struct Broken;
    impl Mapper for Broken {
        fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
            panic!("on what somebody sent")
        }
        fn look(&self, _: &GatewayId) -> Result<Seen, MapError> {
            panic!("on what somebody sent")
        }
        fn add(&self, _: &GatewayId, _: &Ask) -> Result<Granted, MapError> {
            panic!("on what somebody sent")
        }
        fn renew(&self, _: &GatewayId, _: &Ask) -> Result<Granted, MapError> {
            panic!("on what somebody sent")
        }
        fn delete(&self, _: &GatewayId, _: &Ask) -> Result<(), MapError> {
            panic!("on what somebody sent")
        }
    }
    let mut place = Place::with_gateway();
    let mut broken = Mappings::open(&place.paths, Arc::new(Broken)).unwrap();
    assert_eq!(broken.reach(&wanted(HOUR), place.now, SOON), nothing_found());
    place.invite(Duration::from_secs(60));
    place.pass(Duration::from_secs(60));
    broken.settle(place.now, SOON).unwrap();
    assert_eq!(place.rows().len(), 1);
}

#[test]
fn one_process_looks_after_the_mappings_and_another_takes_its_place() {
    let mut place = Place::with_gateway();
    let (ticket, _) = place.invite(HOUR);
    let mut one = place.mappings();
    one.settle(place.now, SOON).unwrap();
    place.pass(HELD_FOR);
    place.end(&ticket);
    let mut other = place.mappings();
    other.settle(place.now, SOON).unwrap();
    assert_eq!(place.network.table("router").len(), 1, "left to the one that has the lock");
    drop(one);
    other.settle(place.now, SOON).unwrap();
    assert!(place.network.table("router").is_empty());
}

/// A clock that a keeper can read while the test moves it.
fn clock_of(place: &Place) -> (Arc<Mutex<UnixTime>>, impl Fn() -> UnixTime + Send + 'static) {
    let time = Arc::new(Mutex::new(place.now));
    let read = Arc::clone(&time);
    (time, move || *read.lock().unwrap())
}

mod choosing;
mod keeping;
mod random;
