//! The control socket of a running host, and the one way for programs to the table of tickets.
//!
//! `tickets list`, `show` and `expire` work with and without a running host: through its socket when there is one, so
//! that an ended ticket takes its session with it at once, and directly on the table otherwise. The socket lies in
//! the state directory, mode 0600, and answers its owner and root only. One JSON object a line, each way.
//!
//! Source: cli.md ("The control socket"), R49, R53, R54.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ra_session::UnixTime;
use ra_session::invitations::{EndCause, Status, TicketId};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::settings::Paths;
use crate::store::{Store, StoreError, TicketRow};

/// Answers the control socket, and tells the host when somebody changed the table; ends when dropped.
///
/// Of several hosts with the same state directory one holds the socket, and another takes over when it goes. All of
/// them notice within [`TICK`] what others change.
#[derive(Debug)]
pub struct ControlServer {
    /// Dropping our end wakes the thread up and ends it.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// The ticket that an expert is using now; the host writes it, the socket tells it.
#[derive(Debug, Clone, Default)]
pub struct InUse(Arc<Mutex<Option<TicketId>>>);

/// The table of tickets as a program sees it, wherever it is.
#[derive(Debug)]
pub struct Tickets {
    place: Place,
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

impl ControlServer {
    /// Starts answering on a thread of its own.
    ///
    /// `on_change` is called from that thread whenever the table may have changed by somebody else's hand: by a
    /// command on the socket or by another process. `clock` is read for each request.
    ///
    /// # Errors
    /// [`ControlError`] when the table cannot be opened or no thread can be made. That the socket cannot be made is
    /// logged only: changes are noticed without it.
    pub fn start(
        paths: &Paths,
        clock: fn() -> UnixTime,
        in_use: InUse,
        on_change: impl Fn() + Send + 'static,
    ) -> Result<Self, ControlError> {
        let store = Store::open(&paths.store())?;
        let (stop, stopped) = UnixStream::pair().map_err(ControlError::Thread)?;
        let mut server =
            Server { socket: paths.control(), store, clock, in_use, on_change: Box::new(on_change), listening: None };
        server.take_over();
        let thread = std::thread::Builder::new().name("control".to_owned());
        let thread = thread.spawn(move || server.run(&stopped)).map_err(ControlError::Thread)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It ends at its next look at the socket pair; a panic in it was reported by the runtime already.
            let _ = thread.join();
        }
    }
}

impl InUse {
    /// Says which ticket is in use now, if any.
    pub fn set(&self, ticket: Option<TicketId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ticket;
    }

    fn is(&self, ticket: &TicketId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(ticket)
    }
}

impl Tickets {
    /// Finds the table: the running host's, else the file, else nothing at all.
    ///
    /// # Errors
    /// [`ControlError`] when there is a table that cannot be used.
    pub fn open(paths: &Paths, clock: fn() -> UnixTime) -> Result<Self, ControlError> {
        let place = if let Some(stream) = connect(&paths.control()) {
            Place::Host(BufReader::new(stream))
        } else if paths.store().try_exists().unwrap_or(true) {
            Place::File(Box::new(Store::open(&paths.store())?))
        } else {
            Place::Nowhere
        };
        Ok(Self { place, clock })
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

    /// Tells a running host to look at the table again; false when none is running.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn notify(&mut self) -> Result<bool, ControlError> {
        match &self.place {
            Place::Host(_) => match self.ask(&Request::Changed)? {
                Reply::Noted => Ok(true),
                other => Err(other.unexpected()),
            },
            Place::File(_) | Place::Nowhere => Ok(false),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, ControlError> {
        let reply = match &mut self.place {
            Place::Host(stream) => {
                let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
                line.push(b'\n');
                stream.get_mut().write_all(&line)?;
                let mut reply = Vec::new();
                stream.take(LONGEST_REPLY).read_until(b'\n', &mut reply)?;
                serde_json::from_slice(&reply).map_err(|_| ControlError::Garbled)?
            }
            Place::File(store) => answer(store, request, (self.clock)(), &InUse::default())?,
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

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    List,
    Show { ticket: String },
    Expire { tickets: Vec<String> },
    ExpireAll,
    Changed,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
enum Reply {
    Tickets { tickets: Vec<TicketSummary> },
    Ended(Ended),
    Noted,
    Failed { message: String },
}

impl Reply {
    fn unexpected(self) -> ControlError {
        ControlError::Garbled
    }
}

struct Server {
    socket: PathBuf,
    store: Store,
    clock: fn() -> UnixTime,
    in_use: InUse,
    on_change: Box<dyn Fn() + Send>,
    listening: Option<Listening>,
}

/// The socket, and the lock that says whose it is; the system lets go of the lock when its process dies.
struct Listening {
    listener: UnixListener,
    socket: PathBuf,
    _lock: File,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The lock is still held, so it is this server's socket; a name left behind would be replaced later.
        let _ = fs::remove_file(&self.socket);
    }
}

impl Server {
    fn run(mut self, stopped: &UnixStream) {
        loop {
            let listener = self.listening.as_ref().map(|listening| &listening.listener);
            let mut descriptors = vec![PollFd::new(stopped, PollFlags::IN)];
            descriptors.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
            let tick = Timespec { tv_sec: TICK.as_secs().cast_signed(), tv_nsec: 0 };
            match rustix::event::poll(&mut descriptors, Some(&tick)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot be watched any more");
                    return;
                }
            }
            if !descriptors[0].revents().is_empty() {
                return;
            }
            let called = descriptors.get(1).is_some_and(|descriptor| !descriptor.revents().is_empty());
            if called
                && let Some(Ok((stream, _))) = listener.map(UnixListener::accept)
                && let Err(error) = self.serve(stream)
            {
                tracing::debug!(%error, "a caller of the control socket went away");
            }
            if self.listening.is_none() {
                self.take_over();
            }
            match self.store.changed() {
                Ok(true) => (self.on_change)(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot look for changes of the tickets"),
            }
        }
    }

    /// Becomes the one that answers, if nobody alive is.
    fn take_over(&mut self) {
        match Listening::bind(&self.socket) {
            Ok(listening) => self.listening = listening,
            Err(error) => tracing::debug!(socket = %self.socket.display(), %error, "no control socket"),
        }
    }

    /// Answers one caller; the next one waits. Callers are the owner's own programs, and each has [`CALL`] at most.
    fn serve(&mut self, stream: UnixStream) -> io::Result<()> {
        let deadline = Instant::now() + CALL;
        stream.set_write_timeout(Some(CALL))?;
        let peer = rustix::net::sockopt::socket_peercred(&stream)?.uid;
        if !may_control(peer.as_raw(), rustix::process::geteuid().as_raw()) {
            tracing::warn!(uid = peer.as_raw(), "another user called the control socket");
            let message = "only the owner of the tickets and the administrator may do this".to_owned();
            send(&stream, &Reply::Failed { message })?;
            return hear_out(&stream);
        }
        let mut reader = BufReader::new(&stream);
        for _ in 0..MOST_REQUESTS {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            stream.set_read_timeout(Some(left))?;
            let mut line = Vec::new();
            if (&mut reader).take(LONGEST_REQUEST).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let reply = match serde_json::from_slice(&line) {
                Ok(request) => self.carry_out(&request),
                Err(_) => Reply::Failed { message: "this is no request".to_owned() },
            };
            send(&stream, &reply)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, request: &Request) -> Reply {
        let reply = answer(&mut self.store, request, (self.clock)(), &self.in_use);
        if !matches!(request, Request::List | Request::Show { .. }) {
            (self.on_change)();
        }
        reply.unwrap_or_else(|error| Reply::Failed { message: error.to_string() })
    }
}

/// Reads what a caller that was turned away has sent, a little and for a moment: a socket that is closed with something
/// unread in it takes the answer back.
fn hear_out(mut stream: &UnixStream) -> io::Result<()> {
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(HEAR_OUT))?;
    let mut unread = [0; 1024];
    for _ in 0..HEARD_OUT {
        if stream.read(&mut unread)? == 0 {
            break;
        }
    }
    Ok(())
}

impl Listening {
    /// Makes the socket; `None` while another living process has it. A socket that a dead one left is replaced.
    fn bind(socket: &Path) -> io::Result<Option<Self>> {
        let lock_file = socket.with_extension("lock");
        let lock = durable::open_lock(&lock_file)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody else can reach into the state directory, so the moment before the mode is set is harmless.
        let listener = UnixListener::bind(socket)?;
        fs::set_permissions(socket, fs::Permissions::from_mode(durable::PRIVATE))?;
        listener.set_nonblocking(true)?;
        Ok(Some(Self { listener, socket: socket.to_owned(), _lock: lock }))
    }
}

/// Owner or administrator. Source: R53, R54.
fn may_control(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn answer(store: &mut Store, request: &Request, now: UnixTime, in_use: &InUse) -> Result<Reply, StoreError> {
    match request {
        Request::List => {
            let tickets = store.all(now)?;
            Ok(Reply::Tickets {
                tickets: tickets.iter().take(MOST_LISTED).map(|row| TicketSummary::of(row, in_use)).collect(),
            })
        }
        Request::Show { ticket } => {
            let row = TicketId::parse(ticket).map(|id| store.ticket(&id, now)).transpose()?.flatten();
            Ok(Reply::Tickets { tickets: row.iter().map(|row| TicketSummary::of(row, in_use)).collect() })
        }
        Request::Expire { tickets } => {
            let mut outcome = Ended::default();
            for text in tickets.iter().take(MOST_IDS) {
                let was_open = match TicketId::parse(text) {
                    Some(id) => store.end(&id, EndCause::Owner, now)?,
                    None => false,
                };
                if was_open { outcome.ended.push(text.clone()) } else { outcome.not_open.push(text.clone()) }
            }
            Ok(Reply::Ended(outcome))
        }
        Request::ExpireAll => {
            let ended = store.end_all(EndCause::Owner, now)?.iter().map(ToString::to_string).collect();
            Ok(Reply::Ended(Ended { ended, not_open: Vec::new() }))
        }
        Request::Changed => Ok(Reply::Noted),
    }
}

/// What a table without tickets answers.
fn nothing(request: &Request) -> Reply {
    match request {
        Request::List | Request::Show { .. } => Reply::Tickets { tickets: Vec::new() },
        Request::Expire { tickets } => Reply::Ended(Ended { ended: Vec::new(), not_open: tickets.clone() }),
        Request::ExpireAll => Reply::Ended(Ended::default()),
        Request::Changed => Reply::Noted,
    }
}

/// The socket of a running host; `None` when nobody answers there.
fn connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn send(mut stream: &UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// How often a host looks for changes that nobody told it about, and for a socket that became free.
pub const TICK: Duration = Duration::from_secs(1);

/// How long one caller may hold the socket: commands ask once and go.
const CALL: Duration = Duration::from_secs(2);
/// How long somebody who was turned away may take to hear so, and how often they are listened to meanwhile.
const HEAR_OUT: Duration = Duration::from_millis(100);
const HEARD_OUT: usize = 16;
/// How long a command waits for the host: longer than the host waits for a caller before it and for the table.
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for [`MOST_IDS`] ticket ids.
const LONGEST_REQUEST: u64 = 16 * 1024;
/// Room for [`MOST_LISTED`] tickets of 4 KiB each.
const LONGEST_REPLY: u64 = 4 * 1024 * 1024;
const MOST_REQUESTS: usize = 64;
const MOST_IDS: usize = 256;
/// The newest of what is remembered; nobody reads a longer list.
const MOST_LISTED: usize = 1000;

#[cfg(test)]
mod tests;
