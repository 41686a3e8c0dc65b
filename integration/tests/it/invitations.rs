//! What the expert reads in an invitation, and what is no invitation.

use integration::{Failure, Outcome, PASSWORD, Stage};

/// An invitation of the first kind, as a person could write it in an editor.
pub(crate) fn letter(name: &str, password: bool, start: u64, minutes: u32, addresses: &str) -> String {
    let (flag, stub) = if password { ("1", r#" PassStub="g*3Kdr_7XwzQb0""#) } else { ("0", "") };
    format!(
        r#"<?xml version="1.0" encoding="Unicode" ?><UPLOADINFO TYPE="Escalated"><UPLOADDATA USERNAME="{name}" RCTICKET="65538,1,{addresses},*,uARKW0ZmEZZmhrFyo+vN44yWMP9b6ykzD+AmFOIg02Q=,*,*,MxHWh5UUF4p+bklj/lXuMcOaqTg=" RCTICKETENCRYPTED="{flag}" DtStart="{start}" DtLength="{minutes}"{stub} L="0" /></UPLOADINFO>"#
    )
}

/// Standard output of `expert-connect show`, in a time zone.
fn shown(stage: &Stage, text: &str, zone: &str) -> Result<String, Failure> {
    let file = stage.write("shown.MsRcIncident", text)?;
    let mut expert = stage.expert_called("reader").in_words().arg("show").arg(file).env("TZ", zone).start()?;
    assert_eq!(expert.exit_code()?, Some(0), "{}", expert.report());
    Ok(expert.text())
}

#[test]
fn s019_s020_s021_s022_s023_r017_show_tells_who_until_when_and_whether_there_is_a_password() -> Outcome {
    let stage = Stage::new()?;
    let addresses = "192.0.2.5:3389;kimaalbers:3389;10.0.0.5:3389";
    let with = shown(&stage, &letter("Kim Aalbers", true, KB_START, 60, addresses), "UTC")?;
    let without = shown(&stage, &letter("Kim Aalbers", false, KB_START, 60, addresses), "UTC")?;
    for text in [&with, &without] {
        assert!(text.contains("Kim Aalbers"), "who: {text}");
        assert!(text.contains("00:14") && text.contains("2001"), "until when: {text}");
        assert!(text.to_lowercase().contains("password"), "{text}");
        for address in addresses.split(';') {
            assert!(text.contains(address), "where: {text}");
        }
    }
    assert_ne!(with, without, "whether there is a password makes a difference");

    let file = stage.write("json.MsRcIncident", &letter("Kim Aalbers", true, KB_START, 60, addresses))?;
    let mut expert = stage.expert_called("reader").arg("show").arg(file).start()?;
    let opened = expert.wait_event("opened")?;
    assert_eq!(opened.text("name"), Some("Kim Aalbers"));
    assert_eq!(opened.field("password_needed"), Some(&true.into()));
    assert!(opened.text("expires").is_some_and(|e| e.starts_with("2001-06-16T00:14:23")), "{opened}");
    let endpoints: Vec<_> = addresses.split(';').collect();
    assert_eq!(opened.field("endpoints"), Some(&endpoints.into()));
    assert_eq!(expert.exit_code()?, Some(0));
    assert!(!expert.has_seen("trying"), "show connects to nothing");
    Ok(())
}

#[test]
fn s029_r018_the_end_is_shown_in_the_experts_own_time_zone() -> Outcome {
    let stage = Stage::new()?;
    let text = letter("Kim Aalbers", true, KB_START, 60, "192.0.2.5:3389");
    assert!(shown(&stage, &text, "Europe/London")?.contains("01:14"));
    assert!(shown(&stage, &text, "Europe/Amsterdam")?.contains("02:14"));
    Ok(())
}

#[test]
fn s004_an_invitation_edited_by_hand_still_opens() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let text = std::fs::read_to_string(stage.invitation())?;
    assert!(text.contains("<UPLOADDATA"), "plain XML: {text}");
    let edited = text.replace("Kim Aalbers", "My &quot;other&quot; name").replace("<UPLOADDATA", "\n  <UPLOADDATA\n ");
    let file = stage.write("edited.MSRCINCIDENT", &edited)?;
    let mut expert = stage.expert_called("expert").opens(&file).start()?;
    assert_eq!(expert.wait_event("opened")?.text("name"), Some(r#"My "other" name"#));
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn s020_a_name_cannot_play_with_the_terminal() -> Outcome {
    let stage = Stage::new()?;
    let hostile = "Kim&#x1b;[2J&#x202e;sreblaA&#x07;";
    let file = stage.write("hostile.MsRcIncident", &letter(hostile, false, KB_START, 60, "192.0.2.5:3389"))?;
    let mut expert = stage.expert_called("reader").in_words().arg("show").arg(file).start()?;
    expert.wait_exit()?;
    let text = format!("{}{}", expert.text(), expert.terminal());
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text:?}");
    Ok(())
}

#[test]
fn what_is_no_invitation_is_refused_in_one_sentence() -> Outcome {
    let stage = Stage::new()?;
    let good = letter("Kim Aalbers", true, KB_START, 60, "192.0.2.5:3389");
    let bad = [
        ("empty", String::new()),
        ("not XML", "hello".to_owned()),
        ("cut off", good[..good.len() / 2].to_owned()),
        ("no data", r#"<UPLOADINFO TYPE="Escalated"></UPLOADINFO>"#.to_owned()),
        ("another type", good.replace("Escalated", "Other")),
        ("no ticket", good.replace("RCTICKET=", "XXTICKET=")),
        ("start is no number", good.replace(&KB_START.to_string(), "soon")),
        ("start is below zero", good.replace(&KB_START.to_string(), "-1")),
        ("start is too large", good.replace(&KB_START.to_string(), "99999999999999999999")),
        ("length is no number", good.replace(r#"DtLength="60""#, r#"DtLength="long""#)),
        ("an attribute twice", good.replace(r#" L="0""#, r#" L="0" L="1""#)),
        ("a document type", good.replace("<UPLOADINFO", "<!DOCTYPE x [<!ENTITY a 'b'>]><UPLOADINFO")),
        ("seven fields", good.replace(",*,*,", ",*,")),
        ("another version", good.replace("65538,1", "65539,1")),
        ("no port", good.replace(":3389", "")),
        ("port 0", good.replace(":3389", ":0")),
        ("port too large", good.replace(":3389", ":65536")),
        ("no session", good.replace("uARKW0ZmEZZmhrFyo+vN44yWMP9b6ykzD+AmFOIg02Q=", "")),
        ("too large", good.replace("Kim Aalbers", &"x".repeat(70_000))),
        ("noise", "\u{0}\u{1}\u{2}<\u{fffd}>".repeat(100)),
    ];
    for (what, text) in bad {
        let file = stage.write("bad.MsRcIncident", &text)?;
        let mut expert = stage.expert_called("reader").in_words().opens(&file).start()?;
        assert_eq!(expert.exit_code()?, Some(65), "{what}: {}", expert.report());
        expert.process().look(|seen| {
            assert!(!seen.err.trim().is_empty(), "{what}: nothing was said");
            assert!(!seen.err.contains("panicked"), "{what}: {}", seen.err);
        });
    }
    Ok(())
}

#[test]
fn s036_r021_yes_starts_the_connection_and_no_does_not() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let mut codes = Vec::new();
    for (answer, starts) in [("n", false), ("y", true)] {
        let mut expert = stage.expert().without("--yes", 0).start()?;
        expert.wait_event("opened")?;
        expert.until("a question that names the novice", |seen| {
            (seen.terminal.contains("Kim Aalbers") && seen.terminal.contains('?')).then_some(())
        })?;
        assert!(!expert.has_seen("trying"), "{}", expert.report());
        expert.type_line(answer)?;
        if starts {
            novice.says("y", "view")?;
            expert.wait_event("first_frame")?;
        } else {
            codes.push(expert.exit_code()?);
            assert!(!expert.has_seen("trying"), "{}", expert.report());
        }
    }
    assert!(!novice.story()[2..].is_empty());
    assert!(codes.iter().all(|c| c.is_some()), "{codes:?}");
    Ok(())
}

#[test]
fn s037_rcticket_alone_is_enough() -> Outcome {
    let stage = Stage::new()?;
    let invite = stage.novice().invites_on("demo", "Kim Aalbers").args(["--no-password", "--kind", "v1"]);
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let text = std::fs::read_to_string(stage.invitation())?;
    let (_, rest) = text.split_once("RCTICKET=\"").ok_or_else(|| Failure::new("no RCTICKET"))?;
    let ticket = rest.split('"').next().unwrap_or_default();
    let bare = format!(r#"<UPLOADINFO TYPE="Escalated"><UPLOADDATA RCTICKET="{ticket}"/></UPLOADINFO>"#);
    let file = stage.write("bare.MsRcIncident", &bare)?;
    let mut expert = stage.expert_called("expert").opens(&file).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn s044_s046_r024_r026_addresses_are_tried_in_order_and_one_message_tells_that_none_answered() -> Outcome {
    let stage = Stage::new()?;
    let other = Stage::new()?;
    let list = format!("{};{}", stage.addr(), other.addr());
    // Long over, by its own words: the expert may try all the same.
    let file = stage.write("help.MsRcIncident", &letter("Kim Aalbers", true, KB_START, 60, &list))?;
    let mut expert = stage.expert_called("expert").opens(&file).arg("--sequential").start()?;
    assert_eq!(expert.wait_event("trying")?.text("endpoint"), Some(stage.addr().to_string().as_str()));
    assert_eq!(expert.wait_event("trying")?.text("endpoint"), Some(other.addr().to_string().as_str()));
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    let said = expert.process().look(|seen| format!("{}{}", seen.err, seen.terminal).to_lowercase());
    for cause in ["network", "expired", "cancel"] {
        assert!(said.contains(cause), "it names each possible cause, so none: {said}");
    }
    Ok(())
}

#[test]
fn s043_the_file_lists_what_was_advertised_in_order() -> Outcome {
    let stage = Stage::new()?;
    let invite = stage.novice().invites("Kim Aalbers").with("--advertise", "198.51.100.7:51234");
    let mut novice =
        invite.args(["--advertise", "novice.example.test:3389", "--advertise", "10.0.0.5:3389"]).start()?;
    novice.wait_event("listening")?;
    let mut expert = stage.expert_called("reader").arg("show").arg(stage.invitation());
    expert = expert.arg("--password-file").arg(stage.password_file());
    let mut expert = expert.start()?;
    let opened = expert.wait_event("opened")?;
    let endpoints = ["198.51.100.7:51234", "novice.example.test:3389", "10.0.0.5:3389"];
    assert_eq!(opened.field("endpoints"), Some(&endpoints.to_vec().into()));
    assert!(!expert.terminal().contains(PASSWORD));
    Ok(())
}

/// 2001-06-15 23:14:23 UTC, the start in the original's own example.
pub(crate) const KB_START: u64 = 992_646_863;
