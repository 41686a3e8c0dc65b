//! Gateways that exist in memory only: the test double of [`Mapper`], for tests of this crate and of the engine.
//!
//! Nothing in the programs makes one. It keeps a table for each gateway as a router would, with leases on a clock that the test
//! moves, and misbehaves in the ways that real ones do ([`Fault`]).

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ra_session::UnixTime;

use crate::gateway::{Ask, Gateway, GatewayId, Granted, MapError, Mapper, Seen};
use crate::lease::Lease;
use crate::transport::Transport;

/// A network with gateways. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct FakeGateways(Arc<Network>);

/// In which way a gateway misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fault {
    /// In none.
    #[default]
    None,
    /// It does nothing for anybody (UPnP 606).
    Refuses,
    /// It knows permanent mappings only (725).
    OnlyPermanent,
    /// It wants the same port on both sides (724).
    SamePortOnly,
    /// So many of the next ports it is asked for are taken (718).
    Taken(u8),
    /// It keeps the line open and says nothing, until the fault is over.
    Silent,
    /// It does not answer, and does nothing.
    Unreachable,
    /// It does what it is asked, and the answer is lost; only what it is asked about itself it answers.
    AnswerLost,
    /// It says its outside address together with a mapping only (PCP).
    SaysLater,
}

/// One entry in a gateway's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was asked for.
    pub ask: Ask,
    /// When the gateway forgets it; `None` for never.
    pub until: Option<UnixTime>,
}

#[derive(Debug, Default)]
struct Network {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    now: UnixTime,
    routers: Vec<Router>,
    search_hangs: bool,
    /// How many callers a silent gateway, or a search that hangs, keeps waiting.
    kept_waiting: usize,
}

#[derive(Debug)]
struct Router {
    gateway: Gateway,
    external: IpAddr,
    since: UnixTime,
    fault: Fault,
    table: Vec<Entry>,
    asked: Vec<Ask>,
    looks: usize,
}

impl FakeGateways {
    /// A network without any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a gateway into it, which sees this computer as `local` and the Internet from `external`. One whose name begins with
    /// `pcp` keeps its table as PCP does.
    ///
    /// # Panics
    /// When a text is no name or no address: it is a test's own.
    pub fn install(&self, id: &str, local: &str, external: &str) {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} is no address"));
        let gateway = Gateway { id: name(id), local: parse(local) };
        let external = parse(external);
        self.change(|state| {
            let since = state.now;
            let router =
                Router { gateway, external, since, fault: Fault::None, table: Vec::new(), asked: Vec::new(), looks: 0 };
            state.routers.push(router);
        });
    }

    /// Makes it misbehave, or not any more.
    pub fn set_fault(&self, id: &str, fault: Fault) {
        self.with(id, |router| router.fault = fault);
    }

    /// Makes the search keep silent, or not any more.
    pub fn set_search_hangs(&self, hangs: bool) {
        self.change(|state| state.search_hangs = hangs);
    }

    /// Switches it off and on: it has forgotten everything and may have another address.
    pub fn restart(&self, id: &str, external: &str) {
        let external = external.parse().unwrap_or_else(|_| panic!("{external:?} is no address"));
        let id = name(id);
        self.change(|state| {
            let now = state.now;
            let router = state.router(&id).unwrap_or_else(|_| panic!("there is no gateway {id}"));
            router.table.clear();
            router.external = external;
            router.since = now;
        });
    }

    /// Gives an outside port to somebody else.
    pub fn give_away(&self, id: &str, port: u16) {
        let lease = Lease::Permanent;
        let ask = Ask { transport: Transport::Tcp, internal: ([192, 0, 2, 99], 1).into(), external_port: port, lease };
        self.with(id, |router| {
            router.table.retain(|entry| entry.ask.external_port != port);
            router.table.push(Entry { ask, until: None });
        });
    }

    /// Sets its clock; what has run out is gone.
    pub fn set_time(&self, now: UnixTime) {
        self.change(|state| state.now = now);
    }

    /// What is in its table now.
    #[must_use]
    pub fn table(&self, id: &str) -> Vec<Entry> {
        self.with(id, |router| router.table.clone())
    }

    /// What it was asked to add or renew so far, also where it said no.
    #[must_use]
    pub fn asked(&self, id: &str) -> Vec<Ask> {
        self.with(id, |router| router.asked.clone())
    }

    /// Waits until a gateway's table is as it should be; false when that does not happen within `within`.
    #[must_use]
    pub fn wait_for(&self, id: &str, within: Duration, table: impl Fn(&[Entry]) -> bool) -> bool {
        let id = name(id);
        let wrong = |state: &mut State| !state.router(&id).is_ok_and(|router| table(&router.table));
        let waited = self.0.changed.wait_timeout_while(self.state(), within, wrong);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until somebody has looked at a gateway so often; false when that does not happen within `within`.
    #[must_use]
    pub fn wait_for_looks(&self, id: &str, looks: usize, within: Duration) -> bool {
        let id = name(id);
        let fewer = |state: &mut State| !state.router(&id).is_ok_and(|router| looks <= router.looks);
        let waited = self.0.changed.wait_timeout_while(self.state(), within, fewer);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until somebody is kept waiting; false when nobody is within `within`.
    #[must_use]
    pub fn wait_for_silence(&self, within: Duration) -> bool {
        let waited = self.0.changed.wait_timeout_while(self.state(), within, |state| state.kept_waiting == 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn with<T>(&self, id: &str, what: impl FnOnce(&mut Router) -> T) -> T {
        let id = name(id);
        self.change(|state| what(state.router(&id).unwrap_or_else(|_| panic!("there is no gateway {id}"))))
    }

    fn change<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let changed = what(&mut state);
        state.run_out();
        drop(state);
        self.0.changed.notify_all();
        changed
    }

    /// Waits for as long as it takes, and says whether it took any time.
    fn wait_while(&self, silent: impl Fn(&mut State) -> bool) -> (MutexGuard<'_, State>, bool) {
        let mut state = self.state();
        if !silent(&mut state) {
            return (state, false);
        }
        state.kept_waiting += 1;
        self.0.changed.notify_all();
        let mut state = self.0.changed.wait_while(state, silent).unwrap_or_else(PoisonError::into_inner);
        state.kept_waiting -= 1;
        (state, true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`FakeGateways::hears`], for what changes its table.
    fn changes<T>(
        &self,
        id: &GatewayId,
        does: impl FnOnce(&mut Router, UnixTime) -> Result<T, MapError>,
    ) -> Result<T, MapError> {
        self.hears(id, |router, now| {
            let done = does(router, now);
            if router.fault == Fault::AnswerLost { Err(MapError::Unreachable) } else { done }
        })
    }

    /// What a gateway does when it is spoken to, with the faults that are the same for every word.
    fn hears<T>(
        &self,
        id: &GatewayId,
        does: impl FnOnce(&mut Router, UnixTime) -> Result<T, MapError>,
    ) -> Result<T, MapError> {
        let silent = |state: &mut State| state.router(id).is_ok_and(|router| router.fault == Fault::Silent);
        let (mut state, was_silent) = self.wait_while(silent);
        let now = state.now;
        let router = state.router(id)?;
        let answer = match router.fault {
            // Whoever asked has hung up meanwhile, as TCP would tell the gateway.
            _ if was_silent => Err(MapError::Unreachable),
            Fault::Unreachable => Err(MapError::Unreachable),
            Fault::Refuses => Err(MapError::Refused),
            _ => does(router, now),
        };
        drop(state);
        self.0.changed.notify_all();
        answer
    }
}

impl State {
    fn router(&mut self, id: &GatewayId) -> Result<&mut Router, MapError> {
        self.routers.iter_mut().find(|router| router.gateway.id == *id).ok_or(MapError::Unreachable)
    }

    fn run_out(&mut self) {
        for router in &mut self.routers {
            router.table.retain(|entry| entry.until.is_none_or(|until| self.now < until));
        }
    }
}

impl Router {
    fn look(&mut self, now: UnixTime) -> Seen {
        self.looks += 1;
        let up_for = Duration::from_secs(now.0.saturating_sub(self.since.0));
        Seen { external: (self.fault != Fault::SaysLater).then_some(self.external), up_for: Some(up_for) }
    }

    fn add(&mut self, ask: &Ask, now: UnixTime) -> Result<Granted, MapError> {
        self.asked.push(*ask);
        if self.keeps_one_for_each_inside() {
            return Ok(self.add_by_inside(*ask, now));
        }
        match &mut self.fault {
            Fault::OnlyPermanent if ask.lease != Lease::Permanent => return Err(MapError::OnlyPermanent),
            Fault::SamePortOnly if ask.external_port != ask.internal.port() => return Err(MapError::SamePortOnly),
            Fault::Taken(left @ 1..) => {
                *left -= 1;
                return Err(MapError::Conflict);
            }
            _ => {}
        }
        let others = self.table.iter().any(|entry| !entry.is_of(ask) && entry.is_at(ask));
        if others {
            return Err(MapError::Conflict);
        }
        self.table.retain(|entry| !entry.is_at(ask));
        self.table.push(Entry { ask: *ask, until: ask.lease.end(now) });
        Ok(ask.granted())
    }

    /// As PCP does: what is there for this inside stays where it is, and a port that is taken is replaced by another.
    fn add_by_inside(&mut self, mut ask: Ask, now: UnixTime) -> Granted {
        let here = self.table.iter().position(|entry| entry.is_of(&ask)).map(|at| self.table.remove(at));
        ask.external_port = here.map_or(ask.external_port, |entry| entry.ask.external_port);
        while self.table.iter().any(|entry| entry.is_at(&ask)) {
            ask.external_port = ask.external_port.checked_add(1).unwrap_or(1024);
        }
        if let Fault::Taken(left @ 1..) = &mut self.fault {
            *left -= 1;
            ask.external_port = ask.external_port.checked_sub(1000).unwrap_or(60_000);
        }
        self.table.push(Entry { ask, until: ask.lease.end(now) });
        Granted { external: Some(self.external), ..ask.granted() }
    }

    fn delete(&mut self, ask: &Ask) -> Result<(), MapError> {
        let before = self.table.len();
        let by_inside = self.keeps_one_for_each_inside();
        self.table.retain(|entry| !(entry.is_of(ask) && (by_inside || entry.ask.external_port == ask.external_port)));
        if self.table.len() < before { Ok(()) } else { Err(MapError::NoSuchMapping) }
    }

    fn keeps_one_for_each_inside(&self) -> bool {
        self.gateway.id.protocol().is_some_and(crate::MappedBy::keeps_one_for_each_inside)
    }
}

impl Entry {
    fn is_of(&self, ask: &Ask) -> bool {
        self.ask.transport == ask.transport && self.ask.internal == ask.internal
    }
}

impl Entry {
    /// It has the outside port; each transport has its own.
    fn is_at(&self, ask: &Ask) -> bool {
        self.ask.transport == ask.transport && self.ask.external_port == ask.external_port
    }
}

impl Mapper for FakeGateways {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        let (state, _) = self.wait_while(|state| state.search_hangs);
        Ok(state.routers.iter().map(|router| router.gateway.clone()).collect())
    }

    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError> {
        self.hears(gateway, |router, now| Ok(router.look(now)))
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.changes(gateway, |router, now| router.add(ask, now))
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.changes(gateway, |router, now| router.add(ask, now))
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        self.changes(gateway, |router, _| router.delete(ask))
    }
}

fn name(id: &str) -> GatewayId {
    GatewayId::new(id).unwrap_or_else(|| panic!("{id:?} is no name of a gateway"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(port: u16, lease: Lease) -> Ask {
        Ask { transport: Transport::Tcp, internal: "192.168.1.5:3389".parse().unwrap(), external_port: port, lease }
    }

    fn network() -> (FakeGateways, GatewayId) {
        let network = FakeGateways::new();
        network.install("router", "192.168.1.5", "11.0.0.1");
        network.set_time(UnixTime(1000));
        (network, name("router"))
    }

    #[test]
    fn it_keeps_a_table_with_leases() {
        let (network, id) = network();
        let minute = Lease::For(Duration::from_secs(60));
        assert_eq!(network.add(&id, &ask(50_000, minute)), Ok(ask(50_000, minute).granted()));
        network.set_time(UnixTime(1059));
        assert_eq!(network.table("router").len(), 1);
        assert!(network.renew(&id, &ask(50_000, minute)).is_ok());
        network.set_time(UnixTime(1060));
        assert_eq!(network.table("router").len(), 1, "renewed");
        network.set_time(UnixTime(1119));
        assert!(network.table("router").is_empty());
        assert_eq!(network.delete(&id, &ask(50_000, minute)), Err(MapError::NoSuchMapping));
    }

    #[test]
    fn a_port_of_somebody_else_is_a_conflict() {
        let (network, id) = network();
        network.give_away("router", 50_000);
        assert_eq!(network.add(&id, &ask(50_000, Lease::Permanent)), Err(MapError::Conflict));
        assert_eq!(network.delete(&id, &ask(50_000, Lease::Permanent)), Err(MapError::NoSuchMapping));
    }

    #[test]
    fn one_that_speaks_pcp_keeps_one_mapping_for_each_inside() {
        let network = FakeGateways::new();
        let id = "pcp 192.168.1.1 from 192.168.1.5";
        network.install(id, "192.168.1.5", "11.0.0.1");
        network.give_away(id, 50_000);
        let (id, minute) = (name(id), Lease::For(Duration::from_secs(60)));
        let first = network.add(&id, &ask(50_000, minute)).unwrap();
        assert_eq!((first.external_port, first.external), (50_001, Some("11.0.0.1".parse().unwrap())));
        assert_eq!(network.add(&id, &ask(60_000, minute)), Ok(first), "it is there already");
        assert_eq!(network.delete(&id, &ask(60_000, minute)), Ok(()), "whatever the port");
        assert_eq!(network.delete(&id, &ask(50_001, minute)), Err(MapError::NoSuchMapping));
        assert_eq!(network.table(id.as_str()).len(), 1, "what is somebody else's stays");
    }

    #[test]
    fn its_faults_are_those_of_real_ones() {
        let (network, id) = network();
        let minute = Lease::For(Duration::from_secs(60));
        for (fault, port, expected, entries) in [
            (Fault::Refuses, 50_000, Err(MapError::Refused), 0),
            (Fault::OnlyPermanent, 50_000, Err(MapError::OnlyPermanent), 0),
            (Fault::SamePortOnly, 50_000, Err(MapError::SamePortOnly), 0),
            (Fault::SamePortOnly, 3389, Ok(ask(3389, minute).granted()), 1),
            (Fault::Taken(1), 50_000, Err(MapError::Conflict), 0),
            (Fault::Taken(0), 50_000, Ok(ask(50_000, minute).granted()), 1),
            (Fault::Unreachable, 50_000, Err(MapError::Unreachable), 0),
            (Fault::AnswerLost, 50_000, Err(MapError::Unreachable), 1),
        ] {
            network.restart("router", "11.0.0.1");
            network.set_fault("router", fault);
            assert_eq!(network.add(&id, &ask(port, minute)), expected, "{fault:?}");
            assert_eq!(network.table("router").len(), entries, "{fault:?}");
        }
    }

    #[test]
    fn a_silent_one_keeps_the_line_open_until_it_is_released() {
        let (network, id) = network();
        network.set_fault("router", Fault::Silent);
        let (answered, answer) = std::sync::mpsc::channel();
        let caller = network.clone();
        let thread = std::thread::spawn(move || answered.send(caller.look(&id)));
        assert!(network.wait_for_silence(Duration::from_secs(10)));
        assert!(answer.try_recv().is_err());
        network.set_fault("router", Fault::None);
        assert_eq!(answer.recv_timeout(Duration::from_secs(10)), Ok(Err(MapError::Unreachable)));
        thread.join().unwrap().unwrap();
    }
}
