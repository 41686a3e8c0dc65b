//! A router for tests that speaks PCP and NAT-PMP on loopback, with the faults that real ones have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does wrong, or leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It knows NAT-PMP only.
    NatPmpOnly,
    /// It knows PCP only.
    PcpOnly,
    /// It takes everything and says nothing.
    Silent,
    /// It loses what comes first.
    DeafAtFirst,
    /// It sends nonsense and answers to somebody else's questions before each answer.
    Chatty,
    /// It refuses to map anything.
    Refuses,
    /// It gives an outside port of its own.
    OwnPort,
    /// It gives a day, whatever it was asked for.
    LongLease,
    /// It has no address outside.
    NoAddress,
    /// It says yes to a mapping of no seconds.
    NoLease,
}

/// One mapping: the inside port, the outside port, the seconds, and the nonce where there was one.
pub(crate) type Entry = (u16, u16, u32, Option<[u8; 12]>);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) table: Arc<Mutex<Vec<Entry>>>,
    pub(crate) external: Ipv4Addr,
}

impl Server {
    /// Starts one on this address of the loopback interface; its thread ends with the process of the test.
    pub(crate) fn start(local: IpAddr, fault: Fault) -> Self {
        let socket = UdpSocket::bind((local, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let table: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let external = if fault == Fault::NoAddress { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(11, 0, 0, 1) };
        let kept = Arc::clone(&table);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            let mut heard = 0;
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                heard += 1;
                if fault == Fault::Silent || (fault == Fault::DeafAtFirst && heard <= 2) {
                    continue;
                }
                if fault == Fault::Chatty {
                    for noise in noise(&buffer[..length]) {
                        let _ = socket.send_to(&noise, from);
                    }
                }
                if let Some(answer) = answer(&buffer[..length], external, &table, fault) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, table: kept, external }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.table.lock().unwrap().clone()
    }
}

fn noise(question: &[u8]) -> Vec<Vec<u8>> {
    let mut others = vec![Vec::new(), vec![2], vec![0xff; 1400], question.to_vec()];
    if question.len() == 60 {
        // The right answer to somebody else.
        let mut other = question.to_vec();
        other[1] |= 0x80;
        other[24] ^= 1;
        others.push(other);
    }
    others
}

fn answer(question: &[u8], external: Ipv4Addr, table: &Mutex<Vec<Entry>>, fault: Fault) -> Option<Vec<u8>> {
    let port = |at: usize| u16::from_be_bytes([question[at], question[at + 1]]);
    let seconds = |at: usize| u32::from_be_bytes(question[at..at + 4].try_into().unwrap());
    match (question[0], question[1], question.len()) {
        (2, ..) if fault == Fault::NatPmpOnly => Some([&[0, 0x80 | question[1], 0, 1][..], &EPOCH].concat()),
        (0, ..) if fault == Fault::PcpOnly => Some(pcp_head(question[1], 1, 0).to_vec()),
        (2, 0, 24) => Some(pcp_head(0, 0, 0).to_vec()),
        (2, 1, 60) if fault == Fault::Refuses => Some([&pcp_head(1, 2, 60)[..], &question[24..]].concat()),
        (2, 1, 60) => {
            let nonce: [u8; 12] = question[24..36].try_into().unwrap();
            let Some((outside, given)) = map(table, port(40), port(42), seconds(4), Some(nonce), fault) else {
                return Some([&pcp_head(1, 2, 60)[..], &question[24..]].concat());
            };
            let mut answer = [&pcp_head(1, 0, given)[..], &question[24..]].concat();
            answer[42..44].copy_from_slice(&outside.to_be_bytes());
            if question[8..24].starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
                answer[44..].copy_from_slice(&external.to_ipv6_mapped().octets());
            } else {
                // Nothing is translated: it is the address that asked.
                answer[44..].copy_from_slice(&question[8..24]);
            }
            Some(answer)
        }
        (0, 0, 2) => {
            let result = u8::from(fault == Fault::NoAddress) * 3;
            Some([&[0, 0x80, 0, result][..], &EPOCH, &external.octets()].concat())
        }
        (0, 1 | 2, 12) if fault == Fault::Refuses => Some([&[0, 0x82, 0, 2][..], &EPOCH, &[0; 8]].concat()),
        (0, 1 | 2, 12) => {
            let (outside, given) = map(table, port(4), port(6), seconds(8), None, fault)?;
            let ports = [question[4..6].to_vec(), outside.to_be_bytes().to_vec()].concat();
            Some([&[0, 0x80 | question[1], 0, 0][..], &EPOCH, &ports, &given.to_be_bytes()].concat())
        }
        _ => None,
    }
}

/// What became of it: the outside port and the seconds; `None` when it is somebody else's.
fn map(
    table: &Mutex<Vec<Entry>>,
    inside: u16,
    suggested: u16,
    seconds: u32,
    nonce: Option<[u8; 12]>,
    fault: Fault,
) -> Option<(u16, u32)> {
    let mut table = table.lock().unwrap();
    let at = table.iter().position(|entry| entry.0 == inside);
    if at.is_some_and(|at| table[at].3 != nonce) {
        return None;
    }
    let known = at.map(|at| table.remove(at));
    if seconds == 0 {
        return Some((0, 0));
    }
    let outside = match (known, fault) {
        (Some(known), _) => known.1,
        (None, Fault::OwnPort) => 40_000,
        (None, _) => suggested,
    };
    let given = match fault {
        Fault::LongLease => 86_400,
        Fault::NoLease => 0,
        _ => seconds,
    };
    table.push((inside, outside, given, nonce));
    Some((outside, given))
}

fn pcp_head(operation: u8, result: u8, seconds: u32) -> [u8; 24] {
    let mut head = [0; 24];
    head[..4].copy_from_slice(&[2, 0x80 | operation, 0, result]);
    head[4..8].copy_from_slice(&seconds.to_be_bytes());
    head[8..12].copy_from_slice(&EPOCH);
    head
}

/// It has been up for this long, it says.
pub(crate) const UP_FOR: Duration = Duration::from_secs(0x0102);
const EPOCH: [u8; 4] = [0, 0, 1, 2];
