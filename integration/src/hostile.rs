//! Strangers on the port: connections that do not mean well, the same ones in each run.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::Failure;

/// Numbers that look random and are the same in each run (xorshift64*).
pub struct Dice(u64);

/// What a stranger sends before closing.
#[derive(Clone, Copy, Debug)]
pub enum Stranger {
    /// Nothing at all.
    Silent,
    /// Up to 4 KiB of anything.
    Noise,
    /// The first part of a connection request.
    HalfRequest,
    /// A TPKT header that promises more than will ever come.
    EndlessPacket,
    /// A good connection request, then noise in place of TLS.
    NoiseForTls,
    /// A preconnection PDU that is out of bounds, or is cut off.
    BadPreconnection,
    /// A good connection request, then a TLS hello that is cut off.
    HalfHello,
}

impl Dice {
    /// The same seed gives the same numbers; zero is taken as one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which is at least one.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() >> 33).unwrap_or_default() % bound.max(1)
    }

    /// Bytes of any value.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.roll().to_be_bytes()[0]).collect()
    }

    /// Small letters, for a text that is typed.
    pub fn word(&mut self, letters: usize) -> String {
        (0..letters).map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap_or_default())).collect()
    }
}

impl Stranger {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Silent,
        Self::Noise,
        Self::HalfRequest,
        Self::EndlessPacket,
        Self::NoiseForTls,
        Self::BadPreconnection,
        Self::HalfHello,
    ];

    /// What this one says.
    #[must_use]
    pub fn words(self, dice: &mut Dice) -> Vec<u8> {
        let noise = |dice: &mut Dice| {
            let count = 1 + dice.below(4096);
            dice.bytes(count)
        };
        match self {
            Self::Silent => Vec::new(),
            Self::Noise => noise(dice),
            Self::HalfRequest => CONNECTION_REQUEST[..1 + dice.below(CONNECTION_REQUEST.len() - 1)].to_vec(),
            Self::EndlessPacket => [&[3, 0, 0xFF, 0xFF][..], &noise(dice)].concat(),
            Self::NoiseForTls => [CONNECTION_REQUEST, &noise(dice)].concat(),
            Self::BadPreconnection => {
                let size = [0u32, 15, 4097, u32::MAX, 64][dice.below(5)];
                [&size.to_le_bytes()[..], &[0; 4], &1u32.to_le_bytes(), &noise(dice)[..1]].concat()
            }
            Self::HalfHello => [CONNECTION_REQUEST, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]].concat(),
        }
    }

    /// Comes from `from`, says its words to `to`, and leaves; how the other side takes it does not matter.
    ///
    /// # Errors
    /// When this machine does not even give a socket.
    #[track_caller]
    pub fn visits(self, from: Ipv4Addr, to: SocketAddr, dice: &mut Dice) -> Result<(), Failure> {
        if let Some(mut stream) = call(from, to)? {
            let words = self.words(dice);
            let _other_side = stream.write_all(&words);
        }
        Ok(())
    }
}

/// Connects from an address of choice; `None` when the other side does not want it.
///
/// # Errors
/// When this machine does not give a socket at that address.
#[track_caller]
pub fn call(from: Ipv4Addr, to: SocketAddr) -> Result<Option<TcpStream>, Failure> {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&fd, &SocketAddrV4::new(from, 0))?;
    Ok(connect(&fd, &to).ok().map(|()| TcpStream::from(fd)))
}

/// Whether the other side has closed within `patience`; what it says before does not matter.
#[must_use]
pub fn is_closed(stream: &mut TcpStream, patience: Duration) -> bool {
    let mut buffer = [0; 4096];
    if stream.set_read_timeout(Some(patience)).is_err() {
        return true;
    }
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return !matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }
}

/// A connection request that asks for TLS, as an expert's program sends it.
///
/// Source: [MS-RDPBCGR] 2.2.1.1.
pub const CONNECTION_REQUEST: &[u8] =
    &[0x03, 0x00, 0x00, 0x13, 0x0E, 0xE0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x08, 0x00, 0x01, 0x00, 0x00, 0x00];
