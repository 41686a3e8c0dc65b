//! Any pictures, through the graphics pipeline to an independent client, which must have the novice's picture each time.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
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
    let (mut server, mut viewer) = (GfxServer::new(), Viewer::default());
    let replies = server.receive(&viewer.advertise(), Duration::ZERO).expect("a version in common");
    deliver(replies, &mut server, &mut viewer);
    let mut canvas = Canvas::new(script.size(), 1);
    let mut damage = vec![canvas.size.rect()];
    for _ in 0..MOST_STEPS {
        match script.byte() % 16 {
            0 => {
                canvas = Canvas::new(script.size(), u64::from(script.byte()));
                damage = vec![canvas.size.rect()];
            }
            1 => server.repaint(),
            2 if viewer.size.area() > 0 => {
                let again = viewer.start_over();
                let replies = server.receive(&again, Duration::ZERO).expect("a version in common");
                deliver(replies, &mut server, &mut viewer);
            }
            3..6 => show(&mut canvas, &mut damage, &mut server, &mut viewer),
            _ => script.change(&mut canvas, &mut damage),
        }
        if script.is_over() {
            break;
        }
    }
    show(&mut canvas, &mut damage, &mut server, &mut viewer);
});

fn show(canvas: &mut Canvas, damage: &mut Vec<ra_graphics::Rect>, server: &mut GfxServer, viewer: &mut Viewer) {
    assert!(server.ready_for_frame(), "all is acknowledged");
    let payloads = server.frame(&canvas.view(), damage, Duration::ZERO).expect("the pipeline is open");
    damage.clear();
    deliver(payloads, server, viewer);
    assert_eq!(viewer.size, canvas.size);
    assert!(viewer.screen == canvas.colours(), "the client's picture differs");
}

fn deliver(payloads: Vec<Vec<u8>>, server: &mut GfxServer, viewer: &mut Viewer) {
    for payload in payloads {
        for answer in viewer.show(&payload) {
            server.receive(&answer, Duration::ZERO).expect("a client's answer");
        }
    }
}

/// More make each run slow, and find nothing that a few do not.
const MOST_STEPS: usize = 40;
