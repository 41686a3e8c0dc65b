//! Who may see and who may touch: one Remote Assistance session as states that the compiler checks.
//!
//! In the story this crate is *decide*. The engines bring it what happened (a [`LocalEvent`] from the novice's own
//! machine, a [`PeerEvent`] from the wire, the passing of time) and carry out the [`Effect`]s it returns. It
//! never opens a socket, reads a clock, starts a thread or draws a random number, and it never decides *for* a
//! person: consent is a value that only a [`Question`] put to the novice turns into.
//!
//! The gates, in order, and what holds each:
//!
//! | gate | held by |
//! |---|---|
//! | policy allows help | [`ra_policy::HelpAllowed`], an argument of [`Admission::by_ticket`] |
//! | the ticket is redeemed | [`ra_ticket::Redeemed`], an argument of the same |
//! | HelpAssistant may log on | [`account::LoggedOn`], an argument of the same |
//! | or: this helper may offer help | [`ra_policy::OfferAllowed`] and [`offers::Offered`], of [`Admission::by_offer`] |
//! | one expert at a time | the [`Seat`], of which there is one, moves into the session |
//! | consent before the first pixel | [`ConsentToView`], owned by [`novice::Viewing`] |
//! | the first answer, from a place that counts | [`places::Roll`], asked by whoever puts the question |
//! | consent before the first key | [`ConsentToControl`], owned by [`novice::Controlling`] |
//! | coming back after a loss | the same [`ConsentToView`], kept by [`novice::Lost`] behind shut gates, for who knows the [`ReturnSecret`] |
//! | a permit at each event | [`Stamped`] by an [`InputPermit`], admitted by the [`InputGate`] |
//! | ESC at any moment | anybody may [shut](Gate::shut) a gate; revocation consumes the state |
//!
//! The shortest real use, a novice who says yes twice and then presses ESC:
//!
//! ```
//! use ra_session::novice::Connecting;
//! use ra_session::{Admission, InputEvent, Seat};
//! # fn proofs() -> (Admission, ra_policy::ControlAllowed) {
//! #     let policy = ra_policy::Policy::default();
//! #     let stub = ra_ticket::PassStub::parse("g*3Kdr_7XwzQb0").expect("a stub of the specification");
//! #     let password = ra_ticket::Password::new("Tulip-4711").expect("a usable password");
//! #     let proof = password.proof(&stub);
//! #     let hex = proof.to_hex();
//! #     let redeemed = ra_ticket::ExpectedProof::from(proof).verify(&hex).expect("the right proof");
//! #     let password = || ra_ticket::AssistantPassword::from_entropy(&[7; 32]);
//! #     let mut account = ra_session::account::Account::new(password());
//! #     let ticket = account.ticket_made(password());
//! #     let logged_on = account.log_on(&ticket, ra_session::UnixTime(0)).expect("enabled by the ticket");
//! #     let help = policy.may_connect().expect("on by default");
//! #     (Admission::by_ticket(redeemed, help, logged_on), policy.may_control().expect("on by default"))
//! # }
//! let (seat, input_gate, _view_gate) = Seat::new();
//! let (admission, control) = proofs();
//! let (waiting, question) = Connecting::new().admit(admission, seat);
//! // `question` goes to the person; nothing else in the program can make the next line compile.
//! let viewing = waiting.consent(question.yes().consent().expect("a yes"));
//! let (asked, question) = viewing.ask_control(&control);
//! let controlling = asked.consent(question.yes().consent().expect("a yes"));
//! let event = controlling.input_permit().stamp(InputEvent::PointerMove { x: 4, y: 2 });
//! assert!(input_gate.admit(event).is_some());
//! let late = controlling.input_permit().stamp(InputEvent::PointerMove { x: 5, y: 2 });
//! input_gate.shut(); // the ESC watcher, on its own thread
//! assert!(input_gate.admit(late).is_none());
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

pub mod account;
mod again;
mod consent;
mod effect;
mod event;
pub mod expert;
pub mod gate;
pub mod input;
pub mod invitations;
mod moment;
pub mod novice;
pub mod offers;
pub mod places;

pub use again::ReturnSecret;
pub use consent::{Answer, Consent, ConsentToControl, ConsentToView, Question, QuestionId};
pub use effect::{Effect, EndReason, Milestone, RevokedBy, Tell};
pub use event::{LocalEvent, PeerEvent};
pub use gate::{Gate, Input, InputGate, Seat, Stamp, Stamped, View, ViewGate};
pub use input::{Axis, Button, InputEvent, Prefix};
pub use moment::{Moment, UnixTime};
pub use novice::{
    ANSWER_WITHIN, Admission, InputPermit, NOES_TO_CONTROL, NotTheirs, QUIET_AFTER_NO, RETURN_WITHIN, Session, State,
    ViewPermit,
};
