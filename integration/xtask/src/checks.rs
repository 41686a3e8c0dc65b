//! The checks that read the source rather than run it.

use std::fs;

use crate::ground::{Done, Trouble, cargo, files, root, run};

/// `cargo fmt --check`.
pub(crate) fn formatting() -> Done {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

/// Clippy over everything; the lints stand in the workspace table.
pub(crate) fn lints() -> Done {
    run(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// The documentation, private items too, since they are what a maintainer reads.
pub(crate) fn documentation() -> Done {
    let words = ["doc", "--locked", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
    run(cargo(&words).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The programs without their optional parts. Only checked: a second build of everything would cost too much.
pub(crate) fn small() -> Done {
    for package in ["novice-host", "expert-connect"] {
        run(&mut cargo(&["check", "--locked", "--package", package, "--no-default-features"]))?;
    }
    Ok(())
}

/// The habits that no lint knows.
pub(crate) fn habits() -> Done {
    let mut found = Vec::new();
    for name in files()? {
        let Ok(text) = fs::read_to_string(root().join(&name)) else { continue };
        let rust = name.ends_with(".rs");
        if rust && text.lines().count() > LONGEST_FILE {
            found.push(format!("{name}: longer than {LONGEST_FILE} lines: split it by meaning"));
        }
        for (number, line) in text.lines().enumerate() {
            let mut say = |what: &str| found.push(format!("{name}:{}: {what}", number + 1));
            if names_this_machine(line) {
                say("a path of this machine");
            }
            if rust && is_test(&name) && SLEEPS.iter().any(|s| line.contains(&s.concat())) {
                say("a test that sleeps: wait for the event, with a deadline");
            }
            if rust && line.trim_start().starts_with(&IGNORED.concat()) && !line.contains('"') {
                say("an ignored test without its reason");
            }
            if rust && UNFINISHED.iter().any(|u| line.contains(&u.concat())) {
                say("unfinished");
            }
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Trouble::new(found.join("\n"))) }
}

/// In two pieces, so that this file is not one of its own finds.
const IGNORED: [&str; 2] = ["#[", "ignore"];

fn is_test(name: &str) -> bool {
    name.starts_with("integration/") || name.contains("/tests/") || name.ends_with("tests.rs")
}

/// A folder that only the machine of a developer has.
fn names_this_machine(line: &str) -> bool {
    ["work", "farm"].iter().any(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '.' || c == '-' || c == '/'))
        })
    })
}

/// Lines that a file may have.
const LONGEST_FILE: usize = 700;

// In two halves, so that this file does not find itself.
const SLEEPS: [[&str; 2]; 2] = [["thread::", "sleep"], ["time::", "sleep"]];
const UNFINISHED: [[&str; 2]; 3] = [["todo", "!("], ["unimplemented", "!("], ["FIX", "ME"]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_machine_is_found_where_it_is_one() {
        let path = ["", "work", "main"].join("/");
        assert!(names_this_machine(&path));
        assert!(names_this_machine(&format!("see `{path}`")));
        assert!(!names_this_machine(&format!("https://example.org{path}")));
        assert!(!names_this_machine("a workbench"));
    }
}
