//! A guard before the decoder: refuses frames whose reassembly would make us hold more than a picture is worth.
//!
//! ironrdp checks each frame by itself; what it collects over many frames (channel chunks, messages of dynamic channels,
//! fragments of fast-path updates) is as large as the other side says. Here it is as large as we say.

use ironrdp_pdu::Action;
use ironrdp_pdu::mcs::decode_send_data_indication;

use super::WireError;

/// Sums up what the frames of one connection ask us to hold.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Bytes of the fast-path update that is being put together.
    fragments: usize,
}

impl Guard {
    /// Looks at a frame before it is decoded.
    ///
    /// # Errors
    ///
    /// [`WireError::Protocol`] for a frame that must not be processed.
    pub(crate) fn check(&mut self, action: Action, frame: &[u8], io_channel: u16) -> Result<(), WireError> {
        match action {
            Action::FastPath => self.check_fast_path(frame),
            Action::X224 => check_channel(frame, io_channel),
        }
    }

    /// Source: [MS-RDPBCGR] 2.2.9.1.2 TS_FP_UPDATE_PDU, 2.2.9.1.2.1 TS_FP_UPDATE.
    fn check_fast_path(&mut self, frame: &[u8]) -> Result<(), WireError> {
        let long = frame.get(1).is_some_and(|length| length & 0x80 != 0);
        let mut rest = frame.get(if long { 3 } else { 2 }..).unwrap_or_default();
        while let [header, tail @ ..] = rest {
            let skip = usize::from(header >> 6 == COMPRESSION_USED);
            let Some([low, high]) = tail.get(skip..skip + 2) else { return Ok(()) };
            let size = usize::from(u16::from_le_bytes([*low, *high]));
            self.fragments = match (header >> 4) & 3 {
                FRAGMENT_FIRST => size,
                FRAGMENT_NEXT => self.fragments.saturating_add(size),
                _ => 0,
            };
            if self.fragments > MAX_UPDATE {
                return Err(WireError::protocol("an update without an end"));
            }
            rest = tail.get(skip + 2 + size..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Source: [MS-RDPBCGR] 2.2.6.1 CHANNEL_PDU_HEADER, [MS-RDPEDYC] 2.2.3.1 DYNVC_DATA_FIRST.
fn check_channel(frame: &[u8], io_channel: u16) -> Result<(), WireError> {
    let Ok(data) = decode_send_data_indication(frame) else { return Ok(()) };
    if data.channel_id == io_channel {
        return Ok(());
    }
    let Some((header, payload)) = data.user_data.split_first_chunk::<8>() else { return Ok(()) };
    let [l0, l1, l2, l3, f0, f1, f2, f3] = *header;
    let (length, flags) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([f0, f1, f2, f3]));
    if flags & CHANNEL_COMPRESSED != 0 {
        return Err(WireError::protocol("compressed channel data that nobody agreed to"));
    }
    if length > MAX_CHANNEL_MESSAGE {
        return Err(WireError::protocol("a channel message of impossible length"));
    }
    // The same bytes mean something else on `remdesk` and `encomsp`, but no message of theirs begins so: their first
    // byte is a name's length or an order's type, and both are small.
    if flags & CHANNEL_FIRST != 0
        && let [first, rest @ ..] = payload
        && matches!(first >> 4, DATA_FIRST | DATA_FIRST_COMPRESSED)
    {
        let id_bytes = match first & 3 {
            0 => 1,
            1 => 2,
            _ => 4,
        };
        let total = rest.get(id_bytes..).unwrap_or_default();
        let total = match ((first >> 2) & 3, total) {
            (0, [a, ..]) => u32::from(*a),
            (1, [a, b, ..]) => u32::from(u16::from_le_bytes([*a, *b])),
            (2 | 3, [a, b, c, d, ..]) => u32::from_le_bytes([*a, *b, *c, *d]),
            _ => 0,
        };
        if total > MAX_DYNAMIC_MESSAGE {
            return Err(WireError::protocol("a dynamic channel message of impossible length"));
        }
    }
    Ok(())
}

/// A whole uncompressed picture of 4096 x 4096, in one update or one message: more than any sane sender sends at once.
const MAX_UPDATE: usize = 64 << 20;
/// The same for a message of a dynamic channel.
const MAX_DYNAMIC_MESSAGE: u32 = 64 << 20;
/// One message of a static channel; the largest honest one is a `remdesk` message of 64 KiB.
const MAX_CHANNEL_MESSAGE: u32 = 1 << 20;

const FRAGMENT_FIRST: u8 = 2;
const FRAGMENT_NEXT: u8 = 3;
const COMPRESSION_USED: u8 = 2;
const CHANNEL_FIRST: u32 = 1;
const CHANNEL_COMPRESSED: u32 = 0x0020_0000;
const DATA_FIRST: u8 = 2;
const DATA_FIRST_COMPRESSED: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use ironrdp_pdu::mcs::SendDataIndication;
    use ironrdp_pdu::x224::X224;

    fn channel(payload: &[u8]) -> Vec<u8> {
        let pdu = SendDataIndication { initiator_id: 1002, channel_id: 1004, user_data: payload.into() };
        ironrdp_core::encode_vec(&X224(pdu)).unwrap()
    }

    fn check(frame: &[u8]) -> Result<(), WireError> {
        Guard::default().check(Action::X224, frame, 1003)
    }

    #[test]
    fn an_honest_channel_message_passes() {
        check(&channel(&[10, 0, 0, 0, 3, 0, 0, 0, 1, 2])).unwrap();
    }

    #[test]
    fn impossible_lengths_and_compression_do_not() {
        check(&channel(&[0, 0, 0, 0x40, 1, 0, 0, 0, 1, 2])).unwrap_err();
        check(&channel(&[10, 0, 0, 0, 3, 0, 0x20, 0, 1, 2])).unwrap_err();
        // DATA_FIRST, one byte of channel id, four bytes of length: 2 GiB.
        check(&channel(&[10, 0, 0, 0, 3, 0, 0, 0, 0x28, 7, 0, 0, 0, 0x80])).unwrap_err();
    }

    #[test]
    fn an_update_in_endless_pieces_is_refused() {
        let mut frame = vec![0, 0x80 | 0x40, 0x06, FRAGMENT_NEXT << 4, 0xff, 0x3f];
        frame.resize(6 + 0x3fff, 0);
        let mut guard = Guard::default();
        let refused = (0..5000).find(|_| guard.check(Action::FastPath, &frame, 1003).is_err());
        assert!(refused.is_some_and(|frames| frames > 4000), "{refused:?}");
    }

    #[test]
    fn frames_cut_short_are_left_to_the_decoder() {
        for frame in [&[][..], &[0], &[0, 2], &[0, 0x85], &[0, 5, 0x30, 1]] {
            Guard::default().check(Action::FastPath, frame, 1003).unwrap();
            check(frame).unwrap();
        }
    }
}
