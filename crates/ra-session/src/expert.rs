//! The expert's side: what this viewer may do, as far as the novice has told it.
//!
//! Here the grant does arrive by wire. What the states keep is that nothing is *sent* unless control was asked for
//! and granted, and that it stops at the first word that it ended.
//!
//! ```
//! use ra_session::expert::{Expert, FromNovice};
//! let mut expert = Expert::new();
//! expert.hear(FromNovice::Accepted);
//! assert!(expert.permit().is_none(), "seeing is not touching");
//! expert.ask_control();
//! expert.hear(FromNovice::ControlGranted);
//! assert!(expert.permit().is_some());
//! ```

use crate::effect::RevokedBy;
use crate::input::InputEvent;

/// The viewer's session.
#[derive(Debug, Default)]
pub struct Expert {
    state: ExpertState,
}

/// Where the viewer's session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpertState {
    /// The novice has not agreed yet.
    #[default]
    Waiting,
    /// The picture comes; input is not sent.
    Viewing,
    /// Control was asked for.
    Requested,
    /// Input is sent.
    Controlling,
    /// It is over.
    Ended,
}

/// What the novice's side said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromNovice {
    /// RESULT 0, or the first picture.
    Accepted,
    /// ACCEPTRC, or the own participant with MAY_INTERACT.
    ControlGranted,
    /// REJECTRC.
    ControlRefused,
    /// `DENIEDRC `.
    ControlDenied,
    /// ESCRC, TAKECONTROL, or the own participant without MAY_INTERACT.
    ControlRevoked(RevokedBy),
    /// DISCONNECT, the removal of the own participant, or the connection is gone.
    Gone,
}

/// What changed by it, for the person at the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The picture may be shown.
    Viewing,
    /// Control is here.
    Controlling,
    /// Control was refused; by the person, or by settings.
    Refused {
        /// Settings forbid it and nobody was asked.
        by_settings: bool,
    },
    /// Control is gone.
    Revoked(RevokedBy),
    /// It is over.
    Ended,
}

/// The right to send one event, lent while control lasts.
#[derive(Debug)]
pub struct SendPermit<'a>(&'a Expert);

/// An event that may be sent. Only a [`SendPermit`] makes one.
#[derive(Debug)]
pub struct Sendable(InputEvent);

impl Expert {
    /// A viewer whose ticket was just accepted for consideration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ExpertState {
        self.state
    }

    /// The person wants control: true when the request must be sent now.
    #[must_use]
    pub fn ask_control(&mut self) -> bool {
        self.leave_for(ExpertState::Viewing, ExpertState::Requested)
    }

    /// The person gives control back or withdraws the request: true when that must be sent now.
    #[must_use]
    pub fn give_back(&mut self) -> bool {
        self.leave_for(ExpertState::Controlling, ExpertState::Viewing)
            || self.leave_for(ExpertState::Requested, ExpertState::Viewing)
    }

    /// Lends the right to send while controlling.
    #[must_use]
    pub fn permit(&self) -> Option<SendPermit<'_>> {
        (self.state == ExpertState::Controlling).then_some(SendPermit(self))
    }

    /// Takes in what the novice's side said; returns what a person should be shown.
    pub fn hear(&mut self, said: FromNovice) -> Option<Change> {
        let (state, change) = match (self.state, said) {
            (ExpertState::Ended, _) => return None,
            (_, FromNovice::Gone) => (ExpertState::Ended, Change::Ended),
            (ExpertState::Waiting, FromNovice::Accepted) => (ExpertState::Viewing, Change::Viewing),
            // A grant that was not asked for is none: the person at this side has not agreed to touch anything.
            (ExpertState::Requested, FromNovice::ControlGranted) => (ExpertState::Controlling, Change::Controlling),
            (ExpertState::Requested, FromNovice::ControlRefused) => {
                (ExpertState::Viewing, Change::Refused { by_settings: false })
            }
            (ExpertState::Requested, FromNovice::ControlDenied) => {
                (ExpertState::Viewing, Change::Refused { by_settings: true })
            }
            (ExpertState::Controlling, FromNovice::ControlRevoked(by)) => (ExpertState::Viewing, Change::Revoked(by)),
            (
                _,
                FromNovice::Accepted
                | FromNovice::ControlGranted
                | FromNovice::ControlRefused
                | FromNovice::ControlDenied
                | FromNovice::ControlRevoked(_),
            ) => return None,
        };
        self.state = state;
        Some(change)
    }

    fn leave_for(&mut self, from: ExpertState, to: ExpertState) -> bool {
        let here = self.state == from;
        if here {
            self.state = to;
        }
        here
    }
}

impl SendPermit<'_> {
    /// Marks an event as one that may be sent.
    #[must_use]
    pub fn send(&self, event: InputEvent) -> Sendable {
        debug_assert_eq!(self.0.state, ExpertState::Controlling, "a permit borrows the session, which cannot change");
        Sendable(event)
    }
}

impl Sendable {
    /// The event, for the encoder.
    #[must_use]
    pub fn into_event(self) -> InputEvent {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewing() -> Expert {
        let mut expert = Expert::new();
        assert_eq!(expert.hear(FromNovice::Accepted), Some(Change::Viewing));
        expert
    }

    #[test]
    fn nothing_is_sent_without_a_request_and_a_grant() {
        assert_eq!(Expert::new().state(), ExpertState::Waiting);
        let mut expert = viewing();
        assert_eq!(expert.hear(FromNovice::ControlGranted), None);
        assert!(expert.permit().is_none());
        assert!(expert.ask_control());
        assert!(!expert.ask_control(), "one request is enough");
        assert!(expert.permit().is_none());
        assert_eq!(expert.hear(FromNovice::ControlGranted), Some(Change::Controlling));
        assert!(expert.permit().is_some());
        assert_eq!(expert.state(), ExpertState::Controlling);
    }

    #[test]
    fn the_first_word_of_a_revocation_stops_sending() {
        let mut expert = viewing();
        assert!(expert.ask_control());
        expert.hear(FromNovice::ControlGranted);
        assert_eq!(expert.hear(FromNovice::ControlRevoked(RevokedBy::Esc)), Some(Change::Revoked(RevokedBy::Esc)));
        assert!(expert.permit().is_none());
        // The participant order that follows says the same once more.
        assert_eq!(expert.hear(FromNovice::ControlRevoked(RevokedBy::Stop)), None);
        assert_eq!(expert.hear(FromNovice::ControlGranted), None, "a new grant needs a new request");
    }

    #[test]
    fn giving_back_stops_sending_before_anything_is_sent() {
        let mut expert = viewing();
        assert!(!expert.give_back());
        assert!(expert.ask_control());
        expert.hear(FromNovice::ControlGranted);
        assert!(expert.give_back());
        assert!(expert.permit().is_none());
    }

    #[test]
    fn after_the_end_nothing_comes_back() {
        let mut expert = viewing();
        assert_eq!(expert.hear(FromNovice::Gone), Some(Change::Ended));
        assert_eq!(expert.hear(FromNovice::Accepted), None);
        assert!(!expert.ask_control());
    }
}
