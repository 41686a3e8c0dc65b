//! One host for each table of tickets, and who may end what: felt by other commands and other users.

use std::fs;

use integration::{Cast, Event, Failure, Outcome, Signal, Stage, probe, programs_dir};

use crate::offers::serve;
use crate::tickets::invite;

/// The machine's host as a service of root, with accounts of the test's own: user 4711 is an administrator, 4712 made an
/// invitation, 4713 is anybody. `None`, said aloud, where no mounts can be had.
fn machine<'a>(test: &str, stage: &'a Stage, admins: &str) -> Result<Option<Cast<'a>>, Failure> {
    if !probe::is_root() {
        probe::skip(test, "only root keeps the table of a machine");
        return Ok(None);
    }
    if let Err(refusal) = probe::namespaces(&["--mount"]) {
        probe::skip(test, &refusal);
        return Ok(None);
    }
    let etc = stage.path().join("etc");
    fs::create_dir_all(&etc)?;
    let passwd = "root:x:0:0::/root:/bin/sh\nada:x:4711:4700::/:/bin/sh\nkim:x:4712:4700::/:/bin/sh\neve:x:4713:4700::/:/bin/sh\n";
    fs::write(etc.join("passwd"), passwd)?;
    fs::write(etc.join("group"), format!("root:x:0:\npeople:x:4700:\n{admins}:x:4710:ada\n"))?;
    fs::write(etc.join("nsswitch.conf"), "passwd: files\ngroup: files\ninitgroups: files\n")?;
    // Others have to reach the socket, as they can reach /var/lib.
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o711))?;
    let script = format!("mount --bind '{}' /etc && exec \"$@\"", etc.display());
    Ok(Some(stage.novice().through(["unshare", "--mount", "sh", "-c", &script, "sh"])))
}

/// `tickets` as this user, asking the host of the stage.
fn tickets_as(stage: &Stage, uid: u32, words: &[&str]) -> Result<(Option<i32>, Vec<Event>, String), Failure> {
    // A copy that everybody may run, wherever the programs were built.
    let copy = stage.path().join("novice-host");
    if !copy.exists() {
        fs::copy(programs_dir().join("novice-host"), &copy)?;
    }
    let instead = format!("shift; exec '{}' \"$@\"", copy.display());
    let uid = format!("--reuid={uid}");
    let through = ["setpriv", &uid, "--regid=4700", "--clear-groups", "sh", "-c", &instead, "sh"];
    let mut program = stage.novice().through(through).arg("tickets").args(words).start()?;
    let status = program.exit_code()?;
    let events = program.process().look(|seen| seen.events.clone());
    Ok((status, events, program.report()))
}

#[test]
fn s056_s061_r053_r054_administrators_end_any_ticket_and_others_only_their_own() -> Outcome {
    let test = "s056_s061_r053_r054_administrators_end_any_ticket_and_others_only_their_own";
    for admins in ["sudo", "wheel"] {
        let stage = Stage::new()?;
        let Some(novice) = machine(test, &stage, admins)? else { return Ok(()) };
        let (first, _) = invite(&stage, "first.MsRcIncident", "60m")?;
        let (second, _) = invite(&stage, "second.MsRcIncident", "60m")?;
        let mut novice = serve(novice, &stage)?;
        // Whoever is neither learns nothing, and ends nothing: not by name, not all.
        let (status, listed, report) = tickets_as(&stage, 4713, &["list"])?;
        assert_eq!((status, listed.len()), (Some(0), 0), "{report}");
        let (status, _, report) = tickets_as(&stage, 4713, &["expire", &first])?;
        assert_eq!(status, Some(1), "{report}");
        assert!(report.contains("only the owner of a ticket and an administrator may do this"), "{report}");
        let (_, ended, report) = tickets_as(&stage, 4713, &["expire", "--all"])?;
        assert!(!ended.iter().any(|event| event.name() == "ticket_ended"), "{report}");
        assert!(!novice.has_seen("ticket_ended"), "{}", novice.report());
        // A member of the administrators' group, though not by the groups of the process.
        let (status, listed, report) = tickets_as(&stage, 4711, &["list"])?;
        assert_eq!((status, listed.len()), (Some(0), 2), "{report}");
        let (status, _, report) = tickets_as(&stage, 4711, &["expire", &first])?;
        assert_eq!(status, Some(0), "{report}");
        assert_eq!(novice.wait_event("ticket_ended")?.text("ticket"), Some(first.as_str()));
        let (status, _, report) = tickets_as(&stage, 4711, &["expire", &second])?;
        assert_eq!(status, Some(0), "{report}");
        assert_eq!(novice.exit_code()?, Some(0), "nothing is left to host: {}", novice.report());
    }
    Ok(())
}

#[test]
fn a_second_serve_says_who_is_there_and_disturbs_nobody() -> Outcome {
    let stage = Stage::new()?;
    let (ticket, file) = invite(&stage, "help.MsRcIncident", "60m")?;
    let mut first = serve(stage.novice(), &stage)?;
    let mut second = stage.novice().args(["serve", "--listen", "127.0.0.1:0", "--desktop", "demo"]).start()?;
    assert_eq!(second.exit_code()?, Some(1), "{}", second.report());
    assert!(second.report().contains("novice-host is running here already (process"), "{}", second.report());
    let mut expert = stage.expert_called("expert").opens(&file).start()?;
    first.says("y", "view")?;
    expert.wait_event("first_frame")?;
    assert!(!first.has_seen("ticket_ended"), "{ticket} is open: {}", first.report());
    Ok(())
}

#[test]
fn a_second_invitation_is_served_by_the_host_that_is_there_and_ends_with_it() -> Outcome {
    let stage = Stage::new()?;
    let mut first = stage.novice().invites("Kim Aalbers").start()?;
    let ticket = first.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    first.wait_event("listening")?;
    let save = stage.path().join("second.MsRcIncident");
    let mut second = stage.novice().invites("Kim Aalbers").with("--save", &save).start()?;
    let other = second.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
    assert_eq!(second.exit_code()?, Some(0), "{}", second.report());
    // Both open the one door, one after the other.
    let mut expert = stage.expert_called("expert").opens(&save).start()?;
    first.says("y", "view")?;
    expert.wait_event("first_frame")?;
    expert.signal(Signal::TERM)?;
    first.wait_event("ended")?;
    let mut expert = stage.expert().start()?;
    first.says("y", "view")?;
    expert.wait_event("first_frame")?;
    drop(expert);
    first.press(b"q")?;
    assert_eq!(first.exit_code()?, Some(0), "{}", first.report());
    for ticket in [&ticket, &other] {
        let mut show = stage.novice().args(["tickets", "show", ticket]).start()?;
        assert_eq!(show.wait_event("ticket")?.text("status"), Some("host_closed"), "{}", first.report());
    }
    Ok(())
}

#[test]
fn a_second_invitation_for_another_port_is_refused_before_anything_is_made() -> Outcome {
    let stage = Stage::new()?;
    let mut first = stage.novice().invites("Kim Aalbers").start()?;
    first.wait_event("listening")?;
    let save = stage.path().join("second.MsRcIncident");
    let second = stage.novice().invites("Kim Aalbers").with("--save", &save).with("--listen", "127.0.0.1:4711");
    let mut second = second.start()?;
    assert_eq!(second.exit_code()?, Some(1), "{}", second.report());
    assert!(second.report().contains("does not wait on 127.0.0.1:4711"), "{}", second.report());
    assert!(!save.exists());
    Ok(())
}

#[test]
fn an_invitation_made_while_serve_runs_is_served_at_once() -> Outcome {
    let stage = Stage::new()?;
    invite(&stage, "first.MsRcIncident", "60m")?;
    let mut novice = serve(stage.novice(), &stage)?;
    let (_, file) = invite(&stage, "second.MsRcIncident", "60m")?;
    let mut expert = stage.expert_called("expert").opens(&file).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}
