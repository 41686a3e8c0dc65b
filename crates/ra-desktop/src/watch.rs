//! The ESC watcher: the novice's way out, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ra_session::gate::InputGate;

use crate::capture::Waker;

/// Listens for the novice's ESC and shuts the input gate by itself, before anybody else hears of the key.
pub trait Watcher: Send {
    /// Watches on the calling thread until the [`stopper`](Watcher::stopper) is used or the desktop is gone.
    ///
    /// `report` is called on this thread, always after the gate was shut; it should only put the news into a queue.
    /// When this returns, for whatever reason, the gate is shut, and the injector refuses everything from then on.
    fn run(self: Box<Self>, report: Box<dyn Fn(Revocation) + Send>);

    /// A handle that makes [`run`](Watcher::run) return. Take it before the watcher moves to its thread.
    fn stopper(&self) -> Waker;
}

/// The input gate has just been shut from the novice's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What shut it.
    pub cause: Cause,
    /// Whether the gate was open until then. An ESC with nothing to revoke is told too.
    pub was_open: bool,
}

/// What shut the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// ESC on a real keyboard, or on the terminal of the demo desktop.
    PhysicalEsc,
    /// ESC from a program that is not ours: an on-screen keyboard, say.
    ForeignEsc,
    /// The watcher can watch no longer, and why. No control without a watcher: the session has to end.
    WatcherLost(String),
}

/// The watcher's heartbeat, seen from the injector: no input without somebody who listens for ESC.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    /// Milliseconds from `origin` to the last beat, plus one; 0 is "not watching".
    last: Arc<AtomicU64>,
    origin: Instant,
}

/// Keeps a pulse while a watcher runs. Dropping it, also in a panic, shuts the gate and stops the pulse.
pub(crate) struct Watch {
    gate: InputGate,
    pulse: Pulse,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { last: Arc::new(AtomicU64::new(STOPPED)), origin: Instant::now() }
    }

    /// Whether a watcher gave a sign of life not longer than [`PATIENCE`] ago.
    pub(crate) fn beats(&self) -> bool {
        let last = self.last.load(Ordering::SeqCst);
        last != STOPPED && self.now().saturating_sub(last) <= millis(PATIENCE)
    }

    fn now(&self) -> u64 {
        millis(self.origin.elapsed()).saturating_add(1)
    }
}

impl Watch {
    pub(crate) fn start(gate: InputGate, pulse: Pulse) -> Self {
        let watch = Self { gate, pulse };
        watch.beat();
        watch
    }

    /// The desktop answered just now.
    pub(crate) fn beat(&self) {
        self.pulse.last.store(self.pulse.now(), Ordering::SeqCst);
    }

    /// Lets the last sign of life be too old.
    #[cfg(test)]
    pub(crate) fn stop_beating(&self) {
        self.pulse.last.store(STOPPED, Ordering::SeqCst);
    }

    /// Shuts the gate; the revocation to report.
    pub(crate) fn revoke(&self, cause: Cause) -> Revocation {
        Revocation { was_open: self.gate.shut(), cause }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.pulse.last.store(STOPPED, Ordering::SeqCst);
        self.gate.shut();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const STOPPED: u64 = 0;

/// How often a watcher makes sure that its desktop still answers.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a missing sign of life is tolerated. Three heartbeats: a loaded machine may be late once, not for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::novice::Novice;

    #[test]
    fn a_sign_of_life_that_is_too_old_is_none() {
        let before = |time: Duration| Instant::now().checked_sub(time).unwrap();
        let beat_at_start = |origin| Pulse { last: Arc::new(AtomicU64::new(1)), origin };
        assert!(beat_at_start(before(PATIENCE / 2)).beats());
        assert!(!beat_at_start(before(PATIENCE + HEARTBEAT)).beats());
        assert!(!Pulse::new().beats(), "nobody has watched yet");
    }

    #[test]
    fn a_watch_shuts_the_gate_before_it_tells_and_again_when_it_ends() {
        let mut novice = Novice::viewing();
        novice.grant();
        let pulse = Pulse::new();
        let watch = Watch::start(novice.gate(), pulse.clone());
        assert!(pulse.beats());
        let cause = Cause::PhysicalEsc;
        assert_eq!(watch.revoke(cause.clone()), Revocation { cause: cause.clone(), was_open: true });
        assert_eq!(watch.revoke(cause.clone()), Revocation { cause, was_open: false });
        novice.grant();
        drop(watch);
        assert!(!novice.gate().is_open() && !pulse.beats());
    }
}
