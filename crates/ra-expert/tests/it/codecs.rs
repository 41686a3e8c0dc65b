//! Bitmaps of the codecs that lose something: ours shows what the other client shows, pixel for pixel.

use ironrdp_core::encode_vec;
use ironrdp_egfx::pdu::{Codec1Type, Codec2Type, GfxPdu, PixelFormat, WireToSurface2Pdu};
use ironrdp_pdu::codecs::rfx::progressive::{
    ComponentCodecQuant, ProgressiveBlock, ProgressiveContextPdu, ProgressiveFrameBeginPdu, ProgressiveFrameEndPdu,
    ProgressiveRegion, ProgressiveSyncPdu, ProgressiveTile, TileSimple, encode_progressive_stream,
};
use ironrdp_pdu::codecs::rfx::{
    Block, ChannelsPdu, CodecChannel, CodecVersionsPdu, ContextPdu, EntropyAlgorithm, FrameBeginPdu, FrameEndPdu,
    OperatingMode, Quant, RegionPdu, RfxChannel, RfxRectangle, SyncPdu, Tile, TileSetPdu,
};
use ironrdp_pdu::geometry::ExclusiveRectangle;

use crate::pipeline::{Pair, bitmap, end, open, start};
use crate::scenes::Random;

const WHOLE: ExclusiveRectangle = ExclusiveRectangle { left: 0, top: 0, right: 150, bottom: 100 };

/// Coefficients of a tile that shows something, in one of three channels.
fn samples(seed: u64) -> Vec<i16> {
    let mut random = Random(seed);
    let level = random.below(2000) as i16 - 1000;
    (0..4096).map(|n: i16| level + (n % 64) * 9 + random.below(40) as i16).collect()
}

fn channel(seed: u64) -> Vec<u8> {
    let quant = Quant { ll3: 6, lh3: 6, hl3: 6, hh3: 6, lh2: 7, hl2: 7, hh2: 8, lh1: 8, hl1: 8, hh1: 9 };
    let mut bytes = vec![0; 16_384];
    let length =
        ironrdp_graphics::rfx_encode_component(&mut samples(seed), &mut bytes, &quant, EntropyAlgorithm::Rlgr3);
    bytes.truncate(length.unwrap());
    bytes
}

fn remote_fx(tiles: &[(u16, u16)], rectangles: Vec<RfxRectangle>) -> Vec<u8> {
    let quant = Quant { ll3: 6, lh3: 6, hl3: 6, hh3: 6, lh2: 7, hl2: 7, hh2: 8, lh1: 8, hl1: 8, hh1: 9 };
    let channels: Vec<[Vec<u8>; 3]> =
        (0..tiles.len() as u64).map(|n| [channel(3 * n), channel(3 * n + 1), channel(3 * n + 2)]).collect();
    let tiles = tiles.iter().zip(&channels).map(|(&(x, y), [luma, blue, red])| Tile {
        y_quant_index: 0,
        cb_quant_index: 0,
        cr_quant_index: 0,
        x,
        y,
        y_data: luma,
        cb_data: blue,
        cr_data: red,
    });
    let entropy_algorithm = EntropyAlgorithm::Rlgr3;
    let blocks = [
        Block::Sync(SyncPdu),
        Block::CodecVersions(CodecVersionsPdu),
        Block::Channels(ChannelsPdu(vec![RfxChannel { width: 150, height: 100 }])),
        Block::CodecChannel(CodecChannel::Context(ContextPdu { flags: OperatingMode::IMAGE_MODE, entropy_algorithm })),
        Block::CodecChannel(CodecChannel::FrameBegin(FrameBeginPdu { index: 0, number_of_regions: 1 })),
        Block::CodecChannel(CodecChannel::Region(RegionPdu { rectangles })),
        Block::CodecChannel(CodecChannel::TileSet(TileSetPdu {
            entropy_algorithm,
            quants: vec![quant],
            tiles: tiles.collect(),
        })),
        Block::CodecChannel(CodecChannel::FrameEnd(FrameEndPdu)),
    ];
    blocks.iter().flat_map(|block| encode_vec(block).unwrap()).collect()
}

#[test]
fn remote_fx_is_painted_where_a_region_and_the_bitmap_meet() {
    let rectangle = |x, y, width, height| RfxRectangle { x, y, width, height };
    let tiles = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (1, 0)];
    for (at, rectangles) in [
        (WHOLE, vec![rectangle(0, 0, 150, 100)]),
        (WHOLE, vec![]),
        (WHOLE, vec![rectangle(3, 5, 70, 20), rectangle(10, 10, 500, 60), rectangle(140, 90, 10, 10)]),
        (ExclusiveRectangle { left: 21, top: 9, right: 120, bottom: 88 }, vec![rectangle(0, 0, 80, 300)]),
        (ExclusiveRectangle { left: 21, top: 9, right: 190, bottom: 150 }, vec![]),
    ] {
        let mut pair = Pair::new();
        open(&mut pair, 150, 100);
        pair.say(&start(0));
        pair.say(&bitmap(1, Codec1Type::RemoteFx, at.clone(), remote_fx(&tiles, rectangles.clone())));
        assert!(pair.say(&end(0)).painted);
        assert!(pair.same(), "{at:?} {rectangles:?}");
    }
}

fn progressive(with_context: bool, tiles: &[(u16, u16)], rects: Vec<RfxRectangle>) -> GfxPdu {
    let quant = ComponentCodecQuant { ll3: 6, hl3: 6, lh3: 6, hh3: 6, hl2: 7, lh2: 7, hh2: 8, hl1: 8, lh1: 8, hh1: 9 };
    let channels: Vec<[Vec<u8>; 3]> = (0..tiles.len() as u64)
        .map(|n| {
            [3 * n, 3 * n + 1, 3 * n + 2].map(|seed| {
                let (mut bytes, none) = (vec![0; 16_384], ComponentCodecQuant::LOSSLESS);
                let length = ironrdp_graphics::progressive::encode_first_pass(
                    &mut samples(seed),
                    &mut bytes,
                    &quant,
                    &none,
                    false,
                );
                bytes.truncate(length.unwrap());
                bytes
            })
        })
        .collect();
    let tiles = tiles.iter().zip(&channels).map(|(&(x_idx, y_idx), [luma, blue, red])| {
        ProgressiveTile::Simple(TileSimple {
            quant_idx_y: 0,
            quant_idx_cb: 0,
            quant_idx_cr: 0,
            x_idx,
            y_idx,
            flags: 0,
            y_data: luma,
            cb_data: blue,
            cr_data: red,
            tail_data: &[],
        })
    });
    let mut blocks = Vec::new();
    if with_context {
        blocks.push(ProgressiveBlock::Sync(ProgressiveSyncPdu));
        blocks.push(ProgressiveBlock::Context(ProgressiveContextPdu { context_id: 0, tile_size: 64, flags: 0 }));
    }
    blocks.push(ProgressiveBlock::FrameBegin(ProgressiveFrameBeginPdu { frame_index: 0, region_count: 1 }));
    blocks.push(ProgressiveBlock::Region(ProgressiveRegion {
        tile_size: 64,
        rects,
        quant_vals: vec![quant],
        quant_prog_vals: vec![],
        flags: 0,
        tiles: tiles.collect(),
    }));
    blocks.push(ProgressiveBlock::FrameEnd(ProgressiveFrameEndPdu));
    GfxPdu::WireToSurface2(WireToSurface2Pdu {
        surface_id: 1,
        codec_id: Codec2Type::RemoteFxProgressive,
        codec_context_id: 3,
        pixel_format: PixelFormat::XRgb,
        bitmap_data: encode_progressive_stream(&blocks).unwrap(),
    })
}

/// One bitmap of each of these codecs.
pub(crate) fn some() -> Vec<GfxPdu> {
    let whole = || vec![RfxRectangle { x: 0, y: 0, width: 64, height: 64 }];
    let remote_fx = bitmap(1, Codec1Type::RemoteFx, WHOLE, remote_fx(&[(0, 0)], whole()));
    vec![remote_fx, progressive(true, &[(0, 0)], whole())]
}

#[test]
fn progressive_tiles_are_painted_where_their_regions_are() {
    let rectangle = |x, y, width, height| RfxRectangle { x, y, width, height };
    let mut pair = Pair::new();
    open(&mut pair, 150, 100);
    pair.say(&start(0));
    pair.say(&progressive(true, &[(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)], vec![rectangle(0, 0, 150, 100)]));
    assert!(pair.say(&end(0)).painted && pair.same());
    pair.say(&start(1));
    let parts = vec![rectangle(5, 6, 80, 9), rectangle(100, 70, 40, 90)];
    pair.say(&progressive(false, &[(1, 1), (0, 0)], parts));
    // Regions of the same frame may show tiles that came before them.
    pair.say(&progressive(false, &[], vec![rectangle(0, 0, 20, 20)]));
    assert!(pair.say(&end(1)).painted && pair.same());
    // Servers do not say again how tiles are to be read, neither for a new desktop nor for a new surface.
    open(&mut pair, 150, 100);
    pair.say(&progressive(false, &[(0, 0)], vec![rectangle(0, 0, 64, 64)]));
    pair.say(&end(2));
    assert!(pair.same());
}

#[test]
fn a_bitmap_that_cannot_be_decoded_is_left_out_and_nothing_else() {
    for codec in [
        Codec1Type::Uncompressed,
        Codec1Type::ClearCodec,
        Codec1Type::Planar,
        Codec1Type::RemoteFx,
        Codec1Type::Avc420,
        Codec1Type::Avc444,
        Codec1Type::Avc444v2,
        Codec1Type::Alpha,
    ] {
        let mut pair = Pair::new();
        open(&mut pair, 150, 100);
        pair.say(&end(0));
        pair.say(&start(1));
        let outcome = pair.say(&bitmap(1, codec, WHOLE, vec![0xfe; 11]));
        assert!(outcome.answers.is_empty());
        assert_eq!(pair.say(&end(1)).answers.len(), 1, "{codec:?}");
        assert!(pair.picture.lock().pixels().iter().all(|&pixel| pixel == 0), "{codec:?}");
    }
}

#[cfg(feature = "h264")]
mod films {
    use ironrdp_egfx::avc444::{Avc444Layout, Yuv444Frame};
    use ironrdp_egfx::decode::Yuv420Frame;
    use ironrdp_egfx::pdu::{Avc420BitmapStream, Avc444BitmapStream, Encoding, QuantQuality};
    use openh264::OpenH264API;
    use openh264::encoder::{Encoder, EncoderConfig};
    use openh264::formats::YUVBuffer;
    use ra_expert::Codec;

    use super::*;
    use crate::pipeline::create;

    fn encoder() -> Encoder {
        Encoder::with_api_config(OpenH264API::from_source(), EncoderConfig::new()).unwrap()
    }

    /// A picture with something of every colour in it, different in each step.
    fn scene(width: u16, height: u16, step: u8) -> Vec<u8> {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        pixels.flat_map(|(x, y)| [(x + u16::from(step)) as u8, (y * 2) as u8, ((x / 16 * 40) ^ y) as u8, 255]).collect()
    }

    /// The units of a picture, one plane after the other.
    fn encode(encoder: &mut Encoder, view: &Yuv420Frame) -> Vec<u8> {
        let (width, height) = (usize::from(view.width()), usize::from(view.height()));
        let mut planes = Vec::new();
        (0..height).for_each(|row| planes.extend_from_slice(view.luma_row(row).unwrap()));
        (0..height / 2).for_each(|row| planes.extend_from_slice(view.u_row(row).unwrap()));
        (0..height / 2).for_each(|row| planes.extend_from_slice(view.v_row(row).unwrap()));
        encoder.encode(&YUVBuffer::from_vec(planes, width, height)).unwrap().to_vec()
    }

    fn stream<'a>(rectangles: &[ExclusiveRectangle], data: &'a [u8]) -> Avc420BitmapStream<'a> {
        let quality = QuantQuality { quantization_parameter: 20, progressive: false, quality: 100 };
        Avc420BitmapStream { rectangles: rectangles.to_vec(), quant_qual_vals: vec![quality; rectangles.len()], data }
    }

    #[test]
    fn a_film_is_shown_in_its_regions_and_may_be_carried_to_another_surface() {
        use ironrdp_egfx::pdu::{Point, SurfaceToSurfacePdu};

        let mut pair = Pair::new();
        open(&mut pair, 150, 100);
        // The film has a surface of its own, which is not shown.
        pair.say(&create(2, 96, 64));
        pair.say(&end(0));
        let mut encoder = encoder();
        let whole = ExclusiveRectangle { left: 0, top: 0, right: 96, bottom: 64 };
        let part = ExclusiveRectangle { left: 33, top: 7, right: 81, bottom: 64 };
        let beyond = ExclusiveRectangle { left: 90, top: 60, right: 120, bottom: 99 };
        for (step, regions) in
            [vec![whole.clone()], vec![part.clone(), beyond], vec![], vec![whole.clone()]].into_iter().enumerate()
        {
            let frame = Yuv444Frame::from_rgba(&scene(96, 64, step as u8 * 9), 96, 64).unwrap();
            let (view, _) = frame.split(Avc444Layout::V2).unwrap();
            let data = encode(&mut encoder, &view);
            pair.say(&start(1));
            let data = encode_vec(&stream(&regions, &data)).unwrap();
            pair.say(&bitmap(2, Codec1Type::Avc420, whole.clone(), data));
            pair.say(&GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
                source_surface_id: 2,
                destination_surface_id: 1,
                source_rectangle: whole.clone(),
                destination_points: vec![Point { x: 31, y: 17 }],
            }));
            assert!(pair.say(&end(1)).painted);
            assert!(pair.same(), "step {step}");
        }
        let seen = pair.picture.lock().row(50)[60];
        assert_ne!(seen, 0, "something is there");
        assert!(pair.counters.read().of(Codec::H264) > 0);
    }

    #[test]
    fn a_film_in_full_colours_is_put_together_from_its_two_halves() {
        for (layout, codec) in [(Avc444Layout::V1, Codec1Type::Avc444), (Avc444Layout::V2, Codec1Type::Avc444v2)] {
            let mut pair = Pair::new();
            open(&mut pair, 96, 64);
            let mut encoder = encoder();
            let whole = ExclusiveRectangle { left: 0, top: 0, right: 96, bottom: 64 };
            for (step, encoding) in
                [Encoding::LUMA_AND_CHROMA, Encoding::LUMA, Encoding::CHROMA, Encoding::LUMA_AND_CHROMA]
                    .into_iter()
                    .enumerate()
            {
                let frame = Yuv444Frame::from_rgba(&scene(96, 64, step as u8 * 9), 96, 64).unwrap();
                let (main, auxiliary) = frame.split(layout).unwrap();
                let views = match encoding {
                    Encoding::LUMA => vec![main],
                    Encoding::CHROMA => vec![auxiliary],
                    _ => vec![main, auxiliary],
                };
                let data: Vec<Vec<u8>> = views.iter().map(|view| encode(&mut encoder, view)).collect();
                let regions = [whole.clone()];
                let message = Avc444BitmapStream {
                    encoding,
                    stream1: stream(&regions, &data[0]),
                    stream2: data.get(1).map(|data| stream(&regions, data)),
                };
                pair.say(&start(1));
                pair.say(&bitmap(1, codec, whole.clone(), encode_vec(&message).unwrap()));
                assert!(pair.say(&end(1)).painted);
                assert!(pair.same(), "{codec:?} step {step}");
            }
        }
    }

    #[test]
    fn films_have_an_end() {
        let mut pair = Pair::new();
        open(&mut pair, 16, 16);
        let data = encode_vec(&stream(&[], &[0, 0, 0, 1, 9])).unwrap();
        let at = ExclusiveRectangle { left: 0, top: 0, right: 16, bottom: 16 };
        let refused = (2_u16..100).find(|&id| {
            pair.say(&create(id, 16, 16));
            let pdu = bitmap(id, Codec1Type::Avc420, at.clone(), data.clone());
            let message = ironrdp_graphics::zgfx::wrap_uncompressed(&encode_vec(&pdu).unwrap());
            pair.ours.receive(&message).is_err()
        });
        assert!(refused.is_some_and(|id| id < 32), "{refused:?}");
    }
}
