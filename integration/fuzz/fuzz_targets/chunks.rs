//! Any chunks: nothing that is too long ever comes out, and what `admit` refuses is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_channels::MAX_MESSAGE_BYTES;
use ra_channels::chunk::{Direction, Reassembler, admit, split};

fuzz_target!(|data: &[u8]| {
    // The first byte says how long each chunk of the input is.
    let Some((size, data)) = data.split_first() else { return };
    let mut reassembler = Reassembler::new();
    for chunk in data.chunks(usize::from(*size).max(1)) {
        let whole = reassembler.push(chunk);
        assert!(admit(chunk).is_ok() || whole.is_err());
        assert!(whole.iter().flatten().all(|pdu| pdu.len() <= MAX_MESSAGE_BYTES));
    }

    let mut reassembler = Reassembler::new();
    let mut whole = None;
    for chunk in split(data, Direction::ToExpert, usize::from(*size)) {
        assert_eq!(whole, None, "only the last chunk completes a PDU");
        whole = reassembler.push(&chunk).expect("our own chunks fit");
    }
    assert_eq!(whole.as_deref(), Some(data));
});
