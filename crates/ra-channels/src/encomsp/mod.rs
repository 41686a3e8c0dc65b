//! `encomsp`: who takes part in the session and with what rights.
//!
//! A channel PDU is a sequence of orders. Of the whole sharing protocol Remote Assistance needs the participants, the
//! wish to change one's rights, and the pause; applications and windows are read and passed over. [`decode`] and
//! [`Order::encode`] are the bytes, [`EncomspNovice`] and [`EncomspExpert`] the use of them.
//!
//! Source: session-protocol.md section 6, which restates \[MS-RDPEMC\].

mod expert;
mod novice;
mod pdu;

pub use expert::{EncomspExpert, ExpertEvent};
pub use novice::{EncomspNovice, NoviceEvent};
pub use pdu::{ControlFlags, EncomspError, MAX_NAME_UNITS, Order, ParticipantFlags, ParticipantId, decode};

/// What a participant may do, from the novice's mouth: it says what is so and changes nothing by being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rights {
    /// Connected, and nothing else yet.
    Nothing,
    /// Sees the desktop.
    View,
    /// Sees the desktop and controls it.
    ViewAndInteract,
}
