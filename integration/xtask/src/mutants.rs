//! Plants bugs where they would hurt most, and sees whether a test notices.

use crate::ground::{Done, Trouble, cargo, run as run_command, succeeds};

/// Runs cargo-mutants over the crates that keep the promise. Survivors that are accepted stand in
/// `.cargo/mutants.toml`, each with its reason.
pub(crate) fn run() -> Done {
    if !succeeds(&mut cargo(&["mutants", "--version"])) {
        return Err(Trouble::new("cargo-mutants is not here: cargo install --locked cargo-mutants"));
    }
    run_command(&mut cargo(&["mutants", "--output", "target"]))
}
