//! The channels of Remote Assistance, and one of our own: what a novice and an expert say to each other besides pixels and keys.
//!
//! `remdesk` carries the hello, the proof of the password, the verdict, chat and the commands around control;
//! `encomsp` tells the expert what rights a participant has, and carries the wish for more; [`again`] brings an expert
//! back whose connection was lost. All are static RDP channels. In the story of a session this crate stands between the RDP engine, which moves chunks, and the session,
//! which decides:
//!
//! ```text
//!   engine ── complete channel PDU ──► RemdeskNovice ── events ──► session
//!   engine ◄───────── ToExpert ─────── RemdeskNovice ◄─ "say 41" ─ session
//! ```
//!
//! It never decides who may see or touch: a machine here reports that an expert asked, and says what it is told to
//! say. It has no clock, no socket and no randomness, it does not check passwords, and nothing that arrives can
//! make it panic or grow: see the constants for the limits.
//!
//! ```
//! use ra_channels::remdesk::{ExpertEvent, NoviceEvent, RemdeskExpert, RemdeskNovice, ResultCode, Credentials};
//!
//! let mut novice = RemdeskNovice::new();
//! let mut expert = RemdeskExpert::new(Credentials::VersionTwo {
//!     encrypted_stub: vec![7; 32].into(),
//!     expert_blob: "11;NAME=Expert69;PASS=A21F8247C1C6C7A65F008791D657688F569EE3754307B1967D62DC4ED98926F5".into(),
//! })?;
//!
//! // The novice speaks first; the expert answers the first word and ignores the second.
//! for hello in novice.hello() {
//!     for answer in expert.receive(hello.as_bytes()) {
//!         assert!(novice.receive(answer.as_bytes()).is_empty());
//!     }
//! }
//! let events = novice.take_events();
//! assert!(matches!(&events[..], [NoviceEvent::VersionChosen(_), NoviceEvent::Proof(_)]));
//!
//! // Here ra-ticket checks the proof and the novice is asked. She says no.
//! assert!(expert.receive(novice.result(ResultCode::HelpeeSaidNo).as_bytes()).is_empty());
//! assert_eq!(expert.take_events(), [ExpertEvent::ProofSent, ExpertEvent::Refused(ResultCode::HelpeeSaidNo)]);
//! # Ok::<(), ra_channels::TextError>(())
//! ```
//!
//! With ironrdp each machine is itself a static channel processor: attach it, feed it through the channel set, and
//! call `take_events` after each `process`. [`ToExpert`] and [`ToNovice`] turn into an `SvcMessage` with `into()`.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

pub mod again;
pub mod chunk;
pub mod encomsp;
pub mod remdesk;

mod queue;
mod svc;
mod wire;

pub use queue::MAX_WAITING_EVENTS;
pub use wire::{MAX_MESSAGE_BYTES, SecretBytes, SecretText, TextError, ToExpert, ToNovice};
