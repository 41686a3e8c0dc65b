//! The demo desktop's keyboard: a US layout over set-1 scancodes.

use std::collections::BTreeSet;

use ra_session::input::Prefix;

/// Which keys are down, and the two locks that change what a key means.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    held: BTreeSet<(Prefix, u8)>,
    pub(super) caps: bool,
    pub(super) num: bool,
}

/// What pressing a key does to a line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    /// It writes this.
    Text(char),
    /// It takes the last character away.
    Backspace,
    /// It ends the line.
    Enter,
    /// It is a key without text: arrows, Ctrl, ESC.
    Other,
}

impl Keyboard {
    /// A key goes down or up; what a key that goes down does.
    pub(super) fn key(&mut self, prefix: Prefix, code: u8, pressed: bool) -> Option<Stroke> {
        if !pressed {
            self.held.remove(&(prefix, code));
            return None;
        }
        let repeated = !self.held.insert((prefix, code));
        match (prefix, code) {
            (Prefix::None, CAPS_LOCK) if !repeated => self.caps = !self.caps,
            (Prefix::None, NUM_LOCK) if !repeated => self.num = !self.num,
            _ => {}
        }
        Some(self.stroke(prefix, code))
    }

    /// Lifts all keys; how many there were.
    pub(super) fn release_all(&mut self) -> usize {
        std::mem::take(&mut self.held).len()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    fn stroke(&self, prefix: Prefix, code: u8) -> Stroke {
        match (prefix, code) {
            (Prefix::None, 0x0E) => return Stroke::Backspace,
            (Prefix::None | Prefix::E0, 0x1C) => return Stroke::Enter,
            (Prefix::E0, 0x35) => return Stroke::Text('/'),
            (Prefix::None, _) => {}
            (Prefix::E0 | Prefix::E1, _) => return Stroke::Other,
        }
        if self.down(LEFT_CTRL) || self.down(LEFT_ALT) || self.held.contains(&(Prefix::E0, LEFT_CTRL)) {
            return Stroke::Other;
        }
        let at = |first: u8, keys: &str| keys.chars().nth(usize::from(code.wrapping_sub(first)));
        if (0x47..=0x53).contains(&code) {
            let digit = at(0x47, "789-456+1230.").filter(|key| self.num || "-+".contains(*key));
            return digit.map_or(Stroke::Other, Stroke::Text);
        }
        let shift = self.down(LEFT_SHIFT) || self.down(RIGHT_SHIFT);
        let (plain, shifted) = match code {
            0x02..=0x0D => (at(0x02, "1234567890-="), at(0x02, "!@#$%^&*()_+")),
            0x10..=0x1B => (at(0x10, "qwertyuiop[]"), at(0x10, "QWERTYUIOP{}")),
            0x1E..=0x29 => (at(0x1E, "asdfghjkl;'`"), at(0x1E, "ASDFGHJKL:\"~")),
            0x2B..=0x35 => (at(0x2B, "\\zxcvbnm,./"), at(0x2B, "|ZXCVBNM<>?")),
            0x37 => (Some('*'), Some('*')),
            0x39 => (Some(' '), Some(' ')),
            0x56 => (Some('\\'), Some('|')),
            _ => (None, None),
        };
        let upper = shift ^ (self.caps && plain.is_some_and(|key| key.is_ascii_lowercase()));
        (if upper { shifted } else { plain }).map_or(Stroke::Other, Stroke::Text)
    }

    fn down(&self, code: u8) -> bool {
        self.held.contains(&(Prefix::None, code))
    }
}

const LEFT_CTRL: u8 = 0x1D;
const LEFT_SHIFT: u8 = 0x2A;
const RIGHT_SHIFT: u8 = 0x36;
const LEFT_ALT: u8 = 0x38;
const CAPS_LOCK: u8 = 0x3A;
const NUM_LOCK: u8 = 0x45;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keyboard: &mut Keyboard, codes: &[u8]) -> String {
        codes
            .iter()
            .filter_map(|code| {
                let stroke = keyboard.key(Prefix::None, *code, true);
                keyboard.key(Prefix::None, *code, false);
                match stroke {
                    Some(Stroke::Text(text)) => Some(text),
                    _ => None,
                }
            })
            .collect()
    }

    #[test]
    fn a_us_layout_with_shift_caps_and_num() {
        let mut keyboard = Keyboard::default();
        assert_eq!(typed(&mut keyboard, &[0x23, 0x12, 0x26, 0x26, 0x18, 0x39, 0x02, 0x2B, 0x29, 0x35]), "hello 1\\`/");
        keyboard.key(Prefix::None, LEFT_SHIFT, true);
        assert_eq!(typed(&mut keyboard, &[0x23, 0x02, 0x2B, 0x29, 0x35, 0x28]), "H!|~?\"");
        typed(&mut keyboard, &[CAPS_LOCK]);
        assert_eq!(typed(&mut keyboard, &[0x23, 0x02]), "h!", "shift undoes caps, for letters only");
        keyboard.key(Prefix::None, LEFT_SHIFT, false);
        assert_eq!(typed(&mut keyboard, &[0x23, 0x02]), "H1");
        assert_eq!(typed(&mut keyboard, &[0x47, 0x4A]), "-", "a keypad without Num is arrows");
        typed(&mut keyboard, &[NUM_LOCK]);
        assert_eq!(typed(&mut keyboard, &[0x47, 0x53, 0x4E]), "7.+");
    }

    #[test]
    fn keys_without_text_write_nothing() {
        let mut keyboard = Keyboard::default();
        assert_eq!(keyboard.key(Prefix::None, 0x01, true), Some(Stroke::Other), "ESC");
        assert_eq!(keyboard.key(Prefix::E0, 0x48, true), Some(Stroke::Other), "arrow up is not 8");
        keyboard.key(Prefix::None, LEFT_CTRL, true);
        assert_eq!(keyboard.key(Prefix::None, 0x2E, true), Some(Stroke::Other), "Ctrl+C is not c");
        assert_eq!(keyboard.release_all(), 4);
        assert_eq!(keyboard.held(), 0);
    }
}
