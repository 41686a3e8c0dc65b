//! The first question needs a right proof, a policy that allows help and a logon; none of them can be made up.
use ra_session::novice::{Admission, Connecting};
use ra_session::Seat;
use ra_session::account::LoggedOn;

fn admit(seat: Seat) {
    let admission = Admission::by_ticket(ra_ticket::Redeemed(()), ra_policy::HelpAllowed(()), LoggedOn(()));
    let _ = Connecting::new().admit(admission, seat);
}

fn forge(seat: Seat) {
    let _ = Connecting::new().admit(Admission(()), seat);
}

fn offer(seat: Seat) {
    let admission = Admission::by_offer(ra_policy::OfferAllowed(()), ra_session::offers::Offered(()));
    let _ = Connecting::new().admit(admission, seat);
}

fn main() {}
