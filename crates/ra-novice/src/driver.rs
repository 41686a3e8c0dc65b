//! One session: what happens goes into `ra-session`, and what it says is done.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ra_channels::remdesk::ResultCode;
use ra_session::offers::Refusal;
use ra_session::{Effect, EndReason, LocalEvent, Milestone, PeerEvent, ReturnSecret, Session, Tell};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::audit::{Cause, Step};
use crate::event::{HostEvent, RefusedCause, end_reason_name, revoked_by_name};
use crate::host::{Presence, Shared};
use crate::listen::{Proved, Standing, note, refuse};
use crate::prompt::{Answered, Asked, Asker, Reply, Status};
use crate::rdp::{FramesOut, FromExpert, Line, LineError};
use crate::screen::{PeerWish, Show};

/// Runs the session of an expert who has proved a right to ask, to its end.
pub(crate) async fn run(shared: Rc<Shared>, proved: Proved) {
    let shared = &*shared;
    let Proved { mut line, frames, admission, control, standing, asker } = proved;
    if let Some(shown) = line.take_shown() {
        return come_back(
            shared,
            Return { proved: Proved { line, frames, admission, control, standing, asker }, shown },
        )
        .await;
    }
    let (local, local_in) = mpsc::unbounded_channel();
    let (returns, returns_in) = mpsc::channel(RETURNS);
    let Some(seat) = shared.sit_down(&standing, local.clone(), returns) else {
        refuse(shared, &asker.peer, RefusedCause::Busy, standing.helper());
        let _ = line.result(ResultCode::AlreadyBeingHelped);
        line.close().await;
        return;
    };
    line.name_expert(&asker.name);
    let (session, effects) = Session::open(admission, control, seat, shared.moment());
    let mut driver = Driver {
        shared,
        session,
        line: Some(line),
        frames,
        next: None,
        returns_in,
        promised: None,
        lost: false,
        standing,
        asker,
        local,
        local_in,
        missing_monitor: watch::Sender::default(),
        told_monitor: None,
        question: None,
        seen_since: None,
        policy_asked: None,
        logs: (shared.policy)().logs_sessions(),
        over: None,
    };
    driver.carry_out(effects).await;
    while driver.over.is_none() {
        driver.turn().await;
    }
    driver.finish().await;
}

/// An expert who has proved the ticket anew, and shows the secret of a session.
pub(crate) struct Return {
    proved: Proved,
    shown: ReturnSecret,
}

impl Return {
    /// By what right they come.
    pub(crate) fn standing(&self) -> &Standing {
        &self.proved.standing
    }
}

/// Brings an expert back into the session that is theirs, if there is one. Nobody is asked about one who comes too late:
/// the person would not know whether it is a new session or the old one.
async fn come_back(shared: &Shared, back: Return) {
    let Err(back) = shared.hand_over(Box::new(back)) else { return };
    let Proved { mut line, standing, asker, .. } = back.proved;
    let told = if shared.is_somebody_there() {
        refuse(shared, &asker.peer, RefusedCause::Busy, standing.helper());
        line.result(ResultCode::AlreadyBeingHelped)
    } else {
        shared.note_refusal(&asker.peer, Cause::LateReturn, standing.helper());
        line.result(ResultCode::HelpSessionExpired)
    };
    note(told, &asker.peer);
    line.close().await;
}

struct Driver<'a> {
    shared: &'a Shared,
    session: Session,
    /// None while the connection is lost.
    line: Option<Line>,
    frames: FramesOut,
    /// The connection that takes the place of the one before.
    next: Option<(Line, FramesOut)>,
    /// Experts who may be this one.
    returns_in: mpsc::Receiver<Box<Return>>,
    /// When a way back was promised on this connection, if it was.
    promised: Option<Instant>,
    /// The connection is gone, and it was said.
    lost: bool,
    standing: Standing,
    asker: Asker,
    local: mpsc::UnboundedSender<LocalEvent>,
    local_in: mpsc::UnboundedReceiver<LocalEvent>,
    /// The monitor that is shared, while it is not there: as the screen has it, and as the novice was told.
    missing_monitor: watch::Sender<Option<String>>,
    told_monitor: Option<String>,
    /// The question that is open, and what was said about it.
    question: Option<OpenQuestion>,
    /// Since when the expert sees, if it does.
    seen_since: Option<SystemTime>,
    /// When policy was last read because of control.
    policy_asked: Option<Instant>,
    /// Whether the steps of this session are logged, as policy had it when it was last read: not anew for each step, since
    /// an expert who asks for control all the time would keep this computer reading files.
    logs: bool,
    over: Option<EndReason>,
}

struct OpenQuestion {
    kind: &'static str,
    reply: Arc<OnceLock<Reply>>,
}

enum Happened {
    Local(LocalEvent),
    Back(Box<Return>),
    Silent,
    Heard(Result<FromExpert, LineError>),
    Monitor,
    Time,
}

impl Driver<'_> {
    /// Waits for one thing and does what it leads to. What happens here goes before what the wire brings.
    async fn turn(&mut self) {
        let deadline = self.session.deadline().map(|moment| self.shared.instant(moment));
        let mut missing_monitor = self.missing_monitor.subscribe();
        let told_monitor = &self.told_monitor;
        let silent_at = self.silent_at();
        let happened = tokio::select! {
            biased;
            Some(event) = self.local_in.recv() => Happened::Local(event),
            Ok(_) = missing_monitor.wait_for(|missing| missing != told_monitor) => Happened::Monitor,
            Some(back) = self.returns_in.recv() => Happened::Back(back),
            heard = async {
                self.shared.hands.room().await;
                match &mut self.line {
                    Some(line) => line.next().await,
                    None => std::future::pending().await,
                }
            } => Happened::Heard(heard),
            () = until(silent_at) => Happened::Silent,
            () = until(deadline) => Happened::Time,
        };
        if matches!(
            happened,
            Happened::Heard(Ok(FromExpert::RequestControl)) | Happened::Local(LocalEvent::ControlAnswered(_))
        ) {
            self.ask_policy_again().await;
        }
        if matches!(happened, Happened::Local(LocalEvent::ViewAnswered(_) | LocalEvent::ControlAnswered(_))) {
            self.report_answer();
        }
        let now = self.shared.moment();
        let effects = match happened {
            Happened::Local(event) => self.session.handle_local(now, event),
            Happened::Time => self.session.handle_time(now),
            Happened::Monitor => return self.report_monitor(),
            Happened::Back(back) => return self.take_back_in(*back).await,
            // An expert who comes back later is better off than one who is waited for: a path that swallows everything may
            // never say so.
            Happened::Silent if self.silent_at().is_some_and(|at| at <= Instant::now()) => {
                self.session.handle_local(now, LocalEvent::ExpertSilent)
            }
            Happened::Silent => return,
            Happened::Heard(Ok(heard)) => match self.translate(heard) {
                Some(event) => self.session.handle_peer(now, event),
                None => return,
            },
            Happened::Heard(Err(error)) => {
                tracing::debug!(%error, "the connection is gone");
                self.session.handle_peer(now, PeerEvent::ConnectionLost)
            }
        };
        self.carry_out(effects).await;
    }

    /// When an expert who can come back, and has not said anything by then, is gone. They say something every few seconds.
    fn silent_at(&self) -> Option<Instant> {
        let (line, promised) = self.line.as_ref().zip(self.promised)?;
        Some(line.last_heard().max(promised) + SILENT_AFTER)
    }

    /// Somebody with the same right shows a secret. If it is the one of this session, their connection takes the place of the
    /// one before; anybody else comes while somebody is helped (R40).
    async fn take_back_in(&mut self, back: Return) {
        let Return { proved: Proved { mut line, frames, admission, asker, .. }, shown } = back;
        match self.session.resume(self.shared.moment(), admission, &shown) {
            Ok(effects) => {
                // The name on the screen stays the one that was agreed to.
                self.asker.peer = asker.peer;
                line.name_expert(&self.asker.name);
                if self.line.is_some() {
                    // It moves in when the one before is let go of.
                    self.next = Some((line, frames));
                } else {
                    (self.line, self.frames) = (Some(line), frames);
                }
                self.carry_out(effects).await;
            }
            Err(error) => {
                tracing::debug!(peer = %asker.peer, %error, "not the one who was lost");
                refuse(self.shared, &asker.peer, RefusedCause::Busy, self.standing.helper());
                note(line.result(ResultCode::AlreadyBeingHelped), &asker.peer);
                // Whoever does not read is not waited for here.
                tokio::task::spawn_local(line.close());
            }
        }
    }

    /// Before a question of control is put, and before its answer counts: policy may have changed since (P8, P9).
    async fn ask_policy_again(&mut self) {
        let now = self.shared.instant(self.shared.moment());
        if self.policy_asked.is_some_and(|asked| now < asked + POLICY_HOLDS) {
            return;
        }
        self.policy_asked = Some(now);
        let policy = (self.shared.policy)();
        self.logs = policy.logs_sessions();
        if self.standing.may_control(&policy).is_none() {
            let effects = self.session.handle_local(self.shared.moment(), LocalEvent::ControlForbidden);
            self.carry_out(effects).await;
        }
    }

    /// What the session should hear of; wishes about pictures go to the screen instead.
    fn translate(&mut self, heard: FromExpert) -> Option<PeerEvent> {
        let wish = match heard {
            FromExpert::RequestControl => return Some(PeerEvent::RequestControl),
            FromExpert::ReleaseControl => return Some(PeerEvent::ReleaseControl),
            FromExpert::Input(input) => return Some(PeerEvent::Input(input)),
            FromExpert::Left => return Some(PeerEvent::Disconnect),
            FromExpert::Broken(what, _) => {
                tracing::info!(what, "the expert broke the protocol");
                return Some(PeerEvent::ProtocolError);
            }
            // Said twice, or out of turn.
            FromExpert::WrongVersion | FromExpert::Proof(_) | FromExpert::DesktopRequested => return None,
            FromExpert::Graphics(news) => PeerWish::Graphics(news),
            FromExpert::WantsPictures(wants) => PeerWish::WantsPictures(wants),
            FromExpert::Repaint => PeerWish::Repaint,
            FromExpert::Shown(frame) => PeerWish::Shown(frame),
        };
        (!self.shared.screen.wish(wish)).then_some(PeerEvent::ProtocolError)
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::AskView(question) => {
                    // Nothing is held yet; the round trip still lies before the question.
                    self.release_keys().await;
                    self.ask(Asked::View(question));
                }
                Effect::AskControl(question) => self.ask(Asked::Control(question)),
                Effect::WithdrawQuestion => {
                    // An answer that is on its way here is for nobody.
                    self.question = None;
                    self.shared.prompt.borrow_mut().withdraw();
                }
                Effect::StartCapture(stamp) => {
                    let opened = self.line.as_mut().map_or(Ok(()), Line::open_up);
                    self.note(opened);
                    self.promise();
                    self.show_screen(stamp);
                }
                Effect::HangUp => {
                    // Dropping the one before closes it.
                    (self.line, self.promised) = (None, None);
                    if let Some((line, frames)) = self.next.take() {
                        (self.line, self.frames) = (Some(line), frames);
                    }
                }
                Effect::StopCapture => self.shared.screen.hide(),
                Effect::Inject(event) => self.shared.hands.inject(event),
                Effect::ReleaseKeys => {
                    let event =
                        if self.release_keys().await { LocalEvent::KeysReleased } else { LocalEvent::DesktopLost };
                    let _ = self.local.send(event);
                }
                Effect::Tell(tell) => self.tell(tell),
                Effect::Report(milestone) => self.report(milestone),
                Effect::Close(reason) => self.over = Some(reason),
            }
        }
    }

    /// Makes a secret by which this expert, and nobody else, can come back.
    fn promise(&mut self) {
        let Some(line) = self.line.as_mut().filter(|line| line.can_return()) else { return };
        let mut bytes = Zeroizing::new([0; ReturnSecret::BYTES]);
        if let Err(error) = getrandom::fill(&mut *bytes) {
            tracing::error!(%error, "without random numbers nobody can come back after a loss");
            return;
        }
        let secret = ReturnSecret::new(bytes);
        let promised = line.promise(&secret);
        self.session.promise(secret);
        self.promised = Some(Instant::now());
        self.note(promised);
    }

    /// True when the desktop has seen every held key go up.
    async fn release_keys(&self) -> bool {
        let released = self.shared.hands.release_all();
        matches!(tokio::time::timeout(RELEASE_WITHIN, released).await, Ok(Ok(true)))
    }

    fn ask(&mut self, asked: Asked) {
        let kind = asked.kind().name();
        let local = self.local.clone();
        let reply: Arc<OnceLock<Reply>> = Arc::default();
        let replied = Arc::clone(&reply);
        let answered = Answered::new(move |answer, reply| {
            // The only one who writes there, and before the answer can be seen.
            let _ = replied.set(reply);
            let _ = local.send(answer);
        });
        self.question = Some(OpenQuestion { kind, reply });
        let policy = (self.shared.policy)();
        let note = match &asked {
            Asked::View(_) => policy.view_message(),
            Asked::Control(_) => policy.control_message(),
        };
        let armed = self.shared.prompt.borrow_mut().ask(asked, &self.asker, note.as_ref(), answered);
        match armed {
            Ok(()) => {
                let (name, peer) = (self.asker.name.clone(), self.asker.peer.clone());
                self.step(&Step::ConsentAsked { kind });
                self.shared.report(HostEvent::ConsentAsked { kind, name, peer });
            }
            Err(error) => {
                tracing::warn!(%error, "the session ends");
                let _ = self.local.send(LocalEvent::NobodyThere);
            }
        }
    }

    /// Says where the question was answered, unless it was taken away before.
    fn report_answer(&mut self) {
        let Some(OpenQuestion { kind, reply }) = self.question.take() else { return };
        if let Some(Reply { yes, place }) = reply.get().cloned() {
            let answer = if yes { "yes" } else { "no" };
            self.step(&Step::Answered { kind, answer, place: place.to_string() });
            self.shared.report(HostEvent::Answered { kind, yes, place });
        }
    }

    /// The monitor that is shared went away, or is back.
    fn report_monitor(&mut self) {
        let missing = self.missing_monitor.borrow().clone();
        let there = missing.is_none();
        let before = std::mem::replace(&mut self.told_monitor, missing.clone());
        if let Some(name) = missing.or(before) {
            self.shared.report(HostEvent::Monitor { name, there });
        }
    }

    fn show_screen(&self, stamp: ra_session::Stamp<ra_session::View>) {
        let Some(line) = &self.line else { return };
        let local = self.local.clone();
        let stalled = self.local.clone();
        self.shared.screen.show(Show {
            stamp,
            frames: self.frames.clone(),
            client: line.graphics_client(),
            wrapping: line.wrapping(),
            announced: line.announced_size(),
            missing_monitor: self.missing_monitor.clone(),
            lost: Box::new(move || {
                let _ = local.send(LocalEvent::DesktopLost);
            }),
            stalled: Box::new(move || {
                let _ = stalled.send(LocalEvent::ExpertSilent);
            }),
        });
    }

    fn tell(&mut self, tell: Tell) {
        let told = self.line.as_mut().map_or(Ok(()), |line| line.tell(tell));
        self.note(told);
    }

    /// A line that cannot be written to will say so when it is read; until then the session goes on.
    fn note(&self, told: Result<(), LineError>) {
        if let Err(error) = told {
            tracing::debug!(%error, "the expert could not be told");
        }
    }

    fn report(&mut self, milestone: Milestone) {
        match milestone {
            Milestone::Viewing => {
                self.seen_since = Some(SystemTime::now());
                if let Standing::Offer(helper) = &self.standing {
                    self.shared.offers.borrow_mut().accepted(&helper.proved);
                }
                self.step(&Step::Viewing);
                self.shared.report(HostEvent::Viewing);
                self.show_status(false);
            }
            Milestone::ControlRequested => {
                self.step(&Step::ControlRequested);
                self.shared.report(HostEvent::ControlRequested);
            }
            Milestone::Controlling => {
                self.shared.screen.controlled(true);
                self.step(&Step::Controlling);
                self.shared.report(HostEvent::Controlling);
                self.show_status(true);
            }
            Milestone::Lost => {
                self.lost = true;
                self.shared.screen.controlled(false);
                self.step(&Step::Lost);
                self.shared.report(HostEvent::Lost);
                let (asker, since) = (self.asker.clone(), self.seen_since.unwrap_or_else(SystemTime::now));
                self.shared.show(&Status::Lost { asker, since });
                self.shared.set_presence(Presence::Lost);
            }
            Milestone::Returned => {
                self.lost = false;
                self.shared.set_presence(Presence::Helped);
                self.step(&Step::Returned);
                self.shared.report(HostEvent::Returned { peer: self.asker.peer.clone() });
                self.show_status(false);
            }
            Milestone::ControlDeclined => self.refuse(RefusedCause::Declined),
            Milestone::ControlForbidden => self.refuse(RefusedCause::PolicyControl),
            Milestone::Revoked(by) => {
                self.shared.screen.controlled(false);
                self.step(&Step::Revoked { by: revoked_by_name(by) });
                self.shared.report(HostEvent::Revoked { by });
                self.show_status(false);
            }
        }
    }

    fn refuse(&self, cause: RefusedCause) {
        refuse(self.shared, &self.asker.peer, cause, self.standing.helper());
    }

    fn step(&self, step: &Step) {
        if self.logs {
            self.shared.note_step(&self.asker.peer, step, self.standing.helper());
        }
    }

    fn show_status(&self, controlling: bool) {
        let asker = self.asker.clone();
        let since = self.seen_since.unwrap_or_else(SystemTime::now);
        self.shared.show(&if controlling {
            Status::Controlling { asker, since }
        } else {
            Status::Viewing { asker, since }
        });
    }

    async fn finish(mut self) {
        let reason = self.over.take().unwrap_or(EndReason::ConnectionLost);
        if self.seen_since.is_some() {
            self.step(&Step::Ended { reason: end_reason_name(reason) });
        }
        match (reason, self.seen_since.is_some()) {
            (EndReason::Declined, false) => self.count_refusal(RefusedCause::Declined, Refusal::Declined),
            (EndReason::NoAnswer, false) => self.count_refusal(RefusedCause::NoAnswer, Refusal::NoAnswer),
            (EndReason::ProtocolError, false) => self.refuse(RefusedCause::Protocol),
            (EndReason::ConnectionLost, true) if !self.lost => {
                self.shared.report(HostEvent::Lost);
                self.shared.report(HostEvent::Ended { reason });
            }
            (reason, _) => self.shared.report(HostEvent::Ended { reason }),
        }
        let seat = self.session.seat();
        if let Some(line) = self.line.take() {
            line.close().await;
        }
        self.shared.stand_up(seat);
    }

    /// Counts a no, and tells of it only when that is on disk: a crash must not give a question back.
    fn count_refusal(&self, cause: RefusedCause, how: Refusal) {
        let now = self.shared.now();
        let found = match &self.standing {
            Standing::Ticket(found) => found,
            Standing::Offer(helper) => {
                let last = self.shared.offers.borrow_mut().refused(&helper.proved, how, now);
                self.refuse(cause);
                if last {
                    tracing::warn!(
                        helper = helper.called(),
                        "refused three times: nobody is asked about this helper again"
                    );
                }
                return;
            }
        };
        let counted = self.shared.book.borrow_mut().refused(&found.id, now);
        self.refuse(cause);
        match counted {
            Ok(gone) => self.shared.report_gone(gone.into_iter().collect()),
            Err(error) => tracing::error!(%error, "a refusal could not be counted"),
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// An expert who can come back asks after this computer when it has heard nothing for [`ra_channels::again::ASK_AFTER`];
/// whoever said nothing for so long is gone.
const SILENT_AFTER: Duration = Duration::from_secs(18);
/// Experts who may be the one who was lost, and wait to be looked at.
const RETURNS: usize = 4;
/// A desktop that has not lifted a key by then is as good as gone.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);
/// An expert that asks for control all the time does not keep this computer busy with reading files.
const POLICY_HOLDS: Duration = Duration::from_millis(100);
