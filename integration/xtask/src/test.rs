//! The test command of the README: installs, checks, runs everything, counts.

use crate::ground::{Done, Trouble, cargo, run as run_command, run_listening, succeeds};
use crate::tally::Tally;
use crate::{checks, install, pure, trace};

pub(crate) fn run() -> Done {
    let mut tally = Tally::default();
    tally.step("what the tests need", install::run);
    tally.step("formatting", checks::formatting);
    tally.step("habits", checks::habits);
    tally.step("lints", checks::lints);
    // The tests of the harness start the programs that are shipped, so these are built first; the same packages and
    // features as everywhere else.
    tally.step("build", || run_command(&mut cargo(&["build", "--locked", "--workspace", "--bins"])));
    println!("\n== tests");
    tests(&mut tally);
    tally.step("forbidden edges", pure::run);
    tally.step("small build", checks::small);
    tally.step("documentation", checks::documentation);
    tally.step("licences and sources", licences);
    let proofs = trace::require(|test| tally.has_proved(test));
    tally.step("trace to the seeds", || proofs);
    println!("\n== skips");
    if let Err(Trouble(text)) = tally.check_skips() {
        tally.fail(text);
    }
    tally.close()
}

/// Unit, property, compile-fail, integration, peer and documentation tests, in one go.
fn tests(tally: &mut Tally) {
    let mut command = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    let mut failed_before = true;
    let status = run_listening(&mut command, |line| {
        failed_before &= !line.starts_with("test result: ");
        tally.hear(line);
    });
    match status {
        Ok(status) if status.success() => {}
        // Failures of tests are counted already; what did not even get to run is not.
        Ok(_) if failed_before => tally.fail("the tests did not build".to_owned()),
        Ok(_) => tally.note_unfinished(),
        Err(Trouble(text)) => tally.fail(text),
    }
}

fn licences() -> Done {
    if succeeds(&mut cargo(&["deny", "--version"])) {
        run_command(&mut cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"]))
    } else {
        println!("cargo-deny is not at hand: cargo install --locked cargo-deny");
        Ok(())
    }
}
