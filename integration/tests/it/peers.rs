//! Another implementation on the far side: FreeRDP as the expert, and as the novice.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use integration::picture::Line;
use integration::xserver::XServer;
use integration::{Failure, Outcome, PASSWORD, PATIENCE, Picture, Process, Stage, probe};
use ra_ticket::{ConnectionString2, Header, Invitation, KeyHash, LinkSpeed, PassStub, Password, SessionId, Ticket};

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
fn s052_what_a_viewing_expert_sends_is_dropped() -> Outcome {
    if !probe::has_all("s052_what_a_viewing_expert_sends_is_dropped", FREERDP) {
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

#[test]
fn our_expert_sees_what_freerdps_shadow_server_shares() -> Outcome {
    let needed = ["freerdp-shadow-cli", "Xvfb", "xterm", "xdotool", "import"];
    if !probe::has_all("our_expert_sees_what_freerdps_shadow_server_shares", &needed) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::virtual_screen(1024, 768)?;
    let _xterm = crate::x11::xterm(&screen, &stage, "printf 'word: tulips\\n'; exec sleep 1000")?;
    let mut shadow = screen.command("freerdp-shadow-cli");
    shadow.args([&format!("/bind-address:{}", stage.addr().ip()), &format!("/port:{}", stage.addr().port())]);
    shadow.args(["-auth", "/sec:tls"]).env("HOME", stage.path()).env_remove("XDG_CONFIG_HOME");
    let shadow = Process::start(&mut shadow)?;
    let certificate = certificate_of(&shadow, &stage)?;

    // A ticket for it, as its computer would have made one. Its key is known by the whole certificate.
    let password = Password::new(PASSWORD).map_err(|e| Failure::new(e.to_string()))?;
    let connection = ConnectionString2::new(
        KeyHash::from([0; 20]),
        SessionId::from_entropy(&[7; 48]),
        vec![stage.addr().to_string().parse().map_err(|_| Failure::new("no endpoint"))?],
    )
    .and_then(|c| c.with_certificate(certificate))
    .map_err(|e| Failure::new(e.to_string()))?;
    let header =
        Header { user_name: "Shadow".into(), start: 1_767_225_600, length_minutes: 60, speed: LinkSpeed::Normal };
    let ticket = Ticket::type2(&connection, &password, PassStub::from_entropy(&[5; 32]));
    let file = Invitation::issue(header, ticket).map_err(|e| Failure::new(e.to_string()))?.to_bytes();
    fs::write(stage.invitation(), file)?;

    let mut expert = stage.expert().watches()?;
    expert.wait_event("authenticated").map_err(|e| e.seen(shadow.report()))?;
    expert.wait_event("first_frame").map_err(|e| e.seen(shadow.report()))?;
    let source = screen.picture(stage.path())?;
    assert!(source.text(FIRST_ROW).starts_with("word: tulips"), "{:?}", source.text(FIRST_ROW));
    // Its codecs lose a little, so the pictures are alike and not equal.
    expert.sees("the shared screen", |picture| (picture.unlikeness(&source) < 6.0).then_some(()))
}

/// The first row of our xterm.
const FIRST_ROW: Line = Line { x: 0, y: 0, scale: 1, cells: 80, ink: [0; 3], paper: [0xFF; 3] };

/// Waits for the shadow server to listen, and reads the certificate that it made for itself (DER).
fn certificate_of(shadow: &Process, stage: &Stage) -> Result<Vec<u8>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    // It makes its key and certificate before it listens.
    while std::net::TcpStream::connect(stage.addr()).is_err() {
        if Instant::now() > deadline || !shadow.runs() {
            return Err(Failure::new("the shadow server does not listen").seen(shadow.report()));
        }
        shadow.look(|_| std::thread::yield_now());
    }
    let found = find(stage.path(), "crt").ok_or_else(|| Failure::new("the shadow server has no certificate"))?;
    let text = fs::read_to_string(found)?;
    // It ends its files with a NUL.
    let lines = text.trim_end_matches('\0').lines().filter(|l| !l.starts_with("-----"));
    let body: String = lines.collect();
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(body).map_err(|e| Failure::new(e.to_string()))
}

fn find(dir: &Path, extension: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, extension) {
                return Some(found);
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            return Some(path);
        }
    }
    None
}
