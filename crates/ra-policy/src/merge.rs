//! How layers join: the stricter wins, so no layer can loosen another.

use crate::Policy;

impl Policy {
    /// Joins two layers; for each value the stricter of the two holds, and what one does not configure the other
    /// decides.
    ///
    /// The verdicts do not depend on the order of joining, only the order of warnings and which of two reasons is
    /// named do; so it does not matter in which order the layers of a machine are found.
    /// Source: policy.md P1, P2, P5.
    #[must_use]
    pub fn merge_stricter(mut self, other: Self) -> Self {
        self.warnings.extend(other.warnings);
        Self {
            help: both(self.help, other.help, |a, b| a && b),
            control: both(self.control, other.control, |a, b| a && b),
            longest: both(self.longest, other.longest, |a, b| if b.duration() < a.duration() { b } else { a }),
            no_help: self.no_help.or(other.no_help),
            warnings: self.warnings,
        }
    }
}

fn both<T>(one: Option<T>, other: Option<T>, stricter: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(stricter(one, other)),
        (one, other) => one.or(other),
    }
}
