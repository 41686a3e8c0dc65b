//! Bitmap updates for clients that do not speak the graphics pipeline.
//!
//! True colour travels as RDP 6.0 planes, which every client that has 32 bits per pixel can read, and fewer colours in
//! the interleaved coding. Surface commands serve only to mark frames for clients that acknowledge them: uncompressed
//! surface bits would be longer than planes in any case, and the codecs that they could carry are lossy or private.
//!
//! Source: [MS-RDPBCGR] 2.2.9.1.2.1.2, TS_FP_UPDATE_BITMAP.

use std::fmt;

use crate::encode::interleaved;
use crate::encode::planar::{AlphaPlane, Planar, RowOrder, rows};
use crate::fastpath::{MAX_UNFRAGMENTED, UpdateCode, push_update, short_update};
use crate::frame::FrameView;
use crate::geometry::Rect;
use crate::pacing::Pacing;
use crate::tiles::Damage;

/// Colours of the session, as the client asked for them in its bitmap capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorDepth {
    /// 32,768 colours (5-5-5).
    Bpp15,
    /// 65,536 colours (5-6-5).
    Bpp16,
    /// True colour in three bytes.
    Bpp24,
    /// True colour in four bytes, compressed as RDP 6.0 planes.
    Bpp32,
}

impl ColorDepth {
    /// The depth of so many bits per pixel, if it is one of those that are spoken here.
    pub fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            15 => Some(Self::Bpp15),
            16 => Some(Self::Bpp16),
            24 => Some(Self::Bpp24),
            32 => Some(Self::Bpp32),
            _ => None,
        }
    }

    /// Bits per pixel.
    pub fn bits(self) -> u16 {
        match self {
            Self::Bpp15 => 15,
            Self::Bpp16 => 16,
            Self::Bpp24 => 24,
            Self::Bpp32 => 32,
        }
    }
}

/// What a client without the graphics pipeline can be shown, from the capabilities it confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitmapClient {
    /// Colour depth of the session.
    pub depth: ColorDepth,
    /// `DRAW_ALLOW_SKIP_ALPHA` of the bitmap capability's drawing flags: planes may come without alpha.
    pub skip_alpha: bool,
    /// `maxUnacknowledgedFrameCount` of the frame acknowledge capability, when that *and* surface commands with frame
    /// markers are announced: frames are then marked and the client's answers pace them.
    pub frame_acknowledge: Option<u32>,
}

/// Turns damage into whole fast-path update PDUs, none of which needs to be fragmented.
///
/// What the client has is remembered, so damage need only be an upper bound. At 15 and 16 bits per pixel the picture is
/// exact in the colours that there are.
pub struct BitmapEncoder {
    damage: Damage,
    pacing: Pacing,
    writer: Writer,
}

impl BitmapEncoder {
    /// An encoder for one client, from its (re)activation on.
    pub fn new(client: BitmapClient) -> Self {
        let writer = Writer {
            client,
            planar: Planar::default(),
            pixels: Vec::new(),
            data: Vec::new(),
            update: Vec::new(),
            rectangles: 0,
            pdus: Vec::new(),
        };
        Self { damage: Damage::default(), pacing: Pacing::default(), writer }
    }

    /// Whether a frame may be sent now. Always, for clients that acknowledge nothing: then only the socket paces.
    pub fn ready_for_frame(&self) -> bool {
        let most = self.writer.client.frame_acknowledge.and_then(|most| usize::try_from(most).ok());
        self.pacing.ready(most.filter(|most| *most > 0).unwrap_or(Pacing::USUAL).min(Pacing::USUAL))
    }

    /// Takes the frame id of a Frame Acknowledge PDU. Source: [MS-RDPRFX] 2.2.3.1, TS_FRAME_ACKNOWLEDGE_PDU.
    pub fn acknowledge(&mut self, frame_id: u32) {
        self.pacing.acknowledge(frame_id);
    }

    /// Makes the next frame carry the whole picture, as a client may ask for (Refresh Rect PDU).
    pub fn repaint(&mut self) {
        self.damage.repaint();
    }

    /// Encodes what changed as complete fast-path PDUs, in order, none when nothing changed. All of them must be sent.
    ///
    /// `damage` must cover all that changed since the last call; it may cover more, overlap and reach beyond the edges.
    /// A first frame, or one in another size, carries the whole picture; the client learns the size by reactivation.
    pub fn frame(&mut self, picture: &FrameView<'_>, damage: &[Rect]) -> Vec<Vec<u8>> {
        let Self { damage: shown, pacing, writer } = self;
        let mut parts = shown.settle(picture, damage).parts().peekable();
        if parts.peek().is_some() {
            // Zero would mean that none may be on their way, which no client can mean.
            let marked = writer.client.frame_acknowledge.is_some_and(|most| most > 0).then(|| pacing.send());
            writer.pdus.extend(marked.map(|id| frame_marker(FRAME_BEGIN, id)));
            parts.for_each(|part| writer.bitmap(picture, part));
            writer.close_update();
            writer.pdus.extend(marked.map(|id| frame_marker(FRAME_END, id)));
        }
        std::mem::take(&mut writer.pdus)
    }
}

/// Collects bitmaps into updates; its buffers serve all frames.
struct Writer {
    client: BitmapClient,
    planar: Planar,
    /// Pixels in the client's colour depth.
    pixels: Vec<u8>,
    /// One bitmap, compressed or not.
    data: Vec<u8>,
    update: Vec<u8>,
    rectangles: u16,
    pdus: Vec<Vec<u8>>,
}

impl Writer {
    /// Adds a part of at most one cell to the update. Source: 2.2.9.1.1.3.1.2.2, TS_BITMAP_DATA.
    fn bitmap(&mut self, picture: &FrameView<'_>, part: Rect) {
        let width = part.width.next_multiple_of(4); // what decoders of RDP 5 insist on
        let compressed = self.compress(picture, part, width);
        let header = if compressed { COMPRESSION_HEADER } else { 0 };
        let needed = BITMAP_HEADER + header + self.data.len();
        if self.update.len() + needed > MAX_UNFRAGMENTED {
            self.close_update();
        }
        if self.update.is_empty() {
            self.update.extend_from_slice(&BITMAP_UPDATE.to_le_bytes());
            self.update.extend_from_slice(&0u16.to_le_bytes());
        }
        self.rectangles += 1;
        // All of these fit 16 bits: positions lie in a picture, a cell's data is below 16 KiB.
        let body = header + self.data.len();
        let uncompressed = usize::from(width) * usize::from(part.height) * self.bytes_per_pixel();
        for value in [
            part.x,
            part.y,
            (part.right() - 1) as u16,
            (part.bottom() - 1) as u16,
            width,
            part.height,
            self.client.depth.bits(),
            u16::from(compressed),
            body as u16,
        ] {
            self.update.extend_from_slice(&value.to_le_bytes());
        }
        if compressed {
            for value in [0, self.data.len() as u16, width, uncompressed as u16] {
                self.update.extend_from_slice(&value.to_le_bytes());
            }
        }
        self.update.extend_from_slice(&self.data);
    }

    /// Puts the pixels of a part, bottom row first, into `data`; says whether they are compressed there.
    fn compress(&mut self, picture: &FrameView<'_>, part: Rect, width: u16) -> bool {
        self.data.clear();
        let depth = self.client.depth;
        if depth == ColorDepth::Bpp32 {
            let alpha = if self.client.skip_alpha { AlphaPlane::Skipped } else { AlphaPlane::Opaque };
            self.planar.encode(picture, part, width, RowOrder::BottomUp, alpha, &mut self.data);
            return true;
        }
        self.pixels.clear();
        for y in rows(part, RowOrder::BottomUp) {
            let row = picture.row(part, y).as_chunks::<4>().0;
            let last = row.last().copied().unwrap_or_default();
            let padding = std::iter::repeat_n(&last, usize::from(width - part.width));
            for &[b, g, r, _] in row.iter().chain(padding) {
                match depth {
                    ColorDepth::Bpp15 => self.pixels.extend_from_slice(&pack([r, g, b], [5, 5, 5])),
                    ColorDepth::Bpp16 => self.pixels.extend_from_slice(&pack([r, g, b], [5, 6, 5])),
                    ColorDepth::Bpp24 | ColorDepth::Bpp32 => self.pixels.extend_from_slice(&[b, g, r]),
                }
            }
        }
        match depth {
            ColorDepth::Bpp15 | ColorDepth::Bpp16 => {
                interleaved::encode::<2>(&self.pixels, usize::from(width), &mut self.data);
            }
            ColorDepth::Bpp24 | ColorDepth::Bpp32 => {
                interleaved::encode::<3>(&self.pixels, usize::from(width), &mut self.data);
            }
        }
        if self.data.len() + COMPRESSION_HEADER < self.pixels.len() {
            return true;
        }
        std::mem::swap(&mut self.data, &mut self.pixels);
        false
    }

    fn bytes_per_pixel(&self) -> usize {
        usize::from(self.client.depth.bits().div_ceil(8))
    }

    fn close_update(&mut self) {
        if self.rectangles > 0 {
            self.update[2..4].copy_from_slice(&self.rectangles.to_le_bytes());
            push_update(UpdateCode::Bitmap, &self.update, &mut self.pdus);
        }
        self.update.clear();
        self.rectangles = 0;
    }
}

impl fmt::Debug for BitmapEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BitmapEncoder")
            .field("client", &self.writer.client)
            .field("pacing", &self.pacing)
            .finish_non_exhaustive() // no pixels
    }
}

/// The high bits of red, green and blue, as many as there is room for.
fn pack(colour: [u8; 3], bits: [u32; 3]) -> [u8; 2] {
    colour
        .iter()
        .zip(bits)
        .fold(0u16, |packed, (value, bits)| packed << bits | u16::from(value >> (8 - bits)))
        .to_le_bytes()
}

/// The PDU that marks the beginning or end of a frame. Source: [MS-RDPBCGR] 2.2.9.2.3, TS_FRAME_MARKER.
fn frame_marker(action: u16, frame_id: u32) -> Vec<u8> {
    let mut command = [0; 8];
    command[..2].copy_from_slice(&CMDTYPE_FRAME_MARKER.to_le_bytes());
    command[2..4].copy_from_slice(&action.to_le_bytes());
    command[4..].copy_from_slice(&frame_id.to_le_bytes());
    short_update(UpdateCode::SurfaceCommands, &command)
}

const BITMAP_UPDATE: u16 = 1;
const CMDTYPE_FRAME_MARKER: u16 = 4;
const FRAME_BEGIN: u16 = 0;
const FRAME_END: u16 = 1;
/// TS_BITMAP_DATA without its pixels.
const BITMAP_HEADER: usize = 18;
/// TS_CD_HEADER.
const COMPRESSION_HEADER: usize = 8;
