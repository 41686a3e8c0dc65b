//! The table of tickets: what the novice's computer keeps of each invitation, on disk.
//!
//! An invitation is a file in somebody else's hands; the ticket is its record here, and only the ticket decides. The
//! table holds rows and no rules: who may use a ticket is for [`ra_session::invitations`] to say. Two things it does insist
//! on, because only something durable can: a ticket that was once seen expired or ended never opens again, whatever the
//! clock says later (R63), and a ticket that is no longer open keeps nothing that a password could be guessed from.
//!
//! One SQLite file, 0600, rollback journal, every commit synced (docs/adr/0002). Several processes may have it open.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ra_policy::HelperName;
use ra_session::UnixTime;
use ra_session::invitations::{EndCause, Guard, Source, Status, Ticket, TicketId};
use ra_ticket::{AssistantPassword, Challenge, PassStub, SessionId};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior, params};
use zeroize::Zeroizing;

use crate::durable;

mod account;
mod mappings;

pub use mappings::{MappingKey, MappingRow};

/// The table of tickets of one installation.
///
/// Calls block for as long as the disk needs (milliseconds), or up to [`PATIENCE`] when another process is writing.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// What `PRAGMA data_version` said when [`Store::changed`] last looked.
    version: i64,
}

/// One ticket, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// Its name for people.
    pub id: TicketId,
    /// The RA session id that stands in the invitation and comes back in Client Info `WorkingDir`. Secret.
    pub session_id: SessionId,
    /// What the expert calls the novice: the invitation's `USERNAME`.
    pub name: String,
    /// True when the ticket has a password; still known when the challenge is gone.
    pub needs_password: bool,
    /// What [`Challenge::to_stored`] makes of the ticket's challenge, as good as the password; gone once it is not open.
    pub challenge: Option<Zeroizing<Vec<u8>>>,
    /// The stub in the invitation, if it has a password. Public.
    pub pass_stub: Option<String>,
    /// When it was made.
    pub start: UnixTime,
    /// For how long it is good, seconds.
    pub length: u64,
    /// Which kinds of connection string its file carries: `both`, `v2` or `v1`.
    pub kind: TicketKind,
    /// True when the novice will not be asked for control.
    pub view_only: bool,
    /// Who made it: the user number. Only this user and administrators may end it (R53, R54).
    pub owner: u32,
    /// The official helper that it was made for, if it was (S105).
    pub helper: Option<HelperName>,
    /// HelpAssistant's password of the time when it was made; [`Store::insert`] fills it in, and it is gone once the
    /// ticket is not open.
    pub assistant: Option<AssistantPassword>,
    /// Whether it can be redeemed, else why not.
    pub status: Status,
    /// Since when it is not open any more.
    pub ended: Option<UnixTime>,
    /// The invitation's file, as it was written; it may have been moved or deleted since.
    pub file: Option<PathBuf>,
    /// The `host:port` strings in it, in order.
    pub endpoints: Vec<String>,
    /// What went wrong with it so far; kept across restarts.
    pub guard: Guard,
}

/// Which connection strings an invitation carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketKind {
    /// `LHTICKET` and `RCTICKET`: opened by programs of both generations.
    Both,
    /// `LHTICKET` only.
    V2,
    /// `RCTICKET` only: the one kind that works without a password.
    V1,
}

impl Store {
    /// Opens the table, and makes it when there is none; its directory must exist.
    ///
    /// # Errors
    /// [`StoreError`]: among others when the file is damaged, was written by a newer version of this program, or is
    /// open to other users.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(real(path)?, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
             PRAGMA secure_delete = ON; PRAGMA synchronous = EXTRA;",
        )?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrate(&transaction)?;
        transaction.commit()?;
        let version = data_version(&connection)?;
        Ok(Self { connection, version })
    }

    /// Adds a ticket. An open one enables HelpAssistant in the same transition (R2), and `row` is given its password.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was added.
    pub fn insert(&mut self, row: &mut TicketRow) -> Result<(), StoreError> {
        self.insert_mapped(row, &[])
    }

    /// Every ticket that is remembered, the newest first, after [`Store::sweep`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn all(&mut self, now: UnixTime) -> Result<Vec<TicketRow>, StoreError> {
        self.sweep(now)?;
        let transaction = self.connection.transaction()?;
        select(&transaction, "ORDER BY start DESC, id", [])
    }

    /// The tickets that are open at `now`, the oldest first, after [`Store::sweep`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_tickets(&mut self, now: UnixTime) -> Result<Vec<TicketRow>, StoreError> {
        self.sweep(now)?;
        let transaction = self.connection.transaction()?;
        select(&transaction, "WHERE status = 'open' ORDER BY start, id", [])
    }

    /// The session ids of tickets that are not open any more, with why: the newest, [`MOST_PAST`] at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn past(&mut self) -> Result<Vec<(SessionId, Status)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT session_id, status FROM ticket WHERE status <> 'open' ORDER BY ended DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([MOST_PAST], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (session_id, status) = row?;
            let session_id = SessionId::parse(&session_id).map_err(|_| StoreError::Damaged(None))?;
            Ok((session_id, read_status(&status)?))
        })
        .collect()
    }

    /// One ticket, after [`Store::sweep`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ticket(&mut self, id: &TicketId, now: UnixTime) -> Result<Option<TicketRow>, StoreError> {
        self.sweep(now)?;
        let transaction = self.connection.transaction()?;
        Ok(select(&transaction, "WHERE id = ?1", [id.as_str()])?.pop())
    }

    /// Marks what is past its time limit as expired, for good, and says which tickets that were.
    ///
    /// Whatever the clock says later, they stay expired (R52, R63). Forgets tickets that ended [`REMEMBERED`] ago, and takes
    /// HelpAssistant's right when its hour is over (R58).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&mut self, now: UnixTime) -> Result<Vec<TicketId>, StoreError> {
        let due: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM ticket WHERE (status = 'open' AND start + length <= ?1) OR ended <= ?2)
                 OR EXISTS (SELECT 1 FROM logon_right WHERE until <= ?1)",
            params![signed(now.0), signed(now.0) - signed(REMEMBERED.as_secs())],
            |row| row.get(0),
        )?;
        if !due {
            return Ok(Vec::new());
        }
        let transaction = self.begin()?;
        let expired = expire(&transaction, now)?;
        let forgotten = signed(now.0) - signed(REMEMBERED.as_secs());
        transaction.execute("DELETE FROM ticket WHERE status <> 'open' AND ended <= ?1", [forgotten])?;
        account::pass_time(&transaction, now)?;
        transaction.commit()?;
        Ok(expired)
    }

    /// Ends a ticket before its time and says whether it was open until now.
    ///
    /// A ticket whose time has passed meanwhile is expired instead, and one that is not open is left as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end(&mut self, id: &TicketId, cause: EndCause, now: UnixTime) -> Result<bool, StoreError> {
        let transaction = self.begin()?;
        expire(&transaction, now)?;
        let ended = end_open(&transaction, Status::Ended(cause), now, "id = ?3", Some(id.as_str()))?;
        transaction.commit()?;
        Ok(!ended.is_empty())
    }

    /// Ends every open ticket, and says which.
    ///
    /// # Errors
    /// [`StoreError`]; then none was ended.
    pub fn end_all(&mut self, cause: EndCause, now: UnixTime) -> Result<Vec<TicketId>, StoreError> {
        let transaction = self.begin()?;
        expire(&transaction, now)?;
        let ended = end_open(&transaction, Status::Ended(cause), now, "?3 IS NULL", None)?;
        transaction.commit()?;
        Ok(ended)
    }

    /// Replaces what is counted for an open ticket, and ends it where that was one too many; nothing happens to one that is
    /// not open.
    ///
    /// Both or neither are on disk: a ticket that has used up its limit is open after no crash (R39, R40a).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save_guard(
        &mut self,
        id: &TicketId,
        guard: &Guard,
        ends: Option<EndCause>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        expire(&transaction, now)?;
        let open = "SELECT EXISTS (SELECT 1 FROM ticket WHERE id = ?1 AND status = 'open')";
        if transaction.query_row(open, [id.as_str()], |row| row.get(0))? {
            write_guard(&transaction, id, guard)?;
            if let Some(cause) = ends {
                end_open(&transaction, Status::Ended(cause), now, "id = ?3", Some(id.as_str()))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Removes a ticket altogether: for an invitation that could not be written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove(&mut self, id: &TicketId, now: UnixTime) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        transaction.execute("DELETE FROM ticket WHERE id = ?1", [id.as_str()])?;
        account::settle(&transaction, now)?;
        Ok(transaction.commit()?)
    }

    /// True when another process (or another handle in this one) has changed the table since the last call.
    ///
    /// Cheap: no lock and, as a rule, one read of the file's first page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn changed(&mut self) -> Result<bool, StoreError> {
        let version = data_version(&self.connection)?;
        Ok(std::mem::replace(&mut self.version, version) != version)
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

impl TicketRow {
    /// The first second in which it is no longer good.
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.start.after(Duration::from_secs(self.length))
    }

    /// The ticket as [`ra_session`] judges it; `None` when it is not open, since then nothing is left to judge by.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when what is stored makes no sense; a damaged ticket lets nobody in.
    pub fn to_ticket(&self) -> Result<Option<Ticket>, StoreError> {
        let (Status::Open, Some(challenge)) = (self.status, &self.challenge) else { return Ok(None) };
        let challenge = Challenge::from_stored(challenge).ok_or(StoreError::Damaged(None))?;
        let pass_stub = self.pass_stub.as_deref().map(PassStub::parse).transpose();
        let pass_stub = pass_stub.map_err(|_| StoreError::Damaged(None))?;
        if matches!(challenge, Challenge::NoPassword(_)) == self.needs_password {
            return Err(StoreError::Damaged(None));
        }
        Ok(Some(Ticket {
            id: self.id.clone(),
            session_id: self.session_id.clone(),
            challenge,
            pass_stub,
            issued: self.start,
            expires: self.expires(),
            view_only: self.view_only,
            helper: self.helper.clone(),
            assistant: self.assistant.clone().ok_or(StoreError::Damaged(None))?,
            status: self.status,
            guard: self.guard.clone(),
        }))
    }
}

impl TicketKind {
    /// Its name in the table, in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::V2 => "v2",
            Self::V1 => "v1",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Both, Self::V2, Self::V1].into_iter().find(|kind| kind.name() == name)
    }
}

/// Why the table of tickets could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room is left on the disk; the table is as it was.
    #[error("no room left on the disk for the table of tickets")]
    Full,
    /// Another process holds the table for longer than is reasonable.
    #[error("the table of tickets is in use by another program")]
    Busy,
    /// The table was written by a newer version of this program.
    #[error("the table of tickets was written by a newer version of this program (format {found})")]
    Newer {
        /// The format it has.
        found: i64,
    },
    /// The file is no table of tickets, or is damaged.
    #[error("the table of tickets is damaged")]
    Damaged(#[source] Option<rusqlite::Error>),
    /// Others than its owner may read or change the file.
    #[error("{path} is open to others; it must be the user's own, with mode 600")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be reached.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Entropy(#[source] getrandom::Error),
    /// Anything else that SQLite reports.
    #[error("cannot use the table of tickets")]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(Some(error)),
            _ => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// True when the disk is full; nothing that was there before has changed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full => true,
            Self::File { source, .. } => durable::is_full(source),
            _ => false,
        }
    }
}

/// Makes the file, private from the start, or checks that it is.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(durable::PRIVATE);
    let file = options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // The administrator may end anybody's tickets (R53).
    let own = metadata.uid() == rustix::process::geteuid().as_raw() || rustix::process::geteuid().is_root();
    if !own || metadata.mode() & 0o077 != 0 {
        return Err(StoreError::Exposed { path: path.to_owned() });
    }
    Ok(())
}

/// The path with symbolic links of its *directories* resolved: SQLite's own check refuses a link anywhere on the way.
fn real(path: &Path) -> Result<PathBuf, StoreError> {
    let directory = fs::canonicalize(durable::directory_of(path));
    let directory = directory.map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    Ok(directory.join(path.file_name().unwrap_or_default()))
}

/// Brings a new or older table to the present format.
fn migrate(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let application: i64 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match (application, format) {
        (0, 0) => {
            transaction.execute_batch(SCHEMA)?;
            transaction.execute_batch(SECOND)?;
            transaction.execute_batch(mappings::THIRD)?;
            transaction.execute_batch(mappings::FOURTH)?;
            account::create(transaction)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
            Ok(())
        }
        (APPLICATION, 1) => {
            transaction.execute_batch(SECOND)?;
            transaction.execute_batch(mappings::THIRD)?;
            transaction.execute_batch(mappings::FOURTH)?;
            account::create(transaction)?;
            account::adopt_open_tickets(transaction)?;
            Ok(transaction.pragma_update(None, "user_version", FORMAT)?)
        }
        (APPLICATION, 2) => {
            transaction.execute_batch(mappings::THIRD)?;
            transaction.execute_batch(mappings::FOURTH)?;
            Ok(transaction.pragma_update(None, "user_version", FORMAT)?)
        }
        (APPLICATION, 3) => {
            transaction.execute_batch(mappings::FOURTH)?;
            Ok(transaction.pragma_update(None, "user_version", FORMAT)?)
        }
        (APPLICATION, FORMAT) => Ok(()),
        (APPLICATION, found) if found > FORMAT => Err(StoreError::Newer { found }),
        _ => Err(StoreError::Damaged(None)),
    }
}

/// Writes a new ticket, and gives HelpAssistant's password for an open one.
fn insert(transaction: &Transaction<'_>, row: &TicketRow) -> Result<Option<AssistantPassword>, StoreError> {
    let assistant = match row.status {
        Status::Open => Some(account::ticket_made(transaction)?),
        Status::Expired | Status::Ended(_) => None,
    };
    transaction.execute(
        "INSERT INTO ticket (id, session_id, name, needs_password, challenge, pass_stub, start, length, kind, view_only,
             status, ended, file, endpoints, owner, helper, assistant)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            row.id.as_str(),
            row.session_id.expose(),
            row.name,
            row.needs_password,
            row.challenge.as_ref().map(|challenge| challenge.as_slice()),
            row.pass_stub,
            signed(row.start.0),
            signed(row.length),
            row.kind.name(),
            row.view_only,
            row.status.name(),
            row.ended.map(|ended| signed(ended.0)),
            row.file.as_ref().map(|file| file.as_os_str().as_bytes()),
            serde_json::to_string(&row.endpoints).unwrap_or_default(),
            row.owner,
            row.helper.as_ref().map(HelperName::as_str),
            assistant.as_ref().map(AssistantPassword::expose),
        ],
    )?;
    write_guard(transaction, &row.id, &row.guard)?;
    Ok(assistant)
}

fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}

fn expire(transaction: &Transaction<'_>, now: UnixTime) -> Result<Vec<TicketId>, StoreError> {
    // HelpAssistant's hour begins when the last ticket ran out, not when somebody looks.
    let last: Option<i64> = transaction.query_row(
        "SELECT max(start + length) FROM ticket WHERE status = 'open' AND start + length <= ?1",
        [signed(now.0)],
        |row| row.get(0),
    )?;
    let Some(last) = last else { return Ok(Vec::new()) };
    let expired = end_tickets(transaction, Status::Expired, now, "start + length <= ?2 AND ?3 IS NULL", None)?;
    account::settle(transaction, UnixTime(last.cast_unsigned()))?;
    Ok(expired)
}

/// Ends those open tickets that a condition names; with the last one HelpAssistant is disabled (R57).
fn end_open(
    transaction: &Transaction<'_>,
    status: Status,
    now: UnixTime,
    condition: &str,
    id: Option<&str>,
) -> Result<Vec<TicketId>, StoreError> {
    let ended = end_tickets(transaction, status, now, condition, id)?;
    account::settle(transaction, now)?;
    Ok(ended)
}

/// Marks them and wipes what only an open ticket needs.
fn end_tickets(
    transaction: &Transaction<'_>,
    status: Status,
    now: UnixTime,
    condition: &str,
    id: Option<&str>,
) -> Result<Vec<TicketId>, StoreError> {
    let statement = format!(
        "UPDATE ticket SET status = ?1, ended = ?2, challenge = NULL, assistant = NULL
             WHERE status = 'open' AND {condition} RETURNING id"
    );
    let mut statement = transaction.prepare_cached(&statement)?;
    let rows = statement.query_map(params![status.name(), signed(now.0), id], |row| row.get(0))?;
    let ids: Vec<String> = rows.collect::<Result<_, _>>()?;
    for id in &ids {
        transaction.execute("DELETE FROM failed_source WHERE ticket = ?1", [id])?;
    }
    ids.iter().map(|id| TicketId::parse(id).ok_or(StoreError::Damaged(None))).collect()
}

fn write_guard(transaction: &Transaction<'_>, id: &TicketId, guard: &Guard) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE ticket SET wrong_proofs = ?2, locked_until = ?3, refusals = ?4, quiet_until = ?5 WHERE id = ?1",
        params![
            id.as_str(),
            guard.wrong_proofs,
            signed(guard.locked_until.0),
            guard.refusals,
            signed(guard.quiet_until.0),
        ],
    )?;
    transaction.execute("DELETE FROM failed_source WHERE ticket = ?1", [id.as_str()])?;
    for source in &guard.failed_from {
        transaction.execute(
            "INSERT OR IGNORE INTO failed_source (ticket, source) VALUES (?1, ?2)",
            params![id.as_str(), source.address().to_string()],
        )?;
    }
    Ok(())
}

fn select<P: rusqlite::Params>(
    transaction: &Transaction<'_>,
    which: &str,
    with: P,
) -> Result<Vec<TicketRow>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!("SELECT * FROM ticket {which}"))?;
    let rows = statement.query_map(with, |row| Ok(read_row(row)))?;
    let mut tickets = rows.map(|row| row.map_err(StoreError::from)?).collect::<Result<Vec<_>, _>>()?;
    let mut sources =
        transaction.prepare_cached("SELECT source FROM failed_source WHERE ticket = ?1 ORDER BY source")?;
    for ticket in &mut tickets {
        for source in sources.query_map([ticket.id.as_str()], |row| row.get::<_, String>(0))? {
            let address: IpAddr = source?.parse().map_err(|_| StoreError::Damaged(None))?;
            ticket.guard.failed_from.push(Source::of(address));
        }
    }
    Ok(tickets)
}

fn read_status(name: &str) -> Result<Status, StoreError> {
    STATUSES.into_iter().find(|known| known.name() == name).ok_or(StoreError::Damaged(None))
}

fn read_row(row: &Row<'_>) -> Result<TicketRow, StoreError> {
    let damaged = || StoreError::Damaged(None);
    let text = |column: &str| Ok::<_, StoreError>(row.get::<_, String>(column)?);
    let seconds = |column: &str| Ok::<_, StoreError>(row.get::<_, i64>(column)?.cast_unsigned());
    Ok(TicketRow {
        id: TicketId::parse(&text("id")?).ok_or_else(damaged)?,
        session_id: SessionId::parse(&text("session_id")?).map_err(|_| damaged())?,
        name: text("name")?,
        needs_password: row.get("needs_password")?,
        challenge: row.get::<_, Option<Vec<u8>>>("challenge")?.map(Zeroizing::new),
        pass_stub: row.get("pass_stub")?,
        start: UnixTime(seconds("start")?),
        length: seconds("length")?,
        kind: TicketKind::from_name(&text("kind")?).ok_or_else(damaged)?,
        view_only: row.get("view_only")?,
        owner: row.get("owner")?,
        helper: row.get::<_, Option<String>>("helper")?.as_deref().and_then(HelperName::new),
        assistant: row
            .get::<_, Option<String>>("assistant")?
            .map(Zeroizing::new)
            .and_then(|text| AssistantPassword::from_stored(&text)),
        status: read_status(&text("status")?)?,
        ended: row.get::<_, Option<i64>>("ended")?.map(|ended| UnixTime(ended.cast_unsigned())),
        file: row.get::<_, Option<Vec<u8>>>("file")?.map(|bytes| std::ffi::OsString::from_vec(bytes).into()),
        endpoints: serde_json::from_str(&text("endpoints")?).map_err(|_| damaged())?,
        guard: Guard {
            wrong_proofs: row.get("wrong_proofs")?,
            failed_from: Vec::new(),
            locked_until: UnixTime(seconds("locked_until")?),
            refusals: row.get("refusals")?,
            quiet_until: UnixTime(seconds("quiet_until")?),
        },
    })
}

/// Seconds as SQLite stores them; times beyond the end of its integers are as good as the end.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// How long a call waits for another process that is writing.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a ticket that is not open any more is shown by `tickets list`.
pub const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Of tickets that are not open any more, so many are told apart in the audit log; older ones count as unknown.
const MOST_PAST: u32 = 4096;

/// Every status there is; the names that the table may hold are the names of these.
const STATUSES: [Status; 6] = [
    Status::Open,
    Status::Expired,
    Status::Ended(EndCause::Owner),
    Status::Ended(EndCause::WrongPasswords),
    Status::Ended(EndCause::Refusals),
    Status::Ended(EndCause::HostClosed),
];
/// Marks the file as ours for `file(1)` and for ourselves: "RAtk".
const APPLICATION: i64 = 0x5241_746b;
const FORMAT: i64 = 4;
/// The first format.
const SCHEMA: &str = "
    CREATE TABLE ticket (
        id             TEXT PRIMARY KEY,
        session_id     TEXT NOT NULL UNIQUE,
        name           TEXT NOT NULL,
        needs_password INTEGER NOT NULL,
        challenge      BLOB,
        pass_stub      TEXT,
        start          INTEGER NOT NULL,
        length         INTEGER NOT NULL,
        kind           TEXT NOT NULL,
        view_only      INTEGER NOT NULL,
        status         TEXT NOT NULL,
        ended          INTEGER,
        file           BLOB,
        endpoints      TEXT NOT NULL,
        wrong_proofs   INTEGER NOT NULL DEFAULT 0,
        locked_until   INTEGER NOT NULL DEFAULT 0,
        refusals       INTEGER NOT NULL DEFAULT 0,
        quiet_until    INTEGER NOT NULL DEFAULT 0,
        CHECK ((status = 'open') = (ended IS NULL))
    ) STRICT;
    CREATE TABLE failed_source (
        ticket TEXT NOT NULL REFERENCES ticket (id) ON DELETE CASCADE,
        source TEXT NOT NULL,
        PRIMARY KEY (ticket, source)
    ) STRICT, WITHOUT ROWID;
";
/// What the second one has beyond it: whose a ticket is and for whom, HelpAssistant, and a first idea of mappings.
const SECOND: &str = "
    ALTER TABLE ticket ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE ticket ADD COLUMN helper TEXT;
    ALTER TABLE ticket ADD COLUMN assistant TEXT;
    CREATE TABLE account (
        name     TEXT PRIMARY KEY,
        password TEXT NOT NULL,
        enabled  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE logon_right (
        name  TEXT PRIMARY KEY REFERENCES account (name),
        until INTEGER
    ) STRICT;
    CREATE TABLE mapping (
        id            INTEGER PRIMARY KEY,
        ticket        TEXT,
        gateway       TEXT NOT NULL,
        external      TEXT,
        external_port INTEGER NOT NULL,
        internal_port INTEGER NOT NULL,
        lease_until   INTEGER NOT NULL
    ) STRICT;
";

#[cfg(test)]
mod tests;
