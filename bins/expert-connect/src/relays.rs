//! The relays that are known on this computer.

use std::path::{Path, PathBuf};

use ra_rendezvous::{RelayUrl, relay_list};

use crate::failure::Failure;

/// The list of this user, else that of the computer; empty where nobody made one.
pub(crate) fn known() -> Result<Vec<RelayUrl>, Failure> {
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

const MACHINE: &str = "/etc/remote-assistance";
