//! Who may ask for help at all: the text of a policy in, verdicts out.
//!
//! In the story this crate is the first gate: *policy allows*. A policy is read when an invitation is made and
//! again before each connection (R1, R28); its answer is a value, [`HelpAllowed`] or [`ControlAllowed`], which the
//! later gates take as an argument, so that nobody can go on without having asked.
//!
//! It never opens a file, reads a registry or looks at a user: the engines do, and hand over text. A file that is
//! there but cannot be read or understood must become [`Policy::no_help`] (P10). Layers can only restrict each other:
//! [`Policy::merge_stricter`] is the only way to join them.
//!
//! ```
//! use ra_policy::Policy;
//!
//! let machine = Policy::from_toml("fAllowFullControl = 0  # view only\n")?;
//! let own = Policy::from_toml("MaxTicketExpiry = 6\nMaxTicketExpiryUnits = 1\n")?;
//! let policy = machine.merge_stricter(own);
//!
//! assert!(policy.may_invite().is_ok());
//! assert!(policy.may_control().is_err());
//! assert_eq!(policy.longest_ticket().as_secs(), 6 * 3600);
//! # Ok::<(), ra_policy::PolicyError>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod error;
mod merge;
mod parse;
mod verdict;

pub use error::PolicyError;
pub use parse::{MAX_POLICY_BYTES, Policy, TicketTime, Units, Warning};
pub use verdict::{ControlAllowed, Denied, HelpAllowed};
