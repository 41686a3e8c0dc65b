//! Where this program keeps what it has to remember: the helper's key, and the keys of computers that were helped.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ra_expert::HelperIdentity;
use ra_ticket::{Endpoint, KeyFingerprint};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The state directory of this user. Source: cli.md, "Both".
#[derive(Clone, Debug)]
pub(crate) struct State {
    directory: PathBuf,
}

impl State {
    /// Finds it; makes nothing.
    pub(crate) fn of_this_user() -> Result<Self, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let own = || {
            set("XDG_STATE_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| set("HOME").map(|home| home.join(".local/state")))
                .map(|base| base.join("remote-assistance"))
        };
        let machine = || rustix::process::getuid().is_root().then(|| PathBuf::from("/var/lib/remote-assistance"));
        let directory = set("RA_STATE_DIR").or_else(machine).or_else(own).ok_or(Failure::NoHome)?;
        let directory = std::path::absolute(&directory).map_err(|error| Failure::unreadable(&directory, error))?;
        Ok(Self { directory })
    }

    /// The helper's key, if there is one.
    pub(crate) fn identity(&self) -> Result<Option<HelperIdentity>, Failure> {
        let path = self.directory.join(KEY);
        match read_private(&path) {
            Ok(Some(bytes)) => {
                let unusable = |_| Failure::Key { path: path.display().to_string(), why: "it holds no Ed25519 key" };
                HelperIdentity::from_pkcs8(&bytes).map(Some).map_err(unusable)
            }
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::Key {
                path: path.display().to_string(),
                why: "it must be your own and open to nobody else (mode 600)",
            }),
            Err(error) => Err(Failure::unreadable(&path, error)),
        }
    }

    /// The helper's key, made if there is none yet; true when it was made now. A key that cannot be used is never
    /// replaced: computers know it.
    pub(crate) fn identity_or_new(&self) -> Result<(HelperIdentity, bool), Failure> {
        if let Some(identity) = self.identity()? {
            return Ok((identity, false));
        }
        let fresh = HelperIdentity::generate().map_err(|error| Failure::Engine(error.to_string()))?;
        let path = self.directory.join(KEY);
        let failed = |error| Failure::CannotWrite { path: path.display().to_string(), error };
        self.prepare().map_err(failed)?;
        // A link gives the name only to the first of two that come at once; both then use what has it.
        let part = self.write_part(KEY, fresh.pkcs8()).map_err(failed)?;
        let linked = fs::hard_link(&part, &path);
        let _ = fs::remove_file(&part);
        match linked {
            Ok(()) => Ok((fresh, true)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.identity()?.map(|identity| (identity, false)).ok_or_else(|| failed(error))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The key that this computer showed before.
    pub(crate) fn known(&self, endpoint: &Endpoint) -> Result<Option<KeyFingerprint>, Failure> {
        let name = name_of(endpoint);
        Ok(self.known_hosts()?.into_iter().rev().find(|(known, _)| *known == name).map(|(_, key)| key))
    }

    /// Remembers the key of a computer.
    pub(crate) fn remember(&self, endpoint: &Endpoint, key: KeyFingerprint) -> Result<(), Failure> {
        let path = self.known_hosts_file();
        let name = name_of(endpoint);
        let mut lines = self.known_hosts()?;
        lines.retain(|(known, _)| *known != name);
        lines.push((name, key));
        let text: String = lines.iter().map(|(name, key)| format!("{name} {key}\n")).collect();
        let write = || {
            self.prepare()?;
            let part = self.write_part(KNOWN_HOSTS, text.as_bytes())?;
            fs::rename(&part, &path)
        };
        write().map_err(|error| Failure::CannotWrite { path: path.display().to_string(), error })
    }

    /// The list of known computers, for a message.
    pub(crate) fn known_hosts_file(&self) -> PathBuf {
        self.directory.join(KNOWN_HOSTS)
    }

    fn known_hosts(&self) -> Result<Vec<(String, KeyFingerprint)>, Failure> {
        let path = self.known_hosts_file();
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(LARGEST).read_to_string(&mut text)) {
            Ok(_) => parse(&text).map_err(|line| Failure::KnownHosts { path: path.display().to_string(), line }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Failure::unreadable(&path, error)),
        }
    }

    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }

    /// A whole and synced file beside the one that is meant, private from its first byte.
    fn write_part(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let part = self.directory.join(format!(".{name}.{}.part", std::process::id()));
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })?;
        Ok(part)
    }
}

/// Reads `host:port key`, a line each; the number of the line that is none.
fn parse(text: &str) -> Result<Vec<(String, KeyFingerprint)>, usize> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let (name, key) = line.trim().split_once(' ').ok_or(at + 1)?;
            Ok((name.to_owned(), key.parse().map_err(|_| at + 1)?))
        })
        .collect()
}

/// How a computer stands in the list: names compare without case.
fn name_of(endpoint: &Endpoint) -> String {
    endpoint.to_string().to_lowercase()
}

fn read_private(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_KEY as usize));
    file.take(LARGEST_KEY).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

const KEY: &str = "expert.key";
const KNOWN_HOSTS: &str = "known_hosts";
/// Room for some thousand computers.
const LARGEST: u64 = 1 << 20;
/// An Ed25519 key has about a hundred bytes.
const LARGEST_KEY: u64 = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn state() -> (tempfile::TempDir, State) {
        let directory = tempfile::tempdir().unwrap();
        let state = State { directory: directory.path().join("state") };
        (directory, state)
    }

    #[test]
    fn a_key_is_made_once_private_and_never_replaced() {
        let (_directory, state) = state();
        assert!(state.identity().unwrap().is_none());
        let (first, made) = state.identity_or_new().unwrap();
        let (again, made_again) = state.identity_or_new().unwrap();
        assert!(made && !made_again);
        assert_eq!(first.fingerprint(), again.fingerprint());
        let file = state.directory.join(KEY);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(state.identity_or_new().is_err(), "a key that others can read is none");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "nonsense").unwrap();
        assert!(state.identity_or_new().is_err());
        assert_eq!(fs::read(&file).unwrap(), b"nonsense");
    }

    #[test]
    fn a_computer_is_remembered_and_a_damaged_list_is_an_error_with_its_line() {
        let (_directory, state) = state();
        let (one, two) = (KeyFingerprint::of_spki(b"one"), KeyFingerprint::of_spki(b"two"));
        let (kim, lee) = ("Kim.example:3389".parse().unwrap(), "[2001:db8::5]:3389".parse().unwrap());
        assert_eq!(state.known(&kim).unwrap(), None);
        state.remember(&kim, one).unwrap();
        state.remember(&lee, two).unwrap();
        assert_eq!(state.known(&"kim.EXAMPLE:3389".parse().unwrap()).unwrap(), Some(one));
        assert_eq!(state.known(&lee).unwrap(), Some(two));
        assert_eq!(state.known(&"kim.example:3390".parse().unwrap()).unwrap(), None);
        let text = fs::read_to_string(state.known_hosts_file()).unwrap();
        fs::write(state.known_hosts_file(), format!("{text}nonsense\n")).unwrap();
        assert!(matches!(state.known(&kim), Err(Failure::KnownHosts { line: 3, .. })));
        assert!(state.remember(&kim, two).is_err(), "what cannot be read is not overwritten");
    }
}
