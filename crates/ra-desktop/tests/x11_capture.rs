//! Reading a real X11 screen.
#![allow(clippy::unwrap_used, reason = "a test that panics has said what it has to say")]

mod support;

use std::time::{Duration, Instant};

use ra_desktop::{Capture, Change, CursorShape, Frame, Rect, Size};
use support::novice::Novice;
use support::{DEADLINE, Server};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _};

const SCREEN: Size = Size { width: 640, height: 480 };

fn server() -> Server {
    Server::xvfb("640x480x24", &[])
}

fn capture(server: &Server) -> Box<dyn Capture> {
    server.open(&Novice::viewing()).capture
}

/// Reads until nothing is left to read.
fn settle(capture: &mut dyn Capture) {
    while capture.wait(Some(Duration::from_millis(100))).unwrap().picture {
        capture.read().unwrap();
    }
}

/// Reads until something has changed, and on until `done`; what changed in all.
fn changes(capture: &mut dyn Capture, done: impl Fn(&Frame) -> bool) -> Vec<Rect> {
    let deadline = Instant::now() + DEADLINE;
    let mut rects = Vec::new();
    while !done(capture.frame()) {
        assert!(Instant::now() < deadline, "the change does not arrive; so far {rects:?}");
        if capture.wait(Some(DEADLINE)).unwrap().picture {
            rects.extend(capture.read().unwrap().rects);
        }
    }
    rects
}

fn pixel(frame: &Frame, x: u16, y: u16) -> [u8; 3] {
    frame.row(y, x, 1)[..3].try_into().unwrap()
}

#[test]
fn a_known_picture_is_read_exactly() {
    let server = server();
    let client = server.client();
    let window = client.window(0, 0, SCREEN.width, SCREEN.height, 0x0020_4060);
    for index in 0..16_u16 {
        let x = i16::try_from(index * 37).unwrap();
        client.fill(window, 0x0010_0000 * u32::from(index) + 0x00CD, (x, x, 20, 20));
    }
    let mut capture = capture(&server);
    assert!(capture.wait(None).unwrap().picture, "the first wait tells at once");
    let damage = capture.read().unwrap();
    assert_eq!(damage.rects, [SCREEN.rect()], "the first read is the whole picture");
    assert_eq!(capture.size(), SCREEN);
    let frame = capture.frame();
    assert_eq!(frame.pixels().len(), 640 * 480 * 4);
    for y in 0..SCREEN.height {
        for x in 0..SCREEN.width {
            let index = x / 37;
            let inside = x % 37 < 20 && y / 37 == index && y % 37 < 20 && index < 16;
            let expected = if inside { [0xCD, 0, 0x10 * (index as u8)] } else { [0x60, 0x40, 0x20] };
            assert_eq!(pixel(frame, x, y), expected, "at {x},{y}");
        }
    }
}

#[test]
fn only_what_changed_is_told_and_the_rest_of_the_frame_stays() {
    let server = server();
    let client = server.client();
    let window = client.window(0, 0, SCREEN.width, SCREEN.height, 0);
    let mut capture = capture(&server);
    settle(&mut *capture);
    client.fill(window, 0x00FF_FFFF, (128, 64, 64, 64));
    let rects = changes(&mut *capture, |frame| pixel(frame, 191, 127) == [0xFF; 3]);
    assert_eq!(rects, [Rect { x: 128, y: 64, width: 64, height: 64 }], "one tile");
    client.fill(window, 0x00FF_FFFF, (100, 100, 64, 64));
    let rects = changes(&mut *capture, |frame| pixel(frame, 100, 163) == [0xFF; 3]);
    let told = |x, y| rects.iter().any(|rect| rect.intersection(Rect { x, y, width: 1, height: 1 }).is_some());
    assert!([(100, 100), (163, 100), (100, 163), (163, 163)].into_iter().all(|(x, y)| told(x, y)), "{rects:?}");
    assert!(!told(99, 100) && !told(100, 164), "and nothing around it: {rects:?}");
}

#[test]
fn the_frame_is_the_screen_whatever_changed() {
    let server = server();
    let client = server.client();
    let window = client.window(0, 0, SCREEN.width, SCREEN.height, 0);
    let mut capture = capture(&server);
    settle(&mut *capture);
    let mut seed = 0x2545_f491_u32;
    let mut random = |limit: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed % limit
    };
    for round in 0..40 {
        // From a word to the whole screen, and from one to many: read in pieces, in bands, and in both.
        for _ in 0..1 + random(30) {
            let zoom = random(6);
            let (width, height) = (1 + random(640 >> zoom), 1 + random(480 >> zoom));
            let [x, y, width, height] = [random(640), random(480), width, height].map(|place| place as u16);
            client.fill(window, random(1 << 24), (x.cast_signed(), y.cast_signed(), width, height));
        }
        capture.read().unwrap();
        let format = x11rb::protocol::xproto::ImageFormat::Z_PIXMAP;
        let image = client.connection.get_image(format, client.root, 0, 0, 640, 480, !0).unwrap().reply().unwrap();
        let colours = |bytes: &[u8]| bytes.chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect::<Vec<_>>();
        assert!(colours(capture.frame().pixels()) == colours(&image.data), "in round {round}");
    }
}

#[test]
fn an_idle_screen_wakes_nobody() {
    let server = server();
    let mut capture = capture(&server);
    settle(&mut *capture);
    capture.cursor().unwrap();
    capture.wait(Some(Duration::ZERO)).unwrap();
    let switches = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap().to_owned();
        line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    let before = switches();
    assert_eq!(capture.wait(Some(Duration::from_secs(2))).unwrap(), Change::default());
    // One sleep for the two seconds, and one for reading the counter.
    assert!(switches() - before <= 3, "{} wake-ups in two idle seconds", switches() - before);
}

#[test]
fn a_happening_is_told_once_until_it_is_read() {
    let server = server();
    let client = server.client();
    let window = client.window(0, 0, 100, 100, 0);
    let mut capture = capture(&server);
    settle(&mut *capture);
    capture.cursor().unwrap();
    client.fill(window, 0x00FF_0000, (0, 0, 10, 10));
    assert!(capture.wait(Some(DEADLINE)).unwrap().picture);
    client.fill(window, 0x0000_FF00, (70, 70, 10, 10));
    let short = Some(Duration::from_millis(200));
    assert!(!capture.wait(short).unwrap().picture, "told already, and not read yet");
    assert_eq!(capture.read().unwrap().rects.len(), 2, "both changes in one read");
    client.fill(window, 0x0000_00FF, (0, 0, 10, 10));
    assert!(capture.wait(Some(DEADLINE)).unwrap().picture);
}

#[test]
fn a_waker_ends_a_wait_from_another_thread() {
    let server = server();
    let mut capture = capture(&server);
    settle(&mut *capture);
    capture.cursor().unwrap();
    capture.wait(Some(Duration::ZERO)).unwrap();
    let waker = capture.waker();
    let other = std::thread::spawn(move || waker.wake());
    let change = capture.wait(Some(DEADLINE)).unwrap();
    assert!(change.woken && !change.picture);
    other.join().unwrap();
}

#[test]
fn the_pointer_is_told_by_shape_and_place() {
    let server = server();
    let client = server.client();
    let mut capture = capture(&server);
    let first = capture.cursor().unwrap().unwrap();
    assert!(first.shape.is_some(), "the first call tells everything");
    assert_eq!(capture.cursor().unwrap(), None, "nothing new");
    // A cursor of 16x16, all white, hot at (3, 4).
    let [source, mask, cursor] = [(); 3].map(|()| client.connection.generate_id().unwrap());
    let gc = client.connection.generate_id().unwrap();
    for pixmap in [source, mask] {
        client.connection.create_pixmap(1, pixmap, client.root, 16, 16).unwrap();
    }
    client.connection.create_gc(gc, source, &x11rb::protocol::xproto::CreateGCAux::new().foreground(1)).unwrap();
    let all = x11rb::protocol::xproto::Rectangle { x: 0, y: 0, width: 16, height: 16 };
    for pixmap in [source, mask] {
        client.connection.poly_fill_rectangle(pixmap, gc, &[all]).unwrap();
    }
    client.connection.create_cursor(cursor, source, mask, !0, !0, !0, 0, 0, 0, 3, 4).unwrap();
    let attributes = ChangeWindowAttributesAux::new().cursor(cursor);
    client.connection.change_window_attributes(client.root, &attributes).unwrap();
    client.sync();
    while !capture.wait(Some(DEADLINE)).unwrap().cursor {}
    let shape = capture.cursor().unwrap().unwrap().shape;
    let white = CursorShape::Image { size: Size { width: 16, height: 16 }, hotspot: (3, 4), bgra: vec![0xFF; 1024] };
    assert_eq!(shape, Some(white));
    client.connection.warp_pointer(x11rb::NONE, client.root, 0, 0, 0, 0, 77, 88).unwrap();
    client.sync();
    let moved = capture.cursor().unwrap().unwrap();
    assert_eq!((moved.shape, moved.position), (None, (77, 88)));
}

#[test]
fn pixels_come_through_shared_memory_where_the_server_has_it() {
    // A size that no other test of this process has, so that the mapping can be told from theirs.
    let shared_maps = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let range = |line: &str| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            u64::from_str_radix(end, 16).unwrap() - u64::from_str_radix(start, 16).unwrap()
        };
        maps.lines().filter(|line| line.contains(" rw-s ") && range(line) == 1024 * 600 * 4 * 3 / 2).count()
    };
    let server = Server::xvfb("1024x600x24", &[]);
    assert_eq!(shared_maps(), 0);
    let _capture = capture(&server);
    assert_eq!(shared_maps(), 1);
}

#[test]
fn the_screen_is_read_without_shared_memory_too() {
    let server = Server::xvfb("640x480x24", &["-extension", "MIT-SHM"]);
    let client = server.client();
    let window = client.window(0, 0, SCREEN.width, SCREEN.height, 0x0001_0203);
    let mut capture = capture(&server);
    capture.read().unwrap();
    assert_eq!(pixel(capture.frame(), 639, 479), [3, 2, 1]);
    client.fill(window, 0x00FF_FFFF, (64, 64, 64, 64));
    let rects = changes(&mut *capture, |frame| pixel(frame, 64, 64) == [0xFF; 3]);
    assert_eq!(rects, [Rect { x: 64, y: 64, width: 64, height: 64 }]);
}

#[test]
fn a_desktop_that_goes_away_is_an_error_and_not_a_hang() {
    let server = server();
    let mut capture = capture(&server);
    settle(&mut *capture);
    capture.cursor().unwrap();
    drop(server);
    let deadline = Instant::now() + DEADLINE;
    while capture.wait(Some(DEADLINE)).is_ok() {
        assert!(Instant::now() < deadline);
    }
    assert!(capture.read().is_err());
}
