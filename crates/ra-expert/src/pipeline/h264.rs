//! H.264 streams, by openh264; without the feature `h264` there is no such decoder, and the server is told so.

use super::yuv::Yuv;

/// A stream or a picture that the decoder cannot take.
#[derive(Debug, thiserror::Error)]
#[error("H.264: {0}")]
pub(super) struct Broken(pub(super) String);

/// Whether there is a decoder.
pub(super) const AVAILABLE: bool = cfg!(feature = "h264");

#[cfg(not(feature = "h264"))]
pub(super) use absent::H264;
#[cfg(feature = "h264")]
pub(super) use available::H264;

#[cfg(feature = "h264")]
mod available {
    use ironrdp_egfx::pdu::{avc_to_annex_b_into, is_avc_format};
    use openh264::decoder::{Decoder, DecoderConfig};
    use openh264::formats::YUVSource as _;

    use super::super::sps;
    use super::{Broken, Yuv};

    /// The decoder of one stream.
    pub(in super::super) struct H264 {
        decoder: Decoder,
        bytes: Vec<u8>,
        memory: usize,
    }

    impl H264 {
        pub(in super::super) fn new() -> Result<Self, Broken> {
            let decoder = Decoder::with_api_config(openh264::OpenH264API::from_source(), DecoderConfig::new());
            Ok(Self { decoder: decoder.map_err(|error| Broken(error.to_string()))?, bytes: Vec::new(), memory: 0 })
        }

        /// Bytes of pictures that it holds, as far as its stream has said.
        pub(in super::super) fn memory(&self) -> usize {
            self.memory
        }

        /// Decodes the units of one picture, if it and its references fit into `room` bytes, and shows it, as long as the next one has not taken its place.
        pub(in super::super) fn decode<R>(
            &mut self,
            data: &[u8],
            room: usize,
            show: impl FnOnce(&Yuv<'_>) -> R,
        ) -> Result<R, Broken> {
            // The specification wants start codes; some servers send lengths.
            let data = if is_avc_format(data) {
                avc_to_annex_b_into(data, &mut self.bytes);
                &self.bytes
            } else {
                data
            };
            // A set that cannot be read here is none for the decoder either, or one that it knows.
            if let Some(memory) = sps::memory(data) {
                if memory > room {
                    return Err(Broken(format!("pictures of {memory} bytes")));
                }
                self.memory = memory;
            }
            let picture = self.decoder.decode(data).map_err(|error| Broken(error.to_string()))?;
            let picture = picture.ok_or_else(|| Broken("no picture in a message".to_owned()))?;
            let ((width, height), (y, u, v)) = (picture.dimensions(), picture.strides());
            let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else {
                return Err(Broken("a picture of impossible size".to_owned()));
            };
            if u != v {
                return Err(Broken("planes of different shapes".to_owned()));
            }
            let planes = [picture.y(), picture.u(), picture.v()];
            Ok(show(&Yuv { planes, strides: [y, u, v], size: (width, height) }))
        }
    }
}

#[cfg(not(feature = "h264"))]
mod absent {
    use super::{Broken, Yuv};

    /// There is none.
    pub(in super::super) struct H264(core::convert::Infallible);

    impl H264 {
        pub(in super::super) fn new() -> Result<Self, Broken> {
            Err(Broken("not built in".to_owned()))
        }

        pub(in super::super) fn memory(&self) -> usize {
            match self.0 {}
        }

        pub(in super::super) fn decode<R>(
            &mut self,
            _: &[u8],
            _: usize,
            _: impl FnOnce(&Yuv<'_>) -> R,
        ) -> Result<R, Broken> {
            match self.0 {}
        }
    }
}
