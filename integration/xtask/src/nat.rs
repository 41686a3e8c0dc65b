//! Plays the NAT table in the laboratory, and writes what came of it: `docs/generated/nat.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::time::Instant;

use clap::Args;
use integration::Failure;
use integration::lab;
use integration::lab::cell::{Cell, Verdict, Via, Way, play};
use integration::lab::table::{self, Behind, KINDS, TABLE_1, play_all};

use crate::figures::circumstances;
use crate::ground::{Done, Trouble, cargo, root};

#[derive(Args)]
pub(crate) struct Options {
    /// Also every kind of site against every other
    #[arg(long)]
    full: bool,
    /// Every kind of site against every other, but by code only; the other sections stay as they were
    #[arg(long, conflicts_with = "full")]
    codes: bool,
    /// Only one cell, and nothing is written: what the novice is behind
    #[arg(long, value_name = "KIND", requires = "expert")]
    novice: Option<String>,
    /// Only one cell: what the expert is behind
    #[arg(long, value_name = "KIND", requires = "novice")]
    expert: Option<String>,
    /// Cells that are played at the same time
    #[arg(long, value_name = "N", default_value_t = AT_ONCE)]
    jobs: NonZeroUsize,
}

pub(crate) fn run(options: &Options) -> Done {
    lab::check().map_err(Trouble::new)?;
    crate::ground::run(&mut cargo(&["build", "--locked", "--workspace", "--bins"]))?;
    if let (Some(novice), Some(expert)) = (&options.novice, &options.expert) {
        return one(novice, expert);
    }
    let file = root().join(FILE);
    let old = fs::read_to_string(&file).unwrap_or_default();
    let mut parts: BTreeMap<String, String> = sections(&old);
    let mut unlike = Vec::new();
    if options.codes {
        parts.insert(HEADINGS[1].to_owned(), grid(Via::Code, options.jobs, &mut unlike)?);
    } else {
        parts.insert(HEADINGS[0].to_owned(), table_1(options.jobs, &mut unlike)?);
    }
    if options.full {
        for (via, heading) in [Via::Code, Via::Email, Via::Messenger].into_iter().zip(&HEADINGS[1..]) {
            parts.insert((*heading).to_owned(), grid(via, options.jobs, &mut unlike)?);
        }
    }
    let mut text = HEAD.to_owned();
    for heading in HEADINGS {
        if let Some(part) = parts.get(heading) {
            let _infallible = write!(text, "\n## {heading}\n\n{}\n", part.trim_end());
        }
    }
    fs::write(&file, text)?;
    println!("wrote {FILE}");
    if unlike.is_empty() { Ok(()) } else { Err(Trouble::new(format!("unlike Table 1:\n  {}", unlike.join("\n  ")))) }
}

/// One cell by each route.
fn one(novice: &str, expert: &str) -> Done {
    for via in [Via::Email, Via::Messenger, Via::Code] {
        let cell = Cell { via, novice: novice.to_owned(), expert: expert.to_owned() };
        tell(&cell, &play(&cell));
    }
    Ok(())
}

/// Plays Table 1, and gives it as a section of the page.
fn table_1(jobs: NonZeroUsize, unlike: &mut Vec<String>) -> Result<String, Trouble> {
    let (cells, said): (Vec<_>, Vec<_>) = table::table_1().into_iter().unzip();
    let start = Instant::now();
    let verdicts = certain(play_all(&cells, jobs, tell))?;
    let took = start.elapsed().as_secs();
    for ((cell, verdict), said) in cells.iter().zip(&verdicts).zip(&said) {
        if verdict.is_connected() != *said {
            unlike.push(format!("{cell:?}: {verdict:?}"));
        }
    }
    let equal = cells.len() - unlike.len();
    let mut text = format!(
        "{} The {} cells took {took} s, {jobs} at a time; {equal} are as the original's table has them.\n\n\
         | route | behind the device | XP's Internet Connection Sharing | NAT without UPnP | NAT with UPnP |\n|---|---|---|---|---|\n",
        circumstances("dev profile")?,
        cells.len()
    );
    for ((via, behind, said), verdicts) in TABLE_1.iter().zip(verdicts.chunks(table::DEVICES.len())) {
        let _infallible = write!(text, "| {} | {} |", route(*via), who(*behind));
        for (verdict, said) in verdicts.iter().zip(said) {
            let unlike = if verdict.is_connected() == *said { "" } else { " (**the original: otherwise**)" };
            let _infallible = write!(text, " {}{unlike} |", in_words(verdict));
        }
        text.push('\n');
    }
    Ok(text)
}

/// Plays every kind against every kind, and gives the grid as a section of the page.
fn grid(via: Via, jobs: NonZeroUsize, unlike: &mut Vec<String>) -> Result<String, Trouble> {
    let cells = table::full(via);
    let start = Instant::now();
    let verdicts = certain(play_all(&cells, jobs, tell))?;
    let connections: Vec<_> = verdicts.iter().filter_map(Verdict::connection).collect();
    if via == Via::Code {
        let apart = cells.iter().zip(&verdicts).filter(|(_, verdict)| !verdict.is_connected());
        unlike.extend(apart.map(|(cell, _)| format!("{cell:?}: by code everybody reaches everybody")));
    }
    let mut seconds: Vec<_> = connections.iter().map(|connection| connection.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let relayed = connections.iter().filter(|connection| connection.way == Way::Relayed).count();
    let mut text = format!(
        "{} {} of {} cells connect; they took {} s, {jobs} at a time. Seconds to the first frame: {:.1} in the middle, {:.1} at most.{} \
         Rows: what the novice is behind; columns: the expert.\n\n| |",
        circumstances("dev profile")?,
        connections.len(),
        cells.len(),
        start.elapsed().as_secs(),
        seconds.get(seconds.len() / 2).copied().unwrap_or_default(),
        seconds.last().copied().unwrap_or_default(),
        match via {
            Via::Code => format!(" {} directly, {relayed} through the relay (r).", connections.len() - relayed),
            Via::Messenger => " n: the novice dials.".to_owned(),
            Via::Email => String::new(),
        }
    );
    for kind in KINDS {
        let _infallible = write!(text, " {kind} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(KINDS.len()));
    text.push('\n');
    for (novice, row) in KINDS.iter().zip(verdicts.chunks(KINDS.len())) {
        let _infallible = write!(text, "| {novice} |");
        for verdict in row {
            let _infallible = write!(text, " {} |", in_short(verdict));
        }
        text.push('\n');
    }
    Ok(text)
}

/// What is neither connected nor apart is a fault of a program or of the laboratory, and no figure.
fn certain(verdicts: Vec<Result<Verdict, Failure>>) -> Result<Vec<Verdict>, Trouble> {
    verdicts.into_iter().collect::<Result<_, _>>().map_err(|failure| Trouble::new(failure.to_string()))
}

fn tell(cell: &Cell, verdict: &Result<Verdict, Failure>) {
    let said = match verdict {
        Ok(verdict) => in_words(verdict),
        Err(failure) => format!("BROKEN: {failure}"),
    };
    println!("{:18} novice {:14} expert {:14} {said}", route(cell.via), cell.novice, cell.expert);
}

fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Connected(connection) => {
            let way = match connection.way {
                Way::ExpertDialled => "",
                Way::NoviceDialled => ", the novice dials",
                Way::Direct => ", direct",
                Way::Relayed => ", relayed",
            };
            format!("Yes, {:.1} s{way}", connection.seconds)
        }
        Verdict::Apart { .. } => "No".to_owned(),
    }
}

fn in_short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Connected(connection) => {
            let way = match connection.way {
                Way::ExpertDialled | Way::Direct => "",
                Way::NoviceDialled => " n",
                Way::Relayed => " r",
            };
            format!("{:.1}{way}", connection.seconds)
        }
        Verdict::Apart { .. } => "–".to_owned(),
    }
}

fn route(via: Via) -> &'static str {
    match via {
        Via::Email => "e-mail",
        Via::Messenger => "Windows Messenger",
        Via::Code => "code",
    }
}

fn who(behind: Behind) -> &'static str {
    match behind {
        Behind::Novice => "the novice",
        Behind::Expert => "the expert",
        Behind::Both => "both",
    }
}

/// The sections of a page by their headings.
fn sections(page: &str) -> BTreeMap<String, String> {
    let parts = page.split("\n## ").skip(1);
    parts
        .filter_map(|part| part.split_once("\n\n"))
        .map(|(heading, text)| (heading.to_owned(), text.trim_end().to_owned() + "\n"))
        .collect()
}

const FILE: &str = "docs/generated/nat.md";

/// The sections, in their order. A run replaces those that it measured.
const HEADINGS: [&str; 4] = [
    "Table 1, by classic means",
    "Every kind of site, by code",
    "Every kind of site, by e-mail",
    "Every kind of site, in a conversation",
];

const HEAD: &str = "# Who reaches whom through which routers\n\n\
Written by `cargo xtask nat`, and with `--full` the sections about every kind of site. The shipped programs run in network namespaces, with \
real miniupnpd as the routers with UPnP (`integration/lab`). Internet Connection Sharing of Windows XP, in 2001 the only router with UPnP (S40), is \
played by what it spoke: the first version of the gateway protocol, and nothing newer. A cell counts as connected when the expert has read the word of this run in the \
picture of the novice's demo desktop, after a yes on the novice's terminal. The seconds are those from the start of the expert's program to the \
first frame, with a novice who says yes at once. By e-mail the expert dials what stands in the file; in a conversation (Windows Messenger in \
2001) the novice may dial too, at the address that the expert's side has told. By code both go to one relay, and from there directly where \
they can: what is called direct was so 3 s after the first frame at the latest.\n";

/// Most of a cell is waiting: for searches that nobody answers, for packets that are dropped.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_was_not_measured_stays_as_it_is() {
        let page = format!("{HEAD}\n## A\n\none | two\nthree\n\n## B\n\nfour\n");
        let parts = sections(&page);
        assert_eq!(parts.get("A").map(String::as_str), Some("one | two\nthree\n"));
        assert_eq!(parts.get("B").map(String::as_str), Some("four\n"));
    }
}
