use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use ra_session::input::{Button, InputEvent, Prefix};

use super::*;
use crate::novice::Novice;
use crate::{InjectError, Injected};

/// The demo desktop with its watcher at work.
struct Demonstration {
    novice: Novice,
    desktop: Option<Box<dyn Watcher>>,
    capture: Box<dyn Capture>,
    injector: Injector,
    demo: Demo,
    stopper: Waker,
    revocations: Option<Receiver<Revocation>>,
    watcher: Option<JoinHandle<()>>,
}

impl Demonstration {
    fn unwatched() -> Self {
        let novice = Novice::viewing();
        let Desktop { capture, injector, watcher, demo, .. } = open(novice.gate()).unwrap();
        let stopper = watcher.stopper();
        let (desktop, demo) = (Some(watcher), demo.unwrap());
        Self { novice, desktop, capture, injector, demo, stopper, revocations: None, watcher: None }
    }

    /// With control granted.
    fn controlled() -> Self {
        let mut demo = Self::unwatched();
        demo.watch();
        demo.novice.grant();
        demo
    }

    fn watch(&mut self) {
        let watcher = self.desktop.take().unwrap();
        let (sender, receiver) = channel();
        self.watcher = Some(std::thread::spawn(move || watcher.run(Box::new(move |news| sender.send(news).unwrap()))));
        self.revocations = Some(receiver);
        until_watched(&self.injector);
    }

    fn inject(&mut self, event: InputEvent) -> Injected {
        self.injector.inject(self.novice.stamp(event)).unwrap()
    }

    fn key(&mut self, code: u8, pressed: bool) -> Injected {
        self.inject(InputEvent::Key { code, prefix: Prefix::None, pressed })
    }

    fn type_text(&mut self, text: &str) {
        for unit in text.encode_utf16() {
            assert_eq!(self.inject(InputEvent::Unicode { unit, pressed: true }), Injected::Done);
        }
    }

    fn revocation(&self) -> Revocation {
        self.revocations.as_ref().unwrap().recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// Reads what stands in cells on the desktop, by exact match of letters.
    fn text_at(&mut self, (x, y): (u16, u16), scale: u16, cells: u16, (ink, paper): ([u8; 3], [u8; 3])) -> String {
        self.capture.read().unwrap();
        let frame = self.capture.frame();
        let colour = |x: u16, y: u16| frame.row(y, x, 1)[..3].try_into().unwrap();
        let bgr = |[red, green, blue]: [u8; 3]| [blue, green, red];
        let letter = |cell: u16| {
            let rows = std::array::from_fn(|row| {
                let top = y + u16::try_from(row).unwrap() * scale;
                (0..10).fold(0_u16, |bits, column| {
                    let left = x + (cell * 10 + column) * scale;
                    let dot: Vec<[u8; 3]> =
                        (0..scale * scale).map(|dot| colour(left + dot % scale, top + dot / scale)).collect();
                    assert!(dot.iter().all(|part| *part == dot[0]), "a dot is one colour");
                    assert!(dot[0] == bgr(ink) || dot[0] == bgr(paper), "an odd colour {:?}", dot[0]);
                    bits | u16::from(dot[0] == bgr(ink)) << column
                })
            });
            let alphabet = (' '..='~').chain("ñ€Я漢".chars());
            alphabet.into_iter().find(|letter| paint::glyph(*letter) == rows).unwrap()
        };
        (0..cells).map(letter).collect::<String>().trim_end().to_owned()
    }

    fn field(&mut self) -> String {
        self.text_at(FIELD_TEXT, 1, 110, ([0; 3], [0xFF; 3]))
    }

    fn word(&mut self) -> String {
        self.text_at(WORD_PLACE, WORD_SCALE, 12, ([0xFF; 3], WORD_BACKGROUND))
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        self.stopper.wake();
        if let Some(watcher) = self.watcher.take() {
            watcher.join().unwrap();
        }
    }
}

/// Waits for the watcher's first sign of life.
fn until_watched(injector: &Injector) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !injector.is_watched() {
        assert!(Instant::now() < deadline, "the watcher does not begin");
        std::thread::yield_now();
    }
}

#[test]
fn the_word_and_the_typed_text_can_be_read_from_the_picture() {
    let mut demo = Demonstration::controlled();
    let word = demo.demo.word.clone();
    assert_eq!(word.len(), WORD_LENGTH);
    assert_eq!(demo.word(), word);
    assert_eq!(demo.field(), "");
    demo.type_text("Hello, ñ€Я漢 world");
    for code in [0x1E, 0x30, 0x2E] {
        demo.key(code, true);
        demo.key(code, false);
    }
    assert_eq!(demo.field(), "Hello, ñ€Я漢 worldabc");
    demo.type_text(&"x".repeat(200));
    demo.type_text("end");
    assert_eq!(demo.field(), format!("{}end", "x".repeat(107)), "the newest text is visible");
}

#[test]
fn clicks_leave_marks_and_never_make_text_unreadable() {
    let mut demo = Demonstration::controlled();
    demo.type_text("still readable");
    let before = demo.capture.frame().clone();
    for (button, x, y) in [(Button::Left, 200, 230), (Button::Right, 100, 440), (Button::Middle, 700, 600)] {
        demo.inject(InputEvent::Button { button, pressed: true, x, y });
        demo.inject(InputEvent::Button { button, pressed: false, x, y });
    }
    assert_eq!(demo.word(), demo.demo.word);
    assert_eq!(demo.field(), "still readable");
    assert_ne!(demo.capture.frame().row(600, 690, 20), before.row(600, 690, 20), "a mark is drawn");
    let cursor = demo.capture.cursor().unwrap().unwrap();
    assert_eq!(cursor.position, (700, 600));
    assert!(matches!(cursor.shape, Some(CursorShape::Image { .. })));
    assert_eq!(demo.capture.cursor().unwrap(), None, "nothing new");
}

#[test]
fn the_picture_moves_where_the_ball_is_and_nowhere_else() {
    let mut demo = Demonstration::unwatched();
    assert_eq!(demo.capture.read().unwrap().rects, [SIZE.rect()]);
    demo.capture.cursor().unwrap();
    let (mut moved, deadline) = (0, Instant::now() + Duration::from_secs(30));
    while moved < 3 && Instant::now() < deadline {
        assert!(demo.capture.wait(None).unwrap().picture);
        for rect in demo.capture.read().unwrap().rects {
            let clock = Rect { x: CLOCK_PLACE.0, y: CLOCK_PLACE.1, width: 160, height: 40 };
            let inside = |area: Rect| rect.intersection(area) == Some(rect);
            assert!(inside(TRACK) || inside(clock), "{rect:?}");
            moved += usize::from(inside(TRACK));
        }
    }
    assert!(moved >= 3, "the ball moves");
}

#[test]
fn s052_r047_no_event_of_another_epoch_reaches_the_text_field() {
    let mut demo = Demonstration::controlled();
    // A generator of its own keeps this deterministic; the model is a line of text and "may I".
    let mut seed = 0x9E37_79B9_u32;
    let mut random = |limit: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed % limit
    };
    let (mut expected, mut open) = (String::new(), true);
    let mut kept = Vec::new();
    for step in 0..2000_u32 {
        let letter = char::from(b'a' + u8::try_from(step % 26).unwrap());
        let event = InputEvent::Unicode { unit: u16::try_from(u32::from(letter)).unwrap(), pressed: true };
        match random(8) {
            0 => {
                demo.demo.esc.press();
                open = false;
            }
            1 => {
                demo.novice.grant();
                open = true;
                // Whatever was permitted under an earlier yes is worthless now.
                for stale in kept.drain(..) {
                    assert_eq!(demo.injector.inject(stale).unwrap(), Injected::Refused);
                }
            }
            2 => kept.push(demo.novice.stamp(event)),
            _ => {
                let done = demo.inject(event) == Injected::Done;
                assert_eq!(done, open, "at step {step}");
                if open {
                    expected.push(letter);
                }
            }
        }
    }
    let end = expected.len().saturating_sub(TEXT_CELLS);
    assert_eq!(demo.field(), expected[end..]);
    assert!(expected.len() > 300, "the gate was open for a good part: {}", expected.len());
}

#[test]
fn s055_r044_esc_on_the_terminal_takes_control_back() {
    let mut demo = Demonstration::controlled();
    demo.type_text("before");
    let in_flight = demo.novice.stamp(InputEvent::Unicode { unit: 0x58, pressed: true });
    demo.demo.esc.press();
    assert!(!demo.novice.gate().is_open(), "shut before press() returns");
    assert_eq!(demo.injector.inject(in_flight).unwrap(), Injected::Refused);
    assert_eq!(demo.revocation(), Revocation { cause: Cause::PhysicalEsc, was_open: true });
    assert_eq!(demo.field(), "before");
    demo.demo.esc.press();
    assert_eq!(demo.revocation(), Revocation { cause: Cause::PhysicalEsc, was_open: false });
}

#[test]
fn r051_an_esc_that_the_expert_types_is_not_the_novices() {
    let mut demo = Demonstration::controlled();
    demo.key(0x01, true);
    demo.key(0x01, false);
    demo.type_text("\u{1b}still in control");
    assert!(demo.novice.gate().is_open());
    assert_eq!(demo.field(), "still in control");
}

#[test]
fn held_keys_and_buttons_are_lifted() {
    let mut demo = Demonstration::controlled();
    demo.key(0x2A, true);
    demo.key(0x1D, true);
    demo.inject(InputEvent::Button { button: Button::Left, pressed: true, x: 1, y: 1 });
    assert_eq!(demo.injector.held(), 3);
    demo.demo.esc.press();
    assert_eq!(demo.injector.release_all().unwrap(), 3);
    assert_eq!((demo.injector.held(), demo.injector.release_all().unwrap()), (0, 0));
    demo.novice.grant();
    demo.key(0x1E, true);
    assert_eq!(demo.field(), "a", "Shift is not held any more");
}

#[test]
fn without_a_watcher_nothing_is_injected_and_the_gate_shuts() {
    let mut demo = Demonstration::unwatched();
    demo.novice.grant();
    let event = InputEvent::Unicode { unit: 0x61, pressed: true };
    let refused = demo.injector.inject(demo.novice.stamp(event));
    assert!(matches!(refused, Err(InjectError::Unwatched)));
    assert!(!demo.novice.gate().is_open());
    demo.watch();
    demo.novice.grant();
    assert_eq!(demo.inject(event), Injected::Done);
    demo.stopper.wake();
    demo.watcher.take().unwrap().join().unwrap();
    assert!(!demo.novice.gate().is_open(), "a watcher that ends shuts the gate");
    demo.novice.grant();
    assert!(demo.injector.inject(demo.novice.stamp(event)).is_err());
    assert_eq!(demo.field(), "a");
}

#[test]
fn a_watcher_that_panics_shuts_the_gate() {
    let mut demo = Demonstration::unwatched();
    let watcher = demo.desktop.take().unwrap();
    let thread = std::thread::spawn(move || watcher.run(Box::new(|_| panic!("the reporter is broken"))));
    until_watched(&demo.injector);
    demo.novice.grant();
    demo.demo.esc.press();
    assert!(thread.join().is_err());
    demo.novice.grant();
    let event = demo.novice.stamp(InputEvent::PointerMove { x: 1, y: 1 });
    assert!(matches!(demo.injector.inject(event), Err(InjectError::Unwatched)));
    assert!(!demo.novice.gate().is_open());
}

#[test]
fn a_waker_ends_a_wait() {
    let mut demo = Demonstration::unwatched();
    demo.capture.read().unwrap();
    demo.capture.waker().wake();
    assert!(demo.capture.wait(None).unwrap().woken, "also one that came before the wait");
}
