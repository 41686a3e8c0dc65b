//! The expert's window on a bare X server: what it shows, what its title says, and when its keys go anywhere.

use std::time::Instant;

use integration::xserver::XServer;
use integration::{Failure, Outcome, PATIENCE, Picture, Stage, probe};

use crate::session::{NO_INPUT, Session, input_so_far, told_word, typed, word};

const NEEDED: &[&str] = &["Xvfb", "xdotool", "import"];

/// A session whose expert has a window on this screen.
fn on(screen: &XServer) -> Result<Session, Failure> {
    let session = Session::viewing_with(
        |novice| novice,
        |expert| expert.without("--no-window", 0).env("DISPLAY", screen.display()),
    )?;
    titled(screen, "Kim Aalbers - view only")?;
    Ok(session)
}

/// Waits for a window with this in its title and gives it the keyboard.
fn titled(screen: &XServer, title: &str) -> Outcome {
    screen.tool("xdotool", &["search", "--sync", "--onlyvisible", "--name", title, "windowfocus"]).map(drop)
}

/// Looks at the screen, as another program would, until there is something to see.
fn sees<T>(screen: &XServer, stage: &Stage, what: &str, look: impl Fn(&Picture) -> Option<T>) -> Result<T, Failure> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = look(&screen.picture(stage.path())?) {
            return Ok(found);
        }
    }
    Err(Failure::new(format!("{what} never came onto the expert's screen")))
}

#[test]
fn s052_s054_the_window_says_who_controls_and_its_keys_go_nowhere_before() -> Outcome {
    if !probe::has_all("s052_s054_the_window_says_who_controls_and_its_keys_go_nowhere_before", NEEDED) {
        return Ok(());
    }
    let screen = XServer::virtual_screen(1400, 800)?;
    let mut session = on(&screen)?;
    let told = told_word(&session.novice).ok_or_else(|| Failure::new("no word was told"))?;
    let seen = sees(&screen, &session.stage, "the word of the run", word)?;
    assert_eq!(seen, told, "unscaled, at the corner of a screen without a window manager");

    screen.tool("xdotool", &["type", "early"])?;
    screen.tool("xdotool", &["key", "ctrl+alt+c"])?;
    session.expert.wait_event("control_requested")?;
    assert_eq!(input_so_far(&session.expert.picture()?), NO_INPUT);
    session.novice.says("y", "control")?;
    session.expert.wait_event("controlling")?;
    titled(&screen, "Kim Aalbers - controlling")?;
    screen.tool("xdotool", &["type", "tulips"])?;
    sees(&screen, &session.stage, "the typed text", |picture| (typed(picture) == "tulips").then_some(()))?;

    screen.tool("xdotool", &["key", "ctrl+alt+e"])?;
    assert_eq!(session.novice.wait_event("revoked")?.text("by"), Some("released"));
    assert_eq!(session.expert.wait_event("revoked")?.text("by"), Some("released"));
    titled(&screen, "Kim Aalbers - view only")?;
    screen.tool("xdotool", &["type", "late"])?;
    screen.tool("xdotool", &["key", "ctrl+alt+c"])?;
    session.expert.wait_event("control_requested")?;
    session.novice.says("y", "control")?;
    session.expert.wait_event("controlling")?;
    assert_eq!(typed(&session.expert.picture()?), "tulips");
    Ok(())
}

#[test]
fn a_click_in_a_window_that_had_to_shrink_lands_where_it_was_aimed_at() -> Outcome {
    if !probe::has_all("a_click_in_a_window_that_had_to_shrink_lands_where_it_was_aimed_at", NEEDED) {
        return Ok(());
    }
    // Half as wide as the demo desktop and as high: the picture is half its size, in the middle.
    let screen = XServer::virtual_screen(640, 720)?;
    let mut session = on(&screen)?;
    screen.tool("xdotool", &["key", "ctrl+alt+c"])?;
    session.novice.says("y", "control")?;
    session.expert.wait_event("controlling")?;
    titled(&screen, "Kim Aalbers - controlling")?;
    // Nothing is drawn round (600, 240) before.
    let there = |picture: &Picture| picture.part(580, 220, 40, 40).colours();
    assert_eq!(there(&session.expert.picture()?), 1);
    screen.tool("xdotool", &["mousemove", "300", "300", "click", "1"])?;
    session.expert.sees("a mark where it was clicked", |picture| (there(picture) > 1).then_some(()))?;
    assert!(input_so_far(&session.expert.picture()?).contains("1 click"));
    Ok(())
}

#[test]
fn the_box_about_the_session_comes_and_goes_and_is_in_no_screenshot() -> Outcome {
    if !probe::has_all("the_box_about_the_session_comes_and_goes_and_is_in_no_screenshot", NEEDED) {
        return Ok(());
    }
    let screen = XServer::virtual_screen(1400, 800)?;
    let session = on(&screen)?;
    let told = told_word(&session.novice).ok_or_else(|| Failure::new("no word was told"))?;
    let shown = |picture: &Picture| (word(picture).as_ref() == Some(&told)).then_some(());
    sees(&screen, &session.stage, "the word of the run", shown)?;
    // Its edge, which is yellow, lies 8 pixels from the window's.
    let edge = |picture: &Picture| picture.pixel(9, 9) == Some([0xff, 0xd8, 0x00]);
    screen.tool("xdotool", &["key", "ctrl+alt+s"])?;
    sees(&screen, &session.stage, "the box", |picture| edge(picture).then_some(()))?;
    let saved = session.expert.picture()?;
    assert_eq!(word(&saved), Some(told.clone()), "the novice's picture is not the window's");
    assert!(!edge(&saved));
    screen.tool("xdotool", &["key", "ctrl+alt+s"])?;
    sees(&screen, &session.stage, "the word without the box", shown)?;
    assert!(!edge(&screen.picture(session.stage.path())?));
    Ok(())
}
