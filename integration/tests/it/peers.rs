//! Another implementation on the far side: FreeRDP as the expert.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use integration::relay::Relay;
use integration::xserver::XServer;
use integration::{Failure, Outcome, PASSWORD, PATIENCE, Picture, Process, Stage, probe};

use crate::session::{NO_INPUT, input_so_far};

/// What these tests play with.
pub(crate) const FREERDP: &[&str] = &["xfreerdp", "Xvfb", "xdotool", "import"];

/// FreeRDP's client with a screen of its own, as the expert.
pub(crate) struct FreeRdp {
    process: Process,
    screen: XServer,
    scratch: PathBuf,
}

impl FreeRdp {
    /// Opens the invitation of a stage, as its manual says.
    pub(crate) fn opens(stage: &Stage, password: &str, more: &[&str]) -> Result<Self, Failure> {
        let screen = XServer::virtual_screen(1400, 900)?;
        // It knows the extension in one spelling.
        let file = stage.path().join("peer.msrcIncident");
        fs::copy(stage.invitation(), &file)?;
        let mut command = screen.command("xfreerdp");
        command.arg(&file).arg(format!("/assistance:{password}")).args(["/cert:ignore", "-decorations"]).args(more);
        command.env("HOME", stage.path()).env("LANG", "C.UTF-8").current_dir(stage.path());
        let process = Process::start(&mut command)?;
        Ok(Self { process, screen, scratch: stage.path().to_owned() })
    }

    /// What its window shows now; `None` as long as it has none.
    pub(crate) fn picture(&self) -> Result<Option<Picture>, Failure> {
        let Some((x, y, width, height)) = self.window() else { return Ok(None) };
        Ok(Some(self.screen.picture(&self.scratch)?.part(x, y, width, height)))
    }

    /// Looks again and again until the window shows it.
    #[track_caller]
    pub(crate) fn sees<T>(&self, what: &str, mut look: impl FnMut(&Picture) -> Option<T>) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.picture()?.as_ref().and_then(&mut look) {
                return Ok(found);
            }
            if Instant::now() > deadline || !self.process.runs() {
                return Err(Failure::new(format!("xfreerdp never showed {what}")).seen(self.process.report()));
            }
        }
    }

    /// Moves the pointer to a place of the novice's desktop.
    pub(crate) fn points_at(&self, x: usize, y: usize) -> Outcome {
        let (left, top, ..) = self.window().ok_or_else(|| Failure::new("xfreerdp has no window"))?;
        let place = [(left + x).to_string(), (top + y).to_string()];
        self.screen.tool("xdotool", &["mousemove", &place[0], &place[1]]).map(drop)
    }

    /// Presses keys and buttons, in xdotool's words.
    pub(crate) fn hands(&self, words: &[&str]) -> Outcome {
        self.screen.tool("xdotool", words).map(drop)
    }

    /// Gives its window the keyboard.
    pub(crate) fn focus(&self) -> Outcome {
        self.hands(&["search", "--sync", "--onlyvisible", "--class", "xfreerdp", "windowfocus", "--sync"])
    }

    /// Asks for control, or gives it back: by turns.
    pub(crate) fn toggles_control(&self) -> Outcome {
        self.hands(&["key", "ctrl+alt+c"])
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn window(&self) -> Option<(usize, usize, usize, usize)> {
        let search = ["search", "--onlyvisible", "--class", "xfreerdp", "getwindowgeometry", "--shell"];
        let geometry = self.screen.tool("xdotool", &search).ok()?;
        let value = |name: &str| geometry.lines().find_map(|l| l.strip_prefix(name)?.parse().ok());
        Some((value("X=")?, value("Y=")?, value("WIDTH=")?, value("HEIGHT=")?))
    }
}

/// The word of the run, in whatever window.
fn word(picture: &Picture) -> Option<String> {
    crate::session::word(picture)
}

#[test]
fn xfreerdp_sees_the_novices_desktop_after_a_yes() -> Outcome {
    if !probe::has_all("xfreerdp_sees_the_novices_desktop_after_a_yes", FREERDP) {
        return Ok(());
    }
    for (kind, more) in [("both", &[][..]), ("v2", &[]), ("both", &["/gfx"])] {
        let stage = Stage::new()?;
        let mut novice = stage.novice().invites("Kim Aalbers").args(["--kind", kind]).start()?;
        novice.wait_event("listening")?;
        let expert = FreeRdp::opens(&stage, PASSWORD, more)?;
        let question = novice.wait_event("consent_asked")?;
        assert_eq!(question.text("kind"), Some("view"));
        if let Some(picture) = expert.picture()? {
            assert_eq!(word(&picture), None, "nothing before the yes");
        }
        novice.type_line("y")?;
        let seen = expert.sees("the word of the run", word)?;
        if let Some(told) = crate::session::told_word(&novice) {
            assert_eq!(seen, told, "{kind} {more:?}");
        }
    }
    Ok(())
}

#[test]
fn xfreerdp_opens_an_invitation_that_carries_a_route_by_relay() -> Outcome {
    if !probe::has_all("xfreerdp_opens_an_invitation_that_carries_a_route_by_relay", FREERDP) {
        return Ok(());
    }
    for kind in ["both", "v2"] {
        let stage = Stage::new()?;
        let relay = Relay::start(stage.path())?;
        let novice = stage.novice().invites("Kim Aalbers").args(["--kind", kind, "--relay", relay.url()]);
        let mut novice = relay.believed_by(novice).start()?;
        novice.wait_event("listening")?;
        let shown = stage.expert_called("reader").arg("show").arg(stage.invitation());
        let mut shown = shown.arg("--password-file").arg(stage.password_file()).start()?;
        assert_eq!(shown.exit_code()?, Some(0), "{}", shown.report());
        let opened = shown.wait_event("opened")?;
        let route = format!("https://{}", opened.text("route").unwrap_or_default());
        assert_eq!(route, relay.url(), "{kind}: it is in there: {}", shown.report());
        let expert = FreeRdp::opens(&stage, PASSWORD, &[])?;
        novice.says("y", "view")?;
        expert.sees("the word of the run", word)?;
    }
    Ok(())
}

#[test]
fn xfreerdp_opens_a_type_1_file_when_told_the_address() -> Outcome {
    if !probe::has_all("xfreerdp_opens_a_type_1_file_when_told_the_address", FREERDP) {
        return Ok(());
    }
    // Its reader drops the first address of a type 1 file and cannot use the others: /v: helps it.
    let stage = Stage::new()?;
    let addr = stage.addr().to_string();
    let invite = stage.novice().invites("Kim Aalbers").args(["--kind", "v1", "--advertise", "192.0.2.1:3389"]);
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let expert = FreeRdp::opens(&stage, PASSWORD, &[&format!("/v:{addr}")])?;
    novice.says("y", "view")?;
    expert.sees("the word of the run", word).map(drop)
}

#[test]
fn xfreerdp_with_a_wrong_password_is_refused_and_nobody_is_asked() -> Outcome {
    if !probe::has_all("xfreerdp_with_a_wrong_password_is_refused_and_nobody_is_asked", FREERDP) {
        return Ok(());
    }
    // Of a type 1 file it can tell no wrong password from a right one.
    let stage = Stage::new()?;
    let addr = stage.addr().to_string();
    let invite = stage.novice().invites("Kim Aalbers").args(["--kind", "v1", "--advertise", "192.0.2.1:3389"]);
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let mut expert = FreeRdp::opens(&stage, "Rose0000AAAA", &[&format!("/v:{addr}")])?;
    assert_eq!(novice.wait_event("refused")?.text("cause"), Some("wrong_password"));
    expert.process().wait_exit()?;
    assert!(!novice.has_seen("consent_asked") && !novice.has_seen("viewing"), "{}", novice.report());
    Ok(())
}

#[test]
fn xfreerdp_is_shown_out_after_a_no() -> Outcome {
    if !probe::has_all("xfreerdp_is_shown_out_after_a_no", FREERDP) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let mut expert = FreeRdp::opens(&stage, PASSWORD, &[])?;
    novice.says("n", "view")?;
    assert_eq!(novice.wait_event("refused")?.text("cause"), Some("declined"));
    // It knows no refusal, but the host closes.
    expert.process().wait_exit()?;
    assert!(!novice.has_seen("viewing"), "{}", novice.report());
    Ok(())
}

#[test]
fn s052_r047_what_a_viewing_expert_sends_is_dropped() -> Outcome {
    if !probe::has_all("s052_r047_what_a_viewing_expert_sends_is_dropped", FREERDP) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let expert = FreeRdp::opens(&stage, PASSWORD, &[])?;
    novice.says("y", "view")?;
    expert.sees("the word of the run", word)?;
    // This program sends keys and pointer whatever its rights are.
    expert.focus()?;
    expert.points_at(300, 500)?;
    expert.hands(&["click", "1", "type", "--delay", "5", "not yet"])?;
    // On the same line and after all that: the request, so that all that has arrived when it is seen.
    expert.toggles_control()?;
    novice.wait_event("control_requested")?;
    assert_eq!(expert.picture()?.map(|p| input_so_far(&p)).as_deref(), Some(NO_INPUT), "{}", novice.report());
    novice.says("y", "control")?;
    novice.wait_event("controlling")?;
    expert.points_at(300, 500)?;
    expert.hands(&["click", "1", "type", "--delay", "5", "now"])?;
    expert.sees("that input arrives", |picture| {
        let said = input_so_far(picture);
        (said.contains("3 keys") && said.contains("1 click,")).then_some(())
    })?;
    Ok(())
}
