//! The screen thread: reads the desktop and makes frames for as long as an expert may see, newest first.
//!
//! Nothing is queued. While a frame is on its way, or waits for its acknowledgement, the desktop is simply not read;
//! the next read then brings everything that changed meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ra_desktop::{Capture, CaptureError, CursorShape, Waker};
use ra_graphics::bitmap::BitmapEncoder;
use ra_graphics::gfx::GfxServer;
use ra_graphics::pointer::{Alpha, PointerEncoder, PointerShape};
use ra_graphics::{FrameView, Rect, Size};
use ra_session::{Stamp, View};
use tokio::sync::watch;

use crate::rdp::{FramesOut, FromGraphics, GraphicsClient, Wrapping};

/// The engine's handle on the screen thread.
pub(crate) struct Screen {
    inbox: Sender<ToScreen>,
    waker: Waker,
    /// Messages of the peer that the thread has not taken yet.
    from_peer: Arc<AtomicUsize>,
    /// Width and height of the desktop as it was read last, in the upper and lower half.
    size: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

/// Everything that the thread needs to show the desktop to one expert.
pub(crate) struct Show {
    /// Marks each frame with the consent it was made under.
    pub(crate) stamp: Stamp<View>,
    /// Where frames go.
    pub(crate) frames: FramesOut,
    /// What the expert can be shown.
    pub(crate) client: GraphicsClient,
    /// How graphics payloads become PDUs, where the expert joined `drdynvc`.
    pub(crate) wrapping: Option<Wrapping>,
    /// The size of the desktop as the expert was told it.
    pub(crate) announced: (u16, u16),
    /// Takes the name of the monitor that is shared while it is not there.
    pub(crate) missing_monitor: watch::Sender<Option<String>>,
    /// Called when the desktop cannot be read any more.
    pub(crate) lost: Box<dyn FnOnce() + Send>,
    /// Called when the expert has taken nothing of what it was sent for [`SILENT_AFTER`].
    pub(crate) stalled: Box<dyn FnOnce() + Send>,
}

/// What an expert's connection has to say to the thread.
#[derive(Debug)]
pub(crate) enum PeerWish {
    /// News of the graphics channel.
    Graphics(FromGraphics),
    /// It does (not) want pictures for now.
    WantsPictures(bool),
    /// It wants the whole picture again.
    Repaint,
    /// It has shown a frame of surface commands.
    Shown(u32),
}

enum ToScreen {
    Show(Box<Show>),
    Hide,
    Peer(PeerWish),
    Controlled(bool),
    Written,
    End,
}

impl Screen {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(capture: Box<dyn Capture>) -> std::io::Result<Self> {
        let (inbox, messages) = mpsc::channel();
        let waker = capture.waker();
        let from_peer = Arc::new(AtomicUsize::new(0));
        let size = Arc::new(AtomicU32::new(packed(capture.size())));
        let easel = Easel {
            capture,
            size: Arc::clone(&size),
            messages,
            own: (inbox.clone(), waker.clone()),
            from_peer: Arc::clone(&from_peer),
            shape: None,
            origin: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("screen".into()).spawn(move || easel.run())?;
        Ok(Self { inbox, waker, from_peer, size, thread: Some(thread) })
    }

    /// The desktop's size as it was read last.
    pub(crate) fn size(&self) -> ra_desktop::Size {
        let [w1, w0, h1, h0] = self.size.load(Ordering::SeqCst).to_be_bytes();
        ra_desktop::Size { width: u16::from_be_bytes([w1, w0]), height: u16::from_be_bytes([h1, h0]) }
    }

    /// Shows the desktop to an expert, in place of the one before.
    pub(crate) fn show(&self, show: Show) {
        self.send(ToScreen::Show(Box::new(show)));
    }

    /// Stops showing it.
    pub(crate) fn hide(&self) {
        self.send(ToScreen::Hide);
    }

    /// While the expert controls, the pointer's place is its own to know.
    pub(crate) fn controlled(&self, controlled: bool) {
        self.send(ToScreen::Controlled(controlled));
    }

    /// Passes a wish of the peer on; false when it wishes faster than anybody can listen.
    pub(crate) fn wish(&self, wish: PeerWish) -> bool {
        if self.from_peer.fetch_add(1, Ordering::SeqCst) >= PEER_WISHES {
            return false;
        }
        self.send(ToScreen::Peer(wish));
        true
    }

    fn send(&self, message: ToScreen) {
        // A thread that is gone has said so by its `lost`.
        let _ = self.inbox.send(message);
        self.waker.wake();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.send(ToScreen::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Show {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Show").field("client", &self.client).finish_non_exhaustive()
    }
}

/// The thread's own side.
struct Easel {
    capture: Box<dyn Capture>,
    size: Arc<AtomicU32>,
    messages: Receiver<ToScreen>,
    /// For the writer's "written".
    own: (Sender<ToScreen>, Waker),
    from_peer: Arc<AtomicUsize>,
    /// The pointer as it was told last, for an expert who comes later.
    shape: Option<CursorShape>,
    origin: Instant,
}

/// How pictures go to this expert.
enum Way {
    /// The graphics channel was offered and may yet open.
    Undecided {
        until: Instant,
        channel: Option<u32>,
        server: Box<GfxServer>,
    },
    Pipeline {
        channel: u32,
        server: Box<GfxServer>,
    },
    Bitmaps(Box<BitmapEncoder>),
}

struct Showing {
    show: Show,
    /// The clock of frames began then.
    origin: Instant,
    way: Way,
    pointer: PointerEncoder,
    /// Whole PDUs, made and not sent yet.
    batches: Vec<Vec<u8>>,
    /// A frame is with the writer.
    writing: bool,
    wants_pictures: bool,
    /// The desktop may differ from what was read last.
    unread: bool,
    /// Read and not sent.
    pending: Vec<Rect>,
    cursor_news: bool,
    controlled: bool,
    told_position: Option<(u16, u16)>,
    /// When the expert last took something, or was last sent something after everything was taken.
    progress: Instant,
}

impl Easel {
    fn run(mut self) {
        while let Ok(message) = self.messages.recv() {
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    ToScreen::Show(show) => {
                        tracing::debug!(client = ?show.client, "showing");
                        next = self.show(*show);
                    }
                    ToScreen::End => return,
                    ToScreen::Peer(_) => self.heard_peer(),
                    ToScreen::Hide | ToScreen::Controlled(_) | ToScreen::Written => {}
                }
            }
        }
    }

    /// Shows until told otherwise; returns the message that ended it, if that means something to the next.
    fn show(&mut self, show: Show) -> Option<ToScreen> {
        let mut showing = Showing::new(show, self.origin);
        showing.pending = everything();
        loop {
            loop {
                match self.messages.try_recv() {
                    Ok(ToScreen::Peer(wish)) => {
                        self.heard_peer();
                        showing.progress = Instant::now();
                        showing.heard(wish);
                    }
                    Ok(ToScreen::Controlled(controlled)) => showing.controlled = controlled,
                    Ok(ToScreen::Written) => {
                        showing.progress = Instant::now();
                        showing.writing = false;
                    }
                    Ok(ToScreen::Hide) | Err(mpsc::TryRecvError::Disconnected) => return None,
                    Ok(message @ (ToScreen::Show(_) | ToScreen::End)) => return Some(message),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            if showing.is_stalled() {
                tracing::info!("the expert takes nothing any more");
                (showing.show.stalled)();
                return None;
            }
            if let Err(error) = self.paint(&mut showing) {
                tracing::warn!(%error, "the desktop cannot be shown any more");
                (showing.show.lost)();
                return None;
            }
            match self.capture.wait(showing.patience()) {
                Ok(change) => {
                    showing.unread |= change.picture;
                    showing.cursor_news |= change.cursor;
                }
                Err(error) => {
                    tracing::warn!(%error, "the desktop is lost");
                    (showing.show.lost)();
                    return None;
                }
            }
        }
    }

    fn paint(&mut self, showing: &mut Showing) -> Result<(), CaptureError> {
        showing.settle_way();
        if showing.can_paint() {
            if showing.unread {
                let damage = self.capture.read()?;
                showing.unread = false;
                showing.show.missing_monitor.send_if_modified(|told| {
                    let missing = self.capture.missing_monitor();
                    let news = told.as_deref() != missing;
                    *told = missing.map(str::to_owned);
                    news
                });
                if damage.resized {
                    showing.pending.clear();
                    self.size.store(packed(self.capture.size()), Ordering::SeqCst);
                }
                showing.pending.extend(damage.rects.into_iter().map(|r| Rect::new(r.x, r.y, r.width, r.height)));
            }
            if !showing.pending.is_empty() || showing.is_due() {
                showing.frame(self.capture.as_ref());
            }
        }
        if showing.cursor_news {
            showing.cursor_news = false;
            if let Some(cursor) = self.capture.cursor()? {
                if let Some(shape) = cursor.shape {
                    showing.shape(&shape);
                    self.shape = Some(shape);
                } else if showing.told_position.is_none()
                    && let Some(shape) = &self.shape
                {
                    showing.shape(shape);
                }
                showing.position(cursor.position);
            } else if showing.told_position.is_none()
                && let Some(shape) = &self.shape
            {
                showing.shape(shape);
                showing.told_position = Some((0, 0));
            }
        }
        self.send(showing);
        Ok(())
    }

    fn send(&self, showing: &mut Showing) {
        if showing.writing || showing.batches.is_empty() {
            return;
        }
        if !showing.owes() {
            showing.progress = Instant::now();
        }
        let (inbox, waker) = self.own.clone();
        let stamped = showing.show.stamp.stamp(std::mem::take(&mut showing.batches));
        showing.writing = showing.show.frames.send(stamped, move || {
            let _ = inbox.send(ToScreen::Written);
            waker.wake();
        });
    }

    fn heard_peer(&self) {
        self.from_peer.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Showing {
    fn new(show: Show, origin: Instant) -> Self {
        let way = if show.client.pipeline && show.wrapping.is_some() {
            Way::Undecided { until: Instant::now() + PIPELINE_WITHIN, channel: None, server: Box::default() }
        } else {
            Way::Bitmaps(Box::new(BitmapEncoder::new(show.client.bitmap)))
        };
        let pointer = PointerEncoder::new(show.client.pointer);
        Self {
            show,
            origin,
            way,
            pointer,
            batches: Vec::new(),
            writing: false,
            wants_pictures: true,
            unread: true,
            pending: Vec::new(),
            cursor_news: true,
            controlled: false,
            told_position: None,
            progress: Instant::now(),
        }
    }

    fn heard(&mut self, wish: PeerWish) {
        match wish {
            PeerWish::Graphics(news) => self.heard_graphics(news),
            PeerWish::WantsPictures(wants) => self.wants_pictures = wants,
            PeerWish::Repaint => {
                match &mut self.way {
                    Way::Pipeline { server, .. } => server.repaint(),
                    Way::Bitmaps(encoder) => encoder.repaint(),
                    Way::Undecided { .. } => {}
                }
                self.pending = everything();
            }
            PeerWish::Shown(frame) => {
                if let Way::Bitmaps(encoder) = &mut self.way {
                    encoder.acknowledge(frame);
                }
            }
        }
    }

    fn heard_graphics(&mut self, news: FromGraphics) {
        if matches!(news, FromGraphics::Closed) && !matches!(self.way, Way::Bitmaps(_)) {
            self.fall_back();
            return;
        }
        let (channel, server) = match &mut self.way {
            Way::Undecided { channel, server, .. } => (channel, server),
            Way::Pipeline { channel, server } => (&mut Some(*channel), server),
            Way::Bitmaps(_) => return,
        };
        let answers = match (news, *channel) {
            (FromGraphics::Opened(number), _) => {
                *channel = Some(number);
                return;
            }
            (FromGraphics::Message(message), Some(number)) => {
                server.receive(&message, self.origin.elapsed()).map(|answers| (number, answers))
            }
            (FromGraphics::Message(_), None) | (FromGraphics::Closed, _) => return,
        };
        match answers {
            Ok((channel, answers)) => {
                if !answers.is_empty() {
                    // Agreeing on capabilities, for the first time or anew, leaves the expert with nothing to show.
                    self.pending = everything();
                }
                self.queue_graphics(channel, answers);
            }
            Err(error) => {
                tracing::debug!(%error, "the graphics channel is of no use");
                self.fall_back();
            }
        }
    }

    /// Takes the pipeline once it is open, bitmaps once it is clear that it will not be.
    fn settle_way(&mut self) {
        let Way::Undecided { until, channel, server } = &mut self.way else { return };
        if let (Some(channel), true) = (*channel, server.is_open()) {
            self.way = Way::Pipeline { channel, server: std::mem::take(server) };
        } else if Instant::now() >= *until {
            tracing::debug!("the expert did not open the graphics channel");
            self.fall_back();
        }
    }

    fn fall_back(&mut self) {
        self.way = Way::Bitmaps(Box::new(BitmapEncoder::new(self.show.client.bitmap)));
        self.pending = everything();
    }

    fn can_paint(&self) -> bool {
        let ready = match &self.way {
            Way::Undecided { .. } => false,
            Way::Pipeline { server, .. } => server.ready_for_frame(self.origin.elapsed()),
            Way::Bitmaps(encoder) => encoder.ready_for_frame(),
        };
        ready && self.wants_pictures && !self.writing && self.batches.is_empty()
    }

    fn frame(&mut self, capture: &dyn Capture) {
        let at = self.origin.elapsed();
        let frame = capture.frame();
        let mut size = frame_size(capture);
        if matches!(self.way, Way::Bitmaps(_)) {
            // Without the pipeline the size stays as it was announced; what lies outside is not shown.
            size.width = size.width.min(self.show.announced.0);
            size.height = size.height.min(self.show.announced.1);
        }
        let Ok(view) = FrameView::new(frame.pixels(), frame.stride(), size) else {
            tracing::warn!("the desktop is of a size that cannot be shown");
            self.pending.clear();
            return;
        };
        let damage: Vec<Rect> =
            self.pending.drain(..).map(|rect| rect.clipped(size)).filter(|rect| !rect.is_empty()).collect();
        if damage.is_empty() && !self.is_due() {
            return;
        }
        match &mut self.way {
            Way::Undecided { .. } => {}
            Way::Pipeline { channel, server } => {
                let channel = *channel;
                match server.frame(&view, &damage, at) {
                    Ok(payloads) => self.queue_graphics(channel, payloads),
                    Err(error) => {
                        tracing::warn!(%error, "no frame could be made");
                        self.fall_back();
                    }
                }
            }
            Way::Bitmaps(encoder) => self.batches.extend(encoder.frame(&view, &damage)),
        }
    }

    fn queue_graphics(&mut self, channel: u32, payloads: Vec<Vec<u8>>) {
        let Some(wrapping) = self.show.wrapping else { return };
        self.batches.extend(wrapping.graphics(channel, &payloads));
    }

    fn shape(&mut self, shape: &CursorShape) {
        match shape {
            CursorShape::Hidden => self.batches.push(self.pointer.hidden()),
            CursorShape::Image { size, hotspot, bgra } => {
                let shape = PointerShape {
                    pixels: bgra,
                    alpha: Alpha::Straight,
                    width: size.width,
                    height: size.height,
                    hot_x: hotspot.0,
                    hot_y: hotspot.1,
                };
                match self.pointer.shape(&shape) {
                    Ok(pdus) => self.batches.extend(pdus),
                    Err(error) => tracing::debug!(%error, "a pointer shape was left out"),
                }
            }
        }
    }

    /// A viewer should see where the novice points; one who controls points itself.
    fn position(&mut self, position: (u16, u16)) {
        if self.told_position != Some(position) {
            self.told_position = Some(position);
            if !self.controlled {
                self.batches.push(self.pointer.position(position.0, position.1));
            }
        }
    }

    /// When a frame is due although nothing changed, on the clock of frames.
    fn next_frame_at(&self) -> Option<Duration> {
        match &self.way {
            Way::Pipeline { server, .. } => server.next_frame_at(),
            Way::Bitmaps(_) | Way::Undecided { .. } => None,
        }
    }

    /// When there is something to paint without anybody saying so first.
    fn next_paint_at(&self) -> Option<Duration> {
        let Way::Pipeline { server, .. } = &self.way else { return None };
        if !self.wants_pictures || self.writing || !self.batches.is_empty() {
            return None;
        }
        let wanted = if self.unread || !self.pending.is_empty() { Duration::ZERO } else { server.next_frame_at()? };
        Some(server.ready_at()?.max(wanted))
    }

    fn is_due(&self) -> bool {
        self.next_frame_at().is_some_and(|due| self.origin.elapsed() >= due)
    }

    /// Whether the expert has yet to take something that it was sent.
    fn owes(&self) -> bool {
        let unacknowledged = match &self.way {
            Way::Pipeline { server, .. } => server.frames_in_flight() > 0,
            Way::Bitmaps(encoder) => !encoder.ready_for_frame(),
            Way::Undecided { .. } => false,
        };
        self.writing || unacknowledged
    }

    fn is_stalled(&self) -> bool {
        self.owes() && self.progress.elapsed() >= SILENT_AFTER
    }

    /// How long the thread may wait for the desktop before it has something else to do.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let silent = self.owes().then(|| (self.progress + SILENT_AFTER).saturating_duration_since(now));
        let undecided = match &self.way {
            Way::Undecided { until, .. } => Some(until.saturating_duration_since(now)),
            Way::Pipeline { .. } | Way::Bitmaps(_) => None,
        };
        let due = self.next_paint_at().map(|due| (self.origin + due).saturating_duration_since(now));
        silent.into_iter().chain(undecided).chain(due).min()
    }
}

/// The whole picture, whatever its size; a frame clips it to what there is.
fn everything() -> Vec<Rect> {
    vec![Rect::new(0, 0, u16::MAX, u16::MAX)]
}

fn packed(size: ra_desktop::Size) -> u32 {
    u32::from(size.width) << 16 | u32::from(size.height)
}

fn frame_size(capture: &dyn Capture) -> Size {
    let size = capture.frame().size();
    Size::new(size.width, size.height)
}

/// How long an expert may take to open the graphics channel before it gets bitmaps. FreeRDP and our own viewer need
/// one round trip; three seconds cover a satellite.
const PIPELINE_WITHIN: Duration = Duration::from_secs(3);

/// An expert that takes nothing for so long is gone, whatever its TCP says: a relay may keep that alive. A viewer or a network that
/// stands still for a minute comes back to the newest picture.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(75);

/// Messages of a peer that may wait. It acknowledges two frames at most and says little else.
const PEER_WISHES: usize = 256;
