//! Revoking consumes the state that lent the permit.
use ra_session::novice::Controlling;
use ra_session::{InputEvent, RevokedBy};

fn keep(controlling: Controlling) {
    let permit = controlling.input_permit();
    let _revoked = controlling.revoke(RevokedBy::Esc);
    let _ = permit.stamp(InputEvent::PointerMove { x: 0, y: 0 });
}

fn main() {}
