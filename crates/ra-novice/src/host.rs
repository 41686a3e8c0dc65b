//! The host: ports, tickets and one desktop, for as long as a ticket is open.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ra_desktop::{Cause, Choice, Demo, Desktop, MonitorChoice, OpenError, Waker, X11Access};
use ra_policy::Policy;
use ra_session::invitations::{EndCause, TicketId};
use ra_session::offers::{Helper, OfferGuard};
use ra_session::{InputGate, LocalEvent, Moment, Seat, UnixTime, ViewGate};
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::accounts::Accounts;
use crate::arrival::{Arrival, Peer};
use crate::audit::{self, Audit};
use crate::book::{Book, Gone, Scope};
use crate::calls::{self, Call};
use crate::control::{Change, InUse};
use crate::door::Door;
use crate::driver::Return;
use crate::event::HostEvent;
use crate::hands::Hands;
use crate::helpers::Helpers;
use crate::identity::ServerTls;
use crate::listen::{self, Port, Standing};
use crate::mappings::MappingKeeper;
use crate::prompt::{Prompt, Status};
use crate::rdp::Link;
use crate::screen::Screen;
use crate::store::{Store, StoreError};

/// Everything a host needs. What it lacks, it does not find by itself: there are no defaults here.
pub struct HostOptions {
    /// Bound ports; the host listens on them when it runs.
    pub ports: Vec<Port>,
    /// Experts who wait to be called.
    pub calls: Vec<Call>,
    /// The certificate of this installation.
    pub tls: ServerTls,
    /// The desktop to share.
    pub desktop: SharedDesktop,
    /// The table of tickets.
    pub store: Store,
    /// Which of them are served.
    pub scope: Scope,
    /// What becomes of them when the host is stopped.
    pub when_stopped: WhenStopped,
    /// Reads the policy, anew before each connection and each question (R28, P7).
    pub policy: Box<dyn Fn() -> Policy>,
    /// Reads whose keys are known here, anew for each connection that it matters for.
    pub helpers: Box<dyn Fn() -> Helpers>,
    /// Checks passwords of accounts for helpers without a known key; none where that cannot be.
    pub accounts: Option<Accounts>,
    /// Reads the calendar.
    pub clock: fn() -> UnixTime,
    /// Where the novice is asked.
    pub prompt: Box<dyn Prompt>,
    /// Takes what happens.
    pub report: Box<dyn Fn(HostEvent)>,
    /// Says which ticket is in use, to the control socket.
    pub in_use: InUse,
    /// Takes what the administrator should know, and what nobody else is told.
    pub audit: Audit,
    /// Looks after the mappings of the tickets at gateways.
    pub mappings: MappingKeeper,
}

/// A desktop that was opened for sharing: nothing of it is seen or touched before a consent.
pub struct SharedDesktop {
    desktop: Desktop,
    seat: Seat,
    input: InputGate,
    view: ViewGate,
}

/// What becomes of open tickets when the host is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStopped {
    /// They end with it (`invite`).
    EndTickets,
    /// They stay (`serve`).
    KeepTickets,
}

/// Why a host stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostEnd {
    /// It was told to.
    Stopped,
    /// No ticket is open any more, nobody is being helped, and no offer can come.
    NoTicketLeft,
    /// The desktop cannot be shared any more.
    DesktopLost,
    /// A session ended by a bug of this program, and nothing is shared after that.
    BrokenDown,
}

/// The host could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A port could not be opened after all.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The table of tickets failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("the system gives no thread")]
    Thread(#[source] std::io::Error),
}

/// A running host, for the program around it. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct HostHandle {
    commands: mpsc::UnboundedSender<Command>,
    input: InputGate,
    demo: Option<Demo>,
}

/// The host, ready to run.
pub struct Host {
    options: HostOptions,
    commands: mpsc::UnboundedReceiver<Command>,
    handle: HostHandle,
}

enum Command {
    Local(LocalEvent),
    Changed(Change),
    PolicyChanged,
    Arrived(Arrival),
    Stop,
}

impl SharedDesktop {
    /// Opens a desktop, or one monitor of it.
    ///
    /// # Errors
    /// One sentence for the novice: see [`OpenError`].
    pub fn open(choice: Choice, monitor: &MonitorChoice) -> Result<Self, OpenError> {
        Self::opened(|input| ra_desktop::open(choice, monitor, input))
    }

    /// Opens the X11 desktop of an agent, by the key that it handed over.
    ///
    /// # Errors
    /// As [`SharedDesktop::open`].
    pub fn open_with(access: &X11Access, monitor: &MonitorChoice) -> Result<Self, OpenError> {
        Self::opened(|input| ra_desktop::open_with(access, monitor, input))
    }

    fn opened(open: impl FnOnce(InputGate) -> Result<Desktop, OpenError>) -> Result<Self, OpenError> {
        let (seat, input, view) = Seat::new();
        Ok(Self { desktop: open(input.clone())?, seat, input, view })
    }

    /// What it is, for the novice.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.desktop.name
    }

    /// The random word on the demo desktop.
    #[must_use]
    pub fn demo_word(&self) -> Option<&str> {
        self.desktop.demo.as_ref().map(|demo| demo.word.as_str())
    }
}

impl HostHandle {
    /// The novice pressed ESC in a place where only the novice can press keys. The gate is shut before this returns.
    pub fn esc(&self) {
        match &self.demo {
            // The demo desktop's watcher reports it.
            Some(demo) => demo.esc.press(),
            None => {
                self.input.shut();
                self.send(Command::Local(LocalEvent::Esc));
            }
        }
    }

    /// The novice takes control back by other means.
    pub fn take_back(&self) {
        self.input.shut();
        self.send(Command::Local(LocalEvent::TakeBack));
    }

    /// The novice ends the session; the tickets stay.
    pub fn end_session(&self) {
        self.input.shut();
        self.send(Command::Local(LocalEvent::Stop));
    }

    /// No place is left where the novice could be asked, or could end the session.
    pub fn nobody_there(&self) {
        self.input.shut();
        self.send(Command::Local(LocalEvent::NobodyThere));
    }

    /// Somebody changed the table of tickets, or wants one more of them served.
    pub fn tickets_changed(&self, change: Change) {
        self.send(Command::Changed(change));
    }

    /// Somebody may have changed the policy: it is read anew, and control that it no longer allows ends at once (P8).
    pub fn policy_changed(&self) {
        self.send(Command::PolicyChanged);
    }

    /// Lets somebody in who came by another way than one of the ports, as if they had come there.
    ///
    /// What arrives before the host runs waits for it; what arrives after its end is closed.
    pub fn arrive(&self, arrival: Arrival) {
        self.send(Command::Arrived(arrival));
    }

    /// Ends the session, tells the expert, and ends [`Host::run`].
    pub fn stop(&self) {
        self.input.shut();
        self.send(Command::Stop);
    }

    fn send(&self, command: Command) {
        // A host that is gone needs no commands.
        let _ = self.commands.send(command);
    }
}

impl Host {
    /// A host and the handle on it.
    #[must_use]
    pub fn new(options: HostOptions) -> (Self, HostHandle) {
        let (sender, commands) = mpsc::unbounded_channel();
        let handle = HostHandle {
            commands: sender,
            input: options.desktop.input.clone(),
            demo: options.desktop.desktop.demo.clone(),
        };
        (Self { options, commands, handle: handle.clone() }, handle)
    }

    /// Runs until it is stopped, no ticket is left, or the desktop is lost. Needs a current-thread runtime.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn run(self) -> Result<HostEnd, HostError> {
        LocalSet::new().run_until(self.serve()).await
    }

    async fn serve(self) -> Result<HostEnd, HostError> {
        let Self { options, mut commands, handle } = self;
        let SharedDesktop { desktop, seat, view, .. } = options.desktop;
        let waits_for_offers = options.scope == Scope::All;
        let watching = watch_for_esc(desktop.watcher, handle.clone()).map_err(HostError::Thread)?;
        let shared = Rc::new(Shared {
            tls: options.tls,
            link: Cell::new(link_of(&(options.policy)())),
            screen: Screen::start(desktop.capture).map_err(HostError::Thread)?,
            hands: Hands::start(desktop.injector).map_err(HostError::Thread)?,
            view,
            book: RefCell::new(Book::open(options.store, options.scope, (options.clock)())?),
            policy: options.policy,
            helpers: options.helpers,
            accounts: options.accounts,
            offers: RefCell::default(),
            waits_for_offers,
            clock: options.clock,
            prompt: RefCell::new(options.prompt),
            report: options.report,
            in_use: options.in_use,
            audit: options.audit,
            mappings: options.mappings,
            door: RefCell::new(Door::default()),
            seat: RefCell::new(Some(seat)),
            current: RefCell::new(None),
            origin: Instant::now(),
            idle: tokio::sync::Notify::new(),
            presence: watch::Sender::new(Presence::Nobody),
        });
        shared.show(&Status::Waiting);
        let mut open = Vec::new();
        for port in options.ports {
            let (addr, listener) = port.listen()?;
            shared.report(HostEvent::Listening { addr });
            open.push(tokio::task::spawn_local(listen::let_in(Rc::clone(&shared), listener)));
        }
        for call in options.calls {
            open.push(tokio::task::spawn_local(calls::keep_calling(Rc::clone(&shared), call)));
        }

        let end = shared.wait(&mut commands).await;

        for task in open {
            task.abort();
        }
        shared.finish_session().await;
        if end == HostEnd::Stopped && options.when_stopped == WhenStopped::EndTickets {
            let gone = shared.book.borrow_mut().end_all(EndCause::HostClosed, shared.now())?;
            shared.report_gone(gone);
        }
        drop(watching);
        Ok(end)
    }
}

/// What all connections of a host share. Everything runs on one thread; borrows never cross an await.
pub(crate) struct Shared {
    tls: ServerTls,
    pub(crate) screen: Screen,
    pub(crate) hands: Hands,
    pub(crate) view: ViewGate,
    pub(crate) book: RefCell<Book>,
    pub(crate) policy: Box<dyn Fn() -> Policy>,
    link: Cell<Link>,
    pub(crate) helpers: Box<dyn Fn() -> Helpers>,
    pub(crate) accounts: Option<Accounts>,
    pub(crate) offers: RefCell<OfferGuard>,
    /// True for a host that waits for whoever may come, false for one of a single invitation.
    waits_for_offers: bool,
    clock: fn() -> UnixTime,
    pub(crate) prompt: RefCell<Box<dyn Prompt>>,
    report: Box<dyn Fn(HostEvent)>,
    in_use: InUse,
    audit: Audit,
    mappings: MappingKeeper,
    pub(crate) door: RefCell<Door>,
    seat: RefCell<Option<Seat>>,
    current: RefCell<Option<Current>>,
    origin: Instant,
    idle: tokio::sync::Notify,
    presence: watch::Sender<Presence>,
}

/// Who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The seat is free.
    Nobody,
    /// Somebody has it.
    Helped,
    /// Somebody has it whose connection is gone.
    Lost,
}

/// The session of the moment.
struct Current {
    standing: Standing,
    local: mpsc::UnboundedSender<LocalEvent>,
    returns: mpsc::Sender<Box<Return>>,
}

impl Shared {
    /// The calendar.
    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    /// The session's clock.
    pub(crate) fn moment(&self) -> Moment {
        Moment::new(self.origin.elapsed())
    }

    /// The runtime's name for a moment of the session's clock.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.origin + moment.since_origin()
    }

    pub(crate) fn report(&self, event: HostEvent) {
        (self.report)(event);
    }

    /// Notes a refusal for the administrator.
    pub(crate) fn note_refusal(&self, peer: &Peer, cause: audit::Cause, helper: Option<&Helper>) {
        self.audit.refused(self.now(), peer, cause, helper);
    }

    pub(crate) fn set_presence(&self, presence: Presence) {
        self.presence.send_replace(presence);
    }

    /// Whether somebody has the seat.
    pub(crate) fn is_somebody_there(&self) -> bool {
        *self.presence.borrow() != Presence::Nobody
    }

    /// Waits while somebody is being helped: for nobody, or for one who was lost.
    pub(crate) async fn somebody_is_wanted(&self) -> Presence {
        // The sender lives as long as `self`.
        let wanted = self.presence.subscribe().wait_for(|now| *now != Presence::Helped).await.map(|now| *now);
        wanted.unwrap_or(Presence::Nobody)
    }

    /// Waits until somebody who was helped is lost.
    pub(crate) async fn somebody_is_lost(&self) {
        let _ = self.presence.subscribe().wait_for(|now| *now == Presence::Lost).await;
    }

    /// Hands an expert over to the session that may be theirs.
    ///
    /// # Errors
    /// Gives them back where there is none.
    pub(crate) fn hand_over(&self, back: Box<Return>) -> Result<(), Box<Return>> {
        match &*self.current.borrow() {
            Some(current) if current.standing.is_the_same(back.standing()) => {
                current.returns.try_send(back).map_err(|error| error.into_inner())
            }
            _ => Err(back),
        }
    }

    /// Notes for the administrator that this computer opened a connection by itself.
    pub(crate) fn note_call(&self, peer: &Peer) {
        self.audit.session(self.now(), peer, &audit::Step::Called, None);
    }

    /// Notes a moment of a session for the administrator.
    pub(crate) fn note_step(&self, peer: &Peer, step: &audit::Step, helper: Option<&Helper>) {
        self.audit.session(self.now(), peer, step, helper);
    }

    pub(crate) fn show(&self, status: &Status) {
        self.prompt.borrow_mut().show(status);
    }

    /// Takes the one seat; `None` while somebody else has it.
    pub(crate) fn sit_down(
        &self,
        standing: &Standing,
        local: mpsc::UnboundedSender<LocalEvent>,
        returns: mpsc::Sender<Box<Return>>,
    ) -> Option<Seat> {
        let seat = self.seat.borrow_mut().take()?;
        if let Standing::Ticket(found) = standing {
            self.in_use.set(Some(found.id.clone()));
        }
        *self.current.borrow_mut() = Some(Current { standing: standing.clone(), local, returns });
        self.set_presence(Presence::Helped);
        Some(seat)
    }

    /// Gives it back. A seat that a bug has lost is not replaced: then nobody sees this desktop any more.
    pub(crate) fn stand_up(&self, seat: Option<Seat>) {
        self.in_use.set(None);
        *self.current.borrow_mut() = None;
        *self.seat.borrow_mut() = seat;
        self.set_presence(Presence::Nobody);
        self.show(&Status::Waiting);
        self.idle.notify_one();
    }

    /// Reports tickets that have ended, and ends the session of one that was ended early (R48, R49).
    pub(crate) fn report_gone(&self, gone: Vec<Gone>) {
        if !gone.is_empty() {
            self.mappings.wake();
        }
        for (ticket, cause) in gone {
            if let (crate::event::TicketEndCause::Ended(_), Some(current)) = (cause, &*self.current.borrow())
                && matches!(&current.standing, Standing::Ticket(found) if found.id == ticket)
            {
                let _ = current.local.send(LocalEvent::TicketEnded);
            }
            self.report(HostEvent::TicketEnded { ticket, cause });
        }
    }

    /// Takes in what others did to the table, and what the clock did.
    pub(crate) fn refresh(&self) {
        let refreshed = self.book.borrow_mut().refresh(self.now());
        match refreshed {
            Ok(gone) => self.report_gone(gone),
            Err(error) => tracing::warn!(%error, "the table of tickets could not be read"),
        }
    }

    /// Serves a ticket that another command has made; what the table says of the others is taken in first.
    fn serve_too(&self, ticket: TicketId) {
        self.refresh();
        let served = self.book.borrow_mut().serve_too(ticket, self.now());
        if let Err(error) = served {
            tracing::error!(%error, "one more invitation cannot be served");
        }
        // It may be over already.
        self.refresh();
    }

    /// What policy takes the way to an expert to bear, as it was read last: a stranger's connection is no reason to read it anew.
    pub(crate) fn link(&self) -> Link {
        self.link.get()
    }

    /// Takes control back where policy no longer allows it; looking on is not affected.
    fn narrow(&self) {
        self.link.set(link_of(&(self.policy)()));
        let forbidden = match &*self.current.borrow() {
            Some(current) => current.standing.may_control(&(self.policy)()).is_none(),
            None => false,
        };
        if forbidden {
            self.tell_current(LocalEvent::ControlForbidden);
        }
    }

    /// Whether somebody may come who has no invitation: only where policy allows offers of help (R75).
    fn expects_offers(&self) -> bool {
        self.waits_for_offers && (self.policy)().may_be_offered().is_ok()
    }

    /// How TLS is to be spoken now: experts are asked for a key only where policy has a use for one.
    pub(crate) fn tls(&self) -> Arc<ServerConfig> {
        let policy = (self.policy)();
        self.link.set(link_of(&policy));
        let has_use = policy.may_be_offered().is_ok() || !policy.allows_buddies();
        Arc::clone(if has_use { &self.tls.asking } else { &self.tls.silent })
    }

    async fn wait(self: &Rc<Self>, commands: &mut mpsc::UnboundedReceiver<Command>) -> HostEnd {
        loop {
            let busy = self.current.borrow().is_some();
            let next_expiry = self.book.borrow().next_expiry();
            if !busy && self.seat.borrow().is_none() {
                return HostEnd::BrokenDown;
            }
            if !busy && !self.book.borrow().any_open(self.now()) && !self.expects_offers() {
                self.refresh();
                return HostEnd::NoTicketLeft;
            }
            let nap = next_expiry.map_or(LONG_NAP, |at| Duration::from_secs(at.0.saturating_sub(self.now().0)));
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Local(LocalEvent::DesktopLost)) => {
                        self.tell_current(LocalEvent::DesktopLost);
                        return HostEnd::DesktopLost;
                    }
                    Some(Command::Local(event)) => self.tell_current(event),
                    Some(Command::Changed(Change::Table)) => {
                        // Also those of tickets that this host does not serve.
                        self.mappings.wake();
                        self.refresh();
                    }
                    Some(Command::Changed(Change::HostToo(ticket))) => self.serve_too(ticket),
                    Some(Command::PolicyChanged) => self.narrow(),
                    Some(Command::Arrived(arrival)) => listen::welcome(self, arrival),
                    Some(Command::Stop) | None => return HostEnd::Stopped,
                },
                () = self.idle.notified() => {}
                // The calendar may jump; a nap is never longer than a minute.
                () = tokio::time::sleep(nap.min(LONG_NAP)) => {
                    self.refresh();
                    // Where nobody can watch the files, a change is noticed here.
                    self.narrow();
                }
            }
        }
    }

    async fn finish_session(&self) {
        self.tell_current(LocalEvent::HostStopping);
        let done = async {
            while self.current.borrow().is_some() {
                self.idle.notified().await;
            }
        };
        if tokio::time::timeout(FAREWELL, done).await.is_err() {
            tracing::warn!("the session did not end in time");
        }
    }

    fn tell_current(&self, event: LocalEvent) {
        if let Some(current) = &*self.current.borrow() {
            let _ = current.local.send(event);
        }
    }
}

fn link_of(policy: &Policy) -> Link {
    if policy.saves_bandwidth() { Link::Slow } else { Link::Fast }
}

/// Starts the ESC watcher on its own thread.
fn watch_for_esc(watcher: Box<dyn ra_desktop::Watcher>, handle: HostHandle) -> std::io::Result<Watching> {
    let stopper = watcher.stopper();
    let report = move |revocation: ra_desktop::Revocation| {
        handle.send(Command::Local(match revocation.cause {
            Cause::WatcherLost(why) => {
                tracing::error!(why, "nobody listens for ESC any more, control is off");
                LocalEvent::WatcherLost
            }
            _ => LocalEvent::Esc,
        }));
    };
    let thread = std::thread::Builder::new().name("esc".into()).spawn(move || watcher.run(Box::new(report)))?;
    Ok(Watching { stopper, thread: Some(thread) })
}

struct Watching {
    stopper: Waker,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stopper.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for HostOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostOptions").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SharedDesktop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedDesktop").field("desktop", &self.desktop).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostHandle")
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The calendar is looked at at least this often, because it may be changed.
const LONG_NAP: Duration = Duration::from_secs(60);
/// How long the last session may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
