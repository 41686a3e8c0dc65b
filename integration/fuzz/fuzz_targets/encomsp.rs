//! Any orders, on both sides of `encomsp`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_channels::MAX_WAITING_EVENTS;
use ra_channels::encomsp::{EncomspExpert, EncomspNovice, ParticipantId, decode};

fuzz_target!(|data: &[u8]| {
    if let Ok(orders) = decode(data) {
        for order in orders {
            // A name with a NUL reads and cannot be written.
            if let Ok(bytes) = order.encode() {
                assert_eq!(decode(&bytes).as_deref(), Ok(&[order][..]));
            }
        }
    }

    let mut novice = EncomspNovice::new(ParticipantId(1), "Expert").expect("a short name fits");
    let _ = novice.announce();
    let mut expert = EncomspExpert::new();
    // Twice: the second time meets what the first has taught.
    for _ in 0..2 {
        novice.receive(data);
        expert.receive(data);
    }
    assert!(novice.take_events().len() <= MAX_WAITING_EVENTS + 1);
    assert!(expert.take_events().len() <= MAX_WAITING_EVENTS + 1);
});
