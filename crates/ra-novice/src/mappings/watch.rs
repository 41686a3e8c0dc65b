//! What gateways say about themselves while invitations are open: one that was restarted, or has another address now, gets its
//! mappings again at once rather than at half of their lease.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use ra_nat::{GatewayId, Seen, Stage, Transport, has_restarted};
use ra_session::UnixTime;

use super::Unmapped;
use crate::store::{MappingKey, MappingRow};

/// An address that invitations list is not the right one any more: who has one fails there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// At which gateway.
    pub gateway: GatewayId,
    /// For TCP it stands in an invitation; for UDP the endpoint of a code tells it.
    pub transport: Transport,
    /// What invitations list.
    pub was: SocketAddr,
    /// What a new one would list, or why it would list nothing. The same as `was` when it leads here again.
    pub now: Result<SocketAddr, Unmapped>,
}

/// What is known of the gateways that open tickets use.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// When each was asked last.
    looked_at: HashMap<GatewayId, UnixTime>,
    /// For how long it said it was up, and when.
    up: HashMap<GatewayId, (Duration, UnixTime)>,
    /// Mappings that are not where they should be.
    renew: HashSet<MappingKey>,
}

impl Watched {
    /// Forgets what concerns no row any more.
    pub(super) fn retain(&mut self, rows: &[MappingRow]) {
        self.renew.retain(|key| rows.iter().any(|row| row.key == *key));
        let known = |gateway: &GatewayId| rows.iter().any(|row| row.mapping.gateway == *gateway);
        self.looked_at.retain(|gateway, _| known(gateway));
        self.up.retain(|gateway, _| known(gateway));
    }

    /// The gateways of mappings in use that nobody has looked at lately.
    pub(super) fn unseen(&self, rows: &[MappingRow], now: UnixTime) -> Vec<GatewayId> {
        let mut gateways: Vec<GatewayId> = Vec::new();
        for row in rows.iter().filter(|row| is_used(row, now)) {
            let gateway = &row.mapping.gateway;
            // A clock that was set back must not put it off.
            let lately = self.looked_at.get(gateway).is_some_and(|at| *at <= now && now < at.after(LOOK_AGAIN));
            if !lately && !gateways.contains(gateway) {
                gateways.push(gateway.clone());
            }
        }
        gateways
    }

    /// Notes that a gateway is asked now how it is.
    pub(super) fn looks_at(&mut self, gateway: GatewayId, now: UnixTime) {
        self.looked_at.insert(gateway, now);
    }

    /// When a gateway was asked last how it is.
    pub(super) fn looked_at(&self, gateway: &GatewayId) -> Option<UnixTime> {
        self.looked_at.get(gateway).copied()
    }

    /// Takes in what a gateway said about itself at `now`. One that has lost its memory, or is elsewhere than the rows say, has none of our mappings where
    /// they should be.
    pub(super) fn seen(&mut self, gateway: &GatewayId, seen: &Seen, rows: &[MappingRow], now: UnixTime) {
        let mut restarted = false;
        if let Some(up_for) = seen.up_for {
            let before = self.up.insert(gateway.clone(), (up_for, now));
            restarted = before.is_some_and(|(before, at)| {
                has_restarted(before, Duration::from_secs(now.0.saturating_sub(at.0)), up_for)
            });
        }
        let here = rows.iter().filter(|row| row.mapping.gateway == *gateway);
        let elsewhere = |row: &&MappingRow| seen.external.is_some_and(|external| external != row.mapping.external);
        self.renew_soon(here.filter(|row| restarted || elsewhere(row)));
    }

    /// Notes that mappings may not be there although their rows say so.
    pub(super) fn renew_soon<'a>(&mut self, rows: impl Iterator<Item = &'a MappingRow>) {
        self.renew.extend(rows.map(|row| row.key));
    }

    /// Until when a mapping is needed, if it is to be renewed before its time.
    pub(super) fn renews_now(&self, row: &MappingRow, now: UnixTime) -> Option<UnixTime> {
        let until = row.used_until.filter(|_| is_used(row, now))?;
        self.renew.contains(&row.key).then_some(until)
    }

    /// Notes that a mapping is where it should be.
    pub(super) fn renewed(&mut self, row: &MappingRow) {
        self.renew.remove(&row.key);
    }
}

fn is_used(row: &MappingRow, now: UnixTime) -> bool {
    row.mapping.stage == Stage::Made && row.used_until.is_some_and(|until| now < until)
}

/// A gateway is asked how it is this often: a small datagram or request, and a lost address is noticed within a minute.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
