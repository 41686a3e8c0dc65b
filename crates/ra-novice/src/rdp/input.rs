//! Input PDUs, fast-path and slow, as [`InputEvent`]s. Which of them count is for the session to say.

use ironrdp_core::decode;
use ironrdp_pdu::input::fast_path::{self, FastPathInput, FastPathInputEvent, SynchronizeFlags};
use ironrdp_pdu::input::mouse::PointerFlags;
use ironrdp_pdu::input::mouse_rel::PointerRelFlags;
use ironrdp_pdu::input::mouse_x::PointerXFlags;
use ironrdp_pdu::input::scan_code::KeyboardFlags;
use ironrdp_pdu::input::sync::SyncToggleFlags;
use ironrdp_pdu::input::unicode;
use ironrdp_pdu::input::{self as slow, MousePdu, MouseRelPdu, MouseXPdu};
use ra_session::{Axis, Button, InputEvent, Prefix};

/// The events of one fast-path input PDU, in order.
///
/// # Errors
/// The PDU cannot be read.
pub(super) fn from_fast_path(frame: &[u8]) -> Result<Vec<InputEvent>, ironrdp_core::DecodeError> {
    let pdu: FastPathInput = decode(frame)?;
    let mut events = Vec::with_capacity(pdu.input_events().len());
    for event in pdu.input_events() {
        match event {
            FastPathInputEvent::KeyboardEvent(flags, code) => {
                let prefix = prefix(
                    flags.contains(fast_path::KeyboardFlags::EXTENDED),
                    flags.contains(fast_path::KeyboardFlags::EXTENDED1),
                );
                let pressed = !flags.contains(fast_path::KeyboardFlags::RELEASE);
                events.push(InputEvent::Key { code: *code, prefix, pressed });
            }
            FastPathInputEvent::UnicodeKeyboardEvent(flags, unit) => {
                let pressed = !flags.contains(fast_path::KeyboardFlags::RELEASE);
                events.push(InputEvent::Unicode { unit: *unit, pressed });
            }
            FastPathInputEvent::MouseEvent(pdu) => pointer(pdu, &mut events),
            FastPathInputEvent::MouseEventEx(pdu) => pointer_x(pdu, &mut events),
            FastPathInputEvent::MouseEventRel(pdu) => pointer_relative(pdu, &mut events),
            FastPathInputEvent::SyncEvent(locks) => events.push(InputEvent::Locks {
                scroll: locks.contains(SynchronizeFlags::SCROLL_LOCK),
                num: locks.contains(SynchronizeFlags::NUM_LOCK),
                caps: locks.contains(SynchronizeFlags::CAPS_LOCK),
                kana: locks.contains(SynchronizeFlags::KANA_LOCK),
            }),
            FastPathInputEvent::QoeEvent(_) => {}
        }
    }
    Ok(events)
}

/// The events of one slow-path input PDU, in order.
pub(super) fn from_slow_path(pdu: &slow::InputEventPdu) -> Vec<InputEvent> {
    let mut events = Vec::with_capacity(pdu.0.len());
    for event in &pdu.0 {
        match event {
            slow::InputEvent::ScanCode(key) => {
                let prefix =
                    prefix(key.flags.contains(KeyboardFlags::EXTENDED), key.flags.contains(KeyboardFlags::EXTENDED_1));
                let pressed = !key.flags.contains(KeyboardFlags::RELEASE);
                // A set-1 scancode has seven bits; the field has sixteen.
                if let Ok(code) = u8::try_from(key.key_code) {
                    events.push(InputEvent::Key { code, prefix, pressed });
                }
            }
            slow::InputEvent::Unicode(key) => {
                let pressed = !key.flags.contains(unicode::KeyboardFlags::RELEASE);
                events.push(InputEvent::Unicode { unit: key.unicode_code, pressed });
            }
            slow::InputEvent::Mouse(pdu) => pointer(pdu, &mut events),
            slow::InputEvent::MouseX(pdu) => pointer_x(pdu, &mut events),
            slow::InputEvent::MouseRel(pdu) => pointer_relative(pdu, &mut events),
            slow::InputEvent::Sync(sync) => events.push(InputEvent::Locks {
                scroll: sync.flags.contains(SyncToggleFlags::SCROLL_LOCK),
                num: sync.flags.contains(SyncToggleFlags::NUM_LOCK),
                caps: sync.flags.contains(SyncToggleFlags::CAPS_LOCK),
                kana: sync.flags.contains(SyncToggleFlags::KANA_LOCK),
            }),
            slow::InputEvent::Unused(_) => {}
        }
    }
    events
}

fn prefix(e0: bool, e1: bool) -> Prefix {
    match (e0, e1) {
        (_, true) => Prefix::E1,
        (true, false) => Prefix::E0,
        (false, false) => Prefix::None,
    }
}

fn pointer(pdu: &MousePdu, events: &mut Vec<InputEvent>) {
    let (x, y) = (pdu.x_position, pdu.y_position);
    for (flag, axis) in
        [(PointerFlags::VERTICAL_WHEEL, Axis::Vertical), (PointerFlags::HORIZONTAL_WHEEL, Axis::Horizontal)]
    {
        if pdu.flags.contains(flag) {
            // A wheel message carries no place that means anything.
            events.push(InputEvent::Wheel { axis, units: pdu.number_of_wheel_rotation_units });
            return;
        }
    }
    let buttons = [
        (PointerFlags::LEFT_BUTTON, Button::Left),
        (PointerFlags::RIGHT_BUTTON, Button::Right),
        (PointerFlags::MIDDLE_BUTTON_OR_WHEEL, Button::Middle),
    ];
    let pressed = pdu.flags.contains(PointerFlags::DOWN);
    let before = events.len();
    for (flag, button) in buttons {
        if pdu.flags.contains(flag) {
            events.push(InputEvent::Button { button, pressed, x, y });
        }
    }
    if events.len() == before && pdu.flags.contains(PointerFlags::MOVE) {
        events.push(InputEvent::PointerMove { x, y });
    }
}

fn pointer_x(pdu: &MouseXPdu, events: &mut Vec<InputEvent>) {
    let pressed = pdu.flags.contains(PointerXFlags::DOWN);
    for (flag, button) in [(PointerXFlags::BUTTON1, Button::X1), (PointerXFlags::BUTTON2, Button::X2)] {
        if pdu.flags.contains(flag) {
            events.push(InputEvent::Button { button, pressed, x: pdu.x_position, y: pdu.y_position });
        }
    }
}

/// Only the distance of a relative event counts: this host does not announce buttons that come without a place.
fn pointer_relative(pdu: &MouseRelPdu, events: &mut Vec<InputEvent>) {
    if pdu.flags.contains(PointerRelFlags::MOVE) {
        events.push(InputEvent::PointerMoveBy { dx: pdu.x_delta, dy: pdu.y_delta });
    }
}

#[cfg(test)]
mod tests {
    use ironrdp_core::encode_vec;

    use super::*;

    fn read(event: FastPathInputEvent) -> Vec<InputEvent> {
        from_fast_path(&encode_vec(&FastPathInput::single(event)).unwrap()).unwrap()
    }

    fn mouse(flags: PointerFlags, units: i16) -> FastPathInputEvent {
        FastPathInputEvent::MouseEvent(MousePdu {
            flags,
            number_of_wheel_rotation_units: units,
            x_position: 7,
            y_position: 9,
        })
    }

    #[test]
    fn s113_buttons_keep_their_place_and_the_wheel_its_direction() {
        let down = read(mouse(PointerFlags::MIDDLE_BUTTON_OR_WHEEL | PointerFlags::DOWN, 0));
        assert_eq!(down, [InputEvent::Button { button: Button::Middle, pressed: true, x: 7, y: 9 }]);
        assert_eq!(read(mouse(PointerFlags::MOVE, 0)), [InputEvent::PointerMove { x: 7, y: 9 }]);
        for (flag, axis) in
            [(PointerFlags::VERTICAL_WHEEL, Axis::Vertical), (PointerFlags::HORIZONTAL_WHEEL, Axis::Horizontal)]
        {
            for units in [120, -120] {
                assert_eq!(read(mouse(flag, units)), [InputEvent::Wheel { axis, units }]);
            }
        }
    }

    #[test]
    fn s113_a_scancode_keeps_its_prefix() {
        let key = |flags| read(FastPathInputEvent::KeyboardEvent(flags, 0x1D));
        let pressed = |prefix| [InputEvent::Key { code: 0x1D, prefix, pressed: true }];
        assert_eq!(key(fast_path::KeyboardFlags::empty()), pressed(Prefix::None));
        assert_eq!(key(fast_path::KeyboardFlags::EXTENDED), pressed(Prefix::E0));
        assert_eq!(key(fast_path::KeyboardFlags::EXTENDED1), pressed(Prefix::E1));
    }

    #[test]
    fn half_a_pdu_is_an_error() {
        let whole = encode_vec(&FastPathInput::single(mouse(PointerFlags::MOVE, 0))).unwrap();
        for end in 0..whole.len() {
            assert!(from_fast_path(&whole[..end]).is_err(), "{end}");
        }
    }
}
