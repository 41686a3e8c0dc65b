//! Edges between crates that must not exist: the picture of the architecture, held by `cargo tree`.

use std::collections::BTreeSet;

use crate::ground::{Done, Trouble, cargo, output_of};

/// Looks for forbidden edges, direct or not.
pub(crate) fn run() -> Done {
    let mut found = Vec::new();
    for (from, forbidden, why) in RULES {
        let reached = reached_from(from)?;
        for name in &reached {
            if forbidden.iter().any(|f| matches(f, name)) && name != from {
                found.push(format!("{from} must not reach {name}: {why}"));
            }
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Trouble::new(found.join("\n"))) }
}

/// Every package that a package is built from, itself included.
fn reached_from(package: &str) -> Result<BTreeSet<String>, Trouble> {
    let tree = ["tree", "--locked", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let list = output_of(&mut cargo(&tree))?;
    Ok(list.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect())
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// What reaches the outside of a computation: sockets, tasks, files, displays, chance.
const OUTSIDE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "x11rb",
    "x11rb-async",
    "winit",
    "softbuffer",
    "rusqlite",
    "rustls",
    "tokio-rustls",
    "rustix",
    "getrandom",
    "rand",
    "tempfile",
    "signal-hook*",
    "ra-desktop",
    "ra-novice",
    "ra-expert",
];

const PURE: &str = "it is pure: bytes, values and a time come in, values and effects go out";

/// From, what it must not reach, and why.
const RULES: &[(&str, &[&str], &str)] = &[
    ("ra-policy", OUTSIDE, PURE),
    ("ra-ticket", OUTSIDE, PURE),
    ("ra-session", OUTSIDE, PURE),
    ("ra-channels", OUTSIDE, PURE),
    ("ra-graphics", OUTSIDE, PURE),
    ("ra-policy", &["ra-*"], "policy is read alone"),
    ("ra-ticket", &["ra-*"], "tickets are useful alone, to other tools too"),
    ("ra-session", &["ironrdp*", "ra-channels", "ra-graphics"], "the session decides and does not know the wire"),
    ("ra-channels", &["ra-session", "ra-policy", "ra-ticket", "ra-graphics"], "a codec must not know consent"),
    ("ra-graphics", &["ra-session", "ra-policy", "ra-ticket", "ra-channels"], "it turns pixels into messages, no more"),
    (
        "ra-desktop",
        &["ironrdp*", "tokio", "ra-channels", "ra-graphics", "ra-novice", "ra-expert"],
        "the desktop does not know RDP",
    ),
    ("ra-novice", &["ra-expert", "winit", "softbuffer", "clap"], "novice and expert never depend on each other"),
    ("ra-expert", &["ra-novice", "ra-desktop", "clap"], "novice and expert never depend on each other"),
    ("novice-host", &["ra-expert"], "novice and expert never depend on each other"),
    ("expert-connect", &["ra-novice", "ra-desktop"], "novice and expert never depend on each other"),
    ("xtask", &["ra-*", "cc", "ring", "rusqlite"], "it starts with plain cargo, before anything is built"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_ending() {
        assert!(matches("ironrdp*", "ironrdp-svc") && matches("mio", "mio"));
        assert!(!matches("mio", "miow"));
    }
}
