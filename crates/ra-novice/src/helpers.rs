//! Whose key is whose: the helpers whose keys the administrator of this computer has enrolled.
//!
//! A policy lists helpers by name (`RAUnsolicit`, `OfficialHelpers`). A name is only worth something once a key stands for it:
//! either the list names the key itself, or `helpers.toml` beside the machine's policy binds the key to an account or a
//! name. Groups of a bound account count as on the original (S116). A file that cannot be read or trusted binds nobody.

use std::collections::{BTreeMap, BTreeSet};

use ra_policy::{HelperName, Offerer, Policy};
use ra_session::offers::Helper;
use ra_ticket::{AccountName, KeyFingerprint, UntrustedName};

use crate::policy::{Trust, groups, read_text};
use crate::settings::Paths;

/// The keys that this computer knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Helpers {
    bound: BTreeMap<KeyFingerprint, HelperName>,
}

/// A helper who is known here: by a key that was proved in the handshake, or by the password of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHelper {
    /// What they have proved.
    pub proved: Helper,
    /// The account, or the account or name that the administrator bound the key to.
    pub name: Option<HelperName>,
    /// Everything a list of helpers may name them by.
    pub offerer: Offerer,
}

impl Helpers {
    /// Reads `helpers.toml`; none where there is no such file.
    #[must_use]
    pub fn read(paths: &Paths) -> Self {
        let file = paths.places().machine.join(FILE);
        let text = match read_text(&file, Trust::Owner(paths.places().administrator)) {
            Ok(None) => return Self::default(),
            Ok(Some(text)) => text,
            Err(why) => {
                tracing::error!(file = %file.display(), why, "no helper's key is known until this is mended");
                return Self::default();
            }
        };
        Self::parse(&text).unwrap_or_else(|why| {
            tracing::error!(file = %file.display(), why, "no helper's key is known until this is mended");
            Self::default()
        })
    }

    /// Reads text of the form `"sha256:…" = "account"`, a line for each key.
    ///
    /// # Errors
    /// One sentence for the administrator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines: BTreeMap<String, String> = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let bound = lines.iter().map(|(key, name)| {
            let key = key.parse().map_err(|error| format!("{key}: {error}"))?;
            let name = HelperName::new(name).ok_or_else(|| format!("{key} is bound to nobody"))?;
            Ok((key, name))
        });
        Ok(Self { bound: bound.collect::<Result<_, String>>()? })
    }

    /// The helper with this key; `None` where neither the file nor a policy's list of helpers has it.
    #[must_use]
    pub fn known(&self, key: KeyFingerprint, policy: &Policy) -> Option<KnownHelper> {
        let by_key = HelperName::new(&key.to_string())?;
        let name = self.bound.get(&key).cloned();
        if name.is_none() && !policy.lists_offerer(&by_key) {
            return None;
        }
        let mut names = BTreeSet::from([by_key]);
        let mut administrator = false;
        if let Some(name) = &name {
            let account = as_account(name);
            names.extend(account.names);
            administrator = account.administrator;
        }
        Some(KnownHelper { proved: Helper::Key(key), name, offerer: Offerer { names, administrator } })
    }

    /// Whether somebody with this key may come for an invitation that was made for `helper`: where keys are enrolled for
    /// that name it has to be one of them (S105).
    #[must_use]
    pub fn may_be(&self, helper: &HelperName, key: Option<KeyFingerprint>) -> bool {
        let mut enrolled = self.bound.iter().filter(|(_, name)| *name == helper).map(|(key, _)| *key).peekable();
        enrolled.peek().is_none() || enrolled.any(|enrolled| Some(enrolled) == key)
    }
}

impl KnownHelper {
    /// The helper who has proved the password of this account.
    pub(crate) fn of_account(account: &AccountName) -> Option<Self> {
        let name = HelperName::new(account.as_str())?;
        let offerer = as_account(&name);
        Some(Self { proved: Helper::Account(name.clone()), name: Some(name), offerer })
    }

    /// What the novice is told: the account, or the name that the key is bound to, else the key.
    #[must_use]
    pub fn called(&self) -> String {
        match (&self.name, &self.proved) {
            (Some(name), _) | (None, Helper::Account(name)) => UntrustedName::new(name.as_str()).to_string(),
            (None, Helper::Key(key)) => key.to_string(),
        }
    }
}

/// What an account counts as: itself, and its groups where it is one of this computer (S116).
fn as_account(name: &HelperName) -> Offerer {
    let mut offerer = Offerer { names: BTreeSet::from([name.clone()]), administrator: false };
    if name.is_local() {
        let groups = groups::of_account(name.as_str()).unwrap_or_else(|why| {
            tracing::warn!(account = name.as_str(), why, "the groups of a helper's account cannot be found");
            Vec::new()
        });
        offerer.administrator = groups.iter().any(|group| groups::ADMINISTRATORS.contains(&group.as_str()));
        offerer.names.extend(groups.iter().filter_map(|group| HelperName::new(group)));
    }
    offerer
}

/// In the directory of the machine's policy.
const FILE: &str = "helpers.toml";

#[cfg(test)]
mod tests {
    use ra_policy::{Layer, PolicyText, Source};

    use super::*;

    fn key(seed: &[u8]) -> KeyFingerprint {
        KeyFingerprint::of_spki(seed)
    }

    fn policy(text: &str) -> Policy {
        let settings = PolicyText::from_toml(text).unwrap().for_member_of(&[]);
        Policy::of([Layer::new(Source::Machine, "policy.toml", settings)])
    }

    #[test]
    fn s116_r076_a_key_counts_by_the_list_or_by_the_account_it_is_bound_to() {
        let listed = policy(&format!("fAllowUnsolicited = 1\nRAUnsolicit = ['{}', 'EXAMPLE\\lee']\n", key(b"a")));
        let helpers =
            Helpers::parse(&format!("'{}' = 'example\\Lee'\n'{}' = 'somebody'", key(b"b"), key(b"c"))).unwrap();
        for (who, allowed) in
            [(key(b"a"), Some(true)), (key(b"b"), Some(true)), (key(b"c"), Some(false)), (key(b"d"), None)]
        {
            let known = helpers.known(who, &listed);
            assert_eq!(known.map(|helper| listed.may_offer(&helper.offerer).is_ok()), allowed);
        }
    }

    #[test]
    fn s116_root_is_bound_by_its_account_and_its_groups_count() {
        let helpers = Helpers::parse(&format!("'{}' = 'root'", key(b"r"))).unwrap();
        let known = helpers.known(key(b"r"), &Policy::default()).unwrap();
        assert!(known.offerer.names.contains(&HelperName::new("ROOT").unwrap()));
        let by_group = policy("fAllowUnsolicited = 1\nRAUnsolicit = ['root']\n");
        assert!(by_group.may_offer(&known.offerer).is_ok());
        assert_eq!(known.called(), "root");
    }

    #[test]
    fn what_is_no_list_of_keys_binds_nobody() {
        for wrong in ["nonsense", "'sha256:00' = 'lee'", "'lee' = 'lee'", &format!("'{}' = ''", key(b"a")), "a = 1"] {
            assert!(Helpers::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Helpers::parse("# nobody yet\n"), Ok(Helpers::default()));
    }

    #[test]
    fn s105_an_official_helper_with_an_enrolled_key_has_to_show_it() {
        let helpers = Helpers::parse(&format!("'{}' = 'EXAMPLE\\Helpdesk'", key(b"a"))).unwrap();
        let desk = HelperName::new("example\\helpdesk").unwrap();
        assert!(helpers.may_be(&desk, Some(key(b"a"))));
        assert!(!helpers.may_be(&desk, Some(key(b"b"))) && !helpers.may_be(&desk, None));
        assert!(helpers.may_be(&HelperName::new("lee").unwrap(), None), "nobody enrolled a key of Lee's");
    }
}
