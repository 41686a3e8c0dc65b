//! How often a code may be met with a wrong secret.

/// Wrong runs of one code, counted; the fifth ends it.
///
/// A run costs an attacker one guess at the person's password and teaches nothing else, so five of them leave a password
/// of twelve characters untouched. A run that breaks off before the proof is no guess: whoever breaks off has learnt
/// nothing.
#[derive(Debug, Default)]
pub struct Guesses(u32);

/// How many wrong runs end a code. Source: issue 5, reach.md 7.
pub const MOST_WRONG: u32 = 5;

impl Guesses {
    /// Counts a wrong run and says how many are left; at 0 the code has ended.
    pub fn wrong(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.left()
    }

    /// How many wrong runs are left.
    #[must_use]
    pub const fn left(&self) -> u32 {
        MOST_WRONG.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_wrong_run_ends_the_code() {
        let mut guesses = Guesses::default();
        let left: Vec<u32> = (0..6).map(|_| guesses.wrong()).collect();
        assert_eq!(left, [4, 3, 2, 1, 0, 0]);
    }
}
