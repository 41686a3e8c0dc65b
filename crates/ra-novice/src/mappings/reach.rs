//! Asking every gateway for a mapping, for an invitation that is being made.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ra_nat::{
    Ask, Attempt, Gateway, GatewayId, HELD_FOR, Lease, MOST_GATEWAYS, MapError, Mapping, Outcome, Ports, Stage,
    is_public,
};
use ra_session::UnixTime;

use super::Mappings;
use super::calls::{Answer, Call, Heard};
use crate::store::{MappingKey, StoreError};

/// What an invitation wants of the gateways.
#[derive(Clone, Debug)]
pub struct Wanted {
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
    /// The outside addresses and ports, in the order in which the gateways were found.
    pub external: Vec<SocketAddr>,
    /// The rows behind them, for the ticket to name. They are held for [`HELD_FOR`]; then they are removed if no ticket does.
    pub mappings: Vec<MappingKey>,
    /// The gateways, and listeners behind them, that gave none, and why.
    pub without: Vec<(GatewayId, Unmapped)>,
}

/// Why there is no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// The gateway's own outside address is one that leads nowhere: it stands behind another gateway, or has no connection (R74).
    NotPublic,
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
    while (asking.mappings.calls.is_searching() || !asking.talks.is_empty())
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

impl Asking<'_> {
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
            if self.mappings.calls.ask(&gateway.id, Call::Address) {
                self.talks
                    .insert(gateway.id, Talk { left, external: gateway.local, about: None, passed_over: Vec::new() });
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
            (Answer::Address(Ok(external)), _) if is_public(external) => {
                talk.external = external;
                self.next(gateway, talk)
            }
            // A mapping that no invitation lists would be a hole for nothing.
            (Answer::Address(Ok(_)), _) => self.give_up(gateway, Unmapped::NotPublic),
            (Answer::Address(Err(MapError::Unreachable)), _) => self.give_up(gateway, Unmapped::NoAnswer),
            (Answer::Address(Err(no)), _) => self.give_up(gateway, Unmapped::No(no)),
            (Answer::Added(answer), Some(About { key, mapping, attempt: Some(mut attempt) })) => {
                match attempt.answer(answer) {
                    Outcome::Made(lease) => self.made(gateway, talk, key, mapping, lease, made),
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
            (Answer::Renewed(answer), Some(About { key, mut mapping, attempt: None })) => match answer {
                Ok((lease, external)) => {
                    mapping.external = external.filter(|address| is_public(*address)).unwrap_or(talk.external);
                    self.made(gateway, talk, key, mapping, lease, made)
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
            row.mapping.stage == Stage::Made && row.mapping.internal == internal && !talk.passed_over.contains(&row.key)
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
        }
        Ok(())
    }

    fn made(
        &mut self,
        gateway: &GatewayId,
        talk: Talk,
        key: MappingKey,
        mut mapping: Mapping,
        lease: Lease,
        made: &mut Vec<Made>,
    ) -> Result<(), StoreError> {
        mapping.confirmed(lease.min(mapping.lease), self.now);
        if self.mappings.store.save_mapping(key, &mapping)? {
            tracing::debug!(%gateway, endpoint = %mapping.endpoint(), "a gateway sends to this computer");
            made.push((gateway.clone(), key, mapping.endpoint()));
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
        let late = self.talks.into_keys().map(|gateway| (gateway, Unmapped::NoAnswer));
        self.reached.without.extend(late);
        let place = |gateway: &GatewayId| self.order.iter().position(|known| known == gateway);
        self.reached.without.sort_by_key(|(gateway, _)| place(gateway));
        made.sort_by_key(|(gateway, ..)| place(gateway));
        for (_, key, endpoint) in made {
            self.reached.mappings.push(key);
            self.reached.external.push(endpoint);
        }
        self.reached
    }
}

fn entropy() -> Result<[u8; Ports::ENTROPY], StoreError> {
    let mut entropy = [0; Ports::ENTROPY];
    getrandom::fill(&mut entropy).map_err(StoreError::Entropy)?;
    Ok(entropy)
}
