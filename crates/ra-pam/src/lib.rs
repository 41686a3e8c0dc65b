//! Asks PAM whether a password is that of an account of this computer, and whether that account may be used now.
//!
//! In the story this crate is one way for a helper to be known who offers help without an invitation. It opens no
//! session, sets no credentials and changes no password: it asks two questions, and the answer is yes or no. Who may
//! offer help is for policy to say, and the novice is asked in any case.
//!
//! `libpam.so.0` is looked for when it is needed, not when the program is built: a computer without it can build and run
//! everything else. Its C interface is in the one module with `unsafe`, `library`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pam = ra_pam::Pam::load()?;
//! // It takes its time, seconds after a wrong password: never on a thread that others wait for.
//! pam.check("remote-assistance", "lee", "Tulip-4711", "192.0.2.7")?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod library;

use std::ffi::CString;
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::library::{Answer, Library};

/// The PAM library of this computer. Cheap to copy; what it stands for is loaded once and stays.
#[derive(Clone, Copy, Debug)]
pub struct Pam(&'static Library);

/// This computer has no PAM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this computer has no PAM that could be used: {0}")]
pub struct NoPam(String);

/// PAM did not say yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The password is wrong, or there is no such account; which, nobody is to know.
    #[error("wrong password, or no such account")]
    Wrong,
    /// The password is right, and the account may not be used now: expired, locked, or its password has to be changed.
    #[error("the account may not be used now")]
    Account,
    /// PAM could not tell, or its rules are broken.
    #[error("PAM failed (code {0})")]
    Failed(i32),
}

impl Pam {
    /// Loads the library, once for the process.
    ///
    /// # Errors
    /// When there is none, or one that lacks a function.
    pub fn load() -> Result<Self, NoPam> {
        static LOADED: OnceLock<Result<Library, String>> = OnceLock::new();
        LOADED.get_or_init(Library::load).as_ref().map(Self).map_err(|why| NoPam(why.clone()))
    }

    /// Asks whether `password` is that of `account` and the account may be used now, by the rules of `service`
    /// (`/etc/pam.d/SERVICE`, else those of `other`). `from` is the address that modules such as `pam_access` judge.
    ///
    /// Blocks for as long as the modules like: some seconds after a wrong password. An empty password is never right.
    ///
    /// # Errors
    /// [`Refused`], also when a module answers for another account than the one that was asked about.
    pub fn check(self, service: &str, account: &str, password: &str, from: &str) -> Result<(), Refused> {
        let text = |text: &str| CString::new(text).map_err(|_| Refused::Wrong);
        let (service, account, from) = (text(service)?, text(account)?, text(from)?);
        let password = secret(password)?;
        let answer = Answer::new(&password);
        let mut asking = self.0.start(&service, &account, &answer).map_err(Refused::Failed)?;
        asking.comes_from(&from).map_err(Refused::Failed)?;
        asking.authenticate().map_err(|code| match code {
            // All of them mean that this person is not let in, and none is told apart.
            library::AUTH_ERR | library::USER_UNKNOWN | library::MAXTRIES | library::PERM_DENIED => Refused::Wrong,
            code => Refused::Failed(code),
        })?;
        asking.account_may_be_used().map_err(|code| match code {
            library::SYSTEM_ERR | library::SERVICE_ERR | library::OPEN_ERR | library::SYMBOL_ERR | library::BUF_ERR => {
                Refused::Failed(code)
            }
            _ => Refused::Account,
        })?;
        // A module may map one name to another; the groups of somebody else must not count.
        if asking.account().as_deref() == Some(account.as_c_str()) { Ok(()) } else { Err(Refused::Wrong) }
    }
}

/// The password with its end, in memory that is wiped; made at once, so that growing leaves no copy behind.
fn secret(password: &str) -> Result<Zeroizing<Vec<u8>>, Refused> {
    if password.is_empty() || password.len() > MAX_ANSWER || password.contains('\0') {
        return Err(Refused::Wrong);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    bytes.extend_from_slice(password.as_bytes());
    bytes.push(0);
    Ok(bytes)
}

/// What Linux-PAM takes for an answer, without NUL (`PAM_MAX_RESP_SIZE`).
const MAX_ANSWER: usize = 511;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_account_can_have_is_wrong_before_anybody_is_asked() {
        for password in ["", "a\0b", &"x".repeat(512)] {
            assert_eq!(secret(password).unwrap_err(), Refused::Wrong);
        }
        assert_eq!(secret("Tulip").unwrap().as_slice(), b"Tulip\0");
    }

    /// The rules of a real computer: nobody is called so, and whatever they say it is not yes.
    #[test]
    fn an_account_that_does_not_exist_is_never_let_in() {
        let refused = match Pam::load() {
            Ok(pam) => pam.check("remote-assistance", "nobody-is-called-so", "Tulip-4711", "192.0.2.7"),
            // A computer without PAM says which library it lacks.
            Err(NoPam(why)) => return assert!(why.contains("libpam.so.0"), "{why}"),
        };
        assert!(matches!(refused, Err(Refused::Wrong | Refused::Failed(_))), "{refused:?}");
    }
}
