//! The relays that are known on this computer.

use ra_novice::settings::Paths;
use ra_rendezvous::{RelayUrl, relay_list};

use crate::failure::Failure;

/// Those that were named, else those that are known.
pub(crate) fn named_or_known(named: &[RelayUrl], paths: &Paths) -> Result<Vec<RelayUrl>, Failure> {
    if named.is_empty() { known(paths) } else { Ok(named.to_vec()) }
}

/// The list of this user, else that of the computer; empty where nobody made one.
pub(crate) fn known(paths: &Paths) -> Result<Vec<RelayUrl>, Failure> {
    for directory in [paths.config(), Paths::of_the_machine().config()] {
        let file = directory.join(NAME);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::other(format!("cannot read {}: {error}", file.display()))),
        };
        return relay_list(&text).map_err(|(line, error)| {
            Failure::usage(format!("{}, line {line}: not a relay that can be used: {error}", file.display()))
        });
    }
    Ok(Vec::new())
}

/// One address a line; what follows `#` is a comment.
const NAME: &str = "relays";
