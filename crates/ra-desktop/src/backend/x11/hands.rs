//! Acting on an X11 desktop: XTest for keys and pointer, XKB for locks and characters.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ra_session::input::{Axis, Button, InputEvent, Prefix};
use x11rb::connection::Connection;
use x11rb::errors::ConnectionError;
use x11rb::protocol::Event;
use x11rb::protocol::xkb::{ConnectionExt as _, EventType, Group, ID, MapPart, SelectEventsAux};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, Keycode, Keysym,
    MOTION_NOTIFY_EVENT, ModMask, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::{ReplyError, RustConnection};

use super::area::Area;
use super::keymap::{Keymap, symbols};
use super::ledger::Ledger;
use super::scancode::{PAUSE_SECOND, keycode};
use super::{Link, unreachable};
use crate::OpenError;
use crate::input::{Act, Hands, InjectError};

/// The injecting connection and everything that it holds down.
pub(super) struct X11Hands {
    connection: RustConnection,
    root: Window,
    ledger: Ledger,
    area: Area,
    keymap: Keymap,
    /// The layout has changed since it was read.
    stale: bool,
    pool: Vec<Slot>,
    keys: BTreeSet<Keycode>,
    buttons: BTreeSet<u8>,
    /// Wheel units that do not make a notch yet, vertical and horizontal.
    units: [i32; 2],
    high_surrogate: Option<u16>,
    /// The Num Lock code behind a Pause is still to come.
    pause: bool,
}

/// A spare keycode that we lend to characters which have no key here.
///
/// One would not do: a program looks a key up after we have bound it to the next character already. With all of them in turn
/// a binding lives for a dozen characters and at least [`REUSE`].
struct Slot {
    keycode: Keycode,
    symbol: Keysym,
    used: Option<Instant>,
}

impl X11Hands {
    pub(super) fn new(link: Link, ledger: Ledger, area: Area) -> Result<Self, OpenError> {
        let Link { connection, root, .. } = link;
        let setup = || -> Result<Keymap, ReplyError> {
            connection.xkb_use_extension(1, 0)?.reply()?;
            let parts = MapPart::KEY_TYPES | MapPart::KEY_SYMS | MapPart::MODIFIER_MAP;
            let events = EventType::NEW_KEYBOARD_NOTIFY | EventType::MAP_NOTIFY;
            let (keyboard, none) = (ID::USE_CORE_KBD.into(), EventType::from(0_u16));
            connection.xkb_select_events(keyboard, none, events, parts, parts, &SelectEventsAux::new())?.check()?;
            // So that a program which holds a server grab cannot stall the novice's way out of control.
            connection.xtest_grab_control(true)?.check()?;
            Keymap::read(&connection)
        };
        let keymap = setup().map_err(unreachable)?;
        if keymap.symbol(EVDEV_UP) != SYMBOL_UP {
            tracing::warn!("the X server's keycodes are not those of evdev: some keys will be others here");
        }
        let mut hands = Self {
            connection,
            root,
            ledger,
            area,
            keymap,
            stale: false,
            pool: Vec::new(),
            keys: BTreeSet::new(),
            buttons: BTreeSet::new(),
            units: [0; 2],
            high_surrogate: None,
            pause: false,
        };
        hands.rebuild_pool();
        Ok(hands)
    }

    fn key(&mut self, prefix: Prefix, code: u8, pressed: bool) -> Result<(), ConnectionError> {
        match prefix {
            Prefix::E1 => self.pause = pressed || self.pause,
            _ if std::mem::take(&mut self.pause) && pressed && (prefix, code) == (Prefix::None, PAUSE_SECOND) => {
                return Ok(());
            }
            Prefix::None | Prefix::E0 => {}
        }
        let Some(keycode) = keycode(prefix, code) else { return Ok(()) };
        if pressed && self.keys.insert(keycode) {
            self.press(keycode)?;
        } else if !pressed && self.keys.remove(&keycode) {
            self.fake(KEY_RELEASE_EVENT, keycode, 0, 0)?;
        }
        // Else a repetition, which the server makes by itself, or the end of a press that never arrived here.
        Ok(())
    }

    /// The character that a UTF-16 unit completes.
    fn character(&mut self, unit: u16) -> Option<char> {
        let pair = [self.high_surrogate.take().unwrap_or_default(), unit];
        let units = if (0xDC00..0xE000).contains(&unit) { &pair[..] } else { &pair[1..] };
        match char::decode_utf16(units.iter().copied()).next()? {
            Ok(character) => Some(character).filter(|character| *character != '\0'),
            Err(_) => {
                self.high_surrogate = (0xD800..0xDC00).contains(&unit).then_some(unit);
                None
            }
        }
    }

    /// How to type a character: with its key if it has one, else with a key that is made for it.
    fn type_with(&mut self, character: char, wanted: &dyn Fn() -> bool) -> Result<Act, ReplyError> {
        if std::mem::take(&mut self.stale) {
            self.keymap = Keymap::read(&self.connection)?;
            self.rebuild_pool();
        }
        let symbols = symbols(character);
        let Some(symbol) = symbols.first().copied() else { return Ok(Act::Nothing) };
        if let Some(slot) = self.pool.iter_mut().find(|slot| slot.symbol == symbol) {
            slot.used = Some(Instant::now());
            return Ok(Act::Tap { keycode: slot.keycode, shift: None });
        }
        let state = self.connection.xkb_get_state(ID::USE_CORE_KBD.into())?.reply()?;
        if let Some(stroke) = self.keymap.find(&symbols, u16::from(state.mods), u8::from(state.group)) {
            let shift = if stroke.shift { self.keymap.shift_key() } else { None };
            return Ok(Act::Tap { keycode: stroke.keycode, shift });
        }
        let Some(slot) = self.pool.iter_mut().min_by_key(|slot| slot.used) else {
            tracing::debug!("no spare keycode for a character without a key");
            return Ok(Act::Nothing);
        };
        // Programs may still have to read what this keycode meant before.
        while slot.used.is_some_and(|used| used.elapsed() < REUSE) {
            if !wanted() {
                return Ok(Act::Nothing);
            }
            std::thread::sleep(SLICE);
        }
        (slot.symbol, slot.used) = (symbol, Some(Instant::now()));
        // Twice the same: a single symbol of a letter would get its capital as the second level.
        self.connection.change_keyboard_mapping(1, slot.keycode, 2, &[symbol, symbol])?;
        Ok(Act::Tap { keycode: slot.keycode, shift: None })
    }

    fn tap(&self, keycode: Keycode, shift: Option<Keycode>) -> Result<(), ConnectionError> {
        if let Some(shift) = shift {
            self.press(shift)?;
        }
        self.press(keycode)?;
        self.fake(KEY_RELEASE_EVENT, keycode, 0, 0)?;
        if let Some(shift) = shift {
            self.fake(KEY_RELEASE_EVENT, shift, 0, 0)?;
        }
        Ok(())
    }

    /// Presses a key, after it was noted for the watcher.
    fn press(&self, keycode: Keycode) -> Result<(), ConnectionError> {
        self.ledger.note(keycode, Instant::now());
        self.fake(KEY_PRESS_EVENT, keycode, 0, 0)
    }

    fn button(&mut self, button: u8, pressed: bool) -> Result<(), ConnectionError> {
        if pressed && self.buttons.insert(button) {
            self.fake(BUTTON_PRESS_EVENT, button, 0, 0)?;
        } else if !pressed && self.buttons.remove(&button) {
            self.fake(BUTTON_RELEASE_EVENT, button, 0, 0)?;
        }
        Ok(())
    }

    fn wheel(&mut self, axis: Axis, units: i16) -> Result<(), ConnectionError> {
        let (sum, forth, back) = match axis {
            Axis::Vertical => (&mut self.units[0], 4, 5),
            Axis::Horizontal => (&mut self.units[1], 7, 6),
        };
        // A turn in the other direction does not first have to undo what was left over.
        let units = i32::from(units);
        *sum = if sum.signum() * units.signum() < 0 { units } else { *sum + units };
        let notches = *sum / NOTCH;
        *sum %= NOTCH;
        let button = if notches > 0 { forth } else { back };
        for _ in 0..notches.unsigned_abs() {
            self.fake(BUTTON_PRESS_EVENT, button, 0, 0)?;
            self.fake(BUTTON_RELEASE_EVENT, button, 0, 0)?;
        }
        Ok(())
    }

    fn locks(&self, num: bool, caps: bool) -> Result<(), ConnectionError> {
        let (caps_mask, num_mask) = (u16::from(ModMask::LOCK), self.keymap.num_lock());
        let wanted = if caps { caps_mask } else { 0 } | if num { num_mask } else { 0 };
        let affected = ModMask::from(caps_mask | num_mask);
        let keyboard = ID::USE_CORE_KBD.into();
        let none = ModMask::from(0_u16);
        self.connection.xkb_latch_lock_state(keyboard, affected, wanted.into(), false, Group::M1, none, false, 0)?;
        Ok(())
    }

    /// Points at a place in the picture; false when there is no picture to point at.
    fn point(&self, x: u16, y: u16) -> Result<bool, ConnectionError> {
        let Some((x, y)) = self.area.on_root(x, y) else { return Ok(false) };
        self.fake(MOTION_NOTIFY_EVENT, ABSOLUTE, x, y).map(|()| true)
    }

    fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) -> Result<(), ConnectionError> {
        self.connection.xtest_fake_input(kind, detail, x11rb::CURRENT_TIME, self.root, x, y, 0)?;
        Ok(())
    }

    fn carry_out(&mut self, event: InputEvent) -> Result<(), ConnectionError> {
        match event {
            InputEvent::Key { code, prefix, pressed } => self.key(prefix, code, pressed),
            // Typed by a tap when it went down; there is nothing to lift.
            InputEvent::Unicode { .. } => Ok(()),
            InputEvent::PointerMove { x, y } => self.point(x, y).map(drop),
            InputEvent::PointerMoveBy { dx, dy } => self.fake(MOTION_NOTIFY_EVENT, RELATIVE, dx, dy),
            InputEvent::Button { button, pressed, x, y } => {
                // What cannot be seen is not clicked on; what is held can always be let go.
                if self.point(x, y)? || !pressed { self.button(button_number(button), pressed) } else { Ok(()) }
            }
            InputEvent::Wheel { axis, units } => self.wheel(axis, units),
            InputEvent::Locks { num, caps, .. } => self.locks(num, caps),
        }
    }

    /// The pool after the layout was read again: what still has our symbol stays, and every free keycode is in it.
    fn rebuild_pool(&mut self) {
        let keymap = &self.keymap;
        let old = std::mem::take(&mut self.pool);
        let ours = |slot: &Slot| slot.symbol != 0 && keymap.symbol(slot.keycode) == slot.symbol;
        let free = keymap.spare().map(|keycode| {
            let used = old.iter().find(|slot| slot.keycode == keycode).and_then(|slot| slot.used);
            Slot { keycode, symbol: 0, used }
        });
        let free: Vec<Slot> = free.collect();
        self.pool = old.into_iter().filter(ours).chain(free).collect();
    }

    fn take_events(&mut self) {
        while let Ok(Some(event)) = self.connection.poll_for_event() {
            match event {
                Event::MappingNotify(_) | Event::XkbMapNotify(_) | Event::XkbNewKeyboardNotify(_) => self.stale = true,
                Event::Error(error) => tracing::debug!(kind = ?error.error_kind, "the X server refused a request"),
                _ => {}
            }
        }
    }
}

impl Hands for X11Hands {
    fn prepare(&mut self, event: InputEvent, wanted: &dyn Fn() -> bool) -> Result<Act, InjectError> {
        self.take_events();
        let InputEvent::Unicode { unit, pressed: true } = event else { return Ok(Act::Event(event)) };
        match self.character(unit) {
            Some(character) => self.type_with(character, wanted).map_err(gone),
            None => Ok(Act::Nothing),
        }
    }

    fn perform(&mut self, act: Act) -> Result<(), InjectError> {
        let done = match act {
            Act::Event(event) => self.carry_out(event),
            Act::Tap { keycode, shift } => self.tap(keycode, shift),
            Act::Nothing => Ok(()),
        };
        done.and_then(|()| self.connection.flush()).map_err(gone)
    }

    fn release_all(&mut self) -> Result<usize, InjectError> {
        self.high_surrogate = None;
        self.pause = false;
        self.units = [0; 2];
        let (keys, buttons) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.buttons));
        for keycode in &keys {
            self.fake(KEY_RELEASE_EVENT, *keycode, 0, 0).map_err(gone)?;
        }
        for button in &buttons {
            self.fake(BUTTON_RELEASE_EVENT, *button, 0, 0).map_err(gone)?;
        }
        self.connection.get_input_focus().map_err(gone)?.reply().map_err(gone)?;
        Ok(keys.len() + buttons.len())
    }

    fn held(&self) -> usize {
        self.keys.len() + self.buttons.len()
    }
}

impl Drop for X11Hands {
    /// Lifts what is held and gives the spare keycodes back, once the programs had time to read their last use.
    fn drop(&mut self) {
        let last = self.pool.iter().filter_map(|slot| slot.used).max();
        if self.release_all().is_err() {
            return;
        }
        if let Some(last) = last {
            std::thread::sleep((last + REUSE).saturating_duration_since(Instant::now()));
        }
        for slot in self.pool.iter().filter(|slot| slot.symbol != 0) {
            // Only what still is ours: another program may have found the same keycode free.
            let ours =
                self.connection.get_keyboard_mapping(slot.keycode, 1).ok().and_then(|cookie| cookie.reply().ok());
            if ours.is_some_and(|mapping| mapping.keysyms.first() == Some(&slot.symbol)) {
                drop(self.connection.change_keyboard_mapping(1, slot.keycode, 1, &[0]));
            }
        }
        drop(self.connection.get_input_focus().map(|cookie| cookie.reply()));
    }
}

fn button_number(button: Button) -> u8 {
    match button {
        Button::Left => 1,
        Button::Middle => 2,
        Button::Right => 3,
        Button::X1 => 8,
        Button::X2 => 9,
    }
}

fn gone(error: impl std::fmt::Display) -> InjectError {
    InjectError::Gone(error.to_string())
}

/// Wheel units of one notch. Source: [MS-RDPBCGR] 2.2.8.1.1.3.1.1.3, rotation units.
const NOTCH: i32 = 120;
/// Kinds of motion. Source: XTEST protocol, FakeInput.
const ABSOLUTE: u8 = 0;
const RELATIVE: u8 = 1;
/// How long a spare keycode keeps its symbol after its last use. A program reads what a key means when it comes to the
/// key stroke, and on a machine that is fully busy it was seen to come there more than a quarter of a second later.
const REUSE: Duration = Duration::from_secs(1);
/// How soon a wait for a keycode notices that control is over.
const SLICE: Duration = Duration::from_millis(2);
/// The Up key under the evdev rules, and its symbol.
const EVDEV_UP: Keycode = 111;
const SYMBOL_UP: Keysym = 0xFF52;
