//! The engine's ticket book: the rules of [`ra_session::invitations`] over the rows of the store.
//!
//! Every change is on disk before anybody is told of it.

use std::collections::BTreeSet;

use ra_policy::HelperName;
use ra_session::UnixTime;
use ra_session::account::{Account, LoggedOn, LogonRefused};
use ra_session::invitations::{EndCause, Invitations, Judgement, Source, Status, TicketId};
use ra_ticket::{Redeemed, SessionId};

use crate::event::TicketEndCause;
use crate::store::{Store, StoreError};

/// Which tickets a host serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that it was made for, or was asked to serve too.
    Listed(BTreeSet<TicketId>),
    /// Every open one.
    All,
}

/// A ticket that can no longer be redeemed, and why.
pub(crate) type Gone = (TicketId, TicketEndCause);

/// The tickets that this host serves.
#[derive(Debug)]
pub(crate) struct Book {
    store: Store,
    scope: Scope,
    invitations: Invitations,
    /// What is not open any more, for the audit log alone.
    past: Vec<Past>,
    account: Account,
    /// Tickets that were over before they could be served; nobody has been told yet.
    unsaid: Vec<Gone>,
}

/// A ticket that once was: enough to say why it is refused.
#[derive(Debug)]
struct Past {
    session_id: SessionId,
    status: Status,
}

/// Why no open ticket was found. Nobody but the administrator is told (R31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    Unknown,
    Expired,
    Ended,
}

/// What a ticket lets an expert do, once it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: TicketId,
    pub(crate) view_only: bool,
    /// The official helper that it was made for.
    pub(crate) helper: Option<HelperName>,
}

/// What becomes of a proof, with the ticket's end where it was one too many.
pub(crate) enum Verdict {
    Redeemed(Redeemed),
    Wrong(Option<Gone>),
    Locked,
    Gone,
}

impl Book {
    /// Opens the book on what the store remembers.
    pub(crate) fn open(mut store: Store, scope: Scope, now: UnixTime) -> Result<Self, StoreError> {
        let (invitations, past) = read(&mut store, &scope, now)?;
        let account = store.account(now)?;
        let listed = match &scope {
            Scope::Listed(ids) => ids.iter().cloned().collect(),
            Scope::All => Vec::new(),
        };
        let mut book = Self { store, scope, invitations, past, account, unsaid: Vec::new() };
        for id in listed {
            book.note_if_over(id, now)?;
        }
        Ok(book)
    }

    /// Takes in what others have changed; names what has ended by it, or by the clock.
    pub(crate) fn refresh(&mut self, now: UnixTime) -> Result<Vec<Gone>, StoreError> {
        let mut gone: Vec<Gone> =
            self.invitations.expire(now).into_iter().map(|id| (id, TicketEndCause::Expired)).collect();
        if !gone.is_empty() {
            self.store.sweep(now)?;
        }
        let has_expired = !gone.is_empty();
        gone.append(&mut self.unsaid);
        if self.store.changed()? || has_expired {
            let (fresh, past) = read(&mut self.store, &self.scope, now)?;
            for known in self.invitations.tickets().iter().filter(|ticket| ticket.status == Status::Open) {
                if fresh.ticket(&known.id).is_some_and(|ticket| ticket.status == Status::Open) {
                    continue;
                }
                let status = self.store.ticket(&known.id, now)?.map(|row| row.status);
                gone.push((known.id.clone(), end_cause(status)));
            }
            self.invitations = fresh;
            self.past = past;
            self.account = self.store.account(now)?;
        }
        Ok(gone)
    }

    /// Serves one more ticket.
    pub(crate) fn serve_too(&mut self, id: TicketId, now: UnixTime) -> Result<(), StoreError> {
        if let Scope::Listed(ids) = &mut self.scope {
            ids.insert(id.clone());
            (self.invitations, self.past) = read(&mut self.store, &self.scope, now)?;
            self.account = self.store.account(now)?;
            self.note_if_over(id, now)?;
        }
        Ok(())
    }

    /// A short ticket may be over before its host is there. That is said like any other end, with the next refresh.
    fn note_if_over(&mut self, id: TicketId, now: UnixTime) -> Result<(), StoreError> {
        if self.invitations.ticket(&id).is_none_or(|ticket| !ticket.is_open(now)) {
            let status = self.store.ticket(&id, now)?.map(|row| row.status);
            self.unsaid.push((id, end_cause(status)));
        }
        Ok(())
    }

    /// The open ticket with that session id (R30), else why there is none. Both take as long: each ticket that is
    /// remembered is compared, open or not.
    pub(crate) fn find(&self, session_id: &str, now: UnixTime) -> Result<Found, NotFound> {
        let session_id = SessionId::parse(session_id).map_err(|_| NotFound::Unknown)?;
        let found = self.invitations.find(&session_id, now);
        let mut why = NotFound::Unknown;
        let ran_out = self.invitations.tickets().iter().map(|ticket| (&ticket.session_id, ticket.status));
        for (known, status) in self.past.iter().map(|past| (&past.session_id, past.status)).chain(ran_out) {
            if *known == session_id {
                why = match status {
                    Status::Ended(_) => NotFound::Ended,
                    Status::Expired | Status::Open => NotFound::Expired,
                };
            }
        }
        let id = found.ok_or(why)?;
        let ticket = self.invitations.ticket(&id).ok_or(why)?;
        Ok(Found { view_only: ticket.view_only, helper: ticket.helper.clone(), id })
    }

    /// Why a ticket that was found a moment ago is not open any more.
    pub(crate) fn why_gone(&self, id: &TicketId) -> NotFound {
        match self.invitations.ticket(id).map(|ticket| ticket.status) {
            Some(Status::Expired | Status::Open) => NotFound::Expired,
            Some(Status::Ended(_)) | None => NotFound::Ended,
        }
    }

    /// Judges `AlternateShell`, and remembers a wrong guess; `None` when it is the `*` that says nothing.
    pub(crate) fn judge_alternate_shell(
        &mut self,
        id: &TicketId,
        source: Source,
        text: &str,
        now: UnixTime,
    ) -> Result<Option<Verdict>, StoreError> {
        match self.invitations.judge_alternate_shell(id, source, text, now) {
            None => Ok(None),
            Some(judgement) => self.remember(id, judgement, now).map(Some),
        }
    }

    /// Logs the holder of this ticket on as HelpAssistant (R29): needed once when they come and once when they have proved
    /// the password.
    pub(crate) fn log_on(&self, id: &TicketId, now: UnixTime) -> Result<LoggedOn, LogonRefused> {
        let ticket = self.invitations.ticket(id).ok_or(LogonRefused::Password)?;
        self.account.log_on(&ticket.assistant, now)
    }

    /// Whether the session id is this ticket's own.
    pub(crate) fn is_session_of(&self, id: &TicketId, session_id: &SessionId) -> bool {
        self.invitations.ticket(id).is_some_and(|ticket| ticket.session_id == *session_id)
    }

    /// Judges a proof and remembers what came of it (R38, R39).
    pub(crate) fn judge(
        &mut self,
        id: &TicketId,
        source: Source,
        proof: Option<&str>,
        now: UnixTime,
    ) -> Result<Verdict, StoreError> {
        let judgement = self.invitations.judge(id, source, proof, now);
        self.remember(id, judgement, now)
    }

    fn remember(&mut self, id: &TicketId, judgement: Judgement, now: UnixTime) -> Result<Verdict, StoreError> {
        Ok(match judgement {
            Judgement::Redeemed(redeemed) => Verdict::Redeemed(redeemed),
            Judgement::Locked => Verdict::Locked,
            Judgement::Gone => Verdict::Gone,
            Judgement::Wrong { ended } => {
                self.save(id, now)?;
                Verdict::Wrong(ended.then(|| (id.clone(), TicketEndCause::Ended(EndCause::WrongPasswords))))
            }
        })
    }

    /// The novice said no, or nothing (R40a).
    pub(crate) fn refused(&mut self, id: &TicketId, now: UnixTime) -> Result<Option<Gone>, StoreError> {
        let ended = self.invitations.refused(id, now);
        self.save(id, now)?;
        Ok(ended.then(|| (id.clone(), TicketEndCause::Ended(EndCause::Refusals))))
    }

    /// Ends every open ticket in scope.
    pub(crate) fn end_all(&mut self, cause: EndCause, now: UnixTime) -> Result<Vec<Gone>, StoreError> {
        let mut gone = self.refresh(now)?;
        let open: Vec<TicketId> = self
            .invitations
            .tickets()
            .iter()
            .filter(|ticket| ticket.is_open(now))
            .map(|ticket| ticket.id.clone())
            .collect();
        for id in open {
            if self.invitations.end(&id, cause, now) && self.store.end(&id, cause, now)? {
                gone.push((id, TicketEndCause::Ended(cause)));
            }
        }
        Ok(gone)
    }

    /// Whether anything can still be redeemed.
    pub(crate) fn any_open(&self, now: UnixTime) -> bool {
        self.invitations.any_open(now)
    }

    /// Whether this one can still be redeemed.
    pub(crate) fn is_open(&self, id: &TicketId, now: UnixTime) -> bool {
        self.invitations.ticket(id).is_some_and(|ticket| ticket.is_open(now))
    }

    /// When the next ticket runs out.
    pub(crate) fn next_expiry(&self) -> Option<UnixTime> {
        self.invitations.next_expiry()
    }

    fn save(&mut self, id: &TicketId, now: UnixTime) -> Result<(), StoreError> {
        let Some(ticket) = self.invitations.ticket(id) else { return Ok(()) };
        let ends = match ticket.status {
            Status::Ended(cause) => Some(cause),
            Status::Open | Status::Expired => None,
        };
        self.store.save_guard(id, &ticket.guard, ends, now)
    }
}

fn read(store: &mut Store, scope: &Scope, now: UnixTime) -> Result<(Invitations, Vec<Past>), StoreError> {
    let rows = store.open_tickets(now)?.into_iter().filter(|row| match scope {
        Scope::Listed(ids) => ids.contains(&row.id),
        Scope::All => true,
    });
    let tickets = rows.filter_map(|row| {
        // A damaged row redeems nothing, and does not take the others with it.
        row.to_ticket()
            .inspect_err(|error| tracing::error!(ticket = %row.id, %error, "a ticket cannot be used"))
            .ok()?
    });
    let tickets = Invitations::new(tickets.collect());
    let past = store.past()?.into_iter().map(|(session_id, status)| Past { session_id, status });
    Ok((tickets, past.collect()))
}

fn end_cause(status: Option<Status>) -> TicketEndCause {
    match status {
        Some(Status::Expired) => TicketEndCause::Expired,
        Some(Status::Ended(cause)) => TicketEndCause::Ended(cause),
        Some(Status::Open) | None => TicketEndCause::Ended(EndCause::Owner),
    }
}

#[cfg(test)]
mod tests {
    use ra_ticket::{Challenge, PassStub, Password};

    use super::*;
    use crate::store::{TicketKind, TicketRow};

    const NOW: UnixTime = UnixTime(1_767_225_600);

    fn row() -> TicketRow {
        let stub = PassStub::parse("g*3Kdr_7XwzQb0").unwrap();
        TicketRow {
            id: TicketId::parse("AAAA").unwrap(),
            session_id: SessionId::from_entropy(&[1; 48]),
            name: "Kim".to_owned(),
            needs_password: true,
            challenge: Some(Challenge::from(Password::new("Tulip-4711").unwrap().proof(&stub)).to_stored()),
            pass_stub: Some(stub.as_str().to_owned()),
            start: NOW,
            length: 3600,
            kind: TicketKind::Both,
            view_only: false,
            owner: 0,
            helper: None,
            assistant: None,
            status: Status::Open,
            ended: None,
            file: None,
            endpoints: Vec::new(),
            guard: ra_session::invitations::Guard::default(),
        }
    }

    #[test]
    fn s060_r052_a_ticket_that_is_over_before_it_is_served_is_said_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tickets.sqlite3");
        let id = row().id;
        Store::open(&file).unwrap().insert(&mut row()).unwrap();
        let listed = || Scope::Listed([id.clone()].into());
        let end = NOW.after(std::time::Duration::from_secs(3600));
        let mut in_time = Book::open(Store::open(&file).unwrap(), listed(), UnixTime(end.0 - 1)).unwrap();
        assert!(in_time.refresh(UnixTime(end.0 - 1)).unwrap().is_empty());
        let mut late = Book::open(Store::open(&file).unwrap(), listed(), end).unwrap();
        assert_eq!(late.refresh(end).unwrap(), [(id.clone(), TicketEndCause::Expired)]);
        assert!(late.refresh(end).unwrap().is_empty());
        assert_eq!(in_time.refresh(end).unwrap(), [(id.clone(), TicketEndCause::Expired)], "and once by the other one");
        assert!(in_time.refresh(end).unwrap().is_empty());

        let mut asked = Book::open(Store::open(&file).unwrap(), Scope::Listed([].into()), end).unwrap();
        asked.serve_too(id.clone(), end).unwrap();
        assert_eq!(asked.refresh(end).unwrap(), [(id, TicketEndCause::Expired)]);
    }

    /// Both halves are flipped by another hand under an open ticket, and back again.
    #[test]
    fn s012_s047_r029_an_open_ticket_is_refused_without_the_account_or_without_its_right() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tickets.sqlite3");
        let mut store = Store::open(&file).unwrap();
        let mut ticket = row();
        store.insert(&mut ticket).unwrap();
        let mut book = Book::open(store, Scope::All, NOW).unwrap();
        let hand = rusqlite::Connection::open(&file).unwrap();
        assert!(book.log_on(&ticket.id, NOW).is_ok());
        for (flip, refused, back) in [
            ("UPDATE account SET enabled = 0", LogonRefused::Disabled, "UPDATE account SET enabled = 1"),
            (
                "DELETE FROM logon_right",
                LogonRefused::NoRight,
                "INSERT INTO logon_right (name, until) VALUES ('HelpAssistant', NULL)",
            ),
        ] {
            hand.execute(flip, []).unwrap();
            assert!(book.refresh(NOW).unwrap().is_empty(), "the ticket stays open");
            assert_eq!(book.log_on(&ticket.id, NOW).unwrap_err(), refused);
            assert!(book.any_open(NOW));
            hand.execute(back, []).unwrap();
            assert!(book.refresh(NOW).unwrap().is_empty());
            assert!(book.log_on(&ticket.id, NOW).is_ok());
        }
    }
}
