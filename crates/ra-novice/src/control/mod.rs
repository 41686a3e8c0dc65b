//! The control socket of a running host, and the one way for programs to the table of tickets.
//!
//! `tickets list`, `show` and `expire` work with and without a running host: through its socket when there is one, so
//! that an ended ticket takes its session with it at once, and directly on the table otherwise. Nobody looks for changes
//! by the clock: whoever changes the table tells the host, also when it started only meanwhile.
//!
//! A state directory has one host at a time ([`HostLock`]). The socket lies there too. In a user's own directory it answers
//! that user and root; in the machine's it answers everybody, and each may end what is theirs, administrators
//! everything.
//!
//! Source: cli.md ("The control socket"), R49, R53, R54.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ra_session::UnixTime;
use ra_session::invitations::{LocalUser, Status, TicketId};
use serde::{Deserialize, Serialize};

use crate::settings::Paths;
use crate::store::{Store, StoreError, TicketRow};

mod lock;
mod server;
mod wire;

pub use lock::HostLock;
pub use server::{Change, ControlServer};
use wire::{LONGEST_REPLY, MOST_IDS, Reply, Request};

/// The ticket that an expert is using now; the host writes it, the socket tells it.
#[derive(Debug, Clone, Default)]
pub struct InUse(Arc<Mutex<Option<TicketId>>>);

/// The table of tickets as a program sees it, wherever it is.
#[derive(Debug)]
pub struct Tickets {
    place: Place,
    socket: PathBuf,
    clock: fn() -> UnixTime,
}

/// What may be told about a ticket: everything but its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketSummary {
    /// Its short name.
    pub ticket: String,
    /// `open`, `expired`, or why it ended.
    pub status: String,
    /// True while an expert uses it.
    pub in_use: bool,
    /// The novice's name, as the expert sees it.
    pub name: String,
    /// `both`, `v2` or `v1`.
    pub kind: String,
    /// True when it has a password.
    pub password: bool,
    /// True when control is never granted on it.
    pub view_only: bool,
    /// When it was made, seconds since 1970, UTC.
    pub start: u64,
    /// The first second in which it is no longer good, as it was when it was made.
    pub expires: u64,
    /// Since when it is not open any more.
    pub ended: Option<u64>,
    /// Where the invitation was written.
    pub file: Option<String>,
    /// The `host:port`s in it.
    pub endpoints: Vec<String>,
    /// Wrong passwords so far.
    pub wrong_passwords: u8,
    /// How often the novice said no or nothing.
    pub refusals: u8,
}

/// What became of the tickets that should end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// They were open and are not any more.
    pub ended: Vec<String>,
    /// They were not open, or there are no such tickets.
    pub not_open: Vec<String>,
}

/// What a running host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSummary {
    /// Its process.
    pub process: u32,
    /// Where it listens: addresses with ports.
    pub addresses: Vec<std::net::SocketAddr>,
}

impl InUse {
    /// Says which ticket is in use now, if any.
    pub fn set(&self, ticket: Option<TicketId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ticket;
    }

    pub(super) fn is(&self, ticket: &TicketId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(ticket)
    }
}

impl Tickets {
    /// Finds the table: the running host's, else the file, else nothing at all.
    ///
    /// # Errors
    /// [`ControlError`] when there is a table that cannot be used.
    pub fn open(paths: &Paths, clock: fn() -> UnixTime) -> Result<Self, ControlError> {
        let socket = paths.control();
        let place = if let Some(stream) = connect(&socket) {
            Place::Host(BufReader::new(stream))
        } else if paths.store().try_exists().unwrap_or(true) {
            Place::File(Box::new(Store::open(&paths.store())?))
        } else {
            Place::Nowhere
        };
        Ok(Self { place, socket, clock })
    }

    /// The table of the machine: of its running host, and for root also without one.
    ///
    /// # Errors
    /// [`ControlError::NoService`] when there is nothing that this user may ask.
    pub fn of_the_machine(clock: fn() -> UnixTime) -> Result<Self, ControlError> {
        let paths = Paths::of_the_machine();
        let tickets = if rustix::process::geteuid().is_root() {
            Self::open(&paths, clock)?
        } else {
            let socket = paths.control();
            let stream = connect(&socket).ok_or(ControlError::NoService)?;
            Self { place: Place::Host(BufReader::new(stream)), socket, clock }
        };
        Ok(tickets)
    }

    /// The table of the host that holds the lock of this directory: waits a moment for one that is just starting.
    ///
    /// # Errors
    /// [`ControlError::Silent`] when it does not answer by then.
    pub fn of_running_host(paths: &Paths, clock: fn() -> UnixTime) -> Result<Self, ControlError> {
        let socket = paths.control();
        let deadline = Instant::now() + STARTING;
        loop {
            if let Some(stream) = connect(&socket) {
                return Ok(Self { place: Place::Host(BufReader::new(stream)), socket, clock });
            }
            if Instant::now() >= deadline {
                return Err(ControlError::Silent);
            }
            std::thread::sleep(BETWEEN_KNOCKS);
        }
    }

    /// Every ticket that is remembered, the newest first.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn list(&mut self) -> Result<Vec<TicketSummary>, ControlError> {
        match self.ask(&Request::List)? {
            Reply::Tickets { tickets } => Ok(tickets),
            other => Err(other.unexpected()),
        }
    }

    /// One ticket, if there is one of that name.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn show(&mut self, id: &TicketId) -> Result<Option<TicketSummary>, ControlError> {
        match self.ask(&Request::Show { ticket: id.to_string() })? {
            Reply::Tickets { mut tickets } => Ok(tickets.pop()),
            other => Err(other.unexpected()),
        }
    }

    /// Ends tickets, and the session of one that is in use.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn expire(&mut self, ids: &[TicketId]) -> Result<Ended, ControlError> {
        let mut outcome = Ended::default();
        for some in ids.chunks(MOST_IDS) {
            let tickets = some.iter().map(ToString::to_string).collect();
            match self.ask(&Request::Expire { tickets })? {
                Reply::Ended(Ended { ended, not_open }) => {
                    outcome.ended.extend(ended);
                    outcome.not_open.extend(not_open);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(outcome)
    }

    /// Ends every open ticket, and the running session.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn expire_all(&mut self) -> Result<Ended, ControlError> {
        match self.ask(&Request::ExpireAll)? {
            Reply::Ended(ended) => Ok(ended),
            other => Err(other.unexpected()),
        }
    }

    /// Whether a running host answers here, which looks after everything else by itself.
    #[must_use]
    pub fn is_hosted(&self) -> bool {
        matches!(self.place, Place::Host(_))
    }

    /// What the running host says of itself; `None` when none is running.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn host(&mut self) -> Result<Option<HostSummary>, ControlError> {
        match &self.place {
            Place::Host(_) => match self.ask(&Request::About)? {
                Reply::About(host) => Ok(Some(host)),
                other => Err(other.unexpected()),
            },
            Place::File(_) | Place::Nowhere => Ok(None),
        }
    }

    /// Lets a running host serve this ticket too; false when none is running.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn host_too(&mut self, id: &TicketId) -> Result<bool, ControlError> {
        match &self.place {
            Place::Host(_) => match self.ask(&Request::Host { ticket: id.to_string() })? {
                Reply::Noted => Ok(true),
                other => Err(other.unexpected()),
            },
            Place::File(_) | Place::Nowhere => Ok(false),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, ControlError> {
        let reply = match &mut self.place {
            Place::Host(stream) => exchange(stream, request)?,
            Place::File(store) => {
                // Whoever may open the file may do everything with it; the system saw to that.
                let reply = server::answer(
                    store,
                    request,
                    &server::Asked { by: LocalUser::owner(), now: (self.clock)(), in_use: &InUse::default() },
                )?;
                if request.changes() {
                    // A host may have started since, and have read the table before it was changed.
                    if let Some(stream) = connect(&self.socket) {
                        exchange(&mut BufReader::new(stream), &Request::Changed)?;
                    }
                }
                reply
            }
            Place::Nowhere => nothing(request),
        };
        match reply {
            Reply::Failed { message } => Err(ControlError::Host(message)),
            reply => Ok(reply),
        }
    }
}

impl TicketSummary {
    fn of(row: &TicketRow, in_use: &InUse) -> Self {
        Self {
            ticket: row.id.to_string(),
            status: row.status.name().to_owned(),
            in_use: row.status == Status::Open && in_use.is(&row.id),
            name: row.name.clone(),
            kind: row.kind.name().to_owned(),
            password: row.needs_password,
            view_only: row.view_only,
            start: row.start.0,
            expires: row.expires().0,
            ended: row.ended.map(|ended| ended.0),
            file: row.file.as_ref().map(|file| file.to_string_lossy().into_owned()),
            endpoints: row.endpoints.clone(),
            wrong_passwords: row.guard.wrong_proofs,
            refusals: row.guard.refusals,
        }
    }
}

/// Why the tickets could not be reached or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The table itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The running host reports a failure.
    #[error("the running host reports: {0}")]
    Host(String),
    /// The socket broke off.
    #[error("the running host does not answer")]
    Socket(#[from] io::Error),
    /// What came back makes no sense; the two programs may be of different versions.
    #[error("the running host answered something that this version does not understand")]
    Garbled,
    /// Another process has the lock and does not answer.
    #[error("another novice-host uses the same state directory and does not answer")]
    Silent,
    /// There is nobody to ask and nothing to read.
    #[error("no novice-host runs as a service of this computer")]
    NoService,
    /// The lock of the state directory cannot be taken.
    #[error("cannot take the lock of the state directory")]
    Lock(#[source] io::Error),
    /// The thread that answers could not be made.
    #[error("cannot start the thread that answers the control socket")]
    Thread(#[source] io::Error),
}

#[derive(Debug)]
enum Place {
    Host(BufReader<UnixStream>),
    File(Box<Store>),
    /// No invitation was ever made here.
    Nowhere,
}

impl Reply {
    fn unexpected(self) -> ControlError {
        ControlError::Garbled
    }
}

/// What a table without tickets answers.
fn nothing(request: &Request) -> Reply {
    match request {
        Request::List | Request::Show { .. } => Reply::Tickets { tickets: Vec::new() },
        Request::Expire { tickets } => Reply::Ended(Ended { ended: Vec::new(), not_open: tickets.clone() }),
        Request::ExpireAll => Reply::Ended(Ended::default()),
        Request::Changed | Request::Host { .. } | Request::About => Reply::Noted,
    }
}

/// One request and its answer.
fn exchange(stream: &mut BufReader<UnixStream>, request: &Request) -> Result<Reply, ControlError> {
    wire::send(stream.get_ref(), request)?;
    let mut reply = Vec::new();
    stream.take(LONGEST_REPLY).read_until(b'\n', &mut reply)?;
    serde_json::from_slice(&reply).map_err(|_| ControlError::Garbled)
}

/// The socket of a running host; `None` when nobody answers there.
fn connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// How long a command waits for the host: longer than the host waits for the table.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a host may take from its lock to its socket: the time to open a desktop.
const STARTING: Duration = Duration::from_secs(5);
const BETWEEN_KNOCKS: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
