//! Any bytes, on both sides of `RAAGAIN`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_channels::again::{AgainExpert, AgainNovice, SECRET_BYTES};

fuzz_target!(|data: &[u8]| {
    let (mut novice, mut expert) = (AgainNovice::new(), AgainExpert::new());
    // Twice: the second time meets what the first has left.
    for _ in 0..2 {
        let pong = novice.receive(data);
        expert.receive(data);
        assert!(pong.is_none() || data.len() == 4);
    }
    let whole = data.len() == 4 + SECRET_BYTES;
    assert!(novice.take_shown().is_none() || whole);
    assert!(expert.take_promise().is_none() || whole);
});
