//! From the code to the key by which relays find the novice's computer.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::Code;

/// The seed of the ed25519 key of the novice's endpoint: Argon2id of the code, 19 MiB, two passes, one lane.
///
/// A relay sees the public key, and could try codes until one gives it; 80 bits and the price of each try leave that out of
/// reach. Takes about 20 ms and 19 MiB; `None` only where that memory cannot be had.
///
/// Source: reach.md 7; RFC 9106 4 with OWASP's memory.
#[must_use]
pub fn endpoint_seed(code: &Code) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut seed = Zeroizing::new([0; 32]);
    argon2.hash_password_into(code.bytes(), SALT, seed.as_mut()).ok()?;
    Some(seed)
}

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The same for everybody: the code itself is random, and both sides have to come to the same key.
const SALT: &[u8] = b"Remote Assistance rendezvous v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_gives_the_same_key_and_another_another() {
        let seed = |byte| endpoint_seed(&Code::from_entropy(&[byte; 10])).unwrap();
        assert_eq!(seed(1), seed(1));
        assert_ne!(seed(1), seed(2));
    }
}
