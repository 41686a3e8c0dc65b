//! Where a computer keeps its policy. Source: policy.md section 5.

use std::path::{Path, PathBuf};

/// The directories that policy is read from, and whose files are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `policy.toml`, `policy.d` and the machine's switches.
    pub machine: PathBuf,
    /// What root has published for the computer's users.
    pub published: PathBuf,
    /// Where clients of a domain keep what they fetched.
    pub caches: Vec<PathBuf>,
    /// Whose files are believed.
    pub administrator: u32,
    /// True for a process that may read the caches itself.
    pub reads_caches: bool,
}

impl Places {
    /// The places of the system, for root or for anybody else.
    #[must_use]
    pub fn of_the_system(root: bool) -> Self {
        Self { administrator: 0, reads_caches: root, ..Self::under(Path::new("/")) }
    }

    /// The same places under another directory, whose files are believed when they belong to the caller: for tests.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        let at = |place: &str| root.join(place.trim_start_matches('/'));
        Self {
            machine: at(MACHINE_CONFIG),
            published: at(PUBLISHED),
            caches: CACHES.iter().map(|cache| at(cache)).collect(),
            administrator: rustix::process::geteuid().as_raw(),
            reads_caches: true,
        }
    }

    /// As a process that may not read the caches sees them.
    #[must_use]
    pub fn for_a_user(self) -> Self {
        Self { reads_caches: false, ..self }
    }
}

/// The directory of the machine's settings.
pub const MACHINE_CONFIG: &str = "/etc/remote-assistance";
/// The file of local switches, in the directory of settings.
pub const SWITCHES: &str = "settings.toml";
const PUBLISHED: &str = "/run/remote-assistance/policy.json";
/// Samba, adsys, and adsys as older documents have it.
const CACHES: &[&str] = &["/var/cache/samba/gpo_cache", "/var/cache/adsys/sysvol", "/var/cache/adsys/gpo_cache"];
