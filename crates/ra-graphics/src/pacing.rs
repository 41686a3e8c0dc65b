//! Acknowledgements of frames: how many are on their way, whatever the client claims.

use std::collections::VecDeque;

/// Frames that were sent and not yet acknowledged, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    in_flight: VecDeque<u32>,
    suspended: bool,
    last: u32,
}

impl Pacing {
    /// Frames on their way at most: one that is shown while the next one travels. More would only be older pictures.
    pub(crate) const USUAL: usize = 2;
    /// The same where the way takes long: one more, which travels behind the other.
    pub(crate) const FAR: usize = 3;

    /// Names a frame that is now sent.
    pub(crate) fn send(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        if !self.suspended {
            self.in_flight.push_back(id);
            // A caller that does not wait must not grow this either.
            if self.in_flight.len() > MOST_REMEMBERED {
                self.in_flight.pop_front();
            }
        }
        id
    }

    /// Takes an acknowledgement. Clients work in order, so it covers all frames before; unknown ids mean nothing.
    pub(crate) fn acknowledge(&mut self, id: u32) {
        self.suspended = false;
        if let Some(place) = self.in_flight.iter().position(|sent| *sent == id) {
            self.in_flight.drain(..=place);
        }
    }

    /// The client will acknowledge nothing until it acknowledges again.
    pub(crate) fn suspend(&mut self) {
        self.suspended = true;
        self.in_flight.clear();
    }

    /// Forgets what is on its way, as after a new agreement with the client. Ids go on, so that late answers are unknown.
    pub(crate) fn restart(&mut self) {
        self.suspended = false;
        self.in_flight.clear();
    }

    /// Whether the client acknowledges nothing for now.
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether one more frame may be sent to a client that bears at most `most` of them.
    pub(crate) fn ready(&self, most: usize) -> bool {
        self.in_flight.len() < most
    }
}

/// Far more than [`Pacing::FAR`]: only a caller that ignores it gets there.
const MOST_REMEMBERED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_covers_the_frames_before() {
        let mut pacing = Pacing::default();
        let ids: Vec<_> = (0..4).map(|_| pacing.send()).collect();
        pacing.acknowledge(ids[2]);
        assert_eq!(pacing.in_flight(), 1);
        pacing.acknowledge(ids[0]); // late
        pacing.acknowledge(77); // invented
        assert_eq!(pacing.in_flight(), 1);
        pacing.acknowledge(ids[3]);
        pacing.acknowledge(ids[3]); // twice
        assert_eq!(pacing.in_flight(), 0);
    }

    #[test]
    fn a_suspended_client_is_not_waited_for_until_it_speaks_again() {
        let mut pacing = Pacing::default();
        pacing.send();
        pacing.suspend();
        let last = (0..10).map(|_| pacing.send()).last().unwrap();
        assert_eq!(pacing.in_flight(), 0);
        pacing.acknowledge(last);
        pacing.send();
        assert_eq!(pacing.in_flight(), 1);
    }

    #[test]
    fn memory_is_bounded_when_nobody_waits_or_answers() {
        let mut pacing = Pacing::default();
        for _ in 0..1000 {
            pacing.send();
        }
        assert_eq!(pacing.in_flight(), MOST_REMEMBERED);
    }
}
