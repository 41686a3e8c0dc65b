//! What fewer colours save where the graphics pipeline is not spoken.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/scenes.rs"]
mod scenes;

use ra_graphics::bitmap::{BitmapClient, BitmapEncoder, ColorDepth};
use ra_graphics::{Rect, Size};
use scenes::Canvas;

const SIZE: Size = Size::new(1280, 720);

/// How a scene goes on.
type Step = fn(&mut Canvas, u16);

const SCENES: [(&str, Step); 4] = [
    ("a page of text, the next one", |canvas, frame| canvas.text(SIZE.rect(), u64::from(frame) * 40)),
    ("a window of colour runs, moved", |canvas, frame| {
        canvas.fill(SIZE.rect(), 0x20_4060);
        canvas.gradient(Rect::new(100 + frame * 16, 80, 640, 480));
    }),
    ("a photograph, another one", |canvas, frame| canvas.photograph(SIZE.rect(), f32::from(frame))),
    ("typing", |canvas, frame| canvas.text(Rect::new(100 + frame * 9, 300, 9, 16), u64::from(frame))),
];

/// Bytes of a frame, on average over the frames after the first.
fn bytes_per_frame(depth: ColorDepth, step: Step) -> usize {
    let mut encoder = BitmapEncoder::new(BitmapClient { depth, skip_alpha: true, frame_acknowledge: None });
    let mut canvas = Canvas::tidy(SIZE);
    let mut frame = |number| {
        step(&mut canvas, number);
        encoder.frame(&canvas.view(), &[SIZE.rect()]).iter().map(Vec::len).sum::<usize>()
    };
    frame(0);
    (1..=FRAMES).map(frame).sum::<usize>() / usize::from(FRAMES)
}

const FRAMES: u16 = 5;

#[test]
fn s117_fewer_colours_take_fewer_bytes() {
    let [mut all, mut few, mut fewest] = [0; 3];
    for (name, step) in SCENES {
        let depths = [ColorDepth::Bpp32, ColorDepth::Bpp24, ColorDepth::Bpp16, ColorDepth::Bpp15];
        let bytes = depths.map(|depth| bytes_per_frame(depth, step));
        println!("FIGURES colours {name}: {bytes:?} bytes a frame at 32, 24, 16 and 15 bits");
        (all, few, fewest) = (all + bytes[0], few + bytes[2], fewest + bytes[3]);
        assert!(bytes[2] < bytes[1] && bytes[3] <= bytes[2], "{name}: {bytes:?}");
    }
    assert!(fewest <= few && few < all, "{all}, {few}, {fewest} bytes in all");
}
