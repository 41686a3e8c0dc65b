//! By code through routers and relays, in the laboratory: those meet whom no file brings together, and relays that fail.

use std::num::NonZeroUsize;

use integration::lab::cell::{Cell, Via, Way, code_of, says_a_code, sees, types_a_code};
use integration::lab::relay::Relay;
use integration::lab::table::play_all;
use integration::lab::{self, Site};
use integration::{Outcome, Stage};

use crate::session::typed;

#[test]
fn by_code_those_meet_whom_no_file_brings_together() -> Outcome {
    if !lab::ready("by_code_those_meet_whom_no_file_brings_together") {
        return Ok(());
    }
    // A sample; `cargo xtask nat --full` plays every kind against every other.
    let cell = |(novice, expert): &(&str, &str)| {
        let (novice, expert) = ((*novice).to_owned(), (*expert).to_owned());
        Cell { via: Via::Code, novice, expert }
    };
    let cells: Vec<_> = SAMPLE.iter().map(|(pair, _)| cell(pair)).collect();
    let verdicts = play_all(&cells, AT_ONCE, |_, _| ());
    let mut wrong = Vec::new();
    for ((cell, verdict), (_, straight)) in cells.iter().zip(verdicts).zip(SAMPLE) {
        let way = verdict.as_ref().ok().and_then(|verdict| verdict.connection()).map(|connection| connection.way);
        match way {
            // Through a relay only where there is no other way at all.
            Some(Way::Relayed) if *straight => wrong.push(format!("{cell:?}: {verdict:?}")),
            Some(_) => {}
            None => wrong.push(format!("{cell:?}: {verdict:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Novice and expert, and whether routers like these can be passed directly: punching needs one of the two to be predictable,
/// and UDP.
const SAMPLE: &[((&str, &str), bool)] = &[
    (("nat", "nat"), true),
    (("upnp+cgn", "nat"), true),
    (("nat+symmetric", "nat+symmetric"), false),
    (("nat+web", "nat+web"), false),
    (("nat+noudp", "nat"), false),
    (("v6", "nat"), false),
];

#[test]
fn a_relay_that_is_down_is_passed_over() -> Outcome {
    if !lab::ready("a_relay_that_is_down_is_passed_over") {
        return Ok(());
    }
    let (lab, stage) = (Site::of("nat", "nat").with(&["--relays", "2"]).up()?, Stage::new()?);
    let (mut down, good) = (Relay::start(&lab, "relay", stage.path())?, Relay::start(&lab, "relay2", stage.path())?);
    down.kill()?;
    let mut novice = says_a_code(&stage, &lab, &[&down, &good]).start()?;
    let code = code_of(&mut novice)?;
    let mut expert = types_a_code(&stage, &lab, &[&down, &good], &code).watches()?;
    sees(&mut expert, &mut novice).map(drop)
}

#[test]
fn two_who_talk_directly_do_not_notice_that_the_relay_is_gone() -> Outcome {
    if !lab::ready("two_who_talk_directly_do_not_notice_that_the_relay_is_gone") {
        return Ok(());
    }
    let (lab, stage) = (Site::of("nat", "nat").up()?, Stage::new()?);
    let mut relay = Relay::start(&lab, "relay", stage.path())?;
    let mut novice = says_a_code(&stage, &lab, &[&relay]).start()?;
    let code = code_of(&mut novice)?;
    let expert = types_a_code(&stage, &lab, &[&relay], &code).args(["--request-control", "--type", "-"]);
    let mut expert = expert.watches()?;
    sees(&mut expert, &mut novice)?;
    novice.says("y", "control")?;
    expert.wait_event("controlling")?;
    expert.until("the direct way", |seen| {
        let told = seen.events.iter().rev().find(|event| ["met", "path"].contains(&event.name()))?;
        (told.text("via") == Some("direct")).then_some(())
    })?;
    relay.kill()?;
    lab.cut("relay")?;
    expert.type_line("tulips")?;
    expert.sees("what was typed after that", |picture| typed(picture).contains("tulips").then_some(()))?;
    assert!(!expert.has_seen("ended") && !novice.has_seen("lost"), "{}", novice.report());
    Ok(())
}

/// How many cells are played at the same time.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(3).unwrap();
