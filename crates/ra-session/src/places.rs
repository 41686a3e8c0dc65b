//! Where the novice is asked: in every place at once, and the first answer decides.
//!
//! A place is a terminal, a window, or an agent in another session of the novice. Which of them count, and what an answer
//! in one means for the others, is said here; what a place looks like and how it is reached is nothing that this crate
//! knows. Source: R34, S49.
//!
//! ```
//! use ra_session::places::{Kind, Roll};
//!
//! let mut roll = Roll::default();
//! let (here, there) = (roll.arrive().place, roll.arrive().place);
//! assert_eq!(roll.ask(Kind::View), [here, there]);
//! assert_eq!(roll.answer(there, true).expect("the first").withdraw, [here]);
//! assert!(roll.answer(here, false).is_none(), "too late");
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// Who is asked, and whose answer counts. One for each host, for as long as it runs.
///
/// INVARIANT: a place that came after control was granted, even once and however long ago, is never asked. Whoever
/// controls this computer can start programs on it, and what an expert has started must not answer for the novice.
#[derive(Debug, Default)]
pub struct Roll {
    next: u64,
    places: BTreeMap<PlaceId, Standing>,
    /// The novice said yes to control since this roll was begun.
    control_was_granted: bool,
    open: Option<Open>,
}

/// Tells one place from the next. A place that comes back is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(u64);

/// Whether a place is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is asked, and its answer counts.
    Counts,
    /// It came after control was granted, so it is not asked.
    TooLate,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May the expert see?
    View,
    /// May the expert control?
    Control,
}

/// A place that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub place: PlaceId,
    /// Whether it counts.
    pub standing: Standing,
    /// True when a question is open that must be put here too.
    pub asks: bool,
}

/// The answer that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The places where the question stands and must be taken away.
    pub withdraw: Vec<PlaceId>,
}

/// What it means that a place is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Others are there, or nobody was counted on.
    Others,
    /// It was the last one that counts: nobody can be asked, and nobody there can end anything.
    Nobody,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    asked: BTreeSet<PlaceId>,
}

impl Kind {
    /// `view` or `control`, as in the event `consent_asked`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
        }
    }
}

impl Roll {
    /// A place came. With a question open it is one more to answer it, if it counts.
    pub fn arrive(&mut self) -> Arrived {
        let place = PlaceId(self.next);
        self.next += 1;
        let standing = if self.control_was_granted { Standing::TooLate } else { Standing::Counts };
        self.places.insert(place, standing);
        let asks = match &mut self.open {
            Some(open) if standing == Standing::Counts => open.asked.insert(place),
            _ => false,
        };
        Arrived { place, standing, asks }
    }

    /// Opens a question, in place of one that was open. The places to put it to, in the order in which they came; none
    /// when nobody can be asked, and then no question is open.
    pub fn ask(&mut self, kind: Kind) -> Vec<PlaceId> {
        let asked: BTreeSet<_> = self.counting().collect();
        let list = asked.iter().copied().collect();
        self.open = (!asked.is_empty()).then_some(Open { kind, asked });
        list
    }

    /// Somebody answered in a place. `None` when that means nothing: no question is open there any more.
    ///
    /// A yes to control is remembered before this returns, and so before anything can follow from it.
    pub fn answer(&mut self, place: PlaceId, yes: bool) -> Option<Decided> {
        let open = self.open.take_if(|open| open.asked.contains(&place))?;
        self.control_was_granted |= yes && open.kind == Kind::Control;
        Some(Decided { withdraw: open.asked.into_iter().filter(|asked| *asked != place).collect() })
    }

    /// The question is no longer open: the places where it stands.
    pub fn withdraw(&mut self) -> Vec<PlaceId> {
        self.open.take().map(|open| open.asked.into_iter().collect()).unwrap_or_default()
    }

    /// A place is gone: it hung up, crashed, or its session ended. That is neither a yes nor a no.
    pub fn leave(&mut self, place: PlaceId) -> Left {
        let counted = self.places.remove(&place) == Some(Standing::Counts);
        if let Some(open) = &mut self.open {
            open.asked.remove(&place);
        }
        self.open.take_if(|open| open.asked.is_empty());
        if counted && self.counting().next().is_none() { Left::Nobody } else { Left::Others }
    }

    /// True when somebody could be asked.
    #[must_use]
    pub fn counts_anybody(&self) -> bool {
        self.counting().next().is_some()
    }

    fn counting(&self) -> impl Iterator<Item = PlaceId> {
        self.places.iter().filter(|(_, standing)| **standing == Standing::Counts).map(|(place, _)| *place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s049_r034_the_first_answer_decides_be_it_yes_or_no() {
        for yes in [true, false] {
            let mut roll = Roll::default();
            let places = [roll.arrive().place, roll.arrive().place, roll.arrive().place];
            assert_eq!(roll.ask(Kind::View), places);
            let decided = roll.answer(places[1], yes).unwrap();
            assert_eq!(decided.withdraw, [places[0], places[2]]);
            for late in places {
                assert_eq!(roll.answer(late, !yes), None);
            }
        }
    }

    #[test]
    fn r034_a_place_that_comes_while_a_question_is_open_is_asked_too() {
        let mut roll = Roll::default();
        let first = roll.arrive();
        assert!(!first.asks);
        roll.ask(Kind::View);
        let second = roll.arrive();
        assert_eq!((second.standing, second.asks), (Standing::Counts, true));
        assert_eq!(roll.answer(second.place, true).unwrap().withdraw, [first.place]);
    }

    #[test]
    fn s049_whoever_came_after_control_was_granted_is_never_asked() {
        let mut roll = Roll::default();
        let novice = roll.arrive().place;
        roll.ask(Kind::Control);
        roll.answer(novice, true).unwrap();
        let late = roll.arrive();
        assert_eq!((late.standing, late.asks), (Standing::TooLate, false));
        // Not even after a later yes, in a later session.
        roll.ask(Kind::Control);
        roll.answer(novice, true).unwrap();
        assert_eq!(roll.ask(Kind::View), [novice]);
        assert_eq!(roll.answer(late.place, true), None);
        assert_eq!(roll.leave(late.place), Left::Others);
        assert_eq!(roll.leave(novice), Left::Nobody);
        roll.arrive();
        assert_eq!(roll.ask(Kind::View), []);
    }

    #[test]
    fn a_no_to_control_and_a_yes_to_view_shut_nobody_out() {
        let mut roll = Roll::default();
        let novice = roll.arrive().place;
        for (kind, yes) in [(Kind::View, true), (Kind::Control, false)] {
            roll.ask(kind);
            roll.answer(novice, yes).unwrap();
            assert_eq!(roll.arrive().standing, Standing::Counts);
        }
    }

    #[test]
    fn a_place_that_hangs_up_says_neither_yes_nor_no() {
        let mut roll = Roll::default();
        let (first, second) = (roll.arrive().place, roll.arrive().place);
        roll.ask(Kind::View);
        assert_eq!(roll.leave(first), Left::Others);
        assert_eq!(roll.answer(first, true), None);
        assert_eq!(roll.answer(second, true).unwrap().withdraw, []);
        roll.ask(Kind::View);
        assert_eq!(roll.leave(second), Left::Nobody);
        assert_eq!(roll.withdraw(), []);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive,
        Ask(bool),
        Answer(usize, bool),
        Withdraw,
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Arrive),
            3 => any::<bool>().prop_map(Step::Ask),
            4 => (0..8usize, any::<bool>()).prop_map(|(at, yes)| Step::Answer(at, yes)),
            1 => Just(Step::Withdraw),
            2 => (0..8usize).prop_map(Step::Leave),
        ]
    }

    proptest! {
        /// Against a history written down in full: what counts is read back from it, never kept.
        #[test]
        fn s049_r034_one_answer_for_each_question_and_only_of_places_that_were_there_first(
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let mut roll = Roll::default();
            // Every place that ever came: its number, how many grants there were before, and whether it is still there.
            let mut came: Vec<(PlaceId, usize, bool)> = Vec::new();
            let mut grants = 0;
            let mut open: Option<(bool, Vec<PlaceId>)> = None;
            for step in steps {
                let counting: Vec<_> = came.iter().filter(|(_, g, here)| *g == 0 && *here).map(|c| c.0).collect();
                match step {
                    Step::Arrive => {
                        let arrived = roll.arrive();
                        came.push((arrived.place, grants, true));
                        prop_assert_eq!(arrived.standing == Standing::Counts, grants == 0);
                        if let (0, Some((_, asked))) = (grants, &mut open) {
                            asked.push(arrived.place);
                        }
                    }
                    Step::Ask(control) => {
                        let asked = roll.ask(if control { Kind::Control } else { Kind::View });
                        prop_assert_eq!(&asked, &counting);
                        open = (!asked.is_empty()).then_some((control, asked));
                    }
                    Step::Answer(at, yes) => {
                        let Some((place, ..)) = came.get(at).copied() else { continue };
                        let stands = open.as_ref().is_some_and(|(_, asked)| asked.contains(&place));
                        let decided = roll.answer(place, yes);
                        prop_assert_eq!(decided.is_some(), stands);
                        if let (Some(decided), Some((control, mut asked))) = (decided, open.take_if(|_| stands)) {
                            asked.retain(|other| *other != place);
                            prop_assert_eq!(decided.withdraw, asked);
                            grants += usize::from(control && yes);
                        }
                    }
                    Step::Withdraw => {
                        let asked = open.take().map(|(_, asked)| asked).unwrap_or_default();
                        prop_assert_eq!(roll.withdraw(), asked);
                    }
                    Step::Leave(at) => {
                        let Some(found) = came.get_mut(at) else { continue };
                        let was_counted = found.2 && found.1 == 0;
                        found.2 = false;
                        let place = found.0;
                        let last = was_counted && counting == [place];
                        prop_assert_eq!(roll.leave(place) == Left::Nobody, last);
                        if let Some((_, asked)) = &mut open {
                            asked.retain(|other| *other != place);
                        }
                        open.take_if(|(_, asked)| asked.is_empty());
                    }
                }
                prop_assert_eq!(roll.counts_anybody(), came.iter().any(|(_, g, here)| *g == 0 && *here));
            }
        }
    }
}
