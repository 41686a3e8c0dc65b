//! The graphics pipeline, watching side: messages in, acknowledgements out, and a picture that is whole at every moment.
//!
//! A [`Pipeline`] is pure: it opens no socket, reads no clock and starts no thread. [`Decoding`] runs one on a thread of
//! its own, so that a film never keeps the novice's words from being heard.
//!
//! Servers are believed nothing: sizes, rectangles and counts are checked where they are read, and everything that is
//! remembered is counted against a limit. Source: [MS-RDPEGFX] 3.3, client details.

mod area;
mod decode;
mod frame;
mod h264;
#[cfg(feature = "h264")]
mod sps;
mod surfaces;
mod thread;
mod yuv;

use std::collections::BTreeMap;

use ironrdp_core::{Decode as _, ReadCursor, encode_vec};
use ironrdp_egfx::pdu::{
    CapabilitiesAdvertisePdu, CapabilitiesV8Flags, CapabilitiesV10Flags, CapabilitiesV81Flags, CapabilitiesV103Flags,
    CapabilitiesV104Flags, CapabilitiesV107Flags, CapabilitySet, Codec1Type, FrameAcknowledgePdu, GfxPdu, Point,
    QueueDepth, ResetGraphicsPdu, WireToSurface1Pdu, WireToSurface2Pdu,
};
use ironrdp_graphics::zgfx::Decompressor;
use tracing::{debug, trace, warn};

use self::area::Area;
use self::decode::{Decoders, Failure, Target};
use self::frame::Frame;
use self::surfaces::{Step, Surfaces};
pub(crate) use self::thread::{Decoding, Inlet};
use crate::picture::Picture;
use crate::rdp::MAX_SIDE;
use crate::stats::{Codec, Counters};

/// A graphics-pipeline client without a transport: messages of the dynamic channel in, messages out, and a [`Picture`].
pub struct Pipeline {
    picture: Picture,
    counters: Counters,
    unpacker: Decompressor,
    unpacked: Vec<u8>,
    decoders: Decoders,
    /// Surfaces as the messages have them so far; those in `surfaces` follow at the end of the frame.
    known: BTreeMap<u16, Known>,
    /// Pixels of each tile in the cache, likewise.
    tiles: BTreeMap<u16, usize>,
    /// Bytes of tiles that are refined, of each surface that ever had some: they survive everything but its deletion.
    refined: BTreeMap<u16, usize>,
    frame: Frame,
    surfaces: Surfaces,
    /// Frames seen, as the acknowledgements count them.
    frames: u32,
    /// Bitmaps left out because they could not be decoded.
    left_out: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    size: (u16, u16),
    /// Bytes of its picture of two halves, if it has one.
    halves: usize,
}

/// What a message leads to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Messages for the server, in order.
    pub answers: Vec<Vec<u8>>,
    /// Whether the picture has changed.
    pub painted: bool,
}

/// Why a connection cannot go on: the other side broke the protocol or wants more than anybody has reason to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A message that cannot be unpacked or read.
    #[error("a graphics message cannot be read: {0}")]
    Malformed(String),
    /// A message that contradicts what was said before, or itself.
    #[error("a graphics message makes no sense: {0}")]
    Nonsense(&'static str),
    /// More than is held or done for anybody.
    #[error("too much for the graphics pipeline: {0}")]
    Excess(&'static str),
}

/// A bitmap that no decoder takes.
#[derive(Debug, thiserror::Error)]
#[error("a bitmap cannot be decoded: {0}")]
struct Undecodable(String);

impl Pipeline {
    /// A client that paints into this picture, once it is told what.
    #[must_use]
    pub fn new(picture: &Picture, counters: &Counters) -> Self {
        Self {
            picture: picture.clone(),
            counters: counters.clone(),
            unpacker: Decompressor::new(),
            unpacked: Vec::new(),
            decoders: Decoders::default(),
            known: BTreeMap::new(),
            tiles: BTreeMap::new(),
            refined: BTreeMap::new(),
            frame: Frame::default(),
            surfaces: Surfaces::default(),
            frames: 0,
            left_out: 0,
        }
    }

    /// The message with which the client opens the channel: every version that it knows, newest first.
    #[must_use]
    pub fn advertisement() -> Vec<u8> {
        let sets = capabilities(h264::AVAILABLE);
        let message = GfxPdu::CapabilitiesAdvertise(CapabilitiesAdvertisePdu::from_typed(&sets));
        // A message of this form can always be written.
        encode_vec(&message).unwrap_or_default()
    }

    /// Takes one whole message of the channel.
    ///
    /// # Errors
    /// When it cannot be read, makes no sense, or wants too much. The channel is of no use afterwards; the picture remains
    /// what it was at the end of the last frame.
    pub fn receive(&mut self, message: &[u8]) -> Result<Outcome, PipelineError> {
        let mut unpacked = core::mem::take(&mut self.unpacked);
        unpacked.clear();
        unpacked.shrink_to(KEPT_UNPACKED);
        let outcome = self
            .unpacker
            .decompress(message, &mut unpacked)
            .map_err(|error| PipelineError::Malformed(error.to_string()))
            .and_then(|_| self.read(&unpacked));
        self.unpacked = unpacked;
        outcome
    }

    fn read(&mut self, unpacked: &[u8]) -> Result<Outcome, PipelineError> {
        let mut outcome = Outcome::default();
        let mut cursor = ReadCursor::new(unpacked);
        while !cursor.is_empty() {
            let before = cursor.len();
            let pdu = GfxPdu::decode(&mut cursor).map_err(|error| PipelineError::Malformed(error.to_string()))?;
            self.take(pdu, before - cursor.len(), &mut outcome)?;
            if self.frame.is_full() {
                outcome.painted |= self.paint();
            }
        }
        Ok(outcome)
    }

    /// One message, which was so many bytes long.
    fn take(&mut self, pdu: GfxPdu, bytes: usize, outcome: &mut Outcome) -> Result<(), PipelineError> {
        match pdu {
            GfxPdu::CapabilitiesConfirm(confirm) => {
                debug!(version = format_args!("{:#x}", confirm.0.version.0), "graphics pipeline open");
            }
            GfxPdu::ResetGraphics(ResetGraphicsPdu { width, height, .. }) => self.reset(width, height)?,
            GfxPdu::CreateSurface(create) => self.create(create.surface_id, (create.width, create.height))?,
            GfxPdu::DeleteSurface(delete) => {
                self.decoders.delete(delete.surface_id);
                self.known.remove(&delete.surface_id);
                self.refined.remove(&delete.surface_id);
                self.frame.add(Step::Delete { surface: delete.surface_id }, 1, 0)?;
            }
            GfxPdu::MapSurfaceToOutput(map) => {
                self.map(map.surface_id, (map.output_origin_x, map.output_origin_y))?;
            }
            GfxPdu::MapSurfaceToScaledOutput(map) => {
                let surface = map.surface_id;
                let size = self.known.get(&surface).map(|known| (known.size.0.into(), known.size.1.into()));
                if size == Some((map.target_width, map.target_height)) {
                    self.map(surface, (map.output_origin_x, map.output_origin_y))?;
                } else {
                    warn!(surface, "the novice's computer wants a surface scaled, which is not done here");
                }
            }
            GfxPdu::MapSurfaceToWindow(map) => self.map_to_window(map.surface_id)?,
            GfxPdu::MapSurfaceToScaledWindow(map) => self.map_to_window(map.surface_id)?,
            GfxPdu::StartFrame(_) => self.decoders.begin_frame(),
            GfxPdu::EndFrame(end) => self.end_frame(end.frame_id, outcome)?,
            GfxPdu::WireToSurface1(bitmap) => self.bitmap(bitmap, bytes)?,
            GfxPdu::WireToSurface2(tiles) => self.refined(&tiles, bytes)?,
            GfxPdu::DeleteEncodingContext(_) => {} // tiles are the surface's
            GfxPdu::SolidFill(fill) => {
                self.counters.brought(Codec::Fills, bytes);
                let colour = u32::from_be_bytes([0, fill.fill_pixel.r, fill.fill_pixel.g, fill.fill_pixel.b]);
                let size = self.size_of(fill.surface_id);
                let areas: Vec<Area> = fill.rectangles.iter().map(|rect| Area::new(rect).clipped(size)).collect();
                let (places, pixels) = (areas.len(), areas.iter().map(|area| area.count()).sum());
                self.frame.add(Step::Fill { surface: fill.surface_id, colour, areas }, places, pixels)?;
            }
            GfxPdu::SurfaceToSurface(copy) => {
                self.counters.brought(Codec::Copies, bytes);
                let (from, to) = (copy.source_surface_id, copy.destination_surface_id);
                let area = Area::new(&copy.source_rectangle).clipped(self.size_of(from));
                let points = points(&copy.destination_points);
                let (places, pixels) = (points.len(), points.len().saturating_mul(area.count()));
                self.frame.add(Step::Copy { from, to, area, points }, places, pixels)?;
            }
            GfxPdu::SurfaceToCache(keep) => {
                self.counters.brought(Codec::Copies, bytes);
                let surface = keep.surface_id;
                let area = Area::new(&keep.source_rectangle).clipped(self.size_of(surface));
                self.tiles.insert(keep.cache_slot, area.count());
                self.frame.add(Step::Keep { surface, slot: keep.cache_slot, area }, 1, area.count())?;
            }
            GfxPdu::CacheToSurface(paste) => {
                self.counters.brought(Codec::Copies, bytes);
                let points = points(&paste.destination_points);
                let (slot, surface, places) = (paste.cache_slot, paste.surface_id, points.len());
                let tile = self.tiles.get(&slot).copied().unwrap_or_default();
                self.frame.add(Step::Paste { slot, surface, points }, places, places.saturating_mul(tile))?;
            }
            GfxPdu::EvictCacheEntry(evict) => {
                self.tiles.remove(&evict.cache_slot);
                self.frame.add(Step::Evict { slot: evict.cache_slot }, 1, 0)?;
            }
            other => debug!(message = ?core::mem::discriminant(&other), "ignored a graphics message"),
        }
        Ok(())
    }

    fn reset(&mut self, width: u32, height: u32) -> Result<(), PipelineError> {
        let side = |length: u32| u16::try_from(length).ok().filter(|length| (1..=MAX_SIDE).contains(length));
        let (Some(width), Some(height)) = (side(width), side(height)) else {
            return Err(PipelineError::Excess("a desktop of impossible size"));
        };
        debug!(width, height, "the desktop has this size");
        self.decoders.reset();
        self.known.clear();
        self.frame.add(Step::Reset { size: (width, height) }, 1, 0)
    }

    fn create(&mut self, surface: u16, size: (u16, u16)) -> Result<(), PipelineError> {
        self.decoders.renew(surface);
        self.known.remove(&surface);
        if size.0 == 0 || size.1 == 0 {
            warn!(surface, "a surface without size");
            return self.frame.add(Step::Delete { surface }, 1, 0);
        }
        let known = Known { size, halves: 0 };
        self.has_room_for(known.bytes())?;
        self.known.insert(surface, known);
        trace!(surface, width = size.0, height = size.1, "surface");
        // What a frame makes and throws away again costs as much as what it paints.
        self.frame.add(Step::Create { surface, size }, 1, usize::from(size.0) * usize::from(size.1))
    }

    fn map(&mut self, surface: u16, at: (u32, u32)) -> Result<(), PipelineError> {
        let (width, height) = self.size_of(surface);
        self.frame.add(Step::Map { surface, at }, 1, usize::from(width) * usize::from(height))
    }

    fn map_to_window(&mut self, surface: u16) -> Result<(), PipelineError> {
        debug!(surface, "a surface for a window of its own, which is no part of the desktop");
        self.frame.add(Step::Unmap { surface }, 1, 0)
    }

    fn bitmap(&mut self, bitmap: WireToSurface1Pdu, bytes: usize) -> Result<(), PipelineError> {
        let WireToSurface1Pdu { surface_id: surface, codec_id: codec, destination_rectangle: at, bitmap_data, .. } =
            bitmap;
        let size = self.known.get(&surface).ok_or(PipelineError::Nonsense("a bitmap for no surface"))?.size;
        if at.left > at.right || at.top > at.bottom {
            return Err(PipelineError::Nonsense("a bitmap with its edges exchanged"));
        }
        let at = Area::new(&at);
        let beyond = |edge: u16, size: u16| edge.saturating_sub(size) > OVERHANG;
        if beyond(at.right, size.0) || beyond(at.bottom, size.1) {
            return Err(PipelineError::Nonsense("a bitmap beyond its surface"));
        }
        let name = match codec {
            Codec1Type::Uncompressed | Codec1Type::Alpha => Codec::Raw,
            Codec1Type::RemoteFx => Codec::RemoteFx,
            Codec1Type::ClearCodec => Codec::Clear,
            Codec1Type::Planar => Codec::Planar,
            Codec1Type::Avc420 | Codec1Type::Avc444 | Codec1Type::Avc444v2 => Codec::H264,
        };
        self.counters.brought(name, bytes);
        if let bytes @ 1.. = Decoders::memory_of(codec, size)
            && self.known.get(&surface).is_some_and(|known| known.halves == 0)
        {
            self.has_room_for(bytes)?;
            self.known.entry(surface).and_modify(|known| known.halves = bytes);
        }
        let decoded = self.decoders.decode(codec, Target { surface, size }, at, &bitmap_data, &mut self.frame);
        self.judge(decoded, name)
    }

    fn refined(&mut self, tiles: &WireToSurface2Pdu, bytes: usize) -> Result<(), PipelineError> {
        let surface = tiles.surface_id;
        let size = self.known.get(&surface).ok_or(PipelineError::Nonsense("a bitmap for no surface"))?.size;
        self.counters.brought(Codec::RemoteFx, bytes);
        let (bytes, before) = (Decoders::memory_of_tiles(size), self.refined.get(&surface).copied().unwrap_or(0));
        if bytes > before {
            self.has_room_for(bytes - before)?;
            self.refined.insert(surface, bytes);
        }
        let decoded = self.decoders.progressive(Target { surface, size }, &tiles.bitmap_data, &mut self.frame);
        self.judge(decoded, Codec::RemoteFx)
    }

    /// A bitmap that cannot be decoded is left out: the next one may be good, and an old picture is better than none.
    fn judge(&mut self, decoded: Result<(), Failure>, codec: Codec) -> Result<(), PipelineError> {
        match decoded {
            Ok(()) => Ok(()),
            Err(Failure::Fatal(error)) => Err(error),
            Err(Failure::Undecodable(error)) => {
                self.left_out += 1;
                if self.left_out.is_power_of_two() {
                    warn!(%error, codec = codec.name(), so_far = self.left_out, "a part of the picture is missing");
                }
                Ok(())
            }
        }
    }

    fn end_frame(&mut self, frame_id: u32, outcome: &mut Outcome) -> Result<(), PipelineError> {
        self.decoders.end_frame();
        outcome.painted |= self.paint();
        self.frame.ended();
        self.frames = self.frames.wrapping_add(1);
        self.counters.frame();
        trace!(frame_id, "frame");
        let queue_depth = QueueDepth::Unavailable;
        let done = FrameAcknowledgePdu { queue_depth, frame_id, total_frames_decoded: self.frames };
        if outcome.answers.len() >= MAX_FRAMES {
            return Err(PipelineError::Excess("more frames in a message than anybody can see"));
        }
        let answer = encode_vec(&GfxPdu::FrameAcknowledge(done));
        outcome.answers.push(answer.map_err(|error| PipelineError::Malformed(error.to_string()))?);
        Ok(())
    }

    fn paint(&mut self) -> bool {
        let painted = self.surfaces.apply(&mut self.frame.steps, &self.frame.store, &mut self.picture.lock());
        self.frame.painted();
        painted
    }

    fn has_room_for(&self, bytes: usize) -> Result<(), PipelineError> {
        let held = self.known.values().map(Known::bytes).sum::<usize>() + self.refined.values().sum::<usize>();
        if held.saturating_add(bytes) > MAX_HELD {
            return Err(PipelineError::Excess("more surfaces than there is memory for"));
        }
        Ok(())
    }

    fn size_of(&self, surface: u16) -> (u16, u16) {
        self.known.get(&surface).map_or((0, 0), |known| known.size)
    }
}

impl core::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // No pixels.
        f.debug_struct("Pipeline").field("frames", &self.frames).field("known", &self.known).finish_non_exhaustive()
    }
}

impl Known {
    fn bytes(&self) -> usize {
        usize::from(self.size.0) * usize::from(self.size.1) * 4 + self.halves
    }
}

fn points(points: &[Point]) -> Vec<(u16, u16)> {
    points.iter().map(|point| (point.x, point.y)).collect()
}

/// Every version, with a small cache: what a desktop needs again soon fits it. Source: [MS-RDPEGFX] 2.2.3.
fn capabilities(h264: bool) -> Vec<CapabilitySet> {
    let mut v10 = CapabilitiesV10Flags::SMALL_CACHE;
    let mut v103 = CapabilitiesV103Flags::empty();
    let mut v104 = CapabilitiesV104Flags::SMALL_CACHE;
    let mut v107 = CapabilitiesV107Flags::SMALL_CACHE;
    v10.set(CapabilitiesV10Flags::AVC_DISABLED, !h264);
    v103.set(CapabilitiesV103Flags::AVC_DISABLED, !h264);
    v104.set(CapabilitiesV104Flags::AVC_DISABLED, !h264);
    v107.set(CapabilitiesV107Flags::AVC_DISABLED, !h264);
    let mut v81 = CapabilitiesV81Flags::SMALL_CACHE;
    v81.set(CapabilitiesV81Flags::AVC420_ENABLED, h264);
    let mut sets = vec![
        CapabilitySet::V10_7 { flags: v107 },
        CapabilitySet::V10_6 { flags: v104 },
        CapabilitySet::V10_5 { flags: v104 },
        CapabilitySet::V10_4 { flags: v104 },
        CapabilitySet::V10_3 { flags: v103 },
        CapabilitySet::V10_2 { flags: v10 },
    ];
    // This one has no flags, and implies H.264.
    sets.extend(h264.then_some(CapabilitySet::V10_1));
    sets.extend([
        CapabilitySet::V10 { flags: v10 },
        CapabilitySet::V8_1 { flags: v81 },
        CapabilitySet::V8 { flags: CapabilitiesV8Flags::SMALL_CACHE },
    ]);
    sets
}

/// Bytes of all surfaces and of what is remembered of their tiles: the largest desktop, 8192 x 8192, and half as much again.
/// Films and the cache have limits of their own.
const MAX_HELD: usize = 384 << 20;
/// Frames in one message: each is answered, and an empty one takes 12 bytes.
const MAX_FRAMES: usize = 1024;
/// Pixels by which a bitmap may lie beyond its surface: servers round to tiles.
const OVERHANG: u16 = 64;
/// Bytes of an unpacked message that are kept for the next one.
const KEPT_UNPACKED: usize = 1 << 20;
