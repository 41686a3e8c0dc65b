//! Desktops of every size: a single pixel, odd ones, 8K, and one that changes while pictures are on their way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/scenes.rs"]
mod scenes;
#[path = "support/viewer.rs"]
mod viewer;

use std::time::Duration;

use ra_graphics::gfx::GfxServer;
use ra_graphics::{Rect, Size};
use scenes::Canvas;
use viewer::Viewer;

struct Pair {
    server: GfxServer,
    viewer: Viewer,
    now: Duration,
}

const START: Duration = Duration::from_secs(9);

impl Pair {
    /// A client that decodes film where this build can, so that nothing is kept from being used.
    fn open() -> Self {
        let (mut server, mut viewer) = (GfxServer::new(), Viewer::of_films());
        let replies = server.receive(&viewer.advertise(), START).unwrap();
        let mut pair = Self { server, viewer, now: START };
        pair.deliver(replies);
        pair
    }

    fn encode(&mut self, canvas: &Canvas, damage: &[Rect]) -> Vec<Vec<u8>> {
        self.now += Duration::from_millis(16);
        self.server.frame(&canvas.view(), damage, self.now).unwrap()
    }

    fn deliver(&mut self, payloads: Vec<Vec<u8>>) {
        for payload in payloads {
            for answer in self.viewer.show(&payload) {
                self.server.receive(&answer, self.now).unwrap();
            }
        }
    }

    /// Waits, on a screen that stands still, until the client has it bit for bit.
    fn settle(&mut self, canvas: &Canvas) {
        for _ in 0..40 {
            if self.viewer.size == canvas.size && canvas.square_error(&self.viewer.screen) == 0 {
                return;
            }
            let payloads = self.encode(canvas, &[]);
            self.deliver(payloads);
        }
        panic!("{:?} is not exact after two thirds of a second", canvas.size);
    }
}

#[test]
fn an_8k_desktop_between_a_single_pixel_and_an_odd_one() {
    let mut pair = Pair::open();
    for size in [Size::new(1, 1), Size::new(7680, 4320), Size::new(1, 1), Size::new(1013, 3), Size::new(5, 2161)] {
        let mut canvas = Canvas::tidy(size);
        canvas.fill(size.rect(), 0x20_4060);
        let payloads = pair.encode(&canvas, &[]);
        pair.deliver(payloads);
        let corner = Rect::new(size.width.saturating_sub(300), size.height.saturating_sub(200), 300, 200);
        canvas.text(corner, 5);
        let payloads = pair.encode(&canvas, &[corner]);
        pair.deliver(payloads);
        // Everything is reported, and the corner moved up and to the left.
        canvas.shift(corner, -37, -21);
        let payloads = pair.encode(&canvas, &[size.rect()]);
        pair.deliver(payloads);
        pair.settle(&canvas);
    }
}

#[test]
fn a_resize_while_pictures_are_on_their_way_ends_with_the_new_desktop() {
    let mut pair = Pair::open();
    let sizes = [Size::new(640, 480), Size::new(333, 201), Size::new(641, 480), Size::new(640, 480), Size::new(16, 16)];
    let mut late = Vec::new();
    let mut last = None;
    for (number, size) in sizes.into_iter().enumerate() {
        let mut canvas = Canvas::new(size, number as u64);
        canvas.photograph(size.rect(), number as f32);
        // What was sent before has arrived nowhere yet.
        late.extend(pair.encode(&canvas, &[]));
        canvas.noise(Rect::new(3, 3, 50, 9));
        late.extend(pair.encode(&canvas, &[Rect::new(3, 3, 50, 9)]));
        last = Some(canvas);
    }
    pair.deliver(late);
    pair.settle(&last.unwrap());
}

#[test]
fn a_film_whose_desktop_changes_its_size_goes_on() {
    let mut pair = Pair::open();
    for (size, area) in [
        (Size::new(500, 400), Rect::new(51, 33, 320, 240)),
        (Size::new(321, 241), Rect::new(0, 0, 321, 241)),
        (Size::new(700, 300), Rect::new(379, 59, 321, 241)),
    ] {
        let mut canvas = Canvas::tidy(size);
        canvas.text(size.rect(), 8);
        for step in 0..20 {
            canvas.photograph(area, step as f32 / 5.0);
            let payloads = pair.encode(&canvas, &[area]);
            pair.deliver(payloads);
            assert_eq!(pair.viewer.size, size);
        }
        pair.settle(&canvas);
    }
}
