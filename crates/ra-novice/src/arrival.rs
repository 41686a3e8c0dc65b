//! Connections that came by other ways than a port of ours, and where connections come from.
//!
//! A host has more doors than the ports that it listens on: it may dial an expert who waits (S90), and a relay may bring one.
//! Whatever way a connection came, it is the same stranger: the door, the proof and the question to the person are the
//! same for all. What differs is what can be said of where it comes from: that is a [`Peer`].

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use ra_session::invitations::Source;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::prompt::CheckWords;

/// A stream of bytes both ways, whatever carries it. Everything that can be one is one.
///
/// `Sync` is what the framing of ironrdp asks for; no stream is used by two threads at a time.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}

/// A connection that is there already, for a host to treat exactly as one that it accepted itself.
///
/// The expert speaks first on it, as on a fresh TCP connection.
pub struct Arrival {
    /// The connection. Whoever made it has set what its transport needs to carry a key at once, such as `TCP_NODELAY`.
    pub stream: Box<dyn Duplex>,
    /// Where it comes from.
    pub peer: Peer,
    /// The words that both people can compare, where it came by a code.
    pub words: Option<CheckWords>,
}

/// Where a connection comes from, as far as this computer knows by itself.
///
/// It prints as `192.0.2.9:50123`, `[2001:db8::1]:50123` or `relay:relay.example.org`, and reads back so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Peer {
    /// From this address; it may be that of a gateway, or of a computer that was dialled.
    Address(SocketAddr),
    /// Through this relay. It knows an address that we do not.
    Relay(RelayName),
}

/// What a relay is called: a host name or an address, with a port or without. Nothing of it was proved to the novice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayName(Arc<str>);

/// A text that names no [`Peer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an address with a port nor a relay")]
pub struct NoPeer;

impl Arrival {
    /// A connection over that stream.
    #[must_use]
    pub fn new(stream: impl Duplex + 'static, peer: impl Into<Peer>) -> Self {
        Self { stream: Box::new(stream), peer: peer.into(), words: None }
    }

    /// With the words that stand on the expert's screen too.
    #[must_use]
    pub fn with_words(self, words: Option<CheckWords>) -> Self {
        Self { words, ..self }
    }
}

impl Peer {
    /// As what it counts where attempts are counted.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self::Address(addr) => Source::of(addr.ip()),
            Self::Relay(_) => Source::RELAYED,
        }
    }

    /// Where it is, for a person: `192.0.2.9`, or `the relay relay.example.org`. An IPv4 address in the clothes that a
    /// socket for both families gives it is shown without them.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Address(addr) => addr.ip().to_canonical().to_string(),
            Self::Relay(name) => format!("the relay {name}"),
        }
    }

    /// What it is called in a log that programs read: the address by itself, or `relay:NAME`, which no program takes for a
    /// host that it could shut out.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Address(addr) => addr.ip().to_canonical().to_string(),
            relay @ Self::Relay(_) => relay.to_string(),
        }
    }

    /// The port, where there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Address(addr) => Some(addr.port()),
            Self::Relay(_) => None,
        }
    }
}

impl RelayName {
    /// Takes the characters of a host and a port and leaves the others out: a name goes to terminals and into logs.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let fits = |character: &char| character.is_ascii_alphanumeric() || ".-_:[]".contains(*character);
        Self(name.chars().filter(fits).take(LONGEST_NAME).collect::<String>().into())
    }
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Self {
        Self::Address(addr)
    }
}

impl From<RelayName> for Peer {
    fn from(name: RelayName) -> Self {
        Self::Relay(name)
    }
}

impl FromStr for Peer {
    type Err = NoPeer;

    fn from_str(text: &str) -> Result<Self, NoPeer> {
        match text.strip_prefix(RELAY) {
            Some(name) => Ok(Self::Relay(RelayName::new(name))),
            None => text.parse().map(Self::Address).map_err(|_| NoPeer),
        }
    }
}

impl TryFrom<String> for Peer {
    type Error = NoPeer;

    fn try_from(text: String) -> Result<Self, NoPeer> {
        text.parse()
    }
}

impl From<Peer> for String {
    fn from(peer: Peer) -> Self {
        peer.to_string()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => SocketAddr::new(addr.ip().to_canonical(), addr.port()).fmt(f),
            Self::Relay(name) => write!(f, "{RELAY}{name}"),
        }
    }
}

impl fmt::Display for RelayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("peer", &self.peer).finish_non_exhaustive()
    }
}

const RELAY: &str = "relay:";
/// The longest host name has 253 characters, a port five.
const LONGEST_NAME: usize = 253 + 1 + 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_reads_as_it_prints_and_an_address_wears_no_clothes() {
        for text in ["192.0.2.9:50123", "[2001:db8::1]:2", "relay:relay.example.org", "relay:[2001:db8::1]:443"] {
            assert_eq!(peer(text).to_string(), text);
            let json = serde_json::to_string(&peer(text)).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Peer>(&json).unwrap(), peer(text));
        }
        let dressed = peer("[::ffff:192.0.2.9]:5");
        assert_eq!(
            (dressed.to_string(), dressed.place(), dressed.host()),
            ("192.0.2.9:5".into(), "192.0.2.9".into(), "192.0.2.9".into())
        );
        for wrong in ["", "relay", "192.0.2.9", "kim-pc:3389"] {
            assert_eq!(wrong.parse::<Peer>(), Err(NoPeer), "{wrong}");
        }
    }

    #[test]
    fn a_relay_s_name_cannot_write_on_a_terminal_or_fill_a_log() {
        let name = RelayName::new(&format!("re\u{1b}[2Jlay.\"\r\nexample{}", "x".repeat(1000)));
        assert!(name.to_string().starts_with("re[2Jlay.example") && name.to_string().len() == LONGEST_NAME, "{name}");
    }

    #[test]
    fn all_who_come_through_relays_count_as_one_source_that_no_address_is() {
        let relays = [peer("relay:a.example.org"), peer("relay:b.example.org")];
        assert_eq!(relays[0].source(), relays[1].source());
        assert_ne!(relays[0].source(), peer("192.0.2.9:1").source());
        assert_eq!((relays[0].host().as_str(), relays[0].port()), ("relay:a.example.org", None));
    }
}
