//! Where a novice can be reached: a host and a port.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// One entry of an address list: a host and a TCP port from 1 to 65535.
///
/// Reads and prints as `host:port` and `[v6]:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// TCP port; what is read is never 0.
    pub port: u16,
}

/// A host as an address list names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address; the zone of somebody else's interface is dropped.
    Ipv6(Ipv6Addr),
    /// A host name for a resolver.
    Name(String),
}

/// Why a text is not an [`Endpoint`] or a [`Host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no colon in front of a port.
    #[error("the address has no port")]
    NoPort,
    /// The port is not a decimal number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Nothing stands in front of the port.
    #[error("the address has no host")]
    NoHost,
    /// Neither an address nor something that can be a host name.
    #[error("this is neither an IP address nor a host name")]
    Host,
}

impl Endpoint {
    /// Puts a host and a port together.
    ///
    /// # Errors
    ///
    /// When the port is 0 or the name cannot be a host name.
    pub fn new(host: Host, port: u16) -> Result<Self, EndpointError> {
        let endpoint = Self { host, port };
        endpoint.check()?;
        Ok(endpoint)
    }

    /// Whether a connection string can carry it: its fields are open, so a writer has to look.
    pub(crate) fn check(&self) -> Result<(), EndpointError> {
        match &self.host {
            _ if self.port == 0 => Err(EndpointError::Port),
            Host::Name(name) if !is_host_name(name) => Err(EndpointError::Host),
            _ => Ok(()),
        }
    }
}

impl Host {
    /// Whether it can only be reached on the same link: an IPv6 address of fe80::/10 or IPv4 of 169.254/16.
    #[must_use]
    pub fn is_link_local(&self) -> bool {
        match self {
            Self::Ipv4(address) => address.is_link_local(),
            Self::Ipv6(address) => address.is_unicast_link_local(),
            Self::Name(_) => false,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `host:port`, split at the last colon; white space around either does not count.
    ///
    /// Source: invitation-file.md 4.1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = split_port(text)?;
        Ok(Self { host: host.parse()?, port })
    }
}

/// Takes an address apart; what is in front of the port is not looked at yet.
pub(crate) fn split_port(text: &str) -> Result<(&str, u16), EndpointError> {
    let (host, port) = text.rsplit_once(':').ok_or(EndpointError::NoPort)?;
    let (host, port) = (host.trim_ascii(), port.trim_ascii());
    let port = parse_port(port)?;
    if host.is_empty() { Err(EndpointError::NoHost) } else { Ok((host, port)) }
}

/// One to five digits, 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Result<u16, EndpointError> {
    // `parse` alone would take a sign.
    let decimal = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| decimal && port != 0).ok_or(EndpointError::Port)
}

impl FromStr for Host {
    type Err = EndpointError;

    /// Reads an IPv4 or IPv6 address (in brackets or not, a `%zone` is dropped) or a host name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(EndpointError::NoHost);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ipv4(address));
        }
        let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
        let (address, _zone) = bare.split_once('%').unwrap_or((bare, ""));
        if let Ok(address) = address.parse() {
            return Ok(Self::Ipv6(address));
        }
        if is_host_name(text) { Ok(Self::Name(text.to_owned())) } else { Err(EndpointError::Host) }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(address) => Host::Ipv4(*address.ip()),
            SocketAddr::V6(address) => Host::Ipv6(*address.ip()),
        };
        Self { host, port: address.port() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ipv6(address) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Name(name) => f.pad(name),
        }
    }
}

/// The most addresses that are kept of a list; the others are further down than anybody would wait for.
/// Source: invitation-file.md 7.
pub const MAX_ADDRESSES: usize = 32;
/// The longest name that DNS can carry.
const MAX_NAME_BYTES: usize = 253;

/// Letters (of any script), digits, `-`, `_` and dots between them; a last label of digits alone would be read as an
/// IPv4 address by some resolvers, so it is none here (`1128.54.161.5`).
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let labels = || name.split('.');
    name.len() <= MAX_NAME_BYTES
        && labels().all(|label| {
            !label.is_empty()
                && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                && !label.starts_with('-')
        })
        && labels().next_back().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s043_the_three_forms_are_read_and_printed() {
        for text in ["128.54.161.5:4122", "kim.example.test:3389", "[2001:db8::9]:3389", "h:1", "a-host:65535"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!(" 10.0.0.5 : 3389 ".trim().parse::<Endpoint>().unwrap().to_string(), "10.0.0.5:3389");
        assert_eq!("2001:db8::9:3389".parse::<Endpoint>().unwrap().to_string(), "[2001:db8::9]:3389");
        assert_eq!("[fe80::1%eth0]:1".parse::<Endpoint>().unwrap().to_string(), "[fe80::1]:1");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_reason() {
        for (text, error) in [
            ("", EndpointError::NoPort),
            ("a", EndpointError::NoPort),
            ("a:0", EndpointError::Port),
            ("a:65536", EndpointError::Port),
            ("a:+1", EndpointError::Port),
            ("a:", EndpointError::Port),
            ("a:000001", EndpointError::Port),
            ("a:12x", EndpointError::Port),
            (":3389", EndpointError::NoHost),
            ("1128.54.161.5:4122", EndpointError::Host),
            ("010.0.0.5:1", EndpointError::Host),
            ("a b:1", EndpointError::Host),
            ("-x:1", EndpointError::Host),
            ("a..b:1", EndpointError::Host),
            ("http://x:1", EndpointError::Host),
            ("[::1:1", EndpointError::Host),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err(), error, "{text:?}");
        }
        assert_eq!(Endpoint::new(Host::Name("a".into()), 0), Err(EndpointError::Port));
    }

    proptest! {
        #[test]
        fn what_prints_reads_back(address: SocketAddr) {
            prop_assume!(address.port() != 0);
            let endpoint = Endpoint::from(address);
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
            }
        }
    }
}
