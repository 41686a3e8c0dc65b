//! The agent's windows: a question in the middle of the screen, and in its corner who sees it and the way to stop.
//!
//! Nothing happens by accident: for a moment after a question has come up no key and no click means anything, *no* is what
//! Enter presses, and the window asks the window manager for no keyboard. What another program sends instead of a device
//! is passed over.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use ra_desktop::X11Access;
use ra_novice::agents::{HostLine, On, Speaker};
use ra_novice::places::Inquiry;
use ra_novice::prompt::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::properties::{WmHints, WmSizeHints};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, Gcontext, ImageFormat,
    ImageOrder, PropMode, Screen, StackMode, VisualClass, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::canvas::{Button, Canvas, Does, Sheet};
use super::{Face, Over, answer, asked, follow};
use crate::failure::Failure;
use crate::prompt;
use crate::tell::{self, Teller};

/// Asks in windows of the display that `DISPLAY` names, until that is gone.
pub(super) fn open(place: &Path, teller: &Teller, over: Over) -> Result<(), Failure> {
    let display = std::env::var("DISPLAY").unwrap_or_default();
    // A display elsewhere in a network has no key that is of use to the host.
    let on = X11Access::from_environment().map_or(On::Display { display, cookie: None }, |access| On::display(&access));
    let line = HostLine::watch(place, on).map_err(|error| Failure::chain(&error))?;
    let (wake, woken) = UnixStream::pair().map_err(|error| Failure::chain(&error))?;
    wake.set_nonblocking(true).and_then(|()| woken.set_nonblocking(true)).map_err(|error| Failure::chain(&error))?;
    let (order, orders) = channel();
    let unusable = |error| Failure::other(format!("no window can be opened: {error}"));
    let desk = Desk::connect(orders, woken, line.speaker(), teller.clone()).map_err(unusable)?;
    follow(line, WindowFace { order, wake }, teller, over.clone())?;
    let thread = std::thread::Builder::new().name("window".to_owned()).spawn(move || {
        let error = desk.run().unwrap_or_else(|error| error);
        let _ = over.send(Err(Failure::other(format!("the display is gone: {error}"))));
    });
    thread.map(drop).map_err(|error| Failure::chain(&error))
}

/// What the host's thread wants the windows to show.
enum Order {
    Alone,
    Ask(u64, Inquiry),
    Withdraw,
    Show(Status),
}

struct WindowFace {
    order: Sender<Order>,
    wake: UnixStream,
}

impl WindowFace {
    fn give(&self, order: Order) {
        // Windows that are gone have ended the program already; a full pipe wakes them as well.
        let _ = self.order.send(order);
        let _ = (&self.wake).write(&[0]);
    }
}

impl Face for WindowFace {
    fn alone(&mut self) {
        self.give(Order::Alone);
    }

    fn say(&mut self, text: &str) {
        tell::aside(text);
    }

    fn ask(&mut self, number: u64, inquiry: Inquiry) {
        self.give(Order::Ask(number, inquiry));
    }

    fn withdraw(&mut self) {
        self.give(Order::Withdraw);
    }

    fn show(&mut self, status: &Status) {
        self.give(Order::Show(status.clone()));
    }
}

struct Desk {
    connection: RustConnection,
    screen: Screen,
    paint: Gcontext,
    keys: Keys,
    orders: Receiver<Order>,
    woken: UnixStream,
    speaker: Speaker,
    teller: Teller,
    status: Status,
    question: Option<Open>,
    shown: Option<Shown>,
}

/// A question that stands on the screen, or is about to.
struct Open {
    number: u64,
    inquiry: Inquiry,
    stands: Stands,
}

/// How long a question has been there to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    NotYet,
    Since(Instant),
    /// Long enough: it can be answered.
    Armed,
}

/// The one window that is open.
struct Shown {
    window: Window,
    sheet: Sheet,
    canvas: Canvas,
    /// The button under the pointer when that went down.
    pressed: Option<Does>,
}

/// What this program calls an X server's troubles: each of them ends the windows.
type Gone = String;

impl Desk {
    fn connect(orders: Receiver<Order>, woken: UnixStream, speaker: Speaker, teller: Teller) -> Result<Self, Gone> {
        let (connection, number) = RustConnection::connect(None).map_err(gone)?;
        let screen = connection.setup().roots.get(number).cloned().ok_or("it has no such screen")?;
        if !has_usual_pixels(&connection, &screen) {
            return Err("its pixels are of an unusual kind".to_owned());
        }
        let paint = connection.generate_id().map_err(gone)?;
        connection.create_gc(paint, screen.root, &CreateGCAux::new()).map_err(gone)?;
        let keys = Keys::read(&connection)?;
        let (status, question, shown) = (Status::Waiting, None, None);
        Ok(Self { connection, screen, paint, keys, orders, woken, speaker, teller, status, question, shown })
    }

    /// Shows what there is to show until the display is gone; the reason.
    fn run(mut self) -> Result<Gone, Gone> {
        loop {
            while let Some(event) = self.connection.poll_for_event().map_err(gone)? {
                self.hear(&event)?;
            }
            while let Ok(order) = self.orders.try_recv() {
                self.carry_out(order)?;
            }
            self.arm()?;
            self.connection.flush().map_err(gone)?;
            self.wait()?;
        }
    }

    fn wait(&self) -> Result<(), Gone> {
        let mut descriptors =
            [PollFd::new(self.connection.stream(), PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
        let timeout = match self.question.as_ref().map(|open| open.stands) {
            Some(Stands::Since(since)) => Timespec::try_from(READ_FIRST.saturating_sub(since.elapsed())).ok(),
            _ => None,
        };
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(gone(error)),
        }
        let mut wakes = [0; 64];
        while (&self.woken).read(&mut wakes).is_ok_and(|read| read == wakes.len()) {}
        Ok(())
    }

    fn carry_out(&mut self, order: Order) -> Result<(), Gone> {
        match order {
            Order::Alone => (self.question, self.status) = (None, Status::Waiting),
            Order::Ask(number, inquiry) => {
                self.question = Some(Open { number, inquiry, stands: Stands::NotYet });
            }
            Order::Withdraw => self.question = None,
            Order::Show(status) if status == self.status => return Ok(()),
            Order::Show(status) => {
                self.status = status;
                // A question that is being read stays where it is.
                if self.question.is_some() {
                    return Ok(());
                }
            }
        }
        self.present()
    }

    /// After the moment that is for reading, keys and clicks count.
    fn arm(&mut self) -> Result<(), Gone> {
        let Some(open) = &mut self.question else { return Ok(()) };
        if !matches!(open.stands, Stands::Since(since) if since.elapsed() >= READ_FIRST) {
            return Ok(());
        }
        open.stands = Stands::Armed;
        if let Some(shown) = &mut self.shown {
            shown.sheet.buttons().iter_mut().for_each(|button| button.live = true);
            shown.pressed = None;
        }
        self.redraw()?;
        if let Some(open) = &self.question {
            asked(&open.inquiry, &self.teller);
        }
        Ok(())
    }

    fn hear(&mut self, event: &Event) -> Result<(), Gone> {
        match event {
            Event::Expose(expose) if expose.count == 0 => {
                if let Some(open) = &mut self.question
                    && open.stands == Stands::NotYet
                {
                    open.stands = Stands::Since(Instant::now());
                }
                self.paint()
            }
            Event::MappingNotify(_) => {
                self.keys = Keys::read(&self.connection)?;
                Ok(())
            }
            // The close button of a question is a no; that of the corner would hide who is watching.
            Event::ClientMessage(_) => self.press(Does::No),
            // What a program sends is not what a device does.
            event if event.sent_event() => Ok(()),
            Event::ButtonPress(press) if press.detail == LEFT => {
                if let Some(shown) = &mut self.shown {
                    shown.pressed = shown.sheet.at(press.event_x, press.event_y);
                }
                Ok(())
            }
            Event::ButtonRelease(release) if release.detail == LEFT => {
                let Some(shown) = &mut self.shown else { return Ok(()) };
                let here = shown.sheet.at(release.event_x, release.event_y);
                match shown.pressed.take().filter(|pressed| Some(*pressed) == here) {
                    Some(does) => self.press(does),
                    None => Ok(()),
                }
            }
            Event::KeyPress(key) => self.key(self.keys.of(key.detail)),
            _ => Ok(()),
        }
    }

    fn key(&mut self, key: u32) -> Result<(), Gone> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        let buttons = shown.sheet.buttons();
        match key {
            TAB | LEFT_ARROW | RIGHT_ARROW if buttons.iter().all(|button| button.live) => {
                buttons.iter_mut().for_each(|button| button.focused = !button.focused && self.question.is_some());
                self.redraw()
            }
            ENTER | KEYPAD_ENTER | SPACE => {
                let focused = buttons.iter().find(|button| button.focused && button.live).map(|button| button.does);
                focused.map_or(Ok(()), |does| self.press(does))
            }
            ESCAPE => self.press(Does::No),
            _ => Ok(()),
        }
    }

    fn press(&mut self, does: Does) -> Result<(), Gone> {
        match does {
            Does::Yes | Does::No => {
                let armed = self.question.take_if(|open| open.stands == Stands::Armed);
                let Some(Open { number, inquiry, .. }) = armed else { return Ok(()) };
                answer(number, inquiry.kind, does == Does::Yes, &self.speaker, &self.teller);
                self.present()?;
            }
            Does::TakeBack => self.speaker.take_back(),
            Does::Stop => self.speaker.stop(),
        }
        Ok(())
    }

    /// Opens the window that belongs to what goes on, in place of the one that is there.
    fn present(&mut self) -> Result<(), Gone> {
        if let Some(Shown { window, .. }) = self.shown.take() {
            self.connection.destroy_window(window).map_err(gone)?;
        }
        let (screen_width, screen_height) = (self.screen.width_in_pixels, self.screen.height_in_pixels);
        let Some(sheet) = self.sheet() else { return Ok(()) };
        let (width, height) = sheet.size();
        let (left, top) = match self.question {
            Some(_) => (screen_width.saturating_sub(width) / 2, screen_height.saturating_sub(height) / 2),
            None => (screen_width.saturating_sub(width), 0),
        };
        let place = |at: u16| i16::try_from(at).unwrap_or(i16::MAX);
        let window = self.connection.generate_id().map_err(gone)?;
        let mask = EventMask::EXPOSURE | EventMask::KEY_PRESS | EventMask::BUTTON_PRESS | EventMask::BUTTON_RELEASE;
        let looks = CreateWindowAux::new().background_pixel(self.screen.white_pixel).event_mask(mask);
        let (depth, visual) = (self.screen.root_depth, self.screen.root_visual);
        let (x, y, class) = (place(left), place(top), WindowClass::INPUT_OUTPUT);
        self.connection
            .create_window(depth, window, self.screen.root, x, y, width, height, 0, class, visual, &looks)
            .map_err(gone)?;
        self.describe(window, (width, height))?;
        self.connection.map_window(window).map_err(gone)?;
        let raise = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
        self.connection.configure_window(window, &raise).map_err(gone)?;
        let canvas = sheet.draw();
        self.shown = Some(Shown { window, sheet, canvas, pressed: None });
        Ok(())
    }

    /// What stands in the window, if there is one.
    fn sheet(&self) -> Option<Sheet> {
        let button = |does| Button { does, focused: false, live: true };
        if let Some(open) = &self.question {
            let buttons = [Does::No, Does::Yes].map(|does| Button { does, focused: does == Does::No, live: false });
            return Some(Sheet::new(&prompt::in_paragraphs(&open.inquiry), QUESTION_COLUMNS, buttons.into()));
        }
        let now = SystemTime::now();
        let (text, buttons) = match &self.status {
            Status::Waiting => return None,
            Status::Viewing { asker, since } => (prompt::sees(asker, *since, now), vec![button(Does::Stop)]),
            Status::Lost { asker, .. } => (prompt::lost(asker), vec![button(Does::Stop)]),
            Status::Controlling { asker, since } => {
                (prompt::controls(asker, *since, now), vec![button(Does::TakeBack), button(Does::Stop)])
            }
        };
        Some(Sheet::new(&[text], CORNER_COLUMNS, buttons))
    }

    /// What window managers want to know.
    fn describe(&self, window: Window, (width, height): (u16, u16)) -> Result<(), Gone> {
        let connection = &self.connection;
        let atom = |name: &str| -> Result<u32, Gone> {
            Ok(connection.intern_atom(false, name.as_bytes()).map_err(gone)?.reply().map_err(gone)?.atom)
        };
        let text = |property: u32, kind: u32, text: &str| {
            connection.change_property8(PropMode::REPLACE, window, property, kind, text.as_bytes()).map_err(gone)
        };
        let number = |property: u32, kind: AtomEnum, number: u32| {
            connection.change_property32(PropMode::REPLACE, window, property, kind, &[number]).map_err(gone)
        };
        text(AtomEnum::WM_NAME.into(), AtomEnum::STRING.into(), TITLE)?;
        text(atom("_NET_WM_NAME")?, atom("UTF8_STRING")?, TITLE)?;
        number(atom("WM_PROTOCOLS")?, AtomEnum::ATOM, atom("WM_DELETE_WINDOW")?)?;
        number(atom("_NET_WM_STATE")?, AtomEnum::ATOM, atom("_NET_WM_STATE_ABOVE")?)?;
        // No keyboard by itself: what is being typed elsewhere must not end here.
        number(atom("_NET_WM_USER_TIME")?, AtomEnum::CARDINAL, 0)?;
        let class = b"novice-host\0RemoteAssistance\0";
        connection
            .change_property8(PropMode::REPLACE, window, AtomEnum::WM_CLASS, AtomEnum::STRING, class)
            .map_err(gone)?;
        let hints = WmHints { input: Some(true), urgent: self.question.is_some(), ..WmHints::new() };
        hints.set(connection, window).map_err(gone)?;
        let fixed = Some((i32::from(width), i32::from(height)));
        let size = WmSizeHints { min_size: fixed, max_size: fixed, ..WmSizeHints::new() };
        size.set_normal_hints(connection, window).map_err(gone)?;
        Ok(())
    }

    fn redraw(&mut self) -> Result<(), Gone> {
        if let Some(shown) = &mut self.shown {
            shown.canvas = shown.sheet.draw();
        }
        self.paint()
    }

    /// Sends the picture, in strips that fit a request.
    fn paint(&self) -> Result<(), Gone> {
        let Some(Shown { window, sheet, canvas, .. }) = &self.shown else { return Ok(()) };
        let (width, _) = sheet.size();
        let row = usize::from(width) * 4;
        let rows = ((self.connection.maximum_request_bytes() - REQUEST) / row.max(1)).max(1);
        let mut top = 0;
        for strip in canvas.pixels.chunks(rows * row) {
            let height = u16::try_from(strip.len() / row).unwrap_or(u16::MAX);
            let (depth, format) = (self.screen.root_depth, ImageFormat::Z_PIXMAP);
            self.connection
                .put_image(format, *window, self.paint, width, height, 0, top, 0, depth, strip)
                .map_err(gone)?;
            top = top.saturating_add(i16::try_from(height).unwrap_or(i16::MAX));
        }
        Ok(())
    }
}

/// Which keys mean something here.
struct Keys {
    first: u8,
    each: usize,
    symbols: Vec<u32>,
}

impl Keys {
    fn read(connection: &RustConnection) -> Result<Self, Gone> {
        let (first, last) = (connection.setup().min_keycode, connection.setup().max_keycode);
        let count = (last - first).saturating_add(1);
        let mapping = connection.get_keyboard_mapping(first, count).map_err(gone)?.reply().map_err(gone)?;
        Ok(Self { first, each: mapping.keysyms_per_keycode.into(), symbols: mapping.keysyms })
    }

    /// The symbol of a key without modifiers; 0 for none.
    fn of(&self, code: u8) -> u32 {
        let at = usize::from(code.saturating_sub(self.first)) * self.each;
        self.symbols.get(at).copied().unwrap_or_default()
    }
}

/// Whether a pixel of the screen is blue, green, red, unused.
fn has_usual_pixels(connection: &RustConnection, screen: &Screen) -> bool {
    let setup = connection.setup();
    let bits = setup.pixmap_formats.iter().find(|format| format.depth == screen.root_depth);
    let mut visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    let visual = visuals.find(|visual| visual.visual_id == screen.root_visual);
    bits.is_some_and(|format| format.bits_per_pixel == 32)
        && setup.image_byte_order == ImageOrder::LSB_FIRST
        && visual.is_some_and(|v| v.class == VisualClass::TRUE_COLOR && (v.red_mask, v.blue_mask) == (0xFF_0000, 0xFF))
}

fn gone(error: impl std::fmt::Display) -> Gone {
    error.to_string()
}

const TITLE: &str = "Remote Assistance";
/// For reading a question, before a key or a click can answer it: what was on its way to another window is over by then.
const READ_FIRST: Duration = Duration::from_secs(1);
const QUESTION_COLUMNS: usize = 64;
const CORNER_COLUMNS: usize = 40;
/// Bytes of a `PutImage` request beside its pixels.
const REQUEST: usize = 64;
/// The left button.
const LEFT: u8 = 1;
/// Symbols of keys. Source: keysymdef.h.
const TAB: u32 = 0xFF09;
const ENTER: u32 = 0xFF0D;
const ESCAPE: u32 = 0xFF1B;
const LEFT_ARROW: u32 = 0xFF51;
const RIGHT_ARROW: u32 = 0xFF53;
const KEYPAD_ENTER: u32 = 0xFF8D;
const SPACE: u32 = 0x20;
