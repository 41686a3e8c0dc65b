//! Routers as they are: with faults, restarted, forgetful, two of them. In the laboratory, with the real `novice-host`.

use std::thread;
use std::time::{Duration, Instant};

use integration::lab::cell::{invites, opens, sees};
use integration::lab::{self, Address, Forward, Lab, Site};
use integration::{Failure, Outcome, Person, Signal, Stage};

use crate::reach::{endpoints, stays_out};

#[test]
fn every_fault_of_a_router_costs_its_mapping_at_most_and_never_the_invitation() -> Outcome {
    if !lab::ready("every_fault_of_a_router_costs_its_mapping_at_most_and_never_the_invitation") {
        return Ok(());
    }
    together(FAULTS, |(fault, becomes)| {
        let (lab, stage) = (Site::of(&format!("fakeigd+q:{fault}"), "none").up()?, Stage::new()?);
        let begun = Instant::now();
        let mut novice = invites(&stage, &lab, "novice").start()?;
        let listed = endpoints(&mut novice)?;
        let waited = begun.elapsed();
        assert!(waited < LONGEST_WAIT, "{fault}: the invitation took {waited:?}");
        novice.wait_event("listening")?;
        let forwards = lab.forwards("novice")?;
        if *becomes == Becomes::Unmapped {
            assert!(!novice.has_seen("mapped") && forwards.is_empty(), "{fault}: {forwards:?} {}", novice.report());
            assert!(!listed.is_empty() && listed.iter().all(|at| !at.starts_with("11.0.1.2")), "{fault}: {listed:?}");
            stays_out(&stage, &lab, "expert", &novice)?;
        } else {
            let mapped = novice.wait_event("mapped")?;
            let external = mapped.text("external").unwrap_or_default();
            assert_eq!(forwards.iter().map(|f| format!("11.0.1.2:{}", f.port)).collect::<Vec<_>>(), [external]);
            let mut expert = opens(&stage, &lab, "expert").watches()?;
            sees(&mut expert, &mut novice)?;
            assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some(external), "{fault}");
        }
        leaves(&mut novice)?;
        if *becomes != Becomes::MappedForGood {
            lab.forwards_become("novice", PATIENCE, <[Forward]>::is_empty)?;
        }
        Ok(())
    })
}

/// What a router with a fault comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    Mapped,
    Unmapped,
    /// It removes nothing before the lease is over.
    MappedForGood,
}

/// The faults of `fakeigd`, by name.
const FAULTS: &[(&str, Becomes)] = &[
    ("permanent-only", Becomes::Mapped),
    ("same-port-only", Becomes::Mapped),
    ("conflict-twice", Becomes::Mapped),
    ("deaf-first", Becomes::Mapped),
    ("chatty", Becomes::Mapped),
    ("late-answer", Becomes::Mapped),
    ("no-delete", Becomes::MappedForGood),
    ("always-conflict", Becomes::Unmapped),
    ("refuse", Becomes::Unmapped),
    ("html500", Becomes::Unmapped),
    ("hang-control", Becomes::Unmapped),
    ("hang-desc", Becomes::Unmapped),
    ("slow-desc", Becomes::Unmapped),
    ("endless-desc", Becomes::Unmapped),
    ("bad-xml", Becomes::Unmapped),
    ("zero-ip", Becomes::Unmapped),
    ("empty-ip", Becomes::Unmapped),
    ("lying", Becomes::Unmapped),
    ("foreign-location", Becomes::Unmapped),
];

#[test]
fn r073_a_port_that_is_somebody_else_s_stays_his() -> Outcome {
    if !lab::ready("r073_a_port_that_is_somebody_else_s_stays_his") {
        return Ok(());
    }
    let (lab, stage) = (Site::of("upnp+taken", "none").up()?, Stage::new()?);
    let before = lab.forwards("novice")?;
    assert_eq!(before, [Forward { port: 3389, to: "192.168.11.11:3389".to_owned() }]);
    let mut novice = invites(&stage, &lab, "novice").start()?;
    novice.wait_event("mapped")?;
    novice.wait_event("listening")?;
    let during = lab.forwards("novice")?;
    assert!(during.len() == 2 && during.contains(&before[0]), "{during:?}");
    let mut expert = opens(&stage, &lab, "expert").watches()?;
    sees(&mut expert, &mut novice)?;
    leaves(&mut novice)?;
    lab.forwards_become("novice", PATIENCE, |now| now == before).map(drop)
}

#[test]
fn r074_an_outside_address_that_leads_nowhere_is_not_listed_and_nothing_is_opened_there() -> Outcome {
    if !lab::ready("r074_an_outside_address_that_leads_nowhere_is_not_listed_and_nothing_is_opened_there") {
        return Ok(());
    }
    together(&["fakeigd+cgn", "upnp+cgn"], |kind| {
        let (lab, stage) = (Site::of(kind, "none").up()?, Stage::new()?);
        let mut novice = invites(&stage, &lab, "novice").start()?;
        let listed = endpoints(&mut novice)?;
        novice.wait_event("listening")?;
        assert!(!novice.has_seen("mapped") && lab.forwards("novice")?.is_empty(), "{kind}: {}", novice.report());
        assert!(listed.iter().all(|endpoint| !endpoint.starts_with("100.64.")), "{kind}: {listed:?}");
        Ok(())
    })
}

#[test]
fn s016_two_routers_on_two_interfaces_both_send_to_the_novice() -> Outcome {
    if !lab::ready("s016_two_routers_on_two_interfaces_both_send_to_the_novice") {
        return Ok(());
    }
    let (lab, stage) = (Site::of("upnp", "none").with(&["--second", "ics"]).up()?, Stage::new()?);
    let mut novice = invites(&stage, &lab, "novice").start()?;
    let listed = endpoints(&mut novice)?;
    novice.wait_event("listening")?;
    for (side, inside) in [("novice", "192.168.11.10:3389"), ("second", "192.168.13.10:3389")] {
        let outside = lab.outside(side).map(|ip| ip.to_string()).unwrap_or_default();
        let forwards = lab.forwards(side)?;
        assert_eq!(forwards.iter().map(|f| f.to.as_str()).collect::<Vec<_>>(), [inside]);
        assert!(listed[..2].contains(&format!("{outside}:{}", forwards[0].port)), "{outside}: {listed:?}");
    }
    // When the first line is dead, the second is enough.
    lab.cut("novice")?;
    let mut expert = opens(&stage, &lab, "expert").watches()?;
    sees(&mut expert, &mut novice)?;
    let connected = expert.wait_event("connected")?;
    assert!(connected.text("endpoint").is_some_and(|at| at.starts_with("11.0.3.2:")), "{connected}");
    leaves(&mut novice)?;
    for side in ["novice", "second"] {
        lab.forwards_become(side, PATIENCE, <[Forward]>::is_empty)?;
    }
    Ok(())
}

#[test]
fn s059_r059_with_the_last_ticket_the_router_s_entries_go_however_it_ends() -> Outcome {
    if !lab::ready("s059_r059_with_the_last_ticket_the_router_s_entries_go_however_it_ends") {
        return Ok(());
    }
    together(&[End::Time, End::Command, End::Novice, End::KilledThenCommand], |end| {
        let (lab, stage) = (Site::of("upnp", "none").up()?, Stage::new()?);
        let expires = if *end == End::Time { "20s" } else { "60m" };
        let mut novice = invites(&stage, &lab, "novice").with("--expires", expires).start()?;
        novice.wait_event("mapped")?;
        novice.wait_event("listening")?;
        assert_eq!(lab.forwards("novice")?.len(), 1, "{end:?}");
        match end {
            End::Time => drop(novice.wait_event("ticket_ended")?),
            End::Command => expire_all(&stage, &lab)?,
            End::Novice => leaves(&mut novice)?,
            End::KilledThenCommand => {
                novice.signal(Signal::KILL)?;
                novice.wait_exit()?;
                assert_eq!(lab.forwards("novice")?.len(), 1, "its ticket is open still");
                expire_all(&stage, &lab)?;
            }
        }
        lab.forwards_become("novice", PATIENCE, <[Forward]>::is_empty).map(drop)
    })
}

/// How a ticket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Time,
    Command,
    Novice,
    KilledThenCommand,
}

#[test]
fn r062_r072_what_a_crash_left_at_a_router_the_next_start_removes() -> Outcome {
    if !lab::ready("r062_r072_what_a_crash_left_at_a_router_the_next_start_removes") {
        return Ok(());
    }
    // Killed between the router's deed and its answer: there is an entry, and no ticket that would name it.
    let (lab, stage) = (Site::of("fakeigd+q:late-answer+q:permanent-only", "none").up()?, Stage::new()?);
    let mut first = invites(&stage, &lab, "novice").start()?;
    let left = lab.forwards_become("novice", PATIENCE, |now| !now.is_empty())?;
    assert!(!first.has_seen("invited"), "too late to be killed in between: {}", first.report());
    first.signal(Signal::KILL)?;
    first.wait_exit()?;
    assert!(!stage.invitation().exists());
    assert_eq!(lab.forwards("novice")?, left, "this router forgets nothing by itself");

    let mut next = invites(&stage, &lab, "novice").start()?;
    let listed = endpoints(&mut next)?;
    next.wait_event("listening")?;
    // What it left is held for half a minute, or serves the new ticket.
    let named = |now: &[Forward]| now.iter().all(|f| listed.contains(&format!("11.0.1.2:{}", f.port)));
    lab.forwards_become("novice", PATIENCE, |now| !now.is_empty() && named(now))?;
    leaves(&mut next)?;
    lab.forwards_become("novice", PATIENCE, <[Forward]>::is_empty).map(drop)
}

#[test]
fn r072_a_renewal_restores_what_a_router_has_forgotten() -> Outcome {
    if !lab::ready("r072_a_renewal_restores_what_a_router_has_forgotten") {
        return Ok(());
    }
    together(&["fakeigd+q:forgetful", "upnp", "ics"], |kind| {
        let (mut lab, stage) = (Site::of(kind, "none").up()?, Stage::new()?);
        // A lease of a minute is renewed after half of it.
        let mut novice = invites(&stage, &lab, "novice").with("--expires", "60s").start()?;
        let listed = endpoints(&mut novice)?;
        novice.wait_event("mapped")?;
        novice.wait_event("listening")?;
        if !kind.starts_with("fakeigd") {
            lab.reboot("novice", if *kind == "upnp" { Address::New } else { Address::Same })?;
        }
        lab.forwards_become("novice", PATIENCE, <[Forward]>::is_empty)?;
        let restored = lab.forwards_become("novice", PATIENCE, |now| !now.is_empty())?;
        let outside = lab.outside("novice").map(|ip| ip.to_string()).unwrap_or_default();
        let external = format!("{outside}:{}", restored[0].port);
        assert_eq!(listed.contains(&external), *kind != "upnp", "{kind}: {listed:?} {external}");
        let port = restored[0].port.to_string();
        let knock = lab.run("expert", &["nc", "-z", "-w", "5", &outside, &port])?;
        assert_eq!(knock.code(), Some(0), "{kind}: nobody answers at {external}");
        if *kind == "upnp" {
            // The file that was sent names the old address, and the novice is told.
            let moved = novice.wait_event("mapped")?;
            let (was, now) = (moved.text("was"), moved.text("external"));
            assert_eq!((was, now), (listed.first().map(String::as_str), Some(external.as_str())), "{moved}");
        }
        Ok(())
    })
}

/// Ends every ticket by the command, at the novice's computer.
fn expire_all(stage: &Stage, lab: &Lab) -> Outcome {
    let mut command = stage.novice().args(["tickets", "expire", "--all"]).through(lab.at("novice")).start()?;
    assert_eq!(command.exit_code()?, Some(0), "{}", command.report());
    Ok(())
}

/// The novice has had enough, and the program ends in good order.
fn leaves(novice: &mut Person) -> Outcome {
    novice.signal(Signal::TERM)?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    Ok(())
}

/// Plays the same with each, several at once: most of it is waiting for what does not answer.
pub(crate) fn together<T: Sync>(with: &[T], play: impl Fn(&T) -> Outcome + Sync) -> Outcome {
    for some in with.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let playing: Vec<_> = some.iter().map(|one| scope.spawn(|| play(one))).collect();
            let ended = playing.into_iter().map(|one| one.join().map_err(|_| Failure::new("see above"))?);
            ended.collect::<Vec<_>>().into_iter().collect::<Outcome>()
        })?;
    }
    Ok(())
}

/// Laboratories at the same time.
const AT_ONCE: usize = 5;

/// A router's answer, or its lease: leases in these tests last a minute at most.
const PATIENCE: Duration = Duration::from_secs(75);

/// An invitation waits 5 s for routers. The rest is the start of the program with its first key, on a machine that is busy.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
