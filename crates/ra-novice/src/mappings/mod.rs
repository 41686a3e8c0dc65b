//! The mappings of this computer at gateways: asked for when an invitation is made, renewed while one is open, removed with the
//! last.
//!
//! Here the table of tickets and a [`Mapper`] are joined; the rules are [`ra_nat`]'s. Three things hold at every moment, also
//! when the process is killed in it: what may exist at a gateway is in the table before the gateway hears of it; what no open
//! ticket uses is removed by the next process that reaches the gateway, or runs out there; and no gateway, however slow, is
//! waited for longer than [`CREATION`] or [`FAREWELL`], or by a thread that has other things to do.
//!
//! `invite` asks with [`Mappings::reach`], a host keeps what there is with a [`MappingKeeper`], and a command that has ended
//! tickets while no host runs does what is due with [`Mappings::settle`].

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ra_nat::{Due, GatewayId, Granted, Lease, MapError, Mapper, Seen};
use ra_session::UnixTime;

use crate::durable;
use crate::settings::Paths;
use crate::store::{MappingKey, MappingRow, Store, StoreError};

mod calls;
mod reach;
mod secret;
mod watch;

pub use reach::{Reached, Unmapped, Wanted};
pub use secret::{random as random_secret, secret};
pub use watch::Moved;

use calls::{Answer, Call, Calls, Heard};
use reach::leads_here;
use watch::Watched;

/// So long at most an invitation waits for gateways. A search takes three seconds where packets are lost, and a gateway answers
/// in tens of milliseconds.
pub const CREATION: Duration = Duration::from_secs(5);

/// So long at most a program that ends waits for gateways to remove mappings. What is not confirmed by then stays noted.
pub const FAREWELL: Duration = Duration::from_secs(2);

/// The mappings that are noted in a table of tickets, and the way to the gateways.
pub struct Mappings {
    store: Store,
    calls: Calls,
    /// What is being asked about which row, at each gateway.
    under_way: HashMap<GatewayId, (MappingRow, Doing)>,
    /// Something is due at a gateway that is being asked something else.
    is_held_up: bool,
    /// When a gateway that did not do something is asked again.
    again: HashMap<MappingKey, UnixTime>,
    /// Whose port a gateway said is somebody else's; that is told once.
    lost: HashSet<MappingKey>,
    /// Whose gateway has no address that leads anywhere; that is told once too.
    nowhere: HashSet<MappingKey>,
    /// What the gateways said about themselves, and what follows from it.
    watched: Watched,
    /// Who hears of addresses that have changed.
    tell: Box<dyn Fn(&Moved) + Send>,
    lock_file: PathBuf,
    /// Held by the one process that renews and removes: two would remove each other's renewals.
    lock: Option<File>,
}

/// Keeps the mappings of open tickets, and removes the others, on a thread of its own; ends when dropped.
///
/// Dropping it removes what is due and takes [`FAREWELL`] at most.
#[derive(Debug)]
pub struct MappingKeeper {
    sender: Sender<Heard>,
    woken: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is being done about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Renew,
    Remove,
}

/// Whether gateways are also asked how they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Taken,
    /// Whoever does what is due and goes has no use for it.
    Left,
}

/// True when removing this one would take another with it that somebody uses, or is about to.
fn is_needed_by_another(row: &MappingRow, rows: &[MappingRow], now: UnixTime) -> bool {
    rows.iter().any(|other| {
        let stays = || matches!(other.mapping.due(other.used_until, now), Due::Wait(_) | Due::Renew(_));
        other.key != row.key && other.mapping.shares_with(&row.mapping) && stays()
    })
}

impl Mappings {
    /// Opens the table for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(paths: &Paths, mapper: Arc<dyn Mapper>) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::open(&paths.store())?,
            calls: Calls::new(mapper),
            under_way: HashMap::new(),
            is_held_up: false,
            again: HashMap::new(),
            lost: HashSet::new(),
            nowhere: HashSet::new(),
            watched: Watched::default(),
            tell: Box::new(|_| ()),
            lock_file: paths.state().join("mappings.lock"),
            lock: None,
        })
    }

    /// Asks every gateway for a mapping (R6), and waits `within` at most: [`CREATION`] for an invitation.
    ///
    /// It cannot fail: where there is no gateway, or one says no or nothing, the invitation goes without its address (R7). `now`
    /// is the calendar's time at the call.
    pub fn reach(&mut self, wanted: &Wanted, now: UnixTime, within: Duration) -> Reached {
        reach::reach(self, wanted, now, within).unwrap_or_else(|error| {
            // Rows that were written stay, and what they stand for is removed later.
            tracing::warn!(%error, "gateways cannot be asked");
            Reached::default()
        })
    }

    /// Gives back what was asked for an invitation that is not made after all, and waits `within` at most for the gateways.
    ///
    /// # Errors
    /// [`StoreError`]; then it is given back when [`ra_nat::HELD_FOR`] is over and somebody looks.
    pub fn give_back(&mut self, reached: &Reached, now: UnixTime, within: Duration) -> Result<(), StoreError> {
        for key in &reached.mappings {
            self.store.hold_mapping(*key, UnixTime(0))?;
        }
        self.settle(now, within)
    }

    /// Which of the outside addresses may still lead here, since their gateways have not confirmed that they do not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn still_there(&mut self, reached: &Reached, now: UnixTime) -> Result<Vec<std::net::SocketAddr>, StoreError> {
        let rows = self.store.mappings(now)?;
        let noted = |key: &MappingKey| rows.iter().any(|row| row.key == *key);
        let left = reached.mappings.iter().zip(&reached.external).filter(|(key, _)| noted(key));
        Ok(left.map(|(_, external)| *external).collect())
    }

    /// Does what is due at `now`, and waits `within` at most for the gateways.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&mut self, now: UnixTime, within: Duration) -> Result<(), StoreError> {
        let deadline = Instant::now() + within;
        loop {
            self.pass(now, Looks::Left)?;
            if self.under_way.is_empty() && !self.is_held_up {
                return Ok(());
            }
            match self.calls.hear(deadline) {
                Some(Heard::Answer(gateway, answer)) => self.answered(&gateway, answer, now)?,
                Some(Heard::Found(_) | Heard::Wake | Heard::Stop) => {}
                None => return Ok(()),
            }
        }
    }

    /// Begins what is due, and says when to look again.
    fn pass(&mut self, now: UnixTime, looks: Looks) -> Result<UnixTime, StoreError> {
        if !self.is_the_one() {
            return Ok(now.after(LOCK_AGAIN));
        }
        let mut next = now.after(LONG_NAP);
        let rows = self.store.mappings(now)?;
        self.again.retain(|key, at| now < *at && rows.iter().any(|row| row.key == *key));
        self.lost.retain(|key| rows.iter().any(|row| row.key == *key));
        self.nowhere.retain(|key| rows.iter().any(|row| row.key == *key));
        self.watched.retain(&rows);
        self.is_held_up = false;
        for row in &rows {
            let mut due = row.mapping.due(row.used_until, now);
            if due == Due::Remove && is_needed_by_another(row, &rows, now) {
                // To that gateway both are one mapping, and it would remove the one that is used.
                continue;
            }
            if let (Due::Wait(_), Some(until)) = (due, self.watched.renews_now(row, now)) {
                let lease = row.mapping.lease_for(Duration::from_secs(until.0 - now.0));
                due = Due::Renew(ra_nat::Ask { lease, ..row.mapping.ask() });
            }
            // A clock that was set back must not put anything off.
            let again = self.again.get(&row.key).filter(|at| **at <= now.after(AGAIN));
            match (due, again) {
                (Due::Wait(at), _) => next = next.min(at),
                (Due::Forget, _) => self.store.forget_mapping(row.key)?,
                (Due::Renew(_) | Due::Remove, Some(at)) => next = next.min(*at),
                // Its answer comes first, and with it the next look.
                (Due::Renew(_) | Due::Remove, None) if self.calls.is_under_way(&row.mapping.gateway) => {
                    self.is_held_up = true;
                }
                (Due::Renew(ask), None) => self.renew(row.clone(), ask, now)?,
                (Due::Remove, None) => self.remove(row.clone(), now)?,
            }
        }
        if looks == Looks::Taken {
            for gateway in self.watched.unseen(&rows, now) {
                // One that is being asked something is looked at when it has answered.
                if self.calls.ask(&gateway, Call::Look) {
                    self.watched.looks_at(gateway, now);
                }
            }
        }
        Ok(next)
    }

    fn renew(&mut self, mut row: MappingRow, ask: ra_nat::Ask, now: UnixTime) -> Result<(), StoreError> {
        row.mapping.will_ask(&ask, now);
        if self.store.save_mapping(row.key, &row.mapping)? {
            let gateway = row.mapping.gateway.clone();
            self.calls.ask(&gateway, Call::Renew(ask));
            self.under_way.insert(gateway, (row, Doing::Renew));
        }
        Ok(())
    }

    fn remove(&mut self, row: MappingRow, now: UnixTime) -> Result<(), StoreError> {
        if self.store.mapping_leaves(row.key, now)? {
            let gateway = row.mapping.gateway.clone();
            self.calls.ask(&gateway, Call::Delete(row.mapping.ask()));
            self.under_way.insert(gateway, (row, Doing::Remove));
        }
        Ok(())
    }

    fn answered(&mut self, gateway: &GatewayId, answer: Answer, now: UnixTime) -> Result<(), StoreError> {
        if let Answer::Seen(seen) = &answer {
            let rows = self.store.mappings(now)?;
            let asked = self.watched.looked_at(gateway).unwrap_or(now);
            self.watched.seen(gateway, &seen.unwrap_or_default(), &rows, asked);
            return Ok(());
        }
        let Some((row, doing)) = self.under_way.remove(gateway) else { return Ok(()) };
        match (doing, answer) {
            (Doing::Remove, Answer::Deleted(Ok(()) | Err(MapError::NoSuchMapping))) => {
                self.store.forget_mapping(row.key)?;
                // Another process may have asked for the same inside in this moment, and the removal took that too.
                let rows = self.store.mappings(now)?;
                self.watched.renew_soon(rows.iter().filter(|other| other.mapping.shares_with(&row.mapping)));
            }
            (Doing::Renew, Answer::Renewed(Ok((granted, seen)))) => self.renewed(row, &granted, &seen, now)?,
            (Doing::Renew, Answer::Renewed(Err(MapError::Conflict))) => {
                // Or it is one that renews nothing: so the row stays, and is tried again when the old lease is over.
                if self.lost.insert(row.key) {
                    tracing::warn!(%gateway, "a gateway says that our outside port is somebody else's; invitations list it");
                    let (gateway, transport, was) = (gateway.clone(), row.mapping.transport, row.mapping.endpoint());
                    (self.tell)(&Moved { gateway, transport, was, now: Err(Unmapped::No(MapError::Conflict)) });
                }
                self.again.insert(row.key, now.after(AGAIN));
            }
            (Doing::Renew, Answer::Renewed(Err(MapError::OnlyPermanent))) if row.mapping.lease != Lease::Permanent => {
                let ask = ra_nat::Ask { lease: Lease::Permanent, ..row.mapping.ask() };
                self.renew(row, ask, now)?;
            }
            (Doing::Renew | Doing::Remove, _) => {
                tracing::debug!(%gateway, ?doing, "a gateway did not do it");
                self.again.insert(row.key, now.after(AGAIN));
            }
        }
        Ok(())
    }

    fn renewed(
        &mut self,
        mut row: MappingRow,
        granted: &Granted,
        seen: &Seen,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let was = row.mapping.endpoint();
        let said = granted.external.or(seen.external).unwrap_or(row.mapping.external);
        let leads = leads_here(said, row.mapping.internal.ip());
        // While it has no address that leads anywhere, the old one may come back: invitations list it.
        let external = if leads.is_ok() { said } else { row.mapping.external };
        row.mapping.confirmed(&Granted { external: Some(external), ..*granted }, now);
        if self.store.save_mapping(row.key, &row.mapping)? {
            self.moved(&row, was, leads);
        }
        self.lost.remove(&row.key);
        self.watched.renewed(&row);
        // Its address was seen to just now; were it compared once more, one that leads nowhere would be asked without end.
        let rows = self.store.mappings(now)?;
        self.watched.seen(&row.mapping.gateway, &Seen { external: None, ..*seen }, &rows, now);
        Ok(())
    }

    /// Says it where a mapping is at another outside address or port now than invitations list, at none that leads anywhere, or back
    /// at the old one.
    fn moved(&mut self, row: &MappingRow, was: std::net::SocketAddr, leads: Result<(), Unmapped>) {
        let endpoint = row.mapping.endpoint();
        let is_news = match leads {
            Ok(()) => self.nowhere.remove(&row.key) || endpoint != was,
            Err(_) => self.nowhere.insert(row.key),
        };
        if is_news {
            let gateway = row.mapping.gateway.clone();
            tracing::warn!(%gateway, ?leads, "the outside address of a gateway has changed");
            (self.tell)(&Moved { gateway, transport: row.mapping.transport, was, now: leads.map(|()| endpoint) });
        }
    }

    /// Becomes the process that renews and removes, if no other one that lives is.
    fn is_the_one(&mut self) -> bool {
        if self.lock.is_none() {
            match durable::try_lock(&self.lock_file) {
                Ok(lock) => self.lock = lock,
                Err(error) => tracing::warn!(%error, "mappings cannot be kept"),
            }
        }
        self.lock.is_some()
    }

    fn keep(mut self, clock: &dyn Fn() -> UnixTime, woken: &AtomicBool) {
        loop {
            let now = clock();
            let next = self.pass(now, Looks::Taken).unwrap_or_else(|error| {
                tracing::warn!(%error, "mappings cannot be looked after");
                now.after(LONG_NAP)
            });
            // The calendar may jump; a nap is never longer than this.
            let nap = Duration::from_secs(next.0.saturating_sub(now.0)).min(LONG_NAP);
            match self.calls.hear(Instant::now() + nap) {
                Some(Heard::Stop) => break,
                Some(Heard::Wake) => woken.store(false, Ordering::Release),
                Some(Heard::Answer(gateway, answer)) => {
                    if let Err(error) = self.answered(&gateway, answer, clock()) {
                        tracing::warn!(%error, "what a gateway answered cannot be noted");
                    }
                }
                Some(Heard::Found(_)) | None => {}
            }
        }
        // Whoever did not answer a moment ago gets one more chance, since nobody may be here to ask again.
        self.again.clear();
        if let Err(error) = self.settle(clock(), FAREWELL) {
            tracing::warn!(%error, "mappings cannot be removed");
        }
    }
}

impl MappingKeeper {
    /// Starts looking after the mappings of a table. What an interrupted run has left is removed first (R62).
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn start(
        paths: &Paths,
        mapper: Arc<dyn Mapper>,
        clock: impl Fn() -> UnixTime + Send + 'static,
    ) -> Result<Self, KeeperError> {
        Self::start_telling(paths, mapper, clock, |_| ())
    }

    /// As [`start`](Self::start), and says it when an address that invitations list is not the right one any more. It is told on
    /// the keeper's thread, and is not to wait.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn start_telling(
        paths: &Paths,
        mapper: Arc<dyn Mapper>,
        clock: impl Fn() -> UnixTime + Send + 'static,
        tell: impl Fn(&Moved) + Send + 'static,
    ) -> Result<Self, KeeperError> {
        let mut mappings = Mappings::open(paths, mapper)?;
        mappings.tell = Box::new(tell);
        let sender = mappings.calls.sender();
        let woken: Arc<AtomicBool> = Arc::default();
        let seen = Arc::clone(&woken);
        let thread = std::thread::Builder::new().name("mappings".to_owned());
        let thread = thread.spawn(move || mappings.keep(&clock, &seen)).map_err(KeeperError::Thread)?;
        Ok(Self { sender, woken, thread: Some(thread) })
    }

    /// Says that tickets were made or have ended. Never waits.
    pub fn wake(&self) {
        // One call is enough for however many changes: it looks at the whole table.
        if !self.woken.swap(true, Ordering::AcqRel) {
            let _ = self.sender.send(Heard::Wake);
        }
    }
}

impl Drop for MappingKeeper {
    fn drop(&mut self) {
        let _ = self.sender.send(Heard::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Mappings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mappings").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Why mappings are not looked after.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("cannot start the thread that looks after gateways")]
    Thread(#[source] std::io::Error),
}

/// The table is looked at this often, whatever it said last.
const LONG_NAP: Duration = Duration::from_secs(60);
/// A gateway that did not do something is asked again after this: often enough to restore what a restart took, seldom enough not
/// to matter to a router.
const AGAIN: Duration = Duration::from_secs(30);
/// Another process looks after the mappings; how soon its place is taken when it goes.
const LOCK_AGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
