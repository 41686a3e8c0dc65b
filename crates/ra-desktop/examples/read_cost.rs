//! What a read of the screen costs, on an X server of its own: one JSON object a line.
//!
//! `cargo run --release -p ra-desktop --example read_cost [READS]` (300 by default). Each read follows a change that touches
//! every pixel of its part, as a scrolled page does. `cpu_ms` is the reading thread's own time, `server_ms` that of the X server
//! for drawing and reading together (the drawing alone: `drawing_ms`).
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::novice::Novice;
use support::{Client, DEADLINE, Server};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateGCAux, Rectangle};

fn main() {
    let reads: u16 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(300);
    let server = Server::xvfb("1920x1080x24", &[]);
    let client = server.client();
    let page = Page::new(&client);
    for (name, places) in SCENES {
        let mut capture = server.open(&Novice::viewing()).capture;
        while capture.wait(Some(Duration::from_millis(100))).unwrap().picture {
            capture.read().unwrap();
        }
        let pid = server.pid();
        let before = cpu(pid);
        (0..reads).for_each(|step| page.show(&client, step, places));
        let drawing = cpu(pid) - before;
        while capture.wait(Some(Duration::from_millis(100))).unwrap().picture {
            capture.read().unwrap();
        }
        let (mut own, mut wall, mut rects) = (Duration::ZERO, Vec::new(), 0);
        let before = cpu(pid);
        for step in 0..reads {
            page.show(&client, step, places);
            assert!(capture.wait(Some(DEADLINE)).unwrap().picture);
            let (used, start) = (own_cpu(), Instant::now());
            rects += capture.read().unwrap().rects.len();
            wall.push(start.elapsed());
            own += own_cpu() - used;
        }
        let served = cpu(pid) - before;
        wall.sort_unstable();
        let each = |time: Duration| (time.as_secs_f64() * 1e6 / f64::from(reads)).round() / 1e3;
        let result = serde_json::json!({
            "measure": format!("read_{name}"),
            "reads": reads,
            "cpu_ms": each(own),
            "wall_p50_ms": (wall[wall.len() / 2].as_secs_f64() * 1e6).round() / 1e3,
            "server_ms": each(served),
            "drawing_ms": each(drawing),
            "rects": rects / usize::from(reads),
        });
        println!("{result}");
    }
}

/// A page of text-like strokes that is longer than the screen, and the window that shows it.
struct Page {
    window: u32,
    pixmap: u32,
    gc: u32,
}

impl Page {
    fn new(client: &Client) -> Self {
        let connection = &client.connection;
        let window = client.window(0, 0, 1920, 1080, 0x00FF_FFFF);
        let [pixmap, gc] = [(); 2].map(|()| connection.generate_id().unwrap());
        connection.create_pixmap(24, pixmap, client.root, 1920, 1080 + 7 * STEPS).unwrap();
        connection.create_gc(gc, pixmap, &CreateGCAux::new().graphics_exposures(0)).unwrap();
        let mut seed = 0x2545_f491_u32;
        for _ in 0..400 {
            let strokes: Vec<Rectangle> = (0..500)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 17;
                    seed ^= seed << 5;
                    let (x, y) = ((seed % 1920) as i16, (seed / 1920 % 1300) as i16);
                    Rectangle { x, y, width: 2 + (seed >> 28) as u16, height: 1 + (seed >> 30) as u16 }
                })
                .collect();
            let colour = x11rb::protocol::xproto::ChangeGCAux::new().foreground(seed & 0x00FF_FFFF);
            connection.change_gc(gc, &colour).unwrap();
            connection.poly_fill_rectangle(pixmap, gc, &strokes).unwrap();
        }
        client.sync();
        Self { window, pixmap, gc }
    }

    /// Shows the page scrolled to `step`, in these places.
    fn show(&self, client: &Client, step: u16, places: &[Place]) {
        let offset = (7 * (step % STEPS)).cast_signed();
        for (x, y, width, height) in places {
            client
                .connection
                .copy_area(self.pixmap, self.window, self.gc, *x, *y + offset, *x, *y, *width, *height)
                .unwrap();
        }
        client.sync();
    }
}

/// CPU time of the calling thread.
fn own_cpu() -> Duration {
    // The system brings the count up to date when the thread passes the scheduler, not when somebody reads it.
    std::thread::yield_now();
    schedstat("/proc/thread-self/schedstat")
}

/// CPU time of a process with one thread.
fn cpu(pid: u32) -> Duration {
    schedstat(&format!("/proc/{pid}/schedstat"))
}

fn schedstat(file: &str) -> Duration {
    let text = std::fs::read_to_string(file).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Left, top, width, height.
type Place = (i16, i16, u16, u16);

/// Steps of seven pixels until the page begins again.
const STEPS: u16 = 30;

const SCENES: [(&str, &[Place]); 6] = [
    ("screen", &[(0, 0, 1920, 1080)]),
    ("page_with_a_bar", &[(0, 0, 1880, 1040)]),
    ("film_1280x720", &[(320, 180, 1280, 720)]),
    ("window_640x480", &[(320, 180, 640, 480)]),
    ("patch_64x64", &[(640, 480, 64, 64)]),
    (
        "eight_words",
        &[
            (10, 10, 60, 18),
            (210, 310, 60, 18),
            (410, 110, 60, 18),
            (610, 510, 60, 18),
            (810, 710, 60, 18),
            (1010, 210, 60, 18),
            (1210, 910, 60, 18),
            (1410, 610, 60, 18),
        ],
    ),
];
