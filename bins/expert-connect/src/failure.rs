//! The ways in which the program fails, each with its exit status and, for a file, the place in it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use ra_expert::EndReason;
#[cfg(feature = "p2p")]
use ra_p2p::P2pError;
use ra_rendezvous::{LinkError, RelayUrlError};
#[cfg(feature = "p2p")]
use ra_rendezvous::{MeetingError, Refusal};
use ra_ticket::InvitationError;

/// A failure that ends the program.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[cfg_attr(not(feature = "p2p"), allow(dead_code, reason = "what is said of codes and relays is not in this build"))]
pub(crate) enum Failure {
    #[error("not a usable invitation: {error}")]
    Invitation {
        error: Box<InvitationError>,
        #[source_code]
        file: Arc<NamedSource<String>>,
        #[label("here")]
        place: Option<SourceSpan>,
    },
    #[error("cannot read {path}")]
    Unreadable {
        path: String,
        #[source]
        error: io::Error,
    },
    #[error("{path} is too large to be an invitation")]
    TooLarge { path: String },
    #[error("wrong password, or a damaged invitation")]
    #[diagnostic(help("ask the novice for the password again; it is not the password of an account"))]
    WrongPassword,
    #[error("the password cannot be used: {0}")]
    Password(String),
    #[error("the invitation cannot be used: {0}")]
    Plan(String),
    #[error("{0}")]
    Usage(String),
    #[error("cannot wait at {addr}")]
    #[diagnostic(help("choose another port with --listen, and tell the novice which; port 0 picks a free one"))]
    CannotListen {
        addr: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error("this invitation does not say by which key its computer is known, so nobody who calls can be told from it")]
    #[diagnostic(help("open it without `listen`: then its addresses are called, and you are asked about the key"))]
    NoKey,
    #[error("{0}")]
    #[diagnostic(help("a code is 16 letters and digits in 4 groups; ask the novice to read it again"))]
    Code(LinkError),
    #[error("no relay is known here, so nobody can be found by a code")]
    #[diagnostic(help(
        "ask the novice for the link instead, which names it, or name one with --relay https://relay.example.org"
    ))]
    NoRelay,
    #[error("{0}")]
    #[diagnostic(help("`OfficialRelays` is set by the administrator of this computer"))]
    Policy(String),
    #[error("{path}, line {line}: not a relay that can be used: {why}")]
    RelayList { path: String, line: usize, why: RelayUrlError },
    #[cfg(feature = "p2p")]
    #[error("{}", in_words(.0))]
    Meeting(P2pError),
    #[cfg(not(feature = "p2p"))]
    #[error("this program was built without codes; ask for an invitation file")]
    CodesNotBuilt,
    #[error("no home directory: set HOME or RA_STATE_DIR")]
    NoHome,
    #[error("{path} cannot be used as your key: {why}")]
    #[diagnostic(help(
        "computers know you by this key, so it is never replaced by itself; move it away to start with another"
    ))]
    Key { path: String, why: &'static str },
    #[error("{path}: line {line} is not a computer and its key")]
    #[diagnostic(help("repair the line or remove it; nobody is called before that"))]
    KnownHosts { path: String, line: usize },
    #[error("there is no terminal to ask on: {missing}")]
    NoTerminal { missing: &'static str },
    #[error("cannot read the password")]
    PasswordSource(#[source] io::Error),
    #[cfg(feature = "window")]
    #[error("no window can be opened: {0}")]
    #[diagnostic(help("without a screen, use --no-window"))]
    NoWindow(String),
    #[cfg(not(feature = "window"))]
    #[error("this program was built without a window; use --no-window")]
    WindowNotBuilt,
    #[error("cannot write {path}")]
    CannotWrite {
        path: String,
        #[source]
        error: io::Error,
    },
    #[error("{0}")]
    Ended(EndReason),
    #[error("the viewer failed: {0}")]
    Engine(String),
}

impl Failure {
    pub(crate) fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), error }
    }

    /// The exit status. Source: the table of the contract.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Invitation { .. }
            | Self::TooLarge { .. }
            | Self::WrongPassword
            | Self::Password(_)
            | Self::Plan(_)
            | Self::NoKey => 65,
            Self::Code(_) => 65,
            Self::NoRelay => 69,
            Self::Policy(_) => 77,
            #[cfg(feature = "p2p")]
            Self::Meeting(error) => status_of(error),
            #[cfg(not(feature = "p2p"))]
            Self::CodesNotBuilt => 1,
            Self::CannotWrite { .. } => 73,
            Self::Ended(reason) => reason.exit_status(),
            Self::Usage(_) => 2,
            Self::NoHome | Self::CannotListen { .. } | Self::Key { .. } => 1,
            Self::KnownHosts { .. } | Self::RelayList { .. } => 1,
            Self::Unreadable { .. } | Self::NoTerminal { .. } | Self::PasswordSource(_) | Self::Engine(_) => 1,
            #[cfg(feature = "window")]
            Self::NoWindow(_) => 1,
            #[cfg(not(feature = "window"))]
            Self::WindowNotBuilt => 1,
        }
    }
}

/// What a meeting that came to nothing is for the person who has the code.
#[cfg(feature = "p2p")]
fn in_words(error: &P2pError) -> String {
    let sentence = match error {
        P2pError::NobodyThere => {
            "nobody waits with this code: it was mistyped, has ended, or is known to other relays than yours"
        }
        P2pError::Meeting(MeetingError::Refused(Refusal::Ended)) => "the code was used or has ended; ask for a new one",
        P2pError::Meeting(MeetingError::Refused(Refusal::Busy)) => "others are trying this code at the moment",
        P2pError::Meeting(MeetingError::Refused(Refusal::Wrong { left: 0 })) => {
            "wrong password, and the code has ended; ask for a new one"
        }
        P2pError::Meeting(MeetingError::Refused(Refusal::Wrong { .. })) => "wrong password",
        P2pError::Meeting(MeetingError::Wrong) => {
            "somebody answers to this code who does not know it: nothing was said to them"
        }
        other => return other.to_string(),
    };
    sentence.to_owned()
}

/// Source: the table of the contract.
#[cfg(feature = "p2p")]
const fn status_of(error: &P2pError) -> u8 {
    match error {
        P2pError::Meeting(MeetingError::Refused(Refusal::Wrong { .. })) => 83,
        P2pError::Meeting(MeetingError::Refused(Refusal::Busy)) => 87,
        P2pError::Meeting(MeetingError::Wrong) => 89,
        P2pError::NobodyThere
        | P2pError::NoRelay
        | P2pError::RelaysSilent(_)
        | P2pError::BrokeOff
        | P2pError::Meeting(MeetingError::Refused(_)) => 69,
        P2pError::Meeting(_) => 76,
        _ => 1,
    }
}
