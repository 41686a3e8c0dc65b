//! Real X servers: a real terminal, a real ESC key, a screen that changes its size.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use integration::picture::Line;
use integration::xserver::XServer;
use integration::{Expert, Failure, Outcome, PASSWORD, PATIENCE, Person, Picture, Process, Stage, probe};

use crate::peers::{FREERDP, FreeRdp};

/// What these tests play with.
const X11: &[&str] = &["Xvfb", "Xephyr", "xdotool", "xterm", "setxkbmap", "import"];

/// The i-th row of our xterm.
pub(crate) fn row(index: usize) -> Line {
    Line { x: 0, y: index * 20, scale: 1, cells: 60, ink: [0; 3], paper: [0xFF; 3] }
}

/// Starts an xterm in the upper left corner, gives it the keyboard, and lets it run a line of shell.
pub(crate) fn xterm(screen: &XServer, stage: &Stage, script: &str) -> Result<Process, Failure> {
    let mut command = screen.command("xterm");
    command.args(XTERM).args(["-e", "sh", "-c", script]);
    command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8").env("HOME", stage.path()).current_dir(stage.path());
    let process = Process::start(&mut command)?;
    focus_xterm(screen)?;
    Ok(process)
}

pub(crate) fn focus_xterm(screen: &XServer) -> Outcome {
    screen
        .tool("xdotool", &["search", "--sync", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync"])
        .map(drop)
}

/// Borderless, at 0,0, in the font that the harness reads.
pub(crate) const XTERM: &[&str] = &[
    "-u8",
    "-fn",
    "10x20",
    "-geometry",
    "100x30+0+0",
    "-b",
    "0",
    "-bw",
    "0",
    "+sb",
    "-fg",
    "black",
    "-bg",
    "white",
    "-uc",
];

/// The novice on a real X server.
pub(crate) fn host(stage: &Stage, screen: &XServer) -> Result<Person, Failure> {
    let invite = stage.novice().invites_on("x11", "Kim Aalbers").arg("--password-file").arg(stage.password_file());
    let mut novice = invite.env("DISPLAY", screen.display()).start()?;
    novice.wait_event("listening")?;
    Ok(novice)
}

/// Our expert, who controls and types.
fn typing(stage: &Stage, novice: &mut Person, text: &str) -> Result<Expert, Failure> {
    let mut expert = stage.expert().args(["--request-control", "--type", text]).watches()?;
    novice.says("y", "view")?;
    novice.says("y", "control")?;
    expert.wait_event("controlling")?;
    Ok(expert)
}

/// Reads a file again and again until it is as it should be; patient for as long as it grows.
fn file_becomes(stage: &Stage, name: &str, expected: &str) -> Outcome {
    let mut last = String::new();
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(stage.path().join(name)).unwrap_or_default();
        if text == expected {
            return Ok(());
        }
        let wrong = !expected.starts_with(&text);
        if wrong || Instant::now() > deadline {
            return Err(Failure::new(format!("{name} holds {text:?}, not {expected:?}")));
        }
        if text != last {
            deadline = Instant::now() + PATIENCE;
            last = text;
        }
        std::thread::yield_now();
    }
}

#[test]
fn s066_the_picture_of_a_real_screen_arrives_bit_for_bit() -> Outcome {
    if !probe::has_all("s066_the_picture_of_a_real_screen_arrives_bit_for_bit", &[X11, FREERDP].concat()) {
        return Ok(());
    }
    for peer in ["ours", "xfreerdp", "xfreerdp /gfx"] {
        let stage = Stage::new()?;
        let screen = XServer::virtual_screen(1280, 720)?;
        let _xterm =
            xterm(&screen, &stage, "for i in 1 2 3 4 5 6 7; do printf '\\033[3%dmtulips %d\\n' $i $i; done; exec cat")?;
        let mut novice = host(&stage, &screen)?;
        let same = |picture: &Picture| {
            let source = screen.picture(stage.path()).ok()?;
            (source.colours() > 5 && picture.difference(&source) == 0).then_some(())
        };
        if peer == "ours" {
            let expert = stage.expert().watches()?;
            novice.says("y", "view")?;
            novice.wait_event("viewing")?;
            expert.until("the picture", |seen| seen.events.iter().any(|e| e.name() == "first_frame").then_some(()))?;
            expert.sees("the same picture", same)?;
        } else {
            let more: Vec<_> = peer.split(' ').skip(1).collect();
            let expert = FreeRdp::opens(&stage, PASSWORD, &more)?;
            novice.says("y", "view")?;
            expert.sees("the same picture", same)?;
        }
    }
    Ok(())
}

#[test]
fn s072_r046_the_expert_does_what_the_user_can_do_with_the_users_own_rights() -> Outcome {
    if !probe::has_all("s072_r046_the_expert_does_what_the_user_can_do_with_the_users_own_rights", X11) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::virtual_screen(1280, 720)?;
    let _xterm = xterm(&screen, &stage, "exec sh")?;
    let mut novice = host(&stage, &screen)?;
    let _expert = typing(&stage, &mut novice, "id -u >whoami\n")?;
    file_becomes(&stage, "whoami", &format!("{}\n", rustix::process::getuid().as_raw()))
}

#[test]
fn a_text_with_letters_of_all_kinds_arrives_exactly_under_every_layout() -> Outcome {
    if !probe::has_all("a_text_with_letters_of_all_kinds_arrives_exactly_under_every_layout", X11) {
        return Ok(());
    }
    let _load = Load::start();
    for layout in ["us", "de", "fr"] {
        let stage = Stage::new()?;
        let screen = XServer::virtual_screen(1280, 720)?;
        screen.tool("setxkbmap", &["-layout", layout])?;
        let _xterm = xterm(&screen, &stage, "stty -echo; exec cat >typed")?;
        let mut novice = host(&stage, &screen)?;
        let expected = format!("{TEXT}\n").repeat(20);
        let _expert = typing(&stage, &mut novice, &expected)?;
        file_becomes(&stage, "typed", &expected).map_err(|e| e.seen(format!("under layout {layout}")))?;
    }
    Ok(())
}

#[test]
fn s055_s113_r044_keys_and_pointer_arrive_after_the_yes_and_not_after_a_real_esc() -> Outcome {
    if !probe::has_all(
        "s055_s113_r044_keys_and_pointer_arrive_after_the_yes_and_not_after_a_real_esc",
        &[X11, FREERDP].concat(),
    ) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::with_hardware(1280, 720)?;
    let _xterm = xterm(&screen, &stage, "exec cat >typed")?;
    let mut novice = host(&stage, &screen)?;
    let expert = FreeRdp::opens(&stage, PASSWORD, &[])?;
    novice.says("y", "view")?;
    expert.sees("a picture", |picture| (picture.width() == 1280).then_some(()))?;
    expert.focus()?;
    let home = screen.pointer()?;

    // Looking only: neither the pointer nor a key gets through. What comes first on the line comes first here.
    expert.points_at(400, 300)?;
    expert.hands(&["click", "1", "type", "--delay", "5", "early"])?;
    expert.toggles_control()?;
    novice.says("y", "control")?;
    assert_eq!(screen.pointer()?, home, "before the yes");
    novice.wait_event("controlling")?;

    expert.points_at(500, 350)?;
    pointer_comes_to(&screen, (500, 350))?;
    expert.hands(&["type", "--delay", "5", "tulips"])?;
    expert.hands(&["key", "Return"])?;
    file_becomes(&stage, "typed", "tulips\n")?;

    // The novice's own ESC, on the novice's own keyboard, in whatever window.
    screen.press_hardware_key("Escape")?;
    assert_eq!(novice.wait_event("revoked")?.text("by"), Some("esc"));
    expert.points_at(700, 400)?;
    expert.hands(&["click", "1", "type", "--delay", "5", "late"])?;
    // It believes that it still controls, so its first press gives back, and the second asks.
    expert.toggles_control()?;
    expert.toggles_control()?;
    novice.wait_event("control_requested")?;
    novice.wait_event("control_requested")?;
    novice.says("n", "control")?;
    assert_eq!(screen.pointer()?, (500, 350), "after ESC");
    file_becomes(&stage, "typed", "tulips\n")
}

#[test]
fn r051_an_esc_that_the_expert_types_is_an_ordinary_key() -> Outcome {
    if !probe::has_all("r051_an_esc_that_the_expert_types_is_an_ordinary_key", &[X11, FREERDP].concat()) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::with_hardware(1280, 720)?;
    let _xterm = xterm(&screen, &stage, "stty -icanon -echo; exec cat >typed")?;
    let mut novice = host(&stage, &screen)?;
    let expert = FreeRdp::opens(&stage, PASSWORD, &["+auto-request-control"])?;
    novice.says("y", "view")?;
    novice.says("y", "control")?;
    novice.wait_event("controlling")?;
    expert.focus()?;
    expert.hands(&["key", "Escape", "key", "a"])?;
    file_becomes(&stage, "typed", "\u{1b}a")?;
    assert!(!novice.has_seen("revoked"), "{}", novice.report());
    // An ESC by another program on the novice's side, such as an on-screen keyboard, does revoke.
    screen.tool("xdotool", &["key", "Escape"])?;
    assert_eq!(novice.wait_event("revoked")?.text("by"), Some("esc"));
    Ok(())
}

#[test]
fn esc_works_with_a_menu_open_and_lifts_what_the_expert_holds() -> Outcome {
    if !probe::has_all("esc_works_with_a_menu_open_and_lifts_what_the_expert_holds", &[X11, FREERDP].concat()) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::with_hardware(1280, 720)?;
    let _xterm = xterm(&screen, &stage, "stty -icanon -echo; exec cat >typed")?;
    let mut novice = host(&stage, &screen)?;
    let expert = FreeRdp::opens(&stage, PASSWORD, &["+auto-request-control"])?;
    novice.says("y", "view")?;
    novice.says("y", "control")?;
    novice.wait_event("controlling")?;
    expert.focus()?;
    // xterm's menu grabs pointer and keyboard for as long as the button is held with Ctrl.
    expert.points_at(300, 300)?;
    pointer_comes_to(&screen, (300, 300))?;
    expert.hands(&["keydown", "ctrl", "mousedown", "1"])?;
    expert.sees("the menu", |picture| (!picture.text(row(15)).trim().is_empty()).then_some(()))?;
    screen.press_hardware_key("Escape")?;
    assert_eq!(novice.wait_event("revoked")?.text("by"), Some("esc"));
    // Nothing is held any more: the menu is gone, and a key is a key without Ctrl.
    screen.press_hardware_key("a")?;
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(stage.path().join("typed"))?.ends_with('a') {
        assert!(Instant::now() < deadline, "Ctrl is still held: {:?}", fs::read(stage.path().join("typed")));
    }
    Ok(())
}

#[test]
fn the_picture_follows_the_size_of_the_screen() -> Outcome {
    if !probe::has_all("the_picture_follows_the_size_of_the_screen", X11) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::with_hardware(1280, 720)?;
    let _xterm = xterm(&screen, &stage, "printf 'word: tulips\\n'; exec cat")?;
    let mut novice = host(&stage, &screen)?;
    let expert = stage.expert().watches()?;
    novice.says("y", "view")?;
    expert.until("the picture", |seen| seen.events.iter().any(|e| e.name() == "first_frame").then_some(()))?;
    expert.sees("the first size", |picture| (picture.width() == 1280).then_some(()))?;
    for (width, height) in [(1000, 600), (1400, 800)] {
        let size = [width.to_string(), height.to_string()];
        let resize = ["search", "--onlyvisible", "--class", "Xephyr", "windowsize", &size[0], &size[1]];
        screen.hardware_tool("xdotool", &resize)?;
        expert.sees("the new size", |picture| {
            let fits = (picture.width(), picture.height()) == (width, height);
            (fits && picture.text(row(0)).starts_with("word: tulips")).then_some(())
        })?;
    }
    assert!(novice.process().runs());
    Ok(())
}

#[test]
fn s117_where_policy_saves_bandwidth_there_are_fewer_colours() -> Outcome {
    let name = "s117_where_policy_saves_bandwidth_there_are_fewer_colours";
    if !probe::has_all(name, &[&["Xvfb", "xsetroot", "import"], FREERDP].concat()) {
        return Ok(());
    }
    // Of 8 bits a colour 5 or 6 are kept: this one is between two of those that are left.
    let colour = [0x13, 0x57, 0x9B];
    for (policy, all) in [("", true), ("UseBandwidthOptimization = 1\n", false)] {
        let stage = Stage::new()?;
        stage.policy(policy)?;
        let screen = XServer::virtual_screen(640, 480)?;
        screen.tool("xsetroot", &["-solid", "#13579b"])?;
        let mut novice = host(&stage, &screen)?;
        // With a depth of its own it does not ask for the pipeline.
        let expert = FreeRdp::opens(&stage, PASSWORD, &["/bpp:32"])?;
        novice.says("y", "view")?;
        expert.sees("the colour", |picture| {
            let seen = picture.pixel(320, 240)?;
            let near = seen.iter().zip(colour).all(|(seen, wanted)| seen.abs_diff(wanted) < 8);
            (near && (seen == colour) == all).then_some(())
        })?;
    }
    Ok(())
}

#[test]
fn one_monitor_is_shared_and_nothing_beside_it() -> Outcome {
    if !probe::has_all("one_monitor_is_shared_and_nothing_beside_it", &[X11, &["xrandr", "xsetroot"]].concat()) {
        return Ok(());
    }
    let stage = Stage::new()?;
    let screen = XServer::virtual_screen(1280, 720)?;
    screen.tool("xrandr", &["--setmonitor", "LEFT", "640/100x720/100+0+0", "screen"])?;
    let right = ["--setmonitor", "RIGHT", "640/100x720/100+640+0", "none"];
    screen.tool("xrandr", &right)?;
    screen.tool("xsetroot", &["-solid", "#336699"])?;
    // It reaches across both.
    let _xterm = xterm(&screen, &stage, "for i in 1 2 3 4 5 6 7; do seq -s ' ' $i 60; done; exec cat")?;
    let invite = |monitor: &str| {
        let invite = stage.novice().invites_on("x11", "Kim Aalbers").arg("--password-file").arg(stage.password_file());
        invite.args(["--monitor", monitor]).env("DISPLAY", screen.display()).start()
    };
    let mut wrong = invite("3")?;
    assert_eq!(wrong.exit_code()?, Some(2), "{}", wrong.report());
    wrong.process().look(|seen| {
        let listed = "there are: 1 (LEFT, 640x720 at 0,0), 2 (RIGHT, 640x720 at 640,0)";
        assert!(seen.err.contains(listed), "{}", seen.err);
    });
    assert!(!stage.invitation().exists());

    let mut novice = invite("2")?;
    novice.wait_event("listening")?;
    let expert = stage.expert().watches()?;
    novice.says("y", "view")?;
    expert.until("the picture", |seen| seen.events.iter().any(|e| e.name() == "first_frame").then_some(()))?;
    let same = |picture: &Picture| {
        let source = screen.picture(stage.path()).ok()?.part(640, 0, 640, 720);
        (source.colours() > 2 && picture.width() == 640 && picture.difference(&source) == 0).then_some(())
    };
    expert.sees("the right monitor", same)?;
    screen.tool("xrandr", &["--delmonitor", "RIGHT"])?;
    screen.tool("xsetroot", &["-solid", "#993366"])?;
    let gone = novice.wait_event("monitor")?;
    assert_eq!((gone.text("name"), gone.field("there")), (Some("RIGHT"), Some(&false.into())));
    expert.sees("nothing", |picture| (picture.colours() == 1 && picture.pixel(0, 0) == Some([0; 3])).then_some(()))?;
    screen.tool("xrandr", &right)?;
    screen.tool("xsetroot", &["-solid", "#669933"])?;
    assert_eq!(novice.wait_event("monitor")?.field("there"), Some(&true.into()));
    expert.sees("the right monitor again", same)
}

fn pointer_comes_to(screen: &XServer, place: (i32, i32)) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = screen.pointer()?;
        if now == place {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!("the pointer is at {now:?} and not at {place:?}")));
        }
    }
}

/// Sixty characters of a European, a Cyrillic and a Chinese keyboard, and those that layouts put elsewhere.
const TEXT: &str = "Zażółć: größte ñandú, Привет, Я! 漢字 z=y, a@q; [m]{w}? €5,00%";

/// Somebody else who needs the processors.
struct Load {
    done: Arc<AtomicBool>,
}

impl Load {
    fn start() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self { done }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_text_has_sixty_characters() {
    assert_eq!(TEXT.chars().count(), 60);
    assert!(['€', 'ñ', 'Я', '漢'].iter().all(|c| TEXT.contains(*c)));
}
