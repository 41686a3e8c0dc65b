//! What a rectangle of pixels looks like, and the one place where that decides how it is sent.

use crate::encode::clear::ClearCodec;
use crate::frame::FrameView;
use crate::geometry::Rect;
use crate::tiles::CELL;

/// How a rectangle travels in the graphics pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// SolidFill in a colour, as 0x00RRGGBB.
    Fill(u32),
    /// ClearCodec with a palette.
    Palette,
    /// ClearCodec with runs that name their colours.
    Runs,
    /// Planar: each channel as differences to the row above.
    Planes,
    /// Planar, unless the palette turns out shorter.
    PlanesOrPalette,
    /// The pixels as they are: the bulk compression finds the letters in them that were there before.
    Pixels,
    /// Not in one piece: cells for themselves may have fewer colours.
    Cut,
}

/// The encoding of the rectangle that was scanned last. New kinds of content and codecs are entered here.
///
/// `bulk`: the frame will go through the bulk compression, because it is brief or the line is slow.
pub(crate) fn choose(colours: Colours, scanned: &Scanner, rect: Rect, bulk: bool) -> Encoding {
    match colours {
        Colours::One(colour) => return Encoding::Fill(colour),
        // Text in many colours, with soft edges.
        Colours::Many if bulk && rect.area() <= MOST_PIXELS && !scanned.is_natural() => return Encoding::Pixels,
        Colours::Many if rect.width > CELL => return Encoding::Cut,
        Colours::Many => return Encoding::Planes,
        Colours::Few => {}
    }
    let area = rect.area();
    let runs = ClearCodec::runs_length(scanned);
    let palette = ClearCodec::palette_length(scanned, area).unwrap_or(usize::MAX);
    match () {
        // A few pixels, for which a palette does not pay.
        () if runs < palette && runs <= area * 3 => Encoding::Runs,
        // Text, widgets, charts: four bits for a pixel at most.
        () if palette <= area / 2 => Encoding::Palette,
        // Dithering and gradients of few colours.
        () => Encoding::PlanesOrPalette,
    }
}

/// Pixels of one message at four bytes each, so that it fits one segment of 65,535 bytes with its header.
const MOST_PIXELS: usize = 16_000;
/// A picture is no text when its commonest colour covers less than one part in so many.
const BACKGROUND: u32 = 8;
/// Most colours that a palette may hold. Source: [MS-RDPEGFX] 2.2.4.1.1.3.1.3, paletteCount.
pub(crate) const MAX_COLOURS: usize = 127;

/// How many colours a rectangle has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// One, as 0x00RRGGBB.
    One(u32),
    /// Two to [`MAX_COLOURS`]: palette and runs are complete.
    Few,
    /// More than a palette holds: the pass stopped there.
    Many,
}

/// Equal pixels in reading order; a run goes on across the ends of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Place of the colour in the palette.
    pub(crate) colour: u8,
    /// Number of pixels, at least one.
    pub(crate) length: u32,
}

/// Looks at rectangles; its buffers serve one rectangle after the other.
pub(crate) struct Scanner {
    palette: Vec<u32>,
    runs: Vec<Run>,
    slots: [Slot; SLOTS],
}

/// A place of the hash table from colours to palette entries.
#[derive(Debug, Clone, Copy)]
struct Slot {
    colour: u32,
    index: u8,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { palette: Vec::with_capacity(MAX_COLOURS), runs: Vec::new(), slots: [EMPTY; SLOTS] }
    }
}

impl Scanner {
    /// Colours in the order of their first appearance; the order makes neighbours of colours that follow each other.
    pub(crate) fn palette(&self) -> &[u32] {
        &self.palette
    }

    /// The runs of the rectangle that was scanned last, unless it had too many colours.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Whether a rectangle of many colours is a photograph or film rather than text in front of something: no colour
    /// covers much of what was looked at.
    pub(crate) fn is_natural(&self) -> bool {
        let mut covered = [0u32; MAX_COLOURS];
        let mut all = 0;
        for run in &self.runs {
            covered[usize::from(run.colour)] += run.length;
            all += run.length;
        }
        covered.iter().max().is_none_or(|most| most * BACKGROUND < all)
    }

    /// Scans a rectangle, which must not be empty and must lie inside the picture.
    pub(crate) fn scan(&mut self, picture: &FrameView<'_>, rect: Rect) -> Colours {
        self.palette.clear();
        self.runs.clear();
        self.slots = [EMPTY; SLOTS];

        let top = usize::from(rect.y);
        let mut colour = pixel(picture.row(rect, top).as_chunks::<4>().0[0]);
        let mut index = 0;
        self.slots[slot_of(colour)] = Slot { colour, index };
        self.palette.push(colour);
        let mut length = 0;
        for y in top..top + usize::from(rect.height) {
            let row = picture.row(rect, y).as_chunks::<4>().0;
            let mut at = 0;
            loop {
                let end = end_of_run(row, at, colour);
                length += (end - at) as u32;
                at = end;
                if at == row.len() {
                    break;
                }
                self.runs.push(Run { colour: index, length });
                colour = pixel(row[at]);
                let Some(known) = self.index_of(colour) else { return Colours::Many };
                index = known;
                length = 0;
            }
        }
        self.runs.push(Run { colour: index, length });
        if self.runs.len() == 1 { Colours::One(colour) } else { Colours::Few }
    }

    /// The colour's place in the palette, where it is put if there is room.
    fn index_of(&mut self, colour: u32) -> Option<u8> {
        let mut at = slot_of(colour);
        loop {
            let slot = self.slots[at];
            if slot.colour == colour {
                return Some(slot.index);
            }
            if slot.colour == EMPTY.colour {
                break;
            }
            at = (at + 1) % SLOTS;
        }
        if self.palette.len() == MAX_COLOURS {
            return None;
        }
        let index = self.palette.len() as u8;
        self.slots[at] = Slot { colour, index };
        self.palette.push(colour);
        Some(index)
    }
}

/// A pixel as 0x00RRGGBB, without its unused byte.
pub(crate) fn pixel(bgrx: [u8; 4]) -> u32 {
    u32::from_le_bytes(bgrx) & COLOUR_BITS
}

/// Where the run of `colour` that covers the pixels before `at` ends in this row.
fn end_of_run(row: &[[u8; 4]], mut at: usize, colour: u32) -> usize {
    // Runs in text are a few pixels long, runs of background are hundreds: step, then leap.
    let leap_from = (at + STEPS).min(row.len());
    while at < leap_from {
        if pixel(row[at]) != colour {
            return at;
        }
        at += 1;
    }
    while let Some(block) = row.get(at..at + LEAP) {
        let difference = block.iter().fold(0, |difference, bgrx| difference | (u32::from_le_bytes(*bgrx) ^ colour));
        if difference & COLOUR_BITS != 0 {
            break;
        }
        at += LEAP;
    }
    while at < row.len() && pixel(row[at]) == colour {
        at += 1;
    }
    at
}

/// Multiplicative hash; the high bits are the well mixed ones.
fn slot_of(colour: u32) -> usize {
    (colour.wrapping_mul(0x9E37_79B1) >> 24) as usize
}

const COLOUR_BITS: u32 = 0x00FF_FFFF;
/// Twice the palette, so that probing ends soon; [`slot_of`] yields as many values.
const SLOTS: usize = 256;
/// No colour has this value.
const EMPTY: Slot = Slot { colour: u32::MAX, index: 0 };
/// Pixels compared one by one before whole blocks are.
const STEPS: usize = 4;
/// Pixels compared at once: one AVX2 register.
const LEAP: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    fn picture(pixels: &[u32]) -> Vec<u8> {
        pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect()
    }

    #[test]
    fn one_colour_is_one_run_whatever_the_unused_byte_says() {
        let bytes = picture(&[0xFF12_3456, 0x0012_3456, 0x7712_3456, 0x0012_3456]);
        let view = FrameView::new(&bytes, 8, Size::new(2, 2)).unwrap();
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&view, Rect::new(0, 0, 2, 2)), Colours::One(0x12_3456));
    }

    #[test]
    fn a_run_goes_on_in_the_next_row() {
        let bytes = picture(&[1, 2, 2, 2, 2, 1]);
        let view = FrameView::new(&bytes, 12, Size::new(3, 2)).unwrap();
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&view, Rect::new(0, 0, 3, 2)), Colours::Few);
        assert_eq!(scanner.palette(), [1, 2]);
        let runs: Vec<_> = scanner.runs().iter().map(|run| (run.colour, run.length)).collect();
        assert_eq!(runs, [(0, 1), (1, 4), (0, 1)]);
    }

    #[test]
    fn the_128th_colour_is_too_many() {
        let bytes = picture(&(0..128).collect::<Vec<_>>());
        let view = FrameView::new(&bytes, 512, Size::new(128, 1)).unwrap();
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&view, Rect::new(0, 0, 127, 1)), Colours::Few);
        assert_eq!(scanner.palette().len(), 127);
        assert_eq!(scanner.scan(&view, Rect::new(0, 0, 128, 1)), Colours::Many);
    }
}
