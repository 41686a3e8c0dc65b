//! The person at the terminal: questions on `/dev/tty`, so that standard output stays what it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
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

    /// Asks for something that may be seen while it is typed.
    #[cfg(feature = "p2p")]
    pub(crate) fn ask_line(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        self.say(question)?;
        self.line()
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
        read_line(&self.tty)
    }
}

/// Reads one line without its end, and not a byte beyond it. No buffer that is not wiped ever holds it.
pub(crate) fn read_line(mut from: impl io::Read) -> io::Result<Zeroizing<String>> {
    // Reserved at once: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE));
    let mut byte = Zeroizing::new([0]);
    while line.len() < LINE {
        match from.read(&mut byte[..]) {
            Ok(0) if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = core::str::from_utf8(&line).map_err(io::Error::other)?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
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

/// The longest line that a terminal gives out in canonical mode, and far more than a password has.
const LINE: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_line_is_read_without_its_end_and_nothing_is_read_beyond_it() {
        let mut from = io::Cursor::new(b"Tulip-4711\r\nmore".to_vec());
        assert_eq!(read_line(&mut from).unwrap().as_str(), "Tulip-4711");
        assert_eq!(from.position(), 12);
        assert_eq!(read_line(&mut from).unwrap().as_str(), "more");
        assert_eq!(read_line(&mut from).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(read_line(io::repeat(b'x')).unwrap().len() <= LINE);
    }
}
