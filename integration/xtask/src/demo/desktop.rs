//! The desktop that the novice shares in the demo: the embedded one, or a terminal on a real X server.

use std::path::{Path, PathBuf};

use integration::hostile::Dice;
use integration::picture::{DEMO_FIELD, Line};
use integration::xserver::XServer;
use integration::{Cast, Expert, Failure, Person, Picture, Process};

/// What is shared, and how to read and touch it.
pub(crate) enum Shared {
    Demo,
    X11(Box<Real>),
}

/// An X server with a keyboard of its own, and xterm on it.
pub(crate) struct Real {
    // Ended before the server is.
    _terminal: Process,
    server: XServer,
    word: String,
    _script: PathBuf,
}

impl Shared {
    pub(crate) fn demo() -> Self {
        Self::Demo
    }

    /// Starts Xephyr inside Xvfb, so that a key can be pressed as on a real keyboard, and an xterm that shows a word.
    pub(crate) fn x11(dir: &Path, dice: &mut Dice) -> Result<Self, Failure> {
        let server = XServer::with_hardware(1280, 720)?;
        let word = dice.word(8);
        let script = dir.join("show");
        std::fs::write(&script, format!("printf 'word: %s\\n' {word}\nexec cat >/dev/null\n"))?;
        let mut xterm = server.command("xterm");
        // This font is the one that the harness reads; at 0,0 without borders its cells are easy to find.
        xterm.args(["-fn", "10x20", "-geometry", "100x30+0+0", "-b", "0", "-bw", "0", "+sb"]);
        xterm.args(["-fg", "black", "-bg", "white", "-uc", "-e", "sh"]).arg(&script);
        let terminal = Process::start(&mut xterm)?;
        server.tool("xdotool", &["search", "--sync", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync"])?;
        server.tool("xdotool", &["mousemove", "300", "300"])?;
        Ok(Self::X11(Box::new(Real { _terminal: terminal, server, word, _script: script })))
    }

    /// What `--desktop` is told.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::X11(_) => "x11",
        }
    }

    /// The host with the display it needs.
    pub(crate) fn hosted_by<'a>(&self, cast: Cast<'a>) -> Cast<'a> {
        match self {
            Self::Demo => cast,
            Self::X11(real) => cast.env("DISPLAY", real.server.display()),
        }
    }

    /// The word of the run as it stands in a picture.
    pub(crate) fn word(&self, picture: &Picture) -> Option<String> {
        let word = match self {
            Self::Demo => return picture.demo_word(),
            Self::X11(_) => picture.text(row(0)).strip_prefix("word: ")?.to_owned(),
        };
        (word.len() > 3 && word.chars().all(|c| c.is_ascii_lowercase())).then_some(word)
    }

    /// The word as the novice's side knows it, to compare; `None` when it does not say.
    pub(crate) fn told_word(&self, novice: &Person) -> Option<String> {
        match self {
            Self::X11(real) => Some(real.word.clone()),
            Self::Demo => novice.told_word(),
        }
    }

    /// What was typed, as it stands in a picture.
    pub(crate) fn typed(&self, picture: &Picture) -> String {
        match self {
            Self::Demo => picture.text(DEMO_FIELD),
            Self::X11(_) => picture.text(row(1)),
        }
    }

    /// Waits until the expert sees something that happened on the desktop just now, and returns that picture.
    pub(crate) fn moves_on(&self, expert: &Expert) -> Result<Picture, Failure> {
        match self {
            // The clock of the demo desktop moves, and other things do so more often.
            Self::Demo => {
                let before = expert.picture()?;
                let clock = |picture: &Picture| picture.part(CLOCK.0, CLOCK.1, CLOCK.2, CLOCK.3);
                expert
                    .sees("the clock move on", |now| (clock(now).difference(&clock(&before)) > 0).then(|| now.clone()))
            }
            Self::X11(real) => {
                for _ in MARK.chars() {
                    real.server.press_hardware_key("period")?;
                }
                expert.sees("what Kim types", |now| self.typed(now).contains(MARK).then(|| now.clone()))
            }
        }
    }

    /// Presses ESC where the novice has it: on the terminal of the demo desktop, or on the keyboard.
    pub(crate) fn press_esc(&self, novice: &Person) -> Result<(), Failure> {
        match self {
            Self::Demo => novice.press_esc(),
            Self::X11(real) => real.server.press_hardware_key("Escape"),
        }
    }
}

/// A row of the terminal.
fn row(index: usize) -> Line {
    Line { x: 0, y: index * 20, scale: 1, cells: 100, ink: [0; 3], paper: [0xFF; 3] }
}

/// What Kim types on her own keyboard.
const MARK: &str = "...";

/// Where the clock of the demo desktop is: left, top, width, height.
const CLOCK: (usize, usize, usize, usize) = (1040, 110, 160, 40);
