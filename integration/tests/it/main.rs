//! Tests of the shipped programs: two people, two terminals, one wire.
//!
//! One test binary, a file for each feature. The programs under test are swappable: `RA_NOVICE_HOST`,
//! `RA_EXPERT_CONNECT`.

mod agents;
mod audit;
mod claimant;
mod codes;
mod consent;
mod control;
mod crashes;
mod expiry;
mod files;
mod firewall;
mod invitations;
mod main_job;
mod network;
mod offers;
mod offers_by_password;
mod official_relays;
mod passwords;
mod peers;
mod policy;
mod reach;
mod relays;
mod returning;
mod returning_by_code;
mod reverse;
mod routers;
mod session;
mod shadow;
mod silence;
mod storm;
mod strangers;
mod terminal;
mod tickets;
mod window;
mod x11;
