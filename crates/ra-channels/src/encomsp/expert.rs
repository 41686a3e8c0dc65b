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

#[cfg(test)]
mod tests {
    use super::*;

    fn participant(expert: &mut EncomspExpert, id: u32, flags: u16) -> Vec<ExpertEvent> {
        let order = Order::ParticipantCreated {
            id: ParticipantId(id),
            group: 0,
            flags: ParticipantFlags(flags),
            name: "Expert".into(),
        };
        expert.receive(&order.encode().unwrap());
        expert.take_events()
    }

    fn wish(message: &ToNovice) -> Order {
        decode(message.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn our_own_novice_is_followed_through_a_session() {
        let mut expert = EncomspExpert::new();
        assert_eq!(participant(&mut expert, 1, 4), [ExpertEvent::Rights(Rights::Nothing)]);
        assert_eq!(participant(&mut expert, 1, 5), [ExpertEvent::Rights(Rights::View)]);
        assert_eq!(participant(&mut expert, 1, 7), [ExpertEvent::Rights(Rights::ViewAndInteract)]);
        let asked = Order::ControlChange { flags: ControlFlags(3), id: ParticipantId(1) };
        assert_eq!(wish(&expert.request_control()), asked);
        let released = Order::ControlChange { flags: ControlFlags(1), id: ParticipantId(1) };
        assert_eq!(wish(&expert.release_control()), released);
    }

    #[test]
    fn the_captures_of_windows_are_followed_without_the_flag() {
        let mut expert = EncomspExpert::new();
        assert_eq!(participant(&mut expert, 0, 4), [ExpertEvent::Rights(Rights::Nothing)]);
        assert_eq!(participant(&mut expert, 0, 0), [ExpertEvent::Rights(Rights::Nothing)]);
        assert_eq!(participant(&mut expert, 0, 1), [ExpertEvent::Rights(Rights::View)]);
        assert_eq!(expert.participant(), Some(ParticipantId(0)));
        let removed = Order::ParticipantRemoved { id: ParticipantId(0), kind: 0, code: 0xd00a_0006 };
        expert.receive(&removed.encode().unwrap());
        assert_eq!(expert.take_events(), [ExpertEvent::Removed]);
    }

    #[test]
    fn the_flag_is_learned_once_and_rights_of_others_are_not_ours() {
        let mut expert = EncomspExpert::new();
        participant(&mut expert, 3, 5);
        assert_eq!(participant(&mut expert, 4, 7), [], "the flag on another changes nothing");
        assert_eq!(participant(&mut expert, 5, 3), []);
        let removed = Order::ParticipantRemoved { id: ParticipantId(4), kind: 0, code: 0 };
        expert.receive(&removed.encode().unwrap());
        assert_eq!(expert.take_events(), []);
        assert_eq!(expert.participant(), Some(ParticipantId(3)));
    }

    #[test]
    fn without_the_flag_the_only_participant_is_ours_until_there_are_two() {
        let mut expert = EncomspExpert::new();
        assert_eq!(participant(&mut expert, 3, 3), [ExpertEvent::Rights(Rights::ViewAndInteract)]);
        assert_eq!(participant(&mut expert, 4, 3), [ExpertEvent::Rights(Rights::Nothing)]);
        assert_eq!(participant(&mut expert, 3, 3), []);
        assert_eq!(expert.participant(), None);
        assert_eq!(participant(&mut expert, 4, 5), [ExpertEvent::Rights(Rights::View)], "the flag settles it");
    }

    #[test]
    fn nobody_announced_means_number_0() {
        let asked = Order::ControlChange { flags: ControlFlags(3), id: ParticipantId(0) };
        assert_eq!(wish(&EncomspExpert::new().request_control()), asked);
    }

    #[test]
    fn to_interact_without_a_view_is_nothing() {
        assert_eq!(participant(&mut EncomspExpert::new(), 1, 6), [ExpertEvent::Rights(Rights::Nothing)]);
    }

    #[test]
    fn pause_and_refusal_are_reported() {
        let mut expert = EncomspExpert::new();
        participant(&mut expert, 1, 5);
        let orders = [
            Order::GraphicsPaused,
            Order::GraphicsResumed,
            Order::ControlChangeResponse { flags: ControlFlags(3), id: ParticipantId(1), reason: 0 },
            Order::ControlChangeResponse { flags: ControlFlags(3), id: ParticipantId(1), reason: 5 },
        ];
        let pdu: Vec<u8> = orders.iter().flat_map(|order| order.encode().unwrap().to_vec()).collect();
        expert.receive(&pdu);
        let expected = [ExpertEvent::Paused, ExpertEvent::Resumed, ExpertEvent::RequestRefused { reason: 5 }];
        assert_eq!(expert.take_events(), expected);
    }
}
