//! An expert's program: the graphics-pipeline client of the IronRDP crates, which shares no code with our encoder.

#![allow(dead_code, reason = "each test uses its part of it")]

use ironrdp_core::WriteCursor;
use ironrdp_dvc::DvcProcessor as _;
use ironrdp_egfx::client::{GraphicsPipelineClient, GraphicsPipelineHandler};
use ironrdp_egfx::pdu::{CapabilitiesV8Flags, CapabilitiesV107Flags, CapabilitySet};
use ra_graphics::Size;

pub(crate) struct Viewer {
    client: GraphicsPipelineClient,
    pub(crate) size: Size,
    pub(crate) screen: Vec<[u8; 3]>,
}

struct Silent {
    video: bool,
}

impl GraphicsPipelineHandler for Silent {
    fn capabilities(&self) -> Vec<CapabilitySet> {
        let flags = if self.video {
            CapabilitiesV107Flags::SMALL_CACHE
        } else {
            CapabilitiesV107Flags::SMALL_CACHE | CapabilitiesV107Flags::AVC_DISABLED
        };
        vec![CapabilitySet::V8 { flags: CapabilitiesV8Flags::SMALL_CACHE }, CapabilitySet::V10_7 { flags }]
    }
}

impl Default for Viewer {
    fn default() -> Self {
        let client = GraphicsPipelineClient::new(Box::new(Silent { video: false }), None);
        Self { client, size: Size::default(), screen: Vec::new() }
    }
}

impl Viewer {
    /// One that decodes film.
    #[cfg(feature = "h264")]
    pub(crate) fn with_video() -> Self {
        let decoder = ironrdp_egfx::decode::OpenH264Decoder::new().expect("a decoder");
        let client = GraphicsPipelineClient::new(Box::new(Silent { video: true }), Some(Box::new(decoder)));
        Self { client, size: Size::default(), screen: Vec::new() }
    }

    /// One that decodes film where this build can.
    pub(crate) fn of_films() -> Self {
        #[cfg(feature = "h264")]
        return Self::with_video();
        #[cfg(not(feature = "h264"))]
        Self::default()
    }

    /// The message with which it opens the channel.
    pub(crate) fn advertise(&mut self) -> Vec<u8> {
        let messages = self.client.start(0).expect("a client starts");
        encode(messages).remove(0)
    }

    /// The message with which it starts all over.
    pub(crate) fn start_over(&mut self) -> Vec<u8> {
        let message = self.client.request_protocol_reset().expect("the client is active");
        ironrdp_core::encode_vec(&message).expect("a message can be written")
    }

    /// Shows what a payload says; returns its answers.
    pub(crate) fn show(&mut self, payload: &[u8]) -> Vec<Vec<u8>> {
        let answers = encode(self.client.process(0, payload).expect("our payloads are in order"));
        if let Some((width, height)) = self.client.take_output_reset() {
            self.size = Size::new(width, height);
            self.screen = vec![[0xAA; 3]; self.size.area()];
        }
        for update in self.client.drain_output() {
            let region = update.region;
            let width = usize::from(region.right - region.left);
            for (row, y) in update.data.chunks_exact(width * 4).zip(usize::from(region.top)..) {
                let start = y * usize::from(self.size.width) + usize::from(region.left);
                for (pixel, rgba) in self.screen[start..start + width].iter_mut().zip(row.chunks_exact(4)) {
                    *pixel = [rgba[2], rgba[1], rgba[0]];
                }
            }
        }
        assert_eq!(self.client.dropped_updates(), 0, "every bitmap can be decoded");
        answers
    }
}

fn encode(messages: Vec<ironrdp_dvc::DvcMessage>) -> Vec<Vec<u8>> {
    let write = |message: &ironrdp_dvc::DvcMessage| {
        let mut bytes = vec![0; message.size()];
        message.encode(&mut WriteCursor::new(&mut bytes)).expect("a message can be written");
        bytes
    };
    messages.iter().map(write).collect()
}
