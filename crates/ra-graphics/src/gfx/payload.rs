//! Payloads of the graphics channel: several messages in one segment of at most 65,535 bytes.
//!
//! Nothing is compressed: the pixels already are, and the general compressor costs more time than it saves.
//!
//! Source: [MS-RDPEGFX] 2.2.5.1, RDP_SEGMENTED_DATA.

use ironrdp_core::{Encode as _, EncodeResult, WriteCursor, encode_vec};
use ironrdp_egfx::pdu::GfxPdu;
use ironrdp_graphics::zgfx::wrap_uncompressed;

/// Collects messages into payloads.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Payloads {
    pub(crate) fn push(&mut self, message: &GfxPdu) -> EncodeResult<()> {
        let size = message.size();
        if size > SEGMENT {
            self.close();
            self.full.push(wrap_uncompressed(&encode_vec(message)?));
            return Ok(());
        }
        if self.open.len() + size > HEADER.len() + SEGMENT {
            self.close();
        }
        if self.open.is_empty() {
            self.open.extend_from_slice(&HEADER);
        }
        let start = self.open.len();
        self.open.resize(start + size, 0);
        message.encode(&mut WriteCursor::new(&mut self.open[start..]))
    }

    pub(crate) fn into_vec(mut self) -> Vec<Vec<u8>> {
        self.close();
        self.full
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
        }
    }
}

/// Most bytes of one segment.
const SEGMENT: usize = 65_535;
/// A single segment, RDP 8.0 format, not compressed.
const HEADER: [u8; 2] = [0xE0, 0x04];

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
        let mut payloads = Payloads::default();
        messages.iter().for_each(|message| payloads.push(message).unwrap());
        let mut decoded = Vec::new();
        let mut decompressor = Decompressor::new();
        for payload in payloads.into_vec() {
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
