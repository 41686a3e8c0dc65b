//! Every verb of the day: `cargo xtask demo`, `cargo xtask test`, and the smaller ones they are made of.
//!
//! Plain cargo is enough to start it, and nothing in it needs a C compiler.

mod bench;
mod checks;
mod demo;
mod figures;
mod ground;
mod install;
mod mutants;
mod nat;
mod picture;
mod pure;
mod tally;
mod test;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ground::Trouble;

/// The verbs of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Plays the main job over loopback with the shipped programs and shows what the expert saw
    Demo(demo::Options),
    /// Installs what the tests need, then runs all of them; the last line counts
    Test,
    /// Measures the release programs with the bench (`RA_BENCH`, else the folder beside the project)
    Bench(bench::Options),
    /// Plays the storms of refusals and kills, and writes their figures to `docs/generated`
    Figures(figures::Options),
    /// Plays the NAT table in the laboratory (root), and writes who reaches whom to `docs/generated`
    Nat(nat::Options),
    /// Plays the corpus of scenes and writes to `docs/generated` what each costs
    Picture(picture::Options),
    /// Which behaviours of the seeds have a test, a page, or nothing yet
    Trace(trace::Options),
    /// Plants bugs and sees whether the tests notice (needs cargo-mutants)
    Mutants(mutants::Options),
    /// Checks the formatting
    Fmt,
    /// Runs clippy, warnings denied
    Lint,
    /// Checks the edges between crates that must not exist
    Pure,
    /// Checks that the programs compile without their optional parts
    Small,
    /// Checks that the documentation builds without a warning
    Doc,
    /// Installs the programs that the tests play with (root, Debian)
    Install,
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Demo(options) => demo::run(&options),
        Verb::Test => test::run(),
        Verb::Bench(options) => bench::run(&options),
        Verb::Figures(options) => figures::run(&options),
        Verb::Nat(options) => nat::run(&options),
        Verb::Picture(options) => picture::run(&options),
        Verb::Trace(options) => trace::run(&options),
        Verb::Mutants(options) => mutants::run(&options),
        Verb::Fmt => checks::formatting(),
        Verb::Lint => checks::lints(),
        Verb::Pure => pure::run(),
        Verb::Small => checks::small(),
        Verb::Doc => checks::documentation(),
        Verb::Install => install::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble(text)) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
