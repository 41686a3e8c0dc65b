//! How the engine puts a question to the person in front of this computer.

use std::time::SystemTime;

use ra_policy::Message;
use ra_session::places::Kind;
use ra_session::{ConsentToControl, ConsentToView, LocalEvent, Question};
use ra_ticket::KeyFingerprint;

use crate::arrival::Peer;

/// A face: where the novice is asked, and sees what goes on. Of several places, [`crate::places::Places`] makes one.
///
/// The engine has shut the input gate, lifted every held key and seen a round trip of the injecting connection
/// before it calls [`Prompt::ask`]. No call may block for longer than writing a few lines takes.
pub trait Prompt: Send {
    /// Puts the question, with the administrator's text beside the built-in one if there is any. What was typed before
    /// is discarded, the question is written, the reader is armed; then this returns and the engine reports
    /// `consent_asked`. The answer goes to `answered`, at most once.
    ///
    /// # Errors
    /// There is no place to ask any more; the engine takes that for a question that nobody answers.
    fn ask(
        &mut self,
        asked: Asked,
        about: &Asker,
        note: Option<&Message>,
        answered: Answered,
    ) -> Result<(), NoPlaceToAsk>;

    /// The open question is no longer open: take it away. What is typed now answers nothing.
    fn withdraw(&mut self);

    /// What the person should see for as long as it is true (R50).
    fn show(&mut self, status: &Status);
}

/// The question itself: whoever holds it speaks for the novice.
#[derive(Debug)]
pub enum Asked {
    /// May the expert see?
    View(Question<ConsentToView>),
    /// May the expert control?
    Control(Question<ConsentToControl>),
}

/// Who asks, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who it is; [`Asker::known`] says what that is worth. Made harmless: see [`ra_ticket::UntrustedName`].
    pub name: String,
    /// How the name is known.
    pub known: Known,
    /// Where the connection comes from.
    pub peer: Peer,
    /// The words that the expert has on the screen too, where the connection came by a code.
    pub words: Option<CheckWords>,
}

/// Four words that both people have on their screens; who has other ones is not who the person thinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckWords(String);

/// What the name of an [`Asker`] is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The expert gave it, or it is `somebody`: nobody has verified it. They came with an invitation.
    Claimed,
    /// The administrator of this computer gave it to this key, which the expert has proved. They came without an
    /// invitation, to offer help.
    Key(KeyFingerprint),
    /// It is the account of this computer whose password they know. They came without an invitation, to offer help.
    Password,
}

/// Takes the answer back to the engine.
pub struct Answered(Box<dyn FnOnce(LocalEvent, Reply) + Send>);

/// What the person said, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Yes, or anything else.
    pub yes: bool,
    /// Where it was said.
    pub place: PlaceName,
}

/// What a place is called in events and in the audit log: `terminal`, `agent :1`, `agent pts/4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceName(String);

/// What the novice sees while a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody is connected.
    Waiting,
    /// Somebody sees this desktop.
    Viewing {
        /// Who.
        asker: Asker,
        /// Since when.
        since: SystemTime,
    },
    /// The connection of somebody who saw it is gone: they see nothing now, and may come back within a minute.
    Lost {
        /// Who.
        asker: Asker,
        /// Since when they saw.
        since: SystemTime,
    },
    /// Somebody sees and controls it.
    Controlling {
        /// Who.
        asker: Asker,
        /// Since when.
        since: SystemTime,
    },
}

/// The terminal, window or agent that asked is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no place left to ask the person at this computer")]
pub struct NoPlaceToAsk;

impl Asked {
    /// What it asks for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::View(_) => Kind::View,
            Self::Control(_) => Kind::Control,
        }
    }

    fn answer(self, yes: bool) -> LocalEvent {
        match (self, yes) {
            (Self::View(question), true) => LocalEvent::ViewAnswered(question.yes()),
            (Self::View(question), false) => LocalEvent::ViewAnswered(question.no()),
            (Self::Control(question), true) => LocalEvent::ControlAnswered(question.yes()),
            (Self::Control(question), false) => LocalEvent::ControlAnswered(question.no()),
        }
    }
}

impl CheckWords {
    /// Words with a space between them; `None` for what is not four words of at most 16 lower-case letters: they stand in a question
    /// that matters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_word = |word: &str| (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let fits = text.split(' ').count() == 4 && text.split(' ').all(is_word);
        fits.then(|| Self(text.to_owned()))
    }

    /// The words, with a space between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Answered {
    pub(crate) fn new(take: impl FnOnce(LocalEvent, Reply) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    /// Hands in what the person said about the question.
    pub fn with(self, asked: Asked, reply: Reply) {
        (self.0)(asked.answer(reply.yes), reply);
    }
}

impl PlaceName {
    /// The terminal of the host itself.
    #[must_use]
    pub fn terminal() -> Self {
        Self("terminal".to_owned())
    }

    /// The agent on a display, such as `:1`, or on a terminal, such as `pts/4`.
    #[must_use]
    pub fn agent(on: &str) -> Self {
        Self(format!("agent {on}"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PlaceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_words_are_four_and_can_be_nothing_else() {
        assert_eq!(CheckWords::new("amber fox kettle zebra").unwrap().as_str(), "amber fox kettle zebra");
        for no in [
            "",
            "amber fox kettle",
            "amber fox kettle zebra say",
            "amber  fox kettle",
            "Amber fox kettle zebra",
            "amber fox kettle \u{1b}[2J",
        ] {
            assert_eq!(CheckWords::new(no), None, "{no:?}");
        }
        assert_eq!(CheckWords::new(&format!("amber fox kettle {}", "z".repeat(17))), None);
    }
}
