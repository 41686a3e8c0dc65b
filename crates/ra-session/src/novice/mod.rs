//! The novice's side: a struct for each state, and the [`Session`] that a driver feeds.

mod session;
mod states;

pub use session::{ANSWER_WITHIN, NOES_TO_CONTROL, NotTheirs, QUIET_AFTER_NO, RETURN_WITHIN, Session, State};
pub use states::{
    Admission, AwaitingConsent, Connecting, ControlRequested, Controlling, Ended, InputPermit, Lost, Revoked,
    ViewPermit, Viewing,
};
