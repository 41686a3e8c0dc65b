//! Pictures of a film as the pipeline has them: full-range BT.709 with half as many colours each way.
//!
//! Source: [MS-RDPEGFX] 3.3.8.3.1. The arithmetic is the specification's, in 1/256; done in 1/64 it fits 16 bits, the
//! bits that are cut off cannot carry, and a compiler turns the loops into vector instructions by itself.

use super::area::Area;

/// A decoded picture: three planes, the second and third of half the size, rounded up.
#[derive(Clone, Copy)]
pub(super) struct Yuv<'a> {
    pub(super) planes: [&'a [u8]; 3],
    /// Bytes from row to row, of each plane.
    pub(super) strides: [usize; 3],
    pub(super) size: (u16, u16),
}

/// What a row's colours add to its brightness; the buffers serve all rows.
#[derive(Debug, Default)]
pub(super) struct Colours {
    red: Vec<i16>,
    green: Vec<i16>,
    blue: Vec<i16>,
}

impl Colours {
    /// Appends the pixels of an area, which lies within the picture, as `0x00RRGGBB`. False when the planes are too short.
    pub(super) fn convert(&mut self, yuv: &Yuv<'_>, area: Area, out: &mut Vec<u32>) -> bool {
        let area = area.clipped(yuv.size);
        let mut of_row = None;
        for y in area.top..area.bottom {
            if of_row != Some(y / 2) {
                of_row = Some(y / 2);
                let row = |plane: usize| {
                    let start = usize::from(y / 2) * yuv.strides[plane];
                    yuv.planes[plane]
                        .get(start + usize::from(area.left / 2)..start + usize::from(area.right.div_ceil(2)))
                };
                let (Some(u), Some(v)) = (row(1), row(2)) else { return false };
                self.spread(u, v);
            }
            let start = usize::from(y) * yuv.strides[0];
            let luma = yuv.planes[0].get(start + usize::from(area.left)..start + usize::from(area.right));
            let Some(luma) = luma else { return false };
            let odd = usize::from(area.left % 2);
            let (red, green, blue) = (&self.red[odd..], &self.green[odd..], &self.blue[odd..]);
            out.extend(luma.iter().zip(red).zip(green).zip(blue).map(|(((&y, &r), &g), &b)| {
                let y = i16::from(y) << 6;
                let byte = |colour: i16| ((y + colour) >> 6).clamp(0, 255) as u32;
                byte(r) << 16 | byte(g) << 8 | byte(b)
            }));
        }
        true
    }

    /// Each sample of colour serves two pixels.
    fn spread(&mut self, u: &[u8], v: &[u8]) {
        self.red.clear();
        self.green.clear();
        self.blue.clear();
        for (&u, &v) in u.iter().zip(v) {
            let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
            self.red.extend([((403 * v) >> 2) as i16; 2]);
            self.green.extend([((-48 * u - 120 * v) >> 2) as i16; 2]);
            self.blue.extend([((475 * u) >> 2) as i16; 2]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's arithmetic, pixel by pixel.
    fn slowly(y: u8, u: u8, v: u8) -> u32 {
        let (y, u, v) = (256 * i32::from(y), i32::from(u) - 128, i32::from(v) - 128);
        let byte = |value: i32| (value >> 8).clamp(0, 255) as u32;
        byte(y + 403 * v) << 16 | byte(y - 48 * u - 120 * v) << 8 | byte(y + 475 * u)
    }

    #[test]
    fn every_colour_is_the_specifications() {
        let mut colours = Colours::default();
        for u in 0..=255 {
            for v in 0..=255 {
                let luma: Vec<u8> = (0..=255).collect();
                let (us, vs) = (vec![u; 128], vec![v; 128]);
                let yuv = Yuv { planes: [&luma, &us, &vs], strides: [256, 128, 128], size: (256, 1) };
                let mut out = Vec::new();
                assert!(colours.convert(&yuv, Area::at(0, 0, 256, 1), &mut out));
                assert!((0..=255).zip(&out).all(|(y, &pixel)| pixel == slowly(y, u, v)), "{u} {v}");
            }
        }
    }

    #[test]
    fn an_area_with_odd_edges_has_the_colours_of_its_place() {
        let (width, height) = (9_usize, 7_usize);
        let luma: Vec<u8> = (0..width * height).map(|n| (n * 3) as u8).collect();
        let u: Vec<u8> = (0..20).map(|n| 90 + n * 3).collect();
        let v: Vec<u8> = (0..20).map(|n| 200 - n * 5).collect();
        let yuv = Yuv { planes: [&luma, &u, &v], strides: [9, 5, 5], size: (9, 7) };
        let area = Area { left: 3, top: 1, right: 9, bottom: 6 };
        let mut out = Vec::new();
        assert!(Colours::default().convert(&yuv, area, &mut out));
        let expected = (1..6).flat_map(|y| (3..9).map(move |x| (x, y)));
        let expected = expected.map(|(x, y)| slowly(luma[y * 9 + x], u[y / 2 * 5 + x / 2], v[y / 2 * 5 + x / 2]));
        assert_eq!(out, expected.collect::<Vec<_>>());
    }

    #[test]
    fn planes_that_are_too_short_are_noticed() {
        let yuv = Yuv { planes: [&[1; 30], &[1; 16], &[1; 15]], strides: [8, 4, 4], size: (8, 8) };
        assert!(!Colours::default().convert(&yuv, Area::at(0, 0, 8, 8), &mut Vec::new()));
    }
}
