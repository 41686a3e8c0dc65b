//! The expert blob: how an expert gives its name and the proof of the password.
//!
//! A row of `count;key=value`, where the count is that of the characters of `key=value`.
//! Source: invitation-file.md 5.4, [MS-RA] 2.2.1.4.
//!
//! `ACCOUNT` and `ACCOUNTPASS` are keys of our own: how a helper without an invitation shows to be an account of the novice's
//! computer. A blob that goes with an invitation never has them, and who does not know them reads over them.

use core::fmt;

use zeroize::Zeroizing;

use crate::{AccountLogin, AccountName, AccountPassword, Proof, UntrustedName};

/// What an expert said of itself.
pub struct ExpertBlob {
    name: UntrustedName,
    pass: Option<Zeroizing<String>>,
    login: Option<AccountLogin>,
}

/// Why a text is not an expert blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpertBlobError {
    /// Longer than anybody's name and proof.
    #[error("the expert's answer is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Its counts do not fit and no proof can be made out.
    #[error("the expert's answer cannot be taken apart")]
    Malformed,
    /// A key comes twice.
    #[error("the expert's answer is ambiguous")]
    Duplicate,
    /// An account without a password, a password without an account, or what cannot be either.
    #[error("the expert's answer names an account that cannot be one")]
    Account,
}

/// Writes the blob of an expert that is called `name`; `proof` where the ticket has a password.
#[must_use]
pub fn write(name: &str, proof: Option<&Proof>) -> Zeroizing<String> {
    let mut blob = begin(name);
    if let Some(proof) = proof {
        push_pair(&mut blob, "PASS", &proof.to_hex());
    }
    blob
}

/// Writes the blob of a helper that is called `name` and offers help as this account of the novice's computer.
///
/// It may only be sent to a computer whose key was known before.
#[must_use]
pub fn write_login(name: &str, login: &AccountLogin) -> Zeroizing<String> {
    let mut blob = begin(name);
    push_pair(&mut blob, ACCOUNT, login.name.as_str());
    push_pair(&mut blob, ACCOUNT_PASSWORD, login.password.expose());
    blob
}

/// Reads a blob with or without a terminator.
///
/// Counts are of UTF-16 units; FreeRDP counts bytes of UTF-8, which is tried second. If neither fits the proof is
/// looked for at the end, and the name is what stands in front of it.
///
/// # Errors
///
/// When it is too long, cannot be taken apart, gives a key twice or half an account.
pub fn parse(text: &str) -> Result<ExpertBlob, ExpertBlobError> {
    if text.len() > MAX_BYTES {
        return Err(ExpertBlobError::TooLong);
    }
    let text = text.trim_end_matches('\0');
    let (units, bytes) = (pairs(text, char::len_utf16), pairs(text, char::len_utf8));
    // A count of bytes can reach just to the end when it is taken for units; then the proof seems part of the name.
    let proves = |pairs: &Option<Pairs<'_>>| pairs.iter().flatten().any(|(key, _)| *key == "PASS");
    let found = if proves(&bytes) && !proves(&units) { bytes } else { units.or(bytes) };
    let pairs = found.or_else(|| split_at_proof(text)).ok_or(ExpertBlobError::Malformed)?;
    let only = |key: &str| {
        let mut found = pairs.iter().filter(|(name, _)| *name == key).map(|&(_, value)| value);
        match (found.next(), found.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(ExpertBlobError::Duplicate),
        }
    };
    let login = match (only(ACCOUNT)?, only(ACCOUNT_PASSWORD)?) {
        (None, None) => None,
        (Some(name), Some(password)) => Some(AccountLogin {
            name: AccountName::new(name).map_err(|_| ExpertBlobError::Account)?,
            password: AccountPassword::new(password).map_err(|_| ExpertBlobError::Account)?,
        }),
        _ => return Err(ExpertBlobError::Account),
    };
    Ok(ExpertBlob {
        name: UntrustedName::new(only("NAME")?.unwrap_or_default()),
        pass: only("PASS")?.map(|value| Zeroizing::new(value.to_owned())),
        login,
    })
}

impl ExpertBlob {
    /// The name that the expert gave, fit to be shown; unverified, may be empty.
    #[must_use]
    pub fn name(&self) -> &UntrustedName {
        &self.name
    }

    /// The proof as it was sent, for [`Challenge::meet`](crate::Challenge::meet).
    #[must_use]
    pub fn pass(&self) -> Option<&str> {
        self.pass.as_ref().map(|pass| pass.as_str())
    }

    /// The account of the novice's computer that a helper says to be, with its password. Nobody has checked it.
    #[must_use]
    pub fn login(&self) -> Option<&AccountLogin> {
        self.login.as_ref()
    }
}

impl fmt::Debug for ExpertBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpertBlob").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The longest blob that is looked at: a name, a proof of 64 characters of stub or an account with its password, and room.
const MAX_BYTES: usize = 4096;
/// What is reserved at once, so that growing leaves no copy of a secret behind: more than the three longest values take.
const LONGEST_OF_OURS: usize = 2048;
const ACCOUNT: &str = "ACCOUNT";
const ACCOUNT_PASSWORD: &str = "ACCOUNTPASS";
/// How the proof of a stub of 14 characters begins, and how many digits follow.
const PROOF_MARK: &str = "69;PASS=";
const PROOF_DIGITS: usize = 64;

fn begin(name: &str) -> Zeroizing<String> {
    let mut blob = Zeroizing::new(String::with_capacity(LONGEST_OF_OURS));
    push_pair(&mut blob, "NAME", UntrustedName::new(name).as_str());
    blob
}

fn push_pair(blob: &mut Zeroizing<String>, key: &str, value: &str) {
    let count = key.len() + 1 + value.encode_utf16().count();
    for part in [&count.to_string(), ";", key, "=", value] {
        blob.push_str(part);
    }
}

type Pairs<'a> = Vec<(&'a str, &'a str)>;

fn pairs(mut text: &str, units: fn(char) -> usize) -> Option<Pairs<'_>> {
    let mut pairs = Vec::new();
    while !text.is_empty() {
        let (count, rest) = text.split_once(';')?;
        let decimal = (1..=4).contains(&count.len()) && count.bytes().all(|byte| byte.is_ascii_digit());
        let count: usize = count.parse().ok().filter(|_| decimal)?;
        let end = end_of(rest, count, units)?;
        pairs.push(rest.get(..end)?.split_once('=')?);
        text = rest.get(end..)?;
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// The byte behind exactly `count` units.
fn end_of(text: &str, count: usize, units: fn(char) -> usize) -> Option<usize> {
    let mut left = count;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(units(character))?;
    }
    (left == 0).then_some(text.len())
}

fn split_at_proof(text: &str) -> Option<Pairs<'_>> {
    let at = text.rfind(PROOF_MARK)?;
    let proof = text.get(at + PROOF_MARK.len()..)?.get(..PROOF_DIGITS)?;
    if !proof.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let name = text.get(..at)?.split_once("NAME=").map_or("", |(_, name)| name);
    Some(vec![("NAME", name), ("PASS", proof)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: &str = "A21F8247C1C6C7A65F008791D657688F569EE3754307B1967D62DC4ED98926F5";

    fn read(text: &str) -> (String, Option<String>) {
        let blob = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (blob.name().to_string(), blob.pass().map(str::to_owned))
    }

    #[test]
    fn both_ways_of_counting_are_read() {
        for text in [
            format!("11;NAME=J\u{fc}rgen69;PASS={PROOF}"),
            format!("12;NAME=J\u{fc}rgen69;PASS={PROOF}"),
            format!("11;NAME=J\u{fc}rgen69;PASS={PROOF}\0"),
            format!("69;PASS={PROOF}11;NAME=J\u{fc}rgen"),
            format!("3;X=111;NAME=J\u{fc}rgen69;PASS={PROOF}"),
        ] {
            assert_eq!(read(&text), ("J\u{fc}rgen".to_owned(), Some(PROOF.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_count_of_bytes_that_could_be_one_of_units_does_not_swallow_the_proof() {
        // 36 characters of one unit and three bytes: the surplus is just the length of the second pair.
        let name = "\u{6f22}".repeat(36);
        let text = format!("{};NAME={name}69;PASS={PROOF}", 5 + name.len());
        assert_eq!(read(&text), (name, Some(PROOF.to_owned())));
    }

    #[test]
    fn with_a_count_that_fits_nothing_the_proof_is_found_at_the_end() {
        assert_eq!(read(&format!("99;NAME=Bob69;PASS={PROOF}")), ("Bob".to_owned(), Some(PROOF.to_owned())));
        assert_eq!(
            read(&format!("NAME=69;PASS=x69;PASS={PROOF}more")),
            ("69;PASS=x".to_owned(), Some(PROOF.to_owned()))
        );
        assert_eq!(read(&format!("!69;PASS={PROOF}")), (String::new(), Some(PROOF.to_owned())));
    }

    #[test]
    fn a_name_alone_has_no_proof_and_is_neutralised() {
        assert_eq!(read("11;NAME=Expert"), ("Expert".to_owned(), None));
        assert_eq!(read("8;NAME=a\u{202E}\n"), ("a".to_owned(), None));
        assert_eq!(read("7;UNSEEN="), (String::new(), None));
    }

    #[test]
    fn what_cannot_be_taken_apart_is_refused() {
        let short = format!("99;NAME=Bob69;PASS={}", &PROOF[1..]);
        let no_hex = format!("99;NAME=Bob69;PASS={}z", &PROOF[1..]);
        for text in
            ["", "\0", "x", ";", "5;", "5;NAME", "4;NAME", "+5;NAME=", "6;NAME=", "00005;NAME=", &short, &no_hex]
        {
            assert_eq!(parse(text).err(), Some(ExpertBlobError::Malformed), "{text}");
        }
        assert_eq!(parse("6;NAME=a6;NAME=b").err(), Some(ExpertBlobError::Duplicate));
        assert_eq!(parse(&"x".repeat(4097)).err(), Some(ExpertBlobError::TooLong));
        assert_eq!(parse(&"x".repeat(4096)).err(), Some(ExpertBlobError::Malformed));
    }

    fn login(name: &str, password: &str) -> AccountLogin {
        AccountLogin { name: AccountName::new(name).unwrap(), password: AccountPassword::new(password).unwrap() }
    }

    #[test]
    fn an_account_reads_back_as_written_and_whoever_does_not_know_it_reads_over_it() {
        let blob = write_login("Lee", &login("lee", "Tulip;4711"));
        assert_eq!(blob.as_str(), "8;NAME=Lee11;ACCOUNT=lee22;ACCOUNTPASS=Tulip;4711");
        let read = parse(&blob).unwrap();
        let found = read.login().unwrap();
        assert_eq!((found.name.as_str(), found.password.expose()), ("lee", "Tulip;4711"));
        assert_eq!((read.name().as_str(), read.pass()), ("Lee", None));
        assert!(!format!("{read:?}").contains("Tulip"));

        let longest = login(&"\u{1F600}".repeat(64), &"\u{e4}".repeat(255));
        let blob = write_login(&"\u{1F600}".repeat(64), &longest);
        assert!(blob.len() <= LONGEST_OF_OURS && blob.capacity() == LONGEST_OF_OURS, "never grown, so never copied");
        assert_eq!(parse(&blob).unwrap().login().unwrap().password.expose(), longest.password.expose());
    }

    #[test]
    fn half_an_account_or_one_that_cannot_be_is_refused() {
        for text in [
            "11;ACCOUNT=lee",
            "13;ACCOUNTPASS=x",
            "8;ACCOUNT=13;ACCOUNTPASS=x",
            "9;ACCOUNT=013;ACCOUNTPASS=x",
            "10;ACCOUNT=-s13;ACCOUNTPASS=x",
            "11;ACCOUNT=lee12;ACCOUNTPASS=",
            "11;ACCOUNT=lee14;ACCOUNTPASS=x\n",
            &format!("11;ACCOUNT=lee{};ACCOUNTPASS={}", 12 + 512, "x".repeat(512)),
        ] {
            assert_eq!(parse(text).err(), Some(ExpertBlobError::Account), "{text}");
        }
        assert_eq!(parse("11;ACCOUNT=lee11;ACCOUNT=kim13;ACCOUNTPASS=x").err(), Some(ExpertBlobError::Duplicate));
        assert_eq!(parse("11;ACCOUNT=lee13;ACCOUNTPASS=x13;ACCOUNTPASS=y").err(), Some(ExpertBlobError::Duplicate));
    }

    #[test]
    fn the_name_is_cut_and_counted_in_utf16_units() {
        assert_eq!(write("\u{1F600}", None).as_str(), "7;NAME=\u{1F600}");
        assert_eq!(write(&"x".repeat(500), None).len(), "69;NAME=".len() + 64);
    }
}
