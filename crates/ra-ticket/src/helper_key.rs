//! The key by which a helper is known who comes without an invitation.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

/// SHA-256 of a public key (its SubjectPublicKeyInfo, DER): what a list of helpers, or of known computers, names a key by.
///
/// The text is `sha256:` and 64 digits of lower-case hexadecimal, so that lists which compare without case lose
/// nothing. It is public, and proves nothing by itself: the handshake has to be signed by the key.
///
/// ```
/// use ra_ticket::KeyFingerprint;
///
/// let key = KeyFingerprint::of_spki(b"a public key");
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 32]);

/// A text that is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: {MARK} and 64 hexadecimal digits")]
pub struct KeyFingerprintError;

impl KeyFingerprint {
    /// The fingerprint of a SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }
}

impl FromStr for KeyFingerprint {
    type Err = KeyFingerprintError;

    /// Reads the text in either case.
    fn from_str(text: &str) -> Result<Self, KeyFingerprintError> {
        let (mark, digits) = text.trim().split_at_checked(MARK.len()).ok_or(KeyFingerprintError)?;
        if !mark.eq_ignore_ascii_case(MARK) {
            return Err(KeyFingerprintError);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| KeyFingerprintError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What Client Info `WorkingDir` says in place of a session ID when somebody offers help without an invitation.
///
/// No session ID of ours is as short. The word is the counterpart of `SolicitedHelp`, which KB300692 shows in field 6 of a
/// ticket; where no offers are allowed it is an unknown ticket like any other.
pub const UNSOLICITED_HELP: &str = "UnsolicitedHelp";

const MARK: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_in_either_case_and_written_in_one() {
        let key = KeyFingerprint::of_spki(b"key");
        let text = key.to_string();
        assert_eq!(text.len(), 71);
        assert_eq!(text.to_uppercase().parse(), Ok(key));
        assert_eq!(format!(" {text}\n").parse(), Ok(key));
    }

    #[test]
    fn anything_else_is_none() {
        let text = KeyFingerprint::of_spki(b"key").to_string();
        for wrong in ["", "sha256:", "sha512:00", &text[..70], &format!("{text}0"), &text[7..], "é"] {
            assert_eq!(wrong.parse::<KeyFingerprint>(), Err(KeyFingerprintError), "{wrong}");
        }
    }
}
