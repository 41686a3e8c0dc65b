//! What each scene of the corpus costs: a JSON object a line.
//!
//! `cargo run --release -p ra-graphics --example picture [-- [--once] [--draw FOLDER] [NAME]]`. Each scene is played
//! several times and the cheapest time counts, unless it is to be played once (for callgrind: the function
//! `measured_step` is what it should look at). `--draw` writes the last picture of each as PPM instead. Only scenes
//! whose set and name contain NAME are played.
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

#[path = "../tests/support/corpus.rs"]
mod corpus;
#[path = "../tests/support/film.rs"]
mod film;
#[path = "../tests/support/font.rs"]
mod font;
#[path = "../tests/support/measure.rs"]
mod measure;
#[path = "../tests/support/scenes.rs"]
mod scenes;
#[path = "../tests/support/viewer.rs"]
mod viewer;

use std::time::Duration;

fn main() {
    let (mut once, mut draw, mut only) = (false, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match &*word {
            "--once" => once = true,
            "--draw" => draw = words.next(),
            _ => only = Some(word),
        }
    }
    for mut scene in corpus::scenes(only.as_deref()) {
        let (set, name) = (scene.set, scene.name);
        if let Some(folder) = &draw {
            let mut canvas = scene.begin();
            (1..=scene.steps).for_each(|number| {
                scene.step(&mut canvas, number);
            });
            let mut ppm = format!("P6 {} {} 255\n", scene.size.width, scene.size.height).into_bytes();
            ppm.extend(canvas.colours().into_iter().flat_map(|[b, g, r]| [r, g, b]));
            std::fs::write(format!("{folder}/{set} {name}.ppm"), ppm).unwrap();
            continue;
        }
        // Callgrind counts by itself, and the system's clocks are not where programs find them under it.
        let clock: fn() -> Duration = if once { || Duration::ZERO } else { cpu_time };
        let mut best = measure::play(&mut scene, clock);
        for _ in 0..if once { 0 } else { ROUNDS } {
            // The same scene again, from its beginning.
            let mut scene = corpus::scenes(Some(&format!("{set} {name}"))).remove(0);
            let again = measure::play(&mut scene, clock);
            best.encoding = best.encoding.min(again.encoding);
            best.showing = best.showing.min(again.showing);
        }
        let a_step = |time: Duration| time.as_secs_f64() * 1000.0 / best.steps as f64;
        println!(
            "{{\"set\":\"{set}\",\"name\":\"{name}\",\"width\":{},\"height\":{},\"steps\":{},\"first\":{},\"bytes\":{},\"usual\":{},\
             \"messages\":{:.2},\"encoding_ms\":{:.3},\"showing_ms\":{:.3},\"worst_db\":{},\"exact_ms\":{}}}",
            scene.size.width,
            scene.size.height,
            best.steps,
            best.first,
            best.bytes / best.steps,
            best.usual,
            best.messages as f64 / best.steps as f64,
            a_step(best.encoding),
            a_step(best.showing),
            best.worst.map_or("null".to_owned(), |worst| format!("{worst:.1}")),
            best.exact.map_or("null".to_owned(), |time| time.as_millis().to_string()),
        );
    }
}

/// Processor time of this process, all threads.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// How often a scene is played again.
const ROUNDS: usize = 4;
