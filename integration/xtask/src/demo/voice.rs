//! Who tells the story: one line for each thing that happens, with the time.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Instant;

/// Tells what happens, and asks whoever watches, if that was wished for.
pub(crate) struct Voice {
    begin: Instant,
    interactive: bool,
    colours: bool,
}

impl Voice {
    pub(crate) fn new(interactive: bool) -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { begin: Instant::now(), interactive, colours }
    }

    /// What Kim, the novice, says or does.
    pub(crate) fn novice(&self, text: &str) {
        self.say("Kim ", "33", text);
    }

    /// What Piet, the expert, says or does.
    pub(crate) fn expert(&self, text: &str) {
        self.say("Piet", "36", text);
    }

    /// What can be seen from outside.
    pub(crate) fn note(&self, text: &str) {
        self.say("    ", "0", text);
    }

    /// What stands on a terminal, a little to the right.
    pub(crate) fn terminal(&self, text: &str) {
        for line in text.lines().map(plain).filter(|l| !l.trim().is_empty()) {
            println!("                | {}", line.trim_end());
        }
    }

    /// Asks whoever watches; `None` when nobody is to be asked.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        if !self.interactive {
            return None;
        }
        print!("                > {question}");
        let _nobody_reads = std::io::stdout().flush();
        let mut line = String::new();
        // A closed keyboard says nothing, which is no.
        let _closed = std::io::stdin().lock().read_line(&mut line);
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Waits for whoever watches.
    pub(crate) fn press_enter_to(&self, what: &str) {
        let _anything = self.ask(&format!("press Enter to {what} "));
    }

    fn say(&self, who: &str, colour: &str, text: &str) {
        let seconds = self.begin.elapsed().as_secs_f32();
        if self.colours {
            println!("[{seconds:7.2} s] \u{1b}[{colour}m{who}  {text}\u{1b}[0m");
        } else {
            println!("[{seconds:7.2} s] {who}  {text}");
        }
    }
}

/// A line of a terminal without what moves the cursor or colours it.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                if letters.next() == Some('[') {
                    for inside in letters.by_ref() {
                        if ('@'..='~').contains(&inside) {
                            break;
                        }
                    }
                }
            }
            '\r' => plain.clear(),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_is_not_told() {
        assert_eq!(plain("\u{1b}[2K\u{1b}[1;31mMay she look?\u{1b}[0m [y/N] "), "May she look? [y/N] ");
        assert_eq!(plain("old\rnew"), "new");
    }
}
