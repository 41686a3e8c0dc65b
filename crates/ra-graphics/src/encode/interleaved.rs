//! Interleaved run-length coding of bitmaps with fewer than 32 bits per pixel.
//!
//! Three of its orders are used: pixels like the row above, runs of a colour, and pixels as they are. That is all that
//! pays for desktops; the rest was made for patterns of the nineties.
//!
//! Source: [MS-RDPBCGR] 2.2.9.1.1.3.1.2.4, RLE_BITMAP_STREAM.

/// Appends `pixels`, rows of `width` pixels of `BYTES` bytes each, as one stream.
pub(crate) fn encode<const BYTES: usize>(pixels: &[u8], width: usize, out: &mut Vec<u8>) {
    let pixels = pixels.as_chunks::<BYTES>().0;
    let mut literal = 0; // where the pixels begin that no order has yet
    let mut at = 0;
    while at < pixels.len() {
        let like_above = like_above(pixels, at, width);
        let like_first = pixels[at..].iter().take_while(|pixel| **pixel == pixels[at]).count();
        // Two orders of the first kind must not meet: the second would invert a pixel.
        let (order, run) = if like_above >= SHORTEST_RUN && like_above >= like_first {
            (Some(BACKGROUND_RUN), like_above)
        } else if like_first >= SHORTEST_RUN {
            (Some(COLOUR_RUN), like_first)
        } else {
            (None, 1)
        };
        if let Some(order) = order {
            push_literal(&pixels[literal..at], out);
            push_order(order, run, out);
            if order == COLOUR_RUN {
                out.extend_from_slice(&pixels[at]);
            }
            literal = at + run;
        }
        at += run;
    }
    push_literal(&pixels[literal..], out);
}

/// How many pixels from `at` on equal the ones above them; above the first row everything is black.
///
/// A run that begins in the first row ends with it, as it means black to the decoder all along.
fn like_above<const BYTES: usize>(pixels: &[[u8; BYTES]], at: usize, width: usize) -> usize {
    if at < width {
        pixels[at..width.min(pixels.len())].iter().take_while(|pixel| **pixel == [0; BYTES]).count()
    } else {
        pixels[at..].iter().zip(&pixels[at - width..]).take_while(|(pixel, above)| pixel == above).count()
    }
}

fn push_literal<const BYTES: usize>(pixels: &[[u8; BYTES]], out: &mut Vec<u8>) {
    if !pixels.is_empty() {
        push_order(COLOUR_IMAGE, pixels.len(), out);
        out.extend_from_slice(pixels.as_flattened());
    }
}

/// An order's code and length: five bits, one byte more, or two.
fn push_order(order: u8, length: usize, out: &mut Vec<u8>) {
    match length {
        0..=31 => out.push((order << 5) | length as u8),
        32..=287 => out.extend_from_slice(&[order << 5, (length - 32) as u8]),
        _ => {
            out.push(0xF0 | order);
            out.extend_from_slice(&(length as u16).to_le_bytes()); // bitmaps have at most 64 x 64 pixels
        }
    }
}

const BACKGROUND_RUN: u8 = 0;
const COLOUR_RUN: u8 = 3;
const COLOUR_IMAGE: u8 = 4;
/// Shorter ones cost as much as the pixels they stand for, with the order that they interrupt.
const SHORTEST_RUN: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(width in 1usize..40, height in 1usize..12, levels in 1u8..8, seed in any::<u64>()) {
            let mut state = seed | 1;
            let mut values = |count: usize| -> Vec<u8> {
                (0..count).map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ((state >> 60) as u8) % levels
                }).collect()
            };
            // Bytes in groups, so that whole pixels repeat.
            let wide: Vec<u8> = values(width * height).into_iter().flat_map(|value| [value; 3]).collect();
            let narrow: Vec<u8> = values(width * height).into_iter().flat_map(|value| [value; 2]).collect();
            let mut out = Vec::new();
            let mut decoded = Vec::new();
            encode::<3>(&wide, width, &mut out);
            ironrdp_graphics::rle::decompress(&out, &mut decoded, width, height, 24).unwrap();
            prop_assert_eq!(&decoded, &wide);
            out.clear();
            decoded.clear();
            encode::<2>(&narrow, width, &mut out);
            ironrdp_graphics::rle::decompress(&out, &mut decoded, width, height, 16).unwrap();
            prop_assert_eq!(&decoded, &narrow);
        }
    }

    #[test]
    fn runs_of_every_form_survive() {
        for length in [1usize, 2, 3, 30, 31, 32, 33, 286, 287, 288, 289, 4000] {
            let mut pixels = vec![5; (length + 1) * 2];
            pixels[length * 2] = 1;
            let mut out = Vec::new();
            let mut decoded = Vec::new();
            encode::<2>(&pixels, length + 1, &mut out);
            ironrdp_graphics::rle::decompress(&out, &mut decoded, length + 1, 1, 16).unwrap();
            assert_eq!(decoded, pixels);
        }
    }
}
