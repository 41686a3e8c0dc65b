//! The demo desktop: drawn into memory, no X server, and it reacts to what is injected.
//!
//! It is for trying remote help out, and for tests that need to know what stands where. The layout is fixed:
//!
//! | what | where | how |
//! |---|---|---|
//! | the desktop | [`SIZE`], 1280x720 | |
//! | the random word of this run | first cell at [`WORD_PLACE`], (80, 200) | font times [`WORD_SCALE`] 3: cells of 30x60; #FFFFFF on [`WORD_BACKGROUND`] #14324F; 8 letters a to z, 12 at most |
//! | what was typed | white box [`FIELD`] (80, 420) 1120x40, first cell at [`FIELD_TEXT`] (90, 430) | font times 1: cells of 10x20; #000000 on #FFFFFF; the last [`TEXT_CELLS`] 110 characters |
//! | whether input arrived | first cell at (80, 300) | a sentence; "No key and no click has arrived here yet." before the first |
//!
//! The font is `FONT_10X20` of embedded-graphics. Enter empties the field. Nothing is ever drawn over the word, and nothing
//! but text inside the field's cells.

mod keyboard;
mod paint;
mod scene;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use embedded_graphics::pixelcolor::Rgb888;
use ra_session::gate::InputGate;
use ra_session::input::InputEvent;

use self::paint::{CELL, Canvas, MARK_RADIUS, PALE, TRACK};
use self::scene::Scene;
use crate::capture::{Capture, CaptureError, Change, Cursor, CursorShape, Damage, Waker};
use crate::damage::Tiles;
use crate::frame::{Frame, Rect, Size};
use crate::input::{Act, Hands, InjectError, Injector};
use crate::monitor::Monitor;
use crate::watch::{Cause, HEARTBEAT, Pulse, Revocation, Watch, Watcher};
use crate::{Demo, Desktop, OpenError};

/// The one monitor of the demo desktop.
pub(crate) fn monitor() -> Monitor {
    Monitor { name: "demo".to_owned(), area: SIZE.rect(), primary: true }
}

/// Opens the demo desktop.
///
/// # Errors
/// [`OpenError::Random`] when the system gives no random numbers for the word.
pub fn open(gate: InputGate) -> Result<Desktop, OpenError> {
    let word = random_word()?;
    let pulse = Pulse::new();
    let shared = Arc::new(Shared::default());
    let esc = DemoEsc { gate: gate.clone(), shared: Arc::clone(&shared) };
    Ok(Desktop {
        name: "demo desktop".to_owned(),
        capture: Box::new(DemoCapture::new(&word, Arc::clone(&shared))),
        injector: Injector::new(gate.clone(), pulse.clone(), Box::new(DemoHands { shared: Arc::clone(&shared) })),
        watcher: Box::new(DemoWatcher { gate, pulse, shared }),
        demo: Some(Demo { esc, word }),
    })
}

/// The ESC key of the demo desktop: the novice's terminal presses it. Cheap to clone.
///
/// It is not a part of the desktop's keyboard, so nothing that is injected can reach it.
#[derive(Clone)]
pub struct DemoEsc {
    gate: InputGate,
    shared: Arc<Shared>,
}

impl DemoEsc {
    /// Presses ESC, as the novice: shuts the gate before it returns; the watcher's thread then reports it.
    pub fn press(&self) {
        let was_open = self.gate.shut();
        let mut state = self.shared.lock();
        if state.presses.len() < PRESSES {
            state.presses.push_back(Revocation { cause: Cause::PhysicalEsc, was_open });
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl core::fmt::Debug for DemoEsc {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DemoEsc")
    }
}

/// What the three threads share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    scene: Scene,
    /// Counts what happened to the scene.
    version: u64,
    woken: bool,
    stopped: bool,
    presses: VecDeque<Revocation>,
}

impl Default for State {
    fn default() -> Self {
        Self { scene: Scene::new(), version: 0, woken: false, stopped: false, presses: VecDeque::new() }
    }
}

impl Shared {
    /// A thread that panicked left a scene that can still be drawn.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct DemoCapture {
    shared: Arc<Shared>,
    frame: Frame,
    /// What the frame should look like; compared with `frame` like any other desktop.
    still: Frame,
    drawn: Option<Drawn>,
    /// `picture` was told and nothing has been read since.
    dirty: bool,
    told_version: u64,
    /// `cursor` was told and nobody has asked since.
    cursor_told: bool,
    given: Option<(u16, u16)>,
    start: Instant,
    next_tick: Instant,
}

/// What of the scene the frame shows.
#[derive(Clone, PartialEq)]
struct Drawn {
    text: String,
    sentence: String,
    clock: String,
    ball: Rect,
    marks: VecDeque<(u16, u16, ra_session::input::Button)>,
}

impl DemoCapture {
    fn new(word: &str, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            frame: Frame::black(SIZE),
            still: paint::still(word),
            drawn: None,
            dirty: false,
            told_version: 0,
            cursor_told: false,
            given: None,
            start: now,
            next_tick: now,
        }
    }

    fn scene_now(&self) -> Drawn {
        let state = self.shared.lock();
        Drawn {
            text: state.scene.visible_text().to_owned(),
            sentence: state.scene.sentence(),
            clock: jiff::Zoned::now().strftime("%H:%M:%S").to_string(),
            ball: ball(self.start.elapsed()),
            marks: state.scene.marks.clone(),
        }
    }

    /// Draws anew what lies in `clip`.
    fn draw(&mut self, now: &Drawn, clip: Rect) {
        let mut canvas = Canvas::new(&mut self.frame, clip);
        canvas.copy(&self.still);
        canvas.ball(now.ball);
        for (x, y, button) in &now.marks {
            canvas.mark(*x, *y, *button);
        }
        // Text is opaque and comes last, so that a mark never makes it unreadable.
        canvas.text(CLOCK_PLACE, CLOCK_SCALE, (PALE, PAPER), &now.clock);
        canvas.text(SENTENCE_PLACE, 1, (Rgb888::new(0xF2, 0xD6, 0x8B), PAPER), &now.sentence);
        paint::field(&mut canvas, &now.text);
        if let Some(word) = clip.intersection(WORD_AREA) {
            Canvas::new(&mut self.frame, word).copy(&self.still);
        }
    }
}

impl Capture for DemoCapture {
    fn size(&self) -> Size {
        SIZE
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Change, CaptureError> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            let picture = !self.dirty && (state.version != self.told_version || now >= self.next_tick);
            let cursor = !self.cursor_told && self.given != Some(state.scene.pointer);
            let woken = std::mem::take(&mut state.woken);
            if picture || cursor || woken || deadline.is_some_and(|deadline| now >= deadline) {
                self.dirty |= picture;
                self.cursor_told |= cursor;
                return Ok(Change { picture, cursor, woken });
            }
            let tick = (!self.dirty).then_some(self.next_tick);
            let until = tick.into_iter().chain(deadline).min();
            state = match until {
                Some(until) => {
                    let time = until.saturating_duration_since(now);
                    self.shared.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn read(&mut self) -> Result<Damage, CaptureError> {
        self.dirty = false;
        self.next_tick = Instant::now() + TICK;
        self.told_version = self.shared.lock().version;
        let now = self.scene_now();
        let mut tiles = Tiles::new(SIZE);
        match &self.drawn {
            Some(drawn) if *drawn == now => return Ok(Damage::default()),
            Some(drawn) => drawn.differences(&now).into_iter().for_each(|rect| tiles.mark(rect)),
            None => tiles.mark(SIZE.rect()),
        }
        let parts = tiles.take();
        for part in &parts {
            self.draw(&now, *part);
        }
        self.drawn = Some(now);
        Ok(Damage { rects: parts, resized: false })
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn cursor(&mut self) -> Result<Option<Cursor>, CaptureError> {
        let position = self.shared.lock().scene.pointer;
        self.cursor_told = false;
        let before = self.given.replace(position);
        let shape = before.is_none().then(arrow);
        Ok((before != Some(position)).then_some(Cursor { shape, position }))
    }

    fn waker(&self) -> Waker {
        let shared = Arc::clone(&self.shared);
        Waker::new(move || {
            shared.lock().woken = true;
            shared.changed.notify_all();
        })
    }
}

impl Drawn {
    /// The parts that must be drawn again to come from here to `now`.
    fn differences(&self, now: &Self) -> Vec<Rect> {
        let line = |(x, y): (u16, u16), scale: u16, cells: usize| Rect {
            x,
            y,
            width: CELL.0 * scale * u16::try_from(cells).unwrap_or(u16::MAX / CELL.0 / scale),
            height: CELL.1 * scale,
        };
        let mut parts = Vec::new();
        if self.ball != now.ball {
            parts.extend([self.ball, now.ball]);
        }
        if self.clock != now.clock {
            parts.push(line(CLOCK_PLACE, CLOCK_SCALE, now.clock.len().max(self.clock.len())));
        }
        if self.sentence != now.sentence {
            parts.push(line(SENTENCE_PLACE, 1, now.sentence.len().max(self.sentence.len())));
        }
        if self.text != now.text {
            parts.push(FIELD);
        }
        let gone = self.marks.iter().filter(|mark| !now.marks.contains(mark));
        let new = now.marks.iter().filter(|mark| !self.marks.contains(mark));
        parts.extend(gone.chain(new).map(|(x, y, _)| Rect {
            x: x.saturating_sub(MARK_RADIUS),
            y: y.saturating_sub(MARK_RADIUS),
            width: 2 * MARK_RADIUS + 1,
            height: 2 * MARK_RADIUS + 1,
        }));
        parts
    }
}

struct DemoHands {
    shared: Arc<Shared>,
}

impl DemoHands {
    fn with_scene<T>(&self, act: impl FnOnce(&mut Scene) -> T) -> T {
        let mut state = self.shared.lock();
        let result = act(&mut state.scene);
        state.version += 1;
        drop(state);
        self.shared.changed.notify_all();
        result
    }
}

impl Hands for DemoHands {
    fn prepare(&mut self, event: InputEvent, _: &dyn Fn() -> bool) -> Result<Act, InjectError> {
        Ok(Act::Event(event))
    }

    fn perform(&mut self, act: Act) -> Result<(), InjectError> {
        if let Act::Event(event) = act {
            self.with_scene(|scene| scene.perform(event));
        }
        Ok(())
    }

    fn release_all(&mut self) -> Result<usize, InjectError> {
        Ok(self.with_scene(Scene::release_all))
    }

    fn held(&self) -> usize {
        self.shared.lock().scene.held()
    }
}

struct DemoWatcher {
    gate: InputGate,
    pulse: Pulse,
    shared: Arc<Shared>,
}

impl Watcher for DemoWatcher {
    fn run(self: Box<Self>, report: Box<dyn Fn(Revocation) + Send>) {
        let watch = Watch::start(self.gate.clone(), self.pulse.clone());
        let mut state = self.shared.lock();
        while !state.stopped {
            if let Some(press) = state.presses.pop_front() {
                drop(state);
                report(press);
                state = self.shared.lock();
                continue;
            }
            watch.beat();
            state = self.shared.changed.wait_timeout(state, HEARTBEAT).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn stopper(&self) -> Waker {
        let shared = Arc::clone(&self.shared);
        Waker::new(move || {
            shared.lock().stopped = true;
            shared.changed.notify_all();
        })
    }
}

/// Where the ball is after a time: to and fro, once in eight seconds.
fn ball(time: Duration) -> Rect {
    let way = u128::from(TRACK.width - TRACK.height);
    let turn = time.as_millis() % ROUND_TRIP.as_millis() * 2 * way / ROUND_TRIP.as_millis();
    let offset = if turn < way { turn } else { 2 * way - turn };
    let x = TRACK.x + u16::try_from(offset).unwrap_or(0);
    Rect { x, y: TRACK.y, width: TRACK.height, height: TRACK.height }
}

/// The usual arrow: white, with a black outline.
fn arrow() -> CursorShape {
    let picture = [
        "#           ",
        "##          ",
        "#.#         ",
        "#..#        ",
        "#...#       ",
        "#....#      ",
        "#.....#     ",
        "#......#    ",
        "#.......#   ",
        "#........#  ",
        "#.....##### ",
        "#..#..#     ",
        "#.# #..#    ",
        "##  #..#    ",
        "#    #..#   ",
        "     #..#   ",
        "      ##    ",
    ];
    let pixel = |ink: u8| match ink {
        b'#' => [0, 0, 0, 0xFF],
        b'.' => [0xFF; 4],
        _ => [0; 4],
    };
    let size = Size { width: 12, height: 17 };
    CursorShape::Image {
        size,
        hotspot: (0, 0),
        bgra: picture.iter().flat_map(|row| row.bytes()).flat_map(pixel).collect(),
    }
}

/// A word that can be said on the telephone: syllables of two letters.
fn random_word() -> Result<String, OpenError> {
    let mut bytes = [0; WORD_LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Random(error.to_string()))?;
    let letters = [&b"bdfghjklmnprstvz"[..], &b"aeiou"[..]].into_iter().cycle();
    Ok(bytes.iter().zip(letters).map(|(byte, from)| char::from(from[usize::from(*byte) % from.len()])).collect())
}

/// Size of the demo desktop in pixels.
pub const SIZE: Size = Size { width: 1280, height: 720 };
/// Upper left corner of the word's first cell.
pub const WORD_PLACE: (u16, u16) = (80, 200);
/// How many times the font's size the word has.
pub const WORD_SCALE: u16 = 3;
/// The colour under the word, and of the window: red, green, blue.
pub const WORD_BACKGROUND: [u8; 3] = [0x14, 0x32, 0x4F];
/// Letters of the word.
pub const WORD_LENGTH: usize = 8;
/// The white box of the text field.
pub const FIELD: Rect = Rect { x: 80, y: 420, width: 1120, height: 40 };
/// Upper left corner of the first cell in the text field.
pub const FIELD_TEXT: (u16, u16) = (90, 430);
/// Characters that fit into the text field.
pub const TEXT_CELLS: usize = 110;

const PAPER: Rgb888 = Rgb888::new(WORD_BACKGROUND[0], WORD_BACKGROUND[1], WORD_BACKGROUND[2]);
/// What nothing is ever drawn over: twelve cells of the word, which is the longest that readers allow for.
const WORD_AREA: Rect = Rect { x: WORD_PLACE.0, y: WORD_PLACE.1, width: 12 * 30, height: 60 };
const SENTENCE_PLACE: (u16, u16) = (80, 300);
const CLOCK_PLACE: (u16, u16) = (1040, 110);
const CLOCK_SCALE: u16 = 2;
/// Presses that wait to be reported: somebody may lean on the key.
const PRESSES: usize = 16;
const ROUND_TRIP: Duration = Duration::from_secs(8);
/// Twenty pictures a second, while somebody reads them.
const TICK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
