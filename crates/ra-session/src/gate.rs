//! The two gates: one in the injector, one in the frame writer. The only flag in the project lives in this file.
//!
//! A gate is a number: zero is shut, anything else is the *epoch* that is open now. Opening always takes a number
//! that was never used before, so what was made under an earlier yes can never pass under a later one. Everybody
//! may shut a gate, at any moment, without a lock; only a state of the session can open it, because only
//! [`Seat`] can, and a seat is owned by the session.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::consent::QuestionId;

/// Marks the gate between the expert's input and the novice's desktop.
#[derive(Debug)]
pub enum Input {}

/// Marks the gate between the novice's pixels and the wire.
#[derive(Debug)]
pub enum View {}

/// The gate in the injector.
pub type InputGate = Gate<Input>;
/// The gate in the frame writer.
pub type ViewGate = Gate<View>;

/// A handle on a gate: it can ask, admit and shut, and never open.
///
/// The injector and the frame writer admit through it; the ESC watcher shuts it by itself, before anybody else hears
/// of the key.
pub struct Gate<K> {
    cell: Arc<Cell>,
    kind: PhantomData<fn() -> K>,
}

/// A value that was made while a gate was open; only that gate, in that very epoch, gives it out again.
///
/// An injector that takes `Stamped<Input, InputEvent>` cannot be handed an event that nobody permitted, and what it
/// prepares by way of [`Stamped::map`] stays under the same epoch until the gate gives it out.
pub struct Stamped<K, T> {
    value: T,
    epoch: NonZeroU64,
    kind: PhantomData<fn() -> K>,
}

/// The one place beside the novice: whoever holds it is the expert of the moment, and it owns both gates' keys.
///
/// There is one seat for one desktop. It moves into the session when a ticket is redeemed and comes back with
/// the end of that session, gates shut; a second expert finds it taken (R40).
pub struct Seat {
    pub(crate) input: Keeper<Input>,
    pub(crate) view: Keeper<View>,
    /// The question that was asked last, of all sessions that had this seat: an answer that comes after its session
    /// fits no question of the next.
    asked: QuestionId,
}

impl Seat {
    /// Makes the seat of one desktop and the two gates that its injector and its frame writer hold.
    #[must_use]
    pub fn new() -> (Self, InputGate, ViewGate) {
        let (input, input_gate) = Keeper::new();
        let (view, view_gate) = Keeper::new();
        (Self { input, view, asked: QuestionId::NONE }, input_gate, view_gate)
    }

    pub(crate) fn next_question(&mut self) -> QuestionId {
        self.asked = self.asked.next();
        self.asked
    }

    pub(crate) fn shut(&self) {
        self.input.gate.shut();
        self.view.gate.shut();
    }
}

/// A seat that is lost, also in a panic, leaves no gate open behind it.
impl Drop for Seat {
    fn drop(&mut self) {
        self.shut();
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("input", &self.input.gate).field("view", &self.view.gate).finish()
    }
}

impl<K> Gate<K> {
    /// Shuts the gate; true when it was open.
    ///
    /// Lock-free and idempotent. What was stamped before is worthless from here on.
    pub fn shut(&self) -> bool {
        self.cell.open.swap(SHUT, Ordering::SeqCst) != SHUT
    }

    /// Whether anything can pass now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.cell.open.load(Ordering::SeqCst) != SHUT
    }

    /// Gives the value out if it was stamped in the epoch that is open now.
    #[must_use]
    pub fn admit<T>(&self, stamped: Stamped<K, T>) -> Option<T> {
        self.admits(&stamped).then_some(stamped.value)
    }

    /// Whether [`Gate::admit`] would give the value out at this moment.
    #[must_use]
    pub fn admits<T>(&self, stamped: &Stamped<K, T>) -> bool {
        self.cell.open.load(Ordering::SeqCst) == stamped.epoch.get()
    }
}

impl<K> Clone for Gate<K> {
    fn clone(&self) -> Self {
        Self { cell: Arc::clone(&self.cell), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Gate<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "Gate(open)" } else { "Gate(shut)" })
    }
}

impl<K, T> Stamped<K, T> {
    /// Changes what is inside and keeps the epoch: encoding a frame does not make it newer.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Stamped<K, U> {
        Stamped { value: f(self.value), epoch: self.epoch, kind: PhantomData }
    }
}

impl<K, T> fmt::Debug for Stamped<K, T> {
    /// Prints the epoch only: the value may be a key that somebody typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamped(epoch {})", self.epoch)
    }
}

/// The right to open one gate. Not cloneable, not public: it lives in the [`Seat`].
pub(crate) struct Keeper<K> {
    pub(crate) gate: Gate<K>,
}

impl<K> Keeper<K> {
    fn new() -> (Self, Gate<K>) {
        let gate =
            Gate { cell: Arc::new(Cell { open: AtomicU64::new(SHUT), last: AtomicU64::new(SHUT) }), kind: PhantomData };
        (Self { gate: gate.clone() }, gate)
    }

    /// Opens the gate in an epoch of its own, which shuts every earlier one.
    pub(crate) fn open(&mut self) -> Epoch<K> {
        let last = self.gate.cell.last.fetch_add(1, Ordering::SeqCst);
        let epoch = NonZeroU64::MIN.saturating_add(last);
        self.gate.cell.open.store(epoch.get(), Ordering::SeqCst);
        Epoch { epoch, kind: PhantomData }
    }
}

/// One stretch of time in which a gate was open. States own it and lend permits from it.
pub(crate) struct Epoch<K> {
    epoch: NonZeroU64,
    kind: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for Epoch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({})", self.epoch)
    }
}

impl<K> Epoch<K> {
    pub(crate) fn stamp<T>(&self, value: T) -> Stamped<K, T> {
        Stamped { value, epoch: self.epoch, kind: PhantomData }
    }
}

/// A copy of an epoch that can stamp on another thread: a capture thread stamps frames where it makes them.
///
/// It can outlive the state that lent it; what it stamps then is simply not admitted any more.
pub struct Stamp<K> {
    epoch: NonZeroU64,
    kind: PhantomData<fn() -> K>,
}

impl<K> Stamp<K> {
    pub(crate) fn of(epoch: &Epoch<K>) -> Self {
        Self { epoch: epoch.epoch, kind: PhantomData }
    }

    /// Marks a value as made in this epoch.
    pub fn stamp<T>(&self, value: T) -> Stamped<K, T> {
        Stamped { value, epoch: self.epoch, kind: PhantomData }
    }
}

impl<K> fmt::Debug for Stamp<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp(epoch {})", self.epoch)
    }
}

const SHUT: u64 = 0;

struct Cell {
    /// The epoch that is open, or [`SHUT`].
    open: AtomicU64,
    /// The highest epoch ever given out. At one grant a nanosecond a `u64` lasts five centuries.
    last: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_shut_until_a_keeper_opens_it() {
        let (mut seat, input, view) = Seat::new();
        assert!(!input.is_open() && !view.is_open());
        let epoch = seat.input.open();
        assert!(input.is_open() && !view.is_open());
        assert_eq!(input.admit(epoch.stamp('a')), Some('a'));
    }

    #[test]
    fn what_was_stamped_before_a_shut_never_passes_again() {
        let (mut seat, input, _) = Seat::new();
        let first = seat.input.open();
        let early = first.stamp(1);
        assert!(input.shut(), "it was open");
        assert!(!input.shut(), "and is shut now");
        assert_eq!(input.admit(first.stamp(2)), None);
        let second = seat.input.open();
        assert_eq!(input.admit(early), None, "an older epoch stays worthless when the gate opens again");
        assert_eq!(input.admit(second.stamp(3)), Some(3));
    }

    #[test]
    fn opening_again_shuts_the_epoch_before() {
        let (mut seat, input, _) = Seat::new();
        let first = seat.input.open();
        let second = seat.input.open();
        assert_eq!(input.admit(first.stamp(())), None);
        assert_eq!(input.admit(second.stamp(())), Some(()));
    }

    #[test]
    fn a_lost_seat_leaves_no_gate_open() {
        let (mut seat, input, view) = Seat::new();
        let _epochs = (seat.input.open(), seat.view.open());
        drop(seat);
        assert!(!input.is_open() && !view.is_open());
    }

    #[test]
    fn a_stamped_key_does_not_print_itself() {
        let (mut seat, ..) = Seat::new();
        let stamped = seat.input.open().stamp("secret key");
        assert!(!format!("{stamped:?}").contains("secret"));
    }
}
