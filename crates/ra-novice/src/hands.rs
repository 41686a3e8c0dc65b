//! The hands thread: the only one that holds the injector.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use ra_desktop::Injector;
use ra_session::{Input, InputEvent, Stamped};
use tokio::sync::{mpsc as events, oneshot};

/// The engine's handle on the hands thread.
pub(crate) struct Hands {
    events: Option<events::Sender<ToHands>>,
    releases: Option<Sender<oneshot::Sender<bool>>>,
    thread: Option<JoinHandle<()>>,
}

enum ToHands {
    Inject(Stamped<Input, InputEvent>),
    /// Something waits in the queue of releases.
    Look,
}

impl Hands {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(injector: Injector) -> std::io::Result<Self> {
        let (events, mut events_in) = events::channel(WAITING);
        let (releases, releases_in) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("hands".into())
            .spawn(move || work(injector, &mut events_in, &releases_in))?;
        Ok(Self { events: Some(events), releases: Some(releases), thread: Some(thread) })
    }

    /// Waits until the events of one more PDU can be taken: an expert who types faster than the desktop takes it is
    /// simply read more slowly. Cancel safe.
    pub(crate) async fn room(&self) {
        if let Some(events) = &self.events {
            // An error means that the thread is gone; then nothing has to wait.
            let _ = events.reserve_many(EVENTS_OF_A_PDU).await;
        }
    }

    /// Hands an event over. Whoever reads events waits for [`Hands::room`] before.
    pub(crate) fn inject(&self, event: Stamped<Input, InputEvent>) {
        if let Some(events) = &self.events
            && events.try_send(ToHands::Inject(event)).is_err()
        {
            tracing::warn!("an event could not be handed over");
        }
    }

    /// Lifts every held key and button. The answer is true when the desktop has seen it, false when it is gone.
    ///
    /// It does not wait behind events: those were stamped under an epoch that is shut by now.
    pub(crate) fn release_all(&self) -> oneshot::Receiver<bool> {
        let (done, answer) = oneshot::channel();
        if let (Some(releases), Some(events)) = (&self.releases, &self.events) {
            let _ = releases.send(done);
            // A full queue wakes the thread just as well.
            let _ = events.try_send(ToHands::Look);
        }
        answer
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        drop(self.events.take());
        drop(self.releases.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(mut injector: Injector, events: &mut events::Receiver<ToHands>, releases: &Receiver<oneshot::Sender<bool>>) {
    while let Some(event) = events.blocking_recv() {
        while let Ok(done) = releases.try_recv() {
            let released = injector.release_all();
            if let Err(error) = &released {
                tracing::warn!(%error, "held keys could not be lifted");
            }
            let _ = done.send(released.is_ok());
        }
        if let ToHands::Inject(event) = event
            && let Err(error) = injector.inject(event)
        {
            tracing::warn!(%error, "an event could not be carried out");
        }
    }
    // Whatever ends the host, no key stays down.
    if let Err(error) = injector.release_all() {
        tracing::warn!(%error, "held keys could not be lifted");
    }
}

/// Events that one PDU can bring: its count has eight bits.
const EVENTS_OF_A_PDU: usize = 255;
/// Events that may wait for the desktop: a second of the fastest typist and mouse together.
const WAITING: usize = 4 * EVENTS_OF_A_PDU;
