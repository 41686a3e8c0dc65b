//! The same lines in systemd's journal, where there is one, with fields that `journalctl RA_CAUSE=...` finds.
//!
//! Source: systemd's "Native Journal Protocol": one datagram of `FIELD=value` lines.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::Cause;

/// The journal's socket, if the system has one. A journal that takes nothing is not waited for.
#[derive(Debug)]
pub(super) struct Journal {
    ours: Option<UnixDatagram>,
    socket: PathBuf,
}

impl Journal {
    pub(super) fn at(socket: &Path) -> Self {
        let ours = UnixDatagram::unbound().and_then(|ours| ours.set_nonblocking(true).map(|()| ours));
        Self { ours: ours.ok(), socket: socket.to_owned() }
    }

    /// Sends one line. Nothing in it may hold a line break: it is JSON, an address, the name of a relay, or a word of ours.
    pub(super) fn send(&self, line: &str, event: &str, peer: &str, cause: Option<Cause>) {
        let Some(ours) = &self.ours else { return };
        let priority = if cause.is_some() { NOTICE } else { INFO };
        let mut text = format!(
            "MESSAGE={line}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER={IDENTIFIER}\nSYSLOG_FACILITY={AUTHPRIV}\n\
             RA_EVENT={event}\nRA_PEER={peer}\n"
        );
        if let Some(cause) = cause {
            text.push_str(&format!("RA_CAUSE={}\n", cause.name()));
        }
        // Most machines in containers have no journal; the file is the log, this is a copy.
        let _ = ours.send_to(text.as_bytes(), &self.socket);
    }
}

const IDENTIFIER: &str = "remote-assistance";
const NOTICE: u8 = 5;
const INFO: u8 = 6;
/// Messages about who may come in, which only administrators read.
const AUTHPRIV: u8 = 10;
