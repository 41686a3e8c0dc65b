//! Letters made by code: a few strokes each, with soft edges, in any size.

use ra_graphics::Rect;

use crate::scenes::{Canvas, Random};

/// Letters in cells of one size.
pub(crate) struct Font {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// How much of each third of each pixel is covered, for each letter; red first, 255 is all.
    letters: Vec<Vec<[u8; 3]>>,
}

/// How a font is drawn.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Width of the strokes in pixels.
    pub(crate) weight: f32,
    /// Whether red, green and blue are covered for themselves, as on flat screens.
    pub(crate) fringed: bool,
    /// Whether edges are soft.
    pub(crate) soft: bool,
}

impl Font {
    pub(crate) fn new(style: Style, seed: u64) -> Self {
        let letters = (0..LETTERS).map(|letter| {
            let mut random = Random(seed * 1000 + letter);
            let mut point = || {
                let [x, y] = [random.below(4), random.below(4)].map(|step| step as f32 / 3.0);
                [0.12 + x * 0.68, 0.2 + y * 0.55]
            };
            let mut strokes = Vec::new();
            let mut from = point();
            for _ in 0..4 {
                let to = point();
                strokes.push((from, to));
                from = to;
            }
            let covered = |x: f32, y: f32| {
                let scale = |[u, v]: [f32; 2]| [u * f32::from(style.width), v * f32::from(style.height)];
                let nearest =
                    strokes.iter().map(|(a, b)| distance([x, y], scale(*a), scale(*b))).fold(f32::MAX, f32::min);
                let value = (0.5 + style.weight / 2.0 - nearest).clamp(0.0, 1.0);
                if style.soft { (value * 255.0) as u8 } else { u8::from(value > 0.5) * 255 }
            };
            let pixels = (0..style.height).flat_map(|y| (0..style.width).map(move |x| (f32::from(x), f32::from(y))));
            let third = if style.fringed { 1.0 / 3.0 } else { 0.0 };
            pixels.map(|(x, y)| [-third, 0.0, third].map(|shift| covered(x + 0.5 + shift, y + 0.5))).collect()
        });
        Self { width: style.width, height: style.height, letters: letters.collect() }
    }

    /// Draws a letter as far as it is inside `clip`. Letters from [`LETTERS`] on are spaces.
    pub(crate) fn letter(
        &self,
        canvas: &mut Canvas,
        clip: Rect,
        (x, y): (u32, u32),
        letter: u64,
        (ink, paper): (u32, u32),
    ) {
        let Some(pixels) = self.letters.get(letter as usize) else { return };
        for (dy, row) in pixels.chunks_exact(usize::from(self.width)).enumerate() {
            for (dx, covered) in row.iter().enumerate() {
                let (x, y) = (x + dx as u32, y + dy as u32);
                let inside =
                    (u32::from(clip.x)..clip.right()).contains(&x) && (u32::from(clip.y)..clip.bottom()).contains(&y);
                if inside && *covered != [0; 3] {
                    canvas.set(x as u16, y as u16, mix(paper, ink, *covered));
                }
            }
        }
    }

    /// Draws made-up words, the same for the same `seed`.
    pub(crate) fn line(
        &self,
        canvas: &mut Canvas,
        clip: Rect,
        (x, y): (u32, u32),
        count: u64,
        seed: u64,
        (ink, paper): (u32, u32),
    ) {
        let mut random = Random(seed * 7 + 1);
        for column in 0..count {
            let letter = random.below(LETTERS + LETTERS / 5);
            self.letter(canvas, clip, (x + column as u32 * u32::from(self.width), y), letter, (ink, paper));
        }
    }

    /// Fills `rect` with lines of text on `paper`; line `first` is the first one.
    pub(crate) fn page(&self, canvas: &mut Canvas, rect: Rect, first: u64, ink: u32, paper: u32) {
        canvas.fill(rect, paper);
        let columns = u64::from(rect.width / self.width).saturating_sub(2);
        for (number, y) in (rect.y..rect.y + rect.height).step_by(usize::from(self.height)).enumerate() {
            let line = first + number as u64;
            let mut random = Random(line);
            // Paragraphs end, and begin after an empty line.
            let length = match line % 9 {
                7 => columns / 3,
                8 => 0,
                _ => columns - random.below(columns / 6 + 1),
            };
            self.line(canvas, rect, (u32::from(rect.x + self.width), u32::from(y)), length, line, (ink, paper));
        }
    }
}

fn distance([x, y]: [f32; 2], [ax, ay]: [f32; 2], [bx, by]: [f32; 2]) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(0.001)).clamp(0.0, 1.0);
    (x - ax - along * dx).hypot(y - ay - along * dy)
}

/// So much of `ink` on `paper`, for red, green and blue.
fn mix(paper: u32, ink: u32, covered: [u8; 3]) -> u32 {
    let channel = |shift: u32, covered: u8| {
        let (paper, ink, covered) = (paper >> shift & 0xFF, ink >> shift & 0xFF, u32::from(covered));
        ((paper * (255 - covered) + ink * covered + 127) / 255) << shift
    };
    channel(16, covered[0]) | channel(8, covered[1]) | channel(0, covered[2])
}

/// How many letters there are.
pub(crate) const LETTERS: u64 = 44;
