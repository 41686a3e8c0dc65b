//! The injector: the one place where an expert's event becomes an act on the novice's desktop.

use ra_session::gate::{Input, InputGate, Stamped};
use ra_session::input::InputEvent;

use crate::watch::Pulse;

/// Carries an expert's events out, each one past the gate. It lives on a thread of its own.
///
/// INVARIANT: nothing reaches a backend but what the gate gave out, while a watcher listens for ESC. The backends'
/// half of this (`Hands`) is private to the crate, so there is no second way in.
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

/// What a backend can do. Everything that may take time happens before the gate is asked for the last time.
pub(crate) trait Hands: Send {
    /// Finds out how to carry an event out; it may wait and ask, and it presses nothing.
    ///
    /// A wait ends as soon as `wanted` says no.
    fn prepare(&mut self, event: InputEvent, wanted: &dyn Fn() -> bool) -> Result<Act, InjectError>;

    /// Does what was prepared and admitted, without waiting.
    fn perform(&mut self, act: Act) -> Result<(), InjectError>;

    /// Lifts every key and button that is held, and returns when the desktop has done it: how many.
    fn release_all(&mut self) -> Result<usize, InjectError>;

    /// How many keys and buttons are held.
    fn held(&self) -> usize;
}

/// An event that is ready to be carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// As it came.
    Event(InputEvent),
    /// A key of the backend's that types a character, perhaps with Shift held around it.
    Tap {
        /// The key.
        keycode: u8,
        /// The Shift key, if it is needed.
        shift: Option<u8>,
    },
    /// There is nothing to do.
    Nothing,
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
        let (gate, hands) = (&self.gate, &mut self.hands);
        let ready = event.map(|event| hands.prepare(event, &|| gate.is_open()));
        if !self.pulse.beats() {
            self.gate.shut();
            return Err(InjectError::Unwatched);
        }
        match self.gate.admit(ready) {
            Some(act) => self.hands.perform(act?).map(|()| Injected::Done),
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::novice::Novice;
    use crate::watch::Watch;

    /// Hands that only remember. They may find that the novice presses ESC while they prepare.
    #[derive(Clone, Default)]
    struct Memory {
        done: Arc<Mutex<Vec<Act>>>,
        prepared: Arc<Mutex<usize>>,
        esc_meanwhile: Option<InputGate>,
    }

    impl Hands for Memory {
        fn prepare(&mut self, event: InputEvent, wanted: &dyn Fn() -> bool) -> Result<Act, InjectError> {
            *self.prepared.lock().unwrap() += 1;
            assert!(wanted(), "the gate was open when this began");
            if let Some(gate) = &self.esc_meanwhile {
                gate.shut();
                assert!(!wanted(), "a wait hears of the ESC");
            }
            Ok(Act::Event(event))
        }

        fn perform(&mut self, act: Act) -> Result<(), InjectError> {
            self.done.lock().unwrap().push(act);
            Ok(())
        }

        fn release_all(&mut self) -> Result<usize, InjectError> {
            Ok(7)
        }

        fn held(&self) -> usize {
            7
        }
    }

    const EVENT: InputEvent = InputEvent::PointerMove { x: 1, y: 2 };

    fn controlled(hands: &Memory) -> (Novice, Injector, Watch) {
        let mut novice = Novice::viewing();
        novice.grant();
        let pulse = Pulse::new();
        let watch = Watch::start(novice.gate(), pulse.clone());
        let injector = Injector::new(novice.gate(), pulse, Box::new(hands.clone()));
        (novice, injector, watch)
    }

    #[test]
    fn an_admitted_event_is_carried_out_once() {
        let hands = Memory::default();
        let (novice, mut injector, _watch) = controlled(&hands);
        assert_eq!(injector.inject(novice.stamp(EVENT)).unwrap(), Injected::Done);
        assert!(*hands.done.lock().unwrap() == [Act::Event(EVENT)]);
        assert_eq!((injector.held(), injector.release_all().unwrap()), (7, 7));
    }

    #[test]
    fn s052_r047_an_event_that_is_not_admitted_is_not_even_prepared() {
        let hands = Memory::default();
        let (mut novice, mut injector, watch) = controlled(&hands);
        let stale = novice.stamp(EVENT);
        novice.grant();
        assert_eq!(injector.inject(stale).unwrap(), Injected::Refused, "of an earlier yes");
        let late = novice.stamp(EVENT);
        novice.gate().shut();
        drop(watch);
        assert_eq!(injector.inject(late).unwrap(), Injected::Refused, "refused, watched or not");
        assert!(hands.done.lock().unwrap().is_empty());
        assert_eq!(*hands.prepared.lock().unwrap(), 0);
    }

    #[test]
    fn s055_r044_an_esc_while_an_event_is_prepared_stops_that_event() {
        let mut hands = Memory::default();
        let mut novice = Novice::viewing();
        novice.grant();
        hands.esc_meanwhile = Some(novice.gate());
        let pulse = Pulse::new();
        let _watch = Watch::start(novice.gate(), pulse.clone());
        let mut injector = Injector::new(novice.gate(), pulse, Box::new(hands.clone()));
        assert_eq!(injector.inject(novice.stamp(EVENT)).unwrap(), Injected::Refused);
        assert_eq!(*hands.prepared.lock().unwrap(), 1);
        assert!(hands.done.lock().unwrap().is_empty());
    }

    #[test]
    fn without_a_heartbeat_the_gate_shuts_and_nothing_is_carried_out() {
        let hands = Memory::default();
        let (novice, mut injector, watch) = controlled(&hands);
        assert!(injector.is_watched());
        let event = novice.stamp(EVENT);
        // A watcher that is gone without having shut the gate, as a stuck one would be.
        watch.stop_beating();
        assert!(novice.gate().is_open() && !injector.is_watched());
        assert!(matches!(injector.inject(event), Err(InjectError::Unwatched)));
        assert!(!novice.gate().is_open());
        assert!(hands.done.lock().unwrap().is_empty());
    }
}
