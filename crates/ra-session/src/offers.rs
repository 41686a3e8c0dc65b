//! Help that is offered without an invitation: how often somebody may try, and how often the novice is asked.
//!
//! Policy says whose offers may come at all ([`ra_policy::Policy::may_offer`]); here is what protects the novice, and the list of
//! helpers, from those who try again and again. The lock-out is that of tickets (R39), the pause after a no as well
//! (R40a). It is kept in memory for as long as a host runs: a stranger's attempts are not worth a write to the disk.

use std::collections::BTreeMap;

use ra_policy::HelperName;
use ra_ticket::KeyFingerprint;

use crate::invitations::{
    FIRST_LOCK, QUIET_AFTER_REFUSAL, REFUSALS_TO_END, Source, WRONG_PROOFS_TO_END, WRONG_PROOFS_TO_LOCK,
};
use crate::moment::UnixTime;

/// What went wrong with offers so far.
#[derive(Debug, Default)]
pub struct OfferGuard {
    strangers: BTreeMap<Source, Strikes>,
    helpers: BTreeMap<Helper, Answers>,
}

/// A helper who offers help, by what they have proved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Helper {
    /// They have this key.
    Key(KeyFingerprint),
    /// They know the password of this account of the novice's computer.
    Account(HelperName),
}

/// The novice may be asked about this offer. Only [`OfferGuard::may_ask`] makes it.
#[derive(Debug)]
#[must_use = "an offer that nobody takes shows nothing"]
pub struct Offered(());

/// How the novice refused to be helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// "No".
    Declined,
    /// Nothing.
    NoAnswer,
}

#[derive(Debug, Clone, Copy, Default)]
struct Strikes {
    failed: u8,
    locked_until: UnixTime,
}

#[derive(Debug, Clone, Copy)]
struct Answers {
    refusals: u8,
    last: Refusal,
    quiet_until: UnixTime,
}

impl OfferGuard {
    /// Whether offers from this source are looked at now.
    #[must_use]
    pub fn admits(&self, source: Source, now: UnixTime) -> bool {
        self.strangers.get(&source).is_none_or(|strikes| strikes.locked_until <= now)
    }

    /// An offer whose key nobody knows, that has no key, with a wrong password, or that policy does not want: five of a source lock it for a
    /// while, and each later five for twice as long.
    pub fn failed(&mut self, source: Source, now: UnixTime) {
        if !self.strangers.contains_key(&source) && self.strangers.len() >= MOST_SOURCES {
            // Whoever waits longest yet for the end of a lock stays; who has none goes first.
            let least =
                self.strangers.iter().min_by_key(|(_, strikes)| strikes.locked_until).map(|(source, _)| *source);
            least.map(|source| self.strangers.remove(&source));
        }
        let strikes = self.strangers.entry(source).or_default();
        strikes.failed = strikes.failed.saturating_add(1);
        if strikes.failed.is_multiple_of(WRONG_PROOFS_TO_LOCK) {
            let doublings = u32::from(strikes.failed.min(MOST_DOUBLED) / WRONG_PROOFS_TO_LOCK) - 1;
            strikes.locked_until = now.after(FIRST_LOCK * 2_u32.pow(doublings));
        }
    }

    /// Whether the novice may be asked about this helper now.
    ///
    /// # Errors
    /// The novice's last word, which is also the answer to this offer: within ten seconds of a refusal, and for good after
    /// three (R40a).
    pub fn may_ask(&self, helper: &Helper, now: UnixTime) -> Result<Offered, Refusal> {
        match self.helpers.get(helper) {
            Some(answers) if answers.refusals >= REFUSALS_TO_END || now < answers.quiet_until => Err(answers.last),
            _ => Ok(Offered(())),
        }
    }

    /// The novice did not want this helper: true when that was the third time, and nobody will be asked again.
    pub fn refused(&mut self, helper: &Helper, how: Refusal, now: UnixTime) -> bool {
        let before = self.helpers.get(helper).map_or(0, |answers| answers.refusals);
        let refusals = before.saturating_add(1);
        let answers = Answers { refusals, last: how, quiet_until: now.after(QUIET_AFTER_REFUSAL) };
        // Only keys and accounts on the lists of the novice's computer come this far, so these are few.
        self.helpers.insert(helper.clone(), answers);
        refusals == REFUSALS_TO_END
    }

    /// The novice wanted this helper: what was refused before is forgotten.
    pub fn accepted(&mut self, helper: &Helper) {
        self.helpers.remove(helper);
    }
}

/// Sources that are remembered. A stranger with more addresses than this guesses at keys of 256 bits.
const MOST_SOURCES: usize = 1024;
/// A lock does not double beyond the point where a ticket would have ended: there is no ticket here to end, and an
/// hour-long lock on an address that others share would be a way to keep them out.
const MOST_DOUBLED: u8 = WRONG_PROOFS_TO_END;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn from(number: u32) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    fn lee() -> Helper {
        Helper::Key(KeyFingerprint::of_spki(b"lee"))
    }

    fn after(seconds: u64) -> UnixTime {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn r039_r079_five_failed_offers_lock_a_source_and_the_lock_doubles() {
        let mut guard = OfferGuard::default();
        let mut now = NOW;
        for lock in [60, 120, 240, 240] {
            for _ in 0..5 {
                assert!(guard.admits(from(1), now));
                guard.failed(from(1), now);
            }
            assert!(!guard.admits(from(1), now) && guard.admits(from(2), now));
            now = now.after(Duration::from_secs(lock - 1));
            assert!(!guard.admits(from(1), now));
            now = now.after(Duration::from_secs(1));
        }
    }

    #[test]
    fn a_crowd_of_sources_is_forgotten_before_a_lock_is() {
        let mut guard = OfferGuard::default();
        (0..5).for_each(|_| guard.failed(from(1), NOW));
        (10..100_000).for_each(|number| guard.failed(from(number), NOW));
        assert!(!guard.admits(from(1), NOW));
        assert_eq!(guard.strangers.len(), MOST_SOURCES);
    }

    #[test]
    fn r040a_after_a_refusal_nobody_is_asked_for_ten_seconds_and_after_three_not_at_all() {
        let mut guard = OfferGuard::default();
        assert!(guard.may_ask(&lee(), NOW).is_ok());
        assert!(!guard.refused(&lee(), Refusal::NoAnswer, NOW));
        assert_eq!(guard.may_ask(&lee(), after(9)).unwrap_err(), Refusal::NoAnswer);
        assert!(guard.may_ask(&lee(), after(10)).is_ok());
        let account = Helper::Account(HelperName::new("lee").unwrap());
        for other in [Helper::Key(KeyFingerprint::of_spki(b"kim")), account] {
            assert!(guard.may_ask(&other, NOW).is_ok(), "another helper is another question");
        }
        assert!(!guard.refused(&lee(), Refusal::Declined, after(10)));
        assert!(guard.refused(&lee(), Refusal::Declined, after(30)));
        assert_eq!(guard.may_ask(&lee(), after(9999)).unwrap_err(), Refusal::Declined);
    }

    #[test]
    fn a_yes_forgets_the_noes_before() {
        let mut guard = OfferGuard::default();
        guard.refused(&lee(), Refusal::Declined, NOW);
        guard.refused(&lee(), Refusal::Declined, after(20));
        guard.accepted(&lee());
        assert!(!guard.refused(&lee(), Refusal::Declined, after(40)));
    }
}
