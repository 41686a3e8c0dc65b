//! The account of the novice's computer by whose password a helper is known who offers help without an invitation.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::UntrustedName;

/// The name of an account, fit to be looked up and to be shown: 1 to 64 characters, nothing invisible, not a number alone.
///
/// It is what somebody says; only the password proves anything. Spelling counts, also its case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountName(String);

/// The password of an account: 1 to 511 bytes without NUL or line ends. Wipes itself, never prints.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AccountPassword(String);

/// An account and its password, on their way from a helper to the computer of that account.
///
/// They travel only inside TLS, to a computer whose key the helper knew before.
#[derive(Debug, Clone)]
pub struct AccountLogin {
    /// Whose.
    pub name: AccountName,
    /// The proof.
    pub password: AccountPassword,
}

/// Why a text cannot be an account's name or password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No system has an account of this name, or it would be taken for something else.
    #[error("this cannot be the name of an account")]
    Name,
    /// Empty, too long, or with a line end in it.
    #[error("a password has 1 to {MAX_PASSWORD_BYTES} bytes on one line")]
    Password,
}

impl AccountName {
    /// Takes a name such as `lee` or `EXAMPLE\lee`.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 64 characters, has something invisible in it or white space around it, `:`, `/` or `,`, which
    /// account databases separate with, begins with `-`, which programs take for an option, or consists of digits, which they
    /// take for a user number.
    pub fn new(name: &str) -> Result<Self, AccountError> {
        let shown = UntrustedName::new(name);
        let wrong = name.is_empty()
            || shown.as_str() != name
            || name.starts_with('-')
            || name.contains([':', '/', ','])
            || name.bytes().all(|byte| byte.is_ascii_digit());
        if wrong { Err(AccountError::Name) } else { Ok(Self(name.to_owned())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccountPassword {
    /// Takes what a person typed, as it is.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 511 bytes, or has NUL or a line end in it.
    pub fn new(text: &str) -> Result<Self, AccountError> {
        let wrong = text.is_empty() || text.len() > MAX_PASSWORD_BYTES || text.contains(['\0', '\r', '\n']);
        if wrong { Err(AccountError::Password) } else { Ok(Self(text.to_owned())) }
    }

    /// The text, for PAM and for nobody else; never for a log or a file.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for AccountPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountPassword(..)")
    }
}

/// What Linux-PAM takes for an answer, without NUL (`PAM_MAX_RESP_SIZE`).
pub const MAX_PASSWORD_BYTES: usize = 511;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_an_option_a_number_or_a_field_is_no_account() {
        for name in ["lee", "EXAMPLE\\lee", "lee@example.org", "j\u{fc}rgen", "lee.jansen-2", "Jan Jansen", "1a"] {
            assert_eq!(AccountName::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for name in [
            "",
            "0",
            "1000",
            "-s",
            "--help",
            "a:b",
            "../lee",
            "a,b",
            " lee",
            "lee ",
            "a  b",
            "l\u{202e}ee",
            "a\0",
            "a\n",
            &long,
        ] {
            assert_eq!(AccountName::new(name), Err(AccountError::Name), "{name:?}");
        }
    }

    #[test]
    fn a_password_is_bounded_and_does_not_print() {
        let longest = "x".repeat(MAX_PASSWORD_BYTES);
        for text in ["x", " ", "69;PASS=a=b;", "p\u{e4}ss\u{1F600}", &longest] {
            assert_eq!(AccountPassword::new(text).unwrap().expose(), text);
        }
        for text in ["", "a\0", "a\nb", "a\r", &"x".repeat(MAX_PASSWORD_BYTES + 1)] {
            assert!(AccountPassword::new(text).is_err());
        }
        let login = AccountLogin {
            name: AccountName::new("lee").unwrap(),
            password: AccountPassword::new("Tulip-4711").unwrap(),
        };
        assert!(!format!("{login:?}").contains("Tulip"));
    }
}
