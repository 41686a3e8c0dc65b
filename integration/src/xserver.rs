//! X servers of one's own, and hands on their keyboards and pointers.

use std::path::Path;
use std::process::Command;

use crate::{Failure, Output, PATIENCE, Picture, Process};

/// An X server that ends when it is dropped.
pub struct XServer {
    process: Process,
    display: String,
    /// The server around it, whose input devices are this one's hardware.
    outer: Option<Box<XServer>>,
}

impl XServer {
    /// Starts Xvfb with one screen.
    ///
    /// # Errors
    /// When it does not come up.
    #[track_caller]
    pub fn virtual_screen(width: u32, height: u32) -> Result<Self, Failure> {
        let screen = format!("{width}x{height}x24");
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp", "-noreset"]);
        Self::start(&mut command, None)
    }

    /// As [`XServer::virtual_screen`], for programs that have the key in this Xauthority file.
    ///
    /// # Errors
    /// When it does not come up.
    #[track_caller]
    pub fn guarded(width: u32, height: u32, key: &Path) -> Result<Self, Failure> {
        let screen = format!("{width}x{height}x24");
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp", "-noreset", "-auth"]).arg(key);
        Self::start(&mut command, None)
    }

    /// Starts Xephyr inside an Xvfb. Keys pressed on the outer one are physical ones here, and its window can be
    /// resized.
    ///
    /// # Errors
    /// When one of them does not come up.
    #[track_caller]
    pub fn with_hardware(width: u32, height: u32) -> Result<Self, Failure> {
        let outer = Self::virtual_screen(width + 400, height + 400)?;
        let screen = format!("{width}x{height}x24");
        let mut command = Command::new("Xephyr");
        command.env("DISPLAY", &outer.display);
        command.args(["-displayfd", "1", "-screen", &screen, "-resizeable", "-noreset", "-nolisten", "tcp"]);
        let server = Self::start(&mut command, Some(Box::new(outer)))?;
        server.hardware_tool("xdotool", &["mousemove", "20", "20"])?;
        Ok(server)
    }

    #[track_caller]
    fn start(command: &mut Command, outer: Option<Box<Self>>) -> Result<Self, Failure> {
        let process = Process::start(command)?;
        let number = process.until("its display number", PATIENCE, |seen| {
            seen.out.split_once('\n').and_then(|(n, _)| n.trim().parse::<u32>().ok())
        })?;
        Ok(Self { process, display: format!(":{number}"), outer })
    }

    /// What `DISPLAY` must be.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The server itself.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The server around it, if this one has "hardware".
    #[must_use]
    pub fn outer(&self) -> Option<&XServer> {
        self.outer.as_deref()
    }

    /// Prepares a program to run on this display.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env_remove("WAYLAND_DISPLAY").env_remove("XAUTHORITY");
        command
    }

    /// Runs a program on this display to its end and returns what it printed.
    ///
    /// # Errors
    /// When it fails.
    #[track_caller]
    pub fn tool(&self, program: &str, args: &[&str]) -> Result<String, Failure> {
        self.run(self.command(program), program, args)
    }

    /// As [`XServer::tool`], for a server that is [guarded](XServer::guarded).
    ///
    /// # Errors
    /// When it fails.
    #[track_caller]
    pub fn guarded_tool(&self, key: &Path, program: &str, args: &[&str]) -> Result<String, Failure> {
        let mut command = self.command(program);
        command.env("XAUTHORITY", key);
        self.run(command, program, args)
    }

    #[track_caller]
    fn run(&self, mut command: Command, program: &str, args: &[&str]) -> Result<String, Failure> {
        let Output { out, err, exit, .. } = Process::run(command.args(args))?;
        if exit.is_some_and(|status| status.success()) {
            return Ok(out);
        }
        Err(Failure::new(format!("{program} {args:?} failed on {}", self.display)).seen(out).seen(err))
    }

    /// Runs a program on the outer display: what it presses is physical here.
    ///
    /// # Errors
    /// When it fails, or there is no outer display.
    #[track_caller]
    pub fn hardware_tool(&self, program: &str, args: &[&str]) -> Result<String, Failure> {
        let outer = self.outer.as_ref().ok_or_else(|| Failure::new("this X server has no hardware"))?;
        outer.tool(program, args)
    }

    /// Presses a physical key.
    ///
    /// # Errors
    /// When there is no outer display.
    #[track_caller]
    pub fn press_hardware_key(&self, key: &str) -> Result<(), Failure> {
        self.hardware_tool("xdotool", &["key", key]).map(drop)
    }

    /// Where the pointer is.
    ///
    /// # Errors
    /// When xdotool fails.
    #[track_caller]
    pub fn pointer(&self) -> Result<(i32, i32), Failure> {
        let place = self.tool("xdotool", &["getmouselocation", "--shell"])?;
        let value = |name: &str| place.lines().find_map(|l| l.strip_prefix(name)?.parse().ok());
        match (value("X="), value("Y=")) {
            (Some(x), Some(y)) => Ok((x, y)),
            _ => Err(Failure::new("no place of the pointer").seen(place)),
        }
    }

    /// What is on the screen, as another program sees it.
    ///
    /// # Errors
    /// When ImageMagick fails.
    #[track_caller]
    pub fn picture(&self, scratch: &Path) -> Result<Picture, Failure> {
        let file = scratch.join(format!("screen{}.png", self.display.replace(':', "-")));
        let target = format!("png24:{}", file.display());
        // Read once and thrown away: not worth compressing.
        self.tool("import", &["-window", "root", "-silent", "-quality", "1", &target])?;
        Picture::read(&file)
    }
}
