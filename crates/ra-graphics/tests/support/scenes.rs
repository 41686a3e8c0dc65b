//! Pictures made by code: text, gradients, photographs and noise, the same ones in every run.
#![allow(dead_code, reason = "each test and bench uses its part of it")]

use ra_graphics::{FrameView, Rect, Size};

/// A picture that can be drawn on; rows are padded, and the padding and the fourth bytes hold rubbish.
#[derive(Clone)]
pub(crate) struct Canvas {
    pub(crate) size: Size,
    stride: usize,
    pixels: Vec<u8>,
    random: Random,
    rubbish: u8,
}

/// A small generator of numbers (splitmix64): deterministic, good enough for noise.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

impl Canvas {
    pub(crate) fn new(size: Size, seed: u64) -> Self {
        let stride = usize::from(size.width) * 4 + 20;
        let mut random = Random(seed);
        let pixels = (0..stride * usize::from(size.height)).map(|_| random.next() as u8).collect();
        let mut canvas = Self { size, stride, pixels, random, rubbish: 0x55 };
        canvas.fill(size.rect(), 0x14_324F);
        canvas
    }

    /// A picture whose fourth bytes are all the same, as real ones are.
    pub(crate) fn tidy(size: Size) -> Self {
        let mut canvas = Self::new(size, 0);
        canvas.rubbish = 0;
        canvas.pixels.fill(0);
        canvas
    }

    pub(crate) fn view(&self) -> FrameView<'_> {
        FrameView::new(&self.pixels, self.stride, self.size).expect("a canvas is a picture")
    }

    /// Blue, green and red of each pixel, without rubbish.
    pub(crate) fn colours(&self) -> Vec<[u8; 3]> {
        let row = usize::from(self.size.width) * 4;
        let rows = self.pixels.chunks(self.stride).map(|padded| &padded[..row]);
        rows.flat_map(|row| row.chunks_exact(4).map(|p| [p[0], p[1], p[2]])).collect()
    }

    /// The sum of the squares of all differences to `others`: blue, green and red of each pixel.
    pub(crate) fn square_error(&self, others: &[[u8; 3]]) -> u64 {
        let width = usize::from(self.size.width);
        let mut square = 0;
        for (row, others) in self.pixels.chunks(self.stride).zip(others.chunks_exact(width)) {
            for (pixel, other) in row.as_chunks::<4>().0.iter().zip(others) {
                if pixel[..3] != other[..] {
                    for (a, b) in pixel.iter().zip(other) {
                        square += u64::from(a.abs_diff(*b)).pow(2);
                    }
                }
            }
        }
        square
    }

    pub(crate) fn set(&mut self, x: u16, y: u16, colour: u32) {
        if x < self.size.width && y < self.size.height {
            let at = usize::from(y) * self.stride + usize::from(x) * 4;
            self.pixels[at..at + 3].copy_from_slice(&colour.to_le_bytes()[..3]);
            self.pixels[at + 3] ^= self.rubbish; // must not matter
        }
    }

    /// Gives each pixel of `rect` a colour, row by row.
    pub(crate) fn paint(&mut self, rect: Rect, mut colour: impl FnMut(u16, u16) -> u32) {
        let rect = rect.clipped(self.size);
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                self.set(x, y, colour(x, y));
            }
        }
    }

    pub(crate) fn fill(&mut self, rect: Rect, colour: u32) {
        self.paint(rect, |_, _| colour);
    }

    pub(crate) fn noise(&mut self, rect: Rect) {
        let mut random = self.random.clone();
        self.paint(rect, |_, _| random.next() as u32 & 0xFF_FFFF);
        self.random = random;
    }

    pub(crate) fn gradient(&mut self, rect: Rect) {
        self.paint(rect, |x, y| {
            u32::from(x / 3) & 0xFF | (u32::from(y / 2) & 0xFF) << 8 | (u32::from(x ^ y) & 0xF0) << 16
        });
    }

    pub(crate) fn horizontal_gradient(&mut self, rect: Rect) {
        self.paint(rect, |x, _| u32::from(x % 256) * 0x01_0101);
    }

    /// Smooth colours with a little grain, as a camera sees them.
    pub(crate) fn photograph(&mut self, rect: Rect, phase: f32) {
        let mut random = self.random.clone();
        self.paint(rect, |x, y| {
            let (x, y) = (f32::from(x) / 70.0 + phase, f32::from(y) / 50.0);
            let grain = (random.next() % 7) as f32;
            let channel = |shift: f32| ((x + shift).sin() * (y - shift).cos() * 100.0 + 120.0 + grain) as u32 & 0xFF;
            channel(0.0) | channel(0.7) << 8 | channel(1.9) << 16
        });
        self.random = random;
    }

    /// Copies the rows of `rect` from row `from` on to row `to` on, as far as they go.
    pub(crate) fn scroll(&mut self, rect: Rect, from: u16, to: u16) {
        let rect = rect.clipped(self.size);
        let before = self.pixels.clone();
        for y in 0..rect.height.saturating_sub(from.max(to)) {
            let at = |y: u16| usize::from(rect.y + y) * self.stride + usize::from(rect.x) * 4;
            let source = at(from + y)..at(from + y) + usize::from(rect.width) * 4;
            self.pixels[at(to + y)..][..source.len()].copy_from_slice(&before[source]);
        }
    }

    /// Copies `from` of another picture to the place whose corner is (`x`, `y`), as far as both go.
    pub(crate) fn copy(&mut self, other: &Self, from: Rect, x: u16, y: u16) {
        let from = from.clipped(other.size);
        let to = Rect::new(x, y, from.width, from.height).clipped(self.size);
        for row in 0..usize::from(to.height) {
            let source = (usize::from(from.y) + row) * other.stride + usize::from(from.x) * 4;
            let target = (usize::from(to.y) + row) * self.stride + usize::from(to.x) * 4;
            let length = usize::from(to.width) * 4;
            self.pixels[target..target + length].copy_from_slice(&other.pixels[source..source + length]);
        }
    }

    /// The bytes from the pixel (`x`, `y`) on, and the distance between rows.
    pub(crate) fn bytes_from(&mut self, x: u16, y: u16) -> (&mut [u8], usize) {
        let start = usize::from(y) * self.stride + usize::from(x) * 4;
        (&mut self.pixels[start..], self.stride)
    }

    /// Copies what is in `rect` to the place that is `right` and `down` of it, as far as that is on the screen.
    pub(crate) fn shift(&mut self, rect: Rect, right: i32, down: i32) {
        let rect = rect.clipped(self.size);
        let before = self.pixels.clone();
        let (columns, rows) = (i32::from(self.size.width), i32::from(self.size.height));
        for y in i32::from(rect.y)..i32::from(rect.y) + i32::from(rect.height) {
            for x in i32::from(rect.x)..i32::from(rect.x) + i32::from(rect.width) {
                let (to_x, to_y) = (x + right, y + down);
                if (0..columns).contains(&to_x) && (0..rows).contains(&to_y) {
                    let at = |x: i32, y: i32| y as usize * self.stride + x as usize * 4;
                    self.pixels[at(to_x, to_y)..][..4].copy_from_slice(&before[at(x, y)..][..4]);
                }
            }
        }
    }

    /// Lines of made-up letters in a cell of 8 x 16, with soft edges; the same `first_line` looks the same anywhere.
    pub(crate) fn text(&mut self, rect: Rect, first_line: u64) {
        self.fill(rect, 0xFF_FFFF);
        let clipped = rect.clipped(self.size);
        for line in 0..rect.height / 16 {
            let mut random = Random(first_line + u64::from(line) + 1);
            let length = 10 + random.below(u64::from(rect.width / 8).max(1)) as u16;
            for column in 0..(rect.width / 8).min(length) {
                let letter = random.below(40);
                if letter < 34 {
                    self.letter(clipped, rect.x + column * 8, rect.y + line * 16, letter);
                }
            }
        }
    }

    fn letter(&mut self, clip: Rect, x: u16, y: u16, letter: u64) {
        let mut shape = Random(letter * 977 + 5);
        let bits = shape.next();
        for dy in 0..11u16 {
            for dx in 0..7u16 {
                let on = |dx: u16, dy: u16| bits >> ((dx / 2 + dy / 2 * 4) % 61) & 1 == 1;
                let colour = match (on(dx, dy), on(dx + 1, dy)) {
                    (true, _) => 0x00_0000,
                    (false, true) => 0x80_8080,
                    (false, false) => continue,
                };
                let (x, y) = (x + dx, y + 3 + dy);
                if u32::from(x) < clip.right() && u32::from(y) < clip.bottom() {
                    self.set(x, y, colour);
                }
            }
        }
    }
}
