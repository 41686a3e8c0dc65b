//! The novice's terminal: where questions are put, where it stands who is watching, and where keys take it back.
//!
//! All of it goes through `/dev/tty`, never through standard input or output, so that nothing piped into the program
//! can answer a question. One thread reads; it and everybody who writes share one lock, so what was typed before a
//! question can never be read as its answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetwinsize, tcsetattr,
};

use crate::words::{Width, fit};

/// The terminal of this process, in the mode that the host needs; restored when dropped, and when the program panics.
#[derive(Debug)]
pub(crate) struct Terminal {
    shared: Arc<Shared>,
    /// Dropping our end ends the reader.
    stop: Option<UnixStream>,
    reader: Option<JoinHandle<()>>,
}

/// A handle for writing to the terminal and asking on it.
#[derive(Debug, Clone)]
pub(crate) struct Screen(Arc<Shared>);

/// A key that means something while no question is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// ESC: take control back.
    Esc,
    /// `q`: end.
    Quit,
    /// The terminal is gone.
    HangUp,
}

/// What may be sent to the terminal beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// It can rub a line out; without this the live line is printed once for each change.
    pub(crate) redraw: bool,
    /// It may show the live line in reverse.
    pub(crate) colour: bool,
}

/// What may still arrive on the terminal and must not answer the question that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Only what is there already: it is discarded.
    Nothing,
    /// Keys of an expert who was in control a moment ago, too: they are waited for and discarded.
    LateKeys,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A whole line `y` or `yes`.
    Yes,
    /// Anything else that was typed.
    No,
    /// The terminal went away before anything was.
    HungUp,
}

/// Takes the answer.
pub(crate) type OnAnswer = Box<dyn FnOnce(Answer) + Send>;

struct Shared {
    tty: File,
    /// As it was found; what it goes back to.
    original: Termios,
    look: Look,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    question: Option<OnAnswer>,
    /// The live line in its possible lengths, longest first; empty for none.
    status: Vec<String>,
    /// The columns of the line that is on the screen now.
    drawn: Option<usize>,
    gone: bool,
}

impl Terminal {
    /// Takes the terminal of this process over; `None` when it has none.
    pub(crate) fn open(look: Look, on_key: impl Fn(Key) + Send + 'static) -> Option<Self> {
        Self::over(Path::new("/dev/tty"), look, on_key).ok()
    }

    fn over(path: &Path, look: Look, on_key: impl Fn(Key) + Send + 'static) -> io::Result<Self> {
        // Not blocking: neither a terminal that is held up nor one that another reader emptied may stop this program.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        let original = tcgetattr(&tty)?;
        let (stop, stopped) = UnixStream::pair()?;
        let shared = Arc::new(Shared { tty, original, look, state: Mutex::default() });
        restore_after_a_panic(&shared)?;
        shared.listen_for_keys()?;
        let reading = Arc::clone(&shared);
        let reader = std::thread::Builder::new().name("terminal".to_owned());
        let reader = reader.spawn(move || reading.run(&stopped, &on_key)).inspect_err(|_| shared.restore())?;
        Ok(Self { shared, stop: Some(stop), reader: Some(reader) })
    }

    /// A handle for writing and asking.
    pub(crate) fn screen(&self) -> Screen {
        Screen(Arc::clone(&self.shared))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(reader) = self.reader.take() {
            // A panic in it was reported already.
            let _ = reader.join();
        }
        let mut state = self.shared.lock();
        self.shared.rub_out(&mut state);
        // Handles outlive the terminal; nothing they do may draw on a screen that belongs to the shell again.
        state.status.clear();
        state.gone = true;
        self.shared.restore();
    }
}

impl Screen {
    /// Discards what was typed before, writes the question and arms the reader, in this order. From when this returns
    /// the next whole line is the answer.
    ///
    /// # Errors
    /// The terminal is gone; then `on_answer` is dropped uncalled.
    pub(crate) fn ask(&self, question: &str, before: Before, on_answer: OnAnswer) -> io::Result<()> {
        let shared = &self.0;
        let mut state = shared.lock();
        if state.gone {
            return Err(io::ErrorKind::NotConnected.into());
        }
        shared.rub_out(&mut state);
        if before == Before::LateKeys {
            shared.drain_keys()?;
        }
        // From here on the kernel edits and echoes a line; switching discards whatever is there now.
        shared.listen_for_a_line()?;
        // The bell: the person may be looking at another window.
        let bell = if shared.look.redraw { "\x07" } else { "" };
        if let Err(error) = shared.write(bell).and_then(|()| shared.write(question)) {
            let _ = shared.listen_for_keys();
            return Err(error);
        }
        state.question = Some(on_answer);
        Ok(())
    }

    /// Writes a line to this screen and nowhere else.
    pub(crate) fn write_line(&self, line: &str) {
        self.around(|| {
            // A terminal that takes nothing is noticed where it matters: at the next question.
            // In two pieces: the line may be a password, and a copy of it would not be wiped.
            let _ = self.0.write(line).and_then(|()| self.0.write("\r\n"));
        });
    }

    /// Takes an open question away; what is typed from now on answers nothing.
    pub(crate) fn withdraw(&self) {
        let mut state = self.0.lock();
        if state.question.take().is_some() {
            // A failure here means that the terminal is gone, which the reader notices.
            let _ = self.0.write("\r\n").and_then(|()| self.0.listen_for_keys());
            self.0.draw(&mut state);
        }
    }

    /// Shows a line for as long as nothing else is set: its possible lengths, longest first; none takes it away.
    pub(crate) fn set_status(&self, lengths: Vec<String>) {
        let mut state = self.0.lock();
        if state.status == lengths {
            return;
        }
        self.0.rub_out(&mut state);
        state.status = lengths;
        if !self.0.look.redraw
            && let Some(line) = state.status.first()
        {
            let _ = self.0.write(&format!("{line}\r\n"));
        }
        self.0.draw(&mut state);
    }

    /// Runs something that writes to the same screen by another way, with the live line out of its way.
    pub(crate) fn around<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut state = self.0.lock();
        let waiting = state.question.is_some();
        if waiting {
            // Leave the question standing and begin below it.
            let _ = self.0.write("\r\n");
        }
        self.0.rub_out(&mut state);
        let result = write();
        self.0.draw(&mut state);
        result
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader: one thread, until the terminal is closed or gone.
    fn run(&self, stopped: &UnixStream, on_key: &dyn Fn(Key)) {
        let mut bytes = [0; 4096];
        loop {
            let mut descriptors = [PollFd::new(stopped, PollFlags::IN), PollFd::new(&self.tty, PollFlags::IN)];
            // The pause is for changes of the terminal's width, which nobody tells.
            let ready = poll(&mut descriptors, Some(&timespec(REDRAW)));
            if !descriptors[0].revents().is_empty() {
                return;
            }
            if ready.is_err_and(|error| error != rustix::io::Errno::INTR) {
                return self.hung_up(on_key);
            }
            let events = descriptors[1].revents();
            let mut state = self.lock();
            if events.is_empty() {
                self.redraw(&mut state);
                continue;
            }
            match (&self.tty).read(&mut bytes) {
                // No bytes are an end-of-file key in a line, or the end of the terminal.
                Ok(0) if events.contains(PollFlags::HUP) => {
                    drop(state);
                    return self.hung_up(on_key);
                }
                Ok(read) => match state.question.take() {
                    Some(on_answer) => {
                        let answer = if is_yes(&bytes[..read]) { Answer::Yes } else { Answer::No };
                        if read == 0 {
                            let _ = self.write("\r\n");
                        }
                        let _ = self.listen_for_keys();
                        self.draw(&mut state);
                        drop(state);
                        on_answer(answer);
                    }
                    None => {
                        drop(state);
                        keys_in(&bytes[..read], on_key);
                    }
                },
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => {
                    drop(state);
                    return self.hung_up(on_key);
                }
            }
        }
    }

    /// Nobody is there any more, and whoever asked should know.
    fn hung_up(&self, on_key: &dyn Fn(Key)) {
        let question = {
            let mut state = self.lock();
            state.gone = true;
            state.question.take()
        };
        if let Some(on_answer) = question {
            on_answer(Answer::HungUp);
        }
        on_key(Key::HangUp);
    }

    /// Single keys arrive at once and are not echoed. Ctrl-C still works; Ctrl-Z, Ctrl-\ and Ctrl-S do not: each would
    /// leave a session running with nobody able to see it or to stop it here.
    fn listen_for_keys(&self) -> io::Result<()> {
        let mut mode = self.original.clone();
        mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL | LocalModes::IEXTEN);
        mode.local_modes.insert(LocalModes::ISIG);
        mode.input_modes.remove(InputModes::IXON);
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        mode.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
        mode.special_codes[SpecialCodeIndex::VQUIT] = DISABLED;
        Ok(tcsetattr(&self.tty, OptionalActions::Flush, &mode)?)
    }

    /// Whole lines arrive, edited and echoed by the kernel.
    fn listen_for_a_line(&self) -> io::Result<()> {
        let mut mode = self.original.clone();
        mode.local_modes.insert(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ISIG);
        mode.input_modes.insert(InputModes::ICRNL);
        mode.input_modes.remove(InputModes::IXON);
        mode.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
        mode.special_codes[SpecialCodeIndex::VQUIT] = DISABLED;
        tcsetattr(&self.tty, OptionalActions::Flush, &mode)?;
        Ok(tcflush(&self.tty, QueueSelector::IFlush)?)
    }

    /// Throws away what is typed until nothing comes for a moment.
    ///
    /// An expert in control may have typed into this very terminal: its window hands the last keys on a moment after the
    /// desktop has taken them. Those must be gone before the question stands.
    fn drain_keys(&self) -> io::Result<()> {
        let end = Instant::now() + LONGEST_DRAIN;
        loop {
            tcflush(&self.tty, QueueSelector::IFlush)?;
            let mut descriptor = [PollFd::new(&self.tty, PollFlags::IN)];
            let ready = poll(&mut descriptor, Some(&timespec(QUIET)));
            let interrupted = ready == Err(rustix::io::Errno::INTR);
            if descriptor[0].revents().contains(PollFlags::HUP) {
                return Err(io::ErrorKind::NotConnected.into());
            }
            if (ready == Ok(0) && !interrupted) || Instant::now() >= end {
                return Ok(());
            }
        }
    }

    fn draw(&self, state: &mut State) {
        if !self.look.redraw || state.question.is_some() || state.drawn.is_some() {
            return;
        }
        let columns = self.columns();
        let Some(line) = fit(&state.status, Width(columns.saturating_sub(1))) else { return };
        let (on, off) = if self.look.colour { ("\x1b[7m", "\x1b[0m") } else { ("", "") };
        if self.write(&format!("\r\x1b[K{on}{line}{off}")).is_ok() {
            state.drawn = Some(columns);
        }
    }

    fn rub_out(&self, state: &mut State) {
        if state.drawn.take().is_some() {
            let _ = self.write("\r\x1b[K");
        }
    }

    fn redraw(&self, state: &mut State) {
        if state.drawn.is_some_and(|columns| columns != self.columns()) {
            self.rub_out(state);
            self.draw(state);
        }
    }

    fn columns(&self) -> usize {
        match tcgetwinsize(&self.tty) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => 80,
        }
    }

    /// Writes all of it, or gives up on a terminal that takes nothing for a while.
    fn write(&self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match (&self.tty).write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut descriptor = [PollFd::new(&self.tty, PollFlags::OUT)];
                    if poll(&mut descriptor, Some(&timespec(STUCK))) == Ok(0) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn restore(&self) {
        // Flushing: what was typed for this program is not meant for the shell.
        let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.original);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("tty", &self.tty).finish_non_exhaustive()
    }
}

/// A whole line `y` or `yes`, in either case, blanks around it not counting.
fn is_yes(line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\n") else { return false };
    let word = line.trim_ascii();
    word.eq_ignore_ascii_case(b"y") || word.eq_ignore_ascii_case(b"yes")
}

/// What single keys mean. The bytes of one keystroke arrive together, so an ESC with company is an arrow or function
/// key; one at the end is the key itself.
fn keys_in(bytes: &[u8], on_key: &dyn Fn(Key)) {
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            ESC => match rest.peek() {
                Some(b'[' | b'O') => {
                    rest.next();
                    // Parameters, then one byte of 0x40..=0x7e ends the sequence.
                    for byte in rest.by_ref() {
                        if (0x40..=0x7e).contains(&byte) {
                            break;
                        }
                    }
                }
                _ => on_key(Key::Esc),
            },
            b'q' | b'Q' => on_key(Key::Quit),
            _ => {}
        }
    }
}

/// A panic prints its message on a terminal that shows it, and leaves it usable.
fn restore_after_a_panic(shared: &Arc<Shared>) -> io::Result<()> {
    static HOOK: Once = Once::new();
    static OPEN: Mutex<Option<(std::os::fd::OwnedFd, Termios)>> = Mutex::new(None);
    let tty = shared.tty.as_fd().try_clone_to_owned()?;
    *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Some((tty, shared.original.clone()));
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if let Some((tty, original)) = &*OPEN.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = tcsetattr(tty, OptionalActions::Now, original);
            }
            before(info);
        }));
    });
    Ok(())
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().cast_signed(), tv_nsec: duration.subsec_nanos().into() }
}

const ESC: u8 = 0x1b;
/// The value of a special character that switches it off (`_POSIX_VDISABLE`).
const DISABLED: u8 = 0;
/// How often the width of the terminal is looked at.
const REDRAW: Duration = Duration::from_secs(1);
/// A terminal window hands a key on within a few milliseconds; this is many times that, and nobody notices it.
const QUIET: Duration = Duration::from_millis(100);
/// Somebody who leans on the keyboard cannot keep the question from being asked.
const LONGEST_DRAIN: Duration = Duration::from_secs(1);
/// A terminal that takes nothing for so long is as good as gone for this line.
const STUCK: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
