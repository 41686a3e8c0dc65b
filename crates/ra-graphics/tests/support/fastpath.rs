//! An expert's program without the graphics pipeline: the fast-path client of the IronRDP crates, which shares no code
//! with our encoders.
#![allow(dead_code, reason = "each test uses its part of it")]

use ironrdp_core::WriteBuf;
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_session::fast_path::{Processor, ProcessorBuilder, UpdateKind};
use ironrdp_session::image::DecodedImage;
use ra_graphics::Size;
use ra_graphics::bitmap::ColorDepth;

/// A client that knows nothing of the graphics pipeline.
pub(crate) struct Viewer {
    processor: Processor,
    image: DecodedImage,
    /// How often it answered.
    pub(crate) answers: usize,
}

impl Viewer {
    /// One that was told this size.
    pub(crate) fn new(size: Size) -> Self {
        let builder = ProcessorBuilder {
            io_channel_id: 1003,
            user_channel_id: 1004,
            share_id: 0,
            enable_server_pointer: true,
            pointer_software_rendering: false,
        };
        let image = DecodedImage::new(PixelFormat::RgbX32, size.width, size.height);
        Self { processor: builder.build(), image, answers: 0 }
    }

    /// Shows what these say; returns what that was.
    pub(crate) fn show(&mut self, pdus: &[Vec<u8>]) -> Vec<UpdateKind> {
        let mut updates = Vec::new();
        for pdu in pdus {
            assert!(pdu.len() <= 0x3FFF);
            let mut answer = WriteBuf::new();
            updates.extend(self.processor.process(&mut self.image, pdu, &mut answer, &mut None).expect("an update"));
            self.answers += usize::from(!answer.filled().is_empty());
        }
        updates
    }

    /// Blue, green and red of each pixel.
    pub(crate) fn colours(&self) -> Vec<[u8; 3]> {
        self.image.data().chunks_exact(4).map(|rgbx| [rgbx[2], rgbx[1], rgbx[0]]).collect()
    }
}

/// What of a colour survives a depth, comparable across ways of filling up the lost bits.
pub(crate) fn kept(depth: ColorDepth, colours: &[[u8; 3]]) -> Vec<[u8; 3]> {
    let bits = match depth {
        ColorDepth::Bpp15 => [3, 3, 3],
        ColorDepth::Bpp16 => [3, 2, 3],
        ColorDepth::Bpp24 | ColorDepth::Bpp32 => [0, 0, 0],
    };
    colours.iter().map(|colour| std::array::from_fn(|i| colour[i] >> bits[i])).collect()
}
