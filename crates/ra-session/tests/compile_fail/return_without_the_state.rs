//! Whoever comes back needs the ticket's proof and the secret, and only a lost session can be resumed; its consent cannot be taken out.
use ra_session::novice::{Lost, Viewing};
use ra_session::{Admission, ConsentToView, ReturnSecret};

fn without_the_ticket(lost: Lost, secret: &ReturnSecret) {
    let _ = lost.resume(secret);
}

fn while_it_runs(viewing: Viewing, admission: Admission, secret: &ReturnSecret) {
    let _ = viewing.resume(admission, secret);
}

fn twice(lost: Lost, one: Admission, other: Admission, secret: &ReturnSecret) {
    let _ = lost.resume(one, secret);
    let _ = lost.resume(other, secret);
}

fn take(lost: Lost) -> ConsentToView {
    lost.consent
}

fn look(lost: &Lost) {
    let _ = lost.view_permit();
}

fn main() {}
