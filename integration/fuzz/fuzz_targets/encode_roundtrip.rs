//! Any pictures, through the graphics pipeline to an independent client, which must have the novice's picture: at once
//! while it knows no film and the line is fast, and otherwise as soon as nothing moves.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ra_graphics::Rect;
use ra_graphics::gfx::GfxServer;

#[path = "../../../crates/ra-graphics/tests/support/scenes.rs"]
mod scenes;
mod script;
#[path = "../../../crates/ra-graphics/tests/support/viewer.rs"]
mod viewer;

use scenes::Canvas;
use script::Script;
use viewer::Viewer;

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let kind = script.byte();
    let viewer = if kind % 2 == 0 { Viewer::default() } else { Viewer::of_films() };
    let mut pair = Pair { server: GfxServer::new(), viewer, now: Duration::from_secs(1), answers: Vec::new() };
    // A film costs more than all other frames together.
    let most = if kind % 2 == 0 { MOST_STEPS } else { MOST_STEPS / 2 };
    let slow = kind % 4 > 1;
    let advertise = pair.viewer.advertise();
    pair.hear(&advertise);
    let mut canvas = Canvas::new(script.size(), 1);
    let mut damage = vec![canvas.size.rect()];
    for _ in 0..most {
        match script.byte() % 16 {
            0 => {
                canvas = Canvas::new(script.size(), u64::from(script.byte()));
                damage = vec![canvas.size.rect()];
            }
            1 => pair.server.repaint(),
            2 if pair.viewer.size.area() > 0 => {
                let again = pair.viewer.start_over();
                pair.answers.clear();
                pair.hear(&again);
            }
            3..8 => {
                pair.now += Duration::from_millis(script.byte().into());
                pair.show(&canvas, &mut damage);
                if slow {
                    pair.now += Duration::from_millis(script.byte().into());
                }
                pair.answer();
                if kind % 4 == 0 {
                    pair.expect(&canvas);
                }
            }
            _ => script.change(&mut canvas, &mut damage),
        }
        if script.is_over() {
            break;
        }
    }
    pair.show(&canvas, &mut damage);
    pair.answer();
    // From here on nothing moves.
    for _ in 0..MOST_FRAMES_TO_REST {
        let Some(due) = pair.server.next_frame_at() else { break };
        pair.now = due.max(pair.now + Duration::from_millis(1));
        pair.show(&canvas, &mut damage);
        pair.answer();
    }
    assert_eq!(pair.server.next_frame_at(), None, "it comes to rest");
    pair.expect(&canvas);
});

struct Pair {
    server: GfxServer,
    viewer: Viewer,
    now: Duration,
    /// What the client has said and nobody has heard yet.
    answers: Vec<Vec<u8>>,
}

impl Pair {
    fn hear(&mut self, message: &[u8]) {
        for payload in self.server.receive(message, self.now).expect("a client's message") {
            self.answers.extend(self.viewer.show(&payload));
        }
    }

    fn answer(&mut self) {
        for answer in std::mem::take(&mut self.answers) {
            self.hear(&answer);
        }
    }

    fn show(&mut self, canvas: &Canvas, damage: &mut Vec<Rect>) {
        assert!(self.server.ready_at().is_some(), "all is acknowledged");
        for payload in self.server.frame(&canvas.view(), damage, self.now).expect("the pipeline is open") {
            self.answers.extend(self.viewer.show(&payload));
        }
        damage.clear();
    }

    fn expect(&self, canvas: &Canvas) {
        assert_eq!(self.viewer.size, canvas.size);
        assert_eq!(canvas.square_error(&self.viewer.screen), 0, "the client's picture differs");
    }
}

/// More make each run slow, and find nothing that a few do not.
const MOST_STEPS: usize = 40;
/// Each makes something exact that fits the line; the largest picture here, on the slowest line, takes this many.
const MOST_FRAMES_TO_REST: usize = 400;
