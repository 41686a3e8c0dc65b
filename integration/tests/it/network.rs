//! What networks and programs do to a session: they break, stall, die and come twice.

use std::fs;

use integration::proxy::Proxy;
use integration::{Outcome, Signal, Stage, probe};

use crate::session::Session;

#[test]
fn r040_a_second_expert_is_told_that_somebody_helps_already() -> Outcome {
    let mut session = Session::viewing()?;
    let mut second = session.stage.expert_called("second").opens(&session.stage.invitation()).start()?;
    assert_eq!(second.exit_code()?, Some(87), "{}", second.report());
    assert_eq!(session.novice.wait_event("refused")?.text("cause"), Some("busy"));
    assert!(!second.has_seen("viewing"));
    session.expert.picture()?;
    let questions = session.novice.story().iter().filter(|e| *e == "consent_asked").count();
    assert_eq!(questions, 1, "{}", session.novice.report());
    Ok(())
}

#[test]
fn an_expert_who_dies_leaves_a_host_that_can_be_helped_again() -> Outcome {
    let mut session = Session::controlling("x")?;
    session.expert.signal(Signal::KILL)?;
    session.novice.until("the end of the connection", |seen| {
        seen.events.iter().any(|e| ["lost", "ended"].contains(&e.name())).then_some(())
    })?;
    let mut next = session.stage.expert_called("next").opens(&session.stage.invitation()).start()?;
    session.novice.says("y", "view")?;
    next.wait_event("first_frame")?;
    assert!(!next.has_seen("controlling"), "control is not inherited: {}", next.report());
    Ok(())
}

#[test]
fn s056_a_host_that_dies_can_be_started_again_under_an_open_ticket() -> Outcome {
    let mut session = Session::viewing()?;
    session.novice.signal(Signal::KILL)?;
    session.novice.wait_exit()?;
    session.expert.wait_event("ended")?;
    assert_ne!(session.expert.exit_code()?, Some(0), "{}", session.expert.report());

    let addr = session.stage.addr().to_string();
    let mut again = session.stage.novice().args(["serve", "--listen", &addr, "--desktop", "demo"]).start()?;
    again.wait_event("listening")?;
    let mut expert = session.stage.expert().start()?;
    again.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn when_the_network_goes_silent_esc_still_works_and_both_can_leave() -> Outcome {
    let stage = Stage::new()?;
    let front = Stage::new()?;
    let advertised = front.addr().to_string();
    let invite = stage.novice().invites("Kim Aalbers").with("--advertise", &advertised);
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let proxy = Proxy::start(front.addr(), stage.addr())?;
    let mut expert = stage.expert().args(["--request-control", "--type", "x"]).watches()?;
    novice.says("y", "view")?;
    novice.says("y", "control")?;
    expert.wait_event("controlling")?;
    novice.wait_event("controlling")?;
    assert!(proxy.bytes() > 0);

    proxy.stop_forwarding();
    novice.press_esc()?;
    assert_eq!(novice.wait_event("revoked")?.text("by"), Some("esc"));
    novice.signal(Signal::TERM)?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    expert.signal(Signal::TERM)?;
    expert.wait_exit().map(drop)
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_is_written() -> Outcome {
    let stage = Stage::new()?;
    let _other = std::net::TcpListener::bind(stage.addr())?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    let code = novice.exit_code()?;
    assert_eq!(code, Some(1), "{}", novice.report());
    novice.process().look(|seen| {
        let said = format!("{}{}", seen.err, seen.terminal);
        assert!(said.contains(&stage.addr().port().to_string()), "which port: {said}");
        assert!(said.contains("--listen"), "how to choose another: {said}");
    });
    assert!(!stage.invitation().exists() && !novice.has_seen("invited"), "{}", novice.report());
    Ok(())
}

#[test]
fn s051_the_port_is_3389_unless_said_otherwise() -> Outcome {
    // The port of this machine may be taken; a network namespace has all of its own.
    if let Err(answer) = probe::namespaces(&["--net"]) {
        probe::skip("s051_the_port_is_3389_unless_said_otherwise", &answer);
        return Ok(());
    }
    let stage = Stage::new()?;
    let inside = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let invite = stage.novice().invites("Kim Aalbers").without("--listen", 1).with("--advertise", "127.0.0.1:3389");
    let mut novice = invite.through(inside).start()?;
    let addr = novice.wait_event("listening")?.addr();
    assert_eq!(addr.map(|a| a.port()), Some(3389), "{}", novice.report());
    let host = novice.process().id().to_string();
    let enter = ["nsenter", "--target", &host, "--net"];
    let mut expert = stage.expert().through(enter).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn full_disk_leaves_nothing_half_written() -> Outcome {
    if let Err(answer) = probe::namespaces(&["--mount"]) {
        probe::skip("full_disk_leaves_nothing_half_written", &answer);
        return Ok(());
    }
    // A small file system that is full, where the invitation or the state should go.
    for full in ["file", "state"] {
        let stage = Stage::new()?;
        let disk = stage.path().join("disk");
        fs::create_dir(&disk)?;
        let script = r#"
            mount -t tmpfs -o size=64k,mode=0700 none "$DISK" &&
            cp "$DISK.kept" "$DISK/help.MsRcIncident" 2>/dev/null;
            dd if=/dev/zero of="$DISK/filler" bs=4k 2>/dev/null;
            "$@"; code=$?
            ls -A "$DISK" | grep -v filler >"$DISK.left"
            cp "$DISK/help.MsRcIncident" "$DISK.after" 2>/dev/null
            exit $code
        "#;
        fs::write(stage.path().join("disk.kept"), "an older invitation\n")?;
        let invite = stage.novice().invites("Kim Aalbers").env("DISK", &disk);
        let invite = match full {
            "file" => invite.with("--save", disk.join("help.MsRcIncident")),
            _ => invite.env("RA_STATE_DIR", disk.join("state").as_os_str()),
        };
        let mut novice = invite.through(["unshare", "--mount", "sh", "-c", script, "sh"]).start()?;
        assert_eq!(novice.exit_code()?, Some(73), "{full}: {}", novice.report());
        assert!(!novice.has_seen("invited") && !novice.has_seen("listening"), "{full}: {}", novice.report());
        if full == "file" {
            assert_eq!(fs::read_to_string(stage.path().join("disk.after"))?, "an older invitation\n");
            assert_eq!(fs::read_to_string(stage.path().join("disk.left"))?.lines().count(), 1, "no left-overs");
        } else {
            assert!(!stage.invitation().exists(), "no invitation without a ticket");
        }
    }
    Ok(())
}
