//! Real gateways: what `ra-nat` decides is said to the routers of this computer's networks, in their own language.
//!
//! In the story this crate is the hand of *reach*. It holds no rule and keeps no table: when to ask, for what, and what to
//! do after a no is `ra-nat`'s; that a row is written first is `ra-novice`'s. Three languages are spoken: UPnP ([`Upnp`]), and PCP
//! and NAT-PMP ([`Pcp`]). [`Gateways`] is both at once, on every [`Network`], and what the program uses.
//!
//! What it never does: believe what a router says beyond what its answer is for, read without a limit, or wait without a deadline.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

use std::future::Future;
use std::time::Duration;

use ra_nat::MapError;

mod gateways;
mod networks;
mod pcp;
mod upnp;

pub use gateways::Gateways;
pub use networks::Network;
pub use pcp::Pcp;
pub use upnp::Upnp;

/// Runs one call to its end or to its deadline, on this thread.
fn block_on<T>(within: Duration, call: impl Future<Output = Result<T, MapError>>) -> Result<T, MapError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| MapError::Unreachable)?;
    runtime.block_on(async { tokio::time::timeout(within, call).await.unwrap_or(Err(MapError::Unreachable)) })
}
