//! The system's random numbers, in the shape that the meeting's arithmetic takes.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

use crate::station::P2pError;

/// Random bytes drawn in advance, so that a system without any is an error here and not in the middle of a computation.
pub(crate) struct Chance {
    bytes: [u8; RESERVE],
    next: usize,
}

impl Chance {
    pub(crate) fn draw() -> Result<Self, P2pError> {
        let mut bytes = [0; RESERVE];
        getrandom::fill(&mut bytes).map_err(|_| P2pError::NoRandomness)?;
        Ok(Self { bytes, next: 0 })
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            // A second lap would repeat bytes; one share takes 64, so that there is none.
            *byte = core::mem::take(&mut self.bytes[self.next % RESERVE]);
            self.next += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Chance {}

impl Drop for Chance {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.bytes);
    }
}

/// Twice what one run of the meeting takes.
const RESERVE: usize = 128;
