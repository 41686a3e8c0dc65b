//! Group policy for the computer's users: what only root can read, written where they can.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ra_layers::{Places, publication};

use crate::durable::Pending;

/// Writes the group policy of this computer where its users can read it, and says where, and how many policies that are. For root.
///
/// # Errors
/// [`PublishError`]; what was published before stays.
pub fn publish(places: &Places) -> Result<(PathBuf, usize), PublishError> {
    let target = places.published.clone();
    let failed = |source| PublishError { path: target.clone(), source };
    let published = publication(places).map_err(failed)?;
    let directory = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).map_err(failed)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    let pending = Pending::write(&target, ".policy-", &published.text).map_err(failed)?;
    pending.readable_by_all().map_err(failed)?;
    pending.commit().map_err(failed)?;
    Ok((target, published.count))
}

/// The computer's group policy could not be published.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct PublishError {
    path: PathBuf,
    source: io::Error,
}
