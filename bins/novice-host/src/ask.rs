//! `novice-host` without a command: asks what an invitation needs, step by step.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};

use clap::Parser as _;
use ra_novice::settings;

use crate::cli::{self, Cli};
use crate::failure::Failure;
use crate::words;

/// Asks on the terminal, and gives what `invite` would have been told.
pub(crate) fn step_by_step() -> Result<cli::Invite, Failure> {
    let Some(cli::Command::Invite(mut wish)) = Cli::parse_from(["novice-host", "invite"]).command else {
        return Err(Failure::other("the command line makes no sense"));
    };
    let mut terminal = Dialogue::open()?;
    terminal.write(
        "Invite somebody to help you on this computer.\n\
         Nobody sees anything before you have said yes, and you can stop it at any time.\n\
         Press Enter to take what stands in brackets.\n\n",
    )?;
    let usual = settings::profile_name().unwrap_or_default();
    wish.name = Some(terminal.ask("Your name, as the other person sees it", &usual)?);
    wish.expires = loop {
        match words::parse_duration(&terminal.ask("For how long can they use the invitation", "60m")?) {
            Ok(length) => break length,
            Err(why) => terminal.write(&format!("  {why}\n"))?,
        }
    };
    wish.save = terminal.ask("Where to save the invitation", cli::DEFAULT_FILE)?.into();
    let control = terminal.ask("May they ask to use your mouse and keyboard, too? You would be asked again", "yes")?;
    wish.view_only = !matches!(control.to_lowercase().as_str(), "y" | "yes");
    terminal.write("\n")?;
    Ok(*wish)
}

struct Dialogue {
    reader: BufReader<File>,
    writer: File,
}

impl Dialogue {
    fn open() -> Result<Self, Failure> {
        let open = || {
            let writer = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
            Ok::<_, std::io::Error>(Self { reader: BufReader::new(writer.try_clone()?), writer })
        };
        open().map_err(|_| {
            Failure::other("there is no terminal to ask you on").advice("See novice-host --help for the commands.")
        })
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(|error| Failure::chain(&error))
    }

    /// One answer; the usual one when only Enter is pressed.
    fn ask(&mut self, question: &str, usual: &str) -> Result<String, Failure> {
        let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
        self.write(&format!("{question}{shown}: "))?;
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).map_err(|error| Failure::chain(&error))?;
        if read == 0 {
            return Err(Failure::other("nothing was answered, so nothing was done"));
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { usual.to_owned() } else { answer.to_owned() })
    }
}
