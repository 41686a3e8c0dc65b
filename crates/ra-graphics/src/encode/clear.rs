//! ClearCodec: runs of pixels and palettes, without its caches.
//!
//! Only the residual layer and the RLEX subcodec are spoken. The glyph cache would have to be searched and the
//! V-bar caches mirrored, and neither pays for text that the surface already holds.
//!
//! Source: [MS-RDPEGFX] 2.2.4.1, CLEARCODEC_BITMAP_STREAM.

use crate::classify::Scanner;
use crate::geometry::Rect;

/// Writes bitmap streams; they are numbered across surfaces and resets of the graphics.
#[derive(Debug, Default)]
pub(crate) struct ClearCodec {
    sequence: u8,
}

impl ClearCodec {
    /// Bytes that [`Self::palette`] would write, or `None` when the decoder would refuse them as longer than raw pixels.
    pub(crate) fn palette_length(scanned: &Scanner, area: usize) -> Option<usize> {
        let colours = scanned.palette().len();
        let mut data = 1 + colours * 3;
        segments(scanned, |_, repeats| data += 1 + length_of_run_length(repeats));
        (data <= area * 3).then_some(STREAM_HEADER + SUBCODEC_HEADER + data)
    }

    /// Bytes that [`Self::runs`] would write.
    pub(crate) fn runs_length(scanned: &Scanner) -> usize {
        STREAM_HEADER + scanned.runs().iter().map(|run| 3 + length_of_run_length(run.length)).sum::<usize>()
    }

    /// Appends what was scanned last as a palette and indices into it. Source: 2.2.4.1.1.3.1.3, RLEX.
    pub(crate) fn palette(&mut self, scanned: &Scanner, rect: Rect, out: &mut Vec<u8>) {
        let header = self.open_subcodec(rect, RLEX, out);
        let body = out.len();
        out.push(scanned.palette().len() as u8); // at most 127
        for colour in scanned.palette() {
            out.extend_from_slice(&colour.to_le_bytes()[..3]);
        }
        segments(scanned, |packed, repeats| {
            out.push(packed);
            push_run_length(repeats, out);
        });
        close_subcodec(header, body, out);
    }

    /// Appends what was scanned last as coloured runs. Source: 2.2.4.1.1.1, CLEARCODEC_RESIDUAL_DATA.
    pub(crate) fn runs(&mut self, scanned: &Scanner, out: &mut Vec<u8>) {
        let length = Self::runs_length(scanned) - STREAM_HEADER;
        self.open_stream(length as u32, 0, out);
        for run in scanned.runs() {
            out.extend_from_slice(&scanned.palette()[usize::from(run.colour)].to_le_bytes()[..3]);
            push_run_length(run.length, out);
        }
    }

    fn open_stream(&mut self, residual: u32, subcodecs: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, self.sequence]); // no glyph, no cache reset
        self.sequence = self.sequence.wrapping_add(1);
        out.extend_from_slice(&residual.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes()); // no bands
        out.extend_from_slice(&subcodecs.to_le_bytes());
    }

    /// Opens a stream of one subcodec that covers all of `rect`; returns where the subcodec's header is.
    fn open_subcodec(&mut self, rect: Rect, subcodec: u8, out: &mut Vec<u8>) -> usize {
        self.open_stream(0, 0, out);
        let header = out.len();
        for value in [0, 0, rect.width, rect.height] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&0u32.to_le_bytes());
        out.push(subcodec);
        header
    }
}

/// Writes the lengths that are known only now.
fn close_subcodec(header: usize, body: usize, out: &mut [u8]) {
    let data = (out.len() - body) as u32;
    out[header - 4..header].copy_from_slice(&(data + SUBCODEC_HEADER as u32).to_le_bytes());
    out[header + 8..header + 12].copy_from_slice(&data.to_le_bytes());
}

/// Calls `emit` with the packed indices and the repetitions of each RLEX segment.
///
/// A segment repeats a colour and then walks up the palette from that colour on, one pixel each: a run of `n` pixels
/// is `n - 1` repetitions and a walk that begins with the last of them.
fn segments(scanned: &Scanner, mut emit: impl FnMut(u8, u32)) {
    let stop_bits = (usize::BITS - (scanned.palette().len() - 1).leading_zeros()).max(1);
    let deepest = (1u32 << (8 - stop_bits)) - 1;
    let mut runs = scanned.runs().iter().copied().peekable();
    while let Some(run) = runs.next() {
        let mut stop = run.colour;
        let mut depth = 0;
        while depth < deepest && runs.next_if(|next| next.length == 1 && next.colour == stop + 1).is_some() {
            stop += 1;
            depth += 1;
        }
        emit(((depth << stop_bits) as u8) | stop, run.length - 1);
    }
}

fn length_of_run_length(length: u32) -> usize {
    match length {
        0..0xFF => 1,
        0xFF..0xFFFF => 3,
        _ => 7,
    }
}

/// One, three or seven bytes; the shorter forms are announced by all ones. Source: 2.2.4.1.1.1.1, runLengthFactor.
fn push_run_length(length: u32, out: &mut Vec<u8>) {
    match length {
        0..0xFF => out.push(length as u8),
        0xFF..0xFFFF => {
            out.push(0xFF);
            out.extend_from_slice(&(length as u16).to_le_bytes());
        }
        _ => {
            out.extend_from_slice(&[0xFF; 3]);
            out.extend_from_slice(&length.to_le_bytes());
        }
    }
}

/// Flags, sequence number and the lengths of the three layers.
const STREAM_HEADER: usize = 2 + 12;
/// Position, size, length and kind of a subcodec's region.
const SUBCODEC_HEADER: usize = 13;
const RLEX: u8 = 2;

#[cfg(test)]
mod tests {
    use ironrdp_graphics::clearcodec::ClearCodecDecoder;

    use super::*;
    use crate::classify::Colours;
    use crate::frame::FrameView;
    use crate::geometry::Size;

    /// Encodes in both ways and compares each with the independent decoder's result.
    fn round_trip(pixels: &[u32], size: Size) {
        let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| (pixel | 0xFF00_0000).to_le_bytes()).collect();
        let view = FrameView::new(&bytes, usize::from(size.width) * 4, size).unwrap();
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&view, size.rect()), Colours::Few);
        let mut codec = ClearCodec::default();
        let mut decoder = ClearCodecDecoder::new();

        let mut out = Vec::new();
        if let Some(length) = ClearCodec::palette_length(&scanner, size.area()) {
            codec.palette(&scanner, size.rect(), &mut out);
            assert_eq!(out.len(), length);
            assert_eq!(decoder.decode(&out, size.width, size.height).unwrap(), bytes);
        }
        out.clear();
        codec.runs(&scanner, &mut out);
        assert_eq!(out.len(), ClearCodec::runs_length(&scanner));
        assert_eq!(decoder.decode(&out, size.width, size.height).unwrap(), bytes);
    }

    #[test]
    fn every_palette_size_survives() {
        for colours in 2..=127u32 {
            let pixels: Vec<_> = (0..40 * 13).map(|i| (i * i / 3) % colours * 0x01_0305).collect();
            let mut with_all = pixels;
            for colour in 0..colours {
                with_all[(colour * 4) as usize] = colour * 0x01_0305;
            }
            round_trip(&with_all, Size::new(40, 13));
        }
    }

    #[test]
    fn gradients_become_walks() {
        let pixels: Vec<_> = (0..64 * 8).map(|i| i % 16).collect();
        round_trip(&pixels, Size::new(64, 8));
        let bytes: Vec<u8> = pixels.iter().flat_map(|pixel: &u32| pixel.to_le_bytes()).collect();
        let view = FrameView::new(&bytes, 256, Size::new(64, 8)).unwrap();
        let mut scanner = Scanner::default();
        scanner.scan(&view, Rect::new(0, 0, 64, 8));
        let mut count = 0;
        segments(&scanner, |_, _| count += 1);
        assert_eq!(count, 64 * 8 / 16, "a walk through sixteen colours is one segment");
    }

    #[test]
    fn runs_of_every_form_survive() {
        for length in [1, 2, 254, 255, 256, 257, 65_534, 65_535, 65_536, 65_537, 65_538] {
            let mut pixels = vec![7; length + 1];
            pixels[length] = 9;
            let width =
                [1usize, 2, 3, 7, 257].into_iter().rev().find(|width| pixels.len().is_multiple_of(*width)).unwrap();
            let height = pixels.len() / width;
            if height <= 8192 {
                round_trip(&pixels, Size::new(width as u16, height as u16));
            } else {
                pixels.resize(512 * 256, 11);
                round_trip(&pixels, Size::new(512, 256));
            }
        }
    }

    #[test]
    fn a_palette_longer_than_raw_pixels_is_not_offered() {
        let bytes: Vec<u8> = [1u32, 2].iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
        let view = FrameView::new(&bytes, 8, Size::new(2, 1)).unwrap();
        let mut scanner = Scanner::default();
        scanner.scan(&view, Rect::new(0, 0, 2, 1));
        assert_eq!(ClearCodec::palette_length(&scanner, 2), None);
    }
}
