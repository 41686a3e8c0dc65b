//! Real proofs for tests: made the only way there is, from a password that was right and a policy that allows.

use ra_policy::{ControlAllowed, Policy};
use ra_session::account::Account;
use ra_session::{Admission, UnixTime};
use ra_ticket::{AssistantPassword, ExpectedProof, PassStub, Password, Redeemed};

pub(crate) fn admission() -> Admission {
    let password = || AssistantPassword::from_entropy(&[7; 32]);
    let mut account = Account::new(password());
    let ticket = account.ticket_made(password());
    let help = Policy::default().may_connect().unwrap();
    Admission::by_ticket(redeemed(), help, account.log_on(&ticket, UnixTime(0)).unwrap())
}

fn redeemed() -> Redeemed {
    let stub = PassStub::parse("g*3Kdr_7XwzQb0").unwrap();
    let proof = Password::new("Tulip-4711").unwrap().proof(&stub);
    let hex = proof.to_hex();
    ExpectedProof::from(proof).verify(&hex).unwrap()
}

pub(crate) fn control() -> ControlAllowed {
    Policy::default().may_control().unwrap()
}
