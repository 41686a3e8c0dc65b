//! `remdesk`: hello, proof, verdict, chat, and the words around control.
//!
//! Every message is a channel PDU of its own and names the inner channel that it belongs to: `RC_CTL` for the
//! numbered control messages, `70` for chat, `71` for commands, and the channels of file transfers, which are always
//! turned down. [`decode`] and [`Message::encode`] are the bytes, [`RemdeskNovice`] and [`RemdeskExpert`] the order
//! of talk in the protocol versions 1 and 2.
//!
//! Source: session-protocol.md section 5, which restates \[MS-RA\] 2.2.1, 2.2.6 and 3.3 to 3.16.

mod command;
mod expert;
mod novice;
mod pdu;
mod result;

pub use command::{Command, ControlNotice, FileChannel, MAX_COMMAND_UNITS};
pub use expert::{Credentials, ExpertEvent, RemdeskExpert};
pub use novice::{NoviceEvent, Proof, RemdeskNovice};
pub use pdu::{MAX_CHAT_UNITS, MAX_NAME_UNITS, Message, RemdeskError, decode};
pub use result::{ResultCode, UnknownResult};

/// Which of the two protocols an expert speaks on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Version 1, for tickets with a connection string of type 1. Windows XP, and Vista and later for compatibility.
    One,
    /// Version 2, for tickets with a connection string of type 2. Windows Vista and later, FreeRDP.
    Two,
}
