//! Any areas, regions and budgets of a film: no panic, and what comes out is a stream that a client decodes.
#![no_main]

use ironrdp_egfx::decode::{H264Decoder, OpenH264Decoder};
use ironrdp_egfx::pdu::Avc420BitmapStream;
use libfuzzer_sys::fuzz_target;
use ra_graphics::Rect;
use ra_graphics::video::openh264;

#[path = "../../../crates/ra-graphics/tests/support/scenes.rs"]
mod scenes;
mod script;

use scenes::Canvas;
use script::Script;

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let mut encoder = openh264().expect("a build with films");
    let mut decoder = OpenH264Decoder::new().expect("a decoder");
    let mut canvas = Canvas::new(script.size(), 1);
    let mut area = canvas.size.rect();
    let mut out = Vec::new();
    for _ in 0..MOST_PICTURES {
        match script.byte() % 8 {
            0 => area = script.rect(),
            1 => area = script.rect().clipped(canvas.size),
            2 => {
                encoder.restart();
                decoder = OpenH264Decoder::new().expect("a decoder");
            }
            _ => script.change(&mut canvas, &mut Vec::new()),
        }
        let budget = (script.byte() % 4 != 0).then(|| usize::from(script.number()));
        let regions: Vec<Rect> = (0..script.byte() % 4).map(|_| script.rect()).collect();
        out.clear();
        let inside = !area.is_empty() && area.clipped(canvas.size) == area;
        match encoder.encode(&canvas.view(), area, &regions, budget, &mut out) {
            Ok(()) => {
                assert!(inside);
                let stream: Avc420BitmapStream<'_> = ironrdp_core::decode(&out).expect("a stream");
                for region in &stream.rectangles {
                    assert!(region.left < region.right && region.right <= area.width);
                    assert!(region.top < region.bottom && region.bottom <= area.height);
                }
                let frame = decoder.decode(stream.data).expect("a picture");
                assert_eq!(frame.width(), u32::from(area.width.next_multiple_of(16)));
                assert_eq!(frame.height(), u32::from(area.height.next_multiple_of(16)));
            }
            Err(error) => {
                assert!(out.is_empty());
                let large = area.width.max(area.height) > 3840 || area.width.min(area.height) > 2160;
                assert!(!inside || large, "{area:?} in {:?}: {error}", canvas.size);
            }
        }
        if script.is_over() {
            break;
        }
    }
});

/// More make each run slow.
const MOST_PICTURES: usize = 12;
