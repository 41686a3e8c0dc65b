//! Which desktops are taken, which are refused, and one that changes its size.
#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod support;

use std::process::Command;
use std::time::Instant;

use ra_desktop::backend::x11;
use ra_desktop::{Desktop, MonitorChoice, OpenError, Size};
use support::novice::Novice;
use support::{DEADLINE, Server};

fn open(server: &Server) -> Result<Desktop, OpenError> {
    x11::open(Some(&server.display), &MonitorChoice::All, Novice::viewing().gate())
}

/// Refused, in one line.
fn refusal(server: &Server) -> (OpenError, String) {
    let error = open(server).map(|desktop| desktop.name).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
    (error, text)
}

#[test]
fn a_missing_extension_is_named() {
    for extension in ["XTEST", "RANDR", "DAMAGE", "XFIXES"] {
        let server = Server::xvfb("320x200x24", &["-extension", extension]);
        let (error, text) = refusal(&server);
        // Without XFIXES there is no DAMAGE either: whichever is named first.
        assert!(matches!(error, OpenError::Missing(_)), "{text}");
        assert!(text.contains(extension) || extension == "XFIXES", "{text}");
    }
}

#[test]
fn unusual_pixels_are_refused() {
    let (error, text) = refusal(&Server::xvfb("320x200x16", &[]));
    assert!(matches!(error, OpenError::Visual(_)), "{text}");
    assert!(text.contains("depth 16"), "{text}");
}

#[test]
fn a_display_that_is_not_there_is_an_error() {
    for name in [":65000", ":59000", ":", "", "nonsense", ":99999999"] {
        let nobody = x11::open(Some(name), &MonitorChoice::All, Novice::viewing().gate());
        assert!(matches!(nobody, Err(OpenError::Connect(_) | OpenError::NoDisplay)), "{name:?}");
    }
}

#[test]
fn s072_root_does_not_share_the_desktop_of_another_user() {
    let own = Server::xvfb("320x200x24", &[]);
    assert!(open(&own).is_ok(), "the own desktop, with the own rights");
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "Xvfb"]);
        command.args(["-screen", "0", "320x200x24", "-nolisten", "tcp", "-noreset", "-ac"]);
        let (error, text) = refusal(&Server::start(command, "xvfb"));
        assert!(matches!(error, OpenError::NotOwner), "{text}");
    }
}

#[test]
fn a_desktop_that_changes_its_size_is_read_at_the_new_one() {
    let outer = Server::xvfb("1280x1024x24", &[]);
    let inner = Server::xephyr(&outer, "640x480");
    let mut capture = open(&inner).unwrap().capture;
    capture.read().unwrap();
    assert_eq!(capture.size(), Size { width: 640, height: 480 });
    for (width, height) in [(800, 600), (500, 300), (1000, 700)] {
        let (across, down) = (width.to_string(), height.to_string());
        let search = ["search", "--onlyvisible", "--name", "Xephyr", "windowsize", &across, &down];
        outer.run("xdotool", &search, "xdotool");
        let (wanted, deadline) = (Size { width, height }, Instant::now() + DEADLINE);
        loop {
            assert!(Instant::now() < deadline, "the size stays {:?}", capture.size());
            if !capture.wait(Some(DEADLINE)).unwrap().picture {
                continue;
            }
            let before = capture.size();
            let damage = capture.read().unwrap();
            assert_eq!(damage.resized, capture.size() != before);
            if capture.size() == wanted {
                assert_eq!(damage.rects, [wanted.rect()], "all of it is new");
                break;
            }
        }
        assert_eq!(capture.frame().pixels().len(), usize::from(width) * usize::from(height) * 4);
    }
    // And it goes on at the new size.
    let client = inner.client();
    let window = client.window(0, 0, 1000, 700, 0x0012_3456);
    client.fill(window, 0x00FE_DCBA, (900, 600, 100, 100));
    let deadline = Instant::now() + DEADLINE;
    while capture.frame().row(699, 999, 1)[..3] != [0xBA, 0xDC, 0xFE] {
        assert!(Instant::now() < deadline);
        capture.wait(Some(DEADLINE)).unwrap();
        capture.read().unwrap();
    }
}
