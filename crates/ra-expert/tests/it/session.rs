//! The session word by word: what ends it and how, when a key may leave, and what hostile bytes can do.

use std::sync::Arc;

use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags};
use ra_channels::encomsp::Rights;
use ra_channels::remdesk::{ControlNotice, ResultCode};
use ra_expert::{Controls, EndReason, Face, InputEvent, Options, Prefix, RevokedBy, Viewer, ViewerEvent};
use zeroize::Zeroizing;

use crate::computer::Identity;
use crate::novice::{Heard, Line, Novice};
use crate::witness::{PATIENCE, Witness, by_certificate};

/// Plays a session: an expert against a novice who follows a script. Both have to end.
async fn play(options: Options, script: impl AsyncFnOnce(Line, Arc<Witness>, Controls)) -> (EndReason, Arc<Witness>) {
    let identity = Identity::new();
    let novice = Novice::listen(&identity).await;
    let plan = by_certificate(vec![novice.endpoint()], identity.certificate());
    let witness = Arc::new(Witness::default());
    let viewer = Viewer::new(plan, options, Arc::clone(&witness) as Arc<dyn Face>);
    let controls = viewer.controls();
    let seen = Arc::clone(&witness);
    let novice = async {
        let line = novice.accept().await;
        script(line, seen, controls).await;
    };
    let both = async { tokio::join!(viewer.run(), novice) };
    let (reason, ()) = tokio::time::timeout(PATIENCE, both).await.expect("both end");
    (reason, witness)
}

fn key(code: u8, pressed: bool) -> InputEvent {
    InputEvent::Key { code, prefix: Prefix::None, pressed }
}

/// Everything that the expert says until it closes.
async fn until_closed(line: &mut Line) -> Vec<Heard> {
    let mut heard = Vec::new();
    loop {
        match line.hear().await {
            Heard::Closed => return heard,
            word => heard.push(word),
        }
    }
}

fn keys(heard: &[Heard]) -> Vec<FastPathInputEvent> {
    let input = heard.iter().filter_map(|word| match word {
        Heard::Input(events) => Some(events.clone()),
        _ => None,
    });
    input.flatten().collect()
}

#[tokio::test]
async fn every_verdict_of_the_novice_ends_with_its_reason() {
    for (code, reason) in [
        (ResultCode::from(61), EndReason::WrongPassword),
        (ResultCode::from(26), EndReason::WrongPassword),
        (ResultCode::from(41), EndReason::Declined),
        (ResultCode::from(40), EndReason::NoAnswer),
        (ResultCode::from(37), EndReason::Busy),
        (ResultCode::from(42), EndReason::Locked),
        (ResultCode::from(27), EndReason::NotReached),
        (ResultCode::from(32), EndReason::Protocol),
        (ResultCode::from(50), EndReason::NoviceStopped),
        (ResultCode::from(301), EndReason::Result(301)),
    ] {
        let (ended, witness) = play(Options::default(), async |mut line, _, _| {
            line.hello().await;
            let verdict = line.remdesk().result(code);
            line.say_remdesk(verdict).await;
            until_closed(&mut line).await;
        })
        .await;
        assert_eq!(ended, reason, "{code:?}");
        assert_eq!(witness.count(|event| matches!(event, ViewerEvent::Viewing { .. })), 0);
    }
}

#[tokio::test]
async fn r027_a_connection_that_closes_before_the_consent_tells_nothing() {
    let identity = Identity::new();
    let novice = Novice::listen(&identity).await;
    let plan = by_certificate(vec![novice.endpoint()], identity.certificate());
    let witness = Arc::new(Witness::default());
    let viewer = Viewer::new(plan, Options::default(), Arc::clone(&witness) as Arc<dyn Face>);
    let (reason, ()) = tokio::join!(viewer.run(), novice.close_after_client_info());
    assert_eq!(reason, EndReason::NotReached);

    let (reason, _) = play(Options::default(), async |mut line, _, _| line.hello().await).await;
    assert_eq!(reason, EndReason::NotReached, "closed while the novice was asked");
}

#[tokio::test]
async fn a_session_that_breaks_is_lost_and_one_that_is_ended_is_not() {
    let (reason, witness) = play(Options::default(), async |mut line, witness, _| {
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { width: 64, height: 48 })).await;
    })
    .await;
    assert_eq!(reason, EndReason::Lost);
    assert_eq!(witness.count(|event| *event == ViewerEvent::Authenticated), 1);

    let (reason, _) = play(Options::default(), async |mut line, witness, _| {
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        let goodbye = line.remdesk().disconnect();
        line.say_remdesk(goodbye).await;
        until_closed(&mut line).await;
    })
    .await;
    assert_eq!(reason, EndReason::NoviceEnded);
}

#[tokio::test]
async fn s052_not_a_key_leaves_before_control_is_granted() {
    let (reason, _) = play(Options::default(), async |mut line, witness, controls| {
        controls.send(key(30, true));
        line.hello().await;
        controls.send(key(31, true));
        // A grant that nobody asked for, before and after the yes.
        line.rights(Rights::ViewAndInteract).await;
        line.admit().await;
        line.rights(Rights::ViewAndInteract).await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        controls.send(key(32, true));
        controls.ask_for_control();
        witness.sees(|event| *event == ViewerEvent::ControlRequested).await;
        controls.send(key(33, true));
        controls.end();
        let heard = until_closed(&mut line).await;
        assert!(keys(&heard).is_empty(), "{heard:?}");
        assert_eq!(witness.count(|event| *event == ViewerEvent::Controlling), 0);
    })
    .await;
    assert_eq!(reason, EndReason::Asked);
}

#[tokio::test]
async fn s055_after_esc_not_a_key_leaves_and_nothing_is_remembered_for_the_next_yes() {
    let mut options = Options::default();
    options.text = Some(Zeroizing::new("a".to_owned()));
    play(options, async |mut line, witness, controls| {
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        controls.ask_for_control();
        witness.sees(|event| *event == ViewerEvent::ControlRequested).await;
        line.rights(Rights::ViewAndInteract).await;
        let typed = loop {
            if let Heard::Input(events) = line.hear().await {
                break events;
            }
        };
        let (pressed, released) = (KeyboardFlags::empty(), KeyboardFlags::RELEASE);
        let unit = |flags| FastPathInputEvent::UnicodeKeyboardEvent(flags, u16::from(b'a'));
        assert_eq!(typed, [unit(pressed), unit(released)]);

        let esc = line.remdesk().control(ControlNotice::RevokedByEsc);
        line.say_remdesk(esc).await;
        witness.sees(|event| *event == ViewerEvent::Revoked { by: RevokedBy::Esc }).await;
        controls.send(key(30, true));
        // The order that follows says the same once more, and is no second revocation.
        line.rights(Rights::View).await;
        controls.ask_for_control();
        loop {
            match line.hear().await {
                Heard::Encomsp(events) if !events.is_empty() => break,
                Heard::Input(events) => panic!("{events:?}"),
                _ => {}
            }
        }
        line.rights(Rights::ViewAndInteract).await;
        witness.sees_times(2, |event| *event == ViewerEvent::Controlling).await;
        controls.send(key(40, true));
        controls.send(key(40, false));
        controls.end();
        let heard = until_closed(&mut line).await;
        let code = |flags| FastPathInputEvent::KeyboardEvent(flags, 40);
        assert_eq!(keys(&heard), [code(pressed), code(released)], "what was typed in between is gone");
        assert_eq!(witness.count(|event| matches!(event, ViewerEvent::Revoked { by: RevokedBy::Stop })), 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_held_is_lifted_before_control_is_given_back() {
    play(Options::default(), async |mut line, witness, controls| {
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        controls.ask_for_control();
        witness.sees(|event| *event == ViewerEvent::ControlRequested).await;
        line.rights(Rights::ViewAndInteract).await;
        witness.sees(|event| *event == ViewerEvent::Controlling).await;
        controls.send(key(42, true));
        controls.give_control_back();
        controls.send(key(50, true));
        controls.end();
        let heard = until_closed(&mut line).await;
        let shift = |flags| FastPathInputEvent::KeyboardEvent(flags, 42);
        assert_eq!(keys(&heard), [shift(KeyboardFlags::empty()), shift(KeyboardFlags::RELEASE)]);
        let order = |what: &str| heard.iter().position(|word| format!("{word:?}").contains(what));
        assert!(order("RELEASE") < order("ControlReleased"), "{heard:?}");
        assert_eq!(witness.count(|event| *event == ViewerEvent::Revoked { by: RevokedBy::Released }), 1);
    })
    .await;
}

#[tokio::test]
async fn words_that_break_the_protocol_end_the_session_and_nothing_else() {
    let (reason, _) = play(Options::default(), async |mut line, _, _| {
        line.hello().await;
        line.say_raw(vec![0xff; 40]).await;
        until_closed(&mut line).await;
    })
    .await;
    assert_eq!(reason, EndReason::Protocol);
}

/// Frames of all kinds with anything in them. Whatever they do, the expert neither panics nor hangs.
#[tokio::test]
async fn frames_of_noise_are_survived() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..ROUNDS {
        let (reason, _) = play(Options::default(), async |mut line, _, _| {
            line.hello().await;
            line.admit().await;
            for _ in 0..FRAMES {
                match dice.below(4) {
                    0 => {
                        let data = dice.bytes(200);
                        line.send_on(line.io_channel(), &data).await;
                    }
                    1 => {
                        // The channel's chunk header is right, so that the noise comes through to the channel.
                        let channel = line.io_channel() + 1 + u16::try_from(dice.below(4)).unwrap();
                        let noise = dice.bytes(120);
                        let mut data = u32::try_from(noise.len()).unwrap().to_le_bytes().to_vec();
                        data.extend([3, 0, 0, 0]);
                        data.extend(noise);
                        line.send_on(channel, &data).await;
                    }
                    2 => {
                        // A fast-path update of any code: its header, then noise of the length that it names.
                        let noise = dice.bytes(300);
                        let update = u8::try_from(dice.below(12)).unwrap();
                        let length = u16::try_from(noise.len()).unwrap();
                        let mut frame = vec![0];
                        frame.extend((0x8000 | (length + 6)).to_be_bytes());
                        frame.push(update);
                        frame.extend(length.to_le_bytes());
                        frame.extend(noise);
                        line.send(frame).await;
                    }
                    _ => {
                        let noise = dice.bytes(60);
                        line.send(noise).await;
                    }
                }
            }
        })
        .await;
        assert!(
            matches!(reason, EndReason::Protocol | EndReason::Lost | EndReason::NotReached | EndReason::NoviceEnded),
            "{reason:?}"
        );
    }
}

/// Numbers that look random and are the same in each run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.roll() >> 33) % bound
    }

    fn bytes(&mut self, at_most: u64) -> Vec<u8> {
        (0..self.below(at_most)).map(|_| self.roll().to_be_bytes()[0]).collect()
    }
}

/// Connections full of noise.
const ROUNDS: usize = 150;
/// Frames of noise in each; the first that breaks the protocol ends it.
const FRAMES: usize = 8;
