//! How the program ends when it cannot do what was asked: one sentence and one exit status for each kind.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use ra_novice::control::ControlError;
use ra_novice::identity::IdentityError;
use ra_novice::invite::InviteError;
use ra_novice::settings::SettingsError;
use ra_novice::store::StoreError;

/// Why the program ends, and with which status.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    message: String,
    /// What to do about it, if anything can be said.
    advice: Option<String>,
    /// A message that is printed already, with its place in a file.
    report: Option<miette::Report>,
}

/// The exit status. Source: cli.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Other = 1,
    Usage = 2,
    CannotWrite = 73,
    Policy = 77,
}

impl Failure {
    /// Anything that has no status of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(Status::Other, message)
    }

    /// The command line asks for something impossible.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    /// A file or the state cannot be written.
    pub(crate) fn cannot_write(message: impl Into<String>) -> Self {
        Self::new(Status::CannotWrite, message)
    }

    /// Policy forbids it.
    pub(crate) fn policy(message: impl Into<String>) -> Self {
        Self::new(Status::Policy, message)
    }

    /// A message that points into a file.
    pub(crate) fn report(report: miette::Report) -> Self {
        Self { report: Some(report), ..Self::other(String::new()) }
    }

    /// Adds what to do about it.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Any error, as its chain of causes.
    pub(crate) fn chain(error: &dyn Error) -> Self {
        Self::other(chain(error))
    }

    /// The sentence, without the program's name and without what to do about it.
    #[cfg(feature = "p2p")]
    pub(crate) fn sentence(&self) -> &str {
        &self.message
    }

    /// Prints the sentence on standard error and gives the exit status.
    pub(crate) fn end(self) -> ExitCode {
        match &self.report {
            Some(report) => eprintln!("{report:?}"),
            None => eprintln!("{self}"),
        }
        ExitCode::from(self.status as u8)
    }

    fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), advice: None, report: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "novice-host: {}", self.message)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let status = if matches!(error, SettingsError::State { .. }) { Status::CannotWrite } else { Status::Other };
        Self::new(status, chain(&error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Status::CannotWrite, chain(&error))
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Store(error) => error.into(),
            error => Self::chain(&error),
        }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let status = if matches!(error, IdentityError::File { .. }) { Status::CannotWrite } else { Status::Other };
        Self::new(status, chain(&error))
    }
}

impl From<InviteError> for Failure {
    fn from(error: InviteError) -> Self {
        let failure = match &error {
            InviteError::PasswordNeeded => Self::usage(chain(&error)),
            _ if error.is_about_writing() => Self::cannot_write(chain(&error)),
            _ => Self::chain(&error),
        };
        match error {
            InviteError::Occupied { .. } => failure.advice("Choose another name with --save."),
            InviteError::PasswordNeeded => failure.advice("Leave out --no-password, or add --kind v1."),
            _ => failure,
        }
    }
}

/// A chain of causes in one line, without saying anything twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_kind_has_the_status_of_the_contract() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let file = InviteError::File { path: "x".into(), source: full() };
        assert_eq!(Failure::from(file).status as u8, 73);
        assert_eq!(Failure::from(StoreError::Full).status as u8, 73);
        assert_eq!(Failure::from(ControlError::Store(StoreError::Full)).status as u8, 73);
        assert_eq!(Failure::from(SettingsError::State { path: "x".into(), source: full() }).status as u8, 73);
        assert_eq!(Failure::from(InviteError::PasswordNeeded).status as u8, 2);
        assert_eq!(Failure::policy("no").status as u8, 77);
        assert_eq!(Failure::from(SettingsError::NoHome).status as u8, 1);
    }

    #[test]
    fn the_sentence_says_the_cause_and_what_to_do() {
        let failure = Failure::from(InviteError::Occupied { path: "poem.txt".into() });
        assert_eq!(
            failure.to_string(),
            "novice-host: poem.txt is there already and is not an invitation\n  Choose another name with --save."
        );
    }
}
