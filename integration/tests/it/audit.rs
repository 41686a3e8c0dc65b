//! The audit log: what the administrator hears of, and nobody else.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration::{Cast, Event, Failure, Outcome, PASSWORD, Stage, probe};

use crate::offers::computer;
use crate::session::Session;
use crate::tickets::{invite, serve};

/// What `audit show` prints.
fn audit(stage: &Stage) -> Result<Vec<Event>, Failure> {
    let mut program = stage.novice().args(["audit", "show"]).start()?;
    assert_eq!(program.exit_code()?, Some(0), "{}", program.report());
    Ok(program.process().look(|seen| seen.events.clone()))
}

/// The causes in it, the oldest first.
fn causes(stage: &Stage) -> Result<Vec<String>, Failure> {
    Ok(audit(stage)?.iter().filter_map(|line| Some(line.text("cause")?.to_owned())).collect())
}

/// The log as it lies on the disk.
fn file(stage: &Stage) -> Result<String, Failure> {
    Ok(fs::read_to_string(stage.path().join("novice/state/audit.log"))?)
}

#[test]
fn s063_r030_r031_r056_the_administrator_reads_what_the_novice_never_hears_of() -> Outcome {
    let stage = Stage::new()?;
    // A ticket that its computer has forgotten, as after 90 days: the key is the same, the table is new.
    let (_forgotten, unknown_file) = invite(&stage, "unknown.MsRcIncident", "60m")?;
    fs::remove_file(stage.path().join("novice/state/tickets.sqlite3"))?;
    invite(&stage, "open.MsRcIncident", "60m")?;
    let (ended, ended_file) = invite(&stage, "ended.MsRcIncident", "60m")?;
    let (expired, expired_file) = invite(&stage, "expired.MsRcIncident", "1s")?;
    let mut end = stage.novice().args(["tickets", "expire", &ended]).start()?;
    assert_eq!(end.exit_code()?, Some(0), "{}", end.report());
    let novice = serve(&stage)?;
    novice.until("the end of the short ticket", |_| (status(&stage, &expired).ok()? == "expired").then_some(()))?;
    novice.until("the line that it waits", |seen| seen.terminal.contains("Waiting").then_some(()))?;
    let before = novice.process().look(|seen| (seen.terminal.clone(), seen.err.clone()));
    for file in [&expired_file, &ended_file, &unknown_file] {
        let mut expert = stage.expert_called("expert").opens(file).start()?;
        assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    }
    let after = novice.process().look(|seen| (seen.terminal.clone(), seen.err.clone()));
    assert_eq!(before, after, "no message and no log for the novice");
    for event in ["refused", "expert_connecting", "consent_asked"] {
        assert!(!novice.has_seen(event), "{}", novice.report());
    }
    assert_eq!(causes(&stage)?, ["expired_ticket", "ended_ticket", "unknown_ticket"]);
    assert!(audit(&stage)?.iter().all(|line| line.text("peer").is_some_and(|peer| peer.starts_with("127."))));
    let text = file(&stage)?;
    let session = fs::read_to_string(&ended_file)?;
    let session = session.split('"').filter(|part| part.len() > 40);
    for secret in session.chain([ended.as_str(), &expired, PASSWORD, "Piet Jansen"]) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    Ok(())
}

fn status(stage: &Stage, ticket: &str) -> Result<String, Failure> {
    let mut show = stage.novice().args(["tickets", "show", ticket]).start()?;
    Ok(show.wait_event("ticket")?.text("status").unwrap_or_default().to_owned())
}

#[test]
fn s102_r028_each_refusal_has_its_cause_and_only_one_line() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").args(["--kind", "v1"]).start()?;
    novice.wait_event("listening")?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let mut expert = stage.expert().with("--password-file", &wrong).start()?;
    assert_eq!(expert.exit_code()?, Some(83), "{}", expert.report());
    let mut expert = stage.expert().start()?;
    novice.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85), "{}", expert.report());
    stage.policy("fAllowToGetHelp = 0\n")?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    assert_eq!(causes(&stage)?, ["wrong_password", "declined", "policy"]);
    Ok(())
}

/// A session with control that ESC ends, told on the novice's side.
fn short_session(novice: Cast<'_>, stage: &Stage) -> Result<Vec<String>, Failure> {
    let mut novice = novice.invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let mut expert = stage.expert().args(["--request-control"]).start()?;
    novice.says("y", "view")?;
    novice.says("y", "control")?;
    expert.wait_event("controlling")?;
    novice.press_esc()?;
    novice.wait_event("revoked")?;
    novice.press(b"q")?;
    novice.wait_event("ended")?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    Ok(audit(stage)?.iter().map(|line| line.name().to_owned()).collect())
}

#[test]
fn a_session_is_told_step_by_step_and_the_novice_alone_cannot_stop_that() -> Outcome {
    let stage = Stage::new()?;
    stage.policy("LoggingEnabled = 0\n")?;
    let told = short_session(stage.novice(), &stage)?;
    let steps = "consent_asked answered viewing control_requested consent_asked answered controlling revoked ended";
    assert_eq!(told.join(" "), steps);
    Ok(())
}

#[test]
fn where_the_administrator_wants_no_sessions_logged_none_is() -> Outcome {
    let stage = Stage::new()?;
    let test = "where_the_administrator_wants_no_sessions_logged_none_is";
    let Some(novice) = computer(test, &stage, "LoggingEnabled = 0\n", "")? else { return Ok(()) };
    assert!(short_session(novice, &stage)?.is_empty());
    Ok(())
}

#[test]
fn people_read_it_in_columns_and_an_empty_log_says_so() -> Outcome {
    let stage = Stage::new()?;
    let mut empty = stage.novice().in_words().args(["audit", "show"]).start()?;
    assert_eq!(empty.exit_code()?, Some(0), "{}", empty.report());
    assert!(empty.text().contains("Nobody was refused here"), "{}", empty.report());
    let mut session = Session::asked()?;
    session.novice.says("n", "view")?;
    session.novice.wait_event("refused")?;
    session.novice.until("the line in the log", |_| causes(&session.stage).ok()?.first().map(drop))?;
    let mut show = session.stage.novice().in_words().args(["audit", "show"]).start()?;
    assert_eq!(show.exit_code()?, Some(0), "{}", show.report());
    assert!(show.text().contains("refused") && show.text().contains("declined"), "{}", show.report());
    Ok(())
}

#[test]
fn fail2ban_finds_those_who_guess_and_nobody_else() -> Outcome {
    if !probe::has_all("fail2ban_finds_those_who_guess_and_nobody_else", &["fail2ban-regex"]) {
        return Ok(());
    }
    // Lines of a host that ran, and one of each other cause in the same form.
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").args(["--kind", "v1"]).start()?;
    novice.wait_event("listening")?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let mut expert = stage.expert().with("--password-file", &wrong).start()?;
    assert_eq!(expert.exit_code()?, Some(83), "{}", expert.report());
    let mut expert = stage.expert().start()?;
    novice.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85), "{}", expert.report());
    let real = file(&stage)?;
    let guess = real.lines().find(|line| line.contains("wrong_password")).ok_or_else(|| Failure::new(real.clone()))?;
    let others = ["unknown_ticket", "declined", "no_answer", "busy", "protocol", "policy"];
    let others = others.map(|cause| guess.replace("wrong_password", cause));
    let log = stage.write("audit.log", &format!("{real}{}\n", others.join("\n")))?;

    let filter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../bins/novice-host/fail2ban/remote-assistance.filter.conf");
    let output = Command::new("fail2ban-regex").args(["-o", "msg"]).args([&log, &filter]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = |cause: &str| text.lines().any(|line| line.contains(&format!("\"{cause}\"")));
    for (cause, counted) in [
        ("wrong_password", true),
        ("unknown_ticket", true),
        ("protocol", true),
        ("declined", false),
        ("no_answer", false),
        ("busy", false),
        ("policy", false),
    ] {
        assert_eq!(found(cause), counted, "{cause}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
