//! Any pointer shapes to an independent client: each is understood, and what is taken from the cache is what was put there.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use ra_graphics::Size;
use ra_graphics::pointer::{Alpha, PointerClient, PointerEncoder, PointerShape};

#[path = "../../../crates/ra-graphics/tests/support/fastpath.rs"]
mod fastpath;
#[path = "../../../crates/ra-graphics/tests/support/scenes.rs"]
mod scenes;
mod script;

use fastpath::Viewer;
use scenes::Random;
use script::Script;

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let client = PointerClient {
        cache_size: script.number() % 40,
        color_cache_size: script.number() % 40,
        large_pointer_flags: script.byte().into(),
        max_request_size: (script.byte() % 2 == 0).then(|| u32::from(script.number()) * 64),
    };
    let mut encoder = PointerEncoder::new(client);
    let mut viewer = Viewer::new(Size::new(8, 8));
    // What the client showed for each shape when it first came.
    let mut shown = HashMap::new();
    for _ in 0..MOST_SHAPES {
        let (width, height) = match script.byte() % 4 {
            0 => (script.number() % 500, script.number() % 500),
            _ => (u16::from(script.byte() % 70), u16::from(script.byte() % 70)),
        };
        let alpha = if script.byte() % 2 == 0 { Alpha::Straight } else { Alpha::Premultiplied };
        let (hot_x, hot_y) = (script.number(), script.number());
        let seed = u64::from(script.byte() % 8);
        let mut random = Random(seed);
        let pattern = script.bytes();
        let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 4)
            .map(|place| if pattern.is_empty() { random.next() as u8 } else { pattern[place % pattern.len()] })
            .collect();
        let shape = PointerShape { pixels: &pixels, alpha, width, height, hot_x, hot_y };
        let pdus = encoder.shape(&shape).expect("as many pixels as it says");
        let length: usize = pdus.iter().map(Vec::len).sum();
        assert!(length < 700_000, "{length} bytes for a pointer");
        // A shape from the cache is announced by hiding the system's own pointer; the last word is the shape.
        let updates = format!("{:?}", viewer.show(&pdus).last());
        let key = (width, height, alpha, hot_x, hot_y, pixels.clone());
        let before = shown.entry(key).or_insert_with(|| updates.clone());
        assert_eq!(*before, updates, "the same shape looks the same each time");
        let short = PointerShape { pixels: &shape.pixels[..shape.pixels.len().saturating_sub(1)], ..shape };
        assert!(shape.pixels.is_empty() || encoder.shape(&short).is_err());
        if script.is_over() {
            break;
        }
    }
});

/// More make each run slow; a cache has at most 25 places.
const MOST_SHAPES: usize = 60;
