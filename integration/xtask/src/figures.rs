//! Plays the two storms and writes down what they measured: `docs/generated/refusals.md` and `crashes.md`.
//!
//! The tests print their figures and no test run writes a file; this is the verb that does.

use std::fmt::Write as _;
use std::fs;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::ground::{Done, Trouble, cargo, output_of, program, root, run_listening};

#[derive(Args)]
pub(crate) struct Options {
    /// Which figures; both when none is named
    which: Vec<Which>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// 10,000 refused connections while a session runs
    Refusals,
    /// 200 kills of the program
    Crashes,
}

pub(crate) fn run(options: &Options) -> Done {
    crate::ground::run(&mut cargo(&["build", "--locked", "--workspace", "--bins"]))?;
    let both = [Which::Refusals, Which::Crashes];
    for which in if options.which.is_empty() { &both[..] } else { &options.which } {
        let figures = play(*which)?;
        let text = match which {
            Which::Refusals => refusals(&figures, &circumstances("dev profile")?)?,
            Which::Crashes => crashes(&figures, &circumstances("dev profile")?)?,
        };
        let file = format!("docs/generated/{}.md", which.name());
        fs::write(root().join(&file), text)?;
        println!("wrote {file}");
    }
    Ok(())
}

/// Runs the test, which must pass, and takes the figures out of what it prints.
fn play(which: Which) -> Result<Value, Trouble> {
    let mut command =
        cargo(&["test", "--locked", "--workspace", "--test", "it", "--", "--exact", which.test(), "--nocapture"]);
    let mark = format!("FIGURES {} ", which.name());
    let mut figures = None;
    let status = run_listening(&mut command, |line| {
        if let Some((_, json)) = line.split_once(&mark) {
            figures = serde_json::from_str(json).ok();
        }
    })?;
    match figures {
        Some(figures) if status.success() => Ok(figures),
        _ => Err(Trouble::new(format!("{} gave no figures ({status})", which.test()))),
    }
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Refusals => "refusals",
            Self::Crashes => "crashes",
        }
    }

    fn test(self) -> &'static str {
        match self {
            Self::Refusals => "storm::r030_r031_r032_r039_ten_thousand_are_refused_while_a_session_loses_no_frame",
            Self::Crashes => "crashes::s014_r062_r063_killed_at_200_points_nothing_that_was_said_is_untrue",
        }
    }
}

/// When, which source, on what.
pub(crate) fn circumstances(profile: &str) -> Result<String, Trouble> {
    let said = |name: &str, words: &[&str]| Ok::<_, Trouble>(output_of(&mut program(name, words))?.trim().to_owned());
    let commit = said("git", &["rev-parse", "--short", "HEAD"])?;
    let changed =
        if said("git", &["status", "--porcelain", "--untracked-files=no"])?.is_empty() { "" } else { " and changes" };
    let cores = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    Ok(format!(
        "Measured on {}, commit {commit}{changed}, {profile}, {cores} cores; the load of the last minute was {load} at the end.",
        said("date", &["--utc", "+%-d %B %Y"])?
    ))
}

fn refusals(figures: &Value, circumstances: &str) -> Result<String, Trouble> {
    let number = |name: &str| figures[name].as_f64().ok_or_else(|| Trouble::new(format!("no figure {name}")));
    let mib = |name: &str| Ok::<_, Trouble>(number(name)? / f64::from(1 << 20));
    let mut text = format!(
        "# Refused connections while a session runs\n\n\
         Written by `cargo xtask figures refusals`, which runs the test `{}`. {circumstances}\n\n\
         An expert sees and controls the demo desktop. Four strangers at a time come from ever new addresses of 127.0.0.0/8, as fast as \
         the host is done with them. Meanwhile the desktop changes, one change after the other, each with its number; the next is made when \
         the expert has seen the last.\n\n\
         | what | figure |\n|---|---:|\n",
        Which::Refusals.test()
    );
    let _infallible = write!(
        text,
        "| connections that came to nothing | {:.0} |\n| in seconds | {:.1} |\n| changes made, and seen in their order | {:.0} |\n\
         | the longest that a change took until it was seen, ms | {:.0} |\n\
         | resident memory of the host before, MiB | {:.1} |\n| the most meanwhile, MiB (bound: 8 more than before) | {:.1} |\n\
         | descriptors before | {:.0} |\n| the most meanwhile (bound: 64 more) | {:.0} |\n\n\
         | who came | connections | of which closed after Client Info without a byte of an answer |\n|---|---:|---:|\n",
        number("connections")?,
        number("seconds")?,
        number("changes")?,
        number("slowest_change_ms")?,
        mib("resident_before")?,
        mib("resident_most")?,
        number("descriptors_before")?,
        number("descriptors_most")?,
    );
    for (kind, count) in figures["kinds"].as_object().into_iter().flatten() {
        let after = count["after_client_info"].as_u64().filter(|after| *after > 0);
        let after = after.map_or_else(|| "–".to_owned(), |after| after.to_string());
        let _infallible = writeln!(text, "| {} | {} | {after} |", in_words(kind), count["came"]);
    }
    Ok(text)
}

/// The kinds of the test, for a reader.
fn in_words(kind: &str) -> &str {
    match kind {
        "Unknown" => "with a session id that nobody gave out",
        "Expired" => "with a ticket whose time is over",
        "Ended" => "with a ticket that was ended",
        "Garbage" => "bytes of any value",
        "GarbageForTls" => "bytes of any value in place of TLS",
        "HelloThenGone" => "half of a TLS hello, and gone",
        "Silent" => "silent, until shown out",
        "HalfOpen" => "half of a request or of a hello, until shown out",
        "WrongPassword" => "the viewer with a wrong password: five judged, then locked",
        other => other,
    }
}

fn crashes(figures: &Value, circumstances: &str) -> Result<String, Trouble> {
    let acts = figures["acts"].as_object().ok_or_else(|| Trouble::new("no figures of crashes"))?;
    let mut text = format!(
        "# Kills, and what was left\n\n\
         Written by `cargo xtask figures crashes`, which runs the test `{}`. {circumstances}\n\n\
         {} times kill -9 at a random moment between the beginning of an act and its usual end, seed {} (`RA_CRASH_SEED`). After each one \
         the program was started again on the same state, and everything that it had said was still true: what it announced is there, what it \
         called ended is not open, a no that it told is counted, nothing is revived, an invitation is whole or absent and has its ticket, \
         HelpAssistant is enabled exactly while a ticket is open, and the next invitation leaves no file of the crash behind.\n\n\
         | phase and act | its usual length, ms | kills | what was found |\n|---|---:|---:|---|\n",
        Which::Crashes.test(),
        figures["kills"],
        figures["seed"],
    );
    for (act, found) in acts {
        let found: Vec<_> = found.as_object().into_iter().flatten().collect();
        let kills: u64 = found.iter().filter_map(|(_, count)| count.as_u64()).sum();
        let name = act.split_once(": ").map_or(act.as_str(), |(_, name)| name);
        let length = figures["lengths_ms"][name].as_f64().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let _infallible = writeln!(text, "| {act} | {length:.1} | {kills} | {} |", found.join("; "));
    }
    Ok(text)
}
