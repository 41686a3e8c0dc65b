//! Bitmaps of every codec to pixels. All decoders are other people's, written against the specifications and no server.
//!
//! Decoders have memories: caches, reference pictures, tiles that are refined later. They live here, follow the stream
//! from message to message, and know nothing of what is shown.

use std::collections::{BTreeMap, BTreeSet};

use ironrdp_core::{Decode as _, ReadCursor};
use ironrdp_egfx::avc444::{Avc444Layout, Yuv444Frame};
use ironrdp_egfx::decode::Yuv420Frame;
use ironrdp_egfx::pdu::{Avc420BitmapStream, Avc444BitmapStream, Codec1Type, Encoding};
use ironrdp_graphics::clearcodec::ClearCodecDecoder;
use ironrdp_graphics::progressive::{ProgressiveDecoder, TILE_DIM};
use ironrdp_graphics::rdp6::BitmapStreamDecoder;
use ironrdp_graphics::rfx::{self, MessageDecoder, TileDecoder};
use ironrdp_pdu::geometry::ExclusiveRectangle;

use super::area::Area;
use super::frame::Frame;
use super::h264::H264;
use super::yuv::Colours;
use super::{PipelineError, Undecodable};

/// A surface as a decoder sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) surface: u16,
    pub(super) size: (u16, u16),
}

/// What went wrong with one bitmap: it is left out, or the stream is not to be trusted any further.
#[derive(Debug)]
pub(super) enum Failure {
    Undecodable(Undecodable),
    Fatal(PipelineError),
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::Fatal(error)
    }
}

pub(super) fn undecodable(cause: impl core::fmt::Display) -> Failure {
    Failure::Undecodable(Undecodable(cause.to_string()))
}

/// The decoders of a connection.
#[derive(Default)]
pub(super) struct Decoders {
    clear: Option<ClearCodecDecoder>,
    planar: BitmapStreamDecoder,
    planes: Vec<u8>,
    messages: MessageDecoder,
    tiles: TileDecoder,
    progressive: ProgressiveDecoder,
    /// One stream for each surface, as other clients have it.
    films: BTreeMap<u16, H264>,
    /// Pictures that are put together from two streams.
    halves: BTreeMap<u16, Yuv444Frame>,
    colours: Colours,
}

impl Decoders {
    /// Decodes a bitmap and adds what it paints to the frame.
    ///
    /// `at` lies within the target, or a tile's width beyond it at most.
    pub(super) fn decode(
        &mut self,
        codec: Codec1Type,
        target: Target,
        at: Area,
        data: &[u8],
        frame: &mut Frame,
    ) -> Result<(), Failure> {
        match codec {
            Codec1Type::Uncompressed => uncompressed(target, at, data, frame),
            Codec1Type::ClearCodec => self.clear(target, at, data, frame),
            Codec1Type::Planar => self.planar(target, at, data, frame),
            Codec1Type::RemoteFx => self.remote_fx(target, at, data, frame),
            Codec1Type::Avc420 => self.film(target, at, data, frame),
            Codec1Type::Avc444 => self.two_films(Avc444Layout::V1, target, data, frame),
            Codec1Type::Avc444v2 => self.two_films(Avc444Layout::V2, target, data, frame),
            // It says how much of what lies behind a surface shines through, and behind ours lies nothing.
            Codec1Type::Alpha => Ok(()),
        }
    }

    /// A frame begins: its parts may refer to each other.
    pub(super) fn begin_frame(&mut self) {
        self.progressive.begin_frame();
    }

    /// It is at its end.
    pub(super) fn end_frame(&mut self) {
        self.progressive.end_frame();
    }

    /// A surface is gone.
    pub(super) fn delete(&mut self, surface: u16) {
        self.progressive.delete_surface(surface);
        self.renew(surface);
    }

    /// A surface is made, perhaps in place of another one. How its tiles are to be read is not said again.
    pub(super) fn renew(&mut self, surface: u16) {
        self.films.remove(&surface);
        self.halves.remove(&surface);
    }

    /// No surface is left. What other codecs remember outlives the surfaces. Source: [MS-RDPEGFX] 3.3.5.14.
    pub(super) fn reset(&mut self) {
        self.films.clear();
        self.halves.clear();
    }

    /// Bytes that this codec will remember of a surface beside its pixels, if it decodes anything for it.
    pub(super) fn memory_of(codec: Codec1Type, size: (u16, u16)) -> usize {
        match codec {
            Codec1Type::Avc444 | Codec1Type::Avc444v2 => Yuv444Frame::allocation_size(size.0, size.1),
            _ => 0,
        }
    }

    /// Bytes that refined tiles of a surface take at most.
    pub(super) fn memory_of_tiles((width, height): (u16, u16)) -> usize {
        usize::from(width.div_ceil(TILE_DIM)) * usize::from(height.div_ceil(TILE_DIM)) * TILE_MEMORY
    }

    fn clear(&mut self, target: Target, at: Area, data: &[u8], frame: &mut Frame) -> Result<(), Failure> {
        let clear = self.clear.get_or_insert_default();
        let pixels = clear.decode(data, at.width(), at.height()).map_err(undecodable)?;
        let from = frame.store.len();
        frame.store.extend(pixels.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], 0])));
        Ok(frame.add_pixels(target.surface, at, from)?)
    }

    fn planar(&mut self, target: Target, at: Area, data: &[u8], frame: &mut Frame) -> Result<(), Failure> {
        self.planes.clear();
        self.planes.shrink_to(KEPT_PLANES);
        let (width, height) = (usize::from(at.width()), usize::from(at.height()));
        self.planar.decode_bitmap_stream_to_rgb24(data, &mut self.planes, width, height).map_err(undecodable)?;
        let from = frame.store.len();
        frame.store.extend(self.planes.chunks_exact(3).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]])));
        Ok(frame.add_pixels(target.surface, at, from)?)
    }

    /// Source: [MS-RDPRFX] 2.2.2; tiles and regions are relative to the bitmap's corner, and only what lies in a region
    /// and in the bitmap is painted.
    fn remote_fx(&mut self, target: Target, at: Area, data: &[u8], frame: &mut Frame) -> Result<(), Failure> {
        let message = self.messages.parse(data).map_err(undecodable)?;
        let bounds = at.clipped(target.size);
        let place = |x: u32, y: u32, width: u32, height: u32| {
            let along = |corner: u16, at: u32| u16::try_from(u32::from(corner).saturating_add(at)).unwrap_or(u16::MAX);
            let (left, top) = (along(at.left, x), along(at.top, y));
            let (right, bottom) = (along(at.left, x.saturating_add(width)), along(at.top, y.saturating_add(height)));
            Area { left, top, right, bottom }.within(bounds)
        };
        for part in &message.frames {
            // A region without rectangles is the whole bitmap. Source: [MS-RDPRFX] 2.2.2.3.3.
            let mut regions: Vec<Area> = part
                .rectangles
                .iter()
                .map(|r| place(r.x.into(), r.y.into(), r.width.into(), r.height.into()))
                .collect();
            if regions.is_empty() {
                regions.push(bounds);
            }
            let tiles = &part.tile_set.tiles;
            if tiles.len().saturating_mul(regions.len()) > MAX_CLIPPING {
                return Err(undecodable("more rectangles than a picture has reason for"));
            }
            // Of a tile that comes twice the last one would remain.
            let mut seen = BTreeSet::new();
            for tile in tiles.iter().rev().filter(|tile| seen.insert((tile.x, tile.y))) {
                let side = u32::from(rfx::TILE_SIZE);
                let tile_area = place(u32::from(tile.x) * side, u32::from(tile.y) * side, side, side);
                let parts = regions.iter().map(|region| region.within(tile_area)).filter(|area| !area.is_empty());
                let parts: Vec<Area> = parts.collect();
                if parts.is_empty() {
                    continue;
                }
                let pixels = self
                    .tiles
                    .decode(tile, &part.tile_set.quants, part.tile_set.entropy_algorithm)
                    .map_err(undecodable)?;
                frame.charge(rfx::TILE_RGBA_LEN / 4)?;
                for area in parts {
                    tile_part(target, area, (tile_area.left, tile_area.top), pixels, frame)?;
                }
            }
        }
        Ok(())
    }

    /// Decodes tiles that later messages refine.
    pub(super) fn progressive(&mut self, target: Target, data: &[u8], frame: &mut Frame) -> Result<(), Failure> {
        let Target { surface, size: (width, height) } = target;
        // Which of its contexts a server names makes no difference: the tiles are the surface's.
        let tiles = self.progressive.decode_bitmap(surface, 0, width, height, data).map_err(undecodable)?;
        for tile in tiles {
            frame.charge(tile.pixels.len() / 4)?;
            let corner = (tile.x_idx.saturating_mul(TILE_DIM), tile.y_idx.saturating_mul(TILE_DIM));
            for rectangle in &tile.update_rectangles {
                let bounds = Area::at(corner.0, corner.1, TILE_DIM, TILE_DIM).clipped(target.size);
                tile_part(target, Area::new(rectangle).within(bounds), corner, &tile.pixels, frame)?;
            }
        }
        Ok(())
    }

    /// Source: [MS-RDPEGFX] 2.2.4.4; the regions say which parts of the picture have changed, each at its own place.
    fn film(&mut self, target: Target, at: Area, data: &[u8], frame: &mut Frame) -> Result<(), Failure> {
        let stream = Avc420BitmapStream::decode(&mut ReadCursor::new(data)).map_err(undecodable)?;
        let room = self.room_for_film(target.surface);
        let film = stream_of(&mut self.films, target.surface)?;
        let colours = &mut self.colours;
        let painted = film.decode(stream.data, room, |picture| {
            if picture.size.0 < at.width() || picture.size.1 < at.height() {
                return Err(undecodable("a picture that is smaller than its place"));
            }
            let mut paint = |area: Area, source: Area| {
                let from = frame.store.len();
                if !colours.convert(picture, source, &mut frame.store) {
                    frame.store.truncate(from);
                    return Err(undecodable("planes that are too short"));
                }
                Ok::<_, Failure>(frame.add_pixels(target.surface, area, from)?)
            };
            if stream.rectangles.is_empty() {
                // Then the picture's corner is the bitmap's corner.
                return paint(at, Area::at(0, 0, at.width(), at.height()));
            }
            let areas = stream.rectangles.iter().map(|rectangle| Area::new(rectangle).clipped(target.size));
            let areas = areas.map(|area| area.clipped(picture.size)).filter(|area| !area.is_empty());
            areas.into_iter().try_for_each(|area| paint(area, area))
        });
        painted.map_err(undecodable)?
    }

    /// Bytes of pictures that a surface's stream may hold beside those of the others.
    fn room_for_film(&self, surface: u16) -> usize {
        let others = self.films.iter().filter(|(id, _)| **id != surface).map(|(_, film)| film.memory()).sum();
        MAX_FILM_MEMORY.saturating_sub(others)
    }

    /// Source: [MS-RDPEGFX] 2.2.4.5 and 2.2.4.6; two pictures, one after the other in one stream, hold the samples of one.
    fn two_films(
        &mut self,
        layout: Avc444Layout,
        target: Target,
        data: &[u8],
        frame: &mut Frame,
    ) -> Result<(), Failure> {
        let stream = Avc444BitmapStream::decode(&mut ReadCursor::new(data)).map_err(undecodable)?;
        let (main, auxiliary) = match stream.encoding {
            Encoding::LUMA => (Some(&stream.stream1), None),
            Encoding::CHROMA => (None, Some(&stream.stream1)),
            _ => (Some(&stream.stream1), stream.stream2.as_ref()),
        };
        let room = self.room_for_film(target.surface);
        let film = stream_of(&mut self.films, target.surface)?;
        let mut view = |part: Option<&Avc420BitmapStream<'_>>| {
            part.map(|part| film.decode(part.data, room, owned).and_then(|picture| picture))
                .transpose()
                .map_err(undecodable)
        };
        let (main_view, auxiliary_view) = (view(main)?, view(auxiliary)?);
        let (width, height) = target.size;
        let whole = self.halves.entry(target.surface).or_insert_with(|| Yuv444Frame::new(width, height));
        if let (Some(part), Some(view)) = (main, &main_view) {
            whole.apply_main_view(view, &part.rectangles);
        }
        if let (Some(part), Some(view)) = (auxiliary, &auxiliary_view) {
            whole.apply_auxiliary_view(layout, view, &part.rectangles);
        }
        let mut painted = BTreeSet::new();
        for rectangle in main.into_iter().chain(auxiliary).flat_map(|part| &part.rectangles) {
            let area = Area::new(rectangle).clipped(target.size);
            if area.is_empty() || !painted.insert((area.left, area.top, area.right, area.bottom)) {
                continue;
            }
            let Area { left, top, right, bottom } = area;
            let from = frame.store.len();
            let pixels = whole.to_rgba(&ExclusiveRectangle { left, top, right, bottom });
            frame.store.extend(pixels.chunks_exact(4).map(of_rgba));
            frame.add_pixels(target.surface, area, from)?;
        }
        Ok(())
    }
}

fn uncompressed(target: Target, at: Area, data: &[u8], frame: &mut Frame) -> Result<(), Failure> {
    if data.len() / 4 < at.count() {
        return Err(undecodable("fewer bytes than pixels"));
    }
    let from = frame.store.len();
    let pixels = data.chunks_exact(4).take(at.count());
    frame.store.extend(pixels.map(|p| u32::from_le_bytes([p[0], p[1], p[2], 0])));
    Ok(frame.add_pixels(target.surface, at, from)?)
}

/// Adds a part of a tile of 64 x 64 pixels, red, green, blue and opacity each.
fn tile_part(
    target: Target,
    area: Area,
    (left, top): (u16, u16),
    pixels: &[u8],
    frame: &mut Frame,
) -> Result<(), PipelineError> {
    let side = usize::from(TILE_DIM);
    let columns = usize::from(area.left - left)..usize::from(area.right - left);
    let rows = pixels.chunks_exact(side * 4).skip(usize::from(area.top - top)).take(usize::from(area.height()));
    let from = frame.store.len();
    for row in rows {
        let part = row.get(columns.start * 4..columns.end * 4).unwrap_or_default();
        frame.store.extend(part.chunks_exact(4).map(of_rgba));
    }
    frame.add_pixels(target.surface, area, from)
}

fn of_rgba(pixel: &[u8]) -> u32 {
    u32::from_be_bytes([0, pixel[0], pixel[1], pixel[2]])
}

/// The decoder of a surface's stream; a new one when the surface has none yet.
fn stream_of(films: &mut BTreeMap<u16, H264>, surface: u16) -> Result<&mut H264, Failure> {
    if !films.contains_key(&surface) {
        if films.len() >= MAX_FILMS {
            return Err(PipelineError::Excess("more films at a time than are decoded").into());
        }
        films.insert(surface, H264::new().map_err(undecodable)?);
    }
    films.get_mut(&surface).ok_or_else(|| undecodable("no decoder"))
}

/// A picture of its own, since the decoder's next one takes its place.
fn owned(picture: &super::yuv::Yuv<'_>) -> Result<Yuv420Frame, super::h264::Broken> {
    let [y, u, v] = picture.planes;
    let [luma, chroma, _] = picture.strides;
    let (width, height) = picture.size;
    Yuv420Frame::new(width, height, y.to_vec(), luma, u.to_vec(), v.to_vec(), chroma)
        .map_err(|error| super::h264::Broken(error.to_string()))
}

/// Films at a time, each with a decoder of its own and its reference pictures. A desktop shows one, seldom two; servers
/// that send whole screens as films need one for each screen.
const MAX_FILMS: usize = 8;
/// Bytes of the pictures that all films refer to: an 8K film with five references.
const MAX_FILM_MEMORY: usize = 7 * 7680 * 4320 * 3 / 2;
/// Tiles times rectangles of one RemoteFX message.
const MAX_CLIPPING: usize = 1 << 20;
/// Bytes that are remembered of a tile that is refined later: coefficients, signs, a reference and the pixels made of them.
const TILE_MEMORY: usize = 80 << 10;
/// Bytes of the planes of a bitmap that are kept for the next one.
const KEPT_PLANES: usize = 1 << 20;
