//! A pipeline on a thread of its own, and the short queue that leads there.
//!
//! The session's loop never waits for a decoder. When the queue is full it stops reading: what the novice says waits then
//! behind as many bytes as fit the queue and the sockets, and no more, because the server is not acknowledged either.

use core::fmt;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::Notify;
use tracing::error;

use super::Pipeline;
use crate::event::Face;

/// The handle of a session's loop on its decoding thread; dropping it ends the thread after the message at hand.
#[derive(Debug)]
pub(crate) struct Decoding {
    shared: Arc<Shared>,
}

/// What has happened on the thread since the last look.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Messages for the server.
    pub(crate) answers: Vec<Vec<u8>>,
    /// There is something to see, and it is told to the face already.
    pub(crate) painted: bool,
    /// The other side broke the protocol.
    pub(crate) fault: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// For the thread: there is a message, or nothing more will come, or answers have been taken.
    work: Condvar,
    /// For the loop: there are news, or there is room again.
    news: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Vec<u8>>,
    /// Bytes in `messages`, and of the message at hand.
    bytes: usize,
    closed: bool,
    gone: bool,
    news: News,
}

impl Decoding {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(pipeline: Pipeline, face: Arc<dyn Face>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mine = End(Arc::clone(&shared));
        thread::Builder::new().name("decoder".to_owned()).spawn(move || mine.0.run(pipeline, &*face))?;
        Ok(Self { shared })
    }

    /// The way for messages, for the channel that they come on.
    pub(crate) fn inlet(&self) -> Inlet {
        Inlet(Arc::clone(&self.shared))
    }

    /// Whether more should be read. A message that is taken is never refused, however long it is.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.lock().bytes < QUEUE
    }

    /// Resolves when there are news or room.
    pub(crate) async fn news(&self) {
        self.shared.news.notified().await;
    }

    /// Takes the news.
    pub(crate) fn take(&self) -> News {
        let news = core::mem::take(&mut self.shared.lock().news);
        self.shared.work.notify_all();
        news
    }

    /// Whether all that has come is decoded, or will never be.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.shared.lock();
        state.gone || state.bytes == 0
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

/// Where messages go in.
#[derive(Debug)]
pub(crate) struct Inlet(Arc<Shared>);

impl Inlet {
    /// Adds a message of the channel.
    pub(crate) fn push(&self, message: Vec<u8>) {
        let mut state = self.0.lock();
        if !state.closed && !state.gone {
            state.bytes += message.len();
            state.messages.push_back(message);
            self.0.work.notify_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn run(&self, mut pipeline: Pipeline, face: &dyn Face) {
        while let Some(message) = self.next() {
            let length = message.len();
            let outcome = pipeline.receive(&message);
            if outcome.as_ref().is_ok_and(|outcome| outcome.painted) {
                face.picture_changed();
            }
            let mut state = self.lock();
            state.bytes -= length;
            match outcome {
                Ok(outcome) => {
                    state.news.answers.extend(outcome.answers);
                    state.news.painted |= outcome.painted;
                }
                Err(error) => {
                    state.news.fault = Some(error.to_string());
                    return;
                }
            }
            drop(state);
            self.news.notify_one();
        }
    }

    /// Waits for the next message; none when the session is over.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            // Answers that nobody takes away are not made more of: a session that does not write does not watch either.
            if state.news.answers.len() < MAX_ANSWERS
                && let Some(message) = state.messages.pop_front()
            {
                return Some(message);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// Tells the loop that the thread is at its end, also when it is one that nobody expected.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.gone = true;
        state.messages.clear();
        if thread::panicking() {
            error!("a decoder failed; please report it");
            state.news.fault.get_or_insert_with(|| "a decoder failed".to_owned());
        }
        drop(state);
        self.0.news.notify_one();
    }
}

/// Bytes that wait for the decoder before reading stops: a few frames, and at 10 Mbit/s some three seconds.
const QUEUE: usize = 4 << 20;
/// Answers that wait to be sent before decoding stops: more than there are frames in flight with any sane server.
const MAX_ANSWERS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use ironrdp_core::encode_vec;
    use ironrdp_egfx::pdu::{EndFramePdu, EvictCacheEntryPdu, GfxPdu};
    use ironrdp_graphics::zgfx::wrap_uncompressed;
    use tokio::time::timeout;

    use super::*;
    use crate::event::ViewerEvent;
    use crate::picture::Picture;
    use crate::stats::Counters;

    struct Nobody;

    impl Face for Nobody {
        fn event(&self, _: &ViewerEvent) {}
    }

    fn start() -> Decoding {
        Decoding::start(Pipeline::new(&Picture::default(), &Counters::default()), Arc::new(Nobody)).unwrap()
    }

    fn end_of_frame(frame_id: u32) -> Vec<u8> {
        wrap_uncompressed(&encode_vec(&GfxPdu::EndFrame(EndFramePdu { frame_id })).unwrap())
    }

    #[tokio::test]
    async fn every_frame_is_answered_in_its_order() {
        let decoding = start();
        let inlet = decoding.inlet();
        (0..100).for_each(|frame| inlet.push(end_of_frame(frame)));
        let mut answers = Vec::new();
        while answers.len() < 100 {
            timeout(PATIENCE, decoding.news()).await.expect("news");
            answers.extend(decoding.take().answers);
        }
        // The frame's number is the second field after the header. Source: [MS-RDPEGFX] 2.2.2.13.
        assert!(answers.iter().zip(0_u32..).all(|(answer, frame)| answer[12..16] == frame.to_le_bytes()));
    }

    #[tokio::test]
    async fn answers_that_nobody_takes_stop_the_thread_and_not_the_session() {
        let decoding = start();
        let inlet = decoding.inlet();
        let count = MAX_ANSWERS + 500;
        (0..count as u32).for_each(|frame| inlet.push(end_of_frame(frame)));
        let mut answers = 0;
        while answers < count {
            timeout(PATIENCE, decoding.news()).await.expect("news");
            let waiting = decoding.take().answers.len();
            assert!(waiting <= MAX_ANSWERS, "{waiting} wait");
            answers += waiting;
        }
        assert!(decoding.is_idle(), "nothing is left");
    }

    #[tokio::test]
    async fn a_broken_message_is_told_and_nothing_after_it_is_decoded() {
        let decoding = start();
        let inlet = decoding.inlet();
        inlet.push(vec![0xff; 9]);
        inlet.push(end_of_frame(1));
        timeout(PATIENCE, decoding.news()).await.expect("news");
        let news = decoding.take();
        assert!(news.fault.is_some() && news.answers.is_empty(), "{news:?}");
        let ended = async {
            while !decoding.is_idle() {
                decoding.news().await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the thread is at its end");
    }

    #[tokio::test]
    async fn a_full_queue_is_seen_and_drains() {
        // The picture is locked, so that the thread is stuck in its first frame that paints.
        let picture = Picture::default();
        let pipeline = Pipeline::new(&picture, &Counters::default());
        let decoding = Decoding::start(pipeline, Arc::new(Nobody)).unwrap();
        let (locked, is_locked) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let holder = thread::spawn(move || {
            let _canvas = picture.lock();
            locked.send(()).unwrap();
            released.recv_timeout(PATIENCE).unwrap();
        });
        is_locked.recv_timeout(PATIENCE).unwrap();
        let inlet = decoding.inlet();
        inlet.push(end_of_frame(0));
        assert!(decoding.has_room());
        inlet.push(large());
        assert!(!decoding.has_room());
        release.send(()).unwrap();
        holder.join().unwrap();
        let drained = async {
            while !decoding.has_room() {
                decoding.news().await;
                decoding.take();
            }
        };
        timeout(PATIENCE, drained).await.expect("room");
    }

    /// A message of five megabytes that does nothing.
    fn large() -> Vec<u8> {
        let nothing = encode_vec(&GfxPdu::EvictCacheEntry(EvictCacheEntryPdu { cache_slot: 1 })).unwrap();
        wrap_uncompressed(&nothing.repeat((5 << 20) / nothing.len()))
    }

    const PATIENCE: Duration = Duration::from_secs(30);
}
