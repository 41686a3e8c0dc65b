//! Film: CPU and bytes for a picture, and how like the original it arrives.
//!
//! `cargo bench -p ra-graphics --bench film` first prints a table (CPU time, which other programs disturb
//! less than wall time; the best of three times through the film), then lets criterion measure wall time. `-- --test` stops after
//! three pictures of each.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../tests/support/film.rs"]
mod film;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use film::{Film, Picture};

use ra_graphics::Size;
use ra_graphics::video::openh264;

/// Size, seed, grain, bytes that may be spent on a picture.
const FILMS: [(Size, u64, i32, Option<usize>); 8] = [
    (Size::new(1280, 720), 1, 3, None),
    (Size::new(1280, 720), 2, 0, None),
    (Size::new(1280, 720), 3, 8, None),
    (Size::new(1280, 720), 1, 3, Some(8_000)),
    (Size::new(1280, 720), 1, 3, Some(4_000)),
    (Size::new(640, 360), 4, 3, None),
    (Size::new(854, 480), 5, 5, None),
    (Size::new(1920, 1080), 6, 3, None),
];

/// Time that this process has spent on processors, in milliseconds.
fn cpu_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

#[cfg(feature = "h264")]
fn likeness(picture: &Picture, shown: &[u8]) -> f64 {
    let mut square = 0u64;
    for (pixel, shown) in picture.bytes.chunks_exact(4).zip(shown.chunks_exact(4)) {
        for (value, other) in [(pixel[0], shown[2]), (pixel[1], shown[1]), (pixel[2], shown[0])] {
            square += u64::from(value.abs_diff(other)).pow(2);
        }
    }
    10.0 * (255.0 * 255.0 * picture.size.area() as f64 * 3.0 / square.max(1) as f64).log10()
}

#[cfg(feature = "h264")]
fn table(pictures: &[Picture], budget: Option<usize>) -> String {
    use ironrdp_egfx::decode::{H264Decoder, OpenH264Decoder};
    use ironrdp_egfx::pdu::Avc420BitmapStream;

    let whole = pictures[0].size.rect();
    let mut encoding = f64::MAX;
    let mut streams: Vec<Vec<u8>> = vec![Vec::new(); pictures.len()];
    for _ in 0..PASSES {
        let mut encoder = openh264().expect("a build with films");
        let before = cpu_time();
        for (picture, out) in pictures.iter().zip(&mut streams) {
            out.clear();
            encoder.encode(&picture.view(), whole, &[whole], budget, out).expect("a picture");
        }
        encoding = encoding.min((cpu_time() - before) / pictures.len() as f64);
    }
    let h264 = |out: &[u8]| ironrdp_core::decode::<Avc420BitmapStream<'_>>(out).expect("a stream").data.to_vec();
    let data: Vec<Vec<u8>> = streams.iter().map(|out| h264(out)).collect();
    let (mut decoding, mut likenesses) = (f64::MAX, Vec::new());
    for pass in 0..PASSES {
        let mut decoder = OpenH264Decoder::new().expect("a decoder");
        let before = cpu_time();
        for (picture, data) in pictures.iter().zip(&data) {
            let frame = decoder.decode(data).expect("a picture");
            if pass == 0 {
                let row = frame.width() as usize * 4;
                let rows = frame.data().chunks_exact(row).take(usize::from(picture.size.height));
                let shown: Vec<u8> = rows.flat_map(|row| row[..usize::from(whole.width) * 4].to_vec()).collect();
                likenesses.push(likeness(picture, &shown));
            }
        }
        decoding = if pass == 0 { decoding } else { decoding.min((cpu_time() - before) / pictures.len() as f64) };
    }
    let first = streams[0].len() as f64 / 1000.0;
    let mean = streams[1..].iter().map(Vec::len).sum::<usize>() as f64 / (streams.len() - 1) as f64 / 1000.0;
    let worst = likenesses.iter().copied().fold(f64::MAX, f64::min);
    let average = likenesses.iter().sum::<f64>() / likenesses.len() as f64;
    format!(
        "{encoding:6.2} ms CPU, {mean:6.1} kB a picture ({first:5.1} kB the first), {average:.1} dB (worst {worst:.1}), decoded in {decoding:.2} ms",
    )
}

/// How often a film is encoded, and decoded; the best time counts.
#[cfg(feature = "h264")]
const PASSES: usize = 3;

fn films(criterion: &mut Criterion) {
    let long = !std::env::args().any(|argument| argument == "--test");
    for (size, seed, grain, budget) in FILMS {
        let film = Film::new(size, seed, grain);
        let pictures: Vec<Picture> = (0..if long { 40 } else { 3 }).map(|number| film.picture(number)).collect();
        let name = format!("film {}x{}, grain {grain}, {budget:?}", size.width, size.height);
        #[cfg(feature = "h264")]
        println!("{name:40} {}", table(&pictures, budget));
        let Some(mut encoder) = openh264() else { return };
        let (mut number, mut out) = (0, Vec::new());
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                number += 1;
                let period = 2 * (pictures.len() - 1);
                let place = number % period;
                let picture = &pictures[place.min(period - place)];
                out.clear();
                encoder.encode(&picture.view(), size.rect(), &[size.rect()], budget, &mut out).expect("a picture");
                black_box(out.len())
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    targets = films
}
criterion_main!(benches);
