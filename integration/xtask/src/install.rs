//! What the tests play with: X servers, a terminal, another implementation. Installed where that is possible.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use integration::probe;

use crate::ground::{Done, Trouble, cargo, program, run as run_command, succeeds};

/// Installs what is missing.
pub(crate) fn run() -> Done {
    if !succeeds(&mut cargo(&["fmt", "--version"])) || !succeeds(&mut cargo(&["clippy", "--version"])) {
        return Err(Trouble::new("rustfmt and clippy are needed: rustup component add rustfmt clippy"));
    }
    let missing = missing(WANTED);
    if missing.is_empty() {
        println!("everything is there");
        return Ok(());
    }
    if !probe::must_have_everything() {
        println!("missing: {}; tests that need it will be skipped. As root:\n  {}", missing.join(" "), line(&missing));
        return Ok(());
    }
    install(&missing)
}

/// Installs these, and nothing else; says how when this is not root.
pub(crate) fn need(wanted: &[Wanted]) -> Done {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    if !probe::must_have_everything() {
        return Err(Trouble::new(format!("this needs Debian packages; as root, run:\n  {}", line(&missing))));
    }
    install(&missing)
}

/// Installs what makes the programs better but is not needed; goes on without it.
pub(crate) fn wish(wanted: &[Wanted]) {
    let missing = missing(wanted);
    if !missing.is_empty() && (!probe::must_have_everything() || install(&missing).is_err()) {
        println!("going on without {} (what that means is in docs/CONTRIBUTING.md)", missing.join(" "));
    }
}

fn install(missing: &[&str]) -> Done {
    println!("installing {}", missing.join(" "));
    let apt = |words: &[&str]| {
        let mut command = program("apt-get", words);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // Lists that are a little old are good enough; a missing package shows below.
    if run_command(&mut apt(&["--quiet", "update"])).is_err() {
        println!("apt-get update failed; trying with the lists that are here");
    }
    let words = ["--quiet", "--yes", "--option=Dpkg::Use-Pty=0", "--no-install-recommends", "install"];
    let _quiet = NoServices::begin();
    run_command(&mut apt(&[&words[..], missing].concat()))
}

/// While it lives, no service of a package that is installed is started: fail2ban and miniupnpd bring services, and the tests
/// want only their programs.
struct NoServices {
    ours: bool,
}

impl NoServices {
    /// Without it the packages are installed all the same. Where the machine has a policy already, that one stays.
    fn begin() -> Self {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o755).open(POLICY);
        let ours = opened
            .and_then(|mut file| file.write_all(b"#!/bin/sh\n# Of cargo xtask install, while it runs.\nexit 101\n"));
        Self { ours: ours.is_ok() }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            println!("{POLICY} stayed behind, and keeps services from starting ({error})");
        }
    }
}

/// What Debian asks before a package starts its service; exit status 101 is no. Source: invoke-rc.d(8).
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn line(missing: &[&str]) -> String {
    format!("apt-get install --no-install-recommends {}", missing.join(" "))
}

fn missing(wanted: &[Wanted]) -> Vec<&'static str> {
    let here = |sign: &str| if sign.starts_with('/') { Path::new(sign).exists() } else { probe::has(sign) };
    wanted.iter().filter(|(sign, _)| !here(sign)).map(|(_, package)| *package).collect()
}

/// A program or a path, and the Debian package that brings it.
pub(crate) type Wanted = (&'static str, &'static str);

/// For the tests.
const WANTED: &[Wanted] = &[
    ("nasm", "nasm"), // before anything is built: see `FOR_BUILD`
    ("Xvfb", "xvfb"),
    ("Xephyr", "xserver-xephyr"),
    ("xdotool", "xdotool"),
    ("xinput", "xinput"),
    ("xterm", "xterm"),
    ("xwininfo", "x11-utils"),
    ("xrandr", "x11-xserver-utils"),
    ("setxkbmap", "x11-xkb-utils"),
    ("/usr/share/X11/xkb/symbols/us", "xkb-data"),
    ("xfreerdp", "freerdp2-x11"),
    ("freerdp-shadow-cli", "freerdp2-shadow-x11"),
    ("import", "imagemagick"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("python3", "python3"),
    ("miniupnpd", "miniupnpd-nftables"),
    ("upnpc", "miniupnpc"),
    ("nc", "netcat-openbsd"),
    ("conntrack", "conntrack"),
    ("fail2ban-regex", "fail2ban"),
    ("openssl", "openssl"),
    ("/usr/share/doc/libpam-wrapper", "libpam-wrapper"),
    ("/usr/lib/python3/dist-packages/samba/dcerpc/__init__.py", "python3-samba"),
    ("/usr/share/zoneinfo/Europe/Amsterdam", "tzdata"),
    ("/usr/share/fonts/X11/misc", "xfonts-base"),
    ("/usr/share/fonts/truetype/dejavu", "fonts-dejavu-core"),
];

/// For the build: openh264 is built with its vector instructions where this is found, and not built again later, so this
/// comes before the first build.
pub(crate) const FOR_BUILD: &[Wanted] = &[("nasm", "nasm")];

/// For `demo --x11`.
pub(crate) const FOR_X11_DEMO: &[Wanted] = &[
    ("Xvfb", "xvfb"),
    ("Xephyr", "xserver-xephyr"),
    ("xdotool", "xdotool"),
    ("xterm", "xterm"),
    ("setxkbmap", "x11-xkb-utils"),
    ("/usr/share/X11/xkb/symbols/us", "xkb-data"),
    ("/usr/share/fonts/X11/misc", "xfonts-base"),
];
