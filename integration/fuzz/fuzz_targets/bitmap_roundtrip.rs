//! Any pictures as bitmap updates to an independent client, in each depth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_graphics::bitmap::{BitmapClient, BitmapEncoder, ColorDepth};

#[path = "../../../crates/ra-graphics/tests/support/fastpath.rs"]
mod fastpath;
#[path = "../../../crates/ra-graphics/tests/support/scenes.rs"]
mod scenes;
mod script;

use fastpath::{Viewer, kept};
use scenes::Canvas;
use script::Script;

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let depth =
        [ColorDepth::Bpp15, ColorDepth::Bpp16, ColorDepth::Bpp24, ColorDepth::Bpp32][usize::from(script.byte() % 4)];
    let flags = script.byte();
    let frame_acknowledge = (flags & 2 != 0).then(|| u32::from(script.byte()));
    let client = BitmapClient { depth, skip_alpha: flags & 1 != 0, frame_acknowledge };
    let mut canvas = Canvas::new(script.size(), 1);
    let (mut encoder, mut viewer) = (BitmapEncoder::new(client), Viewer::new(canvas.size));
    let mut damage = vec![canvas.size.rect()];
    for _ in 0..MOST_STEPS {
        match script.byte() % 8 {
            0 => encoder.repaint(),
            1 => encoder.acknowledge(u32::from(script.number())),
            2..4 => {
                viewer.show(&encoder.frame(&canvas.view(), &std::mem::take(&mut damage)));
                assert!(
                    kept(depth, &viewer.colours()) == kept(depth, &canvas.colours()),
                    "the client's picture differs"
                );
            }
            _ => script.change(&mut canvas, &mut damage),
        }
        if script.is_over() {
            break;
        }
    }
    viewer.show(&encoder.frame(&canvas.view(), &damage));
    assert!(kept(depth, &viewer.colours()) == kept(depth, &canvas.colours()), "the client's picture differs");
});

/// More make each run slow, and find nothing that a few do not.
const MOST_STEPS: usize = 30;
