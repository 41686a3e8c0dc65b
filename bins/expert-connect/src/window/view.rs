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
        let stride = self.window.0 as usize;
        let one_to_one = self.shown == (u32::from(self.desktop.0), u32::from(self.desktop.1));
        for y in area.y..area.y.saturating_add(area.height).min(self.window.1) {
            let start = y as usize * stride + area.x as usize;
            let width = area.width.min(self.window.0.saturating_sub(area.x)) as usize;
            let Some(to) = buffer.get_mut(start..start + width) else { return };
            if one_to_one { self.copy_row(area.x, y, canvas, to) } else { self.scale_row(area.x, y, canvas, to) }
        }
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
    fn scale_row(&self, x: u32, y: u32, canvas: &Canvas, to: &mut [u32]) {
        let rows = span(i64::from(y) - i64::from(self.origin.1), self.shown.1, self.desktop.1);
        for (at, to) in (x..).zip(to) {
            let columns = span(i64::from(at) - i64::from(self.origin.0), self.shown.0, self.desktop.0);
            let mut sum = [0_u32; 3];
            let mut count = 0;
            for row in rows.0..rows.1 {
                let row = canvas.row(row);
                for pixel in row.get(usize::from(columns.0)..usize::from(columns.1)).unwrap_or_default() {
                    for (sum, shift) in sum.iter_mut().zip([16, 8, 0]) {
                        *sum += (pixel >> shift) & 0xff;
                    }
                    count += 1;
                }
            }
            let [red, green, blue] = sum.map(|sum| sum.checked_div(count).unwrap_or_default());
            *to = if count == 0 { BACKDROP } else { red << 16 | green << 8 | blue };
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

/// The desktop's pixels that fall into the `at`-th shown one; nothing beside the desktop.
fn span(at: i64, shown: u32, size: u16) -> (u16, u16) {
    let shown = i64::from(shown.max(1));
    if at < 0 || at >= shown {
        return (0, 0);
    }
    let start = at * i64::from(size) / shown;
    let end = ((at + 1) * i64::from(size) / shown).max(start + 1);
    (u16::try_from(start).unwrap_or(size), u16::try_from(end).unwrap_or(size).min(size))
}

/// What lies beside the desktop.
const BACKDROP: u32 = 0x0020_2020;

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_window_without_size_harms_nobody() {
        let view = view((0, 0), (1600, 900), Scale::Fit);
        assert_eq!(view.area_of(Rect { x: 0, y: 0, width: 9, height: 9 }), None);
        view.paint(view.everything(), &Canvas::default(), &mut []);
    }
}
