//! What the engine reports to whoever watches, and how a session can end.

use core::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ra_session::RevokedBy;
use ra_ticket::{AccountName, AccountPassword, Endpoint, KeyFingerprint};

use crate::cursor::Cursor;
use crate::pin::Fingerprint;

/// A milestone of the expert's side, in the order in which they can happen.
///
/// The engine has no opinion on how these are shown: the program prints text or JSON, the window changes its title.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewerEvent {
    /// A port waits for the novice's computer to dial it.
    Listening {
        /// The address as bound, with the real port.
        addr: SocketAddr,
    },
    /// A connection to this endpoint is being opened; several may be open at once.
    Trying {
        /// As the invitation lists it.
        endpoint: Endpoint,
    },
    /// This endpoint has proved to be the novice's computer; the others are closed.
    Connected {
        /// As the invitation lists it.
        endpoint: Endpoint,
    },
    /// The novice's computer accepted the ticket and the proof of the password.
    Authenticated,
    /// The novice said yes: the desktop may be seen.
    Viewing {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
    },
    /// The first piece of the desktop is in the [`Picture`](crate::Picture).
    FirstFrame {
        /// Time since [`ViewerEvent::Viewing`] or [`ViewerEvent::Returned`]: the novice's thinking is not counted.
        after: Duration,
    },
    /// The expert asked for control; the novice decides.
    ControlRequested,
    /// The novice said yes: keys and pointer reach the novice's desktop.
    Controlling,
    /// The novice, or a setting on the novice's side, said no to control.
    ControlRefused,
    /// Control is over; the expert still sees.
    Revoked {
        /// Who took it.
        by: RevokedBy,
    },
    /// The connection was lost; the computer is looked for once more. The picture is the last one that came.
    Reconnecting,
    /// The same computer was reached again, and the desktop is seen again, without control.
    Returned {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
    },
    /// It is over. Always the last event.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// Why the expert's side ended.
///
/// What an ended ticket, an unknown one and a closed network have in common is on purpose one single reason: the
/// expert is not told which (R26, R27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The expert, or a time limit that the expert set, ended it.
    Asked,
    /// The novice ended a running session in good order.
    NoviceEnded,
    /// The novice's computer went away before there was a session (RESULT 50, 51, DISCONNECT).
    NoviceStopped,
    /// A running session's connection broke.
    Lost,
    /// No address gave a session.
    NotReached,
    /// The novice's computer found the password wrong (RESULT 26, 61).
    WrongPassword,
    /// Too many wrong passwords: the ticket is locked for now (RESULT 42).
    Locked,
    /// The novice said no (RESULT 41).
    Declined,
    /// The novice did not answer (RESULT 40).
    NoAnswer,
    /// Somebody else is helping already (RESULT 37).
    Busy,
    /// The two programs have no version of Remote Assistance in common (RESULT 47).
    Incompatible,
    /// The computer that answered is not the one that made the invitation; nothing was sent to it.
    WrongComputer,
    /// An offer: the computer there does not let this helper offer help (RESULT 42).
    PolicyForbids,
    /// An offer: no session; the network, policy there, or a key that is not known there. Which, is not told.
    OfferNotTaken,
    /// An offer: the computer that answered has not the key it had before, or the expert did not accept its key.
    OtherKey,
    /// The other side broke the protocol, or says that we did (RESULT 24, 32).
    Protocol,
    /// A RESULT that this program has no words for.
    Result(u32),
}

impl EndReason {
    /// The same end where help was offered without an invitation.
    pub(crate) const fn of_an_offer(self) -> Self {
        match self {
            Self::Locked => Self::PolicyForbids,
            Self::NotReached => Self::OfferNotTaken,
            Self::WrongComputer => Self::OtherKey,
            other => other,
        }
    }

    /// What a RESULT other than 0 means. Source: [MS-RA] 2.2.6.
    pub(crate) const fn of_result(code: u32) -> Self {
        match code {
            24 | 32 => Self::Protocol,
            25 | 27 => Self::NotReached,
            26 | 61 => Self::WrongPassword,
            37 => Self::Busy,
            40 => Self::NoAnswer,
            41 => Self::Declined,
            42 => Self::Locked,
            47 | E_FAIL => Self::Incompatible,
            50 | 51 => Self::NoviceStopped,
            other => Self::Result(other),
        }
    }

    /// The word that stands in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::NoviceEnded => "novice_ended",
            Self::NoviceStopped => "novice_stopped",
            Self::Lost => "lost",
            Self::NotReached | Self::OfferNotTaken => "not_reached",
            Self::WrongPassword => "wrong_password",
            Self::Locked => "locked",
            Self::Declined => "declined",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Incompatible => "incompatible",
            Self::WrongComputer | Self::OtherKey => "wrong_computer",
            Self::PolicyForbids => "policy",
            Self::Protocol => "protocol",
            Self::Result(_) => "result",
        }
    }

    /// The exit status of a program that ends for this reason.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Asked | Self::NoviceEnded => 0,
            Self::NoviceStopped | Self::Lost | Self::Incompatible | Self::Result(_) => 1,
            Self::NotReached | Self::OfferNotTaken => 69,
            Self::Protocol => 76,
            Self::WrongPassword => 83,
            Self::Locked => 84,
            Self::Declined => 85,
            Self::NoAnswer => 86,
            Self::Busy => 87,
            Self::WrongComputer | Self::OtherKey => 89,
            Self::PolicyForbids => 77,
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("the session has ended"),
            Self::NoviceEnded => f.write_str("the novice has ended the session"),
            Self::NoviceStopped => f.write_str("ended by the other side"),
            Self::Lost => f.write_str("the connection to the novice's computer broke"),
            Self::NotReached => f.write_str(
                "the connection could not be established; check for network problems, or whether the invitation \
                 expired or was cancelled by its sender",
            ),
            Self::WrongPassword => f.write_str("the novice's computer says that the password is wrong"),
            Self::Locked => f.write_str("locked for now: too many wrong passwords; try again later"),
            Self::Declined => f.write_str("the novice declined"),
            Self::NoAnswer => f.write_str("the novice did not answer"),
            Self::Busy => f.write_str("the novice is already being helped"),
            Self::Incompatible => f.write_str("the novice's computer speaks an incompatible version"),
            Self::WrongComputer => f.write_str(
                "the computer that answered is not the one that made this invitation; nothing was sent to it",
            ),
            Self::PolicyForbids => {
                f.write_str("the policy of that computer does not allow that you offer help to it")
            }
            Self::OfferNotTaken => f.write_str(
                "the connection could not be established; check for network problems, whether that computer allows offers of \
                 help, and whether its administrator has listed your key or lets an account's password count",
            ),
            Self::OtherKey => f.write_str(
                "the computer that answered is not known by this key; nothing was sent to it, and your own key was not shown",
            ),
            Self::Protocol => f.write_str("the two sides could not agree: the protocol was broken"),
            Self::Result(code) => write!(f, "the novice's computer ended the attempt with code {code}"),
        }
    }
}

/// Whoever sits in front of the engine: a window, a terminal, a test.
///
/// The engine calls it from its own task, and [`Face::picture_changed`] from its decoder's thread too; everything but the
/// questions to a person must return at once.
pub trait Face: Send + Sync + 'static {
    /// Something happened.
    fn event(&self, event: &ViewerEvent);

    /// There is new damage in the [`Picture`](crate::Picture). Called once per damage that was taken, not per rectangle.
    fn picture_changed(&self) {}

    /// The novice's pointer has another shape or another place.
    fn cursor(&self, cursor: Cursor) {
        let _ = cursor;
    }

    /// Asks a person whether this key belongs to the computer that help is offered to and that was never called before;
    /// a yes is for the implementation to remember. Otherwise as [`Face::accept_key`].
    fn accept_computer(&self, endpoint: &Endpoint, key: KeyFingerprint) -> bool {
        let _ = (endpoint, key);
        false
    }

    /// Asks a person for the password of this account of the computer that help is offered to, whose key is known by now;
    /// `None` ends the offer. Called on a thread that may block.
    fn account_password(&self, account: &AccountName) -> Option<AccountPassword> {
        let _ = account;
        None
    }

    /// Asks a person whether this key belongs to the novice's computer, when the invitation cannot tell.
    ///
    /// Called on a thread that may block. The default answer is no, and an implementation must never answer yes
    /// without asking: nothing else stands between the expert and a computer that merely sits at the right address.
    fn accept_key(&self, endpoint: &Endpoint, key: &Fingerprint) -> bool {
        let _ = (endpoint, key);
        false
    }
}

/// What a novice from Vista on answers to a version 1 expert that it does not want. Source: [MS-RA] <5>.
const E_FAIL: u32 = 0x8000_4005;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reason that is not covered by a row of the table in the contract ends with 1.
    #[test]
    fn the_exit_statuses_are_those_of_the_contract() {
        for (reason, status) in [
            (EndReason::Asked, 0),
            (EndReason::NoviceEnded, 0),
            (EndReason::Lost, 1),
            (EndReason::NotReached, 69),
            (EndReason::Protocol, 76),
            (EndReason::WrongPassword, 83),
            (EndReason::Locked, 84),
            (EndReason::Declined, 85),
            (EndReason::NoAnswer, 86),
            (EndReason::Busy, 87),
            (EndReason::WrongComputer, 89),
            (EndReason::PolicyForbids, 77),
            (EndReason::OfferNotTaken, 69),
            (EndReason::OtherKey, 89),
            (EndReason::Result(300), 1),
        ] {
            assert_eq!(reason.exit_status(), status, "{reason:?}");
        }
    }

    #[test]
    fn the_codes_of_the_novice_have_the_exit_statuses_of_the_contract() {
        for (code, status) in [
            (24, 76),
            (26, 83),
            (27, 69),
            (32, 76),
            (37, 87),
            (40, 86),
            (41, 85),
            (42, 84),
            (47, 1),
            (50, 1),
            (61, 83),
            (300, 1),
        ] {
            assert_eq!(EndReason::of_result(code).exit_status(), status, "{code}");
        }
    }
}
