//! An expert whose connection is lost comes back: without a second question for seeing, and without control.

use std::time::{Duration, Instant};

use integration::proxy::Proxy;
use integration::{Cast, Expert, Failure, Outcome, Person, Signal, Stage};

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

#[test]
fn an_expert_who_does_not_want_to_come_back_ends_it() -> Outcome {
    let mut play = Apart::viewing(|novice| novice, |expert| expert)?;
    play.proxy.stop_forwarding();
    play.expert.wait_event("reconnecting")?;
    play.expert.signal(Signal::TERM)?;
    assert_eq!(play.expert.exit_code()?, Some(0), "{}", play.expert.report());
    Ok(())
}

/// What the issue asks for.
const BACK_WITHIN: Duration = Duration::from_secs(5);
