//! How much memory an H.264 stream is about to ask for, read from its parameters before a decoder sees them.
//!
//! A decoder makes room for as many pictures, as large as the stream says. Source: ITU-T H.264, 7.3.2.1.1, 7.4.2.1.1.

/// Bytes of pictures that a decoder holds for a stream whose parameters are among these units; `None` where there are none
/// that can be read, since then there is nothing that a decoder would make room for either.
pub(super) fn memory(units: &[u8]) -> Option<usize> {
    parameters(units).filter_map(pictures).max()
}

/// Each sequence parameter set, without its header.
fn parameters(units: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts =
        units.windows(4).enumerate().filter(|(_, bytes)| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1f == SEQUENCE);
    starts.filter_map(|(at, _)| units.get(at + 4..)).take(MOST_SETS)
}

/// Width, height and number of pictures as bytes.
fn pictures(set: &[u8]) -> Option<usize> {
    let mut bits = Bits::new(set);
    let profile = bits.number(8)?;
    bits.number(16)?; // constraints and level
    bits.golomb()?; // identifier
    let mut chroma = 1;
    if HIGH_PROFILES.contains(&profile) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            bits.number(1)?;
        }
        bits.golomb()?; // depth of luma
        bits.golomb()?; // and of chroma
        bits.number(1)?;
        if bits.number(1)? == 1 {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.number(1)? == 1 {
                    scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?; // bits of frame numbers
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.number(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    let references = bits.golomb()? as usize;
    bits.number(1)?;
    let width = bits.golomb()? as usize + 1;
    let units = bits.golomb()? as usize + 1;
    // Fields have half the rows of a frame.
    let height = units * (2 - bits.number(1)? as usize);
    // A macroblock is 16 x 16, with its colours at most three bytes a pixel.
    let macroblock = if chroma == 3 { 768 } else { 384 };
    width.checked_mul(height)?.checked_mul(macroblock)?.checked_mul(references.saturating_add(IN_WORK))
}

fn scaling_list(bits: &mut Bits<'_>, length: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..length {
        if next != 0 {
            let code = i64::from(bits.golomb()?);
            let delta = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
            next = (last + delta).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Bits of a unit, the bytes that keep a start code from appearing in it left out.
struct Bits<'a> {
    bytes: &'a [u8],
    zeros: usize,
    byte: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, zeros: 0, byte: 0, left: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let (mut byte, mut rest) = self.bytes.split_first()?;
            if self.zeros >= 2 && *byte == 3 {
                self.zeros = 0;
                (byte, rest) = rest.split_first()?;
            }
            self.zeros = if *byte == 0 { self.zeros + 1 } else { 0 };
            (self.byte, self.bytes, self.left) = (*byte, rest, 8);
        }
        self.left -= 1;
        Some(u32::from(self.byte >> self.left & 1))
    }

    fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number, _| Some(number << 1 | self.bit()?))
    }

    /// Source: H.264, 9.1.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.number(zeros)?)
    }
}

/// Type of a unit that holds the parameters of a sequence.
const SEQUENCE: u8 = 7;
/// Profiles whose parameters begin with the form of their colours.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// Pictures beside the references: the one that is made and the one that is shown.
const IN_WORK: usize = 2;
/// Sets of parameters in one message that are looked at; a stream has one.
const MOST_SETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits as a text, filled up to whole bytes.
    fn set(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| matches!(bit, b'0' | b'1')).map(|bit| bit - b'0').collect();
        let bytes = bits.chunks(8).map(|byte| (0..8).fold(0, |all, at| all << 1 | byte.get(at).copied().unwrap_or(0)));
        [0, 0, 0, 1, 0x67].into_iter().chain(bytes).collect()
    }

    #[test]
    fn the_size_and_the_number_of_pictures_are_found() {
        // Baseline, level 3; identifier 0, frame numbers 0, order of type 2; 1 reference; 80 x 45 macroblocks, frames only.
        let baseline = "01000010 00000000 00011110 1 1 011 010 0 0000001010000 00000101101 1";
        assert_eq!(memory(&set(baseline)), Some(80 * 45 * 384 * 3));
        // High, 4:2:0 in 8 bits, no lists; otherwise the same, with 4 references, in fields.
        let high = "01100100 00000000 00011110 1 010 1 1 0 0 1 011 00101 0 0000001010000 00000101101 0";
        assert_eq!(memory(&set(high)), Some(80 * 90 * 384 * 6));
    }

    #[test]
    fn what_is_no_set_or_ends_early_says_nothing() {
        assert_eq!(memory(&[]), None);
        assert_eq!(memory(&[0, 0, 1, 0x65, 0x88, 0x84]), None);
        assert_eq!(memory(&[0, 0, 1, 0x67, 0x42]), None);
        assert_eq!(memory(&[0, 0, 1, 0x67, 0x42, 0, 30, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_set_of_impossible_size_is_not_a_small_one() {
        // 2^31 macroblocks each way and as many references.
        let large = "0".repeat(31) + "1" + &"1".repeat(31);
        let bits = format!("01000010 00000000 00011110 1 1 011 {large} 0 {large} {large} 1");
        assert!(memory(&set(&bits)).is_none_or(|bytes| bytes > 1 << 40));
    }
}
