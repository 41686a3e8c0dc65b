//! A small box over the upper left corner of the window that says what the session costs (delay, frames, bytes, codecs), or
//! that the connection is lost.
//!
//! It is drawn into the window and nowhere else: screenshots are made of the novice's picture, which does not have it. Its
//! first line and its colours say that it is not part of the novice's desktop.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_7X13;
use embedded_graphics::pixelcolor::{IntoStorage as _, Rgb888};
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable as _, Pixel};
use ra_expert::{Codec, Stats};

use super::view::Area;

/// The box with its text.
pub(super) struct Overlay {
    /// Row after row, `0x00RRGGBB`.
    pixels: Vec<u32>,
}

impl Overlay {
    /// A box about what has come in the last `time`.
    pub(super) fn new(news: &Stats, time: Duration) -> Self {
        Self::of(&text(news, time))
    }

    /// A box that says why the picture has gone grey: a window without a title, on the whole screen, says it nowhere else.
    pub(super) fn lost() -> Self {
        Self::of(LOST)
    }

    fn of(text: &str) -> Self {
        let mut overlay = Self { pixels: vec![PAPER.into_storage(); (WIDTH * HEIGHT) as usize] };
        overlay.frame();
        let style = MonoTextStyle::new(&FONT_7X13, INK);
        for (line, text) in (0_i32..).zip(text.lines()) {
            let place = Point::new(MARGIN, MARGIN + line * LINE);
            // Nothing that is drawn on can fail.
            let _ = Text::with_baseline(text, place, style, Baseline::Top).draw(&mut overlay);
        }
        overlay
    }

    /// Where it lies in a window of this size; nowhere in one that is too small for it.
    pub(super) fn area(window: (u32, u32)) -> Option<Area> {
        let fits = window.0 >= PLACE + WIDTH && window.1 >= PLACE + HEIGHT;
        fits.then_some(Area { x: PLACE, y: PLACE, width: WIDTH, height: HEIGHT })
    }

    /// Copies it into the window's buffer.
    pub(super) fn paint(&self, window: (u32, u32), buffer: &mut [u32]) {
        let Some(area) = Self::area(window) else { return };
        let rows = buffer.chunks_exact_mut(window.0 as usize).skip(area.y as usize);
        for (to, from) in rows.zip(self.pixels.chunks_exact(WIDTH as usize)) {
            to[area.x as usize..(area.x + area.width) as usize].copy_from_slice(from);
        }
    }

    fn frame(&mut self) {
        let rows = self.pixels.chunks_exact_mut(WIDTH as usize);
        for (y, row) in (0..).zip(rows) {
            if !(EDGE..HEIGHT - EDGE).contains(&y) {
                row.fill(INK.into_storage());
            }
            row[..EDGE as usize].fill(INK.into_storage());
            row[(WIDTH - EDGE) as usize..].fill(INK.into_storage());
        }
    }
}

/// The text of the box, at most [`LINES`] lines.
fn text(news: &Stats, time: Duration) -> String {
    let mut text = String::from("expert-connect (Ctrl+Alt+S hides)\n");
    // Writing into a text cannot fail.
    let _ = match news.round_trip {
        Some(round_trip) => writeln!(text, "delay   {:.1} ms", round_trip.as_secs_f64() * 1000.0),
        None => writeln!(text, "delay   not known"),
    };
    if time < SHORTEST {
        text.push_str("measuring\n");
        return text;
    }
    let seconds = time.as_secs_f64();
    let _ = writeln!(text, "frames  {:.1} /s", news.frames as f64 / seconds);
    let _ = writeln!(text, "data    {}", rate(news.bytes as f64 * 8.0 / seconds));
    let total: u64 = Codec::ALL.iter().map(|&codec| news.of(codec)).sum();
    let mut shares: Vec<(u64, Codec)> = Codec::ALL.iter().map(|&codec| (news.of(codec), codec)).collect();
    shares.retain(|(bytes, _)| *bytes > 0);
    shares.sort_by_key(|(bytes, _)| core::cmp::Reverse(*bytes));
    for (bytes, codec) in shares.iter().take(SHARES) {
        let _ = writeln!(text, "{:3} %   {}", (bytes * 100 + total / 2) / total, codec.name());
    }
    text
}

fn rate(bits: f64) -> String {
    match bits {
        ..1e3 => format!("{bits:.0} bit/s"),
        ..1e6 => format!("{:.1} kbit/s", bits / 1e3),
        _ => format!("{:.1} Mbit/s", bits / 1e6),
    }
}

impl OriginDimensions for Overlay {
    fn size(&self) -> Size {
        Size::new(WIDTH, HEIGHT)
    }
}

impl DrawTarget for Overlay {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && x < WIDTH
                && let Some(pixel) = self.pixels.get_mut((y * WIDTH + x) as usize)
            {
                *pixel = colour.into_storage();
            }
        }
        Ok(())
    }
}

const LOST: &str = "expert-connect\n\nThe connection is lost, and the\npicture is what was seen last.\n\nLooking for it again, for a minute\nat most. You do not control when\nit is back.";
/// What comes in less says nothing about a second.
const SHORTEST: Duration = Duration::from_millis(100);
/// From the window's edges.
const PLACE: u32 = 8;
/// Room for the first line, in pixels: 34 letters of 7.
const WIDTH: u32 = 34 * 7 + 2 * MARGIN as u32;
/// Room for all lines.
const HEIGHT: u32 = (LINES * LINE + 2 * MARGIN) as u32;
/// Codecs that are named.
const SHARES: usize = 4;
/// The title, delay, frames, data, codecs.
const LINES: i32 = 4 + SHARES as i32;
/// From line to line.
const LINE: i32 = 14;
/// From the box's edge to its text.
const MARGIN: i32 = 7;
/// Width of the edge.
const EDGE: u32 = 2;
/// Yellow on black, as on a warning: no desktop's own windows look so.
const INK: Rgb888 = Rgb888::new(0xff, 0xd8, 0x00);
const PAPER: Rgb888 = Rgb888::new(0x10, 0x10, 0x10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_came_in_the_time_that_was_looked_at() {
        let said = text(&Stats::default(), Duration::from_secs(1));
        assert_eq!(
            said.lines().skip(1).collect::<Vec<_>>(),
            ["delay   not known", "frames  0.0 /s", "data    0 bit/s"]
        );
        assert!(text(&Stats::default(), Duration::from_micros(9)).ends_with("delay   not known\nmeasuring\n"));
        let mut news = Stats::default();
        (news.frames, news.bytes) = (90, 250_000);
        news.round_trip = Some(Duration::from_micros(20_400));
        let said = text(&news, Duration::from_millis(1500));
        assert!(said.contains("delay   20.4 ms\nframes  60.0 /s\ndata    1.3 Mbit/s\n"), "{said}");
        assert!(said.lines().count() <= LINES as usize);
        assert!(said.lines().all(|line| line.len() <= 34), "{said}");
    }

    #[test]
    fn what_is_said_of_a_loss_has_room() {
        assert!(LOST.lines().count() <= LINES as usize);
        assert!(LOST.lines().all(|line| line.len() <= 34));
    }

    #[test]
    fn it_covers_its_area_and_nothing_else() {
        let window = (640, 480);
        let mut buffer = vec![1; 640 * 480];
        Overlay::new(&Stats::default(), Duration::from_secs(1)).paint(window, &mut buffer);
        let area = Overlay::area(window).unwrap();
        for (at, &pixel) in (0_u32..).zip(&buffer) {
            let (x, y) = (at % 640, at / 640);
            let inside = x >= area.x && x < area.x + area.width && y >= area.y && y < area.y + area.height;
            assert_eq!(inside, pixel != 1, "{x} {y}");
        }
    }

    #[test]
    fn a_window_that_is_too_small_does_without() {
        let mut buffer = vec![1; 100 * 100];
        assert!(Overlay::area((100, 100)).is_none());
        Overlay::new(&Stats::default(), Duration::ZERO).paint((100, 100), &mut buffer);
        assert!(buffer.iter().all(|&pixel| pixel == 1));
    }
}
