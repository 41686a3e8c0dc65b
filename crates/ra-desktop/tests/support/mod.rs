//! What the tests on real X servers share.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

pub(crate) mod novice;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ra_desktop::{Capture, Desktop, Injected, Injector, OpenError, Revocation, Waker};
use ra_session::input::{InputEvent, Prefix};
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::xinput::{self, ConnectionExt as _, DeviceType};
use x11rb::protocol::xproto::{ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, Rectangle, WindowClass};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use novice::Novice;

/// How long anything may take on a loaded machine before the test says that it does not happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A program that ends with the test.
pub(crate) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Program {
    /// Starts a program; a missing one is a failure that names its package.
    pub(crate) fn start(command: &mut Command, package: &str) -> Self {
        match command.stdin(Stdio::null()).spawn() {
            Ok(child) => Self(child),
            Err(error) => panic!(
                "cannot start {:?}: {error}; it is in the package {package}, which `cargo xtask test` installs",
                command.get_program()
            ),
        }
    }
}

/// An X server of the test's own.
pub(crate) struct Server {
    program: Program,
    pub display: String,
}

impl Server {
    /// A server without a screen to look at.
    pub(crate) fn xvfb(screen: &str, more: &[&str]) -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-screen", "0", screen, "-nolisten", "tcp", "-noreset", "-ac"]).args(more);
        Self::start(command, "xvfb")
    }

    /// A server in a window of another one, which can be resized.
    pub(crate) fn xephyr(outer: &Self, size: &str) -> Self {
        let mut command = Command::new("Xephyr");
        command.args(["-screen", size, "-resizeable", "-nolisten", "tcp", "-noreset", "-ac"]);
        command.env("DISPLAY", &outer.display);
        Self::start(command, "xserver-xephyr")
    }

    pub(crate) fn start(mut command: Command, package: &str) -> Self {
        let mut program =
            Program::start(command.args(["-displayfd", "1"]).stdout(Stdio::piped()).stderr(Stdio::null()), package);
        let mut number = String::new();
        BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "{:?} ended before it had a display", command.get_program());
        Self { program, display: format!(":{}", number.trim()) }
    }

    /// Its process, to ask the system what it costs.
    pub(crate) fn pid(&self) -> u32 {
        self.program.0.id()
    }

    /// Stops the server in its tracks, as a machine out of memory would.
    pub(crate) fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.program.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        let (connection, screen) = RustConnection::connect(Some(&self.display)).unwrap();
        let root = connection.setup().roots[screen].root;
        Client { connection, root }
    }

    pub(crate) fn open(&self, novice: &Novice) -> Desktop {
        self.open_monitor("all", novice).unwrap()
    }

    /// Opens the desktop, or one monitor of it, as the command line names it.
    pub(crate) fn open_monitor(&self, monitor: &str, novice: &Novice) -> Result<Desktop, OpenError> {
        ra_desktop::backend::x11::open(Some(&self.display), &monitor.parse().unwrap(), novice.gate())
    }

    /// Runs a program on this display to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str], package: &str) {
        let mut command = Command::new(program);
        command.args(arguments).env("DISPLAY", &self.display).env_remove("WAYLAND_DISPLAY");
        let status = Program::start(&mut command, package).0.wait().unwrap();
        assert!(status.success(), "{program} {arguments:?} failed");
    }
}

/// A program of the novice's, as seen by the X server.
pub(crate) struct Client {
    pub connection: RustConnection,
    pub root: u32,
}

impl Client {
    /// Maps a window without decorations that hears keys and buttons; returns when it is visible.
    pub(crate) fn window(&self, x: i16, y: i16, width: u16, height: u16, colour: u32) -> u32 {
        let window = self.connection.generate_id().unwrap();
        let events = EventMask::KEY_PRESS
            | EventMask::KEY_RELEASE
            | EventMask::BUTTON_PRESS
            | EventMask::BUTTON_RELEASE
            | EventMask::POINTER_MOTION
            | EventMask::EXPOSURE;
        let how = CreateWindowAux::new().background_pixel(colour).override_redirect(1).event_mask(events);
        let class = WindowClass::INPUT_OUTPUT;
        self.connection
            .create_window(x11rb::COPY_DEPTH_FROM_PARENT, window, self.root, x, y, width, height, 0, class, 0, &how)
            .unwrap();
        self.connection.map_window(window).unwrap();
        self.connection.flush().unwrap();
        self.until(|event| matches!(event, x11rb::protocol::Event::Expose(_)).then_some(()));
        window
    }

    /// Fills a rectangle of a window with one colour; returns when the server has done it.
    pub(crate) fn fill(&self, window: u32, colour: u32, (x, y, width, height): (i16, i16, u16, u16)) {
        let gc = self.connection.generate_id().unwrap();
        self.connection.create_gc(gc, window, &CreateGCAux::new().foreground(colour)).unwrap();
        self.connection.poly_fill_rectangle(window, gc, &[Rectangle { x, y, width, height }]).unwrap();
        self.connection.free_gc(gc).unwrap();
        self.sync();
    }

    /// Everything sent so far has been carried out when this returns.
    pub(crate) fn sync(&self) {
        self.connection.get_input_focus().unwrap().reply().unwrap();
    }

    /// Waits for an event that `wanted` takes.
    pub(crate) fn until<T>(&self, mut wanted: impl FnMut(x11rb::protocol::Event) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            while let Some(event) = self.connection.poll_for_event().unwrap() {
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no such event within {DEADLINE:?}");
            let time = rustix::event::Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: 0 };
            let stream = self.connection.stream();
            let mut fds = [rustix::event::PollFd::new(stream, rustix::event::PollFlags::IN)];
            _ = rustix::event::poll(&mut fds, Some(&time));
        }
    }

    /// Presses and lifts a key of the server's own keyboard: a slave device that does not belong to XTEST.
    pub(crate) fn physical_key(&self, keycode: u8) {
        self.physical_keys(self.physical_keyboard(), keycode);
    }

    /// The same on a device that is known already.
    pub(crate) fn physical_keys(&self, device: u8, keycode: u8) {
        self.press_device_key(device, keycode, true);
        self.press_device_key(device, keycode, false);
        // A client that leaves with unread events takes its last requests with it.
        self.sync();
    }

    /// Asks for one key press or release on a device; nothing is sent before the next flush.
    pub(crate) fn press_device_key(&self, device: u8, keycode: u8, pressed: bool) {
        let first = self.connection.extension_information("XInputExtension").unwrap().unwrap().first_event;
        let kind = if pressed { xinput::DEVICE_KEY_PRESS_EVENT } else { xinput::DEVICE_KEY_RELEASE_EVENT };
        self.connection.xtest_fake_input(first + kind, keycode, 0, self.root, 0, 0, device).unwrap();
    }

    /// The first slave keyboard that does not belong to XTEST.
    pub(crate) fn physical_keyboard(&self) -> u8 {
        self.connection.xinput_xi_query_version(2, 2).unwrap().reply().unwrap();
        let property = self.connection.intern_atom(false, b"XTEST Device").unwrap().reply().unwrap().atom;
        let devices = self.connection.xinput_xi_query_device(xinput::Device::ALL).unwrap().reply().unwrap();
        let keyboards = devices.infos.iter().filter(|device| device.type_ == DeviceType::SLAVE_KEYBOARD);
        let physical = keyboards.map(|device| device.deviceid).find(|id| {
            let found = self.connection.xinput_xi_get_property(*id, false, property, 0, 0, 1).unwrap().reply().unwrap();
            found.num_items == 0
        });
        u8::try_from(physical.unwrap()).unwrap()
    }

    /// Which keycodes the server holds down.
    pub(crate) fn keys_down(&self) -> Vec<u8> {
        let keys = self.connection.query_keymap().unwrap().reply().unwrap().keys;
        (0..=u8::MAX).filter(|code| keys[usize::from(code / 8)] >> (code % 8) & 1 == 1).collect()
    }
}

/// A desktop with its watcher at work on a thread.
pub(crate) struct Controlled {
    pub novice: Novice,
    pub injector: Injector,
    pub capture: Box<dyn Capture>,
    pub revocations: Receiver<Revocation>,
    pub stopper: Waker,
    pub watcher: Option<JoinHandle<()>>,
}

impl Controlled {
    /// Opens a server's desktop and grants control, with the watcher listening.
    pub(crate) fn new(server: &Server) -> Self {
        let novice = Novice::viewing();
        let desktop = server.open(&novice);
        Self::from_desktop(novice, desktop)
    }

    pub(crate) fn from_desktop(mut novice: Novice, desktop: Desktop) -> Self {
        let Desktop { capture, injector, watcher, .. } = desktop;
        let stopper = watcher.stopper();
        let (sender, revocations) = channel();
        let watcher = std::thread::spawn(move || watcher.run(Box::new(move |news| drop(sender.send(news)))));
        let deadline = Instant::now() + DEADLINE;
        while !injector.is_watched() {
            assert!(Instant::now() < deadline, "the watcher does not begin");
            std::thread::yield_now();
        }
        novice.grant();
        Self { novice, injector, capture, revocations, stopper, watcher: Some(watcher) }
    }

    pub(crate) fn inject(&mut self, event: InputEvent) -> Injected {
        self.injector.inject(self.novice.stamp(event)).unwrap()
    }

    /// Presses and lifts keys by their scancodes.
    pub(crate) fn keys(&mut self, codes: &[u8]) {
        for code in codes {
            self.key(*code, true);
            self.key(*code, false);
        }
    }

    pub(crate) fn key(&mut self, code: u8, pressed: bool) {
        let event = InputEvent::Key { code, prefix: Prefix::None, pressed };
        assert_eq!(self.inject(event), Injected::Done);
    }

    /// Types text as characters.
    pub(crate) fn text(&mut self, text: &str) {
        for unit in text.encode_utf16() {
            for pressed in [true, false] {
                assert_eq!(self.inject(InputEvent::Unicode { unit, pressed }), Injected::Done);
            }
        }
    }

    /// The next revocation.
    pub(crate) fn revocation(&self) -> Revocation {
        self.revocations.recv_timeout(DEADLINE).expect("a revocation")
    }
}

impl Drop for Controlled {
    fn drop(&mut self) {
        self.stopper.wake();
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join());
        }
    }
}

/// A real terminal that writes what is typed into it to a pipe that the test reads.
pub(crate) struct Terminal {
    _program: Program,
    lines: std::fs::File,
    _folder: tempfile::TempDir,
}

impl Terminal {
    /// Starts xterm over the whole of `server`'s screen and returns when it takes keys.
    pub(crate) fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("typed");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let client = server.client();
        let attributes =
            x11rb::protocol::xproto::ChangeWindowAttributesAux::new().event_mask(EventMask::SUBSTRUCTURE_NOTIFY);
        client.connection.change_window_attributes(client.root, &attributes).unwrap();
        client.sync();
        let mut command = Command::new("xterm");
        command.args([
            "-u8",
            "-geometry",
            "150x50+0+0",
            "-e",
            "sh",
            "-c",
            "stty -echo -icanon min 1; exec cat > \"$0\"",
        ]);
        command.arg(&pipe).env("DISPLAY", &server.display).env("LC_ALL", "C.UTF-8").stderr(Stdio::null());
        let program = Program::start(&mut command, "xterm");
        client.until(|event| matches!(event, x11rb::protocol::Event::MapNotify(_)).then_some(()));
        // Opening waits for `cat`, which runs after the terminal was set up.
        let lines = std::fs::File::open(&pipe).unwrap();
        Self { _program: program, lines, _folder: folder }
    }

    /// Reads until so many characters have come, or panics with what has.
    pub(crate) fn read(&mut self, characters: usize) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut typed = Vec::new();
        while String::from_utf8_lossy(&typed).chars().count() < characters {
            let left = deadline.saturating_duration_since(Instant::now());
            let time = rustix::event::Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: 0 };
            let mut fds = [rustix::event::PollFd::new(&self.lines, rustix::event::PollFlags::IN)];
            let ready = rustix::event::poll(&mut fds, Some(&time)).unwrap();
            assert!(ready > 0, "only {:?} was typed", String::from_utf8_lossy(&typed));
            let mut some = [0; 512];
            let count = self.lines.read(&mut some).unwrap();
            assert!(count > 0, "the terminal ended");
            typed.extend_from_slice(&some[..count]);
        }
        String::from_utf8(typed).unwrap()
    }
}

/// Keeps every core busy while it lives.
pub(crate) struct Load {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(threads: usize) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let spin = |stop: std::sync::Arc<std::sync::atomic::AtomicBool>| {
            move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..threads).map(|_| std::thread::spawn(spin(stop.clone()))).collect();
        Self { stop, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}
