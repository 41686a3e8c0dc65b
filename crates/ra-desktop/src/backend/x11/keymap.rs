//! The novice's keyboard layout: which key types a character now, and which keycodes nobody uses.

use x11rb::protocol::xkb::{ConnectionExt as _, ID, KeyModMap, KeySymMap, KeyType, MapPart};
use x11rb::protocol::xproto::{Keycode, Keysym, ModMask};
use x11rb::rust_connection::{ReplyError, RustConnection};

/// The layout as the server has it.
#[derive(Default)]
pub(super) struct Keymap {
    first: Keycode,
    keys: Vec<KeySymMap>,
    types: Vec<KeyType>,
    modifiers: Vec<KeyModMap>,
}

/// How to type a character: a key, and perhaps Shift around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) keycode: Keycode,
    pub(super) shift: bool,
}

impl Keymap {
    pub(super) fn read(connection: &RustConnection) -> Result<Self, ReplyError> {
        let parts = MapPart::KEY_TYPES | MapPart::KEY_SYMS | MapPart::MODIFIER_MAP;
        let none = 0_u16.into();
        let keyboard = ID::USE_CORE_KBD.into();
        let cookie =
            connection.xkb_get_map(keyboard, parts, none, 0, 0, 0, 0, 0, 0, 0, 0, 0_u16.into(), 0, 0, 0, 0, 0, 0)?;
        let reply = cookie.reply()?;
        Ok(Self {
            first: reply.first_key_sym,
            keys: reply.map.syms_rtrn.unwrap_or_default(),
            types: reply.map.types_rtrn.unwrap_or_default(),
            modifiers: reply.map.modmap_rtrn.unwrap_or_default(),
        })
    }

    /// The key that types one of `symbols` while `modifiers` are in force in layout group `group`.
    ///
    /// Only Shift is added where it is needed; a modifier that is in force cannot be lifted, since it may be the novice's hand.
    pub(super) fn find(&self, symbols: &[Keysym], modifiers: u16, group: u8) -> Option<Stroke> {
        self.keys().find_map(|(keycode, key)| {
            let group = effective_group(key, group)?;
            let kind = self.types.get(usize::from(*key.kt_index.get(group)?))?;
            let width = usize::from(key.width);
            let row = key.syms.get(group * width..(group + 1) * width)?;
            let types = |level: usize| row.get(level).is_some_and(|symbol| symbols.contains(symbol));
            if types(level(kind, modifiers)) {
                return Some(Stroke { keycode, shift: false });
            }
            let shift = u16::from(ModMask::SHIFT);
            let shifted = modifiers & shift == 0 && types(level(kind, modifiers | shift));
            shifted.then_some(Stroke { keycode, shift: true })
        })
    }

    /// Keycodes without any symbol and without a modifier, lowest first.
    pub(super) fn spare(&self) -> impl Iterator<Item = Keycode> {
        self.keys()
            .filter(|(keycode, key)| key.syms.iter().all(|symbol| *symbol == 0) && self.modifiers_of(*keycode) == 0)
            .map(|(keycode, _)| keycode)
    }

    /// The first symbol of a keycode, 0 for none.
    pub(super) fn symbol(&self, keycode: Keycode) -> Keysym {
        let index = keycode.checked_sub(self.first).map(usize::from);
        index.and_then(|index| self.keys.get(index)?.syms.first().copied()).unwrap_or(0)
    }

    /// The modifier that Num Lock sets here, 0 for none. It is Mod2 by custom only.
    pub(super) fn num_lock(&self) -> u16 {
        self.keys_with(NUM_LOCK).map(|keycode| self.modifiers_of(keycode)).find(|mask| *mask != 0).unwrap_or(0)
    }

    /// A Shift key that sets the Shift modifier.
    pub(super) fn shift_key(&self) -> Option<Keycode> {
        let shifts = self.keys_with(SHIFT_LEFT).chain(self.keys_with(SHIFT_RIGHT));
        shifts.into_iter().find(|keycode| self.modifiers_of(*keycode) & u16::from(ModMask::SHIFT) != 0)
    }

    fn keys(&self) -> impl Iterator<Item = (Keycode, &KeySymMap)> {
        (self.first..=Keycode::MAX).zip(&self.keys)
    }

    fn keys_with(&self, symbol: Keysym) -> impl Iterator<Item = Keycode> {
        self.keys().filter(move |(_, key)| key.syms.contains(&symbol)).map(|(keycode, _)| keycode)
    }

    fn modifiers_of(&self, keycode: Keycode) -> u16 {
        let entries = self.modifiers.iter().filter(|entry| entry.keycode == keycode);
        entries.fold(0, |mask, entry| mask | u16::from(entry.mods))
    }
}

/// The symbols that stand for a character, the one to bind first.
///
/// Layouts use the old symbols of their alphabets; every other character, and a key that we bind, has the symbol that is made of
/// its number. An alphabet that is missing here costs a spare keycode for each letter, no more.
/// Source: keysymdef.h of the X Window System protocol, and appendix A of the protocol.
pub(super) fn symbols(character: char) -> Vec<Keysym> {
    let number = u32::from(character);
    let old = match number {
        0x08 => return vec![0xFF08],
        0x09 => return vec![0xFF09],
        0x0A | 0x0D => return vec![0xFF0D],
        0x1B => return vec![0xFF1B],
        0x7F => return vec![0xFFFF],
        0x20..=0x7E | 0xA0..=0xFF => return vec![number],
        0x20AC => Some(0x20AC),
        // Cyrillic symbols lie in the order of KOI8-R.
        0x0410..=0x044F => KOI8_R.chars().position(|letter| letter == character).map(|place| 0x06C0 + place),
        0x0401 => Some(0x06B3),
        0x0451 => Some(0x06A3),
        0x0391..=0x03A1 => usize::try_from(number).ok().map(|number| number - 0x0391 + 0x07C1),
        0x03A3..=0x03A9 => {
            usize::try_from(number).ok().map(|number| number - 0x03A3 + 0x07D2 + usize::from(number > 0x03A3))
        }
        0x03B1..=0x03C1 => usize::try_from(number).ok().map(|number| number - 0x03B1 + 0x07E1),
        0x03C2 => Some(0x07F3),
        0x03C3 => Some(0x07F2),
        0x03C4..=0x03C9 => usize::try_from(number).ok().map(|number| number - 0x03C4 + 0x07F4),
        _ => None,
    };
    let old = old.and_then(|old| Keysym::try_from(old).ok());
    [UNICODE | number].into_iter().chain(old).collect()
}

/// The group of a key that counts while `group` is in force. Source: XKB protocol, 7.2.
fn effective_group(key: &KeySymMap, group: u8) -> Option<usize> {
    let groups = key.group_info & 0x0F;
    let effective = match (group < groups, key.group_info & 0xC0) {
        _ if groups == 0 => return None,
        (true, _) => group,
        (false, 0x40) => groups - 1,
        (false, 0x80) => Some(key.group_info >> 4 & 0x03).filter(|group| *group < groups).unwrap_or(0),
        (false, _) => group % groups,
    };
    Some(usize::from(effective))
}

/// The shift level of a key of this type while `modifiers` are in force. Source: XKB protocol, 7.2.1.
fn level(kind: &KeyType, modifiers: u16) -> usize {
    let relevant = modifiers & u16::from(kind.mods_mask);
    let entry = kind.map.iter().find(|entry| entry.active && u16::from(entry.mods_mask) == relevant);
    entry.map_or(0, |entry| usize::from(entry.level))
}

/// Marks a symbol that is made of a character's number.
const UNICODE: Keysym = 0x0100_0000;
const NUM_LOCK: Keysym = 0xFF7F;
const SHIFT_LEFT: Keysym = 0xFFE1;
const SHIFT_RIGHT: Keysym = 0xFFE2;
/// Codes 0xC0 to 0xFF of KOI8-R.
const KOI8_R: &str = "юабцдефгхийклмнопярстужвьызшэщчъЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ";

#[cfg(test)]
mod tests {
    use super::*;
    use x11rb::protocol::xkb::KTMapEntry;

    fn kind(mask: u16, levels: &[(u16, u8)]) -> KeyType {
        let entry = |(mods, level): &(u16, u8)| KTMapEntry {
            active: true,
            mods_mask: (*mods).into(),
            level: *level,
            mods_mods: (*mods).into(),
            mods_vmods: 0_u16.into(),
        };
        KeyType {
            mods_mask: mask.into(),
            mods_mods: mask.into(),
            mods_vmods: 0_u16.into(),
            num_levels: 2,
            has_preserve: false,
            map: levels.iter().map(entry).collect(),
            preserve: Vec::new(),
        }
    }

    fn key(kind: u8, width: u8, syms: &[Keysym]) -> KeySymMap {
        let groups = u8::try_from(syms.len()).unwrap().checked_div(width).unwrap_or(0);
        KeySymMap { kt_index: [kind; 4], group_info: groups, width, syms: syms.to_vec() }
    }

    /// Two keys of letters in two groups, a digit, a free keycode, Shift and Num Lock.
    fn keymap() -> Keymap {
        let (shift, lock, num) = (1_u16, 2_u16, 0x10_u16);
        Keymap {
            first: 8,
            keys: vec![
                key(1, 2, &[0x61, 0x41, 0x06C6, 0x06E6]),
                key(0, 2, &[0x31, 0x21]),
                key(0, 0, &[]),
                key(0, 1, &[SHIFT_LEFT]),
                key(0, 1, &[NUM_LOCK]),
            ],
            types: vec![kind(shift, &[(shift, 1)]), kind(shift | lock, &[(shift, 1), (lock, 1)])],
            modifiers: vec![KeyModMap { keycode: 11, mods: shift.into() }, KeyModMap { keycode: 12, mods: num.into() }],
        }
    }

    #[test]
    fn a_character_is_found_with_the_modifiers_that_are_in_force() {
        let keymap = keymap();
        let stroke = |keycode, shift| Some(Stroke { keycode, shift });
        assert_eq!(keymap.find(&symbols('a'), 0, 0), stroke(8, false));
        assert_eq!(keymap.find(&symbols('A'), 0, 0), stroke(8, true));
        assert_eq!(keymap.find(&symbols('A'), 2, 0), stroke(8, false), "Caps Lock does it already");
        assert_eq!(keymap.find(&symbols('a'), 1, 0), None, "Shift is held, perhaps by the novice");
        assert_eq!(keymap.find(&symbols('!'), 2, 0), stroke(9, true), "Caps Lock is for letters");
        assert_eq!(keymap.find(&symbols('a'), 0, 1), None, "the other layout is in force");
        assert_eq!(keymap.find(&symbols('ф'), 0, 1), stroke(8, false));
        assert_eq!(keymap.find(&symbols('1'), 0, 1), stroke(9, false), "a key with one layout wraps");
    }

    #[test]
    fn spare_keycodes_and_modifiers_come_from_the_map() {
        let keymap = keymap();
        assert_eq!(keymap.spare().collect::<Vec<_>>(), [10]);
        assert_eq!(keymap.num_lock(), 0x10, "not Mod2 by custom");
        assert_eq!(keymap.shift_key(), Some(11));
        assert_eq!((keymap.symbol(9), keymap.symbol(10), keymap.symbol(200)), (0x31, 0, 0));
    }

    #[test]
    fn old_alphabets_keep_their_symbols() {
        for (letter, symbol) in [
            ('Я', 0x06F1),
            ('ё', 0x06A3),
            ('Ъ', 0x06FF),
            ('€', 0x20AC),
            ('Ω', 0x07D9),
            ('Σ', 0x07D2),
            ('Τ', 0x07D4),
            ('σ', 0x07F2),
            ('ω', 0x07F9),
        ] {
            assert_eq!(symbols(letter), [UNICODE | u32::from(letter), symbol], "{letter}");
        }
        assert_eq!(symbols('漢'), [0x0100_6F22]);
        assert_eq!((symbols('ñ'), symbols('\r')), (vec![0xF1], vec![0xFF0D]));
    }
}
