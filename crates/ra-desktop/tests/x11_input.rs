//! Typing and pointing on real X servers.
#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod support;

use std::collections::BTreeSet;

use ra_desktop::{Cause, Injected};
use ra_session::input::{Axis, Button, InputEvent, Prefix};
use support::{Client, Controlled, Load, Server, Terminal};
use x11rb::protocol::Event;
use x11rb::protocol::xkb::{ConnectionExt as _, Group, ID};
use x11rb::protocol::xproto::{ConnectionExt as _, KeyButMask, ModMask};

fn server() -> Server {
    Server::xvfb("1024x768x24", &[])
}

/// A server with a window that hears everything, and control over it.
fn stage() -> (Server, Client, Controlled) {
    let server = server();
    let client = server.client();
    client.window(0, 0, 1024, 768, 0);
    let desktop = Controlled::new(&server);
    (server, client, desktop)
}

/// Presses of keys until one with `last`: keycodes.
fn presses(client: &Client, last: u8) -> Vec<u8> {
    let mut codes = Vec::new();
    client.until(|event| {
        if let Event::KeyPress(press) = event {
            codes.push(press.detail);
            return (press.detail == last).then_some(());
        }
        None
    });
    codes
}

/// A line of 60 characters that no single layout has.
const LINE: &str = "Preis 12,50 € für El Niño; Я вижу 漢字 (100% sicher?) @{x}=[y]";

#[test]
fn s067_scancodes_type_in_a_real_terminal() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    let mut terminal = Terminal::start(&server);
    desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
    // "hello 1" and "HELLO!" on the usual US layout.
    desktop.keys(&[0x23, 0x12, 0x26, 0x26, 0x18, 0x39, 0x02]);
    desktop.key(0x2A, true);
    desktop.keys(&[0x23, 0x12, 0x26, 0x26, 0x18, 0x02]);
    desktop.key(0x2A, false);
    assert_eq!(terminal.read(13), "hello 1HELLO!");
}

#[test]
fn s067_the_novices_layout_decides_what_a_scancode_types() {
    let server = server();
    server.run("setxkbmap", &["fr"], "x11-xkb-utils");
    let mut desktop = Controlled::new(&server);
    let mut terminal = Terminal::start(&server);
    desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
    desktop.keys(&[0x10, 0x11, 0x12, 0x15]);
    assert_eq!(terminal.read(4), "azey");
}

#[test]
fn characters_arrive_exactly_under_three_layouts_twenty_times_under_load() {
    assert_eq!(LINE.chars().count(), 60);
    let _load = Load::start(3);
    let layouts = ["us", "de", "fr"].map(|layout| {
        std::thread::spawn(move || {
            let server = server();
            server.run("setxkbmap", &[layout], "x11-xkb-utils");
            let mut desktop = Controlled::new(&server);
            let mut terminal = Terminal::start(&server);
            desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
            for round in 1..=20 {
                desktop.text(LINE);
                assert_eq!(terminal.read(60), LINE, "round {round} under {layout}");
            }
        })
    });
    for layout in layouts {
        layout.join().unwrap();
    }
}

#[test]
fn more_characters_than_spare_keys_arrive_in_order() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    let mut terminal = Terminal::start(&server);
    desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
    let alphabet = "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ";
    desktop.text(alphabet);
    assert_eq!(terminal.read(64), alphabet);
}

#[test]
fn every_ascii_character_arrives_under_layouts_that_hide_some() {
    for layout in ["de", "fr", "us,ru"] {
        let server = server();
        server.run("setxkbmap", &[layout], "x11-xkb-utils");
        let mut desktop = Controlled::new(&server);
        let mut terminal = Terminal::start(&server);
        desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
        let ascii: String = (' '..='~').collect();
        desktop.text(&ascii);
        assert_eq!(terminal.read(95), ascii, "{layout}");
    }
}

#[test]
fn characters_heed_the_layout_that_is_in_force_of_two() {
    let server = server();
    server.run("setxkbmap", &["us,ru"], "x11-xkb-utils");
    let client = server.client();
    client.connection.xkb_use_extension(1, 0).unwrap().reply().unwrap();
    let mut desktop = Controlled::new(&server);
    let mut terminal = Terminal::start(&server);
    desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
    for group in [Group::M2, Group::M1] {
        let (keyboard, none) = (ID::USE_CORE_KBD.into(), ModMask::from(0_u16));
        client.connection.xkb_latch_lock_state(keyboard, none, none, true, group, none, false, 0).unwrap();
        client.sync();
        desktop.text("Фыва, asdf.");
        assert_eq!(terminal.read(11), "Фыва, asdf.", "{group:?}");
    }
}

#[test]
fn characters_heed_caps_lock_and_a_held_shift() {
    let server = server();
    let mut desktop = Controlled::new(&server);
    let mut terminal = Terminal::start(&server);
    desktop.inject(InputEvent::PointerMove { x: 300, y: 300 });
    desktop.inject(InputEvent::Locks { scroll: false, num: false, caps: true, kana: false });
    desktop.text("aB1!");
    desktop.inject(InputEvent::Locks { scroll: false, num: false, caps: false, kana: false });
    desktop.key(0x2A, true);
    desktop.text("aB1!");
    desktop.key(0x2A, false);
    desktop.text("aB1!");
    assert_eq!(terminal.read(12), "aB1!aB1!aB1!");
}

#[test]
fn spare_keys_are_given_back() {
    let server = server();
    let client = server.client();
    let symbols = || {
        let mapping = client.connection.get_keyboard_mapping(8, 248).unwrap().reply().unwrap();
        let width = usize::from(mapping.keysyms_per_keycode);
        mapping.keysyms.chunks(width).map(|key| key.iter().filter(|symbol| **symbol != 0).count()).collect::<Vec<_>>()
    };
    let before = symbols();
    let mut desktop = Controlled::new(&server);
    desktop.text("Яж漢字");
    assert_ne!(symbols(), before, "four keys are lent");
    drop(desktop);
    assert_eq!(symbols(), before);
}

#[test]
fn held_keys_and_buttons_are_lifted_and_nothing_stays_down() {
    let (_server, client, mut desktop) = stage();
    for code in [0x1D, 0x2A, 0x1E] {
        desktop.key(code, true);
    }
    for button in [Button::Left, Button::X2] {
        desktop.inject(InputEvent::Button { button, pressed: true, x: 10, y: 10 });
    }
    assert_eq!(desktop.injector.held(), 5);
    client.until(|event| matches!(event, Event::ButtonPress(press) if press.detail == 9).then_some(()));
    assert_eq!(client.keys_down(), [37, 38, 50]);
    desktop.novice.gate().shut();
    assert_eq!(desktop.injector.release_all().unwrap(), 5);
    assert_eq!(client.keys_down(), [0_u8; 0], "after the round trip, without waiting");
    let pointer = client.connection.query_pointer(client.root).unwrap().reply().unwrap();
    assert_eq!(pointer.mask, KeyButMask::from(0_u16));
    assert_eq!((desktop.injector.held(), desktop.injector.release_all().unwrap()), (0, 0));
}

#[test]
fn keys_are_lifted_when_the_injector_goes() {
    let (_server, client, mut desktop) = stage();
    desktop.key(0x2A, true);
    drop(desktop);
    assert_eq!(client.keys_down(), [0_u8; 0]);
}

#[test]
fn s052_r047_what_was_permitted_before_an_esc_does_not_land_after_it() {
    let (_server, client, mut desktop) = stage();
    desktop.keys(&[0x1E]);
    let stale: Vec<_> = [true, false]
        .map(|pressed| desktop.novice.stamp(InputEvent::Key { code: 0x30, prefix: Prefix::None, pressed }))
        .into_iter()
        .collect();
    client.physical_key(9);
    assert_eq!(desktop.revocation().cause, Cause::PhysicalEsc);
    for event in stale {
        assert_eq!(desktop.injector.inject(event).unwrap(), Injected::Refused);
    }
    desktop.novice.grant();
    desktop.keys(&[0x2E]);
    assert_eq!(presses(&client, 54), [38, 9, 54], "a, the novice's ESC, c; never b");
}

#[test]
fn repeated_downs_and_lone_ups_do_nothing() {
    let (_server, client, mut desktop) = stage();
    for pressed in [false, true, true, true, false, false] {
        desktop.key(0x1E, pressed);
    }
    desktop.keys(&[0x30]);
    assert_eq!(presses(&client, 56), [38, 56]);
}

#[test]
fn keys_behind_prefixes_and_pause_arrive_at_their_places() {
    let (_server, client, mut desktop) = stage();
    let mut tap = |prefix, code| {
        for pressed in [true, false] {
            desktop.inject(InputEvent::Key { code, prefix, pressed });
        }
    };
    for (prefix, code) in [(Prefix::E0, 0x48), (Prefix::E0, 0x1C), (Prefix::E0, 0x5B), (Prefix::E0, 0x2A)] {
        tap(prefix, code);
    }
    // Pause as mstsc sends it, as others may, and then a Num Lock that is one.
    for (prefix, code, pressed) in
        [(Prefix::E1, 0x1D, true), (Prefix::None, 0x45, true), (Prefix::E1, 0x1D, false), (Prefix::None, 0x45, false)]
    {
        desktop.inject(InputEvent::Key { code, prefix, pressed });
    }
    let mut tap = |prefix, code| {
        for pressed in [true, false] {
            desktop.inject(InputEvent::Key { code, prefix, pressed });
        }
    };
    tap(Prefix::E1, 0x1D);
    tap(Prefix::None, 0x45);
    tap(Prefix::None, 0x45);
    tap(Prefix::None, 0x1E);
    assert_eq!(presses(&client, 38), [111, 104, 133, 127, 127, 77, 38]);
}

#[test]
fn lock_keys_follow_the_expert_without_a_key_press() {
    let (_server, client, mut desktop) = stage();
    client.connection.xkb_use_extension(1, 0).unwrap().reply().unwrap();
    let mut locked = |num: bool, caps: bool| {
        desktop.inject(InputEvent::Locks { scroll: false, num, caps, kana: false });
        desktop.injector.release_all().unwrap();
        let state = client.connection.xkb_get_state(ID::USE_CORE_KBD.into()).unwrap().reply().unwrap();
        u16::from(state.locked_mods)
    };
    let (caps, num) = (u16::from(ModMask::LOCK), u16::from(ModMask::M2));
    assert_eq!(locked(true, true), caps | num);
    assert_eq!(locked(true, false), num);
    assert_eq!(locked(false, false), 0);
    desktop.keys(&[0x30]);
    assert_eq!(presses(&client, 56), [56], "no lock key was pressed");
}

#[test]
fn the_pointer_moves_clicks_and_turns_its_wheel() {
    let (_server, client, mut desktop) = stage();
    desktop.inject(InputEvent::PointerMove { x: 100, y: 50 });
    desktop.inject(InputEvent::PointerMoveBy { dx: -10, dy: 5 });
    desktop.inject(InputEvent::Button { button: Button::Right, pressed: true, x: 300, y: 200 });
    desktop.inject(InputEvent::Button { button: Button::Right, pressed: false, x: 301, y: 200 });
    // Half a notch twice is one; a turn back does not first undo what is left over.
    for units in [60, 60, 100, -120, 240] {
        desktop.inject(InputEvent::Wheel { axis: Axis::Vertical, units });
    }
    desktop.inject(InputEvent::Wheel { axis: Axis::Horizontal, units: 120 });
    desktop.inject(InputEvent::PointerMove { x: u16::MAX, y: u16::MAX });
    let (mut places, mut buttons) = (BTreeSet::new(), Vec::new());
    client.until(|event| match event {
        Event::MotionNotify(motion) => {
            places.insert((motion.root_x, motion.root_y));
            ((motion.root_x, motion.root_y) == (1023, 767)).then_some(())
        }
        Event::ButtonPress(press) => {
            buttons.push((press.detail, press.root_x, press.root_y));
            None
        }
        _ => None,
    });
    assert!(places.contains(&(100, 50)) && places.contains(&(90, 55)), "{places:?}");
    assert_eq!(buttons[0], (3, 300, 200));
    assert_eq!(buttons[1..].iter().map(|button| button.0).collect::<Vec<_>>(), [4, 5, 4, 4, 7]);
}
