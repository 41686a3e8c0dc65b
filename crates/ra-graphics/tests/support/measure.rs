//! Plays a scene from a pipeline to an independent client that acknowledges at once, and counts.
#![allow(dead_code, reason = "the test and the measurement use their parts of it")]

use std::time::Duration;

use ra_graphics::Rect;
use ra_graphics::gfx::GfxServer;

use crate::corpus::Scene;
use crate::scenes::Canvas;
use crate::viewer::Viewer;

/// What a scene took.
#[derive(Default)]
pub(crate) struct Played {
    /// Bytes on the channel for the first picture.
    pub(crate) first: usize,
    /// Bytes on the channel for all steps after it.
    pub(crate) bytes: usize,
    /// Bytes of the step in the middle, when they are put in order: what comes once does not count.
    pub(crate) usual: usize,
    /// Messages on the channel for all steps.
    pub(crate) messages: usize,
    /// Steps played.
    pub(crate) steps: usize,
    /// The worst likeness of a picture while something moved, in decibels; none when all were exact.
    pub(crate) worst: Option<f64>,
    /// How long after the last step the client had the novice's picture bit for bit; none: not within a second.
    pub(crate) exact: Option<Duration>,
    /// Processor time of the steps, as `clock` counts it: encoding, then showing.
    pub(crate) encoding: Duration,
    pub(crate) showing: Duration,
}

/// Plays all steps. `clock` tells the processor time that was used until now.
pub(crate) fn play(scene: &mut Scene, clock: impl Fn() -> Duration) -> Played {
    let mut played = Played { steps: scene.steps, ..Played::default() };
    let (mut server, mut viewer) = (GfxServer::new(), Viewer::of_films());
    let mut now = Duration::from_secs(60);
    let replies = server.receive(&viewer.advertise(), now).expect("a version in common");
    show(replies, &mut server, &mut viewer, now);
    let mut canvas = scene.begin();
    let payloads = server.frame(&canvas.view(), &[canvas.size.rect()], now).expect("the pipeline is open");
    played.first = payloads.iter().map(Vec::len).sum();
    show(payloads, &mut server, &mut viewer, now);
    // What is still on its way to being exact does not count as part of the steps.
    settle(&canvas, &mut server, &mut viewer, &mut now);
    let step = Duration::from_secs(1) / scene.rate;
    let mut lengths = Vec::new();
    for number in 1..=scene.steps {
        now += step;
        let damage = scene.step(&mut canvas, number);
        let before = clock();
        let payloads = measured_step(&mut server, &canvas, damage, now);
        let between = clock();
        lengths.push(payloads.iter().map(Vec::len).sum::<usize>());
        played.messages += payloads.len();
        show(payloads, &mut server, &mut viewer, now);
        played.encoding += between - before;
        played.showing += clock() - between;
        if let Some(likeness) = likeness(&viewer, &canvas) {
            played.worst = Some(played.worst.map_or(likeness, |worst| worst.min(likeness)));
        }
    }
    played.bytes = lengths.iter().sum();
    lengths.sort_unstable();
    played.usual = lengths[lengths.len() / 2];
    played.exact = settle(&canvas, &mut server, &mut viewer, &mut now);
    played
}

/// By itself, and never inlined, so that callgrind can look at nothing else.
#[inline(never)]
fn measured_step(server: &mut GfxServer, canvas: &Canvas, damage: Rect, now: Duration) -> Vec<Vec<u8>> {
    server.frame(&canvas.view(), &[damage], now).expect("the pipeline is open")
}

/// Lets time pass on a screen that stands still until the client has it exactly.
fn settle(canvas: &Canvas, server: &mut GfxServer, viewer: &mut Viewer, now: &mut Duration) -> Option<Duration> {
    let begin = *now;
    while canvas.square_error(&viewer.screen) > 0 {
        if *now - begin >= Duration::from_secs(1) {
            return None;
        }
        *now += MOMENT;
        let payloads = server.frame(&canvas.view(), &[], *now).expect("the pipeline is open");
        show(payloads, server, viewer, *now);
    }
    Some(*now - begin)
}

fn show(payloads: Vec<Vec<u8>>, server: &mut GfxServer, viewer: &mut Viewer, now: Duration) {
    for payload in payloads {
        for answer in viewer.show(&payload) {
            server.receive(&answer, now).expect("a client's answer");
        }
    }
}

/// In decibels over blue, green and red; none when they are equal.
fn likeness(viewer: &Viewer, canvas: &Canvas) -> Option<f64> {
    let square = canvas.square_error(&viewer.screen);
    (square > 0).then(|| 10.0 * (255.0 * 255.0 * viewer.screen.len() as f64 * 3.0 / square as f64).log10())
}

/// Between two looks at a screen that stands still.
const MOMENT: Duration = Duration::from_millis(10);
