//! A person in front of a program: a terminal of one's own, eyes on the events, hands on the keyboard.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::Location;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use crate::process::{Speech, Stream};
use crate::{Failure, Output, PATIENCE, Process};

/// A program on a pseudo-terminal that is its controlling terminal, and the person who sits there.
pub struct Person {
    process: Process,
    keyboard: Option<Keyboard>,
    consumed: HashMap<String, usize>,
}

/// One JSON line of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    name: String,
    fields: Value,
}

/// The person's end of the terminal, and the way to make its reader let go of it.
struct Keyboard {
    master: OwnedFd,
    _unplug: OwnedFd,
}

/// Reads the terminal until it is unplugged.
struct Screen {
    master: OwnedFd,
    unplugged: OwnedFd,
}

impl Person {
    /// Sits down in front of a program: terminal for questions, standard output for events or text.
    ///
    /// # Errors
    /// When there is no pseudo-terminal or the program cannot be started.
    #[track_caller]
    pub(crate) fn sits_down(name: &str, command: &Command, speech: Speech) -> Result<Self, Failure> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        tcsetwinsize(&master, Winsize { ws_row: 50, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 })?;
        let path = ptsname(&master, Vec::new())?;
        let path = path.to_str().map_err(|e| Failure::new(e.to_string()))?;
        let noctty = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or_default();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(noctty).open(path)?;

        // setsid gives the program its controlling terminal: its standard input.
        let mut seated = Command::new("setsid");
        seated.arg("--ctty").arg(command.get_program()).args(command.get_args()).stdin(slave);
        seated.env_clear();
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                seated.env(key, value);
            }
        }
        if let Some(dir) = command.get_current_dir() {
            seated.current_dir(dir);
        }
        let mut process = Process::spawn(&mut seated, speech)?.called(name);
        // Our copy of the program's end must go, or its terminal never ends.
        drop(seated);

        let (unplugged, unplug) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        process.collect(Stream::Terminal, Screen { master: master.try_clone()?, unplugged });
        Ok(Self { process, keyboard: Some(Keyboard { master, _unplug: unplug }), consumed: HashMap::new() })
    }

    /// The program, for everything that is not particular to a person.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits for the next event of this name that was not waited for yet; events of other names stay where they are.
    ///
    /// # Errors
    /// When the program ends first, or after [`PATIENCE`].
    #[track_caller]
    pub fn wait_event(&mut self, name: &str) -> Result<Event, Failure> {
        self.wait_event_within(name, PATIENCE)
    }

    /// As [`Person::wait_event`], with a deadline of one's own.
    ///
    /// # Errors
    /// When the program ends first, or after `patience`.
    #[track_caller]
    pub fn wait_event_within(&mut self, name: &str, patience: Duration) -> Result<Event, Failure> {
        let from = self.consumed.get(name).copied().unwrap_or(0);
        let found = self.process.until(&format!("the event {name}"), patience, |seen| {
            let (at, event) = seen.events.iter().enumerate().skip(from).find(|(_, e)| e.name == name)?;
            Some((at, event.clone()))
        });
        let (at, event) = found.map_err(|e| e.at(Location::caller()))?;
        self.consumed.insert(name.to_owned(), at + 1);
        Ok(event)
    }

    /// Waits for a question and answers it with a line.
    ///
    /// # Errors
    /// When no question of this kind comes, or the terminal has gone.
    #[track_caller]
    pub fn says(&mut self, answer: &str, kind: &str) -> Result<Event, Failure> {
        let question = self.wait_event("consent_asked")?;
        if question.text("kind") != Some(kind) {
            return Err(Failure::new(format!("expected a question about {kind}: {question}")).seen(self.report()));
        }
        self.type_line(answer)?;
        Ok(question)
    }

    /// Whether an event of this name was seen until now.
    #[must_use]
    pub fn has_seen(&self, name: &str) -> bool {
        self.process.look(|seen| seen.events.iter().any(|e| e.name == name))
    }

    /// The names of all events until now, in order.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        self.process.look(|seen| seen.events.iter().map(|e| e.name.clone()).collect())
    }

    /// What stands on the terminal until now.
    #[must_use]
    pub fn terminal(&self) -> String {
        self.process.look(|seen| seen.terminal.clone())
    }

    /// Standard output, of a program that speaks text.
    #[must_use]
    pub fn text(&self) -> String {
        self.process.look(|seen| seen.out.clone())
    }

    /// The word that `novice-host` tells on standard error when it shares the demo desktop.
    #[must_use]
    pub fn told_word(&self) -> Option<String> {
        self.process.look(|seen| {
            let (_, rest) = seen.err.split_once("the word of this run is ")?;
            Some(rest.chars().take_while(char::is_ascii_lowercase).collect())
        })
    }

    /// Waits for a text on the terminal.
    ///
    /// # Errors
    /// When the program ends first, or after [`PATIENCE`].
    #[track_caller]
    pub fn wait_terminal(&self, text: &str) -> Result<(), Failure> {
        self.until(&format!("{text:?} on its terminal"), |seen| seen.terminal.contains(text).then_some(()))
    }

    /// Waits until a look at the output gives something.
    ///
    /// # Errors
    /// When the program ends first, or after [`PATIENCE`].
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl FnMut(&Output) -> Option<T>) -> Result<T, Failure> {
        self.process.until(what, PATIENCE, look)
    }

    /// Types a line and presses Enter, which on a terminal is a carriage return.
    ///
    /// # Errors
    /// When the terminal has gone.
    #[track_caller]
    pub fn type_line(&self, line: &str) -> Result<(), Failure> {
        self.press(format!("{line}\r").as_bytes())
    }

    /// Presses ESC.
    ///
    /// # Errors
    /// When the terminal has gone.
    #[track_caller]
    pub fn press_esc(&self) -> Result<(), Failure> {
        self.press(b"\x1b")
    }

    /// Presses keys, as the bytes that a terminal sends for them.
    ///
    /// # Errors
    /// When the terminal has gone.
    #[track_caller]
    pub fn press(&self, keys: &[u8]) -> Result<(), Failure> {
        let keyboard = self.keyboard.as_ref().ok_or_else(|| Failure::new("the terminal was closed"))?;
        let mut left = keys;
        while !left.is_empty() {
            let n = rustix::io::write(&keyboard.master, left)?;
            left = &left[n..];
        }
        Ok(())
    }

    /// Closes the terminal, as closing its window does.
    ///
    /// # Errors
    /// When it was closed already.
    #[track_caller]
    pub fn hang_up(&mut self) -> Result<(), Failure> {
        let keyboard = self.keyboard.take().ok_or_else(|| Failure::new("the terminal was closed before"))?;
        // The reader holds the terminal too: it lets go when the pipe ends.
        drop(keyboard);
        Ok(())
    }

    /// Waits for the end and tells the exit status; `None` after a signal.
    ///
    /// # Errors
    /// When it still runs after [`PATIENCE`].
    #[track_caller]
    pub fn exit_code(&mut self) -> Result<Option<i32>, Failure> {
        self.wait_exit().map(|status| status.code())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it still runs after [`PATIENCE`].
    #[track_caller]
    pub fn wait_exit(&mut self) -> Result<ExitStatus, Failure> {
        self.process.wait_exit()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the program has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        self.process.signal(signal)
    }

    /// All that was seen, for a message.
    #[must_use]
    pub fn report(&self) -> String {
        self.process.report()
    }
}

impl Event {
    /// Reads a line; nothing but a JSON object with `event` and `time` is an event.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Value = serde_json::from_str(line).ok()?;
        let name = fields.get("event")?.as_str()?.to_owned();
        fields.get("time")?.as_str()?;
        Some(Self { name, fields })
    }

    /// What happened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A field that is text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// A field that is a whole number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.as_u64()
    }

    /// A field of any kind.
    #[must_use]
    pub fn field(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fields, f)
    }
}

impl Read for Screen {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut fds = [
                PollFd::new(&self.master, PollFlags::IN),
                PollFd::from_borrowed_fd(std::os::fd::AsFd::as_fd(&self.unplugged), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            if !fds[1].revents().is_empty() {
                return Ok(0);
            }
            if !fds[0].revents().is_empty() {
                return Ok(rustix::io::read(&self.master, &mut *buffer)?);
            }
        }
    }
}

/// Opens a file that only its owner may read, as a password file should be.
pub(crate) fn private_file(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes a secret for one's own eyes only.
pub(crate) fn write_private(path: &std::path::Path, text: &str) -> io::Result<()> {
    private_file(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    /// A program that asks on its terminal and speaks events, in five lines of shell.
    const ASKING: &str = r#"
        printf '{"event":"listening","time":"t","addr":"127.0.0.1:1"}\nnot an event\n'
        printf 'may she? ' >/dev/tty
        printf '{"event":"consent_asked","time":"t","kind":"view"}\n'
        read -r answer </dev/tty
        printf '{"event":"ended","time":"t","reason":"%s"}\n' "$answer"
    "#;

    fn asking() -> Result<Person, Failure> {
        let mut command = Command::new("sh");
        command.args(["-c", ASKING]).env("PATH", "/usr/bin:/bin");
        Person::sits_down("sh", &command, Speech::Events)
    }

    #[test]
    fn a_question_on_the_terminal_is_answered_there() -> Outcome {
        let mut person = asking()?;
        person.wait_terminal("may she?")?;
        person.says("y", "view")?;
        assert_eq!(person.wait_event("ended")?.text("reason"), Some("y"));
        assert_eq!(person.wait_event("listening")?.addr().map(|a| a.port()), Some(1));
        assert_eq!(person.exit_code()?, Some(0));
        person.process().look(|seen| assert_eq!(seen.stray, ["not an event\n"]));
        Ok(())
    }

    #[test]
    fn closing_the_terminal_ends_what_waits_for_it() -> Outcome {
        let mut person = asking()?;
        person.wait_event("consent_asked")?;
        person.hang_up()?;
        let status = person.wait_exit()?;
        assert!(person.press_esc().is_err(), "nobody can type on a closed terminal");
        assert!(!status.success() || person.has_seen("ended"), "{}", person.report());
        Ok(())
    }

    #[test]
    fn a_wait_that_fails_tells_what_was_seen() -> Outcome {
        let mut person = asking()?;
        person.says("no", "view")?;
        let failure = person.wait_event("viewing").err().map(|f| f.to_string()).unwrap_or_default();
        assert!(failure.contains("waited for sh: the event viewing") && failure.contains("reason"), "{failure}");
        Ok(())
    }
}
