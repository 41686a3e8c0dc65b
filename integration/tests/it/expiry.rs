//! Time runs out: for the ticket, and for nothing else.

use std::fs;
use std::path::PathBuf;

use integration::{Cast, Failure, Outcome, Stage};

use crate::session::Session;

/// The one run on a real clock; `ra-session/tests/time.rs` has the hours and the time zones.
#[test]
fn s035_s060_r030_r031_r048_r052_r056_r064_after_thirty_seconds_nobody_comes_in_and_who_is_in_stays() -> Outcome {
    let mut session =
        Session::viewing_with(|novice| novice.with("--expires", "30s").args(["--kind", "v2"]), |expert| expert)?;
    let expires = session.novice.wait_event("invited")?.text("expires").unwrap_or_default().to_owned();
    let before = session.expert.picture()?;
    let ended = session.novice.wait_event("ticket_ended")?;
    assert_eq!(ended.text("cause"), Some("expired"), "{ended}");
    let (time, second) = (ended.text("time").unwrap_or_default(), "2001-06-15T23:14:23".len());
    assert!(time.get(..second) >= expires.get(..second) && expires.len() > second, "{time} is before {expires}");

    // Nobody comes in, and nobody hears of it but the one who tried.
    let told = session.novice.process().look(|seen| (seen.events.len(), seen.out.clone(), seen.err.clone()));
    let mut late = session.stage.expert_called("late").opens(&session.stage.invitation()).start()?;
    assert_eq!(late.exit_code()?, Some(69), "{}", late.report());
    assert!(!late.has_seen("authenticated") && !late.has_seen("viewing"), "{}", late.report());
    let said = late.process().look(|seen| seen.err.clone());
    assert!(said.contains(NO_CONNECTION), "{said}");
    let after = session.novice.process().look(|seen| (seen.events.len(), seen.out.clone(), seen.err.clone()));
    assert_eq!(told, after, "{}", session.novice.report());

    // Who is in goes on seeing.
    session.expert.sees("what has changed since then", |now| (now.difference(&before) > 0).then_some(()))?;
    for person in [&session.novice, &*session.expert] {
        assert!(person.process().runs() && !person.has_seen("ended"), "{}", person.report());
    }
    Ok(())
}

#[test]
fn s046_r026_r027_whatever_the_cause_the_expert_reads_the_same_sentence() -> Outcome {
    let stage = Stage::new()?;
    let file = short_ticket(&stage, "short.MsRcIncident")?;
    let nobody = said(stage.expert_called("expert").opens(&file))?;

    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let expired = said(stage.expert_called("expert").opens(&file))?;
    stage.policy("fAllowToGetHelp = 0\n")?;
    let forbidden = said(stage.expert())?;
    for sentence in [&nobody, &expired, &forbidden] {
        assert!(sentence.contains(NO_CONNECTION), "{sentence}");
    }
    assert_eq!(nobody, expired, "no address answers, or the ticket is over");
    assert_eq!(nobody, forbidden, "no address answers, or policy says no");
    Ok(())
}

#[test]
fn s108_r063_an_expired_ticket_stays_expired_and_a_new_request_is_another_ticket() -> Outcome {
    let stage = Stage::new()?;
    let old = short_ticket(&stage, "old.MsRcIncident")?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    let ticket = novice.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    novice.wait_event("listening")?;
    let mut list = stage.novice().args(["tickets", "list"]).start()?;
    assert_eq!(list.exit_code()?, Some(0), "{}", list.report());
    let mut rows = list.process().look(|seen| seen.events.clone());
    rows.retain(|row| row.name() == "ticket");
    let open: Vec<_> =
        rows.iter().filter(|row| row.text("status") == Some("open")).map(|row| row.text("ticket")).collect();
    assert_eq!((rows.len(), open), (2, vec![Some(ticket.as_str())]), "{}", list.report());

    let mut expert = stage.expert_called("expert").opens(&old).start()?;
    assert_eq!(expert.exit_code()?, Some(69), "the new one does not revive the old one: {}", expert.report());
    assert!(!novice.has_seen("consent_asked"));
    let mut expert = stage.expert().start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

/// An invitation whose ticket was hosted until its time was over: a host without a ticket left ends.
fn short_ticket(stage: &Stage, name: &str) -> Result<PathBuf, Failure> {
    let file = stage.path().join(name);
    let mut novice = stage.novice().invites("Kim Aalbers").with("--save", &file).with("--expires", "1s").start()?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    assert_eq!(novice.wait_event("ticket_ended")?.text("cause"), Some("expired"), "{}", novice.report());
    assert!(fs::exists(&file)?);
    Ok(file)
}

/// What an expert reads who gets nowhere, in words.
fn said(expert: Cast<'_>) -> Result<String, Failure> {
    let mut expert = expert.in_words().start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    Ok(expert.process().look(|seen| seen.err.clone()))
}

/// The beginning of the one sentence. Source: KB300692.
const NO_CONNECTION: &str = "could not be established";
