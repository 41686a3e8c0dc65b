//! The way of pictures: which kind an expert can be shown, and what comes in on the graphics channel.

use std::sync::{Arc, Mutex, PoisonError};

use ironrdp_core::impl_as_any;
use ironrdp_dvc::{DvcMessage, DvcProcessor, DvcServerProcessor};
use ironrdp_pdu::PduResult;
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
