//! Codes, links, routes and lists of relays as any text; and a meeting whose messages somebody in between replaces or edits: nobody is
//! welcomed, and nothing is handed over, unless every message arrived as it was said.
#![no_main]

use std::convert::Infallible;

use libfuzzer_sys::fuzz_target;
use ra_rendezvous::{
    Code, ExpertSide, Link, MAX_MESSAGE, MeetingError, NoviceSide, Refusal, RelayUrl, Route, Secret, Slip, length_of,
    relay_list, with_length,
};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    texts(&text);
    let Some((&[settings, edits @ ..], rest)) = data.split_first_chunk::<8>() else { return };
    meeting(settings, edits, rest);
});

/// Whatever a text is read as, it is written so that it reads as the same.
fn texts(text: &str) {
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.spoken().parse::<Code>().as_ref(), Ok(&code));
    }
    if let Ok(link) = text.parse::<Link>() {
        assert_eq!(link.spoken().parse::<Link>().as_ref(), Ok(&link));
    }
    if let Ok(route) = text.parse::<Route>() {
        assert_eq!(route.to_string().parse::<Route>().as_ref(), Ok(&route));
    }
    if let Ok(relay) = text.parse::<RelayUrl>() {
        assert_eq!(relay.to_string().parse::<RelayUrl>().as_ref(), Ok(&relay));
        assert!(!relay.host().is_empty());
    }
    if let Ok(relays) = relay_list(text) {
        let again: String = relays.iter().map(|relay| format!("{relay}\n")).collect();
        assert_eq!(relay_list(&again).as_ref(), Ok(&relays));
    }
}

/// One run, in which each of the three messages is what was said, an edit of it, or anything at all.
fn meeting(settings: u8, edits: [u8; 7], rest: &[u8]) {
    let (expert_code, password) =
        (Code::from_entropy(&[7; Code::ENTROPY]), (settings & 1 != 0).then_some("Tulip-4711"));
    let novice_code = if settings & 2 != 0 { Code::from_entropy(&[8; Code::ENTROPY]) } else { expert_code.clone() };
    let expert_binding = if settings & 4 != 0 { [4; 32] } else { [3; 32] };
    let honest = settings & 6 == 0;
    let (to_novice, to_expert) = (Secret::new(&novice_code, password), Secret::new(&expert_code, password));
    let slip = Slip { invitation: rest.iter().copied().take(40_000).collect(), password: "x".repeat(64).into() };

    let (novice, greeting) =
        NoviceSide::greet(&to_novice, &[3; 32], password.is_some(), &mut Chance(u64::from(edits[6])));
    let arrived = edited(&greeting, settings >> 3 & 3, [edits[0], edits[1]], rest);
    framed(&arrived);
    let Ok(greeted) = ExpertSide::greeted(&arrived) else {
        // Anything else than a proof is no guess.
        assert!(arrived != greeting);
        return;
    };
    assert!(arrived != greeting || greeted.needs_password() == password.is_some());
    let Ok((expert, answer)) = greeted.answer(&to_expert, &expert_binding, &mut Chance(1 + u64::from(edits[6]))) else {
        assert!(arrived != greeting);
        return;
    };
    let greeting_arrived = arrived == greeting;
    let arrived = edited(&answer, settings >> 5 & 3, [edits[2], edits[3]], rest);
    framed(&arrived);
    let as_said = honest && greeting_arrived && arrived == answer;
    let reply = match novice.judge(&arrived) {
        Ok(welcomed) => {
            assert!(as_said, "somebody was welcomed who did not prove it");
            match welcomed.hand_over(&slip) {
                Ok(reply) => reply,
                Err(error) => {
                    assert!(error == MeetingError::TooLong && slip.invitation.len() > MAX_MESSAGE - 200);
                    return;
                }
            }
        }
        Err(_) => {
            assert!(!as_said, "who proved it was refused");
            Refusal::Wrong { left: u32::from(edits[6]) }.to_message()
        }
    };
    let arrived = edited(&reply, settings >> 7 & 1, [edits[4], edits[5]], rest);
    framed(&arrived);
    match expert.read(&arrived) {
        Ok(handed) => {
            assert!(as_said && arrived == reply && handed == slip, "something was handed over that was not given")
        }
        Err(_) => assert!(!(as_said && arrived == reply)),
    }
}

/// What arrives of a message: itself, with one byte changed, cut short or made longer, or something else.
fn edited(said: &[u8], how: u8, [at, with]: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let mut arrives = said.to_vec();
    match how {
        0 => {}
        1 => {
            let at = usize::from(at) % arrives.len().max(1);
            if let Some(byte) = arrives.get_mut(at) {
                *byte ^= with;
            }
        }
        2 if with & 1 == 0 => arrives.truncate(usize::from(at)),
        2 => arrives.extend_from_slice(&rest[..rest.len().min(usize::from(at))]),
        _ => return rest.to_vec(),
    }
    arrives
}

/// A message on the wire has the length that it says.
fn framed(message: &[u8]) {
    match with_length(message) {
        Ok(framed) => {
            let (length, rest) = framed.split_first_chunk().expect("it has a length");
            assert_eq!(length_of(*length), Ok(rest.len()));
        }
        Err(error) => assert!(error == MeetingError::TooLong && message.len() > MAX_MESSAGE),
    }
}

/// The same numbers in each run.
struct Chance(u64);

impl rand_core::TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok((self.0 >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            *byte = self.try_next_u32()? as u8;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Chance {}
