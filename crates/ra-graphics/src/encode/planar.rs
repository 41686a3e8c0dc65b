//! RDP 6.0 planes: each colour channel for itself, as differences to the row above, run-length coded.
//!
//! Source: [MS-RDPEGDI] 2.2.2.5.1, RDP6_BITMAP_STREAM, and 3.1.9.2, the run-length coding of planes.

use crate::frame::FrameView;
use crate::geometry::Rect;

/// Which row of the picture comes first in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// The top one, as in the graphics pipeline.
    TopDown,
    /// The bottom one, as in bitmap updates.
    BottomUp,
}

/// Whether the stream carries a plane of (constant) alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlphaPlane {
    /// Left out.
    Skipped,
    /// Sent, for decoders that cannot do without.
    Opaque,
}

/// Writes planes; its buffers serve one rectangle after the other.
#[derive(Default)]
pub(crate) struct Planar {
    row: Vec<u8>,
    above: Vec<u8>,
    differences: Vec<u8>,
}

impl Planar {
    /// Appends `rect`, widened to `width` columns by repeating the last one, as one bitmap stream.
    ///
    /// Planes that do not shrink are sent as they are, unless an alpha plane is wanted, which always shrinks.
    pub(crate) fn encode(
        &mut self,
        picture: &FrameView<'_>,
        rect: Rect,
        width: u16,
        order: RowOrder,
        alpha: AlphaPlane,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let width = usize::from(width.max(rect.width));
        let raw = width * usize::from(rect.height) * 3;
        match alpha {
            AlphaPlane::Skipped => out.push(RUN_LENGTH | NO_ALPHA),
            AlphaPlane::Opaque => {
                out.push(RUN_LENGTH);
                self.constant_plane(width, rect.height, out);
            }
        }
        for (number, channel) in CHANNELS.into_iter().enumerate() {
            self.plane(picture, rect, width, order, channel, out);
            // One plane of noise is enough to know that the others will not shrink either.
            let hopeless = (raw * (number + 1) / 3).saturating_sub(raw / 64);
            if alpha == AlphaPlane::Skipped && out.len() - start > hopeless + 1 {
                out.truncate(start);
                self.raw_planes(picture, rect, width, order, out);
                return;
            }
        }
    }

    fn plane(
        &mut self,
        picture: &FrameView<'_>,
        rect: Rect,
        width: usize,
        order: RowOrder,
        channel: usize,
        out: &mut Vec<u8>,
    ) {
        self.differences.resize(width, 0);
        self.above.resize(width, 0);
        for (number, y) in rows(rect, order).enumerate() {
            channel_of(picture.row(rect, y), channel, width, &mut self.row);
            if number == 0 {
                encode_row(&self.row, out);
            } else {
                for ((difference, value), above) in self.differences.iter_mut().zip(&self.row).zip(&self.above) {
                    // The sign goes to the lowest bit, so that small steps either way are small numbers.
                    let step = value.wrapping_sub(*above);
                    *difference = (step << 1) ^ ((step as i8 >> 7) as u8);
                }
                encode_row(&self.differences, out);
            }
            std::mem::swap(&mut self.row, &mut self.above);
        }
    }

    fn constant_plane(&mut self, width: usize, height: u16, out: &mut Vec<u8>) {
        self.differences.clear();
        self.differences.resize(width, 0xFF);
        encode_row(&self.differences, out);
        self.differences.fill(0);
        for _ in 1..height {
            encode_row(&self.differences, out);
        }
    }

    fn raw_planes(&mut self, picture: &FrameView<'_>, rect: Rect, width: usize, order: RowOrder, out: &mut Vec<u8>) {
        out.push(NO_ALPHA);
        for channel in CHANNELS {
            for y in rows(rect, order) {
                channel_of(picture.row(rect, y), channel, width, &mut self.row);
                out.extend_from_slice(&self.row);
            }
        }
        out.push(0); // planes that are not run-length coded end with a pad byte
    }
}

/// The rows of `rect` in the order of the stream.
pub(crate) fn rows(rect: Rect, order: RowOrder) -> impl Iterator<Item = usize> {
    let (top, height) = (usize::from(rect.y), usize::from(rect.height));
    (0..height).map(move |row| match order {
        RowOrder::TopDown => top + row,
        RowOrder::BottomUp => top + height - 1 - row,
    })
}

/// One channel of a row, widened by repeating the last pixel.
fn channel_of(row: &[u8], channel: usize, width: usize, values: &mut Vec<u8>) {
    values.clear();
    values.extend(row.as_chunks::<4>().0.iter().map(|bgrx| bgrx[channel]));
    let last = values.last().copied().unwrap_or_default();
    values.resize(width, last);
}

/// Appends the segments of one row. Source: [MS-RDPEGDI] 2.2.2.5.1.2, RDP6_RLE_SEGMENT.
fn encode_row(values: &[u8], out: &mut Vec<u8>) {
    // A run at the very beginning repeats the zero before it, any other one a value that stands before it.
    let zeros = run_of(values, 0);
    let mut raw = 0; // where the values begin that no segment has yet
    if zeros >= SHORTEST_RUN {
        segment(&[], zeros, 0, out);
        raw = zeros;
    }
    while let Some(found) = values[raw..].array_windows().position(|&[a, b, c, d]| a == b && b == c && c == d) {
        let start = raw + found + 1;
        let repeated = values[start];
        let run = run_of(&values[start..], repeated);
        segment(&values[raw..start], run, repeated, out);
        raw = start + run;
    }
    if raw < values.len() {
        segment(&values[raw..], 0, 0, out);
    }
}

/// How many values at the beginning are `value`.
fn run_of(values: &[u8], value: u8) -> usize {
    values.iter().position(|other| *other != value).unwrap_or(values.len())
}

/// Appends values as they are, followed by `run` repetitions of the last of them (or of zero, at the row's beginning).
fn segment(raw: &[u8], mut run: usize, repeated: u8, out: &mut Vec<u8>) {
    let (chunks, rest) = raw.as_chunks::<15>();
    // The last chunk carries the run, so it must not be flushed without it when nothing is left over.
    let (chunks, rest) = match (chunks, rest) {
        ([before @ .., last], []) => (before, &last[..]),
        other => other,
    };
    for chunk in chunks {
        out.push(0xF0);
        out.extend_from_slice(chunk);
    }
    if !rest.is_empty() {
        let with = run.min(15);
        out.push(((rest.len() as u8) << 4) | with as u8);
        out.extend_from_slice(rest);
        run -= with;
    }
    while run > 0 {
        match run {
            // Lengths of 1 and 2 mean something else in a control byte; repeat the value instead.
            1 | 2 => {
                out.push((run as u8) << 4);
                out.extend(std::iter::repeat_n(repeated, run));
                run = 0;
            }
            3..=15 => {
                out.push(run as u8);
                run = 0;
            }
            16..=31 => {
                out.push((((run - 16) as u8) << 4) | 1);
                run = 0;
            }
            _ => {
                let long = run.min(47);
                out.push((((long - 32) as u8) << 4) | 2);
                run -= long;
            }
        }
    }
}

/// Red, green, blue: the order of the planes, as places in a BGRX pixel.
const CHANNELS: [usize; 3] = [2, 1, 0];
/// Shorter repetitions cost less as raw values.
const SHORTEST_RUN: usize = 3;
const RUN_LENGTH: u8 = 0x10;
const NO_ALPHA: u8 = 0x20;

#[cfg(test)]
mod tests {
    use ironrdp_graphics::rdp6::BitmapStreamDecoder;
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Size;

    fn decode(stream: &[u8], width: usize, height: usize) -> Vec<u8> {
        let mut rgb = Vec::new();
        BitmapStreamDecoder::default().decode_bitmap_stream_to_rgb24(stream, &mut rgb, width, height).unwrap();
        rgb
    }

    fn expected(bytes: &[u8], size: Size, width: usize, order: RowOrder) -> Vec<u8> {
        let view = FrameView::new(bytes, usize::from(size.width) * 4, size).unwrap();
        let mut rgb = Vec::new();
        for y in rows(size.rect(), order) {
            let row = view.row(size.rect(), y);
            for x in 0..width {
                let at = x.min(usize::from(size.width) - 1) * 4;
                rgb.extend_from_slice(&[row[at + 2], row[at + 1], row[at]]);
            }
        }
        rgb
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            width in 1u16..70,
            height in 1u16..20,
            padding in 0u16..4,
            levels in 1u8..=255,
            seed in any::<u64>(),
        ) {
            let size = Size::new(width, height);
            let mut state = seed | 1;
            let bytes: Vec<u8> = (0..size.area() * 4).map(|i| {
                // Few levels make runs, many make noise; rows repeat at times.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let value = ((state >> 56) as u8) % levels;
                if (i / 97) % 3 == 0 { 0 } else { value }
            }).collect();
            let view = FrameView::new(&bytes, usize::from(width) * 4, size).unwrap();
            let padded = width + padding;
            for order in [RowOrder::TopDown, RowOrder::BottomUp] {
                for alpha in [AlphaPlane::Skipped, AlphaPlane::Opaque] {
                    let mut out = Vec::new();
                    Planar::default().encode(&view, size.rect(), padded, order, alpha, &mut out);
                    prop_assert_eq!(
                        decode(&out, usize::from(padded), usize::from(height)),
                        expected(&bytes, size, usize::from(padded), order)
                    );
                }
            }
        }
    }

    #[test]
    fn runs_of_every_length_survive() {
        for length in 1..200u16 {
            let size = Size::new(length + 1, 2);
            let mut bytes = vec![9; size.area() * 4];
            bytes[usize::from(length) * 4] = 200;
            let view = FrameView::new(&bytes, usize::from(size.width) * 4, size).unwrap();
            let mut out = Vec::new();
            Planar::default().encode(&view, size.rect(), 0, RowOrder::TopDown, AlphaPlane::Skipped, &mut out);
            assert_eq!(
                decode(&out, usize::from(size.width), 2),
                expected(&bytes, size, usize::from(size.width), RowOrder::TopDown)
            );
        }
    }

    #[test]
    fn noise_is_never_longer_than_raw_planes() {
        let bytes: Vec<u8> = (0..64 * 64 * 4u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let view = FrameView::new(&bytes, 256, Size::new(64, 64)).unwrap();
        let mut out = Vec::new();
        let rect = Rect::new(0, 0, 64, 64);
        Planar::default().encode(&view, rect, 0, RowOrder::TopDown, AlphaPlane::Skipped, &mut out);
        assert!(out.len() <= 64 * 64 * 3 + 2, "{} bytes", out.len());
    }
}
