//! What an expert can do to a desktop, in the words of [MS-RDPBCGR] and free of any library's types.

/// One keyboard or pointer event, as the wire brought it.
///
/// Printing one would print what somebody types, so it has no `Debug` output of its own beyond the kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum InputEvent {
    /// A key by its place on the keyboard. Source: [MS-RDPBCGR] 2.2.8.1.1.3.1.1.1 TS_KEYBOARD_EVENT.
    Key {
        /// Set-1 scancode without prefix, 0x01..=0x7F.
        code: u8,
        /// The prefix byte that came before it.
        prefix: Prefix,
        /// Down, or up.
        pressed: bool,
    },
    /// A character that has no key here. Source: TS_UNICODE_KEYBOARD_EVENT; surrogates arrive as two events.
    Unicode {
        /// One UTF-16 code unit.
        unit: u16,
        /// Down, or up.
        pressed: bool,
    },
    /// The pointer moved to a place, in pixels of the shared desktop.
    PointerMove {
        /// Pixels from the left edge.
        x: u16,
        /// Pixels from the top edge.
        y: u16,
    },
    /// The pointer moved by a distance, in pixels.
    PointerMoveBy {
        /// To the right.
        dx: i16,
        /// Downwards.
        dy: i16,
    },
    /// A button went down or up at a place.
    Button {
        /// Which one.
        button: Button,
        /// Down, or up.
        pressed: bool,
        /// Pixels from the left edge.
        x: u16,
        /// Pixels from the top edge.
        y: u16,
    },
    /// The wheel turned; 120 units are one notch.
    Wheel {
        /// Vertical or horizontal.
        axis: Axis,
        /// Units: positive is away from the hand, or to the right.
        units: i16,
    },
    /// The lock keys as they are at the expert's keyboard. Source: TS_SYNC_EVENT.
    Locks {
        /// Scroll lock is lit.
        scroll: bool,
        /// Num lock is lit.
        num: bool,
        /// Caps lock is lit.
        caps: bool,
        /// Kana lock is lit.
        kana: bool,
    },
}

/// The prefix of a set-1 scancode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// A key of the first keyboards.
    None,
    /// KBDFLAGS_EXTENDED: arrows, right-hand Ctrl and Alt, the keypad's Enter ...
    E0,
    /// KBDFLAGS_EXTENDED1: Pause.
    E1,
}

/// A pointer button. Source: TS_POINTER_EVENT and TS_POINTERX_EVENT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Button {
    /// PTRFLAGS_BUTTON1
    Left,
    /// PTRFLAGS_BUTTON2
    Right,
    /// PTRFLAGS_BUTTON3
    Middle,
    /// PTRXFLAGS_BUTTON1: back
    X1,
    /// PTRXFLAGS_BUTTON2: forward
    X2,
}

/// The direction in which a wheel turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// PTRFLAGS_WHEEL
    Vertical,
    /// PTRFLAGS_HWHEEL
    Horizontal,
}

impl core::fmt::Debug for InputEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Key",
            Self::Unicode { .. } => "Unicode",
            Self::PointerMove { .. } => "PointerMove",
            Self::PointerMoveBy { .. } => "PointerMoveBy",
            Self::Button { .. } => "Button",
            Self::Wheel { .. } => "Wheel",
            Self::Locks { .. } => "Locks",
        })
    }
}
