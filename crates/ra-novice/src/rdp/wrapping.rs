//! From a payload of the graphics channel to whole PDUs: every header is written where it belongs, and the payload's bytes are
//! copied once, into the batch that goes to the socket.
//!
//! The `ironrdp` crates do the same in five steps with a buffer for each fragment and each step; they are the oracle of the tests.

/// Turns payloads of the graphics channel into whole PDUs. It lives with whoever makes frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping {
    pub(super) user_channel: u16,
    pub(super) drdynvc: u16,
}

impl Wrapping {
    /// Payloads for the dynamic channel as batches of whole PDUs, about [`BATCH`] bytes each.
    pub(crate) fn graphics(self, channel: u32, payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut left: usize = payloads.iter().map(|payload| wrapped(payload.len())).sum();
        let mut batches = Vec::with_capacity(left / BATCH + 1);
        let mut batch = Vec::new();
        for payload in payloads {
            let split = payload.len() >= FRAGMENT;
            for (number, fragment) in payload.chunks(FRAGMENT).enumerate() {
                if batch.is_empty() {
                    batch.reserve(left.min(BATCH + FRAGMENT + HEADERS));
                }
                let before = batch.len();
                // A frame has no more bytes than u32 counts: no picture that can be shown has.
                let whole = (split && number == 0).then_some(payload.len() as u32);
                self.fragment(&mut batch, channel, whole, fragment);
                left = left.saturating_sub(batch.len() - before);
                if batch.len() >= BATCH {
                    batches.push(std::mem::take(&mut batch));
                }
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }

    /// One fragment with all that stands before it; `whole` is the length of the payload that it begins.
    fn fragment(self, to: &mut Vec<u8>, channel: u32, whole: Option<u32>, data: &[u8]) {
        let (channel, channel_width) = shortest(channel);
        let (whole, whole_width) = whole.map_or((0, None), |whole| {
            let (whole, width) = shortest(whole);
            (whole, Some(width))
        });
        let dynamic = 1 + bytes(channel_width) + whole_width.map_or(0, bytes) + data.len();
        let chunk = CHANNEL_HEADER + dynamic;
        let long = chunk >= 0x80;
        let tpkt = TPKT + X224.len() + MCS + 1 + usize::from(long) + chunk;
        // [T123] 8, [X224] 13.7, [T125] 7: the sum of all headers and one fragment is far below 32 KiB, so each length fits.
        let [high, low] = (tpkt as u16).to_be_bytes();
        to.extend_from_slice(&[3, 0, high, low]);
        to.extend_from_slice(&X224);
        to.push(SEND_DATA_INDICATION);
        to.extend_from_slice(&self.user_channel.wrapping_sub(FIRST_USER).to_be_bytes());
        to.extend_from_slice(&self.drdynvc.to_be_bytes());
        to.push(PRIORITY_AND_SEGMENTATION);
        match long {
            true => to.extend_from_slice(&(chunk as u16 | 0x8000).to_be_bytes()),
            false => to.push(chunk as u8),
        }
        // [MS-RDPBCGR] 2.2.6.1.1, CHANNEL_PDU_HEADER.
        to.extend_from_slice(&(dynamic as u32).to_le_bytes());
        to.extend_from_slice(&FIRST_LAST_SHOW_PROTOCOL.to_le_bytes());
        // [MS-RDPEDYC] 2.2.3.1 and 2.2.3.2, DYNVC_DATA_FIRST and DYNVC_DATA.
        let command = if whole_width.is_some() { DATA_FIRST } else { DATA };
        to.push(command << 4 | whole_width.unwrap_or(0) << 2 | channel_width);
        to.extend_from_slice(channel.to_le_bytes().get(..bytes(channel_width)).unwrap_or_default());
        let width = whole_width.map_or(0, bytes);
        to.extend_from_slice(whole.to_le_bytes().get(..width).unwrap_or_default());
        to.extend_from_slice(data);
    }
}

/// The value, and the two bits that say in how few bytes it is written.
fn shortest(value: u32) -> (u32, u8) {
    let width = match value {
        0..=0xFF => 0,
        0x100..=0xFFFF => 1,
        _ => 2,
    };
    (value, width)
}

/// Bytes of a field of that width: 1, 2 or 4.
fn bytes(width: u8) -> usize {
    1 << width
}

/// At most so many bytes become of a payload.
fn wrapped(payload: usize) -> usize {
    payload + payload.div_ceil(FRAGMENT) * HEADERS
}

/// About so many bytes go out between two looks at what else there is to say: a tenth of a second at 5 Mbit/s.
pub(crate) const BATCH: usize = 64 * 1024;

/// Bytes of a payload in one fragment: with any header of a dynamic channel it stays below the 1600 of a chunk, so that a
/// fragment is a chunk. Source: \[MS-RDPBCGR\] 2.2.7.1.10, VCChunkSize.
const FRAGMENT: usize = 1590;

/// Most bytes before a fragment: TPKT, X.224, MCS with a long length, the channel PDU header, and DYNVC_DATA_FIRST.
const HEADERS: usize = TPKT + X224.len() + MCS + 2 + CHANNEL_HEADER + 1 + 4 + 4;

/// Version, reserved, length.
const TPKT: usize = 4;
/// A data TPDU, the last of its kind.
const X224: [u8; 3] = [2, 0xF0, 0x80];
/// Send Data Indication without its length and its data.
const MCS: usize = 6;
const SEND_DATA_INDICATION: u8 = 26 << 2;
/// High priority, begin and end in one.
const PRIORITY_AND_SEGMENTATION: u8 = 0x70;
/// User channels are counted from here.
const FIRST_USER: u16 = 1001;
const CHANNEL_HEADER: usize = 8;
const FIRST_LAST_SHOW_PROTOCOL: u32 = 0x13;
const DATA_FIRST: u8 = 2;
const DATA: u8 = 3;

#[cfg(test)]
mod tests {
    use ironrdp_core::{Encode, EncodeResult, WriteCursor};
    use ironrdp_dvc::{DvcEncode, encode_dvc_messages};
    use ironrdp_svc::{ChannelFlags, server_encode_svc_messages};

    use super::*;

    struct Payload(Vec<u8>);

    impl Encode for Payload {
        fn encode(&self, to: &mut WriteCursor<'_>) -> EncodeResult<()> {
            ironrdp_core::ensure_size!(in: to, size: self.0.len());
            to.write_slice(&self.0);
            Ok(())
        }

        fn name(&self) -> &'static str {
            "payload"
        }

        fn size(&self) -> usize {
            self.0.len()
        }
    }

    impl DvcEncode for Payload {}

    fn oracle(wrapping: Wrapping, channel: u32, payloads: &[Vec<u8>]) -> Vec<u8> {
        let wrap = |payload: &Vec<u8>| {
            let payload = Box::new(Payload(payload.clone()));
            let messages = encode_dvc_messages(channel, vec![payload], ChannelFlags::SHOW_PROTOCOL).unwrap();
            server_encode_svc_messages(messages, wrapping.drdynvc, wrapping.user_channel).unwrap()
        };
        payloads.iter().flat_map(wrap).collect()
    }

    fn payload(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place * 31 % 251) as u8).collect()
    }

    #[test]
    fn every_length_is_wrapped_as_the_crates_wrap_it() {
        let wrapping = Wrapping { user_channel: 1003, drdynvc: 1006 };
        // Around each place where a header grows or a fragment begins.
        let around = |place: usize| place.saturating_sub(20)..place + 20;
        let lengths =
            [0, 0x80, 0xFF, FRAGMENT, 2 * FRAGMENT, 3 * FRAGMENT, 0xFFFF, 2 * BATCH].into_iter().flat_map(around);
        for length in lengths {
            for channel in [1, 0xFF, 0x100, 0xFFFF, 0x1_0000, u32::MAX] {
                let payloads = [payload(length)];
                let batches = wrapping.graphics(channel, &payloads);
                assert!(batches.concat() == oracle(wrapping, channel, &payloads), "{length} bytes on {channel}");
            }
        }
    }

    #[test]
    fn batches_hold_whole_pdus_and_are_bounded() {
        let wrapping = Wrapping { user_channel: 1007, drdynvc: 1004 };
        let payloads: Vec<_> = [10, 300_000, 1, 65_000, 0, 65_537, 1590].map(payload).into();
        let batches = wrapping.graphics(7, &payloads);
        assert!(batches.concat() == oracle(wrapping, 7, &payloads));
        assert!(batches.len() >= 6);
        for batch in &batches {
            assert!(batch.len() < BATCH + FRAGMENT + HEADERS, "{} bytes", batch.len());
            assert!(batch.capacity() <= BATCH + FRAGMENT + HEADERS, "{} bytes are kept", batch.capacity());
            let mut rest = batch.as_slice();
            while let Some(length) = rest.get(2..4) {
                rest = &rest[usize::from(u16::from_be_bytes([length[0], length[1]]))..];
            }
            assert!(rest.is_empty(), "a PDU is cut");
        }
    }
}
