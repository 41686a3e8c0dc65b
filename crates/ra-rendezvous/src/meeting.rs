//! The run in which both sides prove that they know the code and the password, without saying either.
//!
//! SPAKE2 over ed25519 (RFC 9382 by the RustCrypto crate), the expert as A and the novice as B. The connection's own
//! exporter is part of both identities: whoever stands in between has two connections, and the keys differ.
//!
//! ```text
//! expert ── HELLO ─────────────────────────────────► novice
//!        ◄─ version, flags, share of B ────────────       greet
//!        ── version, share of A, expert confirms ──►       judge: a wrong guess ends here, and is counted
//!        ◄─ welcome, novice confirms, sealed slip ─       or a refusal
//! ```
//!
//! The expert confirms first, so that a guess by telephone gets nothing to compare; a false novice learns whether one
//! guess was right, of an expert who dialled by hand.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Code;
use crate::wire::MAX_MESSAGE;

/// What has to be the same on both sides: the code, and the person's password where there is one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

/// What the novice hands over once the secret was right: the invitation, and the password that opens and redeems it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// The bytes of an invitation file.
    pub invitation: Vec<u8>,
    /// Made of 32 random bytes for this one meeting; no person sees it. At most 255 bytes.
    pub password: Zeroizing<String>,
}

/// Why a run came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeetingError {
    /// The other side said something else than this protocol.
    #[error("the other side does not speak this protocol")]
    Malformed,
    /// A message longer than [`MAX_MESSAGE`].
    #[error("a message is longer than this protocol allows")]
    TooLong,
    /// The secrets differ, or somebody stands in between.
    #[error("the code or the password is another one")]
    Wrong,
    /// The novice's computer does not go on.
    #[error("the other side does not go on")]
    Refused(Refusal),
}

/// The novice's side of a run, its share said and the answer still to come.
pub struct NoviceSide {
    spake: Spake2<Ed25519Group>,
    binding: [u8; 32],
    greeting: Vec<u8>,
}

/// The novice's side once the expert has proved the secret.
pub struct Welcomed {
    keys: Keys,
    said: Vec<u8>,
}

/// The expert's side before it knows what to ask its person.
pub struct Greeted {
    greeting: Vec<u8>,
    needs_password: bool,
}

/// The expert's side of a run, its proof said and the reply still to come.
pub struct ExpertSide {
    keys: Keys,
    said: Vec<u8>,
}

/// Why the novice's computer does not go on, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The code or the password was wrong.
    Wrong {
        /// How many more wrong runs the code bears; at 0 it has ended.
        left: u32,
    },
    /// The code was used, has expired or was ended.
    Ended,
    /// Others are at it at the moment.
    Busy,
}

impl Secret {
    /// Of a code, and the password that the person chose to go with it.
    #[must_use]
    pub fn new(code: &Code, password: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"Remote Assistance meeting v1");
        // Of a fixed length, so that nothing of the password can be taken for a part of the code.
        hash.update(code.bytes());
        hash.update([u8::from(password.is_some())]);
        hash.update(password.unwrap_or_default());
        Self(hash.finalize().into())
    }

    fn password(&self) -> Password {
        Password::new(self.0)
    }
}

impl NoviceSide {
    /// Begins a run with whoever said [`HELLO`](crate::HELLO); `binding` is the exporter of the connection.
    #[must_use]
    pub fn greet(
        secret: &Secret,
        binding: &[u8; 32],
        needs_password: bool,
        chance: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let (expert, novice) = identities(binding);
        let (spake, share) = Spake2::start_b_with_rng(&secret.password(), &expert, &novice, chance);
        let mut greeting = vec![VERSION, u8::from(needs_password)];
        greeting.extend_from_slice(&share);
        (Self { spake, binding: *binding, greeting: greeting.clone() }, greeting)
    }

    /// Judges the answer.
    ///
    /// # Errors
    ///
    /// [`MeetingError::Wrong`] is a guess that counts; any other answer was none.
    pub fn judge(self, answer: &[u8]) -> Result<Welcomed, MeetingError> {
        let (said, confirmation) = answer.split_at_checked(ANSWER).ok_or(MeetingError::Malformed)?;
        let [VERSION, share @ ..] = said else { return Err(MeetingError::Malformed) };
        if confirmation.len() != CONFIRMATION {
            return Err(MeetingError::Malformed);
        }
        let key = Zeroizing::new(self.spake.finish(share).map_err(|_| MeetingError::Malformed)?);
        let keys = Keys::new(&key, &self.binding);
        let said = [self.greeting.as_slice(), said].concat();
        keys.check(EXPERT_CONFIRMS, &said, confirmation)?;
        Ok(Welcomed { keys, said })
    }
}

impl Welcomed {
    /// The reply that hands the invitation over.
    ///
    /// # Errors
    ///
    /// [`MeetingError::TooLong`].
    pub fn hand_over(&self, slip: &Slip) -> Result<Vec<u8>, MeetingError> {
        let length = u8::try_from(slip.password.len()).map_err(|_| MeetingError::TooLong)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(1 + slip.password.len() + slip.invitation.len()));
        plain.push(length);
        plain.extend_from_slice(slip.password.as_bytes());
        plain.extend_from_slice(&slip.invitation);
        let mut reply = vec![WELCOME];
        reply.extend_from_slice(&self.keys.confirm(NOVICE_CONFIRMS, &self.said));
        let sealed = self.keys.cipher().encrypt(&Nonce::default(), Payload { msg: &plain, aad: &self.said });
        reply.extend_from_slice(&sealed.map_err(|_| MeetingError::TooLong)?);
        if reply.len() > MAX_MESSAGE { Err(MeetingError::TooLong) } else { Ok(reply) }
    }
}

impl Refusal {
    /// The message that says so, in the place of a greeting or of a reply.
    #[must_use]
    pub fn to_message(self) -> Vec<u8> {
        match self {
            Self::Wrong { left } => vec![WRONG, u8::try_from(left).unwrap_or(u8::MAX)],
            Self::Ended => vec![ENDED],
            Self::Busy => vec![BUSY],
        }
    }
}

impl ExpertSide {
    /// Reads the novice's greeting.
    ///
    /// # Errors
    ///
    /// [`MeetingError::Refused`] and [`MeetingError::Malformed`].
    pub fn greeted(greeting: &[u8]) -> Result<Greeted, MeetingError> {
        refused(greeting)?;
        match greeting {
            [VERSION, flags, share @ ..] if share.len() == SHARE => {
                Ok(Greeted { greeting: greeting.to_vec(), needs_password: flags & 1 != 0 })
            }
            _ => Err(MeetingError::Malformed),
        }
    }

    /// Reads the reply to the answer: what the novice hands over.
    ///
    /// # Errors
    ///
    /// [`MeetingError::Refused`]; [`MeetingError::Wrong`] where the other side welcomes us and cannot prove that it knows
    /// the secret.
    pub fn read(self, reply: &[u8]) -> Result<Slip, MeetingError> {
        refused(reply)?;
        let [WELCOME, rest @ ..] = reply else { return Err(MeetingError::Malformed) };
        let (confirmation, sealed) = rest.split_at_checked(CONFIRMATION).ok_or(MeetingError::Malformed)?;
        self.keys.check(NOVICE_CONFIRMS, &self.said, confirmation)?;
        let opened = self.keys.cipher().decrypt(&Nonce::default(), Payload { msg: sealed, aad: &self.said });
        let plain = Zeroizing::new(opened.map_err(|_| MeetingError::Wrong)?);
        let (length, rest) = plain.split_first().ok_or(MeetingError::Malformed)?;
        let (password, invitation) = rest.split_at_checked(usize::from(*length)).ok_or(MeetingError::Malformed)?;
        let password = core::str::from_utf8(password).map_err(|_| MeetingError::Malformed)?;
        Ok(Slip { invitation: invitation.to_vec(), password: Zeroizing::new(password.to_owned()) })
    }
}

fn refused(message: &[u8]) -> Result<(), MeetingError> {
    let refusal = match message {
        [WRONG, left] => Refusal::Wrong { left: u32::from(*left) },
        [ENDED] => Refusal::Ended,
        [BUSY] => Refusal::Busy,
        _ => return Ok(()),
    };
    Err(MeetingError::Refused(refusal))
}

impl Greeted {
    /// Whether the novice chose a password that goes with the code.
    #[must_use]
    pub const fn needs_password(&self) -> bool {
        self.needs_password
    }

    /// The answer, which proves the secret to whoever knows it too.
    ///
    /// # Errors
    ///
    /// [`MeetingError::Malformed`] where the greeting's share is none.
    pub fn answer(
        self,
        secret: &Secret,
        binding: &[u8; 32],
        chance: &mut impl CryptoRng,
    ) -> Result<(ExpertSide, Vec<u8>), MeetingError> {
        let (expert, novice) = identities(binding);
        let (spake, share) = Spake2::<Ed25519Group>::start_a_with_rng(&secret.password(), &expert, &novice, chance);
        let mut answer = vec![VERSION];
        answer.extend_from_slice(&share);
        let said = [self.greeting.as_slice(), answer.as_slice()].concat();
        let theirs = self.greeting.get(2..).unwrap_or_default();
        let key = Zeroizing::new(spake.finish(theirs).map_err(|_| MeetingError::Malformed)?);
        let keys = Keys::new(&key, binding);
        answer.extend_from_slice(&keys.confirm(EXPERT_CONFIRMS, &said));
        Ok((ExpertSide { keys, said }, answer))
    }
}

/// What is computed from the key of a run: one key for each purpose.
struct Keys(Hkdf<Sha256>);

impl Keys {
    fn new(key: &[u8], binding: &[u8; 32]) -> Self {
        Self(Hkdf::new(Some(binding), key))
    }

    fn of(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // Thirty-two bytes are far below what HKDF gives; were they not, the all-zero key would fail on both sides alike.
        let expanded = self.0.expand(purpose, key.as_mut());
        debug_assert!(expanded.is_ok());
        key
    }

    fn mac(&self, purpose: &[u8], said: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.of(purpose).as_ref()).ok()?;
        mac.update(said);
        Some(mac)
    }

    fn confirm(&self, purpose: &[u8], said: &[u8]) -> [u8; CONFIRMATION] {
        self.mac(purpose, said).map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
    }

    /// In constant time.
    fn check(&self, purpose: &[u8], said: &[u8], confirmation: &[u8]) -> Result<(), MeetingError> {
        let mac = self.mac(purpose, said).ok_or(MeetingError::Wrong)?;
        mac.verify_slice(confirmation).map_err(|_| MeetingError::Wrong)
    }

    /// Used for one message only, so its nonce may be the zero one.
    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&Key::from(*self.of(SLIP)))
    }
}

fn identities(binding: &[u8; 32]) -> (Identity, Identity) {
    let of = |role: &[u8]| Identity::new(&[role, binding].concat());
    (of(b"expert"), of(b"novice"))
}

const VERSION: u8 = 1;
/// One byte for the side, and a point of the curve.
const SHARE: usize = 33;
/// The answer without its confirmation.
const ANSWER: usize = 1 + SHARE;
const CONFIRMATION: usize = 32;

/// The first byte of a message that no greeting begins with.
const WELCOME: u8 = 0x10;
const WRONG: u8 = 0x11;
const ENDED: u8 = 0x12;
const BUSY: u8 = 0x13;

const EXPERT_CONFIRMS: &[u8] = b"expert confirms";
const NOVICE_CONFIRMS: &[u8] = b"novice confirms";
const SLIP: &[u8] = b"slip";

#[cfg(test)]
mod tests;
