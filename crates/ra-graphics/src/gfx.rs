//! The graphics pipeline, serving side: one surface, kept equal to the novice's desktop.
//!
//! Source: [MS-RDPEGFX] 3.2, server details.

mod bulk;
mod paint;
mod payload;

use std::fmt;
use std::time::Duration;

use ironrdp_core::ReadCursor;
use ironrdp_egfx::pdu::{
    CacheImportReplyPdu, CapabilitiesAdvertisePdu, CapabilitiesConfirmPdu, CapabilitiesV10Flags, CapabilitiesV81Flags,
    CapabilitiesV103Flags, CapabilitiesV104Flags, CapabilitiesV107Flags, CapabilitySet, EndFramePdu,
    FrameAcknowledgePdu, GfxPdu, QueueDepth, StartFramePdu, Timestamp,
};
use thiserror::Error;
use tracing::{debug, trace};

use crate::frame::FrameView;
use crate::geometry::Rect;
use crate::line::Line;
use crate::pacing::Pacing;
use crate::plan::{Means, Planner};
use bulk::Bulk;
use paint::Painter;
use payload::Payloads;

pub use ironrdp_egfx::CHANNEL_NAME;

/// A graphics-pipeline server without a transport: channel messages in, channel messages out.
///
/// One surface covers the output, two more are off-screen: for what was put aside, and for film. What the client has is
/// remembered, so damage need only be an upper bound: what did not really change is not sent, and a frame in which
/// nothing changed is no message at all.
///
/// Film is sent roughly while it runs and exactly once it rests, for which [`GfxServer::next_frame_at`] says when a frame is
/// due although nothing changes. All times are those of one steady clock of the caller.
#[derive(Default)]
pub struct GfxServer {
    agreed: Option<CapabilitySet>,
    /// The client decodes video.
    video: bool,
    pacing: Pacing,
    line: Line,
    planner: Planner,
    painter: Painter,
    bulk: Bulk,
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

impl GfxServer {
    /// A server that waits for the peer's capabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one complete message of the dynamic channel, which came `at` this time, and returns the payloads to send
    /// back, often none.
    ///
    /// # Errors
    /// When the message cannot be read or no version is shared. The channel is then of no use and should be closed;
    /// [`crate::bitmap`] can take over.
    pub fn receive(&mut self, message: &[u8], at: Duration) -> Result<Vec<Vec<u8>>, GfxError> {
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
                FRAME_ACKNOWLEDGE => self.acknowledged(&read::<FrameAcknowledgePdu>(body)?, at),
                CACHE_IMPORT_OFFER => {
                    // What the client kept from another session is not wanted: no slot is assigned.
                    let reply = CacheImportReplyPdu { cache_slots: Vec::new() };
                    payloads.push(&GfxPdu::CacheImportReply(reply)).map_err(GfxError::Encode)?;
                }
                QUALITY_OF_EXPERIENCE => {}
                other => debug!(command = other, "ignored a graphics message that no client should send"),
            }
        }
        Ok(payloads.wrap(&mut self.bulk, false))
    }

    /// Whether the versions are agreed on.
    pub fn is_open(&self) -> bool {
        self.agreed.is_some()
    }

    /// The version agreed on, as on the wire (0x80004 is 8.0, 0xA0701 is 10.7).
    pub fn version(&self) -> Option<u32> {
        self.agreed.as_ref().map(|agreed| agreed.version().0)
    }

    /// Whether a frame may be sent at this time: the pipeline is open, few enough frames wait for their acknowledgement, and
    /// the line has carried most of what it was given.
    pub fn ready_for_frame(&self, at: Duration) -> bool {
        self.ready_at().is_some_and(|ready| at >= ready)
    }

    /// From when on a frame may be sent; nothing before the client says something.
    pub fn ready_at(&self) -> Option<Duration> {
        let most = if self.line.is_long() { Pacing::FAR } else { Pacing::USUAL };
        (self.is_open() && self.pacing.ready(most)).then(|| self.line.free_at()).flatten()
    }

    /// Frames sent and not yet acknowledged; none while the client has suspended its acknowledgements.
    pub fn frames_in_flight(&self) -> usize {
        self.pacing.in_flight()
    }

    /// Makes the next frame carry the whole picture, as a client may ask for (Refresh Rect PDU).
    pub fn repaint(&mut self) {
        self.planner.repaint();
    }

    /// When the next frame is due even if nothing changes until then: something that was sent roughly is then made exact.
    pub fn next_frame_at(&self) -> Option<Duration> {
        self.is_open().then(|| self.planner.next_due()).flatten()
    }

    /// Encodes what changed as one frame: payloads for the dynamic channel, in order, none when nothing changed.
    ///
    /// `damage` must cover all that changed since the last call; it may cover more, overlap and reach beyond the edges.
    /// The first frame, and the first in a new size, brings a new surface along and carries the whole picture. `at` is
    /// the time of this frame.
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
        self.painter.prepare(picture.size(), &mut payloads).map_err(GfxError::Encode)?;
        let room = self.line.room();
        let Self { pacing, planner, painter, line, bulk, .. } = self;
        planner.make(picture, damage, at, Means { video: self.video && painter.can_film(), room });
        if planner.is_empty() {
            return Ok(payloads.wrap(bulk, false));
        }
        let frame_id = pacing.send();
        let start = GfxPdu::StartFrame(StartFramePdu { timestamp: timestamp(at), frame_id });
        let painted = payloads
            .push(&start)
            .and_then(|()| painter.paint(picture, planner, room, &mut payloads))
            .and_then(|()| payloads.push(&GfxPdu::EndFrame(EndFramePdu { frame_id })));
        if let Err(error) = painted {
            // Nothing of this frame is sent.
            planner.repaint();
            painter.forget();
            pacing.acknowledge(frame_id);
            return Err(GfxError::Encode(error));
        }
        painter.natural().iter().for_each(|rect| planner.saw_natural(*rect, at));
        // The client's time is worth more than the bytes of a long frame, unless the line is slow.
        let shorter = room.is_some() || payloads.len() <= BRIEF;
        let payloads = payloads.wrap(bulk, shorter);
        let bytes = payloads.iter().map(Vec::len).sum();
        if !pacing.is_suspended() {
            line.sent(frame_id, bytes, at);
        }
        trace!(frame_id, bytes, "frame");
        Ok(payloads)
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
        self.video = decodes_video(&best);
        self.agreed = Some(best);
        // Surfaces and codec contexts do not survive a new agreement, and frames from before it are not acknowledged.
        self.painter.forget();
        self.bulk.forget();
        self.planner.repaint();
        self.pacing.restart();
        self.line.forget();
        Ok(())
    }

    fn acknowledged(&mut self, acknowledgement: &FrameAcknowledgePdu, at: Duration) {
        trace!(frame_id = acknowledgement.frame_id, "frame acknowledged");
        match acknowledgement.queue_depth {
            QueueDepth::Suspend => {
                self.pacing.suspend();
                self.line.forget();
            }
            QueueDepth::Unavailable | QueueDepth::AvailableBytes(_) => {
                self.pacing.acknowledge(acknowledgement.frame_id);
                self.line.answered(acknowledgement.frame_id, at);
            }
        }
    }
}

impl fmt::Debug for GfxServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GfxServer")
            .field("agreed", &self.agreed)
            .field("pacing", &self.pacing)
            .finish_non_exhaustive() // no pixels
    }
}

/// Whether a client with these capabilities decodes AVC420. Source: 2.2.3, capability sets.
fn decodes_video(agreed: &CapabilitySet) -> bool {
    use CapabilitySet as Set;
    match agreed {
        Set::V8 { .. } => false,
        Set::V8_1 { flags } => flags.contains(CapabilitiesV81Flags::AVC420_ENABLED),
        Set::V10_1 => true,
        Set::V10 { flags } | Set::V10_2 { flags } => !flags.contains(CapabilitiesV10Flags::AVC_DISABLED),
        Set::V10_3 { flags } => !flags.contains(CapabilitiesV103Flags::AVC_DISABLED),
        Set::V10_4 { flags } | Set::V10_5 { flags } | Set::V10_6 { flags } | Set::V10_6Err { flags } => {
            !flags.contains(CapabilitiesV104Flags::AVC_DISABLED)
        }
        Set::V10_7 { flags } => !flags.contains(CapabilitiesV107Flags::AVC_DISABLED),
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

/// A cache import offer of 5,462 entries, the most that a client may have, is 65,546 bytes long; nothing else comes near.
const LONGEST_MESSAGE: usize = 128 * 1024;
/// A frame of so many bytes is compressed and decompressed in no time, whatever the line.
const BRIEF: usize = 128 * 1024;
/// Length of RDPGFX_HEADER.
const HEADER: usize = 8;
const FRAME_ACKNOWLEDGE: u16 = 0x000D;
const CACHE_IMPORT_OFFER: u16 = 0x0010;
const CAPABILITIES_ADVERTISE: u16 = 0x0012;
const QUALITY_OF_EXPERIENCE: u16 = 0x0016;
