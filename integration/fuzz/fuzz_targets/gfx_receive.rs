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
    let mut canvas = Canvas::new(Size::new(70, 40), 1);
    if script.byte() % 2 == 0 {
        server.receive(&Viewer::default().advertise(), Duration::ZERO).expect("a version in common");
    }
    while !script.is_over() {
        match script.byte() % 4 {
            0 => {
                canvas.noise(Rect::new(script.byte().into(), script.byte().into(), 9, 9));
                if server.ready_for_frame() {
                    let payloads = server.frame(&canvas.view(), &[canvas.size.rect()], Duration::ZERO).expect("it is open");
                    assert!(payloads.iter().map(Vec::len).sum::<usize>() < 200_000);
                }
            }
            _ => {
                let message = script.bytes();
                if let Ok(answers) = server.receive(message, Duration::ZERO) {
                    let length: usize = answers.iter().map(Vec::len).sum();
                    assert!(length <= 64 * (message.len() + 1), "{length} bytes for {}", message.len());
                }
            }
        }
        assert!(server.frames_in_flight() <= 16);
    }
    let mut viewer = Viewer::default();
    let mut payloads = server.receive(&viewer.advertise(), Duration::ZERO).expect("a version in common");
    payloads.extend(server.frame(&canvas.view(), &[], Duration::ZERO).expect("it is open"));
    payloads.iter().for_each(|payload| drop(viewer.show(payload)));
    assert!(viewer.screen == canvas.colours(), "an honest client's picture differs");
});
