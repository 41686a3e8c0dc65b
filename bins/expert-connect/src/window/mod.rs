//! The window: shows the picture, passes on what the hands do while the expert controls, says in its title which it is.
//!
//! It runs on the main thread, as window systems want it; the engine has a thread of its own and only nudges.

mod cursor;
mod keys;
mod overlay;
mod shown;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ra_expert::{Axis, Button, Controls, Counters, Cursor, Face, Fingerprint, InputEvent, Picture, Stats, ViewerEvent};
use ra_ticket::{AccountName, AccountPassword, Endpoint, KeyFingerprint};
use tracing::{debug, warn};
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalPosition;
use winit::event::{ElementState, KeyEvent, MouseButton, MouseScrollDelta, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::keyboard::{Key, KeyCode, ModifiersState, PhysicalKey};
use winit::window::WindowId;

use crate::Headless;
use crate::cli::{Connect, Scale};
use crate::failure::Failure;
use crate::window::overlay::Overlay;
use crate::window::shown::Shown;

/// A window to be: the engine may already run and report. It is only opened when there is something to see.
pub(crate) struct Window {
    link: Arc<Mutex<Link>>,
    news: Arc<Mutex<News>>,
    novice: String,
    scale: Scale,
    fullscreen: bool,
}

/// The way to the window's thread, and what was sent before there was one: no more than the events until then.
#[derive(Default)]
struct Link {
    proxy: Option<EventLoopProxy<Nudge>>,
    waiting: Vec<Nudge>,
}

/// What the engine's thread wants the window to look at.
#[derive(Debug)]
enum Nudge {
    Event(ViewerEvent),
    /// There are [`News`].
    Look,
    /// The engine is gone, with or without a last word.
    Gone,
}

/// What has changed since the window looked last. It holds the newest of each, so it cannot grow.
#[derive(Default)]
struct News {
    /// A nudge is on its way.
    nudged: bool,
    shape: Option<Cursor>,
    place: Option<Cursor>,
}

impl Window {
    /// Prepares everything that needs no window system, so that the novice's computer can be dialled while this one's is
    /// asked for a connection.
    ///
    /// # Errors
    /// Where no window system is named: then nobody is dialled.
    pub(crate) fn prepare(novice: String, options: &Connect) -> Result<Self, Failure> {
        let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"].into_iter().any(named) {
            return Err(Failure::NoWindow("neither WAYLAND_DISPLAY nor DISPLAY is set".to_owned()));
        }
        let (link, news) = (Arc::default(), Arc::default());
        Ok(Self { link, news, novice, scale: options.scale, fullscreen: options.fullscreen })
    }

    /// The face that the engine sees: prints as without a window, and nudges this one.
    pub(crate) fn face(&self, printer: Headless) -> WindowFace {
        WindowFace { printer, link: Arc::clone(&self.link), news: Arc::clone(&self.news) }
    }

    /// Connects to the window system and shows the session until it ends.
    pub(crate) fn run(self, picture: Picture, controls: Controls, counters: Counters) -> Result<(), Failure> {
        let event_loop = match EventLoop::with_user_event().build() {
            Ok(event_loop) => event_loop,
            Err(error) => {
                // Nobody would see what is shown.
                controls.end();
                return Err(Failure::NoWindow(error.to_string()));
            }
        };
        event_loop.set_control_flow(ControlFlow::Wait);
        lock(&self.link).bind(event_loop.create_proxy());
        let mut desk = Desk {
            picture,
            controls,
            counters,
            measured: None,
            news: self.news,
            cursor: News::default(),
            novice: self.novice,
            scale: self.scale,
            fullscreen: self.fullscreen,
            shown: None,
            standing: Standing::Waiting,
            modifiers: ModifiersState::default(),
            pointer: PhysicalPosition::default(),
            buttons: 0,
            wheel: (0.0, 0.0),
            failure: None,
        };
        event_loop.run_app(&mut desk).map_err(|error| Failure::NoWindow(error.to_string()))?;
        desk.failure.map_or(Ok(()), Err)
    }
}

/// The engine's view of the window.
pub(crate) struct WindowFace {
    printer: Headless,
    link: Arc<Mutex<Link>>,
    news: Arc<Mutex<News>>,
}

impl WindowFace {
    fn nudge(&self, nudge: Nudge) {
        lock(&self.link).send(nudge);
    }
}

impl Link {
    fn bind(&mut self, proxy: EventLoopProxy<Nudge>) {
        self.proxy = Some(proxy);
        core::mem::take(&mut self.waiting).into_iter().for_each(|nudge| self.send(nudge));
    }

    fn send(&mut self, nudge: Nudge) {
        match &self.proxy {
            // A window that is gone has ended the session already.
            Some(proxy) => drop(proxy.send_event(nudge)),
            None => self.waiting.push(nudge),
        }
    }
}

impl WindowFace {
    fn tell(&self, write: impl FnOnce(&mut News)) {
        let mut news = lock(&self.news);
        write(&mut news);
        if !core::mem::replace(&mut news.nudged, true) {
            drop(news);
            self.nudge(Nudge::Look);
        }
    }
}

impl News {
    fn take_in(&mut self, cursor: Cursor) {
        match cursor {
            Cursor::Position { .. } => self.place = Some(cursor),
            _ => self.shape = Some(cursor),
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for WindowFace {
    fn drop(&mut self) {
        self.nudge(Nudge::Gone);
    }
}

impl Face for WindowFace {
    fn event(&self, event: &ViewerEvent) {
        self.printer.event(event);
        self.nudge(Nudge::Event(event.clone()));
    }

    fn picture_changed(&self) {
        self.tell(|_| {});
    }

    fn cursor(&self, cursor: Cursor) {
        self.tell(|news| news.take_in(cursor));
    }

    fn accept_key(&self, endpoint: &Endpoint, key: &Fingerprint) -> bool {
        self.printer.accept_key(endpoint, key)
    }

    fn account_password(&self, account: &AccountName) -> Option<AccountPassword> {
        self.printer.account_password(account)
    }

    fn accept_computer(&self, endpoint: &Endpoint, key: KeyFingerprint) -> bool {
        self.printer.accept_computer(endpoint, key)
    }
}

/// What the expert may do, as the engine has reported it. The engine checks each event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Waiting,
    Viewing,
    Requested,
    Controlling,
    /// The picture is an old one.
    Reconnecting,
}

struct Desk {
    picture: Picture,
    controls: Controls,
    counters: Counters,
    /// What the counters said when the overlay was drawn last, and when that was; nothing while it is hidden.
    measured: Option<(Instant, Stats)>,
    news: Arc<Mutex<News>>,
    /// The novice's pointer, as far as the window does not show it yet.
    cursor: News,
    novice: String,
    scale: Scale,
    fullscreen: bool,
    shown: Option<Shown>,
    standing: Standing,
    modifiers: ModifiersState,
    pointer: PhysicalPosition<f64>,
    /// Buttons that went down over the desktop, and are still down.
    buttons: u32,
    /// Turns of the wheel that are not yet a whole unit.
    wheel: (f64, f64),
    failure: Option<Failure>,
}

impl ApplicationHandler<Nudge> for Desk {
    fn resumed(&mut self, _event_loop: &ActiveEventLoop) {}

    fn new_events(&mut self, event_loop: &ActiveEventLoop, cause: StartCause) {
        if let StartCause::ResumeTimeReached { .. } = cause {
            self.measure(event_loop);
        }
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, nudge: Nudge) {
        match nudge {
            Nudge::Look => {
                let news = core::mem::take(&mut *lock(&self.news));
                news.shape.into_iter().chain(news.place).for_each(|cursor| self.cursor.take_in(cursor));
                self.show_damage(event_loop);
                self.show_cursor(event_loop);
            }
            Nudge::Event(event) => self.hear(event_loop, &event),
            Nudge::Gone => event_loop.exit(),
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _id: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested => self.controls.end(),
            WindowEvent::Resized(size) => self.draw(event_loop, |shown, picture| shown.resize(size, picture)),
            WindowEvent::RedrawRequested => self.draw(event_loop, Shown::draw_everything),
            WindowEvent::Focused(false) => {
                self.buttons = 0;
                self.controls.lift_all();
            }
            WindowEvent::ModifiersChanged(modifiers) => self.modifiers = modifiers.state(),
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } => self.key(event_loop, &event),
            WindowEvent::CursorMoved { position, .. } => {
                self.pointer = position;
                self.pointer_moved();
                if self.scale == Scale::OneToOne {
                    self.draw(event_loop, |shown, picture| shown.pan(position, picture));
                }
            }
            WindowEvent::MouseInput { state, button, .. } => self.button(button, state == ElementState::Pressed),
            WindowEvent::MouseWheel { delta, .. } => self.wheel(delta),
            _ => {}
        }
    }
}

impl Desk {
    fn hear(&mut self, event_loop: &ActiveEventLoop, event: &ViewerEvent) {
        self.standing = match event {
            ViewerEvent::Viewing { .. } | ViewerEvent::Returned { .. } => Standing::Viewing,
            ViewerEvent::Reconnecting => Standing::Reconnecting,
            ViewerEvent::ControlRequested => Standing::Requested,
            ViewerEvent::Controlling => Standing::Controlling,
            ViewerEvent::ControlRefused | ViewerEvent::Revoked { .. } => Standing::Viewing,
            ViewerEvent::Ended { .. } => {
                event_loop.exit();
                return;
            }
            _ => return,
        };
        if self.standing != Standing::Controlling {
            self.buttons = 0;
        }
        let controlling = self.standing == Standing::Controlling;
        let title = self.title();
        let grey = self.standing == Standing::Reconnecting;
        self.draw(event_loop, |shown, picture| shown.set_grey(grey, picture));
        match &mut self.shown {
            Some(shown) => shown.set_standing(&title, controlling, &self.picture),
            None => {
                self.show_damage(event_loop);
                self.show_cursor(event_loop);
            }
        }
    }

    /// Opens the window with the first picture, then shows what has changed.
    fn show_damage(&mut self, event_loop: &ActiveEventLoop) {
        if self.standing == Standing::Waiting || self.picture.lock().size() == (0, 0) {
            return;
        }
        if self.shown.is_none() {
            let size = self.picture.lock().size();
            match Shown::open(event_loop, &self.title(), size, self.scale, self.fullscreen) {
                Ok(shown) => self.shown = Some(shown),
                Err(error) => return self.fail(event_loop, error),
            }
            let controlling = self.standing == Standing::Controlling;
            let title = self.title();
            if let Some(shown) = &mut self.shown {
                shown.set_standing(&title, controlling, &self.picture);
            }
        }
        self.draw(event_loop, Shown::draw_damage);
    }

    fn show_cursor(&mut self, event_loop: &ActiveEventLoop) {
        let Some(shown) = &mut self.shown else { return };
        let News { shape, place, .. } = core::mem::take(&mut self.cursor);
        for cursor in shape.into_iter().chain(place) {
            shown.set_cursor(event_loop, cursor, &self.picture);
        }
    }

    fn draw(&mut self, event_loop: &ActiveEventLoop, draw: impl FnOnce(&mut Shown, &Picture) -> Result<(), String>) {
        if let Some(shown) = &mut self.shown
            && let Err(error) = draw(shown, &self.picture)
        {
            self.fail(event_loop, error);
        }
    }

    /// A window that cannot be drawn ends the session: the expert would act blindly.
    fn fail(&mut self, event_loop: &ActiveEventLoop, error: String) {
        warn!(%error, "the window failed");
        self.controls.end();
        self.failure = Some(Failure::NoWindow(error));
        event_loop.exit();
    }

    fn title(&self) -> String {
        let novice = &self.novice;
        match self.standing {
            Standing::Waiting => format!("{novice} - waiting"),
            Standing::Reconnecting => format!("{novice} - the connection is lost, reconnecting"),
            Standing::Viewing => format!("{novice} - view only (Ctrl+Alt+C asks for control)"),
            Standing::Requested => format!("{novice} - view only, asking for control (Ctrl+Alt+E withdraws)"),
            Standing::Controlling => format!("{novice} - controlling (Ctrl+Alt+E gives control back)"),
        }
    }

    /// Shows the overlay, or hides it.
    fn toggle_overlay(&mut self, event_loop: &ActiveEventLoop) {
        if self.measured.take().is_some() {
            event_loop.set_control_flow(ControlFlow::Wait);
            self.draw(event_loop, |shown, picture| shown.set_overlay(None, picture));
        } else {
            self.measured = Some((Instant::now(), self.counters.read()));
            self.measure(event_loop);
        }
    }

    /// Draws what has come since the overlay was drawn last. It is the only thing here that goes by the clock, and only
    /// while somebody wants to see it.
    fn measure(&mut self, event_loop: &ActiveEventLoop) {
        let Some((then, before)) = self.measured else { return };
        let (now, stats) = (Instant::now(), self.counters.read());
        let overlay = Overlay::new(&stats.since(&before), now - then);
        self.measured = Some((now, stats));
        event_loop.set_control_flow(ControlFlow::WaitUntil(now + MEASURE));
        self.draw(event_loop, |shown, picture| shown.set_overlay(Some(overlay), picture));
    }

    fn key(&mut self, event_loop: &ActiveEventLoop, event: &KeyEvent) {
        let pressed = event.state == ElementState::Pressed;
        if self.modifiers.control_key()
            && self.modifiers.alt_key()
            && let Some(chord) = chord(event)
        {
            if pressed && !event.repeat {
                match chord {
                    Chord::AskForControl => self.controls.ask_for_control(),
                    Chord::GiveControlBack => self.controls.give_control_back(),
                    Chord::Measure => self.toggle_overlay(event_loop),
                }
            }
            return;
        }
        // A key that is held repeats on the novice's side by itself.
        if self.standing != Standing::Controlling || event.repeat {
            return;
        }
        let PhysicalKey::Code(code) = event.physical_key else { return };
        let Some(scancodes) = keys::scancodes(code) else {
            debug!("a key that the protocol does not know");
            return;
        };
        for &(code, prefix) in scancodes {
            self.controls.send(InputEvent::Key { code, prefix, pressed });
        }
    }

    fn pointer_moved(&self) {
        if self.standing != Standing::Controlling {
            return;
        }
        let Some(shown) = &self.shown else { return };
        let (x, y) = (self.pointer.x, self.pointer.y);
        // A drag goes on along the edge; without one, what lies beside the desktop is not the desktop.
        let at = if self.buttons == 0 { shown.view().desktop_at(x, y) } else { Some(shown.view().nearest(x, y)) };
        if let Some((x, y)) = at {
            self.controls.send(InputEvent::PointerMove { x, y });
        }
    }

    fn button(&mut self, button: MouseButton, pressed: bool) {
        let (button, bit) = match button {
            MouseButton::Left => (Button::Left, 1),
            MouseButton::Right => (Button::Right, 2),
            MouseButton::Middle => (Button::Middle, 4),
            MouseButton::Back => (Button::X1, 8),
            MouseButton::Forward => (Button::X2, 16),
            MouseButton::Other(_) => return,
        };
        if self.standing != Standing::Controlling {
            return;
        }
        let Some(shown) = &self.shown else { return };
        let inside = shown.view().desktop_at(self.pointer.x, self.pointer.y).is_some();
        let held = self.buttons & bit != 0;
        if (pressed && !inside) || (!pressed && !held) {
            return;
        }
        let (x, y) = shown.view().nearest(self.pointer.x, self.pointer.y);
        self.buttons = if pressed { self.buttons | bit } else { self.buttons & !bit };
        self.controls.send(InputEvent::Button { button, pressed, x, y });
    }

    fn wheel(&mut self, delta: MouseScrollDelta) {
        if self.standing != Standing::Controlling {
            return;
        }
        let (x, y) = match delta {
            MouseScrollDelta::LineDelta(x, y) => (f64::from(x) * NOTCH, f64::from(y) * NOTCH),
            MouseScrollDelta::PixelDelta(pixels) => (pixels.x * NOTCH / PIXELS, pixels.y * NOTCH / PIXELS),
        };
        // Here right is where the content goes, on the wire it is where the wheel goes.
        let (x, y) = (self.wheel.0 - x, self.wheel.1 + y);
        self.wheel = (x.fract(), y.fract());
        for (axis, units) in [(Axis::Horizontal, x.trunc()), (Axis::Vertical, y.trunc())] {
            let units = units.clamp(-FASTEST, FASTEST) as i16;
            if units != 0 {
                self.controls.send(InputEvent::Wheel { axis, units });
            }
        }
    }
}

/// What Ctrl+Alt and a letter mean here. They never reach the novice.
#[derive(Clone, Copy)]
enum Chord {
    /// C
    AskForControl,
    /// E
    GiveControlBack,
    /// S
    Measure,
}

fn chord(event: &KeyEvent) -> Option<Chord> {
    let letter = match (&event.logical_key, event.physical_key) {
        (Key::Character(text), _) if text.is_ascii() => match text.as_bytes() {
            [letter] => letter.to_ascii_lowercase().into(),
            _ => return None,
        },
        // A keyboard without Latin letters has the chords where the others have them.
        (_, PhysicalKey::Code(KeyCode::KeyC)) => 'c',
        (_, PhysicalKey::Code(KeyCode::KeyE)) => 'e',
        (_, PhysicalKey::Code(KeyCode::KeyS)) => 's',
        _ => return None,
    };
    match letter {
        'c' => Some(Chord::AskForControl),
        'e' => Some(Chord::GiveControlBack),
        's' => Some(Chord::Measure),
        _ => None,
    }
}

/// Between two looks at the counters while the overlay is shown.
const MEASURE: Duration = Duration::from_secs(1);
/// Units of one notch of a wheel. Source: [MS-RDPBCGR] 2.2.8.1.1.3.1.1.3.
const NOTCH: f64 = 120.0;
/// Pixels that a touchpad moves for what a wheel calls a notch; close to what desktops use.
const PIXELS: f64 = 40.0;
/// Units that fit into one event.
const FASTEST: f64 = 240.0;
