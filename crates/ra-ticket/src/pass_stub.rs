//! The PassStub: the novice's random challenge, in the clear in the file.

use core::fmt;

use crate::entropy::Draw;

/// The challenge that a password is proved with: 14 random characters; 1 to 64 are accepted from elsewhere.
///
/// Not a secret, yet not for logs: with a recorded proof it lets a password be guessed off line.
/// Source: invitation-file.md 5.1.
#[derive(Clone, PartialEq, Eq)]
pub struct PassStub(String);

/// Why a text cannot be a PassStub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassStubError {
    /// Not 1 to 64 characters.
    #[error("PassStub has {0} characters; 1 to {MAX_CHARS} are possible")]
    Length(usize),
    /// A control character.
    #[error("PassStub contains a control character")]
    Character,
}

impl PassStub {
    /// Takes a stub that somebody wrote.
    ///
    /// # Errors
    ///
    /// When it has not 1 to 64 characters, or a control character among them.
    pub fn parse(text: &str) -> Result<Self, PassStubError> {
        match text.chars().count() {
            1..=MAX_CHARS if text.contains(char::is_control) => Err(PassStubError::Character),
            1..=MAX_CHARS => Ok(Self(text.to_owned())),
            length => Err(PassStubError::Length(length)),
        }
    }

    /// A new stub of 14 characters; `entropy` comes from a cryptographic generator and is used once.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let mut draw = Draw::new(entropy);
        Self(PLACES.iter().map(|alphabet| draw.one_of(alphabet)).collect())
    }

    /// The stub as it stands in the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PassStub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassStub(..)")
    }
}

/// The longest stub that is accepted; no writer is known that makes other than 14. Source: invitation-file.md 5.1.
const MAX_CHARS: usize = 64;

const ANY: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*_";
/// Without `&`, which FreeRDP 2 does not read back once it is escaped.
const SIGN: &[u8] = b"!@#$^*()-+=";
const DIGIT: &[u8] = b"0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// Which alphabet each of the 14 characters is drawn from. Source: invitation-file.md 5.1.
const PLACES: [&[u8]; 14] = [ANY, SIGN, DIGIT, UPPER, LOWER, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_new_stub_has_its_alphabet_at_each_place(entropy: [u8; 32]) {
            let stub = PassStub::from_entropy(&entropy);
            prop_assert_eq!(stub.as_str().len(), 14);
            for (place, (byte, alphabet)) in stub.as_str().bytes().zip(PLACES).enumerate() {
                prop_assert!(alphabet.contains(&byte), "{place}");
            }
            prop_assert!(!stub.as_str().contains(['&', '<', '>', '"', '\'']), "needs no escape in XML");
            prop_assert_eq!(PassStub::parse(stub.as_str()).unwrap(), stub);
        }
    }

    #[test]
    fn foreign_stubs_of_1_to_64_characters_are_taken() {
        assert!(PassStub::parse("x").is_ok());
        assert!(PassStub::parse(&"&".repeat(64)).is_ok());
        assert_eq!(PassStub::parse(""), Err(PassStubError::Length(0)));
        assert_eq!(PassStub::parse(&"x".repeat(65)), Err(PassStubError::Length(65)));
        assert_eq!(PassStub::parse("a\0b"), Err(PassStubError::Character));
    }

    #[test]
    fn it_does_not_print() {
        assert_eq!(format!("{:?}", PassStub::parse("g*3Kdr_7XwzQb0").unwrap()), "PassStub(..)");
    }
}
