//! Pixels of the demo desktop: letters, the still picture, and what moves on it.

use std::convert::Infallible;

use embedded_graphics::mono_font::mapping::{GlyphMapping, StrGlyphMapping};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii, iso_8859_5, iso_8859_7, iso_8859_15};
use embedded_graphics::pixelcolor::{BinaryColor, Rgb888};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{
    Circle, CornerRadii, Line, PrimitiveStyle, Rectangle, RoundedRectangle, StyledDrawable,
};
use embedded_graphics::text::{Baseline, Text};
use ra_session::input::Button;

use super::{FIELD, FIELD_TEXT, PAPER, SIZE, WORD_PLACE, WORD_SCALE};
use crate::frame::{BYTES_PER_PIXEL, Frame, Rect};

/// A frame that can be drawn on, inside one rectangle of it.
pub(super) struct Canvas<'a> {
    frame: &'a mut Frame,
    clip: Rect,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(frame: &'a mut Frame, clip: Rect) -> Self {
        Self { frame, clip }
    }

    /// Copies what lies in the clip from another frame of the same size.
    pub(super) fn copy(&mut self, from: &Frame) {
        let Rect { x, y, width, height } = self.clip;
        for line in y..y.saturating_add(height) {
            let (to, from) = (self.frame.row_mut(line, x, width), from.row(line, x, width));
            if to.len() == from.len() {
                to.copy_from_slice(from);
            }
        }
    }

    /// Writes text in cells of 10x20 pixels times `scale`, foreground and background; both are opaque.
    pub(super) fn text(&mut self, (x, y): (u16, u16), scale: u16, (ink, paper): (Rgb888, Rgb888), text: &str) {
        let mut left = x;
        for letter in text.chars() {
            let cell = Rect { x: left, y, width: CELL.0 * scale, height: CELL.1 * scale };
            if cell.intersection(self.clip).is_some() {
                self.fill(cell, paper);
                for (row, bits) in (0..).zip(glyph(letter)) {
                    for column in (0..CELL.0).filter(|column| bits >> column & 1 == 1) {
                        let dot = Rect { x: left + column * scale, y: y + row * scale, width: scale, height: scale };
                        self.fill(dot, ink);
                    }
                }
            }
            left = left.saturating_add(cell.width);
        }
    }

    /// Fills what of `rect` lies in the clip.
    pub(super) fn fill(&mut self, rect: Rect, colour: Rgb888) {
        let Some(rect) = rect.intersection(self.clip) else { return };
        let pixel = bgrx(colour);
        for line in rect.y..rect.y.saturating_add(rect.height) {
            for to in self.frame.row_mut(line, rect.x, rect.width).chunks_exact_mut(BYTES_PER_PIXEL) {
                to.copy_from_slice(&pixel);
            }
        }
    }

    /// The ring that shows where somebody clicked.
    pub(super) fn mark(&mut self, x: u16, y: u16, button: Button) {
        let colour = match button {
            Button::Left => AMBER,
            Button::Right => ROSE,
            Button::Middle | Button::X1 | Button::X2 => MINT,
        };
        let centre = Point::new(i32::from(x), i32::from(y));
        let ring = Circle::with_center(centre, u32::from(MARK_RADIUS) * 2 - 4);
        draw(ring.draw_styled(&PrimitiveStyle::with_stroke(colour, 3), self));
        for arm in [Point::new(4, 0), Point::new(0, 4)] {
            draw(Line::new(centre - arm, centre + arm).draw_styled(&PrimitiveStyle::with_stroke(colour, 1), self));
        }
    }

    /// The small object that moves.
    pub(super) fn ball(&mut self, rect: Rect) {
        let disc = Circle::new(Point::new(i32::from(rect.x), i32::from(rect.y)), u32::from(rect.width));
        draw(disc.draw_styled(&PrimitiveStyle::with_fill(AMBER), self));
        let shine = Circle::new(disc.top_left + Point::new(6, 5), 7);
        draw(shine.draw_styled(&PrimitiveStyle::with_fill(Rgb888::new(0xFF, 0xE2, 0xA8)), self));
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(place, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u16::try_from(place.x), u16::try_from(place.y)) {
                self.fill(Rect { x, y, width: 1, height: 1 }, colour);
            }
        }
        Ok(())
    }
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(u32::from(SIZE.width), u32::from(SIZE.height))
    }
}

/// Everything that never changes in a run: wallpaper, window, labels, the word, the empty field.
pub(super) fn still(word: &str) -> Frame {
    let mut frame = Frame::black(SIZE);
    wallpaper(&mut frame);
    let mut canvas = Canvas::new(&mut frame, SIZE.rect());
    window(&mut canvas);
    let label = (PALE, PAPER);
    let left = WORD_PLACE.0;
    canvas.text((left, 116), 1, (Rgb888::WHITE, PAPER), "A desktop to try remote help on.");
    canvas.text((left, 140), 1, label, "Nothing here is real: no file, no program, no X server.");
    canvas.text((left, 176), 1, label, "word:");
    canvas.text(WORD_PLACE, WORD_SCALE, (Rgb888::WHITE, PAPER), word);
    canvas.text((left, 392), 1, label, "typed text:");
    canvas.text((left, 484), 1, label, "Click anywhere: a ring marks the place.");
    field(&mut canvas, "");
    let track = Rect { x: TRACK.x, y: TRACK.y + TRACK.height / 2 - 1, width: TRACK.width, height: 2 };
    canvas.fill(track, Rgb888::new(0x2A, 0x55, 0x7C));
    let footer = Rect { x: 0, y: SIZE.height - 40, width: SIZE.width, height: 40 };
    canvas.fill(footer, NIGHT);
    let line = "Demo desktop of novice-host. ESC in the novice's terminal takes control back at once.";
    canvas.text((40, SIZE.height - 30), 1, (PALE, NIGHT), line);
    frame
}

/// The text field with what was typed; a caret lies under the next cell, outside the letters.
pub(super) fn field(canvas: &mut Canvas<'_>, text: &str) {
    canvas.fill(FIELD, Rgb888::WHITE);
    canvas.text(FIELD_TEXT, 1, (Rgb888::BLACK, Rgb888::WHITE), text);
    let cells = u16::try_from(text.chars().count()).unwrap_or(0).min(CARET_CELLS);
    let caret = Rect { x: FIELD_TEXT.0 + cells * CELL.0, y: FIELD_TEXT.1 + CELL.1 + 3, width: CELL.0, height: 3 };
    canvas.fill(caret, Rgb888::new(0x1F, 0x7A, 0x8C));
}

fn wallpaper(frame: &mut Frame) {
    let stops = [(0x0D, 0x1B, 0x34), (0x1F, 0x4E, 0x6E), (0x7F, 0xA8, 0xA3)];
    for y in 0..SIZE.height {
        for x in 0..SIZE.width {
            let (across, down) = (f32::from(x) / f32::from(SIZE.width), f32::from(y) / f32::from(SIZE.height));
            let place = (0.35 * across + 0.85 * down).min(1.0) * 2.0;
            let (from, to) = if place < 1.0 { (stops[0], stops[1]) } else { (stops[1], stops[2]) };
            let mut colour = mix(from, to, place.fract());
            // Three ranges of soft hills, each nearer and darker.
            for (range, height) in (0_u8..).zip([0.70_f32, 0.78, 0.87]) {
                let wave = (across * (5.0 + f32::from(range) * 2.0) + f32::from(range) * 1.7).sin();
                if down > height + 0.04 * wave {
                    colour = mix((colour.r(), colour.g(), colour.b()), (0x0A, 0x1A, 0x2E), 0.28);
                }
            }
            frame.row_mut(y, x, 1).copy_from_slice(&bgrx(colour));
        }
    }
}

fn window(canvas: &mut Canvas<'_>) {
    // A soft shadow, a little below the window: darker the nearer.
    let beyond =
        |place: u16, start: u16, length: u16| start.saturating_sub(place).max(place.saturating_sub(start + length));
    for y in WINDOW.y - SHADOW..WINDOW.y + WINDOW.height + SHADOW + 6 {
        for x in WINDOW.x - SHADOW..WINDOW.x + WINDOW.width + SHADOW {
            let (across, down) = (beyond(x, WINDOW.x, WINDOW.width), beyond(y, WINDOW.y + 6, WINDOW.height));
            let distance = f32::from(across).hypot(f32::from(down)) / f32::from(SHADOW);
            let pixel = canvas.frame.row_mut(y, x, 1);
            if let ([blue, green, red, _], true) = (&*pixel, distance < 1.0) {
                let darker = mix((*red, *green, *blue), (0, 0, 0), 0.4 * (1.0 - distance).powi(2));
                pixel.copy_from_slice(&bgrx(darker));
            }
        }
    }
    let shape = |rect: Rect, top: u32, bottom: u32| {
        let radii = |radius: u32| Size::new_equal(radius);
        let corners = CornerRadii {
            top_left: radii(top),
            top_right: radii(top),
            bottom_right: radii(bottom),
            bottom_left: radii(bottom),
        };
        let place = Point::new(i32::from(rect.x), i32::from(rect.y));
        let size = Size::new(u32::from(rect.width), u32::from(rect.height));
        RoundedRectangle::new(Rectangle::new(place, size), corners)
    };
    draw(shape(WINDOW, 12, 12).draw_styled(&PrimitiveStyle::with_fill(PAPER), canvas));
    let title = Rect { height: TITLE_HEIGHT, ..WINDOW };
    draw(shape(title, 12, 0).draw_styled(&PrimitiveStyle::with_fill(TITLE), canvas));
    canvas.text((WINDOW.x + 24, WINDOW.y + 10), 1, (Rgb888::WHITE, TITLE), "Demo desktop");
    for (place, colour) in (0..).zip([MINT, AMBER, ROSE]) {
        let centre = Point::new(i32::from(WINDOW.x + WINDOW.width) - 84 + place * 26, i32::from(WINDOW.y) + 20);
        draw(Circle::with_center(centre, 14).draw_styled(&PrimitiveStyle::with_fill(colour), canvas));
    }
}

/// The rows of a letter's cell; bit `n` is column `n`.
pub(super) fn glyph(letter: char) -> [u16; CELL.1 as usize] {
    let mut cell = Cell([0; CELL.1 as usize]);
    let fonts: [(&StrGlyphMapping<'_>, &MonoFont<'_>); 3] = [
        (&embedded_graphics::mono_font::mapping::ISO_8859_15, &iso_8859_15::FONT_10X20),
        (&embedded_graphics::mono_font::mapping::ISO_8859_5, &iso_8859_5::FONT_10X20),
        (&embedded_graphics::mono_font::mapping::ISO_8859_7, &iso_8859_7::FONT_10X20),
    ];
    let has = |mapping: &StrGlyphMapping<'_>| letter == '?' || mapping.index(letter) != mapping.index('\u{0}');
    let mut write = |place: Point, font: &MonoFont<'_>, text: &str| {
        let style = MonoTextStyle::new(font, BinaryColor::On);
        draw(Text::with_baseline(text, place, style, Baseline::Top).draw(&mut cell).map(drop));
    };
    if let Some((_, font)) = fonts.into_iter().find(|(mapping, _)| has(mapping)) {
        write(Point::zero(), font, letter.encode_utf8(&mut [0; 4]));
    } else {
        // No font here has it: its number in small digits says more than a box.
        let digits = format!("{:04X}", u32::from(letter));
        let (high, low) = digits.split_at(digits.len() - 2);
        write(Point::new(if high.len() > 2 { -2 } else { 1 }, 4), &ascii::FONT_4X6, high);
        write(Point::new(1, 11), &ascii::FONT_4X6, low);
    }
    cell.0
}

/// A letter's cell as a drawing surface of one bit a pixel.
struct Cell([u16; CELL.1 as usize]);

impl DrawTarget for Cell {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(place, colour) in pixels {
            let row = usize::try_from(place.y).ok().and_then(|row| self.0.get_mut(row));
            if let (Some(row), 0..10) = (row, place.x) {
                *row |= u16::from(colour.is_on()) << place.x;
            }
        }
        Ok(())
    }
}

impl OriginDimensions for Cell {
    fn size(&self) -> Size {
        Size::new(u32::from(CELL.0), u32::from(CELL.1))
    }
}

fn mix(from: (u8, u8, u8), to: (u8, u8, u8), part: f32) -> Rgb888 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both ends are bytes")]
    let blend = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * part) as u8;
    Rgb888::new(blend(from.0, to.0), blend(from.1, to.1), blend(from.2, to.2))
}

fn bgrx(colour: Rgb888) -> [u8; BYTES_PER_PIXEL] {
    [colour.b(), colour.g(), colour.r(), 0]
}

/// Drawing into memory cannot fail, and the type says so.
fn draw(result: Result<(), Infallible>) {
    match result {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// A letter's cell in pixels, at scale 1.
pub(super) const CELL: (u16, u16) = (10, 20);
/// From the centre of a mark to the outside of its ring.
pub(super) const MARK_RADIUS: u16 = 16;
/// Where the ball runs; it is as wide as the track is high.
pub(super) const TRACK: Rect = Rect { x: 80, y: 560, width: 1120, height: 28 };
pub(super) const PALE: Rgb888 = Rgb888::new(0x9F, 0xC3, 0xDB);

const WINDOW: Rect = Rect { x: 40, y: 40, width: 1200, height: 590 };
const TITLE_HEIGHT: u16 = 40;
const SHADOW: u16 = 18;
/// The caret stays in the field when the line is full.
const CARET_CELLS: u16 = 110;
const TITLE: Rgb888 = Rgb888::new(0x1D, 0x47, 0x6B);
const NIGHT: Rgb888 = Rgb888::new(0x0A, 0x16, 0x28);
const AMBER: Rgb888 = Rgb888::new(0xF2, 0xB1, 0x34);
const ROSE: Rgb888 = Rgb888::new(0xE5, 0x6B, 0x6F);
const MINT: Rgb888 = Rgb888::new(0x6F, 0xCF, 0x97);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_many_alphabets_have_a_picture_of_their_own() {
        let letters = ['a', 'ñ', '€', 'Я', 'λ', '漢', '字', '😀', '?'];
        for (index, letter) in letters.iter().enumerate() {
            assert_ne!(glyph(*letter), [0; 20], "{letter} is drawn");
            assert!(
                letters[index + 1..].iter().all(|other| glyph(*other) != glyph(*letter)),
                "{letter} is unlike others"
            );
        }
        assert_eq!(glyph(' '), [0; 20]);
    }

    #[test]
    fn nothing_is_drawn_outside_the_clip() {
        let mut frame = Frame::black(SIZE);
        let clip = Rect { x: 100, y: 100, width: 5, height: 5 };
        Canvas::new(&mut frame, clip).fill(SIZE.rect(), Rgb888::WHITE);
        Canvas::new(&mut frame, clip).mark(102, 102, Button::Left);
        let inside = |x: u16, y: u16| (100..105).contains(&x) && (100..105).contains(&y);
        for y in 0..SIZE.height {
            for x in (0..SIZE.width).filter(|x| !inside(*x, y)) {
                assert_eq!(frame.row(y, x, 1), [0; 4]);
            }
        }
    }
}
