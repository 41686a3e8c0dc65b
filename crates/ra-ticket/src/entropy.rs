//! Even draws from a small alphabet, out of entropy that the caller brings.

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A source of characters in which each of an alphabet is exactly as likely as every other.
///
/// Bytes that would make some characters likelier are thrown away. Should that use up the 32 bytes (which the shortest
/// use here, 12 characters, does about once in 10^30 times), the next 32 are their SHA-256.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Draw {
    bytes: [u8; 32],
    used: usize,
}

impl Draw {
    pub(crate) fn new(entropy: &[u8; 32]) -> Self {
        Self { bytes: *entropy, used: 0 }
    }

    /// One character of `alphabet`, which is ASCII, not empty and has at most 256 members.
    pub(crate) fn one_of(&mut self, alphabet: &[u8]) -> char {
        let size = alphabet.len();
        let even = 256 / size * size;
        loop {
            let byte = usize::from(self.byte());
            if byte < even {
                return char::from(alphabet[byte % size]);
            }
        }
    }

    fn byte(&mut self) -> u8 {
        if self.used == self.bytes.len() {
            let mut next = Sha256::digest(self.bytes);
            self.bytes.copy_from_slice(&next);
            next.as_mut_slice().zeroize();
            self.used = 0;
        }
        let byte = self.bytes[self.used];
        self.used += 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_is_drawn_equally_often() {
        // All 65,536 pairs of first bytes; the second stands for what comes after a first that is thrown away.
        let mut seen = [0_u32; 36];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        for first in 0..=255_u8 {
            for second in 0..=251_u8 {
                let mut entropy = [0; 32];
                entropy[0] = first;
                entropy[1] = second;
                let drawn = Draw::new(&entropy).one_of(alphabet);
                seen[alphabet.iter().position(|&c| char::from(c) == drawn).unwrap()] += 1;
            }
        }
        assert!(seen.iter().all(|&count| count == seen[0]), "{seen:?}");
    }

    #[test]
    fn entropy_that_is_thrown_away_does_not_run_dry() {
        let mut draw = Draw::new(&[0xFF; 32]);
        let text: String = (0..1000).map(|_| draw.one_of(b"0123456789")).collect();
        assert_eq!(text.len(), 1000);
    }
}
