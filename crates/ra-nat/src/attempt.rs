//! The conversation with one gateway about one mapping: what to ask next after each answer.

use std::net::SocketAddr;
use std::time::Duration;

use crate::gateway::{Ask, Granted, MapError};
use crate::lease::Lease;
use crate::ports::Ports;
use crate::transport::Transport;

/// Asking one gateway for a mapping, until there is an answer that counts.
///
/// [`Attempt::ask`] says what to ask for now, and is to be written down before the gateway hears of it; each answer goes into
/// [`Attempt::answer`]. It ends: other ports are tried five times, a permanent lease and the same port on both sides once.
#[derive(Clone, Debug)]
pub struct Attempt {
    ask: Ask,
    others: Ports,
    same_port_tried: bool,
}

/// What an answer of the gateway means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a mapping now: this one.
    Made(Granted),
    /// No, but something else may do: what [`Attempt::ask`] says now.
    AskAgain,
    /// No, and nothing of ours is at the gateway.
    No(MapError),
    /// No answer: the gateway may have made it, and has to be told to remove it.
    Unknown,
}

impl Attempt {
    /// An attempt for something that is wanted for `life` from now on, at the port that is `asked` for or else at a random one.
    ///
    /// `None` when there is no port to try.
    #[must_use]
    pub fn new(internal: SocketAddr, life: Duration, asked: Option<u16>, mut ports: Ports) -> Option<Self> {
        let external_port = asked.filter(|port| *port != 0).or_else(|| ports.next())?;
        let ask = Ask { transport: Transport::Tcp, internal, external_port, lease: Lease::of(life) };
        Some(Self { ask, others: ports, same_port_tried: external_port == internal.port() })
    }

    /// The same for this transport; without it an attempt is for TCP.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        self.ask.transport = transport;
        self
    }

    /// What the gateway is to be asked for.
    #[must_use]
    pub const fn ask(&self) -> Ask {
        self.ask
    }

    /// Takes in what it answered.
    ///
    /// Source: R72, R73.
    pub fn answer(&mut self, answer: Result<Granted, MapError>) -> Outcome {
        match answer {
            Ok(granted) => Outcome::Made(granted),
            Err(MapError::OnlyPermanent) if self.ask.lease != Lease::Permanent => {
                self.ask.lease = Lease::Permanent;
                Outcome::AskAgain
            }
            Err(MapError::SamePortOnly) if !self.same_port_tried => {
                self.same_port_tried = true;
                self.ask.external_port = self.ask.internal.port();
                Outcome::AskAgain
            }
            Err(MapError::Conflict) => match self.others.next() {
                Some(port) => {
                    self.ask.external_port = port;
                    Outcome::AskAgain
                }
                None => Outcome::No(MapError::Conflict),
            },
            Err(MapError::Unreachable) => Outcome::Unknown,
            Err(no) => Outcome::No(no),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt(asked: Option<u16>) -> Attempt {
        let ports = Ports::from_entropy(&[0; Ports::ENTROPY], &[]);
        Attempt::new("192.168.1.5:3389".parse().unwrap(), Duration::from_secs(7200), asked, ports).unwrap()
    }

    #[test]
    fn r073_a_taken_port_is_followed_by_five_others() {
        let mut attempt = attempt(None);
        let mut tried = vec![attempt.ask().external_port];
        while attempt.answer(Err(MapError::Conflict)) == Outcome::AskAgain {
            tried.push(attempt.ask().external_port);
        }
        assert_eq!(tried, [0xc000, 0xc001, 0xc002, 0xc003, 0xc004, 0xc005]);
        assert_eq!(attempt.answer(Err(MapError::Conflict)), Outcome::No(MapError::Conflict));
    }

    #[test]
    fn r073_a_port_that_is_asked_for_goes_first_and_a_random_one_follows() {
        let mut attempt = attempt(Some(3389));
        assert_eq!(attempt.ask().external_port, 3389);
        assert_eq!(attempt.answer(Err(MapError::Conflict)), Outcome::AskAgain);
        assert_eq!(attempt.ask().external_port, 0xc000);
    }

    #[test]
    fn r072_a_gateway_that_knows_permanent_mappings_only_is_asked_for_one() {
        let mut attempt = attempt(None);
        assert_eq!(attempt.ask().lease, Lease::For(Duration::from_secs(3600)));
        assert_eq!(attempt.answer(Err(MapError::OnlyPermanent)), Outcome::AskAgain);
        assert_eq!(attempt.ask().lease, Lease::Permanent);
        let made = attempt.ask().granted();
        assert_eq!(attempt.answer(Ok(made)), Outcome::Made(made));
        assert_eq!(attempt.answer(Err(MapError::OnlyPermanent)), Outcome::No(MapError::OnlyPermanent));
    }

    #[test]
    fn a_gateway_that_wants_the_same_port_gets_it_once() {
        let mut attempt = attempt(None);
        assert_eq!(attempt.answer(Err(MapError::SamePortOnly)), Outcome::AskAgain);
        assert_eq!(attempt.ask().external_port, 3389);
        assert_eq!(attempt.answer(Err(MapError::SamePortOnly)), Outcome::No(MapError::SamePortOnly));
    }

    #[test]
    fn r007_a_refusal_is_final_and_silence_is_not_a_no() {
        assert_eq!(attempt(None).answer(Err(MapError::Refused)), Outcome::No(MapError::Refused));
        assert_eq!(attempt(None).answer(Err(MapError::Unreachable)), Outcome::Unknown);
    }

    proptest! {
        /// Whatever a gateway answers, it is not asked for ever.
        #[test]
        fn r073_an_attempt_ends(answers in prop::collection::vec(0..6_usize, 8..40)) {
            let all = [
                MapError::Refused,
                MapError::Conflict,
                MapError::OnlyPermanent,
                MapError::SamePortOnly,
                MapError::NoSuchMapping,
                MapError::Unreachable,
            ];
            let mut attempt = attempt(None);
            let asked = answers.iter().take_while(|n| attempt.answer(Err(all[**n])) == Outcome::AskAgain).count();
            prop_assert!(asked <= 7, "five ports, one permanent, one same: {asked}");
        }
    }
}
