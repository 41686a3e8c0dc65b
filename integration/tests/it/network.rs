//! What networks and programs do to a session: they break, stall, die and come twice.

use std::fs;

use integration::proxy::Proxy;
use integration::xserver::XServer;
use integration::{Outcome, Picture, Signal, Stage, probe};

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
    session.novice.wait_event("lost")?;
    // For a minute they could come back.
    assert_eq!(session.novice.wait_event_within("ended", A_MINUTE_AND_MORE)?.text("reason"), Some("connection_lost"));
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
    // It tries for a minute, unless somebody has had enough.
    session.expert.wait_event("reconnecting")?;
    session.expert.signal(Signal::TERM)?;
    assert_eq!(session.expert.exit_code()?, Some(0), "{}", session.expert.report());

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
fn a_viewer_that_stands_still_comes_back_to_the_newest_picture() -> Outcome {
    let name = "a_viewer_that_stands_still_comes_back_to_the_newest_picture";
    if !probe::has_all(name, &["Xvfb", "xsetroot"]) {
        return Ok(());
    }
    let (stage, front) = (Stage::new()?, Stage::new()?);
    let screen = XServer::virtual_screen(1280, 720)?;
    let paint = |colour: [u8; 3]| {
        let [red, green, blue] = colour;
        screen.tool("xsetroot", &["-solid", &format!("#{red:02x}{green:02x}{blue:02x}")])
    };
    let invite = stage.novice().invites_on("x11", "Kim Aalbers").arg("--password-file").arg(stage.password_file());
    let invite = invite.with("--advertise", front.addr().to_string()).env("DISPLAY", screen.display());
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let proxy = Proxy::start(front.addr(), stage.addr())?;
    let expert = stage.expert().watches()?;
    novice.says("y", "view")?;
    expert.until("the picture", |seen| seen.events.iter().any(|e| e.name() == "first_frame").then_some(()))?;
    let is_all = |picture: &Picture, colour| {
        let places = [(0, 0), (1279, 0), (640, 360), (0, 719), (1279, 719)];
        places.iter().all(|(x, y)| picture.pixel(*x, *y) == Some(colour)).then_some(())
    };
    paint([200, 100, 50])?;
    expert.sees("the first picture", |picture| is_all(picture, [200, 100, 50]))?;

    proxy.hold();
    let (bytes, resident) = (proxy.bytes(), novice.process().resident()?);
    for change in 0..CHANGES {
        paint([change, 255 - change, 7])?;
    }
    paint([1, 2, 3])?;
    let grown = novice.process().resident()?.saturating_sub(resident);
    assert!(grown < 8 << 20, "{grown} bytes more for an expert who takes nothing");
    assert!(expert.sees("what it had", |picture| Some(picture.pixel(640, 360)))? != Some([1, 2, 3]));
    proxy.go_on();
    expert.sees("the newest picture", |picture| is_all(picture, [1, 2, 3]))?;
    let sent = proxy.bytes() - bytes;
    assert!(sent < u64::from(CHANGES) * 100, "{sent} bytes: pictures that nobody wants any more");
    assert!(!novice.has_seen("ended"), "{}", novice.report());
    Ok(())
}

/// How often the screen changes while nobody can see it. Each change would be some 300 bytes.
const CHANGES: u8 = 200;

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

/// What an expert who was lost has, and room for a slow machine.
const A_MINUTE_AND_MORE: std::time::Duration = std::time::Duration::from_secs(90);
