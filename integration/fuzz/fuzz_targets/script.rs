//! Bytes of the fuzzer, read as what happens on a screen.
#![allow(dead_code, reason = "each target uses its part of it")]

use ra_graphics::{Rect, Size};

use crate::scenes::Canvas;

/// What is left of the fuzzer's bytes; when they are over, everything is zero.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// As many bytes as the next one says, as far as there are any.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// A size that is small, so that many are tried, or long one way.
    pub(crate) fn size(&mut self) -> Size {
        let (width, height) = (u16::from(self.byte()) + 1, u16::from(self.byte()) + 1);
        match self.byte() {
            0..4 => Size::new(width * 20, height % 8 + 1),
            4..8 => Size::new(width % 8 + 1, height * 20),
            8..24 => Size::new(width, height),
            // Two cells by two, for most runs: more takes longer and finds the same.
            _ => Size::new(width / 2 + 1, height / 2 + 1),
        }
    }

    /// Around the size of a screen, and at times far beyond.
    pub(crate) fn rect(&mut self) -> Rect {
        match self.byte() {
            0 => Rect::new(self.number(), self.number(), self.number(), self.number()),
            1 => Rect::new(0, 0, u16::MAX, u16::MAX),
            _ => {
                let [x, y, width, height] = [self.byte(), self.byte(), self.byte(), self.byte()].map(u16::from);
                Rect::new(x, y, width, height)
            }
        }
    }

    /// Changes something and says where, generously at times.
    pub(crate) fn change(&mut self, canvas: &mut Canvas, damage: &mut Vec<Rect>) {
        let rect = self.rect();
        match self.byte() % 8 {
            0 => canvas.fill(rect, u32::from(self.number()) << 4),
            1 => canvas.noise(rect),
            2 => canvas.photograph(rect, f32::from(self.byte()) / 9.0),
            3 => canvas.gradient(rect),
            4 => canvas.text(rect.clipped(canvas.size), u64::from(self.number())),
            5 => canvas.scroll(rect, u16::from(self.byte() % 64), u16::from(self.byte() % 64)),
            6 => {
                canvas.shift(rect, i32::from(self.byte() as i8), i32::from(self.byte() as i8));
                // It changes another place than the one that it takes from.
                damage.push(canvas.size.rect());
            }
            _ => {
                let mut colours = self.bytes().iter().cycle();
                canvas.paint(rect, |_, _| colours.next().map_or(0, |byte| u32::from(*byte) * 0x01_2045 & 0xFF_FFFF));
            }
        }
        damage.push(rect);
        if self.byte() % 4 == 0 {
            damage.push(self.rect());
        }
    }
}
