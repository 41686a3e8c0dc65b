//! `novice-host doctor`: who will be able to reach this computer, and what to do where somebody will not.
//!
//! It looks at the networks, asks each gateway for a mapping and gives it back, reads the firewall of this computer as far as it
//! can, and says which row of Table 1 applies. It predicts; only the expert's own attempt is the proof.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ra_gateways::Network;
use ra_nat::table::{Dials, Route, Side, meets};
use ra_nat::{AddressClass, Ask, Gateway, GatewayId, Granted, MapError, Mapper, Seen, Transport, is_public};
use ra_novice::mappings::{CREATION, FAREWELL, Mappings, Reached, Unmapped, Wanted};
#[cfg(feature = "p2p")]
use ra_novice::policy::EffectivePolicy;
use ra_novice::settings::Paths;
#[cfg(feature = "p2p")]
use ra_policy::Denied;
use serde_json::{Value, json};

use crate::cli;
use crate::failure::Failure;
use crate::reach;
use crate::tell::Teller;

use firewall::Firewall;
use nftables::Judged;

mod firewall;
mod nftables;

/// The relays that are configured, which a code needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relays {
    /// How many can be used.
    pub(crate) configured: usize,
    /// Why that is none, where policy says so or a list cannot be read.
    pub(crate) why_none: Option<String>,
    /// Those that policy lists, as `policy show` has them.
    pub(crate) official: Value,
}

/// Looks, and says what it found.
pub(crate) fn run(options: &cli::Doctor, teller: &Teller) -> Result<(), Failure> {
    let paths = Paths::from_environment()?;
    let listening = options.addresses();
    if listening.iter().any(|address| address.port() == 0) {
        return Err(Failure::usage("doctor needs to know the port: give one with --listen"));
    }
    let findings = Findings::look(&paths, &listening, relays(&paths));
    teller.event("doctor", findings.to_json());
    for line in findings.in_words() {
        teller.say(&line);
    }
    Ok(())
}

#[cfg(feature = "p2p")]
fn relays(paths: &Paths) -> Relays {
    let policy = EffectivePolicy::read(paths).policy;
    let official = crate::policy::official(&policy);
    match crate::relays::to_use(&[], paths, &policy) {
        Ok(relays) if relays.is_empty() && !official.is_null() => {
            Relays { configured: 0, why_none: Some(Denied::NoRelay.to_string()), official }
        }
        Ok(relays) => Relays { configured: relays.len(), why_none: None, official },
        Err(failure) => Relays { configured: 0, why_none: Some(failure.sentence().to_owned()), official },
    }
}

/// Without codes a relay is of no use.
#[cfg(not(feature = "p2p"))]
fn relays(_: &Paths) -> Relays {
    Relays::default()
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Findings {
    port: u16,
    networks: Vec<OnNetwork>,
    firewall: Firewall,
    relays: Relays,
}

/// What was found on one network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OnNetwork {
    network: Network,
    gateway: Option<Answered>,
}

/// The gateway that answered on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answered {
    id: GatewayId,
    /// What it says about itself.
    seen: Seen,
    /// What it gave, or why it gave nothing.
    gave: Result<SocketAddr, Unmapped>,
    /// It has confirmed that what it gave is gone again.
    took_back: bool,
}

/// What came of asking every gateway for a mapping.
struct Tried {
    reached: Reached,
    /// What was not confirmed as given back.
    left: Vec<SocketAddr>,
}

/// How far a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    /// To whoever is anywhere.
    Everywhere,
    /// To whoever has IPv6, and to who is near.
    WithIpv6,
    /// To whoever is in one of this computer's networks.
    Nearby,
    Nowhere,
}

/// What to do next, in the order of S114.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This computer's own firewall stands in the way.
    OpenHere,
    /// What Messenger was: a way on which either side may dial, or a code.
    TryMessenger,
    /// The administrator of the network lets the port in.
    AskAdministrator,
}

impl Findings {
    fn look(paths: &Paths, listening: &[SocketAddr], relays: Relays) -> Self {
        let port = listening.first().map_or(PORT, SocketAddr::port);
        // Where it cannot be had, what is asked of gateways below is left out, and that is said.
        let usable = paths.prepare_state().is_ok();
        let networks = reach::networks();
        let mapper = reach::gateways(paths);
        let found = mapper.gateways().unwrap_or_default();
        let seen = |gateway: &Gateway| (gateway.id.clone(), mapper.look(&gateway.id).unwrap_or_default());
        let seen: Vec<(GatewayId, Seen)> = found.iter().map(seen).collect();
        let known = Arc::new(Known { mapper: Arc::clone(&mapper), found: found.clone() });
        let tried = if usable { try_a_mapping(paths, known, listening) } else { None };
        let gateway_of = |network: &Network| {
            let gateway = found.iter().find(|gateway| gateway.local == network.local)?;
            let seen = seen.iter().find(|(id, _)| *id == gateway.id).map(|(_, seen)| *seen).unwrap_or_default();
            let (gave, took_back) = outcome(tried.as_ref(), &gateway.id);
            Some(Answered { id: gateway.id.clone(), seen, gave, took_back })
        };
        let interface = networks.first().map_or("", |network| &network.interface).to_owned();
        let listens = |local: IpAddr| listening.iter().any(|at| takes(at.ip(), local));
        let networks = networks.into_iter().filter(|network| is_of_use(network.local) && listens(network.local));
        let networks = networks.map(|network| OnNetwork { gateway: gateway_of(&network), network }).collect();
        Self { port, networks, firewall: Firewall::look(&interface, port), relays }
    }

    /// How this computer is seen from elsewhere, its own firewall aside.
    fn side(&self) -> Side {
        let public = |on: &OnNetwork| on.network.local.is_ipv4() && is_public(on.network.local);
        let mapped = |on: &OnNetwork| on.gave().is_some_and(|external| external.is_ipv4());
        if self.networks.iter().any(public) {
            Side::Public
        } else if self.networks.iter().any(mapped) {
            Side::Mapped
        } else {
            Side::Closed
        }
    }

    fn is_shut(&self) -> bool {
        matches!(self.firewall.judged, Judged::Closed(_))
    }

    /// Where a file, and with it any RDP program that opens it, leads.
    fn file(&self) -> Leads {
        if self.networks.is_empty() || self.is_shut() {
            return Leads::Nowhere;
        }
        let opened = |on: &OnNetwork| on.gave().is_some_and(|external| external.is_ipv6());
        if meets(Route::File, self.side(), Side::Closed).is_some() {
            Leads::Everywhere
        } else if self.networks.iter().any(opened) {
            Leads::WithIpv6
        } else {
            Leads::Nearby
        }
    }

    /// Whether a code does, which listens nowhere.
    fn code(&self) -> bool {
        self.relays.configured > 0 && !self.networks.is_empty()
    }

    /// Who dials where both sides have something to talk over, for an expert that is seen like this.
    fn dials(&self, expert: Side) -> Option<Dials> {
        let novice = if self.is_shut() { Side::Closed } else { self.side() };
        meets(Route::Messenger, novice, expert)
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.is_shut() {
            steps.push(Step::OpenHere);
        }
        if self.file() != Leads::Everywhere {
            steps.push(Step::TryMessenger);
            steps.push(Step::AskAdministrator);
        }
        steps
    }

    fn to_json(&self) -> Value {
        let networks: Vec<Value> = self.networks.iter().map(OnNetwork::to_json).collect();
        let dials = |expert| match self.dials(expert) {
            Some(Dials::Expert) => "expert_dials",
            Some(Dials::Novice) => "novice_dials",
            None => "no",
        };
        json!({
            "port": self.port,
            "networks": networks,
            "firewall": self.firewall.to_json(),
            "row": row(self.side()),
            "file": self.file().name(),
            "plain_rdp": self.file().name(),
            "code": if self.code() { "yes" } else { "no" },
            "either_dials": { "public": dials(Side::Public), "upnp": dials(Side::Mapped), "non_upnp": dials(Side::Closed) },
            "relays": self.relays.configured,
            "official_relays": self.relays.official,
            "no_relay": self.relays.why_none,
            "next": self.steps().iter().map(|step| step.name()).collect::<Vec<_>>(),
        })
    }

    fn in_words(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.networks.iter().map(OnNetwork::in_words).collect();
        if lines.is_empty() {
            lines.push("This computer is in no network that anybody could come from.".to_owned());
        }
        lines.push(match &self.firewall.judged {
            Judged::Open => format!("Its own firewall lets connections to port {} in.", self.port),
            Judged::Closed(by) => format!("Its own firewall lets nobody in at port {}: {by}.", self.port),
            Judged::NotKnown(why) => format!("What its own firewall does with port {} is not known: {why}.", self.port),
        });
        lines.push(
            match self.side() {
                Side::Public => "Table 1: this computer has an address of the Internet and is behind no router.",
                Side::Mapped => "Table 1: this computer is behind a router that sends on what arrives (\"UPnP NAT\").",
                Side::Closed => "Table 1: this computer is behind a router that sends nothing on (\"non-UPnP NAT\").",
            }
            .to_owned(),
        );
        lines.push(
            match self.file() {
                Leads::Everywhere => "An invitation file: will work for who is elsewhere, and for who is nearby.",
                Leads::WithIpv6 => "An invitation file: will work for who has IPv6, and in your own network.",
                Leads::Nearby => "An invitation file: will work in your own network, and not for who is elsewhere.",
                Leads::Nowhere => "An invitation file: will not work.",
            }
            .to_owned(),
        );
        lines.push(
            match self.file() {
                Leads::Nowhere => "Any other RDP program that opens the file: no, either.",
                _ => "Any other RDP program that opens the file: the same.",
            }
            .to_owned(),
        );
        lines.push(match (self.code(), &self.relays.why_none, self.relays.configured) {
            (true, ..) => "A code: will work wherever they are.".to_owned(),
            (false, Some(why), _) => format!("A code: will not work, {why}."),
            (false, None, 0) => "A code: will not work, no relay is configured here.".to_owned(),
            (false, None, _) => "A code: will not work without a network.".to_owned(),
        });
        lines.push(
            match (self.dials(Side::Public), self.dials(Side::Closed)) {
                (Some(Dials::Expert), _) => "Connecting to them yourself: is not needed.",
                (Some(Dials::Novice), _) => {
                    "Connecting to them yourself: will work if they have a public address, or a router with UPnP."
                }
                (None, _) => "Connecting to them yourself: will not work.",
            }
            .to_owned(),
        );
        lines.extend(self.steps().into_iter().map(|step| self.step_in_words(step)));
        lines
    }

    fn step_in_words(&self, step: Step) -> String {
        match step {
            Step::OpenHere => format!("Next: open the port here, {}.", self.firewall.keeper.opens(self.port)),
            Step::TryMessenger if self.code() => {
                "Next: use a code instead of a file (novice-host invite --code), or connect to them yourself (novice-host \
                 invite --dial HOST:PORT, while they run expert-connect listen)."
                    .to_owned()
            }
            Step::TryMessenger => {
                "Next: instead of sending a file, connect to them yourself (novice-host invite --dial HOST:PORT, while they \
                 run expert-connect listen)."
                    .to_owned()
            }
            Step::AskAdministrator => {
                format!("Or ask the administrator of your network to let TCP port {} in to this computer.", self.port)
            }
        }
    }
}

impl OnNetwork {
    fn gave(&self) -> Option<SocketAddr> {
        self.gateway.as_ref()?.gave.ok()
    }

    fn to_json(&self) -> Value {
        let mut object = json!({
            "address": self.network.local.to_string(),
            "class": AddressClass::of(self.network.local).name(),
            "interface": self.network.interface,
            "router": self.network.router.map(|router| router.to_string()),
        });
        if let Some(Answered { id, seen, gave, took_back }) = &self.gateway {
            object["via"] = reach::via(id).into();
            object["outside"] = seen.external.map(|external| external.to_string()).into();
            object["outside_class"] = seen.external.map(|external| AddressClass::of(external).name()).into();
            match gave {
                Ok(external) => {
                    object["mapped"] = external.to_string().into();
                    object["given_back"] = (*took_back).into();
                }
                Err(why) => object["not_mapped"] = reach::reason(*why).into(),
            }
        }
        object
    }

    fn in_words(&self) -> String {
        let Network { interface, local, router, .. } = &self.network;
        let place = match router {
            Some(router) => format!("{local} ({interface}, router {router})"),
            None => format!("{local} ({interface}, no router)"),
        };
        let found = match (&self.gateway, AddressClass::of(*local)) {
            (Some(Answered { id, gave: Ok(external), took_back, .. }), _) => {
                let back = match took_back {
                    true => "that was given back",
                    false => {
                        "it does not say that it has taken that back, and forgets it in a minute or is asked again"
                    }
                };
                format!("the router speaks {} and let us in at {external}; {back}", language(reach::via(id)))
            }
            (Some(Answered { id, seen, gave: Err(why), .. }), _) => {
                let outside =
                    seen.external.map(|external| format!(" (outside it says {external})")).unwrap_or_default();
                format!("the router speaks {} and {}{outside}", language(reach::via(id)), reach::in_words(*why))
            }
            (None, AddressClass::Public) if local.is_ipv4() => "an address of the Internet".to_owned(),
            (None, AddressClass::Public) => {
                "an address of the Internet; whether the router lets anybody in, it does not say".to_owned()
            }
            (None, _) if !self.network.may_have_a_gateway() || router.is_none() => {
                "for who is in that network".to_owned()
            }
            (None, _) => "the router speaks neither UPnP nor PCP nor NAT-PMP, or they are switched off".to_owned(),
        };
        format!("{place}: {found}.")
    }
}

impl Leads {
    const fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "yes",
            Self::WithIpv6 => "ipv6",
            Self::Nearby => "own_network",
            Self::Nowhere => "no",
        }
    }
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::OpenHere => "open_firewall",
            Self::TryMessenger => "try_messenger",
            Self::AskAdministrator => "ask_administrator",
        }
    }
}

/// Asks every gateway for a mapping, as an invitation would, and gives it back. It is written down before, so that the next start of
/// this program removes it where this one is killed.
fn try_a_mapping(paths: &Paths, mapper: Arc<dyn Mapper>, listening: &[SocketAddr]) -> Option<Tried> {
    let wanted =
        Wanted { transport: Transport::Tcp, listeners: listening.to_vec(), life: FOR_A_MINUTE, external_port: None };
    let tried = Mappings::open(paths, mapper).and_then(|mut mappings| {
        let reached = mappings.reach(&wanted, crate::now(), CREATION);
        mappings.give_back(&reached, crate::now(), FAREWELL)?;
        let left = mappings.still_there(&reached, crate::now())?;
        Ok(Tried { reached, left })
    });
    tried.inspect_err(|error| tracing::warn!(%error, "gateways were not tried")).ok()
}

/// What came of it at one gateway, and whether that is gone again.
fn outcome(tried: Option<&Tried>, gateway: &GatewayId) -> (Result<SocketAddr, Unmapped>, bool) {
    let Some(Tried { reached, left }) = tried else { return (Err(Unmapped::NoAnswer), true) };
    let made = reached.external.iter().zip(&reached.gateways).find(|(_, by)| *by == gateway);
    let refused = || reached.without.iter().find(|(by, _)| by == gateway).map_or(Unmapped::NoAnswer, |(_, why)| *why);
    match made {
        Some((external, _)) => (Ok(*external), !left.contains(external)),
        None => (Err(refused()), true),
    }
}

/// Gateways that were found already, so that nobody waits for a second search.
struct Known {
    mapper: Arc<dyn Mapper>,
    found: Vec<Gateway>,
}

impl Mapper for Known {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        Ok(self.found.clone())
    }

    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError> {
        self.mapper.look(gateway)
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.mapper.add(gateway, ask)
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.mapper.renew(gateway, ask)
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        self.mapper.delete(gateway, ask)
    }
}

/// An address that an invitation would list.
fn is_of_use(local: IpAddr) -> bool {
    !matches!(AddressClass::of(local), AddressClass::Loopback | AddressClass::LinkLocal | AddressClass::Unspecified)
}

/// Whether who listens on this address hears what comes for that one.
fn takes(listener: IpAddr, local: IpAddr) -> bool {
    match listener.to_canonical() {
        IpAddr::V4(v4) if v4.is_unspecified() => local.is_ipv4(),
        IpAddr::V6(v6) if v6.is_unspecified() => true,
        one => one == local,
    }
}

/// The row of Table 1, for programs.
const fn row(side: Side) -> &'static str {
    match side {
        Side::Public => "public",
        Side::Mapped => "upnp",
        Side::Closed => "non_upnp",
    }
}

fn language(via: &str) -> &str {
    match via {
        "upnp" => "UPnP",
        "pcp" => "PCP",
        "nat-pmp" => "NAT-PMP",
        other => other,
    }
}

/// Remote Desktop's own. Source: S80.
const PORT: u16 = 3389;
/// A gateway forgets it by itself after this, should it never hear that it was given back.
const FOR_A_MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
