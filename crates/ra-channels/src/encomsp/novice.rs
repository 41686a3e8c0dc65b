//! The novice's side of `encomsp`: tells one expert its rights and hears its wishes.

use super::Rights;
use super::pdu::{ControlFlags, EncomspError, MAX_NAME_UNITS, Order, ParticipantFlags, ParticipantId, decode};
use crate::queue::Queue;
use crate::wire::{TextError, ToExpert, check_text};

/// What the expert wishes. A wish changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoviceEvent {
    /// CTRL_CHANGE with REQUEST_INTERACT: the expert asks for control.
    ControlRequested,
    /// CTRL_CHANGE with REQUEST_VIEW alone: the expert gives control back, or wants the picture again.
    ControlReleased,
    /// CTRL_CHANGE without flags: the expert wants no picture; paused for it.
    ViewReleased,
    /// The expert broke the protocol. The machine is deaf from here on: close.
    Malformed(EncomspError),
}

/// The novice's side of one connection with one expert.
///
/// It sends orders of the types that FreeRDP understands only, each in a PDU of its own, and every order about the
/// expert says so with IS_PARTICIPANT.
#[derive(Debug)]
pub struct EncomspNovice {
    id: ParticipantId,
    name: String,
    stage: Stage,
    events: Queue<NoviceEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The expert was not told that it takes part; its wishes are dropped.
    Unannounced,
    Announced,
    Removed,
}

impl EncomspNovice {
    /// A channel on which nothing was said; `name` is what the expert is called, at most [`MAX_NAME_UNITS`].
    ///
    /// # Errors
    ///
    /// [`TextError`] when the name is too long or holds a NUL.
    pub fn new(id: ParticipantId, name: &str) -> Result<Self, TextError> {
        check_text(name, "name", MAX_NAME_UNITS)?;
        Ok(Self { id, name: name.to_owned(), stage: Stage::Unannounced, events: Queue::new() })
    }

    /// Gives the expert another name, for the orders to come: it is known only after the proof.
    ///
    /// # Errors
    ///
    /// [`TextError`] when the name is too long or holds a NUL; the old name stays.
    pub fn rename(&mut self, name: &str) -> Result<(), TextError> {
        check_text(name, "name", MAX_NAME_UNITS)?;
        name.clone_into(&mut self.name);
        Ok(())
    }

    /// Announces the expert: no filter, and a participant without rights. Say it after the novice's yes, then
    /// [`Self::rights`] with [`Rights::View`].
    #[must_use]
    pub fn announce(&mut self) -> [ToExpert; 2] {
        self.stage = Stage::Announced;
        [say(&Order::FilterStateUpdated { enabled: false }), self.rights(Rights::Nothing)]
    }

    /// Tells the expert what it may do now. Open a gate before and shut it before: this order only reports it.
    #[must_use]
    pub fn rights(&self, rights: Rights) -> ToExpert {
        say(&Order::ParticipantCreated {
            id: self.id,
            group: 0,
            flags: ParticipantFlags::own(rights),
            name: self.name.clone(),
        })
    }

    /// Tells the expert that it is out: PARTICIPANT_REMOVED by the host. Deaf from here on.
    #[must_use]
    pub fn remove(&mut self) -> ToExpert {
        self.stage = Stage::Removed;
        self.events.shut();
        say(&Order::ParticipantRemoved { id: self.id, kind: BY_HOST, code: 0 })
    }

    /// Tells the expert that the picture stands still: GRAPHICS_STREAM_PAUSED.
    #[must_use]
    pub fn pause(&self) -> ToExpert {
        say(&Order::GraphicsPaused)
    }

    /// Tells the expert that the picture moves again: GRAPHICS_STREAM_RESUMED.
    #[must_use]
    pub fn resume(&self) -> ToExpert {
        say(&Order::GraphicsResumed)
    }

    /// Takes one complete channel PDU; the events wait in [`Self::take_events`]. Nothing is ever answered at once.
    pub fn receive(&mut self, pdu: &[u8]) {
        if self.events.is_shut() {
            return;
        }
        match decode(pdu) {
            Ok(orders) => orders.into_iter().for_each(|order| self.hear(&order)),
            Err(error) => self.events.push_last(NoviceEvent::Malformed(error)),
        }
    }

    /// The events since the last call, oldest first; at most [`crate::MAX_WAITING_EVENTS`] and one more.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<NoviceEvent> {
        self.events.take()
    }

    fn hear(&mut self, order: &Order) {
        // FreeRDP says 0 when it does not know its own number. WND_SHOW needs a filter, which we never set.
        if let Order::ControlChange { flags, id } = order
            && self.stage == Stage::Announced
            && (*id == self.id || *id == ParticipantId(0))
        {
            let event = match ControlFlags::wish(*flags) {
                Rights::ViewAndInteract => NoviceEvent::ControlRequested,
                Rights::View => NoviceEvent::ControlReleased,
                Rights::Nothing => NoviceEvent::ViewReleased,
            };
            self.events.push(event, || NoviceEvent::Malformed(EncomspError::Flood));
        }
    }
}

/// The only text of ours was checked when the machine got it, so an empty PDU never happens.
fn say(order: &Order) -> ToExpert {
    ToExpert::new(order.encode().unwrap_or_default())
}

/// DiscType of a removal by the host.
const BY_HOST: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn novice() -> EncomspNovice {
        EncomspNovice::new(ParticipantId(7), "Expert").unwrap()
    }

    fn wish(novice: &mut EncomspNovice, flags: u16, id: u32) -> Vec<NoviceEvent> {
        let order = Order::ControlChange { flags: ControlFlags(flags), id: ParticipantId(id) };
        novice.receive(&order.encode().unwrap());
        novice.take_events()
    }

    #[test]
    fn every_order_about_the_expert_says_that_it_is_the_receiver() {
        let mut novice = novice();
        let [filter, nothing] = novice.announce();
        assert_eq!(decode(filter.as_bytes()).unwrap(), [Order::FilterStateUpdated { enabled: false }]);
        let orders = [nothing, novice.rights(Rights::View), novice.rights(Rights::ViewAndInteract)];
        for (order, flags) in orders.iter().zip([4, 5, 7]) {
            let expected = Order::ParticipantCreated {
                id: ParticipantId(7),
                group: 0,
                flags: ParticipantFlags(flags),
                name: "Expert".into(),
            };
            assert_eq!(decode(order.as_bytes()).unwrap(), [expected]);
        }
    }

    #[test]
    fn wishes_are_heard_from_the_expert_and_from_nobody_else() {
        let mut novice = novice();
        let _ = novice.announce();
        // FreeRDP 2 always says 0; FreeRDP 3 the number that it was told.
        for id in [7, 0] {
            assert_eq!(wish(&mut novice, 3, id), [NoviceEvent::ControlRequested]);
            assert_eq!(wish(&mut novice, 2, id), [NoviceEvent::ControlRequested]);
            assert_eq!(wish(&mut novice, 1, id), [NoviceEvent::ControlReleased]);
            assert_eq!(wish(&mut novice, 0, id), [NoviceEvent::ViewReleased]);
            assert_eq!(wish(&mut novice, 8, id), [NoviceEvent::ViewReleased], "8 is never sent and asks for nothing");
        }
        assert_eq!(wish(&mut novice, 3, 8), []);
    }

    #[test]
    fn wishes_count_between_the_announcement_and_the_removal() {
        let mut novice = novice();
        assert_eq!(wish(&mut novice, 3, 7), []);
        let _ = novice.announce();
        assert_eq!(wish(&mut novice, 3, 7), [NoviceEvent::ControlRequested]);
        let removed = novice.remove();
        let expected = Order::ParticipantRemoved { id: ParticipantId(7), kind: 0, code: 0 };
        assert_eq!(decode(removed.as_bytes()).unwrap(), [expected]);
        assert_eq!(wish(&mut novice, 3, 7), []);
    }

    #[test]
    fn what_only_novices_say_is_passed_over() {
        let mut novice = novice();
        let _ = novice.announce();
        novice.receive(novice.rights(Rights::ViewAndInteract).as_bytes().to_vec().as_slice());
        novice.receive(&Order::WindowShow { window: 1 }.encode().unwrap());
        assert_eq!(novice.take_events(), []);
    }

    #[test]
    fn a_flood_of_orders_in_one_message_ends_in_one_last_event() {
        let mut novice = novice();
        let _ = novice.announce();
        let order = Order::ControlChange { flags: ControlFlags(3), id: ParticipantId(7) }.encode().unwrap();
        novice.receive(&order.repeat(6000));
        let events = novice.take_events();
        assert_eq!(events.len(), crate::MAX_WAITING_EVENTS + 1);
        assert_eq!(events.last(), Some(&NoviceEvent::Malformed(EncomspError::Flood)));
        assert_eq!(wish(&mut novice, 3, 7), []);
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused_and_the_old_one_stays() {
        assert!(matches!(
            EncomspNovice::new(ParticipantId(0), &"n".repeat(1025)),
            Err(TextError::TooLong { limit: 1024, .. })
        ));
        let mut novice = novice();
        assert!(novice.rename("nul\0").is_err());
        assert_eq!(novice.rights(Rights::View).as_bytes().len(), 4 + 10 + 2 + 12);
        novice.rename("Mum").unwrap();
        assert_eq!(novice.rights(Rights::View).as_bytes().len(), 4 + 10 + 2 + 6);
    }
}
