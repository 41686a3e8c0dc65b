//! Runs between honest and dishonest sides.

use core::convert::Infallible;

use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};

use super::*;

/// Chance that a test can repeat.
struct Chance(u64);

impl TryRng for Chance {
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

impl TryCryptoRng for Chance {}

const CONNECTION: [u8; 32] = [3; 32];

fn code() -> Code {
    Code::from_entropy(&[7; 10])
}

fn slip() -> Slip {
    Slip { invitation: b"<UPLOADINFO/>".to_vec(), password: "0123456789abcdef".to_owned().into() }
}

/// A whole run: what the expert has in the end, or the first error on either side.
fn run(novice: (&Secret, [u8; 32]), expert: (&Secret, [u8; 32])) -> Result<Slip, MeetingError> {
    let (side, greeting) = NoviceSide::greet(novice.0, &novice.1, true, &mut Chance(1));
    let greeted = ExpertSide::greeted(&greeting).unwrap();
    assert!(greeted.needs_password());
    let (waiting, answer) = greeted.answer(expert.0, &expert.1, &mut Chance(2)).unwrap();
    waiting.read(&side.judge(&answer)?.hand_over(&slip()).unwrap())
}

#[test]
fn who_knows_code_and_password_gets_the_invitation() {
    let secret = Secret::new(&code(), Some("Tulip-4711"));
    assert_eq!(run((&secret, CONNECTION), (&secret, CONNECTION)), Ok(slip()));
}

#[test]
fn a_wrong_code_or_password_is_a_guess_that_counts() {
    let secret = Secret::new(&code(), Some("Tulip-4711"));
    for wrong in [
        Secret::new(&code(), Some("Tulip-4712")),
        Secret::new(&code(), None),
        Secret::new(&code(), Some("")),
        Secret::new(&Code::from_entropy(&[8; 10]), Some("Tulip-4711")),
    ] {
        assert_eq!(run((&secret, CONNECTION), (&wrong, CONNECTION)), Err(MeetingError::Wrong));
    }
}

#[test]
fn whoever_stands_between_two_connections_is_found_out_though_he_passes_every_word_on() {
    let secret = Secret::new(&code(), None);
    assert_eq!(run((&secret, CONNECTION), (&secret, [4; 32])), Err(MeetingError::Wrong));
}

#[test]
fn a_novice_who_does_not_know_the_secret_welcomes_nobody() {
    let (right, wrong) = (Secret::new(&code(), Some("a")), Secret::new(&code(), Some("b")));
    let (_, greeting) = NoviceSide::greet(&wrong, &CONNECTION, true, &mut Chance(1));
    let answer =
        |greeting: &[u8]| ExpertSide::greeted(greeting).unwrap().answer(&right, &CONNECTION, &mut Chance(2)).unwrap().0;
    let forged = [&[WELCOME][..], &[0; CONFIRMATION], &[0; 40]].concat();
    assert_eq!(answer(&greeting).read(&forged), Err(MeetingError::Wrong));
}

#[test]
fn a_greeting_changed_on_the_way_spoils_the_run() {
    let secret = Secret::new(&code(), Some("a"));
    let (novice, mut greeting) = NoviceSide::greet(&secret, &CONNECTION, true, &mut Chance(1));
    greeting[1] = 0;
    let (_, answer) = ExpertSide::greeted(&greeting).unwrap().answer(&secret, &CONNECTION, &mut Chance(2)).unwrap();
    assert_eq!(novice.judge(&answer).err(), Some(MeetingError::Wrong));
}

#[test]
fn a_slip_changed_on_the_way_is_not_read() {
    let secret = Secret::new(&code(), None);
    let (novice, greeting) = NoviceSide::greet(&secret, &CONNECTION, false, &mut Chance(1));
    let (expert, answer) =
        ExpertSide::greeted(&greeting).unwrap().answer(&secret, &CONNECTION, &mut Chance(2)).unwrap();
    let mut reply = novice.judge(&answer).unwrap().hand_over(&slip()).unwrap();
    *reply.last_mut().unwrap() ^= 1;
    assert_eq!(expert.read(&reply), Err(MeetingError::Wrong));
}

#[test]
fn refusals_are_read_as_they_were_said() {
    let secret = Secret::new(&code(), None);
    for refusal in [Refusal::Wrong { left: 4 }, Refusal::Ended, Refusal::Busy] {
        let (_, greeting) = NoviceSide::greet(&secret, &CONNECTION, false, &mut Chance(1));
        let greeted = ExpertSide::greeted(&greeting).unwrap();
        let (expert, _) = greeted.answer(&secret, &CONNECTION, &mut Chance(2)).unwrap();
        assert_eq!(expert.read(&refusal.to_message()), Err(MeetingError::Refused(refusal)));
        assert_eq!(ExpertSide::greeted(&refusal.to_message()).err(), Some(MeetingError::Refused(refusal)));
    }
}

#[test]
fn an_invitation_that_does_not_fit_is_not_sent_in_part() {
    let secret = Secret::new(&code(), None);
    let (novice, greeting) = NoviceSide::greet(&secret, &CONNECTION, false, &mut Chance(1));
    let greeted = ExpertSide::greeted(&greeting).unwrap();
    let (_, answer) = greeted.answer(&secret, &CONNECTION, &mut Chance(2)).unwrap();
    let slip = Slip { invitation: vec![0; MAX_MESSAGE], ..slip() };
    assert_eq!(novice.judge(&answer).unwrap().hand_over(&slip), Err(MeetingError::TooLong));
}

proptest! {
    /// Whatever a stranger says, it is an error and no panic; without the secret never a welcome.
    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let secret = Secret::new(&code(), None);
        let (novice, greeting) = NoviceSide::greet(&secret, &CONNECTION, false, &mut Chance(1));
        prop_assert!(novice.judge(&bytes).is_err());
        if let Ok(greeted) = ExpertSide::greeted(&bytes) {
            let _ = greeted.answer(&secret, &CONNECTION, &mut Chance(2));
        }
        let (expert, _) =
            ExpertSide::greeted(&greeting).unwrap().answer(&secret, &CONNECTION, &mut Chance(2)).unwrap();
        prop_assert!(expert.read(&bytes).is_err());
    }
}
