//! The way through every NAT: two computers that hold the same code, or the same invitation, meet through a relay and
//! then go on directly where the routers between them allow it.
//!
//! In the story this crate is what the Messenger was in 2001, without its company: an organisation's own relays, a list of
//! addresses, know nothing but public keys and pass on what they cannot read. The rules of the meeting are
//! `ra-rendezvous`'s; here is what moves its bytes. [iroh](https://docs.rs/iroh) does the work, pinned, and known to one
//! module (`station`) only.
//!
//! - The novice's side: [`Meeting::open`] takes a code's place at a relay, [`Meeting::run`] welcomes the one expert who
//!   knows it and hands over each connection of theirs as a [`Pipe`], for the engine to treat like any other.
//! - The expert's side: [`Caller`] looks for a code, proves the secret, and has [`Pipe`]s from then on.
//!
//! - Beside a file, [`Standby`] is one more way to the ports' own door, and [`Reached`] takes it.
//!
//! What it never does: ask a server of somebody whom nobody named, open a port at a router, judge a ticket, or pass on one
//! byte of Remote Desktop before both sides have proved the code.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod anew;
mod caller;
mod chance;
mod meeting;
mod pipe;
mod place;
mod run;
mod standby;
mod station;

pub use caller::{Caller, Met};
pub use meeting::{Meeting, MeetingNews, Outside, Stop, Terms};
pub use pipe::{Duplex, Path, Pipe};
pub use standby::{Reached, Standby};
pub use station::{P2pError, Relays};
