//! The files that the novice's program writes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use integration::{Outcome, Stage, probe};

#[test]
fn s005_the_file_is_called_invitation_msrcincident_unless_said_otherwise() -> Outcome {
    let stage = Stage::new()?;
    let folder = stage.path().join("folder");
    fs::create_dir(&folder)?;
    let mut novice = stage.novice().invites("Kim Aalbers").without("--save", 1).in_dir(&folder).start()?;
    let invited = novice.wait_event("invited")?;
    novice.wait_event("listening")?;
    let file = folder.join("Invitation.MsRcIncident");
    assert!(file.is_file(), "{}", novice.report());
    assert!(invited.text("file").is_some_and(|f| f.ends_with("Invitation.MsRcIncident")), "{invited}");
    // Any spelling of the extension is good for the expert.
    let other = folder.join("HELP.MSRCINCIDENT");
    fs::copy(&file, &other)?;
    let mut expert = stage.expert_called("expert").opens(&other).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn s025_r009_the_name_is_that_of_the_profile_unless_said_otherwise() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("x").without("--name", 1).start()?;
    novice.wait_event("listening")?;
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd")?;
    let entry: Vec<_> =
        users.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|e| e[2] == uid).into_iter().collect();
    let full_name = entry.first().map(|e| e[4].split(',').next().unwrap_or_default());
    let login = entry.first().map(|e| e[0]);
    let expected = full_name.filter(|n| !n.is_empty()).or(login).unwrap_or_default().to_owned();
    let mut expert = stage.expert_called("reader").arg("show").arg(stage.invitation()).start()?;
    assert_eq!(expert.wait_event("opened")?.text("name"), Some(expected.as_str()));

    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Somebody Else").start()?;
    novice.wait_event("listening")?;
    let mut expert = stage.expert_called("reader").arg("show").arg(stage.invitation()).start()?;
    assert_eq!(expert.wait_event("opened")?.text("name"), Some("Somebody Else"));
    Ok(())
}

#[test]
fn r014_secrets_are_for_their_owner_only() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let mode = |path: &std::path::Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
    assert_eq!(mode(&stage.invitation())?, 0o600);
    let state = stage.path().join("novice/state");
    let mut files = 0;
    for entry in fs::read_dir(&state)? {
        let path = entry?.path();
        if path.is_file() || path.ends_with("control.sock") {
            // Everybody may ask the host of the machine, who looks at who asks (R54).
            let for_others = if path.ends_with("control.sock") && probe::is_root() { 0o066 } else { 0 };
            assert_eq!(mode(&path)? & 0o077, for_others, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 1, "a key and a table at least");
    Ok(())
}

#[test]
fn r001_where_policy_forbids_help_there_is_no_invitation() -> Outcome {
    let stage = Stage::new()?;
    stage.policy("fAllowToGetHelp = 0\n")?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    assert_eq!(novice.exit_code()?, Some(77), "{}", novice.report());
    assert!(!stage.invitation().exists() && !novice.has_seen("invited") && !novice.has_seen("listening"));

    // A policy that cannot be understood is no permission either.
    let stage = Stage::new()?;
    stage.policy("fAllowToGetHelp = maybe\n")?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    assert_eq!(novice.exit_code()?, Some(77), "{}", novice.report());
    assert!(!stage.invitation().exists());
    Ok(())
}

#[test]
fn a_wayland_session_is_refused_before_there_is_a_ticket() -> Outcome {
    for desktop in ["auto", "x11"] {
        let stage = Stage::new()?;
        let invite =
            stage.novice().invites_on(desktop, "Kim Aalbers").arg("--password-file").arg(stage.password_file());
        let mut novice = invite.env("WAYLAND_DISPLAY", "wayland-0").start()?;
        assert!(novice.exit_code()?.is_some_and(|c| c != 0), "{}", novice.report());
        let said = novice.process().look(|seen| format!("{}{}", seen.err, seen.terminal));
        assert!(said.contains("Wayland"), "{said}");
        assert!(!stage.invitation().exists() && !novice.has_seen("invited"));
    }
    Ok(())
}
