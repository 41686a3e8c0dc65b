//! How the engine puts a question to the person in front of this computer.

use std::net::SocketAddr;
use std::time::SystemTime;

use ra_policy::Message;
use ra_session::{ConsentToControl, ConsentToView, LocalEvent, Question};
use ra_ticket::KeyFingerprint;

/// A face: the place where the novice is asked, and sees what goes on.
///
/// The engine has shut the input gate, lifted every held key and seen a round trip of the injecting connection
/// before it calls [`Prompt::ask`]. No call may block for longer than writing a few lines takes.
pub trait Prompt: Send {
    /// Puts the question, with the administrator's text beside the built-in one if there is any. What was typed before
    /// is discarded, the question is written, the reader is armed; then this returns and the engine reports
    /// `consent_asked`. The answer goes to `answered`, at most once.
    ///
    /// # Errors
    /// There is no place to ask any more; the engine counts that as a no.
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
    pub peer: SocketAddr,
}

/// What the name of an [`Asker`] is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The expert gave it, or it is `somebody`: nobody has verified it. They came with an invitation.
    Claimed,
    /// The administrator of this computer gave it to this key, which the expert has proved. They came without an
    /// invitation, to offer help.
    Key(KeyFingerprint),
}

/// Takes the answer back to the engine.
pub struct Answered(Box<dyn FnOnce(LocalEvent) + Send>);

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
    /// `view` or `control`, as in the event `consent_asked`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::View(_) => "view",
            Self::Control(_) => "control",
        }
    }

    /// The person said yes.
    #[must_use]
    pub fn yes(self) -> LocalEvent {
        match self {
            Self::View(question) => LocalEvent::ViewAnswered(question.yes()),
            Self::Control(question) => LocalEvent::ControlAnswered(question.yes()),
        }
    }

    /// The person said no, or anything else, or left.
    #[must_use]
    pub fn no(self) -> LocalEvent {
        match self {
            Self::View(question) => LocalEvent::ViewAnswered(question.no()),
            Self::Control(question) => LocalEvent::ControlAnswered(question.no()),
        }
    }
}

impl Answered {
    pub(crate) fn new(take: impl FnOnce(LocalEvent) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    /// Hands the answer in: `answered.with(asked.yes())`.
    pub fn with(self, answer: LocalEvent) {
        (self.0)(answer);
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered")
    }
}
