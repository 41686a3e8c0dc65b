//! The password of an invitation, which never travels with it.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::Draw;
use crate::{PassStub, Proof, crypto};

/// A password of 1 to 128 characters; wipes itself, never prints.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

/// Why a text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// An empty password is never computed with or sent.
    #[error("the password is empty")]
    Empty,
    /// More than 128 characters.
    #[error("the password is longer than {MAX_CHARS} characters")]
    TooLong,
}

impl Password {
    /// Takes what a person typed, as it is.
    ///
    /// # Errors
    ///
    /// When it is empty or longer than 128 characters. Source: invitation-file.md 7.
    pub fn new(text: &str) -> Result<Self, PasswordError> {
        match text.chars().take(MAX_CHARS + 1).count() {
            0 => Err(PasswordError::Empty),
            1..=MAX_CHARS => Ok(Self(text.to_owned())),
            _ => Err(PasswordError::TooLong),
        }
    }

    /// A new password: 12 characters of A-Z and 0-9, each equally likely, as Windows writes since Vista.
    ///
    /// `entropy` comes from a cryptographic generator and is used once. Source: invitation-file.md 1.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let mut draw = Draw::new(entropy);
        let mut text = String::with_capacity(GENERATED_CHARS);
        text.extend((0..GENERATED_CHARS).map(|_| draw.one_of(ALPHABET)));
        Self(text)
    }

    /// The text, for the person it is meant for; never for a log or a file.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What proves to the novice that its reader knows the password of the ticket with this stub.
    ///
    /// Two proofs for one password share their keystream: it may travel only inside the encrypted connection.
    /// Source: invitation-file.md 5.2.
    #[must_use]
    pub fn proof(&self, stub: &PassStub) -> Proof {
        Proof::new(crypto::proof(&self.0, stub.as_str()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Longer ones are refused before anything is computed. Source: invitation-file.md 7.
const MAX_CHARS: usize = 128;
const GENERATED_CHARS: usize = 12;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_overlong_passwords_are_refused() {
        assert_eq!(Password::new("").unwrap_err(), PasswordError::Empty);
        assert!(Password::new(&"é".repeat(128)).is_ok());
        assert_eq!(Password::new(&"é".repeat(129)).unwrap_err(), PasswordError::TooLong);
    }

    #[test]
    fn r015_it_does_not_print() {
        let password = Password::new("Tulip-4711").unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
    }

    #[test]
    fn a_generated_password_has_twelve_capitals_and_digits() {
        for byte in 0..=255 {
            let password = Password::from_entropy(&[byte; 32]);
            assert_eq!(password.expose().len(), 12);
            assert!(password.expose().bytes().all(|c| ALPHABET.contains(&c)));
        }
        assert_ne!(Password::from_entropy(&[1; 32]).expose(), Password::from_entropy(&[2; 32]).expose());
    }
}
