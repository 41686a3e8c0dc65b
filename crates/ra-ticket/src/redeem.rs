//! Redeeming a ticket: the expert's proof, what the novice keeps to check it, and the value that says it was right.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Invitation, Kind};

/// The ticket was redeemed: its password was proved, or it has none.
///
/// Only this module makes it and it cannot be copied; the session asks for it before it bothers the novice.
///
/// ```compile_fail,E0423
/// let forged = ra_ticket::Redeemed;
/// ```
/// ```compile_fail,E0451
/// let forged = ra_ticket::Redeemed { _only_here: () };
/// ```
#[derive(Debug)]
#[must_use = "a redeemed ticket that nobody takes lets nobody in"]
pub struct Redeemed {
    _only_here: (),
}

/// What the expert sends to prove that it knows the password: 32 bytes for a stub of 14 characters.
///
/// As good as the password for this one ticket, so it wipes itself and does not print. Made by
/// [`Password::proof`](crate::Password::proof).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Proof(Vec<u8>);

/// What the novice keeps in its store to check a proof; the password itself is not needed any more.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ExpectedProof(Vec<u8>);

/// Says of one ticket that it asks for no password. Made from an invitation that says so and holds no PassStub.
#[derive(Clone)]
pub struct TicketWithoutPassword {
    _only_here: (),
}

/// What one ticket asks of whoever wants to redeem it. The novice keeps it with the ticket's record.
#[derive(Debug, Clone)]
pub enum Challenge {
    /// A proof of the password.
    Password(ExpectedProof),
    /// Nothing: the invitation alone is enough to be asked about.
    NoPassword(TicketWithoutPassword),
}

impl Challenge {
    /// Checks what the expert answered: the `PASS` value of its blob, if there was one.
    ///
    /// A ticket with a password is redeemed by the right proof and by nothing else; one without does not look at the
    /// answer. Source: invitation-file.md 5.3, session-protocol.md 5.3.
    #[must_use]
    pub fn meet(&self, pass: Option<&str>) -> Option<Redeemed> {
        match self {
            Self::Password(expected) => expected.verify(pass?),
            Self::NoPassword(ticket) => Some(Redeemed::without_password(ticket)),
        }
    }

    /// The challenge as bytes for the novice's store.
    #[must_use]
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        let (tag, proof) = match self {
            Self::NoPassword(_) => (STORED_NO_PASSWORD, &[][..]),
            Self::Password(expected) => (STORED_PASSWORD, expected.as_bytes()),
        };
        let mut stored = Zeroizing::new(Vec::with_capacity(1 + proof.len()));
        stored.push(tag);
        stored.extend_from_slice(proof);
        stored
    }

    /// Reads back what [`Challenge::to_stored`] wrote; nothing for any other bytes, so that a damaged record never
    /// loses its password.
    #[must_use]
    pub fn from_stored(stored: &[u8]) -> Option<Self> {
        match stored.split_first()? {
            (&STORED_NO_PASSWORD, []) => Some(Self::NoPassword(TicketWithoutPassword { _only_here: () })),
            (&STORED_PASSWORD, proof) => ExpectedProof::from_bytes(proof).map(Self::Password),
            _ => None,
        }
    }
}

impl From<Proof> for Challenge {
    fn from(proof: Proof) -> Self {
        Self::Password(proof.into())
    }
}

impl From<TicketWithoutPassword> for Challenge {
    fn from(ticket: TicketWithoutPassword) -> Self {
        Self::NoPassword(ticket)
    }
}

impl Redeemed {
    /// Redeems a ticket that asks for no password.
    pub fn without_password(_ticket: &TicketWithoutPassword) -> Self {
        Self { _only_here: () }
    }
}

impl TicketWithoutPassword {
    /// The ticket of this invitation, if it is one that asks for no password: type 1 only, the flag says `0` and there
    /// is no stub to prove anything with (R11, R12).
    #[must_use]
    pub fn of(invitation: &Invitation) -> Option<Self> {
        let open = invitation.kind() == Kind::Type1
            && !invitation.password_needed()
            && invitation.pass_stub().is_none()
            && invitation.rc_ticket().is_some();
        open.then_some(Self { _only_here: () })
    }
}

impl Proof {
    pub(crate) fn new(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(core::mem::take(&mut *bytes))
    }

    /// The value of `PASS`: upper-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode_upper(&self.0))
    }

    /// The bytes, as the body of `EXPERT_ON_VISTA` carries them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ExpectedProof {
    /// Checks the hexadecimal value of `PASS`, in capitals or not.
    #[must_use]
    pub fn verify(&self, hex_digits: &str) -> Option<Redeemed> {
        // What is twice as long as expected cannot be right and is not worth memory.
        if hex_digits.len() != self.0.len() * 2 {
            return None;
        }
        let received = Zeroizing::new(hex::decode(hex_digits).ok()?);
        self.verify_bytes(&received)
    }

    /// Checks a proof in its binary form; length first, then every byte in constant time.
    #[must_use]
    pub fn verify_bytes(&self, received: &[u8]) -> Option<Redeemed> {
        bool::from(self.0.ct_eq(received)).then_some(Redeemed { _only_here: () })
    }

    /// The bytes for the novice's store: protect them as the password.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes stored bytes; nothing if no stub has a proof of that length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (PROOF_LENGTHS.contains(&bytes.len()) && bytes.len().is_multiple_of(2)).then(|| Self(bytes.to_vec()))
    }
}

impl From<Proof> for ExpectedProof {
    fn from(mut proof: Proof) -> Self {
        Self(core::mem::take(&mut proof.0))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

impl fmt::Debug for ExpectedProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExpectedProof(..)")
    }
}

impl fmt::Debug for TicketWithoutPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketWithoutPassword")
    }
}

/// Four bytes of length and a stub of 1 to 64 characters of at most two UTF-16 units.
const PROOF_LENGTHS: core::ops::RangeInclusive<usize> = 4 + 2..=4 + 64 * 4;
const STORED_NO_PASSWORD: u8 = 0;
const STORED_PASSWORD: u8 = 1;
