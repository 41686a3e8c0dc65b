//! The mouse pointer's shape and position as fast-path pointer updates.
//!
//! Source: [MS-RDPBCGR] 2.2.9.1.2.1.5 to 2.2.9.1.2.1.11.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::fastpath::{MAX_UNFRAGMENTED, UpdateCode, push_update, short_update};

/// What the client said about pointers in its capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointerClient {
    /// `pointerCacheSize` of the pointer capability; 0 when it is missing there.
    pub cache_size: u16,
    /// `colorPointerCacheSize`, for clients that know nothing newer.
    pub color_cache_size: u16,
    /// `largePointerSupportFlags` of the large pointer capability, 0 when not announced.
    pub large_pointer_flags: u16,
    /// `MaxRequestSize` of the multifragment update capability in bytes, when announced.
    pub max_request_size: Option<u32>,
}

/// How the colours of a pointer shape relate to its alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// Colours as they are; what RDP wants.
    Straight,
    /// Colours multiplied by alpha, as X11 has them.
    Premultiplied,
}

/// A pointer shape: BGRA, top row first, rows without gaps.
#[derive(Clone, Copy)]
pub struct PointerShape<'a> {
    /// `width * height * 4` bytes.
    pub pixels: &'a [u8],
    /// What the alpha bytes mean to the colours.
    pub alpha: Alpha,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Column of the pixel that points, clamped to the shape.
    pub hot_x: u16,
    /// Row of the pixel that points, clamped to the shape.
    pub hot_y: u16,
}

/// A pointer shape that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PointerError {
    /// The pixels are not as many as width and height say.
    #[error("{given} bytes for a pointer that takes {needed}")]
    Length {
        /// Bytes that are there.
        given: usize,
        /// Bytes that the size calls for.
        needed: usize,
    },
}

/// Turns pointer shapes into whole fast-path PDUs and remembers which of them the client still has.
pub struct PointerEncoder {
    form: Form,
    longest_side: u16,
    /// What is in the client's cache, by place.
    cache: Vec<Cached>,
    capacity: usize,
    uses: u64,
}

/// Which updates the client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Pointers with an alpha channel.
    Alpha,
    /// Colours and a mask.
    Colour,
}

struct Cached {
    /// The shape's update, without its place in the cache.
    shape: Encoded,
    last_use: u64,
}

#[derive(PartialEq, Eq)]
struct Encoded {
    width: u16,
    height: u16,
    hot_x: u16,
    hot_y: u16,
    xor: Vec<u8>,
    and: Vec<u8>,
}

impl PointerEncoder {
    /// An encoder for one client whose cache is empty, as it is after each (re)activation.
    pub fn new(client: PointerClient) -> Self {
        let (form, places) = match client.cache_size {
            0 => (Form::Colour, client.color_cache_size),
            places => (Form::Alpha, places),
        };
        let reassembled = client.max_request_size.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let longest_update = reassembled.max(MAX_UNFRAGMENTED);
        let allowed = |side: u16, flag| client.large_pointer_flags & flag != 0 && longest(side) <= longest_update;
        let longest_side = match form {
            Form::Alpha if allowed(LARGEST, LARGE_POINTER_384) => LARGEST,
            Form::Alpha if allowed(LARGE, LARGE_POINTER_96) => LARGE,
            _ => SMALL,
        };
        let capacity = usize::from(places).min(MOST_CACHED);
        Self { form, longest_side, cache: Vec::new(), capacity, uses: 0 }
    }

    /// The PDUs that make `shape` the client's pointer. A shape too large for the client is scaled down.
    ///
    /// # Errors
    /// When the shape's buffer does not fit its size.
    pub fn shape(&mut self, shape: &PointerShape<'_>) -> Result<Vec<Vec<u8>>, PointerError> {
        let needed = usize::from(shape.width) * usize::from(shape.height) * 4;
        if shape.pixels.len() != needed {
            return Err(PointerError::Length { given: shape.pixels.len(), needed });
        }
        if needed == 0 {
            return Ok(vec![self.hidden()]);
        }
        let encoded = encode(&shrink(shape, self.longest_side), self.form);
        self.uses += 1;
        if let Some(place) = self.cache.iter().position(|cached| cached.shape == encoded) {
            self.cache[place].last_use = self.uses;
            return Ok(vec![short_update(UpdateCode::PointerCached, &(place as u16).to_le_bytes())]);
        }
        let place = self.free_place();
        let mut pdus = Vec::new();
        let (code, update) = encoded.update(self.form, place as u16);
        push_update(code, &update, &mut pdus);
        let cached = Cached { shape: encoded, last_use: self.uses };
        match self.cache.get_mut(place) {
            Some(old) => *old = cached,
            None if self.capacity > 0 => self.cache.push(cached),
            None => {} // the client keeps nothing
        }
        Ok(pdus)
    }

    /// The PDU that hides the pointer.
    pub fn hidden(&self) -> Vec<u8> {
        short_update(UpdateCode::PointerHidden, &[])
    }

    /// The PDU that shows the client's own default pointer.
    pub fn default_shape(&self) -> Vec<u8> {
        short_update(UpdateCode::PointerDefault, &[])
    }

    /// The PDU that moves the client's pointer to a place on the desktop.
    pub fn position(&self, x: u16, y: u16) -> Vec<u8> {
        let mut point = [0; 4];
        point[..2].copy_from_slice(&x.to_le_bytes());
        point[2..].copy_from_slice(&y.to_le_bytes());
        short_update(UpdateCode::PointerPosition, &point)
    }

    /// A place that is empty, or else the one whose shape was not used for longest; 0 when there are none.
    fn free_place(&self) -> usize {
        if self.cache.len() < self.capacity {
            return self.cache.len();
        }
        let oldest = self.cache.iter().enumerate().min_by_key(|(_, cached)| cached.last_use);
        oldest.map_or(0, |(place, _)| place)
    }
}

impl fmt::Debug for PointerEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PointerEncoder")
            .field("form", &self.form)
            .field("longest_side", &self.longest_side)
            .field("cached", &self.cache.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive() // no pixels
    }
}

impl fmt::Debug for PointerShape<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PointerShape")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("hot", &(self.hot_x, self.hot_y))
            .finish_non_exhaustive() // no pixels
    }
}

impl Encoded {
    fn update(&self, form: Form, place: u16) -> (UpdateCode, Vec<u8>) {
        let mut update = Vec::with_capacity(LONGEST_HEADER + self.xor.len() + self.and.len());
        let mut push = |values: &[u16]| values.iter().for_each(|value| update.extend_from_slice(&value.to_le_bytes()));
        let place_and_size = [place, self.hot_x, self.hot_y, self.width, self.height];
        let code = if self.width.max(self.height) > LARGE {
            push(&[32]);
            push(&place_and_size);
            update.extend_from_slice(&(self.and.len() as u32).to_le_bytes());
            update.extend_from_slice(&(self.xor.len() as u32).to_le_bytes());
            UpdateCode::PointerLarge
        } else {
            if form == Form::Alpha {
                push(&[32]);
            }
            push(&place_and_size);
            push(&[self.and.len() as u16, self.xor.len() as u16]); // at most 96 * 96 * 4
            match form {
                Form::Alpha => UpdateCode::PointerNew,
                Form::Colour => UpdateCode::PointerColour,
            }
        };
        update.extend_from_slice(&self.xor);
        update.extend_from_slice(&self.and);
        (code, update)
    }
}

/// A shape no side of which is longer than `side`, made smaller by averaging squares of pixels.
fn shrink<'a>(shape: &PointerShape<'a>, side: u16) -> Shape<'a> {
    let square = shape.width.max(shape.height).div_ceil(side).max(1);
    let (hot_x, hot_y) = (shape.hot_x.min(shape.width - 1), shape.hot_y.min(shape.height - 1));
    if square == 1 {
        let pixels = match shape.alpha {
            Alpha::Straight => Cow::Borrowed(shape.pixels),
            Alpha::Premultiplied => {
                let pixels = shape.pixels.as_chunks::<4>().0.iter();
                Cow::Owned(
                    pixels.flat_map(|&[b, g, r, a]| straight([b, g, r].map(u64::from), u64::from(a), 1)).collect(),
                )
            }
        };
        return Shape { pixels, width: shape.width, height: shape.height, hot_x, hot_y };
    }
    let (width, height) = (shape.width.div_ceil(square), shape.height.div_ceil(square));
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 4);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let (mut colour, mut alpha) = ([0; 3], 0);
        for from_y in (y * square)..(y * square + square).min(shape.height) {
            for from_x in (x * square)..(x * square + square).min(shape.width) {
                let at = (usize::from(from_y) * usize::from(shape.width) + usize::from(from_x)) * 4;
                let value = &shape.pixels[at..at + 4];
                let opacity = u64::from(value[3]);
                alpha += opacity;
                for (sum, channel) in colour.iter_mut().zip(value) {
                    *sum += match shape.alpha {
                        Alpha::Premultiplied => u64::from(*channel),
                        Alpha::Straight => u64::from(*channel) * opacity / 255,
                    };
                }
            }
        }
        pixels.extend_from_slice(&straight(colour, alpha, u64::from(square) * u64::from(square)));
    }
    Shape { pixels: Cow::Owned(pixels), width, height, hot_x: hot_x / square, hot_y: hot_y / square }
}

/// Sums of premultiplied colours and of alpha over `count` pixels, as one pixel with straight alpha.
fn straight(colour: [u64; 3], alpha: u64, count: u64) -> [u8; 4] {
    if alpha == 0 {
        return [0; 4];
    }
    // Rounded; a premultiplied colour above its alpha is a mistake of the shape and is clamped.
    let [b, g, r] = colour.map(|sum| ((sum * 255 + alpha / 2) / alpha).min(255) as u8);
    [b, g, r, (alpha / count).min(255) as u8]
}

/// A shape with straight alpha in its final size.
struct Shape<'a> {
    pixels: Cow<'a, [u8]>,
    width: u16,
    height: u16,
    hot_x: u16,
    hot_y: u16,
}

/// The two masks, bottom row first, each row filled up to 16 bits.
fn encode(shape: &Shape<'_>, form: Form) -> Encoded {
    let width = usize::from(shape.width);
    let (mut xor, mut and) = (Vec::new(), Vec::new());
    for row in shape.pixels.chunks_exact(width * 4).rev() {
        let start = and.len();
        and.resize(start + width.div_ceil(16) * 2, 0);
        for (x, &[b, g, r, a]) in row.as_chunks::<4>().0.iter().enumerate() {
            // The mask alone decides for clients that do not look at alpha.
            let visible = match form {
                Form::Alpha => a != 0,
                Form::Colour => a >= 0x80,
            };
            let colour = if visible { [b, g, r, a] } else { [0; 4] };
            if !visible {
                and[start + x / 8] |= 0x80 >> (x % 8);
            }
            match form {
                Form::Alpha => xor.extend_from_slice(&colour),
                Form::Colour => xor.extend_from_slice(&colour[..3]),
            }
        }
        if xor.len() % 2 == 1 {
            xor.push(0);
        }
    }
    Encoded { width: shape.width, height: shape.height, hot_x: shape.hot_x, hot_y: shape.hot_y, xor, and }
}

/// Length of the update of a square pointer with alpha, in bytes.
const fn longest(side: u16) -> usize {
    let side = side as usize;
    LONGEST_HEADER + side * side * 4 + side * side.div_ceil(16) * 2
}

/// What every client can show.
const SMALL: u16 = 32;
/// What a New Pointer Update may hold with [`LARGE_POINTER_96`].
const LARGE: u16 = 96;
/// What a Large Pointer Update may hold.
const LARGEST: u16 = 384;
const LARGE_POINTER_96: u16 = 1;
const LARGE_POINTER_384: u16 = 2;
/// Clients offer about 25 places; a desktop uses about as many shapes. More would only cost memory here.
const MOST_CACHED: usize = 32;
/// The fields of TS_FP_LARGEPOINTERATTRIBUTE before its masks.
const LONGEST_HEADER: usize = 20;
