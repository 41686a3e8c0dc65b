//! Which outside addresses of a gateway lead anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// True for an address that somebody elsewhere on the Internet may be able to dial.
///
/// A gateway whose own outside address is private or from 100.64.0.0/10 stands behind another one (double NAT), and one that
/// says `0.0.0.0` has no connection; a mapping there would lead nowhere. Documentation, benchmarking, multicast and reserved
/// addresses are nobody's.
///
/// Source: R74; RFC 6890 and its registry.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let nowhere = a == 0 || a >= 224 || address.is_loopback() || address.is_link_local() || address.is_private();
    let shared = a == 100 && b & 0xc0 == 64;
    let reserved = (a, b, c) == (192, 0, 0) || (a == 198 && b & 0xfe == 18) || address.is_documentation();
    !(nowhere || shared || reserved)
}

/// Global unicast is 2000::/3; of it, 2001:db8::/32 and 3fff::/20 are for documents.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0xdb8) && !(a == 0x3fff && b & 0xf000 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of each block, and their neighbours outside.
    #[test]
    fn s084_r074_private_shared_and_other_addresses_of_no_use_are_told_from_public_ones() {
        for no in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "3fff:fff::1",
        ] {
            assert!(!is_public(no.parse().unwrap()), "{no}");
        }
        for yes in [
            "1.0.0.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:11.0.0.1",
            "2000::1",
            "2a00:1450::1",
            "3fff:1000::1",
        ] {
            assert!(is_public(yes.parse().unwrap()), "{yes}");
        }
    }
}
