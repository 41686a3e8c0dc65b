//! Edges between crates that must not exist: the picture of the architecture, held by `cargo tree`; and calls that a
//! pure crate must not make, since the standard library has no edge to forbid.

use std::collections::BTreeSet;
use std::fs;

use crate::ground::{Done, Trouble, cargo, files, output_of, root};

/// Looks for forbidden edges, direct or not, and for forbidden calls.
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
    for name in files()?.iter().filter(|name| is_pure(name)) {
        let text = fs::read_to_string(root().join(name))?;
        found.extend(calls(&text).map(|(line, call)| format!("{name}:{line}: {call}: {PURE}")));
    }
    if found.is_empty() { Ok(()) } else { Err(Trouble::new(found.join("\n"))) }
}

fn is_pure(name: &str) -> bool {
    let inside = |package: &&str| name.starts_with(&format!("crates/{package}/src/"));
    let test = name.ends_with("tests.rs") || name.contains("/tests/");
    name.ends_with(".rs") && !test && PURE_PACKAGES.iter().any(inside)
}

/// The forbidden calls of a file and their lines; its tests, which come last, may do what they like.
fn calls(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let code = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(at, line)| CALLS.iter().filter(|call| line.contains(**call)).map(move |call| (at + 1, *call)))
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

const PURE_PACKAGES: [&str; 7] =
    ["ra-policy", "ra-ticket", "ra-session", "ra-channels", "ra-graphics", "ra-nat", "ra-rendezvous"];

/// The clock, the file system, the environment, threads and sockets of the standard library.
const CALLS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
];

const PURE: &str = "it is pure: bytes, values and a time come in, values and effects go out";

/// From, what it must not reach, and why.
const RULES: &[(&str, &[&str], &str)] = &[
    ("ra-policy", OUTSIDE, PURE),
    ("ra-ticket", OUTSIDE, PURE),
    ("ra-session", OUTSIDE, PURE),
    ("ra-channels", OUTSIDE, PURE),
    ("ra-graphics", OUTSIDE, PURE),
    ("ra-nat", OUTSIDE, PURE),
    ("ra-rendezvous", &["ra-*"], "a code is met without knowing what for"),
    ("ra-rendezvous", &["tokio", "mio", "socket2", "iroh*", "rustls"], PURE),
    (
        "ra-p2p",
        &["ironrdp*", "ra-ticket", "ra-session", "ra-novice", "ra-expert"],
        "it carries bytes and does not know which",
    ),
    ("ra-novice", &["iroh*", "ra-p2p"], "an engine takes streams, whatever carries them"),
    ("ra-expert", &["iroh*", "ra-p2p"], "an engine takes streams, whatever carries them"),
    ("ra-policy", &["ra-*"], "policy is read alone"),
    (
        "ra-layers",
        &["tokio", "ironrdp*", "rustls", "ra-novice", "ra-expert", "ra-ticket", "ra-session"],
        "both sides read policy, and neither brings the other along",
    ),
    ("ra-ticket", &["ra-*"], "tickets are useful alone, to other tools too"),
    ("ra-session", &["ironrdp*", "ra-channels", "ra-graphics"], "the session decides and does not know the wire"),
    (
        "ra-channels",
        &["ra-session", "ra-policy", "ra-ticket", "ra-graphics", "ra-nat"],
        "a codec must not know consent",
    ),
    (
        "ra-graphics",
        &["ra-session", "ra-policy", "ra-ticket", "ra-channels", "ra-nat"],
        "it turns pixels into messages, no more",
    ),
    ("ra-nat", &["ironrdp*", "ra-channels", "ra-graphics"], "a mapping does not know what goes through it"),
    ("ra-gateways", &["ironrdp*", "ra-channels", "ra-graphics", "ra-novice"], "it does what ra-nat says"),
    ("ra-novice", &["ra-gateways", "igd-next"], "the engine's tests meet no real gateway"),
    (
        "ra-desktop",
        &["ironrdp*", "tokio", "ra-channels", "ra-graphics", "ra-nat", "ra-novice", "ra-expert"],
        "the desktop does not know RDP",
    ),
    ("ra-pam", &["ra-*", "ironrdp*", "tokio"], "it asks PAM and does not know what for"),
    ("ra-novice", &["ra-expert", "winit", "softbuffer", "clap"], "novice and expert never depend on each other"),
    ("ra-expert", &["ra-novice", "ra-desktop", "clap"], "novice and expert never depend on each other"),
    ("novice-host", &["ra-expert"], "novice and expert never depend on each other"),
    ("expert-connect", &["ra-novice", "ra-desktop", "ra-nat"], "novice and expert never depend on each other"),
    ("xtask", &["ra-*", "cc", "ring", "rusqlite"], "it starts with plain cargo, before anything is built"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pure_crate_must_not_read_the_clock_but_its_tests_may() {
        let text = "// Instant::now in words\nlet now = Instant::now();\n#[cfg(test)]\nuse std::fs;\n";
        assert_eq!(calls(text).collect::<Vec<_>>(), [(2, "Instant::now")]);
        assert!(is_pure("crates/ra-session/src/gate.rs") && !is_pure("crates/ra-session/tests/novice.rs"));
        assert!(!is_pure("crates/ra-novice/src/driver.rs"));
    }

    #[test]
    fn a_star_stands_for_any_ending() {
        assert!(matches("ironrdp*", "ironrdp-svc") && matches("mio", "mio"));
        assert!(!matches("mio", "miow"));
    }
}
