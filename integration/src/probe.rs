//! What this machine can do, found out by trying; and the way to skip a test aloud.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Whether a program can be found by its name.
#[must_use]
pub fn has(program: &str) -> bool {
    crate::process::on_path(program)
}

/// Whether this is root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether namespaces of one's own can be had, tried by making one: the answer of the machine when they cannot.
///
/// # Errors
/// What `unshare` said.
pub fn namespaces(kinds: &[&str]) -> Result<(), String> {
    let tried = Command::new("unshare").args(kinds).arg("true").stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Whether a missing program is a failure: where it could have been installed.
#[must_use]
pub fn must_have_everything() -> bool {
    is_root() && has("apt-get")
}

/// Says that a test is skipped, and what the probe answered. The verb `test` counts these lines and holds them
/// against `integration/skips.txt`.
pub fn skip(test: &str, probe: &str) {
    // The test runner captures what `eprintln` writes; this must be heard.
    let _nobody_listens = writeln!(std::io::stderr(), "\nSKIPPED {test}: {probe}");
}

/// Whether all of these programs are there; says so and skips when not. Where they could have been installed, that
/// is a failure.
///
/// # Panics
/// When one is missing that the verb `test` should have installed.
#[must_use]
pub fn has_all(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|p| !has(p)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(!must_have_everything(), "missing: {missing:?}; `cargo xtask test` installs them");
    skip(test, &format!("not installed: {missing:?}"));
    false
}
