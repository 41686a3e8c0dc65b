//! `RAAGAIN`: how an expert whose connection was lost shows that it is the same one, and how either side notices a dead line.
//!
//! A static channel of this project's own. No specification knows it, and whoever does not know it never joins it: other
//! experts and other novices see nothing of it. Its messages are four bytes, and 32 more where they carry a secret:
//!
//! ```text
//!  'R' 'A'  version (1)  kind      1 promise (novice ► expert, secret)   3 ping
//!  32 bytes, of kinds 1 and 2      2 return  (expert ► novice, secret)   4 pong
//! ```
//!
//! The novice promises a secret after the first yes, and another one after each return; the expert shows it as the first
//! thing on the connection that replaces a lost one. Neither machine knows what a secret is worth: that is for the session.
//! What is no message of ours is dropped, and nothing that arrives can make a machine grow.

use core::fmt;
use core::time::Duration;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::wire::{ToExpert, ToNovice};

/// An expert that has heard, or said, nothing for so long pings: more often would wake idle computers for nothing, more seldom
/// would leave both sides before a picture that nobody sends any more.
pub const ASK_AFTER: Duration = Duration::from_secs(12);

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// A secret on its way. Compared in constant time, wiped when dropped, never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

/// The novice's side of one connection.
#[derive(Debug, Default)]
pub struct AgainNovice {
    shown: Option<Secret>,
}

/// The expert's side of one connection.
#[derive(Debug, Default)]
pub struct AgainExpert {
    promised: Option<Secret>,
}

impl Secret {
    /// A secret of these bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Zeroizing<[u8; SECRET_BYTES]> {
        self.0
    }
}

impl AgainNovice {
    /// A channel on which nothing was said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Promises that whoever shows this secret on another connection is this expert.
    #[must_use]
    pub fn promise(&self, secret: &Secret) -> ToExpert {
        ToExpert::new(message(PROMISE, Some(secret)))
    }

    /// Takes one complete channel PDU; a ping is answered.
    pub fn receive(&mut self, pdu: &[u8]) -> Option<ToExpert> {
        match read(pdu)? {
            Message::Return(secret) => self.shown = Some(secret),
            Message::Ping => return Some(ToExpert::new(message(PONG, None))),
            Message::Promise(_) | Message::Pong => {}
        }
        None
    }

    /// The secret that the expert has shown, once.
    pub fn take_shown(&mut self) -> Option<Secret> {
        self.shown.take()
    }
}

impl AgainExpert {
    /// A channel on which nothing was said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows the secret of the connection before: the first thing that is said.
    #[must_use]
    pub fn show(&self, secret: &Secret) -> ToNovice {
        ToNovice::new(message(RETURN, Some(secret)))
    }

    /// Asks whether anybody is there.
    #[must_use]
    pub fn ping(&self) -> ToNovice {
        ToNovice::new(message(PING, None))
    }

    /// Takes one complete channel PDU.
    pub fn receive(&mut self, pdu: &[u8]) {
        match read(pdu) {
            Some(Message::Promise(secret)) => self.promised = Some(secret),
            // Whatever arrives says that somebody is there.
            Some(Message::Return(_) | Message::Ping | Message::Pong) | None => {}
        }
    }

    /// The secret that the novice has promised last, once.
    pub fn take_promise(&mut self) -> Option<Secret> {
        self.promised.take()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Message {
    Promise(Secret),
    Return(Secret),
    Ping,
    Pong,
}

fn message(kind: u8, secret: Option<&Secret>) -> Zeroizing<Vec<u8>> {
    let [r, a, version] = HEAD;
    // Never more than this is put there, so it never moves.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 + SECRET_BYTES));
    bytes.extend([r, a, version, kind]);
    bytes.extend(secret.into_iter().flat_map(|secret| secret.0.iter().copied()));
    bytes
}

/// A message of ours; `None` for anything else, which may be one of a later version.
fn read(pdu: &[u8]) -> Option<Message> {
    let (&[r, a, version, kind], rest) = pdu.split_first_chunk::<4>()?;
    if [r, a, version] != HEAD {
        return None;
    }
    let secret = || <[u8; SECRET_BYTES]>::try_from(rest).ok().map(|bytes| Secret(Zeroizing::new(bytes)));
    match kind {
        PROMISE => secret().map(Message::Promise),
        RETURN => secret().map(Message::Return),
        PING if rest.is_empty() => Some(Message::Ping),
        PONG if rest.is_empty() => Some(Message::Pong),
        _ => None,
    }
}

/// What every message begins with: two letters and the version.
const HEAD: [u8; 3] = [b'R', b'A', 1];
const PROMISE: u8 = 1;
const RETURN: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new(Zeroizing::new([byte; SECRET_BYTES]))
    }

    #[test]
    fn a_promise_comes_back_as_it_was_made_and_once() {
        let (mut novice, mut expert) = (AgainNovice::new(), AgainExpert::new());
        expert.receive(novice.promise(&secret(1)).as_bytes());
        expert.receive(novice.promise(&secret(7)).as_bytes());
        let promised = expert.take_promise().unwrap();
        assert!(promised == secret(7) && expert.take_promise().is_none(), "the last one counts");
        // The next connection.
        let (mut again, next) = (AgainNovice::new(), AgainExpert::new());
        assert!(again.receive(next.show(&promised).as_bytes()).is_none());
        assert!(again.take_shown() == Some(secret(7)) && again.take_shown().is_none());
        assert!(novice.take_shown().is_none());
        assert_eq!(format!("{promised:?}"), "Secret(..)");
    }

    #[test]
    fn a_ping_is_answered_and_each_side_hears_only_what_is_meant_for_it() {
        let (mut novice, mut expert) = (AgainNovice::new(), AgainExpert::new());
        let pong = novice.receive(expert.ping().as_bytes()).unwrap();
        assert_eq!(pong.as_bytes(), b"RA\x01\x04");
        expert.receive(pong.as_bytes());
        assert!(novice.receive(pong.as_bytes()).is_none());
        assert!(novice.receive(novice.promise(&secret(1)).as_bytes()).is_none() && novice.take_shown().is_none());
        expert.receive(AgainExpert::new().show(&secret(2)).as_bytes());
        assert!(expert.take_promise().is_none());
    }

    #[test]
    fn what_is_no_message_of_ours_is_dropped() {
        let good = AgainExpert::new().show(&secret(3)).as_bytes().to_vec();
        assert_eq!(good.len(), 4 + SECRET_BYTES);
        let mut wrong = vec![Vec::new(), good[..35].to_vec(), [&good[..], &[0]].concat(), b"RA\x01\x03x".to_vec()];
        for place in 0..4 {
            let mut changed = good.clone();
            changed[place] ^= 0x40;
            wrong.push(changed);
        }
        let mut novice = AgainNovice::new();
        for pdu in wrong {
            assert!(novice.receive(&pdu).is_none() && novice.take_shown().is_none(), "{pdu:02x?}");
        }
    }

    proptest! {
        /// Whatever arrives, a machine holds one secret at most and says one pong at most.
        #[test]
        fn nothing_that_arrives_does_more_than_a_message_can(pdu in prop::collection::vec(any::<u8>(), 0..64), head in any::<bool>()) {
            let mut bytes = if head { HEAD.to_vec() } else { Vec::new() };
            bytes.extend(pdu);
            let (mut novice, mut expert) = (AgainNovice::new(), AgainExpert::new());
            let pong = novice.receive(&bytes);
            expert.receive(&bytes);
            prop_assert_eq!(pong.is_some(), bytes == [b'R', b'A', 1, PING]);
            prop_assert_eq!(novice.take_shown().is_some(), bytes.len() == 36 && bytes[..4] == [b'R', b'A', 1, RETURN]);
            prop_assert_eq!(expert.take_promise().is_some(), bytes.len() == 36 && bytes[..4] == [b'R', b'A', 1, PROMISE]);
        }
    }
}
