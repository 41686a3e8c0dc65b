//! The ESC watcher on X11: raw key presses of every keyboard, and which of them are a person's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ra_session::gate::InputGate;
use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{ConnectionExt as _, Device, DeviceId, EventMask, RawKeyPressEvent, XIEventMask};
use x11rb::protocol::xproto::{
    Atom, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask as CoreMask, Keycode, Keysym, Window,
    WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::ledger::Ledger;
use super::wake::Wake;
use super::{Link, unreachable};
use crate::OpenError;
use crate::capture::Waker;
use crate::watch::{Cause, HEARTBEAT, PATIENCE, Pulse, Revocation, Watch, Watcher};

/// The watching connection.
///
/// An ESC counts as the novice's unless it comes from a device of the XTEST extension *and* the injector has noted that
/// very press. So an on-screen keyboard, which uses XTEST too, can revoke; so does a device that nobody has heard of.
pub(super) struct X11Watcher {
    connection: RustConnection,
    /// A window of our own that nobody sees: heartbeats are messages to it.
    mailbox: Window,
    wake: Wake,
    gate: InputGate,
    pulse: Pulse,
    ledger: Ledger,
    xtest_property: Atom,
    sources: BTreeMap<DeviceId, Source>,
    esc_keys: BTreeSet<Keycode>,
}

/// What stands behind a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A keyboard that somebody can touch, or what claims to be one.
    Physical,
    /// The XTEST extension: our injector, or another program.
    Xtest,
}

impl X11Watcher {
    pub(super) fn new(link: Link, gate: InputGate, pulse: Pulse, ledger: Ledger) -> Result<Self, OpenError> {
        let Link { connection, root, .. } = link;
        let setup = || -> Result<_, ReplyError> {
            let version = connection.xinput_xi_query_version(2, 2)?.reply()?;
            // With 2.1 raw events are delivered whatever is grabbed, and name their source.
            let usable = (version.major_version, version.minor_version) >= (2, 1);
            connection.xtest_grab_control(true)?.check()?;
            let masks = [
                EventMask { deviceid: Device::ALL_MASTER.into(), mask: vec![XIEventMask::RAW_KEY_PRESS] },
                EventMask { deviceid: Device::ALL.into(), mask: vec![XIEventMask::HIERARCHY] },
            ];
            connection.xinput_xi_select_events(root, &masks)?.check()?;
            let xtest_property = connection.intern_atom(false, b"XTEST Device")?.reply()?.atom;
            Ok((usable, xtest_property))
        };
        let (usable, xtest_property) = setup().map_err(unreachable)?;
        if !usable {
            return Err(OpenError::Missing("XInputExtension 2.1"));
        }
        let mailbox = connection.generate_id().map_err(unreachable)?;
        let window = CreateWindowAux::new();
        let created = connection
            .create_window(0, mailbox, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, x11rb::COPY_FROM_PARENT, &window)
            .map_err(unreachable)?;
        created.check().map_err(unreachable)?;
        let mut watcher = Self {
            connection,
            mailbox,
            wake: Wake::new()?,
            gate,
            pulse,
            ledger,
            xtest_property,
            sources: BTreeMap::new(),
            esc_keys: BTreeSet::new(),
        };
        watcher.read_sources().map_err(unreachable)?;
        watcher.read_keys().map_err(unreachable)?;
        Ok(watcher)
    }

    /// Watches until it is stopped; an error is the reason why it cannot watch any more.
    fn watch(&mut self, watch: &Watch, report: &dyn Fn(Revocation)) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let mut next_beat = Instant::now();
        let mut asked: Option<Instant> = None;
        let mut stale_keys = false;
        loop {
            while let Some(event) = self.connection.poll_for_event().map_err(|error| failed(&error))? {
                match event {
                    Event::XinputRawKeyPress(press) => {
                        if let Some(cause) = self.judge(&press) {
                            report(watch.revoke(cause));
                        }
                    }
                    Event::XinputHierarchy(_) => self.read_sources().map_err(|error| failed(&error))?,
                    Event::MappingNotify(_) => stale_keys = true,
                    Event::ClientMessage(_) => {
                        asked = None;
                        watch.beat();
                    }
                    _ => {}
                }
            }
            if self.wake.take() {
                return Ok(());
            }
            // Only when nothing else is to do: the keycode of ESC itself is known anyway.
            if std::mem::take(&mut stale_keys) {
                self.read_keys().map_err(|error| failed(&error))?;
                continue;
            }
            let now = Instant::now();
            match asked {
                Some(since) if now.duration_since(since) >= PATIENCE => {
                    return Err("the X server does not answer".to_owned());
                }
                None if now >= next_beat => {
                    self.ask().map_err(|error| failed(&error))?;
                    asked = Some(now);
                    next_beat = now + HEARTBEAT;
                }
                _ => {}
            }
            self.connection.flush().map_err(|error| failed(&error))?;
            let deadline = asked.map_or(next_beat, |since| since + PATIENCE);
            self.wake.wait(&self.connection, Some(deadline)).map_err(|error| failed(&error))?;
        }
    }

    /// Whether a key press takes control back, and as what.
    fn judge(&self, press: &RawKeyPressEvent) -> Option<Cause> {
        let keycode = Keycode::try_from(press.detail).ok()?;
        let esc = self.esc_keys.contains(&keycode);
        match self.sources.get(&press.sourceid) {
            // A device that we have not heard of counts as physical.
            Some(Source::Physical) | None => esc.then_some(Cause::PhysicalEsc),
            // Every press is settled, not only ESC, so that the ledger stays short and right.
            Some(Source::Xtest) => (!self.ledger.settle(keycode, Instant::now()) && esc).then_some(Cause::ForeignEsc),
        }
    }

    /// Asks the server for a sign of life, without waiting for it: a message to ourselves.
    fn ask(&self) -> Result<(), ReplyError> {
        let message = ClientMessageEvent::new(32, self.mailbox, self.xtest_property, [0; 5]);
        self.connection.send_event(false, self.mailbox, CoreMask::NO_EVENT, message)?;
        Ok(())
    }

    /// Learns which devices belong to XTEST. The property says so; names would be guesses.
    fn read_sources(&mut self) -> Result<(), ReplyError> {
        let devices = self.connection.xinput_xi_query_device(Device::ALL)?.reply()?;
        let mut sources = BTreeMap::new();
        for device in devices.infos {
            let cookie = self.connection.xinput_xi_get_property(
                device.deviceid,
                false,
                self.xtest_property,
                Atom::from(x11rb::protocol::xproto::AtomEnum::ANY),
                0,
                1,
            )?;
            let source = match cookie.reply() {
                Ok(property) if property.num_items > 0 => Source::Xtest,
                Ok(_) => Source::Physical,
                // It went away between the two questions; should it come back, it is unknown, hence physical.
                Err(ReplyError::X11Error(_)) => continue,
                Err(error) => return Err(error),
            };
            sources.insert(device.deviceid, source);
        }
        self.sources = sources;
        Ok(())
    }

    /// Learns which keys are ESC in the present layout. The usual place of ESC always is.
    fn read_keys(&mut self) -> Result<(), ReplyError> {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let count = last.saturating_sub(first).saturating_add(1);
        let mapping = self.connection.get_keyboard_mapping(first, count)?.reply()?;
        let keys = mapping.keysyms.chunks(usize::from(mapping.keysyms_per_keycode).max(1));
        let esc = (first..=last).zip(keys).filter(|(_, symbols)| symbols.contains(&ESCAPE));
        self.esc_keys = esc.map(|(keycode, _)| keycode).chain([EVDEV_ESC]).collect();
        Ok(())
    }
}

impl Watcher for X11Watcher {
    fn run(mut self: Box<Self>, report: Box<dyn Fn(Revocation) + Send>) {
        let watch = Watch::start(self.gate.clone(), self.pulse.clone());
        if let Err(reason) = self.watch(&watch, &*report) {
            let lost = watch.revoke(Cause::WatcherLost(reason));
            // The pulse stops before the news is out: nobody may take a dead watcher for a living one.
            drop(watch);
            report(lost);
        }
    }

    fn stopper(&self) -> Waker {
        self.wake.waker()
    }
}

const ESCAPE: Keysym = 0xFF1B;
/// Where ESC lies under the evdev rules.
const EVDEV_ESC: Keycode = 9;
