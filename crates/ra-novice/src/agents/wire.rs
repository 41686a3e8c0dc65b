//! What an agent and its host say to each other: one JSON object a line, each way, at most [`LONGEST_LINE`] bytes.
//!
//! ```json
//! {"say":"here","on":{"display":":1","cookie":"00112233445566778899aabbccddeeff"}}
//! {"say":"welcome","counts":true}
//! {"say":"ask","question":1,"kind":"view","who":{"name":"Lee","peer":"192.0.2.7:50123"}}
//! {"say":"answer","question":1,"yes":true}
//! ```

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use ra_desktop::X11Access;
use ra_policy::Message;
use ra_session::places::Kind;
use ra_ticket::UntrustedName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::arrival::Peer;
use crate::places::Inquiry;
use crate::prompt::{Asker, CheckWords, Known, Status};

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FromAgent {
    /// First of all: in which session it is.
    Here {
        /// Where it asks.
        on: On,
    },
    /// The person answered.
    Answer {
        /// The number of the question.
        question: u64,
        /// Yes, or anything else.
        yes: bool,
    },
    /// The person takes control back.
    TakeBack,
    /// The person ends the session.
    Stop,
}

/// Where an agent asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum On {
    /// On its terminal.
    Terminal,
    /// In a window on a display.
    #[serde(untagged)]
    Display {
        /// As `DISPLAY` names it.
        display: String,
        /// The key to it, for the host, which shares that display if it has none of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cookie: Option<Cookie>,
    },
}

/// A key to a display, as hexadecimal digits. Wiped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(Zeroizing<Vec<u8>>);

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum FromHost {
    /// The agent is one of the places.
    Welcome {
        /// False when it came after control was granted: then it sees what goes on and is not asked.
        counts: bool,
    },
    /// The agent is none of the places, and the connection ends.
    Unwelcome {
        /// For the person who wonders why.
        why: String,
    },
    /// A question to put.
    Ask {
        /// Its number.
        question: u64,
        /// `view` or `control`.
        kind: WireKind,
        /// Who asks.
        who: Who,
        /// The administrator's text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The question is no longer open.
    Withdraw,
    /// Nobody is connected.
    Waiting,
    /// Somebody sees the desktop.
    Viewing {
        /// Who.
        who: Who,
        /// Since when, in seconds since 1970, UTC.
        since: u64,
    },
    /// The connection of somebody who saw it is gone; they may come back.
    Lost {
        /// Who.
        who: Who,
        /// Since when they saw, in seconds since 1970, UTC.
        since: u64,
    },
    /// Somebody sees and controls it.
    Controlling {
        /// Who.
        who: Who,
        /// Since when, in seconds since 1970, UTC.
        since: u64,
    },
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the same as Kind")]
pub(super) enum WireKind {
    View,
    Control,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    name: String,
    peer: Peer,
    /// The key that a helper has proved; none where the name is only a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// True when it is an account of this computer whose password they know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    password: bool,
    /// The words to compare, where they came by a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

impl FromHost {
    /// A question as it goes to an agent.
    pub(crate) fn ask(question: u64, inquiry: &Inquiry) -> Self {
        let kind = match inquiry.kind {
            Kind::View => WireKind::View,
            Kind::Control => WireKind::Control,
        };
        let note = inquiry.note.as_ref().map(|note| note.as_str().to_owned());
        Self::Ask { question, kind, who: Who::of(&inquiry.about), note }
    }

    /// What goes on, as it goes to an agent.
    pub(crate) fn status(status: &Status) -> Self {
        let seconds = |at: &SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match status {
            Status::Waiting => Self::Waiting,
            Status::Viewing { asker, since } => Self::Viewing { who: Who::of(asker), since: seconds(since) },
            Status::Lost { asker, since } => Self::Lost { who: Who::of(asker), since: seconds(since) },
            Status::Controlling { asker, since } => Self::Controlling { who: Who::of(asker), since: seconds(since) },
        }
    }
}

impl Who {
    fn of(asker: &Asker) -> Self {
        let key = match asker.known {
            Known::Claimed | Known::Password => None,
            Known::Key(key) => Some(key.to_string()),
        };
        let words = asker.words.as_ref().map(|words| words.as_str().to_owned());
        let password = asker.known == Known::Password;
        Self { name: asker.name.clone(), peer: asker.peer.clone(), key, password, words }
    }

    /// As the engine has it; `None` for a key or words that are none, and for somebody who is known in two ways.
    fn asker(self) -> Option<Asker> {
        let known = match (self.key, self.password) {
            (None, false) => Known::Claimed,
            (None, true) => Known::Password,
            (Some(key), false) => Known::Key(key.parse().ok()?),
            (Some(_), true) => return None,
        };
        let words = match self.words {
            Some(words) => Some(CheckWords::new(&words)?),
            None => None,
        };
        // Once more: what is shown to a person is made harmless where it is shown.
        Some(Asker { name: UntrustedName::new(&self.name).to_string(), known, peer: self.peer, words })
    }
}

/// What an agent has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    /// Whether it will be asked, from now on.
    Welcome {
        /// False when it came after control was granted.
        counts: bool,
    },
    /// It will not be asked, and the reason.
    Unwelcome(String),
    /// A question, by its number.
    Ask(u64, Inquiry),
    /// The question is no longer open.
    Withdraw,
    /// What goes on.
    Show(Status),
}

impl Scene {
    /// Makes sense of what the host said; `None` when there is none in it.
    fn of(word: FromHost) -> Option<Self> {
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some(match word {
            FromHost::Welcome { counts } => Self::Welcome { counts },
            FromHost::Unwelcome { why } => Self::Unwelcome(why.chars().filter(|c| !c.is_control()).collect()),
            FromHost::Ask { question, kind, who, note } => {
                let kind = match kind {
                    WireKind::View => Kind::View,
                    WireKind::Control => Kind::Control,
                };
                Self::Ask(question, Inquiry { kind, about: who.asker()?, note: note.as_deref().and_then(Message::new) })
            }
            FromHost::Withdraw => Self::Withdraw,
            FromHost::Waiting => Self::Show(Status::Waiting),
            FromHost::Viewing { who, since } => Self::Show(Status::Viewing { asker: who.asker()?, since: at(since)? }),
            FromHost::Lost { who, since } => Self::Show(Status::Lost { asker: who.asker()?, since: at(since)? }),
            FromHost::Controlling { who, since } => {
                Self::Show(Status::Controlling { asker: who.asker()?, since: at(since)? })
            }
        })
    }
}

impl On {
    /// This display, with its key.
    #[must_use]
    pub fn display(access: &X11Access) -> Self {
        let cookie = access.cookie().map(|cookie| Cookie(Zeroizing::new(cookie.to_vec())));
        Self::Display { display: access.display(), cookie }
    }
}

impl Cookie {
    pub(crate) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.clone()
    }
}

impl Serialize for Cookie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Cookie {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = Zeroizing::new(String::deserialize(deserializer)?);
        // The error of `hex` would print the digit.
        let bytes = hex::decode(&*digits).map_err(|_| D::Error::custom("not a cookie"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie")
    }
}

/// A word as a line.
pub(crate) fn line_of(word: &impl Serialize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(ROOM));
    serde_json::to_writer(&mut *line, word)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads what an agent said.
///
/// # Errors
/// When it makes no sense. The error does not repeat what was said: it may hold a cookie.
pub(crate) fn from_agent(line: &[u8]) -> io::Result<FromAgent> {
    serde_json::from_slice(line).map_err(|_| nonsense())
}

/// Reads what the host said.
pub(crate) fn from_host(line: &[u8]) -> io::Result<Scene> {
    serde_json::from_slice(line).ok().and_then(Scene::of).ok_or_else(nonsense)
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the other side says something that this version does not understand")
}

/// The longest line: the longest text of an administrator (4 bytes a character, quotes and all), a name, and the rest,
/// twice over.
pub(crate) const LONGEST_LINE: usize = 16 * 1024;
/// The usual line; it does not grow, so that nothing of a cookie is left behind where it was.
const ROOM: usize = 512;

#[cfg(test)]
mod tests {
    use ra_policy::MESSAGE_CHARS;
    use ra_ticket::KeyFingerprint;

    use super::*;

    fn asker() -> Asker {
        let peer = "[2001:db8::7]:50123".parse().unwrap();
        Asker { name: "Łucja".to_owned(), known: Known::Key(KeyFingerprint::of_spki(b"lee")), peer, words: None }
    }

    #[test]
    fn what_an_agent_says_reads_back() {
        let access = X11Access::named(":1", Some(Zeroizing::new(vec![0xAB; 16]))).unwrap();
        for (word, line) in [
            (
                FromAgent::Here { on: On::display(&access) },
                r#"{"say":"here","on":{"display":":1","cookie":"abababababababababababababababab"}}"#,
            ),
            (FromAgent::Here { on: On::Terminal }, r#"{"say":"here","on":"terminal"}"#),
            (FromAgent::Answer { question: 7, yes: true }, r#"{"say":"answer","question":7,"yes":true}"#),
            (FromAgent::TakeBack, r#"{"say":"take_back"}"#),
            (FromAgent::Stop, r#"{"say":"stop"}"#),
        ] {
            assert_eq!(&*line_of(&word).unwrap(), format!("{line}\n").as_bytes());
            assert_eq!(from_agent(line.as_bytes()).unwrap(), word);
        }
    }

    #[test]
    fn what_the_host_says_reads_back() {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        for status in [
            Status::Waiting,
            Status::Viewing { asker: asker(), since },
            Status::Controlling { asker: Asker { known: Known::Claimed, ..asker() }, since },
            Status::Viewing { asker: Asker { known: Known::Password, ..asker() }, since },
            Status::Lost { asker: asker(), since },
        ] {
            let line = line_of(&FromHost::status(&status)).unwrap();
            assert_eq!(from_host(&line).unwrap(), Scene::Show(status));
        }
        for kind in [Kind::View, Kind::Control] {
            let about = Asker { words: CheckWords::new("amber fox kettle zebra"), ..asker() };
            let inquiry = Inquiry { kind, about, note: Message::new("Call 555 first.") };
            let line = line_of(&FromHost::ask(3, &inquiry)).unwrap();
            assert_eq!(from_host(&line).unwrap(), Scene::Ask(3, inquiry));
        }
    }

    #[test]
    fn the_longest_question_fits_a_line() {
        let note = Message::new(&"\"\u{10FFFF}\\".repeat(MESSAGE_CHARS));
        let name = UntrustedName::new(&"\u{10FFFF}".repeat(1000)).to_string();
        let words = CheckWords::new(&vec!["z".repeat(16); 4].join(" "));
        let inquiry = Inquiry { kind: Kind::View, about: Asker { name, words, ..asker() }, note };
        let line = line_of(&FromHost::ask(u64::MAX, &inquiry)).unwrap();
        assert!(line.len() <= LONGEST_LINE / 2, "{}", line.len());
    }

    #[test]
    fn nonsense_is_not_repeated_and_secrets_are_not_printed() {
        for line in ["", "{}", "null", r#"{"say":"here"}"#, r#"{"say":"here","on":{"display":":1","cookie":"xyzzy"}}"#]
        {
            let error = from_agent(line.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("xyzzy"));
        }
        let here = r#"{"say":"here","on":{"display":":1","cookie":"abcd"}}"#;
        let printed = format!("{:?}", from_agent(here.as_bytes()).unwrap());
        assert!(printed.contains(":1") && !printed.contains("abcd") && !printed.contains("171"), "{printed}");
    }

    #[test]
    fn a_host_that_lies_about_a_name_cannot_play_with_the_screen() {
        let line = r#"{"say":"viewing","since":0,"who":{"name":"\u001b[2J\u202eLee","peer":"192.0.2.7:1"}}"#;
        let Scene::Show(Status::Viewing { asker, .. }) = from_host(line.as_bytes()).unwrap() else { panic!() };
        assert!(!asker.name.contains(['\u{1b}', '\u{202e}']), "{:?}", asker.name);
        for line in [
            r#"{"say":"viewing","since":18446744073709551615,"who":{"name":"Lee","peer":"192.0.2.7:1"}}"#,
            r#"{"say":"viewing","since":0,"who":{"name":"Lee","peer":"192.0.2.7:1","key":"sha256:12"}}"#,
        ] {
            assert!(from_host(line.as_bytes()).is_err(), "{line}");
        }
    }
}
