//! Who is at the other end of an agent's connection: our own program, of the same user, in a session that lives.
//!
//! What this does not show: that nobody else has a hand in that process. Programs of the same user can (SECURITY.md).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::sessions::{SessionId, Sessions, terminal_name, unit_of};

/// A process at the other end of a socket, held fast: its number may be given to another one, this cannot.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its directory in `/proc`; reading there fails once the process is gone.
    process: OwnedFd,
    uid: u32,
}

/// A program file, whatever it is called: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    device: u64,
    inode: u64,
}

/// Why an agent is not one. The words are for the person who started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotOurs {
    #[error("this process belongs to another user")]
    User,
    #[error("this is another program file than the one that the host runs: start both anew, from the same file")]
    Program,
    #[error("this process is in no session that lives")]
    Session,
}

impl Peer {
    /// The process that connected this socket.
    ///
    /// # Errors
    /// When it is gone already.
    pub(super) fn of(socket: impl AsFd) -> io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        let place = format!("/proc/{}", credentials.pid.as_raw_nonzero());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let process = rustix::fs::open(place, flags, Mode::empty())?;
        Ok(Self { process, uid: credentials.uid.as_raw() })
    }

    /// Holds the process against the rules that need no display. `ours` is the program that runs here.
    pub(super) fn check(&self, ours: Program, sessions: &Sessions, own: u32) -> Result<Session, NotOurs> {
        if self.uid != own {
            return Err(NotOurs::User);
        }
        if self.program().ok() != Some(ours) {
            return Err(NotOurs::Program);
        }
        #[cfg(test)]
        if let Some(pretended) = &sessions.pretended {
            return Ok(pretended.clone());
        }
        let terminal = self.read("stat").ok().as_deref().and_then(terminal_name);
        if !sessions.are_known() {
            return Ok(Session { terminal, known: false });
        }
        let session = self.read("cgroup").ok().as_deref().and_then(|groups| unit_of(groups, own));
        match session {
            Some(SessionId::Named(id)) if sessions.lives(&id, own) => Ok(Session { terminal, known: true }),
            Some(SessionId::OfTheUser) if sessions.user_has_one(own) => Ok(Session { terminal, known: true }),
            _ => Err(NotOurs::Session),
        }
    }

    fn program(&self) -> io::Result<Program> {
        Ok(Program::of(&rustix::fs::statat(&self.process, "exe", AtFlags::empty())?))
    }

    /// One of the small files about the process.
    fn read(&self, name: &str) -> io::Result<String> {
        let file = rustix::fs::openat(&self.process, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = Vec::new();
        File::from(file).take(LONGEST_FILE).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// What is known about the session of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The controlling terminal, if there is one: `pts/4`, `tty2`.
    pub(super) terminal: Option<String>,
    /// True when the system keeps sessions and this one lives; false when the system keeps none, so that the display or
    /// terminal has to speak for itself.
    pub(super) known: bool,
}

impl Program {
    /// The program that runs here.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub(super) fn own() -> io::Result<Self> {
        Ok(Self::of(&rustix::fs::stat("/proc/self/exe")?))
    }

    #[cfg(test)]
    pub(super) fn of_file(path: &Path) -> Self {
        Self::of(&rustix::fs::stat(path).unwrap())
    }

    fn of(stat: &rustix::fs::Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// The directory of the agents' socket below `$XDG_RUNTIME_DIR`; `None` where there is no such variable.
#[must_use]
pub fn meeting_place() -> Option<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from)?;
    // A relative one is to be ignored, says its specification.
    runtime.is_absolute().then(|| runtime.join(OWN_NAME))
}

/// Makes the directory of the socket, for its owner alone.
///
/// # Errors
/// When it cannot be made, or belongs to somebody else.
pub(super) fn prepare(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let metadata = std::fs::symlink_metadata(directory)?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The socket in that directory.
pub(super) fn socket_in(directory: &Path) -> PathBuf {
    directory.join("agents.sock")
}

const OWN_NAME: &str = "remote-assistance";
/// `stat` and `cgroup` of a process have a few hundred bytes.
const LONGEST_FILE: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn s049_our_own_program_is_known_by_its_file_and_another_is_not() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = Peer::of(&here).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let nowhere = Sessions::at("/nonexistent");
        assert!(peer.check(Program::own().unwrap(), &nowhere, own).is_ok());
        let other = Program::of_file(Path::new("/bin/sh"));
        assert_eq!(peer.check(other, &nowhere, own), Err(NotOurs::Program));
        assert_eq!(peer.check(Program::own().unwrap(), &nowhere, own + 1), Err(NotOurs::User));
    }

    #[test]
    fn a_copy_of_the_program_is_another_program() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("novice-host");
        std::fs::copy("/proc/self/exe", &copy).unwrap();
        let same = directory.path().join("same");
        std::fs::hard_link(&copy, &same).unwrap();
        let program = Program::of_file;
        assert_ne!(program(&copy), Program::own().unwrap());
        assert_eq!(program(&copy), program(&same), "its name does not matter");
    }

    #[test]
    fn s049_where_the_system_keeps_sessions_a_process_outside_of_them_is_no_agent() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("system")).unwrap();
        let (here, _there) = UnixStream::pair().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let checked = Peer::of(&here).unwrap().check(Program::own().unwrap(), &Sessions::at(directory.path()), own);
        assert_eq!(checked, Err(NotOurs::Session));
    }
}
