//! This computer's networks, and the router of each, as the kernel knows them.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ra_nat::AddressClass;

/// One address of this computer, and the router that its network is left through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The interface, as the system names it.
    pub interface: String,
    /// Its number, which an address of one link needs beside it; 0 when the system does not say.
    pub index: u32,
    /// This computer's address there.
    pub local: IpAddr,
    /// The router that this interface's default route goes to; `None` where no route leaves through it.
    pub router: Option<IpAddr>,
}

impl Network {
    /// Looks at the interfaces that are up and at the routing tables. Sends nothing.
    ///
    /// # Errors
    /// When the system does not tell its addresses. A table of routes that cannot be read counts as empty.
    pub fn look() -> io::Result<Vec<Self>> {
        let table = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let routers = (routers_v4(&table("/proc/net/route")), routers_v6(&table("/proc/net/ipv6_route")));
        let interfaces = if_addrs::get_if_addrs()?;
        let up = interfaces.into_iter().filter(|each| each.is_oper_up() && !each.is_loopback());
        let mut networks: Vec<Self> = up
            .map(|each| {
                let local = each.ip();
                let routers = if local.is_ipv4() { &routers.0 } else { &routers.1 };
                let router = routers.iter().find(|(interface, _)| *interface == each.name).map(|(_, router)| *router);
                Self { interface: each.name, index: each.index.unwrap_or(0), local, router }
            })
            .collect();
        // Those that lead somewhere first, IPv4 before IPv6; else as the system lists them.
        networks.sort_by_key(|each| (each.router.is_none(), each.local.is_ipv6()));
        Ok(networks)
    }

    /// True where asking a gateway can be of use: behind NAT, and for IPv6 addresses that a router's firewall keeps closed.
    #[must_use]
    pub fn may_have_a_gateway(&self) -> bool {
        match (AddressClass::of(self.local), self.local) {
            (AddressClass::Private | AddressClass::Shared | AddressClass::Reserved, IpAddr::V4(_)) => true,
            // A network for documents is nobody's on the Internet, and one in a laboratory is asked like any other.
            (AddressClass::Public | AddressClass::Documentation, IpAddr::V6(_)) => self.router.is_some(),
            (AddressClass::Documentation, IpAddr::V4(_)) => true,
            _ => false,
        }
    }
}

/// The default routers in the table of IPv4 routes, the one with the smallest metric first.
///
/// Source: `proc_net_route`, fib_route_seq_show of the kernel: addresses are hexadecimal, in the machine's byte order.
fn routers_v4(table: &str) -> Vec<(String, IpAddr)> {
    let mut found = Vec::new();
    for line in table.lines().skip(1).take(LONGEST_TABLE) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else { continue };
        let Ok(flags) = u32::from_str_radix(flags, 16) else { continue };
        let (Ok(gateway), Ok(metric)) = (u32::from_str_radix(gateway, 16), metric.parse::<u32>()) else { continue };
        if destination == "00000000" && mask == "00000000" && flags & USABLE == UP_AND_GATEWAY {
            let router = Ipv4Addr::from(gateway.to_ne_bytes());
            found.push((metric, (interface.to_owned(), IpAddr::V4(router))));
        }
    }
    found.sort_by_key(|(metric, _)| *metric);
    found.into_iter().map(|(_, router)| router).collect()
}

/// The default routers in the table of IPv6 routes, the one with the smallest metric first.
///
/// Source: rt6_info_route of the kernel: addresses are 32 hexadecimal digits, first byte first.
fn routers_v6(table: &str) -> Vec<(String, IpAddr)> {
    let mut found = Vec::new();
    for line in table.lines().take(LONGEST_TABLE) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, metric, _, _, flags, interface] = fields[..] else { continue };
        let (Ok(gateway), Ok(metric)) = (u128::from_str_radix(gateway, 16), u32::from_str_radix(metric, 16)) else {
            continue;
        };
        let Ok(flags) = u32::from_str_radix(flags, 16) else { continue };
        let everything = length == "00" && destination.bytes().all(|digit| digit == b'0');
        if everything && gateway != 0 && flags & USABLE == UP_AND_GATEWAY {
            found.push((metric, (interface.to_owned(), IpAddr::V6(Ipv6Addr::from(gateway)))));
        }
    }
    found.sort_by_key(|(metric, _)| *metric);
    found.into_iter().map(|(_, router)| router).collect()
}

/// RTF_UP and RTF_GATEWAY of `linux/route.h`, and RTF_REJECT, which is not to be there.
const UP_AND_GATEWAY: u32 = 0x0003;
const USABLE: u32 = 0x0203;
/// More routes than a computer that asks for help has; a router of the Internet's core has a million, and no default one.
const LONGEST_TABLE: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_of_each_interface_is_read_from_the_table_of_the_kernel() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\tFE01A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010AA8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000AA8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
tun1\t00000000\t0100000A\t0003\t0\t0\t50\t00000080\t0\t0\t0
eth1\t00000000\t01000A0A\t0203\t0\t0\t10\t00000000\t0\t0\t0
nonsense
";
        // As a little-endian machine writes it.
        let expected = [("eth0", "192.168.10.1"), ("wlan0", "192.168.1.254")];
        if cfg!(target_endian = "little") {
            assert_eq!(routers_v4(table), expected.map(|(name, ip)| (name.to_owned(), ip.parse().unwrap())));
        }
        assert!(routers_v4("").is_empty());
    }

    #[test]
    fn so_is_the_router_of_ipv6() {
        let table = "\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
20010db8000100010000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000200010000000000000001 00000100 00000001 00000000 00000003     eth1
";
        let expected = [("eth1", "2001:db8:2:1::1"), ("eth0", "fe80::1")];
        assert_eq!(routers_v6(table), expected.map(|(name, ip)| (name.to_owned(), ip.parse().unwrap())));
        assert!(routers_v6("0 0 0").is_empty());
    }

    #[test]
    fn s084_only_addresses_that_need_a_gateway_are_asked_for() {
        let network = |local: &str, router: Option<&str>| Network {
            interface: "eth0".to_owned(),
            index: 2,
            local: local.parse().unwrap(),
            router: router.map(|router| router.parse().unwrap()),
        };
        for (local, router, asks) in [
            ("192.168.1.5", Some("192.168.1.1"), true),
            ("192.168.1.5", None, true),
            ("100.64.1.5", Some("100.64.0.1"), true),
            ("11.0.0.5", Some("11.0.0.1"), false),
            ("169.254.1.1", None, false),
            ("127.0.0.1", None, false),
            ("2a00::5", Some("fe80::1"), true),
            ("2a00::5", None, false),
            ("fe80::5", Some("fe80::1"), false),
            ("fd00::5", Some("fe80::1"), false),
        ] {
            assert_eq!(network(local, router).may_have_a_gateway(), asks, "{local}");
        }
    }

    #[test]
    fn this_computer_tells_its_networks() {
        assert!(Network::look().is_ok());
    }
}
