//! An open window and its surface: draws the damaged parts, at once, and nothing else.

use std::num::NonZeroU32;
use std::rc::Rc;

use ra_expert::{Cursor, CursorShape, Picture};
use softbuffer::{Context, Surface};
use winit::dpi::{PhysicalPosition, PhysicalSize};
use winit::event_loop::ActiveEventLoop;
use winit::raw_window_handle::{HasWindowHandle as _, RawWindowHandle};
use winit::window::{CursorIcon, CustomCursor, Fullscreen, Window};

use super::cursor::Sprite;
use super::overlay::Overlay;
use super::view::{Area, View};
use crate::cli::Scale;

/// A window that shows the novice's desktop.
pub(super) struct Shown {
    window: Rc<Window>,
    surface: Surface<Rc<Window>, Rc<Window>>,
    size: (u32, u32),
    desktop: (u16, u16),
    scale: Scale,
    pan: (f64, f64),
    view: View,
    /// What the last picture has changed in the window: a second buffer of the window system does not have it yet.
    last: Vec<Area>,
    sprite: Sprite,
    overlay: Option<Overlay>,
    /// Stands in its place while there is something more important to say.
    notice: Option<Overlay>,
    local: LocalCursor,
    controlling: bool,
    /// The picture is an old one, and looks so.
    grey: bool,
    /// Presenting only queues requests here, see [`Shown::flush`].
    on_x11: bool,
}

/// The expert's own pointer while it controls: it looks like the novice's.
enum LocalCursor {
    Icon(CursorIcon),
    Shape(CustomCursor),
    Hidden,
}

impl Shown {
    /// Opens a window as large as the desktop, or as the screen has room.
    pub(super) fn open(
        event_loop: &ActiveEventLoop,
        title: &str,
        desktop: (u16, u16),
        scale: Scale,
        fullscreen: bool,
    ) -> Result<Self, String> {
        let wanted = room_for(event_loop, desktop);
        let attributes = Window::default_attributes()
            .with_title(title)
            .with_inner_size(wanted)
            .with_fullscreen(fullscreen.then_some(Fullscreen::Borderless(None)));
        let window = Rc::new(event_loop.create_window(attributes).map_err(|error| error.to_string())?);
        let context = Context::new(Rc::clone(&window)).map_err(|error| error.to_string())?;
        let surface = Surface::new(&context, Rc::clone(&window)).map_err(|error| error.to_string())?;
        let handle = window.window_handle().map(|handle| handle.as_raw());
        let on_x11 = matches!(handle, Ok(RawWindowHandle::Xlib(_) | RawWindowHandle::Xcb(_)));
        let size = window.inner_size();
        let mut shown = Self {
            window,
            surface,
            size: (0, 0),
            desktop,
            scale,
            pan: (0.0, 0.0),
            view: View::new((0, 0), desktop, scale, (0.0, 0.0)),
            last: Vec::new(),
            sprite: Sprite::new(),
            overlay: None,
            notice: None,
            local: LocalCursor::Icon(CursorIcon::Default),
            controlling: false,
            grey: false,
            on_x11,
        };
        shown.take_size(size)?;
        Ok(shown)
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// The title, and whose pointer is shown.
    pub(super) fn set_standing(&mut self, title: &str, controlling: bool, picture: &Picture) {
        self.window.set_title(title);
        if self.controlling != controlling {
            let before = self.sprite_area();
            self.controlling = controlling;
            self.apply_cursor();
            // A failure to draw shows again with the next picture.
            let _ = self.draw_areas(picture, before.into_iter().chain(self.sprite_area()).collect());
        }
    }

    /// Shows the picture in half its light, and says why, while it is not known whether it is still true.
    pub(super) fn set_grey(&mut self, grey: bool, picture: &Picture) -> Result<(), String> {
        if self.grey == grey {
            return Ok(());
        }
        self.grey = grey;
        self.notice = grey.then(Overlay::lost);
        self.draw_everything(picture)
    }

    pub(super) fn set_cursor(&mut self, event_loop: &ActiveEventLoop, cursor: Cursor, picture: &Picture) {
        let before = self.sprite_area();
        match cursor {
            Cursor::Arrow => {
                self.sprite.show_arrow();
                self.local = LocalCursor::Icon(CursorIcon::Default);
            }
            Cursor::Hidden => {
                self.sprite.hide();
                self.local = LocalCursor::Hidden;
            }
            Cursor::Shape(shape) => {
                self.local = custom(event_loop, &shape);
                self.sprite.show(shape);
            }
            Cursor::Position { x, y } => self.sprite.move_to(x, y),
            _ => return,
        }
        self.apply_cursor();
        let changed: Vec<Area> = before.into_iter().chain(self.sprite_area()).collect();
        if !changed.is_empty() {
            let _ = self.draw_areas(picture, changed);
        }
    }

    /// Puts the box over the picture, another one in its place, or takes it away.
    pub(super) fn set_overlay(&mut self, overlay: Option<Overlay>, picture: &Picture) -> Result<(), String> {
        self.overlay = overlay;
        self.draw_areas(picture, Overlay::area(self.size).into_iter().collect())
    }

    pub(super) fn resize(&mut self, size: PhysicalSize<u32>, picture: &Picture) -> Result<(), String> {
        self.take_size(size)?;
        self.draw_everything(picture)
    }

    /// What does not fit follows the pointer.
    pub(super) fn pan(&mut self, pointer: PhysicalPosition<f64>, picture: &Picture) -> Result<(), String> {
        let part = |at: f64, length: u32| (at / f64::from(length.max(2) - 1)).clamp(0.0, 1.0);
        self.pan = (part(pointer.x, self.size.0), part(pointer.y, self.size.1));
        let view = View::new(self.size, self.desktop, self.scale, self.pan);
        if view == self.view {
            return Ok(());
        }
        self.view = view;
        self.draw_everything(picture)
    }

    pub(super) fn draw_everything(&mut self, picture: &Picture) -> Result<(), String> {
        let everything = self.view.everything();
        self.draw_areas(picture, vec![everything])
    }

    /// Draws what the engine has painted since the last time.
    pub(super) fn draw_damage(&mut self, picture: &Picture) -> Result<(), String> {
        let (size, damage) = {
            let mut canvas = picture.lock();
            (canvas.size(), canvas.take_damage())
        };
        if size != self.desktop {
            self.desktop = size;
            self.view = View::new(self.size, size, self.scale, self.pan);
            // Where the window system lets us, the window takes the desktop's size again; the answer may come later.
            if let Some(size) = self.window.request_inner_size(PhysicalSize::new(u32::from(size.0), u32::from(size.1)))
            {
                self.take_size(size)?;
            }
            return self.draw_everything(picture);
        }
        let areas = damage.iter().filter_map(|&rect| self.view.area_of(rect)).collect();
        self.draw_areas(picture, areas)
    }

    fn draw_areas(&mut self, picture: &Picture, mut areas: Vec<Area>) -> Result<(), String> {
        areas.retain(|area| area.width > 0 && area.height > 0);
        if areas.is_empty() || self.size.0 == 0 || self.size.1 == 0 {
            return Ok(());
        }
        let (view, size) = (self.view, self.size);
        let sprite = self.sprite_area();
        let mut buffer = self.surface.buffer_mut().map_err(|error| error.to_string())?;
        let mut paint = match buffer.age() {
            1 => areas.clone(),
            2 => areas.iter().chain(&self.last).copied().collect(),
            _ => vec![view.everything()],
        };
        if self.grey {
            // What is painted twice would be darkened twice.
            paint = vec![view.everything()];
        }
        let everything = paint.first() == Some(&view.everything());
        let overlay = self.notice.as_ref().or(self.overlay.as_ref()).zip(Overlay::area(size));
        let overlay = overlay.filter(|(_, over)| paint.iter().any(|area| area.touches(*over)));
        // The pointer is mixed into fresh pixels only: mixed in twice it would grow darker.
        let sprite = sprite.filter(|sprite| paint.iter().any(|area| area.touches(*sprite)));
        paint.extend(sprite);
        {
            let canvas = picture.lock();
            for &area in &paint {
                view.paint(area, &canvas, &mut buffer);
            }
            if self.grey {
                buffer.iter_mut().for_each(|pixel| *pixel = (*pixel >> 1) & HALF);
            }
            if let Some(area) = sprite {
                draw_sprite(&self.sprite, &view, area, size.0, &mut buffer);
            }
            if let Some((overlay, over)) = overlay {
                overlay.paint(size, &mut buffer);
                paint.push(over);
            }
        }
        let damage: Vec<softbuffer::Rect> = paint.iter().filter_map(|area| area.to_softbuffer()).collect();
        self.last = if everything { vec![view.everything()] } else { areas };
        buffer.present_with_damage(&damage).map_err(|error| error.to_string())?;
        self.flush()
    }

    /// On X11 a present only fills a queue; whoever waits for a reply sends it. The next buffer waits for one, so ask for
    /// it now: the pixel is on the screen a few milliseconds earlier, and the server is never more than a frame behind.
    fn flush(&mut self) -> Result<(), String> {
        if self.on_x11 {
            self.surface.buffer_mut().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn take_size(&mut self, size: PhysicalSize<u32>) -> Result<(), String> {
        if let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) {
            self.surface.resize(width, height).map_err(|error| error.to_string())?;
        }
        self.size = (size.width, size.height);
        self.view = View::new(self.size, self.desktop, self.scale, self.pan);
        Ok(())
    }

    /// Where the novice's pointer is drawn; nowhere while the expert's own pointer stands for it.
    fn sprite_area(&self) -> Option<Area> {
        if self.controlling { None } else { self.view.area_of(self.sprite.rect(self.desktop)?) }
    }

    fn apply_cursor(&self) {
        let local = if self.controlling { &self.local } else { &LocalCursor::Icon(CursorIcon::Default) };
        match local {
            LocalCursor::Icon(icon) => self.window.set_cursor(*icon),
            LocalCursor::Shape(shape) => self.window.set_cursor(shape.clone()),
            LocalCursor::Hidden => {}
        }
        self.window.set_cursor_visible(!matches!(local, LocalCursor::Hidden));
    }
}

impl Area {
    fn touches(self, other: Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    fn to_softbuffer(self) -> Option<softbuffer::Rect> {
        let (width, height) = (NonZeroU32::new(self.width)?, NonZeroU32::new(self.height)?);
        Some(softbuffer::Rect { x: self.x, y: self.y, width, height })
    }
}

fn draw_sprite(sprite: &Sprite, view: &View, area: Area, stride: u32, buffer: &mut [u32]) {
    for y in area.y..area.y + area.height {
        for x in area.x..area.x + area.width {
            let Some((column, row)) = view.desktop_at(f64::from(x), f64::from(y)) else { continue };
            let place = y as usize * stride as usize + x as usize;
            if let Some(pixel) = buffer.get_mut(place) {
                *pixel = sprite.over(column, row, *pixel);
            }
        }
    }
}

fn custom(event_loop: &ActiveEventLoop, shape: &CursorShape) -> LocalCursor {
    match CustomCursor::from_rgba(shape.rgba.clone(), shape.width, shape.height, shape.hotspot_x, shape.hotspot_y) {
        Ok(source) => LocalCursor::Shape(event_loop.create_custom_cursor(source)),
        Err(_) => LocalCursor::Icon(CursorIcon::Default),
    }
}

/// The desktop's size, cut to the largest screen.
fn room_for(event_loop: &ActiveEventLoop, desktop: (u16, u16)) -> PhysicalSize<u32> {
    let screens = event_loop.available_monitors().map(|screen| screen.size());
    let largest = screens.max_by_key(|size| u64::from(size.width) * u64::from(size.height));
    let wanted = PhysicalSize::new(u32::from(desktop.0), u32::from(desktop.1));
    match largest.filter(|size| size.width > 0 && size.height > 0) {
        Some(size) => PhysicalSize::new(wanted.width.min(size.width), wanted.height.min(size.height)),
        None => wanted,
    }
}

/// Leaves each colour its upper seven bits after a shift by one.
const HALF: u32 = 0x007f_7f7f;
