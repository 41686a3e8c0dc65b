//! What the agent's windows look like: paragraphs and buttons, as pixels.

use std::convert::Infallible;

use embedded_graphics::mono_font::{
    MonoFont, MonoTextStyleBuilder, ascii, iso_8859_2, iso_8859_4, iso_8859_5, iso_8859_7, iso_8859_9, iso_8859_15,
};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyleBuilder, Rectangle, StrokeAlignment, StyledDrawable as _};
use embedded_graphics::text::{Baseline, Text};

/// What stands in a window: text above, buttons below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    lines: Vec<String>,
    buttons: Vec<Button>,
    columns: usize,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Button {
    /// What it does.
    pub(super) does: Does,
    /// Pressed by Enter and the space bar.
    pub(super) focused: bool,
    /// Can be pressed at all.
    pub(super) live: bool,
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Answers yes.
    Yes,
    /// Answers no.
    No,
    /// Takes control back.
    TakeBack,
    /// Ends the session.
    Stop,
}

/// Pixels for an X server: blue, green, red, unused.
#[derive(Debug)]
pub(super) struct Canvas {
    width: u16,
    height: u16,
    /// Row by row from the top.
    pub(super) pixels: Vec<u8>,
}

impl Sheet {
    /// Paragraphs in lines of at most so many letters, and buttons from left to right.
    pub(super) fn new(paragraphs: &[String], widest: usize, buttons: Vec<Button>) -> Self {
        let mut lines = Vec::new();
        for paragraph in paragraphs {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(wrap(paragraph, widest));
        }
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        let for_buttons = (buttons.len() * usize::from(BUTTON.0 + GAP)).div_ceil(usize::from(CELL.0));
        Self { lines, buttons, columns: longest.max(for_buttons) }
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u16, u16) {
        let clamp = |pixels: usize| u16::try_from(pixels).unwrap_or(u16::MAX);
        let width = self.columns * usize::from(CELL.0) + 2 * usize::from(MARGIN);
        let height = self.lines.len() * usize::from(CELL.1) + usize::from(3 * MARGIN + BUTTON.1);
        (clamp(width), clamp(height))
    }

    /// What the button at this place does; `None` beside the live ones.
    pub(super) fn at(&self, x: i16, y: i16) -> Option<Does> {
        let point = Point::new(x.into(), y.into());
        let hit = |(button, place): &(&Button, Rectangle)| button.live && place.contains(point);
        self.placed().find(hit).map(|(button, _)| button.does)
    }

    pub(super) fn buttons(&mut self) -> &mut [Button] {
        &mut self.buttons
    }

    pub(super) fn draw(&self) -> Canvas {
        let (width, height) = self.size();
        let mut canvas = Canvas { width, height, pixels: vec![0; usize::from(width) * usize::from(height) * 4] };
        let edge = PrimitiveStyleBuilder::new().stroke_color(INK).stroke_width(2).fill_color(PAPER);
        let edge = edge.stroke_alignment(StrokeAlignment::Inside).build();
        paint(canvas.bounding_box().draw_styled(&edge, &mut canvas));
        for (at, line) in (0..).zip(&self.lines) {
            let place = Point::new(MARGIN.into(), i32::from(MARGIN) + at * i32::from(CELL.1));
            canvas.write(place, line, INK, PAPER);
        }
        for (button, place) in self.placed() {
            let (ink, paper) = match (button.live, button.focused) {
                (false, _) => (FAINT, PAPER),
                (true, false) => (INK, PAPER),
                (true, true) => (PAPER, INK),
            };
            let style = PrimitiveStyleBuilder::new().stroke_color(ink).stroke_width(2).fill_color(paper).build();
            paint(place.draw_styled(&style, &mut canvas));
            let word = button.does.word();
            let width = i32::try_from(word.len()).unwrap_or_default() * i32::from(CELL.0);
            let corner = place.center() - Point::new(width / 2, i32::from(CELL.1) / 2);
            canvas.write(corner, word, ink, paper);
        }
        canvas
    }

    /// The buttons and where they stand: at the right, below the text.
    fn placed(&self) -> impl Iterator<Item = (&Button, Rectangle)> {
        let (width, height) = self.size();
        let step = i32::from(BUTTON.0 + GAP);
        let last = i32::from(width) - i32::from(MARGIN) - i32::from(BUTTON.0);
        let top = i32::from(height) - i32::from(MARGIN + BUTTON.1);
        self.buttons.iter().rev().zip(0..).map(move |(button, at)| {
            let corner = Point::new(last - at * step, top);
            (button, Rectangle::new(corner, Size::new(BUTTON.0.into(), BUTTON.1.into())))
        })
    }
}

impl Does {
    fn word(self) -> &'static str {
        match self {
            Self::Yes => "Yes",
            Self::No => "No",
            Self::TakeBack => "Take back",
            Self::Stop => "Stop",
        }
    }
}

impl Canvas {
    /// Writes with whichever font has the letter.
    fn write(&mut self, mut place: Point, text: &str, ink: Rgb888, paper: Rgb888) {
        for letter in text.chars() {
            let (font, letter) = font_of(letter);
            let style = MonoTextStyleBuilder::new().font(font).text_color(ink).background_color(paper).build();
            let mut buffer = [0; 4];
            let text = Text::with_baseline(letter.encode_utf8(&mut buffer), place, style, Baseline::Top);
            paint(text.draw(self).map(drop));
            place.x += i32::from(CELL.0);
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width.into(), self.height.into())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
            if x < usize::from(self.width) && y < usize::from(self.height) {
                let at = (y * usize::from(self.width) + x) * 4;
                self.pixels[at..at + 4].copy_from_slice(&[colour.b(), colour.g(), colour.r(), 0]);
            }
        }
        Ok(())
    }
}

/// The font that has this letter, or a question mark.
fn font_of(letter: char) -> (&'static MonoFont<'static>, char) {
    let has =
        |font: &&&MonoFont<'_>| letter == '?' || font.glyph_mapping.index(letter) != font.glyph_mapping.index('?');
    FONTS.iter().find(has).map_or((FONTS[0], '?'), |font| (*font, letter))
}

/// Lines of at most so many letters, broken between words, or inside one that is too long.
fn wrap(text: &str, widest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let length = |text: &str| text.chars().count();
        if !line.is_empty() && length(&line) + 1 + length(word) > widest {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in word.chars() {
            if length(&line) >= widest {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

fn paint(drawn: Result<(), Infallible>) {
    match drawn {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Western, then the other languages of Europe; letters of any other become a question mark.
const FONTS: [&MonoFont<'_>; 7] = [
    &ascii::FONT_10X20,
    &iso_8859_15::FONT_10X20,
    &iso_8859_2::FONT_10X20,
    &iso_8859_5::FONT_10X20,
    &iso_8859_7::FONT_10X20,
    &iso_8859_9::FONT_10X20,
    &iso_8859_4::FONT_10X20,
];
const CELL: (u16, u16) = (10, 20);
const MARGIN: u16 = 20;
const BUTTON: (u16, u16) = (140, 44);
const GAP: u16 = 20;
const PAPER: Rgb888 = Rgb888::new(0xFF, 0xFF, 0xFF);
const INK: Rgb888 = Rgb888::new(0x14, 0x32, 0x4F);
const FAINT: Rgb888 = Rgb888::new(0xB0, 0xB8, 0xC0);

#[cfg(test)]
mod tests {
    use super::*;

    fn question(paragraph: &str) -> Sheet {
        let no = Button { does: Does::No, focused: true, live: true };
        let yes = Button { does: Does::Yes, focused: false, live: false };
        Sheet::new(&[paragraph.to_owned()], 20, vec![no, yes])
    }

    #[test]
    fn a_button_that_is_not_live_cannot_be_hit_and_one_that_is_can() {
        let mut sheet = question("May they?");
        let (width, height) = sheet.size();
        let at = |x: u16| (i16::try_from(width - x).unwrap(), i16::try_from(height - MARGIN - 10).unwrap());
        let (yes, no) = (at(MARGIN + 10), at(MARGIN + BUTTON.0 + GAP + 10));
        assert_eq!((sheet.at(yes.0, yes.1), sheet.at(no.0, no.1)), (None, Some(Does::No)));
        sheet.buttons()[1].live = true;
        assert_eq!(sheet.at(yes.0, yes.1), Some(Does::Yes));
        assert_eq!(sheet.at(0, 0), None);
        assert_eq!(sheet.at(-5, i16::MAX), None);
    }

    #[test]
    fn lines_break_between_words_and_inside_one_that_is_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        for line in wrap(&"x".repeat(1000), 60) {
            assert!(line.len() <= 60);
        }
    }

    #[test]
    fn letters_of_europe_are_there_and_others_are_a_question_mark() {
        for letter in ['a', '?', 'é', 'ł', 'Я', 'Ω', 'ğ', '€'] {
            assert_eq!(font_of(letter).1, letter);
        }
        assert_eq!(font_of('漢').1, '?');
        assert_eq!(font_of('\u{202e}').1, '?');
    }

    #[test]
    fn everything_is_drawn_inside() {
        let sheet = question("Łucja Żółć wants to see your desktop.");
        let canvas = sheet.draw();
        let (width, height) = sheet.size();
        assert_eq!(canvas.pixels.len(), usize::from(width) * usize::from(height) * 4);
        assert!(canvas.pixels.chunks_exact(4).any(|pixel| pixel == [INK.b(), INK.g(), INK.r(), 0]));
    }
}
