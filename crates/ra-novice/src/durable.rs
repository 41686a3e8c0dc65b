//! A file that is there whole or not at all.
//!
//! Everything this crate writes outside the store goes through here: a temporary file beside the target, mode 0600
//! from its first byte, synced, renamed over the target, and the directory synced. Whoever looks at any moment, also
//! after a crash or on a full disk, finds the old file or the new one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A complete and synced file that has not got its name yet; dropped without [`Pending::commit`] it is removed.
#[derive(Debug)]
pub(crate) struct Pending {
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
    /// Locked for as long as its writer lives, so that [`sweep`] can tell it from what a crash left behind.
    file: File,
}

impl Pending {
    /// Writes `bytes` beside `target`, in a file that only its owner can read.
    ///
    /// `stem` begins the temporary file's name, so that its writer can recognise what a crash left behind; that goes
    /// first, or it would add up.
    pub(crate) fn write(target: &Path, stem: &str, bytes: &[u8]) -> io::Result<Self> {
        let directory = directory_of(target);
        if let Err(error) = sweep(directory, stem) {
            // A directory may be written to and not be read.
            tracing::debug!(%error, "what a crash may have left was not looked for");
        }
        let (temporary, file) = create(directory, stem)?;
        let mut pending = Self { temporary, target: target.to_owned(), committed: false, file };
        pending.file.write_all(bytes)?;
        pending.file.sync_all()?;
        Ok(pending)
    }

    /// Lets everybody read the file once it has its name: for what is no secret.
    pub(crate) fn readable_by_all(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&self.temporary, fs::Permissions::from_mode(0o644))
    }

    /// Gives the file its name, in place of what had it before, and makes that durable.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.committed = true;
        File::open(directory_of(&self.target))?.sync_all()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing can be done about a failure here, and the error that led here is already on its way.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Removes what a crash of an earlier writer with the same `stem` left in `directory`; what is being written now stays,
/// and so does what cannot be opened.
pub(crate) fn sweep(directory: &Path, stem: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(stem) && name.ends_with(SUFFIX)) {
            remove_unless_locked(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_unless_locked(path: &Path) -> io::Result<()> {
    // In a directory for all, anything may bear such a name; whatever it is, it is not waited for.
    let careful = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(careful.bits().cast_signed()).open(path) else {
        return Ok(());
    };
    if !file.metadata()?.is_file() || file.try_lock().is_err() {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A new file of a random name, locked.
fn create(directory: &Path, stem: &str) -> io::Result<(PathBuf, File)> {
    loop {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = directory.join(format!("{stem}{:016x}{SUFFIX}", u64::from_ne_bytes(random)));
        // `create_new` never follows a symbolic link and never opens what somebody else put there.
        let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&path)?;
        match file.try_lock() {
            // Somebody swept between the two calls: the file is gone, or will be at once.
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if file.metadata()?.nlink() == 0 => {}
            // Where a file system knows no locks nobody sweeps either.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok((path, file)),
        }
    }
}

/// Opens (and makes, if need be) a file that serves as a lock between processes; it ends with the returned file, also
/// when the process dies.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(PRIVATE).open(path)
}

/// Takes such a lock; `None` while another living process has it.
pub(crate) fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// True when an operation failed because no room was left: the disk is full or a quota is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        || error
            .raw_os_error()
            .is_some_and(|code| code == Errno::NOSPC.raw_os_error() || code == Errno::DQUOT.raw_os_error())
}

/// The directory that a path's last component lies in; `.` when the path is a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Read and write for the owner, nothing for anybody else.
pub(crate) const PRIVATE: u32 = 0o600;

const SUFFIX: &str = ".part";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_appears_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("invitation");
        fs::write(&target, "old").unwrap();
        let pending = Pending::write(&target, ".new-", b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        pending.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Pending::write(&directory.path().join("x"), ".new-", b"new").unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_sweep_takes_only_its_own_leftovers() {
        let directory = tempfile::tempdir().unwrap();
        for name in [".host-0123.part", ".other-0123.part", ".host-0123"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        sweep(directory.path(), ".host-").unwrap();
        let mut left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".host-0123", ".other-0123.part"]);
    }

    #[test]
    fn the_next_writer_removes_what_a_crash_left_and_nothing_that_is_being_written() {
        let directory = tempfile::tempdir().unwrap();
        let (target, leftover) = (directory.path().join("invitation"), directory.path().join(".new-0123.part"));
        fs::write(&leftover, "of a crash").unwrap();
        let first = Pending::write(&target, ".new-", b"first").unwrap();
        assert!(!leftover.exists());
        let second = Pending::write(&target, ".new-", b"second").unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        first.commit().unwrap();
        second.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"second");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        assert_eq!(directory_of(Path::new("x")), Path::new("."));
        assert_eq!(directory_of(Path::new("a/x")), Path::new("a"));
        assert_eq!(directory_of(Path::new("/x")), Path::new("/"));
    }
}
