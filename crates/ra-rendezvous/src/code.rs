//! The code: sixteen characters that survive a telephone.

use core::fmt;
use core::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 80 random bits, spoken and typed as sixteen characters in groups of four; wipes itself, never prints.
///
/// Whoever knows it can look for the computer of its novice, so it is a secret of its own: for a person's ear or for a
/// terminal, never for a log.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Code([u8; Code::ENTROPY]);

/// Why a text is no code. Each says where to look, since the person who reads it has it from somebody's voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// More or fewer than four groups.
    #[error("a code has 4 groups of 4 characters, and this has {0}")]
    Groups(usize),
    /// A group of another length than four.
    #[error("group {group} of the code has {length} characters instead of 4")]
    Length {
        /// Counted from 1.
        group: usize,
        /// Its characters.
        length: usize,
    },
    /// A character that no code has: anything but digits and letters, and U.
    #[error("group {group} of the code has a character that no code has: {character:?}")]
    Character {
        /// Counted from 1.
        group: usize,
        /// What stands there; control characters are shown escaped.
        character: char,
    },
}

impl Code {
    /// Bytes of a code.
    pub const ENTROPY: usize = 10;

    /// A code of random bytes, which come from a cryptographic generator and are used once.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; Self::ENTROPY]) -> Self {
        Self(*entropy)
    }

    /// As it is spoken and written: `7K3M-Q9TX-2V6H-PC4D`.
    #[must_use]
    pub fn spoken(&self) -> Zeroizing<String> {
        let mut text = String::with_capacity(LETTERS + GROUPS - 1);
        for at in 0..LETTERS {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(self.five_bits(at))]));
        }
        Zeroizing::new(text)
    }

    /// The bytes, for what is computed from them.
    pub(crate) const fn bytes(&self) -> &[u8; Self::ENTROPY] {
        &self.0
    }

    /// The value of one character: five bits, the highest first.
    fn five_bits(&self, at: usize) -> u8 {
        let bit = at * 5;
        let pair = u16::from(self.0[bit / 8]) << 8 | u16::from(self.0.get(bit / 8 + 1).copied().unwrap_or(0));
        // Shifted so that the five bits end the number: fewer than 32 values are left.
        (pair >> (11 - bit % 8)) as u8 & 31
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Reads what a person typed: in either case, with hyphens, spaces or nothing between the groups, O for 0 and I or L
    /// for 1, as Crockford's alphabet has it.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let mut letters = Zeroizing::new([0; LETTERS]);
        let groups = groups(text)?;
        for (number, group) in groups.iter().enumerate() {
            for (at, character) in group.chars().enumerate() {
                let value = value(character).ok_or(CodeError::Character { group: number + 1, character })?;
                letters[number * GROUP + at] = value;
            }
        }
        let mut code = Self([0; Self::ENTROPY]);
        for (at, letter) in letters.iter().enumerate() {
            let bit = at * 5;
            let pair = u16::from(*letter) << (11 - bit % 8);
            let [high, low] = pair.to_be_bytes();
            code.0[bit / 8] |= high;
            if let Some(next) = code.0.get_mut(bit / 8 + 1) {
                *next |= low;
            }
        }
        Ok(code)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// The four groups as they were typed; sixteen characters in one piece count as four groups.
fn groups(text: &str) -> Result<Vec<&str>, CodeError> {
    let pieces = text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '_' | '.'));
    // One more than there may be is enough to know that there are too many.
    let pieces: Vec<&str> = pieces.filter(|piece| !piece.is_empty()).take(LETTERS + 1).collect();
    let groups = match pieces.as_slice() {
        [whole] if whole.is_ascii() && whole.len() == LETTERS => {
            (0..GROUPS).map(|group| &whole[group * GROUP..(group + 1) * GROUP]).collect()
        }
        _ => pieces,
    };
    if groups.len() != GROUPS {
        return Err(CodeError::Groups(groups.len()));
    }
    for (number, group) in groups.iter().enumerate() {
        let length = group.chars().count();
        if length != GROUP {
            return Err(CodeError::Length { group: number + 1, length });
        }
    }
    Ok(groups)
}

fn value(character: char) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|letter| char::from(*letter) == upper)?;
    u8::try_from(place).ok()
}

/// No I, L and O, which look like digits, and no U. Source: Crockford's Base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 16;
const GROUP: usize = 4;
const GROUPS: usize = LETTERS / GROUP;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_looks_as_it_is_spoken() {
        assert_eq!(*Code::from_entropy(&[0; 10]).spoken(), "0000-0000-0000-0000");
        assert_eq!(*Code::from_entropy(&[255; 10]).spoken(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        assert_eq!(*Code::from_entropy(&[0x08, 0x42, 0x10, 0x84, 0x21, 0, 0, 0, 0, 1]).spoken(), "1111-1111-0000-0001");
    }

    #[test]
    fn a_person_may_type_it_in_any_way_that_means_it() {
        let code: Code = "7K3M-Q9TX-2V6H-PC4D".parse().unwrap();
        for same in ["7k3m q9tx 2v6h pc4d", "7K3MQ9TX2V6HPC4D", " 7k3m_q9tx.2v6h-pc4d "] {
            assert_eq!(same.parse::<Code>().unwrap(), code, "{same}");
        }
        let zeros: Code = "0000-1111-1111-0000".parse().unwrap();
        assert_eq!("OooO-iIlL-1111-0000".parse::<Code>().unwrap(), zeros);
    }

    #[test]
    fn a_typo_is_told_by_its_group() {
        let error = |text: &str| text.parse::<Code>().unwrap_err();
        assert_eq!(error(""), CodeError::Groups(0));
        assert_eq!(error("7K3M-Q9TX-2V6H"), CodeError::Groups(3));
        assert_eq!(error("7K3M-Q9TX-2V6H-PC4D-7K3M"), CodeError::Groups(5));
        assert_eq!(error("7K3M-Q9T-2V6H-PC4D"), CodeError::Length { group: 2, length: 3 });
        assert_eq!(error("7K3M-Q9TX-2V6HA-PC4D"), CodeError::Length { group: 3, length: 5 });
        assert_eq!(error("7K3M-Q9TX-2V6H-PCUD"), CodeError::Character { group: 4, character: 'U' });
        assert_eq!(error("7K3M-é9TX-2V6H-PC4D"), CodeError::Character { group: 2, character: 'é' });
        assert_eq!(
            error("7K3M-Q\u{7}TX-2V6H-PC4D").to_string(),
            "group 2 of the code has a character that no code has: '\\u{7}'"
        );
        assert_eq!(error(&"A ".repeat(100_000)), CodeError::Groups(17), "a bounded look");
    }

    #[test]
    fn a_code_is_never_printed() {
        assert_eq!(format!("{:?}", Code::from_entropy(&[7; 10])), "Code(..)");
    }

    proptest! {
        #[test]
        fn what_is_spoken_is_what_is_read(entropy: [u8; 10]) {
            let code = Code::from_entropy(&entropy);
            prop_assert_eq!(code.spoken().parse::<Code>().unwrap(), code);
        }

        #[test]
        fn any_text_is_a_code_or_an_error(text in ".{0,80}") {
            if let Ok(code) = text.parse::<Code>() {
                prop_assert_eq!(code.spoken().len(), 19);
            }
        }
    }
}
