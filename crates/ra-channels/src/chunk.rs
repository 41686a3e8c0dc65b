//! Chunks of a static channel: a channel PDU cut for the wire and put together again, with a limit.
//!
//! ironrdp puts chunks together too, without a limit on their sum: an engine that uses its channel set asks [`admit`]
//! about each chunk first, or uses a [`Reassembler`] instead. Source: session-protocol.md 5.1.

use crate::wire::MAX_MESSAGE_BYTES;

/// Most bytes of channel data in one chunk, where nobody negotiated more.
pub const CHUNK_BYTES: usize = 1600;

/// The chunk header is a u32 of the whole length and a u32 of flags.
const HEADER_BYTES: usize = 8;

const FLAG_FIRST: u32 = 0x1;
const FLAG_LAST: u32 = 0x2;
const FLAG_SHOW_PROTOCOL: u32 = 0x10;
const FLAG_COMPRESSED: u32 = 0x20_0000;

/// Why chunks are no channel PDU: the peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The chunk is shorter than its header.
    #[error("a channel chunk is shorter than its header")]
    Truncated,
    /// The whole is longer than [`MAX_MESSAGE_BYTES`].
    #[error("a channel message of {0} bytes exceeds {MAX_MESSAGE_BYTES}")]
    TooLong(u32),
    /// The chunk is compressed, which nobody announced.
    #[error("a channel chunk is compressed without agreement")]
    Compressed,
    /// A first chunk came before the last of the message before, or one that is not first without it.
    #[error("a channel chunk came out of order")]
    OutOfOrder,
    /// The chunks do not add up to the length in their headers.
    #[error("channel chunks do not add up to their length")]
    LengthMismatch,
}

/// Which way chunks travel; the expert's carry CHANNEL_FLAG_SHOW_PROTOCOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the novice.
    ToExpert,
    /// From the expert.
    ToNovice,
}

/// Cuts a channel PDU into chunks with their headers, `size` bytes of data each (at least one).
#[must_use]
pub fn split(pdu: &[u8], direction: Direction, size: usize) -> Vec<Vec<u8>> {
    let protocol = match direction {
        Direction::ToExpert => 0,
        Direction::ToNovice => FLAG_SHOW_PROTOCOL,
    };
    let parts: Vec<&[u8]> = if pdu.is_empty() { vec![pdu] } else { pdu.chunks(size.max(1)).collect() };
    let last = parts.len() - 1;
    let header = |index: usize| {
        let first = if index == 0 { FLAG_FIRST } else { 0 };
        let last = if index == last { FLAG_LAST } else { 0 };
        // PDUs of ours are bounded by MAX_MESSAGE_BYTES.
        [(pdu.len() as u32).to_le_bytes(), (protocol | first | last).to_le_bytes()].concat()
    };
    parts.iter().enumerate().map(|(index, part)| [&header(index), *part].concat()).collect()
}

/// Looks at the header of one chunk: no compression, and no more than [`MAX_MESSAGE_BYTES`] in the whole.
///
/// # Errors
///
/// [`ChunkError`] when the chunk must not reach anything that collects chunks.
pub fn admit(chunk: &[u8]) -> Result<(), ChunkError> {
    header(chunk).map(|_| ())
}

/// Puts the chunks of one channel together.
#[derive(Debug, Default)]
pub struct Reassembler {
    /// What came of the current message.
    data: Vec<u8>,
    /// Its whole length; none between messages.
    expected: Option<usize>,
}

impl Reassembler {
    /// Between two messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one chunk with its header, and gives the channel PDU when it was the last.
    ///
    /// # Errors
    ///
    /// [`ChunkError`]; the message so far is dropped, and the connection should be.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Option<Vec<u8>>, ChunkError> {
        let started = self.expected.take();
        let mut data = core::mem::take(&mut self.data);
        let Header { length, first, last, data: part } = header(chunk)?;
        if first == started.is_some() {
            return Err(ChunkError::OutOfOrder);
        }
        if started.is_some_and(|expected| expected != length) || data.len() + part.len() > length {
            return Err(ChunkError::LengthMismatch);
        }
        data.extend_from_slice(part);
        if last {
            return if data.len() == length { Ok(Some(data)) } else { Err(ChunkError::LengthMismatch) };
        }
        self.data = data;
        self.expected = Some(length);
        Ok(None)
    }
}

struct Header<'a> {
    length: usize,
    first: bool,
    last: bool,
    data: &'a [u8],
}

fn header(chunk: &[u8]) -> Result<Header<'_>, ChunkError> {
    let (head, data) = chunk.split_first_chunk::<HEADER_BYTES>().ok_or(ChunkError::Truncated)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let flags = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if flags & FLAG_COMPRESSED != 0 {
        return Err(ChunkError::Compressed);
    }
    let whole = usize::try_from(length).ok().filter(|length| *length <= MAX_MESSAGE_BYTES);
    let whole = whole.ok_or(ChunkError::TooLong(length))?;
    Ok(Header { length: whole, first: flags & FLAG_FIRST != 0, last: flags & FLAG_LAST != 0, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(length: u32, flags: u32, data: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes()[..], &flags.to_le_bytes(), data].concat()
    }

    #[test]
    fn what_does_not_add_up_is_an_error_and_leaves_nothing_behind() {
        let first = chunk(4, FLAG_FIRST, b"ab");
        for (bad, error) in [
            (chunk(4, FLAG_FIRST, b"cd"), ChunkError::OutOfOrder),
            (chunk(5, FLAG_LAST, b"cd"), ChunkError::LengthMismatch),
            (chunk(4, FLAG_LAST, b"c"), ChunkError::LengthMismatch),
            (chunk(4, 0, b"cde"), ChunkError::LengthMismatch),
            (chunk(4, FLAG_LAST | FLAG_COMPRESSED, b"cd"), ChunkError::Compressed),
            (vec![4, 0, 0, 0, 2, 0, 0], ChunkError::Truncated),
        ] {
            let mut reassembler = Reassembler::new();
            assert_eq!(reassembler.push(&first), Ok(None));
            assert_eq!(reassembler.push(&bad), Err(error));
            assert_eq!(reassembler.push(&chunk(4, FLAG_LAST, b"cd")), Err(ChunkError::OutOfOrder));
            assert_eq!(reassembler.push(&chunk(2, FLAG_FIRST | FLAG_LAST, b"ok")), Ok(Some(b"ok".to_vec())));
        }
    }

    #[test]
    fn nobody_is_made_to_collect_more_than_the_limit() {
        let limit = MAX_MESSAGE_BYTES as u32;
        assert_eq!(admit(&chunk(limit, FLAG_FIRST, b"a")), Ok(()));
        assert_eq!(admit(&chunk(limit + 1, FLAG_FIRST, b"a")), Err(ChunkError::TooLong(limit + 1)));
        assert_eq!(admit(&chunk(4, FLAG_FIRST | FLAG_COMPRESSED, b"a")), Err(ChunkError::Compressed));
        assert_eq!(admit(&[0; 7]), Err(ChunkError::Truncated));
    }

    #[test]
    fn an_empty_message_is_one_chunk() {
        let chunks = split(&[], Direction::ToNovice, CHUNK_BYTES);
        assert_eq!(chunks, [chunk(0, 0x13, &[])]);
        assert_eq!(Reassembler::new().push(&chunks[0]), Ok(Some(Vec::new())));
    }
}
