//! The plan of a frame as messages: surfaces, copies, fills, bitmaps, video.

use ironrdp_core::EncodeResult;
use ironrdp_egfx::pdu::{
    Codec1Type, Color, CreateSurfacePdu, DeleteSurfacePdu, GfxPdu, MapSurfaceToOutputPdu, PixelFormat, Point,
    ResetGraphicsPdu, SolidFillPdu, SurfaceToSurfacePdu, WireToSurface1Pdu,
};
use ironrdp_pdu::gcc::{Monitor, MonitorFlags};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use tracing::warn;

use super::payload::Payloads;
use crate::classify::{Encoding, Scanner, choose};
use crate::encode::avc420::{VideoEncoder, openh264};
use crate::encode::clear::ClearCodec;
use crate::encode::planar::{AlphaPlane, Planar, RowOrder};
use crate::frame::FrameView;
use crate::geometry::{Rect, Size};
use crate::plan::{Plan, Planner};
use crate::tiles::{CELL, cut};

/// Writes the messages of frames; its buffers serve all of them.
#[derive(Default)]
pub(super) struct Painter {
    surfaces: Surfaces,
    scanner: Scanner,
    clear: ClearCodec,
    planar: Planar,
    video: Video,
    fill: Option<SolidFillPdu>,
    natural: Vec<Rect>,
    data: Vec<u8>,
    /// The frame will be compressed as a whole.
    bulk: bool,
}

/// Which surfaces the client has.
#[derive(Default)]
struct Surfaces {
    main: Option<Size>,
    aside: bool,
    film: Option<Size>,
}

/// The encoder of film, once there was a film.
#[derive(Default)]
enum Video {
    #[default]
    Unused,
    Ready(Box<dyn VideoEncoder>),
    /// There is none, or it has failed.
    Missing,
}

impl Painter {
    /// Forgets all surfaces and codec contexts: the client has none of them any more.
    pub(super) fn forget(&mut self) {
        self.surfaces = Surfaces::default();
        self.clear = ClearCodec::default();
        if let Video::Ready(encoder) = &mut self.video {
            encoder.restart();
        }
    }

    /// Whether film can be encoded, as far as is known.
    pub(super) fn can_film(&self) -> bool {
        cfg!(feature = "h264") && !matches!(self.video, Video::Missing)
    }

    /// The rectangles of the last frame that had too many colours for anything but planes.
    pub(super) fn natural(&self) -> &[Rect] {
        &self.natural
    }

    /// Gives the client a surface of this size, if it has none: its content is then unknown.
    pub(super) fn prepare(&mut self, size: Size, payloads: &mut Payloads) -> EncodeResult<()> {
        if self.surfaces.main == Some(size) {
            return Ok(());
        }
        let Surfaces { main, aside, film } = std::mem::take(&mut self.surfaces);
        for (id, exists) in [(MAIN, main.is_some()), (ASIDE, aside), (FILM, film.is_some())] {
            if exists {
                payloads.push(&GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: id }))?;
            }
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
        create(MAIN, size, payloads)?;
        payloads.push(&GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu {
            surface_id: MAIN,
            output_origin_x: 0,
            output_origin_y: 0,
        }))?;
        self.surfaces.main = Some(size);
        Ok(())
    }

    /// Writes what the last plan says. `room`: bytes that the line takes at once, where that is little.
    pub(super) fn paint(
        &mut self,
        picture: &FrameView<'_>,
        planner: &Planner,
        room: Option<usize>,
        payloads: &mut Payloads,
    ) -> EncodeResult<()> {
        let (plan, moves) = planner.last();
        self.natural.clear();
        // The bytes of what is sent exactly can be told beforehand only as at most so many.
        let pixels: usize = plan.strips.iter().map(|strip| strip.area()).sum();
        self.bulk = room.is_some() || pixels * 4 <= super::BRIEF;
        if plan.new_aside {
            self.new_aside(picture.size(), payloads)?;
        }
        for rect in &plan.saves {
            copy(MAIN, *rect, ASIDE, *rect, payloads)?;
        }
        for made in moves {
            copy(MAIN, made.from(), MAIN, made.to, payloads)?;
        }
        for rect in &plan.restores {
            copy(ASIDE, *rect, MAIN, *rect, payloads)?;
        }
        if !plan.film_parts.is_empty() && !self.film(picture, plan, room, payloads)? {
            // The next frames go without; this one is exact where it was to be rough, which harms nobody.
            self.video = Video::Missing;
            for part in &plan.film_parts {
                cut(*part, CELL).try_for_each(|cell| self.rect(picture, cell, payloads))?;
            }
        }
        for rect in &plan.strips {
            self.rect(picture, *rect, payloads)?;
        }
        self.flush_fill(payloads)
    }

    /// Makes the off-screen surface for what is put aside, black like our own picture of it.
    fn new_aside(&mut self, size: Size, payloads: &mut Payloads) -> EncodeResult<()> {
        if self.surfaces.aside {
            payloads.push(&GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: ASIDE }))?;
        }
        create(ASIDE, size, payloads)?;
        self.surfaces.aside = true;
        payloads.push(&GfxPdu::SolidFill(SolidFillPdu {
            surface_id: ASIDE,
            fill_pixel: Color { b: 0, g: 0, r: 0, xa: 0xFF },
            rectangles: vec![exclusive(size.rect())],
        }))
    }

    /// Encodes the film and copies what of it has changed to where it is seen; false when it could not be encoded.
    fn film(
        &mut self,
        picture: &FrameView<'_>,
        plan: &Plan,
        room: Option<usize>,
        payloads: &mut Payloads,
    ) -> EncodeResult<bool> {
        if let Video::Unused = self.video {
            self.video = openh264().map_or(Video::Missing, Video::Ready);
        }
        let Video::Ready(encoder) = &mut self.video else { return Ok(false) };
        let area = plan.film;
        let within = |part: &Rect| Rect { x: part.x - area.x, y: part.y - area.y, ..*part };
        let regions: Vec<Rect> = plan.film_parts.iter().map(within).collect();
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        if let Err(error) = encoder.encode(picture, area, &regions, room, &mut data) {
            warn!(%error, "no film from here on");
            self.data = data;
            return Ok(false);
        }
        // The stream's picture is a whole number of macroblocks, and so is its surface.
        let size = Size::new(area.width.next_multiple_of(MACROBLOCK), area.height.next_multiple_of(MACROBLOCK));
        if self.surfaces.film != Some(size) {
            if self.surfaces.film.is_some() {
                payloads.push(&GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: FILM }))?;
            }
            create(FILM, size, payloads)?;
            self.surfaces.film = Some(size);
        }
        self.bitmap(FILM, Codec1Type::Avc420, size.rect(), data, payloads)?;
        for (part, region) in plan.film_parts.iter().zip(&regions) {
            copy(FILM, *region, MAIN, *part, payloads)?;
        }
        Ok(true)
    }

    /// Sends a rectangle exactly.
    fn rect(&mut self, picture: &FrameView<'_>, rect: Rect, payloads: &mut Payloads) -> EncodeResult<()> {
        let colours = self.scanner.scan(picture, rect);
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        let codec = match choose(colours, &self.scanner, rect, self.bulk) {
            Encoding::Cut => {
                self.data = data;
                return cut(rect, CELL).try_for_each(|cell| self.rect(picture, cell, payloads));
            }
            Encoding::Fill(colour) => {
                self.data = data;
                return self.fill(colour, rect, payloads);
            }
            Encoding::Palette => {
                self.clear.palette(&self.scanner, rect, &mut data);
                Codec1Type::ClearCodec
            }
            Encoding::Runs => {
                self.clear.runs(&self.scanner, &mut data);
                Codec1Type::ClearCodec
            }
            Encoding::Pixels => {
                for y in usize::from(rect.y)..usize::from(rect.y) + usize::from(rect.height) {
                    // The fourth byte means nothing, and must not look different for nothing.
                    let start = data.len();
                    data.extend_from_slice(picture.row(rect, y));
                    data[start..].as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel[3] = 0);
                }
                Codec1Type::Uncompressed
            }
            Encoding::Planes => {
                if self.scanner.is_natural() {
                    self.natural.push(rect);
                }
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
        self.bitmap(MAIN, codec, rect, data, payloads)
    }

    fn bitmap(
        &mut self,
        surface: u16,
        codec: Codec1Type,
        rect: Rect,
        data: Vec<u8>,
        payloads: &mut Payloads,
    ) -> EncodeResult<()> {
        let message = GfxPdu::WireToSurface1(WireToSurface1Pdu {
            surface_id: surface,
            codec_id: codec,
            pixel_format: PixelFormat::XRgb,
            destination_rectangle: exclusive(rect),
            bitmap_data: data,
        });
        let pushed = payloads.push(&message);
        if let GfxPdu::WireToSurface1(message) = message {
            self.data = message.bitmap_data; // to be used again
        }
        pushed
    }

    /// Fills of one colour are collected; they do not overlap anything that is sent as pixels, so they may come later.
    fn fill(&mut self, colour: u32, rect: Rect, payloads: &mut Payloads) -> EncodeResult<()> {
        let [b, g, r, _] = colour.to_le_bytes();
        let fill_pixel = Color { b, g, r, xa: 0xFF };
        match &mut self.fill {
            Some(fill) if fill.fill_pixel == fill_pixel && fill.rectangles.len() < MOST_FILLS => {
                fill.rectangles.push(exclusive(rect));
                Ok(())
            }
            _ => {
                let flushed = self.flush_fill(payloads);
                self.fill = Some(SolidFillPdu { surface_id: MAIN, fill_pixel, rectangles: vec![exclusive(rect)] });
                flushed
            }
        }
    }

    fn flush_fill(&mut self, payloads: &mut Payloads) -> EncodeResult<()> {
        match self.fill.take() {
            Some(fill) => payloads.push(&GfxPdu::SolidFill(fill)),
            None => Ok(()),
        }
    }
}

fn create(id: u16, size: Size, payloads: &mut Payloads) -> EncodeResult<()> {
    payloads.push(&GfxPdu::CreateSurface(CreateSurfacePdu {
        surface_id: id,
        width: size.width,
        height: size.height,
        pixel_format: PixelFormat::XRgb,
    }))
}

/// Copies a rectangle between surfaces, or within one, where both places may overlap.
fn copy(from: u16, source: Rect, to: u16, place: Rect, payloads: &mut Payloads) -> EncodeResult<()> {
    payloads.push(&GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
        source_surface_id: from,
        destination_surface_id: to,
        source_rectangle: exclusive(source),
        destination_points: vec![Point { x: place.x, y: place.y }],
    }))
}

/// `rect` lies in a picture, whose sides fit 16 bits.
fn exclusive(rect: Rect) -> ExclusiveRectangle {
    ExclusiveRectangle { left: rect.x, top: rect.y, right: rect.right() as u16, bottom: rect.bottom() as u16 }
}

/// The surface that is mapped to the output.
const MAIN: u16 = 1;
/// Off-screen: what was put aside.
const ASIDE: u16 = 2;
/// Off-screen: the film, from its own upper left corner on, as clients take a stream's picture for a surface's.
const FILM: u16 = 3;
/// Side of the squares that H.264 is made of, in pixels.
const MACROBLOCK: u16 = 16;
/// Rectangles of one fill: 8 bytes each, so that the message stays within one segment.
const MOST_FILLS: usize = 4096;
