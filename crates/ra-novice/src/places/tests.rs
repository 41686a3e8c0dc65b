use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use ra_session::novice::State;
use ra_session::{Effect, LocalEvent, Moment, PeerEvent, Seat, Session};

use super::*;
use crate::prompt::Known;

/// What a fake place was told, in order, and the ballots that it holds.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    told: Vec<&'static str>,
    ballots: Vec<Ballot>,
    broken: bool,
}

impl Fake {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }

    fn told(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.notes().told)
    }

    fn ballot(&self) -> Ballot {
        self.notes().ballots.pop().unwrap()
    }
}

impl Place for Fake {
    fn greet(&mut self, standing: Standing) {
        self.notes().told.push(match standing {
            Standing::Counts => "counts",
            Standing::TooLate => "too late",
        });
    }

    fn ask(&mut self, inquiry: &Inquiry, ballot: Ballot) -> Result<(), NoPlaceToAsk> {
        let mut notes = self.notes();
        if notes.broken {
            return Err(NoPlaceToAsk);
        }
        notes.told.push(inquiry.kind.name());
        notes.ballots.push(ballot);
        Ok(())
    }

    fn withdraw(&mut self) {
        self.notes().told.push("withdrawn");
    }

    fn show(&mut self, status: &Status) {
        self.notes().told.push(match status {
            Status::Waiting => "waiting",
            Status::Viewing { .. } => "viewing",
            Status::Controlling { .. } => "controlling",
            Status::Lost { .. } => "lost",
        });
    }
}

/// A real session whose questions go to the places.
struct Table {
    session: Session,
    places: Places,
    answers: Receiver<(LocalEvent, Reply)>,
    answered: std::sync::mpsc::Sender<(LocalEvent, Reply)>,
    nobody: Arc<AtomicUsize>,
}

impl Table {
    fn new() -> (Self, [Fake; 3]) {
        let nobody: Arc<AtomicUsize> = Arc::default();
        let counter = Arc::clone(&nobody);
        let places = Places::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let fakes: [Fake; 3] = Default::default();
        for (fake, on) in fakes.iter().zip([":1", ":2", "pts/3"]) {
            places.arrive(PlaceName::agent(on), Box::new(fake.clone()));
            assert_eq!(fake.told(), ["counts", "waiting"]);
        }
        let (table, asked) = Self::with(places, nobody);
        assert_eq!(asked, Ok(()));
        (table, fakes)
    }

    /// An expert comes, and the novice is asked.
    fn with(places: Places, nobody: Arc<AtomicUsize>) -> (Self, Result<(), NoPlaceToAsk>) {
        let control = ra_policy::Policy::default().may_control().unwrap();
        let (session, effects) =
            Session::open(crate::probe::admission(), Some(control), Seat::new().0, Moment::default());
        let (answered, answers) = channel();
        let mut table = Self { session, places, answers, answered, nobody };
        let asked = table.carry_out(effects);
        (table, asked)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), NoPlaceToAsk> {
        for effect in effects {
            let asked = match effect {
                Effect::AskView(question) => Asked::View(question),
                Effect::AskControl(question) => Asked::Control(question),
                Effect::WithdrawQuestion => {
                    self.places.withdraw();
                    continue;
                }
                _ => continue,
            };
            let answered = self.answered.clone();
            let answered = Answered::new(move |event, reply| drop(answered.send((event, reply))));
            self.places.ask(asked, &asker(), None, answered)?;
        }
        Ok(())
    }

    /// Takes the one answer that there is into the session: what was said, and where.
    fn answer(&mut self) -> (bool, String) {
        let (event, reply) = self.answers.try_recv().unwrap();
        assert!(self.answers.try_recv().is_err(), "one answer to one question");
        let effects = self.session.handle_local(Moment::default(), event);
        self.carry_out(effects).unwrap();
        (reply.yes, reply.place.to_string())
    }

    fn asks_for_control(&mut self) -> Result<(), NoPlaceToAsk> {
        let effects = self.session.handle_peer(Moment::default(), PeerEvent::RequestControl);
        self.carry_out(effects)
    }

    fn nobody_heard(&self) -> usize {
        self.nobody.load(Ordering::SeqCst)
    }
}

fn asker() -> Asker {
    Asker {
        name: "Lee".to_owned(),
        known: Known::Claimed,
        peer: SocketAddr::from(([192, 0, 2, 9], 5000)).into(),
        words: None,
    }
}

#[test]
fn s049_r034_the_question_stands_in_every_place_the_first_answer_decides_and_the_others_close() {
    for yes in [true, false] {
        let (mut table, fakes) = Table::new();
        for fake in &fakes {
            assert_eq!(fake.told(), ["view"]);
        }
        fakes[1].ballot().cast(yes);
        assert_eq!(fakes[0].told(), ["withdrawn"]);
        assert_eq!(fakes[1].told(), [""; 0], "who answered is not told to take it away");
        assert_eq!(fakes[2].told(), ["withdrawn"]);
        for late in [&fakes[0], &fakes[2]] {
            late.ballot().cast(!yes);
        }
        assert_eq!(table.answer(), (yes, "agent :2".to_owned()));
        assert_eq!(matches!(table.session.state(), State::Viewing(_)), yes, "{:?}", table.session.state());
    }
}

#[test]
fn r034_of_three_that_answer_at_one_time_one_is_heard() {
    for _ in 0..50 {
        let (mut table, fakes) = Table::new();
        let start = Arc::new(std::sync::Barrier::new(3));
        let casting: Vec<_> = fakes
            .iter()
            .enumerate()
            .map(|(at, fake)| {
                let (ballot, start) = (fake.ballot(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    ballot.cast(at == 0);
                })
            })
            .collect();
        casting.into_iter().for_each(|thread| thread.join().unwrap());
        let (yes, place) = table.answer();
        assert_eq!(yes, place == "agent :1");
    }
}

#[test]
fn an_answer_to_the_question_before_says_nothing_about_this_one() {
    let (mut table, fakes) = Table::new();
    let old = fakes[0].ballot();
    fakes[2].ballot().cast(true);
    table.answer();
    table.asks_for_control().unwrap();
    assert_eq!(fakes[0].told(), ["view", "withdrawn", "control"]);
    old.cast(true);
    assert!(table.answers.try_recv().is_err());
    fakes[0].ballot().cast(false);
    assert_eq!(table.answer(), (false, "agent :1".to_owned()));
}

#[test]
fn a_question_that_was_taken_away_takes_no_answer() {
    let (mut table, fakes) = Table::new();
    let effects = table.session.handle_peer(Moment::default(), PeerEvent::Disconnect);
    table.carry_out(effects).unwrap();
    for fake in &fakes {
        assert_eq!(fake.told(), ["view", "withdrawn"]);
        fake.ballot().cast(true);
    }
    assert!(table.answers.try_recv().is_err());
}

#[test]
fn s049_a_place_that_came_after_control_was_granted_is_not_asked_and_sees_what_goes_on() {
    let (mut table, fakes) = Table::new();
    fakes[0].ballot().cast(true);
    table.answer();
    table.asks_for_control().unwrap();
    fakes[0].ballot().cast(true);
    // Before the session has heard of the yes: from here on an expert could have started it.
    let late = Fake::default();
    table.places.arrive(PlaceName::agent(":9"), Box::new(late.clone()));
    table.answer();
    assert!(matches!(table.session.state(), State::Controlling(_)));
    assert_eq!(late.told(), ["too late", "waiting"]);
    table.places.show(&Status::Controlling { asker: asker(), since: std::time::SystemTime::UNIX_EPOCH });
    assert_eq!(late.told(), ["controlling"]);

    // The next expert, of the same host.
    let (table, asked) = Table::with(table.places, table.nobody);
    assert_eq!((asked, late.told()), (Ok(()), vec![]));
    assert_eq!(fakes[1].told().last(), Some(&"view"));
    drop(table);
}

#[test]
fn r034_whoever_logs_on_while_the_question_stands_is_asked_too() {
    let (mut table, fakes) = Table::new();
    let fourth = Fake::default();
    table.places.arrive(PlaceName::agent(":4"), Box::new(fourth.clone()));
    assert_eq!(fourth.told(), ["counts", "waiting", "view"]);
    fourth.ballot().cast(true);
    assert_eq!(table.answer(), (true, "agent :4".to_owned()));
    assert_eq!(fakes[0].told(), ["view", "withdrawn"]);
}

#[test]
fn a_place_that_goes_answers_nothing_and_the_last_one_that_goes_is_noticed() {
    let nobody: Arc<AtomicUsize> = Arc::default();
    let counter = Arc::clone(&nobody);
    let places = Places::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    assert!(!places.wait_for_anybody(Duration::ZERO));
    let (first, second) = (Fake::default(), Fake::default());
    let ids = [&first, &second].map(|fake| places.arrive(PlaceName::agent(":1"), Box::new(fake.clone())));
    assert!(places.wait_for_anybody(Duration::ZERO));
    let (mut table, asked) = Table::with(places, nobody);
    assert_eq!(asked, Ok(()));
    table.places.leave(ids[0]);
    first.ballot().cast(true);
    assert!(table.answers.try_recv().is_err(), "who has left says nothing");
    assert_eq!(table.nobody_heard(), 0);
    table.places.leave(ids[1]);
    assert_eq!(table.nobody_heard(), 1);
    second.ballot().cast(true);
    assert!(table.answers.try_recv().is_err());
    let effects = table.session.handle_local(Moment::default(), LocalEvent::NobodyThere);
    table.carry_out(effects).unwrap();
    assert!(matches!(table.session.state(), State::Ended(ended) if ended.reason() == ra_session::EndReason::NoAnswer));
    let (_, asked) = Table::with(table.places, table.nobody);
    assert_eq!(asked, Err(NoPlaceToAsk));
}

#[test]
fn a_place_that_cannot_be_asked_is_one_less() {
    let (mut table, fakes) = Table::new();
    fakes[0].notes().broken = true;
    fakes[2].ballot().cast(true);
    table.answer();
    table.asks_for_control().unwrap();
    assert_eq!(fakes[0].told(), ["view", "withdrawn"]);
    fakes[1].ballot().cast(true);
    assert_eq!(table.answer(), (true, "agent :2".to_owned()));
}
