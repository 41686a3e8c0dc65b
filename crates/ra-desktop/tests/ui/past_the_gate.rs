//! The backend's own hands, past the injector and its gate.

use ra_desktop::input::Hands;

fn perform(hands: &mut dyn Hands) {
    let _ = hands;
}

fn main() {}
