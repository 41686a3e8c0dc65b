//! How the messages of a meeting lie on the wire: a length of two bytes, big-endian, then the message.

use crate::meeting::MeetingError;

/// What the expert's computer says first, which is also the version of all that follows.
pub const HELLO: &[u8; 8] = b"RA-meet\x01";

/// Bytes of the length before each message.
pub const LENGTH_BYTES: usize = 2;

/// A longer message is refused unread: an invitation is at most a third of it, and nobody has proved anything yet.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// A message with its length before it.
///
/// # Errors
///
/// [`MeetingError::TooLong`].
pub fn with_length(message: &[u8]) -> Result<Vec<u8>, MeetingError> {
    let length = u16::try_from(message.len()).ok().filter(|length| usize::from(*length) <= MAX_MESSAGE);
    let mut bytes = length.ok_or(MeetingError::TooLong)?.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    Ok(bytes)
}

/// How many bytes of message follow this length.
///
/// # Errors
///
/// [`MeetingError::TooLong`].
pub fn length_of(length: [u8; LENGTH_BYTES]) -> Result<usize, MeetingError> {
    let length = usize::from(u16::from_be_bytes(length));
    if length > MAX_MESSAGE { Err(MeetingError::TooLong) } else { Ok(length) }
}
