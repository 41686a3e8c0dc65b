//! The graphics channel: what comes on it goes to the decoding thread, what that answers goes back.

use ironrdp_core::{Encode, EncodeResult, WriteCursor, ensure_size, impl_as_any};
use ironrdp_dvc::{DvcClientProcessor, DvcEncode, DvcMessage, DvcProcessor, encode_dvc_messages};
use ironrdp_pdu::PduResult;
use ironrdp_session::ActiveStage;
use ironrdp_svc::ChannelFlags;

use super::WireError;
use crate::pipeline::{Inlet, Pipeline};

/// The channel's end on our side. It only passes on.
pub(super) struct Graphics {
    inlet: Inlet,
}

impl Graphics {
    pub(super) fn new(inlet: Inlet) -> Self {
        Self { inlet }
    }

    /// The frames that carry these answers to the server; empty when the channel is closed.
    pub(super) fn frames(stage: &mut ActiveStage, answers: Vec<Vec<u8>>) -> Result<Vec<u8>, WireError> {
        let Some(channel) = stage.get_dvc::<Self>().map(|channel| channel.channel_id()) else {
            return Ok(Vec::new());
        };
        let answers = answers.into_iter().map(|answer| Box::new(Answer(answer)) as DvcMessage).collect();
        let messages = encode_dvc_messages(channel, answers, ChannelFlags::empty()).map_err(WireError::protocol)?;
        Ok(stage.encode_dvc_messages(messages)?)
    }
}

impl_as_any!(Graphics);

impl DvcProcessor for Graphics {
    fn channel_name(&self) -> &str {
        ironrdp_egfx::CHANNEL_NAME
    }

    fn start(&mut self, _channel: u32) -> PduResult<Vec<DvcMessage>> {
        Ok(vec![Box::new(Answer(Pipeline::advertisement()))])
    }

    fn process(&mut self, _channel: u32, message: &[u8]) -> PduResult<Vec<DvcMessage>> {
        self.inlet.push(message.to_vec());
        Ok(Vec::new())
    }
}

impl DvcClientProcessor for Graphics {}

/// A message that is written already.
struct Answer(Vec<u8>);

impl Encode for Answer {
    fn encode(&self, dst: &mut WriteCursor<'_>) -> EncodeResult<()> {
        ensure_size!(in: dst, size: self.0.len());
        dst.write_slice(&self.0);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "graphics message"
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}

impl DvcEncode for Answer {}
