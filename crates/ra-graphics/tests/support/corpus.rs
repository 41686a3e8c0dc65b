//! What desktops show, as scenes made by code, in two sets that differ in sizes, fonts and motion.
#![allow(dead_code, reason = "the test and the measurement use their parts of it")]

use ra_graphics::{Rect, Size};

use crate::film::Film;
use crate::font::{Font, LETTERS, Style};
use crate::scenes::{Canvas, Random};

/// Draws the picture at a step, from the one before it, and says which part of the screen is reported as changed.
type Draw = Box<dyn FnMut(&mut Canvas, usize) -> Rect>;
/// A scene, in the taste of a set.
type Maker = fn(Taste) -> Scene;

/// A desktop on which something happens, step by step.
pub(crate) struct Scene {
    pub(crate) set: &'static str,
    pub(crate) name: &'static str,
    pub(crate) size: Size,
    /// Steps after the first picture.
    pub(crate) steps: usize,
    /// Steps a second.
    pub(crate) rate: u32,
    draw: Draw,
}

impl Scene {
    /// Draws the first picture.
    pub(crate) fn begin(&mut self) -> Canvas {
        let mut canvas = Canvas::tidy(self.size);
        (self.draw)(&mut canvas, 0);
        canvas
    }

    /// Makes step `number`, counted from 1, and says which part of the screen is reported as changed.
    pub(crate) fn step(&mut self, canvas: &mut Canvas, number: usize) -> Rect {
        (self.draw)(canvas, number)
    }
}

/// What distinguishes one set from the other.
#[derive(Clone, Copy)]
struct Taste {
    set: &'static str,
    size: Size,
    style: Style,
    ink: u32,
    paper: u32,
    /// Pixels that something moves in a step.
    pace: u16,
    seed: u64,
    film: Size,
    grain: i32,
}

const FIRST: Taste = Taste {
    set: "first",
    size: Size::new(1280, 800),
    style: Style { width: 8, height: 17, weight: 1.1, fringed: false, soft: true },
    ink: 0x20_2020,
    paper: 0xFF_FFFF,
    pace: 5,
    seed: 1,
    film: Size::new(1280, 720),
    grain: 3,
};

const SECOND: Taste = Taste {
    set: "second",
    size: Size::new(1366, 768),
    style: Style { width: 11, height: 22, weight: 1.8, fringed: true, soft: true },
    ink: 0xD8_E0E8,
    paper: 0x1C_2128,
    pace: 13,
    seed: 2,
    film: Size::new(854, 480),
    grain: 5,
};

/// All scenes, those of the first set first; with `only`, those whose names contain it.
pub(crate) fn scenes(only: Option<&str>) -> Vec<Scene> {
    let makers: [(&str, Maker); 14] = [
        ("typing", typing),
        ("page", page),
        ("scroll", scroll),
        ("scroll sideways", sideways),
        ("drag over text", |taste| drag(taste, "drag over text", false)),
        ("drag over a photograph", |taste| drag(taste, "drag over a photograph", true)),
        ("photograph", photograph),
        ("film", film),
        ("gradient", gradient),
        ("noise", noise),
        ("dithering", dithering),
        ("terminal", terminal),
        ("spreadsheet", spreadsheet),
        ("menu", menu),
    ];
    let tastes = [FIRST, SECOND].into_iter();
    let named = tastes.flat_map(|taste| makers.map(|(name, make)| (name, taste, make)));
    named
        .filter(|(name, taste, _)| only.is_none_or(|only| format!("{} {name}", taste.set).contains(only)))
        .map(|(_, taste, make)| make(taste))
        .collect()
}

impl Taste {
    fn scene(
        self,
        name: &'static str,
        steps: usize,
        rate: u32,
        draw: impl FnMut(&mut Canvas, usize) -> Rect + 'static,
    ) -> Scene {
        Scene { set: self.set, name, size: self.size, steps, rate, draw: Box::new(draw) }
    }

    fn font(self) -> Font {
        Font::new(self.style, self.seed)
    }

    /// A part of the desktop, in hundredths of its sides.
    fn part(self, x: u32, y: u32, width: u32, height: u32) -> Rect {
        let across = |share: u32| (u32::from(self.size.width) * share / 100) as u16;
        let down = |share: u32| (u32::from(self.size.height) * share / 100) as u16;
        Rect::new(across(x), down(y), across(width), down(height))
    }

    /// A window with a title and a frame; returns its inside.
    fn window(self, canvas: &mut Canvas, rect: Rect) -> Rect {
        let title = self.style.height + 8;
        canvas.fill(rect, 0x30_5078);
        let clip = Rect::new(rect.x, rect.y, rect.width, title);
        let place = (u32::from(rect.x) + 10, u32::from(rect.y) + 4);
        self.font().line(canvas, clip, place, 24, self.seed, (0xFF_FFFF, 0x30_5078));
        let inside = Rect::new(rect.x + 1, rect.y + title, rect.width - 2, rect.height - title - 1);
        canvas.fill(inside, self.paper);
        inside
    }

    /// The desktop behind the windows.
    fn desktop(self, canvas: &mut Canvas) {
        let size = canvas.size;
        let film = Film::new(size, self.seed + 40, 1);
        let (bytes, stride) = canvas.bytes_from(0, 0);
        film.draw(0, bytes, stride);
    }
}

fn typing(taste: Taste) -> Scene {
    let font = taste.font();
    let window = taste.part(10, 8, 70, 80);
    let (ink, paper) = (taste.ink, taste.paper);
    let mut inside = Rect::default();
    taste.scene("typing", 24, 10, move |canvas, number| {
        if number == 0 {
            taste.desktop(canvas);
            inside = taste.window(canvas, window);
            let above = Rect { height: font.height * 9, ..inside };
            font.page(canvas, above, 20, ink, paper);
            return window;
        }
        // A letter, and the caret behind it.
        let place =
            Rect::new(inside.x + font.width * number as u16, inside.y + font.height * 9, font.width * 2, font.height);
        canvas.fill(place, paper);
        let letter = Random(number as u64).below(LETTERS);
        font.letter(canvas, place, (u32::from(place.x), u32::from(place.y)), letter, (ink, paper));
        canvas.fill(Rect { x: place.x + font.width, width: 2, ..place }, ink);
        place
    })
}

fn page(taste: Taste) -> Scene {
    let font = taste.font();
    let whole = taste.size.rect();
    taste.scene("page", 4, 4, move |canvas, number| {
        font.page(canvas, whole, 100 * number as u64, taste.ink, taste.paper);
        whole
    })
}

fn scroll(taste: Taste) -> Scene {
    let mut sheet = Canvas::tidy(Size::new(taste.size.width, taste.size.height * 2));
    let all = sheet.size.rect();
    taste.font().page(&mut sheet, all, 0, taste.ink, taste.paper);
    let window = taste.part(12, 6, 74, 88);
    let mut inside = Rect::default();
    taste.scene("scroll", 20, 60, move |canvas, number| {
        if number == 0 {
            taste.desktop(canvas);
            inside = taste.window(canvas, window);
        }
        // Down, faster and faster, then up again.
        let at = if number <= 12 { number * (number + 1) / 2 } else { 78 - (number - 12) * 4 };
        canvas.copy(&sheet, Rect { x: 0, y: at as u16 * taste.pace, ..inside }, inside.x, inside.y);
        inside
    })
}

fn sideways(taste: Taste) -> Scene {
    let mut sheet = Canvas::tidy(Size::new(taste.size.width * 2, taste.size.height));
    let font = taste.font();
    let all = sheet.size.rect();
    font.page(&mut sheet, all, 50, taste.ink, taste.paper);
    let window = taste.part(5, 30, 80, 55);
    let mut inside = Rect::default();
    taste.scene("scroll sideways", 16, 60, move |canvas, number| {
        if number == 0 {
            taste.desktop(canvas);
            inside = taste.window(canvas, window);
        }
        let at = number as u16 * (taste.pace + number as u16 % 3);
        canvas.copy(&sheet, Rect { x: at, y: 0, ..inside }, inside.x, inside.y);
        inside
    })
}

fn drag(taste: Taste, name: &'static str, over_photograph: bool) -> Scene {
    let size = taste.size;
    let mut behind = Canvas::tidy(size);
    if over_photograph {
        taste.desktop(&mut behind);
    } else {
        taste.font().page(&mut behind, size.rect(), 300, taste.ink, taste.paper);
    }
    let mut window = Canvas::tidy(Size::new(size.width / 2, size.height / 2));
    let frame = window.size.rect();
    let inside = taste.window(&mut window, frame);
    taste.font().page(&mut window, inside, 500, taste.ink, taste.paper);
    let (mut x, mut y) = (0, 0);
    taste.scene(name, 20, 60, move |canvas, number| {
        let before = Rect::new(x, y, frame.width, frame.height);
        let angle = number as f32 * 0.3 + taste.seed as f32;
        let reach = f32::from(taste.pace) * 9.0;
        x = (f32::from(size.width) / 4.0 + reach * angle.sin()) as u16;
        y = (f32::from(size.height) / 4.0 + reach * 0.7 * (angle * 1.3).cos()) as u16;
        if number == 0 {
            canvas.copy(&behind, size.rect(), 0, 0);
        }
        canvas.copy(&behind, before, before.x, before.y);
        canvas.copy(&window, frame, x, y);
        let (left, top) = (x.min(before.x), y.min(before.y));
        let (right, bottom) = (x.max(before.x) + frame.width, y.max(before.y) + frame.height);
        Rect::new(left, top, right - left, bottom - top)
    })
}

fn photograph(taste: Taste) -> Scene {
    let rect = taste.part(20, 15, 55, 70);
    let film = Film::new(Size::new(rect.width, rect.height), taste.seed + 7, taste.grain);
    taste.scene("photograph", 1, 1, move |canvas, number| {
        if number == 0 {
            taste.font().page(canvas, taste.size.rect(), 700, taste.ink, taste.paper);
        } else {
            let (bytes, stride) = canvas.bytes_from(rect.x, rect.y);
            film.draw(3, bytes, stride);
        }
        rect
    })
}

fn film(taste: Taste) -> Scene {
    let film = Film::new(taste.film, taste.seed + 20, taste.grain);
    let (x, y) = ((taste.size.width - taste.film.width) / 3, (taste.size.height - taste.film.height) / 2);
    taste.scene("film", 30, 30, move |canvas, number| {
        if number == 0 {
            taste.font().page(canvas, taste.size.rect(), 900, taste.ink, taste.paper);
        }
        let (bytes, stride) = canvas.bytes_from(x, y);
        film.draw(number, bytes, stride);
        Rect::new(x, y, taste.film.width, taste.film.height)
    })
}

fn gradient(taste: Taste) -> Scene {
    let whole = taste.size.rect();
    let (width, height) = (u32::from(taste.size.width), u32::from(taste.size.height));
    taste.scene("gradient", 3, 2, move |canvas, number| {
        let turned = (number as u64 + taste.seed).is_multiple_of(2);
        canvas.paint(whole, |x, y| {
            let (x, y) = (u32::from(x), u32::from(y));
            let (a, b) = if turned { (x * 255 / width, y * 200 / height) } else { (y * 255 / height, x * 180 / width) };
            a << 16 | (255 - b) << 8 | ((a + b) / 2 + number as u32 * 7)
        });
        whole
    })
}

fn noise(taste: Taste) -> Scene {
    let rect = taste.part(30, 30, 30, 40);
    taste.scene("noise", 4, 4, move |canvas, number| {
        if number == 0 {
            taste.font().page(canvas, taste.size.rect(), 40, taste.ink, taste.paper);
        }
        canvas.noise(rect);
        rect
    })
}

fn dithering(taste: Taste) -> Scene {
    let rect = taste.part(10, 10, 60, 70);
    let film = Film::new(Size::new(rect.width, rect.height * 2), taste.seed + 3, 0).picture(0);
    let stride = usize::from(rect.width);
    let mut sheet = Canvas::tidy(film.size);
    // Four levels a channel, by the 4x4 matrix of Bayer.
    sheet.paint(film.size.rect(), |x, y| {
        let at = (usize::from(y) * stride + usize::from(x)) * 4;
        let threshold = BAYER[usize::from(y % 4)][usize::from(x % 4)] * 5;
        let level = |value: u8| ((u32::from(value) + threshold) / 85).min(3) * 85;
        level(film.bytes[at + 2]) << 16 | level(film.bytes[at + 1]) << 8 | level(film.bytes[at])
    });
    taste.scene("dithering", 6, 10, move |canvas, number| {
        if number == 0 {
            canvas.fill(taste.size.rect(), 0x80_8080);
        }
        let at = number as u16 * taste.pace * 4;
        canvas.copy(&sheet, Rect { x: 0, y: at, ..rect }, rect.x, rect.y);
        rect
    })
}

fn terminal(taste: Taste) -> Scene {
    let style =
        Style { width: taste.style.width - 1, height: taste.style.height - 2, soft: taste.seed == 2, ..taste.style };
    let font = Font::new(style, taste.seed + 5);
    let window = taste.part(8, 10, 70, 80);
    let mut inside = Rect::default();
    let mut lines = 0u64;
    taste.scene("terminal", 24, 30, move |canvas, number| {
        if number == 0 {
            taste.desktop(canvas);
            inside = taste.window(canvas, window);
            canvas.fill(inside, 0x10_1418);
        }
        // One line at a time, then a burst of several.
        let rows = u64::from(inside.height / font.height);
        let more = if number == 0 { rows } else { 1 + number as u64 / 8 * (taste.seed + 1) };
        lines += more;
        let text = Rect { height: rows as u16 * font.height, ..inside };
        let gone = more.min(rows) as u16 * font.height;
        canvas.shift(Rect { y: text.y + gone, height: text.height - gone, ..text }, 0, -i32::from(gone));
        let bottom = text.y + text.height;
        for line in 0..more.min(rows) {
            let y = bottom - (more.min(rows) - line) as u16 * font.height;
            let row = Rect { y, height: font.height, ..text };
            canvas.fill(row, 0x10_1418);
            let number = lines - more + line;
            let mut x = u32::from(row.x) + 4;
            for word in 0..3 + number % 4 {
                let ink = COLOURS[((number * 3 + word) % COLOURS.len() as u64) as usize];
                let length = 3 + Random(number * 11 + word).below(9);
                font.line(canvas, row, (x, u32::from(y)), length, number * 17 + word, (ink, 0x10_1418));
                x += (length as u32 + 1) * u32::from(font.width);
            }
        }
        window
    })
}

fn spreadsheet(taste: Taste) -> Scene {
    let font = taste.font();
    let (wide, high) = (font.width * 9, font.height + 5);
    let (columns, rows) = (taste.size.width / wide, taste.size.height / high);
    let cell = move |column: u16, row: u16| Rect::new(column * wide, row * high, wide, high);
    let draw_cell = move |canvas: &mut Canvas, column: u16, row: u16, seed: u64, chosen: bool| {
        let rect = cell(column, row);
        let paper = if column == 0 || row == 0 { 0x70_7478 } else { taste.paper };
        canvas.fill(rect, if chosen { 0x20_8040 } else { 0xA0_A4A8 });
        let edge = if chosen { 2 } else { 0 };
        canvas.fill(Rect::new(rect.x + edge, rect.y + edge, wide - 1 - edge, high - 1 - edge), paper);
        let length = Random(seed).below(7);
        font.line(canvas, rect, (u32::from(rect.x) + 4, u32::from(rect.y) + 3), length, seed, (taste.ink, paper));
    };
    let (mut column, mut row) = (2, 3);
    taste.scene("spreadsheet", 24, 10, move |canvas, number| {
        if number == 0 {
            canvas.fill(taste.size.rect(), 0x90_9498);
            for row in 0..rows {
                for column in 0..columns {
                    draw_cell(canvas, column, row, u64::from(row) * 100 + u64::from(column), false);
                }
            }
            return taste.size.rect();
        }
        let before = cell(column, row);
        if number % 3 == 0 {
            // The chosen cell gets another text.
            draw_cell(canvas, column, row, 9_000 + number as u64, true);
            return before;
        }
        draw_cell(canvas, column, row, u64::from(row) * 100 + u64::from(column), false);
        if number % 2 == 0 {
            column += 1
        } else {
            row += taste.seed as u16
        }
        draw_cell(canvas, column, row, u64::from(row) * 100 + u64::from(column), true);
        let after = cell(column, row);
        Rect::new(before.x, before.y, after.x + wide - before.x, after.y + high - before.y)
    })
}

fn menu(taste: Taste) -> Scene {
    let font = taste.font();
    let mut behind = Canvas::tidy(taste.size);
    taste.desktop(&mut behind);
    let inside = taste.window(&mut behind, taste.part(15, 10, 60, 75));
    font.page(&mut behind, inside, 60, taste.ink, taste.paper);
    taste.scene("menu", 16, 5, move |canvas, number| {
        if number == 0 {
            canvas.copy(&behind, taste.size.rect(), 0, 0);
        }
        // Opened, an entry chosen, another one, closed; the next one is beside it.
        let high = font.height + 6;
        let place = (number.saturating_sub(1) / 4) as u16;
        let rect = Rect::new(inside.x + 30 + place * 90, inside.y + 4, font.width * 22, high * 11);
        if number == 0 || number % 4 == 0 {
            canvas.copy(&behind, rect, rect.x, rect.y);
            return rect;
        }
        canvas.fill(rect, 0x60_6468);
        for entry in 0..11 {
            let chosen = usize::from(entry) == number % 4 * 2;
            let paper = if chosen { 0x30_60B0 } else { 0xF0_F0F0 };
            let row =
                Rect::new(rect.x + 1, rect.y + 1 + entry * high, rect.width - 2, high - u16::from(entry == 10) * 2);
            canvas.fill(row, paper);
            let place_of_text = (u32::from(row.x) + 24, u32::from(row.y) + 3);
            font.line(
                canvas,
                row,
                place_of_text,
                10 + u64::from(entry) % 7,
                u64::from(place * 20 + entry),
                (0x10_1010, paper),
            );
        }
        rect
    })
}

const COLOURS: [u32; 6] = [0xD0_D0D0, 0x60_C060, 0xE0_7050, 0x60_90E0, 0xD0_B050, 0xB0_70C0];
const BAYER: [[u32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
