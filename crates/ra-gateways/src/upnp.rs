//! Gateways that speak UPnP: the Internet Gateway Device of every router at home, found and asked through igd-next.
//!
//! What that crate leaves to its caller is here: a search on each interface, repeated since datagrams are lost; a short
//! time for each call; a look at what the gateway really has, since some say yes and do nothing; and never the removal
//! of what belongs to somebody else by now.
//!
//! Source: UPnP InternetGatewayDevice 1 and 2, WANIPConnection; `notes/reach.md` 4 and 8 for what routers do.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use igd_next::aio::Gateway as Device;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{
    AddPortError, GetExternalIpError, GetGenericPortMappingEntryError, PortMappingProtocol, RemovePortError,
    RequestError, SearchOptions,
};

use ra_nat::{Ask, Gateway, GatewayId, Lease, MOST_GATEWAYS, MapError, Mapper};

/// The UPnP gateways of this computer's networks.
pub struct Upnp {
    /// This computer's own IPv4 addresses, asked anew for each search.
    addresses: Box<dyn Fn() -> Vec<Ipv4Addr> + Send + Sync>,
    /// Where searches go.
    everybody: SocketAddr,
    /// Addresses that are believed although no router has them.
    trusted: Vec<IpAddr>,
    found: Mutex<BTreeMap<GatewayId, Device<Tokio>>>,
}

impl Upnp {
    /// Searches from the addresses that the function gives: one for each interface that may have a gateway.
    #[must_use]
    pub fn new(addresses: impl Fn() -> Vec<Ipv4Addr> + Send + Sync + 'static) -> Self {
        let everybody = SearchOptions::default().broadcast_address;
        Self { addresses: Box::new(addresses), everybody, trusted: Vec::new(), found: Mutex::default() }
    }

    /// The gateway of that name: a known one, else searched for, since rows of an earlier run name it too.
    fn device(&self, id: &GatewayId) -> Result<Device<Tokio>, MapError> {
        let known = || self.held().get(id).cloned();
        if let Some(device) = known() {
            return Ok(device);
        }
        self.gateways()?;
        known().ok_or(MapError::Unreachable)
    }

    /// Asks one thing of a gateway. One that does not answer is searched for anew at the next call: a router that was
    /// restarted may have other ports.
    fn ask<T, F: Future<Output = Result<T, MapError>>>(
        &self,
        id: &GatewayId,
        call: impl FnOnce(Device<Tokio>) -> F,
    ) -> Result<T, MapError> {
        let answer = block_on(ASK, call(self.device(id)?));
        if matches!(answer, Err(MapError::Unreachable)) {
            self.held().remove(id);
        }
        answer
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<GatewayId, Device<Tokio>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Upnp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upnp").field("found", &self.held().keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Mapper for Upnp {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        let addresses = (self.addresses)();
        let found = block_on(SEARCH + Duration::from_secs(1), async {
            let mut searches = tokio::task::JoinSet::new();
            for local in addresses.into_iter().take(MOST_GATEWAYS) {
                let (everybody, trusted) = (self.everybody, self.trusted.clone());
                searches.spawn(async move { (local, search(local, everybody, trusted).await) });
            }
            Ok(searches.join_all().await)
        })?;
        let mut gateways = Vec::new();
        let mut held = self.held();
        for (local, device) in found {
            let Some(device) = device else { continue };
            // What a gateway calls itself is its own claim; where it answers from is not.
            let Some(id) = GatewayId::new(&format!("upnp {} from {local}", device.addr.ip())) else { continue };
            held.insert(id.clone(), device);
            gateways.push(Gateway { id, local: IpAddr::V4(local) });
        }
        gateways.sort_by(|one, two| one.id.cmp(&two.id));
        Ok(gateways)
    }

    fn external_address(&self, gateway: &GatewayId) -> Result<IpAddr, MapError> {
        self.ask(gateway, async |device| {
            device.get_external_ip().await.map_err(|error| match error {
                GetExternalIpError::ActionNotAuthorized => MapError::Refused,
                // An empty answer: the gateway has no address of its own outside.
                GetExternalIpError::RequestError(RequestError::InvalidResponse(_)) => MapError::Refused,
                GetExternalIpError::RequestError(error) => request(&error),
            })
        })
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Lease, MapError> {
        let (internal, port) = (ask.internal, ask.external_port);
        let seconds = match ask.lease {
            Lease::For(lease) => u32::try_from(lease.as_secs()).unwrap_or(u32::MAX),
            Lease::Permanent => 0,
        };
        self.ask(gateway, async |device| {
            // Whoever has the port keeps it: some gateways would let us take it over.
            if matches!(leads(&device, port).await, Leads::To(there) if there != internal) {
                return Err(MapError::Conflict);
            }
            let added = device.add_port(PortMappingProtocol::TCP, port, internal, seconds, DESCRIPTION).await;
            added.map_err(|error| match error {
                AddPortError::PortInUse => MapError::Conflict,
                AddPortError::OnlyPermanentLeasesSupported => MapError::OnlyPermanent,
                AddPortError::SamePortValuesRequired => MapError::SamePortOnly,
                AddPortError::RequestError(error) => request(&error),
                AddPortError::ActionNotAuthorized
                | AddPortError::InternalPortZeroInvalid
                | AddPortError::ExternalPortZeroInvalid
                | AddPortError::DescriptionTooLong => MapError::Refused,
            })?;
            match leads(&device, port).await {
                Leads::To(there) if there != internal => Err(MapError::Conflict),
                Leads::To(_) | Leads::Unknown => Ok(ask.lease),
                // It said yes and has nothing.
                Leads::Nowhere => Err(MapError::Refused),
            }
        })
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Lease, MapError> {
        self.add(gateway, ask)
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        let (internal, port) = (ask.internal, ask.external_port);
        self.ask(gateway, async |device| {
            match leads(&device, port).await {
                Leads::Nowhere => return Err(MapError::NoSuchMapping),
                Leads::To(there) if there != internal => return Err(MapError::NoSuchMapping),
                Leads::To(_) | Leads::Unknown => {}
            }
            let removed = device.remove_port(PortMappingProtocol::TCP, port).await;
            removed.map_err(|error| match error {
                RemovePortError::ActionNotAuthorized => MapError::Refused,
                RemovePortError::NoSuchPortMapping => MapError::NoSuchMapping,
                RemovePortError::RequestError(error) => request(&error),
            })
        })
    }
}

/// Where an outside port leads, as the gateway lists its mappings.
enum Leads {
    To(SocketAddr),
    Nowhere,
    /// It lists nothing, not to us, too slowly or without an end.
    Unknown,
}

async fn leads(device: &Device<Tokio>, port: u16) -> Leads {
    let look = async {
        for index in 0..LONGEST_LIST {
            match device.get_generic_port_mapping_entry(index).await {
                Ok(entry) if entry.external_port == port && entry.protocol == PortMappingProtocol::TCP => {
                    let client = entry.internal_client.parse::<IpAddr>();
                    return client.map_or(Leads::Unknown, |ip| Leads::To(SocketAddr::new(ip, entry.internal_port)));
                }
                Ok(_) => {}
                Err(GetGenericPortMappingEntryError::SpecifiedArrayIndexInvalid) => return Leads::Nowhere,
                Err(_) => return Leads::Unknown,
            }
        }
        Leads::Unknown
    };
    tokio::time::timeout(LOOK, look).await.unwrap_or(Leads::Unknown)
}

/// Searches on one interface, three times over one another: the search is one datagram, and those are lost.
async fn search(local: Ipv4Addr, everybody: SocketAddr, trusted: Vec<IpAddr>) -> Option<Device<Tokio>> {
    let mut searches = tokio::task::JoinSet::new();
    for after in SEARCHES {
        let trusted = trusted.clone();
        searches.spawn(async move {
            tokio::time::sleep(after).await;
            let mut options = SearchOptions::default();
            options.bind_addr = SocketAddr::new(local.into(), 0);
            options.broadcast_address = everybody;
            options.allowed_gateway_ips = trusted;
            options.timeout = Some(SEARCH.saturating_sub(after));
            options.single_search_timeout = options.timeout;
            search_gateway(options).await
        });
    }
    while let Some(found) = searches.join_next().await {
        if let Ok(Ok(device)) = found {
            return Some(device);
        }
    }
    None
}

fn request(error: &RequestError) -> MapError {
    match error {
        // It answered, and the answer is no.
        RequestError::ErrorCode(..) | RequestError::UnsupportedAction(_) => MapError::Refused,
        _ => MapError::Unreachable,
    }
}

/// Runs one call to its end or to its deadline, on this thread.
fn block_on<T>(within: Duration, call: impl Future<Output = Result<T, MapError>>) -> Result<T, MapError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| MapError::Unreachable)?;
    runtime.block_on(async { tokio::time::timeout(within, call).await.unwrap_or(Err(MapError::Unreachable)) })
}

/// What a router's own pages call the mapping.
const DESCRIPTION: &str = "Remote Assistance";
/// One call: a router answers in milliseconds, or hangs.
const ASK: Duration = Duration::from_secs(3);
/// Of that, for the list of its mappings.
const LOOK: Duration = Duration::from_secs(1);
/// More mappings than any router at home has; some list without an end.
const LONGEST_LIST: u32 = 256;
/// A search, all in all.
const SEARCH: Duration = Duration::from_secs(4);
/// When the search goes out.
const SEARCHES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(700), Duration::from_millis(1500)];

#[cfg(test)]
mod router;
#[cfg(test)]
mod tests;
