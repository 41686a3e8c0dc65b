//! Any bytes on the graphics channel, between frames: no panic, bounded answers, and afterwards an honest client sees.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ra_graphics::gfx::GfxServer;
use ra_graphics::{Rect, Size};

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
    let mut server = GfxServer::new();
    let mut now = Duration::ZERO;
    let mut canvas = Canvas::new(Size::new(70, 40), 1);
    if script.byte() % 2 == 0 {
        server.receive(&Viewer::default().advertise(), now).expect("a version in common");
    }
    while !script.is_over() {
        now += Duration::from_millis(script.byte().into());
        match script.byte() % 4 {
            0 => {
                canvas.noise(Rect::new(script.byte().into(), script.byte().into(), 9, 9));
                if server.ready_at().is_some() {
                    let payloads = server.frame(&canvas.view(), &[canvas.size.rect()], now).expect("it is open");
                    assert!(payloads.iter().map(Vec::len).sum::<usize>() < 200_000);
                }
            }
            _ => {
                let message = script.bytes();
                if let Ok(answers) = server.receive(message, now) {
                    let length: usize = answers.iter().map(Vec::len).sum();
                    assert!(length <= 64 * (message.len() + 1), "{length} bytes for {}", message.len());
                }
            }
        }
        assert!(server.frames_in_flight() <= 16);
    }
    let mut viewer = Viewer::default();
    let mut payloads = server.receive(&viewer.advertise(), now).expect("a version in common");
    payloads.extend(server.frame(&canvas.view(), &[canvas.size.rect()], now).expect("it is open"));
    // A slow line, which the bytes may have feigned, gets the picture in parts.
    for _ in 0..MOST_FRAMES_TO_REST {
        let answers: Vec<Vec<u8>> = payloads.iter().flat_map(|payload| viewer.show(payload)).collect();
        payloads = answers.iter().flat_map(|answer| server.receive(answer, now).expect("an answer")).collect();
        let Some(due) = server.next_frame_at() else { break };
        now = due.max(now + Duration::from_millis(1));
        payloads.extend(server.frame(&canvas.view(), &[], now).expect("it is open"));
    }
    assert!(viewer.screen == canvas.colours(), "an honest client's picture differs");
});

/// Each makes something exact that fits the line.
const MOST_FRAMES_TO_REST: usize = 400;
