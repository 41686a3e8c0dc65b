//! What both channels share: encoded messages that know which way they travel, texts, and secrets.

use core::fmt;

use ironrdp_core::{Encode, EncodeResult, WriteCursor, ensure_size};
use ironrdp_svc::{ChannelFlags, SvcEncode, SvcMessage};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Longest channel PDU that is read or written, in bytes.
///
/// The longest honest message is an AUTHENTICATE with a connection string of a few kilobytes; this leaves room for
/// twenty addresses and a certificate, and bounds what a peer can make us keep. Source: session-protocol.md 5.1.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// An encoded channel PDU from the novice to the expert; wiped when dropped.
pub struct ToExpert(Packet);

/// An encoded channel PDU from the expert to the novice; wiped when dropped.
///
/// Its chunks carry CHANNEL_FLAG_SHOW_PROTOCOL, as the options of the channel demand (session-protocol.md 3.1, 5.1).
pub struct ToNovice(Packet);

impl ToExpert {
    /// Takes bytes that are a whole channel PDU already.
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Packet(bytes))
    }

    /// The PDU without chunk headers.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl ToNovice {
    /// Takes bytes that are a whole channel PDU already.
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Packet(bytes))
    }

    /// The PDU without chunk headers.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl From<ToExpert> for SvcMessage {
    fn from(message: ToExpert) -> Self {
        Self::from(message.0)
    }
}

impl From<ToNovice> for SvcMessage {
    fn from(message: ToNovice) -> Self {
        Self::from(message.0).with_flags(ChannelFlags::SHOW_PROTOCOL)
    }
}

impl fmt::Debug for ToExpert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToExpert({} bytes)", self.as_bytes().len())
    }
}

impl fmt::Debug for ToNovice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToNovice({} bytes)", self.as_bytes().len())
    }
}

/// Bytes on their way to ironrdp. Private, so that nothing leaves without a direction.
struct Packet(Zeroizing<Vec<u8>>);

impl Encode for Packet {
    fn encode(&self, dst: &mut WriteCursor<'_>) -> EncodeResult<()> {
        ensure_size!(in: dst, size: self.0.len());
        dst.write_slice(&self.0);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "remote assistance channel PDU"
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}

impl SvcEncode for Packet {}

/// A text that opens a session or proves a password: wiped when dropped, a placeholder in `Debug`, compared in
/// constant time for its length.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

/// Bytes that prove a password: as [`SecretText`].
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for SecretBytes {}

/// Why a text of ours cannot be said on a channel: the caller's mistake, never the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The text has more UTF-16 units than its field may have.
    #[error("the {field} is longer than {limit} UTF-16 units")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// The most units it may have, without the closing NUL.
        limit: usize,
    },
    /// The text holds a NUL, which would end it early on the other side.
    #[error("the {field} holds a NUL character")]
    HoldsNul {
        /// Which text.
        field: &'static str,
    },
}

/// What is wrong with UTF-16 from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadUtf16 {
    OddBytes,
    LoneSurrogate,
}

/// Checks a text of ours and says how many UTF-16 units it has.
pub(crate) fn check_text(text: &str, field: &'static str, limit: usize) -> Result<usize, TextError> {
    if text.contains('\0') {
        return Err(TextError::HoldsNul { field });
    }
    let units = text.encode_utf16().take(limit + 1).count();
    if units > limit { Err(TextError::TooLong { field, limit }) } else { Ok(units) }
}

/// Appends UTF-16LE without a NUL.
pub(crate) fn push_utf16(out: &mut Vec<u8>, text: &str) {
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
}

/// The part of UTF-16LE text before the first NUL, and the part behind that NUL; none when there is no NUL.
pub(crate) fn split_at_nul(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.chunks_exact(2).position(|unit| unit == [0, 0]) {
        Some(units) => (&bytes[..2 * units], Some(&bytes[2 * units + 2..])),
        None => (bytes, None),
    }
}

/// Reads all of `bytes` as UTF-16LE, without a copy that is not wiped.
pub(crate) fn read_utf16(bytes: &[u8]) -> Result<Zeroizing<String>, BadUtf16> {
    if !bytes.len().is_multiple_of(2) {
        return Err(BadUtf16::OddBytes);
    }
    // A unit becomes at most three bytes of UTF-8, so the string never grows and leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 2 * 3));
    for character in char::decode_utf16(units(bytes)) {
        text.push(character.map_err(|_| BadUtf16::LoneSurrogate)?);
    }
    Ok(text)
}

/// Reads all of `bytes` as UTF-16LE for show: what is no text becomes U+FFFD.
pub(crate) fn read_utf16_lossy(bytes: &[u8]) -> Result<String, BadUtf16> {
    if !bytes.len().is_multiple_of(2) {
        return Err(BadUtf16::OddBytes);
    }
    Ok(char::decode_utf16(units(bytes)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

impl SecretText {
    pub(crate) fn wrap(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

fn units(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_a_placeholder_and_compare_by_content() {
        let text = SecretText::from("11;NAME=Expert");
        assert_eq!(format!("{text:?}"), "SecretText(..)");
        assert_eq!(text, SecretText::from(String::from("11;NAME=Expert")));
        assert_ne!(text, SecretText::from("11;NAME=Expers"));
        let bytes = SecretBytes::from(vec![1, 2, 3]);
        assert_eq!(format!("{bytes:?}"), "SecretBytes(..)");
        assert_ne!(bytes, SecretBytes::from(&[1, 2][..]));
    }

    #[test]
    fn a_packet_prints_its_length_only() {
        assert_eq!(format!("{:?}", ToNovice::new(Zeroizing::new(vec![0x41; 9]))), "ToNovice(9 bytes)");
        assert_eq!(format!("{:?}", ToExpert::new(Zeroizing::new(vec![0x41; 9]))), "ToExpert(9 bytes)");
    }

    #[test]
    fn text_is_split_at_the_first_nul_only() {
        let bytes: Vec<u8> = "ab\0c\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (head, rest) = split_at_nul(&bytes);
        assert_eq!(read_utf16(head).unwrap().as_str(), "ab");
        assert_eq!(read_utf16_lossy(rest.unwrap()).unwrap(), "c\0");
        assert_eq!(split_at_nul(b"a\0b").1, None);
    }

    #[test]
    fn half_a_character_is_an_error_where_it_matters_and_a_mark_where_it_is_shown() {
        assert_eq!(read_utf16(&[0x00, 0xd8]).unwrap_err(), BadUtf16::LoneSurrogate);
        assert_eq!(read_utf16_lossy(&[0x00, 0xd8]).unwrap(), "\u{fffd}");
        assert_eq!(read_utf16(&[0x41]).unwrap_err(), BadUtf16::OddBytes);
    }
}
