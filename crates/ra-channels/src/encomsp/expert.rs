//! The expert's side of `encomsp`: learns its rights and says its wishes.

use super::Rights;
use super::pdu::{ControlFlags, EncomspError, Order, ParticipantFlags, ParticipantId, decode};
use crate::queue::Queue;
use crate::wire::ToNovice;

/// What the novice said about this expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpertEvent {
    /// The novice said what this expert may do. It comes for each order, also when nothing changed: in answer to a
    /// request, [`Rights::View`] means no.
    Rights(Rights),
    /// CTRL_CHANGE_RESPONSE with a reason: the request was turned down.
    RequestRefused {
        /// The novice's reason, not 0.
        reason: u32,
    },
    /// The novice removed this expert.
    Removed,
    /// The picture stands still.
    Paused,
    /// The picture moves again.
    Resumed,
    /// The novice broke the protocol. The machine is deaf from here on: close.
    Malformed(EncomspError),
}

/// The expert's side of one connection.
#[derive(Debug)]
pub struct EncomspExpert {
    own: Own,
    events: Queue<ExpertEvent>,
}

/// Which participant this expert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    /// Nobody was announced.
    Unknown,
    /// One was announced, without the flag that says it is the receiver: it can be nobody else.
    Only(ParticipantId),
    /// Several were announced and none with the flag.
    Ambiguous,
    /// The flag was seen once; from then on the number decides. Windows leaves the flag out later.
    Known(ParticipantId),
}

impl Default for EncomspExpert {
    fn default() -> Self {
        Self::new()
    }
}

impl EncomspExpert {
    /// A channel on which nothing was said.
    #[must_use]
    pub fn new() -> Self {
        Self { own: Own::Unknown, events: Queue::new() }
    }

    /// This expert's number, once it is known.
    #[must_use]
    pub fn participant(&self) -> Option<ParticipantId> {
        match self.own {
            Own::Only(id) | Own::Known(id) => Some(id),
            Own::Unknown | Own::Ambiguous => None,
        }
    }

    /// Asks for control: CTRL_CHANGE 3. Version 2; FreeRDP's shadow server takes it too and never answers.
    #[must_use]
    pub fn request_control(&self) -> ToNovice {
        self.wish(Rights::ViewAndInteract)
    }

    /// Gives control back, or asks for the picture again: CTRL_CHANGE 1. Stop input first, and say
    /// [`crate::remdesk::RemdeskExpert::release_control`] as well.
    #[must_use]
    pub fn release_control(&self) -> ToNovice {
        self.wish(Rights::View)
    }

    /// Wants no picture for now: CTRL_CHANGE 0.
    #[must_use]
    pub fn release_view(&self) -> ToNovice {
        self.wish(Rights::Nothing)
    }

    /// Takes one complete channel PDU; the events wait in [`Self::take_events`]. Nothing is ever answered at once.
    pub fn receive(&mut self, pdu: &[u8]) {
        if self.events.is_shut() {
            return;
        }
        match decode(pdu) {
            Ok(orders) => orders.into_iter().for_each(|order| self.hear(order)),
            Err(error) => self.events.push_last(ExpertEvent::Malformed(error)),
        }
    }

    /// The events since the last call, oldest first; at most [`crate::MAX_WAITING_EVENTS`] and one more.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<ExpertEvent> {
        self.events.take()
    }

    fn wish(&self, rights: Rights) -> ToNovice {
        // 0 when nobody told, as FreeRDP does; novices accept it.
        let id = self.participant().unwrap_or(ParticipantId(0));
        // No text in it, so an empty PDU never happens.
        ToNovice::new(Order::ControlChange { flags: ControlFlags::wishing(rights), id }.encode().unwrap_or_default())
    }

    fn hear(&mut self, order: Order) {
        match order {
            Order::ParticipantCreated { id, flags, .. } => {
                self.learn(id, flags);
                if self.participant() == Some(id) {
                    self.tell(ExpertEvent::Rights(flags.rights()));
                }
            }
            Order::ParticipantRemoved { id, .. } if self.participant() == Some(id) => self.tell(ExpertEvent::Removed),
            Order::ControlChangeResponse { id, reason, .. } if reason != 0 && self.participant() == Some(id) => {
                self.tell(ExpertEvent::RequestRefused { reason });
            }
            Order::GraphicsPaused => self.tell(ExpertEvent::Paused),
            Order::GraphicsResumed => self.tell(ExpertEvent::Resumed),
            // About others, about windows, said by experts, or said again by the participant order.
            Order::FilterStateUpdated { .. }
            | Order::AppRemoved { .. }
            | Order::AppCreated { .. }
            | Order::WindowRemoved { .. }
            | Order::WindowCreated { .. }
            | Order::WindowShow { .. }
            | Order::ParticipantRemoved { .. }
            | Order::ControlChange { .. }
            | Order::WindowRegion { .. }
            | Order::ControlChangeResponse { .. } => {}
        }
    }

    /// INVARIANT: the number is learned from the flag once and never changes after.
    fn learn(&mut self, id: ParticipantId, flags: ParticipantFlags) {
        self.own = match self.own {
            Own::Known(own) => Own::Known(own),
            _ if flags.is_receiver() => Own::Known(id),
            Own::Unknown => Own::Only(id),
            Own::Only(only) if only == id => Own::Only(id),
            Own::Only(_) | Own::Ambiguous => {
                // The rights heard so far may be another's: what is not known to be ours is not ours.
                if self.own != Own::Ambiguous {
                    self.tell(ExpertEvent::Rights(Rights::Nothing));
                }
                Own::Ambiguous
            }
        };
    }

    fn tell(&mut self, event: ExpertEvent) {
        self.events.push(event, || ExpertEvent::Malformed(EncomspError::Flood));
    }
}
