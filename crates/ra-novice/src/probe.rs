//! For tests: what this machine can do, found out by trying, and the way to skip a test aloud.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Runs another test of this program with `variable` naming a directory that is a file system of `size` (as `mount`
/// takes it); `None`, said aloud, where no such thing can be had.
pub(crate) fn on_a_small_disk(
    skipped: &str,
    test: &str,
    variable: &str,
    directory: &Path,
    size: &str,
) -> Option<Output> {
    // Root can make a mount of its own; others need user namespaces, which not every system gives them.
    let flags = if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" };
    let script = format!("mount -t tmpfs -o size={size},mode=0700 tmpfs \"$0\" && exec \"$@\"");
    let mounted = || {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", &script]).arg(directory);
        command
    };
    let refusal = match mounted().arg("true").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(refusal) = refusal {
        skip(skipped, &refusal);
        return None;
    }
    let program = std::env::current_exe().unwrap();
    Some(mounted().arg(program).args(["--exact", test, "--nocapture"]).env(variable, directory).output().unwrap())
}

/// Says that a test is skipped, in the form that `cargo xtask test` holds against its list.
pub(crate) fn skip(test: &str, answer: &str) {
    // Not `eprintln`, which the test runner captures: this must be heard.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: {answer}");
}
