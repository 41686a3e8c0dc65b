//! The main job, played for somebody who watches: two people, the shipped programs, one wire.
//!
//! It proves what it says. What the expert saw is read back from the expert's own pictures, letter by letter: the
//! word of this run, a text typed under control, and that another one, typed after ESC, is not there.

mod desktop;
mod voice;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use integration::hostile::Dice;
use integration::{Expert, Person, Stage};

use self::desktop::Shared;
use self::voice::Voice;
use crate::ground::{Done, Trouble, cargo, root, run as run_command};
use crate::install;

#[derive(Args)]
pub(crate) struct Options {
    /// Share an X server of its own with a real program on it, rather than the demo desktop
    #[arg(long)]
    x11: bool,
    /// Let the person at the keyboard answer the novice's questions and press ESC
    #[arg(long)]
    interactive: bool,
}

pub(crate) fn run(options: &Options) -> Done {
    let voice = Voice::new(options.interactive);
    if options.x11 {
        install::need(install::FOR_X11_DEMO)?;
    }
    install::wish(install::FOR_BUILD);
    voice.note("Building the programs as they are shipped (the first time takes a few minutes).");
    run_command(&mut cargo(&["build", "--locked", "--workspace", "--bins"]))?;
    let pictures = root().join("target/demo");
    fs::create_dir_all(&pictures)?;

    let begin = Instant::now();
    let mut play = Play::invite(&voice, options.x11, pictures)?;
    let word = play.see()?;
    let (before, after) = play.control_and_lose_it()?;
    play.end()?;
    voice.note(&format!(
        "Done in {:.1} s. The expert saw {word:?}, typed {before:?}, and could not type {after:?} after ESC.",
        begin.elapsed().as_secs_f32()
    ));
    voice.note(&format!("Look at what the expert saw: {}/*.png", root().join("target/demo").display()));
    Ok(())
}

/// Both people, and what they share.
struct Play<'a> {
    voice: &'a Voice,
    pictures: PathBuf,
    dice: Dice,
    expert: Expert,
    novice: Person,
    shared: Shared,
    /// How much of the novice's terminal was shown already.
    shown: usize,
    _stage: Stage,
}

impl<'a> Play<'a> {
    /// The novice invites, and the expert opens the file.
    fn invite(voice: &'a Voice, x11: bool, pictures: PathBuf) -> Result<Self, Trouble> {
        let stage = Stage::new()?;
        let mut dice = Dice::new(seed());
        let shared = if x11 { Shared::x11(stage.path(), &mut dice)? } else { Shared::demo() };

        voice.novice("I need help. I make an invitation:  novice-host invite --name \"Kim Aalbers\"");
        let mut novice = shared.hosted_by(stage.novice().invites_on(shared.kind(), "Kim Aalbers")).start()?;
        novice.wait_event("invited")?;
        let address = novice.wait_event("listening")?;
        let password = novice.until("a password on the novice's terminal", |seen| password_in(&seen.terminal))?;
        voice.note(&format!(
            "{} is written; the program waits at {}.",
            name_of(&stage.invitation()),
            word_or(address.text("addr"))
        ));
        voice.novice(&format!("I send the file by mail, and say on the telephone that the password is {password}."));

        voice.expert("I open the file:  expert-connect help.MsRcIncident");
        let cast = stage.expert_called("expert").arg(stage.invitation()).args(["--no-window", "--name", "Piet Jansen"]);
        let expert = cast.args(["--request-control", "--type", "-"]).watches()?;
        let question = expert.until("a question for the expert", |seen| {
            seen.terminal.contains("[y/N]").then(|| seen.terminal.clone())
        })?;
        voice.terminal(&question);
        voice.expert("Yes, that is Kim. I connect.");
        expert.type_line("y")?;
        expert.until("a question for the password", |seen| seen.terminal.contains("Password of").then_some(()))?;
        expert.type_line(&password)?;
        let shown = novice.terminal().len();
        Ok(Self { voice, pictures, dice, expert, novice, shared, shown, _stage: stage })
    }

    /// The first yes, and the picture; returns the word that the expert reads in it.
    fn see(&mut self) -> Result<String, Trouble> {
        let question = self.novice.wait_event("consent_asked")?;
        if self.expert.has_seen("viewing") {
            return Err(Trouble::new("the expert saw something before the novice said yes"));
        }
        self.voice.note("The password was right, and still the expert sees nothing: Kim is asked first.");
        self.answer(question.text("name"), "Yes, Piet may look.")?;
        self.expert.wait_event("viewing")?;
        let first = self.expert.wait_event("first_frame")?;
        self.voice.note(&format!("The picture is there, {} ms after the yes.", first.number("ms").unwrap_or_default()));
        let word = self.expert.sees("the word of this run", |picture| self.shared.word(picture))?;
        self.keep("1-viewing.png")?;
        if let Some(told) = self.shared.told_word(&self.novice)
            && told != word
        {
            return Err(Trouble::new(format!("the expert reads {word:?}, but the desktop shows {told:?}")));
        }
        self.voice.expert(&format!("I see the desktop. In my picture I read the word {word:?}."));
        Ok(word)
    }

    /// The second yes, typing, ESC, and typing in vain; returns both texts.
    fn control_and_lose_it(&mut self) -> Result<(String, String), Trouble> {
        self.voice.expert("I ask for control.");
        let question = self.novice.wait_event("consent_asked")?;
        self.answer(question.text("name"), "Yes, Piet may control for a moment.")?;
        self.expert.wait_event("controlling")?;
        self.novice.wait_event("controlling")?;
        let before = self.dice.word(10);
        self.voice.expert(&format!("I have control, and type {before:?}."));
        self.expert.type_line(&before)?;
        self.expert.sees("the text that was typed under control", |picture| {
            self.shared.typed(picture).contains(&before).then_some(())
        })?;
        self.keep("2-controlling.png")?;
        self.voice
            .note("The text stands in the expert's picture: the key strokes went there and the pixels came back.");

        self.voice.press_enter_to("press ESC as Kim");
        self.voice.novice("Enough. I press ESC.");
        let pressed = Instant::now();
        self.shared.press_esc(&self.novice)?;
        self.novice.wait_event("revoked")?;
        self.expert.wait_event("revoked")?;
        self.voice.note(&format!("Both programs said so within {} ms.", pressed.elapsed().as_millis() + 1));

        let after = self.dice.word(10);
        self.voice.expert(&format!("I go on typing: {after:?}."));
        self.expert.type_line(&after)?;
        // Something newer has to be in the picture before it proves that something is not.
        let held = self.shared.moves_on(&self.expert)?;
        self.keep("3-after-esc.png")?;
        let text = self.shared.typed(&held);
        if text.contains(&after) || !text.contains(&before) {
            return Err(Trouble::new(format!("after ESC the expert's picture shows {text:?}")));
        }
        self.voice.note("It did not arrive. The picture shows the first text, and not the second.");
        Ok((before, after))
    }

    /// Both go home.
    fn end(mut self) -> Done {
        self.voice.novice("Thank you, Piet. I end the session.");
        self.novice.signal(integration::Signal::INT)?;
        let novice = self.novice.exit_code()?;
        self.expert.wait_event("ended")?;
        let expert = self.expert.exit_code()?;
        if (novice, expert) == (Some(0), Some(0)) {
            Ok(())
        } else {
            Err(Trouble::new(format!("the programs ended with {novice:?} and {expert:?}")))
        }
    }

    /// Shows the question and has it answered, by Kim or by whoever watches.
    fn answer(&mut self, name: Option<&str>, yes: &str) -> Done {
        let shown = self.shown;
        let terminal = self.novice.until("a question on the novice's terminal", |seen| {
            let new = seen.terminal.get(shown..)?;
            new.contains('?').then(|| seen.terminal.clone())
        })?;
        self.shown = terminal.len();
        self.voice.terminal(&last_question(&terminal));
        let line = self.voice.ask(&format!("{} waits for an answer. y or n? ", word_or(name)));
        match &line {
            Some(line) => self.novice.type_line(line)?,
            None => {
                self.voice.novice(yes);
                self.novice.type_line("y")?;
            }
        }
        if line.is_some_and(|l| !["y", "yes"].contains(&l.trim())) {
            return Err(Trouble::new("That was no yes, so the demo ends here: without it nothing goes on."));
        }
        Ok(())
    }

    /// Keeps the picture that was written last.
    fn keep(&self, name: &str) -> Done {
        fs::copy(self.expert.screenshot(), self.pictures.join(name))?;
        Ok(())
    }
}

/// A password as the program generates it: 12 letters and digits.
fn password_in(terminal: &str) -> Option<String> {
    let words = terminal.split(|c: char| !c.is_ascii_alphanumeric());
    let is_one = |w: &&str| w.len() == 12 && w.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    words.into_iter().find(is_one).map(str::to_owned)
}

/// The end of what stands on a terminal: the question and the lines that belong to it.
fn last_question(terminal: &str) -> String {
    let lines: Vec<_> = terminal.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join("\n")
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn word_or(text: Option<&str>) -> &str {
    text.unwrap_or("somebody")
}

/// Another play each time.
fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |t| u64::from(t.subsec_nanos()) ^ t.as_secs())
}
