//! What stands on the demo desktop, without a pixel: the state that input changes.

use std::collections::{BTreeSet, VecDeque};

use ra_session::input::{Button, InputEvent};

use super::keyboard::{Keyboard, Stroke};
use super::{SIZE, TEXT_CELLS};

/// The state of the demo desktop.
#[derive(Debug, Default)]
pub(super) struct Scene {
    text: String,
    keyboard: Keyboard,
    buttons: BTreeSet<Button>,
    /// Places and buttons of the last clicks, oldest first.
    pub(super) marks: VecDeque<(u16, u16, Button)>,
    pub(super) pointer: (u16, u16),
    high_surrogate: Option<u16>,
    keys: u64,
    clicks: u64,
    wheel: i64,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self { pointer: (SIZE.width / 2, SIZE.height / 2), ..Self::default() }
    }

    /// Carries out one event that was admitted.
    pub(super) fn perform(&mut self, event: InputEvent) {
        match event {
            InputEvent::Key { code, prefix, pressed } => {
                if let Some(stroke) = self.keyboard.key(prefix, code, pressed) {
                    self.keys += 1;
                    self.strike(stroke);
                }
            }
            InputEvent::Unicode { unit, pressed: true } => self.unicode(unit),
            InputEvent::Unicode { pressed: false, .. } => {}
            InputEvent::PointerMove { x, y } => self.point(x, y),
            InputEvent::PointerMoveBy { dx, dy } => {
                let (x, y) = self.pointer;
                self.point(x.saturating_add_signed(dx), y.saturating_add_signed(dy));
            }
            InputEvent::Button { button, pressed, x, y } => {
                self.point(x, y);
                if !pressed {
                    self.buttons.remove(&button);
                } else if self.buttons.insert(button) {
                    self.clicks += 1;
                    self.marks.push_back((self.pointer.0, self.pointer.1, button));
                    if self.marks.len() > MARKS {
                        self.marks.pop_front();
                    }
                }
            }
            InputEvent::Wheel { units, .. } => self.wheel += i64::from(units),
            InputEvent::Locks { num, caps, .. } => {
                self.keyboard.num = num;
                self.keyboard.caps = caps;
            }
        }
    }

    /// Lifts what is held; how many keys and buttons.
    pub(super) fn release_all(&mut self) -> usize {
        self.high_surrogate = None;
        self.keyboard.release_all() + std::mem::take(&mut self.buttons).len()
    }

    pub(super) fn held(&self) -> usize {
        self.keyboard.held() + self.buttons.len()
    }

    /// The end of the typed text that fits into the field.
    pub(super) fn visible_text(&self) -> &str {
        let start = self.text.char_indices().rev().nth(TEXT_CELLS - 1).map_or(0, |(start, _)| start);
        &self.text[start..]
    }

    /// One sentence on whether input arrives.
    pub(super) fn sentence(&self) -> String {
        if self.keys + self.clicks == 0 && self.wheel == 0 {
            return "No key and no click has arrived here yet.".to_owned();
        }
        let many = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let notches = (self.wheel / 120).unsigned_abs();
        format!(
            "Input arrives: {}, {}, {} of the wheel; {} held.",
            many(self.keys, "key"),
            many(self.clicks, "click"),
            many(notches, "notch").replace("notchs", "notches"),
            self.held(),
        )
    }

    fn strike(&mut self, stroke: Stroke) {
        match stroke {
            Stroke::Text(text) => self.write(text),
            Stroke::Backspace => drop(self.text.pop()),
            Stroke::Enter => self.text.clear(),
            Stroke::Other => {}
        }
    }

    fn unicode(&mut self, unit: u16) {
        self.keys += 1;
        let pair = [self.high_surrogate.take().unwrap_or_default(), unit];
        let units = if (0xDC00..0xE000).contains(&unit) { &pair[..] } else { &pair[1..] };
        match char::decode_utf16(units.iter().copied()).next() {
            Some(Ok('\u{8}')) => self.strike(Stroke::Backspace),
            Some(Ok('\r' | '\n')) => self.strike(Stroke::Enter),
            Some(Ok(text)) if !text.is_control() => self.write(text),
            Some(Ok(_)) | None => {}
            Some(Err(_)) => self.high_surrogate = (0xD800..0xDC00).contains(&unit).then_some(unit),
        }
    }

    fn write(&mut self, text: char) {
        self.text.push(text);
        if self.text.chars().count() > TEXT_KEPT {
            self.text.remove(0);
        }
    }

    fn point(&mut self, x: u16, y: u16) {
        self.pointer = (x.min(SIZE.width - 1), y.min(SIZE.height - 1));
    }
}

/// Marks of clicks that stay visible.
const MARKS: usize = 12;

/// Characters that Backspace can reach; a limit, since an expert can type for hours.
const TEXT_KEPT: usize = 4 * TEXT_CELLS;

#[cfg(test)]
mod tests {
    use super::*;
    use ra_session::input::{Axis, Prefix};

    fn unicode(scene: &mut Scene, text: &str) {
        for unit in text.encode_utf16() {
            scene.perform(InputEvent::Unicode { unit, pressed: true });
            scene.perform(InputEvent::Unicode { unit, pressed: false });
        }
    }

    #[test]
    fn text_arrives_by_characters_and_by_keys() {
        let mut scene = Scene::new();
        unicode(&mut scene, "a€ñЯ漢😀");
        scene.perform(InputEvent::Key { code: 0x1E, prefix: Prefix::None, pressed: true });
        assert_eq!(scene.visible_text(), "a€ñЯ漢😀a");
        unicode(&mut scene, "\u{8}\u{8}");
        assert_eq!(scene.visible_text(), "a€ñЯ漢");
        unicode(&mut scene, "\r");
        assert_eq!(scene.visible_text(), "");
    }

    #[test]
    fn half_a_surrogate_pair_is_dropped() {
        let mut scene = Scene::new();
        for unit in [0xD83D, 0x41, 0xDE00, 0xDE00] {
            scene.perform(InputEvent::Unicode { unit, pressed: true });
        }
        assert_eq!(scene.visible_text(), "A");
    }

    #[test]
    fn the_newest_text_is_visible() {
        let mut scene = Scene::new();
        unicode(&mut scene, &"x".repeat(3 * TEXT_KEPT));
        unicode(&mut scene, "newest");
        assert_eq!(scene.visible_text().chars().count(), TEXT_CELLS);
        assert!(scene.visible_text().ends_with("xnewest"));
    }

    #[test]
    fn the_sentence_tells_what_arrived() {
        let mut scene = Scene::new();
        assert!(scene.sentence().starts_with("No key"));
        scene.perform(InputEvent::Button { button: Button::Left, pressed: true, x: 5, y: u16::MAX });
        scene.perform(InputEvent::Wheel { axis: Axis::Vertical, units: -240 });
        assert_eq!(scene.sentence(), "Input arrives: 0 keys, 1 click, 2 notches of the wheel; 1 held.");
        assert_eq!(scene.pointer, (5, SIZE.height - 1), "a place outside is moved to the edge");
        assert_eq!(scene.release_all(), 1);
        assert_eq!(scene.held(), 0);
    }
}
