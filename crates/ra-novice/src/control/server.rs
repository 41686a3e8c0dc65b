//! The side of the control socket that answers.
//!
//! Each caller has a thread of its own and little time, so that none keeps another one waiting; who calls is what the
//! kernel says, not what they say.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ra_session::UnixTime;
use ra_session::invitations::{EndCause, LocalUser, TicketId};
use rustix::event::{PollFd, PollFlags};

use super::wire::{LONGEST_REQUEST, MOST_IDS, MOST_LISTED, MOST_REQUESTS, Reply, Request, send};
use super::{ControlError, Ended, HostLock, HostSummary, InUse, TicketSummary};
use crate::durable;
use crate::policy::groups;
use crate::settings::Paths;
use crate::store::{Store, StoreError};

/// Answers the control socket, and tells the host what others did; ends, and gives the lock back, when dropped.
#[derive(Debug)]
pub struct ControlServer {
    /// Dropping our end wakes the thread up and ends it.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
    _lock: HostLock,
}

/// What others did, and the host should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something in the table of tickets.
    Table,
    /// A ticket was made that this host should serve too.
    HostToo(TicketId),
}

impl ControlServer {
    /// Starts answering. `addresses` is where the host listens; `on_change` is called from other threads, at once when
    /// something has changed. `clock` is read for each request.
    ///
    /// # Errors
    /// [`ControlError`] when the table cannot be opened or the socket or a thread cannot be made.
    pub fn start(
        lock: HostLock,
        paths: &Paths,
        addresses: Vec<std::net::SocketAddr>,
        clock: fn() -> UnixTime,
        in_use: InUse,
        on_change: impl Fn(Change) + Send + Sync + 'static,
    ) -> Result<Self, ControlError> {
        let store = Store::open(&paths.store())?;
        let socket = paths.control();
        let listener = bind(&socket, paths.is_machine())?;
        let (stop, stopped) = UnixStream::pair().map_err(ControlError::Thread)?;
        let host = HostSummary { process: std::process::id(), addresses };
        let desk = Arc::new(Desk {
            store: Mutex::new(store),
            callers: Mutex::default(),
            host,
            clock,
            in_use,
            is_machine: paths.is_machine(),
            on_change: Box::new(on_change),
        });
        let thread = std::thread::Builder::new().name("control".to_owned());
        let thread = thread.spawn(move || desk.run(&listener, &stopped)).map_err(ControlError::Thread)?;
        Ok(Self { stop: Some(stop), thread: Some(thread), socket, _lock: lock })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It ends at its next look at the socket pair; a panic in it was reported by the runtime already.
            let _ = thread.join();
        }
        // The lock is still held, so it is this server's socket; a name left behind would be replaced later.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Where callers are served.
struct Desk {
    store: Mutex<Store>,
    callers: Mutex<BTreeMap<u32, usize>>,
    host: HostSummary,
    clock: fn() -> UnixTime,
    in_use: InUse,
    is_machine: bool,
    on_change: Box<dyn Fn(Change) + Send + Sync>,
}

/// A place at the desk; free again when dropped.
struct Place {
    desk: Arc<Desk>,
    uid: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = held(&self.desk.callers);
        if let Some(count) = callers.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.uid);
            }
        }
    }
}

impl Desk {
    fn run(self: Arc<Self>, listener: &UnixListener, stopped: &UnixStream) {
        loop {
            let mut descriptors = [PollFd::new(stopped, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
            match rustix::event::poll(&mut descriptors, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "the control socket cannot be watched any more");
                    return;
                }
            }
            if !descriptors[0].revents().is_empty() {
                return;
            }
            if descriptors[1].revents().is_empty() {
                continue;
            }
            if let Err(error) = listener.accept().and_then(|(stream, _)| self.receive(stream)) {
                tracing::debug!(%error, "a caller of the control socket was not served");
            }
        }
    }

    /// Gives a caller a thread, if there is a place.
    fn receive(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(CALL))?;
        let uid = rustix::net::sockopt::socket_peercred(&stream)?.uid.as_raw();
        let Some(place) = self.place(uid) else {
            // Dropped without a word: a word could block, and this thread serves everybody.
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        let serve = move || {
            if let Err(error) = place.desk.serve(&stream, uid) {
                tracing::debug!(%error, "a caller of the control socket went away");
            }
        };
        std::thread::Builder::new().name("caller".to_owned()).spawn(serve).map(drop)
    }

    /// A place for a caller of this user; strangers can only fill those that are for strangers.
    fn place(self: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut callers = held(&self.callers);
        let others: usize = callers.iter().filter(|(other, _)| !is_own(**other)).map(|(_, count)| count).sum();
        let count = callers.entry(uid).or_default();
        let room = *count < CALLERS_OF_ONE && (is_own(uid) || others < CALLERS_OF_OTHERS);
        if !room {
            if *count == 0 {
                callers.remove(&uid);
            }
            return None;
        }
        *count += 1;
        drop(callers);
        Some(Place { desk: Arc::clone(self), uid })
    }

    /// Answers one caller, who has [`CALL`] at most.
    fn serve(&self, stream: &UnixStream, uid: u32) -> io::Result<()> {
        let deadline = Instant::now() + CALL;
        let Some(user) = self.user(uid) else {
            tracing::warn!(uid, "another user called the control socket");
            send(stream, &Reply::Failed { message: NOT_YOURS.to_owned() })?;
            return hear_out(stream);
        };
        let mut reader = BufReader::new(stream);
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
                Ok(request) => self.carry_out(&request, user),
                Err(_) => Reply::Failed { message: "this is no request".to_owned() },
            };
            send(stream, &reply)?;
        }
        Ok(())
    }

    /// What this user is to the table; `None` for somebody who has no business here at all.
    fn user(&self, uid: u32) -> Option<LocalUser> {
        if is_own(uid) {
            return Some(LocalUser::owner());
        }
        if !self.is_machine {
            return None;
        }
        // Somebody whose groups cannot be found out is an administrator in no group.
        let groups = groups::of_account(&uid.to_string()).unwrap_or_default();
        let administers = groups.iter().any(|group| groups::ADMINISTRATORS.contains(&group.as_str()));
        Some(if administers { LocalUser::administrator() } else { LocalUser::somebody(uid) })
    }

    fn carry_out(&self, request: &Request, by: LocalUser) -> Reply {
        match request {
            Request::About | Request::Host { .. } | Request::Changed if !by.owns_table() => {
                return Reply::Failed { message: NOT_YOURS.to_owned() };
            }
            Request::About => return Reply::About(self.host.clone()),
            Request::Host { ticket } => {
                if let Some(ticket) = TicketId::parse(ticket) {
                    (self.on_change)(Change::HostToo(ticket));
                }
                return Reply::Noted;
            }
            Request::Changed => {
                (self.on_change)(Change::Table);
                return Reply::Noted;
            }
            Request::List | Request::Show { .. } | Request::Expire { .. } | Request::ExpireAll => {}
        }
        let asked = Asked { by, now: (self.clock)(), in_use: &self.in_use };
        let reply = answer(&mut held(&self.store), request, &asked);
        if request.changes() {
            (self.on_change)(Change::Table);
        }
        reply.unwrap_or_else(|error| Reply::Failed { message: error.to_string() })
    }
}

/// Who asks about the table, and when.
pub(super) struct Asked<'a> {
    pub(super) by: LocalUser,
    pub(super) now: UnixTime,
    pub(super) in_use: &'a InUse,
}

/// Carries a request out on the table: each user sees and ends what they may end (R53, R54).
pub(super) fn answer(store: &mut Store, request: &Request, asked: &Asked<'_>) -> Result<Reply, StoreError> {
    let Asked { by, now, in_use } = *asked;
    match request {
        Request::List => {
            let tickets = store.all(now)?;
            let theirs = tickets.iter().filter(|row| by.may_end(row.owner)).take(MOST_LISTED);
            Ok(Reply::Tickets { tickets: theirs.map(|row| TicketSummary::of(row, in_use)).collect() })
        }
        Request::Show { ticket } => {
            let row = TicketId::parse(ticket).map(|id| store.ticket(&id, now)).transpose()?.flatten();
            let row = row.filter(|row| by.may_end(row.owner));
            Ok(Reply::Tickets { tickets: row.iter().map(|row| TicketSummary::of(row, in_use)).collect() })
        }
        Request::Expire { tickets } => {
            let mut outcome = Ended::default();
            for text in tickets.iter().take(MOST_IDS) {
                let row = TicketId::parse(text).map(|id| store.ticket(&id, now)).transpose()?.flatten();
                // To others there is no such ticket, so that nobody learns whose is open.
                if !row.as_ref().map_or(by.may_end_all(), |row| by.may_end(row.owner)) {
                    return Ok(Reply::Failed { message: NOT_YOURS.to_owned() });
                }
                let was_open = match row {
                    Some(row) => store.end(&row.id, EndCause::Owner, now)?,
                    None => false,
                };
                if was_open { outcome.ended.push(text.clone()) } else { outcome.not_open.push(text.clone()) }
            }
            Ok(Reply::Ended(outcome))
        }
        Request::ExpireAll => {
            let mut outcome = Ended::default();
            for row in store.open_tickets(now)?.iter().filter(|row| by.may_end(row.owner)) {
                if store.end(&row.id, EndCause::Owner, now)? {
                    outcome.ended.push(row.id.to_string());
                }
            }
            Ok(Reply::Ended(outcome))
        }
        Request::Changed | Request::Host { .. } | Request::About => Ok(Reply::Noted),
    }
}

/// Makes the socket, in place of one that a dead host left. Whoever calls this has the lock.
fn bind(socket: &Path, is_machine: bool) -> Result<UnixListener, ControlError> {
    let bind = || {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The moment before the mode is set is harmless: callers are judged by who they are.
        let listener = UnixListener::bind(socket)?;
        let mode = if is_machine { FOR_EVERYBODY } else { durable::PRIVATE };
        fs::set_permissions(socket, fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(ControlError::Lock)
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

/// The user that this process runs as, and root.
fn is_own(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw() || uid == 0
}

/// A caller that broke down left nothing half done: each request is a transaction.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NOT_YOURS: &str = "only the owner of a ticket and an administrator may do this";
/// Everybody may ask the machine's host; what they get depends on who they are.
const FOR_EVERYBODY: u32 = 0o666;
/// How long one caller may take: commands ask once and go.
const CALL: Duration = Duration::from_secs(2);
/// Callers of one user at one time: more than anybody has commands running.
pub(super) const CALLERS_OF_ONE: usize = 8;
/// Callers of all users but the owner and root: what bounds the threads.
const CALLERS_OF_OTHERS: usize = 16;
/// How long somebody who was turned away may take to hear so, and how often they are listened to meanwhile.
const HEAR_OUT: Duration = Duration::from_millis(100);
const HEARD_OUT: usize = 16;
