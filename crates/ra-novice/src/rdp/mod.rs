//! RDP as the novice speaks it. The types of the IronRDP crates stop in this module.
//!
//! [`accept`](fn@accept) takes a stream to the end of the connection sequence, with nothing shown and nothing asked; [`Line`] is
//! what is left of the connection then: events in, words and frames out. Until [`Line::open_up`] only the `remdesk`
//! channel and a disconnect are parsed; whatever else an expert sends before the novice's yes is dropped unread.

mod accept;
mod capabilities;
mod input;
mod line;
mod metered;
mod pictures;
mod wrapping;
mod writer;

pub(crate) use accept::{ClientHello, Refusal, accept};
pub(crate) use capabilities::Link;
pub(crate) use line::{FromExpert, Line, LineError};
pub(crate) use metered::Allowance;
pub(crate) use pictures::{FromGraphics, GraphicsClient};
pub(crate) use wrapping::Wrapping;
pub(crate) use writer::FramesOut;

use crate::arrival::Duplex;

/// The connection as the engine has it: TLS over a stream that counts what an unproved peer sends.
type Stream = tokio_rustls::server::TlsStream<metered::Metered<Box<dyn Duplex>>>;
