//! Where this computer can be reached: its addresses and its name, in the order an expert should try them.
//!
//! Gathered when an invitation is made (R5) and written into it; nothing is looked up again later.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ra_ticket::{Endpoint, Host, MAX_LISTENERS};

/// What this computer knows about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its name, as `hostname` prints it.
    pub name: String,
    /// The addresses of all interfaces that are up, loopback included.
    pub addresses: Vec<IpAddr>,
    /// The addresses that it would send from, were it to send to the Internet; listed first among their like.
    pub preferred: Vec<IpAddr>,
}

impl Surroundings {
    /// Looks at the interfaces and the name of this computer. Sends nothing.
    ///
    /// # Errors
    /// When the system does not tell its addresses.
    pub fn look() -> io::Result<Self> {
        let interfaces = if_addrs::get_if_addrs()?;
        let addresses =
            interfaces.iter().filter(|each| each.is_oper_up() || each.is_loopback()).map(if_addrs::Interface::ip);
        Ok(Self { name: computer_name(), addresses: addresses.collect(), preferred: preferred() })
    }
}

/// What an invitation lists for a host that listens on `listeners` and that gateways send to from `external`, at most
/// [`MAX_LISTENERS`].
///
/// What gateways gave comes first: an expert elsewhere reaches nothing else, and one nearby loses little by trying it.
/// A listener on one address is listed with that address (also on loopback: who asks for it gets it); one on all
/// addresses with everything that `around` knows but loopback and link-local, best first: public IPv4, the full host
/// name, private IPv4, IPv6, and the short host name last, since it means something on this network only. With
/// `--advertise` nothing is gathered: then what is given is listed.
///
/// Source: R5, R8; invitation-file.md 4.1, 6.5.
#[must_use]
pub fn gather(listeners: &[SocketAddr], external: &[SocketAddr], around: &Surroundings) -> Vec<Endpoint> {
    let outside =
        |at: &SocketAddr| (Rank::External, Endpoint { host: host_of(at.ip().to_canonical()), port: at.port() });
    let mut all: Vec<(Rank, Endpoint)> = external.iter().map(outside).collect();
    for listener in listeners {
        let mut list = |rank, host| all.push((rank, Endpoint { host, port: listener.port() }));
        let one = listener.ip().to_canonical();
        if !one.is_unspecified() {
            list(Rank::of(one), host_of(one));
            continue;
        }
        // A socket on [::] takes IPv4 as well; this program never restricts it.
        let takes = |address: &IpAddr| address.is_ipv4() || listener.is_ipv6();
        for address in around.addresses.iter().map(IpAddr::to_canonical).filter(takes) {
            if !address.is_loopback() && !is_link_local(address) {
                list(Rank::of(address), host_of(address));
            }
        }
        if let Some(name) = shown_name(&around.name) {
            list(if name.contains('.') { Rank::FullName } else { Rank::ShortName }, Host::Name(name));
        }
    }
    // Stable: listeners keep their order, and interfaces theirs, among equals.
    all.sort_by_key(|(rank, endpoint)| (*rank, !is_preferred(endpoint, &around.preferred)));
    let mut seen = HashSet::new();
    let mut ordered: Vec<Endpoint> = all.into_iter().map(|(_, endpoint)| endpoint).collect();
    ordered.retain(|endpoint| seen.insert(endpoint.to_string()));
    lengthen(&mut ordered, &around.name);
    ordered.truncate(MAX_LISTENERS);
    ordered
}

/// The name of this computer, as `hostname` prints it.
#[must_use]
pub fn computer_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How early an endpoint stands in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// At a gateway.
    External,
    PublicIpv4,
    FullName,
    PrivateIpv4,
    /// 100.64.0.0/10: reachable inside one provider's network at best.
    SharedIpv4,
    PublicIpv6,
    LocalIpv6,
    ShortName,
}

impl Rank {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) if v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64 => Self::SharedIpv4,
            IpAddr::V4(v4) if v4.is_private() || v4.is_loopback() || v4.is_link_local() => Self::PrivateIpv4,
            IpAddr::V4(_) => Self::PublicIpv4,
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local() => Self::LocalIpv6,
            IpAddr::V6(_) => Self::PublicIpv6,
        }
    }
}

fn host_of(address: IpAddr) -> Host {
    match address {
        IpAddr::V4(v4) => Host::Ipv4(v4),
        IpAddr::V6(v6) => Host::Ipv6(v6),
    }
}

fn is_preferred(endpoint: &Endpoint, preferred: &[IpAddr]) -> bool {
    preferred.iter().any(|address| host_of(*address) == endpoint.host)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The host name if it can mean this computer to somebody else, and if it fits into a connection string.
fn shown_name(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let fits = (1..=253).contains(&name.len())
        && name.split('.').all(|label| !label.is_empty())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let local = name == "localhost" || name.starts_with("localhost.") || name.ends_with(".localdomain");
    let number = name.parse::<IpAddr>().is_ok() || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (fits && !local && !number).then_some(name)
}

/// Adds `NAME.local` when every host is too short for FreeRDP 2, which skips those of eight characters or fewer.
///
/// Source: invitation-file.md 6.5.
fn lengthen(endpoints: &mut Vec<Endpoint>, name: &str) {
    let long = |endpoint: &Endpoint| {
        let text = match &endpoint.host {
            Host::Ipv4(v4) => v4.to_string(),
            Host::Ipv6(v6) => v6.to_string(),
            Host::Name(name) => name.clone(),
        };
        text.len() > SKIPPED_LENGTH
    };
    let Some(port) = endpoints.first().map(|endpoint| endpoint.port) else { return };
    let Some(name) = shown_name(name).filter(|name| !name.contains('.')) else { return };
    if !endpoints.iter().any(long) {
        endpoints.push(Endpoint { host: Host::Name(format!("{name}.local")), port });
    }
}

/// The source addresses that the routing table chooses for the Internet. Connecting a UDP socket sends nothing.
fn preferred() -> Vec<IpAddr> {
    let ask = |from: SocketAddr, to: SocketAddr| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let v4 = ask((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into());
    let v6 = ask((Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into());
    v4.into_iter().chain(v6).collect()
}

const SKIPPED_LENGTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn around(name: &str, addresses: &[&str]) -> Surroundings {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Surroundings { name: name.to_owned(), addresses, preferred: Vec::new() }
    }

    fn everywhere() -> [SocketAddr; 1] {
        ["[::]:3389".parse().unwrap()]
    }

    fn texts(endpoints: &[Endpoint]) -> Vec<String> {
        endpoints.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn s015_r005_r008_every_address_and_the_name_are_listed_in_order() {
        let here = around(
            "novice.example.test",
            &[
                "127.0.0.1",
                "::1",
                "10.0.0.5",
                "169.254.7.7",
                "fe80::1",
                "2001:db8::5",
                "fd00::5",
                "198.51.100.23",
                "100.64.1.1",
            ],
        );
        assert_eq!(
            texts(&gather(&everywhere(), &[], &here)),
            [
                "198.51.100.23:3389",
                "novice.example.test:3389",
                "10.0.0.5:3389",
                "100.64.1.1:3389",
                "[2001:db8::5]:3389",
                "[fd00::5]:3389"
            ]
        );
    }

    #[test]
    fn r008_the_addresses_of_gateways_come_first_then_the_name_then_private_ones() {
        let external = ["11.0.0.1:50000".parse().unwrap(), "11.0.0.2:60000".parse().unwrap()];
        let mut here = around("novice.example.test", &["192.168.100.5", "10.0.0.5"]);
        here.preferred = vec!["192.168.100.5".parse().unwrap()];
        assert_eq!(
            texts(&gather(&everywhere(), &external, &here)),
            ["11.0.0.1:50000", "11.0.0.2:60000", "novice.example.test:3389", "192.168.100.5:3389", "10.0.0.5:3389"]
        );
        let many: Vec<SocketAddr> = (0..40).map(|port| ([11, 0, 0, 1], 50_000 + port).into()).collect();
        assert_eq!(gather(&everywhere(), &many, &here).len(), 16);
    }

    #[test]
    fn a_short_name_comes_last() {
        let endpoints = gather(&everywhere(), &[], &around("novice", &["192.168.100.5"]));
        assert_eq!(texts(&endpoints), ["192.168.100.5:3389", "novice:3389"]);
    }

    #[test]
    fn the_address_of_the_default_route_leads_its_like() {
        let mut here = around("", &["172.17.0.1", "192.168.100.5", "203.0.113.9"]);
        here.preferred = vec!["192.168.100.5".parse().unwrap()];
        let endpoints = gather(&everywhere(), &[], &here);
        assert_eq!(texts(&endpoints), ["203.0.113.9:3389", "192.168.100.5:3389", "172.17.0.1:3389"]);
    }

    #[test]
    fn something_is_long_enough_for_an_older_freerdp() {
        let endpoints = gather(&everywhere(), &[], &around("pc", &["10.0.0.5"]));
        assert_eq!(texts(&endpoints), ["10.0.0.5:3389", "pc:3389", "pc.local:3389"]);
    }

    #[test]
    fn an_ipv4_listener_lists_no_ipv6() {
        let listeners = ["0.0.0.0:4000".parse().unwrap()];
        let endpoints = gather(&listeners, &[], &around("localhost", &["192.168.100.5", "2001:db8::5"]));
        assert_eq!(texts(&endpoints), ["192.168.100.5:4000"]);
    }

    #[test]
    fn a_listener_on_one_address_lists_that_one() {
        let here = around("novice.example.test", &["192.168.100.5", "10.0.0.5"]);
        let listeners = ["127.0.0.1:4000".parse().unwrap(), "[::ffff:10.0.0.5]:4001".parse().unwrap()];
        assert_eq!(texts(&gather(&listeners, &[], &here)), ["127.0.0.1:4000", "10.0.0.5:4001"]);
    }

    #[test]
    fn two_listeners_double_the_list_and_nothing_is_listed_twice() {
        let listeners = ["0.0.0.0:4000".parse().unwrap(), "[::]:4000".parse().unwrap(), "[::]:4001".parse().unwrap()];
        let endpoints = gather(&listeners, &[], &around("localhost", &["192.168.100.5", "192.168.100.5"]));
        assert_eq!(texts(&endpoints), ["192.168.100.5:4000", "192.168.100.5:4001"]);
    }

    #[test]
    fn at_most_sixteen_are_listed() {
        let many: Vec<String> = (0..40).map(|i| format!("192.168.100.{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(gather(&everywhere(), &[], &around("localhost", &many)).len(), 16);
    }

    #[test]
    fn names_that_mean_nothing_elsewhere_are_not_listed() {
        for name in ["", "localhost", "localhost.localdomain", "pc.localdomain", "12", "a b", "a;b", "a..b", "ü"] {
            assert_eq!(shown_name(name), None, "{name:?}");
        }
        assert_eq!(shown_name("Novice.Example.Test.").as_deref(), Some("novice.example.test"));
    }

    #[test]
    fn this_computer_tells_its_surroundings() {
        assert!(Surroundings::look().is_ok());
    }
}
