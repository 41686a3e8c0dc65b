//! The novice's ESC on real X servers.
#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod support;

use std::time::{Duration, Instant};

use ra_desktop::{Cause, InjectError, Injected, Revocation};
use ra_session::input::InputEvent;
use support::{Controlled, DEADLINE, Server};
use x11rb::protocol::xproto::ConnectionExt as _;

const ESC: u8 = 9;
const ESC_SCANCODE: u8 = 0x01;

fn server() -> Server {
    Server::xvfb("640x480x24", &[])
}

fn revoked(cause: Cause) -> Revocation {
    Revocation { cause, was_open: true }
}

#[test]
fn s055_r044_r051_a_physical_esc_takes_control_back() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    let in_flight = desktop.novice.stamp(InputEvent::PointerMove { x: 5, y: 5 });
    server.client().physical_key(ESC);
    assert_eq!(desktop.revocation(), revoked(Cause::PhysicalEsc));
    assert!(!desktop.novice.gate().is_open());
    assert_eq!(desktop.injector.inject(in_flight).unwrap(), Injected::Refused);
}

#[test]
fn s055_an_esc_in_the_window_of_a_nested_server_takes_control_back() {
    // The nested server has a keyboard of its own, fed by real events of the outer one: as near as a test comes to a hand.
    let outer = server();
    let inner = Server::xephyr(&outer, "400x300");
    let desktop = Controlled::new(&inner);
    outer.run("xdotool", &["mousemove", "200", "150", "key", "Escape"], "xdotool");
    assert_eq!(desktop.revocation(), revoked(Cause::PhysicalEsc));
    assert!(!desktop.novice.gate().is_open());
}

#[test]
fn s055_an_on_screen_keyboard_takes_control_back_too() {
    let server = server();
    let desktop = Controlled::new(&server);
    server.run("xdotool", &["key", "Escape"], "xdotool");
    assert_eq!(desktop.revocation(), revoked(Cause::ForeignEsc));
}

#[test]
fn s055_r051_esc_is_heard_while_a_program_holds_the_keyboard_or_the_server() {
    let server = server();
    let client = server.client();
    let window = client.window(0, 0, 100, 100, 0);
    let mut desktop = Controlled::new(&server);
    let device = client.physical_keyboard();
    let mode = x11rb::protocol::xproto::GrabMode::ASYNC;
    client.connection.grab_keyboard(true, window, x11rb::CURRENT_TIME, mode, mode).unwrap().reply().unwrap();
    client.physical_keys(device, ESC);
    assert_eq!(desktop.revocation(), revoked(Cause::PhysicalEsc));
    client.connection.ungrab_keyboard(x11rb::CURRENT_TIME).unwrap();
    client.connection.grab_server().unwrap();
    client.sync();
    desktop.novice.grant();
    client.physical_keys(device, ESC);
    assert_eq!(desktop.revocation(), revoked(Cause::PhysicalEsc));
    client.connection.ungrab_server().unwrap();
    client.sync();
}

#[test]
fn r051_an_esc_that_the_expert_types_reaches_the_program_and_revokes_nothing() {
    let server = server();
    let client = server.client();
    client.window(0, 0, 640, 480, 0);
    let mut desktop = Controlled::new(&server);
    for _ in 0..50 {
        desktop.keys(&[ESC_SCANCODE]);
        desktop.text("\u{1b}");
    }
    let mut presses = 0;
    client.until(|event| {
        presses += usize::from(matches!(&event, x11rb::protocol::Event::KeyPress(press) if press.detail == ESC));
        (presses == 100).then_some(())
    });
    // Whatever the watcher makes of them, it has made by the time that it reports the next physical one.
    client.physical_key(ESC);
    assert_eq!(desktop.revocation(), revoked(Cause::PhysicalEsc), "the first report is the physical one");
}

#[test]
fn an_esc_that_the_expert_holds_down_revokes_nothing() {
    let server = server();
    let client = server.client();
    client.window(0, 0, 640, 480, 0);
    let mut desktop = Controlled::new(&server);
    desktop.key(ESC_SCANCODE, true);
    // The server repeats the key by itself; the program sees that.
    let mut presses = 0;
    client.until(|event| {
        presses += usize::from(matches!(event, x11rb::protocol::Event::KeyPress(_)));
        (presses == 5).then_some(())
    });
    desktop.key(ESC_SCANCODE, false);
    assert!(desktop.novice.gate().is_open());
    assert!(desktop.revocations.try_recv().is_err());
}

#[test]
fn r051_a_foreign_esc_is_not_hidden_by_one_of_the_experts() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    desktop.keys(&[ESC_SCANCODE]);
    server.run("xdotool", &["key", "Escape"], "xdotool");
    assert_eq!(desktop.revocation(), revoked(Cause::ForeignEsc));
}

#[test]
fn esc_is_not_swallowed() {
    let server = server();
    let client = server.client();
    client.window(0, 0, 640, 480, 0);
    let desktop = Controlled::new(&server);
    client.physical_key(ESC);
    desktop.revocation();
    client.until(|event| matches!(event, x11rb::protocol::Event::KeyPress(press) if press.detail == ESC).then_some(()));
}

#[test]
fn a_layout_with_esc_elsewhere_is_heeded_and_the_usual_place_stays() {
    let server = server();
    let client = server.client();
    let mut desktop = Controlled::new(&server);
    server.run("setxkbmap", &["us", "-option", "caps:escape"], "x11-xkb-utils");
    let deadline = Instant::now() + DEADLINE;
    // The watcher reads the new layout when it comes to it.
    loop {
        client.physical_key(66);
        if desktop.revocations.recv_timeout(Duration::from_millis(200)).is_ok() {
            break;
        }
        assert!(Instant::now() < deadline, "Caps Lock is ESC now");
    }
    desktop.novice.grant();
    client.physical_key(ESC);
    while desktop.revocation() != revoked(Cause::PhysicalEsc) {}
}

#[test]
fn a_new_keyboard_is_physical() {
    let server = server();
    let client = server.client();
    let desktop = Controlled::new(&server);
    // A second pair of master devices; its XTEST keyboard has the property, and no note of ours stands for its ESC.
    server.run("xinput", &["create-master", "second"], "xinput");
    client.physical_key(ESC);
    assert_eq!(desktop.revocation(), revoked(Cause::PhysicalEsc), "the watcher has coped with the new devices");
}

#[test]
fn a_watcher_that_dies_shuts_the_gate_for_good() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    let event = InputEvent::PointerMove { x: 1, y: 1 };
    drop(server);
    let lost = desktop.revocation();
    assert!(lost.was_open && matches!(lost.cause, Cause::WatcherLost(_)), "{lost:?}");
    assert!(!desktop.novice.gate().is_open());
    desktop.novice.grant();
    let stamped = desktop.novice.stamp(event);
    assert!(matches!(desktop.injector.inject(stamped), Err(InjectError::Unwatched)));
    assert!(!desktop.novice.gate().is_open(), "no control without a watcher");
}

#[test]
fn a_server_that_hangs_shuts_the_gate() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    let started = Instant::now();
    server.freeze();
    let lost = desktop.revocation();
    assert!(matches!(lost.cause, Cause::WatcherLost(_)), "{lost:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(!desktop.injector.is_watched());
    desktop.novice.grant();
    let stamped = desktop.novice.stamp(InputEvent::PointerMove { x: 1, y: 1 });
    assert!(desktop.injector.inject(stamped).is_err());
    server.thaw();
}

#[test]
fn a_watcher_that_is_stopped_says_nothing_and_leaves_the_gate_shut() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    desktop.stopper.wake();
    desktop.watcher.take().unwrap().join().unwrap();
    assert!(!desktop.novice.gate().is_open());
    assert!(desktop.revocations.recv().is_err(), "no report, and the reporter is gone");
}
