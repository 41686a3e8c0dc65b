//! The secret by which a session comes back over a connection that replaces a lost one.

use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What only the expert of one session knows: 32 random bytes that the host made for it, and sent after the first yes.
///
/// It is no consent and opens nothing by itself: it shows that whoever has proved the ticket anew is the one whom the
/// novice has agreed to. It is good for one return. Compared in constant time, wiped when dropped, never printed.
pub struct ReturnSecret(Zeroizing<[u8; Self::BYTES]>);

impl ReturnSecret {
    /// How long it is.
    pub const BYTES: usize = 32;

    /// A secret of these bytes: fresh random ones from a host, or what an expert has shown.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; Self::BYTES]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the wire.
    #[must_use]
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Whether this is the same one; takes as long for any other.
    #[must_use]
    pub fn is(&self, shown: &Self) -> bool {
        self.0.as_slice().ct_eq(shown.0.as_slice()).into()
    }
}

impl fmt::Debug for ReturnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReturnSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> ReturnSecret {
        ReturnSecret::new(Zeroizing::new([byte; ReturnSecret::BYTES]))
    }

    #[test]
    fn a_secret_is_itself_and_prints_nothing() {
        assert!(secret(7).is(&secret(7)) && !secret(7).is(&secret(8)));
        let mut almost = [7; ReturnSecret::BYTES];
        almost[31] = 6;
        assert!(!secret(7).is(&ReturnSecret::new(Zeroizing::new(almost))));
        assert_eq!(format!("{:?}", secret(7)), "ReturnSecret(..)");
    }
}
