//! Any file as an invitation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ra_ticket::Invitation;

fuzz_target!(|data: &[u8]| {
    match Invitation::parse(data) {
        Ok(invitation) => {
            let bytes = invitation.to_bytes();
            let again = Invitation::parse(&bytes).expect("what we write reads");
            assert_eq!(again.to_bytes(), bytes);
        }
        Err(error) => {
            // The message reaches a person, and the range a report that quotes the file.
            let _ = error.to_string();
        }
    }
});
