//! A redeemed ticket is not a consent.
use ra_session::novice::{AwaitingConsent, ViewPermit};

fn see(waiting: &AwaitingConsent) -> ViewPermit<'_> {
    waiting.view_permit()
}

fn consent_with_nothing(waiting: AwaitingConsent) {
    let _ = waiting.consent(());
}

fn main() {}
