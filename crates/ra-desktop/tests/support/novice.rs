//! A novice for tests, who says yes when the test wants it. Everything else is the real session's.

use ra_policy::Policy;
use ra_session::account::Account;
use ra_session::gate::{Input, InputGate, Seat, Stamped};
use ra_session::input::InputEvent;
use ra_session::novice::{Connecting, Controlling, Viewing};
use ra_session::{Admission, RevokedBy, UnixTime};
use ra_ticket::{AssistantPassword, ExpectedProof};

/// A session that has been agreed to up to viewing; control comes and goes.
pub(crate) struct Novice {
    state: State,
    gate: InputGate,
}

enum State {
    Viewing(Viewing),
    Controlling(Controlling),
    Between,
}

impl Novice {
    /// Redeems a ticket and agrees to view.
    pub(crate) fn viewing() -> Self {
        let policy = Policy::default();
        let expected = ExpectedProof::from_bytes(&[7; 32]).expect("the length of a usual proof");
        let redeemed = expected.verify_bytes(&[7; 32]).expect("the same bytes");
        let (seat, gate, _) = Seat::new();
        let password = || AssistantPassword::from_entropy(&[7; 32]);
        let mut account = Account::new(password());
        let ticket = account.ticket_made(password());
        let logged_on = account.log_on(&ticket, UnixTime(0)).expect("enabled by the ticket");
        let help = policy.may_connect().expect("allowed by default");
        let (waiting, question) = Connecting::new().admit(Admission::by_ticket(redeemed, help, logged_on), seat);
        let viewing = waiting.consent(question.yes().consent().expect("a yes"));
        Self { state: State::Viewing(viewing), gate }
    }

    /// The gate for a desktop.
    pub(crate) fn gate(&self) -> InputGate {
        self.gate.clone()
    }

    /// Agrees to control, after taking back what was agreed to before.
    pub(crate) fn grant(&mut self) {
        self.revoke();
        let State::Viewing(viewing) = std::mem::replace(&mut self.state, State::Between) else { return };
        let control = Policy::default().may_control().expect("allowed by default");
        let (asked, question) = viewing.ask_control(&control);
        self.state = State::Controlling(asked.consent(question.yes().consent().expect("a yes")));
    }

    /// Takes control back, as the session does it when it hears of an ESC.
    pub(crate) fn revoke(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Between) {
            State::Controlling(controlling) => State::Viewing(controlling.revoke(RevokedBy::Esc).settle()),
            state => state,
        };
    }

    /// An event as the session lets it through; panics while the novice has not agreed, as then nobody can make one.
    pub(crate) fn stamp(&self, event: InputEvent) -> Stamped<Input, InputEvent> {
        match &self.state {
            State::Controlling(controlling) => controlling.input_permit().stamp(event),
            State::Viewing(_) | State::Between => panic!("only control lends a permit"),
        }
    }
}
