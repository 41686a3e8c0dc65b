//! The viewer engine: dial, pin, show, send input.
//!
//! In the story this crate is the expert's half of *reach* and *talk*: it takes an invitation that was read by
//! [`ra_ticket`], reaches the novice's computer and nobody else's ([`ra_ticket::Pins`]), goes through the Remote Assistance exchange,
//! and from then on paints a [`Picture`] and passes on what the expert's hands do, while the novice allows it.
//!
//! It never shows a window, asks a question, reads a file or prints a line: a [`Face`] does. It sends no secret
//! before the other side's key is the one of the invitation, no input before the novice has said yes, and it
//! believes no length, size or order that the wire brings.
//!
//! The shortest real use, without a window:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use ra_expert::{Face, Options, Plan, Viewer, ViewerEvent};
//! use ra_ticket::{Invitation, Password};
//!
//! struct Terminal;
//! impl Face for Terminal {
//!     fn event(&self, event: &ViewerEvent) {
//!         println!("{event:?}");
//!     }
//! }
//!
//! # async fn run(file: &[u8], password: Password) -> Result<(), Box<dyn std::error::Error>> {
//! let invitation = Invitation::parse(file)?;
//! let plan = Plan::open(&invitation, Some(&password))?;
//! let viewer = Viewer::new(plan, Options::default(), Arc::new(Terminal));
//! let picture = viewer.picture();
//! let reason = viewer.run().await;
//! println!("{reason}; saw {:?}", picture.lock().size());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod again;
mod cursor;
mod dial;
mod driver;
mod event;
mod identity;
mod input;
mod picture;
mod pin;
mod pipeline;
mod plan;
mod rdp;
mod stats;
mod wait;
mod way;

pub use cursor::{Cursor, CursorShape};
pub use driver::{Options, Viewer};
pub use event::{EndReason, Face, ViewerEvent};
pub use identity::{HelperIdentity, IdentityError};
pub use input::Controls;
pub use picture::{Canvas, Picture, Rect, Snapshot};
pub use pin::Fingerprint;
pub use pipeline::{Outcome, Pipeline, PipelineError};
pub use plan::{OpenError, Plan};
pub use ra_session::{Axis, Button, InputEvent, Prefix, RevokedBy};
pub use stats::{Codec, Counters, Stats};
pub use way::{Duplex, Redial, Redialling, Way};
