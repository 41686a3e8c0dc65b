//! Who may ask for help at all: the text of policies in, verdicts out.
//!
//! In the story this crate is the first gate: *policy allows*. A policy is read when an invitation is made and
//! again before each connection (R1, R28); its answer is a value, [`HelpAllowed`] or [`ControlAllowed`], which the
//! later gates take as an argument, so that nobody can go on without having asked.
//!
//! It never opens a file, reads a registry or looks at a user: the engines do, and hand over text and bytes. A file that
//! is there but cannot be read, understood or trusted must become [`Layer::unusable`] (P10). Layers can only restrict each
//! other: [`Policy::of`] is the only way to join them, and [`Policy::decide`] says which of them decided.
//!
//! ```
//! use ra_policy::{Layer, Policy, PolicyText, Setting, Source};
//!
//! let machine = PolicyText::from_toml("fAllowFullControl = 0  # view only\n")?.for_member_of(&[]);
//! let own = PolicyText::switches_from_toml("MaxTicketExpiry = 6\nMaxTicketExpiryUnits = 1\n")?;
//! let policy = Policy::of([
//!     Layer::new(Source::Machine, "policy.toml", machine),
//!     Layer::new(Source::OwnSwitches, "switches.toml", own),
//! ]);
//!
//! assert!(policy.may_invite().is_ok());
//! assert!(policy.may_control().is_err());
//! assert_eq!(policy.longest_ticket().as_secs(), 6 * 3600);
//! assert_eq!(policy.decide(Setting::AllowFullControl).by.map(|layer| layer.name.as_str()), Some("policy.toml"));
//! # Ok::<(), ra_policy::PolicyError>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod error;
mod layers;
pub mod registry;
mod relay;
mod setting;
mod settings;
mod text;
mod value;
mod verdict;

pub use error::PolicyError;
pub use layers::{Content, Decision, Layer, Policy, Source};
pub use relay::{MOST_RELAYS, RelayAddress};
pub use setting::{Kind, Setting};
pub use settings::{Settings, Warning};
pub use text::{MAX_POLICY_BYTES, PolicyText};
pub use value::{HelperName, MESSAGE_CHARS, Message, Raw, TicketTime, Units, Value};
pub use verdict::{ControlAllowed, Denied, HelpAllowed, OfferAllowed, Offerer, PasswordAllowed};
