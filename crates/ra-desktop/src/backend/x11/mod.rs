//! The X11 desktop: capture, input and the ESC watcher, each with a connection of its own.
//!
//! A connection each, because a capture that waits for a slow server must never delay the ESC.

mod access;
mod area;
mod capture;
mod esc;
mod hands;
mod keymap;
mod ledger;
mod plan;
mod scancode;
mod shm;
mod wake;

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use ra_session::gate::InputGate;
use rustix::net::sockopt::socket_peercred;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xkb::ConnectionExt as _;
use x11rb::protocol::xproto::{ImageOrder, Screen, VisualClass, Visualtype, Window};
use x11rb::rust_connection::{ReplyError, RustConnection};

pub use self::access::{ANSWERS_WITHIN, X11Access};
use self::area::{Area, Chosen};
use self::capture::X11Capture;
use self::esc::X11Watcher;
use self::hands::X11Hands;
use self::ledger::Ledger;
use crate::capture::CaptureError;
use crate::input::Injector;
use crate::monitor::MonitorChoice;
use crate::watch::Pulse;
use crate::{Desktop, OpenError};

/// Opens the X11 desktop that `display` names, or the variable `DISPLAY`.
///
/// # Errors
/// One sentence each: no display, Xwayland, a missing extension, unusual pixels, somebody else's desktop, no such monitor.
pub fn open(display: Option<&str>, monitor: &MonitorChoice, gate: InputGate) -> Result<Desktop, OpenError> {
    let named = display.map(str::to_owned).or_else(|| std::env::var("DISPLAY").ok()).filter(|name| !name.is_empty());
    let name = named.ok_or(OpenError::NoDisplay)?;
    assemble(&name, || Link::new(&name), monitor, gate)
}

/// Opens the X11 desktop that somebody else has the key to, such as an agent in that session.
///
/// # Errors
/// As [`open`].
pub fn open_with(access: &X11Access, monitor: &MonitorChoice, gate: InputGate) -> Result<Desktop, OpenError> {
    let link = || access.connect().and_then(|(connection, screen)| Link::on(connection, screen));
    assemble(&access.display(), link, monitor, gate)
}

fn assemble(
    name: &str,
    link: impl Fn() -> Result<Link, OpenError>,
    monitor: &MonitorChoice,
    gate: InputGate,
) -> Result<Desktop, OpenError> {
    let first = link()?;
    first.check()?;
    let chosen = Chosen::look_up(monitor, &first.connection, first.root)?;
    let area = Area::default();
    let pulse = Pulse::new();
    let ledger = Ledger::default();
    let watcher = X11Watcher::new(link()?, gate.clone(), pulse.clone(), ledger.clone())?;
    let hands = X11Hands::new(link()?, ledger, area.clone())?;
    let monitor = chosen.name().map(|monitor| format!(", monitor {monitor}")).unwrap_or_default();
    Ok(Desktop {
        name: format!("X11 desktop {name}{monitor}"),
        capture: Box::new(X11Capture::new(first, chosen, area)?),
        injector: Injector::new(gate, pulse, Box::new(hands)),
        watcher: Box::new(watcher),
        demo: None,
    })
}

/// Refuses a Wayland session by its variable: an X server inside it shows an empty root and hears few keys.
pub(crate) fn refuse_wayland(wayland_display: Option<&OsStr>) -> Result<(), OpenError> {
    match wayland_display {
        Some(name) if !name.is_empty() => Err(OpenError::Wayland("WAYLAND_DISPLAY is set")),
        _ => Ok(()),
    }
}

/// One connection to the server.
struct Link {
    connection: RustConnection,
    root: Window,
    screen: usize,
}

impl Link {
    fn new(display: &str) -> Result<Self, OpenError> {
        // Screens above this have no port, and x11rb counts without looking.
        let number = display.rsplit_once(':').and_then(|(_, place)| place.split('.').next()?.parse::<u16>().ok());
        if number.is_some_and(|number| number.checked_add(FIRST_PORT).is_none()) {
            return Err(OpenError::Connect(format!("there is no display {display}")));
        }
        let (connection, screen) =
            RustConnection::connect(Some(display)).map_err(|error| OpenError::Connect(error.to_string()))?;
        Self::on(connection, screen)
    }

    fn on(connection: RustConnection, screen: usize) -> Result<Self, OpenError> {
        let root = connection.setup().roots.get(screen).map(|screen| screen.root);
        let root = root.ok_or_else(|| OpenError::Connect("it has no such screen".to_owned()))?;
        Ok(Self { connection, root, screen })
    }

    /// Everything that could make this desktop unfit, before anything is built on it.
    fn check(&self) -> Result<(), OpenError> {
        self.refuse_other_owner()?;
        if self.has("XWAYLAND")? {
            return Err(OpenError::Wayland("the X server is Xwayland"));
        }
        for extension in EXTENSIONS {
            if !self.has(extension)? {
                return Err(OpenError::Missing(extension));
            }
        }
        if !self.connection.xkb_use_extension(1, 0).map_err(unreachable)?.reply().map_err(unreachable)?.supported {
            return Err(OpenError::Missing("XKEYBOARD"));
        }
        self.refuse_xwayland_outputs().map_err(unreachable)??;
        self.check_pixels()
    }

    fn has(&self, extension: &'static str) -> Result<bool, OpenError> {
        Ok(self.connection.extension_information(extension).map_err(unreachable)?.is_some())
    }

    fn screen(&self) -> Option<&Screen> {
        self.connection.setup().roots.get(self.screen)
    }

    /// Older Xwayland servers have no extension of that name, but their outputs are called after it.
    fn refuse_xwayland_outputs(&self) -> Result<Result<(), OpenError>, ReplyError> {
        let resources = self.connection.randr_get_screen_resources_current(self.root)?.reply()?;
        for output in resources.outputs {
            let info = self.connection.randr_get_output_info(output, resources.config_timestamp)?.reply()?;
            if info.name.starts_with(b"XWAYLAND") {
                return Ok(Err(OpenError::Wayland("the X server is Xwayland")));
            }
        }
        Ok(Ok(()))
    }

    fn check_pixels(&self) -> Result<(), OpenError> {
        let setup = self.connection.setup();
        let screen = self.screen().ok_or_else(|| OpenError::Connect("it has no such screen".to_owned()))?;
        let format = setup.pixmap_formats.iter().find(|format| format.depth == screen.root_depth);
        let bits = format.map_or(0, |format| format.bits_per_pixel);
        let mut visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
        let visual = visuals.find(|visual| visual.visual_id == screen.root_visual);
        if bits == 32 && setup.image_byte_order == ImageOrder::LSB_FIRST && visual.is_some_and(is_bgrx) {
            return Ok(());
        }
        Err(OpenError::Visual(format!("depth {}, {bits} bits per pixel", screen.root_depth)))
    }

    /// Root may share root's own desktop only: the expert must never get more rights than the person who says yes has.
    fn refuse_other_owner(&self) -> Result<(), OpenError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        // A server that the user started, and the key of a server that the display manager started.
        let server = socket_peercred(self.connection.stream()).is_ok_and(|peer| !peer.uid.is_root());
        let key = std::env::var_os("XAUTHORITY").map(PathBuf::from);
        let key = key.is_some_and(|key| std::fs::metadata(key).is_ok_and(|key| key.uid() != 0));
        if server || key { Err(OpenError::NotOwner) } else { Ok(()) }
    }
}

/// Whether a pixel is blue, green, red, unused in memory.
fn is_bgrx(visual: &Visualtype) -> bool {
    visual.class == VisualClass::TRUE_COLOR
        && (visual.red_mask, visual.green_mask, visual.blue_mask) == (0x00FF_0000, 0x0000_FF00, 0x0000_00FF)
}

fn unreachable(error: impl std::fmt::Display) -> OpenError {
    OpenError::Connect(error.to_string())
}

fn gone(error: impl std::fmt::Display) -> CaptureError {
    CaptureError::Gone(error.to_string())
}

/// Where the TCP port of display 0 lies.
const FIRST_PORT: u16 = 6000;

/// What sharing cannot do without. MIT-SHM is missing here: reading works without it, only slowly.
const EXTENSIONS: [&str; 6] = ["DAMAGE", "XFIXES", "RANDR", "XInputExtension", "XKEYBOARD", "XTEST"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wayland_session_is_refused_in_one_sentence() {
        assert!(refuse_wayland(None).is_ok() && refuse_wayland(Some(OsStr::new(""))).is_ok());
        let refusal = refuse_wayland(Some(OsStr::new("wayland-0"))).unwrap_err().to_string();
        assert!(refusal.contains("Wayland session") && !refusal.contains('\n'), "{refusal}");
    }

    #[test]
    fn only_true_colour_in_the_usual_order_is_taken() {
        let usual = Visualtype {
            visual_id: 1,
            class: VisualClass::TRUE_COLOR,
            bits_per_rgb_value: 8,
            colormap_entries: 256,
            red_mask: 0x00FF_0000,
            green_mask: 0x0000_FF00,
            blue_mask: 0x0000_00FF,
        };
        assert!(is_bgrx(&usual));
        assert!(!is_bgrx(&Visualtype { red_mask: 0xFF, blue_mask: 0x00FF_0000, ..usual }));
        assert!(!is_bgrx(&Visualtype { class: VisualClass::PSEUDO_COLOR, ..usual }));
    }
}
