//! A session by code whose path dies comes back by itself, in the laboratory: the relay is killed, a cable pulled, the router
//! gives another address. Without a second question for seeing, and without control.
//!
//! `RA_RUNS=20` plays each of them twenty times and says how long it took.

use std::time::{Duration, Instant};

use integration::lab::cell::{code_of, invites, opens, says_a_code, sees, types_a_code};
use integration::lab::relay::Relay;
use integration::lab::{self, Address, Lab, Site};
use integration::{Expert, Failure, Outcome, Person, Stage};

use crate::session::typed;

/// A novice and an expert who met by a code; the expert controls.
struct Together {
    expert: Expert,
    novice: Person,
    relays: Vec<Relay>,
    lab: Lab,
    _stage: Stage,
}

impl Together {
    fn controlling(novice: &str, expert: &str, relays: &[&str], way: &str) -> Result<Self, Failure> {
        let count = relays.len().to_string();
        let (lab, stage) = (Site::of(novice, expert).with(&["--relays", &count]).up()?, Stage::new()?);
        let relays: Vec<Relay> =
            relays.iter().map(|node| Relay::start(&lab, node, stage.path())).collect::<Result<_, _>>()?;
        let known: Vec<&Relay> = relays.iter().collect();
        let mut novice = says_a_code(&stage, &lab, &known).start()?;
        let code = code_of(&mut novice)?;
        let expert = types_a_code(&stage, &lab, &known, &code).args(CONTROLS).watches()?;
        let together = Self { expert, novice, relays, lab, _stage: stage }.begin()?;
        together.way_is(way)?;
        Ok(together)
    }

    /// The same by a file, whose addresses lead nowhere and whose route does.
    fn by_file() -> Result<Self, Failure> {
        let (lab, stage) = (Site::of("nat+symmetric", "nat+symmetric").up()?, Stage::new()?);
        let relay = Relay::start(&lab, "relay", stage.path())?;
        let mut novice = Relay::known_to(&[&relay], invites(&stage, &lab, "novice")).start()?;
        novice.wait_event("listening")?;
        let mut expert = relay.believed_by(opens(&stage, &lab, "expert")).args(CONTROLS).watches()?;
        let reached = expert.wait_event("connected")?;
        assert_eq!(reached.text("endpoint"), Some("relay.natlab:443"));
        Self { expert, novice, relays: vec![relay], lab, _stage: stage }.begin()
    }

    /// The expert sees, controls and types.
    fn begin(mut self) -> Result<Self, Failure> {
        sees(&mut self.expert, &mut self.novice)?;
        self.novice.says("y", "control")?;
        self.expert.wait_event("controlling")?;
        self.expert.type_line("before")?;
        self.expert.sees("what was typed", |picture| typed(picture).starts_with("before").then_some(()))?;
        Ok(self)
    }

    /// The relay dies, and is started again later. Gives the time from then on.
    fn loses_its_relay(mut self) -> Result<Duration, Failure> {
        self.relays[0].kill()?;
        let killed = Instant::now();
        self.both_notice()?;
        self.nobody_comes_back_until(killed + GONE)?;
        let back = self.relays[0].revive()?;
        self.comes_back(back)
    }

    /// Waits until the newest that the expert's program told of the way is this.
    fn way_is(&self, way: &str) -> Outcome {
        self.expert.until(way, |seen| {
            let told = seen.events.iter().rev().find(|event| ["met", "path"].contains(&event.name()))?;
            (told.text("via") == Some(way)).then_some(())
        })
    }

    /// Both notice that the path is gone.
    fn both_notice(&mut self) -> Outcome {
        self.expert.wait_event("reconnecting")?;
        self.novice.wait_event("lost").map(drop)
    }

    /// For the rest of this time nobody comes back.
    fn nobody_comes_back_until(&mut self, moment: Instant) -> Outcome {
        let rest = moment.saturating_duration_since(Instant::now());
        assert!(self.expert.wait_event_within("returned", rest).is_err(), "{}", self.expert.report());
        Ok(())
    }

    /// The session is there again: the same desktop, without a question, and nobody touches it. Gives the time that it took.
    fn comes_back(&mut self, since: Instant) -> Result<Duration, Failure> {
        self.expert.wait_event("returned")?;
        self.novice.wait_event("returned")?;
        // That of the new connection: the first one was waited for.
        self.expert.wait_event("first_frame")?;
        let took = since.elapsed();
        self.expert.type_line("after")?;
        let field =
            self.expert.sees("the desktop again", |picture| picture.demo_word().is_some().then(|| typed(picture)))?;
        assert!(field.starts_with("before") && !field.contains("after"), "{field}");
        assert_eq!(self.questions(), 2, "one for seeing, one for control: {}", self.novice.report());
        let controlled = self.expert.story().iter().filter(|event| *event == "controlling").count();
        assert_eq!(controlled, 1, "{}", self.expert.report());
        Ok(took)
    }

    fn questions(&self) -> usize {
        self.novice.story().iter().filter(|event| *event == "consent_asked").count()
    }

    /// A tool on a node that has to succeed.
    fn tool(&self, node: &str, words: &[&str]) -> Outcome {
        let output = self.lab.run(node, words)?;
        assert_eq!(output.code(), Some(0), "{words:?}: {}", output.err);
        Ok(())
    }
}

/// Plays it as often as is asked for, once without; each time within the limit.
fn each_time(test: &str, play: impl Fn() -> Result<Duration, Failure>) -> Outcome {
    if !lab::ready(test) {
        return Ok(());
    }
    let runs = std::env::var("RA_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let mut late = Vec::new();
    for run in 1..=runs {
        let took = play()?;
        eprintln!("{test}, run {run} of {runs}: {:.2} s", took.as_secs_f64());
        if took >= BACK_WITHIN {
            late.push(took);
        }
    }
    assert!(late.is_empty(), "{} of {runs} too late: {late:?}", late.len());
    Ok(())
}

#[test]
fn a_relay_that_was_killed_and_started_again_costs_no_question() -> Outcome {
    each_time("a_relay_that_was_killed_and_started_again_costs_no_question", || {
        Together::controlling("nat+symmetric", "nat+symmetric", &["relay"], "relay")?.loses_its_relay()
    })
}

#[test]
fn a_session_by_the_route_of_a_file_comes_back_with_its_relay_too() -> Outcome {
    each_time("a_session_by_the_route_of_a_file_comes_back_with_its_relay_too", || {
        Together::by_file()?.loses_its_relay()
    })
}

#[test]
fn a_cable_that_was_pulled_from_a_direct_session_costs_no_question() -> Outcome {
    each_time("a_cable_that_was_pulled_from_a_direct_session_costs_no_question", || {
        let mut play = Together::controlling("nat", "nat", &["relay"], "direct")?;
        // At the router's end: the computer keeps its address and sees that nothing is plugged in.
        play.tool("novice-router", &["ip", "link", "set", "p0", "down"])?;
        let pulled = Instant::now();
        play.both_notice()?;
        play.nobody_comes_back_until(pulled + GONE)?;
        play.tool("novice-router", &["ip", "link", "set", "p0", "up"])?;
        play.comes_back(Instant::now())
    })
}

#[test]
fn the_relay_that_is_left_takes_the_session_on() -> Outcome {
    each_time("the_relay_that_is_left_takes_the_session_on", || {
        let mut play = Together::controlling("nat+symmetric", "nat+symmetric", &["relay", "relay2"], "relay")?;
        let used = play.expert.until("the relay in use", |seen| {
            let told = seen.events.iter().rev().find(|event| ["met", "path"].contains(&event.name()))?;
            Some(usize::from(told.text("peer")?.contains("relay2")))
        })?;
        play.relays[used].kill()?;
        let killed = Instant::now();
        play.both_notice()?;
        play.comes_back(killed)
    })
}

#[test]
fn an_outside_address_that_changes_is_followed() -> Outcome {
    each_time("an_outside_address_that_changes_is_followed", || {
        let mut play = Together::controlling("nat", "nat", &["relay"], "direct")?;
        play.lab.reboot("expert", Address::New)?;
        let back = Instant::now();
        play.expert.type_line("tulips")?;
        play.expert.sees("what was typed after that", |picture| typed(picture).contains("tulips").then_some(()))?;
        assert!(!play.novice.has_seen("lost"), "{}", play.novice.report());
        Ok(back.elapsed())
    })
}

#[test]
fn a_novice_who_waits_is_found_as_soon_as_the_relay_is_back() -> Outcome {
    each_time("a_novice_who_waits_is_found_as_soon_as_the_relay_is_back", || {
        let (lab, stage) = (Site::of("nat+symmetric", "nat+symmetric").up()?, Stage::new()?);
        let mut relay = Relay::start(&lab, "relay", stage.path())?;
        let mut novice = says_a_code(&stage, &lab, &[&relay]).start()?;
        let code = code_of(&mut novice)?;
        relay.kill()?;
        assert!(novice.wait_event_within("met", GONE).is_err(), "{}", novice.report());
        let back = relay.revive()?;
        let mut expert = types_a_code(&stage, &lab, &[&relay], &code).watches()?;
        expert.wait_event("met")?;
        let took = back.elapsed();
        sees(&mut expert, &mut novice)?;
        Ok(took)
    })
}

/// The expert asks for control, and types what the test says.
const CONTROLS: [&str; 3] = ["--request-control", "--type", "-"];
/// As long as the issue says.
const GONE: Duration = Duration::from_secs(20);
/// What the issue asks for.
const BACK_WITHIN: Duration = Duration::from_secs(5);
