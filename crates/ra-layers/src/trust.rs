//! Whose files are believed: policy that somebody else can write is no policy.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Whose file this has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// This user's, and nobody else may write it.
    Owner(u32),
    /// The caller's own or this user's; not everybody may write it. Such a file can only restrict.
    OwnOr(u32),
    /// No matter whose.
    Anybody,
}

impl Trust {
    /// What is wrong with the owner or the mode of a file or directory.
    pub(crate) fn complaint(self, metadata: &Metadata) -> Option<String> {
        let (owner, mode) = (metadata.uid(), metadata.mode());
        match self {
            Self::Owner(wanted) if owner != wanted => {
                Some(format!("it belongs to user {owner}, not to the administrator"))
            }
            Self::Owner(_) if mode & 0o022 != 0 => {
                Some(format!("others than the administrator may write it (mode {:04o})", mode & 0o7777))
            }
            Self::OwnOr(other) if owner != other && owner != rustix::process::geteuid().as_raw() => {
                Some(format!("it belongs to another user ({owner})"))
            }
            Self::OwnOr(_) if mode & 0o002 != 0 => Some(format!("everybody may write it (mode {:04o})", mode & 0o7777)),
            Self::Owner(_) | Self::OwnOr(_) | Self::Anybody => None,
        }
    }
}

/// The bytes of a file, `None` when there is none. A link is followed: what it leads to is judged, and the directory
/// that holds it.
pub(crate) fn read(path: &Path, trust: Trust, at_most: usize) -> Result<Option<Vec<u8>>, String> {
    // Not blocking, since somebody may have put a pipe there.
    let opened = fs::OpenOptions::new().read(true).custom_flags(NONBLOCKING).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(&error)),
    };
    let metadata = file.metadata().map_err(|error| cannot(&error))?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if let Some(complaint) = trust.complaint(&metadata) {
        return Err(complaint);
    }
    if let (Trust::Owner(_), Some(directory)) = (trust, path.parent()) {
        let metadata = fs::metadata(directory).map_err(|error| cannot(&error))?;
        if let Some(complaint) = trust.complaint(&metadata) {
            return Err(format!("its directory cannot be trusted: {complaint}"));
        }
    }
    let mut bytes = Vec::new();
    bounded(file, at_most).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    if bytes.len() > at_most { Err(format!("it is larger than {} KiB", at_most / 1024)) } else { Ok(Some(bytes)) }
}

/// The `.toml` files of a directory in the order of their names; none when there is no such directory.
pub(crate) fn listed(directory: &Path, trust: Trust) -> Result<Vec<PathBuf>, String> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(&error)),
    };
    let metadata = fs::metadata(directory).map_err(|error| cannot(&error))?;
    if let Some(complaint) = trust.complaint(&metadata) {
        return Err(complaint);
    }
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot(&error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn cannot(error: &io::Error) -> String {
    format!("it cannot be read: {error}")
}

fn bounded(file: File, at_most: usize) -> io::Take<File> {
    file.take(at_most as u64 + 1)
}

const NONBLOCKING: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
