//! The part of the root window that is shared: a monitor, or all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{Atom, ConnectionExt as _, Window};
use x11rb::rust_connection::{ReplyError, RustConnection};

use crate::OpenError;
use crate::frame::Rect;
use crate::monitor::{Monitor, MonitorChoice};

/// What was chosen to be shared, looked up once.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    /// The whole root window.
    Everything,
    /// A monitor, by its name.
    Monitor {
        /// The name as the server has it.
        atom: Atom,
        /// The name as people read it.
        name: String,
    },
}

/// Where the picture lies on the root window, as the capture measured it last: what the expert points at.
#[derive(Clone, Debug, Default)]
pub(super) struct Area(Arc<AtomicU64>);

impl Chosen {
    /// Looks a choice up.
    ///
    /// # Errors
    /// [`OpenError::NoMonitor`] when no such monitor is there, [`OpenError::Connect`] when the server is gone.
    pub(super) fn look_up(
        choice: &MonitorChoice,
        connection: &RustConnection,
        root: Window,
    ) -> Result<Self, OpenError> {
        if *choice == MonitorChoice::All {
            return Ok(Self::Everything);
        }
        let (monitors, atoms) = monitors(connection, root).map_err(super::unreachable)?;
        let Some(found) = choice.find(&monitors)? else { return Ok(Self::Everything) };
        let place = monitors.iter().position(|monitor| monitor == found);
        let atom = place.and_then(|place| atoms.get(place)).copied().unwrap_or_default();
        Ok(Self::Monitor { atom, name: found.name.clone() })
    }

    /// Where it lies now; `None` while that monitor is not there.
    pub(super) fn area(&self, connection: &RustConnection, root: Window) -> Result<Option<Rect>, ReplyError> {
        let geometry = connection.get_geometry(root)?;
        let monitors = match self {
            Self::Everything => None,
            Self::Monitor { atom, .. } => Some((atom, connection.randr_get_monitors(root, true)?)),
        };
        let geometry = geometry.reply()?;
        let whole = Rect { x: 0, y: 0, width: geometry.width, height: geometry.height };
        let Some((atom, monitors)) = monitors else { return Ok(Some(whole)) };
        let monitors = monitors.reply()?.monitors;
        let found = monitors.iter().find(|monitor| monitor.name == *atom);
        Ok(found.and_then(|found| rect(found.x, found.y, found.width, found.height).intersection(whole)))
    }

    /// The monitor's name, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Everything => None,
            Self::Monitor { name, .. } => Some(name),
        }
    }
}

impl Area {
    /// Sets it; `None` while there is nothing to point at.
    pub(super) fn set(&self, area: Option<Rect>) {
        let Rect { x, y, width, height } = area.unwrap_or(NOWHERE);
        let packed = [x, y, width, height].into_iter().fold(0, |packed, part| packed << 16 | u64::from(part));
        self.0.store(packed, Ordering::SeqCst);
    }

    /// A place in the picture as a place on the root window, cut to the picture; `None` while there is none.
    pub(super) fn on_root(&self, x: u16, y: u16) -> Option<(i16, i16)> {
        let packed = self.0.load(Ordering::SeqCst);
        let part = |shift: u32| (packed >> shift) as u16;
        let (left, top) = (part(48), part(32));
        let (last_x, last_y) = (part(16).checked_sub(1)?, part(0).checked_sub(1)?);
        let place = |start: u16, place: u16| i16::try_from(start.saturating_add(place)).unwrap_or(i16::MAX);
        Some((place(left, x.min(last_x)), place(top, y.min(last_y))))
    }
}

/// All monitors from left to right and from top to bottom, and the atoms of their names.
fn monitors(connection: &RustConnection, root: Window) -> Result<(Vec<Monitor>, Vec<Atom>), ReplyError> {
    let mut found = Vec::new();
    for monitor in connection.randr_get_monitors(root, true)?.reply()?.monitors {
        let name = connection.get_atom_name(monitor.name)?.reply()?.name;
        let described = Monitor {
            // A name is for people to read and to type; what else stands in it is no use to them.
            name: String::from_utf8_lossy(&name).chars().filter(|c| !c.is_control()).collect(),
            area: rect(monitor.x, monitor.y, monitor.width, monitor.height),
            primary: monitor.primary,
        };
        found.push((described, monitor.name));
    }
    // The server's own order begins with the primary one, which is not how they stand on a desk.
    found.sort_by_key(|(monitor, _)| (monitor.area.x, monitor.area.y));
    Ok(found.into_iter().unzip())
}

/// A rectangle without what lies above or left of the root window, which has no pixels.
pub(super) fn rect(x: i16, y: i16, width: u16, height: u16) -> Rect {
    let start = |place: i16| u16::try_from(place).unwrap_or(0);
    let cut = |place: i16, length: u16| length.saturating_sub(place.min(0).unsigned_abs());
    Rect { x: start(x), y: start(y), width: cut(x, width), height: cut(y, height) }
}

const NOWHERE: Rect = Rect { x: 0, y: 0, width: 0, height: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_cut_to_the_picture_and_moved_to_where_that_lies() {
        let area = Area::default();
        assert_eq!(area.on_root(5, 5), None, "nothing was measured yet");
        area.set(Some(Rect { x: 1920, y: 100, width: 1280, height: 720 }));
        assert_eq!(area.on_root(5, 6), Some((1925, 106)));
        assert_eq!(area.on_root(u16::MAX, u16::MAX), Some((3199, 819)));
        area.set(None);
        assert_eq!(area.on_root(5, 5), None);
    }
}
