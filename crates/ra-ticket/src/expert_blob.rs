//! The expert blob: how an expert gives its name and the proof of the password.
//!
//! A row of `count;key=value`, where the count is that of the characters of `key=value`.
//! Source: invitation-file.md 5.4, [MS-RA] 2.2.1.4.

use core::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::{Proof, UntrustedName};

/// What an expert said of itself.
pub struct ExpertBlob {
    name: UntrustedName,
    pass: Option<Zeroizing<String>>,
}

/// Why a text is not an expert blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpertBlobError {
    /// Longer than anybody's name and proof.
    #[error("the expert's answer is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Its counts do not fit and no proof can be made out.
    #[error("the expert's answer cannot be taken apart")]
    Malformed,
    /// A key comes twice.
    #[error("the expert's answer is ambiguous")]
    Duplicate,
}

/// Writes the blob of an expert that is called `name`; `proof` where the ticket has a password.
#[must_use]
pub fn write(name: &str, proof: Option<&Proof>) -> Zeroizing<String> {
    let name = UntrustedName::new(name);
    let mut blob = Zeroizing::new(String::with_capacity(1024));
    push_pair(&mut blob, "NAME", name.as_str());
    if let Some(proof) = proof {
        push_pair(&mut blob, "PASS", &proof.to_hex());
    }
    blob
}

/// Reads a blob with or without a terminator.
///
/// Counts are of UTF-16 units; FreeRDP counts bytes of UTF-8, which is tried second. If neither fits the proof is
/// looked for at the end, and the name is what stands in front of it.
///
/// # Errors
///
/// When it is too long, cannot be taken apart or gives a key twice.
pub fn parse(text: &str) -> Result<ExpertBlob, ExpertBlobError> {
    if text.len() > MAX_BYTES {
        return Err(ExpertBlobError::TooLong);
    }
    let text = text.trim_end_matches('\0');
    let pairs = pairs(text, char::len_utf16)
        .or_else(|| pairs(text, char::len_utf8))
        .or_else(|| split_at_proof(text))
        .ok_or(ExpertBlobError::Malformed)?;
    let only = |key: &str| {
        let mut found = pairs.iter().filter(|(name, _)| *name == key).map(|&(_, value)| value);
        match (found.next(), found.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(ExpertBlobError::Duplicate),
        }
    };
    Ok(ExpertBlob {
        name: UntrustedName::new(only("NAME")?.unwrap_or_default()),
        pass: only("PASS")?.map(|value| Zeroizing::new(value.to_owned())),
    })
}

impl ExpertBlob {
    /// The name that the expert gave, fit to be shown; unverified, may be empty.
    #[must_use]
    pub fn name(&self) -> &UntrustedName {
        &self.name
    }

    /// The proof as it was sent, for [`Challenge::meet`](crate::Challenge::meet).
    #[must_use]
    pub fn pass(&self) -> Option<&str> {
        self.pass.as_ref().map(|pass| pass.as_str())
    }
}

impl fmt::Debug for ExpertBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpertBlob").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The longest blob that is looked at: a name, a proof of 64 characters of stub, and room.
const MAX_BYTES: usize = 4096;
/// How the proof of a stub of 14 characters begins, and how many digits follow.
const PROOF_MARK: &str = "69;PASS=";
const PROOF_DIGITS: usize = 64;

fn push_pair(blob: &mut Zeroizing<String>, key: &str, value: &str) {
    let count = key.len() + 1 + value.encode_utf16().count();
    let mut number = count.to_string();
    for part in [&number, ";", key, "=", value] {
        blob.push_str(part);
    }
    number.zeroize();
}

fn pairs(mut text: &str, units: fn(char) -> usize) -> Option<Vec<(&str, &str)>> {
    let mut pairs = Vec::new();
    while !text.is_empty() {
        let (count, rest) = text.split_once(';')?;
        let decimal = (1..=4).contains(&count.len()) && count.bytes().all(|byte| byte.is_ascii_digit());
        let count: usize = count.parse().ok().filter(|_| decimal)?;
        let end = end_of(rest, count, units)?;
        pairs.push(rest.get(..end)?.split_once('=')?);
        text = rest.get(end..)?;
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// The byte behind exactly `count` units.
fn end_of(text: &str, count: usize, units: fn(char) -> usize) -> Option<usize> {
    let mut left = count;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(units(character))?;
    }
    (left == 0).then_some(text.len())
}

fn split_at_proof(text: &str) -> Option<Vec<(&str, &str)>> {
    let at = text.rfind(PROOF_MARK)?;
    let proof = text.get(at + PROOF_MARK.len()..)?.get(..PROOF_DIGITS)?;
    if !proof.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let name = text.get(..at)?.split_once("NAME=").map_or("", |(_, name)| name);
    Some(vec![("NAME", name), ("PASS", proof)])
}
