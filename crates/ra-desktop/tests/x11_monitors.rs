//! One monitor of a real X11 screen: nothing beside it is read or pointed at.
#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod support;

use std::time::Instant;

use ra_desktop::{Capture, OpenError, Rect, Size};
use ra_session::input::{Button, InputEvent};
use support::novice::Novice;
use support::{Client, Controlled, DEADLINE, Server};
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xproto::ConnectionExt as _;

const HALF: Size = Size { width: 320, height: 480 };
const RED: u32 = 0x00FF_0000;
const GREEN: u32 = 0x0000_FF00;

/// A server with a monitor on each side of its screen: red on the left, green on the right.
fn two_monitors() -> (Server, Client, [u32; 2]) {
    let server = Server::xvfb("640x480x24", &[]);
    let client = server.client();
    // The first takes the server's own output, so that no third one stands for it.
    let resources = client.connection.randr_get_screen_resources_current(client.root).unwrap().reply().unwrap();
    set_monitor(&client, "LEFT", 0, false, &resources.outputs);
    set_monitor(&client, "RIGHT", 320, true, &[]);
    let windows = [client.window(0, 0, 320, 480, RED), client.window(320, 0, 320, 480, GREEN)];
    (server, client, windows)
}

fn set_monitor(client: &Client, name: &str, x: i16, primary: bool, outputs: &[u32]) {
    let name = client.connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let info = MonitorInfo {
        name,
        primary,
        automatic: false,
        x,
        y: 0,
        width: HALF.width,
        height: HALF.height,
        width_in_millimeters: 100,
        height_in_millimeters: 100,
        outputs: outputs.to_vec(),
    };
    client.connection.randr_set_monitor(client.root, info).unwrap().check().unwrap();
}

fn delete_monitor(client: &Client, name: &str) {
    let name = client.connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    client.connection.randr_delete_monitor(client.root, name).unwrap().check().unwrap();
}

/// Whether every pixel of the frame has this colour.
fn is_all(capture: &dyn Capture, colour: u32) -> bool {
    let [blue, green, red, _] = colour.to_le_bytes();
    capture.frame().pixels().chunks_exact(4).all(|pixel| pixel[..3] == [blue, green, red])
}

/// Reads until the frame is as wanted; what was told to have changed in all.
fn until(capture: &mut dyn Capture, done: impl Fn(&dyn Capture) -> bool) -> Vec<Rect> {
    let deadline = Instant::now() + DEADLINE;
    let mut rects = Vec::new();
    loop {
        rects.extend(capture.read().unwrap().rects);
        if done(capture) {
            return rects;
        }
        assert!(Instant::now() < deadline, "so far {rects:?}");
    }
}

#[test]
fn a_monitor_is_chosen_by_mark_number_and_name() {
    let (server, _client, _windows) = two_monitors();
    for (word, colour) in [("1", RED), ("LEFT", RED), ("2", GREEN), ("RIGHT", GREEN), ("primary", GREEN)] {
        let mut desktop = server.open_monitor(word, &Novice::viewing()).unwrap();
        assert_eq!(desktop.capture.read().unwrap().rects, [HALF.rect()], "{word}");
        assert!(desktop.capture.size() == HALF && is_all(&*desktop.capture, colour), "{word} is {}", desktop.name);
    }
    let mut all = server.open(&Novice::viewing()).capture;
    all.read().unwrap();
    assert_eq!(all.size(), Size { width: 640, height: 480 });
    for word in ["3", "MIDDLE"] {
        let error = server.open_monitor(word, &Novice::viewing()).err().unwrap();
        assert!(matches!(error, OpenError::NoMonitor { .. }));
        let text = error.to_string();
        assert!(text.contains("1 (LEFT, 320x480 at 0,0), 2 (RIGHT, 320x480 at 320,0, primary)"), "{text}");
    }
}

#[test]
fn damage_and_pointer_are_relative_to_the_monitor_and_those_beside_it_untold() {
    let (server, client, [left, right]) = two_monitors();
    let mut capture = server.open_monitor("RIGHT", &Novice::viewing()).unwrap().capture;
    capture.read().unwrap();
    client.fill(left, 0x00FF_FFFF, (0, 0, 320, 480));
    assert!(capture.read().unwrap().is_empty(), "the other monitor's");
    client.fill(right, 0x00FF_FFFF, (10, 20, 30, 40));
    assert_eq!(capture.read().unwrap().rects, [Rect { x: 10, y: 20, width: 30, height: 40 }]);
    assert_eq!(capture.frame().row(20, 10, 1)[..3], [0xFF; 3]);
    let point = |x, y| {
        client.connection.warp_pointer(x11rb::NONE, client.root, 0, 0, 0, 0, x, y).unwrap();
        client.sync();
    };
    point(321, 7);
    assert_eq!(capture.cursor().unwrap().unwrap().position, (1, 7));
    point(100, 100);
    assert_eq!(capture.cursor().unwrap(), None, "outside of what is shared");
}

#[test]
fn an_expert_points_within_the_monitor_and_nowhere_else() {
    let (server, client, _) = two_monitors();
    let novice = Novice::viewing();
    let desktop = server.open_monitor("RIGHT", &novice).unwrap();
    let mut desktop = Controlled::from_desktop(novice, desktop);
    let pointer = || {
        let pointer = client.connection.query_pointer(client.root).unwrap().reply().unwrap();
        (pointer.root_x, pointer.root_y)
    };
    for (place, expected) in [((5, 6), (325, 6)), ((u16::MAX, u16::MAX), (639, 479)), ((0, 0), (320, 0))] {
        desktop.inject(InputEvent::PointerMove { x: place.0, y: place.1 });
        desktop.injector.release_all().unwrap();
        assert_eq!(pointer(), expected);
    }
    delete_monitor(&client, "RIGHT");
    until(&mut *desktop.capture, |capture| capture.missing_monitor().is_some());
    desktop.inject(InputEvent::Button { button: Button::Left, pressed: true, x: 50, y: 50 });
    assert_eq!(desktop.injector.held(), 0, "nothing is clicked on that nobody sees");
    assert_eq!(pointer(), (320, 0));
}

#[test]
fn a_monitor_that_goes_away_leaves_black_and_comes_back() {
    let (server, client, [left, right]) = two_monitors();
    let mut capture = server.open_monitor("RIGHT", &Novice::viewing()).unwrap().capture;
    capture.read().unwrap();
    delete_monitor(&client, "RIGHT");
    // With the news of the loss comes damage in the very place where the monitor was.
    client.fill(right, 0x00FF_FFFF, (0, 0, 320, 480));
    let rects = until(&mut *capture, |capture| capture.missing_monitor() == Some("RIGHT"));
    assert_eq!(rects, [HALF.rect()]);
    assert!(is_all(&*capture, 0), "not what is there now");
    client.fill(left, 0x00FF_FFFF, (0, 0, 320, 480));
    assert!(capture.read().unwrap().is_empty() && is_all(&*capture, 0), "and no other monitor's picture");
    // It comes back on the other side.
    set_monitor(&client, "RIGHT", 0, true, &[]);
    let rects = until(&mut *capture, |capture| capture.missing_monitor().is_none());
    assert_eq!(rects, [HALF.rect()]);
    assert!(is_all(&*capture, 0x00FF_FFFF));
}

#[test]
fn a_monitor_that_moves_is_followed() {
    let (server, client, [_, right]) = two_monitors();
    let mut capture = server.open_monitor("RIGHT", &Novice::viewing()).unwrap().capture;
    capture.read().unwrap();
    delete_monitor(&client, "RIGHT");
    set_monitor(&client, "RIGHT", 160, true, &[]);
    client.fill(right, 0x0000_00FF, (0, 0, 320, 480));
    let rects = until(&mut *capture, |capture| capture.frame().row(0, 0, 1)[..3] == [0, 0, 0xFF]);
    assert!(rects.contains(&HALF.rect()), "all of it is new: {rects:?}");
    assert_eq!(capture.frame().row(479, 159, 1)[..3], [0, 0, 0xFF]);
    assert_eq!(capture.frame().row(479, 160, 1)[..3], [0xFF, 0, 0]);
}
