//! The graphics pipeline, serving side: one surface, kept equal to the novice's desktop.

use std::time::Duration;

use thiserror::Error;

use crate::frame::FrameView;
use crate::geometry::Rect;

pub use ironrdp_egfx::CHANNEL_NAME;

/// A graphics-pipeline server without a transport: channel messages in, channel messages out.
#[derive(Debug, Default)]
pub struct GfxServer {}

/// What is wrong with a message of the peer, or with a call.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GfxError {
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

impl GfxServer {
    /// A server that waits for the peer's capabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one complete message of the dynamic channel and returns the payloads to send back, often none.
    ///
    /// # Errors
    /// When the message cannot be read or no version is shared. The channel is then of no use; the session goes on
    /// without it.
    pub fn receive(&mut self, _message: &[u8]) -> Result<Vec<Vec<u8>>, GfxError> {
        Ok(Vec::new())
    }

    /// Whether the versions are agreed on.
    pub fn is_open(&self) -> bool {
        false
    }

    /// Whether a frame may be sent now: the pipeline is open and few enough frames wait for their acknowledgement.
    pub fn ready_for_frame(&self) -> bool {
        false
    }

    /// Frames sent and not yet acknowledged.
    pub fn frames_in_flight(&self) -> usize {
        0
    }

    /// Makes the next frame carry the whole picture, whatever its damage says.
    pub fn repaint(&mut self) {}

    /// Encodes what changed as one frame of payloads for the dynamic channel, in order.
    ///
    /// The first frame, and the first in a new size, brings the surface along and carries the whole picture. `at` is
    /// the time of day (or any other steady time); it only labels the frame.
    ///
    /// # Errors
    /// [`GfxError::NotOpen`] before the capabilities are agreed on.
    pub fn frame(
        &mut self,
        _picture: &FrameView<'_>,
        _damage: &[Rect],
        _at: Duration,
    ) -> Result<Vec<Vec<u8>>, GfxError> {
        Err(GfxError::NotOpen)
    }
}
