//! A gateway, and the one door to it: the trait [`Mapper`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::lease::Lease;
use crate::protocol::MappedBy;
use crate::transport::Transport;

/// A gateway that was found on one of this computer's networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its name, the same at each search.
    pub id: GatewayId,
    /// The address of this computer on the gateway's network: where it sends what arrives.
    pub local: IpAddr,
}

/// What a mapper calls a gateway: the protocol that it speaks, where it answers from, and where it was asked from.
///
/// It is kept in the table of tickets and comes from whoever answers on the local network, so it is short and printable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayId(String);

/// What a gateway is asked for: to send what arrives at its outside port on to this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// TCP or UDP.
    pub transport: Transport,
    /// Where to.
    pub internal: SocketAddr,
    /// The outside port, never 0.
    pub external_port: u16,
    /// For how long.
    pub lease: Lease,
}

/// What a gateway made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Granted {
    /// For how long.
    pub lease: Lease,
    /// At which outside port, never 0.
    pub external_port: u16,
    /// At which outside address, where the gateway says that with the mapping (PCP).
    pub external: Option<IpAddr>,
}

/// What a gateway says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its own outside address; the unspecified one when it says that it has no connection, `None` when it tells the address
    /// together with a mapping only (PCP).
    pub external: Option<IpAddr>,
    /// For how long it has kept what it keeps: less than before means that it has lost everything
    /// ([`has_restarted`](crate::has_restarted)). `None` where it does not say.
    pub up_for: Option<Duration>,
}

/// The gateways of this computer's networks.
///
/// Calls block and may come from several threads at once, but no two at once for the same gateway. An implementation ends each
/// call by itself within [`ANSWERED_WITHIN`](crate::ANSWERED_WITHIN), whatever the gateway does; whoever calls does not rely on
/// it and waits on another thread. What a gateway answers is untrusted: an implementation bounds what it reads and parses.
pub trait Mapper: Send + Sync {
    /// Searches on every interface (R6). An empty list is an answer: there is none.
    ///
    /// # Errors
    /// [`MapError`] when nothing could be sent at all.
    fn gateways(&self) -> Result<Vec<Gateway>, MapError>;

    /// What the gateway says about itself.
    ///
    /// # Errors
    /// [`MapError`].
    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError>;

    /// Makes a mapping and says what was made, also where its lease is another than what was asked.
    ///
    /// The outside port is the one that was asked for; only a gateway that keeps one mapping for each inside port
    /// ([`MappedBy::keeps_one_for_each_inside`]) may come back with another, since there the inside names the mapping and a row
    /// that was written before finds it whatever the port. From any other an implementation gives such a port back and answers
    /// [`MapError::Conflict`].
    ///
    /// # Errors
    /// [`MapError`]. Only with [`MapError::Unreachable`] may the gateway have made it all the same.
    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError>;

    /// Makes sure that a mapping of ours is there for another lease; makes it anew where the gateway has lost it.
    ///
    /// # Errors
    /// As [`Mapper::add`]; [`MapError::Conflict`] when somebody else has the port now, or the gateway renews nothing.
    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError>;

    /// Removes a mapping of ours. What somebody else has at that outside port by now stays: where the gateway does not look at
    /// that itself, the implementation asks it first where the port leads.
    ///
    /// # Errors
    /// [`MapError`]; [`MapError::NoSuchMapping`] when it is not there or leads elsewhere, which is as good.
    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError>;
}

/// Why a gateway did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// It does not do this, or not for us (UPnP 501, 606).
    #[error("the gateway refuses")]
    Refused,
    /// The outside port belongs to somebody else (UPnP 718).
    #[error("the outside port is taken")]
    Conflict,
    /// It knows permanent mappings only (UPnP 725).
    #[error("the gateway knows permanent mappings only")]
    OnlyPermanent,
    /// The outside port must be the inside one (UPnP 724).
    #[error("the gateway wants the same port on both sides")]
    SamePortOnly,
    /// There is no such mapping (UPnP 714).
    #[error("the gateway has no such mapping")]
    NoSuchMapping,
    /// It did not answer, not in time, or not so that it can be understood. Whether it did what was asked is not known.
    #[error("the gateway does not answer")]
    Unreachable,
}

/// The mapper of a computer that knows no gateways: it honestly finds none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGateway;

impl Gateway {
    /// Where this gateway must send to, for a program that listens on `listener`; `None` when that cannot be reached from it.
    #[must_use]
    pub fn internal(&self, listener: SocketAddr) -> Option<SocketAddr> {
        let (local, wanted) = (self.local.to_canonical(), listener.ip().to_canonical());
        // A socket on [::] takes IPv4 as well.
        let reached = match wanted {
            IpAddr::V4(v4) if v4.is_unspecified() => local.is_ipv4(),
            IpAddr::V6(v6) if v6.is_unspecified() => true,
            one => one == local,
        };
        (reached && !local.is_loopback() && listener.port() != 0).then(|| SocketAddr::new(local, listener.port()))
    }
}

impl Ask {
    /// What a gateway made that did exactly this.
    #[must_use]
    pub const fn granted(&self) -> Granted {
        Granted { lease: self.lease, external_port: self.external_port, external: None }
    }
}

impl GatewayId {
    /// A name of 1 to 200 printable ASCII characters.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        fits.then(|| Self(name.to_owned()))
    }

    /// The protocol that this gateway is asked in: the first word of its name, if that is one.
    #[must_use]
    pub fn protocol(&self) -> Option<MappedBy> {
        MappedBy::from_name(self.0.split(' ').next().unwrap_or_default())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Mapper for NoGateway {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        Ok(Vec::new())
    }

    fn look(&self, _: &GatewayId) -> Result<Seen, MapError> {
        Err(MapError::Unreachable)
    }

    fn add(&self, _: &GatewayId, _: &Ask) -> Result<Granted, MapError> {
        Err(MapError::Unreachable)
    }

    fn renew(&self, _: &GatewayId, _: &Ask) -> Result<Granted, MapError> {
        Err(MapError::Unreachable)
    }

    fn delete(&self, _: &GatewayId, _: &Ask) -> Result<(), MapError> {
        Err(MapError::Unreachable)
    }
}

/// Of so many gateways at most is a mapping asked: a network has one or two, and anybody on it can claim to be one.
pub const MOST_GATEWAYS: usize = 8;

/// Room for a device name of the usual form, twice.
const LONGEST_NAME: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_s_name_is_short_and_printable() {
        assert_eq!(GatewayId::new("uuid:1234 eth0").unwrap().as_str(), "uuid:1234 eth0");
        assert!(GatewayId::new(&"x".repeat(200)).is_some());
        for no in ["", "a\u{1b}[2J", "\n", "é", &"x".repeat(201)] {
            assert_eq!(GatewayId::new(no), None, "{no:?}");
        }
    }

    #[test]
    fn a_gateway_s_name_begins_with_the_protocol() {
        for (name, protocol) in [
            ("upnp 192.168.1.1 from 192.168.1.5", Some(MappedBy::Upnp)),
            ("pcp fe80::1%eth0 from 2a00::5", Some(MappedBy::Pcp)),
            ("nat-pmp 10.0.0.1 from 10.0.0.5", Some(MappedBy::NatPmp)),
            ("router", None),
            ("upnpx 1", None),
        ] {
            assert_eq!(GatewayId::new(name).unwrap().protocol(), protocol, "{name}");
        }
    }

    #[test]
    fn r006_a_gateway_sends_to_the_port_that_is_listened_on() {
        let at = |local: &str| Gateway { id: GatewayId::new("g").unwrap(), local: local.parse().unwrap() };
        for (local, listener, internal) in [
            ("192.168.1.5", "0.0.0.0:3389", Some("192.168.1.5:3389")),
            ("192.168.1.5", "[::]:4000", Some("192.168.1.5:4000")),
            ("2a00::5", "[::]:4000", Some("[2a00::5]:4000")),
            ("2a00::5", "0.0.0.0:4000", None),
            ("192.168.1.5", "192.168.1.5:3389", Some("192.168.1.5:3389")),
            ("192.168.1.5", "[::ffff:192.168.1.5]:3389", Some("192.168.1.5:3389")),
            ("192.168.1.5", "10.0.0.5:3389", None),
            ("192.168.1.5", "127.0.0.1:3389", None),
            ("127.0.0.1", "0.0.0.0:3389", None),
            ("192.168.1.5", "0.0.0.0:0", None),
        ] {
            let internal = internal.map(|text| text.parse().unwrap());
            assert_eq!(at(local).internal(listener.parse().unwrap()), internal, "{local} {listener}");
        }
    }

    #[test]
    fn r007_a_computer_that_knows_no_gateways_finds_none() {
        assert_eq!(NoGateway.gateways(), Ok(Vec::new()));
        assert_eq!(NoGateway.look(&GatewayId::new("g").unwrap()), Err(MapError::Unreachable));
    }
}
