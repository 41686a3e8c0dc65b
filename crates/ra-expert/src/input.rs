//! What the expert's hands do, on its way to the session: a short queue that can never grow or send late.

use core::fmt;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ra_session::{Button, InputEvent, Prefix};
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// The window's end: hands keys, pointer and wishes to the engine without ever waiting.
///
/// What is sent while the expert does not control is dropped by the engine, whatever the window believed.
#[derive(Clone, Default)]
pub struct Controls {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    woken: Notify,
}

#[derive(Default)]
struct Pending {
    orders: VecDeque<Order>,
}

/// One thing to do for the engine. Never printed: it may hold what somebody types.
#[derive(Clone)]
pub(crate) enum Order {
    /// Pass this on, if the expert controls.
    Input(InputEvent),
    /// Type this, if the expert controls.
    Type(Zeroizing<String>),
    /// Lift what is held: the window lost the focus.
    LiftAll,
    /// Ask the novice for control.
    AskForControl,
    /// Give it back.
    GiveControlBack,
    /// End the session.
    End,
}

impl Controls {
    /// Sends a key, a button or a movement.
    pub fn send(&self, event: InputEvent) {
        let mut pending = self.pending();
        // Only the last of several movements in a row matters; a fast mouse on a slow line must not lag behind.
        if matches!(event, InputEvent::PointerMove { .. })
            && let Some(Order::Input(last @ InputEvent::PointerMove { .. })) = pending.orders.back_mut()
        {
            *last = event;
        } else if pending.orders.len() < MAX_PENDING {
            pending.orders.push_back(Order::Input(event));
        } else {
            // Nobody types this far ahead of a live line. Drop it all, but leave nothing pressed.
            pending.orders.retain(|order| !matches!(order, Order::Input(_)));
            pending.orders.push_back(Order::LiftAll);
        }
        drop(pending);
        self.shared.woken.notify_one();
    }

    /// Types a text: characters as such, line feeds and tabulators as the keys that they are.
    pub fn type_text(&self, text: &str) {
        self.order(Order::Type(Zeroizing::new(text.to_owned())));
    }

    /// Lifts every key and button that is held: the window lost the focus.
    pub fn lift_all(&self) {
        self.order(Order::LiftAll);
    }

    /// Asks the novice for control.
    pub fn ask_for_control(&self) {
        self.order(Order::AskForControl);
    }

    /// Gives control back, or withdraws the request.
    pub fn give_control_back(&self) {
        self.order(Order::GiveControlBack);
    }

    /// Ends the session in good order.
    pub fn end(&self) {
        self.order(Order::End);
    }

    pub(crate) async fn woken(&self) {
        self.shared.woken.notified().await;
    }

    pub(crate) fn take(&self) -> VecDeque<Order> {
        core::mem::take(&mut self.pending().orders)
    }

    /// Forgets input, not wishes: nothing typed under one yes may arrive under the next.
    pub(crate) fn forget_input(&self) {
        self.pending().orders.retain(|order| !matches!(order, Order::Input(_) | Order::Type(_)));
    }

    fn order(&self, order: Order) {
        let mut pending = self.pending();
        // The orders of a person: a few. The same one twice in a row says nothing new.
        let repeated = pending.orders.back().is_some_and(|last| same_wish(last, &order));
        if !repeated && pending.orders.len() < 2 * MAX_PENDING {
            pending.orders.push_back(order);
        }
        drop(pending);
        self.shared.woken.notify_one();
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Controls")
    }
}

fn same_wish(a: &Order, b: &Order) -> bool {
    !matches!(a, Order::Input(_) | Order::Type(_)) && core::mem::discriminant(a) == core::mem::discriminant(b)
}

/// Keys and buttons that are down on the novice's side because we said so.
#[derive(Debug, Default)]
pub(crate) struct Held {
    keys: BTreeSet<(u8, Prefix)>,
    units: BTreeSet<u16>,
    buttons: BTreeSet<Button>,
    at: (u16, u16),
}

impl Held {
    /// Takes note of an event that is about to be sent.
    pub(crate) fn note(&mut self, event: InputEvent) {
        match event {
            InputEvent::Key { code, prefix, pressed: true } => drop(self.keys.insert((code, prefix))),
            InputEvent::Key { code, prefix, pressed: false } => drop(self.keys.remove(&(code, prefix))),
            InputEvent::Unicode { unit, pressed: true } => drop(self.units.insert(unit)),
            InputEvent::Unicode { unit, pressed: false } => drop(self.units.remove(&unit)),
            InputEvent::Button { button, pressed, x, y } => {
                self.at = (x, y);
                if pressed {
                    self.buttons.insert(button)
                } else {
                    self.buttons.remove(&button)
                };
            }
            InputEvent::PointerMove { x, y } => self.at = (x, y),
            InputEvent::PointerMoveBy { .. } | InputEvent::Wheel { .. } | InputEvent::Locks { .. } => {}
        }
    }

    /// The events that lift everything; nothing is held afterwards.
    pub(crate) fn lift(&mut self) -> Vec<InputEvent> {
        let (x, y) = self.at;
        let keys = core::mem::take(&mut self.keys).into_iter();
        let units = core::mem::take(&mut self.units).into_iter();
        let buttons = core::mem::take(&mut self.buttons).into_iter();
        keys.map(|(code, prefix)| InputEvent::Key { code, prefix, pressed: false })
            .chain(units.map(|unit| InputEvent::Unicode { unit, pressed: false }))
            .chain(buttons.map(|button| InputEvent::Button { button, pressed: false, x, y }))
            .collect()
    }

    /// Forgets what is held: the novice's side has lifted it already.
    pub(crate) fn forget(&mut self) {
        *self = Self { at: self.at, ..Self::default() };
    }
}

/// The events that type a text: characters as Unicode events, line feed and tabulator as the keys that they are.
pub(crate) fn typed(text: &str) -> Vec<InputEvent> {
    let mut events = Vec::with_capacity(text.len() * 2);
    let mut units = [0; 2];
    for character in text.chars() {
        let key = match character {
            '\n' => Some(ENTER),
            '\t' => Some(TABULATOR),
            '\r' => continue,
            _ => None,
        };
        if let Some(code) = key {
            events.extend([true, false].map(|pressed| InputEvent::Key { code, prefix: Prefix::None, pressed }));
            continue;
        }
        for &mut unit in character.encode_utf16(&mut units) {
            events.extend([true, false].map(|pressed| InputEvent::Unicode { unit, pressed }));
        }
    }
    events
}

/// Events that may wait for the engine: some seconds of frantic typing.
const MAX_PENDING: usize = 1024;
/// Set-1 scancode of the Enter key.
const ENTER: u8 = 0x1c;
/// Set-1 scancode of the tabulator key.
const TABULATOR: u8 = 0x0f;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: u8, pressed: bool) -> InputEvent {
        InputEvent::Key { code, prefix: Prefix::None, pressed }
    }

    #[test]
    fn movements_in_a_row_become_the_last_one() {
        let controls = Controls::default();
        for x in 0..5000 {
            controls.send(InputEvent::PointerMove { x, y: 1 });
        }
        controls.send(key(30, true));
        controls.send(InputEvent::PointerMove { x: 7, y: 7 });
        let orders = controls.take();
        assert_eq!(orders.len(), 3);
        assert!(matches!(orders[0], Order::Input(InputEvent::PointerMove { x: 4999, y: 1 })));
    }

    #[test]
    fn a_queue_that_overflows_leaves_nothing_pressed_and_forgets_no_wish() {
        let controls = Controls::default();
        controls.give_control_back();
        for _ in 0..MAX_PENDING {
            controls.send(key(30, true));
        }
        let orders = controls.take();
        assert!(matches!(orders[0], Order::GiveControlBack));
        assert!(matches!(orders[1], Order::LiftAll));
        assert_eq!(orders.len(), 2);
    }

    #[test]
    fn what_is_held_is_lifted_once() {
        let mut held = Held::default();
        held.note(key(42, true));
        held.note(key(30, true));
        held.note(key(30, false));
        held.note(InputEvent::Button { button: Button::Left, pressed: true, x: 5, y: 6 });
        let lifted = held.lift();
        assert_eq!(
            lifted.as_slice(),
            [key(42, false), InputEvent::Button { button: Button::Left, pressed: false, x: 5, y: 6 }]
        );
        assert!(held.lift().is_empty());
    }

    #[test]
    fn a_text_is_typed_as_code_units_and_its_line_feeds_as_enter() {
        let events = typed("é\n😀");
        assert_eq!(events.len(), 8);
        assert!(events[0] == InputEvent::Unicode { unit: 0xe9, pressed: true });
        assert!(events[2] == key(ENTER, true));
        assert!(events[4] == InputEvent::Unicode { unit: 0xd83d, pressed: true });
        assert!(events[6] == InputEvent::Unicode { unit: 0xde00, pressed: true });
    }
}
