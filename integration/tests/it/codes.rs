//! Codes: somebody says sixteen characters, somebody types them, and a relay that can read nothing stands in between.

use std::collections::BTreeSet;
use std::fs;

use integration::relay::Relay;
use integration::{Cast, Event, Failure, Outcome, Person, Signal, Stage};

use crate::session::{told_word, word};

/// A novice who says a code.
fn saying<'a>(stage: &'a Stage, relay: &Relay) -> Cast<'a> {
    let novice = stage.novice().args(["invite", "--code", "--name", "Kim Aalbers", "--desktop", "demo"]);
    relay.believed_by(novice.args(["--relay", relay.url()]))
}

/// An expert who types one.
fn typing<'a>(stage: &'a Stage, relay: &Relay, code: &str) -> Cast<'a> {
    let expert = stage.expert_called("expert").args(["code", code, "--yes", "--no-window", "--name", "Piet Jansen"]);
    relay.believed_by(expert.args(["--relay", relay.url()]))
}

/// The code that stands on the novice's terminal.
pub(crate) fn code_of(novice: &mut Person) -> Result<String, Failure> {
    novice.wait_event("invited")?;
    novice.until("a code on the terminal", |output| after(&output.terminal, "Code: "))
}

pub(crate) fn after(terminal: &str, label: &str) -> Option<String> {
    let rest = terminal.split(label).nth(1)?;
    // The whole line is there when its end is.
    rest.contains('\n').then(|| rest.split_whitespace().next().unwrap_or_default().to_owned())
}

fn words(event: &Event) -> Option<String> {
    event.text("words").map(str::to_owned)
}

#[test]
fn s003_s078_a_code_leads_to_the_picture_and_nothing_listens_for_it() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).start()?;
    let code = code_of(&mut novice)?;
    assert_eq!(listening(&novice)?, BTreeSet::new(), "no port is open");
    assert!(!novice.has_seen("listening"), "{}", novice.report());

    let mut expert = typing(&stage, &relay, &code).watches()?;
    let met = novice.wait_event("met")?;
    assert!(!novice.has_seen("expert_connecting"), "the code comes before Remote Desktop");
    let seen = expert.wait_event("met")?;
    assert_eq!(words(&met), words(&seen), "the same words on both screens");
    assert_eq!(words(&met).map(|words| words.split(' ').count()), Some(4));

    let question = novice.wait_event("consent_asked")?;
    // In the question too, where they are needed.
    novice.wait_terminal(&format!("or is somebody else: {}.", words(&met).unwrap_or_default()))?;
    assert_eq!((question.text("kind"), question.text("name")), (Some("view"), Some("Piet Jansen")));
    assert!(!expert.has_seen("viewing"), "{}", expert.report());
    novice.type_line("y")?;
    expert.wait_event("first_frame")?;
    let shown = expert.sees("the word of the run", word)?;
    if let Some(told) = told_word(&novice) {
        assert_eq!(shown, told);
    }
    for place in [novice.text(), expert.text()] {
        assert!(!place.contains(&code), "the code is for a terminal, and stands nowhere else");
    }
    expert.signal(Signal::TERM)?;
    assert_eq!(expert.exit_code()?, Some(0), "{}", expert.report());
    novice.wait_event("ended").map(drop)
}

/// The last words of a session go by the connection that ends with it.
#[test]
fn the_end_by_the_novice_is_heard_by_the_expert_of_a_code() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).start()?;
    let code = code_of(&mut novice)?;
    let mut expert = typing(&stage, &relay, &code).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    novice.press(b"q")?;
    let reason = expert.wait_event("ended")?;
    assert_eq!(reason.text("reason"), Some("novice_ended"), "{}", expert.report());
    assert!(!expert.has_seen("reconnecting"), "{}", expert.report());
    assert_eq!(expert.exit_code()?, Some(0), "{}", expert.report());
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    Ok(())
}

#[test]
fn r037_a_no_is_a_no_with_a_code_too() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).start()?;
    let code = code_of(&mut novice)?;
    let mut expert = typing(&stage, &relay, &code).start()?;
    novice.says("n", "view")?;
    assert_eq!(expert.exit_code()?, Some(85), "{}", expert.report());
    assert!(!expert.has_seen("viewing"));
    // And the code was good once.
    let mut again = typing(&stage, &relay, &code).start()?;
    assert_eq!(again.exit_code()?, Some(69), "{}", again.report());
    Ok(())
}

#[test]
fn a_password_goes_with_the_code_and_five_wrong_ones_end_it() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).arg("--password-file").arg(stage.password_file()).start()?;
    let code = code_of(&mut novice)?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    for left in [4, 3, 2, 1, 0] {
        let mut stranger = typing(&stage, &relay, &code).arg("--password-file").arg(&wrong).start()?;
        assert_eq!(stranger.exit_code()?, Some(83), "{}", stranger.report());
        assert_eq!(novice.wait_event("code_refused")?.number("left"), Some(left));
    }
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    assert!(!novice.has_seen("expert_connecting") && !novice.has_seen("consent_asked"), "{}", novice.report());
    Ok(())
}

#[test]
fn the_right_password_with_the_code_leads_to_the_question() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).arg("--password-file").arg(stage.password_file()).start()?;
    let code = code_of(&mut novice)?;
    let mut expert = typing(&stage, &relay, &code).start()?;
    expert.wait_terminal("Password that goes with the code")?;
    expert.type_line(integration::PASSWORD)?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn a_mistyped_code_is_told_by_its_group_and_nobody_is_looked_for() -> Outcome {
    let stage = Stage::new()?;
    let expert = stage.expert_called("expert").args(["code", "7K3M-Q9TU-2V6H-PC4D", "--yes", "--no-window"]);
    // Nobody listens there: had it been looked for, that would be the error.
    let mut expert = expert.args(["--relay", "https://127.0.0.1:9"]).start()?;
    assert_eq!(expert.exit_code()?, Some(65), "{}", expert.report());
    assert!(expert.report().contains("group 2 of the code"), "{}", expert.report());
    Ok(())
}

#[test]
fn without_a_relay_it_says_so_before_it_promises_anything() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().args(["invite", "--code", "--desktop", "demo"]).start()?;
    assert_eq!(novice.exit_code()?, Some(2), "{}", novice.report());
    assert!(novice.report().contains("no relay is known here"), "{}", novice.report());
    assert_eq!(novice.story(), Vec::<String>::new());
    assert!(!novice.terminal().contains("Code:"));
    let mut expert =
        stage.expert_called("expert").args(["code", "7K3M-Q9TX-2V6H-PC4D", "--yes", "--no-window"]).start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    Ok(())
}

#[test]
fn a_list_of_relays_in_the_settings_is_enough() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    for home in ["novice", "expert"] {
        fs::create_dir_all(stage.path().join(home).join("config"))?;
        fs::write(stage.path().join(home).join("config/relays"), format!("# ours\n{}\n", relay.url()))?;
    }
    let novice = stage.novice().args(["invite", "--code", "--desktop", "demo"]);
    let mut novice = relay.believed_by(novice).start()?;
    let code = code_of(&mut novice)?;
    let expert = stage.expert_called("expert").args(["code", &code, "--yes", "--no-window"]);
    let mut expert = relay.believed_by(expert).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn the_link_names_the_relay_itself() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).start()?;
    code_of(&mut novice)?;
    let link = novice.until("a link on the terminal", |output| after(&output.terminal, "Link: "))?;
    let expert = stage.expert_called("expert").args(["code", &link, "--yes", "--no-window"]);
    let mut expert = relay.believed_by(expert).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn any_viewer_can_be_led_through_a_port_of_the_expert_s_computer() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let mut novice = saying(&stage, &relay).start()?;
    let code = code_of(&mut novice)?;
    let file = stage.path().join("led.MsRcIncident");
    let forward =
        stage.expert_called("forward").args(["forward", &code, "--listen", "127.0.0.1:0", "--relay", relay.url()]);
    let mut forward = relay.believed_by(forward.arg("--save").arg(&file)).start()?;
    forward.wait_event("forwarding")?;
    let password = forward.until("the password of the file", |output| after(&output.terminal, "its password: "))?;
    let password = stage.write("led", &format!("{password}\n"))?;
    let viewer = stage.expert_called("viewer").opens(&file).with("--password-file", password);
    let mut viewer = viewer.watches()?;
    novice.says("y", "view")?;
    viewer.wait_event("first_frame")?;
    viewer.sees("the word of the run", word)?;
    Ok(())
}

/// A novice with a file, whose address in it leads nowhere, and a relay.
fn filing<'a>(stage: &'a Stage, relay: &Relay, nowhere: &str) -> Cast<'a> {
    let novice = stage.novice().invites("Kim Aalbers").with("--advertise", nowhere);
    relay.believed_by(novice.args(["--relay", relay.url()]))
}

#[test]
fn r024_a_file_leads_to_the_novice_by_relay_where_its_addresses_do_not() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    // Documentation's own network: nobody is there.
    let mut novice = filing(&stage, &relay, "192.0.2.77:3389").start()?;
    novice.wait_event("listening")?;
    let mut expert = relay.believed_by(stage.expert()).watches()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    expert.sees("the word of the run", word)?;
    expert.signal(Signal::TERM)?;
    assert_eq!(expert.exit_code()?, Some(0), "{}", expert.report());
    assert_eq!(novice.wait_event("ended")?.text("reason"), Some("expert_left"), "{}", novice.report());
    Ok(())
}

#[test]
fn a_file_with_a_route_is_dialled_by_its_address_where_that_leads_there() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    let addr = stage.addr().to_string();
    let mut novice = filing(&stage, &relay, &addr).start()?;
    novice.wait_event("listening")?;
    let mut expert = relay.believed_by(stage.expert()).start()?;
    assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some(addr.as_str()));
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn a_relay_that_does_not_answer_costs_the_route_and_not_the_invitation() -> Outcome {
    let stage = Stage::new()?;
    let relay = Relay::start(stage.path())?;
    // Nobody listens there.
    let novice = stage.novice().invites("Kim Aalbers").args(["--relay", "https://127.0.0.1:9"]);
    let mut novice = relay.believed_by(novice).start()?;
    novice.wait_event("listening")?;
    let mut expert = stage.expert().start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

/// The TCP ports on which a program listens, as the kernel lists them.
pub(crate) fn listening(person: &Person) -> Result<BTreeSet<String>, Failure> {
    let process = person.process().id();
    let mut sockets = BTreeSet::new();
    for descriptor in fs::read_dir(format!("/proc/{process}/fd"))?.flatten() {
        let Ok(target) = fs::read_link(descriptor.path()) else { continue };
        if let Some(inode) = target.to_string_lossy().strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            sockets.insert(inode.to_owned());
        }
    }
    assert!(!sockets.is_empty(), "its sockets can be seen");
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        for line in fs::read_to_string(format!("/proc/{process}/net/{table}"))?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // State 0A is LISTEN.
            if fields.get(3) == Some(&"0A") && fields.get(9).is_some_and(|inode| sockets.contains(*inode)) {
                ports.insert(fields[1].to_owned());
            }
        }
    }
    Ok(ports)
}
