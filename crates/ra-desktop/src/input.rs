//! The injector: the one place where an expert's event becomes an act on the novice's desktop.

use ra_session::gate::{Input, InputGate, Stamped};
use ra_session::input::InputEvent;

use crate::watch::Pulse;

/// Carries an expert's events out, each one past the gate. It lives on a thread of its own.
///
/// INVARIANT: nothing reaches a backend but what the gate gave out, while a watcher listens for ESC. The backends'
/// half of this ([`Hands`]) is private to the crate, so there is no second way in.
pub struct Injector {
    gate: InputGate,
    pulse: Pulse,
    hands: Box<dyn Hands>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// The desktop got it.
    Done,
    /// The gate did not give it out: shut, or made under an earlier yes.
    Refused,
}

/// Why an event could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// Nobody listens for the novice's ESC (any more); the gate has been shut.
    #[error("nobody is listening for the novice's ESC")]
    Unwatched,
    /// The connection to the desktop is gone.
    #[error("the desktop is gone: {0}")]
    Gone(String),
}

/// What a backend can do. It never sees an event that was not admitted.
pub(crate) trait Hands: Send {
    /// Waits until the next event can be carried out at once; gives up as soon as `wanted` says no.
    ///
    /// All waiting is done here, before the gate is asked, so that no event is admitted and then kept.
    fn settle(&mut self, wanted: &dyn Fn() -> bool);

    /// Carries out one event without waiting.
    fn perform(&mut self, event: InputEvent) -> Result<(), InjectError>;

    /// Lifts every key and button that is held, and returns when the desktop has done it: how many.
    fn release_all(&mut self) -> Result<usize, InjectError>;

    /// How many keys and buttons are held.
    fn held(&self) -> usize;
}

impl Injector {
    pub(crate) fn new(gate: InputGate, pulse: Pulse, hands: Box<dyn Hands>) -> Self {
        Self { gate, pulse, hands }
    }

    /// Carries out an event if the gate admits it at this moment.
    ///
    /// # Errors
    /// [`InjectError::Unwatched`] when the ESC watcher does not run or has missed its heartbeats: the gate is shut then.
    /// [`InjectError::Gone`] when the desktop is gone.
    pub fn inject(&mut self, event: Stamped<Input, InputEvent>) -> Result<Injected, InjectError> {
        if !self.gate.admits(&event) {
            return Ok(Injected::Refused);
        }
        self.hands.settle(&|| self.gate.admits(&event));
        if !self.pulse.beats() {
            self.gate.shut();
            return Err(InjectError::Unwatched);
        }
        match self.gate.admit(event) {
            Some(event) => self.hands.perform(event).map(|()| Injected::Done),
            None => Ok(Injected::Refused),
        }
    }

    /// Lifts every key and button that the expert holds, and returns when the desktop has done it: how many.
    ///
    /// The gate has to be shut before. Since the desktop takes requests in order, nothing that was injected earlier can
    /// arrive after this has returned: it is the round trip that must lie before a question to the novice.
    ///
    /// # Errors
    /// [`InjectError::Gone`] when the desktop is gone, and the keys with it.
    pub fn release_all(&mut self) -> Result<usize, InjectError> {
        self.hands.release_all()
    }

    /// Whether a watcher listens for ESC now. While none does, everything is refused; grant control only if this says yes.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.pulse.beats()
    }

    /// How many keys and buttons the expert holds down.
    #[must_use]
    pub fn held(&self) -> usize {
        self.hands.held()
    }
}

impl core::fmt::Debug for Injector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Injector").field("gate", &self.gate).field("held", &self.held()).finish()
    }
}
