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

use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::aio::{Gateway as Device, Provider as _};
use igd_next::{
    AddPortError, GetExternalIpError, GetGenericPortMappingEntryError, PortMappingProtocol, RemovePortError,
    RequestError, SearchOptions,
};

use ra_nat::{Ask, Gateway, GatewayId, Granted, Lease, MOST_GATEWAYS, MapError, MappedBy, Mapper, Seen, Transport};

use crate::block_on;

/// The UPnP gateways of this computer's networks.
pub struct Upnp {
    /// This computer's own IPv4 addresses, asked anew for each search.
    addresses: Box<dyn Fn() -> Vec<Ipv4Addr> + Send + Sync>,
    /// Where searches go.
    pub(crate) everybody: SocketAddr,
    /// Addresses that are believed although no router has them.
    pub(crate) trusted: Vec<IpAddr>,
    found: Mutex<BTreeMap<GatewayId, Device<Tokio>>>,
}

impl Upnp {
    /// Searches from the addresses that the function gives: one for each interface that may have a gateway.
    #[must_use]
    pub fn new(addresses: impl Fn() -> Vec<Ipv4Addr> + Send + Sync + 'static) -> Self {
        let everybody = SearchOptions::default().broadcast_address;
        Self { addresses: Box::new(addresses), everybody, trusted: Vec::new(), found: Mutex::default() }
    }

    /// Searches from one address.
    pub(crate) fn search(&self, local: Ipv4Addr) -> impl Future<Output = Option<Device<Tokio>>> + use<> {
        search(local, self.everybody, self.trusted.clone())
    }

    /// Gives what was found a name, and remembers it.
    pub(crate) fn keep(&self, local: Ipv4Addr, device: Device<Tokio>) -> Option<Gateway> {
        // What a gateway calls itself is its own claim; where it answers from is not.
        let id = GatewayId::new(&format!("{} {} from {local}", MappedBy::Upnp.name(), device.addr.ip()))?;
        self.held().insert(id.clone(), device);
        Some(Gateway { id, local: IpAddr::V4(local) })
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
                let search = self.search(local);
                searches.spawn(async move { (local, search.await) });
            }
            Ok(searches.join_all().await)
        })?;
        let keep = |(local, device): (_, Option<_>)| self.keep(local, device?);
        let mut gateways: Vec<Gateway> = found.into_iter().filter_map(keep).collect();
        gateways.sort_by(|one, two| one.id.cmp(&two.id));
        Ok(gateways)
    }

    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError> {
        self.ask(gateway, async |device| {
            let (external, status) = tokio::join!(device.get_external_ip(), status(&device));
            let external = external.or_else(|error| match error {
                GetExternalIpError::ActionNotAuthorized => Err(MapError::Refused),
                // It answers the question, and with nothing: it has no address of its own outside.
                GetExternalIpError::RequestError(RequestError::InvalidResponse(text))
                    if text.contains("NewExternalIPAddress") =>
                {
                    Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
                }
                GetExternalIpError::RequestError(RequestError::InvalidResponse(_)) => Err(MapError::Refused),
                GetExternalIpError::RequestError(error) => Err(request(&error)),
            })?;
            // A second router in the house, or one that was put aside, may name an address that it had once.
            let external = if status.is_down { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { external };
            Ok(Seen { external: Some(external), up_for: status.up_for })
        })
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        let (protocol, internal, port) = (protocol(ask.transport), ask.internal, ask.external_port);
        let seconds = match ask.lease {
            Lease::For(lease) => u32::try_from(lease.as_secs()).unwrap_or(u32::MAX),
            Lease::Permanent => 0,
        };
        self.ask(gateway, async |device| {
            // Whoever has the port keeps it: some gateways would let us take it over.
            if matches!(leads(&device, protocol, port).await, Leads::To(there) if there != internal) {
                return Err(MapError::Conflict);
            }
            let added = device.add_port(protocol, port, internal, seconds, DESCRIPTION).await;
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
            match leads(&device, protocol, port).await {
                Leads::To(there) if there != internal => Err(MapError::Conflict),
                Leads::To(_) | Leads::Unknown => Ok(ask.granted()),
                // It said yes and has nothing.
                Leads::Nowhere => Err(MapError::Refused),
            }
        })
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.add(gateway, ask)
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        let (protocol, internal, port) = (protocol(ask.transport), ask.internal, ask.external_port);
        self.ask(gateway, async |device| {
            match leads(&device, protocol, port).await {
                Leads::Nowhere => return Err(MapError::NoSuchMapping),
                Leads::To(there) if there != internal => return Err(MapError::NoSuchMapping),
                Leads::To(_) | Leads::Unknown => {}
            }
            let removed = device.remove_port(protocol, port).await;
            removed.map_err(|error| match error {
                RemovePortError::ActionNotAuthorized => MapError::Refused,
                RemovePortError::NoSuchPortMapping => MapError::NoSuchMapping,
                RemovePortError::RequestError(error) => request(&error),
            })
        })
    }
}

/// What a gateway says about its connection.
#[derive(Default)]
struct Status {
    is_down: bool,
    up_for: Option<Duration>,
}

/// Asks for it; igd-next does not. Who does not answer that, or oddly, counts as connected.
async fn status(device: &Device<Tokio>) -> Status {
    let service = &device.service_type;
    // Where it is asked was checked when it was found: it is at the address that it answered from.
    let url = match &device.control_url {
        absolute if absolute.starts_with("http://") => absolute.clone(),
        path => format!("http://{}{path}", device.addr),
    };
    let body = format!(
        "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:GetStatusInfo xmlns:u=\"{service}\"/>\
         </s:Body></s:Envelope>"
    );
    let action = format!("\"{service}#GetStatusInfo\"");
    let asked = Tokio::send_async(&url, &action, &body);
    let Ok(Ok(answer)) = tokio::time::timeout(LOOK, asked).await else { return Status::default() };
    let is_down = matches!(element(&answer, "NewConnectionStatus"), Some("Disconnected" | "Unconfigured"));
    let up_for = element(&answer, "NewUptime").and_then(|seconds| seconds.parse::<u32>().ok());
    Status { is_down, up_for: up_for.map(|seconds| Duration::from_secs(u64::from(seconds))) }
}

/// The text of an element that has nothing else in it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(text, _)| text.trim())
}

const fn protocol(transport: Transport) -> PortMappingProtocol {
    match transport {
        Transport::Tcp => PortMappingProtocol::TCP,
        Transport::Udp => PortMappingProtocol::UDP,
    }
}

/// Where an outside port leads, as the gateway lists its mappings.
enum Leads {
    To(SocketAddr),
    Nowhere,
    /// It lists nothing, not to us, too slowly or without an end.
    Unknown,
}

async fn leads(device: &Device<Tokio>, protocol: PortMappingProtocol, port: u16) -> Leads {
    let look = async {
        for index in 0..LONGEST_LIST {
            match device.get_generic_port_mapping_entry(index).await {
                Ok(entry) if entry.external_port == port && entry.protocol == protocol => {
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

/// What a router's own pages call the mapping.
const DESCRIPTION: &str = "Remote Assistance";
/// One call: a router answers in milliseconds, or hangs.
const ASK: Duration = Duration::from_secs(3);
/// Of that, for the list of its mappings.
const LOOK: Duration = Duration::from_secs(1);
/// More mappings than any router at home has; some list without an end.
const LONGEST_LIST: u32 = 256;
/// A search, all in all. A device may let up to three seconds pass before it answers (MX), so that not all do at once.
pub(crate) const SEARCH: Duration = Duration::from_secs(4);
/// When the search goes out.
const SEARCHES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(700), Duration::from_millis(1500)];

#[cfg(test)]
pub(crate) mod router;
#[cfg(test)]
mod tests;
