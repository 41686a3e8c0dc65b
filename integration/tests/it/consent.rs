//! The novice's answers, and everything that is not one.

use integration::hostile::call;
use integration::{Outcome, Signal, Stage};

use crate::session::{NO_INPUT, Session, input_so_far};

#[test]
fn s048_s102_r037_no_means_no_and_the_ticket_stays_open() -> Outcome {
    let mut session = Session::asked()?;
    session.novice.says("n", "view")?;
    let refused = session.novice.wait_event("refused")?;
    assert_eq!(refused.text("cause"), Some("declined"));
    session.expert.wait_event("ended")?;
    assert_eq!(session.expert.exit_code()?, Some(85));
    assert!(!session.expert.has_seen("viewing"), "{}", session.expert.report());
    assert!(session.novice.process().runs() && !session.novice.has_seen("ticket_ended"), "{}", session.novice.report());
    Ok(())
}

#[test]
fn r040a_after_a_no_nobody_is_asked_again_at_once() -> Outcome {
    let mut session = Session::asked()?;
    session.novice.says("n", "view")?;
    session.expert.wait_exit()?;
    let mut again = session.stage.expert().start()?;
    again.wait_exit()?;
    let questions = session.novice.story().iter().filter(|e| *e == "consent_asked").count();
    assert_eq!(questions, 1, "{}", session.novice.report());
    Ok(())
}

#[test]
fn s054_s103_r043_a_no_to_control_leaves_the_expert_looking() -> Outcome {
    let mut session =
        Session::viewing_with(|novice| novice, |expert| expert.args(["--request-control", "--type", "tulips"]))?;
    session.novice.says("no", "control")?;
    session.expert.wait_event("control_refused")?;
    assert_eq!(input_so_far(&session.expert.picture()?), NO_INPUT);
    assert!(!session.novice.has_seen("controlling") && session.novice.process().runs());
    Ok(())
}

#[test]
fn only_a_whole_y_or_yes_is_a_yes() -> Outcome {
    for answer in ["", "maybe", "yy", "y n", "sure", "\u{1b}[A"] {
        let mut session = Session::asked()?;
        session.novice.says(answer, "view")?;
        let refused = session.novice.wait_event("refused")?;
        assert_eq!(refused.text("cause"), Some("declined"), "{answer:?}");
        assert_eq!(session.expert.exit_code()?, Some(85), "{answer:?}");
    }
    let mut session = Session::asked()?;
    session.novice.says("yes", "view")?;
    session.expert.wait_event("first_frame").map(drop)
}

#[test]
fn what_was_typed_before_the_question_answers_nothing() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    for _ in 0..3 {
        novice.type_line("y")?;
    }
    let mut expert = stage.expert().start()?;
    novice.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85), "{}", novice.report());
    assert!(!novice.has_seen("viewing"));
    Ok(())
}

#[test]
fn a_hang_up_at_the_question_is_a_no() -> Outcome {
    let mut session = Session::asked()?;
    session.novice.wait_event("consent_asked")?;
    session.novice.hang_up()?;
    session.novice.wait_exit()?;
    assert_ne!(session.expert.exit_code()?, Some(0), "{}", session.expert.report());
    assert!(!session.expert.has_seen("viewing") && !session.novice.has_seen("viewing"));
    Ok(())
}

#[test]
fn half_an_answer_and_then_a_hang_up_is_a_no() -> Outcome {
    let mut session = Session::asked()?;
    session.novice.wait_event("consent_asked")?;
    session.novice.press(b"y")?;
    session.novice.hang_up()?;
    session.novice.wait_exit()?;
    session.expert.wait_exit()?;
    assert!(!session.expert.has_seen("viewing") && !session.novice.has_seen("viewing"), "{}", session.novice.report());
    Ok(())
}

#[test]
fn an_expert_who_leaves_takes_the_question_along() -> Outcome {
    let mut session = Session::asked()?;
    session.novice.wait_event("consent_asked")?;
    session.expert.signal(Signal::KILL)?;
    session.novice.until("the end of the attempt", |seen| {
        seen.events.iter().any(|e| ["ended", "lost", "refused"].contains(&e.name())).then_some(())
    })?;
    // A yes that comes too late is for nobody: the next expert is asked about anew.
    session.novice.type_line("y")?;
    let mut next = session.stage.expert().with("--name", "Another One").start()?;
    let question = session.novice.wait_event("consent_asked")?;
    assert_eq!(question.text("name"), Some("Another One"));
    assert!(!next.has_seen("viewing"));
    session.novice.type_line("n")?;
    assert_eq!(next.exit_code()?, Some(85));
    Ok(())
}

#[test]
fn s075_s106_r045_where_policy_forbids_control_nobody_is_asked() -> Outcome {
    for view_only in [true, false] {
        let mut session = Session::asked_with(
            |novice| if view_only { novice.arg("--view-only") } else { novice },
            |expert| expert.args(["--request-control", "--type", "x"]),
        )?;
        if !view_only {
            // The layer that forbids it was there before the host: see below for the order.
            session.novice.signal(Signal::KILL)?;
            let stage = Stage::new()?;
            stage.policy("fAllowFullControl = 0\n")?;
            let mut host = stage.novice().invites("Kim Aalbers").start()?;
            host.wait_event("listening")?;
            let expert = stage.expert().args(["--request-control", "--type", "x"]).watches()?;
            session = Session { expert, novice: host, stage };
        }
        session.novice.says("y", "view")?;
        assert_eq!(session.novice.wait_event("refused")?.text("cause"), Some("policy_control"));
        session.expert.wait_event("control_refused")?;
        assert_eq!(input_so_far(&session.expert.picture()?), NO_INPUT);
        let questions = session.novice.story().iter().filter(|e| *e == "consent_asked").count();
        assert_eq!(questions, 1, "{}", session.novice.report());
    }
    Ok(())
}

#[test]
fn without_a_place_to_ask_nothing_is_hosted() -> Outcome {
    let stage = Stage::new()?;
    // A session of its own without a terminal: nobody is there.
    let mut novice = stage.novice().through(["setsid", "--fork", "--wait"]).invites("Kim Aalbers").start()?;
    let code = novice.exit_code()?;
    assert!(code.is_some_and(|c| c != 0), "{}", novice.report());
    assert!(!novice.has_seen("listening") && !stage.invitation().exists(), "{}", novice.report());
    assert!(call([127, 0, 0, 1].into(), stage.addr())?.is_none(), "nobody listens");
    Ok(())
}
