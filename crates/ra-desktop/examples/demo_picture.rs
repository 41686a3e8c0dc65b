//! Writes what the demo desktop looks like to standard output, as a PPM picture.
//!
//! `cargo run -p ra-desktop --example demo_picture > demo.ppm`
#![allow(clippy::unwrap_used, reason = "an example that fails has nothing to show")]

use std::io::Write as _;

use ra_desktop::backend::demo;
use ra_session::gate::Seat;

fn main() {
    let (_seat, gate, _) = Seat::new();
    let mut desktop = demo::open(gate).unwrap();
    desktop.capture.read().unwrap();
    let frame = desktop.capture.frame();
    let mut picture = format!("P6 {} {} 255\n", frame.size().width, frame.size().height).into_bytes();
    picture.extend(frame.pixels().chunks_exact(ra_desktop::BYTES_PER_PIXEL).flat_map(|p| [p[2], p[1], p[0]]));
    std::io::stdout().write_all(&picture).unwrap();
}
