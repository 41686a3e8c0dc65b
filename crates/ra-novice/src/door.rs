//! Who may wait at the door: connections that have not proved anything yet.
//!
//! There are few places, each for a short time. Whoever comes last gets in; when a source, or the house, is full,
//! the connection that has waited longest goes, of that source or of the one that takes most room. So neither a
//! crowd nor a sleeper keeps an expert out, and the running session notices nothing.

use std::collections::BTreeMap;

use ra_session::invitations::Source;
use tokio::sync::oneshot;

/// Unproved connections at one time.
pub(crate) const UNPROVED: usize = 32;
/// Of those, from one source.
pub(crate) const UNPROVED_PER_SOURCE: usize = 4;

/// The connections that wait.
#[derive(Debug, Default)]
pub(crate) struct Door {
    /// By arrival.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

/// A place at the door. It is free again once [`Door::leave`] was called with its number.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) number: u64,
    /// Resolves when the place is needed for somebody else.
    pub(crate) shown_out: oneshot::Receiver<()>,
}

#[derive(Debug)]
struct Waiting {
    source: Source,
    _show_out: oneshot::Sender<()>,
}

impl Door {
    /// Takes a connection in, and shows another one out where there is no room.
    pub(crate) fn enter(&mut self, source: Source) -> Place {
        if self.waiting.values().filter(|waiting| waiting.source == source).count() >= UNPROVED_PER_SOURCE {
            self.show_out_oldest_of(source);
        }
        while self.waiting.len() >= UNPROVED {
            let Some(busiest) = self.busiest() else { break };
            self.show_out_oldest_of(busiest);
        }
        let number = self.next;
        self.next += 1;
        let (show_out, shown_out) = oneshot::channel();
        self.waiting.insert(number, Waiting { source, _show_out: show_out });
        Place { number, shown_out }
    }

    /// The connection is gone, or has proved itself.
    pub(crate) fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
    }

    fn busiest(&self) -> Option<Source> {
        let mut counts: BTreeMap<Source, usize> = BTreeMap::new();
        for waiting in self.waiting.values() {
            *counts.entry(waiting.source).or_default() += 1;
        }
        let most = counts.values().copied().max()?;
        // Among equals the one who came first.
        self.waiting.values().map(|waiting| waiting.source).find(|source| counts.get(source) == Some(&most))
    }

    fn show_out_oldest_of(&mut self, source: Source) {
        let oldest = self.waiting.iter().find(|(_, waiting)| waiting.source == source).map(|(number, _)| *number);
        if let Some(number) = oldest {
            // Dropping the sender resolves the receiver.
            self.waiting.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(last: u8) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn is_out(place: &mut Place) -> bool {
        !matches!(place.shown_out.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    #[test]
    fn the_fifth_of_a_source_shows_the_first_out() {
        let mut door = Door::default();
        let mut places: Vec<Place> = (0..5).map(|_| door.enter(v4(1))).collect();
        assert!(is_out(&mut places[0]));
        assert!(places[1..].iter_mut().all(|place| !is_out(place)));
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let address = |host| Source::of(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, host, 0, 0, host)));
        let mut door = Door::default();
        let mut first = door.enter(address(1));
        for host in 2..=5 {
            door.enter(address(host));
        }
        assert!(is_out(&mut first));
    }

    #[test]
    fn a_full_house_costs_the_busiest_source_its_oldest() {
        let mut door = Door::default();
        let mut lonely: Vec<Place> = (100..128).map(|host| door.enter(v4(host))).collect();
        let mut busy: Vec<Place> = (0..4).map(|_| door.enter(v4(1))).collect();
        let mut new = door.enter(v4(200));
        assert!(is_out(&mut busy[0]) && !is_out(&mut busy[1]) && !is_out(&mut new));
        assert!(lonely.iter_mut().all(|place| !is_out(place)));
        assert_eq!(door.waiting.len(), UNPROVED);
    }

    #[test]
    fn a_place_is_free_again() {
        let mut door = Door::default();
        let mut kept = door.enter(v4(1));
        for _ in 0..100 {
            let place = door.enter(v4(1));
            door.leave(place.number);
        }
        assert!(!is_out(&mut kept));
    }
}
