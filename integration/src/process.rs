//! A started program: its output is collected, its end is noticed, and it is ended by its process id.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{Event, Failure};

/// How long a wait lasts unless it says otherwise: generous, since other tests use the machine at the same time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs, and all that it has said.
///
/// Dropping it ends it with SIGKILL, by a descriptor of the process, so that nobody else's can be hit.
pub struct Process {
    name: String,
    pid: Pid,
    pidfd: OwnedFd,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Everything a program has said so far.
#[derive(Default)]
pub struct Output {
    /// Standard output, unless it is read as events.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// What stood on the program's terminal.
    pub terminal: String,
    /// The JSON lines of standard output, in order.
    pub events: Vec<Event>,
    /// Lines among the events that are not events.
    pub stray: Vec<String>,
    /// How it ended, when it has.
    pub exit: Option<ExitStatus>,
    streams: usize,
}

/// How standard output is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    Text,
    Events,
}

#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Out,
    Err,
    Terminal,
}

pub(crate) struct Shared {
    output: Mutex<Output>,
    changed: Condvar,
    speech: Speech,
}

impl Process {
    /// Starts a program without a terminal and without input; its output is read as text.
    ///
    /// # Errors
    /// When the program cannot be started.
    #[track_caller]
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        command.stdin(Stdio::null());
        Self::spawn(command, Speech::Text)
    }

    /// Starts a program that lasts as long as somebody holds its standard input open: the other end is given back. It ends
    /// too when this process does, in whatever way.
    ///
    /// # Errors
    /// When the program cannot be started.
    #[track_caller]
    pub(crate) fn start_held(command: &mut Command) -> Result<(Self, OwnedFd), Failure> {
        let (input, held) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        command.stdin(input);
        let process = Self::spawn(command, Speech::Text)?;
        // Our copy of its end goes too, so that it is the only one who reads.
        command.stdin(Stdio::null());
        Ok((process, held))
    }

    /// Runs a program to its end and returns what it said.
    ///
    /// # Errors
    /// When it cannot be started or has not ended after [`PATIENCE`].
    #[track_caller]
    pub fn run(command: &mut Command) -> Result<Output, Failure> {
        let mut process = Self::start(command)?;
        process.wait_exit()?;
        Ok(process.take_output())
    }

    #[track_caller]
    pub(crate) fn spawn(command: &mut Command, speech: Speech) -> Result<Self, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        let place = Location::caller();
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|e| Failure::new(format!("cannot start {name}: {e}")).at(place))?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let shared = Arc::new(Shared { output: Mutex::new(Output::default()), changed: Condvar::new(), speech });
        let mut process = Self { name, pid, pidfd, shared, threads: Vec::new() };
        if let Some(out) = child.stdout.take() {
            process.collect(Stream::Out, out);
        }
        if let Some(err) = child.stderr.take() {
            process.collect(Stream::Err, err);
        }
        process.await_end(child);
        Ok(process)
    }

    /// Gives the process another name in messages.
    pub(crate) fn called(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// The name it has in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits until a look at the output gives something.
    ///
    /// # Errors
    /// When the program ends first, or after `patience`; the message holds all that was seen.
    #[track_caller]
    pub fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        mut look: impl FnMut(&Output) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + patience;
        let mut output = self.shared.lock();
        loop {
            if let Some(found) = look(&output) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let reason = match output.exit {
                Some(status) if output.streams == 0 => format!("ended ({status})"),
                _ if left.is_zero() => format!("has not, in {patience:?}"),
                _ => {
                    output = self.shared.wait(output, left);
                    continue;
                }
            };
            let failure = Failure::new(format!("waited for {}: {what}; it {reason}", self.name));
            return Err(failure.seen(output.report(&self.name)));
        }
    }

    /// Waits for a text on standard output or standard error.
    ///
    /// # Errors
    /// As [`Process::until`].
    #[track_caller]
    pub fn wait_text(&self, text: &str) -> Result<(), Failure> {
        self.until(&format!("the text {text:?}"), PATIENCE, |seen| {
            (seen.out.contains(text) || seen.err.contains(text)).then_some(())
        })
    }

    /// Waits for the end of the program, and of its output.
    ///
    /// # Errors
    /// When it still runs after [`PATIENCE`].
    #[track_caller]
    pub fn wait_exit(&mut self) -> Result<ExitStatus, Failure> {
        self.wait_exit_within(PATIENCE)
    }

    /// As [`Process::wait_exit`], with a deadline of one's own.
    ///
    /// # Errors
    /// When it still runs then.
    #[track_caller]
    pub fn wait_exit_within(&mut self, patience: Duration) -> Result<ExitStatus, Failure> {
        self.until("its end", patience, |seen| seen.exit.filter(|_| seen.streams == 0))
    }

    /// Whether it still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.shared.lock().exit.is_none()
    }

    /// Looks at what was said so far.
    pub fn look<T>(&self, look: impl FnOnce(&Output) -> T) -> T {
        look(&self.shared.lock())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended already.
    #[track_caller]
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        pidfd_send_signal(&self.pidfd, signal).map_err(|e| Failure::new(format!("cannot signal {}: {e}", self.name)))
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When it has ended.
    #[track_caller]
    pub fn resident(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.map(|k| k * 1024).ok_or_else(|| Failure::new(format!("{} has no resident memory", self.name)))
    }

    /// How many descriptors it has open.
    ///
    /// # Errors
    /// When it has ended.
    #[track_caller]
    pub fn descriptors(&self) -> Result<usize, Failure> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.id()))?.count())
    }

    /// All that was seen, for a message.
    #[must_use]
    pub fn report(&self) -> String {
        self.shared.lock().report(&self.name)
    }

    fn take_output(&mut self) -> Output {
        let mut output = self.shared.lock();
        let exit = output.exit;
        // That it has ended stays known, or nobody would stop waiting for it.
        std::mem::replace(&mut *output, Output { exit, ..Output::default() })
    }

    /// Reads a stream to its end on a thread of its own.
    pub(crate) fn collect(&mut self, stream: Stream, mut from: impl Read + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        shared.lock().streams += 1;
        self.threads.push(std::thread::spawn(move || {
            let mut pending = Vec::new();
            let mut buffer = [0; 16 * 1024];
            loop {
                match from.read(&mut buffer) {
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    // A terminal whose last user has gone gives EIO.
                    Ok(0) | Err(_) => break,
                    Ok(n) => {
                        pending.extend_from_slice(&buffer[..n]);
                        shared.say(stream, &mut pending, false);
                    }
                }
            }
            shared.say(stream, &mut pending, true);
            shared.lock().streams -= 1;
            shared.changed.notify_all();
        }));
    }

    fn await_end(&mut self, mut child: Child) {
        let shared = Arc::clone(&self.shared);
        self.threads.push(std::thread::spawn(move || {
            let status = child.wait().ok();
            shared.lock().exit = status;
            shared.changed.notify_all();
        }));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nobody to end.
        let _gone = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let end = Instant::now() + Duration::from_secs(5);
        let mut output = self.shared.lock();
        while output.exit.is_none() && Instant::now() < end {
            output = self.shared.wait(output, Duration::from_secs(1));
        }
    }
}

impl Output {
    /// Exit status, if it ended by itself.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.exit.and_then(|status| status.code())
    }

    fn report(&self, name: &str) -> String {
        let mut text = format!("--- what was seen of {name}");
        for event in &self.events {
            let _infallible = write!(text, "\n  event    {event}");
        }
        for (label, lines) in [("output", &self.out), ("error", &self.err), ("terminal", &self.terminal)] {
            for line in tail(lines) {
                let _infallible = write!(text, "\n  {label:8} {}", line.trim_end().escape_debug());
            }
        }
        for line in &self.stray {
            let _infallible = write!(text, "\n  stray    {}", line.escape_debug());
        }
        if let Some(status) = self.exit {
            let _infallible = write!(text, "\n  ended    {status}");
        }
        text
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, output: MutexGuard<'a, Output>, left: Duration) -> MutexGuard<'a, Output> {
        self.changed.wait_timeout(output, left).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Moves what has arrived into the output; the rest of a torn character or line stays behind.
    fn say(&self, stream: Stream, pending: &mut Vec<u8>, last: bool) {
        let mut output = self.lock();
        if self.speech == Speech::Events && matches!(stream, Stream::Out) {
            while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                output.hear(&line);
            }
            if last && !pending.is_empty() {
                output.hear(pending);
            }
        } else {
            let whole = match std::str::from_utf8(pending) {
                Err(e) if e.error_len().is_none() && !last => e.valid_up_to(),
                _ => pending.len(),
            };
            let bytes: Vec<u8> = pending.drain(..whole).collect();
            let text = String::from_utf8_lossy(&bytes);
            match stream {
                Stream::Out => output.out.push_str(&text),
                Stream::Err => output.err.push_str(&text),
                Stream::Terminal => output.terminal.push_str(&text),
            }
        }
        drop(output);
        self.changed.notify_all();
    }
}

impl Output {
    fn hear(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match Event::parse(line.trim_end()) {
            Some(event) => self.events.push(event),
            None => self.stray.push(line.into_owned()),
        }
    }
}

/// The last lines of a text: enough to understand, little enough to read.
fn tail(text: &str) -> impl Iterator<Item = &str> {
    let count = text.lines().count();
    text.lines().skip(count.saturating_sub(LINES))
}

/// Whether a program can be found by its name.
#[must_use]
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(OsStr::new(program)).is_file()))
}

/// Lines of each stream that a message shows.
const LINES: usize = 40;
