//! Our pipeline against the one of the IronRDP crates, which shares only the decoders with it, and against our host.

use std::time::Duration;

use ironrdp_core::encode_vec;
use ironrdp_dvc::DvcProcessor as _;
use ironrdp_egfx::client::{GraphicsPipelineClient, GraphicsPipelineHandler};
use ironrdp_egfx::pdu::{
    CacheToSurfacePdu, Codec1Type, Color, CreateSurfacePdu, DeleteSurfacePdu, EndFramePdu, EvictCacheEntryPdu, GfxPdu,
    MapSurfaceToOutputPdu, PixelFormat, Point, ResetGraphicsPdu, SolidFillPdu, StartFramePdu, SurfaceToCachePdu,
    SurfaceToSurfacePdu, Timestamp, WireToSurface1Pdu,
};
use ironrdp_graphics::clearcodec::ClearCodecEncoder;
use ironrdp_graphics::rdp6::{ABgrChannels, BitmapStreamEncoder};
use ironrdp_graphics::zgfx::{CompressionMode, Compressor, compress_and_wrap_egfx, wrap_uncompressed};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use proptest::prelude::*;
use ra_expert::{Codec, Counters, Outcome, Picture, Pipeline, PipelineError, Rect};
use ra_graphics::gfx::GfxServer;

use crate::scenes::{Canvas, Random};

/// Both clients, told the same.
pub(crate) struct Pair {
    pub(crate) ours: Pipeline,
    pub(crate) picture: Picture,
    pub(crate) counters: Counters,
    theirs: GraphicsPipelineClient,
    size: (u16, u16),
    screen: Vec<u32>,
}

struct Silent;

impl GraphicsPipelineHandler for Silent {}

impl Pair {
    pub(crate) fn new() -> Self {
        let (picture, counters) = (Picture::default(), Counters::default());
        let ours = Pipeline::new(&picture, &counters);
        let h264 = Box::new(ironrdp_egfx::decode::OpenH264Decoder::new().unwrap());
        let theirs = GraphicsPipelineClient::new(Box::new(Silent), Some(h264));
        Self { ours, picture, counters, theirs, size: (0, 0), screen: Vec::new() }
    }

    /// One message to both; whether both take it.
    pub(crate) fn tell(&mut self, message: &[u8]) -> (Result<Outcome, PipelineError>, bool) {
        let taken = self.theirs.process(0, message);
        if let Some((width, height)) = self.theirs.take_output_reset() {
            self.size = (width, height);
            self.screen = vec![0; usize::from(width) * usize::from(height)];
        }
        for update in self.theirs.drain_output() {
            let region = update.region;
            let width = usize::from(region.right - region.left);
            for (row, y) in update.data.chunks_exact(width * 4).zip(usize::from(region.top)..) {
                let start = y * usize::from(self.size.0) + usize::from(region.left);
                for (pixel, p) in self.screen[start..start + width].iter_mut().zip(row.chunks_exact(4)) {
                    *pixel = u32::from_be_bytes([0, p[0], p[1], p[2]]);
                }
            }
        }
        (self.ours.receive(message), taken.is_ok())
    }

    pub(crate) fn say(&mut self, pdu: &GfxPdu) -> Outcome {
        let (ours, theirs) = self.tell(&wrap_uncompressed(&encode_vec(pdu).unwrap()));
        assert!(theirs, "they refuse {pdu:?}");
        ours.unwrap()
    }

    pub(crate) fn same(&self) -> bool {
        let canvas = self.picture.lock();
        canvas.size() == self.size && canvas.pixels() == self.screen
    }
}

pub(crate) fn open(pair: &mut Pair, width: u16, height: u16) {
    pair.say(&reset(width, height));
    pair.say(&create(1, width, height));
    pair.say(&map(1, 0, 0));
}

pub(crate) fn reset(width: u16, height: u16) -> GfxPdu {
    GfxPdu::ResetGraphics(ResetGraphicsPdu { width: width.into(), height: height.into(), monitors: Vec::new() })
}

pub(crate) fn create(surface_id: u16, width: u16, height: u16) -> GfxPdu {
    GfxPdu::CreateSurface(CreateSurfacePdu { surface_id, width, height, pixel_format: PixelFormat::XRgb })
}

pub(crate) fn map(surface_id: u16, x: u32, y: u32) -> GfxPdu {
    GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu { surface_id, output_origin_x: x, output_origin_y: y })
}

pub(crate) fn start(frame_id: u32) -> GfxPdu {
    let timestamp = Timestamp { milliseconds: 0, seconds: 0, minutes: 0, hours: 0 };
    GfxPdu::StartFrame(StartFramePdu { timestamp, frame_id })
}

pub(crate) fn end(frame_id: u32) -> GfxPdu {
    GfxPdu::EndFrame(EndFramePdu { frame_id })
}

fn rectangle((left, top): (u16, u16), (width, height): (u16, u16)) -> ExclusiveRectangle {
    ExclusiveRectangle { left, top, right: left.saturating_add(width), bottom: top.saturating_add(height) }
}

pub(crate) fn bitmap(surface_id: u16, codec_id: Codec1Type, at: ExclusiveRectangle, data: Vec<u8>) -> GfxPdu {
    let pixel_format = PixelFormat::XRgb;
    GfxPdu::WireToSurface1(WireToSurface1Pdu {
        surface_id,
        codec_id,
        pixel_format,
        destination_rectangle: at,
        bitmap_data: data,
    })
}

fn fill(surface_id: u16, colour: u32, rectangles: Vec<ExclusiveRectangle>) -> GfxPdu {
    let [_, r, g, b] = colour.to_be_bytes();
    GfxPdu::SolidFill(SolidFillPdu { surface_id, fill_pixel: Color { b, g, r, xa: 0xff }, rectangles })
}

fn copy(from: u16, to: u16, source_rectangle: ExclusiveRectangle, points: &[(u16, u16)]) -> GfxPdu {
    GfxPdu::SurfaceToSurface(SurfaceToSurfacePdu {
        source_surface_id: from,
        destination_surface_id: to,
        source_rectangle,
        destination_points: points.iter().map(|&(x, y)| Point { x, y }).collect(),
    })
}

fn noise(seed: u64, pixels: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..pixels).flat_map(|_| random.next().to_le_bytes()[..4].to_vec()).collect()
}

/// Something that a server may do, honest or not quite.
#[derive(Clone, Debug)]
enum Act {
    Reset((u16, u16)),
    Create(u16, (u16, u16)),
    Delete(u16),
    Map(u16, (u32, u32)),
    Raw(u16, (u16, u16), (u16, u16), u64),
    Clear(u16, (u16, u16), (u16, u16), u64),
    Planar(u16, (u16, u16), (u16, u16), u64),
    Fill(u16, u32, Vec<((u16, u16), (u16, u16))>),
    Copy(u16, u16, (u16, u16), (u16, u16), Vec<(u16, u16)>),
    Keep(u16, u16, (u16, u16), (u16, u16)),
    Paste(u16, u16, Vec<(u16, u16)>),
    Evict(u16),
    End,
}

fn act() -> impl Strategy<Value = Act> {
    let surface = || 1_u16..4;
    let place = || (0_u16..30, 0_u16..30);
    let size = || (1_u16..34, 1_u16..34);
    let points = || prop::collection::vec(place(), 1..4);
    prop_oneof![
        1 => (20_u16..60, 20_u16..50).prop_map(Act::Reset),
        3 => (surface(), size()).prop_map(|(id, size)| Act::Create(id, size)),
        1 => surface().prop_map(Act::Delete),
        4 => (surface(), 0_u32..20, 0_u32..20).prop_map(|(id, x, y)| Act::Map(id, (x, y))),
        4 => (surface(), place(), size(), any::<u64>()).prop_map(|(id, at, size, seed)| Act::Raw(id, at, size, seed)),
        4 => (surface(), place(), size(), any::<u64>()).prop_map(|(id, at, size, seed)| Act::Clear(id, at, size, seed)),
        4 => (surface(), place(), size(), any::<u64>()).prop_map(|(id, at, size, seed)| Act::Planar(id, at, size, seed)),
        4 => (surface(), 0_u32..0x0100_0000, prop::collection::vec((place(), size()), 1..4))
            .prop_map(|(id, colour, list)| Act::Fill(id, colour, list)),
        9 => (surface(), surface(), place(), size(), points())
            .prop_map(|(from, to, at, size, points)| Act::Copy(from, to, at, size, points)),
        3 => (surface(), 1_u16..4, place(), size()).prop_map(|(id, slot, at, size)| Act::Keep(id, slot, at, size)),
        3 => (1_u16..4, surface(), points()).prop_map(|(slot, id, points)| Act::Paste(slot, id, points)),
        1 => (1_u16..4).prop_map(Act::Evict),
        9 => Just(Act::End),
    ]
}

impl Act {
    fn pdu(&self, clear: &mut ClearCodecEncoder, known: &[u16], frame: u32) -> Option<GfxPdu> {
        // A bitmap for no surface ends both; that is another test's.
        let exists = |id: &u16| known.contains(id);
        Some(match self {
            Self::Reset((width, height)) => reset(*width, *height),
            Self::Create(id, (width, height)) => create(*id, *width, *height),
            Self::Delete(surface_id) => GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: *surface_id }),
            Self::Map(id, (x, y)) => map(*id, *x, *y),
            Self::Raw(id, at, size, seed) if exists(id) => {
                let data = noise(*seed, usize::from(size.0) * usize::from(size.1));
                bitmap(*id, Codec1Type::Uncompressed, rectangle(*at, *size), data)
            }
            Self::Clear(id, at, size, seed) if exists(id) => {
                let data = noise(*seed, usize::from(size.0) * usize::from(size.1));
                let data = clear.encode(&data, size.0, size.1);
                bitmap(*id, Codec1Type::ClearCodec, rectangle(*at, *size), data)
            }
            Self::Planar(id, at, size, seed) if exists(id) => {
                let (width, height) = (usize::from(size.0), usize::from(size.1));
                let data = noise(*seed, width * height);
                let mut stream = vec![0; data.len() * 2 + 64];
                let mut encoder = BitmapStreamEncoder::new(width, height);
                let length = encoder.encode_bitmap::<ABgrChannels>(&data, &mut stream, seed % 2 == 0).unwrap();
                stream.truncate(length);
                bitmap(*id, Codec1Type::Planar, rectangle(*at, *size), stream)
            }
            Self::Raw(..) | Self::Clear(..) | Self::Planar(..) => return None,
            Self::Fill(id, colour, list) => {
                fill(*id, *colour, list.iter().map(|(at, size)| rectangle(*at, *size)).collect())
            }
            Self::Copy(from, to, at, size, points) => copy(*from, *to, rectangle(*at, *size), points),
            Self::Keep(surface_id, cache_slot, at, size) => GfxPdu::SurfaceToCache(SurfaceToCachePdu {
                surface_id: *surface_id,
                cache_key: 7,
                cache_slot: *cache_slot,
                source_rectangle: rectangle(*at, *size),
            }),
            Self::Paste(cache_slot, surface_id, points) => GfxPdu::CacheToSurface(CacheToSurfacePdu {
                cache_slot: *cache_slot,
                surface_id: *surface_id,
                destination_points: points.iter().map(|&(x, y)| Point { x, y }).collect(),
            }),
            Self::Evict(cache_slot) => GfxPdu::EvictCacheEntry(EvictCacheEntryPdu { cache_slot: *cache_slot }),
            Self::End => end(frame),
        })
    }
}

/// Plays the acts to both and compares what they show at each end of a frame; true when something was shown.
fn play(acts: &[Act], whole_screen: bool) -> bool {
    let mut pair = Pair::new();
    let mut clear = ClearCodecEncoder::new();
    let mut known = Vec::new();
    let mut frame = 0;
    pair.say(&reset(40, 30));
    if whole_screen {
        // As our host begins: one surface that is the screen.
        pair.say(&create(1, 40, 30));
        pair.say(&map(1, 0, 0));
        known.push(1);
    }
    pair.say(&start(frame));
    let mut shown = false;
    // What is painted on a surface and not yet seen is lost with it there, and seen here: a frame never spans the two.
    let spans = |act: &Act| matches!(act, Act::Create(..) | Act::Delete(_) | Act::Map(..) | Act::Reset(_));
    let acts = acts.iter().flat_map(|act| spans(act).then_some(&Act::End).into_iter().chain([act]));
    for act in acts {
        let Some(pdu) = act.pdu(&mut clear, &known, frame) else { continue };
        match act {
            Act::Reset(_) => known.clear(),
            Act::Create(id, _) => known.push(*id),
            Act::Delete(id) => known.retain(|known| known != id),
            _ => {}
        }
        let outcome = pair.say(&pdu);
        if matches!(act, Act::End) {
            shown |= outcome.painted;
            assert_eq!(outcome.answers.len(), 1);
            assert!(pair.same(), "another picture than theirs after frame {frame}");
            frame += 1;
            pair.say(&start(frame));
        }
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_surfaces_both_show_the_same(acts in prop::collection::vec(act(), 1..60)) {
        play(&acts, false);
    }

    #[test]
    fn whatever_is_done_to_a_screen_of_one_surface_both_show_the_same(acts in prop::collection::vec(act(), 1..60)) {
        play(&acts, true);
    }

    #[test]
    fn bytes_of_any_kind_harm_nobody(
        acts in prop::collection::vec(act(), 1..12),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (picture, counters) = (Picture::default(), Counters::default());
        let mut pipeline = Pipeline::new(&picture, &counters);
        let mut clear = ClearCodecEncoder::new();
        let mut bytes = [reset(40, 30), create(1, 40, 30), map(1, 0, 0), create(2, 9, 9), create(3, 70, 9)]
            .iter().flat_map(|pdu| encode_vec(pdu).unwrap()).collect::<Vec<_>>();
        for act in &acts {
            bytes.extend(act.pdu(&mut clear, &[1, 2, 3], 1).map(|pdu| encode_vec(&pdu).unwrap()).unwrap_or_default());
        }
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        for message in bytes.chunks(60_000) {
            if pipeline.receive(&wrap_uncompressed(message)).is_err() {
                break;
            }
        }
        let canvas = picture.lock();
        let (width, height) = canvas.size();
        prop_assert_eq!(canvas.pixels().len(), usize::from(width) * usize::from(height));
    }

    #[test]
    fn messages_of_noise_harm_nobody(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6)) {
        let mut pipeline = Pipeline::new(&Picture::default(), &Counters::default());
        for message in &messages {
            // As it is, which is seldom a segment, and as one.
            let _refused = pipeline.receive(message);
            let _refused = pipeline.receive(&wrap_uncompressed(message));
        }
    }
}

#[test]
fn a_frame_is_seen_as_a_whole_or_not_at_all() {
    let mut pair = Pair::new();
    open(&mut pair, 64, 48);
    pair.say(&start(0));
    pair.say(&fill(1, 0x11_2233, vec![rectangle((0, 0), (64, 48))]));
    assert!(pair.say(&end(0)).painted);
    let before = pair.picture.snapshot().unwrap();
    pair.picture.lock().take_damage();

    pair.say(&start(1));
    let outcome = pair.say(&fill(1, 0xff_0000, vec![rectangle((3, 4), (5, 6))]));
    assert!(!outcome.painted && outcome.answers.is_empty());
    assert_eq!(pair.picture.snapshot().unwrap().pixels(), before.pixels());
    assert!(pair.picture.lock().take_damage().is_empty());

    let outcome = pair.say(&end(1));
    assert!(outcome.painted && outcome.answers.len() == 1 && pair.same());
    assert_eq!(pair.picture.lock().take_damage(), [Rect { x: 3, y: 4, width: 5, height: 6 }]);
}

#[test]
fn a_frame_without_a_change_is_answered_and_nobody_looks() {
    let mut pair = Pair::new();
    open(&mut pair, 64, 48);
    pair.say(&end(0));
    pair.say(&start(1));
    let outcome = pair.say(&end(1));
    assert!(!outcome.painted && outcome.answers.len() == 1);
    assert_eq!(pair.counters.read().frames, 2);
}

#[test]
fn a_page_scrolls_in_place_in_every_direction() {
    let mut pair = Pair::new();
    open(&mut pair, 64, 48);
    pair.say(&bitmap(1, Codec1Type::Uncompressed, rectangle((0, 0), (64, 48)), noise(3, 64 * 48)));
    for (from, to, size) in [
        ((0, 7), (0, 0), (64, 41)),
        ((0, 0), (0, 7), (64, 41)),
        ((9, 0), (0, 0), (55, 48)),
        ((0, 0), (9, 0), (55, 48)),
        ((3, 3), (5, 9), (50, 30)),
        ((5, 9), (3, 3), (50, 30)),
        ((0, 0), (60, 40), (64, 48)),
    ] {
        pair.say(&copy(1, 1, rectangle(from, size), &[to]));
        pair.say(&end(0));
        assert!(pair.same(), "{from:?} to {to:?}");
    }
}

#[test]
fn pictures_of_our_host_arrive_exactly_and_are_counted() {
    for (width, height) in [(1, 1), (65, 63), (640, 480), (1283, 717)] {
        let size = ra_graphics::Size::new(width, height);
        let whole = ra_graphics::Rect::new(0, 0, width, height);
        let (mut host, mut pair) = (GfxServer::new(), Pair::new());
        for payload in host.receive(&Pipeline::advertisement(), Duration::ZERO).unwrap() {
            assert!(pair.tell(&payload).1);
        }
        let mut canvas = Canvas::new(size, 9);
        let draw: [fn(&mut Canvas, ra_graphics::Rect); 5] = [
            |canvas, rect| canvas.text(rect, 3),
            |canvas, rect| canvas.scroll(rect, 7, 0),
            |canvas, rect| canvas.gradient(rect),
            |canvas, rect| canvas.photograph(rect, 0.5),
            |canvas, rect| canvas.noise(rect),
        ];
        for draw in draw {
            draw(&mut canvas, whole);
            for payload in host.frame(&canvas.view(), &[whole], Duration::ZERO).unwrap() {
                let (ours, theirs) = pair.tell(&payload);
                assert!(theirs);
                for answer in ours.unwrap().answers {
                    host.receive(&answer, Duration::ZERO).unwrap();
                }
            }
            assert!(pair.same() && host.frames_in_flight() == 0);
            let seen: Vec<[u8; 3]> = pair
                .picture
                .lock()
                .pixels()
                .iter()
                .map(|p| {
                    let [b, g, r, _] = p.to_le_bytes();
                    [b, g, r]
                })
                .collect();
            assert!(seen == canvas.colours(), "another picture than the novice's");
        }
        let counted = pair.counters.read();
        let codecs: u64 = Codec::ALL.iter().map(|&codec| counted.of(codec)).sum();
        assert!(counted.frames >= 4 && codecs > 0, "{counted:?}");
    }
}

#[test]
fn a_compressed_message_is_the_same_message() {
    let mut pair = Pair::new();
    let mut compressor = Compressor::new();
    let mut say = |pair: &mut Pair, pdus: &[GfxPdu]| {
        let bytes: Vec<u8> = pdus.iter().flat_map(|pdu| encode_vec(pdu).unwrap()).collect();
        let message = compress_and_wrap_egfx(&bytes, &mut compressor, CompressionMode::Always).unwrap();
        assert!(message.len() < bytes.len());
        let (ours, theirs) = pair.tell(&message);
        assert!(ours.is_ok() && theirs);
    };
    let stripes: Vec<u8> = (0..64 * 48).flat_map(|n: u32| [(n / 64) as u8, 3, 200, 0]).collect();
    let picture = bitmap(1, Codec1Type::Uncompressed, rectangle((0, 0), (64, 48)), stripes);
    say(&mut pair, &[reset(64, 48), create(1, 64, 48), map(1, 0, 0), start(0), picture.clone(), end(0)]);
    assert!(pair.same());
    say(&mut pair, &[start(1), fill(1, 0x123456, vec![rectangle((1, 1), (9, 9))]), picture, end(1)]);
    assert!(pair.same());
}

#[test]
fn what_makes_no_sense_ends_the_channel() {
    let unknown = bitmap(9, Codec1Type::Uncompressed, rectangle((0, 0), (1, 1)), vec![0; 4]);
    let inverted = ExclusiveRectangle { left: 5, top: 0, right: 4, bottom: 1 };
    let inverted = bitmap(1, Codec1Type::Uncompressed, inverted, vec![0; 4]);
    let beyond = bitmap(1, Codec1Type::ClearCodec, rectangle((0, 0), (8000, 8000)), vec![0, 0]);
    let huge = GfxPdu::ResetGraphics(ResetGraphicsPdu { width: 9000, height: 10, monitors: Vec::new() });
    for pdu in [unknown, inverted, beyond, huge] {
        let mut pipeline = Pipeline::new(&Picture::default(), &Counters::default());
        for pdu in [reset(64, 48), create(1, 64, 48), map(1, 0, 0)] {
            pipeline.receive(&wrap_uncompressed(&encode_vec(&pdu).unwrap())).unwrap();
        }
        pipeline.receive(&wrap_uncompressed(&encode_vec(&pdu).unwrap())).unwrap_err();
    }
}

#[test]
fn what_is_held_and_what_is_painted_has_an_end() {
    let tell = |pipeline: &mut Pipeline, pdu: GfxPdu| pipeline.receive(&wrap_uncompressed(&encode_vec(&pdu).unwrap()));
    let opened = |width, height| {
        let mut pipeline = Pipeline::new(&Picture::default(), &Counters::default());
        for pdu in [reset(width, height), create(1, width, height), map(1, 0, 0), end(0)] {
            tell(&mut pipeline, pdu).unwrap();
        }
        pipeline
    };
    // Surfaces, one after the other.
    let mut pipeline = opened(64, 48);
    let surfaces = (2_u16..2000).position(|id| tell(&mut pipeline, create(id, 4096, 4096)).is_err());
    assert!(surfaces.is_some_and(|count| count < 10), "{surfaces:?}");

    // A few kilobytes that paint for hours.
    let mut pipeline = opened(2048, 2048);
    let rectangles = vec![rectangle((0, 0), (2048, 2048)); 4000];
    tell(&mut pipeline, fill(1, 1, rectangles)).unwrap_err();
    let mut pipeline = opened(2048, 2048);
    tell(&mut pipeline, copy(1, 1, rectangle((0, 0), (2048, 2048)), &[(1, 1); 4000])).unwrap_err();
    let mut pipeline = opened(2048, 2048);
    let maps = (0..4000).position(|_| tell(&mut pipeline, map(1, 0, 0)).is_err());
    assert!(maps.is_some());

    // Frames in one message.
    let mut pipeline = opened(64, 48);
    let frames: Vec<u8> = (0..5000).flat_map(|_| encode_vec(&end(0)).unwrap()).collect();
    pipeline.receive(&wrap_uncompressed(&frames)).unwrap_err();
}

/// Conversations for the fuzzer to begin with, in the form that its target reads; nothing where nobody wants them.
#[test]
fn seeds_for_the_fuzzer() {
    let Some(folder) = std::env::var_os("RA_SEEDS").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let mut clear = ClearCodecEncoder::new();
    let at = ((3, 4), (20, 9));
    let acts = [
        Act::Raw(1, at.0, at.1, 5),
        Act::Clear(1, at.0, at.1, 6),
        Act::Planar(1, at.0, at.1, 8),
        Act::Fill(1, 77, vec![at]),
        Act::Copy(1, 1, at.0, at.1, vec![(9, 9)]),
        Act::Copy(1, 2, at.0, at.1, vec![(0, 0), (1, 1)]),
        Act::Keep(1, 1, at.0, at.1),
        Act::Paste(1, 1, vec![(5, 5)]),
    ];
    let mut seeds: Vec<Vec<GfxPdu>> =
        acts.iter().filter_map(|act| act.pdu(&mut clear, &[1, 2], 0)).map(|pdu| vec![pdu]).collect();
    seeds.extend(crate::codecs::some().into_iter().map(|pdu| vec![pdu]));
    for (number, pdus) in seeds.into_iter().enumerate() {
        let around = [reset(40, 30), create(1, 40, 30), map(1, 0, 0), create(2, 40, 30), start(0)];
        let messages = around.into_iter().chain(pdus).chain([end(0)]);
        let mut bytes = Vec::new();
        for message in messages.map(|pdu| encode_vec(&pdu).unwrap()) {
            bytes.push(0);
            bytes.extend(u16::try_from(message.len()).unwrap().to_le_bytes());
            bytes.extend(message);
        }
        std::fs::write(folder.join(format!("seed-{number}")), bytes).unwrap();
    }
}
