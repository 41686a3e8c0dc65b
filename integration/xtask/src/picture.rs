//! Plays the corpus of scenes and writes down what each costs: `docs/generated/picture.md`.
//!
//! The scenes and what is counted are in `crates/ra-graphics` (`tests/support/corpus.rs`, `examples/picture.rs`). Bytes
//! are the same in each run, and a test of `ra-graphics` holds them; times are what this verb is for.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::figures::circumstances;
use crate::ground::{Done, Trouble, cargo, output_of, program, root, run as run_command};
use crate::install;

#[derive(Args)]
pub(crate) struct Options {
    /// Count instructions too, with callgrind (takes minutes)
    #[arg(long)]
    callgrind: bool,
    /// Only scenes whose set and name contain this; printed, not written
    scene: Option<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    install::wish(install::FOR_BUILD);
    if options.callgrind {
        install::need(FOR_CALLGRIND)?;
    }
    let mut build = cargo(&["build", "--locked", "--release", "--package", "ra-graphics", "--example", "picture"]);
    run_command(&mut build)?;
    let example = root().join("target/release/examples/picture");
    let mut command = program(&example.to_string_lossy(), &[]);
    command.args(&options.scene);
    let figures: Vec<Value> = output_of(&mut command)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| Trouble::new(format!("the measurement said something else: {error}")))?;
    let mut text = page(&figures, &circumstances("release profile")?)?;
    if options.callgrind {
        text.push_str(&instructions(&figures, &example)?);
    }
    if options.scene.is_some() {
        print!("{text}");
        return Ok(());
    }
    fs::write(root().join(FILE), text)?;
    println!("wrote {FILE}");
    Ok(())
}

fn page(figures: &[Value], circumstances: &str) -> Result<String, Trouble> {
    let mut text = format!(
        "# What the picture costs\n\n\
         Written by `cargo xtask picture`. {circumstances}\n\n\
         Scenes made by code, through `GfxServer` to the graphics client of IronRDP, which acknowledges at once; nothing of them is known to \
         the encoder. The second set has another size, font, palette and motion. Bytes are those on the channel, for a step on average, and for \
         the step in the middle when they are put in order (a film begins as pixels, and is told apart a moment later); \
         the first picture of a scene, a whole desktop, is apart. CPU is that of the encoder for a step, the cheapest of five times through \
         the scene; the client's is that of an IronRDP client in the same process. The worst likeness is that of a picture while it moved, in decibels \
         (– where each was exact), and exact says how long after the last step the client's picture was the novice's, bit for bit.\n"
    );
    for set in ["first", "second"] {
        let of_set: Vec<_> = figures.iter().filter(|figure| figure["set"] == set).collect();
        let Some(one) = of_set.first() else { continue };
        let _infallible = write!(
            text,
            "\n## The {set} set, {}x{}\n\n\
             | scene | steps | first picture, kB | bytes a step | in the middle | messages | CPU, ms | client's CPU, ms | worst, dB | exact after, ms |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
            one["width"], one["height"]
        );
        for figure in of_set {
            let number = |name: &str| figure[name].as_f64().ok_or_else(|| Trouble::new(format!("no figure {name}")));
            let or_dash = |name: &str| figure[name].as_f64().map_or_else(|| "–".to_owned(), |value| value.to_string());
            let _infallible = writeln!(
                text,
                "| {} | {} | {:.0} | {} | {} | {:.1} | {:.2} | {:.2} | {} | {} |",
                figure["name"].as_str().unwrap_or_default(),
                figure["steps"],
                number("first")? / 1000.0,
                figure["bytes"],
                figure["usual"],
                number("messages")?,
                number("encoding_ms")?,
                number("showing_ms")?,
                or_dash("worst_db"),
                or_dash("exact_ms"),
            );
        }
    }
    Ok(text)
}

/// Plays each scene of the figures once more under callgrind, which counts what is inside [`MEASURED`].
fn instructions(figures: &[Value], example: &std::path::Path) -> Result<String, Trouble> {
    let mut text = "\n## Instructions\n\n\
        Counted by callgrind inside the encoder, for a step; wall time plays no part in it. The processor that it imitates has AVX2.\n\n\
        | set | scene | million instructions |\n|---|---|---:|\n"
        .to_owned();
    let out: PathBuf = root().join("target/callgrind.out");
    for figure in figures {
        let (set, name) = (figure["set"].as_str().unwrap_or_default(), figure["name"].as_str().unwrap_or_default());
        let mut command = program("valgrind", &["--tool=callgrind", "--collect-atstart=no"]);
        command.arg(format!("--toggle-collect={MEASURED}")).arg(format!("--callgrind-out-file={}", out.display()));
        command.arg(example).args(["--once", &format!("{set} {name}")]);
        output_of(&mut command)?;
        let summary = fs::read_to_string(&out)?;
        let total = summary.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse::<f64>().ok()).filter(|total| *total > 0.0);
        let total = total.ok_or_else(|| Trouble::new("callgrind counted nothing"))?;
        let steps = figure["steps"].as_f64().unwrap_or(1.0);
        let _infallible = writeln!(text, "| {set} | {name} | {:.2} |", total / steps / 1e6);
    }
    Ok(text)
}

/// The function of the example whose insides are counted.
const MEASURED: &str = "*measured_step*";
const FILE: &str = "docs/generated/picture.md";
const FOR_CALLGRIND: &[install::Wanted] = &[("valgrind", "valgrind")];
