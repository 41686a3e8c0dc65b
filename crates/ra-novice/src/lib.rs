//! The host engine: ticket, session, channels, desktop and RDP joined on the novice's side.
//!
//! In the story this crate is everything between the novice's command and the expert's picture. It decides nothing
//! by itself: `ra-policy` says whether help is allowed, `ra-ticket` whether a proof is right, `ra-session` who may see
//! and touch; this crate carries it out. It has no face: a [`prompt::Prompt`] asks the person, and [`event::HostEvent`]s
//! tell what happens. ironrdp stays inside the private module `rdp`.
//!
//! ```text
//!  listen ─► rdp::accept ─► book (tickets) ─► driver ◄─► ra-session
//!                                            │  │  └─► prompt
//!                        hands (injector) ◄──┘  └──► screen (capture, encode) ─► rdp writer ─► expert
//! ```
//!
//! Making an invitation and hosting it, in short (the program `novice-host` is the long form):
//!
//! ```no_run
//! # async fn run(prompt: Box<dyn ra_novice::prompt::Prompt>) -> Result<(), Box<dyn std::error::Error>> {
//! use ra_novice::book::Scope;
//! use ra_novice::mappings::MappingKeeper;
//! use ra_novice::{control::InUse, host, identity, listen::Port, policy, settings, store::Store};
//!
//! fn clock() -> ra_session::UnixTime {
//!     ra_session::UnixTime(0) // the program reads the real one
//! }
//! let paths = settings::Paths::from_environment()?;
//! let now = std::time::SystemTime::now();
//! let identity = identity::Identity::open(paths.state(), "computer", now, identity::Renewal::WhenDue)?;
//! let (host, handle) = host::Host::new(host::HostOptions {
//!     ports: vec![Port::bind("[::]:3389".parse()?)?],
//!     calls: Vec::new(),
//!     tls: identity.server_config()?,
//!     desktop: host::SharedDesktop::open(ra_desktop::Choice::Auto, &ra_desktop::MonitorChoice::All)?,
//!     store: Store::open(&paths.store())?,
//!     scope: Scope::All,
//!     when_stopped: host::WhenStopped::KeepTickets,
//!     mappings: MappingKeeper::start(&paths, std::sync::Arc::new(ra_nat::NoGateway), clock)?,
//!     helpers: Box::new(ra_novice::helpers::Helpers::default),
//!     accounts: ra_novice::accounts::Accounts::of_this_computer(&paths).ok(),
//!     policy: Box::new({
//!         let paths = paths.clone();
//!         move || policy::EffectivePolicy::read(&paths).policy
//!     }),
//!     clock,
//!     prompt,
//!     report: Box::new(|event| println!("{event:?}")),
//!     in_use: InUse::default(),
//!     audit: ra_novice::audit::Audit::of(&paths),
//! });
//! let _ctrl_c_would_call = move || handle.stop();
//! host.run().await?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

pub mod accounts;
pub mod agents;
pub mod arrival;
pub mod audit;
pub mod book;
pub mod calls;
mod client_key;
pub mod control;
mod door;
mod driver;
mod durable;
pub mod endpoints;
pub mod event;
mod hands;
pub mod helpers;
pub mod host;
pub mod identity;
pub mod invite;
pub mod listen;
pub mod mappings;
mod offer;
pub mod places;
pub mod policy;
#[cfg(test)]
mod probe;
pub mod prompt;
mod rdp;
mod screen;
pub mod settings;
pub mod store;
