//! The injector's own key presses, so that the watcher can tell them from those of other programs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Presses that were injected and that the watcher has not seen yet. Shared by the two.
///
/// It holds keycodes of what an expert types, so it never prints.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<VecDeque<(u8, Instant)>>>);

impl Ledger {
    /// Notes a press. To be called before the press is sent, so that the watcher cannot be faster.
    pub(super) fn note(&self, keycode: u8, now: Instant) {
        let mut presses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if presses.len() >= LIMIT {
            presses.pop_front();
        }
        presses.push_back((keycode, now));
    }

    /// Takes the oldest note of such a press, if there is one that is not too old: then the press was ours.
    pub(super) fn settle(&self, keycode: u8, now: Instant) -> bool {
        let mut presses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        presses.retain(|(_, noted)| now.saturating_duration_since(*noted) <= MEMORY);
        let found = presses.iter().position(|(noted, _)| *noted == keycode);
        found.and_then(|index| presses.remove(index)).is_some()
    }
}

/// How long a note counts. The server reports a press within milliseconds; a note that lasted for ever would one day
/// hide the ESC of somebody else. A report that comes later than this revokes, which is the safe side.
const MEMORY: Duration = Duration::from_secs(5);

/// Notes kept at most: more than anybody types in [`MEMORY`].
const LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_accounts_for_one_press() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        ledger.note(9, now);
        ledger.note(38, now);
        assert!(ledger.settle(9, now), "ours");
        assert!(!ledger.settle(9, now), "the second one is somebody else's");
        assert!(ledger.settle(38, now));
    }

    #[test]
    fn an_old_note_accounts_for_nothing() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        ledger.note(9, now);
        assert!(!ledger.settle(9, now + MEMORY + Duration::from_millis(1)));
    }

    #[test]
    fn the_ledger_does_not_grow_without_end() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        (0..3 * LIMIT).for_each(|_| ledger.note(9, now));
        assert_eq!(ledger.0.lock().unwrap().len(), LIMIT);
    }
}
