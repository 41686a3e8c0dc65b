//! What went wrong while playing, with everything that was seen until then.

use std::fmt;
use std::panic::Location;

/// A wait that was not fulfilled, or a machine that did not do its part.
///
/// `Debug` is as readable as `Display`, since it is what a test prints when it returns an error.
pub struct Failure {
    what: String,
    seen: Vec<String>,
    place: &'static Location<'static>,
}

impl Failure {
    /// Says what went wrong; remembers the place of the call.
    #[must_use]
    #[track_caller]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), seen: Vec::new(), place: Location::caller() }
    }

    /// Adds what was seen until then.
    #[must_use]
    pub fn seen(mut self, seen: impl Into<String>) -> Self {
        let seen = seen.into();
        if !seen.is_empty() {
            self.seen.push(seen);
        }
        self
    }

    /// Moves the place that is printed to the caller's.
    #[must_use]
    pub fn at(mut self, place: &'static Location<'static>) -> Self {
        self.place = place;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.what, self.place.file(), self.place.line())?;
        for seen in &self.seen {
            write!(f, "\n{seen}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    #[track_caller]
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<rustix::io::Errno> for Failure {
    #[track_caller]
    fn from(error: rustix::io::Errno) -> Self {
        Self::new(error.to_string())
    }
}
