//! Where things lie on this machine, and what its user is called.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::policy::{MACHINE_CONFIG, Places, SWITCHES};

/// The directories and files that belong to one user's (or, for root, the machine's) installation.
///
/// Source: cli.md, "Both".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    state: PathBuf,
    config: PathBuf,
    is_machine: bool,
    pub(crate) more_policy: Option<PathBuf>,
    pub(crate) places: Places,
    /// The groups of the user, where a test says them.
    pub(crate) groups: Option<Vec<String>>,
}

impl Paths {
    /// The paths for the calling process: its environment and its user.
    ///
    /// # Errors
    /// [`SettingsError::NoHome`] when neither the environment nor `HOME` says where state belongs.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::resolve(|name| std::env::var_os(name), rustix::process::getuid().is_root())
    }

    /// The paths for an environment given as a function; `root` selects the machine's own state directory.
    ///
    /// A variable that is empty counts as not set; relative `XDG_*` directories are ignored, as their specification asks.
    ///
    /// # Errors
    /// As [`Paths::from_environment`].
    pub fn resolve(variable: impl Fn(&str) -> Option<OsString>, root: bool) -> Result<Self, SettingsError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let under = |xdg: &str, fallback: &str| {
            set(xdg)
                .filter(|path| path.is_absolute())
                .or_else(|| set("HOME").map(|home| home.join(fallback)))
                .map(|base| base.join(OWN_NAME))
                .ok_or(SettingsError::NoHome)
        };
        let state = match set("RA_STATE_DIR") {
            Some(path) => absolute(path)?,
            None if root => PathBuf::from(MACHINE_STATE),
            None => under("XDG_STATE_HOME", ".local/state")?,
        };
        let config = match set("RA_CONFIG_DIR") {
            Some(path) => absolute(path)?,
            None if root => PathBuf::from(MACHINE_CONFIG),
            // Only read from: where there is no home, there are no settings of one's own either.
            None => under("XDG_CONFIG_HOME", ".config").unwrap_or_else(|_| PathBuf::from(MACHINE_CONFIG)),
        };
        let more_policy = set("RA_POLICY_FILE").map(absolute).transpose()?;
        Ok(Self { state, config, is_machine: root, more_policy, places: Places::of_the_system(root), groups: None })
    }

    /// The paths of the machine's own installation, whoever asks.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self {
            state: MACHINE_STATE.into(),
            config: MACHINE_CONFIG.into(),
            is_machine: true,
            more_policy: None,
            places: Places::of_the_system(true),
            groups: None,
        }
    }

    /// True for the table of the machine, which root keeps and every user may ask about what is theirs (R53, R54).
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.is_machine
    }

    /// The directory of the key, the tickets and the control socket.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The directory of the user's own settings.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The table of tickets.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.state.join("tickets.sqlite3")
    }

    /// The socket of a running host.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.state.join("control.sock")
    }

    /// The newest file of the audit log.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.state.join("audit.log")
    }

    /// The user's local switches; for root those of the machine.
    #[must_use]
    pub fn switches(&self) -> PathBuf {
        self.config.join(SWITCHES)
    }

    /// Where the machine's policy is looked for.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Looks for the machine's policy elsewhere than in the places of the system: for tests. No option or variable of
    /// the programs leads here.
    #[must_use]
    pub fn with_places(mut self, places: Places) -> Self {
        if self.config == self.places.machine {
            self.config.clone_from(&places.machine);
        }
        self.places = places;
        self
    }

    /// Takes these for the groups of the user, instead of asking the system: for tests.
    #[must_use]
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = String>) -> Self {
        self.groups = Some(groups.into_iter().collect());
        self
    }

    /// Makes the state directory and refuses one that is not the caller's own.
    ///
    /// A user's own has mode 0700. Through the machine's (0711) everybody can reach the control socket, and nothing else:
    /// what lies there has modes of its own.
    ///
    /// # Errors
    /// [`SettingsError::State`] when it cannot be made or looked at, [`SettingsError::ForeignState`] when it belongs to
    /// somebody else: whoever owns the directory could put a ticket of their own into it.
    pub fn prepare_state(&self) -> Result<(), SettingsError> {
        let failed = |source| SettingsError::State { path: self.state.clone(), source };
        let mode = if self.is_machine { MACHINE_DIRECTORY } else { PRIVATE_DIRECTORY };
        DirBuilder::new().recursive(true).mode(mode).create(&self.state).map_err(failed)?;
        let metadata = fs::metadata(&self.state).map_err(failed)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(SettingsError::ForeignState { path: self.state.clone(), owner: metadata.uid() });
        }
        if metadata.mode() & 0o777 != mode {
            fs::set_permissions(&self.state, fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }
}

/// The full name of the user who runs this process, as the system's account database has it.
///
/// It is what the invitation says unless the novice writes another name (R9); the login name when no full name is
/// recorded, and `None` when the account is unknown.
#[must_use]
pub fn profile_name() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    let local = fs::read_to_string("/etc/passwd").ok().and_then(|text| full_name(&text, uid));
    local.or_else(|| {
        // Accounts of a directory service are not in the file; `getent` belongs to the C library's own programs.
        let output = Command::new("getent").args(["passwd", &uid.to_string()]).stdin(Stdio::null()).output().ok()?;
        full_name(&String::from_utf8_lossy(&output.stdout), uid)
    })
}

/// The full name of account `uid` in text of the form of `passwd(5)`.
///
/// The first part of the comment field, where `&` stands for the capitalised login name; the login name when it is empty.
#[must_use]
pub fn full_name(passwd: &str, uid: u32) -> Option<String> {
    let account = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        fields.get(2).and_then(|field| field.parse::<u32>().ok()) == Some(uid)
            && !fields.first().is_none_or(|n| n.is_empty())
    })?;
    let login = *account.first()?;
    let mut letters = login.chars();
    let capitalised: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let name = account.get(4).and_then(|comment| comment.split(',').next()).unwrap_or_default().trim();
    let name = name.replace('&', &capitalised);
    Some(if name.is_empty() { login.to_owned() } else { name })
}

/// Why the places of this installation could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Nothing says where state belongs.
    #[error("no home directory: set HOME or RA_STATE_DIR")]
    NoHome,
    /// A relative directory was given and the current directory is gone.
    #[error("cannot resolve {path}")]
    Relative {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state directory cannot be made or looked at.
    #[error("cannot use the state directory {path}")]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state directory belongs to another user.
    #[error("the state directory {path} belongs to another user (uid {owner})")]
    ForeignState {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
}

fn absolute(path: PathBuf) -> Result<PathBuf, SettingsError> {
    std::path::absolute(&path).map_err(|source| SettingsError::Relative { path, source })
}

const OWN_NAME: &str = "remote-assistance";
const MACHINE_STATE: &str = "/var/lib/remote-assistance";
const PRIVATE_DIRECTORY: u32 = 0o700;
const MACHINE_DIRECTORY: u32 = 0o711;

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let pairs: Vec<(String, OsString)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), v.into())).collect();
        move |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn state_follows_the_variable_then_the_user() {
        let home = [("HOME", "/home/kim")];
        let state = |pairs: &[_], root| Paths::resolve(environment(pairs), root).unwrap().state;
        assert_eq!(state(&home, false), Path::new("/home/kim/.local/state/remote-assistance"));
        assert_eq!(state(&home, true), Path::new("/var/lib/remote-assistance"));
        assert_eq!(state(&[("XDG_STATE_HOME", "/s")], false), Path::new("/s/remote-assistance"));
        assert_eq!(
            state(&[("XDG_STATE_HOME", "rel"), home[0]], false),
            Path::new("/home/kim/.local/state/remote-assistance")
        );
        assert_eq!(state(&[("RA_STATE_DIR", "/r"), home[0]], true), Path::new("/r"));
        assert_eq!(state(&[("RA_STATE_DIR", ""), home[0]], true), Path::new("/var/lib/remote-assistance"));
        assert!(matches!(Paths::resolve(environment(&[]), false), Err(SettingsError::NoHome)));
    }

    #[test]
    fn the_state_directory_is_private_and_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("a/b");
        let paths =
            Paths::resolve(environment(&[("RA_STATE_DIR", state.to_str().unwrap()), ("HOME", "/h")]), false).unwrap();
        paths.prepare_state().unwrap();
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
        paths.prepare_state().unwrap();
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        let machine =
            Paths::resolve(environment(&[("RA_STATE_DIR", state.to_str().unwrap()), ("HOME", "/h")]), true).unwrap();
        machine.prepare_state().unwrap();
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o711);
    }

    #[test]
    fn s025_r009_the_name_is_the_full_name_of_the_profile() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      kim:x:1000:1000:Kim Aalbers,Room 4,,:/home/kim:/bin/bash\n\
                      lee:x:1001:1001:& Jansen:/home/lee:/bin/sh\n\
                      nobody:x:1002:1002::/:/bin/false\n\
                      broken\n";
        assert_eq!(full_name(passwd, 1000).as_deref(), Some("Kim Aalbers"));
        assert_eq!(full_name(passwd, 1001).as_deref(), Some("Lee Jansen"));
        assert_eq!(full_name(passwd, 1002).as_deref(), Some("nobody"));
        assert_eq!(full_name(passwd, 1003), None);
    }
}
