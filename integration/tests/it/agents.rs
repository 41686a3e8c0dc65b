//! The question in every session of the novice: agents on terminals and displays of their own, and the host's terminal.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use integration::picture::Line;
use integration::relay::Relay;
use integration::xserver::XServer;
use integration::{Cast, Expert, Failure, Outcome, PATIENCE, Person, Stage, probe};

use crate::codes::code_of;

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
    // In a session of its own, and ended with whoever stands between.
    let alone = ["setsid", "--fork", "--wait", "setpriv", "--pdeathsig", "KILL"];
    let mut host = sessions.novice().through(alone).invites("Kim Aalbers").start()?;
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
    let mut expire = sessions.novice().args(["tickets", "expire", "--all"]).start()?;
    assert_eq!(expire.exit_code()?, Some(0), "{}", expire.report());
    assert_eq!(host.exit_code()?, Some(0), "with its last invitation: {}", host.report());
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

/// Where the agent's window lies on a display, once it is there: left, top, width, height.
fn window(screen: &XServer) -> Result<[i32; 4], Failure> {
    screen.tool("xdotool", &["search", "--sync", "--onlyvisible", "--name", TITLE])?;
    let place =
        screen.tool("xdotool", &["search", "--onlyvisible", "--name", TITLE, "getwindowgeometry", "--shell"])?;
    let value = |name: &str| place.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
    match (value("X="), value("Y="), value("WIDTH="), value("HEIGHT=")) {
        (Some(x), Some(y), Some(width), Some(height)) => Ok([x, y, width, height]),
        _ => Err(Failure::new("no place of the window").seen(place)),
    }
}

/// Gives the keyboard to the agent's window: there is no window manager that would.
fn focus(screen: &XServer) -> Outcome {
    window(screen)?;
    screen.tool("xdotool", &["search", "--onlyvisible", "--name", TITLE, "windowfocus", "--sync"]).map(drop)
}

/// Clicks the button that is the n-th from the right.
fn click(screen: &XServer, from_the_right: i32) -> Outcome {
    let [x, y, width, height] = window(screen)?;
    let at = [x + width - 90 - 160 * from_the_right, y + height - 42].map(|at| at.to_string());
    screen.tool("xdotool", &["mousemove", &at[0], &at[1], "click", "1"]).map(drop)
}

/// What stands in a line of the window.
fn line(screen: &XServer, sessions: &Sessions, index: usize) -> Result<String, Failure> {
    let [x, y, width, _] = window(screen)?;
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    let (ink, paper) = ([0x14, 0x32, 0x4F], [0xFF; 3]);
    let line = Line { x: at(x) + 20, y: at(y) + 20 + 20 * index, scale: 1, cells: at(width - 40) / 10, ink, paper };
    Ok(screen.picture(sessions.stage.path())?.text(line))
}

const TITLE: &str = "^Remote Assistance$";
const YES: i32 = 0;
const STOP: i32 = 0;
const X11: &[&str] = &["Xvfb", "xdotool", "import"];

/// The words of a code stand in the question, wherever that is put: in a window, and on a terminal.
#[test]
fn the_words_of_a_code_stand_in_the_question_of_each_agent() -> Outcome {
    if !probe::has_all("the_words_of_a_code_stand_in_the_question_of_each_agent", X11) {
        return Ok(());
    }
    let sessions = Sessions::new()?;
    let screen = XServer::virtual_screen(1000, 700)?;
    let relay = Relay::start(sessions.stage.path())?;
    let novice = sessions.novice().args(["invite", "--code", "--desktop", "demo", "--relay", relay.url()]);
    let mut host = relay.believed_by(novice).start()?;
    let code = code_of(&mut host)?;
    let terminal = sessions.counting_agent()?;
    let mut shown = sessions.novice().arg("agent").env("DISPLAY", screen.display()).start()?;
    shown.wait_event("registered")?;
    let expert = sessions.stage.expert_called("expert").args(["code", &code, "--yes", "--no-window"]);
    let expert = expert.args(["--name", "Piet Jansen", "--relay", relay.url()]);
    let mut expert = relay.believed_by(expert).start()?;
    let words = expert.wait_event("met")?.text("words").unwrap_or_default().to_owned();
    assert_eq!(words.split(' ').count(), 4, "{words}");
    terminal.wait_terminal(&format!("or is somebody else: {words}."))?;
    shown.wait_event("consent_asked")?;
    let lines = (0..6).map(|at| line(&screen, &sessions, at)).collect::<Result<Vec<_>, _>>()?;
    let text = lines.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("or is somebody else: {words}.")), "{text}");
    click(&screen, YES)?;
    assert_eq!(answered(&mut host)?, ("yes".to_owned(), format!("agent {}", screen.display())));
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn s049_r034_two_displays_and_a_terminal_are_asked_and_the_first_answer_closes_the_others() -> Outcome {
    let name = "s049_r034_two_displays_and_a_terminal_are_asked_and_the_first_answer_closes_the_others";
    if !probe::has_all(name, X11) {
        return Ok(());
    }
    let sessions = Sessions::new()?;
    let screens = [XServer::virtual_screen(1000, 700)?, XServer::virtual_screen(1000, 700)?];
    let mut host = sessions.host()?;
    let mut terminal = sessions.counting_agent()?;
    let mut windows = Vec::new();
    for screen in &screens {
        let mut agent = sessions.novice().arg("agent").env("DISPLAY", screen.display()).start()?;
        assert_eq!(agent.wait_event("registered")?.field("counts"), Some(&true.into()));
        windows.push(agent);
    }
    let mut expert = sessions.stage.expert().args(["--request-control", "--type", "tulips"]).watches()?;
    let everywhere = |windows: &mut Vec<Person>, terminal: &mut Person, kind: &str| -> Outcome {
        for agent in windows.iter_mut().chain([terminal]) {
            assert_eq!(agent.wait_event("consent_asked")?.text("kind"), Some(kind));
        }
        Ok(())
    };

    // Seeing: yes, in the second window.
    everywhere(&mut windows, &mut terminal, "view")?;
    let text = line(&screens[0], &sessions, 0)?;
    assert!(text.starts_with("Piet Jansen wants to see your desktop."), "{text}");
    click(&screens[1], YES)?;
    assert_eq!(answered(&mut host)?, ("yes".to_owned(), format!("agent {}", screens[1].display())));
    windows[0].wait_event("withdrawn")?;
    terminal.wait_event("withdrawn")?;
    expert.wait_event("first_frame")?;

    // Controlling: no, in the first window, by the key that is the default.
    everywhere(&mut windows, &mut terminal, "control")?;
    focus(&screens[0])?;
    screens[0].tool("xdotool", &["key", "Return"])?;
    assert_eq!(answered(&mut host)?, ("no".to_owned(), format!("agent {}", screens[0].display())));
    windows[1].wait_event("withdrawn")?;
    terminal.wait_event("withdrawn")?;
    expert.wait_event("control_refused")?;

    // Who sees it stands in the corner of both, and can be stopped there.
    for screen in &screens {
        let text = line(screen, &sessions, 0)?;
        assert!(text.starts_with("Piet Jansen (127."), "{text}");
    }
    click(&screens[0], STOP)?;
    assert_eq!(host.wait_event("ended")?.text("reason"), Some("stopped"));
    expert.wait_exit()?;
    assert!(!host.has_seen("controlling"), "{}", host.report());
    Ok(())
}

#[test]
fn a_key_before_a_question_could_be_read_means_nothing() -> Outcome {
    if !probe::has_all("a_key_before_a_question_could_be_read_means_nothing", X11) {
        return Ok(());
    }
    let sessions = Sessions::new()?;
    let screen = XServer::virtual_screen(1000, 700)?;
    let mut host = sessions.host()?;
    let mut agent = sessions.novice().arg("agent").env("DISPLAY", screen.display()).start()?;
    agent.wait_event("registered")?;
    // Without a window manager keys go where the pointer is, and that is where the question comes up.
    screen.tool("xdotool", &["mousemove", "500", "350"])?;
    let mut expert = sessions.expert()?;
    let deadline = Instant::now() + PATIENCE;
    while !agent.has_seen("answered") {
        assert!(Instant::now() < deadline, "{}", agent.report());
        screen.tool("xdotool", &["key", "Return"])?;
    }
    // Somebody who types on, and hits Enter in the middle of it, has at last said no: never before it could be read.
    assert_eq!(agent.story(), ["registered", "consent_asked", "answered"], "{}", agent.report());
    assert_eq!(answered(&mut host)?.0, "no");
    assert_eq!(expert.exit_code()?, Some(85));
    Ok(())
}

#[test]
fn s049_a_host_without_a_display_shares_the_one_whose_key_an_agent_hands_over() -> Outcome {
    let name = "s049_a_host_without_a_display_shares_the_one_whose_key_an_agent_hands_over";
    if !probe::has_all(name, X11) {
        return Ok(());
    }
    let sessions = Sessions::new()?;
    let key = sessions.stage.path().join("Xauthority");
    fs::write(&key, xauthority(&COOKIE))?;
    let screen = XServer::guarded(1000, 700, &key)?;
    let lock_out = sessions.stage.path().join("empty");
    fs::write(&lock_out, "")?;
    // Without the key that display is shut, so it is the agent's key that opens it.
    let agent = sessions.novice().arg("agent").env("DISPLAY", screen.display()).env("XAUTHORITY", &lock_out);
    assert_ne!(agent.start()?.exit_code()?, Some(0));
    let agent = sessions.novice().arg("agent").env("DISPLAY", screen.display()).env("XAUTHORITY", &key);
    let mut agent = agent.env("RUST_LOG", "trace").start()?;
    let host = sessions.novice().invites_on("auto", "Kim Aalbers").arg("--password-file");
    let mut host = host.arg(sessions.stage.password_file()).env("RUST_LOG", "trace").start()?;
    host.wait_event("listening")?;
    let mut expert = sessions.expert()?;
    agent.wait_event("consent_asked")?;
    screen.guarded_tool(&key, "xdotool", &["search", "--onlyvisible", "--name", TITLE, "windowfocus", "--sync"])?;
    screen.guarded_tool(&key, "xdotool", &["key", "Tab"])?;
    screen.guarded_tool(&key, "xdotool", &["key", "Return"])?;
    assert_eq!(answered(&mut host)?.0, "yes");
    expert.wait_event("first_frame")?;
    expert.sees("that display", |picture| (picture.width() == 1000).then_some(()))?;
    let digits: String = COOKIE.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{COOKIE:?}");
    for person in [&host, &agent] {
        let report = person.process().look(|seen| format!("{}{}{}", seen.out, seen.err, seen.terminal));
        assert!(report.contains("TRACE") || report.contains("DEBUG"), "the logs are on");
        assert!(!report.contains(&digits) && !report.contains(list.trim_matches(['[', ']'])), "the key is in a log");
    }
    Ok(())
}

/// A file with this key for any display.
fn xauthority(cookie: &[u8]) -> Vec<u8> {
    let wild: u16 = 0xFFFF;
    let mut file = wild.to_be_bytes().to_vec();
    for field in [&b""[..], b"", b"MIT-MAGIC-COOKIE-1", cookie] {
        file.extend(u16::try_from(field.len()).unwrap_or_default().to_be_bytes());
        file.extend(field);
    }
    file
}

const COOKIE: [u8; 16] = [0xC0, 0x01, 0xC1, 0xE5, 7, 91, 13, 201, 33, 180, 99, 142, 55, 250, 76, 118];
