//! The ESC watcher on X11: raw key presses of every keyboard, and which of them are a person's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ra_session::gate::InputGate;
use x11rb::connection::Connection;
use x11rb::cookie::Cookie;
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{
    ConnectionExt as _, Device, DeviceId, EventMask, HierarchyEvent, RawKeyPressEvent, XIEventMask, XIGetPropertyReply,
    XIQueryDeviceReply,
};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask as CoreMask,
    GetKeyboardMappingReply, Keycode, Keysym, Window, WindowClass,
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
///
/// INVARIANT: while it watches it never waits for the answer to a request, because a server that is grabbed by a program
/// delivers key presses and answers nobody.
pub(super) struct X11Watcher {
    connection: RustConnection,
    mailbox: Mailbox,
    wake: Wake,
    gate: InputGate,
    pulse: Pulse,
    xtest_property: Atom,
    judge: Judge,
}

/// A window of our own that nobody sees, for messages to ourselves.
struct Mailbox {
    window: Window,
    /// Keeps other programs from answering for the server: no such message is ours.
    secret: [u32; 4],
    sent: u32,
}

/// What it takes to tell whose ESC a key press is.
struct Judge {
    ledger: Ledger,
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

/// A question that is under way. A message to ourselves follows it, and answers come in order: when that message is
/// there the answer is there too, and fetching it does not wait.
enum Question<'c> {
    /// Only: are you there?
    Beat,
    /// Which devices are there?
    Devices(Cookie<'c, RustConnection, XIQueryDeviceReply>),
    /// Which of them belong to XTEST? The property says so; names would be guesses.
    Properties(Vec<(DeviceId, Cookie<'c, RustConnection, XIGetPropertyReply>)>),
    /// Which keys are ESC in the present layout?
    Keys(Cookie<'c, RustConnection, GetKeyboardMappingReply>),
}

/// What has to be asked again.
#[derive(Clone, Copy, Debug, Default)]
struct Stale {
    devices: bool,
    keys: bool,
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
        let mailbox = Mailbox::new(&connection, root)?;
        let judge = Judge { ledger, sources: BTreeMap::new(), esc_keys: BTreeSet::from([EVDEV_ESC]) };
        let mut watcher = Self { connection, mailbox, wake: Wake::new()?, gate, pulse, xtest_property, judge };
        watcher.learn().map_err(unreachable)?;
        Ok(watcher)
    }

    /// Asks everything once and waits for the answers, which is allowed before the watch.
    fn learn(&mut self) -> Result<(), ReplyError> {
        for stale in [Stale { devices: true, keys: false }, Stale { devices: false, keys: true }] {
            let mut question = Some(ask(&self.connection, stale)?);
            while let Some(asked) = question {
                question = self.judge.answer(&self.connection, self.xtest_property, asked)?;
            }
        }
        Ok(())
    }

    /// Watches until it is stopped; an error is the reason why it cannot watch any more.
    fn watch(&mut self, watch: &Watch, report: &dyn Fn(Revocation)) -> Result<(), ReplyError> {
        let Self { connection, mailbox, wake, xtest_property, judge, .. } = self;
        let mut next_beat = Instant::now();
        let mut asked: Option<(Instant, Question<'_>)> = None;
        let mut stale = Stale::default();
        loop {
            while let Some(event) = connection.poll_for_event()? {
                match event {
                    Event::XinputRawKeyPress(press) => {
                        if let Some(cause) = judge.judge(&press, Instant::now()) {
                            report(watch.revoke(cause));
                        }
                    }
                    Event::XinputHierarchy(changes) => {
                        judge.forget(&changes);
                        stale.devices = true;
                    }
                    Event::MappingNotify(_) => stale.keys = true,
                    Event::ClientMessage(message) if mailbox.is_last(&message) => {
                        watch.beat();
                        if let Some((_, question)) = asked.take()
                            && let Some(next) = judge.answer(connection, *xtest_property, question)?
                        {
                            asked = Some((Instant::now(), next));
                            mailbox.send(connection)?;
                        }
                    }
                    _ => {}
                }
            }
            if wake.take() {
                return Ok(());
            }
            let now = Instant::now();
            match &asked {
                Some((since, _)) if now.duration_since(*since) >= PATIENCE => {
                    return Err(ReplyError::ConnectionError(silent()));
                }
                None if stale.devices || stale.keys || now >= next_beat => {
                    let now_asked = Stale { keys: stale.keys && !stale.devices, ..stale };
                    stale = Stale { devices: false, keys: stale.keys && stale.devices };
                    asked = Some((now, ask(connection, now_asked)?));
                    mailbox.send(connection)?;
                    next_beat = now + HEARTBEAT;
                }
                _ => {}
            }
            connection.flush()?;
            let deadline = asked.as_ref().map_or(next_beat, |(since, _)| *since + PATIENCE);
            wake.wait(connection, Some(deadline)).map_err(|error| ConnectionError::IoError(error.into()))?;
        }
    }
}

impl Mailbox {
    fn new(connection: &RustConnection, root: Window) -> Result<Self, OpenError> {
        let mut secret = [[0; 4]; 4];
        getrandom::fill(secret.as_flattened_mut()).map_err(|error| OpenError::Random(error.to_string()))?;
        let window = connection.generate_id().map_err(unreachable)?;
        let (class, visual, plain) = (WindowClass::INPUT_ONLY, x11rb::COPY_FROM_PARENT, CreateWindowAux::new());
        let created = connection.create_window(0, window, root, 0, 0, 1, 1, 0, class, visual, &plain);
        created.map_err(unreachable)?.check().map_err(unreachable)?;
        Ok(Self { window, secret: secret.map(u32::from_ne_bytes), sent: 0 })
    }

    /// Sends the message that comes back behind the answers to everything asked before.
    fn send(&mut self, connection: &RustConnection) -> Result<(), ConnectionError> {
        self.sent = self.sent.wrapping_add(1);
        let message = ClientMessageEvent::new(32, self.window, Atom::from(AtomEnum::WM_NAME), self.content());
        connection.send_event(false, self.window, CoreMask::NO_EVENT, message)?;
        Ok(())
    }

    /// Whether this is the message that was sent last.
    fn is_last(&self, message: &ClientMessageEvent) -> bool {
        message.format == 32 && message.window == self.window && message.data.as_data32() == self.content()
    }

    fn content(&self) -> [u32; 5] {
        let [a, b, c, d] = self.secret;
        [a, b, c, d, self.sent]
    }
}

impl Judge {
    /// Whether a key press takes control back, and as what.
    fn judge(&self, press: &RawKeyPressEvent, now: Instant) -> Option<Cause> {
        let keycode = Keycode::try_from(press.detail).ok()?;
        let esc = self.esc_keys.contains(&keycode);
        match self.sources.get(&press.sourceid) {
            // A device that we have not heard of counts as physical.
            Some(Source::Physical) | None => esc.then_some(Cause::PhysicalEsc),
            // Every press is settled, not only ESC, so that the ledger stays short and right.
            Some(Source::Xtest) => (!self.ledger.settle(keycode, now) && esc).then_some(Cause::ForeignEsc),
        }
    }

    /// Forgets devices that came, went or moved: until we know better they are physical.
    fn forget(&mut self, changes: &HierarchyEvent) {
        for change in changes.infos.iter().filter(|change| u32::from(change.flags) != 0) {
            self.sources.remove(&change.deviceid);
        }
    }

    /// Takes in an answer; perhaps there is a question that follows from it.
    fn answer<'c>(
        &mut self,
        connection: &'c RustConnection,
        xtest_property: Atom,
        question: Question<'c>,
    ) -> Result<Option<Question<'c>>, ReplyError> {
        match question {
            Question::Beat => {}
            Question::Devices(cookie) => {
                let devices = cookie.reply()?;
                let properties = devices.infos.iter().map(|device| {
                    let id = device.deviceid;
                    let any = AtomEnum::ANY.into();
                    Ok((id, connection.xinput_xi_get_property(id, false, xtest_property, any, 0, 1)?))
                });
                return Ok(Some(Question::Properties(properties.collect::<Result<_, ConnectionError>>()?)));
            }
            Question::Properties(cookies) => {
                self.sources.clear();
                for (id, cookie) in cookies {
                    match cookie.reply() {
                        Ok(property) if property.num_items > 0 => drop(self.sources.insert(id, Source::Xtest)),
                        Ok(_) => drop(self.sources.insert(id, Source::Physical)),
                        // It went away between the two questions; should it come back, it is unknown, hence physical.
                        Err(ReplyError::X11Error(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Question::Keys(cookie) => {
                let mapping = cookie.reply()?;
                let first = connection.setup().min_keycode;
                let keys = mapping.keysyms.chunks(usize::from(mapping.keysyms_per_keycode).max(1));
                let esc = (first..=Keycode::MAX).zip(keys).filter(|(_, symbols)| symbols.contains(&ESCAPE));
                // The usual place of ESC always counts, whatever the layout makes of it.
                self.esc_keys = esc.map(|(keycode, _)| keycode).chain([EVDEV_ESC]).collect();
            }
        }
        Ok(None)
    }
}

/// Sends the question that is due.
fn ask(connection: &RustConnection, stale: Stale) -> Result<Question<'_>, ConnectionError> {
    if stale.devices {
        return Ok(Question::Devices(connection.xinput_xi_query_device(Device::ALL)?));
    }
    if stale.keys {
        let (first, last) = (connection.setup().min_keycode, connection.setup().max_keycode);
        let count = last.saturating_sub(first).saturating_add(1);
        return Ok(Question::Keys(connection.get_keyboard_mapping(first, count)?));
    }
    Ok(Question::Beat)
}

fn silent() -> ConnectionError {
    ConnectionError::IoError(std::io::Error::new(std::io::ErrorKind::TimedOut, "the X server does not answer"))
}

impl Watcher for X11Watcher {
    fn run(mut self: Box<Self>, report: Box<dyn Fn(Revocation) + Send>) {
        let watch = Watch::start(self.gate.clone(), self.pulse.clone());
        if let Err(reason) = self.watch(&watch, &*report) {
            let lost = watch.revoke(Cause::WatcherLost(reason.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn press(source: DeviceId, keycode: u32) -> RawKeyPressEvent {
        RawKeyPressEvent {
            response_type: 0,
            extension: 0,
            sequence: 0,
            length: 0,
            event_type: 0,
            deviceid: 3,
            time: 0,
            detail: keycode,
            sourceid: source,
            flags: 0_u32.into(),
            valuator_mask: Vec::new(),
            axisvalues: Vec::new(),
            axisvalues_raw: Vec::new(),
        }
    }

    #[test]
    fn s055_r051_every_esc_counts_but_the_experts_own() {
        let sources = BTreeMap::from([(5, Source::Xtest), (7, Source::Physical)]);
        let judge = Judge { ledger: Ledger::default(), sources, esc_keys: BTreeSet::from([9, 66]) };
        let now = Instant::now();
        assert_eq!(judge.judge(&press(7, 9), now), Some(Cause::PhysicalEsc));
        assert_eq!(judge.judge(&press(7, 66), now), Some(Cause::PhysicalEsc), "ESC lies elsewhere too");
        assert_eq!(judge.judge(&press(7, 38), now), None);
        assert_eq!(judge.judge(&press(99, 9), now), Some(Cause::PhysicalEsc), "an unknown device is a physical one");
        assert_eq!(judge.judge(&press(5, 9), now), Some(Cause::ForeignEsc), "XTEST, but not ours");
        judge.ledger.note(9, now);
        assert_eq!(judge.judge(&press(7, 9), now), Some(Cause::PhysicalEsc), "a note never covers a real keyboard");
        assert_eq!(judge.judge(&press(5, 9), now), None, "ours");
        assert_eq!(judge.judge(&press(5, 9), now), Some(Cause::ForeignEsc), "one note, one press");
        assert_eq!(judge.judge(&press(5, 999), now), None, "no such key");
    }
}
