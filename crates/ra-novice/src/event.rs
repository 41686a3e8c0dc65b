//! What the host reports: the events of the command-line contract, typed.

use std::net::SocketAddr;

use ra_session::invitations::{EndCause, TicketId};
use ra_session::{EndReason, RevokedBy};
use ra_ticket::Endpoint;

use crate::arrival::Peer;
use crate::audit::Cause;
use crate::prompt::PlaceName;

/// One thing that happened, for the person and for scripts. Unknown, expired and ended tickets report nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostEvent {
    /// A port is open.
    Listening {
        /// The address as bound, with the real port.
        addr: SocketAddr,
    },
    /// An expert is called, and called again until it answers.
    Calling {
        /// Where the expert waits.
        expert: Endpoint,
    },
    /// A call was not answered. Said once for each cause until one is answered; calling goes on.
    Unanswered {
        /// Who was called.
        expert: Endpoint,
        /// Why.
        cause: UnansweredCause,
    },
    /// Somebody came with a ticket that is open.
    ExpertConnecting {
        /// Where from.
        peer: Peer,
    },
    /// An attempt was refused.
    Refused {
        /// Where from.
        peer: Peer,
        /// Why.
        cause: RefusedCause,
    },
    /// A question stands on the novice's screen and its reader is armed.
    ConsentAsked {
        /// `view` or `control`.
        kind: &'static str,
        /// What the expert calls itself, made harmless.
        name: String,
        /// Where from.
        peer: Peer,
    },
    /// The novice answered, and no other answer counts any more.
    Answered {
        /// `view` or `control`.
        kind: &'static str,
        /// What was said.
        yes: bool,
        /// Where it was said.
        place: PlaceName,
    },
    /// The expert sees.
    Viewing,
    /// The expert asks for control.
    ControlRequested,
    /// The expert controls.
    Controlling,
    /// Control ended, the session goes on.
    Revoked {
        /// By what.
        by: RevokedBy,
    },
    /// The one monitor that is shared went away, and nothing is shown; or it is back.
    Monitor {
        /// Its name.
        name: String,
        /// It is back.
        there: bool,
    },
    /// The connection broke. Where the expert's program can come back it may, for [`ra_session::RETURN_WITHIN`].
    Lost,
    /// The expert is back and sees again; control has to be asked for again.
    Returned {
        /// Where from.
        peer: Peer,
    },
    /// The session ended.
    Ended {
        /// Why.
        reason: EndReason,
    },
    /// A ticket can no longer be redeemed.
    TicketEnded {
        /// Which.
        ticket: TicketId,
        /// Why.
        cause: TicketEndCause,
    },
}

/// Why an attempt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedCause {
    /// The proof of the password was wrong.
    WrongPassword,
    /// Too many wrong proofs or refusals lately.
    Locked,
    /// The novice said no.
    Declined,
    /// The novice did not answer.
    NoAnswer,
    /// Somebody else is helping.
    Busy,
    /// Settings forbid control.
    PolicyControl,
    /// The protocol was broken.
    Protocol,
}

/// Why a call was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnansweredCause {
    /// No computer of that name is known.
    Name,
    /// Nobody waits there, or no way leads there.
    Network,
}

impl UnansweredCause {
    /// The word in the event `unanswered`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Network => "network",
        }
    }
}

/// Why a ticket can no longer be redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketEndCause {
    /// Its time is over.
    Expired,
    /// It was ended early.
    Ended(EndCause),
}

impl RefusedCause {
    /// The word in the event `refused`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Cause::from(self).name()
    }
}

/// What the novice hears of is what the administrator hears of too.
impl From<RefusedCause> for Cause {
    fn from(cause: RefusedCause) -> Self {
        match cause {
            RefusedCause::WrongPassword => Self::WrongPassword,
            RefusedCause::Locked => Self::Locked,
            RefusedCause::Declined => Self::Declined,
            RefusedCause::NoAnswer => Self::NoAnswer,
            RefusedCause::Busy => Self::Busy,
            RefusedCause::PolicyControl => Self::PolicyControl,
            RefusedCause::Protocol => Self::Protocol,
        }
    }
}

impl TicketEndCause {
    /// The word in the event `ticket_ended`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Ended(cause) => cause.name(),
        }
    }
}

/// The word in the event `revoked`.
#[must_use]
pub fn revoked_by_name(by: RevokedBy) -> &'static str {
    match by {
        RevokedBy::Esc => "esc",
        RevokedBy::Stop => "stop",
        RevokedBy::Released => "released",
        RevokedBy::Policy => "policy",
    }
}

/// The word in the event `ended`.
#[must_use]
pub fn end_reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Declined => "declined",
        EndReason::NoAnswer => "no_answer",
        EndReason::NoviceStopped => "stopped",
        EndReason::ExpertLeft => "expert_left",
        EndReason::ConnectionLost => "connection_lost",
        EndReason::TicketEnded => "ticket_ended",
        EndReason::HostStopping => "host_stopping",
        EndReason::ProtocolError => "protocol_error",
        EndReason::DesktopLost => "desktop_lost",
        _ => "ended",
    }
}
