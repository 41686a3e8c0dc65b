//! A session that only views has no permit to lend.
use ra_session::InputEvent;
use ra_session::novice::Viewing;

fn inject(viewing: &Viewing) {
    let _ = viewing.input_permit().stamp(InputEvent::PointerMove { x: 0, y: 0 });
}

fn main() {}
