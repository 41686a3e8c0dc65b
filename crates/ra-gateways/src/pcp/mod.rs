//! Gateways that speak PCP, or NAT-PMP which it replaces: a datagram to the router of each network, and one back.
//!
//! Such a gateway keeps one mapping for each inside port, chooses the outside port itself, forgets by itself, and says for how
//! long it has been up. It also opens the firewall for an IPv6 address, where there is nothing to translate. What is asked must come
//! from the very address that it is asked for, so each question has a socket of its own that is bound to it.
//!
//! Source: RFC 6887, RFC 6886; ADR 11 for why this is not a crate of somebody else's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use ra_nat::{Ask, Gateway, GatewayId, Granted, Lease, MOST_GATEWAYS, MapError, MappedBy, Mapper, Seen, Transport};
use sha2::{Digest as _, Sha256};
use tokio::net::UdpSocket;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::block_on;
use crate::networks::Network;
use wire::{Answer, Mapped};

mod wire;

/// The routers of this computer's networks, asked by PCP and NAT-PMP.
pub struct Pcp {
    /// This computer's networks, asked anew for each search.
    networks: Box<dyn Fn() -> Vec<Network> + Send + Sync>,
    secret: Zeroizing<[u8; 32]>,
    pub(crate) port: u16,
}

impl Pcp {
    /// Asks the routers of the networks that the function gives.
    ///
    /// From `secret` follows what makes a mapping ours. A later run needs the same to renew and to remove what this one made; who
    /// knows it can do so too.
    #[must_use]
    pub fn new(networks: impl Fn() -> Vec<Network> + Send + Sync + 'static, secret: Zeroizing<[u8; 32]>) -> Self {
        Self { networks: Box::new(networks), secret, port: wire::PORT }
    }

    /// What a gateway's name says: how it is asked, where, and from where. Rows of an earlier run name it too.
    fn known(&self, id: &GatewayId) -> Result<Known, MapError> {
        let unknown = MapError::Unreachable;
        let mut words = id.as_str().split(' ');
        let (Some(by), Some(router), Some("from"), Some(local), None) =
            (id.protocol(), words.nth(1), words.next(), words.next(), words.next())
        else {
            return Err(unknown);
        };
        let local: IpAddr = local.parse().map_err(|_| unknown)?;
        let (address, interface) = router.split_once('%').unwrap_or((router, ""));
        let router = match (address.parse().map_err(|_| unknown)?, interface) {
            (IpAddr::V6(v6), name) if !name.is_empty() => {
                // Interfaces may have other numbers since.
                let index = (self.networks)().iter().find(|network| network.interface == name).map(|found| found.index);
                SocketAddrV6::new(v6, self.port, 0, index.ok_or(unknown)?).into()
            }
            (ip, _) => SocketAddr::new(ip, self.port),
        };
        (local.is_ipv4() == router.is_ipv4()).then_some(Known { by, router, local }).ok_or(unknown)
    }

    /// Makes a mapping, renews it, or removes it with a lease of no seconds.
    fn map(&self, id: &GatewayId, ask: &Ask, seconds: u32) -> Result<Granted, MapError> {
        let known = self.known(id)?;
        let (inside, outside) = (ask.internal.port(), if seconds == 0 { 0 } else { ask.external_port });
        block_on(GIVEN_UP, async {
            let exchange = Exchange::open(known.local, known.router).await?;
            match known.by {
                MappedBy::Pcp => {
                    let nonce = self.nonce(ask);
                    let question = wire::map(known.local, &nonce, ask.transport, inside, outside, seconds);
                    exchange
                        .ask(&[&question], ASK, |answer| match answer {
                            Answer::Pcp { operation: wire::MAP, result: wire::SUCCESS, mapped, .. } => {
                                let ours = |mapped: &Mapped| {
                                    mapped.nonce == nonce
                                        && mapped.transport == ask.transport
                                        && mapped.internal_port == inside
                                };
                                mapped.filter(ours).map(|mapped| {
                                    granted(mapped.seconds, mapped.external_port, Some(mapped.external), seconds)
                                })
                            }
                            Answer::Pcp { operation: wire::MAP, .. } | Answer::Unknown { .. } => {
                                Some(Err(MapError::Refused))
                            }
                            _ => None,
                        })
                        .await?
                }
                MappedBy::NatPmp => {
                    let question = wire::map_nat_pmp(ask.transport, inside, outside, seconds);
                    exchange
                        .ask(&[&question], ASK, |answer| match answer {
                            Answer::Mapping {
                                result: 0,
                                transport,
                                internal_port,
                                external_port,
                                seconds: given,
                                ..
                            } if internal_port == inside && transport == ask.transport => {
                                Some(granted(given, external_port, None, seconds))
                            }
                            Answer::Mapping { result: 1.., .. } | Answer::Unknown { .. } => {
                                Some(Err(MapError::Refused))
                            }
                            _ => None,
                        })
                        .await?
                }
                MappedBy::Upnp => Err(MapError::Unreachable),
            }
        })
    }

    /// What makes the mapping of this port ours: the same in every run, and not to be guessed.
    fn nonce(&self, ask: &Ask) -> wire::Nonce {
        let mut digest = Sha256::new().chain_update(&self.secret[..]).chain_update(ask.internal.to_string());
        // TCP adds nothing, so that what an earlier version mapped can still be removed.
        if ask.transport != Transport::Tcp {
            digest.update(ask.transport.name());
        }
        let digest = digest.finalize();
        let mut nonce = wire::Nonce::default();
        let length = nonce.len();
        nonce.copy_from_slice(&digest[..length]);
        nonce
    }
}

/// Asks the router of one network whether it speaks either language.
pub(crate) async fn search(network: Network, port: u16) -> Option<Gateway> {
    let local = network.local;
    let router = match network.router? {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), port),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, network.index).into(),
        IpAddr::V6(v6) => SocketAddr::new(v6.into(), port),
    };
    let by = Exchange::open(local, router).await.ok()?.probe(local).await?;
    let scope = match router.ip() {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => format!("%{}", network.interface),
        _ => String::new(),
    };
    let id = GatewayId::new(&format!("{} {}{scope} from {local}", by.name(), router.ip()))?;
    Some(Gateway { id, local })
}

/// A gateway, as its name says it.
struct Known {
    by: MappedBy,
    router: SocketAddr,
    local: IpAddr,
}

/// What was made, when `wanted` seconds were asked for.
fn granted(seconds: u32, external_port: u16, external: Option<IpAddr>, wanted: u32) -> Result<Granted, MapError> {
    if wanted > 0 && (seconds == 0 || external_port == 0) {
        return Err(MapError::Refused);
    }
    Ok(Granted { lease: Lease::For(Duration::from_secs(u64::from(seconds))), external_port, external })
}

impl Mapper for Pcp {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        block_on(GIVEN_UP, async {
            let mut searches = tokio::task::JoinSet::new();
            for network in (self.networks)().into_iter().take(MOST_GATEWAYS) {
                searches.spawn(search(network, self.port));
            }
            let mut found: Vec<Gateway> = searches.join_all().await.into_iter().flatten().collect();
            found.sort_by(|one, two| one.id.cmp(&two.id));
            Ok(found)
        })
    }

    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError> {
        let known = self.known(gateway)?;
        block_on(GIVEN_UP, async {
            let exchange = Exchange::open(known.local, known.router).await?;
            exchange.look(&known).await
        })
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        match ask.lease {
            Lease::For(lease) => self.map(gateway, ask, u32::try_from(lease.as_secs()).unwrap_or(u32::MAX).max(1)),
            // It knows no such thing, and nobody asks for it who has not been told so.
            Lease::Permanent => Err(MapError::Refused),
        }
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.add(gateway, ask)
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        self.map(gateway, ask, 0).map(|_| ())
    }
}

impl std::fmt::Debug for Pcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pcp").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Questions to one router, and its answers.
struct Exchange {
    socket: UdpSocket,
}

impl Exchange {
    /// A socket that sends from this address and hears that router only.
    async fn open(local: IpAddr, router: SocketAddr) -> Result<Self, MapError> {
        let open = async {
            let socket = UdpSocket::bind((local, 0)).await?;
            socket.connect(router).await?;
            Ok::<_, std::io::Error>(socket)
        };
        // An address that this computer has no longer, or a network that is down.
        open.await.map(|socket| Self { socket }).map_err(|_| MapError::Unreachable)
    }

    /// Sends questions, again after each of the waits, until one of the answers counts.
    async fn ask<T>(
        &self,
        questions: &[&[u8]],
        waits: [Duration; 3],
        mut counts: impl FnMut(Answer) -> Option<T>,
    ) -> Result<T, MapError> {
        for wait in waits {
            let until = Instant::now() + wait;
            for question in questions {
                self.socket.send(question).await.map_err(|_| MapError::Unreachable)?;
            }
            if let Some(answer) = self.hear(until, &mut counts).await? {
                return Ok(answer);
            }
        }
        Err(MapError::Unreachable)
    }

    /// Waits for an answer that counts.
    async fn hear<T>(
        &self,
        until: Instant,
        counts: &mut impl FnMut(Answer) -> Option<T>,
    ) -> Result<Option<T>, MapError> {
        // One byte more, so that what is too long is seen to be.
        let mut datagram = [0; wire::LONGEST + 1];
        for _ in 0..MOST_DATAGRAMS {
            let Ok(received) = tokio::time::timeout_at(until, self.socket.recv(&mut datagram)).await else { break };
            // Where nobody listens, the router says so at once.
            let length = received.map_err(|_| MapError::Unreachable)?;
            if let Some(counted) = Answer::parse(&datagram[..length]).and_then(&mut *counts) {
                return Ok(Some(counted));
            }
        }
        Ok(None)
    }

    /// Which of the languages it speaks.
    async fn probe(&self, local: IpAddr) -> Option<MappedBy> {
        let announce = wire::announce(local);
        let questions: &[&[u8]] = if local.is_ipv4() { &[&announce, &wire::ADDRESS] } else { &[&announce] };
        let speaks_pcp = |answer: &Answer| {
            // One that does not know this operation speaks PCP all the same.
            let results = [wire::SUCCESS, wire::UNSUPPORTED_OPERATION];
            matches!(answer, Answer::Pcp { operation: wire::ANNOUNCE, result, .. } if results.contains(result))
        };
        let first = |answer: Answer| match answer {
            Answer::Address { .. } => Some(MappedBy::NatPmp),
            _ => speaks_pcp(&answer).then_some(MappedBy::Pcp),
        };
        let by = self.ask(questions, PROBE, first).await.ok()?;
        if by == MappedBy::NatPmp {
            // Both answers may be under way, and PCP can do more.
            let mut better = |answer: Answer| speaks_pcp(&answer).then_some(MappedBy::Pcp);
            return self.hear(Instant::now() + GRACE, &mut better).await.ok().map(|pcp| pcp.unwrap_or(by));
        }
        Some(by)
    }

    /// Asks for its address and its age. PCP has no question for the address; most who speak it answer NAT-PMP's.
    async fn look(&self, known: &Known) -> Result<Seen, MapError> {
        let announce = wire::announce(known.local);
        let mut seen = Seen { external: known.local.is_ipv6().then_some(known.local), up_for: None };
        let questions: &[&[u8]] = match (known.by, known.local) {
            (MappedBy::Pcp, IpAddr::V4(_)) => &[&announce, &wire::ADDRESS],
            (MappedBy::Pcp, IpAddr::V6(_)) => &[&announce],
            (MappedBy::NatPmp | MappedBy::Upnp, _) => &[&wire::ADDRESS],
        };
        let asks_both = questions.len() == 2;
        let up_for = |epoch: u32| Some(Duration::from_secs(u64::from(epoch)));
        let mut speaks_no_nat_pmp = false;
        let mut take = |answer| {
            match answer {
                // Its answer to a question in the other language.
                Answer::Pcp { result: wire::UNSUPPORTED_VERSION, .. } => speaks_no_nat_pmp = true,
                Answer::Pcp { operation: wire::ANNOUNCE, epoch, .. } => seen.up_for = up_for(epoch),
                Answer::Address { result: 0, epoch, external } => {
                    seen = Seen { external: Some(external.into()), up_for: up_for(epoch) };
                }
                // It has none: the cable outside is out, or the provider is down.
                Answer::Address { epoch, .. } => {
                    seen = Seen { external: Some(Ipv4Addr::UNSPECIFIED.into()), up_for: up_for(epoch) };
                }
                _ => return None,
            }
            let all = seen.external.is_some() || speaks_no_nat_pmp || !asks_both;
            (all && (seen.up_for.is_some() || seen.external.is_some())).then_some(())
        };
        let complete = self.ask(questions, ASK, &mut take).await;
        // One that answers the one question and is silent on the other has answered.
        if complete.is_ok() || seen.up_for.is_some() { Ok(seen) } else { Err(MapError::Unreachable) }
    }
}

/// A router that speaks one of them answers in milliseconds; a datagram may be lost, and the next. Source: `notes/reach.md` 8.
const PROBE: [Duration; 3] = [Duration::from_millis(250); 3];
/// A mapping is asked for with more patience, as RFC 6886, 3.1 has it: the pause doubles.
const ASK: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000)];
/// The answer in the better language may be this late.
const GRACE: Duration = Duration::from_millis(100);
/// All in all, whatever happens.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// Whoever sends more than this within a second is not answering questions.
const MOST_DATAGRAMS: usize = 64;

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
