//! How far two people have come, so that a test can start where it becomes interesting.

use integration::picture::{Colour, DEMO_FIELD, DEMO_WORD, Line};
use integration::{Cast, Expert, Failure, Person, Picture, Stage};

/// A novice and an expert in the middle of a session on the demo desktop.
pub(crate) struct Session {
    // Ended before the stage is taken down.
    pub(crate) expert: Expert,
    pub(crate) novice: Person,
    pub(crate) stage: Stage,
}

impl Session {
    /// The novice is being asked whether the expert may see.
    pub(crate) fn asked() -> Result<Self, Failure> {
        Self::asked_with(|novice| novice, |expert| expert)
    }

    /// As [`Session::asked`], with changes to the command lines.
    pub(crate) fn asked_with(
        novice: impl FnOnce(Cast<'_>) -> Cast<'_>,
        expert: impl FnOnce(Cast<'_>) -> Cast<'_>,
    ) -> Result<Self, Failure> {
        let stage = Stage::new()?;
        let mut host = novice(stage.novice().invites("Kim Aalbers")).start()?;
        host.wait_event("listening")?;
        let viewer = expert(stage.expert()).watches()?;
        Ok(Self { expert: viewer, novice: host, stage })
    }

    /// The expert sees.
    pub(crate) fn viewing() -> Result<Self, Failure> {
        Self::viewing_with(|novice| novice, |expert| expert)
    }

    /// As [`Session::viewing`], with changes to the command lines.
    pub(crate) fn viewing_with(
        novice: impl FnOnce(Cast<'_>) -> Cast<'_>,
        expert: impl FnOnce(Cast<'_>) -> Cast<'_>,
    ) -> Result<Self, Failure> {
        let mut session = Self::asked_with(novice, expert)?;
        session.novice.says("y", "view")?;
        session.expert.wait_event("first_frame")?;
        Ok(session)
    }

    /// The expert controls, and types this text.
    pub(crate) fn controlling(text: &str) -> Result<Self, Failure> {
        let mut session =
            Self::viewing_with(|novice| novice, |expert| expert.args(["--request-control", "--type", text]))?;
        session.novice.says("y", "control")?;
        session.novice.wait_event("controlling")?;
        session.expert.wait_event("controlling")?;
        Ok(session)
    }
}

/// The word of the run, as it stands in a picture of the demo desktop.
pub(crate) fn word(picture: &Picture) -> Option<String> {
    picture.demo_word()
}

/// What was typed, as it stands in the text field of the demo desktop.
pub(crate) fn typed(picture: &Picture) -> String {
    picture.text(DEMO_FIELD)
}

/// What the demo desktop says about the input that it got.
pub(crate) fn input_so_far(picture: &Picture) -> String {
    picture.text(DEMO_SENTENCE)
}

/// What it says before anything has arrived.
pub(crate) const NO_INPUT: &str = "No key and no click has arrived here yet.";

/// Where the demo desktop tells what arrived.
const DEMO_SENTENCE: Line = Line { x: 80, y: 300, scale: 1, cells: 60, ink: PALE_YELLOW, paper: DEMO_WORD.paper };
const PALE_YELLOW: Colour = [0xF2, 0xD6, 0x8B];

/// The word that `novice-host` tells on standard error when it shares the demo desktop.
pub(crate) fn told_word(novice: &Person) -> Option<String> {
    novice.told_word()
}
