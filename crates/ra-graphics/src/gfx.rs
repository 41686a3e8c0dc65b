//! The graphics pipeline, serving side: one surface, kept equal to the novice's desktop.
//!
//! Source: [MS-RDPEGFX] 3.2, server details.

mod payload;

use std::fmt;
use std::time::Duration;

use ironrdp_core::ReadCursor;
use ironrdp_egfx::pdu::{
    CacheImportReplyPdu, CapabilitiesAdvertisePdu, CapabilitiesConfirmPdu, CapabilitySet, Codec1Type, Color,
    CreateSurfacePdu, DeleteSurfacePdu, EndFramePdu, FrameAcknowledgePdu, GfxPdu, MapSurfaceToOutputPdu, PixelFormat,
    Point, QueueDepth, ResetGraphicsPdu, SolidFillPdu, StartFramePdu, SurfaceToSurfacePdu, Timestamp,
    WireToSurface1Pdu,
};
use ironrdp_pdu::gcc::{Monitor, MonitorFlags};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use thiserror::Error;
use tracing::{debug, trace};

use crate::classify::{Encoding, Scanner, choose};
use crate::encode::clear::ClearCodec;
use crate::encode::planar::{AlphaPlane, Planar, RowOrder};
use crate::frame::FrameView;
use crate::geometry::{Rect, Size};
use crate::pacing::Pacing;
use crate::scroll::{Move, Scroll};
use crate::tiles::{CELL, Damage, cut};
use payload::Payloads;

pub use ironrdp_egfx::CHANNEL_NAME;

/// A graphics-pipeline server without a transport: channel messages in, channel messages out.
///
/// One surface covers the output. What the client has of it is remembered, so damage need only be an upper bound: what
/// did not really change is not sent, and a frame in which nothing changed is no message at all.
#[derive(Default)]
pub struct GfxServer {
    agreed: Option<CapabilitySet>,
    surface: Option<Surface>,
    pacing: Pacing,
    damage: Damage,
    painter: Painter,
}

/// What is wrong with a message of the peer, or with a call.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GfxError {
    /// The peer's message is longer than any that a client has reason to send.
    #[error("a message of {0} bytes on the graphics channel is too long")]
    TooLong(usize),
    /// The peer's message is no message of the graphics pipeline.
    #[error("a message on the graphics channel cannot be read")]
    Malformed(#[source] ironrdp_core::DecodeError),
    /// The peer offers no version of the pipeline that is known here.
    #[error("no version of the graphics pipeline in common")]
    NoCommonVersion,
    /// A frame was asked for before the peer has said what it can do.
    #[error("a frame before the graphics pipeline is open")]
    NotOpen,
    /// A message of ours could not be written: a bug.
    #[error("a graphics message could not be written")]
    Encode(#[source] ironrdp_core::EncodeError),
}

#[derive(Debug, Clone, Copy)]
struct Surface {
    id: u16,
    size: Size,
}

impl GfxServer {
    /// A server that waits for the peer's capabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one complete message of the dynamic channel and returns the payloads to send back, often none.
    ///
    /// # Errors
    /// When the message cannot be read or no version is shared. The channel is then of no use and should be closed;
    /// [`crate::bitmap`] can take over.
    pub fn receive(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>, GfxError> {
        if message.len() > LONGEST_MESSAGE {
            return Err(GfxError::TooLong(message.len()));
        }
        let mut payloads = Payloads::default();
        let mut rest = message;
        while !rest.is_empty() {
            let (command, body, after) = split_message(rest)?;
            rest = after;
            match command {
                CAPABILITIES_ADVERTISE => {
                    let advertised = read::<CapabilitiesAdvertisePdu>(body)?;
                    self.agree(&advertised, &mut payloads)?;
                }
                FRAME_ACKNOWLEDGE => self.acknowledged(&read::<FrameAcknowledgePdu>(body)?),
                CACHE_IMPORT_OFFER => {
                    // What the client kept from another session is not wanted: no slot is assigned.
                    let reply = CacheImportReplyPdu { cache_slots: Vec::new() };
                    payloads.push(&GfxPdu::CacheImportReply(reply)).map_err(GfxError::Encode)?;
                }
                QUALITY_OF_EXPERIENCE => {}
                other => debug!(command = other, "ignored a graphics message that no client should send"),
            }
        }
        Ok(payloads.into_vec())
    }

    /// Whether the versions are agreed on.
    pub fn is_open(&self) -> bool {
        self.agreed.is_some()
    }

    /// The version agreed on, as on the wire (0x80004 is 8.0, 0xA0701 is 10.7).
    pub fn version(&self) -> Option<u32> {
        self.agreed.as_ref().map(|agreed| agreed.version().0)
    }

    /// Whether a frame may be sent now: the pipeline is open and few enough frames wait for their acknowledgement.
    pub fn ready_for_frame(&self) -> bool {
        self.is_open() && self.pacing.ready(usize::MAX)
    }

    /// Frames sent and not yet acknowledged; none while the client has suspended its acknowledgements.
    pub fn frames_in_flight(&self) -> usize {
        self.pacing.in_flight()
    }

    /// Makes the next frame carry the whole picture, as a client may ask for (Refresh Rect PDU).
    pub fn repaint(&mut self) {
        self.damage.repaint();
    }

    /// Encodes what changed as one frame: payloads for the dynamic channel, in order, none when nothing changed.
    ///
    /// `damage` must cover all that changed since the last call; it may cover more, overlap and reach beyond the edges.
    /// The first frame, and the first in a new size, brings a new surface along and carries the whole picture. `at` is
    /// the time of day, or any other steady time; it only labels the frame.
    ///
    /// All payloads must be sent, in order: they are numbered, and later frames build on what they show.
    ///
    /// # Errors
    /// [`GfxError::NotOpen`] before the capabilities are agreed on.
    pub fn frame(&mut self, picture: &FrameView<'_>, damage: &[Rect], at: Duration) -> Result<Vec<Vec<u8>>, GfxError> {
        if !self.is_open() {
            return Err(GfxError::NotOpen);
        }
        let mut payloads = Payloads::default();
        let surface = match self.surface {
            Some(surface) if surface.size == picture.size() => surface.id,
            _ => self.replace_surface(picture.size(), &mut payloads).map_err(GfxError::Encode)?,
        };
        let Self { pacing, damage: shown, painter, .. } = self;
        painter.scroll.clear();
        let grid = shown.settle(picture, damage, Some(&mut painter.scroll));
        grid.strips(&mut painter.strips);
        if painter.strips.is_empty() && painter.scroll.moves().is_empty() {
            return Ok(payloads.into_vec());
        }
        let frame_id = pacing.send();
        let start = GfxPdu::StartFrame(StartFramePdu { timestamp: timestamp(at), frame_id });
        let painted = payloads
            .push(&start)
            .and_then(|()| painter.paint(picture, surface, &mut payloads))
            .and_then(|()| payloads.push(&GfxPdu::EndFrame(EndFramePdu { frame_id })));
        if let Err(error) = painted {
            // Nothing of this frame is sent.
            shown.repaint();
            pacing.acknowledge(frame_id);
            return Err(GfxError::Encode(error));
        }
        trace!(frame_id, moves = painter.scroll.moves().len(), strips = painter.strips.len(), "frame");
        Ok(payloads.into_vec())
    }

    /// Answers an advertisement with the newest version in it. A client may repeat itself to start all over.
    fn agree(&mut self, advertised: &CapabilitiesAdvertisePdu, payloads: &mut Payloads) -> Result<(), GfxError> {
        let best = advertised
            .0
            .iter()
            .filter_map(|set| set.parsed().ok().flatten())
            .max_by_key(|set| set.version().0)
            .ok_or(GfxError::NoCommonVersion)?;
        debug!(version = format_args!("{:#x}", best.version().0), "graphics pipeline open");
        let confirm = GfxPdu::CapabilitiesConfirm(CapabilitiesConfirmPdu::from_typed(&best));
        payloads.push(&confirm).map_err(GfxError::Encode)?;
        self.agreed = Some(best);
        // Surfaces and codec contexts do not survive a new agreement, and frames from before it are not acknowledged.
        self.surface = None;
        self.painter.clear = ClearCodec::default();
        self.pacing.restart();
        Ok(())
    }

    fn acknowledged(&mut self, acknowledgement: &FrameAcknowledgePdu) {
        trace!(frame_id = acknowledgement.frame_id, "frame acknowledged");
        match acknowledgement.queue_depth {
            QueueDepth::Suspend => self.pacing.suspend(),
            QueueDepth::Unavailable | QueueDepth::AvailableBytes(_) => {
                self.pacing.acknowledge(acknowledgement.frame_id);
            }
        }
    }

    /// Resets the graphics to `size` and puts a new surface there, whose content is unknown.
    fn replace_surface(&mut self, size: Size, payloads: &mut Payloads) -> ironrdp_core::EncodeResult<u16> {
        if let Some(old) = self.surface.take() {
            payloads.push(&GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: old.id }))?;
        }
        let (width, height) = (size.width, size.height);
        payloads.push(&GfxPdu::ResetGraphics(ResetGraphicsPdu {
            width: u32::from(width),
            height: u32::from(height),
            monitors: vec![Monitor {
                left: 0,
                top: 0,
                right: i32::from(width) - 1,
                bottom: i32::from(height) - 1,
                flags: MonitorFlags::PRIMARY,
            }],
        }))?;
        payloads.push(&GfxPdu::CreateSurface(CreateSurfacePdu {
            surface_id: SURFACE,
            width,
            height,
            pixel_format: PixelFormat::XRgb,
        }))?;
        payloads.push(&GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu {
            surface_id: SURFACE,
            output_origin_x: 0,
            output_origin_y: 0,
        }))?;
        self.surface = Some(Surface { id: SURFACE, size });
        self.damage.repaint();
        Ok(SURFACE)
    }
}

impl fmt::Debug for GfxServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GfxServer")
            .field("agreed", &self.agreed)
            .field("surface", &self.surface)
            .field("pacing", &self.pacing)
            .finish_non_exhaustive() // no pixels
    }
}

/// Turns moves and strips into messages; its buffers serve all frames.
#[derive(Default)]
struct Painter {
    scroll: Scroll,
    strips: Vec<Rect>,
    scanner: Scanner,
    clear: ClearCodec,
    planar: Planar,
    fill: Option<SolidFillPdu>,
    data: Vec<u8>,
}

impl Painter {
    fn paint(
        &mut self,
        picture: &FrameView<'_>,
        surface: u16,
        payloads: &mut Payloads,
    ) -> ironrdp_core::EncodeResult<()> {
        for Move { to, from } in self.scroll.moves() {
            payloads.push(&GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
                source_surface_id: surface,
                destination_surface_id: surface,
                source_rectangle: exclusive(Rect { y: *from, ..*to }),
                destination_points: vec![Point { x: to.x, y: to.y }],
            }))?;
        }
        for number in 0..self.strips.len() {
            self.paint_rect(picture, self.strips[number], surface, payloads)?;
        }
        self.flush_fill(payloads)
    }

    fn paint_rect(
        &mut self,
        picture: &FrameView<'_>,
        rect: Rect,
        surface: u16,
        payloads: &mut Payloads,
    ) -> ironrdp_core::EncodeResult<()> {
        let colours = self.scanner.scan(picture, rect);
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        let codec = match choose(colours, &self.scanner, rect) {
            Encoding::Cut => {
                self.data = data;
                return cut(rect, CELL).try_for_each(|cell| self.paint_rect(picture, cell, surface, payloads));
            }
            Encoding::Fill(colour) => {
                self.data = data;
                return self.fill(colour, rect, surface, payloads);
            }
            Encoding::Palette => {
                self.clear.palette(&self.scanner, rect, &mut data);
                Codec1Type::ClearCodec
            }
            Encoding::Runs => {
                self.clear.runs(&self.scanner, &mut data);
                Codec1Type::ClearCodec
            }
            Encoding::Planes => {
                self.planar.encode(picture, rect, 0, RowOrder::TopDown, AlphaPlane::Skipped, &mut data);
                Codec1Type::Planar
            }
            Encoding::PlanesOrPalette => {
                self.planar.encode(picture, rect, 0, RowOrder::TopDown, AlphaPlane::Skipped, &mut data);
                match ClearCodec::palette_length(&self.scanner, rect.area()) {
                    Some(length) if length < data.len() => {
                        data.clear();
                        self.clear.palette(&self.scanner, rect, &mut data);
                        Codec1Type::ClearCodec
                    }
                    _ => Codec1Type::Planar,
                }
            }
        };
        let message = WireToSurface1Pdu {
            surface_id: surface,
            codec_id: codec,
            pixel_format: PixelFormat::XRgb,
            destination_rectangle: exclusive(rect),
            bitmap_data: data,
        };
        let message = GfxPdu::WireToSurface1(message);
        let pushed = payloads.push(&message);
        if let GfxPdu::WireToSurface1(message) = message {
            self.data = message.bitmap_data; // to be used again
        }
        pushed
    }

    /// Fills of one colour are collected; they do not overlap anything, so their order does not matter.
    fn fill(
        &mut self,
        colour: u32,
        rect: Rect,
        surface: u16,
        payloads: &mut Payloads,
    ) -> ironrdp_core::EncodeResult<()> {
        let [b, g, r, _] = colour.to_le_bytes();
        let fill_pixel = Color { b, g, r, xa: 0xFF };
        match &mut self.fill {
            Some(fill) if fill.fill_pixel == fill_pixel && fill.rectangles.len() < MOST_FILLS => {
                fill.rectangles.push(exclusive(rect));
                Ok(())
            }
            _ => {
                let flushed = self.flush_fill(payloads);
                self.fill = Some(SolidFillPdu { surface_id: surface, fill_pixel, rectangles: vec![exclusive(rect)] });
                flushed
            }
        }
    }

    fn flush_fill(&mut self, payloads: &mut Payloads) -> ironrdp_core::EncodeResult<()> {
        match self.fill.take() {
            Some(fill) => payloads.push(&GfxPdu::SolidFill(fill)),
            None => Ok(()),
        }
    }
}

/// Cuts the first message off: its command, its body, and what follows. Source: 2.2.1.5, RDPGFX_HEADER.
fn split_message(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), GfxError> {
    let malformed = |expected| {
        GfxError::Malformed(ironrdp_core::not_enough_bytes_err("RDPGFX_HEADER", bytes.len(), expected, None))
    };
    let &[c0, c1, _, _, l0, l1, l2, l3, ..] = bytes else { return Err(malformed(HEADER)) };
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX).max(HEADER);
    let (message, rest) = bytes.split_at_checked(length).ok_or_else(|| malformed(length))?;
    Ok((u16::from_le_bytes([c0, c1]), &message[HEADER..], rest))
}

fn read<'a, T: ironrdp_core::Decode<'a>>(body: &'a [u8]) -> Result<T, GfxError> {
    T::decode(&mut ReadCursor::new(body)).map_err(GfxError::Malformed)
}

fn timestamp(at: Duration) -> Timestamp {
    let seconds = at.as_secs();
    // Each field is reduced to what its bits hold.
    Timestamp {
        milliseconds: at.subsec_millis() as u16,
        seconds: (seconds % 60) as u8,
        minutes: (seconds / 60 % 60) as u8,
        hours: (seconds / 3600 % 24) as u16,
    }
}

/// `rect` lies in a picture, whose sides fit 16 bits.
fn exclusive(rect: Rect) -> ExclusiveRectangle {
    ExclusiveRectangle { left: rect.x, top: rect.y, right: rect.right() as u16, bottom: rect.bottom() as u16 }
}

/// There is only ever one surface.
const SURFACE: u16 = 1;
/// A cache import offer of 5,462 entries, the most that a client may have, is 65,546 bytes long; nothing else comes near.
const LONGEST_MESSAGE: usize = 128 * 1024;
/// Rectangles of one fill: 8 bytes each, so that the message stays within one segment.
const MOST_FILLS: usize = 4096;
/// Length of RDPGFX_HEADER.
const HEADER: usize = 8;
const FRAME_ACKNOWLEDGE: u16 = 0x000D;
const CACHE_IMPORT_OFFER: u16 = 0x0010;
const CAPABILITIES_ADVERTISE: u16 = 0x0012;
const QUALITY_OF_EXPERIENCE: u16 = 0x0016;
