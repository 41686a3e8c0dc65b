//! Where the novice's desktop lies in the window, and how its pixels get there. Pure: no window in it.

use ra_expert::{Canvas, Rect};

use crate::cli::Scale;

/// The place of the desktop in the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    window: (u32, u32),
    desktop: (u16, u16),
    /// Of the desktop's corner in the window; negative when the window shows a part only.
    origin: (i32, i32),
    /// Of the desktop in the window.
    shown: (u32, u32),
}

/// A rectangle in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl View {
    /// Lays out the desktop: never larger than it is, smaller only when it has to fit, in the middle where there is room.
    /// `pan` is where the pointer stands in the window, as parts of one: what does not fit follows it.
    pub(super) fn new(window: (u32, u32), desktop: (u16, u16), scale: Scale, pan: (f64, f64)) -> Self {
        let size = (u32::from(desktop.0), u32::from(desktop.1));
        let shown = match scale {
            Scale::OneToOne => size,
            Scale::Fit if size.0 <= window.0 && size.1 <= window.1 => size,
            Scale::Fit => {
                let (w, h) = (u64::from(size.0.max(1)), u64::from(size.1.max(1)));
                // The narrower of the two ratios, in whole numbers.
                if u64::from(window.0) * h <= u64::from(window.1) * w {
                    (window.0, part(h, window.0.into(), w))
                } else {
                    (part(w, window.1.into(), h), window.1)
                }
            }
        };
        let along = |window: u32, shown: u32, pan: f64| {
            let room = i64::from(window) - i64::from(shown);
            let at = if room >= 0 { room / 2 } else { (room as f64 * pan.clamp(0.0, 1.0)) as i64 };
            i32::try_from(at).unwrap_or_default()
        };
        let origin = (along(window.0, shown.0, pan.0), along(window.1, shown.1, pan.1));
        Self { window, desktop, origin, shown }
    }

    /// The desktop's pixel under a place in the window; `None` beside the desktop.
    pub(super) fn desktop_at(&self, x: f64, y: f64) -> Option<(u16, u16)> {
        let along = |at: f64, origin: i32, shown: u32, size: u16| {
            let inside = at.floor() as i64 - i64::from(origin);
            if shown == 0 || inside < 0 || inside >= i64::from(shown) {
                return None;
            }
            let pixel = inside * i64::from(size) / i64::from(shown);
            u16::try_from(pixel).ok().map(|pixel| pixel.min(size.saturating_sub(1)))
        };
        Some((
            along(x, self.origin.0, self.shown.0, self.desktop.0)?,
            along(y, self.origin.1, self.shown.1, self.desktop.1)?,
        ))
    }

    /// The same, moved to the nearest pixel of the desktop: for a button that is dragged over the edge.
    pub(super) fn nearest(&self, x: f64, y: f64) -> (u16, u16) {
        let along = |at: f64, origin: i32, shown: u32| {
            let (low, high) = (f64::from(origin), f64::from(origin) + f64::from(shown.max(1)) - 1.0);
            at.clamp(low, high)
        };
        let (x, y) = (along(x, self.origin.0, self.shown.0), along(y, self.origin.1, self.shown.1));
        self.desktop_at(x, y).unwrap_or_default()
    }

    /// The part of the window that a part of the desktop covers.
    pub(super) fn area_of(&self, rect: Rect) -> Option<Area> {
        let along = |at: u16, length: u16, size: u16, shown: u32, origin: i32, window: u32| {
            let size = i64::from(size.max(1));
            let start = i64::from(at) * i64::from(shown) / size;
            let end = (i64::from(at) + i64::from(length)) * i64::from(shown);
            let end = (end + size - 1) / size;
            // A scaled pixel mixes its neighbours in; repaint those that this one goes into.
            let spill = i64::from(i64::from(shown) != size);
            let start = (start - spill).max(0) + i64::from(origin);
            let end = (end + spill).min(i64::from(shown)) + i64::from(origin);
            let (start, end) = (start.max(0), end.min(i64::from(window)));
            Some((u32::try_from(start).ok()?, u32::try_from(end - start).ok().filter(|&length| length > 0)?))
        };
        let (x, width) = along(rect.x, rect.width, self.desktop.0, self.shown.0, self.origin.0, self.window.0)?;
        let (y, height) = along(rect.y, rect.height, self.desktop.1, self.shown.1, self.origin.1, self.window.1)?;
        Some(Area { x, y, width, height })
    }

    /// Paints one area of the window; what lies beside the desktop becomes the backdrop.
    pub(super) fn paint(&self, area: Area, canvas: &Canvas, buffer: &mut [u32]) {
        let one_to_one = self.shown == (u32::from(self.desktop.0), u32::from(self.desktop.1));
        // Which columns make one of the window's is the same in each row.
        let columns = if one_to_one { Vec::new() } else { self.columns(area) };
        let width = area.width.min(self.window.0.saturating_sub(area.x)) as usize;
        let rows = buffer.chunks_exact_mut((self.window.0 as usize).max(1));
        for (y, row) in (area.y..).zip(rows.skip(area.y as usize).take(area.height as usize)) {
            let Some(to) = row.get_mut(area.x as usize..area.x as usize + width) else { return };
            if one_to_one {
                self.copy_row(area.x, y, canvas, to);
            } else {
                self.scale_row(y, &columns, canvas, to);
            }
        }
    }

    /// The desktop's columns that make each of an area's.
    fn columns(&self, area: Area) -> Vec<(usize, usize)> {
        let along = |at: u32| span(i64::from(at) - i64::from(self.origin.0), self.shown.0, self.desktop.0);
        (area.x..area.x.saturating_add(area.width)).map(along).map(|(a, b)| (a.into(), b.into())).collect()
    }

    fn copy_row(&self, x: u32, y: u32, canvas: &Canvas, to: &mut [u32]) {
        let row = i64::from(y) - i64::from(self.origin.1);
        let row = u16::try_from(row).map(|row| canvas.row(row)).unwrap_or_default();
        let first = i64::from(x) - i64::from(self.origin.0);
        // The part left of the desktop, the desktop, and the part right of it.
        let before = usize::try_from(-first).unwrap_or_default().min(to.len());
        let (left, rest) = to.split_at_mut(before);
        left.fill(BACKDROP);
        let from = row.get(usize::try_from(first).unwrap_or_default()..).unwrap_or_default();
        let copied = from.len().min(rest.len());
        let (middle, right) = rest.split_at_mut(copied);
        middle.copy_from_slice(&from[..copied]);
        right.fill(BACKDROP);
    }

    /// Each pixel of the window is the mean of the desktop's pixels that fall into it, so that text stays readable.
    fn scale_row(&self, y: u32, columns: &[(usize, usize)], canvas: &Canvas, to: &mut [u32]) {
        let (first, end) = span(i64::from(y) - i64::from(self.origin.1), self.shown.1, self.desktop.1);
        let rows = || (first..end).map(|row| canvas.row(row));
        let mut divisor = (0, 0);
        for (to, &(left, right)) in to.iter_mut().zip(columns) {
            // Three sums in one number: they have 21 bits each, and 255 times MOST squared fits.
            let mut sum = 0_u64;
            let mut count = 0_u64;
            for row in rows() {
                let pixels = row.get(left..right).unwrap_or_default();
                count += pixels.len() as u64;
                sum += pixels.iter().map(|&pixel| spread(pixel)).sum::<u64>();
            }
            if count == 0 {
                *to = BACKDROP;
                continue;
            }
            // Neighbours are made of as many pixels, mostly; dividing is then one multiplication.
            if divisor.0 != count {
                divisor = (count, (1 << 32) / count + 1);
            }
            let mean = |shift: u32| ((((sum >> shift) & 0x001f_ffff) * divisor.1) >> 32) as u32;
            *to = mean(42) << 16 | mean(21) << 8 | mean(0);
        }
    }

    /// The whole window.
    pub(super) fn everything(&self) -> Area {
        Area { x: 0, y: 0, width: self.window.0, height: self.window.1 }
    }
}

/// `length * numerator / denominator`, at least one pixel.
fn part(length: u64, numerator: u64, denominator: u64) -> u32 {
    u32::try_from(length * numerator / denominator.max(1)).unwrap_or(u32::MAX).max(1)
}

/// Red, green and blue with room above each.
fn spread(pixel: u32) -> u64 {
    let pixel = u64::from(pixel);
    (pixel & 0x00ff_0000) << 26 | (pixel & 0xff00) << 13 | pixel & 0xff
}

/// The desktop's pixels that fall into the `at`-th shown one, the first of very many; nothing beside the desktop.
fn span(at: i64, shown: u32, size: u16) -> (u16, u16) {
    let shown = i64::from(shown.max(1));
    if at < 0 || at >= shown {
        return (0, 0);
    }
    let start = at * i64::from(size) / shown;
    let end = ((at + 1) * i64::from(size) / shown).clamp(start + 1, start + MOST);
    (u16::try_from(start).unwrap_or(size), u16::try_from(end).unwrap_or(size).min(size))
}

/// Pixels of the desktop, each way, that are looked at for one of the window: enough for 8K in a window of 90 pixels.
const MOST: i64 = 90;
/// What lies beside the desktop.
const BACKDROP: u32 = 0x0020_2020;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use ra_expert::{Counters, Picture, Pipeline};

    use super::*;

    fn view(window: (u32, u32), desktop: (u16, u16), scale: Scale) -> View {
        View::new(window, desktop, scale, (0.0, 0.0))
    }

    #[test]
    fn with_room_both_scales_are_one_to_one_in_the_middle() {
        for scale in [Scale::Fit, Scale::OneToOne] {
            let view = view((1000, 600), (800, 600), scale);
            assert_eq!(view.origin, (100, 0));
            assert_eq!(view.desktop_at(100.0, 0.0), Some((0, 0)));
            assert_eq!(view.desktop_at(899.9, 599.0), Some((799, 599)));
            assert_eq!(view.desktop_at(99.0, 10.0), None);
            assert_eq!(view.nearest(5000.0, -3.0), (799, 0));
        }
    }

    #[test]
    fn a_window_of_the_desktops_size_shows_each_rectangle_where_it_is() {
        let view = view((800, 600), (800, 600), Scale::OneToOne);
        let area = view.area_of(Rect { x: 10, y: 20, width: 30, height: 40 });
        assert_eq!(area, Some(Area { x: 10, y: 20, width: 30, height: 40 }));
    }

    #[test]
    fn fit_keeps_the_shape_and_reaches_every_corner() {
        let view = view((800, 800), (1600, 900), Scale::Fit);
        assert_eq!(view.shown, (800, 450));
        assert_eq!(view.desktop_at(0.0, 175.0), Some((0, 0)));
        assert_eq!(view.desktop_at(799.0, 624.0), Some((1598, 898)));
        assert!(view.area_of(Rect { x: 1598, y: 898, width: 2, height: 2 }).is_some());
    }

    #[test]
    fn one_to_one_follows_the_pointer_to_the_far_edge() {
        let view = View::new((800, 600), (1600, 900), Scale::OneToOne, (1.0, 1.0));
        assert_eq!(view.desktop_at(799.0, 599.0), Some((1599, 899)));
        assert_eq!(view.area_of(Rect { x: 0, y: 0, width: 100, height: 100 }), None);
    }

    /// The mean of each box of pixels, one after the other.
    fn slowly(view: &View, canvas: &Canvas) -> Vec<u32> {
        let along = |at: u32, origin: i32, shown: u32, size: u16| span(i64::from(at) - i64::from(origin), shown, size);
        let places = (0..view.window.1).flat_map(|y| (0..view.window.0).map(move |x| (x, y)));
        let pixel = |(x, y)| {
            let columns = along(x, view.origin.0, view.shown.0, view.desktop.0);
            let rows = along(y, view.origin.1, view.shown.1, view.desktop.1);
            let pixels = (rows.0..rows.1).flat_map(|y| (columns.0..columns.1).map(move |x| (x, y)));
            let pixels: Vec<u32> = pixels.map(|(x, y)| canvas.row(y)[usize::from(x)]).collect();
            let count = pixels.len() as u32;
            let mean = |shift: u32| pixels.iter().map(|pixel| pixel >> shift & 0xff).sum::<u32>() / count;
            if count == 0 { BACKDROP } else { mean(16) << 16 | mean(8) << 8 | mean(0) }
        };
        places.map(pixel).collect()
    }

    /// A picture as a server would make it.
    fn noise(width: u16, height: u16) -> Picture {
        let picture = Picture::default();
        let mut pipeline = Pipeline::new(&picture, &Counters::default());
        let mut message = vec![0xe0, 0x04];
        // ResetGraphics, CreateSurface, MapSurfaceToOutput, one WireToSurface1 for each row, EndFrame.
        // Source: [MS-RDPEGFX] 2.2.2.14, 2.2.2.9, 2.2.2.15, 2.2.2.1, 2.2.2.12.
        let mut pdu = |command: u16, body: &[u8]| {
            message.extend(command.to_le_bytes());
            message.extend([0, 0]);
            message.extend((body.len() as u32 + 8).to_le_bytes());
            message.extend(body);
        };
        let [w0, w1] = width.to_le_bytes();
        let [h0, h1] = height.to_le_bytes();
        let mut reset = vec![w0, w1, 0, 0, h0, h1, 0, 0, 0, 0, 0, 0];
        reset.resize(332, 0);
        pdu(0x0e, &reset);
        pdu(0x09, &[1, 0, w0, w1, h0, h1, 0x20]);
        pdu(0x0f, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut state = 1_u32;
        for y in 0..height {
            let [y0, y1] = y.to_le_bytes();
            let [b0, b1] = (y + 1).to_le_bytes();
            let length = (u32::from(width) * 4).to_le_bytes();
            let mut row = vec![1, 0, 0, 0, 0x20, 0, 0, y0, y1, w0, w1, b0, b1];
            row.extend(length);
            for _ in 0..width {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                row.extend(state.to_be_bytes());
            }
            pdu(0x01, &row);
        }
        pdu(0x0c, &[0, 0, 0, 0]);
        pipeline.receive(&message).unwrap();
        assert_eq!(picture.lock().size(), (width, height));
        picture
    }

    #[test]
    fn a_scaled_picture_is_the_mean_of_what_falls_into_each_pixel() {
        let picture = noise(150, 90);
        let canvas = picture.lock();
        for window in [(75, 45), (100, 100), (31, 17), (149, 90), (1, 1), (150, 7)] {
            let view = view(window, (150, 90), Scale::Fit);
            let mut buffer = vec![7; (window.0 * window.1) as usize];
            view.paint(view.everything(), &canvas, &mut buffer);
            assert!(buffer == slowly(&view, &canvas), "{window:?}");
        }
    }

    #[test]
    fn damage_painted_in_pieces_is_the_same_picture() {
        let picture = noise(150, 90);
        let canvas = picture.lock();
        for (window, scale) in [((100, 70), Scale::Fit), ((200, 100), Scale::Fit), ((60, 50), Scale::OneToOne)] {
            let view = view(window, (150, 90), scale);
            let mut whole = vec![7; (window.0 * window.1) as usize];
            view.paint(view.everything(), &canvas, &mut whole);
            let mut pieces = vec![BACKDROP; whole.len()];
            for (x, y) in (0..90).step_by(13).flat_map(|y| (0..150).step_by(17).map(move |x| (x, y))) {
                if let Some(area) = view.area_of(Rect { x, y, width: 17.min(150 - x), height: 13.min(90 - y) }) {
                    view.paint(area, &canvas, &mut pieces);
                }
            }
            assert!(pieces == whole, "{window:?}");
        }
    }

    #[test]
    fn a_window_without_size_harms_nobody() {
        let view = view((0, 0), (1600, 900), Scale::Fit);
        assert_eq!(view.area_of(Rect { x: 0, y: 0, width: 9, height: 9 }), None);
        view.paint(view.everything(), &Canvas::default(), &mut []);
    }
}
