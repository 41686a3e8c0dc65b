//! The relays that are known on this computer, and those that may be used.

use std::path::{Path, PathBuf};

use ra_layers::{EffectivePolicy, Sources};
use ra_policy::{Denied, Policy, RelayAddress};
use ra_rendezvous::{RelayUrl, relay_list};

use crate::failure::Failure;

/// What the administrator of this computer says about relays.
pub(crate) struct Official(Policy);

impl Official {
    pub(crate) fn read() -> Self {
        let more = std::env::var_os("RA_POLICY_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
        Self(EffectivePolicy::read(Sources::of_the_machine().with_more(more)).policy)
    }

    /// The relays for a code: those that this user names, else those of the link, else those that are known here, else the
    /// official ones.
    ///
    /// What this user names has to be allowed. Of a link, which somebody else made, what is not allowed is left out.
    pub(crate) fn for_a_code(&self, named: &[RelayUrl], of_link: Vec<RelayUrl>) -> Result<Vec<RelayUrl>, Failure> {
        if named.is_empty() && !of_link.is_empty() {
            return self.allowed_of(of_link).map_err(|denied| match denied {
                Denied::Relay { .. } => Failure::Policy(NONE_OF_THE_LINK.to_owned()),
                other => Failure::Policy(other.to_string()),
            });
        }
        let wanted = if named.is_empty() { known()? } else { named.to_vec() };
        for relay in &wanted {
            self.0.may_use_relay(relay.as_str()).map_err(|denied| Failure::Policy(denied.to_string()))?;
        }
        if !wanted.is_empty() {
            return Ok(wanted);
        }
        match self.0.official_relays().map_err(|denied| Failure::Policy(denied.to_string()))? {
            None => Err(Failure::NoRelay),
            Some(official) if official.is_empty() => Err(Failure::Policy(Denied::NoRelay.to_string())),
            Some(official) => {
                Ok(official.iter().map(RelayAddress::as_str).filter_map(|text| text.parse().ok()).collect())
            }
        }
    }

    /// Of relays that somebody else named, those that may be used.
    ///
    /// # Errors
    ///
    /// When none remains, why the first one may not.
    pub(crate) fn allowed_of(&self, relays: Vec<RelayUrl>) -> Result<Vec<RelayUrl>, Denied> {
        let mut why = None;
        let mut allowed = relays;
        allowed.retain(|relay| match self.0.may_use_relay(relay.as_str()) {
            Ok(()) => true,
            Err(denied) => {
                why.get_or_insert(denied);
                false
            }
        });
        match why {
            Some(denied) if allowed.is_empty() => Err(denied),
            _ => Ok(allowed),
        }
    }
}

/// The list of this user, else that of the computer; empty where nobody made one.
fn known() -> Result<Vec<RelayUrl>, Failure> {
    for file in files() {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::unreadable(&file, error)),
        };
        return relay_list(&text).map_err(|(line, error)| Failure::RelayList {
            path: file.display().to_string(),
            line,
            why: error,
        });
    }
    Ok(Vec::new())
}

fn files() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = set("RA_CONFIG_DIR").or_else(|| {
        let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        base.or_else(|| set("HOME").map(|home| home.join(".config"))).map(|base| base.join("remote-assistance"))
    });
    own.into_iter().chain([PathBuf::from(MACHINE)]).map(|directory| directory.join(Path::new("relays"))).collect()
}

const NONE_OF_THE_LINK: &str = "policy of this computer allows none of the relays that the link names (OfficialRelays)";
const MACHINE: &str = "/etc/remote-assistance";

#[cfg(test)]
mod tests {
    use ra_policy::{Layer, PolicyText, Source};

    use super::*;

    fn official(toml: &str) -> Official {
        let settings = PolicyText::from_toml(toml).unwrap().for_member_of(&[]);
        Official(Policy::of([Layer::new(Source::Machine, "policy.toml", settings)]))
    }

    fn relays(texts: &[&str]) -> Vec<RelayUrl> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn of_a_link_those_relays_are_left_out_that_policy_does_not_allow() {
        let one = official("OfficialRelays = ['https://eu.example.org']");
        let of_link = || relays(&["https://other.example.org", "https://eu.example.org"]);
        assert_eq!(one.for_a_code(&[], of_link()).unwrap(), relays(&["https://eu.example.org"]));
        assert_eq!(official("").for_a_code(&[], of_link()).unwrap(), of_link());
        let none = one.for_a_code(&[], relays(&["https://other.example.org"])).unwrap_err();
        assert_eq!((none.to_string().as_str(), none.exit_status()), (NONE_OF_THE_LINK, 77));
    }

    #[test]
    fn what_this_user_names_has_to_be_allowed() {
        let one = official("OfficialRelays = ['https://eu.example.org']");
        assert_eq!(
            one.for_a_code(&relays(&["https://eu.example.org"]), Vec::new()).unwrap(),
            relays(&["https://eu.example.org"])
        );
        let both = relays(&["https://eu.example.org", "https://other.example.org"]);
        let refused = one.for_a_code(&both, Vec::new()).unwrap_err();
        assert_eq!(refused.to_string(), "policy does not allow the relay https://other.example.org/ (OfficialRelays)");
        assert_eq!(refused.exit_status(), 77);
        let none = official("OfficialRelays = []").for_a_code(&both, Vec::new()).unwrap_err();
        assert_eq!(none.to_string(), "policy allows no relay at all (OfficialRelays)");
    }
}
