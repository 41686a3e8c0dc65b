//! Real gateways: what `ra-nat` decides is said to the routers of this computer's networks, in their own language.
//!
//! In the story this crate is the hand of *reach*. It holds no rule and keeps no table: when to ask, for what, and what to
//! do after a no is `ra-nat`'s; that a row is written first is `ra-novice`'s. UPnP is spoken ([`Upnp`]); NAT-PMP and PCP will
//! stand beside it.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod upnp;

pub use upnp::Upnp;
