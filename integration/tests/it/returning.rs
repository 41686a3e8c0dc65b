//! An expert whose connection is lost comes back: without a second question for seeing, and without control.

use std::process::Command;
use std::time::{Duration, Instant};

use integration::proxy::Proxy;
use integration::{Cast, Expert, Failure, Outcome, Person, Process, Signal, Stage, probe};

use crate::session::{typed, word};

/// A novice and an expert with a network between them that can fail.
struct Apart {
    expert: Expert,
    novice: Person,
    proxy: Proxy,
    stage: Stage,
    /// Where the proxy listens.
    _front: Stage,
}

impl Apart {
    /// The expert sees.
    fn viewing(
        novice: impl FnOnce(Cast<'_>) -> Cast<'_>,
        expert: impl FnOnce(Cast<'_>) -> Cast<'_>,
    ) -> Result<Self, Failure> {
        let (stage, front) = (Stage::new()?, Stage::new()?);
        let invite = stage.novice().invites("Kim Aalbers").with("--advertise", front.addr().to_string());
        let mut novice = novice(invite).start()?;
        novice.wait_event("listening")?;
        let proxy = Proxy::start(front.addr(), stage.addr())?;
        let mut expert = expert(stage.expert()).watches()?;
        novice.says("y", "view")?;
        expert.wait_event("first_frame")?;
        Ok(Self { expert, novice, proxy, stage, _front: front })
    }

    /// Both have noticed, and both are together again.
    fn together_again(&mut self) -> Outcome {
        self.expert.wait_event("reconnecting")?;
        self.novice.wait_event("lost")?;
        self.expert.wait_event("returned")?;
        self.novice.wait_event("returned").map(drop)
    }

    fn questions(&self) -> usize {
        self.novice.story().iter().filter(|event| *event == "consent_asked").count()
    }
}

#[test]
fn s052_s053_who_comes_back_sees_without_a_question_and_has_to_ask_for_control_again() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert.args(["--request-control", "--type", "-"]))?;
    play.novice.says("y", "control")?;
    play.expert.wait_event("controlling")?;
    play.expert.type_line("before")?;
    let before = play.expert.sees("what was typed", |picture| {
        (typed(picture).starts_with("before")).then(|| (typed(picture), word(picture)))
    })?;

    for round in 1..=3 {
        let begun = Instant::now();
        play.proxy.cut();
        play.together_again()?;
        let took = begun.elapsed();
        assert!(took < BACK_WITHIN, "round {round}: {took:?}");
        // The same desktop as before, and nobody touches it.
        play.expert.wait_event("first_frame")?;
        play.expert.type_line("after")?;
        let again = play
            .expert
            .sees("the desktop again", |picture| word(picture).is_some().then(|| (typed(picture), word(picture))))?;
        assert_eq!(again, before, "round {round}");
    }
    assert_eq!(play.questions(), 2, "one for seeing, one for control: {}", play.novice.report());
    let controlled = play.expert.story().iter().filter(|event| *event == "controlling").count();
    assert_eq!(controlled, 1, "{}", play.expert.report());
    let log = std::fs::read_to_string(play.stage.path().join("novice/state/audit.log"))?;
    for step in [r#""event":"lost""#, r#""event":"returned""#] {
        assert_eq!(log.matches(step).count(), 3, "{log}");
    }
    play.expert.signal(Signal::TERM)?;
    assert_eq!(play.expert.exit_code()?, Some(0), "{}", play.expert.report());
    Ok(())
}

#[test]
fn a_line_that_went_silent_is_noticed_by_both_and_comes_back() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert)?;
    // Nothing closes, as with a cable that was pulled.
    play.proxy.stop_forwarding();
    let silent = Instant::now();
    play.novice.wait_event("lost")?;
    play.expert.wait_event("reconnecting")?;
    assert!(silent.elapsed() < Duration::from_secs(25), "{:?}", silent.elapsed());
    let back = Instant::now();
    play.proxy.cut();
    play.expert.wait_event("returned")?;
    play.novice.wait_event("returned")?;
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
    play.expert.wait_event("first_frame")?;
    assert_eq!(play.questions(), 1, "{}", play.novice.report());
    Ok(())
}

/// A novice in a network of its own, and how others get in there.
fn alone(test: &str, setup: &str) -> Result<Option<(Stage, Person, [String; 4])>, Failure> {
    if let Err(answer) = probe::namespaces(&["--net"]) {
        probe::skip(test, &answer);
        return Ok(None);
    }
    if !probe::has_all(test, &["nft", "ip", "nsenter"]) {
        return Ok(None);
    }
    let stage = Stage::new()?;
    let setup = format!("ip link set lo up && {setup} && exec \"$@\"");
    let invite = stage.novice().invites("Kim Aalbers").with("--listen", NOVICE).with("--advertise", NOVICE);
    let mut novice = invite.through(["unshare", "--net", "sh", "-c", &setup, "sh"]).start()?;
    novice.wait_event("listening")?;
    let host = novice.process().id().to_string();
    Ok(Some((stage, novice, ["nsenter".to_owned(), "--target".to_owned(), host, "--net".to_owned()])))
}

/// Runs a line of the shell in there.
fn tool(enter: &[String; 4], line: &str) -> Outcome {
    let output = Process::run(Command::new(&enter[0]).args(&enter[1..]).args(["sh", "-ec", line]))?;
    assert_eq!(output.code(), Some(0), "{line}: {}", output.err);
    Ok(())
}

#[test]
fn a_cable_that_was_pulled_costs_no_question() -> Outcome {
    let test = "a_cable_that_was_pulled_costs_no_question";
    let Some((stage, mut novice, enter)) = alone(test, ADDRESSES)? else { return Ok(()) };
    tool(&enter, "nft 'add table inet cable; add chain inet cable in { type filter hook input priority 0; }'")?;
    let mut expert = stage.expert().through(&enter).watches()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;

    tool(&enter, "nft 'add rule inet cable in meta l4proto tcp drop'")?;
    expert.wait_event("reconnecting")?;
    novice.wait_event("lost")?;
    tool(&enter, "nft 'flush chain inet cable in'")?;
    let back = Instant::now();
    expert.wait_event("returned")?;
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
    novice.wait_event("returned")?;
    expert.wait_event("first_frame")?;
    assert_eq!(novice.story().iter().filter(|event| *event == "consent_asked").count(), 1, "{}", novice.report());
    Ok(())
}

#[test]
fn an_expert_whose_address_changes_is_back_at_once() -> Outcome {
    let test = "an_expert_whose_address_changes_is_back_at_once";
    let Some((stage, mut novice, enter)) = alone(test, ADDRESSES)? else { return Ok(()) };
    let mut expert = stage.expert().through(&enter).watches()?;
    let question = novice.says("y", "view")?;
    assert!(question.text("peer").is_some_and(|peer| peer.starts_with("10.9.0.2:")), "{}", novice.report());
    expert.wait_event("first_frame")?;

    let changed = Instant::now();
    tool(
        &enter,
        "ip addr add 10.9.0.3/32 dev lo; ip route replace local 10.9.0.1 dev lo src 10.9.0.3 table local; \
         ip addr del 10.9.0.2/32 dev lo",
    )?;
    expert.wait_event("returned")?;
    assert!(changed.elapsed() < BACK_WITHIN, "{:?}", changed.elapsed());
    let returned = novice.wait_event("returned")?;
    assert!(returned.text("peer").is_some_and(|peer| peer.starts_with("10.9.0.3:")), "{}", novice.report());
    Ok(())
}

#[test]
fn r040_while_an_expert_is_lost_another_one_is_told_that_somebody_helps_already() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert)?;
    play.expert.signal(Signal::KILL)?;
    play.novice.wait_event("lost")?;
    let mut other = play.stage.expert_called("other").opens(&play.stage.invitation()).start()?;
    assert_eq!(other.exit_code()?, Some(87), "{}", other.report());
    assert_eq!(play.novice.wait_event("refused")?.text("cause"), Some("busy"));
    assert_eq!(play.questions(), 1, "{}", play.novice.report());
    // The novice can end the waiting; the host answers at once.
    play.novice.signal(Signal::TERM)?;
    assert_eq!(play.novice.wait_event("ended")?.text("reason"), Some("host_stopping"));
    assert_eq!(play.novice.exit_code()?, Some(0), "{}", play.novice.report());
    Ok(())
}

#[test]
fn r049_a_ticket_that_is_ended_meanwhile_lets_nobody_come_back() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert)?;
    let ticket = play.novice.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    // The host stays for the sake of another one.
    let other = play.stage.path().join("other.MsRcIncident");
    let mut invite = play.stage.novice().invites("Kim Aalbers").with("--save", &other).start()?;
    assert_eq!(invite.exit_code()?, Some(0), "{}", invite.report());

    play.proxy.stop_forwarding();
    play.expert.wait_event("reconnecting")?;
    let mut end = play.stage.novice().args(["tickets", "expire", &ticket]).start()?;
    assert_eq!(end.exit_code()?, Some(0), "{}", end.report());
    assert_eq!(play.novice.wait_event("ended")?.text("reason"), Some("ticket_ended"));
    play.proxy.cut();
    assert_eq!(play.expert.exit_code()?, Some(1), "{}", play.expert.report());
    assert_eq!(play.expert.wait_event("ended")?.text("reason"), Some("lost"));
    assert!(!play.expert.has_seen("returned"), "{}", play.expert.report());
    Ok(())
}

/// A host that was started anew knows nothing of the session: nobody is asked about somebody who takes it for the old one.
#[test]
fn a_secret_of_a_session_that_is_over_is_worth_nothing_and_nobody_is_asked() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert)?;
    play.novice.signal(Signal::KILL)?;
    play.novice.wait_exit()?;
    play.expert.wait_event("reconnecting")?;
    let addr = play.stage.addr().to_string();
    let mut again = play.stage.novice().args(["serve", "--listen", &addr, "--desktop", "demo"]).start()?;
    again.wait_event("listening")?;
    assert_eq!(play.expert.exit_code()?, Some(1), "{}", play.expert.report());
    assert_eq!(play.expert.wait_event("ended")?.text("reason"), Some("lost"));
    assert!(!again.has_seen("consent_asked"), "{}", again.report());
    let log = std::fs::read_to_string(play.stage.path().join("novice/state/audit.log"))?;
    assert_eq!(log.matches(r#""cause":"late_return""#).count(), 1, "{log}");
    Ok(())
}

#[test]
fn an_expert_who_does_not_want_to_come_back_ends_it() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert)?;
    play.proxy.stop_forwarding();
    play.expert.wait_event("reconnecting")?;
    play.expert.signal(Signal::TERM)?;
    assert_eq!(play.expert.exit_code()?, Some(0), "{}", play.expert.report());
    Ok(())
}

/// Where the novice is in a network of its own, and where an expert calls from.
const NOVICE: &str = "10.9.0.1:3389";
const ADDRESSES: &str = "ip addr add 10.9.0.1/32 dev lo && ip addr add 10.9.0.2/32 dev lo && \
                         ip route replace local 10.9.0.1 dev lo src 10.9.0.2 table local";
/// What the issue asks for.
const BACK_WITHIN: Duration = Duration::from_secs(5);
