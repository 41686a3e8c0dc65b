//! The novice's table of tickets, and what an ended one is good for: nothing, and nobody is told why.

use std::fs;
use std::path::{Path, PathBuf};

use integration::{Event, Failure, Outcome, Person, Signal, Stage};

use crate::session::Session;

/// What `tickets` prints with these words.
pub(crate) fn tickets(stage: &Stage, words: &[&str]) -> Result<Vec<Event>, Failure> {
    let mut program = stage.novice().arg("tickets").args(words).start()?;
    assert_eq!(program.exit_code()?, Some(0), "{}", program.report());
    Ok(program.process().look(|seen| seen.events.clone()))
}

/// The tickets of the table with their status.
pub(crate) fn table(stage: &Stage) -> Result<Vec<(String, String)>, Failure> {
    let rows = tickets(stage, &["list"])?;
    let row = |e: &Event| Some((e.text("ticket")?.to_owned(), e.text("status")?.to_owned()));
    Ok(rows.iter().filter_map(row).collect())
}

/// Makes an invitation without hosting it: its ticket and its file.
pub(crate) fn invite(stage: &Stage, file: &str, expires: &str) -> Result<(String, PathBuf), Failure> {
    let save = stage.path().join(file);
    let invite = stage.novice().invites("Kim Aalbers").with("--save", &save).with("--expires", expires);
    let mut novice = invite.arg("--no-serve").start()?;
    let ticket = novice.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    Ok((ticket, save))
}

/// Hosts every open ticket on the demo desktop.
pub(crate) fn serve(stage: &Stage) -> Result<Person, Failure> {
    let addr = stage.addr().to_string();
    let mut novice = stage.novice().args(["serve", "--listen", &addr, "--desktop", "demo"]).start()?;
    novice.wait_event("listening")?;
    Ok(novice)
}

/// The expert tries, gets nothing and is not told why; the novice's side shows nothing at all.
fn refused_in_silence(stage: &Stage, novice: &Person, file: &Path, zone: &str) -> Outcome {
    novice.until("the line that it waits", |seen| seen.terminal.contains("Waiting").then_some(()))?;
    let before = novice.process().look(|seen| (seen.events.len(), seen.terminal.clone(), seen.out.clone()));
    let mut expert = stage.expert_called("expert").opens(file).env("TZ", zone).start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    assert!(!expert.has_seen("authenticated") && !expert.has_seen("viewing"));
    let after = novice.process().look(|seen| (seen.events.len(), seen.terminal.clone(), seen.out.clone()));
    assert_eq!(before, after, "the novice's side is silent: {}", novice.report());
    Ok(())
}

#[test]
fn s007_s014_r004_an_invitation_adds_a_ticket_that_outlives_its_file_and_a_crash() -> Outcome {
    let stage = Stage::new()?;
    assert_eq!(table(&stage)?, []);
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    let ticket = novice.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    novice.wait_event("listening")?;
    let open = [(ticket.clone(), "open".to_owned())];
    assert_eq!(table(&stage)?, open, "while it is hosted");
    fs::remove_file(stage.invitation())?;
    novice.signal(Signal::KILL)?;
    novice.wait_exit()?;
    assert_eq!(table(&stage)?, open, "without its file and without a host");
    Ok(())
}

#[test]
fn s024_s031_s032_s033_s062_r019_r030_r031_r055_r056_an_ended_ticket_is_refused_and_its_file_still_says_open() -> Outcome
{
    let stage = Stage::new()?;
    let (first, file) = invite(&stage, "first.MsRcIncident", "60m")?;
    let (second, other) = invite(&stage, "second.MsRcIncident", "60m")?;
    let mut novice = serve(&stage)?;
    let bytes = fs::read(&file)?;
    tickets(&stage, &["expire", &first])?;
    assert_eq!(novice.wait_event("ticket_ended")?.text("ticket"), Some(first.as_str()));
    refused_in_silence(&stage, &novice, &file, "UTC")?;
    assert_eq!(fs::read(&file)?, bytes, "the file is as it was");
    let status: Vec<_> = table(&stage)?.into_iter().filter(|(_, status)| status == "open").collect();
    assert_eq!(status, [(second, "open".to_owned())]);
    // The other ticket is still good.
    let mut expert = stage.expert_called("expert").opens(&other).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn r049_expiring_a_ticket_ends_its_session() -> Outcome {
    let mut session = Session::controlling("x")?;
    let ticket = session.novice.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    tickets(&session.stage, &["expire", &ticket])?;
    session.novice.wait_event("ended")?;
    session.expert.wait_event("ended")?;
    assert_eq!(session.novice.wait_event("ticket_ended")?.text("ticket"), Some(ticket.as_str()));
    assert_eq!(session.novice.exit_code()?, Some(0), "nothing is left to host: {}", session.novice.report());
    session.expert.wait_exit().map(drop)
}

#[test]
fn s030_s034_s035_s060_r022_r030_r031_r052_r056_a_ticket_ends_by_itself_whatever_the_experts_file_and_zone_say()
-> Outcome {
    let stage = Stage::new()?;
    invite(&stage, "long.MsRcIncident", "60m")?;
    let (short, file) = invite(&stage, "short.MsRcIncident", "2s")?;
    let novice = serve(&stage)?;
    novice.until("the end of the short ticket", |seen| {
        let ended = seen.events.iter().any(|e| e.name() == "ticket_ended" && e.text("ticket") == Some(short.as_str()));
        // It may have been over before it could be hosted.
        ended.then_some(()).or_else(|| table(&stage).ok()?.contains(&(short.clone(), "expired".into())).then_some(()))
    })?;
    // The expert's clock is set back: for the viewer that is the same as an invitation that ends later.
    let text = fs::read_to_string(&file)?;
    let (_, rest) = text.split_once("DtLength=\"").ok_or_else(|| Failure::new("no DtLength"))?;
    let minutes = rest.split('"').next().unwrap_or_default();
    let later = text.replace(&format!("DtLength=\"{minutes}\""), "DtLength=\"6000\"");
    let revived = stage.write("revived.MsRcIncident", &later)?;
    for zone in ["Europe/Amsterdam", "Europe/London"] {
        refused_in_silence(&stage, &novice, &file, zone)?;
        refused_in_silence(&stage, &novice, &revived, zone)?;
    }
    Ok(())
}

#[test]
fn s030_an_invitation_that_looks_over_is_tried_all_the_same() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let text = fs::read_to_string(stage.invitation())?;
    let (_, rest) = text.split_once("DtStart=\"").ok_or_else(|| Failure::new("no DtStart"))?;
    let start = rest.split('"').next().unwrap_or_default();
    let old = stage.write("old.MsRcIncident", &text.replace(start, "992646863"))?;
    let mut expert = stage.expert_called("expert").opens(&old).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn r030_r031_an_unknown_ticket_is_refused_in_silence() -> Outcome {
    let stage = Stage::new()?;
    let invite = stage.novice().invites("Kim Aalbers").args(["--kind", "v1"]);
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    // The same computer and key, another session: as from a table that was lost.
    let text = fs::read_to_string(stage.invitation())?;
    let (_, rest) = text.split_once("RCTICKET=\"").ok_or_else(|| Failure::new("no RCTICKET"))?;
    let fields: Vec<_> = rest.split('"').next().unwrap_or_default().split(',').collect();
    let session = fields[4];
    let other: String =
        session.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
    let file = stage.write("unknown.MsRcIncident", &text.replace(session, &other))?;
    refused_in_silence(&stage, &novice, &file, "UTC")?;
    refused_in_silence(&stage, &novice, &file, "UTC")
}

#[test]
fn r041_another_computer_at_the_address_gets_nothing() -> Outcome {
    let stage = Stage::new()?;
    let impostor = Stage::new()?;
    let addr = impostor.addr().to_string();
    let mut novice = stage.novice().invites("Kim Aalbers").with("--advertise", &addr).arg("--no-serve").start()?;
    assert_eq!(novice.exit_code()?, Some(0));
    let mut other = impostor.novice().invites("Somebody Else").start()?;
    other.wait_event("listening")?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(89), "{}", expert.report());
    assert!(!expert.has_seen("connected") && !expert.has_seen("authenticated"), "{}", expert.report());
    assert_eq!(other.story(), ["invited", "listening"], "{}", other.report());
    Ok(())
}
