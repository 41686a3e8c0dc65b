//! Which sessions of a user live, as the login manager tells it.
//!
//! The rule: where a login manager keeps sessions (systemd runs this system, or elogind has a seat), an agent's
//! process has to be in one of this user that is active or online, or be started by the user's own systemd while such a
//! graphical one is there. A session that is closing does not count, nor does one of a service. Where no login manager keeps
//! sessions, an agent with a window is in one while its display lets the host in, and one on a terminal while that is its
//! controlling terminal.
//!
//! Source: sd_pid_get_session(3), and the files that it reads.

use std::fs;
use std::path::{Path, PathBuf};

/// What the login manager keeps.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    run: PathBuf,
    /// What every process is taken to be in, in a test of something else.
    #[cfg(test)]
    pub(super) pretended: Option<super::peer::Session>,
}

/// What the control group of a process says about its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionId {
    /// It is in the session of this name.
    Named(String),
    /// The user's own systemd has started it, for whatever session there is.
    OfTheUser,
}

impl Sessions {
    /// The sessions of this system.
    pub(super) fn of_the_system() -> Self {
        Self::at("/run/systemd")
    }

    /// Those that are kept in this directory.
    pub(super) fn at(run: impl Into<PathBuf>) -> Self {
        Self {
            run: run.into(),
            #[cfg(test)]
            pretended: None,
        }
    }

    /// Whether anybody keeps sessions here.
    pub(super) fn are_known(&self) -> bool {
        // An image of a system that was never booted has the empty directories too.
        self.run.join("system").is_dir() || self.run.join("seats/seat0").exists()
    }

    /// Whether that session lives and is this user's.
    pub(super) fn lives(&self, id: &str, uid: u32) -> bool {
        let Some(session) = fields(&self.run.join("sessions").join(id)) else { return false };
        let is = |name: &str, test: &dyn Fn(&str) -> bool| session.iter().any(|(n, v)| n == name && test(v));
        is("UID", &|value| value.parse() == Ok(uid))
            && is("STATE", &|state| LIVING.contains(&state))
            && is("CLASS", &|class| class.starts_with("user"))
    }

    /// Whether this user has a graphical session that lives.
    pub(super) fn user_has_one(&self, uid: u32) -> bool {
        let Some(user) = fields(&self.run.join("users").join(uid.to_string())) else { return false };
        user.iter().any(|(name, id)| name == "DISPLAY" && is_id(id) && self.lives(id, uid))
    }
}

/// What the control groups of a process say, from `/proc/PID/cgroup`.
pub(super) fn unit_of(groups: &str, uid: u32) -> Option<SessionId> {
    // One line for the unified hierarchy, or the one that systemd keeps beside others.
    let path = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::").or_else(|| line.split_once(":name=systemd:").map(|l| l.1)))?;
    let named = |part: &str| Some(part.strip_prefix("session-")?.strip_suffix(".scope")?.to_owned());
    if let Some(id) = path.split('/').find_map(named) {
        return is_id(&id).then_some(SessionId::Named(id));
    }
    let own = format!("user@{uid}.service");
    path.split('/').any(|part| part == own).then_some(SessionId::OfTheUser)
}

/// The controlling terminal, from `/proc/PID/stat`.
pub(super) fn terminal_name(stat: &str) -> Option<String> {
    // The second field is a name in brackets, which may hold anything.
    let after = stat.rsplit_once(')')?.1;
    let number: u32 = after.split_whitespace().nth(TTY_AFTER_NAME)?.parse::<i32>().ok()?.cast_unsigned();
    let (major, minor) = ((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xF_FF00));
    match (major, minor) {
        (0, 0) => None,
        (PTY_FIRST..=PTY_LAST, minor) => Some(format!("pts/{}", (major - PTY_FIRST) * 256 + minor)),
        (VIRTUAL, 1..=63) => Some(format!("tty{minor}")),
        _ => Some("terminal".to_owned()),
    }
}

/// The lines `NAME=value` of a small file.
fn fields(file: &Path) -> Option<Vec<(String, String)>> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.lines().filter_map(|line| line.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

/// Names of sessions become names of files.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric())
}

/// States of a session in which somebody may sit there.
const LIVING: [&str; 2] = ["active", "online"];
/// The field `tty_nr`, counted from the one behind the name. Source: proc_pid_stat(5).
const TTY_AFTER_NAME: usize = 4;
/// Major numbers of pseudo-terminals and of the virtual consoles. Source: the kernel's list of devices.
const PTY_FIRST: u32 = 136;
const PTY_LAST: u32 = 143;
const VIRTUAL: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// What logind keeps for a user with a living graphical session, a closing one, and a session of a greeter.
    fn kept() -> (tempfile::TempDir, Sessions) {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("seats/seat0", "");
        write(
            "sessions/2",
            "# comment\nUID=1000\nUSER=kim\nACTIVE=1\nSTATE=active\nCLASS=user\nTYPE=x11\nDISPLAY=:0\n",
        );
        write("sessions/3", "UID=1000\nSTATE=closing\nCLASS=user\nTYPE=tty\n");
        write("sessions/4", "UID=1000\nSTATE=online\nCLASS=user-early\nTYPE=tty\n");
        write("sessions/c1", "UID=1000\nSTATE=active\nCLASS=greeter\n");
        write("sessions/5", "UID=1001\nSTATE=active\nCLASS=user\n");
        write("users/1000", "NAME=kim\nSTATE=active\nDISPLAY=2\n");
        write("users/1001", "NAME=lee\nSTATE=lingering\n");
        write("users/1002", "NAME=eve\nDISPLAY=../users/1000\n");
        let sessions = Sessions::at(directory.path());
        (directory, sessions)
    }

    #[test]
    fn s049_a_session_that_lives_is_the_users_own_and_not_closing() {
        let (_directory, sessions) = kept();
        assert!(sessions.are_known());
        for (id, uid, lives) in [
            ("2", 1000, true),
            ("4", 1000, true),
            ("3", 1000, false),
            ("c1", 1000, false),
            ("5", 1000, false),
            ("5", 1001, true),
            ("99", 1000, false),
        ] {
            assert_eq!(sessions.lives(id, uid), lives, "{id} {uid}");
        }
        for (uid, has) in [(1000, true), (1001, false), (1002, false), (7, false)] {
            assert_eq!(sessions.user_has_one(uid), has, "{uid}");
        }
        assert!(!Sessions::at("/nonexistent").are_known());
    }

    #[test]
    fn the_control_group_names_the_session() {
        let named = |id: &str| Some(SessionId::Named(id.to_owned()));
        for (groups, expected) in [
            ("0::/user.slice/user-1000.slice/session-2.scope\n", named("2")),
            ("12:cpu:/x\n1:name=systemd:/user.slice/user-1000.slice/session-c7.scope\n", named("c7")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n", Some(SessionId::OfTheUser)),
            ("0::/user.slice/user-1001.slice/user@1001.service/app.slice\n", None),
            ("0::/system.slice/cron.service\n", None),
            ("0::/session-..scope\n", None),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(groups, 1000), expected, "{groups}");
        }
    }

    #[test]
    fn a_controlling_terminal_has_its_usual_name() {
        let stat = |number: i64| format!("4711 (a) (b) S 1 2 3 {number} -1 0");
        for (number, name) in [
            (0, None),
            (34_816, Some("pts/0")),
            (34_820, Some("pts/4")),
            (1026, Some("tty2")),
            (1124, Some("terminal")),
        ] {
            assert_eq!(terminal_name(&stat(number)).as_deref(), name, "{number}");
        }
        // Minor 256 of major 136: the upper bits stand apart.
        assert_eq!(terminal_name(&stat(1_083_392)).as_deref(), Some("pts/256"));
        for torn in ["", "4711 (a", "4711 (a) S 1", "4711 (a) S 1 2 3 x"] {
            assert_eq!(terminal_name(torn), None);
        }
    }
}
