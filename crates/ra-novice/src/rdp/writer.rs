//! The one task that writes to an expert: words first, then the newest frame.
//!
//! The frame writer is the view gate's place: a frame that was not made in the epoch that is open now is dropped
//! here, unencrypted bytes and all.

use ra_session::{Stamped, View, ViewGate};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Where words for the expert go. Words are small and few; a peer that does not read them is gone.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(mpsc::Sender<Vec<u8>>);

/// Where frames for the expert go: room for one, and whoever made it hears when it is on its way.
#[derive(Clone, Debug)]
pub(crate) struct FramesOut(mpsc::Sender<Frame>);

struct Frame {
    /// Whole PDUs, a batch at a time, so that words may go between them.
    batches: Stamped<View, Vec<Vec<u8>>>,
    written: Box<dyn FnOnce() + Send>,
}

/// The expert reads too slowly, or not at all.
#[derive(Debug, thiserror::Error)]
#[error("the expert does not read what it is told")]
pub(crate) struct Stuck;

/// Starts the writer. It ends when every [`Outbox`] is gone and what was in it is written, or when writing fails.
pub(crate) fn start<W>(stream: W, gate: ViewGate) -> (Outbox, FramesOut, JoinHandle<()>)
where
    W: AsyncWrite + Unpin + 'static,
{
    let (words, words_out) = mpsc::channel(WORDS);
    let (frames, frames_out) = mpsc::channel(1);
    let task = tokio::task::spawn_local(write(stream, gate, words_out, frames_out));
    (Outbox(words), FramesOut(frames), task)
}

impl Outbox {
    /// Queues whole PDUs.
    ///
    /// # Errors
    /// The queue is full or the writer has ended: the connection is of no use any more.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Result<(), Stuck> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.0.try_send(bytes).map_err(|_| Stuck)
    }
}

impl FramesOut {
    /// Queues a frame; `written` is called when it has been written or dropped at the gate. False: the writer is gone
    /// or busy with another one.
    pub(crate) fn send(&self, batches: Stamped<View, Vec<Vec<u8>>>, written: impl FnOnce() + Send + 'static) -> bool {
        self.0.try_send(Frame { batches, written: Box::new(written) }).is_ok()
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut stream: W,
    gate: ViewGate,
    mut words: mpsc::Receiver<Vec<u8>>,
    mut frames: mpsc::Receiver<Frame>,
) {
    loop {
        let sent = tokio::select! {
            biased;
            word = words.recv() => match word {
                Some(word) => put(&mut stream, &word).await,
                None => break,
            },
            Some(frame) = frames.recv() => {
                let sent = put_frame(&mut stream, &gate, &mut words, frame.batches).await;
                (frame.written)();
                sent
            }
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "writing to the expert failed");
            return;
        }
    }
    // The peer may have gone first; there is nobody left to tell.
    let _ = stream.shutdown().await;
}

async fn put_frame<W: AsyncWrite + Unpin>(
    stream: &mut W,
    gate: &ViewGate,
    words: &mut mpsc::Receiver<Vec<u8>>,
    batches: Stamped<View, Vec<Vec<u8>>>,
) -> std::io::Result<()> {
    let Some(batches) = gate.admit(batches) else { return Ok(()) };
    for batch in batches {
        while let Ok(word) = words.try_recv() {
            put(stream, &word).await?;
        }
        // A frame may take long on a slow line; the gate may have been shut since.
        if !gate.is_open() {
            return Ok(());
        }
        put(stream, &batch).await?;
    }
    Ok(())
}

async fn put<W: AsyncWrite + Unpin>(stream: &mut W, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Words that may wait. A session says a dozen in its life; channel answers add as many as the peer asks for, and
/// a peer that asks without reading is not worth memory.
const WORDS: usize = 256;

#[cfg(test)]
mod tests {
    use ra_session::novice::{Connecting, Viewing};
    use ra_session::{EndReason, Seat};
    use tokio::io::AsyncReadExt as _;
    use tokio::sync::oneshot;
    use tokio::task::LocalSet;
    use tokio::time::{Duration, timeout};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn viewing() -> (Viewing, ViewGate) {
        let (seat, _, gate) = Seat::new();
        let (waiting, question) = Connecting::new().admit(crate::probe::admission(), seat);
        (waiting.consent(question.yes().consent().unwrap()), gate)
    }

    /// Queues a frame and waits until the writer has dealt with it.
    async fn send(frames: &FramesOut, frame: Stamped<View, Vec<Vec<u8>>>) {
        let (done, written) = oneshot::channel();
        assert!(frames.send(frame, move || done.send(()).unwrap()), "there is room for one frame");
        timeout(DEADLINE, written).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn s102_r033_a_frame_leaves_only_in_the_epoch_it_was_made_in() {
        LocalSet::new()
            .run_until(async {
                let (viewing, gate) = viewing();
                let stamp = viewing.view_permit().into_stamp();
                let (ours, mut theirs) = tokio::io::duplex(1 << 16);
                let (outbox, frames, task) = start(ours, gate);
                send(&frames, stamp.stamp(vec![b"seen ".to_vec(), b"too ".to_vec()])).await;
                let _ended = viewing.end(EndReason::NoviceStopped);
                send(&frames, stamp.stamp(vec![b"never".to_vec()])).await;
                outbox.send(b"bye".to_vec()).unwrap();
                drop((outbox, frames));
                task.await.unwrap();
                let mut all = Vec::new();
                theirs.read_to_end(&mut all).await.unwrap();
                assert_eq!(String::from_utf8(all).unwrap(), "seen too bye");
            })
            .await;
    }

    #[tokio::test]
    async fn a_gate_that_is_shut_in_the_middle_of_a_frame_stops_it_there() {
        LocalSet::new()
            .run_until(async {
                let (viewing, gate) = viewing();
                let stamp = viewing.view_permit().into_stamp();
                // The pipe takes one batch and a bit: the writer stands in the middle of the second.
                let (ours, mut theirs) = tokio::io::duplex(6);
                let (outbox, frames, task) = start(ours, gate);
                let batches = vec![b"first".to_vec(), b"second".to_vec(), b"third".to_vec()];
                assert!(frames.send(stamp.stamp(batches), || {}));
                let mut read = [0; 5];
                timeout(DEADLINE, theirs.read_exact(&mut read)).await.unwrap().unwrap();
                let _ended = viewing.end(EndReason::NoviceStopped);
                drop((outbox, frames));
                let mut rest = Vec::new();
                theirs.read_to_end(&mut rest).await.unwrap();
                task.await.unwrap();
                assert!(!rest.ends_with(b"third"), "{}", String::from_utf8_lossy(&rest));
            })
            .await;
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_kept_memory_for() {
        LocalSet::new()
            .run_until(async {
                let (_viewing, gate) = viewing();
                let (ours, _theirs) = tokio::io::duplex(1);
                let (outbox, _frames, task) = start(ours, gate);
                let taken = (0..10 * WORDS).take_while(|_| outbox.send(vec![0; 64]).is_ok()).count();
                assert!(taken <= WORDS);
                task.abort();
            })
            .await;
    }
}
