//! The first question needs a right proof and a policy that allows help; neither can be made up.
use ra_session::Seat;
use ra_session::novice::Connecting;

fn redeem(seat: Seat) {
    let _ = Connecting::new().redeem(ra_ticket::Redeemed(()), ra_policy::HelpAllowed(()), seat);
}

fn main() {}
