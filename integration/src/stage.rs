//! A stage for one play: a place for the files of each person, an address of its own, the programs under test.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::person::write_private;
use crate::process::Speech;
use crate::{Event, Failure, PATIENCE, Person, Picture};

/// The password of every play, unless it is about another one.
pub const PASSWORD: &str = "Tulip4711XYZ";

/// The place of one play. Removed when dropped.
pub struct Stage {
    dir: TempDir,
    addr: SocketAddr,
}

/// Somebody who is about to sit down: the command line, and where it runs.
pub struct Cast<'a> {
    stage: &'a Stage,
    role: &'static str,
    home: PathBuf,
    command: Command,
    through: Vec<OsString>,
    args: Vec<OsString>,
    program: PathBuf,
    speech: Speech,
}

/// The expert, and the file where what is seen can be written at any moment.
pub struct Expert {
    person: Person,
    screenshot: PathBuf,
    written: std::os::fd::OwnedFd,
}

impl Stage {
    /// Makes a fresh place with an address that nobody else uses.
    ///
    /// # Errors
    /// When there is no room for files or sockets.
    #[track_caller]
    pub fn new() -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("ra-stage-").tempdir()?;
        let addr = own_address()?;
        write_private(&dir.path().join("password"), &format!("{PASSWORD}\n"))?;
        Ok(Self { dir, addr })
    }

    /// The place of the files.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the novice listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The invitation.
    #[must_use]
    pub fn invitation(&self) -> PathBuf {
        self.path().join("help.MsRcIncident")
    }

    /// A file that holds [`PASSWORD`].
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.path().join("password")
    }

    /// Writes a file that only this user may read, and tells its path.
    ///
    /// # Errors
    /// When it cannot be written.
    #[track_caller]
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path().join(name);
        write_private(&path, text)?;
        Ok(path)
    }

    /// Writes the novice's further policy file; see `RA_POLICY_FILE`.
    ///
    /// # Errors
    /// When it cannot be written.
    #[track_caller]
    pub fn policy(&self, text: &str) -> Result<(), Failure> {
        self.write("policy.toml", text).map(drop)
    }

    /// Somebody at `novice-host`, which speaks JSON.
    #[must_use]
    pub fn novice(&self) -> Cast<'_> {
        Cast::new(self, "novice", "RA_NOVICE_HOST", "novice-host")
    }

    /// Somebody at `expert-connect`, which speaks JSON, opens the invitation of this stage, knows the password and
    /// has no window.
    #[must_use]
    pub fn expert(&self) -> Cast<'_> {
        self.expert_called("expert").opens(&self.invitation())
    }

    /// Somebody at `expert-connect` with a home of this name and no arguments yet but `--json`.
    #[must_use]
    pub fn expert_called(&self, home: &str) -> Cast<'_> {
        let mut cast = Cast::new(self, "expert", "RA_EXPERT_CONNECT", "expert-connect");
        cast.home = self.path().join(home);
        cast
    }
}

impl<'a> Cast<'a> {
    fn new(stage: &'a Stage, role: &'static str, variable: &str, program: &str) -> Self {
        let program = std::env::var_os(variable).map_or_else(|| programs_dir().join(program), PathBuf::from);
        let command = Command::new("env");
        let home = stage.path().join(role);
        Self { stage, role, home, command, through: Vec::new(), args: Vec::new(), program, speech: Speech::Events }
    }

    /// Makes an invitation under this name with the password of the stage, on the demo desktop, and hosts it.
    #[must_use]
    pub fn invites(self, name: &str) -> Self {
        let password = self.stage.password_file();
        self.invites_on("demo", name).arg("--password-file").arg(password)
    }

    /// As [`Cast::invites`], on a desktop of choice and without a word about the password.
    #[must_use]
    pub fn invites_on(self, desktop: &str, name: &str) -> Self {
        let addr = self.stage.addr.to_string();
        let save = self.stage.invitation();
        self.arg("invite").args(["--name", name, "--save"]).arg(save).args(["--expires", "60m"]).args([
            "--listen",
            &addr,
            "--advertise",
            &addr,
            "--desktop",
            desktop,
        ])
    }

    /// Opens a file as the expert: knows the password, wants to connect, has no window.
    #[must_use]
    pub fn opens(self, file: &Path) -> Self {
        let password = self.stage.password_file();
        self.arg(file).args(["--yes", "--no-window", "--name", "Piet Jansen", "--password-file"]).arg(password)
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Replaces the value of an option that stands there already.
    #[must_use]
    pub fn with(mut self, option: &str, value: impl AsRef<OsStr>) -> Self {
        match self.args.iter().position(|a| a == option) {
            Some(at) if at + 1 < self.args.len() => {
                self.args[at + 1] = value.as_ref().to_owned();
                self
            }
            _ => self.arg(option).arg(value),
        }
    }

    /// Takes an option and its `values` values away.
    #[must_use]
    pub fn without(mut self, option: &str, values: usize) -> Self {
        if let Some(at) = self.args.iter().position(|a| a == option) {
            let end = (at + 1 + values).min(self.args.len());
            self.args.drain(at..end);
        }
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs in this folder rather than at home.
    #[must_use]
    pub fn in_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Starts the program through another one, such as `unshare --net`.
    #[must_use]
    pub fn through<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.through.extend(words.into_iter().map(|w| w.as_ref().to_owned()));
        self
    }

    /// Has the program speak as it does to a human: no `--json`.
    #[must_use]
    pub fn in_words(mut self) -> Self {
        self.speech = Speech::Text;
        self
    }

    /// Sits down and starts the program.
    ///
    /// # Errors
    /// When it cannot be started.
    #[track_caller]
    pub fn start(self) -> Result<Person, Failure> {
        let Self { stage, role, home, command: template, through, mut args, program, speech } = self;
        let state = home.join("state");
        let config = home.join("config");
        fs::create_dir_all(&state)?;
        fs::create_dir_all(&config)?;
        if speech == Speech::Events {
            args.push("--json".into());
        }
        let mut words = through;
        words.push(program.into_os_string());
        words.extend(args);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        for key in ["PATH", "LD_LIBRARY_PATH", "RUST_LOG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE", "TMPDIR"] {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        command.env("HOME", &home).env("TERM", "xterm").env("LANG", "C.UTF-8").env("TZ", "UTC");
        command.env("RA_STATE_DIR", &state).env("RA_CONFIG_DIR", &config);
        command.env("RA_POLICY_FILE", stage.path().join("policy.toml"));
        for (key, value) in template.get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        command.current_dir(template.get_current_dir().unwrap_or(&home));
        Person::sits_down(role, &command, speech)
    }

    /// Sits down as an expert whose view can be looked at.
    ///
    /// # Errors
    /// When it cannot be started.
    #[track_caller]
    pub fn watches(self) -> Result<Expert, Failure> {
        fs::create_dir_all(&self.home)?;
        let screenshot = self.home.join("seen.png");
        let written = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&written, &self.home, inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::MOVED_TO)?;
        let person = self.arg("--screenshot").arg(&screenshot).start()?;
        Ok(Expert { person, screenshot, written })
    }
}

impl Expert {
    /// What the expert sees now. Only after the first frame.
    ///
    /// # Errors
    /// When no picture is written after [`PATIENCE`].
    #[track_caller]
    pub fn picture(&self) -> Result<Picture, Failure> {
        self.forget_writes();
        self.person.signal(Signal::USR1)?;
        self.next_picture(Instant::now() + PATIENCE)
    }

    /// Looks again and again until the picture gives something.
    ///
    /// # Errors
    /// When it never does.
    #[track_caller]
    pub fn sees<T>(&self, what: &str, mut look: impl FnMut(&Picture) -> Option<T>) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let picture = self.picture()?;
            if let Some(found) = look(&picture) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let kept = std::env::temp_dir().join(format!("ra-not-seen-{}.png", self.person.process().id()));
                let saved =
                    fs::copy(&self.screenshot, &kept).map(|_| format!("the last picture is {}", kept.display()));
                return Err(Failure::new(format!("the expert never saw {what}"))
                    .seen(saved.unwrap_or_default())
                    .seen(self.person.report()));
            }
        }
    }

    /// The file of the pictures.
    #[must_use]
    pub fn screenshot(&self) -> &Path {
        &self.screenshot
    }

    /// The picture that is written when the session ends; call it after the end.
    ///
    /// # Errors
    /// When there is none.
    #[track_caller]
    pub fn last_picture(&self) -> Result<Picture, Failure> {
        Picture::read(&self.screenshot)
    }

    fn next_picture(&self, deadline: Instant) -> Result<Picture, Failure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(left.min(Duration::from_secs(1))).ok();
            let mut fds = [PollFd::new(&self.written, PollFlags::IN)];
            match poll(&mut fds, wait.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            if !fds[0].revents().is_empty() && self.forget_writes() {
                // A writer may be in the middle of the next one: then there will be one more notice.
                if let Ok(picture) = Picture::read(&self.screenshot) {
                    return Ok(picture);
                }
            }
            if left.is_zero() || !self.person.process().runs() {
                return Err(Failure::new("no screenshot was written").seen(self.person.report()));
            }
        }
    }

    /// Takes the notices that are there; tells whether one was about the screenshot.
    fn forget_writes(&self) -> bool {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.written, &mut buffer);
        let mut ours = false;
        while let Ok(event) = reader.next() {
            ours |= event.file_name().is_some_and(|n| Some(n.to_bytes()) == self.screenshot_name());
        }
        ours
    }

    fn screenshot_name(&self) -> Option<&[u8]> {
        self.screenshot.file_name().map(OsStr::as_encoded_bytes)
    }
}

impl std::ops::Deref for Expert {
    type Target = Person;
    fn deref(&self) -> &Person {
        &self.person
    }
}

impl std::ops::DerefMut for Expert {
    fn deref_mut(&mut self) -> &mut Person {
        &mut self.person
    }
}

/// Where the programs under test lie: beside this executable, in the same profile.
///
/// `RA_NOVICE_HOST` and `RA_EXPERT_CONNECT` name others.
#[must_use]
pub fn programs_dir() -> PathBuf {
    let mut dir = std::env::current_exe().unwrap_or_default();
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    dir
}

/// An address of the loopback network that no other test of this machine uses, with a free port.
///
/// The whole of 127.0.0.0/8 is this machine; with an address for each stage no two tests meet, whatever the port.
fn own_address() -> Result<SocketAddr, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = std::process::id().to_le_bytes()[0];
    let ip = Ipv4Addr::new(127, 1 + process % 250, high.wrapping_add(std::process::id().to_le_bytes()[1]), low.max(1));
    let listener = TcpListener::bind((ip, 0))?;
    Ok(listener.local_addr()?)
}

impl Event {
    /// The address of a `listening` event.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.text("addr")?.parse().ok()
    }
}
