//! The way of pictures: which kind an expert can be shown, and how payloads become PDUs.

use std::sync::{Arc, Mutex, PoisonError};

use ironrdp_core::{Encode, EncodeResult, WriteCursor, impl_as_any};
use ironrdp_dvc::{DvcEncode, DvcMessage, DvcProcessor, DvcServerProcessor, encode_dvc_messages};
use ironrdp_pdu::PduResult;
use ironrdp_svc::{ChannelFlags, server_encode_svc_messages};
use ra_graphics::bitmap::BitmapClient;
use ra_graphics::gfx::CHANNEL_NAME;
use ra_graphics::pointer::PointerClient;

/// What an expert said about pictures in its capabilities.
#[derive(Clone, Debug)]
pub(crate) struct GraphicsClient {
    /// It takes the graphics pipeline where it is offered.
    pub(crate) pipeline: bool,
    /// What it takes otherwise.
    pub(crate) bitmap: BitmapClient,
    /// How it wants its pointers.
    pub(crate) pointer: PointerClient,
}

/// What came in on the graphics channel.
#[derive(Debug)]
pub(crate) enum FromGraphics {
    /// The dynamic channel stands, under this number.
    Opened(u32),
    /// One complete message.
    Message(Vec<u8>),
    /// The expert closed the channel.
    Closed,
}

/// Where the graphics channel leaves what comes in, for the engine to take.
#[derive(Clone, Debug, Default)]
pub(super) struct GraphicsInbox(Arc<Mutex<Vec<FromGraphics>>>);

/// Turns payloads of the graphics channel into whole PDUs. It lives with whoever makes frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping {
    pub(super) user_channel: u16,
    pub(super) drdynvc: u16,
}

impl GraphicsInbox {
    /// The channel itself, for the connection sequence.
    pub(super) fn channel(&self) -> GraphicsChannel {
        GraphicsChannel(self.clone())
    }

    /// What has come in since the last call.
    pub(super) fn take(&self) -> Vec<FromGraphics> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, news: FromGraphics) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }
}

impl Wrapping {
    /// Payloads for the dynamic channel as batches of whole PDUs, about [`BATCH`] bytes each.
    pub(crate) fn graphics(self, channel: u32, payloads: Vec<Vec<u8>>) -> EncodeResult<Vec<Vec<u8>>> {
        let mut batches = Vec::new();
        let mut batch: Vec<u8> = Vec::new();
        for payload in payloads {
            let messages = encode_dvc_messages(channel, vec![Box::new(Payload(payload))], ChannelFlags::SHOW_PROTOCOL)?;
            batch.extend(server_encode_svc_messages(messages, self.drdynvc, self.user_channel)?);
            if batch.len() >= BATCH {
                batches.push(std::mem::take(&mut batch));
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// About so many bytes go out between two looks at what else there is to say: a tenth of a second at 5 Mbit/s.
pub(crate) const BATCH: usize = 64 * 1024;

/// The server's end of the graphics channel: it only passes on.
#[derive(Debug)]
pub(super) struct GraphicsChannel(GraphicsInbox);

impl_as_any!(GraphicsChannel);

impl DvcProcessor for GraphicsChannel {
    fn channel_name(&self) -> &str {
        CHANNEL_NAME
    }

    fn start(&mut self, channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        self.0.put(FromGraphics::Opened(channel_id));
        Ok(Vec::new())
    }

    fn process(&mut self, _: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        self.0.put(FromGraphics::Message(payload.to_vec()));
        Ok(Vec::new())
    }

    fn close(&mut self, _: u32) {
        self.0.put(FromGraphics::Closed);
    }
}

impl DvcServerProcessor for GraphicsChannel {}

struct Payload(Vec<u8>);

impl Encode for Payload {
    fn encode(&self, dst: &mut WriteCursor<'_>) -> EncodeResult<()> {
        ironrdp_core::ensure_size!(in: dst, size: self.0.len());
        dst.write_slice(&self.0);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "graphics payload"
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}

impl DvcEncode for Payload {}
