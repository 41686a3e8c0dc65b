//! Any message after any others, on both sides of `remdesk`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_channels::MAX_WAITING_EVENTS;
use ra_channels::remdesk::{Credentials, RemdeskExpert, RemdeskNovice, decode};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(message)) = decode(data)
        && let Ok(bytes) = message.encode()
    {
        // Bytes that look like a length are told from a stub by their value, so that one may read shorter.
        assert!(decode(&bytes).is_ok_and(|again| again.is_some()));
    }

    let mut novice = RemdeskNovice::new();
    let mut experts = [
        Credentials::VersionOne { connection_string: "65538,1".into(), expert_blob: "6;NAME=E".into() },
        Credentials::VersionTwo { encrypted_stub: vec![7; 32].into(), expert_blob: "6;NAME=E".into() },
    ]
    .map(|credentials| RemdeskExpert::new(credentials).expect("short texts fit"));
    for pdu in pdus(data) {
        let _ = novice.receive(pdu);
        for expert in &mut experts {
            let _ = expert.receive(pdu);
        }
    }
    assert!(novice.take_events().len() <= MAX_WAITING_EVENTS + 1);
    for mut expert in experts {
        assert!(expert.take_events().len() <= MAX_WAITING_EVENTS + 1);
    }
});

/// Cuts the input at each honest-looking header, so that one input can be a whole conversation.
fn pdus(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let header = data.first_chunk::<8>()?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as u64
            + u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as u64
            + 8;
        let (pdu, rest) = data.split_at_checked(usize::try_from(length).ok()?).unwrap_or((data, &[]));
        data = rest;
        Some(pdu)
    })
}
