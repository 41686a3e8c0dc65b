//! The file of the audit log: lines that are whole, one after the other, in files that do not grow for ever.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::durable;

/// The newest file, opened at the first line. Several processes may write to the same log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    opened: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    lock: File,
}

/// The audit log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the audit log {path}: {source}")]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl LogFile {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: None }
    }

    /// Adds one line, which must have no line break in it.
    ///
    /// It is not synced: a refusal must not cost a turn of the disk, or strangers could wear it out.
    pub(super) fn append(&mut self, line: &str) -> Result<(), AuditError> {
        let outcome = self.try_append(line);
        if outcome.is_err() {
            // Next time from the start: the directory may be back by then.
            self.opened = None;
        }
        outcome.map_err(|source| AuditError { path: self.path.clone(), source })
    }

    fn try_append(&mut self, line: &str) -> io::Result<()> {
        let opened = match &mut self.opened {
            Some(opened) => opened,
            empty => empty.insert(open(&self.path)?),
        };
        // Whoever writes the last line of a file also renames it; nobody else may write between the two.
        opened.lock.lock()?;
        let written = (|| {
            if !is_current(&opened.file, &self.path) {
                opened.file = open_file(&self.path)?;
            }
            if opened.file.metadata()?.len() >= FILE_SIZE {
                rotate(&self.path)?;
                opened.file = open_file(&self.path)?;
            }
            // One write for the whole line: a crash leaves all of it or nothing.
            opened.file.write_all(format!("{line}\n").as_bytes())
        })();
        opened.lock.unlock()?;
        written
    }
}

/// Every line of the log, the oldest first. None where nothing was ever written.
///
/// # Errors
/// [`AuditError`] when a file is there and cannot be read.
pub fn lines(path: &Path) -> Result<Vec<String>, AuditError> {
    let mut all = Vec::new();
    for file in (1..OLDER_FILES + 1).rev().map(|n| older(path, n)).chain([path.to_owned()]) {
        let failed = |source| AuditError { path: file.clone(), source };
        let opened = match File::open(&file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for line in BufReader::new(opened).lines() {
            all.push(line.map_err(failed)?);
        }
    }
    Ok(all)
}

fn open(path: &Path) -> io::Result<Opened> {
    Ok(Opened { lock: durable::open_lock(&path.with_extension("log.lock"))?, file: open_file(path)? })
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Whether this is still the file of that name: another process, or `logrotate`, may have given it another one.
fn is_current(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn rotate(path: &Path) -> io::Result<()> {
    for number in (1..OLDER_FILES).rev() {
        match fs::rename(older(path, number), older(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, older(path, 1))
}

fn older(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// A file is full from here on, bytes: some 8,000 lines.
pub(super) const FILE_SIZE: u64 = 1024 * 1024;
/// Full files that are kept beside the newest one.
pub(super) const OLDER_FILES: usize = 4;
/// For its owner to write, and for a group that the administrator may choose to read.
const MODE: u32 = 0o640;
