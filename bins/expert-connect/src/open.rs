//! From a file name to a plan: read the file, find the password, ask the questions that come before a connection.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};
use ra_expert::{OpenError, Plan};
use ra_ticket::{AccountPassword, Invitation, InvitationError, MAX_FILE_BYTES, Password};
use zeroize::Zeroizing;

use crate::cli::PasswordSource;
use crate::failure::Failure;
use crate::terminal::{Terminal, read_line};

/// Reads an invitation.
pub(crate) fn invitation(path: &Path) -> Result<Invitation, Failure> {
    let file = File::open(path).map_err(|error| Failure::unreadable(path, error))?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| Failure::unreadable(path, error))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Failure::TooLarge { path: path.display().to_string() });
    }
    Invitation::parse(&bytes).map_err(|error| refused(path, &bytes, error))
}

/// The error with its place, in the file as it can be shown.
fn refused(path: &Path, bytes: &[u8], error: InvitationError) -> Failure {
    // The span counts bytes of the file; only a file that is UTF-8 can be shown with it.
    let text = core::str::from_utf8(bytes).map(printable).ok();
    let place = text.as_ref().and_then(|text| {
        let span = error.span()?;
        let start = floor(text, span.start.min(text.len()));
        let end = floor(text, span.end.min(text.len())).max(start);
        Some(SourceSpan::from(start..end))
    });
    let file = Arc::new(NamedSource::new(path.display().to_string(), text.unwrap_or_default()));
    Failure::Invitation { error: Box::new(error), file, place }
}

/// Control characters of a stranger's file do not reach the terminal; each is replaced by as many bytes.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let (show, times) = match character {
                '\n' | '\t' => (character, 1),
                _ if character.is_control() => ('.', character.len_utf8()),
                _ => (character, 1),
            };
            core::iter::repeat_n(show, times)
        })
        .collect()
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The password of an invitation from a file or a descriptor, if one was named.
pub(crate) fn given_password(source: &PasswordSource) -> Result<Option<Password>, Failure> {
    given_line(source)?.map(|line| password(&line)).transpose()
}

/// The password of an account from a file or a descriptor, if one was named.
pub(crate) fn given_account_password(source: &PasswordSource) -> Result<Option<AccountPassword>, Failure> {
    let read = |line: Zeroizing<String>| AccountPassword::new(&line);
    given_line(source)?.map(read).transpose().map_err(|error| Failure::Password(error.to_string()))
}

/// The first line of the file or the descriptor that was named.
fn given_line(source: &PasswordSource) -> Result<Option<Zeroizing<String>>, Failure> {
    let path = match (&source.password_file, source.password_fd) {
        (Some(path), _) => path.clone(),
        (None, Some(number)) => format!("/proc/self/fd/{number}").into(),
        (None, None) => return Ok(None),
    };
    File::open(&path).and_then(read_line).map(Some).map_err(Failure::PasswordSource)
}

fn password(text: &str) -> Result<Password, Failure> {
    Password::new(text).map_err(|error| Failure::Password(error.to_string()))
}

/// Makes the plan, asking for the password on the terminal where nothing else gives it.
///
/// For a file of type 2 the password is tried here, up to three times, without the network; for the other type
/// only the novice's computer can tell, so it is asked once (S26, S27).
pub(crate) fn plan(invitation: &Invitation, given: Option<Password>) -> Result<Plan, Failure> {
    let asks = invitation.password_needed() && given.is_none();
    if !asks {
        return Plan::open(invitation, given.as_ref()).map_err(unusable);
    }
    let mut terminal =
        Terminal::open().map_err(|_| Failure::NoTerminal { missing: "the password; use --password-file" })?;
    for attempt in 1..=ATTEMPTS {
        let typed = terminal.ask_password("Password of the invitation: ").map_err(Failure::PasswordSource)?;
        let plan = match Password::new(&typed) {
            Ok(password) => Plan::open(invitation, Some(&password)),
            Err(_) => Err(OpenError::Unreadable),
        };
        match plan {
            Err(OpenError::Unreadable) if attempt < ATTEMPTS => {
                // The person at the terminal is the only one who hears it.
                let _ = terminal.say("Wrong password, or a damaged invitation. Try again.\n");
            }
            result => return result.map_err(unusable),
        }
    }
    Err(Failure::WrongPassword)
}

pub(crate) fn unusable(error: OpenError) -> Failure {
    match error {
        OpenError::Unreadable | OpenError::PasswordNeeded => Failure::WrongPassword,
        other => Failure::Plan(other.to_string()),
    }
}

/// Attempts at a password on the terminal.
pub(crate) const ATTEMPTS: u32 = 3;
