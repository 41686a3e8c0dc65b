//! What a frame of 1920x1080 costs the viewer: a page that scrolls, a film, a first picture. Decoded and painted, not shown.
//!
//! `cargo bench -p ra-expert` first prints CPU time, which other programs on the machine disturb less than wall time, for
//! our pipeline and for the client of the IronRDP crates with its output taken; then criterion measures ours.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop there")]

#[path = "../../ra-graphics/tests/support/scenes.rs"]
mod scenes;

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ironrdp_core::encode_vec;
use ironrdp_dvc::DvcProcessor as _;
use ironrdp_egfx::client::{GraphicsPipelineClient, GraphicsPipelineHandler};
use ironrdp_egfx::decode::{H264Decoder, OpenH264Decoder};
use ironrdp_egfx::pdu::{
    Avc420BitmapStream, Codec1Type, CreateSurfacePdu, EndFramePdu, GfxPdu, PixelFormat, Point, QuantQuality,
    SurfaceToSurfacePdu, WireToSurface1Pdu,
};
use ironrdp_graphics::zgfx::wrap_uncompressed;
use ironrdp_pdu::geometry::ExclusiveRectangle;
use openh264::OpenH264API;
use openh264::encoder::{Encoder, EncoderConfig};
use openh264::formats::YUVBuffer;
use ra_expert::{Counters, Picture, Pipeline};
use ra_graphics::gfx::GfxServer;
use ra_graphics::{Rect, Size};
use scenes::Canvas;

const SCREEN: Size = Size::new(1920, 1080);

/// Messages that set the stage, and frames that can be shown over and over in their order.
struct Scene {
    name: &'static str,
    before: Vec<Vec<u8>>,
    frames: Vec<Vec<Vec<u8>>>,
}

fn scenes() -> Vec<Scene> {
    vec![first_picture(), page(), film()]
}

fn host() -> (GfxServer, Vec<Vec<u8>>) {
    let mut host = GfxServer::new();
    let opening = host.receive(&Pipeline::advertisement(), Duration::ZERO).unwrap();
    (host, opening)
}

fn desktop() -> Canvas {
    let mut canvas = Canvas::tidy(SCREEN);
    canvas.photograph(SCREEN.rect(), 0.0);
    canvas.text(Rect::new(100, 60, 1100, 900), 0);
    canvas.gradient(Rect::new(1300, 500, 400, 300));
    canvas
}

fn first_picture() -> Scene {
    let (mut host, before) = host();
    let frame = host.frame(&desktop().view(), &[], Duration::ZERO).unwrap();
    Scene { name: "first picture", before, frames: vec![frame] }
}

/// A whole page of text, up by 7 pixels in each frame.
fn page() -> Scene {
    let (mut host, mut before) = host();
    let mut canvas = Canvas::tidy(SCREEN);
    canvas.text(SCREEN.rect(), 0);
    before.extend(host.frame(&canvas.view(), &[], Duration::ZERO).unwrap());
    let mut frames = Vec::new();
    for step in 0..32 {
        canvas.scroll(SCREEN.rect(), 7, 0);
        canvas.text(Rect::new(0, 1080 - 16, 1920, 16), step);
        frames.push(host.frame(&canvas.view(), &[SCREEN.rect()], Duration::ZERO).unwrap());
        acknowledge(&mut host);
    }
    Scene { name: "page scrolled", before, frames }
}

/// 1280x720 in a surface of its own, carried to its place.
fn film() -> Scene {
    let (mut host, mut before) = host();
    before.extend(host.frame(&desktop().view(), &[], Duration::ZERO).unwrap());
    let create = CreateSurfacePdu { surface_id: 9, width: 1280, height: 720, pixel_format: PixelFormat::XRgb };
    before.push(message(&[GfxPdu::CreateSurface(create)]));
    let whole = ExclusiveRectangle { left: 0, top: 0, right: 1280, bottom: 720 };
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), EncoderConfig::new()).unwrap();
    let mut canvas = Canvas::tidy(Size::new(1280, 720));
    let mut frames = Vec::new();
    for step in 0..16 {
        canvas.photograph(Rect::new(0, 0, 1280, 720), step as f32 / 20.0);
        let colours = canvas.colours();
        let mut planes = vec![128; 1280 * 720 * 3 / 2];
        for (luma, [_, green, _]) in planes.iter_mut().zip(colours) {
            *luma = green;
        }
        let units = encoder.encode(&YUVBuffer::from_vec(planes, 1280, 720)).unwrap().to_vec();
        let quality = QuantQuality { quantization_parameter: 20, progressive: false, quality: 100 };
        let rectangles = vec![whole.clone()];
        let stream = Avc420BitmapStream { rectangles, quant_qual_vals: vec![quality], data: &units };
        let bitmap = WireToSurface1Pdu {
            surface_id: 9,
            codec_id: Codec1Type::Avc420,
            pixel_format: PixelFormat::XRgb,
            destination_rectangle: whole.clone(),
            bitmap_data: encode_vec(&stream).unwrap(),
        };
        let copy = SurfaceToSurfacePdu {
            source_surface_id: 9,
            destination_surface_id: 1,
            source_rectangle: whole.clone(),
            destination_points: vec![Point { x: 320, y: 180 }],
        };
        let end = GfxPdu::EndFrame(EndFramePdu { frame_id: step });
        frames.push(vec![message(&[GfxPdu::WireToSurface1(bitmap), GfxPdu::SurfaceToSurface(copy), end])]);
    }
    Scene { name: "film 1280x720", before, frames }
}

fn message(pdus: &[GfxPdu]) -> Vec<u8> {
    wrap_uncompressed(&pdus.iter().flat_map(|pdu| encode_vec(pdu).unwrap()).collect::<Vec<u8>>())
}

fn acknowledge(host: &mut GfxServer) {
    use ironrdp_egfx::pdu::{FrameAcknowledgePdu, QueueDepth};
    // Any number does: what the host waits for is not what is measured.
    for frame_id in 0..100 {
        let done = FrameAcknowledgePdu { queue_depth: QueueDepth::Suspend, frame_id, total_frames_decoded: 0 };
        host.receive(&encode_vec(&GfxPdu::FrameAcknowledge(done)).unwrap(), Duration::ZERO).unwrap();
    }
}

struct Ours(Pipeline);

impl Ours {
    fn new(scene: &Scene) -> Self {
        let mut ours = Self(Pipeline::new(&Picture::default(), &Counters::default()));
        scene.before.iter().for_each(|message| ours.show(message));
        ours
    }

    fn show(&mut self, message: &[u8]) {
        black_box(self.0.receive(message).unwrap());
    }
}

struct Theirs(GraphicsPipelineClient);

struct Silent;

impl GraphicsPipelineHandler for Silent {}

impl Theirs {
    fn new(scene: &Scene) -> Self {
        let h264: Box<dyn H264Decoder> = Box::new(OpenH264Decoder::new().unwrap());
        let mut theirs = Self(GraphicsPipelineClient::new(Box::new(Silent), Some(h264)));
        scene.before.iter().for_each(|message| theirs.show(message));
        theirs
    }

    fn show(&mut self, message: &[u8]) {
        black_box(self.0.process(0, message).unwrap());
        black_box(self.0.drain_output());
    }
}

/// CPU time of this process so far, in hundredths of a second.
fn cpu() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Milliseconds of CPU for a frame.
fn cost(scene: &Scene, mut show: impl FnMut(&[u8])) -> f64 {
    let begun = cpu();
    let mut frames = 0_u32;
    while cpu() - begun < 100 {
        for frame in &scene.frames {
            frame.iter().for_each(|message| show(message));
            frames += 1;
        }
    }
    (cpu() - begun) as f64 * 10.0 / f64::from(frames)
}

fn pipeline(criterion: &mut Criterion) {
    let scenes = scenes();
    if !std::env::args().any(|argument| argument == "--test") {
        println!("{:16} {:>10} {:>14} {:>10}", "CPU ms a frame", "ours", "IronRDP's", "bytes");
        for scene in &scenes {
            let (mut ours, mut theirs) = (Ours::new(scene), Theirs::new(scene));
            let bytes = scene.frames.iter().flatten().map(Vec::len).sum::<usize>() / scene.frames.len();
            let (ours, theirs) = (cost(scene, |m| ours.show(m)), cost(scene, |m| theirs.show(m)));
            println!("{:16} {ours:>10.2} {theirs:>14.2} {bytes:>10}", scene.name);
        }
    }
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(20);
    for scene in &scenes {
        let mut ours = Ours::new(scene);
        let mut frames = scene.frames.iter().cycle();
        group.bench_function(scene.name, |bencher| {
            bencher.iter(|| frames.next().unwrap().iter().for_each(|message| ours.show(message)));
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
