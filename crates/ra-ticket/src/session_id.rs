//! The session ID: what an expert shows first to say which ticket it comes for.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::UNSOLICITED_HELP;

/// The RA session ID of a ticket: opaque text that travels in the file and comes back in Client Info `WorkingDir`.
///
/// Whoever knows it can make the novice's computer answer, so it compares in constant time, wipes itself and does not
/// print. Source: invitation-file.md sections 4 (field 5) and 6.2 (`A@ID`).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionId(String);

/// Why a text cannot be a session ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionIdError {
    /// There is none.
    #[error("the session ID is empty")]
    Empty,
    /// It would not fit into the field of the protocol that carries it.
    #[error("the session ID is longer than {MAX_UNITS} characters")]
    TooLong,
    /// It contains what neither connection string can carry.
    #[error("the session ID contains a comma, white space or a control character")]
    Character,
}

impl SessionId {
    /// Takes a session ID from a file or from the wire.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than Client Info can carry or has a character that a connection string cannot carry.
    pub fn parse(text: &str) -> Result<Self, SessionIdError> {
        if text.is_empty() {
            return Err(SessionIdError::Empty);
        }
        if text.encode_utf16().count() > MAX_UNITS {
            return Err(SessionIdError::TooLong);
        }
        if text.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
            return Err(SessionIdError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// What stands in the place of a session ID when somebody offers help without an invitation.
    #[must_use]
    pub fn unsolicited() -> Self {
        Self(UNSOLICITED_HELP.to_owned())
    }

    /// A new session ID: 64 characters of base64, as Windows writes since Vista.
    ///
    /// `entropy` comes from a cryptographic generator and is used once. Source: lifecycle.md R13, invitation-file.md 6.5.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 48]) -> Self {
        Self(BASE64.encode(entropy))
    }

    /// The text, for the wire and for the novice's store; never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SessionId {
    /// Compares in constant time; the length alone may be learnt.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SessionId {}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// Client Info gives `WorkingDir` 512 bytes of UTF-16 with its terminator. Source: [MS-RDPBCGR] 2.2.1.11.1.1.
const MAX_UNITS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r013_48_bytes_of_entropy_make_64_characters() {
        let id = SessionId::from_entropy(&[0xA5; 48]);
        assert_eq!(id.expose().len(), 64);
        assert_eq!(BASE64.decode(id.expose()).unwrap(), [0xA5; 48]);
        assert_ne!(id, SessionId::from_entropy(&[0xA6; 48]));
        assert_eq!(SessionId::parse(id.expose()).unwrap(), id);
    }

    #[test]
    fn it_does_not_print() {
        let id = SessionId::from_entropy(&[0xA5; 48]);
        assert_eq!(format!("{id:?}"), "SessionId(..)");
    }

    #[test]
    fn what_no_connection_string_can_carry_is_refused() {
        for (text, error) in [
            ("", SessionIdError::Empty),
            ("a,b", SessionIdError::Character),
            ("a b", SessionIdError::Character),
            ("a\0", SessionIdError::Character),
        ] {
            assert_eq!(SessionId::parse(text).unwrap_err(), error, "{text:?}");
        }
        assert!(SessionId::parse(&"x".repeat(255)).is_ok());
        assert_eq!(SessionId::parse(&"x".repeat(256)).unwrap_err(), SessionIdError::TooLong);
    }
}
