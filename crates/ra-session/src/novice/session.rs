//! The session as a driver sees it: events in, effects out, one deadline to wait for.

use std::time::Duration;

use ra_policy::ControlAllowed;

use super::states::{
    Admission, AwaitingConsent, Connecting, ControlRequested, Controlling, Ended, Lost, Revoked, Viewing,
};
use crate::again::ReturnSecret;
use crate::effect::{Effect, EndReason, Milestone, RevokedBy, Tell};
use crate::event::{LocalEvent, PeerEvent};
use crate::gate::Seat;
use crate::moment::Moment;

/// How long a question stays open; silence is a no (R36).
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// After a no to control the expert's next request reaches the novice at the earliest after this (R40a).
pub const QUIET_AFTER_NO: Duration = Duration::from_secs(10);

/// After so many noes in one session nobody is asked any more (R40a).
pub const NOES_TO_CONTROL: u8 = 3;

/// After a loss the expert may come back for so long; then it is over.
pub const RETURN_WITHIN: Duration = Duration::from_secs(60);

/// Whoever showed this secret is not the expert of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the secret of this session")]
pub struct NotTheirs;

/// One expert's session, from the first question to its end.
///
/// The driver takes local events before peer events, carries out the effects in order, and calls
/// [`Session::handle_time`] when [`Session::deadline`] has come.
#[derive(Debug)]
pub struct Session {
    state: State,
    control: Control,
    deadline: Option<Moment>,
}

/// Where the session stands. The enum exists for the driver; the rules are in the structs.
#[derive(Debug)]
#[allow(missing_docs, reason = "each variant is the struct of its name")]
pub enum State {
    AwaitingConsent(AwaitingConsent),
    Viewing(Viewing),
    ControlRequested(ControlRequested),
    Controlling(Controlling),
    Revoked(Revoked),
    Lost(Lost),
    Ended(Ended),
}

impl Session {
    /// Opens the session of an expert who was admitted. `control` is `None` where policy, a switch or the ticket allow
    /// viewing only.
    pub fn open(admission: Admission, control: Option<ControlAllowed>, seat: Seat, now: Moment) -> (Self, Vec<Effect>) {
        let (waiting, question) = Connecting::new().admit(admission, seat);
        let session = Self {
            state: State::AwaitingConsent(waiting),
            control: Control { allowed: control, noes: 0, quiet_until: Moment::default(), asked_while_revoked: false },
            deadline: Some(now.after(ANSWER_WITHIN)),
        };
        (session, vec![Effect::AskView(question)])
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When [`Session::handle_time`] must be called, if at all.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    /// The seat for the next expert, once the session has ended.
    pub fn seat(&mut self) -> Option<Seat> {
        match &mut self.state {
            State::Ended(ended) => ended.seat(),
            _ => None,
        }
    }

    /// Something happened on the novice's machine.
    pub fn handle_local(&mut self, now: Moment, event: LocalEvent) -> Vec<Effect> {
        self.step(|state, control| match state {
            State::AwaitingConsent(at) => awaiting_local(at, event),
            State::Viewing(at) => viewing_local(at, control, now, event),
            State::ControlRequested(at) => requested_local(at, control, now, event),
            State::Controlling(at) => controlling_local(at, control, now, event),
            State::Revoked(at) => revoked_local(at, control, now, event),
            State::Lost(at) => lost_local(at, control, event),
            State::Ended(at) => still(State::Ended(at)),
        })
    }

    /// The wire brought something.
    pub fn handle_peer(&mut self, now: Moment, event: PeerEvent) -> Vec<Effect> {
        self.step(|state, control| match state {
            State::AwaitingConsent(at) => awaiting_peer(at, event),
            State::Viewing(at) => viewing_peer(at, control, now, event),
            State::ControlRequested(at) => requested_peer(at, now, event),
            State::Controlling(at) => controlling_peer(at, now, event),
            State::Revoked(at) => revoked_peer(at, control, now, event),
            // The connection is gone, and so is whatever it still brings.
            State::Lost(at) => still(State::Lost(at)),
            State::Ended(at) => still(State::Ended(at)),
        })
    }

    /// Time has passed; does something only when the deadline has come.
    pub fn handle_time(&mut self, now: Moment) -> Vec<Effect> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        self.step(|state, control| match state {
            State::AwaitingConsent(at) => {
                ended(at.end(EndReason::NoAnswer), [Effect::WithdrawQuestion, Effect::Tell(Tell::NoAnswer)])
            }
            State::ControlRequested(at) => declined(at, control, now, [Effect::WithdrawQuestion]),
            State::Lost(at) => ended(at.end(EndReason::ConnectionLost), []),
            other => still(other),
        })
    }

    /// Promises the expert that a connection which shows this secret will be theirs. Means nothing where nobody sees.
    pub fn promise(&mut self, secret: ReturnSecret) {
        if let Some(viewing) = self.state.viewing_mut() {
            viewing.promise(secret);
        }
    }

    /// Somebody who has proved the ticket anew shows a secret. If it is the promised one, the connection before is given up,
    /// also where nobody had noticed yet that it is gone, and the expert sees again; control has to be asked for again.
    ///
    /// # Errors
    /// [`NotTheirs`]: nothing has changed, and whoever it is comes while somebody else is helped.
    pub fn resume(
        &mut self,
        now: Moment,
        admission: Admission,
        shown: &ReturnSecret,
    ) -> Result<Vec<Effect>, NotTheirs> {
        let known = match &mut self.state {
            State::Lost(lost) => lost.knows(shown),
            other => other.viewing_mut().is_some_and(|viewing| viewing.knows(shown)),
        };
        if !known {
            return Err(NotTheirs);
        }
        let mut effects = self.handle_peer(now, PeerEvent::ConnectionLost);
        effects.extend(self.step(|state, _| match state {
            State::Lost(lost) => match lost.resume(admission, shown) {
                Ok(viewing) => {
                    let stamp = viewing.view_permit().into_stamp();
                    moved(
                        State::Viewing(viewing),
                        [
                            Effect::Tell(Tell::ViewGranted),
                            Effect::Report(Milestone::Returned),
                            Effect::StartCapture(stamp),
                        ],
                    )
                }
                Err(lost) => still(State::Lost(lost)),
            },
            other => still(other),
        }));
        Ok(effects)
    }

    fn step(&mut self, next: impl FnOnce(State, &mut Control) -> Next) -> Vec<Effect> {
        // The placeholder is never seen: `next` always returns a state, and nothing between can fail.
        let state = core::mem::replace(&mut self.state, State::Ended(Ended::placeholder()));
        let Next { state, effects, deadline } = next(state, &mut self.control);
        self.state = state;
        match deadline {
            Deadline::Keep => {}
            Deadline::None => self.deadline = None,
            Deadline::At(moment) => self.deadline = Some(moment),
        }
        effects
    }
}

impl State {
    /// The state in which the expert sees, alone or inside another one.
    fn viewing_mut(&mut self) -> Option<&mut Viewing> {
        match self {
            Self::Viewing(viewing) => Some(viewing),
            Self::ControlRequested(at) => Some(at.viewing_mut()),
            Self::Controlling(at) => Some(at.viewing_mut()),
            Self::Revoked(at) => Some(at.viewing_mut()),
            Self::AwaitingConsent(_) | Self::Lost(_) | Self::Ended(_) => None,
        }
    }
}

/// What settings and the novice's earlier answers say about control.
#[derive(Debug)]
struct Control {
    allowed: Option<ControlAllowed>,
    noes: u8,
    quiet_until: Moment,
    asked_while_revoked: bool,
}

struct Next {
    state: State,
    effects: Vec<Effect>,
    deadline: Deadline,
}

enum Deadline {
    Keep,
    None,
    At(Moment),
}

fn still(state: State) -> Next {
    Next { state, effects: Vec::new(), deadline: Deadline::Keep }
}

fn moved(state: State, effects: impl Into<Vec<Effect>>) -> Next {
    Next { state, effects: effects.into(), deadline: Deadline::None }
}

fn ended(end: Ended, effects: impl Into<Vec<Effect>>) -> Next {
    let mut effects = effects.into();
    effects.push(Effect::Close(end.reason()));
    moved(State::Ended(end), effects)
}

fn awaiting_local(at: AwaitingConsent, event: LocalEvent) -> Next {
    let withdrawn = |tell| [Effect::WithdrawQuestion, Effect::Tell(tell)];
    match event {
        LocalEvent::ViewAnswered(answer) if answer.question() == at.question() => match answer.consent() {
            Some(consent) => {
                let viewing = at.consent(consent);
                let stamp = viewing.view_permit().into_stamp();
                moved(
                    State::Viewing(viewing),
                    [Effect::Tell(Tell::ViewGranted), Effect::Report(Milestone::Viewing), Effect::StartCapture(stamp)],
                )
            }
            None => ended(at.end(EndReason::Declined), [Effect::Tell(Tell::ViewDeclined)]),
        },
        LocalEvent::Stop => ended(at.end(EndReason::NoviceStopped), withdrawn(Tell::HostStopped)),
        LocalEvent::NobodyThere => ended(at.end(EndReason::NoAnswer), withdrawn(Tell::NoAnswer)),
        LocalEvent::TicketEnded => ended(at.end(EndReason::TicketEnded), withdrawn(Tell::TicketGone)),
        LocalEvent::HostStopping => ended(at.end(EndReason::HostStopping), withdrawn(Tell::HostStopped)),
        LocalEvent::DesktopLost => ended(at.end(EndReason::DesktopLost), withdrawn(Tell::HostStopped)),
        LocalEvent::ExpertSilent => ended(at.end(EndReason::ConnectionLost), [Effect::WithdrawQuestion]),
        // A stale answer, or an event about control, of which there is none yet.
        LocalEvent::ViewAnswered(_)
        | LocalEvent::ControlAnswered(_)
        | LocalEvent::Esc
        | LocalEvent::WatcherLost
        | LocalEvent::TakeBack
        | LocalEvent::ControlForbidden
        | LocalEvent::KeysReleased => still(State::AwaitingConsent(at)),
    }
}

fn awaiting_peer(at: AwaitingConsent, event: PeerEvent) -> Next {
    match event {
        PeerEvent::Disconnect => ended(at.end(EndReason::ExpertLeft), [Effect::WithdrawQuestion]),
        PeerEvent::ConnectionLost => ended(at.end(EndReason::ConnectionLost), [Effect::WithdrawQuestion]),
        PeerEvent::ProtocolError => {
            let effects = [Effect::WithdrawQuestion, Effect::Tell(Tell::ProtocolError)];
            ended(at.end(EndReason::ProtocolError), effects)
        }
        // Nobody may ask for control, let alone use it, before being allowed to see.
        PeerEvent::RequestControl | PeerEvent::ReleaseControl | PeerEvent::Input(_) => {
            still(State::AwaitingConsent(at))
        }
    }
}

fn viewing_local(at: Viewing, control: &mut Control, now: Moment, event: LocalEvent) -> Next {
    match event {
        LocalEvent::ControlForbidden | LocalEvent::WatcherLost => {
            control.allowed = None;
            still(State::Viewing(at))
        }
        LocalEvent::Stop | LocalEvent::NobodyThere => goodbye(at.end(EndReason::NoviceStopped), []),
        LocalEvent::TicketEnded => goodbye(at.end(EndReason::TicketEnded), []),
        LocalEvent::HostStopping => goodbye(at.end(EndReason::HostStopping), []),
        LocalEvent::DesktopLost => goodbye(at.end(EndReason::DesktopLost), []),
        LocalEvent::ExpertSilent => lost(at.lose(), now, []),
        LocalEvent::ViewAnswered(_)
        | LocalEvent::ControlAnswered(_)
        | LocalEvent::Esc
        | LocalEvent::TakeBack
        | LocalEvent::KeysReleased => still(State::Viewing(at)),
    }
}

fn viewing_peer(at: Viewing, control: &mut Control, now: Moment, event: PeerEvent) -> Next {
    match event {
        PeerEvent::RequestControl => requested(at, control, now),
        PeerEvent::Disconnect => gone(at.end(EndReason::ExpertLeft), []),
        PeerEvent::ConnectionLost => lost(at.lose(), now, []),
        PeerEvent::ProtocolError => goodbye(at.end(EndReason::ProtocolError), []),
        PeerEvent::ReleaseControl | PeerEvent::Input(_) => still(State::Viewing(at)),
    }
}

/// The one place where a request for control is judged (R45, R40a, P9).
fn requested(at: Viewing, control: &mut Control, now: Moment) -> Next {
    let Some(allowed) = control.allowed.as_ref().filter(|_| control.noes < NOES_TO_CONTROL) else {
        let effects = [Effect::Tell(Tell::ControlDenied), Effect::Report(Milestone::ControlForbidden)];
        return moved(State::Viewing(at), effects);
    };
    if now < control.quiet_until {
        return moved(State::Viewing(at), [Effect::Tell(Tell::ControlRefused)]);
    }
    let (asked, question) = at.ask_control(allowed);
    Next {
        state: State::ControlRequested(asked),
        effects: vec![Effect::Report(Milestone::ControlRequested), Effect::ReleaseKeys, Effect::AskControl(question)],
        deadline: Deadline::At(now.after(ANSWER_WITHIN)),
    }
}

fn requested_local(at: ControlRequested, control: &mut Control, now: Moment, event: LocalEvent) -> Next {
    match event {
        LocalEvent::ControlAnswered(answer) if answer.question() == at.question() => match answer.consent() {
            Some(consent) => moved(
                State::Controlling(at.consent(consent)),
                [Effect::Tell(Tell::ControlGranted), Effect::Report(Milestone::Controlling)],
            ),
            None => declined(at, control, now, []),
        },
        // Whoever presses ESC while being asked does not want this.
        LocalEvent::Esc | LocalEvent::TakeBack => declined(at, control, now, [Effect::WithdrawQuestion]),
        LocalEvent::ControlForbidden | LocalEvent::WatcherLost => {
            control.allowed = None;
            let effects = [
                Effect::WithdrawQuestion,
                Effect::Tell(Tell::ControlDenied),
                Effect::Report(Milestone::ControlForbidden),
            ];
            moved(State::Viewing(at.decline()), effects)
        }
        LocalEvent::Stop | LocalEvent::NobodyThere => {
            goodbye(at.end(EndReason::NoviceStopped), [Effect::WithdrawQuestion])
        }
        LocalEvent::TicketEnded => goodbye(at.end(EndReason::TicketEnded), [Effect::WithdrawQuestion]),
        LocalEvent::HostStopping => goodbye(at.end(EndReason::HostStopping), [Effect::WithdrawQuestion]),
        LocalEvent::DesktopLost => goodbye(at.end(EndReason::DesktopLost), [Effect::WithdrawQuestion]),
        LocalEvent::ExpertSilent => lost(at.lose(), now, [Effect::WithdrawQuestion]),
        LocalEvent::ViewAnswered(_) | LocalEvent::ControlAnswered(_) | LocalEvent::KeysReleased => {
            still(State::ControlRequested(at))
        }
    }
}

fn requested_peer(at: ControlRequested, now: Moment, event: PeerEvent) -> Next {
    match event {
        PeerEvent::ReleaseControl => moved(State::Viewing(at.decline()), [Effect::WithdrawQuestion]),
        PeerEvent::Disconnect => gone(at.end(EndReason::ExpertLeft), [Effect::WithdrawQuestion]),
        PeerEvent::ConnectionLost => lost(at.lose(), now, [Effect::WithdrawQuestion]),
        PeerEvent::ProtocolError => goodbye(at.end(EndReason::ProtocolError), [Effect::WithdrawQuestion]),
        // A second request while the first is open changes nothing.
        PeerEvent::RequestControl | PeerEvent::Input(_) => still(State::ControlRequested(at)),
    }
}

fn declined<const N: usize>(at: ControlRequested, control: &mut Control, now: Moment, first: [Effect; N]) -> Next {
    control.noes = control.noes.saturating_add(1);
    control.quiet_until = now.after(QUIET_AFTER_NO);
    let mut effects = Vec::from(first);
    effects.extend([Effect::Tell(Tell::ControlRefused), Effect::Report(Milestone::ControlDeclined)]);
    moved(State::Viewing(at.decline()), effects)
}

fn controlling_local(at: Controlling, control: &mut Control, now: Moment, event: LocalEvent) -> Next {
    match event {
        LocalEvent::Esc => revoked(at, RevokedBy::Esc),
        LocalEvent::TakeBack => revoked(at, RevokedBy::Stop),
        LocalEvent::WatcherLost => {
            control.allowed = None;
            revoked(at, RevokedBy::Stop)
        }
        LocalEvent::ControlForbidden => {
            control.allowed = None;
            revoked(at, RevokedBy::Policy)
        }
        LocalEvent::Stop | LocalEvent::NobodyThere => goodbye(at.end(EndReason::NoviceStopped), [Effect::ReleaseKeys]),
        LocalEvent::TicketEnded => goodbye(at.end(EndReason::TicketEnded), [Effect::ReleaseKeys]),
        LocalEvent::HostStopping => goodbye(at.end(EndReason::HostStopping), [Effect::ReleaseKeys]),
        LocalEvent::DesktopLost => goodbye(at.end(EndReason::DesktopLost), [Effect::ReleaseKeys]),
        LocalEvent::ExpertSilent => lost(at.lose(), now, [Effect::ReleaseKeys]),
        LocalEvent::ViewAnswered(_) | LocalEvent::ControlAnswered(_) | LocalEvent::KeysReleased => {
            still(State::Controlling(at))
        }
    }
}

fn controlling_peer(at: Controlling, now: Moment, event: PeerEvent) -> Next {
    match event {
        PeerEvent::Input(input) => {
            let permitted = at.input_permit().stamp(input);
            moved(State::Controlling(at), [Effect::Inject(permitted)])
        }
        PeerEvent::ReleaseControl => revoked(at, RevokedBy::Released),
        PeerEvent::Disconnect => gone(at.end(EndReason::ExpertLeft), [Effect::ReleaseKeys]),
        PeerEvent::ConnectionLost => lost(at.lose(), now, [Effect::ReleaseKeys]),
        PeerEvent::ProtocolError => goodbye(at.end(EndReason::ProtocolError), [Effect::ReleaseKeys]),
        PeerEvent::RequestControl => still(State::Controlling(at)),
    }
}

fn revoked(at: Controlling, by: RevokedBy) -> Next {
    moved(
        State::Revoked(at.revoke(by)),
        [Effect::ReleaseKeys, Effect::Tell(Tell::ControlRevoked(by)), Effect::Report(Milestone::Revoked(by))],
    )
}

fn revoked_local(at: Revoked, control: &mut Control, now: Moment, event: LocalEvent) -> Next {
    match event {
        LocalEvent::KeysReleased if core::mem::take(&mut control.asked_while_revoked) => {
            requested(at.settle(), control, now)
        }
        LocalEvent::KeysReleased => moved(State::Viewing(at.settle()), []),
        LocalEvent::ControlForbidden | LocalEvent::WatcherLost => {
            control.allowed = None;
            still(State::Revoked(at))
        }
        LocalEvent::Stop | LocalEvent::NobodyThere => goodbye(at.end(EndReason::NoviceStopped), []),
        LocalEvent::TicketEnded => goodbye(at.end(EndReason::TicketEnded), []),
        LocalEvent::HostStopping => goodbye(at.end(EndReason::HostStopping), []),
        LocalEvent::DesktopLost => goodbye(at.end(EndReason::DesktopLost), []),
        LocalEvent::ExpertSilent => {
            control.asked_while_revoked = false;
            lost(at.lose(), now, [])
        }
        LocalEvent::ViewAnswered(_) | LocalEvent::ControlAnswered(_) | LocalEvent::Esc | LocalEvent::TakeBack => {
            still(State::Revoked(at))
        }
    }
}

fn revoked_peer(at: Revoked, control: &mut Control, now: Moment, event: PeerEvent) -> Next {
    match event {
        PeerEvent::RequestControl => {
            control.asked_while_revoked = true;
            still(State::Revoked(at))
        }
        PeerEvent::ReleaseControl => {
            control.asked_while_revoked = false;
            still(State::Revoked(at))
        }
        PeerEvent::Disconnect => gone(at.end(EndReason::ExpertLeft), []),
        PeerEvent::ConnectionLost => {
            control.asked_while_revoked = false;
            lost(at.lose(), now, [])
        }
        PeerEvent::ProtocolError => goodbye(at.end(EndReason::ProtocolError), []),
        PeerEvent::Input(_) => still(State::Revoked(at)),
    }
}

fn lost_local(at: Lost, control: &mut Control, event: LocalEvent) -> Next {
    match event {
        LocalEvent::ControlForbidden | LocalEvent::WatcherLost => {
            control.allowed = None;
            still(State::Lost(at))
        }
        // Capture has stopped, and there is nobody to be told.
        LocalEvent::Stop | LocalEvent::NobodyThere => ended(at.end(EndReason::NoviceStopped), []),
        LocalEvent::TicketEnded => ended(at.end(EndReason::TicketEnded), []),
        LocalEvent::HostStopping => ended(at.end(EndReason::HostStopping), []),
        LocalEvent::DesktopLost => ended(at.end(EndReason::DesktopLost), []),
        LocalEvent::ViewAnswered(_)
        | LocalEvent::ControlAnswered(_)
        | LocalEvent::Esc
        | LocalEvent::TakeBack
        | LocalEvent::KeysReleased
        | LocalEvent::ExpertSilent => still(State::Lost(at)),
    }
}

/// The expert saw, the connection is gone, and where it was promised they may come back.
fn lost<const N: usize>(lost: Result<Lost, Ended>, now: Moment, first: [Effect; N]) -> Next {
    match lost {
        Ok(at) => {
            let mut effects = Vec::from(first);
            effects.extend([Effect::StopCapture, Effect::HangUp, Effect::Report(Milestone::Lost)]);
            Next { state: State::Lost(at), effects, deadline: Deadline::At(now.after(RETURN_WITHIN)) }
        }
        Err(end) => gone(end, first),
    }
}

/// The expert saw and is still there: it is told.
fn goodbye<const N: usize>(end: Ended, first: [Effect; N]) -> Next {
    let mut effects = Vec::from(first);
    effects.extend([Effect::StopCapture, Effect::Tell(Tell::Goodbye)]);
    ended(end, effects)
}

/// The expert saw and is gone.
fn gone<const N: usize>(end: Ended, first: [Effect; N]) -> Next {
    let mut effects = Vec::from(first);
    effects.push(Effect::StopCapture);
    ended(end, effects)
}
