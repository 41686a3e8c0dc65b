//! Input on the wire: our events as fast-path input. Source: [MS-RDPBCGR] 2.2.8.1.2.

use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags, SynchronizeFlags};
use ironrdp_pdu::input::mouse::PointerFlags;
use ironrdp_pdu::input::mouse_rel::PointerRelFlags;
use ironrdp_pdu::input::mouse_x::PointerXFlags;
use ironrdp_pdu::input::{MousePdu, MouseRelPdu, MouseXPdu};
use ra_session::expert::Sendable;
use ra_session::{Axis, Button, InputEvent, Prefix};

/// An event that may be sent, as the wire knows it.
pub(super) fn fast_path(event: Sendable) -> FastPathInputEvent {
    encode(event.into_event())
}

fn encode(event: InputEvent) -> FastPathInputEvent {
    match event {
        InputEvent::Key { code, prefix, pressed } => {
            let prefix = match prefix {
                Prefix::None => KeyboardFlags::empty(),
                Prefix::E0 => KeyboardFlags::EXTENDED,
                Prefix::E1 => KeyboardFlags::EXTENDED1,
            };
            FastPathInputEvent::KeyboardEvent(prefix | released(pressed), code)
        }
        InputEvent::Unicode { unit, pressed } => FastPathInputEvent::UnicodeKeyboardEvent(released(pressed), unit),
        InputEvent::PointerMove { x, y } => pointer(PointerFlags::MOVE, 0, x, y),
        InputEvent::PointerMoveBy { dx, dy } => {
            FastPathInputEvent::MouseEventRel(MouseRelPdu { flags: PointerRelFlags::MOVE, x_delta: dx, y_delta: dy })
        }
        InputEvent::Button { button, pressed, x, y } => {
            let down = if pressed { PointerFlags::DOWN } else { PointerFlags::empty() };
            let down_x = if pressed { PointerXFlags::DOWN } else { PointerXFlags::empty() };
            match button {
                Button::Left => pointer(PointerFlags::LEFT_BUTTON | down, 0, x, y),
                Button::Right => pointer(PointerFlags::RIGHT_BUTTON | down, 0, x, y),
                Button::Middle => pointer(PointerFlags::MIDDLE_BUTTON_OR_WHEEL | down, 0, x, y),
                Button::X1 => extended(PointerXFlags::BUTTON1 | down_x, x, y),
                Button::X2 => extended(PointerXFlags::BUTTON2 | down_x, x, y),
            }
        }
        InputEvent::Wheel { axis, units } => {
            let flags = match axis {
                Axis::Vertical => PointerFlags::VERTICAL_WHEEL,
                Axis::Horizontal => PointerFlags::HORIZONTAL_WHEEL,
            };
            let range = MousePdu::WHEEL_ROTATION_RANGE;
            pointer(flags, units.clamp(*range.start(), *range.end()), 0, 0)
        }
        InputEvent::Locks { scroll, num, caps, kana } => {
            let mut flags = SynchronizeFlags::empty();
            flags.set(SynchronizeFlags::SCROLL_LOCK, scroll);
            flags.set(SynchronizeFlags::NUM_LOCK, num);
            flags.set(SynchronizeFlags::CAPS_LOCK, caps);
            flags.set(SynchronizeFlags::KANA_LOCK, kana);
            FastPathInputEvent::SyncEvent(flags)
        }
    }
}

fn released(pressed: bool) -> KeyboardFlags {
    if pressed { KeyboardFlags::empty() } else { KeyboardFlags::RELEASE }
}

fn pointer(flags: PointerFlags, units: i16, x: u16, y: u16) -> FastPathInputEvent {
    FastPathInputEvent::MouseEvent(MousePdu {
        flags,
        number_of_wheel_rotation_units: units,
        x_position: x,
        y_position: y,
    })
}

fn extended(flags: PointerXFlags, x: u16, y: u16) -> FastPathInputEvent {
    FastPathInputEvent::MouseEventEx(MouseXPdu { flags, x_position: x, y_position: y })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of [MS-RDPBCGR] 2.2.8.1.2.2: event header (code in the upper three bits, flags below), then the body.
    #[test]
    fn events_are_the_bytes_of_the_specification() {
        let bytes = |event| ironrdp_core::encode_vec(&encode(event)).unwrap();
        assert_eq!(bytes(InputEvent::Key { code: 0x1e, prefix: Prefix::None, pressed: true }), [0x00, 0x1e]);
        assert_eq!(bytes(InputEvent::Key { code: 0x1d, prefix: Prefix::E0, pressed: false }), [0x03, 0x1d]);
        assert_eq!(bytes(InputEvent::Key { code: 0x1d, prefix: Prefix::E1, pressed: true }), [0x04, 0x1d]);
        assert_eq!(bytes(InputEvent::Unicode { unit: 0x20ac, pressed: true }), [0x80, 0xac, 0x20]);
        let click = InputEvent::Button { button: Button::Left, pressed: true, x: 0x0102, y: 3 };
        assert_eq!(bytes(click), [0x20, 0x00, 0x90, 0x02, 0x01, 3, 0]);
        let notch = InputEvent::Wheel { axis: Axis::Vertical, units: -120 };
        assert_eq!(bytes(notch), [0x20, 0x88, 0x03, 0, 0, 0, 0]);
    }
}
