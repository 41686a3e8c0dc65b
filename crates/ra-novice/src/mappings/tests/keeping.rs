//! The keeper, and the host that has one: what is looked after without being told to.

use super::*;

#[test]
fn r061_a_keeper_removes_a_mapping_as_soon_as_it_is_told() {
    let mut place = Place::with_gateway();
    let (ticket, _) = place.invite(HOUR);
    place.pass(HELD_FOR);
    let (_, clock) = clock_of(&place);
    let keeper = MappingKeeper::start(&place.paths, Arc::new(place.network.clone()), clock).unwrap();
    place.end(&ticket);
    keeper.wake();
    assert!(place.network.wait_for("router", SOON, <[Entry]>::is_empty));
}

#[test]
fn r062_a_keeper_removes_what_a_crash_left_when_it_starts() {
    let mut place = Place::with_gateway();
    place.reach(HOUR);
    place.pass(HELD_FOR);
    let (_, clock) = clock_of(&place);
    let _keeper = MappingKeeper::start(&place.paths, Arc::new(place.network.clone()), clock).unwrap();
    assert!(place.network.wait_for("router", SOON, <[Entry]>::is_empty));
}

#[test]
fn r059_a_keeper_that_ends_removes_what_is_due_and_does_not_wait_for_a_silent_gateway() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    let (ticket, _) = place.invite(HOUR);
    place.pass(HELD_FOR);
    let (_, clock) = clock_of(&place);
    let keeper = MappingKeeper::start(&place.paths, Arc::new(place.network.clone()), clock).unwrap();
    place.network.set_fault("second", Fault::Silent);
    place.end(&ticket);
    let begun = Instant::now();
    drop(keeper);
    assert!(begun.elapsed() < FAREWELL + SOON);
    assert!(place.network.table("router").is_empty());
    assert_eq!(place.rows().len(), 1, "what was not confirmed is noted");
    place.network.set_fault("second", Fault::None);
    place.settle();
    assert!(place.network.table("second").is_empty() && place.rows().is_empty());
}

#[test]
fn a_silent_gateway_does_not_keep_a_keeper_from_the_others() {
    let mut place = Place::with_gateway();
    place.network.install("second", "10.0.0.5", "11.0.0.2");
    let (ticket, _) = place.invite(HOUR);
    place.pass(HELD_FOR);
    let (_, clock) = clock_of(&place);
    let keeper = MappingKeeper::start(&place.paths, Arc::new(place.network.clone()), clock).unwrap();
    place.network.set_fault("router", Fault::Silent);
    place.end(&ticket);
    keeper.wake();
    assert!(place.network.wait_for_silence(SOON));
    assert!(place.network.wait_for("second", SOON, <[Entry]>::is_empty));
    place.network.set_fault("router", Fault::None);
}

/// A running host, told of an end by somebody else's hand as `tickets expire` does.
#[test]
fn r059_r061_a_running_host_removes_a_mapping_when_its_ticket_ends_and_the_rest_when_it_stops() {
    use crate::control::Change;
    use crate::host::{Host, HostEnd, HostOptions, SharedDesktop, WhenStopped};
    use crate::identity::{Identity, Renewal};

    fn clock() -> UnixTime {
        T0.after(HELD_FOR)
    }
    let mut place = Place::with_gateway();
    let (first, _) = place.invite(HOUR);
    let other = Wanted { listeners: vec!["[::]:4000".parse().unwrap()], ..wanted(HOUR) };
    let reached = place.mappings().reach(&other, place.now, SOON);
    place.insert(HOUR, &reached.mappings);
    place.pass(HELD_FOR);

    let now = std::time::UNIX_EPOCH + Duration::from_secs(place.now.0);
    let identity = Identity::open(place.paths.state(), "novice", now, Renewal::WhenDue).unwrap();
    let (host, handle) = Host::new(HostOptions {
        calls: Vec::new(),
        ports: Vec::new(),
        tls: identity.server_config().unwrap(),
        desktop: SharedDesktop::open(ra_desktop::Choice::Demo, &ra_desktop::MonitorChoice::All).unwrap(),
        store: place.store(),
        scope: crate::book::Scope::All,
        when_stopped: WhenStopped::EndTickets,
        policy: Box::new(ra_policy::Policy::default),
        accounts: None,
        helpers: Box::new(crate::helpers::Helpers::default),
        clock,
        prompt: Box::new(Nobody),
        report: Box::new(|_| {}),
        in_use: crate::control::InUse::default(),
        audit: crate::audit::Audit::of(&place.paths),
        mappings: MappingKeeper::start(&place.paths, Arc::new(place.network.clone()), clock).unwrap(),
    });
    let network = place.network.clone();
    let someone = std::thread::spawn({
        let mut store = place.store();
        move || {
            store.end(&first, EndCause::Owner, clock()).unwrap();
            handle.tickets_changed(Change::Table);
            let one_left = network.wait_for("router", SOON, |table| table.len() == 1);
            handle.stop();
            one_left
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(host.run()).unwrap(), HostEnd::Stopped);
    assert!(someone.join().unwrap(), "removed at once, and the other one was not");
    assert!(place.network.table("router").is_empty() && place.rows().is_empty());
}

/// Nobody is asked here.
struct Nobody;

impl crate::prompt::Prompt for Nobody {
    fn ask(
        &mut self,
        _: crate::prompt::Asked,
        _: &crate::prompt::Asker,
        _: Option<&ra_policy::Message>,
        _: crate::prompt::Answered,
    ) -> Result<(), crate::prompt::NoPlaceToAsk> {
        Err(crate::prompt::NoPlaceToAsk)
    }

    fn withdraw(&mut self) {}

    fn show(&mut self, _: &crate::prompt::Status) {}
}
