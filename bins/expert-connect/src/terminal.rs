//! The person at the terminal: questions on `/dev/tty`, so that standard output stays what it is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The controlling terminal.
pub(crate) struct Terminal {
    tty: File,
}

impl Terminal {
    /// Opens it; an error means that there is nobody to ask.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { tty: OpenOptions::new().read(true).write(true).open("/dev/tty")? })
    }

    /// Shows a text.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.tty.write_all(text.as_bytes())?;
        self.tty.flush()
    }

    /// Asks a question; only a whole line `y` or `yes` is a yes.
    pub(crate) fn ask(&mut self, question: &str) -> io::Result<bool> {
        self.say(&format!("{question} [y/N] "))?;
        let answer = self.line()?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for a password; what is typed is not shown.
    pub(crate) fn ask_password(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        let silence = Silence::begin(&self.tty)?;
        self.say(question)?;
        let answer = self.line();
        drop(silence);
        self.say("\n")?;
        answer
    }

    fn line(&mut self) -> io::Result<Zeroizing<String>> {
        // A line of a terminal is 4095 bytes at most; reserved at once, so that no copy of a password stays behind.
        let mut line = Zeroizing::new(String::with_capacity(LINE));
        let read = BufReader::with_capacity(LINE, &self.tty).read_line(&mut line)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(end);
        Ok(line)
    }
}

/// Switches the echo off for as long as it lives; a signal restores it too.
struct Silence;

impl Silence {
    fn begin(tty: &File) -> io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        *changed() = Some((tty.try_clone()?, before));
        // What was typed before the question is no answer to it.
        tcsetattr(tty, OptionalActions::Flush, &silent)?;
        Ok(Self)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back as it was found. Called on every way out, also by the signal thread.
pub(crate) fn restore() {
    if let Some((tty, before)) = changed().take() {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(&tty, OptionalActions::Now, &before);
    }
}

fn changed() -> std::sync::MutexGuard<'static, Option<(File, Termios)>> {
    static CHANGED: Mutex<Option<(File, Termios)>> = Mutex::new(None);
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest line that a terminal gives out in canonical mode, and its end.
const LINE: usize = 4096;
