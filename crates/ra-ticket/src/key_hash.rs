//! The key hashes by which an expert recognises the computer that made the invitation.

use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD as BASE64};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// The server's RSA public key in the form that Standard RDP Security sends and Remote Assistance hashes.
///
/// `RSA1`, four numbers, the modulus with its little end first, eight zero bytes. Source: invitation-file.md 6.3,
/// session-protocol.md 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyBlob(Vec<u8>);

/// `KH`: SHA-1 of a [`PublicKeyBlob`]; base64 in both connection strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 20]);

/// `KH2`: a newer hash of the same [`PublicKeyBlob`], with the name of its algorithm in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHash2 {
    algorithm: Algorithm,
    digest: Vec<u8>,
}

/// Why a text is not a key hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyHashError {
    /// Not base64 of as many bytes as the algorithm gives.
    #[error("the key hash is not base64 of {0} bytes")]
    Base64(usize),
    /// `KH2` names an algorithm that is none of sha256, sha384, sha512.
    #[error("the key hash names an unknown algorithm")]
    Algorithm,
}

/// Everything in a ticket that tells the novice's computer from another, strongest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// `CE`: the certificate itself, DER.
    pub certificate: Option<Vec<u8>>,
    /// `KH2`: when present it is checked instead of `KH`.
    pub key_hash2: Option<KeyHash2>,
    /// `KH`.
    pub key_hash: Option<KeyHash>,
}

/// What comparing a computer with the [`Pins`] of a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PinVerdict {
    /// It is the computer that made the invitation.
    Same,
    /// It has another key than the ticket names.
    Different,
    /// The ticket names nothing that this computer could be compared with: a person has to decide.
    Unpinned,
}

impl Pins {
    /// Compares the certificate of a computer (DER), and its RSA key if it has one, with the strongest pin there is.
    ///
    /// `CE` byte for byte; without it `KH2`, without that `KH`. Source: invitation-file.md 6.2, 6.4.
    pub fn compare(&self, certificate: &[u8], key: Option<&PublicKeyBlob>) -> PinVerdict {
        let same = match (&self.certificate, &self.key_hash2, &self.key_hash, key) {
            (Some(pinned), ..) => pinned == certificate,
            (None, Some(hash), _, Some(key)) => hash.matches(key),
            (None, None, Some(hash), Some(key)) => *hash == key.key_hash(),
            (None, ..) => return PinVerdict::Unpinned,
        };
        if same { PinVerdict::Same } else { PinVerdict::Different }
    }
}

impl PublicKeyBlob {
    /// Builds the blob from a modulus (big end first, leading zeros do not count) and a public exponent.
    ///
    /// The result is what goes on the wire and what is hashed; any length of key is possible, also the 64 bytes of XP.
    #[must_use]
    pub fn from_rsa(modulus_be: &[u8], exponent: u32) -> Self {
        let zeros = modulus_be.iter().take_while(|&&byte| byte == 0).count();
        let modulus = modulus_be.get(zeros..).unwrap_or_default();
        // Lengths are written modulo 2^32; no key comes near.
        let length = modulus.len() as u32;
        let mut blob = Vec::with_capacity(20 + modulus.len() + TRAILING_ZEROS);
        blob.extend_from_slice(b"RSA1");
        for number in
            [length.wrapping_add(8), length.wrapping_mul(8), length.wrapping_sub(1), exponent].map(u32::to_le_bytes)
        {
            blob.extend_from_slice(&number);
        }
        blob.extend(modulus.iter().rev());
        blob.extend_from_slice(&[0; TRAILING_ZEROS]);
        Self(blob)
    }

    /// The bytes, from the magic to the eight zeros.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `KH`.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        KeyHash(Sha1::digest(&self.0).into())
    }

    /// `KH2` with SHA-256, the form that Windows writes.
    #[must_use]
    pub fn key_hash2(&self) -> KeyHash2 {
        self.key_hash2_with(Algorithm::Sha256)
    }

    fn key_hash2_with(&self, algorithm: Algorithm) -> KeyHash2 {
        let digest = match algorithm {
            Algorithm::Sha256 => Sha256::digest(&self.0).to_vec(),
            Algorithm::Sha384 => Sha384::digest(&self.0).to_vec(),
            Algorithm::Sha512 => Sha512::digest(&self.0).to_vec(),
        };
        KeyHash2 { algorithm, digest }
    }
}

impl KeyHash {
    /// The 20 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl From<[u8; 20]> for KeyHash {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl KeyHash2 {
    /// Whether this is the hash of `key`, whichever of the three algorithms it is made with.
    #[must_use]
    pub fn matches(&self, key: &PublicKeyBlob) -> bool {
        *self == key.key_hash2_with(self.algorithm)
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = KeyHashError::Base64(20);
        decode_base64(text).ok_or(error)?.try_into().map(Self).map_err(|_| error)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl FromStr for KeyHash2 {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digest) = text.trim_ascii().split_once(':').ok_or(KeyHashError::Algorithm)?;
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(KeyHashError::Algorithm)?;
        let digest = decode_base64(digest)
            .filter(|digest| digest.len() == algorithm.digest_bytes())
            .ok_or(KeyHashError::Base64(algorithm.digest_bytes()))?;
        Ok(Self { algorithm, digest })
    }
}

impl fmt::Display for KeyHash2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), BASE64.encode(&self.digest))
    }
}

/// Base64 as it stands in connection strings: possibly wrapped, with or without its padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(text).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

const TRAILING_ZEROS: usize = 8;
