//! CPU and bytes per frame at 1920x1080 for what desktops show: text, scrolling, photographs, noise, small changes.
//!
//! `cargo bench -p ra-graphics` first prints a table of CPU time (which other programs on the machine disturb less than
//! wall time) and bytes, then lets criterion measure wall time. `-- --test` stops after one frame of each.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../tests/support/scenes.rs"]
mod scenes;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ironrdp_core::encode_vec;
use ironrdp_egfx::pdu::{
    CapabilitiesAdvertisePdu, CapabilitiesV8Flags, CapabilitiesV107Flags, CapabilitySet, FrameAcknowledgePdu, GfxPdu,
    QueueDepth,
};
use ra_graphics::bitmap::{BitmapClient, BitmapEncoder, ColorDepth};
use ra_graphics::gfx::GfxServer;
use ra_graphics::{Rect, Size};
use scenes::Canvas;

const SCREEN: Size = Size::new(1920, 1080);

/// Pictures that follow each other, there and back, and what changes between any two neighbours.
struct Scene {
    name: &'static str,
    pictures: Vec<Canvas>,
    damage: Rect,
}

impl Scene {
    fn new(name: &'static str, damage: Rect, count: usize, draw: impl Fn(&mut Canvas, usize)) -> Self {
        let pictures = (0..count).map(|number| {
            let mut canvas = Canvas::tidy(SCREEN);
            draw(&mut canvas, number);
            canvas
        });
        Self { name, pictures: pictures.collect(), damage }
    }

    fn picture(&self, number: usize) -> &Canvas {
        let period = 2 * (self.pictures.len() - 1);
        let place = number % period;
        &self.pictures[place.min(period - place)]
    }
}

fn scenes() -> Vec<Scene> {
    let whole = SCREEN.rect();
    let letter = Rect::new(803, 405, 10, 20);
    let patch = Rect::new(700, 300, 128, 128);
    let window = Rect::new(300, 150, 960, 780);
    let video = Rect::new(320, 180, 1280, 720);
    vec![
        Scene::new("typing", letter, 2, |canvas, n| {
            canvas.text(whole, 0);
            canvas.text(letter, n as u64 * 7);
        }),
        Scene::new("patch of text", patch, 2, |canvas, n| canvas.text(patch, n as u64 * 100)),
        Scene::new("patch of noise", patch, 4, |canvas, n| {
            (0..=n).for_each(|_| canvas.noise(patch));
        }),
        Scene::new("page of text", whole, 2, |canvas, n| canvas.text(whole, n as u64 * 1000)),
        Scene::new("scroll by a line", whole, 6, |canvas, n| canvas.text(whole, n as u64)),
        Scene::new("scroll by 7 pixels", whole, 6, |canvas, n| {
            canvas.text(whole, 5);
            canvas.scroll(whole, 7 * n as u16, 0);
        }),
        Scene::new("scroll in a window", window, 6, |canvas, n| {
            canvas.photograph(whole, 0.0);
            canvas.text(window, n as u64);
        }),
        Scene::new("photograph", whole, 2, |canvas, n| canvas.photograph(whole, n as f32)),
        Scene::new("video 1280x720", video, 3, |canvas, n| canvas.photograph(video, n as f32 / 20.0)),
        Scene::new("gradient", whole, 2, |canvas, n| match n {
            0 => canvas.gradient(whole),
            _ => canvas.horizontal_gradient(whole),
        }),
        Scene::new("noise", whole, 2, |canvas, n| (0..=n).for_each(|_| canvas.noise(whole))),
        Scene::new("one colour", whole, 2, |canvas, n| canvas.fill(whole, 0x20_4060 + n as u32 * 0x0A_1400)),
        Scene::new("scroll sideways", window, 6, |canvas, n| {
            canvas.photograph(whole, 0.0);
            canvas.text(window, 9);
            let left = Rect { x: window.x + 60, width: window.width - 60, ..window };
            canvas.shift(left, -(n as i32) * 9, 0);
        }),
        Scene::new("drag over text", whole, 6, |canvas, n| {
            canvas.text(whole, 40);
            let moved = Rect { x: window.x + n as u16 * 17, y: window.y + n as u16 * 11, ..window };
            canvas.fill(moved, 0xC0_D0C0);
            canvas.shift(Rect::new(200, 100, 700, 600), i32::from(moved.x) - 180, i32::from(moved.y) - 80);
        }),
        Scene::new("no change", whole, 2, |canvas, _| canvas.text(whole, 3)),
    ]
}

/// A pipeline whose client acknowledges every frame at once.
struct Pipeline {
    server: GfxServer,
    frame: u32,
    now: Duration,
}

impl Pipeline {
    fn open(client: &CapabilitySet) -> Self {
        let mut server = GfxServer::new();
        let sets = [client.clone()];
        let advertise = GfxPdu::CapabilitiesAdvertise(CapabilitiesAdvertisePdu::from_typed(&sets));
        server.receive(&encode_vec(&advertise).expect("a message"), Duration::ZERO).expect("a version in common");
        Self { server, frame: 0, now: Duration::ZERO }
    }

    fn send(&mut self, picture: &Canvas, damage: Rect) -> usize {
        self.now += Duration::from_millis(33);
        let payloads = self.server.frame(&picture.view(), &[damage], self.now).expect("open");
        self.frame += u32::from(!payloads.is_empty());
        let acknowledgement = GfxPdu::FrameAcknowledge(FrameAcknowledgePdu {
            queue_depth: QueueDepth::Unavailable,
            frame_id: self.frame,
            total_frames_decoded: self.frame,
        });
        self.server.receive(&encode_vec(&acknowledgement).expect("a message"), self.now).expect("an acknowledgement");
        black_box(&payloads).iter().map(Vec::len).sum()
    }
}

/// Time that this process has spent on processors.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Sends frames for a while; prints CPU and bytes per frame.
fn report(name: &str, scene: &Scene, mut send: impl FnMut(&Canvas, Rect) -> usize, long: bool) {
    send(scene.picture(0), SCREEN.rect());
    let (started, cpu) = (Instant::now(), cpu_time());
    let (mut frames, mut bytes) = (0, 0);
    while frames == 0 || (long && started.elapsed() < Duration::from_millis(400)) {
        frames += 1;
        bytes += send(scene.picture(frames), scene.damage);
    }
    let cpu = (cpu_time() - cpu).as_secs_f64() * 1000.0 / frames as f64;
    println!("{name:10} {:20} {cpu:8.3} ms CPU {:9.1} kB per frame", scene.name, bytes as f64 / 1000.0 / frames as f64);
}

fn encode(criterion: &mut Criterion) {
    let long = !std::env::args().any(|argument| argument == "--test");
    let scenes = scenes();
    // One client that has to be sent pixels, and one that decodes film.
    let plain = CapabilitySet::V8 { flags: CapabilitiesV8Flags::SMALL_CACHE };
    let video = CapabilitySet::V10_7 { flags: CapabilitiesV107Flags::SMALL_CACHE };
    for scene in &scenes {
        let mut pipeline = Pipeline::open(&video);
        report("with film", scene, |picture, damage| pipeline.send(picture, damage), long);
    }
    for scene in &scenes {
        let mut pipeline = Pipeline::open(&plain);
        report("pipeline", scene, |picture, damage| pipeline.send(picture, damage), long);
    }
    for (name, depth) in [("bitmaps 32", ColorDepth::Bpp32), ("bitmaps 16", ColorDepth::Bpp16)] {
        for scene in &scenes {
            let client = BitmapClient { depth, skip_alpha: true, frame_acknowledge: None };
            let mut encoder = BitmapEncoder::new(client);
            let send =
                |picture: &Canvas, damage: Rect| encoder.frame(&picture.view(), &[damage]).iter().map(Vec::len).sum();
            report(name, scene, send, long);
        }
    }
    for scene in &scenes {
        let mut pipeline = Pipeline::open(&plain);
        pipeline.send(scene.picture(0), SCREEN.rect());
        let mut number = 0;
        criterion.bench_function(scene.name, |bencher| {
            bencher.iter(|| {
                number += 1;
                pipeline.send(scene.picture(number), scene.damage)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    targets = encode
}
criterion_main!(benches);
