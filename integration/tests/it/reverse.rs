//! The novice's computer dials, the expert waits: for a computer that nobody can reach (S90).

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use integration::proxy::Proxy;
use integration::{Cast, Expert, Failure, Outcome, Person, Signal, Stage, probe};

use crate::session::typed;

/// A novice whose own port is on this computer only, and who calls the address of the stage.
fn calling<'a>(stage: &'a Stage, to: &str) -> Cast<'a> {
    stage.novice().invites("Kim Aalbers").with("--listen", "127.0.0.1:0").without("--advertise", 1).args(["--dial", to])
}

/// An expert who waits at the address of the stage.
fn waiting<'a>(stage: &'a Stage, home: &str, file: &Path) -> Cast<'a> {
    let addr = stage.addr().to_string();
    stage.expert_called(home).arg("listen").opens(file).args(["--listen", &addr])
}

/// A novice who calls, and an expert who waits.
fn both(stage: &Stage, more: &[&str]) -> Result<(Person, Expert), Failure> {
    let mut novice = calling(stage, &stage.addr().to_string()).start()?;
    novice.wait_event("calling")?;
    let mut expert = waiting(stage, "expert", &stage.invitation()).args(more).watches()?;
    expert.wait_event("listening")?;
    Ok((novice, expert))
}

#[test]
fn s078_s090_the_novice_s_computer_calls_and_consent_is_what_it_always_is() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = calling(&stage, &stage.addr().to_string()).start()?;
    assert_eq!(novice.wait_event("calling")?.text("endpoint"), Some(stage.addr().to_string().as_str()));
    // Nobody waits yet, which is said once however often it is tried.
    assert_eq!(novice.wait_event("unanswered")?.text("cause"), Some("network"));
    let mut expert =
        waiting(&stage, "expert", &stage.invitation()).args(["--request-control", "--type", "hello"]).watches()?;
    assert_eq!(expert.wait_event("listening")?.addr(), Some(stage.addr()));

    let peer = novice.says("y", "view")?.text("peer").map(str::to_owned);
    assert_eq!(peer, Some(stage.addr().to_string()), "the address that was called");
    expert.wait_event("first_frame")?;
    assert!(!expert.has_seen("controlling"), "{}", expert.report());
    novice.says("y", "control")?;
    expert.sees("what was typed", |picture| (typed(picture) == "hello").then_some(()))?;
    novice.press_esc()?;
    assert_eq!(expert.wait_event("revoked")?.text("by"), Some("esc"));
    assert!(!expert.has_seen("trying"), "it called nobody: {}", expert.report());
    assert!(TcpStream::connect(stage.addr()).is_err(), "nobody waits any more");

    let log = std::fs::read_to_string(stage.path().join("novice/state/audit.log"))?;
    let called = log.lines().filter(|line| line.contains(r#""event":"called""#)).count();
    assert_eq!(called, 1, "{log}");
    let unanswered = novice.story().iter().filter(|event| *event == "unanswered").count();
    assert_eq!(unanswered, 1, "{}", novice.report());
    expert.signal(Signal::TERM)?;
    assert_eq!(expert.exit_code()?, Some(0), "{}", expert.report());
    Ok(())
}

#[test]
fn s090_r037_a_no_is_a_no_whoever_called() -> Outcome {
    let stage = Stage::new()?;
    let (mut novice, mut expert) = both(&stage, &[])?;
    novice.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85), "{}", expert.report());
    assert!(!expert.has_seen("viewing"));
    Ok(())
}

#[test]
fn s090_r038_who_waits_without_the_password_is_refused_and_nobody_is_asked() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = calling(&stage, &stage.addr().to_string()).arg("--kind").arg("v1").start()?;
    novice.wait_event("calling")?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let mut stranger = waiting(&stage, "stranger", &stage.invitation()).with("--password-file", wrong).start()?;
    assert_eq!(stranger.exit_code()?, Some(83), "{}", stranger.report());
    assert_eq!(novice.wait_event("refused")?.text("cause"), Some("wrong_password"));
    assert!(!novice.has_seen("consent_asked"), "{}", novice.report());
    // It goes on calling, and the right one is helped.
    let mut expert = waiting(&stage, "expert", &stage.invitation()).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn s090_r041_strangers_who_call_a_waiting_expert_do_not_keep_the_novice_out() -> Outcome {
    let (stage, other) = (Stage::new()?, Stage::new()?);
    // The novice is slow: its computer calls when the strangers are there.
    let novice = calling(&stage, &stage.addr().to_string());
    let invite = other.novice().invites("Somebody Else").with("--save", stage.path().join("other.MsRcIncident"));
    let mut impostor = invite.args(["--dial", &stage.addr().to_string()]).start()?;
    impostor.wait_event("unanswered")?;
    let mut novice = novice.start()?;
    novice.wait_event("unanswered")?;
    let mut expert = waiting(&stage, "expert", &stage.invitation()).start()?;
    expert.wait_event("listening")?;
    let mut silent = silent(stage.addr(), 30)?;

    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    assert!(!impostor.has_seen("expert_connecting"), "{}", impostor.report());
    for stream in &mut silent {
        // A connection request, which names nobody, and the end of it.
        let mut heard = Vec::new();
        let _reset = stream.read_to_end(&mut heard);
        assert!(heard.len() < 64, "{} bytes", heard.len());
    }
    Ok(())
}

#[test]
fn s090_after_a_loss_the_novice_s_computer_calls_again() -> Outcome {
    let (stage, front) = (Stage::new()?, Stage::new()?);
    // The call goes through a network that can fail.
    let proxy = Proxy::start(front.addr(), stage.addr())?;
    let mut novice = calling(&stage, &front.addr().to_string()).start()?;
    novice.wait_event("calling")?;
    let mut expert = waiting(&stage, "expert", &stage.invitation()).watches()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    for round in 1..=2 {
        let begun = Instant::now();
        proxy.cut();
        expert.wait_event("reconnecting")?;
        expert.wait_event("returned")?;
        assert!(begun.elapsed() < Duration::from_secs(5), "round {round}: {:?}", begun.elapsed());
        novice.wait_event("returned")?;
        expert.wait_event("first_frame")?;
    }
    assert_eq!(novice.story().iter().filter(|event| *event == "consent_asked").count(), 1, "{}", novice.report());
    Ok(())
}

#[test]
fn s090_a_name_that_leads_nowhere_is_said_once() -> Outcome {
    let name = "s090_a_name_that_leads_nowhere_is_said_once";
    // In a network of its own there is nobody who could be asked for a name.
    if let Err(answer) = probe::namespaces(&["--net"]) {
        probe::skip(name, &answer);
        return Ok(());
    }
    let inside = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let stage = Stage::new()?;
    let mut novice = calling(&stage, "nobody-here.example:3389").through(inside).start()?;
    let unanswered = novice.wait_event("unanswered")?;
    assert_eq!(
        (unanswered.text("endpoint"), unanswered.text("cause")),
        (Some("nobody-here.example:3389"), Some("name"))
    );
    novice.signal(Signal::TERM)?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    Ok(())
}

#[test]
fn an_expert_who_is_tired_of_waiting_ends_it() -> Outcome {
    let stage = Stage::new()?;
    let mut invite = calling(&stage, &stage.addr().to_string()).start()?;
    invite.wait_event("unanswered")?;
    invite.signal(Signal::TERM)?;
    invite.wait_exit()?;
    let mut expert = waiting(&stage, "expert", &stage.invitation()).start()?;
    expert.wait_event("listening")?;
    expert.signal(Signal::TERM)?;
    assert_eq!(expert.exit_code()?, Some(0), "{}", expert.report());
    assert_eq!(expert.wait_event("ended")?.text("reason"), Some("asked"));
    Ok(())
}

/// Connections that say nothing.
fn silent(to: SocketAddr, count: usize) -> Result<Vec<TcpStream>, Failure> {
    let connect = |_| -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(integration::PATIENCE))?;
        Ok(stream)
    };
    (0..count).map(connect).collect()
}
