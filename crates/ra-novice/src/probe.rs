//! For tests: what this machine can do, found out by trying, the way to skip a test aloud, and a real admission.

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

/// A right to ask, come by as an expert comes by it: a right proof, a policy that allows, a logon as HelpAssistant.
pub(crate) fn admission() -> ra_session::Admission {
    let proof = ra_ticket::ExpectedProof::from_bytes(&[7; 32]).unwrap();
    let password = || ra_ticket::AssistantPassword::from_entropy(&[7; 32]);
    let mut account = ra_session::account::Account::new(password());
    let ticket = account.ticket_made(password());
    ra_session::Admission::by_ticket(
        proof.verify_bytes(&[7; 32]).unwrap(),
        ra_policy::Policy::default().may_connect().unwrap(),
        account.log_on(&ticket, ra_session::UnixTime(0)).unwrap(),
    )
}
