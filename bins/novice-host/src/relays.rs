//! The relays that an invitation or a code uses: those that somebody named, within what policy allows.

use std::path::{Path, PathBuf};

use ra_novice::settings::Paths;
use ra_policy::{Denied, Policy};
use ra_rendezvous::{RelayUrl, relay_list};

use crate::failure::Failure;

/// Those that were named, else those of the settings, else the official ones. Where policy lists official ones there are no others.
pub(crate) fn to_use(named: &[RelayUrl], paths: &Paths, policy: &Policy) -> Result<Vec<RelayUrl>, Failure> {
    let (wanted, from) = match named {
        [] => of_settings(paths)?.map_or((Vec::new(), None), |(file, relays)| (relays, Some(file))),
        named => (named.to_vec(), None),
    };
    for relay in &wanted {
        policy.may_use_relay(relay.as_str()).map_err(|denied| refused(&denied, from.as_deref()))?;
    }
    if wanted.is_empty() { official(policy) } else { Ok(wanted) }
}

/// Those that policy lists; none where it says nothing, or that there are none.
fn official(policy: &Policy) -> Result<Vec<RelayUrl>, Failure> {
    let official = policy.official_relays().map_err(|denied| refused(&denied, None))?.unwrap_or_default();
    let readable = |relay: &ra_policy::RelayAddress| {
        let read = relay.as_str().parse();
        read.inspect_err(|error| tracing::warn!(%relay, %error, "an official relay cannot be used")).ok()
    };
    Ok(official.iter().filter_map(readable).collect())
}

fn refused(denied: &Denied, from: Option<&Path>) -> Failure {
    let failure = Failure::policy(denied.to_string());
    match from {
        Some(file) => failure.advice(format!("A relay is named in {}: take it out there.", file.display())),
        None => failure,
    }
}

/// The list of this user, else that of the computer, and where it stands; `None` where nobody made one.
fn of_settings(paths: &Paths) -> Result<Option<(PathBuf, Vec<RelayUrl>)>, Failure> {
    for directory in [paths.config(), Paths::of_the_machine().config()] {
        let file = directory.join(NAME);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::other(format!("cannot read {}: {error}", file.display()))),
        };
        let relays = relay_list(&text).map_err(|(line, error)| {
            Failure::usage(format!("{}, line {line}: not a relay that can be used: {error}", file.display()))
        })?;
        return Ok(Some((file, relays)));
    }
    Ok(None)
}

/// One address a line; what follows `#` is a comment.
const NAME: &str = "relays";

#[cfg(test)]
mod tests {
    use ra_policy::{Layer, PolicyText, Source};

    use super::*;

    fn policy(toml: &str) -> Policy {
        let settings = PolicyText::from_toml(toml).unwrap().for_member_of(&[]);
        Policy::of([Layer::new(Source::Machine, "policy.toml", settings)])
    }

    /// What is used where this is named, listed in the settings, and policy.
    fn used(named: &[&str], listed: Option<&str>, toml: &str) -> Result<String, String> {
        let config = tempfile::tempdir().unwrap();
        if let Some(listed) = listed {
            std::fs::write(config.path().join(NAME), listed).unwrap();
        }
        let variable = |name: &str| match name {
            "HOME" | "RA_CONFIG_DIR" => Some(config.path().into()),
            _ => None,
        };
        let paths = Paths::resolve(variable, false).unwrap();
        let named: Vec<RelayUrl> = named.iter().map(|text| text.parse().unwrap()).collect();
        let used = to_use(&named, &paths, &policy(toml)).map_err(|failure| failure.to_string())?;
        Ok(used.iter().map(RelayUrl::host).collect::<Vec<_>>().join(" "))
    }

    const TWO: &str = "OfficialRelays = ['https://eu.example.org', 'https://us.example.org']";

    #[test]
    fn without_policy_whoever_names_relays_first_decides() {
        assert_eq!(used(&["https://a"], Some("https://b\n"), "").as_deref(), Ok("a"));
        assert_eq!(used(&[], Some("https://b\nhttps://c\n"), "").as_deref(), Ok("b c"));
        assert_eq!(used(&[], Some("# none\n"), "").as_deref(), Ok(""));
    }

    #[test]
    fn the_administrators_list_is_the_list() {
        assert_eq!(used(&[], Some(""), TWO).as_deref(), Ok("eu.example.org us.example.org"), "nobody has to name them");
        assert_eq!(used(&["https://us.example.org"], Some(""), TWO).as_deref(), Ok("us.example.org"), "one may choose");
        assert_eq!(used(&[], Some("https://eu.example.org:443/\n"), TWO).as_deref(), Ok("eu.example.org"));
        let refused = used(&["https://eu.example.org", "https://other.example.org"], Some(""), TWO).unwrap_err();
        let sentence = "policy does not allow the relay https://other.example.org/ (OfficialRelays)";
        assert_eq!(refused, format!("novice-host: {sentence}"));
        let refused = used(&[], Some("https://other.example.org\n"), TWO).unwrap_err();
        assert!(refused.contains(sentence) && refused.contains("/relays: take it out there."), "{refused}");
    }

    #[test]
    fn an_empty_list_allows_none() {
        let none = "OfficialRelays = []";
        assert_eq!(used(&[], Some(""), none).as_deref(), Ok(""));
        for (named, listed) in [(&["https://a"][..], ""), (&[], "https://a\n")] {
            assert!(
                used(named, Some(listed), none).unwrap_err().contains("policy allows no relay at all (OfficialRelays)")
            );
        }
    }
}
