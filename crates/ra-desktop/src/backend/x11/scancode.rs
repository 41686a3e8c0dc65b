//! Places on a keyboard: from set-1 scancodes, as RDP has them, to X keycodes.

use ra_session::input::Prefix;

/// The X keycode of a key, or nothing for codes without a key here.
///
/// The way leads over Linux event codes, which the `evdev` rules of every Linux X server put 8 higher. It keeps the place of
/// a key, so the novice's layout decides what it types. The fake shifts (E0 2A, E0 36) that keyboards send around
/// some keys are no keys.
pub(super) fn keycode(prefix: Prefix, code: u8) -> Option<u8> {
    let event = match prefix {
        Prefix::None => plain(code),
        Prefix::E0 => EXTENDED.iter().find(|(scancode, _)| *scancode == code).map(|(_, event)| *event),
        Prefix::E1 => (code == PAUSE_FIRST).then_some(PAUSE),
    };
    event.and_then(|event| event.checked_add(EVDEV_OFFSET))
}

fn plain(code: u8) -> Option<u8> {
    match code {
        // The first keyboards' codes are Linux' own.
        0x01..=0x53 | 0x56..=0x58 => Some(code),
        0x54 => Some(99),                       // SysRq with Alt
        0x59 => Some(117),                      // keypad =
        0x64..=0x6E => Some(code - 0x64 + 183), // F13 to F23
        0x76 => Some(194),                      // F24
        0x70 => Some(93),                       // Katakana/Hiragana
        0x71 => Some(123),                      // Hanja
        0x72 => Some(122),                      // Hangul
        0x73 => Some(89),                       // Ro, and ABNT /
        0x77 => Some(91),                       // Hiragana
        0x78 => Some(90),                       // Katakana
        0x79 => Some(92),                       // Henkan
        0x7B => Some(94),                       // Muhenkan
        0x7D => Some(124),                      // Yen
        0x7E => Some(121),                      // keypad ,
        _ => None,
    }
}

/// Keys behind the prefix E0: scancode, Linux event code.
const EXTENDED: [(u8, u8); 43] = [
    (0x10, 165), // previous track
    (0x19, 163), // next track
    (0x1C, 96),  // keypad Enter
    (0x1D, 97),  // right Ctrl
    (0x20, 113), // mute
    (0x21, 140), // calculator
    (0x22, 164), // play
    (0x24, 166), // stop
    (0x2E, 114), // quieter
    (0x30, 115), // louder
    (0x32, 172), // home page
    (0x35, 98),  // keypad /
    (0x37, 99),  // Print
    (0x38, 100), // right Alt
    (0x46, 119), // Break
    (0x47, 102), // Home
    (0x48, 103), // Up
    (0x49, 104), // Page Up
    (0x4B, 105), // Left
    (0x4D, 106), // Right
    (0x4F, 107), // End
    (0x50, 108), // Down
    (0x51, 109), // Page Down
    (0x52, 110), // Insert
    (0x53, 111), // Delete
    (0x5B, 125), // left Windows
    (0x5C, 126), // right Windows
    (0x5D, 127), // menu
    (0x5E, 116), // power
    (0x5F, 142), // sleep
    (0x63, 143), // wake
    (0x65, 217), // search
    (0x66, 156), // bookmarks
    (0x67, 173), // reload
    (0x68, 128), // stop loading
    (0x69, 159), // forward
    (0x6A, 158), // back
    (0x6B, 157), // my computer
    (0x6C, 155), // mail
    (0x6D, 226), // media
    (0x71, 123), // Hanja
    (0x72, 122), // Hangul
    (0x73, 89),  // Ro
];

/// X keycodes begin at 8.
const EVDEV_OFFSET: u8 = 8;
/// Pause is E1 1D followed by 45. Source: [MS-RDPBCGR] 2.2.8.1.1.3.1.1.1, KBDFLAGS_EXTENDED1.
const PAUSE_FIRST: u8 = 0x1D;
const PAUSE: u8 = 119;

/// The Num Lock code that follows Pause and is no key of its own.
pub(super) const PAUSE_SECOND: u8 = 0x45;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_keys_have_their_x_keycodes() {
        for (prefix, code, expected) in [
            (Prefix::None, 0x01, 9),  // Escape
            (Prefix::None, 0x1E, 38), // A on a US keyboard
            (Prefix::None, 0x56, 94), // between left Shift and Z
            (Prefix::None, 0x58, 96), // F12
            (Prefix::E0, 0x48, 111),  // Up
            (Prefix::E0, 0x5B, 133),  // left Windows
            (Prefix::E0, 0x38, 108),  // AltGr
            (Prefix::E1, 0x1D, 127),  // Pause
        ] {
            assert_eq!(keycode(prefix, code), Some(expected), "{prefix:?} {code:#04x}");
        }
    }

    #[test]
    fn no_two_extended_keys_share_a_place_with_each_other_or_a_plain_key() {
        let plain: Vec<u8> = (0..=0x58).filter_map(|code| keycode(Prefix::None, code)).collect();
        for (scancode, _) in EXTENDED.iter().filter(|(scancode, _)| ![0x37, 0x71, 0x72, 0x73].contains(scancode)) {
            let code = keycode(Prefix::E0, *scancode).unwrap();
            assert!(!plain.contains(&code), "{scancode:#04x}");
        }
    }

    #[test]
    fn codes_without_a_key_are_nothing() {
        for (prefix, code) in
            [(Prefix::None, 0), (Prefix::None, 0x7F), (Prefix::E0, 0x2A), (Prefix::E0, 0x36), (Prefix::E1, 0x45)]
        {
            assert_eq!(keycode(prefix, code), None);
        }
        for code in 0..=u8::MAX {
            for prefix in [Prefix::None, Prefix::E0, Prefix::E1] {
                assert!(keycode(prefix, code).is_none_or(|keycode| keycode >= 8));
            }
        }
    }
}
