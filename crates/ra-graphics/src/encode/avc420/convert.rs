//! From the pixels of a screen to those of a film: brightness at each pixel, two differences of colour at each four.
//!
//! Source: [MS-RDPEGFX] 3.3.8.3.1, colour conversion: BT.709 with the full range of values, so white is 255. What
//! encoders convert for television (BT.601, 16 to 235) arrives as a greyish picture.

use yuv::{BufferStoreMut, YuvConversionMode, YuvError, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::frame::FrameView;
use crate::geometry::Rect;

/// The three planes of a picture in 4:2:0; the buffers serve one picture after the other.
#[derive(Default)]
pub(super) struct Planes {
    width: usize,
    height: usize,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
    /// The last two rows of pixels.
    last: Vec<u8>,
}

impl Planes {
    /// Takes over `area`, which must lie inside the picture, widened to whole macroblocks by repeating its edges.
    pub(super) fn take(&mut self, picture: &FrameView<'_>, area: Rect) -> Result<(), YuvError> {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        self.width = width.next_multiple_of(MACROBLOCK);
        self.height = height.next_multiple_of(MACROBLOCK);
        let pixels = self.width * self.height;
        self.luma.resize(pixels, 0);
        self.blue.resize(pixels / 4, 0);
        self.red.resize(pixels / 4, 0);
        // The crate converts pairs of rows, and leaves out a pair whose second row ends before its padding does, as the
        // last one of a picture may: it is copied. An odd row becomes its own pair.
        let pairs = (height - 1) / 2;
        let (bytes, stride) = picture.window(area);
        self.convert(&bytes[..pairs * 2 * stride], stride, width, 0, pairs)?;
        let mut last = std::mem::take(&mut self.last);
        last.clear();
        for row in [pairs * 2, height - 1] {
            last.extend_from_slice(&bytes[row * stride..][..width * 4]);
        }
        let converted = self.convert(&last, width * 4, width, pairs, 1);
        self.last = last;
        converted?;
        widen(&mut self.luma, self.width, width, (pairs + 1) * 2);
        widen(&mut self.blue, self.width / 2, width.div_ceil(2), pairs + 1);
        widen(&mut self.red, self.width / 2, width.div_ceil(2), pairs + 1);
        Ok(())
    }

    /// Converts `pairs` pairs of rows to those from `first` on.
    fn convert(
        &mut self,
        bytes: &[u8],
        stride: usize,
        width: usize,
        first: usize,
        pairs: usize,
    ) -> Result<(), YuvError> {
        if pairs == 0 {
            return Ok(());
        }
        let number = |value: usize| u32::try_from(value).map_err(|_| YuvError::PointerOverflow);
        let (luma, chroma) = (self.width * 2, self.width / 2);
        let (luma, chroma) = (first * luma..(first + pairs) * luma, first * chroma..(first + pairs) * chroma);
        let mut planes = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut self.luma[luma]),
            y_stride: number(self.width)?,
            u_plane: BufferStoreMut::Borrowed(&mut self.blue[chroma.clone()]),
            u_stride: number(self.width / 2)?,
            v_plane: BufferStoreMut::Borrowed(&mut self.red[chroma]),
            v_stride: number(self.width / 2)?,
            width: number(width)?,
            height: number(pairs * 2)?,
        };
        let (range, matrix) = (YuvRange::Full, YuvStandardMatrix::Bt709);
        yuv::bgra_to_yuv420(&mut planes, bytes, number(stride)?, range, matrix, YuvConversionMode::Balanced)
    }

    /// Width and height in pixels, both multiples of 16.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Brightness, blue difference, red difference. Rows follow each other without a gap.
    pub(super) fn planes(&self) -> (&[u8], &[u8], &[u8]) {
        (&self.luma, &self.blue, &self.red)
    }
}

/// Repeats the last of `width` columns and of `height` rows as far as the plane goes.
fn widen(plane: &mut [u8], stride: usize, width: usize, height: usize) {
    if width < stride {
        for row in plane.chunks_exact_mut(stride).take(height) {
            let last = row[width - 1];
            row[width..].fill(last);
        }
    }
    let (rows, below) = plane.split_at_mut(stride * height);
    let last = &rows[stride * (height - 1)..];
    for row in below.chunks_exact_mut(stride) {
        row.copy_from_slice(last);
    }
}

/// Pixels along each side of the squares that a film is made of. Source: ITU-T H.264, 6.3.
pub(super) const MACROBLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    /// What the standard says, in numbers with a point.
    fn exact([blue, green, red]: [f64; 3]) -> [f64; 3] {
        let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        [luma, (blue - luma) / 1.8556 + 128.0, (red - luma) / 1.5748 + 128.0]
    }

    fn pixels(size: Size) -> Vec<u8> {
        (0..size.area() as u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) ^ (i << 20)).to_le_bytes()).collect()
    }

    #[test]
    fn each_plane_is_what_the_standard_says() {
        let size = Size::new(97, 51);
        let bytes = pixels(size);
        let bytes: Vec<u8> = bytes.chunks(97 * 4).flat_map(|row| [row, &[0x77; 12]].concat()).collect();
        // The last row lacks its padding.
        let picture = FrameView::new(&bytes[..bytes.len() - 12], 97 * 4 + 12, size).unwrap();
        let mut planes = Planes::default();
        for area in [
            size.rect(),
            Rect::new(3, 5, 33, 17),
            Rect::new(96, 50, 1, 1),
            Rect::new(16, 16, 64, 32),
            Rect::new(0, 1, 97, 50),
        ] {
            planes.take(&picture, area).unwrap();
            let (width, height) = planes.size();
            assert!(width % 16 == 0 && height % 16 == 0 && width < usize::from(area.width) + 16);
            // A pixel beyond the edge is the nearest one inside.
            let at = |x: usize, y: usize| {
                let row = picture.row(area, usize::from(area.y) + y.min(usize::from(area.height) - 1));
                let pixel = &row[x.min(usize::from(area.width) - 1) * 4..];
                exact([pixel[0], pixel[1], pixel[2]].map(f64::from))
            };
            let (luma, blue, red) = planes.planes();
            for y in 0..height {
                for x in 0..width {
                    let wanted = at(x, y)[0];
                    let value = f64::from(luma[y * width + x]);
                    assert!((value - wanted).abs() <= 1.5, "{area:?} ({x}, {y}): {value} for {wanted}");
                }
            }
            let (right, bottom) = (usize::from(area.width).div_ceil(2), usize::from(area.height).div_ceil(2));
            for y in 0..height / 2 {
                for x in 0..width / 2 {
                    // Differences of colour are those of four pixels; beyond the edge they repeat as they are.
                    let (x2, y2) = (x.min(right - 1) * 2, y.min(bottom - 1) * 2);
                    let four = [at(x2, y2), at(x2 + 1, y2), at(x2, y2 + 1), at(x2 + 1, y2 + 1)];
                    for (plane, part) in [(blue, 1), (red, 2)] {
                        let wanted = four.iter().map(|pixel| pixel[part]).sum::<f64>() / 4.0;
                        let value = f64::from(plane[y * width / 2 + x]);
                        assert!(
                            (value - wanted.clamp(0.0, 255.0)).abs() <= 2.0,
                            "{area:?} ({x}, {y}): {value} for {wanted}"
                        );
                    }
                }
            }
        }
    }
}
