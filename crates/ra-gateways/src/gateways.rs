//! Every gateway of this computer's networks, in whichever language it speaks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ra_nat::{Ask, Gateway, GatewayId, Granted, MOST_GATEWAYS, MapError, MappedBy, Mapper, Seen};
use zeroize::Zeroizing;

use crate::networks::Network;
use crate::upnp::{SEARCH, Upnp};
use crate::{Pcp, block_on, pcp};

/// The gateways of this computer's networks, by PCP, NAT-PMP or UPnP.
///
/// On each network all are tried at once, and the first that answers is used. That is PCP where the router speaks it, since one
/// datagram is enough; then nothing waits for UPnP, whose silence means something after four seconds only. A search ends as soon as
/// every network has its answer.
pub struct Gateways {
    networks: Arc<dyn Fn() -> Vec<Network> + Send + Sync>,
    upnp: Upnp,
    pcp: Pcp,
}

impl Gateways {
    /// Searches on the networks that the function gives, best first; `secret` is what [`Pcp::new`] takes.
    #[must_use]
    pub fn new(networks: impl Fn() -> Vec<Network> + Send + Sync + 'static, secret: Zeroizing<[u8; 32]>) -> Self {
        let networks: Arc<dyn Fn() -> Vec<Network> + Send + Sync> = Arc::new(networks);
        let (for_upnp, for_pcp) = (Arc::clone(&networks), Arc::clone(&networks));
        let addresses = move || {
            let v4 = for_upnp().into_iter().filter_map(|network| match network.local {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            });
            v4.collect()
        };
        Self { networks, upnp: Upnp::new(addresses), pcp: Pcp::new(move || for_pcp(), secret) }
    }

    /// The one that speaks this gateway's language.
    fn speaker(&self, gateway: &GatewayId) -> Result<&dyn Mapper, MapError> {
        match gateway.protocol() {
            Some(MappedBy::Upnp) => Ok(&self.upnp),
            Some(MappedBy::Pcp | MappedBy::NatPmp) => Ok(&self.pcp),
            None => Err(MapError::Unreachable),
        }
    }
}

/// What answered on a network.
enum Answered {
    Pcp(Gateway),
    Upnp(std::net::Ipv4Addr, Box<igd_next::aio::Gateway<igd_next::aio::tokio::Tokio>>),
}

impl Mapper for Gateways {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        let networks = (self.networks)();
        let answered = block_on(SEARCH + Duration::from_secs(1), async {
            let mut searches = tokio::task::JoinSet::new();
            for (order, network) in networks.into_iter().take(MOST_GATEWAYS).enumerate() {
                let by_upnp = match network.local {
                    IpAddr::V4(v4) => Some((v4, self.upnp.search(v4))),
                    // Its search for firewalls does not understand the daemon of most routers (ADR 11).
                    IpAddr::V6(_) => None,
                };
                let within = if network.router.is_some() { SEARCH } else { SEARCH_WITHOUT_ROUTER };
                let by_pcp = pcp::search(network, self.pcp.port);
                let first = async move {
                    let mut by_pcp = std::pin::pin!(by_pcp);
                    let Some((local, by_upnp)) = by_upnp else { return by_pcp.await.map(Answered::Pcp) };
                    let mut by_upnp = std::pin::pin!(by_upnp);
                    let upnp = |device| Answered::Upnp(local, Box::new(device));
                    tokio::select! {
                        // Of two that are there in the same moment, the one that also renews with a single datagram.
                        biased;
                        Some(gateway) = &mut by_pcp => Some(Answered::Pcp(gateway)),
                        Some(device) = &mut by_upnp => Some(upnp(device)),
                        else => None,
                    }
                };
                searches.spawn(async move { (order, tokio::time::timeout(within, first).await.ok().flatten()) });
            }
            Ok(searches.join_all().await)
        })?;
        let mut answered = answered;
        answered.sort_by_key(|(order, _)| *order);
        let keep = |(_, answered): (usize, Option<Answered>)| match answered? {
            Answered::Pcp(gateway) => Some(gateway),
            Answered::Upnp(local, device) => self.upnp.keep(local, *device),
        };
        Ok(answered.into_iter().filter_map(keep).collect())
    }

    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError> {
        self.speaker(gateway)?.look(gateway)
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.speaker(gateway)?.add(gateway, ask)
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.speaker(gateway)?.renew(gateway, ask)
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        self.speaker(gateway)?.delete(gateway, ask)
    }
}

impl std::fmt::Debug for Gateways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateways").field("upnp", &self.upnp).field("pcp", &self.pcp).finish_non_exhaustive()
    }
}

/// On a network that no route leaves through, such as the one of virtual machines, a gateway is looked for shortly: the search goes
/// out twice, and what a mapping there would bring in could hardly be answered.
const SEARCH_WITHOUT_ROUTER: Duration = Duration::from_millis(1200);

#[cfg(test)]
mod tests;
