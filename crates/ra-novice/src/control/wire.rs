//! What is said on the control socket: one JSON object a line, each way.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::{Ended, HostSummary, TicketSummary};

/// What a command asks of a running host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    List,
    Show {
        ticket: String,
    },
    Expire {
        tickets: Vec<String>,
    },
    ExpireAll,
    /// Somebody changed the table.
    Changed,
    /// Who is this host, and where does it listen?
    About,
    /// A new ticket that this host should serve too.
    Host {
        ticket: String,
    },
}

impl Request {
    /// Whether it may have changed the table.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Expire { .. } | Self::ExpireAll => true,
            Self::List | Self::Show { .. } | Self::Changed | Self::About | Self::Host { .. } => false,
        }
    }
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    Tickets { tickets: Vec<TicketSummary> },
    Ended(Ended),
    Noted,
    About(HostSummary),
    Failed { message: String },
}

/// Writes one line.
pub(super) fn send(mut stream: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Room for [`MOST_IDS`] ticket ids.
pub(super) const LONGEST_REQUEST: u64 = 16 * 1024;
/// Room for [`MOST_LISTED`] tickets of 4 KiB each.
pub(super) const LONGEST_REPLY: u64 = 4 * 1024 * 1024;
/// Requests on one connection; commands make one or two.
pub(super) const MOST_REQUESTS: usize = 64;
/// Tickets that one request ends.
pub(super) const MOST_IDS: usize = 256;
/// The newest of what is remembered; nobody reads a longer list.
pub(super) const MOST_LISTED: usize = 1000;
