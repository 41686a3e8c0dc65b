use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

/// A pseudo-terminal with a program on it, and the person's end.
struct Seat {
    person: OwnedFd,
    path: String,
    terminal: Option<Terminal>,
    keys: Receiver<Key>,
    seen: String,
}

impl Seat {
    fn new(columns: u16) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        resize(&person, columns);
        let path = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let (pressed, keys) = channel();
        let on_key = move |key| {
            let _ = pressed.send(key);
        };
        let terminal = Terminal::over(Path::new(&path), Look { redraw: true, colour: false }, on_key).unwrap();
        Self { person, path, terminal: Some(terminal), keys, seen: String::new() }
    }

    fn screen(&self) -> Screen {
        self.terminal.as_ref().unwrap().screen()
    }

    fn types(&self, text: &str) {
        rustix::io::write(&self.person, text.as_bytes()).unwrap();
    }

    /// Waits until the person has seen a text, and gives everything since the last one.
    fn sees(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.seen.find(text) {
                return self.seen.drain(..at + text.len()).collect();
            }
            assert!(Instant::now() < deadline, "{text:?} is not in {:?}", self.seen);
            let mut descriptor = [PollFd::new(&self.person, PollFlags::IN)];
            if poll(&mut descriptor, Some(&timespec(QUIET))) == Ok(1) {
                let mut bytes = [0; 4096];
                let read = rustix::io::read(&self.person, &mut bytes).unwrap();
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        }
    }

    fn asks(&self, question: &str) -> Receiver<Answer> {
        self.asks_after(Before::LateKeys, question)
    }

    fn asks_after(&self, before: Before, question: &str) -> Receiver<Answer> {
        let (answered, answers) = channel();
        let on_answer = move |answer| {
            let _ = answered.send(answer);
        };
        self.screen().ask(question, before, Box::new(on_answer)).unwrap();
        answers
    }

    fn key(&self) -> Key {
        self.keys.recv_timeout(DEADLINE).unwrap()
    }
}

fn resize(person: &OwnedFd, columns: u16) {
    tcsetwinsize(person, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

#[test]
fn a_whole_line_y_or_yes_is_yes_and_anything_else_is_no() {
    let mut seat = Seat::new(80);
    for (line, expected) in [
        ("y\n", true),
        ("yes\n", true),
        ("YES\n", true),
        (" y \n", true),
        ("\n", false),
        ("n\n", false),
        ("yy\n", false),
        ("y n\n", false),
        ("j\n", false),
        ("\u{4}", false),
        ("y\u{4}\u{4}", false),
        ("\u{1b}\n", false),
    ] {
        let answers = seat.asks("May they? ");
        seat.sees("May they? ");
        seat.types(line);
        let expected = if expected { Answer::Yes } else { Answer::No };
        assert_eq!(answers.recv_timeout(DEADLINE), Ok(expected), "{line:?}");
    }
}

#[test]
fn what_was_typed_before_the_question_answers_nothing() {
    for before in [Before::Nothing, Before::LateKeys] {
        let mut seat = Seat::new(80);
        let typed = "y\ny\nyes\ny";
        seat.screen().around(|| {
            // The reader cannot take it, so that it lies on the terminal when the question comes.
            let tty = File::open(&seat.path).unwrap();
            seat.types(typed);
            let deadline = Instant::now() + DEADLINE;
            while rustix::io::ioctl_fionread(&tty).unwrap() < typed.len() as u64 {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
        });
        let answers = seat.asks_after(before, "May they? ");
        seat.sees("May they? ");
        // The rest of a half-typed line would turn this into another word, and an old line would have answered by now.
        seat.types("no\n");
        assert_eq!(answers.recv_timeout(DEADLINE), Ok(Answer::No));
        let answers = seat.asks_after(before, "Again? ");
        seat.sees("Again? ");
        seat.types("y\n");
        assert_eq!(answers.recv_timeout(DEADLINE), Ok(Answer::Yes));
    }
}

#[test]
fn a_line_that_follows_the_answer_is_not_kept_for_the_next_question() {
    let mut seat = Seat::new(80);
    let answers = seat.asks("View? ");
    seat.sees("View? ");
    seat.types("y\ny\n");
    assert_eq!(answers.recv_timeout(DEADLINE), Ok(Answer::Yes));
    let answers = seat.asks("Control? ");
    seat.sees("Control? ");
    seat.types("n\n");
    assert_eq!(answers.recv_timeout(DEADLINE), Ok(Answer::No));
}

#[test]
fn a_question_that_was_withdrawn_takes_no_answer() {
    let mut seat = Seat::new(80);
    let answers = seat.asks("May they? ");
    seat.sees("May they? ");
    seat.screen().withdraw();
    seat.types("y\nq");
    assert_eq!(seat.key(), Key::Quit);
    assert!(answers.recv().is_err(), "dropped, not called");
}

#[test]
fn a_terminal_that_goes_away_says_so() {
    let mut seat = Seat::new(80);
    let answers = seat.asks("May they? ");
    seat.sees("May they? ");
    let screen = seat.screen();
    let Seat { person, terminal, keys, .. } = seat;
    drop(person);
    assert_eq!(answers.recv_timeout(DEADLINE), Ok(Answer::HungUp));
    assert_eq!(keys.recv_timeout(DEADLINE), Ok(Key::HangUp));
    assert!(screen.ask("Again? ", Before::Nothing, Box::new(|_| {})).is_err());
    drop(terminal);
}

#[test]
fn esc_and_q_are_keys_and_arrows_are_not() {
    let seat = Seat::new(80);
    for (bytes, key) in [("\u{1b}", Key::Esc), ("q", Key::Quit), ("Q", Key::Quit), ("xyz\u{1b}", Key::Esc)] {
        seat.types(bytes);
        assert_eq!(seat.key(), key, "{bytes:?}");
    }
    // Arrow, F5, Delete and Alt+x's first half; only the last one begins with the key itself.
    seat.types("\u{1b}[A\u{1b}OP\u{1b}[15~\u{1b}[3;5~q");
    assert_eq!(seat.key(), Key::Quit);
}

#[test]
fn keys_are_not_echoed_and_the_terminal_is_as_it_was_afterwards() {
    let mut seat = Seat::new(80);
    let tty = File::open(&seat.path).unwrap();
    seat.types("abc\u{1b}");
    assert_eq!(seat.key(), Key::Esc);
    seat.screen().write_line("END");
    assert!(!seat.sees("END").contains('a'));
    let during = tcgetattr(&tty).unwrap();
    assert!(!during.local_modes.contains(LocalModes::ICANON));
    assert!(during.local_modes.contains(LocalModes::ISIG), "Ctrl-C works");
    seat.terminal.take();
    let after = tcgetattr(&tty).unwrap();
    assert!(after.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO));
    assert_eq!(after.special_codes[SpecialCodeIndex::VSUSP], 0x1a);
    assert!(after.input_modes.contains(InputModes::IXON));
}

#[test]
fn r050_the_live_line_fits_stands_below_other_text_and_follows_the_width() {
    let mut seat = Seat::new(20);
    seat.screen().set_status(vec![
        "Lee (192.0.2.9) sees your desktop".to_owned(),
        "Seen by Lee. q: stop".to_owned(),
        "Seen.".to_owned(),
    ]);
    seat.sees("\r\u{1b}[KSeen.");
    resize(&seat.person, 100);
    seat.sees("\r\u{1b}[KLee (192.0.2.9) sees your desktop");
    seat.screen().write_line("Somebody else came by.");
    let text = seat.sees("desktop");
    assert!(text.contains("\r\u{1b}[KSomebody else came by."), "{text:?}");
    seat.screen().set_status(Vec::new());
    seat.sees("\r\u{1b}[K");
}

#[test]
fn the_live_line_makes_room_for_a_question_and_comes_back() {
    let mut seat = Seat::new(80);
    seat.screen().set_status(vec!["Waiting. q: stop".to_owned()]);
    seat.sees("Waiting. q: stop");
    let answers = seat.asks("May they? ");
    assert!(seat.sees("May they? ").starts_with("\r\u{1b}[K"));
    seat.types("y\n");
    assert_eq!(answers.recv_timeout(DEADLINE), Ok(Answer::Yes));
    seat.sees("Waiting. q: stop");
}

#[test]
fn a_held_key_cannot_keep_the_question_away() {
    let seat = Seat::new(80);
    let writer = seat.person.try_clone().unwrap();
    let (stop, stopped) = channel::<()>();
    let leaning = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(5)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::io::write(&writer, b"y");
        }
    });
    let began = Instant::now();
    let _answers = seat.asks("May they? ");
    assert!(began.elapsed() < DEADLINE);
    drop(stop);
    leaning.join().unwrap();
}
