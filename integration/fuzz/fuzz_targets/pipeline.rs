//! Any messages of the graphics channel, one after the other: the picture stays a picture, and the limits hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_expert::{Counters, Picture, Pipeline};

fuzz_target!(|data: &[u8]| {
    let picture = Picture::default();
    let mut pipeline = Pipeline::new(&picture, &Counters::default());
    for (kind, message) in messages(data) {
        // Odd ones as they are, so that the unpacking sees them; most as one segment that is not compressed.
        let outcome = if kind & 7 == 7 {
            pipeline.receive(message)
        } else {
            pipeline.receive(&[&[0xe0, 0x04], message].concat())
        };
        let canvas = picture.lock();
        let (width, height) = canvas.size();
        assert_eq!(canvas.pixels().len(), usize::from(width) * usize::from(height));
        assert!(canvas.pixels().iter().all(|pixel| pixel >> 24 == 0));
        if outcome.is_err() {
            return;
        }
    }
});

/// Cuts the input into messages: a byte about the kind, two of length, then so many bytes.
fn messages(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, low, high], rest) = data.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (message, rest) = rest.split_at(length);
        data = rest;
        Some((kind, message))
    })
}
