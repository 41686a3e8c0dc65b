//! The shortest way from one picture to the next: windows that are dragged, menus that open and close, film.
#![cfg(feature = "h264")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/scenes.rs"]
mod scenes;
#[path = "support/viewer.rs"]
mod viewer;

use std::time::Duration;

use proptest::prelude::*;
use ra_graphics::gfx::GfxServer;
use ra_graphics::{Rect, Size};
use scenes::Canvas;
use viewer::Viewer;

/// A server, a client that decodes film, and a clock.
struct Pair {
    server: GfxServer,
    viewer: Viewer,
    now: Duration,
    /// From sending to acknowledgement: a fixed part, and one for each byte.
    delay: Duration,
    bytes_a_second: u64,
}

impl Pair {
    fn open() -> Self {
        let (server, viewer) = (GfxServer::new(), Viewer::with_video());
        let mut pair =
            Self { server, viewer, now: Duration::from_secs(5), delay: Duration::ZERO, bytes_a_second: u64::MAX };
        let replies = pair.server.receive(&pair.viewer.advertise(), pair.now).unwrap();
        pair.deliver(replies);
        pair
    }

    fn over(delay: Duration, bytes_a_second: u64) -> Self {
        Self { delay, bytes_a_second, ..Self::open() }
    }

    fn deliver(&mut self, payloads: Vec<Vec<u8>>) -> usize {
        let bytes: usize = payloads.iter().map(Vec::len).sum();
        if bytes > 0 {
            self.now += self.delay + Duration::from_micros(bytes as u64 * 1_000_000 / self.bytes_a_second);
        }
        for payload in payloads {
            for answer in self.viewer.show(&payload) {
                assert!(self.server.receive(&answer, self.now).unwrap().is_empty());
            }
        }
        bytes
    }

    /// Sends a frame a sixtieth of a second after the last one; returns its bytes.
    fn frame(&mut self, canvas: &Canvas) -> usize {
        self.now += Duration::from_micros(16_667);
        let payloads = self.server.frame(&canvas.view(), &[canvas.size.rect()], self.now).unwrap();
        self.deliver(payloads)
    }

    /// Lets the desktop rest until nothing is due any more; returns how long it took.
    fn rest(&mut self, canvas: &Canvas) -> Duration {
        let since = self.now;
        while let Some(due) = self.server.next_frame_at() {
            self.now = self.now.max(due);
            let payloads = self.server.frame(&canvas.view(), &[], self.now).unwrap();
            assert!(!payloads.is_empty(), "what is due is sent");
            self.deliver(payloads);
            assert!(self.now < since + Duration::from_secs(600), "it comes to an end");
        }
        self.now - since
    }

    fn is_exact(&self, canvas: &Canvas) -> bool {
        self.viewer.screen == canvas.colours()
    }

    /// Peak signal to noise of what the client shows of `rect`, in decibels.
    fn likeness(&self, canvas: &Canvas, rect: Rect) -> f64 {
        let colours = canvas.colours();
        let mut sum = 0.0;
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                let at = usize::from(y) * usize::from(canvas.size.width) + usize::from(x);
                for (a, b) in colours[at].iter().zip(self.viewer.screen[at]) {
                    sum += (f64::from(*a) - f64::from(b)).powi(2);
                }
            }
        }
        10.0 * (255.0 * 255.0 / (sum / (rect.area() * 3) as f64).max(1e-9)).log10()
    }
}

const SIZE: Size = Size::new(1000, 700);

fn desk() -> Canvas {
    let mut canvas = Canvas::new(SIZE, 4);
    canvas.text(Rect::new(0, 0, 640, 700), 1);
    canvas.photograph(Rect::new(640, 0, 360, 700), 0.4);
    canvas
}

fn window(canvas: &mut Canvas, x: u16, y: u16) {
    canvas.text(Rect::new(x, y, 310, 230), 900);
    canvas.fill(Rect::new(x, y, 310, 24), 0x22_4488);
}

#[test]
fn a_window_that_is_dragged_costs_its_outline_and_not_its_area() {
    let mut pair = Pair::open();
    let empty = desk();
    pair.frame(&empty);
    pair.now += Duration::from_secs(2);
    let mut canvas = empty.clone();
    window(&mut canvas, 300, 200);
    let opened = pair.frame(&canvas);
    // Over text and over a photograph, in all directions.
    let places =
        (1..60u16).map(|n| (300 + n * 6, 200 + (n % 20) * 9)).chain((0..60).map(|n| (654 - n * 11, 371 - n * 5)));
    for (x, y) in places {
        let mut canvas = empty.clone();
        window(&mut canvas, x, y);
        let bytes = pair.frame(&canvas);
        assert!(pair.is_exact(&canvas), "at {x}, {y}");
        assert!(bytes < 3_000 && bytes < opened, "{bytes} bytes at {x}, {y}, {opened} when it was opened");
    }
}

#[test]
fn what_a_menu_covered_comes_back_without_being_sent() {
    let mut pair = Pair::open();
    let empty = desk();
    let whole = pair.frame(&empty);
    for visit in 0..3 {
        pair.now += Duration::from_secs(2);
        let mut canvas = empty.clone();
        canvas.text(Rect::new(560, 100, 250, 400), 50);
        let opened = pair.frame(&canvas);
        assert!(pair.is_exact(&canvas));
        pair.now += Duration::from_millis(300);
        let closed = pair.frame(&empty);
        assert!(pair.is_exact(&empty), "visit {visit}");
        assert!(closed < 1_500 && closed < opened, "{closed} bytes after {opened}, {whole} for everything");
    }
}

#[test]
fn two_windows_change_places_for_one_copy() {
    let mut pair = Pair::open();
    let (one, mut two) = (desk(), Canvas::new(SIZE, 8));
    two.text(SIZE.rect(), 3000);
    pair.frame(&one);
    pair.now += Duration::from_secs(2);
    let first = pair.frame(&two);
    pair.now += Duration::from_secs(2);
    let back = pair.frame(&one);
    assert!(pair.is_exact(&one));
    assert!(back < first / 10, "{back} bytes back, {first} there");
}

#[test]
fn a_page_that_is_scrolled_by_ever_other_steps_is_moved_every_time() {
    let mut pair = Pair::open();
    let size = Size::new(1280, 800);
    let mut page = Canvas::new(Size::new(1280, 6000), 3);
    page.text(page.size.rect(), 1);
    let at = |top: u16| {
        let mut canvas = Canvas::tidy(size);
        canvas.copy(&page, Rect { y: top, ..size.rect() }, 0, 0);
        // A clock in a corner of it stands still and shows something else each time.
        canvas.text(Rect::new(1100, 60, 100, 40), u64::from(top));
        canvas
    };
    let mut top = 100i32;
    let whole = pair.frame(&at(top as u16));
    for step in [7, 7, 35, 14, 70, 7, 210, 21, 300, 7, 140].into_iter().chain([-35, -7, -210, -14]) {
        top += step;
        let canvas = at(top as u16);
        let bytes = pair.frame(&canvas);
        assert!(pair.is_exact(&canvas));
        // What came to light, the clock twice (where it was, too), and the messages.
        let fair = whole * step.unsigned_abs() as usize / 800 * 13 / 10 + 2 * 100 * 40 * 4 + 2_000;
        assert!(bytes < fair, "{bytes} bytes for a step of {step}, {fair} would be fair, {whole} are the page");
    }
}

#[test]
fn film_is_rough_while_it_runs_and_exact_once_it_rests() {
    let mut pair = Pair::open();
    let mut canvas = desk();
    pair.frame(&canvas);
    let area = Rect::new(101, 57, 480, 272);
    let mut sizes = Vec::new();
    for number in 0..30u16 {
        canvas.photograph(area, f32::from(number) / 9.0);
        canvas.text(Rect::new(20, 640, 300, 40), u64::from(number)); // and somebody types below
        pair.now += Duration::from_millis(16);
        sizes.push(pair.frame(&canvas));
        let likeness = pair.likeness(&canvas, area);
        assert!(likeness > 34.0, "{likeness:.1} dB in picture {number}");
    }
    let exact = usize::from(area.width) * usize::from(area.height) * 2;
    assert!(sizes[0] > exact / 2, "the first picture may be a photograph: {sizes:?}");
    assert!(sizes[10..].iter().all(|size| size * 10 < exact), "{sizes:?}");
    assert!(!pair.is_exact(&canvas));
    let took = pair.rest(&canvas);
    assert!(pair.is_exact(&canvas), "all of it");
    assert!(took <= Duration::from_millis(180), "{took:?}");
    assert_eq!(pair.frame(&canvas), 0, "and then nothing");
}

#[test]
fn text_where_a_film_was_is_sent_as_text_soon() {
    let mut pair = Pair::open();
    let mut canvas = desk();
    let area = Rect::new(128, 64, 384, 256);
    for number in 0..10u16 {
        canvas.photograph(area, f32::from(number) / 9.0);
        pair.frame(&canvas);
    }
    for number in 0..20u64 {
        canvas.text(area, number * 50);
        pair.frame(&canvas);
        if number > 5 {
            assert!(pair.is_exact(&canvas), "page {number}");
        }
    }
}

#[test]
fn a_rough_picture_stays_known_as_rough_when_it_is_moved() {
    let mut pair = Pair::open();
    let mut canvas = desk();
    let area = Rect::new(120, 80, 400, 300);
    for number in 0..12u16 {
        canvas.photograph(area, f32::from(number) / 9.0);
        pair.frame(&canvas);
    }
    // The page with the film in it is scrolled before the film was made exact, and again.
    for _ in 0..4 {
        canvas.shift(Rect::new(0, 0, 640, 700), 0, -40);
        pair.frame(&canvas);
    }
    pair.rest(&canvas);
    assert!(pair.is_exact(&canvas));
}

#[test]
fn a_slow_line_gets_a_rough_picture_first_and_the_exact_one_in_pieces() {
    // 2 Mbit/s, 80 ms.
    let mut pair = Pair::over(Duration::from_millis(80), 250_000);
    let mut canvas = desk();
    for line in 0..12u64 {
        // Text comes first: the line is known by it.
        canvas.text(Rect::new(0, 0, 640, 700), line * 40);
        pair.frame(&canvas);
    }
    let area = Rect::new(100, 50, 500, 400);
    canvas.photograph(area, 2.0);
    let rough = pair.frame(&canvas);
    assert!(rough < 60_000, "{rough} bytes at first");
    assert!(pair.likeness(&canvas, area) > 28.0, "{}", pair.likeness(&canvas, area));
    assert!(!pair.is_exact(&canvas));
    // In the middle of the repair something else happens and does not wait for it.
    pair.now = pair.server.next_frame_at().unwrap().max(pair.now);
    let piece = pair.server.frame(&canvas.view(), &[], pair.now).unwrap();
    let piece = pair.deliver(piece);
    assert!(piece < 40_000, "{piece} bytes of repair at once");
    canvas.fill(Rect::new(700, 600, 40, 40), 0xFF_0000);
    pair.frame(&canvas);
    pair.rest(&canvas);
    assert!(pair.is_exact(&canvas));
}

#[derive(Debug, Clone)]
enum Change {
    Fill(Rect, u32),
    Text(Rect, u64),
    Photograph(Rect, u8),
    Film(Rect, u8),
    Drag(u16, u16, i32, i32, u8),
    Shift(Rect, i32, i32),
    Pause(u16),
    Repaint,
    Resize(u16, u16),
}

fn any_rect() -> impl Strategy<Value = Rect> {
    (0u16..500, 0u16..400, 0u16..400, 0u16..300).prop_map(|(x, y, width, height)| Rect::new(x, y, width, height))
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => (any_rect(), 0u32..0x100_0000).prop_map(|(rect, colour)| Change::Fill(rect, colour)),
        1 => (any_rect(), 0u64..9999).prop_map(|(rect, line)| Change::Text(rect, line)),
        1 => (any_rect(), any::<u8>()).prop_map(|(rect, phase)| Change::Photograph(rect, phase)),
        3 => (any_rect(), 4u8..12).prop_map(|(rect, pictures)| Change::Film(rect, pictures)),
        2 => (0u16..300, 0u16..200, -20i32..20, -20i32..20, 1u8..8)
            .prop_map(|(x, y, right, down, steps)| Change::Drag(x, y, right, down, steps)),
        2 => (any_rect(), -30i32..30, -30i32..30).prop_map(|(rect, right, down)| Change::Shift(rect, right, down)),
        2 => (0u16..2500).prop_map(Change::Pause),
        1 => Just(Change::Repaint),
        1 => (1u16..600, 1u16..500).prop_map(|(width, height)| Change::Resize(width, height)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happened, on a fast line and on a slow one: a desktop that rests is shown exactly.
    #[test]
    fn what_rests_is_exact(
        changes in prop::collection::vec(any_change(), 1..14),
        seed in any::<u64>(),
        slow in any::<bool>(),
    ) {
        let mut pair = if slow { Pair::over(Duration::from_millis(20), 400_000) } else { Pair::open() };
        let mut canvas = Canvas::new(Size::new(560, 430), seed);
        pair.frame(&canvas);
        for change in changes {
            match change {
                Change::Fill(rect, colour) => canvas.fill(rect, colour),
                Change::Text(rect, line) => canvas.text(rect, line),
                Change::Photograph(rect, phase) => canvas.photograph(rect, f32::from(phase) / 9.0),
                Change::Film(rect, pictures) => {
                    for number in 0..pictures {
                        canvas.photograph(rect, f32::from(number) / 5.0);
                        pair.frame(&canvas);
                    }
                }
                Change::Drag(x, y, right, down, steps) => {
                    let empty = canvas.clone();
                    for step in 0..=i32::from(steps) {
                        canvas = empty.clone();
                        let place = |start: u16, by: i32| (i32::from(start) + by * step).clamp(0, 400) as u16;
                        window(&mut canvas, place(x, right), place(y, down));
                        pair.frame(&canvas);
                    }
                }
                Change::Shift(rect, right, down) => canvas.shift(rect, right, down),
                Change::Pause(time) => {
                    pair.rest(&canvas);
                    pair.now += Duration::from_millis(u64::from(time));
                }
                Change::Repaint => pair.server.repaint(),
                Change::Resize(width, height) => canvas = Canvas::new(Size::new(width, height), seed ^ 5),
            }
            pair.frame(&canvas);
        }
        pair.rest(&canvas);
        prop_assert!(pair.is_exact(&canvas));
    }
}

#[test]
fn a_film_that_begins_on_a_thin_line_never_clogs_it() {
    let mut pair = Pair::over(Duration::from_millis(80), 250_000);
    let mut canvas = desk();
    let first = pair.frame(&canvas);
    let area = Rect::new(96, 64, 640, 360);
    let mut longest = Duration::ZERO;
    let mut likeness = 0.0;
    for number in 0..24u16 {
        canvas.photograph(area, f32::from(number) / 9.0);
        let before = pair.now;
        let bytes = pair.frame(&canvas);
        longest = longest.max(pair.now - before);
        likeness = pair.likeness(&canvas, area);
        println!("picture {number}: {bytes} bytes, {:?}, {likeness:.1} dB; {first} at first", pair.now - before);
    }
    assert!(longest < Duration::from_millis(400), "{longest:?}");
    assert!(likeness > 26.0, "{likeness:.1} dB");
}

#[test]
fn text_in_many_colours_is_exact_at_once_on_a_slow_line_too() {
    let mut pair = Pair::over(Duration::from_millis(20), 400_000);
    let mut canvas = desk();
    pair.frame(&canvas);
    // A third of the pixels are ink of every colour, the rest is paper.
    let mut random = scenes::Random(11);
    canvas.paint(Rect::new(100, 50, 500, 400), |x, y| match (x + y * 2) % 3 {
        0 => random.next() as u32 & 0xFF_FFFF,
        _ => 0xFF_FFFF,
    });
    pair.frame(&canvas);
    assert!(pair.is_exact(&canvas));
}
