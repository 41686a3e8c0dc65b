//! Passwords: asked for when there is one, checked by the novice's computer, and not often.

use integration::{Outcome, PASSWORD, Person, Stage};

/// A host whose invitation shows no address before the password is proved wrong: type 1.
fn host(stage: &Stage, kind: &str) -> Result<Person, integration::Failure> {
    let mut novice = stage.novice().invites("Kim Aalbers").args(["--kind", kind]).start()?;
    novice.wait_event("listening")?;
    Ok(novice)
}

#[test]
fn s027_s047_r029_r038_the_novices_computer_checks_the_password_before_anybody_is_asked() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = host(&stage, "v1")?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let mut expert = stage.expert().with("--password-file", &wrong).start()?;
    assert_eq!(novice.wait_event("refused")?.text("cause"), Some("wrong_password"));
    assert_eq!(expert.exit_code()?, Some(83), "{}", expert.report());
    assert!(expert.has_seen("connected"), "the viewer had nothing to check it against: {}", expert.report());
    assert!(!novice.has_seen("consent_asked") && !novice.has_seen("ticket_ended"), "{}", novice.report());
    // The right one still works.
    let mut expert = stage.expert().start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn r039_after_five_wrong_passwords_the_ticket_is_locked_for_a_while() -> Outcome {
    let stage = Stage::new()?;
    let novice = host(&stage, "v1")?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    for _ in 0..5 {
        let mut expert = stage.expert().with("--password-file", &wrong).start()?;
        assert_eq!(expert.exit_code()?, Some(83), "{}", novice.report());
    }
    let mut expert = stage.expert().with("--password-file", &wrong).start()?;
    assert_eq!(expert.exit_code()?, Some(84), "{}", novice.report());
    novice.until("that the ticket is locked", |seen| {
        seen.events.iter().any(|e| e.name() == "refused" && e.text("cause") == Some("locked")).then_some(())
    })?;
    // From an address that failed not even the right one passes the lock.
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(84), "{}", novice.report());
    assert!(!novice.has_seen("consent_asked"));
    Ok(())
}

#[test]
fn a_wrong_password_for_a_type_2_file_is_noticed_without_a_network() -> Outcome {
    let stage = Stage::new()?;
    let novice = host(&stage, "v2")?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let mut expert = stage.expert().with("--password-file", &wrong).start()?;
    assert_eq!(expert.exit_code()?, Some(65), "{}", expert.report());
    assert!(!expert.has_seen("trying") && !novice.has_seen("refused"), "{}", expert.report());
    Ok(())
}

#[test]
fn every_kind_of_invitation_leads_to_the_picture() -> Outcome {
    for kind in ["both", "v2", "v1"] {
        let stage = Stage::new()?;
        let mut novice = host(&stage, kind)?;
        let mut expert = stage.expert().start()?;
        novice.says("y", "view")?;
        expert.wait_event("first_frame")?;
        novice.wait_event("viewing")?;
    }
    Ok(())
}

#[test]
fn s026_r020_the_password_is_asked_for_when_there_is_one_and_only_then() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = host(&stage, "both")?;
    let mut expert = stage.expert().without("--password-file", 1).start()?;
    expert
        .until("a question for the password", |seen| seen.terminal.to_lowercase().contains("password").then_some(()))?;
    assert!(!novice.has_seen("consent_asked"));
    expert.type_line(PASSWORD)?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    assert!(!expert.terminal().contains(PASSWORD), "it is not shown: {}", expert.report());

    let stage = Stage::new()?;
    let invite = stage.novice().invites_on("demo", "Kim Aalbers");
    let mut novice = invite.args(["--no-password", "--kind", "v1"]).start()?;
    novice.wait_event("listening")?;
    let mut expert = stage.expert().without("--password-file", 1).start()?;
    assert_eq!(expert.wait_event("opened")?.field("password_needed"), Some(&false.into()));
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    assert!(!expert.terminal().to_lowercase().contains("password"), "{}", expert.report());
    Ok(())
}

#[test]
fn r015_a_generated_password_stands_on_the_terminal_and_nowhere_else() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites_on("demo", "Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let password = novice.until("a password on the terminal", |seen| {
        let words = seen.terminal.split(|c: char| !c.is_ascii_alphanumeric());
        let is_one = |w: &&str| w.len() == 12 && w.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        words.into_iter().find(is_one).map(str::to_owned)
    })?;
    novice.process().look(|seen| {
        let events = seen.events.iter().map(ToString::to_string).collect::<String>();
        assert!(!events.contains(&password) && !seen.err.contains(&password));
    });
    assert!(!std::fs::read_to_string(stage.invitation())?.contains(&password));
    let file = stage.write("told", &format!("{password}\n"))?;
    let mut expert = stage.expert().with("--password-file", file).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}
