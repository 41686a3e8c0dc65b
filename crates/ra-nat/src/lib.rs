//! Mappings on gateways: how a novice behind a router gets an address that an expert elsewhere can dial.
//!
//! In the story this crate is half of *reach*. A gateway that speaks UPnP, PCP or NAT-PMP is asked to send what
//! arrives at one of its outside ports on to the novice's port; outside address and port then stand in the invitation.
//! Here are the rules of that: which port to ask for and what to do after a no ([`Attempt`]), for how long ([`Lease`]), which
//! outside addresses are worth writing down ([`AddressClass`]), when what was made is renewed, removed or forgotten
//! ([`Mapping::due`]), whether a gateway has lost its memory ([`has_restarted`]), and who reaches whom ([`table`]). The rules know no clock, no socket and no chance: time and entropy are arguments. The world is one trait,
//! [`Mapper`]: `ra-gateways` speaks to real ones, [`NoGateway`] is for who wants none.
//!
//! What it never does: keep a table (`ra-novice` writes each row *before* a gateway is asked), know what a ticket is, or
//! make a mapping that no invitation will list. All mappings are of TCP.
//!
//! One gateway, asked until it says yes:
//!
//! ```
//! use std::time::Duration;
//!
//! use ra_nat::fake::FakeGateways;
//! use ra_nat::{Attempt, Mapper as _, Outcome, Ports, is_public};
//!
//! let world = FakeGateways::new();
//! world.install("router", "192.168.1.5", "11.0.0.1");
//! let gateway = world.gateways()?.remove(0);
//! assert!(world.look(&gateway.id)?.external.is_some_and(is_public));
//!
//! let ports = Ports::from_entropy(&[7; Ports::ENTROPY], &[]);
//! let internal = gateway.internal("[::]:3389".parse()?).ok_or("not on this interface")?;
//! let mut attempt = Attempt::new(internal, Duration::from_secs(600), None, ports).ok_or("no port")?;
//! loop {
//!     // Here the row is written: from now on there may be such a mapping.
//!     let answer = world.add(&gateway.id, &attempt.ask());
//!     match attempt.answer(answer) {
//!         Outcome::AskAgain => continue,
//!         outcome => break assert_eq!(outcome, Outcome::Made(attempt.ask().granted())),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod address;
mod attempt;
pub mod fake;
mod gateway;
mod lease;
mod mapping;
mod ports;
mod protocol;
pub mod table;
mod transport;
mod uptime;

pub use address::{AddressClass, is_public};
pub use attempt::{Attempt, Outcome};
pub use gateway::{Ask, Gateway, GatewayId, Granted, MOST_GATEWAYS, MapError, Mapper, NoGateway, Seen};
pub use lease::{LONGEST_LEASE, Lease};
pub use mapping::{ANSWERED_WITHIN, Due, HELD_FOR, Mapping, Stage};
pub use ports::Ports;
pub use protocol::MappedBy;
pub use transport::Transport;
pub use uptime::has_restarted;
