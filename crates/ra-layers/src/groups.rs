//! Which groups a user is in, by name.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// The groups of the user; looked up once, and only when some policy asks.
pub(crate) struct OfUser {
    names: OnceCell<Result<Vec<String>, String>>,
}

impl OfUser {
    pub(crate) fn new(known: Option<Vec<String>>) -> Self {
        let names = OnceCell::new();
        if let Some(known) = known {
            let _ = names.set(Ok(known));
        }
        Self { names }
    }

    /// Their names. What the account database says counts, and what the process has beyond that.
    pub(crate) fn names(&self) -> Result<&[String], String> {
        self.names.get_or_init(look_up).as_deref().map_err(Clone::clone)
    }
}

/// The groups of an account, which may be named by its login name or its user number.
///
/// # Errors
///
/// When the account database does not know it, or cannot be asked; in words.
pub fn of_account(account: &str) -> Result<Vec<String>, String> {
    Ok(names(&numbers(account)?))
}

fn look_up() -> Result<Vec<String>, String> {
    let mut ids = numbers(&rustix::process::getuid().as_raw().to_string())?;
    let of_process = rustix::process::getgroups().map_err(|error| error.to_string())?;
    ids.extend(of_process.into_iter().map(|gid| gid.as_raw().to_string()));
    ids.insert(rustix::process::getegid().as_raw().to_string());
    Ok(names(&ids))
}

/// The numbers of the groups that the account database has for an account.
fn numbers(account: &str) -> Result<BTreeSet<String>, String> {
    let account = getent("passwd", account)?;
    let mut fields = account.split(':');
    let login = fields.next().unwrap_or_default().to_owned();
    let own_group = fields.nth(2).unwrap_or_default().to_owned();
    let mut ids = BTreeSet::from([own_group]);
    // The answer is the name and the numbers of the groups.
    ids.extend(getent("initgroups", &login)?.split_whitespace().skip(1).map(str::to_owned));
    Ok(ids)
}

fn names(ids: &BTreeSet<String>) -> Vec<String> {
    // A group without a name cannot be in any list.
    let name = |id: &String| getent("group", id).ok()?.split(':').next().map(str::to_owned);
    ids.iter().filter(|id| !id.is_empty()).filter_map(name).collect()
}

/// One answer of the C library's own program, which knows accounts of directories too.
fn getent(database: &str, key: &str) -> Result<String, String> {
    let output = Command::new("getent").args([database, key]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| format!("getent: {error}"))?;
    let answer = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
    if output.status.success() && !answer.is_empty() {
        Ok(answer)
    } else {
        Err(format!("no {database} entry for {key}"))
    }
}

/// The groups whose members administer a computer: on Debian and its kin, and on Fedora and its kin.
pub const ADMINISTRATORS: [&str; 2] = ["sudo", "wheel"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s100_the_system_knows_the_groups_of_this_user() {
        assert!(OfUser::new(None).names().is_ok_and(|groups| !groups.is_empty()));
        let known = OfUser::new(Some(vec!["pupils".to_owned()]));
        assert_eq!(known.names(), Ok(&["pupils".to_owned()][..]));
    }
}
