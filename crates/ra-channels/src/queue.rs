//! A bounded queue of events between a machine and its engine.

use std::collections::VecDeque;

/// Events that may wait between two calls of `take_events`.
///
/// One PDU of 64 KiB can hold thousands of orders; an engine takes events after each PDU, and no honest peer causes
/// more than a handful at a time.
pub const MAX_WAITING_EVENTS: usize = 64;

/// Events in the order of their arrival; once it overflows or is shut it takes no more.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    waiting: VecDeque<E>,
    shut: bool,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new(), shut: false }
    }

    /// Adds an event, or adds `flood` as the last one ever when [`MAX_WAITING_EVENTS`] are waiting already.
    pub(crate) fn push(&mut self, event: E, flood: impl FnOnce() -> E) {
        if self.shut {
            return;
        }
        if self.waiting.len() < MAX_WAITING_EVENTS {
            self.waiting.push_back(event);
        } else {
            self.push_last(flood());
        }
    }

    /// Adds the last event: nothing is taken in after it.
    pub(crate) fn push_last(&mut self, event: E) {
        if !self.shut {
            self.waiting.push_back(event);
            self.shut = true;
        }
    }

    /// Takes nothing in any more; what waits can still be had.
    pub(crate) fn shut(&mut self) {
        self.shut = true;
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut
    }

    pub(crate) fn take(&mut self) -> Vec<E> {
        self.waiting.drain(..).collect()
    }
}
