//! The question in every session of the novice: agents on terminals and displays of their own, and the host's terminal.

use std::fs;
use std::path::PathBuf;

use integration::{Cast, Expert, Failure, Outcome, Person, Stage};

/// A novice with a host and agents, and where they meet.
struct Sessions {
    stage: Stage,
    runtime: PathBuf,
}

impl Sessions {
    fn new() -> Result<Self, Failure> {
        let stage = Stage::new()?;
        let runtime = stage.path().join("run");
        fs::create_dir(&runtime)?;
        Ok(Self { stage, runtime })
    }

    fn novice(&self) -> Cast<'_> {
        self.stage.novice().env("XDG_RUNTIME_DIR", &self.runtime)
    }

    /// A host on a terminal, which waits for the expert.
    fn host(&self) -> Result<Person, Failure> {
        let mut host = self.novice().invites("Kim Aalbers").start()?;
        host.wait_event("listening")?;
        Ok(host)
    }

    /// An agent on a terminal of its own that is known to the host, and whether it counts.
    fn agent(&self) -> Result<(Person, bool), Failure> {
        let mut agent = self.novice().arg("agent").start()?;
        let counts = agent.wait_event("registered")?.field("counts").and_then(serde_json::Value::as_bool);
        let counts = counts.ok_or_else(|| Failure::new("the event does not say whether it counts"))?;
        Ok((agent, counts))
    }

    fn counting_agent(&self) -> Result<Person, Failure> {
        let (agent, counts) = self.agent()?;
        assert!(counts, "{}", agent.report());
        Ok(agent)
    }

    fn expert(&self) -> Result<Expert, Failure> {
        self.stage.expert().watches()
    }
}

/// Where the host says that the next answer was given, and what it was.
fn answered(host: &mut Person) -> Result<(String, String), Failure> {
    let event = host.wait_event("answered")?;
    let text = |field| event.text(field).unwrap_or_default().to_owned();
    Ok((text("answer"), text("place")))
}

#[test]
fn s049_r034_the_question_stands_in_every_session_and_the_first_answer_decides() -> Outcome {
    for (who, answer) in [(0, "y"), (1, "n"), (2, "y"), (2, "n")] {
        let sessions = Sessions::new()?;
        let host = sessions.host()?;
        let mut people = [host, sessions.counting_agent()?, sessions.counting_agent()?];
        let mut expert = sessions.expert()?;
        for person in &mut people {
            assert_eq!(person.wait_event("consent_asked")?.text("name"), Some("Piet Jansen"));
            person.wait_terminal("Let them see your desktop?")?;
        }
        people[who].type_line(answer)?;
        let (said, place) = answered(&mut people[0])?;
        assert_eq!(said, if answer == "y" { "yes" } else { "no" });
        let expected = if who == 0 { "terminal" } else { "agent pts/" };
        assert!(place.starts_with(expected), "{place}");
        for (at, person) in people.iter_mut().enumerate().skip(1) {
            if at != who {
                person.wait_event("withdrawn")?;
                // Too late, and about nothing.
                person.type_line(if answer == "y" { "n" } else { "y" })?;
            }
        }
        if who != 0 {
            people[0].type_line(if answer == "y" { "n" } else { "y" })?;
        }
        let audit = fs::read_to_string(sessions.stage.path().join("novice/state/audit.log"))?;
        let line = audit.lines().find(|line| line.contains(r#""event":"answered""#)).unwrap_or_default();
        assert!(line.contains(&format!(r#""place":"{place}""#)) && line.contains(&said), "{audit}");
        if answer == "y" {
            expert.wait_event("first_frame")?;
            assert!(!people[0].has_seen("refused") && !people[0].has_seen("ended"), "{}", people[0].report());
        } else {
            assert_eq!(expert.exit_code()?, Some(85), "{}", expert.report());
            assert!(!people[0].has_seen("viewing") && !expert.has_seen("viewing"));
        }
    }
    Ok(())
}

#[test]
fn s049_an_agent_that_came_after_control_was_granted_is_not_asked_and_can_still_end_it() -> Outcome {
    let sessions = Sessions::new()?;
    let mut host = sessions.host()?;
    let mut early = sessions.counting_agent()?;
    let mut expert = sessions.stage.expert().arg("--request-control").watches()?;
    early.says("y", "view")?;
    expert.wait_event("first_frame")?;
    early.says("yes", "control")?;
    host.wait_event("controlling")?;
    // What an expert in control could have started.
    let (mut late, counts) = sessions.agent()?;
    assert!(!counts, "{}", late.report());
    late.wait_terminal("so it is not asked")?;
    late.wait_terminal("CONTROLS")?;
    late.press(b"q")?;
    assert_eq!(host.wait_event("ended")?.text("reason"), Some("stopped"));
    expert.wait_exit()?;

    let mut next = sessions.stage.expert().with("--name", "Another One").start()?;
    early.says("n", "view")?;
    assert_eq!(next.exit_code()?, Some(85));
    assert!(!late.has_seen("consent_asked"), "{}", late.report());
    late.press(b"q")?;
    assert_eq!(late.exit_code()?, Some(0));
    Ok(())
}

#[test]
fn s049_another_program_file_is_no_agent() -> Outcome {
    let sessions = Sessions::new()?;
    let mut host = sessions.host()?;
    let copy = sessions.stage.path().join("novice-host");
    let program = std::env::var_os("RA_NOVICE_HOST")
        .map_or_else(|| integration::programs_dir().join("novice-host"), PathBuf::from);
    fs::copy(program, &copy)?;
    // The shell makes way for the copy, whatever it was told to start.
    let words = [
        "sh".as_ref(),
        "-c".as_ref(),
        "copy=$1; shift 2; exec \"$copy\" \"$@\"".as_ref(),
        "sh".as_ref(),
        copy.as_os_str(),
    ];
    let mut stranger = sessions.novice().arg("agent").through(words).start()?;
    let why = stranger.wait_event("turned_away")?;
    assert!(why.text("why").is_some_and(|why| why.contains("another program file")), "{why}");
    let mut expert = sessions.expert()?;
    host.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85));
    assert!(!stranger.has_seen("consent_asked"), "{}", stranger.report());
    Ok(())
}

#[test]
fn an_agent_that_hangs_up_answers_neither_yes_nor_no() -> Outcome {
    let sessions = Sessions::new()?;
    let mut host = sessions.host()?;
    let mut agent = sessions.counting_agent()?;
    let mut expert = sessions.expert()?;
    agent.wait_event("consent_asked")?;
    agent.press(b"y")?;
    agent.hang_up()?;
    agent.wait_exit()?;
    host.says("y", "view")?;
    assert_eq!(answered(&mut host)?, ("yes".to_owned(), "terminal".to_owned()));
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn a_host_without_a_terminal_asks_through_its_agents_and_without_them_nobody_answers() -> Outcome {
    let sessions = Sessions::new()?;
    // It comes first and waits for the host; later it is the only one to ask.
    let mut agent = sessions.novice().arg("agent").start()?;
    agent.wait_terminal("No host runs now")?;
    let mut host = sessions.novice().through(["setsid", "--fork", "--wait"]).invites("Kim Aalbers").start()?;
    host.wait_event("listening")?;
    agent.wait_event("registered")?;
    let mut expert = sessions.expert()?;
    agent.says("y", "view")?;
    expert.wait_event("first_frame")?;
    agent.wait_terminal("sees your desktop")?;
    agent.press(b"q")?;
    assert_eq!(host.wait_event("ended")?.text("reason"), Some("stopped"));
    expert.wait_exit()?;

    let mut next = sessions.expert()?;
    agent.wait_event("consent_asked")?;
    agent.hang_up()?;
    assert_eq!(host.wait_event("refused")?.text("cause"), Some("no_answer"));
    assert_eq!(next.exit_code()?, Some(86), "{}", next.report());
    Ok(())
}

#[test]
fn an_agent_goes_on_to_the_next_host() -> Outcome {
    let sessions = Sessions::new()?;
    let mut host = sessions.host()?;
    let mut agent = sessions.counting_agent()?;
    host.press(b"q")?;
    host.wait_exit()?;
    agent.wait_event("host_gone")?;
    let mut host = sessions.novice().invites("Kim Aalbers").start()?;
    host.wait_event("listening")?;
    assert_eq!(agent.wait_event("registered")?.field("counts"), Some(&true.into()));
    let mut expert = sessions.expert()?;
    agent.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85));
    assert!(answered(&mut host)?.1.starts_with("agent pts/"));
    Ok(())
}
