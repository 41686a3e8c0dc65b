//! A picture of what somebody saw: reads PNG, reads text back from it, compares.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use embedded_graphics::Drawable as _;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_15::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};

use crate::Failure;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// A picture, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

/// Where a line of text stands, and how it is drawn: the 10x20 font of `embedded-graphics`, enlarged.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Left edge of the first cell.
    pub x: usize,
    /// Upper edge of the cells.
    pub y: usize,
    /// Pixels of the picture for each pixel of the font.
    pub scale: usize,
    /// How many cells.
    pub cells: usize,
    /// The colour of the letters.
    pub ink: Colour,
    /// The colour around them.
    pub paper: Colour,
}

/// Where the demo desktop writes the word of the run: by agreement with `ra_desktop::backend::demo`.
pub const DEMO_WORD: Line =
    Line { x: 80, y: 200, scale: 3, cells: 12, ink: [0xFF, 0xFF, 0xFF], paper: [0x14, 0x32, 0x4F] };

/// Where the demo desktop shows what was typed, on the same terms.
pub const DEMO_FIELD: Line = Line { x: 90, y: 430, scale: 1, cells: 110, ink: [0, 0, 0], paper: [0xFF, 0xFF, 0xFF] };

impl Picture {
    /// Reads a PNG file.
    ///
    /// # Errors
    /// When it is none, or not whole.
    #[track_caller]
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let read = || -> Result<Self, Box<dyn std::error::Error>> {
            let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
            decoder.set_transformations(png::Transformations::normalize_to_color8());
            let mut reader = decoder.read_info()?;
            let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large")?];
            let info = reader.next_frame(&mut bytes)?;
            let samples = info.color_type.samples();
            let colour = |p: &[u8]| if samples < 3 { [p[0]; 3] } else { [p[0], p[1], p[2]] };
            let pixels = bytes[..info.buffer_size()].chunks_exact(samples).map(colour).collect();
            Ok(Self { width: usize::try_from(info.width)?, height: usize::try_from(info.height)?, pixels })
        };
        read().map_err(|e| Failure::new(format!("no picture in {}: {e}", path.display())))
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The colour at a place; `None` outside.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> Option<Colour> {
        (x < self.width).then(|| self.pixels.get(y * self.width + x).copied())?
    }

    /// How many pixels differ; all of them when the sizes do.
    #[must_use]
    pub fn difference(&self, other: &Self) -> usize {
        if (self.width, self.height) != (other.width, other.height) {
            return self.pixels.len().max(other.pixels.len());
        }
        self.pixels.iter().zip(&other.pixels).filter(|(a, b)| a != b).count()
    }

    /// How unlike two pictures are: the mean difference of their samples, 0.0 to 255.0; 255.0 when the sizes differ.
    #[must_use]
    pub fn unlikeness(&self, other: &Self) -> f64 {
        if (self.width, self.height) != (other.width, other.height) || self.pixels.is_empty() {
            return 255.0;
        }
        let samples = self.pixels.iter().flatten().zip(other.pixels.iter().flatten());
        let sum: f64 = samples.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        let count = u32::try_from(self.pixels.len()).map_or(f64::INFINITY, f64::from) * 3.0;
        sum / count
    }

    /// A part of the picture; what lies outside is left out.
    #[must_use]
    pub fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let columns = x.min(self.width)..(x + width).min(self.width);
        let rows = y.min(self.height)..(y + height).min(self.height);
        let pixels = rows.clone().flat_map(|row| {
            let start = row * self.width;
            self.pixels[start + columns.start..start + columns.end].iter().copied()
        });
        Self { pixels: pixels.collect(), width: columns.len(), height: rows.len() }
    }

    /// How many colours there are: one means that nothing was drawn.
    #[must_use]
    pub fn colours(&self) -> usize {
        self.pixels.iter().collect::<std::collections::HashSet<_>>().len()
    }

    /// The word of the run, as it stands in a picture of the demo desktop.
    #[must_use]
    pub fn demo_word(&self) -> Option<String> {
        let word = self.text(DEMO_WORD);
        (word.len() > 3 && word.chars().all(|c| c.is_ascii_lowercase())).then_some(word)
    }

    /// Reads a line of text by exact comparison of its glyphs; trailing blanks are left out.
    ///
    /// A cell that is no glyph is read as U+FFFD, so that a torn or lossy picture never reads as the right text.
    #[must_use]
    pub fn text(&self, line: Line) -> String {
        let glyphs = glyphs();
        let cell = |index: usize| {
            let left = line.x + index * CELL.0 * line.scale;
            let mut bits = [false; CELL.0 * CELL.1];
            for y in 0..CELL.1 * line.scale {
                for x in 0..CELL.0 * line.scale {
                    let ink = match self.pixel(left + x, line.y + y) {
                        Some(colour) if colour == line.ink => true,
                        Some(colour) if colour == line.paper => false,
                        _ => return '\u{FFFD}',
                    };
                    let at = (y / line.scale) * CELL.0 + x / line.scale;
                    // Every pixel of an enlarged one has its colour.
                    if x % line.scale == 0 && y % line.scale == 0 {
                        bits[at] = ink;
                    } else if bits[at] != ink {
                        return '\u{FFFD}';
                    }
                }
            }
            glyphs.get(&bits).copied().unwrap_or('\u{FFFD}')
        };
        (0..line.cells).map(cell).collect::<String>().trim_end().to_owned()
    }
}

/// The shape of every character of the font.
fn glyphs() -> HashMap<[bool; CELL.0 * CELL.1], char> {
    let printable = (' '..='~').chain('\u{A1}'..='\u{FF}').chain("€ŠšŽžŒœŸ".chars());
    let mut shapes = HashMap::new();
    for letter in printable {
        let mut cell = Cell([false; CELL.0 * CELL.1]);
        let mut buffer = [0; 4];
        let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        let drawn = Text::with_baseline(letter.encode_utf8(&mut buffer), Point::zero(), style, Baseline::Top);
        if drawn.draw(&mut cell).is_ok() {
            // What the font cannot show looks like a question mark, which came first.
            shapes.entry(cell.0).or_insert(letter);
        }
    }
    shapes
}

/// One cell to draw a glyph in.
struct Cell([bool; CELL.0 * CELL.1]);

impl OriginDimensions for Cell {
    fn size(&self) -> Size {
        FONT_10X20.character_size
    }
}

impl DrawTarget for Cell {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y))
                && x < CELL.0
                && y < CELL.1
            {
                self.0[y * CELL.0 + x] = colour.is_on();
            }
        }
        Ok(())
    }
}

/// Width and height of a cell of the font.
const CELL: (usize, usize) = (10, 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back_at_every_scale_and_a_flaw_is_seen() {
        for scale in [1, 3] {
            let line = Line { x: 7, y: 5, scale, cells: 12, ..DEMO_WORD };
            let mut picture = blank(400, 80, line.paper);
            write(&mut picture, line, "tulip €ñ?");
            assert_eq!(picture.text(line), "tulip €ñ?");
            let flaw = (line.y + 3) * picture.width + line.x + 2;
            picture.pixels[flaw] = [1, 2, 3];
            assert_eq!(picture.text(line), "\u{FFFD}ulip €ñ?");
        }
    }

    #[test]
    fn difference_counts_pixels() {
        let one = blank(10, 10, [0; 3]);
        let mut other = one.clone();
        other.pixels[13] = [9, 9, 9];
        assert_eq!(one.difference(&other), 1);
        assert_eq!(one.part(3, 1, 1, 1).difference(&other.part(3, 1, 1, 1)), 1);
        assert_eq!(one.difference(&blank(10, 11, [0; 3])), 110);
    }

    fn blank(width: usize, height: usize, colour: Colour) -> Picture {
        Picture { width, height, pixels: vec![colour; width * height] }
    }

    fn write(picture: &mut Picture, line: Line, text: &str) {
        let shapes = glyphs();
        for (index, letter) in text.chars().enumerate() {
            let Some((bits, _)) = shapes.iter().find(|(_, c)| **c == letter) else { panic!("no glyph for {letter}") };
            for y in 0..CELL.1 * line.scale {
                for x in 0..CELL.0 * line.scale {
                    if bits[(y / line.scale) * CELL.0 + x / line.scale] {
                        let at = (line.y + y) * picture.width + line.x + index * CELL.0 * line.scale + x;
                        picture.pixels[at] = line.ink;
                    }
                }
            }
        }
    }
}
