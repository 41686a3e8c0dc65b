//! PCP and NAT-PMP as bytes: what is asked, and what an answer says. Both are spoken at one port, and the first byte tells them apart.
//!
//! Source: RFC 6887, 7, 11 and 14; RFC 6886, 3.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ra_nat::Transport;

/// What makes a mapping ours: who does not know it can neither change nor remove it.
pub(super) type Nonce = [u8; 12];

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// In PCP: to which operation, with which result, and for how many seconds the gateway has kept its table.
    Pcp { operation: u8, result: u8, epoch: u32, mapped: Option<Mapped> },
    /// In NAT-PMP, to a question about its address: the result, the seconds, the address.
    Address { result: u16, epoch: u32, external: Ipv4Addr },
    /// In NAT-PMP, to a request for a mapping: the result, the seconds, and what was mapped.
    Mapping { result: u16, epoch: u32, transport: Transport, internal_port: u16, external_port: u16, seconds: u32 },
    /// In NAT-PMP, to something that it does not know.
    Unknown { result: u16 },
}

/// What PCP says about a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) nonce: Nonce,
    pub(super) transport: Transport,
    pub(super) internal_port: u16,
    pub(super) external_port: u16,
    pub(super) external: IpAddr,
    pub(super) seconds: u32,
}

/// PCP: is anybody there, and since when? Changes nothing.
pub(super) fn announce(local: IpAddr) -> [u8; HEADER] {
    header(ANNOUNCE, local, 0)
}

/// PCP: a mapping from any outside address to a port here; `seconds` 0 removes it.
pub(super) fn map(
    local: IpAddr,
    nonce: &Nonce,
    transport: Transport,
    internal_port: u16,
    external_port: u16,
    seconds: u32,
) -> [u8; MAP_LENGTH] {
    let mut message = [0; MAP_LENGTH];
    message[..HEADER].copy_from_slice(&header(MAP, local, seconds));
    message[24..36].copy_from_slice(nonce);
    message[36] = number(transport);
    message[40..42].copy_from_slice(&internal_port.to_be_bytes());
    message[42..44].copy_from_slice(&external_port.to_be_bytes());
    // Any outside address of the family is welcome.
    let any = match local {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED,
    };
    message[44..].copy_from_slice(&any.octets());
    message
}

/// NAT-PMP: what is your outside address?
pub(super) const ADDRESS: [u8; 2] = [NAT_PMP, 0];

/// NAT-PMP: a mapping; `seconds` 0 and the outside port 0 remove it.
pub(super) fn map_nat_pmp(transport: Transport, internal_port: u16, external_port: u16, seconds: u32) -> [u8; 12] {
    let mut message = [0; 12];
    message[..2].copy_from_slice(&[NAT_PMP, nat_pmp_operation(transport)]);
    message[4..6].copy_from_slice(&internal_port.to_be_bytes());
    message[6..8].copy_from_slice(&external_port.to_be_bytes());
    message[8..].copy_from_slice(&seconds.to_be_bytes());
    message
}

impl Answer {
    /// Reads a datagram; `None` for what is no answer in either language.
    pub(super) fn parse(datagram: &[u8]) -> Option<Self> {
        let [version, operation, ..] = *datagram else { return None };
        if operation & RESPONSE == 0 {
            return None;
        }
        match version {
            PCP => Self::parse_pcp(datagram, operation & !RESPONSE),
            NAT_PMP => Self::parse_nat_pmp(datagram, operation & !RESPONSE),
            _ => None,
        }
    }

    fn parse_pcp(datagram: &[u8], operation: u8) -> Option<Self> {
        if !(HEADER..=LONGEST).contains(&datagram.len()) || !datagram.len().is_multiple_of(4) {
            return None;
        }
        let seconds = u32_at(datagram, 4)?;
        let is_map = operation == MAP && datagram.len() >= MAP_LENGTH;
        let transport = is_map.then(|| TRANSPORTS.into_iter().find(|known| number(*known) == datagram[36])).flatten();
        let mapped = transport.and_then(|transport| {
            let external = Ipv6Addr::from(<[u8; 16]>::try_from(datagram.get(44..60)?).ok()?);
            Some(Mapped {
                transport,
                nonce: datagram.get(24..36)?.try_into().ok()?,
                internal_port: u16_at(datagram, 40)?,
                external_port: u16_at(datagram, 42)?,
                external: IpAddr::V6(external).to_canonical(),
                seconds,
            })
        });
        Some(Self::Pcp { operation, result: datagram[3], epoch: u32_at(datagram, 8)?, mapped })
    }

    fn parse_nat_pmp(datagram: &[u8], operation: u8) -> Option<Self> {
        let result = u16_at(datagram, 2)?;
        match (operation, datagram.len()) {
            (0, 12) => {
                let external = Ipv4Addr::from(u32_at(datagram, 8)?);
                Some(Self::Address { result, epoch: u32_at(datagram, 4)?, external })
            }
            (MAP_UDP | MAP_TCP, 16) => Some(Self::Mapping {
                result,
                transport: if operation == MAP_UDP { Transport::Udp } else { Transport::Tcp },
                epoch: u32_at(datagram, 4)?,
                internal_port: u16_at(datagram, 8)?,
                external_port: u16_at(datagram, 10)?,
                seconds: u32_at(datagram, 12)?,
            }),
            // An error may be as short as its head.
            _ if result != 0 => Some(Self::Unknown { result }),
            _ => None,
        }
    }
}

/// The number of a transport among the protocols of IP.
const fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

const fn nat_pmp_operation(transport: Transport) -> u8 {
    match transport {
        Transport::Udp => MAP_UDP,
        Transport::Tcp => MAP_TCP,
    }
}

fn header(operation: u8, local: IpAddr, seconds: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&[PCP, operation]);
    header[4..8].copy_from_slice(&seconds.to_be_bytes());
    let local = match local {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    header[8..].copy_from_slice(&local.octets());
    header
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Where both are listened for. Source: RFC 6887, 19.3.
pub(super) const PORT: u16 = 5351;
/// No answer is longer. Source: RFC 6887, 7.
pub(super) const LONGEST: usize = 1100;
/// Operations of PCP.
pub(super) const ANNOUNCE: u8 = 0;
pub(super) const MAP: u8 = 1;
/// Results of PCP. Source: RFC 6887, 7.4.
pub(super) const SUCCESS: u8 = 0;
pub(super) const UNSUPPORTED_VERSION: u8 = 1;
pub(super) const UNSUPPORTED_OPERATION: u8 = 4;

const PCP: u8 = 2;
const NAT_PMP: u8 = 0;
const RESPONSE: u8 = 0x80;
const MAP_UDP: u8 = 1;
const MAP_TCP: u8 = 2;
const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Udp];
const HEADER: usize = 24;
const MAP_LENGTH: usize = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    const NONCE: Nonce = *b"0123456789ab";

    #[test]
    fn questions_have_the_bytes_of_the_rfcs() {
        let local: IpAddr = "192.168.1.5".parse().unwrap();
        assert_eq!(announce(local)[..], bytes("02 00 0000 00000000 00000000 00000000 0000ffff c0a80105"));
        assert_eq!(
            map(local, &NONCE, Transport::Tcp, 3389, 50_000, 3600)[..],
            bytes(
                "02 01 0000 00000e10 00000000 00000000 0000ffff c0a80105
                 303132333435363738396162 06 000000 0d3d c350 00000000 00000000 0000ffff 00000000"
            )
        );
        let local: IpAddr = "2001:db8::5".parse().unwrap();
        assert_eq!(
            map(local, &NONCE, Transport::Tcp, 3389, 0, 0)[..],
            bytes(
                "02 01 0000 00000000 20010db8 00000000 00000000 00000005
                 303132333435363738396162 06 000000 0d3d 0000 00000000 00000000 00000000 00000000"
            )
        );
        assert_eq!(map_nat_pmp(Transport::Tcp, 3389, 50_000, 3600)[..], bytes("00 02 0000 0d3d c350 00000e10"));
        assert_eq!(map_nat_pmp(Transport::Udp, 3389, 50_000, 3600)[..], bytes("00 01 0000 0d3d c350 00000e10"));
        assert_eq!(map(local, &NONCE, Transport::Udp, 3389, 0, 0)[36..40], [17, 0, 0, 0]);
        assert_eq!(ADDRESS[..], bytes("00 00"));
    }

    #[test]
    fn answers_of_pcp_are_read() {
        let mapped = bytes(
            "02 81 00 00 00000258 00000abc 000000000000000000000000
             303132333435363738396162 06 000000 0d3d 9c40 00000000 00000000 0000ffff 0b000001",
        );
        let expected = Mapped {
            nonce: NONCE,
            transport: Transport::Tcp,
            internal_port: 3389,
            external_port: 40_000,
            external: "11.0.0.1".parse().unwrap(),
            seconds: 600,
        };
        assert_eq!(
            Answer::parse(&mapped),
            Some(Answer::Pcp { operation: MAP, result: SUCCESS, epoch: 0xabc, mapped: Some(expected) })
        );
        let refused = bytes("02 81 00 02 00000258 00000abc 000000000000000000000000");
        assert_eq!(
            Answer::parse(&refused),
            Some(Answer::Pcp { operation: MAP, result: 2, epoch: 0xabc, mapped: None })
        );
        // Our own question, one that was cut, one with half a word too much.
        assert_eq!(Answer::parse(&map("11.0.0.1".parse().unwrap(), &NONCE, Transport::Tcp, 1, 2, 3)), None);
        assert_eq!(Answer::parse(&refused[..23]), None);
        assert_eq!(Answer::parse(&[&refused[..], &[0, 0]].concat()), None);
        assert_eq!(Answer::parse(&[&refused[..], &[0; 1080]].concat()), None, "longer than any");
    }

    #[test]
    fn answers_of_nat_pmp_are_read() {
        assert_eq!(
            Answer::parse(&bytes("00 80 0000 00000abc 0b000001")),
            Some(Answer::Address { result: 0, epoch: 0xabc, external: "11.0.0.1".parse().unwrap() })
        );
        assert_eq!(
            Answer::parse(&bytes("00 82 0000 00000abc 0d3d 9c40 00000258")),
            Some(Answer::Mapping {
                result: 0,
                epoch: 0xabc,
                transport: Transport::Tcp,
                internal_port: 3389,
                external_port: 40_000,
                seconds: 600
            })
        );
        assert_eq!(Answer::parse(&bytes("00 81 0001 00000abc")), Some(Answer::Unknown { result: 1 }));
        assert_eq!(Answer::parse(&bytes("00 80 0000 00000abc 0b00")), None);
        assert_eq!(Answer::parse(&bytes("01 80 0000 00000abc 0b000001")), None, "no language of ours");
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_breaks_the_reader(
            head in prop::sample::select(vec![[2_u8, 0x80], [2, 0x81], [0, 0x80], [0, 0x82], [9, 9]]),
            rest in prop::collection::vec(any::<u8>(), 0..1200),
        ) {
            let datagram = [&head[..], &rest].concat();
            if let Some(Answer::Pcp { mapped: Some(mapped), .. }) = Answer::parse(&datagram) {
                prop_assert_eq!(&mapped.nonce[..], &datagram[24..36]);
            }
        }
    }
}
