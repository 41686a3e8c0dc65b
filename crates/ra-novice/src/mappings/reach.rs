//! Asking every gateway for a mapping, for an invitation that is being made.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use ra_nat::{
    AddressClass, Ask, Attempt, Gateway, GatewayId, Granted, HELD_FOR, Lease, MOST_GATEWAYS, MapError, Mapping,
    Outcome, Ports, Stage, Transport,
};
use ra_session::UnixTime;

use super::Mappings;
use super::calls::{Answer, Call, Heard};
use crate::store::{MappingKey, MappingRow, StoreError};

/// What an invitation wants of the gateways.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// For which transport.
    pub transport: Transport,
    /// Where the host listens.
    pub listeners: Vec<SocketAddr>,
    /// For how long the ticket will be good.
    pub life: Duration,
    /// The outside port to begin with, where somebody asked for one; else a random one (R73).
    pub external_port: Option<u16>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Gateways were looked for.
    pub searched: bool,
    /// The outside addresses and ports, in the order in which the gateways were found.
    pub external: Vec<SocketAddr>,
    /// The gateways that gave them, in the same order.
    pub gateways: Vec<GatewayId>,
    /// The rows behind them, for the ticket to name. They are held for [`HELD_FOR`]; then they are removed if no ticket does.
    pub mappings: Vec<MappingKey>,
    /// The gateways, and listeners behind them, that gave none, and why.
    pub without: Vec<(GatewayId, Unmapped)>,
}

/// Why there is no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// The gateway's own outside address is one that leads nowhere, and its class says why: it stands behind another gateway, or has
    /// no connection (R74).
    NotPublic(AddressClass),
    /// It said no.
    No(MapError),
    /// It did not answer, or not in time.
    NoAnswer,
    /// So many are noted already, none of them confirmed as gone, that there is no room for another.
    NoRoom,
}

/// Asks, until everybody has answered or the time is over (R6, R7).
pub(super) fn reach(
    mappings: &mut Mappings,
    wanted: &Wanted,
    now: UnixTime,
    within: Duration,
) -> Result<Reached, StoreError> {
    let deadline = Instant::now() + within;
    let mut asking =
        Asking { mappings, wanted, now, talks: HashMap::new(), order: Vec::new(), reached: Reached::default() };
    let mut made = Vec::new();
    asking.mappings.calls.search();
    while asking.goes_on()
        && let Some(heard) = asking.mappings.calls.hear(deadline)
    {
        match heard {
            Heard::Found(gateways) => asking.found(gateways),
            Heard::Answer(gateway, answer) => asking.answered(&gateway, answer, &mut made)?,
            Heard::Wake | Heard::Stop => {}
        }
    }
    Ok(asking.finish(made))
}

struct Asking<'a> {
    mappings: &'a mut Mappings,
    wanted: &'a Wanted,
    now: UnixTime,
    /// The conversations that go on.
    talks: HashMap<GatewayId, Talk>,
    /// The gateways as they were found.
    order: Vec<GatewayId>,
    reached: Reached,
}

/// One gateway, and how far it is.
struct Talk {
    /// What is still to be asked for.
    left: Vec<SocketAddr>,
    /// This computer, as the gateway sees it.
    local: IpAddr,
    /// Unspecified while the gateway has not said it.
    external: IpAddr,
    about: Option<About>,
    /// Rows whose outside port the gateway says is somebody else's.
    passed_over: Vec<MappingKey>,
}

/// The mapping that is being talked about.
struct About {
    key: MappingKey,
    mapping: Mapping,
    /// `None`: it is one of an earlier ticket, and is renewed.
    attempt: Option<Attempt>,
}

/// A mapping that was made, and where.
type Made = (GatewayId, MappingKey, SocketAddr);

/// Whether somebody elsewhere who dials this outside address can come in at a computer that has the address `local`.
///
/// Behind a firewall without NAT both are the same, and the computer lists its own address in any case: then it need not be
/// one that the Internet knows.
pub(super) fn leads_here(external: IpAddr, local: IpAddr) -> Result<(), Unmapped> {
    match AddressClass::of(external) {
        AddressClass::Public => Ok(()),
        AddressClass::Documentation if external.is_ipv6() && external == local => Ok(()),
        class => Err(Unmapped::NotPublic(class)),
    }
}

impl Asking<'_> {
    /// Somebody may still answer; also a gateway that gives back what leads nowhere.
    fn goes_on(&self) -> bool {
        self.mappings.calls.is_searching() || !self.talks.is_empty() || !self.mappings.under_way.is_empty()
    }

    fn found(&mut self, gateways: Result<Vec<Gateway>, MapError>) {
        let gateways = gateways.unwrap_or_else(|error| {
            tracing::debug!(%error, "gateways cannot be searched for");
            Vec::new()
        });
        for gateway in gateways {
            let mut left: Vec<_> = self.wanted.listeners.iter().filter_map(|at| gateway.internal(*at)).collect();
            left.dedup();
            if left.is_empty() || self.order.contains(&gateway.id) || self.order.len() == MOST_GATEWAYS {
                continue;
            }
            left.reverse();
            self.order.push(gateway.id.clone());
            if self.mappings.calls.ask(&gateway.id, Call::Look) {
                let external = unspecified_like(gateway.local);
                let talk = Talk { left, local: gateway.local, external, about: None, passed_over: Vec::new() };
                self.talks.insert(gateway.id, talk);
            } else {
                self.reached.without.push((gateway.id, Unmapped::NoAnswer));
            }
        }
    }

    fn answered(&mut self, gateway: &GatewayId, answer: Answer, made: &mut Vec<Made>) -> Result<(), StoreError> {
        let Some(mut talk) = self.talks.remove(gateway) else {
            // To something that was asked before.
            return self.mappings.answered(gateway, answer, self.now);
        };
        match (answer, talk.about.take()) {
            (Answer::Seen(Ok(seen)), _) => {
                // Where it says its address with the mapping only, that is looked at then.
                if let Some(external) = seen.external {
                    if let Err(nowhere) = leads_here(external, talk.local) {
                        // A mapping that no invitation lists would be a hole for nothing.
                        return self.give_up(gateway, nowhere);
                    }
                    talk.external = external;
                }
                self.next(gateway, talk)
            }
            (Answer::Seen(Err(MapError::Unreachable)), _) => self.give_up(gateway, Unmapped::NoAnswer),
            (Answer::Seen(Err(no)), _) => self.give_up(gateway, Unmapped::No(no)),
            (Answer::Added(answer), Some(About { key, mapping, attempt: Some(mut attempt) })) => {
                match attempt.answer(answer) {
                    Outcome::Made(granted) => self.made(gateway, talk, key, mapping, granted, made),
                    Outcome::AskAgain => self.ask(gateway, talk, key, mapping, attempt),
                    Outcome::No(no) => {
                        self.mappings.store.forget_mapping(key)?;
                        self.reached.without.push((gateway.clone(), Unmapped::No(no)));
                        self.next(gateway, talk)
                    }
                    // The row stays, and is removed when nobody holds it any more.
                    Outcome::Unknown => self.give_up(gateway, Unmapped::NoAnswer),
                }
            }
            (Answer::Renewed(answer), Some(About { key, mapping, attempt: None })) => match answer {
                Ok((granted, seen)) => {
                    let external = granted.external.or(seen.external);
                    let said = (!talk.external.is_unspecified()).then_some(talk.external);
                    let granted = Granted { external: external.or(said), ..granted };
                    self.made(gateway, talk, key, mapping, granted, made)
                }
                // Somebody else's by now, it says; the row stays for whoever looks after it.
                Err(MapError::Conflict) => {
                    talk.passed_over.push(key);
                    talk.left.push(mapping.internal);
                    self.next(gateway, talk)
                }
                Err(MapError::OnlyPermanent) if mapping.lease != Lease::Permanent => {
                    let ask = Ask { lease: Lease::Permanent, ..mapping.ask() };
                    self.renew(gateway, talk, key, mapping, ask)
                }
                Err(MapError::Unreachable) => self.give_up(gateway, Unmapped::NoAnswer),
                Err(no) => self.give_up(gateway, Unmapped::No(no)),
            },
            _ => Ok(()),
        }
    }

    /// Goes on to the next listener that this gateway is wanted for.
    fn next(&mut self, gateway: &GatewayId, mut talk: Talk) -> Result<(), StoreError> {
        let Some(internal) = talk.left.pop() else { return Ok(()) };
        let rows = self.mappings.store.mappings(self.now)?;
        let here = || rows.iter().filter(|row| row.mapping.gateway == *gateway);
        let shared = here().find(|row| {
            row.mapping.stage == Stage::Made
                && row.mapping.transport == self.wanted.transport
                && row.mapping.internal == internal
                && !talk.passed_over.contains(&row.key)
        });
        if let Some(row) = shared
            && self.mappings.store.hold_mapping(row.key, self.now.after(HELD_FOR))?
        {
            // The other tickets may need it for longer.
            let others = row.used_until.map_or(0, |until| until.0.saturating_sub(self.now.0));
            let life = self.wanted.life.max(Duration::from_secs(others));
            let ask = Ask { lease: row.mapping.lease_for(life), ..row.mapping.ask() };
            return self.renew(gateway, talk, row.key, row.mapping.clone(), ask);
        }
        let taken: Vec<u16> = here().map(|row| row.mapping.external_port).collect();
        let asked = self.wanted.external_port.filter(|port| !taken.contains(port));
        let ports = Ports::from_entropy(&entropy()?, &taken);
        let attempt = Attempt::new(internal, self.wanted.life, asked, ports);
        let attempt = attempt.map(|attempt| attempt.over(self.wanted.transport));
        let Some(attempt) = attempt else { return self.give_up(gateway, Unmapped::NoRoom) };
        let mapping = Mapping::asked(gateway.clone(), talk.external, &attempt.ask(), self.now);
        let Some(key) = self.mappings.store.add_mapping(&mapping)? else {
            return self.give_up(gateway, Unmapped::NoRoom);
        };
        self.mappings.calls.ask(gateway, Call::Add(attempt.ask()));
        talk.about = Some(About { key, mapping, attempt: Some(attempt) });
        self.talks.insert(gateway.clone(), talk);
        Ok(())
    }

    /// Asks whether a mapping of an earlier ticket can go on, once that is written down.
    fn renew(
        &mut self,
        gateway: &GatewayId,
        mut talk: Talk,
        key: MappingKey,
        mut mapping: Mapping,
        ask: Ask,
    ) -> Result<(), StoreError> {
        mapping.will_ask(&ask, self.now);
        if !self.mappings.store.save_mapping(key, &mapping)? {
            // Removed in this very moment, by somebody who was sure that nobody holds it.
            return self.give_up(gateway, Unmapped::NoAnswer);
        }
        self.mappings.calls.ask(gateway, Call::Renew(ask));
        talk.about = Some(About { key, mapping, attempt: None });
        self.talks.insert(gateway.clone(), talk);
        Ok(())
    }

    /// Asks for what the attempt wants now, once that is written down.
    fn ask(
        &mut self,
        gateway: &GatewayId,
        mut talk: Talk,
        key: MappingKey,
        mut mapping: Mapping,
        attempt: Attempt,
    ) -> Result<(), StoreError> {
        mapping.will_ask(&attempt.ask(), self.now);
        if self.mappings.store.save_mapping(key, &mapping)? {
            self.mappings.calls.ask(gateway, Call::Add(attempt.ask()));
            talk.about = Some(About { key, mapping, attempt: Some(attempt) });
            self.talks.insert(gateway.clone(), talk);
            return Ok(());
        }
        // The gateway wants one port and no other, and what an earlier invitation asked for there is not settled.
        self.mappings.store.forget_mapping(key)?;
        self.give_up(gateway, Unmapped::NoRoom)
    }

    fn made(
        &mut self,
        gateway: &GatewayId,
        talk: Talk,
        key: MappingKey,
        mut mapping: Mapping,
        granted: Granted,
        made: &mut Vec<Made>,
    ) -> Result<(), StoreError> {
        mapping.confirmed(&granted, self.now);
        if self.mappings.store.save_mapping(key, &mapping)? {
            match leads_here(mapping.external, talk.local) {
                Ok(()) => {
                    tracing::debug!(%gateway, endpoint = %mapping.endpoint(), "a gateway sends to this computer");
                    made.push((gateway.clone(), key, mapping.endpoint()));
                }
                Err(nowhere) => {
                    // It has said only now where the mapping is: it takes it back, and is asked for nothing else.
                    self.mappings.store.hold_mapping(key, UnixTime(0))?;
                    self.mappings.remove(MappingRow { key, mapping, used_until: None }, self.now)?;
                    return self.give_up(gateway, nowhere);
                }
            }
        }
        self.next(gateway, talk)
    }

    fn give_up(&mut self, gateway: &GatewayId, why: Unmapped) -> Result<(), StoreError> {
        tracing::debug!(%gateway, ?why, "no mapping");
        self.reached.without.push((gateway.clone(), why));
        Ok(())
    }

    /// Who has not answered by now did not.
    fn finish(mut self, mut made: Vec<Made>) -> Reached {
        self.reached.searched = true;
        let late = self.talks.into_keys().map(|gateway| (gateway, Unmapped::NoAnswer));
        self.reached.without.extend(late);
        let place = |gateway: &GatewayId| self.order.iter().position(|known| known == gateway);
        self.reached.without.sort_by_key(|(gateway, _)| place(gateway));
        made.sort_by_key(|(gateway, ..)| place(gateway));
        for (gateway, key, endpoint) in made {
            self.reached.gateways.push(gateway);
            self.reached.mappings.push(key);
            self.reached.external.push(endpoint);
        }
        self.reached
    }
}

const fn unspecified_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

fn entropy() -> Result<[u8; Ports::ENTROPY], StoreError> {
    let mut entropy = [0; Ports::ENTROPY];
    getrandom::fill(&mut entropy).map_err(StoreError::Entropy)?;
    Ok(entropy)
}
