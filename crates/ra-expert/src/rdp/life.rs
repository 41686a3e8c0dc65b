//! Whether anybody is there: when to ask, and when to give up.
//!
//! A path can die without a word, and TCP takes minutes to say so. Whoever hears nothing asks: seldom on a line at rest,
//! at once when something was said and the line had been still. Any bytes are an answer. An address of ours that is gone
//! needs no question: nothing can arrive there any more.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use ra_channels::again::ASK_AFTER;
use tokio::time::Instant;

/// What was last heard and said on a line.
#[derive(Debug)]
pub(super) struct Life {
    heard: Instant,
    said: Instant,
    /// When somebody was asked and nothing has been heard since.
    asked: Option<Instant>,
    /// Something was said into silence.
    curious: bool,
    /// This end's address, and when it was looked for last.
    local: Option<IpAddr>,
    looked: Instant,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Wait,
    Ask,
    GiveUp,
}

impl Life {
    pub(super) fn new(now: Instant, local: Option<IpAddr>) -> Self {
        Self { heard: now, said: now, asked: None, curious: false, local, looked: now }
    }

    /// Something came.
    pub(super) fn heard(&mut self, now: Instant) {
        (self.heard, self.asked, self.curious) = (now, None, false);
    }

    /// Something is about to be said.
    pub(super) fn said(&mut self, now: Instant) {
        self.said = now;
        self.curious |= self.asked.is_none() && now >= self.heard + STILL;
    }

    /// When [`Life::act`] is to be called.
    pub(super) fn next(&self) -> Instant {
        let due = self.due();
        if self.local.is_some() { due.min(self.looked + LOOK_EVERY) } else { due }
    }

    /// When somebody is to be asked, or an answer is overdue.
    fn due(&self) -> Instant {
        match self.asked {
            Some(asked) => asked + ANSWER_WITHIN,
            None if self.curious => self.said,
            None => self.heard.min(self.said) + ASK_AFTER,
        }
    }

    /// What is to be done at this moment.
    pub(super) fn act(&mut self, now: Instant) -> Act {
        if self.local.is_some() && now >= self.looked + LOOK_EVERY {
            self.looked = now;
            if self.local.is_some_and(is_gone) {
                return Act::GiveUp;
            }
        }
        if now < self.due() {
            return Act::Wait;
        }
        if self.asked.is_some() {
            return Act::GiveUp;
        }
        (self.asked, self.curious) = (Some(now), false);
        Act::Ask
    }
}

/// Whether this computer does not have this address any more. A socket that cannot be had says so; it sends nothing.
fn is_gone(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

/// How often the own address is looked for: a computer that has changed the network is back a moment later.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A line on which nothing has come for so long is worth a question when something is said on it.
const STILL: Duration = Duration::from_secs(2);
/// An answer takes a round trip. On a way that loses packets TCP sends twice or three times meanwhile, and what is on its
/// way on a slow one counts as an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_at_rest_is_asked_seldom_and_given_up_when_nothing_comes() {
        let begin = Instant::now();
        let mut life = Life::new(begin, None);
        assert_eq!(life.next(), begin + ASK_AFTER);
        assert_eq!(life.act(begin + ASK_AFTER / 2), Act::Wait);
        assert_eq!(life.act(begin + ASK_AFTER), Act::Ask);
        life.said(begin + ASK_AFTER);
        assert_eq!(life.act(begin + ASK_AFTER), Act::Wait, "asked once");
        life.heard(begin + ASK_AFTER + Duration::from_millis(40));
        let asked = begin + ASK_AFTER + ASK_AFTER;
        assert_eq!((life.next(), life.act(asked)), (asked, Act::Ask), "what was said last is what counts here");
        assert_eq!(life.act(asked + ANSWER_WITHIN), Act::GiveUp);
    }

    #[tokio::test]
    async fn what_is_said_into_silence_is_a_reason_to_ask() {
        let begin = Instant::now();
        let mut life = Life::new(begin, None);
        life.said(begin + STILL / 2);
        assert_eq!(life.next(), begin + ASK_AFTER, "somebody was there a moment ago");
        life.said(begin + STILL);
        assert_eq!(life.act(begin + STILL), Act::Ask);
        life.said(begin + STILL + Duration::from_secs(1));
        assert_eq!(life.next(), begin + STILL + ANSWER_WITHIN, "more words do not buy time");
        life.heard(begin + STILL + Duration::from_secs(2));
        assert_eq!(life.act(begin + STILL + ANSWER_WITHIN), Act::Wait);
    }

    #[tokio::test]
    async fn an_address_of_ours_that_is_gone_is_the_end_of_its_line() {
        let begin = Instant::now();
        let here = "127.0.0.1".parse().unwrap();
        let mut life = Life::new(begin, Some(here));
        assert_eq!(life.next(), begin + LOOK_EVERY);
        assert_eq!(life.act(begin + LOOK_EVERY), Act::Wait);
        assert_eq!(life.next(), begin + 2 * LOOK_EVERY);
        // One of those that no computer ever has.
        let mut life = Life::new(begin, Some("192.0.2.77".parse().unwrap()));
        assert_eq!(life.act(begin + LOOK_EVERY / 2), Act::Wait);
        assert_eq!(life.act(begin + LOOK_EVERY), Act::GiveUp);
    }
}
