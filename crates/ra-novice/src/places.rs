//! Every place where the novice can be asked, as one prompt: a question stands in all of them, and the first answer
//! decides (S49, R34).
//!
//! Whose answer counts is the rule of [`ra_session::places::Roll`]; this file puts the question where that says, takes it
//! away again, and keeps places from being in each other's way. A [`Place`] may come and go while a question is open.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ra_policy::Message;
pub use ra_session::places::{Kind, PlaceId, Standing};
use ra_session::places::{Left, Roll};

use crate::prompt::{Answered, Asked, Asker, NoPlaceToAsk, PlaceName, Prompt, Reply, Status};

/// One place: a terminal, or an agent in another session. No call may block for longer than writing a few lines takes,
/// and none may answer before it has returned.
pub trait Place: Send {
    /// The place is one of them now; tells whether it will be asked.
    fn greet(&mut self, standing: Standing);

    /// Puts a question. What was typed before is discarded.
    ///
    /// # Errors
    /// The place is gone.
    fn ask(&mut self, inquiry: &Inquiry, ballot: Ballot) -> Result<(), NoPlaceToAsk>;

    /// The question is no longer open, because it was answered elsewhere or for another reason.
    fn withdraw(&mut self);

    /// What the person should see for as long as it is true.
    fn show(&mut self, status: &Status);
}

/// A question without the power to answer it: who asks for what, and the administrator's text beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// What is asked for.
    pub kind: Kind,
    /// Who asks.
    pub about: Asker,
    /// The administrator's text.
    pub note: Option<Message>,
}

/// One place's answer to one question. Dropping it answers nothing.
#[must_use = "a ballot that is not cast answers nothing"]
pub struct Ballot {
    places: Places,
    place: PlaceId,
    question: u64,
}

/// All places of a host. Cheap to clone; whoever has a clone can let a place in.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    hall: Mutex<Hall>,
    arrived: Condvar,
    /// Called when the last place that counts has gone, with nothing locked.
    on_nobody: Box<dyn Fn() + Send + Sync>,
}

struct Hall {
    roll: Roll,
    places: BTreeMap<PlaceId, Present>,
    open: Option<Open>,
    /// Counts the questions, so that an old ballot is worth nothing.
    question: u64,
    status: Status,
}

struct Present {
    name: PlaceName,
    place: Box<dyn Place>,
}

struct Open {
    inquiry: Inquiry,
    asked: Asked,
    answered: Answered,
}

impl Places {
    /// Nobody yet. `on_nobody` is called whenever the last place that counts has gone.
    pub fn new(on_nobody: impl Fn() + Send + Sync + 'static) -> Self {
        let hall =
            Hall { roll: Roll::default(), places: BTreeMap::new(), open: None, question: 0, status: Status::Waiting };
        Self(Arc::new(Shared { hall: Mutex::new(hall), arrived: Condvar::new(), on_nobody: Box::new(on_nobody) }))
    }

    /// A place came: it is greeted, told what goes on, and asked at once if a question is open.
    pub fn arrive(&self, name: PlaceName, mut place: Box<dyn Place>) -> PlaceId {
        let mut hall = self.lock();
        let arrived = hall.roll.arrive();
        place.greet(arrived.standing);
        place.show(&hall.status);
        hall.places.insert(arrived.place, Present { name, place });
        let nobody = arrived.asks && self.put(&mut hall, vec![arrived.place]);
        drop(hall);
        self.0.arrived.notify_all();
        self.tell(nobody);
        arrived.place
    }

    /// A place is gone. That answers nothing.
    pub fn leave(&self, place: PlaceId) {
        let nobody = self.lock().remove(place);
        self.tell(nobody);
    }

    /// Waits until somebody can be asked; false when nobody came in time.
    #[must_use]
    pub fn wait_for_anybody(&self, patience: Duration) -> bool {
        let hall = self.lock();
        let waited = self.0.arrived.wait_timeout_while(hall, patience, |hall| !hall.roll.counts_anybody());
        waited.unwrap_or_else(PoisonError::into_inner).0.roll.counts_anybody()
    }

    /// Puts the open question in these places. True when that showed that the last one that counts is gone.
    fn put(&self, hall: &mut Hall, list: Vec<PlaceId>) -> bool {
        let mut nobody = false;
        for place in list {
            let question = hall.question;
            let Some((open, present)) = hall.open.as_ref().zip(hall.places.get_mut(&place)) else { continue };
            let ballot = Ballot { places: self.clone(), place, question };
            if present.place.ask(&open.inquiry, ballot).is_err() {
                nobody |= hall.remove(place);
            }
        }
        nobody
    }

    fn answer(&self, place: PlaceId, question: u64, yes: bool) {
        let mut hall = self.lock();
        if hall.question != question {
            return;
        }
        let Some(decided) = hall.roll.answer(place, yes) else { return };
        let Some((open, name)) = hall.open.take().zip(hall.places.get(&place).map(|present| present.name.clone()))
        else {
            return;
        };
        hall.withdraw(decided.withdraw);
        open.answered.with(open.asked, Reply { yes, place: name });
    }

    fn tell(&self, nobody: bool) {
        if nobody {
            (self.0.on_nobody)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hall> {
        self.0.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prompt for Places {
    fn ask(
        &mut self,
        asked: Asked,
        about: &Asker,
        note: Option<&Message>,
        answered: Answered,
    ) -> Result<(), NoPlaceToAsk> {
        let mut hall = self.lock();
        let kind = asked.kind();
        let list = hall.roll.ask(kind);
        hall.question += 1;
        let inquiry = Inquiry { kind, about: about.clone(), note: note.cloned() };
        hall.open = (!list.is_empty()).then_some(Open { inquiry, asked, answered });
        // Nobody is told here that nobody is left: whoever asks hears it.
        self.put(&mut hall, list);
        if hall.open.is_some() { Ok(()) } else { Err(NoPlaceToAsk) }
    }

    fn withdraw(&mut self) {
        let mut hall = self.lock();
        hall.open = None;
        let list = hall.roll.withdraw();
        hall.withdraw(list);
    }

    fn show(&mut self, status: &Status) {
        let mut hall = self.lock();
        hall.status = status.clone();
        for present in hall.places.values_mut() {
            present.place.show(status);
        }
    }
}

impl Hall {
    fn withdraw(&mut self, list: Vec<PlaceId>) {
        for place in list {
            if let Some(present) = self.places.get_mut(&place) {
                present.place.withdraw();
            }
        }
    }

    /// Takes a place off; true when it was the last one that counts.
    fn remove(&mut self, place: PlaceId) -> bool {
        self.places.remove(&place);
        let nobody = self.roll.leave(place) == Left::Nobody;
        if nobody {
            self.open = None;
        }
        nobody
    }
}

impl Ballot {
    /// Hands in the answer: yes, or anything else. It counts if it is the first, and if the question is still open.
    pub fn cast(self, yes: bool) {
        self.places.answer(self.place, self.question, yes);
    }
}

impl std::fmt::Debug for Ballot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ballot({:?}, {})", self.place, self.question)
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Places")
    }
}

#[cfg(test)]
mod tests;
