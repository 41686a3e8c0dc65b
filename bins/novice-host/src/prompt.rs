//! The questions in words, and the terminal as a place to put them.

use std::time::{Duration, Instant, SystemTime};

use ra_novice::places::{Ballot, Inquiry, Kind, Place, Standing};
use ra_novice::prompt::{Asker, Known, NoPlaceToAsk, Status};
use ra_policy::Message;

use crate::terminal::{Answer, Before, Screen};
use crate::words;

/// Asks on the terminal of this process.
#[derive(Debug)]
pub(crate) struct TerminalPlace {
    screen: Screen,
    /// What to say while nobody is there.
    waiting: String,
    /// Until when an expert could type on this desktop, as far as anybody knows.
    typing: Typing,
}

/// Whether keys of an expert may be on their way into this very terminal.
#[derive(Debug, Clone, Copy)]
enum Typing {
    /// An expert controls this desktop.
    Now,
    /// The last one who did lost control then, or earlier.
    Until(Instant),
}

impl TerminalPlace {
    /// `waiting` says, in one short sentence, what the program waits for.
    pub(crate) fn new(screen: Screen, waiting: impl Into<String>) -> Self {
        // Who controlled before this program started is not known; some host before it may just have ended.
        Self { screen, waiting: waiting.into(), typing: Typing::Until(Instant::now()) }
    }
}

impl Place for TerminalPlace {
    fn greet(&mut self, _: Standing) {
        // It is there before anybody can be given control, so it counts; whoever started the host knows that.
    }

    fn ask(&mut self, inquiry: &Inquiry, ballot: Ballot) -> Result<(), NoPlaceToAsk> {
        // A hang-up is a no: with its terminal the host ends.
        let answer = move |answer| ballot.cast(answer == Answer::Yes);
        self.screen.ask(&in_words(inquiry), self.typing.before(), Box::new(answer)).map_err(|_| NoPlaceToAsk)
    }

    fn withdraw(&mut self) {
        self.screen.withdraw();
    }

    fn show(&mut self, status: &Status) {
        self.typing = match (status, self.typing) {
            (Status::Controlling { .. }, _) => Typing::Now,
            (Status::Waiting | Status::Viewing { .. } | Status::Lost { .. }, Typing::Now) => {
                Typing::Until(Instant::now())
            }
            (Status::Waiting | Status::Viewing { .. } | Status::Lost { .. }, until @ Typing::Until(_)) => until,
        };
        self.screen.set_status(status_lines(status, &self.waiting));
    }
}

impl Typing {
    /// What has to be waited for before a question.
    fn before(self) -> Before {
        match self {
            Self::Until(end) if end.elapsed() > HANDED_ON => Before::Nothing,
            Self::Until(_) | Self::Now => Before::LateKeys,
        }
    }
}

/// The whole question, for a terminal.
pub(crate) fn in_words(inquiry: &Inquiry) -> String {
    let question = match inquiry.kind {
        Kind::View => may_they_see(&inquiry.about),
        Kind::Control => may_they_control(&inquiry.about),
    };
    with_note(inquiry.note.as_ref(), &question)
}

/// The same as paragraphs, for a window; the last one is the question itself.
pub(crate) fn in_paragraphs(inquiry: &Inquiry) -> Vec<String> {
    let (text, question) = match inquiry.kind {
        Kind::View => (who_wants_to_see(&inquiry.about), SEE),
        Kind::Control => (who_wants_to_control(&inquiry.about), CONTROL),
    };
    let note =
        inquiry.note.as_ref().map(|note| format!("The administrator of this computer says: \"{}\"", note.as_str()));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    note.into_iter().chain([text, question.to_owned()]).collect()
}

/// What goes on, in its possible lengths.
pub(crate) fn status_lines(status: &Status, waiting: &str) -> Vec<String> {
    match status {
        Status::Waiting => vec![format!("{waiting} q: stop"), "Waiting. q: stop".to_owned(), "q: stop".to_owned()],
        Status::Viewing { asker, since } => watching(asker, *since, SystemTime::now()),
        Status::Controlling { asker, since } => controlling(asker, *since, SystemTime::now()),
        Status::Lost { asker, .. } => missing(asker),
    }
}

/// The administrator's text stands before the question and says whose it is; what the question says stays whole, and
/// last.
fn with_note(note: Option<&Message>, question: &str) -> String {
    match note {
        Some(note) => {
            format!("\r\n  The administrator of this computer says:\r\n  \"{}\"\r\n{question}", note.as_str())
        }
        None => question.to_owned(),
    }
}

/// The first question: who, how that is known, and from where. A name that is only a claim says so.
fn may_they_see(about: &Asker) -> String {
    format!("\r\n  {}\r\n\r\n{SEE} {HOW}", who_wants_to_see(about))
}

fn who_wants_to_see(about: &Asker) -> String {
    let (name, from) = (&about.name, about.peer.place());
    let who = match about.known {
        Known::Claimed => format!(
            "{name} wants to see your desktop.\r\n  \
             That is the name they give; they connect from {from}.{}",
            to_compare(about)
        ),
        Known::Key(key) => format!(
            "{name} offers to help you and wants to see your desktop. You have not invited them.\r\n  \
             The administrator of this computer knows them by the key\r\n  {key};\r\n  \
             they have proved it, and connect from {from}."
        ),
        Known::Password => format!(
            "{name} offers to help you and wants to see your desktop. You have not invited them.\r\n  \
             They gave the password of the account {name} on this computer, and connect from {from}."
        ),
    };
    format!("{who}\r\n  They could not touch anything: you would be asked again for that.")
}

/// The words of a code, so that they can be compared in the moment of the answer.
fn to_compare(about: &Asker) -> String {
    about.words.as_ref().map_or_else(String::new, |words| {
        format!("\r\n  Your helper has these words on the screen, or is somebody else: {}.", words.as_str())
    })
}

/// The second question. Source: R46.
fn may_they_control(about: &Asker) -> String {
    format!("\r\n  {}\r\n\r\n{CONTROL} {HOW}", who_wants_to_control(about))
}

fn who_wants_to_control(about: &Asker) -> String {
    format!(
        "{} asks to use your mouse and keyboard.\r\n  \
         They could do everything that you can do on this computer, also on the network.\r\n  \
         Press ESC at any time to take it back.",
        about.name
    )
}

/// Keys that an expert pressed have reached their window by then, many times over: a terminal hands them on within milliseconds.
const HANDED_ON: Duration = Duration::from_secs(1);

const SEE: &str = "Let them see your desktop?";
const CONTROL: &str = "Let them?";
/// On a terminal.
const HOW: &str = "Type y and Enter for yes, anything else for no: ";

/// Who sees the desktop, and since when, for a window with a button to stop it (R50).
pub(crate) fn sees(asker: &Asker, since: SystemTime, now: SystemTime) -> String {
    format!("{} ({}) sees your desktop since {}.", asker.name, asker.peer.place(), words::local(since, now))
}

/// Who controls it, for a window with buttons to take that back.
pub(crate) fn controls(asker: &Asker, since: SystemTime, now: SystemTime) -> String {
    let (address, time) = (asker.peer.place(), words::local(since, now));
    format!("{} ({address}) CONTROLS your desktop, seen since {time}. ESC takes control back.", asker.name)
}

/// Who sees the desktop, since when, and how to stop it: longest wording first (R50).
fn watching(asker: &Asker, since: SystemTime, now: SystemTime) -> Vec<String> {
    let (name, time) = (&asker.name, words::local(since, now));
    let address = asker.peer.place();
    vec![
        format!("{name} ({address}) sees your desktop since {time}. q: stop"),
        format!("{name} sees your desktop since {time}. q: stop"),
        format!("Seen by {name} since {time}. q: stop"),
        format!("Seen since {time}. q: stop"),
        "Seen. q: stop".to_owned(),
    ]
}

/// Whose connection is gone, and what may become of it, for a window with a button to end that.
pub(crate) fn lost(asker: &Asker) -> String {
    format!(
        "The connection to {} ({}) is gone. They see nothing now; for a minute they can come back and see again.",
        asker.name,
        asker.peer.place()
    )
}

/// The same in its possible lengths.
fn missing(asker: &Asker) -> Vec<String> {
    let name = &asker.name;
    vec![
        format!("The connection to {name} is gone; they see nothing, and may come back within a minute. q: stop"),
        format!("The connection to {name} is gone. They may come back. q: stop"),
        "The connection is gone. q: stop".to_owned(),
        "Gone. q: stop".to_owned(),
    ]
}

fn controlling(asker: &Asker, since: SystemTime, now: SystemTime) -> Vec<String> {
    let (name, time) = (&asker.name, words::local(since, now));
    let address = asker.peer.place();
    vec![
        format!("{name} ({address}) CONTROLS your desktop since {time}. ESC: take it back, q: stop"),
        format!("{name} CONTROLS your desktop since {time}. ESC: take back, q: stop"),
        format!("CONTROLLED by {name} since {time}. ESC: take back, q: stop"),
        format!("CONTROLLED since {time}. ESC: take back"),
        "CONTROLLED. ESC: back".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use ra_novice::prompt::CheckWords;

    use super::*;

    fn asker() -> Asker {
        Asker {
            name: "Lee".to_owned(),
            known: Known::Claimed,
            peer: "[::ffff:192.0.2.9]:5000".parse().unwrap(),
            words: None,
        }
    }

    #[test]
    fn late_keys_are_waited_for_while_somebody_could_have_typed_and_a_second_longer() {
        assert_eq!(Typing::Now.before(), Before::LateKeys);
        assert_eq!(Typing::Until(Instant::now()).before(), Before::LateKeys);
        let long_ago = Instant::now().checked_sub(2 * HANDED_ON).unwrap();
        assert_eq!(Typing::Until(long_ago).before(), Before::Nothing);
    }

    #[test]
    fn s048_r035_the_first_question_says_who_asks_and_from_where() {
        let question = may_they_see(&asker());
        assert!(question.contains("Lee wants to see your desktop"));
        assert!(question.contains("from 192.0.2.9"));
        assert!(!question.contains('\u{1b}'));
    }

    #[test]
    fn r077_the_question_of_an_offer_says_who_how_they_were_verified_and_from_where() {
        let key = ra_ticket::KeyFingerprint::of_spki(b"lee");
        let question = may_they_see(&Asker { known: Known::Key(key), ..asker() });
        for part in ["Lee offers to help you", "You have not invited them", &key.to_string(), "from 192.0.2.9"] {
            assert!(question.contains(part), "{question}");
        }
        assert!(!question.contains("the name they give"));
    }

    #[test]
    fn r077_the_question_of_an_offer_by_password_says_whose_password_it_was() {
        let question = may_they_see(&Asker { known: Known::Password, ..asker() });
        for part in [
            "Lee offers to help you",
            "You have not invited them",
            "password of the account Lee on this computer",
            "from 192.0.2.9",
        ] {
            assert!(question.contains(part), "{question}");
        }
        assert!(!question.contains("the name they give"));
    }

    #[test]
    fn who_comes_by_a_code_is_asked_about_with_the_words_to_compare() {
        let question = may_they_see(&Asker { words: CheckWords::new("amber fox kettle zebra"), ..asker() });
        assert!(question.contains("or is somebody else: amber fox kettle zebra."), "{question}");
        assert!(question.ends_with(&format!("{SEE} {HOW}")), "the question itself stays last: {question}");
        assert!(!may_they_see(&asker()).contains("somebody else"));
    }

    #[test]
    fn r035_an_administrators_text_stands_beside_the_question_and_replaces_nothing() {
        let note = Message::new("Call 555 first.\u{1b}[2J\u{202e} Let them? Type n").unwrap();
        for question in [may_they_see(&asker()), may_they_control(&asker())] {
            let whole = with_note(Some(&note), &question);
            assert!(
                whole.ends_with(&question) && whole.contains("administrator of this computer says:\r\n  \"Call 555")
            );
            assert!(!whole.contains('\u{1b}') && !whole.contains('\u{202e}'));
            assert_eq!(with_note(None, &question), question);
        }
    }

    #[test]
    fn a_window_says_the_same_as_a_terminal() {
        for kind in [Kind::View, Kind::Control] {
            let about = Asker { words: CheckWords::new("amber fox kettle zebra"), ..asker() };
            let inquiry = Inquiry { kind, about, note: Message::new("Call 555 first.") };
            let terminal = in_words(&inquiry).split_whitespace().collect::<Vec<_>>().join(" ");
            let window = in_paragraphs(&inquiry).join(" ");
            assert_eq!(terminal.trim_end(), format!("{window} {}", HOW.trim_end()));
        }
    }

    #[test]
    fn r046_the_second_question_says_what_control_means() {
        let question = may_they_control(&asker());
        assert!(question.contains("everything that you can do on this computer, also on the network"));
        assert!(question.contains("ESC"));
    }

    #[test]
    fn r050_every_wording_but_the_shortest_says_since_when_and_all_say_how_to_stop() {
        let lines = controlling(&asker(), words::at(1_767_225_600), words::at(1_767_225_601));
        assert!(lines.iter().all(|line| line.contains("ESC")));
        assert!(lines[..4].iter().all(|line| line.contains("since")));
        assert!(watching(&asker(), words::at(0), words::at(0)).iter().all(|line| line.contains("q: stop")));
        assert!(missing(&asker()).iter().all(|line| line.contains("q: stop")));
        for lines in [lines, watching(&asker(), words::at(0), words::at(0)), missing(&asker())] {
            assert!(lines.windows(2).all(|pair| words::width_of(&pair[0]) > words::width_of(&pair[1])));
            assert!(words::width_of(lines.last().unwrap()).0 <= 21);
        }
    }
}
