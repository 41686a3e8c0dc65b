//! A struct per state. Each has only the methods that make sense there, and a transition consumes it.
//!
//! ```text
//! Connecting ── admit ───► AwaitingConsent ── consent ──► Viewing ◄────────────── settle ── Revoked
//!                               │                          │  ▲ decline                       ▲
//!                               │                ask_control  │                               │ revoke
//!                               │                          ▼  │                               │
//!                               │                     ControlRequested ── consent ──► Controlling
//!                               └───────────── end (from anywhere) ──► Ended
//!
//! Viewing, ControlRequested, Controlling, Revoked ── lose ──► Lost ── resume ──► Viewing
//! ```

use core::marker::PhantomData;

use ra_policy::{ControlAllowed, HelpAllowed, OfferAllowed};
use ra_ticket::Redeemed;

use crate::account::LoggedOn;
use crate::again::ReturnSecret;
use crate::consent::{ConsentToControl, ConsentToView, Question, QuestionId};
use crate::effect::{EndReason, RevokedBy};
use crate::gate::{Epoch, Gate, Input, Seat, Stamp, Stamped, View};
use crate::input::InputEvent;
use crate::offers::Offered;

/// A transport is there; nobody has proved anything.
#[derive(Debug, Default)]
pub struct Connecting(());

/// The right to have the novice asked: every gate before the first question has been passed.
///
/// There are two ways to it and no third: an invitation, or an offer that policy wants. Nothing in it can be made up,
/// and it is spent on one question.
#[derive(Debug)]
#[must_use = "whoever is admitted is asked about"]
pub struct Admission(());

/// The novice is being asked whether the expert may see. No pixel leaves, no input lands.
#[derive(Debug)]
pub struct AwaitingConsent {
    seat: Seat,
    question: QuestionId,
}

/// The expert sees. No input lands.
pub struct Viewing {
    seat: Seat,
    epoch: Epoch<View>,
    /// By what the expert comes back, where one was promised.
    promise: Option<ReturnSecret>,
    /// INVARIANT: whoever holds a `Viewing` holds the consent that made it.
    consent: ConsentToView,
}

/// The expert sees and has asked for control; the novice is being asked. No input lands.
#[derive(Debug)]
pub struct ControlRequested {
    viewing: Viewing,
    question: QuestionId,
}

/// The expert sees and controls.
pub struct Controlling {
    viewing: Viewing,
    epoch: Epoch<Input>,
    /// INVARIANT: whoever holds a `Controlling` holds the consent that made it.
    _consent: ConsentToControl,
}

/// Control is gone and the gate is shut; the last held keys are being lifted.
#[derive(Debug)]
pub struct Revoked {
    viewing: Viewing,
    by: RevokedBy,
}

/// The connection is gone, and the expert whom the novice agreed to may come back. No pixel leaves, no input lands.
pub struct Lost {
    seat: Seat,
    promise: ReturnSecret,
    /// INVARIANT: the consent of the `Viewing` that was lost; it goes back into the `Viewing` that resumes, or nowhere.
    consent: ConsentToView,
}

/// It is over. The seat is free for the next expert.
#[derive(Debug)]
pub struct Ended {
    reason: EndReason,
    seat: Option<Seat>,
}

/// The right to let one event through to the desktop, lent by [`Controlling`] and never longer than it.
#[derive(Debug)]
pub struct InputPermit<'a> {
    epoch: &'a Epoch<Input>,
}

/// The right to let pixels out, lent by [`Viewing`] and the states that follow it.
#[derive(Debug)]
pub struct ViewPermit<'a> {
    stamp: Stamp<View>,
    lent_by: PhantomData<&'a Viewing>,
}

impl InputPermit<'_> {
    /// Marks an event as permitted now. The injector admits it while this very control lasts.
    #[must_use]
    pub fn stamp(&self, event: InputEvent) -> Stamped<Input, InputEvent> {
        self.epoch.stamp(event)
    }
}

impl ViewPermit<'_> {
    /// The stamp for the capture thread. It may outlive the permit; the frame writer then admits nothing from it.
    #[must_use]
    pub fn into_stamp(self) -> Stamp<View> {
        self.stamp
    }
}

impl Admission {
    /// The ticket is redeemed, policy allows help, and the expert is logged on as HelpAssistant.
    pub fn by_ticket(_: Redeemed, _: HelpAllowed, _: LoggedOn) -> Self {
        Self(())
    }

    /// Policy allows this helper to offer help, and the novice may be asked about them now.
    pub fn by_offer(_: OfferAllowed, _: Offered) -> Self {
        Self(())
    }
}

impl Connecting {
    /// An expert's transport has arrived.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }

    /// The expert may be asked about and the seat was free: the novice is asked.
    ///
    /// The two arguments are the first gates of the crate's table; neither can be had without passing them.
    pub fn admit(self, _: Admission, mut seat: Seat) -> (AwaitingConsent, Question<ConsentToView>) {
        seat.shut();
        let question = seat.next_question();
        (AwaitingConsent { seat, question }, Question::new(question))
    }
}

impl AwaitingConsent {
    /// The novice agreed: pixels may leave.
    #[must_use]
    pub fn consent(mut self, consent: ConsentToView) -> Viewing {
        let epoch = self.seat.view.open();
        Viewing { seat: self.seat, epoch, promise: None, consent }
    }

    /// The novice did not agree, or something else ended it.
    #[must_use]
    pub fn end(self, reason: EndReason) -> Ended {
        Ended::new(reason, self.seat)
    }

    /// The question that is open.
    #[must_use]
    pub fn question(&self) -> QuestionId {
        self.question
    }
}

impl Viewing {
    /// Lends the right to let pixels out.
    #[must_use]
    pub fn view_permit(&self) -> ViewPermit<'_> {
        ViewPermit { stamp: Stamp::of(&self.epoch), lent_by: PhantomData }
    }

    /// Promises that whoever shows this secret after a loss is this expert. One promised before is worth nothing then.
    pub fn promise(&mut self, secret: ReturnSecret) {
        self.promise = Some(secret);
    }

    /// Whether this is the secret that was promised.
    #[must_use]
    pub fn knows(&self, shown: &ReturnSecret) -> bool {
        self.promise.as_ref().is_some_and(|promise| promise.is(shown))
    }

    /// The connection is gone: both gates shut.
    ///
    /// # Errors
    /// It is over where nothing was promised: nobody could show that they are this expert.
    pub fn lose(self) -> Result<Lost, Ended> {
        self.seat.shut();
        let Self { seat, promise, consent, .. } = self;
        match promise {
            Some(promise) => Ok(Lost { seat, promise, consent }),
            None => Err(Ended::new(EndReason::ConnectionLost, seat)),
        }
    }

    /// The expert asks and settings do not forbid it: the novice is asked.
    pub fn ask_control(mut self, _: &ControlAllowed) -> (ControlRequested, Question<ConsentToControl>) {
        let question = self.seat.next_question();
        (ControlRequested { viewing: self, question }, Question::new(question))
    }

    /// Ends it: both gates shut.
    #[must_use]
    pub fn end(self, reason: EndReason) -> Ended {
        Ended::new(reason, self.seat)
    }
}

impl ControlRequested {
    pub(super) fn viewing_mut(&mut self) -> &mut Viewing {
        &mut self.viewing
    }

    /// The novice agreed: input may land.
    #[must_use]
    pub fn consent(mut self, consent: ConsentToControl) -> Controlling {
        let epoch = self.viewing.seat.input.open();
        Controlling { viewing: self.viewing, epoch, _consent: consent }
    }

    /// The novice did not agree, or the expert withdrew the request.
    #[must_use]
    pub fn decline(self) -> Viewing {
        self.viewing
    }

    /// The question that is open.
    #[must_use]
    pub fn question(&self) -> QuestionId {
        self.question
    }

    /// As [`Viewing::lose`]; the question is void.
    ///
    /// # Errors
    /// As there.
    pub fn lose(self) -> Result<Lost, Ended> {
        self.viewing.lose()
    }

    /// Ends it: both gates shut.
    #[must_use]
    pub fn end(self, reason: EndReason) -> Ended {
        self.viewing.end(reason)
    }
}

impl Controlling {
    pub(super) fn viewing_mut(&mut self) -> &mut Viewing {
        &mut self.viewing
    }

    /// Lends the right to let one event through.
    #[must_use]
    pub fn input_permit(&self) -> InputPermit<'_> {
        InputPermit { epoch: &self.epoch }
    }

    /// Takes control back. The gate is shut before anything else happens; no failure, no wait.
    #[must_use]
    pub fn revoke(self, by: RevokedBy) -> Revoked {
        self.input_gate().shut();
        Revoked { viewing: self.viewing, by }
    }

    /// Ends it: both gates shut.
    #[must_use]
    pub fn end(self, reason: EndReason) -> Ended {
        self.viewing.end(reason)
    }

    /// As [`Viewing::lose`]; the consent to control is gone with it, and held keys are to be lifted.
    ///
    /// # Errors
    /// As there.
    pub fn lose(self) -> Result<Lost, Ended> {
        self.viewing.lose()
    }

    fn input_gate(&self) -> &Gate<Input> {
        &self.viewing.seat.input.gate
    }
}

impl Revoked {
    pub(super) fn viewing_mut(&mut self) -> &mut Viewing {
        &mut self.viewing
    }

    /// Held keys are up and the expert knows: the session goes on as it was before control.
    #[must_use]
    pub fn settle(self) -> Viewing {
        self.viewing
    }

    /// What took control back.
    #[must_use]
    pub fn by(&self) -> RevokedBy {
        self.by
    }

    /// As [`Viewing::lose`].
    ///
    /// # Errors
    /// As there.
    pub fn lose(self) -> Result<Lost, Ended> {
        self.viewing.lose()
    }

    /// Ends it: both gates shut.
    #[must_use]
    pub fn end(self, reason: EndReason) -> Ended {
        self.viewing.end(reason)
    }
}

impl Lost {
    /// Somebody who has proved the ticket anew shows the secret: they see again, as before control, in a new epoch. The
    /// secret is spent.
    ///
    /// # Errors
    /// Another secret: nothing has changed.
    pub fn resume(mut self, _: Admission, shown: &ReturnSecret) -> Result<Viewing, Self> {
        if !self.promise.is(shown) {
            return Err(self);
        }
        let epoch = self.seat.view.open();
        Ok(Viewing { seat: self.seat, epoch, promise: None, consent: self.consent })
    }

    /// Whether this is the secret that was promised.
    #[must_use]
    pub fn knows(&self, shown: &ReturnSecret) -> bool {
        self.promise.is(shown)
    }

    /// Nobody comes back.
    #[must_use]
    pub fn end(self, reason: EndReason) -> Ended {
        Ended::new(reason, self.seat)
    }
}

impl Ended {
    fn new(reason: EndReason, seat: Seat) -> Self {
        seat.shut();
        Self { reason, seat: Some(seat) }
    }

    /// What stands in for a state while it is being replaced.
    pub(super) fn placeholder() -> Self {
        Self { reason: EndReason::NoviceStopped, seat: None }
    }

    /// Why it ended.
    #[must_use]
    pub fn reason(&self) -> EndReason {
        self.reason
    }

    /// Gives the seat back for the next expert; the first call has it.
    pub fn seat(&mut self) -> Option<Seat> {
        self.seat.take()
    }
}

impl core::fmt::Debug for Viewing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Viewing").field("seat", &self.seat).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Lost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Lost").field("seat", &self.seat).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Controlling {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Controlling").field("viewing", &self.viewing).finish_non_exhaustive()
    }
}
