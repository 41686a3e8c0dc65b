//! What the driver must do after a transition, in the order given.

use crate::consent::{ConsentToControl, ConsentToView, Question};
use crate::gate::{Input, Stamp, Stamped, View};
use crate::input::InputEvent;

/// One thing to do. A list of effects is carried out front to back; nothing may be left out.
#[derive(Debug)]
pub enum Effect {
    /// Put the question to the novice. Waiting input is discarded first.
    AskView(Question<ConsentToView>),
    /// The same for control; [`Effect::ReleaseKeys`] has come before it.
    AskControl(Question<ConsentToControl>),
    /// Take the open question away from the novice.
    WithdrawQuestion,
    /// Start to capture; every frame is stamped with this.
    StartCapture(Stamp<View>),
    /// Stop to capture.
    StopCapture,
    /// Hand this to the injector.
    Inject(Stamped<Input, InputEvent>),
    /// Lift every held key and button, do a round trip, then report [`crate::LocalEvent::KeysReleased`].
    ReleaseKeys,
    /// Let go of the connection without a word: it is gone, or another one takes its place.
    HangUp,
    /// Tell the expert.
    Tell(Tell),
    /// Something a person would want to see.
    Report(Milestone),
    /// Close the connection after a short flush. Always the last effect of a session.
    Close(EndReason),
}

/// A message for the expert; the engine knows which channel carries it and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Consent to view: RESULT 0, participant with MAY_VIEW.
    ViewGranted,
    /// RESULT 41.
    ViewDeclined,
    /// RESULT 40.
    NoAnswer,
    /// ACCEPTRC, participant with MAY_INTERACT.
    ControlGranted,
    /// REJECTRC, participant without MAY_INTERACT.
    ControlRefused,
    /// `DENIEDRC `: settings forbid it, nobody was asked.
    ControlDenied,
    /// ESCRC or TAKECONTROL, participant without MAY_INTERACT. The gate is shut by now.
    ControlRevoked(RevokedBy),
    /// DISCONNECT and the removal of the participant.
    Goodbye,
    /// RESULT 50 or 51 to an expert who waits for an answer.
    HostStopped,
    /// RESULT 27 to an expert who waits for an answer.
    TicketGone,
    /// RESULT 32: the protocol was broken before the session stood.
    ProtocolError,
}

/// Why control ended while the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevokedBy {
    /// The novice pressed ESC.
    Esc,
    /// The novice took it back by other means, or the watcher failed.
    Stop,
    /// The expert gave it back.
    Released,
    /// Policy no longer allows it.
    Policy,
}

/// A state change that a person would want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The expert sees.
    Viewing,
    /// The expert asks for control.
    ControlRequested,
    /// The expert controls.
    Controlling,
    /// The novice said no to control.
    ControlDeclined,
    /// Settings said no to control.
    ControlForbidden,
    /// Control ended.
    Revoked(RevokedBy),
    /// The connection is gone: nothing leaves, nothing lands, and control is over. The expert may come back.
    Lost,
    /// The expert is back and sees again.
    Returned,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The novice did not want to be seen.
    Declined,
    /// The novice did not answer in time.
    NoAnswer,
    /// The novice ended it.
    NoviceStopped,
    /// The expert left.
    ExpertLeft,
    /// The connection broke.
    ConnectionLost,
    /// The ticket was ended.
    TicketEnded,
    /// The host goes away.
    HostStopping,
    /// The expert broke the protocol.
    ProtocolError,
    /// The desktop cannot be shared any more.
    DesktopLost,
}
