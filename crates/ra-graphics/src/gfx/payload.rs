//! Payloads of the graphics channel: several messages in one segment of at most 65,535 bytes.
//!
//! Source: [MS-RDPEGFX] 2.2.5.1, RDP_SEGMENTED_DATA.

use ironrdp_core::{Encode as _, EncodeResult, WriteCursor};
use ironrdp_egfx::pdu::GfxPdu;

use super::bulk::Bulk;

/// Collects messages into blocks, each of which becomes one payload.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Payloads {
    pub(super) fn push(&mut self, message: &GfxPdu) -> EncodeResult<()> {
        let size = message.size();
        if self.open.len() + size > SEGMENT {
            self.close();
        }
        let start = self.open.len();
        self.open.resize(start + size, 0);
        message.encode(&mut WriteCursor::new(&mut self.open[start..]))
    }

    /// Bytes that have been collected.
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.full.iter().map(Vec::len).sum::<usize>()
    }

    /// The payloads, which must be sent in this order; with `shorter`, compressed where that makes them shorter.
    pub(super) fn wrap(mut self, bulk: &mut Bulk, shorter: bool) -> Vec<Vec<u8>> {
        self.close();
        let wrap = |block: Vec<u8>| {
            let mut payload = Vec::with_capacity(block.len() + HEADERS);
            if block.len() <= SEGMENT {
                payload.push(SINGLE);
                bulk.segment(&block, shorter, &mut payload);
                return payload;
            }
            payload.push(MULTIPART);
            payload.extend_from_slice(&(block.len().div_ceil(SEGMENT) as u16).to_le_bytes());
            payload.extend_from_slice(&(block.len() as u32).to_le_bytes());
            for part in block.chunks(SEGMENT) {
                let length = payload.len();
                payload.extend_from_slice(&[0; 4]);
                bulk.segment(part, shorter, &mut payload);
                let written = (payload.len() - length - 4) as u32;
                payload[length..length + 4].copy_from_slice(&written.to_le_bytes());
            }
            payload
        };
        self.full.into_iter().map(wrap).collect()
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
        }
    }
}

/// Most bytes of one segment.
const SEGMENT: usize = 65_535;
const SINGLE: u8 = 0xE0;
const MULTIPART: u8 = 0xE1;
/// What is around the data of a payload of a few segments.
const HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use ironrdp_core::{ReadCursor, decode_cursor};
    use ironrdp_egfx::pdu::{Codec1Type, PixelFormat, WireToSurface1Pdu};
    use ironrdp_graphics::zgfx::Decompressor;
    use ironrdp_pdu::geometry::ExclusiveRectangle;

    use super::*;

    #[test]
    fn what_is_pushed_comes_out_of_a_decompressor_in_order() {
        let messages: Vec<_> = [10, 60_000, 6000, 65_510, 65_511, 200_000, 1]
            .into_iter()
            .map(|length| {
                GfxPdu::WireToSurface1(WireToSurface1Pdu {
                    surface_id: 1,
                    codec_id: Codec1Type::ClearCodec,
                    pixel_format: PixelFormat::XRgb,
                    destination_rectangle: ExclusiveRectangle { left: 0, top: 0, right: 1, bottom: 1 },
                    bitmap_data: (0..length).map(|i| i as u8).collect(),
                })
            })
            .collect();
        for shorter in [false, true] {
            let (mut bulk, mut decompressor) = (Bulk::default(), Decompressor::new());
            let mut payloads = Payloads::default();
            messages.iter().for_each(|message| payloads.push(message).unwrap());
            let mut decoded = Vec::new();
            for payload in payloads.wrap(&mut bulk, shorter) {
                let mut bytes = Vec::new();
                decompressor.decompress(&payload, &mut bytes).unwrap();
                let mut cursor = ReadCursor::new(&bytes);
                while !cursor.is_empty() {
                    decoded.push(decode_cursor::<GfxPdu>(&mut cursor).unwrap());
                }
            }
            assert_eq!(decoded, messages);
        }
    }
}
