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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use ra_desktop::{Capture, Choice, Desktop, MonitorChoice, Waker};
    use ra_session::novice::{Connecting, Controlling};
    use ra_session::{InputGate, Seat};

    use super::*;

    /// Control, agreed to, over a demo desktop whose watcher listens.
    struct Bench {
        control: Controlling,
        gate: InputGate,
        hands: Hands,
        capture: Box<dyn Capture>,
        stopper: Waker,
        watcher: Option<JoinHandle<()>>,
    }

    impl Bench {
        fn new() -> Self {
            let (seat, gate, _) = Seat::new();
            let Desktop { injector, watcher, capture, .. } =
                ra_desktop::open(Choice::Demo, &MonitorChoice::All, gate.clone()).unwrap();
            let stopper = watcher.stopper();
            let watcher = std::thread::spawn(move || watcher.run(Box::new(|_| {})));
            let deadline = Instant::now() + DEADLINE;
            while !injector.is_watched() {
                assert!(Instant::now() < deadline, "the watcher does not begin");
                std::thread::yield_now();
            }
            let policy = ra_policy::Policy::default();
            let (waiting, question) = Connecting::new().admit(crate::probe::admission(), seat);
            let viewing = waiting.consent(question.yes().consent().unwrap());
            let (asked, question) = viewing.ask_control(&policy.may_control().unwrap());
            let control = asked.consent(question.yes().consent().unwrap());
            let hands = Hands::start(injector).unwrap();
            Self { control, gate, hands, capture, stopper, watcher: Some(watcher) }
        }

        fn point(&self, x: u16) {
            self.hands.inject(self.control.input_permit().stamp(InputEvent::PointerMove { x, y: 1 }));
        }

        /// Waits until the pointer stands where it should.
        fn await_pointer(&mut self, x: u16) {
            let deadline = Instant::now() + DEADLINE;
            while self.capture.cursor().unwrap().is_none_or(|cursor| cursor.position != (x, 1)) {
                assert!(Instant::now() < deadline, "the event does not arrive");
                self.capture.wait(Some(DEADLINE)).unwrap();
                self.capture.read().unwrap();
            }
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            self.stopper.wake();
            let _ended = self.watcher.take().map(JoinHandle::join);
        }
    }

    #[test]
    fn an_event_reaches_the_desktop_and_held_keys_are_lifted_when_asked() {
        let mut bench = Bench::new();
        bench.point(17);
        bench.await_pointer(17);
        assert_eq!(bench.hands.release_all().blocking_recv(), Ok(true));
    }

    #[test]
    fn what_waits_when_the_gate_shuts_never_arrives() {
        let mut bench = Bench::new();
        bench.point(17);
        bench.await_pointer(17);
        let late = bench.control.input_permit().stamp(InputEvent::PointerMove { x: 99, y: 1 });
        bench.gate.shut();
        bench.hands.inject(late);
        drop(std::mem::replace(&mut bench.hands, idle().0));
        assert_eq!(bench.capture.cursor().unwrap(), None, "the pointer has not moved");
    }

    /// Hands whose thread takes nothing from its queue.
    fn idle() -> (Hands, events::Receiver<ToHands>) {
        let (events, events_in) = events::channel(WAITING);
        (Hands { events: Some(events), releases: None, thread: None }, events_in)
    }

    #[tokio::test]
    async fn an_expert_who_is_too_fast_waits_until_the_events_of_a_pdu_have_room() {
        let (hands, mut taken) = idle();
        let has_room = async || tokio::time::timeout(Duration::ZERO, hands.room()).await.is_ok();
        let send = || hands.events.as_ref().unwrap().try_send(ToHands::Look).unwrap();
        (0..3 * EVENTS_OF_A_PDU).for_each(|_| send());
        assert!(has_room().await, "for a fourth PDU");
        send();
        assert!(!has_room().await, "one event of it would be lost");
        taken.recv().await.unwrap();
        assert!(has_room().await);
    }

    #[test]
    fn the_thread_has_ended_when_the_handle_is_gone() {
        let (events, mut events_in) = events::channel(1);
        let (releases, releases_in) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while events_in.blocking_recv().is_some() || releases_in.recv().is_ok() {}
            // Whoever does not wait for the thread is faster than this.
            (0..1000).for_each(|_| std::thread::yield_now());
            end.store(true, Ordering::SeqCst);
        });
        drop(Hands { events: Some(events), releases: Some(releases), thread: Some(thread) });
        assert!(ended.load(Ordering::SeqCst));
    }

    const DEADLINE: Duration = Duration::from_secs(10);
}
