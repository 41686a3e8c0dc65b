//! Real proofs for tests: made the only way there is, from a password that was right and a policy that allows.

use ra_policy::{ControlAllowed, HelpAllowed, Policy};
use ra_ticket::{ExpectedProof, PassStub, Password, Redeemed};

pub(crate) fn redeemed() -> Redeemed {
    let stub = PassStub::parse("g*3Kdr_7XwzQb0").unwrap();
    let proof = Password::new("Tulip-4711").unwrap().proof(&stub);
    let hex = proof.to_hex();
    ExpectedProof::from(proof).verify(&hex).unwrap()
}

pub(crate) fn help() -> HelpAllowed {
    Policy::default().may_connect().unwrap()
}

pub(crate) fn control() -> ControlAllowed {
    Policy::default().may_control().unwrap()
}
