//! Counts what happened, and knows which skips are allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::ground::{Done, Trouble, root};

/// The count over everything a run did.
#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    /// Test and why it was skipped.
    skipped: BTreeMap<String, String>,
    /// Names of the tests that passed, without their modules.
    proved: BTreeSet<String>,
    /// Tests that the runner counts as passed although they were skipped.
    not_really_passed: usize,
    troubles: Vec<String>,
}

impl Tally {
    /// Runs one step and counts it as one.
    pub(crate) fn step(&mut self, title: &str, step: impl FnOnce() -> Done) {
        println!("\n== {title}");
        match step() {
            Ok(()) => self.passed += 1,
            Err(Trouble(text)) => {
                eprintln!("{text}");
                self.failed += 1;
                self.troubles.push(format!("{title}: {}", text.lines().next().unwrap_or_default()));
            }
        }
    }

    /// Listens to a line of cargo's test output.
    pub(crate) fn hear(&mut self, line: &str) {
        if let Some(counts) = line.trim().strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
        } else if let Some((test, verdict)) = line.strip_prefix("test ").and_then(|l| l.rsplit_once(" ... ")) {
            let name = test.trim_end_matches(" - should panic").rsplit("::").next().unwrap_or(test).to_owned();
            match verdict {
                "ok" => drop(self.proved.insert(name)),
                "FAILED" => self.troubles.push(format!("test {test}")),
                _ if verdict.starts_with("ignored") => drop(self.skipped.insert(name, verdict.to_owned())),
                _ => {}
            }
        } else if let Some((test, probe)) = line.strip_prefix("SKIPPED ").and_then(|l| l.split_once(": ")) {
            // The runner counts it as passed, since it knows no skip at run time.
            let name = test.rsplit("::").next().unwrap_or(test).to_owned();
            if self.skipped.insert(name, probe.to_owned()).is_none() {
                self.not_really_passed += 1;
            }
        }
    }

    /// A program that did not get as far as to be counted.
    pub(crate) fn fail(&mut self, trouble: String) {
        self.failed += 1;
        self.troubles.push(trouble);
    }

    /// Cargo says that something failed: if no test was counted as failed, a test program died on its way.
    pub(crate) fn note_unfinished(&mut self) {
        if !self.troubles.iter().any(|t| t.starts_with("test ")) {
            self.fail("a test program ended before its tests did".to_owned());
        }
    }

    /// Whether this test ran, and passed.
    pub(crate) fn has_proved(&self, test: &str) -> bool {
        self.proved.contains(test) && !self.skipped.contains_key(test)
    }

    fn passed(&self) -> usize {
        self.passed.saturating_sub(self.not_really_passed)
    }

    /// Holds the skips against the list of those that are allowed.
    pub(crate) fn check_skips(&mut self) -> Done {
        let text = fs::read_to_string(root().join(SKIPS)).unwrap_or_default();
        let allowed = allowed(&text);
        for (test, probe) in &self.skipped {
            println!("skipped {test}: {probe}");
        }
        let more: Vec<_> = self.skipped.keys().filter(|t| !allowed.contains(t.as_str())).cloned().collect();
        if more.is_empty() {
            Ok(())
        } else {
            Err(Trouble::new(format!("skipped, but not listed in {SKIPS}: {more:?}")))
        }
    }

    /// Prints the closing line, the very last one, and says whether all is well.
    pub(crate) fn close(self) -> Done {
        if !self.troubles.is_empty() {
            println!("\nFailed:");
            for trouble in &self.troubles {
                println!("  {trouble}");
            }
        }
        println!("\n{} passed, {} failed, {} skipped", self.passed(), self.failed, self.skipped.len());
        // The last line is printed already; nothing may follow it.
        if self.failed > 0 { std::process::exit(1) } else { Ok(()) }
    }
}

/// Test names of the list: first word of each line that is no comment.
fn allowed(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|l| !l.trim_start().starts_with('#')).filter_map(|l| l.split_whitespace().next()).collect()
}

/// The number before a word, as in `3 passed`.
fn count(text: &str, word: &str) -> usize {
    let words: Vec<_> = text.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|w| w[1] == word).and_then(|w| w[0].parse().ok()).unwrap_or(0)
}

/// The list of allowed skips.
const SKIPS: &str = "integration/skips.txt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_cargo_prints() {
        let mut tally = Tally::default();
        for line in [
            "running 4 tests",
            "test session::s055_esc_takes_control_back ... ok",
            "test session::sleeping ... ignored, needs a moon",
            "test peers::s051_port ... FAILED",
            "SKIPPED resize::s051_size: no namespaces",
            "test resize::s051_size ... ok",
            "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            tally.hear(line);
        }
        assert_eq!((tally.passed(), tally.failed, tally.skipped.len()), (1, 1, 2));
        assert!(tally.has_proved("s055_esc_takes_control_back"));
        assert!(!tally.has_proved("s051_size") && !tally.has_proved("s051_port"));
    }

    #[test]
    fn only_first_words_of_the_list_are_tests() {
        let list = allowed("# a comment\n\ns001_one  needs root: `id -u`\n");
        assert_eq!(list.into_iter().collect::<Vec<_>>(), ["s001_one"]);
    }
}
