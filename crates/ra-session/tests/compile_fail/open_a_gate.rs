//! A gate can be shut by anybody and opened by nobody outside the crate; nor can an event be stamped by hand.
use ra_session::{Input, InputEvent, InputGate, Seat, Stamped};

fn open(gate: &InputGate, seat: &mut Seat) {
    gate.open();
    seat.input.open();
}

fn stamp(event: InputEvent) -> Stamped<Input, InputEvent> {
    Stamped { value: event, epoch: std::num::NonZeroU64::MIN, kind: std::marker::PhantomData }
}

fn main() {}
