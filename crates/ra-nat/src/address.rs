//! What an outside address of a gateway is worth.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as somebody who wants to dial it from elsewhere is concerned.
///
/// A gateway whose own outside address is not [`Public`](Self::Public) leads nowhere, and the kind says why: that is what a
/// person is told.
///
/// Source: S84, R74; RFC 6890 and its registry, RFC 1918, RFC 4193, RFC 6598.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// Somebody elsewhere on the Internet may be able to dial it.
    Public,
    /// One of the private blocks (10/8, 172.16/12, 192.168/16, `fc00::/7`): behind another router.
    Private,
    /// 100.64.0.0/10: a provider shares one address among its customers.
    Shared,
    /// `0.0.0.0` or `::`, and the rest of 0/8: there is no connection.
    Unspecified,
    /// The computer itself.
    Loopback,
    /// One network only, made up by whoever has it: nobody gave it an address.
    LinkLocal,
    /// For examples in documents.
    Documentation,
    /// Multicast, benchmarks, protocols, the future: nobody's.
    Reserved,
}

impl AddressClass {
    /// The class of an address; an IPv4 one in the clothes of IPv6 counts as what it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => class_of_v4(v4),
            IpAddr::V6(v6) => class_of_v6(v6),
        }
    }

    /// The word for it in what programs read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Unspecified => "none",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        }
    }
}

/// True for an address that somebody elsewhere on the Internet may be able to dial.
///
/// Source: R74.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    AddressClass::of(address) == AddressClass::Public
}

fn class_of_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => AddressClass::Unspecified,
        (127, ..) => AddressClass::Loopback,
        _ if address.is_private() => AddressClass::Private,
        (100, 64..=127, _) => AddressClass::Shared,
        (169, 254, _) => AddressClass::LinkLocal,
        _ if address.is_documentation() => AddressClass::Documentation,
        (192, 0, 0) | (198, 18 | 19, _) | (224.., ..) => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

/// Global unicast is 2000::/3; of it, 2001:db8::/32 and 3fff::/20 are for documents.
fn class_of_v6(address: Ipv6Addr) -> AddressClass {
    let [a, b, ..] = address.segments();
    match (a, b) {
        _ if address.is_unspecified() => AddressClass::Unspecified,
        _ if address.is_loopback() => AddressClass::Loopback,
        (0x2001, 0xdb8) | (0x3fff, 0..=0x0fff) => AddressClass::Documentation,
        (0x2000..=0x3fff, _) => AddressClass::Public,
        (0xfc00..=0xfdff, _) => AddressClass::Private,
        (0xfe80..=0xfebf, _) => AddressClass::LinkLocal,
        _ => AddressClass::Reserved,
    }
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

    #[test]
    fn s084_each_class_is_told_apart() {
        for (address, class) in [
            ("10.1.2.3", AddressClass::Private),
            ("172.31.0.1", AddressClass::Private),
            ("192.168.0.1", AddressClass::Private),
            ("fd12::1", AddressClass::Private),
            ("100.64.0.1", AddressClass::Shared),
            ("100.127.255.255", AddressClass::Shared),
            ("0.0.0.0", AddressClass::Unspecified),
            ("0.1.2.3", AddressClass::Unspecified),
            ("::", AddressClass::Unspecified),
            ("127.9.9.9", AddressClass::Loopback),
            ("::1", AddressClass::Loopback),
            ("169.254.1.1", AddressClass::LinkLocal),
            ("fe80::1", AddressClass::LinkLocal),
            ("192.0.2.1", AddressClass::Documentation),
            ("2001:db8::1", AddressClass::Documentation),
            ("3fff::1", AddressClass::Documentation),
            ("198.19.0.1", AddressClass::Reserved),
            ("240.0.0.1", AddressClass::Reserved),
            ("ff02::1", AddressClass::Reserved),
            ("::ffff:192.168.1.1", AddressClass::Private),
            ("11.0.0.1", AddressClass::Public),
            ("2a00::1", AddressClass::Public),
        ] {
            assert_eq!(AddressClass::of(address.parse().unwrap()), class, "{address}");
        }
    }
}
