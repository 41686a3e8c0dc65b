//! The password of HelpAssistant, which field 4 of a ticket of 2001 carried.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::Draw;

/// The password of the novice's HelpAssistant account: 32 characters with all four classes among them.
///
/// In Windows XP it travelled in field 4 of the ticket; today `*` stands there and the password never leaves the novice's
/// computer (see [`RcTicket`](crate::RcTicket)). A ticket is logged on with the password that the account had when the
/// ticket was made. Wipes itself, does not print, compares in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AssistantPassword(String);

impl AssistantPassword {
    /// A new password, about 198 bits of it unpredictable.
    ///
    /// `entropy` comes from a cryptographic generator and is used once.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let mut draw = Draw::new(entropy);
        loop {
            let mut text = String::with_capacity(CHARS);
            text.extend((0..CHARS).map(|_| draw.one_of(ALPHABET)));
            let drawn = Self(text);
            // One in a few hundred lacks a class and is drawn again, so that any rule about passwords takes it.
            if drawn.has_all_classes() {
                return drawn;
            }
        }
    }

    /// Reads back what the novice's store holds; `None` for what was never drawn here.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let fits = text.len() == CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte));
        let password = Self(text.to_owned());
        (fits && password.has_all_classes()).then_some(password)
    }

    /// The text, for the novice's store; never for a log or a file of somebody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn has_all_classes(&self) -> bool {
        let has = |class: fn(&u8) -> bool| self.0.as_bytes().iter().any(class);
        has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_punctuation)
    }
}

impl PartialEq for AssistantPassword {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for AssistantPassword {}

impl fmt::Debug for AssistantPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssistantPassword(..)")
    }
}

const CHARS: usize = 32;
/// Without the comma, which separates the fields of a ticket, and without what shells and XML treat specially.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%*+-./:=?@^_~";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn s010_r003_it_has_thirty_two_characters_of_all_classes_and_no_two_are_alike() {
        let mut seen = BTreeSet::new();
        let mut counts = [0_u32; 128];
        for seed in 0..2000_u32 {
            let mut entropy = [0; 32];
            entropy[..4].copy_from_slice(&seed.to_be_bytes());
            // Entropy of which each bit counts, as the system's generator gives it.
            let password = AssistantPassword::from_entropy(&<[u8; 32]>::from(sha2::Sha256::digest(entropy)));
            assert_eq!(password.expose().len(), 32);
            assert!(password.has_all_classes());
            password.expose().bytes().for_each(|byte| counts[usize::from(byte)] += 1);
            assert!(seen.insert(password.expose().to_owned()), "one came twice");
        }
        // 64,000 characters of 77: 831 of each, and a fair draw strays by less than seven deviations.
        for &byte in ALPHABET {
            let count = counts[usize::from(byte)];
            assert!((630..1030).contains(&count), "{}: {count}", char::from(byte));
        }
    }

    #[test]
    fn s010_it_does_not_print() {
        let password = AssistantPassword::from_entropy(&[7; 32]);
        assert_eq!(format!("{password:?}"), "AssistantPassword(..)");
    }

    #[test]
    fn what_was_never_drawn_is_not_read_back() {
        let password = AssistantPassword::from_entropy(&[7; 32]);
        assert_eq!(AssistantPassword::from_stored(password.expose()).unwrap(), password);
        for wrong in ["", &password.expose()[1..], &"a".repeat(32), &"aA1,".repeat(8)] {
            assert!(AssistantPassword::from_stored(wrong).is_none(), "{wrong}");
        }
    }

    use sha2::Digest as _;
}
