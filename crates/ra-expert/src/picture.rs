//! The novice's desktop as far as it has arrived: one framebuffer that the engine writes and a window reads.

use core::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle on the picture; clones show the same one.
///
/// The engine paints a whole update, then tells the face once. A window that is slow finds more damage the next time
/// it looks, never a queue of old frames: the newest picture is the only one there is.
#[derive(Clone, Default)]
pub struct Picture {
    shared: Arc<Mutex<Canvas>>,
}

/// The pixels of a [`Picture`] while it is locked.
#[derive(Default)]
pub struct Canvas {
    width: u16,
    height: u16,
    pixels: Vec<u32>,
    damage: Vec<Rect>,
    pipelined: bool,
}

/// A rectangle in pixels of the novice's desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// From the left edge.
    pub x: u16,
    /// From the top edge.
    pub y: u16,
    /// At least 1.
    pub width: u16,
    /// At least 1.
    pub height: u16,
}

impl Rect {
    /// The part of this rectangle that lies within `width` x `height`; `None` when nothing does.
    #[must_use]
    pub fn within(self, width: u16, height: u16) -> Option<Self> {
        if self.x >= width || self.y >= height {
            return None;
        }
        let (right, bottom) = (self.width.min(width - self.x), self.height.min(height - self.y));
        (right > 0 && bottom > 0).then_some(Self { width: right, height: bottom, ..self })
    }

    /// Pixels in it.
    #[must_use]
    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = self.x.saturating_add(self.width).max(other.x.saturating_add(other.width));
        let bottom = self.y.saturating_add(self.height).max(other.y.saturating_add(other.height));
        Self { x, y, width: right - x, height: bottom - y }
    }
}

impl Picture {
    /// Locks the pixels. Keep it short: the engine waits.
    pub fn lock(&self) -> MutexGuard<'_, Canvas> {
        // A reader that panicked has changed nothing that matters.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a copy of the whole picture; `None` before there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let canvas = self.lock();
        (canvas.width > 0 && canvas.height > 0).then(|| Snapshot {
            width: canvas.width,
            height: canvas.height,
            pixels: canvas.pixels.clone(),
        })
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Picture")
    }
}

impl Canvas {
    /// Pixels from edge to edge; 0 x 0 before the first picture.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// Row after row, each pixel `0x00RRGGBB`.
    #[must_use]
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// One row; empty when there is no such row.
    #[must_use]
    pub fn row(&self, y: u16) -> &[u32] {
        let start = usize::from(y) * usize::from(self.width);
        self.pixels.get(start..start + usize::from(self.width)).unwrap_or_default()
    }

    /// What has changed since the last call. There is one reader of damage, the window.
    pub fn take_damage(&mut self) -> Vec<Rect> {
        core::mem::take(&mut self.damage)
    }

    /// Makes the picture this large; a new size starts black and wholly damaged.
    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        if (self.width, self.height) != (width, height) {
            self.width = width;
            self.height = height;
            self.pixels = vec![0; usize::from(width) * usize::from(height)];
            self.damage.clear();
            self.note(Rect { x: 0, y: 0, width, height });
        }
    }

    /// Copies `rect` out of a picture of the same size whose pixels are blue, green, red, unused.
    pub(crate) fn paint(&mut self, rect: Rect, bgrx: &[u8]) {
        let Some(rect) = rect.within(self.width, self.height) else { return };
        let stride = usize::from(self.width);
        let (x, columns) = (usize::from(rect.x), usize::from(rect.width));
        for y in usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height) {
            let start = y * stride + x;
            let (Some(to), Some(from)) =
                (self.pixels.get_mut(start..start + columns), bgrx.get(start * 4..(start + columns) * 4))
            else {
                return;
            };
            for (to, from) in to.iter_mut().zip(from.chunks_exact(4)) {
                *to = u32::from_le_bytes([from[0], from[1], from[2], 0]);
            }
        }
        self.note(rect);
    }

    /// Whether the graphics pipeline has taken the picture over: then nobody else paints.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// Gives the picture to the graphics pipeline, in this size, black and wholly damaged.
    pub(crate) fn start_pipeline(&mut self, width: u16, height: u16) {
        self.pipelined = true;
        self.resize(width, height);
        self.pixels = vec![0; usize::from(width) * usize::from(height)];
        self.note(Rect { x: 0, y: 0, width, height });
    }

    /// Exchanges all pixels, those of a picture of the same size. Damage is the caller's to note.
    pub(crate) fn swap(&mut self, pixels: &mut Vec<u32>) {
        core::mem::swap(&mut self.pixels, pixels);
    }

    /// Copies `rect` of a surface, which is `stride` pixels wide and has its corner at `corner`, to where it is shown.
    /// False when no part of it is.
    pub(crate) fn show(&mut self, rect: Rect, pixels: &[u32], stride: u16, corner: (u32, u32)) -> bool {
        let along = |at: u16, corner: u32| u16::try_from(u32::from(at).saturating_add(corner));
        let (Ok(x), Ok(y)) = (along(rect.x, corner.0), along(rect.y, corner.1)) else { return false };
        let Some(shown) = (Rect { x, y, ..rect }).within(self.width, self.height) else { return false };
        let (stride, width) = (usize::from(stride), usize::from(shown.width));
        let rows = self.pixels.chunks_exact_mut(usize::from(self.width).max(1));
        for (row, to) in rows.skip(usize::from(y)).take(usize::from(shown.height)).enumerate() {
            let start = (usize::from(rect.y) + row) * stride + usize::from(rect.x);
            let to = to.get_mut(usize::from(x)..usize::from(x) + width);
            if let (Some(to), Some(from)) = (to, pixels.get(start..start + width)) {
                to.copy_from_slice(from);
            }
        }
        self.note(shown);
        true
    }

    /// Remembers damage. What lies in the last rectangle or continues it makes no new one; a list that nobody takes
    /// stays short, because one rectangle around it all covers everything.
    pub(crate) fn note(&mut self, rect: Rect) {
        if rect.width == 0 || rect.height == 0 {
            return;
        }
        if let Some(last) = self.damage.last_mut() {
            let union = last.union(rect);
            if union.area() <= last.area() + rect.area() {
                *last = union;
                return;
            }
        }
        self.damage.push(rect);
        if self.damage.len() > MAX_DAMAGE {
            let all = self.damage.drain(..).reduce(Rect::union);
            self.damage.extend(all);
        }
    }
}

/// A copy of the picture at one moment.
pub struct Snapshot {
    width: u16,
    height: u16,
    pixels: Vec<u32>,
}

impl Snapshot {
    /// Pixels from edge to edge.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// Row after row, each pixel `0x00RRGGBB`.
    #[must_use]
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// Writes the picture as a PNG file, 8 bits of red, green and blue.
    ///
    /// # Errors
    ///
    /// Only those of `out`.
    pub fn write_png(&self, out: impl io::Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(out, u32::from(self.width), u32::from(self.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(io::Error::other)?;
        let mut rgb = Vec::with_capacity(self.pixels.len() * 3);
        for pixel in &self.pixels {
            let [blue, green, red, _] = pixel.to_le_bytes();
            rgb.extend_from_slice(&[red, green, blue]);
        }
        writer.write_image_data(&rgb).map_err(io::Error::other)?;
        writer.finish().map_err(io::Error::other)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({}x{})", self.width, self.height)
    }
}

/// Rectangles of damage kept for a reader; beyond this one rectangle around everything is cheaper than the list.
const MAX_DAMAGE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_painted_rectangle_is_all_that_changes() {
        let picture = Picture::default();
        let mut canvas = picture.lock();
        canvas.resize(4, 2);
        assert_eq!(canvas.take_damage(), [Rect { x: 0, y: 0, width: 4, height: 2 }]);
        let source: Vec<u8> = (0..8).flat_map(|n| [n, 2, 3, 255]).collect();
        canvas.paint(Rect { x: 1, y: 1, width: 2, height: 9 }, &source);
        assert_eq!(canvas.row(0), [0; 4]);
        assert_eq!(canvas.row(1), [0, 0x0003_0205, 0x0003_0206, 0]);
        assert_eq!(canvas.take_damage(), [Rect { x: 1, y: 1, width: 2, height: 1 }]);
    }

    #[test]
    fn damage_that_nobody_takes_does_not_grow() {
        let picture = Picture::default();
        let mut canvas = picture.lock();
        canvas.resize(8, 8);
        let source = vec![0; 256];
        for _ in 0..10_000 {
            canvas.paint(Rect { x: 1, y: 1, width: 1, height: 1 }, &source);
        }
        assert!(canvas.take_damage().len() <= MAX_DAMAGE);
    }

    #[test]
    fn a_snapshot_is_a_png_that_reads_back() {
        let picture = Picture::default();
        picture.lock().resize(3, 2);
        picture.lock().paint(Rect { x: 0, y: 0, width: 3, height: 2 }, &[0x11, 0x22, 0x33, 0xff].repeat(6));
        let mut file = Vec::new();
        picture.snapshot().unwrap().write_png(&mut file).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (3, 2));
        assert_eq!(pixels[..6], [0x33, 0x22, 0x11, 0x33, 0x22, 0x11]);
    }
}
