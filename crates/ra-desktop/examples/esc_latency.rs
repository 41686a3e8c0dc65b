//! How long it takes from the novice's ESC to the shut gate, on an X server of its own: one JSON object.
//!
//! `cargo run --release -p ra-desktop --example esc_latency [PRESSES]` (1000 by default). Each press comes from a real
//! slave keyboard while the expert moves the pointer; the clock runs from the request to the moment in which another thread
//! finds the gate shut.
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use ra_session::input::InputEvent;
use support::{Controlled, Server};
use x11rb::connection::Connection as _;

fn main() {
    let presses: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let server = Server::xvfb("1280x720x24", &[]);
    let client = server.client();
    let device = client.physical_keyboard();
    let mut desktop = Controlled::new(&server);
    let mut times: Vec<Duration> = (0..presses)
        .map(|_| {
            desktop.novice.grant();
            for step in 0..10 {
                desktop.inject(InputEvent::PointerMove { x: 100 + step, y: 100 });
            }
            let gate = desktop.novice.gate();
            let start = Instant::now();
            client.press_device_key(device, ESC, true);
            client.connection.flush().unwrap();
            while gate.is_open() {
                std::hint::spin_loop();
            }
            let time = start.elapsed();
            client.press_device_key(device, ESC, false);
            client.sync();
            desktop.revocation();
            time
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1)).copied().unwrap_or_default();
    let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let result = serde_json::json!({
        "measure": "esc_to_shut_gate",
        "unit": "ms",
        "presses": times.len(),
        "p50": milliseconds(at(50)),
        "p95": milliseconds(at(95)),
        "max": milliseconds(at(100)),
    });
    println!("{result}");
}

/// The keycode of ESC under the evdev rules.
const ESC: u8 = 9;
