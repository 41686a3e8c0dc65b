//! The administrator's audit log: who was refused and why, and what an expert did here.
//!
//! The novice hears nothing of a refused stranger (R31); the administrator does (S63). Each refusal is one JSON object on a
//! line of its own, with time, address and cause and never an id, a password, a proof or a name that a stranger chose:
//!
//! ```json
//! {"time":"2026-11-26T11:30:00Z","event":"refused","peer":"192.0.2.7","port":50123,"cause":"unknown_ticket"}
//! ```
//!
//! Such lines are stable: filters for fail2ban read them (`bins/novice-host/fail2ban`). Where policy has sessions logged
//! (`LoggingEnabled`), what happens in a session stands there too. The file is `audit.log` in the state directory, mode
//! 0640, followed by older ones as `audit.log.1` and so on; the same line goes to the journal where there is one.
//!
//! Nobody can wash the log away: a source that is refused more often than [`LINES_A_MINUTE`] is counted instead, and its
//! next line says how many were left out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use ra_session::UnixTime;
use ra_session::invitations::Source;
use ra_session::offers::Helper;
use serde::Serialize;

use crate::arrival::Peer;
use crate::settings::Paths;

mod file;
mod journal;

use file::LogFile;
pub use file::{AuditError, lines};
use journal::Journal;

/// Writes the audit log. What cannot be written is said once in the program's own log, and nobody waits for it.
#[derive(Debug)]
pub struct Audit {
    file: RefCell<LogFile>,
    journal: Journal,
    crowd: RefCell<Crowd>,
    /// What was last said about a log that cannot be written.
    trouble: RefCell<Option<String>>,
}

/// Why a connection was refused, or an expert. These words are a contract with whoever reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// No ticket with that session id was ever made here, or it is forgotten (R30).
    UnknownTicket,
    /// Its time is over (R52).
    ExpiredTicket,
    /// It was ended early (R53).
    EndedTicket,
    /// Policy allows no help, or none of this kind (R28).
    Policy,
    /// The ticket was made for an official helper, and this is another one (S105).
    NotOfficial,
    /// HelpAssistant is disabled or may not log on (R29); or an account whose password was right may not be used now.
    Account,
    /// Policy allows no offers (R75).
    OfferPolicy,
    /// An offer without a key, or with one that is not known here (R79).
    OfferUnverified,
    /// An offer with a key that is known, of somebody who may not offer (R76).
    OfferNotListed,
    /// The proof of the password was wrong (R38), or the password of an account.
    WrongPassword,
    /// Too many wrong proofs or refusals lately (R39, R40a).
    Locked,
    /// The novice said no (R37, S102).
    Declined,
    /// The novice did not answer (R36).
    NoAnswer,
    /// Somebody else is helping (R40).
    Busy,
    /// Settings forbid control (R45).
    PolicyControl,
    /// An expert who had lost the connection came back when it was too late.
    LateReturn,
    /// What was sent is not the protocol, or the connection broke off before a proof.
    Protocol,
    /// Said too little for too long.
    TooSlow,
    /// Its place was needed for somebody who came later.
    ShownOut,
    /// This program failed; its own log says how.
    Internal,
}

/// A moment of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// This computer called somebody who waits for it, and was answered. Whoever it is proves nothing yet.
    Called,
    /// The novice is asked.
    ConsentAsked {
        /// `view` or `control`.
        kind: &'static str,
    },
    /// The novice answered, in one of several places.
    Answered {
        /// `view` or `control`.
        kind: &'static str,
        /// `yes` or `no`.
        answer: &'static str,
        /// Which place: `terminal`, `agent :1`, `agent pts/4`.
        place: String,
    },
    /// The expert sees.
    Viewing,
    /// The expert asks for control.
    ControlRequested,
    /// The expert controls.
    Controlling,
    /// Control ended.
    Revoked {
        /// `esc`, `stop`, `released` or `policy`.
        by: &'static str,
    },
    /// The connection is gone; the expert may come back.
    Lost,
    /// The expert is back, and sees.
    Returned,
    /// The session ended.
    Ended {
        /// Why, in one word.
        reason: &'static str,
    },
}

/// One line.
#[derive(Serialize)]
struct Line<What> {
    time: String,
    #[serde(flatten)]
    what: What,
    peer: String,
    /// None behind a relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    /// The key of a helper who offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The account of a helper who offered, once its password was proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// How many refusals of the same source were left out before this one.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
}

#[derive(Serialize)]
struct Refused {
    event: &'static str,
}

impl Audit {
    /// The audit log of an installation. Nothing is written, and no file made, before there is something to write.
    #[must_use]
    pub fn of(paths: &Paths) -> Self {
        Self::at(&paths.audit(), Path::new(JOURNAL))
    }

    /// An audit log in that file, with the journal behind that socket: for tests.
    #[must_use]
    pub fn at(file: &Path, journal: &Path) -> Self {
        Self {
            file: RefCell::new(LogFile::at(file)),
            journal: Journal::at(journal),
            crowd: RefCell::default(),
            trouble: RefCell::default(),
        }
    }

    /// Somebody was refused.
    pub fn refused(&self, now: UnixTime, peer: &Peer, cause: Cause, helper: Option<&Helper>) {
        let Some(left_out) = self.crowd.borrow_mut().admit(peer.source(), now) else { return };
        self.write(now, peer, Refused { event: REFUSED }, REFUSED, Some(cause), helper, left_out);
    }

    /// Something happened in a session.
    pub fn session(&self, now: UnixTime, peer: &Peer, step: &Step, helper: Option<&Helper>) {
        self.write(now, peer, step, step.name(), None, helper, 0);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a line, each once")]
    fn write<What: Serialize>(
        &self,
        now: UnixTime,
        peer: &Peer,
        what: What,
        name: &str,
        cause: Option<Cause>,
        helper: Option<&Helper>,
        left_out: u64,
    ) {
        let (key, account) = match helper {
            Some(Helper::Key(key)) => (Some(key.to_string()), None),
            Some(Helper::Account(name)) => (None, Some(name.as_str().to_owned())),
            None => (None, None),
        };
        let line =
            Line { time: rfc3339(now), what, peer: peer.host(), port: peer.port(), cause, key, account, left_out };
        let Ok(text) = serde_json::to_string(&line) else { return };
        self.journal.send(&text, name, &line.peer, cause);
        let trouble = self.file.borrow_mut().append(&text).err().map(|error| error.to_string());
        if *self.trouble.borrow() != trouble {
            if let Some(trouble) = &trouble {
                tracing::error!(trouble, "the audit log cannot be written");
            }
            self.trouble.replace(trouble);
        }
    }
}

impl Cause {
    /// The word in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownTicket => "unknown_ticket",
            Self::ExpiredTicket => "expired_ticket",
            Self::EndedTicket => "ended_ticket",
            Self::Policy => "policy",
            Self::NotOfficial => "not_official",
            Self::Account => "account",
            Self::OfferPolicy => "offer_policy",
            Self::OfferUnverified => "offer_unverified",
            Self::OfferNotListed => "offer_not_listed",
            Self::WrongPassword => "wrong_password",
            Self::Locked => "locked",
            Self::Declined => "declined",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::PolicyControl => "policy_control",
            Self::LateReturn => "late_return",
            Self::Protocol => "protocol",
            Self::TooSlow => "too_slow",
            Self::ShownOut => "shown_out",
            Self::Internal => "internal",
        }
    }
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Called => "called",
            Self::ConsentAsked { .. } => "consent_asked",
            Self::Answered { .. } => "answered",
            Self::Viewing => "viewing",
            Self::ControlRequested => "control_requested",
            Self::Controlling => "controlling",
            Self::Revoked { .. } => "revoked",
            Self::Lost => "lost",
            Self::Returned => "returned",
            Self::Ended { .. } => "ended",
        }
    }
}

/// How often each source was refused in this minute.
#[derive(Debug, Default)]
struct Crowd {
    minute: u64,
    lines: BTreeMap<Source, u32>,
    left_out: BTreeMap<Source, u64>,
}

impl Crowd {
    /// How many lines of this source were left out before this one; `None` when this one is left out too.
    fn admit(&mut self, source: Source, now: UnixTime) -> Option<u64> {
        let minute = now.0 / 60;
        if minute != self.minute {
            self.minute = minute;
            self.lines.clear();
        }
        if self.lines.len() >= SOURCES && !self.lines.contains_key(&source) {
            // A crowd of many sources is written line by line: it cannot be told from many people.
            return Some(0);
        }
        let lines = self.lines.entry(source).or_default();
        if *lines >= LINES_A_MINUTE {
            if self.left_out.len() < SOURCES || self.left_out.contains_key(&source) {
                *self.left_out.entry(source).or_default() += 1;
            }
            return None;
        }
        *lines += 1;
        Some(self.left_out.remove(&source).unwrap_or_default())
    }
}

fn rfc3339(now: UnixTime) -> String {
    let seconds = i64::try_from(now.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

const REFUSED: &str = "refused";
/// Where systemd's journal takes messages.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Refusals of one source that are written each minute: many times what a person who mistypes makes, and enough for
/// any filter. At this rate one source needs six hours to push everything else out of the log.
pub const LINES_A_MINUTE: u32 = 100;
/// Sources that are counted at one time: what bounds the memory of it.
const SOURCES: usize = 4096;

#[cfg(test)]
mod tests;
