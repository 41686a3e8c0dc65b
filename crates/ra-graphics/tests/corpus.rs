//! How many bytes each scene of the corpus may take: what it took when the figure was written down, and a fifth more.
//!
//! The scenes are made by code and the encoders are deterministic, so that a figure that grows is a change of ours. The
//! figures are renewed with `cargo test -p ra-graphics --test corpus -- --nocapture`, which prints the table as it
//! should be; a scene that became cheaper by a third fails too, since its old figure no longer guards anything.
#![cfg(feature = "h264")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/film.rs"]
mod film;
#[path = "support/font.rs"]
mod font;
#[path = "support/measure.rs"]
mod measure;
#[path = "support/scenes.rs"]
mod scenes;
#[path = "support/viewer.rs"]
mod viewer;

use std::fmt::Write as _;
use std::time::Duration;

use measure::play;

/// Bytes of a step, on average.
const FIGURES: &[(&str, &str, usize)] = &[
    ("first", "typing", 166),
    ("first", "page", 995073),
    ("first", "scroll", 7508),
    ("first", "scroll sideways", 2455),
    ("first", "drag over text", 2046),
    ("first", "drag over a photograph", 11_982),
    ("first", "photograph", 1185823),
    ("first", "film", 199_272),
    ("first", "gradient", 217617),
    ("first", "noise", 369670),
    ("first", "dithering", 5092),
    ("first", "terminal", 1705),
    ("first", "spreadsheet", 429),
    ("first", "menu", 5396),
    ("second", "typing", 223),
    ("second", "page", 805517),
    ("second", "scroll", 37_202),
    ("second", "scroll sideways", 2731),
    ("second", "drag over text", 2851),
    ("second", "drag over a photograph", 26_587),
    ("second", "photograph", 1213236),
    ("second", "film", 107_642),
    ("second", "gradient", 222852),
    ("second", "noise", 377894),
    ("second", "dithering", 14_428),
    ("second", "terminal", 19_094),
    ("second", "spreadsheet", 782),
    ("second", "menu", 11_958),
];

#[test]
fn the_first_set_stays_within_its_bytes_and_ends_exact() {
    check("first");
}

#[test]
fn the_second_set_stays_within_its_bytes_and_ends_exact() {
    check("second");
}

fn check(set: &str) {
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for mut scene in corpus::scenes(Some(set)) {
        let played = play(&mut scene, || Duration::ZERO);
        let bytes = played.bytes / played.steps;
        writeln!(table, "    ({:?}, {:?}, {bytes}),", scene.set, scene.name).unwrap();
        let name = format!("{}, {}", scene.set, scene.name);
        match FIGURES.iter().find(|(set, figure, _)| (*set, *figure) == (scene.set, scene.name)) {
            None => wrong.push(format!("{name}: no figure")),
            Some((.., figure)) if bytes > figure + figure / 5 => {
                wrong.push(format!("{name}: {bytes} bytes a step where there were {figure}"));
            }
            Some((.., figure)) if bytes * 3 < figure * 2 => {
                wrong.push(format!("{name}: {bytes} bytes a step, better than {figure}: write that down"));
            }
            Some(_) => {}
        }
        match played.exact {
            Some(time) if time <= Duration::from_millis(300) => {}
            other => wrong.push(format!("{name}: exact after {other:?}")),
        }
        if let Some(worst) = played.worst.filter(|worst| *worst < 28.0) {
            wrong.push(format!("{name}: {worst:.1} dB while it moved"));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
