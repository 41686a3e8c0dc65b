//! The main job: from an invitation to a controlled desktop, and back.

use integration::{Outcome, Signal};

use crate::session::{NO_INPUT, Session, input_so_far, told_word, typed, word};

#[test]
fn s001_s048_s066_s101_s102_r016_r033_an_invitation_and_a_yes_lead_to_the_picture() -> Outcome {
    let mut session = Session::asked()?;
    let question = session.novice.wait_event("consent_asked")?;
    assert_eq!((question.text("kind"), question.text("name")), (Some("view"), Some("Piet Jansen")));
    // A valid ticket and the right password so far, and nothing to see for it.
    for event in ["viewing", "first_frame", "controlling"] {
        assert!(!session.expert.has_seen(event) && !session.novice.has_seen(event), "{}", session.expert.report());
    }
    session.novice.type_line("y")?;
    session.expert.wait_event("viewing")?;
    session.expert.wait_event("first_frame")?;
    session.novice.wait_event("viewing")?;
    let seen = session.expert.sees("the word of the run", word)?;
    if let Some(told) = told_word(&session.novice) {
        assert_eq!(seen, told);
    }
    assert!(!session.novice.has_seen("controlling"), "a yes to looking is no yes to control");
    Ok(())
}

#[test]
fn s052_s053_r042_r043_at_first_the_expert_only_looks_and_control_needs_a_request() -> Outcome {
    let mut session = Session::viewing_with(|novice| novice, |expert| expert.args(["--type", "unasked"]))?;
    let picture = session.expert.picture()?;
    assert_eq!((input_so_far(&picture).as_str(), typed(&picture).as_str()), (NO_INPUT, ""));
    assert!(!session.novice.has_seen("control_requested"), "nobody asked: {}", session.novice.report());
    session.novice.signal(Signal::TERM)?;
    session.expert.wait_event("ended")?;
    session.novice.wait_exit()?;
    for person in [&session.novice, &*session.expert] {
        assert!(!person.has_seen("controlling"), "{}", person.report());
    }
    assert_eq!(input_so_far(&session.expert.last_picture()?), NO_INPUT);
    Ok(())
}

#[test]
fn s054_s067_s103_r043_control_needs_a_second_yes_and_then_keys_arrive() -> Outcome {
    let mut session =
        Session::viewing_with(|novice| novice, |expert| expert.args(["--request-control", "--type", "tulips"]))?;
    session.novice.wait_event("control_requested")?;
    let question = session.novice.wait_event("consent_asked")?;
    assert_eq!((question.text("kind"), question.text("name")), (Some("control"), Some("Piet Jansen")));
    assert!(!session.expert.has_seen("controlling"), "{}", session.expert.report());
    assert_eq!(input_so_far(&session.expert.picture()?), NO_INPUT);

    session.novice.type_line("y")?;
    session.expert.wait_event("controlling")?;
    session.novice.wait_event("controlling")?;
    session.expert.sees("the typed text", |picture| (typed(picture) == "tulips").then_some(()))
}

#[test]
fn s055_r044_esc_takes_control_back_and_control_needs_another_yes() -> Outcome {
    let mut session = Session::controlling("before")?;
    session.expert.sees("the typed text", |picture| (typed(picture) == "before").then_some(()))?;
    session.novice.press_esc()?;
    assert_eq!(session.novice.wait_event("revoked")?.text("by"), Some("esc"));
    assert_eq!(session.expert.wait_event("revoked")?.text("by"), Some("esc"));
    // The session goes on, for looking.
    session.expert.picture()?;
    assert!(session.novice.process().runs() && !session.novice.has_seen("ended"), "{}", session.novice.report());
    Ok(())
}

#[test]
fn when_the_expert_leaves_both_end_in_good_order() -> Outcome {
    let mut session = Session::viewing_with(|novice| novice, |expert| expert.args(["--for", "1s"]))?;
    session.expert.wait_event("ended")?;
    assert_eq!(session.expert.exit_code()?, Some(0));
    session.novice.wait_event("ended")?;
    assert!(word(&session.expert.last_picture()?).is_some(), "--screenshot is written at the end");
    session.novice.signal(Signal::INT)?;
    assert_eq!(session.novice.exit_code()?, Some(0));
    Ok(())
}

#[test]
fn when_the_novice_stops_the_expert_is_told() -> Outcome {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut session = Session::viewing()?;
        session.novice.signal(signal)?;
        assert_eq!(session.novice.exit_code()?, Some(0), "{}", session.novice.report());
        session.expert.wait_event("ended")?;
        assert_eq!(session.expert.exit_code()?, Some(0), "{}", session.expert.report());
        assert!(session.novice.has_seen("ticket_ended"), "{}", session.novice.report());
    }
    Ok(())
}

#[test]
fn both_speak_nothing_but_json_on_standard_output() -> Outcome {
    let mut session = Session::controlling("x")?;
    session.novice.signal(Signal::TERM)?;
    session.novice.wait_exit()?;
    session.expert.wait_exit()?;
    for person in [&session.novice, &*session.expert] {
        person.process().look(|seen| assert_eq!(seen.stray, Vec::<String>::new()));
    }
    let story = session.novice.story();
    let expected =
        ["invited", "listening", "expert_connecting", "consent_asked", "answered", "viewing", "control_requested"];
    assert_eq!(story[..expected.len()], expected, "{}", session.novice.report());
    let story = session.expert.story();
    let expected = ["opened", "trying", "connected", "authenticated", "viewing", "first_frame"];
    let known: Vec<_> = story.iter().filter(|e| expected.contains(&e.as_str())).collect();
    assert_eq!(known, expected, "{}", session.expert.report());
    Ok(())
}

#[test]
fn r050_a_status_line_says_who_sees_and_how_to_stop() -> Outcome {
    let mut session = Session::controlling("x")?;
    session.novice.until("a status line on the novice's terminal", |seen| {
        let shown = seen.terminal.to_lowercase();
        (shown.contains("piet jansen") && shown.contains("control") && shown.contains("esc")).then_some(())
    })?;
    session.novice.press_esc()?;
    session.novice.wait_event("revoked").map(drop)
}
