//! Measures the release programs from outside, with the bench.

use std::path::PathBuf;

use clap::Args;

use crate::ground::{Done, Trouble, cargo, program, root, run as run_command};
use crate::install;

#[derive(Args)]
pub(crate) struct Options {
    /// Peers, as the bench names them
    #[arg(default_value = "novice-host,novice-host-xfreerdp")]
    peers: String,
    /// Scenarios, as the bench names them
    #[arg(default_value = "latency,typing,input,idle")]
    scenarios: String,
    /// Further options of the bench, after `--`
    #[arg(last = true)]
    more: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    let bench = std::env::var_os("RA_BENCH").map_or_else(|| root().join("../shared/bench"), PathBuf::from);
    if !bench.join("run").is_file() {
        return Err(Trouble::new("the bench is not here: RA_BENCH must name its folder"));
    }
    install::wish(install::FOR_BUILD);
    run_command(&mut cargo(&["build", "--locked", "--release", "--workspace", "--bins"]))?;
    let results = root().join("target/bench");
    std::fs::create_dir_all(&results)?;
    let mut command = program(&bench.join("run").to_string_lossy(), &[&options.peers, &options.scenarios]);
    command.env("RA_BIN", root().join("target/release")).env("SBENCH_BUILD", results.join("build"));
    command.arg("--out").arg(results.join("latest")).args(&options.more);
    run_command(&mut command)?;
    println!("\nESC to the shut gate, milliseconds over 1000 presses (examples/esc_latency):");
    run_command(&mut cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "ra-desktop",
        "--example",
        "esc_latency",
    ]))
}
