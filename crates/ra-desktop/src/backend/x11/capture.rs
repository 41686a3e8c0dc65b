//! Reading an X11 screen: damage as the wake-up and as an upper bound, shared memory for the pixels.

use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::damage::{self, ConnectionExt as _, ReportLevel};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::xfixes::{ConnectionExt as _, CursorNotifyMask, GetCursorImageReply};
use x11rb::protocol::xinput::{self, ConnectionExt as _, XIEventMask};
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask, ImageFormat, Window};
use x11rb::protocol::{ErrorKind, Event};
use x11rb::rust_connection::RustConnection;

use super::area::{Area, Chosen, rect};
use super::shm::Segment;
use super::wake::Wake;
use super::{Link, gone};
use crate::OpenError;
use crate::capture::{CURSOR_LIMIT, Capture, CaptureError, Change, Cursor, CursorShape, Damage, Waker};
use crate::damage::Tiles;
use crate::frame::{BYTES_PER_PIXEL, Frame, Rect, Size};

/// The capturing connection and what it has read.
pub(super) struct X11Capture {
    connection: RustConnection,
    root: Window,
    wake: Wake,
    damage: damage::Damage,
    region: u32,
    chosen: Chosen,
    /// Where the frame lies on the root window; `None` while the chosen monitor is not there.
    area: Option<Rect>,
    /// The same for the hands.
    told_area: Area,
    segment: Option<Segment>,
    frame: Frame,
    tiles: Tiles,
    /// Happenings that `wait` has yet to tell.
    news: Change,
    /// Told, and not read since: further damage is no news.
    picture_told: bool,
    cursor_told: bool,
    /// The whole picture must be read: at first, and after a change of size.
    whole: bool,
    resized: bool,
    shape_stale: bool,
    position: Option<(u16, u16)>,
}

impl X11Capture {
    pub(super) fn new(link: Link, chosen: Chosen, told_area: Area) -> Result<Self, OpenError> {
        let Link { connection, root, .. } = link;
        let failed = |error: ReplyError| OpenError::Connect(error.to_string());
        let setup = || -> Result<_, ReplyError> {
            connection.damage_query_version(1, 1)?.reply()?;
            connection.xfixes_query_version(5, 0)?.reply()?;
            connection.randr_query_version(1, 5)?.reply()?;
            connection.xinput_xi_query_version(2, 2)?.reply()?;
            let notify = randr::NotifyMask::SCREEN_CHANGE | randr::NotifyMask::CRTC_CHANGE;
            connection.randr_select_input(root, notify | randr::NotifyMask::OUTPUT_CHANGE)?.check()?;
            let attributes = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
            connection.change_window_attributes(root, &attributes)?.check()?;
            connection.xfixes_select_cursor_input(root, CursorNotifyMask::DISPLAY_CURSOR)?.check()?;
            let motion =
                xinput::EventMask { deviceid: xinput::Device::ALL_MASTER.into(), mask: vec![XIEventMask::RAW_MOTION] };
            connection.xinput_xi_select_events(root, &[motion])?.check()?;
            Ok(())
        };
        setup().map_err(failed)?;
        let id = || connection.generate_id().map_err(|error| OpenError::Connect(error.to_string()));
        let (damage, region) = (id()?, id()?);
        let create = || -> Result<(), ReplyError> {
            connection.damage_create(damage, root, ReportLevel::NON_EMPTY)?.check()?;
            connection.xfixes_create_region(region, &[])?.check()
        };
        create().map_err(failed)?;
        let nothing = Size { width: 0, height: 0 };
        let mut capture = Self {
            wake: Wake::new()?,
            connection,
            root,
            damage,
            region,
            chosen,
            area: None,
            told_area,
            segment: None,
            frame: Frame::black(nothing),
            tiles: Tiles::new(nothing),
            news: Change { picture: true, cursor: true, woken: false },
            picture_told: false,
            cursor_told: false,
            whole: true,
            resized: true,
            shape_stale: true,
            position: None,
        };
        capture.measure().map_err(failed)?;
        match capture.missing_monitor() {
            Some(name) => Err(OpenError::Connect(format!("the monitor {name} went away meanwhile"))),
            None => Ok(capture),
        }
    }

    /// Asks where the picture lies and makes everything that depends on it anew.
    fn measure(&mut self) -> Result<(), ReplyError> {
        self.resized = false;
        let area = self.chosen.area(&self.connection, self.root)?;
        let size = area.map_or(self.frame.size(), |area| Size { width: area.width, height: area.height });
        if area == self.area && size == self.frame.size() {
            return Ok(());
        }
        (self.area, self.whole) = (area, true);
        self.told_area.set(area);
        if area.is_some() && self.segment.is_some() && size == self.frame.size() {
            // It has only moved.
            return Ok(());
        }
        if let Some(old) = self.segment.take() {
            old.detach(&self.connection);
        }
        self.frame = Frame::black(size);
        self.tiles = Tiles::new(size);
        if area.is_none() {
            return Ok(());
        }
        if let Some((segment, frame)) = Segment::new(&self.connection, size) {
            self.segment = Some(segment);
            self.frame = frame;
        } else {
            tracing::warn!("no shared memory with the X server: reading the screen over the socket, slowly");
        }
        Ok(())
    }

    /// Takes the damage that the server has collected, as marks on the tiles.
    fn collect(&mut self) -> Result<(), ReplyError> {
        self.connection.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let damaged = self.connection.xfixes_fetch_region(self.region)?.reply()?;
        let area = self.area.unwrap_or(Rect { x: 0, y: 0, width: 0, height: 0 });
        for damaged in damaged.rectangles {
            if let Some(part) = rect(damaged.x, damaged.y, damaged.width, damaged.height).intersection(area) {
                self.tiles.mark(Rect { x: part.x - area.x, y: part.y - area.y, ..part });
            }
        }
        if self.whole {
            self.tiles.mark(self.frame.size().rect());
        }
        Ok(())
    }

    /// Reads the marked parts into the frame; without a monitor there is nothing to read, and black is told once.
    fn grab(&mut self) -> Result<Vec<Rect>, ReplyError> {
        let parts = self.tiles.take();
        let Some(area) = self.area else {
            self.whole = false;
            return Ok(parts);
        };
        if parts.is_empty() {
            return Ok(parts);
        }
        // A read that fails in the middle has to be done again in full.
        self.whole = true;
        if let Some(segment) = &self.segment {
            segment.grab(&self.connection, (self.root, (area.x, area.y)), &parts, &mut self.frame)?;
        } else {
            for part in &parts {
                let place = |start: u16, place: u16| i16::try_from(start.saturating_add(place)).unwrap_or(i16::MAX);
                let (x, y) = (place(area.x, part.x), place(area.y, part.y));
                let format = ImageFormat::Z_PIXMAP;
                let cookie = self.connection.get_image(format, self.root, x, y, part.width, part.height, !0)?;
                self.frame.put(*part, &cookie.reply()?.data);
            }
        }
        if self.chosen.name().is_some() && self.chosen.area(&self.connection, self.root)? != self.area {
            // The monitor moved or went away, and these pixels may be another's: nobody sees them.
            self.resized = true;
            return Ok(Vec::new());
        }
        self.whole = false;
        Ok(parts)
    }

    fn take_events(&mut self) -> Result<(), CaptureError> {
        while let Some(event) = self.connection.poll_for_event().map_err(gone)? {
            match event {
                Event::DamageNotify(_) => self.news.picture = true,
                Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) => self.changed_size(),
                Event::ConfigureNotify(notify) if notify.window == self.root => self.changed_size(),
                Event::XfixesCursorNotify(_) => {
                    self.shape_stale = true;
                    self.news.cursor = true;
                }
                Event::XinputRawMotion(_) => self.news.cursor = true,
                Event::Error(error) => tracing::debug!(kind = ?error.error_kind, "the X server refused a request"),
                _ => {}
            }
        }
        Ok(())
    }

    fn changed_size(&mut self) {
        self.resized = true;
        self.news.picture = true;
    }

    /// What `wait` may tell now: each happening once.
    fn tell(&mut self) -> Change {
        let news = Change {
            picture: std::mem::take(&mut self.news.picture) && !self.picture_told,
            cursor: std::mem::take(&mut self.news.cursor) && !self.cursor_told,
            woken: self.wake.take(),
        };
        self.picture_told |= news.picture;
        self.cursor_told |= news.cursor;
        news
    }
}

impl Capture for X11Capture {
    fn size(&self) -> Size {
        self.frame.size()
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Change, CaptureError> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        self.connection.flush().map_err(gone)?;
        loop {
            self.take_events()?;
            let news = self.tell();
            if news != Change::default() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(news);
            }
            self.wake.wait(&self.connection, deadline).map_err(gone)?;
        }
    }

    fn read(&mut self) -> Result<Damage, CaptureError> {
        self.take_events()?;
        // What happens from here on is news again: the server reports damage anew once it has been collected.
        self.news.picture = false;
        self.picture_told = false;
        let before = self.frame.size();
        for _ in 0..ATTEMPTS {
            // A monitor that is awaited may come back without a word.
            if self.resized || self.area.is_none() {
                self.measure().map_err(gone)?;
            }
            match self.collect().and_then(|()| self.grab()) {
                Ok(_) if self.resized => {}
                Ok(rects) => return Ok(Damage { rects, resized: self.frame.size() != before }),
                Err(ReplyError::ConnectionError(error)) => return Err(gone(error)),
                Err(ReplyError::X11Error(error)) => {
                    // The screen shrank under the grab (Match, Access, Drawable): measure again.
                    tracing::debug!(kind = ?error.error_kind, "the screen changed while it was read");
                    self.resized = true;
                    if !matches!(error.error_kind, ErrorKind::Match | ErrorKind::Access | ErrorKind::Drawable) {
                        // Something is wrong with the segment itself; the next attempt makes another one.
                        self.frame = Frame::black(Size { width: 0, height: 0 });
                    }
                }
            }
        }
        Err(CaptureError::Unsteady)
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn missing_monitor(&self) -> Option<&str> {
        self.chosen.name().filter(|_| self.area.is_none())
    }

    fn cursor(&mut self) -> Result<Option<Cursor>, CaptureError> {
        self.cursor_told = false;
        let (shape, position) = if self.shape_stale {
            let cookie = self.connection.xfixes_get_cursor_image().map_err(gone)?;
            match cookie.reply() {
                Ok(image) => {
                    self.shape_stale = false;
                    (Some(shape(&image)), (image.x, image.y))
                }
                Err(ReplyError::ConnectionError(error)) => return Err(gone(error)),
                // A screen without any cursor.
                Err(ReplyError::X11Error(_)) => (Some(CursorShape::Hidden), (0, 0)),
            }
        } else {
            let pointer = self.connection.query_pointer(self.root).map_err(gone)?.reply().map_err(gone)?;
            (None, (pointer.root_x, pointer.root_y))
        };
        let before = self.position;
        // Outside of what is shared it is nobody's business; it stays where it was seen last.
        let position = self.area.and_then(|area| place_in(area, position)).or(before).unwrap_or_default();
        self.position = Some(position);
        Ok((before != Some(position) || shape.is_some()).then_some(Cursor { shape, position }))
    }

    fn waker(&self) -> Waker {
        self.wake.waker()
    }
}

/// A place on the root window as a place in `area`; `None` outside.
fn place_in(area: Rect, (x, y): (i16, i16)) -> Option<(u16, u16)> {
    let (x, y) = (u16::try_from(x).ok()?.checked_sub(area.x)?, u16::try_from(y).ok()?.checked_sub(area.y)?);
    (x < area.width && y < area.height).then_some((x, y))
}

/// The pointer's picture with straight alpha, at most [`CURSOR_LIMIT`] pixels a side around its hot spot.
fn shape(image: &GetCursorImageReply) -> CursorShape {
    let window = |length: u16, hot: u16| {
        let kept = length.min(CURSOR_LIMIT);
        let hot = hot.min(length.saturating_sub(1));
        (hot.saturating_sub(kept / 2).min(length - kept), kept, hot)
    };
    let (left, width, hot_x) = window(image.width, image.xhot);
    let (top, height, hot_y) = window(image.height, image.yhot);
    let rows = image.cursor_image.chunks_exact(usize::from(image.width).max(1));
    let kept = rows.skip(usize::from(top)).take(usize::from(height));
    let bgra: Vec<u8> = kept
        .flat_map(|row| row.iter().skip(usize::from(left)).take(usize::from(width)))
        .flat_map(|pixel| straight(pixel.to_le_bytes()))
        .collect();
    let complete = bgra.len() == usize::from(width) * usize::from(height) * BYTES_PER_PIXEL;
    if !complete || bgra.chunks_exact(BYTES_PER_PIXEL).all(|pixel| pixel[3] == 0) {
        return CursorShape::Hidden;
    }
    CursorShape::Image { size: Size { width, height }, hotspot: (hot_x - left, hot_y - top), bgra }
}

/// Takes the alpha out of premultiplied colours.
fn straight([blue, green, red, alpha]: [u8; 4]) -> [u8; 4] {
    let part = |colour: u8| match alpha {
        0 => 0,
        _ => u8::try_from((u16::from(colour) * 255 + u16::from(alpha) / 2) / u16::from(alpha)).unwrap_or(u8::MAX),
    };
    [part(blue), part(green), part(red), alpha]
}

/// How often a read begins again because the screen changed its size under it.
const ATTEMPTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u16, height: u16, hot: (u16, u16), pixel: u32) -> GetCursorImageReply {
        GetCursorImageReply {
            sequence: 0,
            length: 0,
            x: 0,
            y: 0,
            width,
            height,
            xhot: hot.0,
            yhot: hot.1,
            cursor_serial: 0,
            cursor_image: vec![pixel; usize::from(width) * usize::from(height)],
        }
    }

    #[test]
    fn a_large_pointer_is_cropped_around_its_hot_spot() {
        let shape = shape(&image(200, 120, (190, 10), 0xFF11_2233));
        let CursorShape::Image { size, hotspot, bgra } = shape else { panic!("it is visible") };
        assert_eq!(size, Size { width: 96, height: 96 });
        assert_eq!(hotspot, (86, 10));
        assert_eq!(bgra[..4], [0x33, 0x22, 0x11, 0xFF]);
    }

    #[test]
    fn a_transparent_or_odd_pointer_is_hidden() {
        assert_eq!(shape(&image(16, 16, (0, 0), 0x00FF_FFFF)), CursorShape::Hidden);
        assert_eq!(shape(&image(0, 0, (5, 5), 0)), CursorShape::Hidden);
        let mut short = image(16, 16, (0, 0), 0xFFFF_FFFF);
        short.cursor_image.truncate(20);
        assert_eq!(shape(&short), CursorShape::Hidden);
    }

    #[test]
    fn alpha_is_taken_out_of_the_colours() {
        assert_eq!(straight([0x40, 0x80, 0x00, 0x80]), [0x80, 0xFF, 0, 0x80]);
        assert_eq!(straight([9, 9, 9, 0]), [0; 4]);
        assert_eq!(straight([0xFF, 0xFF, 0xFF, 1]), [0xFF, 0xFF, 0xFF, 1], "an impossible colour is not wrapped");
    }
}
