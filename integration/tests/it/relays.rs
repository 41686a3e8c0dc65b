//! By code through routers and relays, in the laboratory: those meet whom no file brings together, and relays that fail.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use integration::lab::cell::{Cell, Verdict, Via, Way, code_of, play, says_a_code, sees, types_a_code};
use integration::lab::relay::Relay;
use integration::lab::table::play_all;
use integration::lab::{self, Forward, Site};
use integration::{Outcome, Signal, Stage};

use crate::codes::listening;
use crate::routers::together;
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
            // What is missed in the first moment is not always tried anew; in the table that is one cell in a hundred or two.
            Some(Way::Relayed) if *straight => {
                let again = play(cell);
                if again.as_ref().ok().and_then(Verdict::connection).is_none_or(|again| again.way != Way::Direct) {
                    wrong.push(format!("{cell:?}: {verdict:?}, then {again:?}"));
                }
            }
            Some(_) => {}
            None => wrong.push(format!("{cell:?}: {verdict:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Novice and expert, and whether routers like these can be passed directly: punching needs one of the two to be predictable
/// or to have been asked for a way in, and UDP.
const SAMPLE: &[((&str, &str), bool)] = &[
    (("nat", "nat"), true),
    (("upnp+cgn", "nat"), true),
    (("nat+symmetric", "nat+symmetric"), false),
    // Neither is predictable, and a router that takes orders makes up for it.
    (("upnp", "nat+symmetric"), true),
    (("pcp", "nat+symmetric"), true),
    (("nat+web", "nat+web"), false),
    (("nat+noudp", "nat"), false),
    (("v6", "nat"), false),
];

#[test]
fn a_router_is_asked_for_a_way_in_for_a_code_and_it_goes_with_the_code() -> Outcome {
    if !lab::ready("a_router_is_asked_for_a_way_in_for_a_code_and_it_goes_with_the_code") {
        return Ok(());
    }
    together(&[("upnp", "pcp"), ("ics", "upnp")], |(router, via)| {
        let (lab, stage) = (Site::of(router, "nat+symmetric").up()?, Stage::new()?);
        let relay = Relay::start(&lab, "relay", stage.path())?;
        let mut novice = says_a_code(&stage, &lab, &[&relay]).start()?;
        let code = code_of(&mut novice)?;
        let mapped = novice.wait_event("mapped")?;
        assert_eq!((mapped.text("transport"), mapped.text("via")), (Some("udp"), Some(*via)));
        let forwards = lab.forwards("novice")?;
        assert_eq!(
            forwards.iter().map(|f| format!("11.0.1.2:{}", f.port)).collect::<Vec<_>>(),
            [mapped.text("external").unwrap_or_default()]
        );
        assert_eq!(listening(&novice)?, BTreeSet::new(), "for TCP no port is open");
        let mut expert = types_a_code(&stage, &lab, &[&relay], &code).watches()?;
        sees(&mut expert, &mut novice)?;
        novice.signal(Signal::TERM)?;
        assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
        let gone = lab.forwards_become("novice", PATIENCE, <[Forward]>::is_empty);
        gone.map(drop).map_err(|failure| failure.seen(format!("{router}: {}", novice.report())))
    })
}

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

/// A router that was asked to remove something has done so.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many cells are played at the same time.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(3).unwrap();
