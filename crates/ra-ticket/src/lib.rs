//! The invitation and everything that is computed from it: `.MsRcIncident` bytes to typed values and back.
//!
//! In the story this crate is *ticket* and the file that travels from the novice to the expert. The novice writes an
//! [`Invitation`] and keeps a [`Challenge`]; the expert reads the invitation, decrypts what is encrypted with the
//! password that came by another way, and answers the challenge with a [`Proof`]. A challenge that is met turns
//! into [`Redeemed`], the value that the session asks for before it goes on.
//!
//! It is pure: it never opens a file or a socket, reads no clock and draws no random number (entropy is an
//! argument). It trusts nothing it reads: the file is input from anybody, and what is encrypted inside has no
//! integrity protection, so it is parsed as if it were hostile too. Secrets wipe themselves and print as
//! a placeholder.
//!
//! The shortest real use: one person writes, another reads.
//!
//! ```
//! use ra_ticket::{ConnectionString2, Header, Invitation, KeyHash, LinkSpeed, PassStub, Password, SessionId, Ticket};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let entropy = [7; 48];
//! # let key_hash = KeyHash::from([1; 20]);
//! // The novice; `entropy` comes from the system's generator.
//! let password = Password::from_entropy(&entropy[..32].try_into()?);
//! let stub = PassStub::from_entropy(&entropy[..32].try_into()?);
//! let connection =
//!     ConnectionString2::new(key_hash, SessionId::from_entropy(&entropy), vec!["192.0.2.17:3389".parse()?])?;
//! let header = Header { user_name: "Kim".into(), start: 1_767_225_600, length_minutes: 60, speed: LinkSpeed::Normal };
//! let file = Invitation::issue(header, Ticket::both(&connection, &password, stub))?.to_bytes();
//!
//! // The expert.
//! let invitation = Invitation::parse(&file)?;
//! assert_eq!(invitation.user_name(), "Kim");
//! let ticket = invitation.lh_ticket().ok_or("not encrypted")?;
//! assert_eq!(ticket.decrypt(&password)?.endpoints()[0].to_string(), "192.0.2.17:3389");
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod account;
mod assistant_password;
mod connection_string;
mod container;
mod crypto;
mod endpoint;
mod entropy;
mod error;
pub mod expert_blob;
mod expiry;
mod helper_key;
mod invitation;
mod key_hash;
mod markup;
mod pass_stub;
mod password;
mod rc_ticket;
mod redeem;
mod session_id;
mod untrusted;

pub use account::{AccountError, AccountLogin, AccountName, AccountPassword, MAX_PASSWORD_BYTES};
pub use assistant_password::AssistantPassword;
pub use connection_string::{
    ConnectionString2, ConnectionStringError, ConnectionStringProblem, LhTicket, MAX_CERTIFICATE_BYTES, MAX_LISTENERS,
    MAX_ROUTE_CHARS, Transport, Unreadable,
};
pub use endpoint::{Endpoint, EndpointError, Host, MAX_ADDRESSES};
pub use error::{InvitationError, Problem};
pub use expiry::Expiry;
pub use helper_key::{KeyFingerprint, KeyFingerprintError, UNSOLICITED_HELP};
pub use invitation::{
    EXTENSION, Header, Invitation, IssueError, Kind, LinkSpeed, MAX_FILE_BYTES, Ticket, has_invitation_extension,
};
pub use key_hash::{KeyHash, KeyHash2, KeyHashError, PinVerdict, Pins, PublicKeyBlob};
pub use markup::MarkupProblem;
pub use pass_stub::{PassStub, PassStubError};
pub use password::{Password, PasswordError};
pub use rc_ticket::{RcTicket, RcTicketError, RcTicketProblem};
pub use redeem::{Challenge, ExpectedProof, Proof, Redeemed, TicketWithoutPassword};
pub use session_id::{SessionId, SessionIdError};
pub use untrusted::{MAX_NAME_CHARS, UntrustedName};
