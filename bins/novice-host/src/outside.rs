//! A code's outside addresses: where a router answers, it is asked to send datagrams on to the code's endpoint. Two computers then
//! talk directly that would not find a way through their routers by themselves.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ra_nat::Mapper;
use ra_novice::mappings::{FAREWELL, Moved, Reached};
use ra_novice::settings::Paths;
use ra_novice::store::Store;
use ra_p2p::{Meeting, Outside};
use ra_rendezvous::RelayUrl;
use ra_session::invitations::TicketId;
use serde_json::json;
use tokio::runtime::Handle;

use crate::failure::Failure;
use crate::reach;
use crate::tell::Teller;

/// Gives the endpoint what routers give us. Never waits.
#[derive(Clone)]
pub(crate) struct Giver {
    outside: Outside,
    runtime: Handle,
    teller: Teller,
}

/// Routers that are being asked, beside everything else: the code can be used meanwhile.
pub(crate) struct Asking {
    over: Receiver<()>,
}

impl Giver {
    /// For the endpoint of a meeting, which lives there.
    pub(crate) fn new(meeting: &Meeting, runtime: Handle, teller: &Teller) -> Self {
        Self { outside: meeting.outside(), runtime, teller: teller.clone() }
    }

    fn give(&self, address: SocketAddr) {
        let outside = self.outside.clone();
        self.runtime.spawn(async move { outside.add(address).await });
    }

    fn take_back(&self, address: SocketAddr) {
        let outside = self.outside.clone();
        self.runtime.spawn(async move { outside.remove(address).await });
    }

    /// A router has another address now, or none.
    pub(crate) fn moved(&self, moved: &Moved) {
        let (was, via) = (moved.was, reach::via(&moved.gateway));
        match moved.now {
            Ok(now) => {
                if now != was {
                    self.take_back(was);
                }
                self.give(now);
                let told =
                    json!({ "external": now.to_string(), "via": via, "was": was.to_string(), "transport": "udp" });
                self.teller.event("mapped", told);
            }
            Err(why) => {
                self.take_back(was);
                let told = json!({ "was": was.to_string(), "via": via, "why": reach::reason(why), "transport": "udp" });
                self.teller.event("unmapped", told);
            }
        }
    }

    /// What was given is told to programs only: with a code nobody has to know an address.
    fn tell(&self, reached: &Reached) {
        for (external, gateway) in reached.external.iter().zip(&reached.gateways) {
            let told = json!({ "external": external.to_string(), "via": reach::via(gateway), "transport": "udp" });
            self.teller.event("mapped", told);
        }
        for (gateway, why) in &reached.without {
            tracing::info!(%gateway, why = reach::in_words(*why), "no mapping for the code");
        }
    }
}

impl Asking {
    /// Begins to ask for what arrives at these sockets, for a ticket that is open for `life`.
    pub(crate) fn begin(
        paths: &Paths,
        gateways: &Arc<dyn Mapper>,
        ticket: &TicketId,
        sockets: Vec<SocketAddr>,
        life: Duration,
        giver: Giver,
    ) -> Result<Self, Failure> {
        let (told, over) = channel();
        let (paths, gateways, ticket) = (paths.clone(), Arc::clone(gateways), ticket.clone());
        let ask = move || {
            let reached = reach::ask_gateways_for_udp(&paths, gateways, &sockets, life);
            if !reached.mappings.is_empty() && !belongs(&paths, &ticket, &reached) {
                // The code has ended in the meantime.
                reach::give_back(&paths, &reached);
            } else {
                reached.external.iter().for_each(|external| giver.give(*external));
                giver.tell(&reached);
            }
            drop(told);
        };
        std::thread::Builder::new().name("outside".to_owned()).spawn(ask).map_err(|error| Failure::chain(&error))?;
        Ok(Self { over })
    }

    /// Waits a moment for routers that are still being asked. What they give after that is noted, and removed at the next start.
    pub(crate) fn settle(self) {
        let _ = self.over.recv_timeout(FAREWELL);
    }
}

/// Notes that the ticket uses what was made, so that it is renewed while that is open, and removed with it.
fn belongs(paths: &Paths, ticket: &TicketId, reached: &Reached) -> bool {
    let noted = Store::open(&paths.store()).and_then(|mut store| store.use_mappings(ticket, &reached.mappings));
    noted.unwrap_or_else(|error| {
        tracing::warn!(%error, "what a router gave cannot be noted");
        false
    })
}

/// Whether somebody elsewhere can come: not where every relay is on this computer itself.
pub(crate) fn anybody_elsewhere(relays: &[RelayUrl]) -> bool {
    let here = |relay: &RelayUrl| {
        let host = relay.host();
        let address = host.parse().map(|at: SocketAddr| at.ip()).or_else(|_| host.trim_matches(['[', ']']).parse());
        address.is_ok_and(|ip: IpAddr| ip.is_loopback())
    };
    !relays.iter().all(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_relay_on_this_computer_only_nobody_elsewhere_can_come() {
        let relays = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<RelayUrl>>();
        for here in ["https://127.0.0.1:4433", "https://127.0.0.1", "https://[::1]", "https://[::1]:4433"] {
            assert!(!anybody_elsewhere(&relays(&[here])), "{here}");
            assert!(anybody_elsewhere(&relays(&[here, "https://relay.example.org"])), "{here}");
        }
        assert!(anybody_elsewhere(&relays(&["https://11.0.0.1:4433"])));
    }
}
