//! Where ironrdp's types stop: the connection sequence, the session's frames, pictures and input on the wire.

mod connect;
mod cursor;
mod frame;
mod graphics;
mod life;
mod send;
mod session;

pub(crate) use connect::{Introduction, Secured, join};
pub(crate) use session::{Ending, Session};

/// The largest desktop that is shown, each way, in pixels: the limit of RDP's own display channel, and with 4 bytes
/// a pixel the point where one picture takes 256 MiB. Source: [MS-RDPEDISP] 2.2.2.2.1.
pub(crate) const MAX_SIDE: u16 = 8192;

/// The other side broke the protocol, or what it sent goes beyond what we are ready to hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The connection is gone.
    #[error("the connection is gone")]
    Gone(#[source] std::io::Error),
    /// A frame that cannot be understood, or that must not come.
    #[error("protocol: {0}")]
    Protocol(String),
    /// The other side did not go on in time.
    #[error("no answer in time")]
    TimeOut,
}

impl WireError {
    pub(crate) fn protocol(what: impl core::fmt::Display) -> Self {
        Self::Protocol(what.to_string())
    }
}

impl From<std::io::Error> for WireError {
    /// What cannot be read as a frame, and what TLS refuses, comes as an I/O error too.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::Other | std::io::ErrorKind::InvalidData => Self::protocol(error),
            _ => Self::Gone(error),
        }
    }
}

impl From<ironrdp_session::SessionError> for WireError {
    fn from(error: ironrdp_session::SessionError) -> Self {
        Self::Protocol(error.report().to_string())
    }
}
