//! The novice's pointer, drawn into the picture while the expert only looks on: there the expert's own pointer is
//! somewhere else, and what the novice points at is half of what there is to see.

use std::sync::Arc;

use ra_expert::{CursorShape, Rect};

/// The novice's pointer as it is drawn.
#[derive(Clone)]
pub(super) struct Sprite {
    shape: Option<Arc<CursorShape>>,
    arrow: Arc<CursorShape>,
    at: Option<(u16, u16)>,
}

impl Sprite {
    /// An arrow somewhere unknown.
    pub(super) fn new() -> Self {
        let arrow = Arc::new(arrow());
        Self { shape: Some(Arc::clone(&arrow)), arrow, at: None }
    }

    pub(super) fn show_arrow(&mut self) {
        self.shape = Some(Arc::clone(&self.arrow));
    }

    pub(super) fn hide(&mut self) {
        self.shape = None;
    }

    pub(super) fn show(&mut self, shape: Arc<CursorShape>) {
        self.shape = Some(shape);
    }

    pub(super) fn move_to(&mut self, x: u16, y: u16) {
        self.at = Some((x, y));
    }

    /// The part of the desktop that the pointer covers.
    pub(super) fn rect(&self, desktop: (u16, u16)) -> Option<Rect> {
        let (shape, (x, y)) = (self.shape.as_ref()?, self.at?);
        let (left, top) = (x.saturating_sub(shape.hotspot_x), y.saturating_sub(shape.hotspot_y));
        Rect { x: left, y: top, width: shape.width, height: shape.height }.within(desktop.0, desktop.1)
    }

    /// The desktop's pixel at a place with the pointer over it.
    pub(super) fn over(&self, x: u16, y: u16, under: u32) -> u32 {
        let (Some(shape), Some((at_x, at_y))) = (self.shape.as_ref(), self.at) else { return under };
        let column = i32::from(x) - i32::from(at_x) + i32::from(shape.hotspot_x);
        let row = i32::from(y) - i32::from(at_y) + i32::from(shape.hotspot_y);
        let (Ok(column), Ok(row)) = (usize::try_from(column), usize::try_from(row)) else { return under };
        if column >= usize::from(shape.width) {
            return under;
        }
        let start = (row * usize::from(shape.width) + column) * 4;
        let Some(&[red, green, blue, opacity]) = shape.rgba.get(start..start + 4) else { return under };
        let mix = |colour: u8, shift: u32| {
            let under = (under >> shift) & 0xff;
            // The colours are multiplied by the opacity already.
            (u32::from(colour) + under * (255 - u32::from(opacity)) / 255).min(255) << shift
        };
        mix(red, 16) | mix(green, 8) | mix(blue, 0)
    }
}

fn arrow() -> CursorShape {
    let rgba = ARROW.iter().flat_map(|row| row.bytes()).flat_map(|pixel| match pixel {
        b'#' => [0, 0, 0, 255],
        b'.' => [255, 255, 255, 255],
        _ => [0, 0, 0, 0],
    });
    CursorShape { width: 11, height: 16, hotspot_x: 0, hotspot_y: 0, rgba: rgba.collect() }
}

/// Each row has 11 pixels.
const ARROW: [&str; 16] = [
    "#          ",
    "##         ",
    "#.#        ",
    "#..#       ",
    "#...#      ",
    "#....#     ",
    "#.....#    ",
    "#......#   ",
    "#.......#  ",
    "#........# ",
    "#.....#####",
    "#..#..#    ",
    "#.# #..#   ",
    "##  #..#   ",
    "#    #..#  ",
    "     ####  ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrow_is_drawn_at_its_place_and_nowhere_else() {
        let mut sprite = Sprite::new();
        assert_eq!(sprite.rect((100, 100)), None, "nobody knows where it is");
        sprite.move_to(10, 20);
        assert_eq!(sprite.rect((100, 100)), Some(Rect { x: 10, y: 20, width: 11, height: 16 }));
        assert_eq!(sprite.over(10, 20, 0x00aa_bbcc), 0);
        assert_eq!(sprite.over(11, 22, 0x00aa_bbcc), 0x00ff_ffff);
        assert_eq!(sprite.over(9, 20, 0x00aa_bbcc), 0x00aa_bbcc);
        assert_eq!(sprite.over(21, 20, 0x00aa_bbcc), 0x00aa_bbcc);
        sprite.hide();
        assert_eq!(sprite.over(10, 20, 0x00aa_bbcc), 0x00aa_bbcc);
    }
}
