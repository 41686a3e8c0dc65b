//! The novice's session against a small reference model, and the stories it has to get right one by one.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test stops at the first surprise")]

mod proofs;

use std::time::Duration;

use proptest::prelude::*;
use ra_session::{
    ANSWER_WITHIN, ConsentToControl, ConsentToView, Effect, EndReason, InputEvent, InputGate, LocalEvent, Milestone,
    Moment, NotTheirs, PeerEvent, Question, RETURN_WITHIN, ReturnSecret, RevokedBy, Seat, Session, State, Tell,
    ViewGate,
};
use zeroize::Zeroizing;

/// A session with everything a test wants to look at, carrying out effects as a driver would.
struct Table {
    session: Session,
    input: InputGate,
    view: ViewGate,
    now: Moment,
    view_question: Option<Question<ConsentToView>>,
    control_questions: Vec<Question<ConsentToControl>>,
    question_open: bool,
    landed: Vec<InputEvent>,
    told: Vec<Tell>,
    seen: Vec<Milestone>,
    keys_down: bool,
    closed: Option<EndReason>,
    stamp: Option<ra_session::Stamp<ra_session::View>>,
    connected: bool,
}

impl Table {
    fn new(with_control: bool) -> Self {
        let (seat, input, view) = Seat::new();
        let control = with_control.then(proofs::control);
        let (session, effects) = Session::open(proofs::admission(), control, seat, Moment::default());
        let mut table = Self {
            session,
            input,
            view,
            now: Moment::default(),
            view_question: None,
            control_questions: Vec::new(),
            question_open: false,
            landed: Vec::new(),
            told: Vec::new(),
            seen: Vec::new(),
            keys_down: false,
            closed: None,
            stamp: None,
            connected: true,
        };
        table.carry_out(effects);
        table
    }

    fn viewing(with_control: bool) -> Self {
        let mut table = Self::new(with_control);
        table.say_yes_to_view();
        table
    }

    fn controlling() -> Self {
        let mut table = Self::viewing(true);
        table.peer(PeerEvent::RequestControl);
        table.say_yes_to_control();
        assert!(matches!(table.session.state(), State::Controlling(_)));
        table
    }

    fn say_yes_to_view(&mut self) {
        let answer = self.view_question.take().unwrap().yes();
        self.local(LocalEvent::ViewAnswered(answer));
    }

    fn say_yes_to_control(&mut self) {
        let answer = self.control_questions.pop().unwrap().yes();
        self.local(LocalEvent::ControlAnswered(answer));
    }

    fn say_no_to_control(&mut self) {
        let answer = self.control_questions.pop().unwrap().no();
        self.local(LocalEvent::ControlAnswered(answer));
    }

    fn local(&mut self, event: LocalEvent) {
        let effects = self.session.handle_local(self.now, event);
        self.carry_out(effects);
    }

    fn peer(&mut self, event: PeerEvent) {
        let effects = self.session.handle_peer(self.now, event);
        self.carry_out(effects);
    }

    fn wait(&mut self, by: Duration) {
        self.now = self.now.after(by);
        let effects = self.session.handle_time(self.now);
        self.carry_out(effects);
    }

    fn promise(&mut self, secret: u8) {
        self.session.promise(secret_of(secret));
    }

    /// Somebody with the same ticket shows a secret on a new connection; true when it is theirs.
    fn returns_with(&mut self, secret: u8) -> bool {
        match self.session.resume(self.now, proofs::admission(), &secret_of(secret)) {
            Ok(effects) => {
                self.carry_out(effects);
                self.connected = true;
                true
            }
            Err(NotTheirs) => false,
        }
    }

    fn key(&mut self) {
        self.peer(PeerEvent::Input(InputEvent::Unicode { unit: 0x61, pressed: true }));
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(self.closed.is_none(), "nothing follows the close");
            match effect {
                Effect::AskView(question) => {
                    self.view_question = Some(question);
                    self.question_open = true;
                }
                Effect::AskControl(question) => {
                    assert!(!self.input.is_open(), "the gate is shut before the question is written");
                    assert!(!self.keys_down, "held keys are up before the question is written");
                    self.control_questions.push(question);
                    self.question_open = true;
                }
                Effect::WithdrawQuestion => self.question_open = false,
                Effect::StartCapture(stamp) => self.stamp = Some(stamp),
                Effect::StopCapture => self.stamp = None,
                Effect::Inject(stamped) => {
                    if let Some(event) = self.input.admit(stamped) {
                        self.keys_down = true;
                        self.landed.push(event);
                    }
                }
                Effect::HangUp => self.connected = false,
                Effect::ReleaseKeys => {
                    assert!(!self.input.is_open(), "keys are lifted behind a shut gate");
                    self.keys_down = false;
                }
                Effect::Tell(tell) => {
                    if matches!(tell, Tell::ControlRevoked(_)) {
                        assert!(!self.input.is_open(), "the expert hears of it only when it is true");
                    }
                    self.told.push(tell);
                }
                Effect::Report(milestone) => self.seen.push(milestone),
                Effect::Close(reason) => self.closed = Some(reason),
            }
        }
    }
}

fn secret_of(byte: u8) -> ReturnSecret {
    ReturnSecret::new(Zeroizing::new([byte; ReturnSecret::BYTES]))
}

#[test]
fn s048_s101_r016_r033_a_redeemed_ticket_alone_gives_nothing() {
    let mut table = Table::new(true);
    table.key();
    table.peer(PeerEvent::RequestControl);
    assert!(table.stamp.is_none() && !table.view.is_open() && !table.input.is_open());
    assert!(table.landed.is_empty() && table.told.is_empty());
    assert!(table.question_open, "the novice is asked");
}

#[test]
fn s052_r042_r047_input_while_viewing_never_lands() {
    let mut table = Table::viewing(true);
    assert!(table.view.is_open());
    table.key();
    assert!(table.landed.is_empty());
    table.peer(PeerEvent::RequestControl);
    table.key();
    assert!(table.landed.is_empty(), "nor while the question is open");
}

#[test]
fn s053_s054_s103_r043_control_needs_a_request_and_a_second_yes() {
    let mut table = Table::viewing(true);
    assert!(table.control_questions.is_empty(), "nobody is asked before the expert asks");
    table.peer(PeerEvent::RequestControl);
    assert_eq!(table.control_questions.len(), 1);
    table.say_yes_to_control();
    table.key();
    assert_eq!(table.landed.len(), 1);
    assert_eq!(table.told, [Tell::ViewGranted, Tell::ControlGranted]);
}

#[test]
fn s055_r044_esc_takes_control_back_at_once() {
    let mut table = Table::controlling();
    table.key();
    table.input.shut(); // the watcher, before the session hears of it
    table.key();
    assert_eq!(table.landed.len(), 1, "what comes after the key is dropped although the session does not know yet");
    table.local(LocalEvent::Esc);
    assert_eq!(table.told.last(), Some(&Tell::ControlRevoked(RevokedBy::Esc)));
    table.local(LocalEvent::KeysReleased);
    assert!(table.control_questions.is_empty(), "nobody is asked again by itself");
    table.key();
    assert_eq!(table.landed.len(), 1);
    assert!(table.view.is_open(), "the expert goes on seeing");
    table.peer(PeerEvent::RequestControl);
    assert_eq!(table.control_questions.len(), 1, "and has to ask again");
}

#[test]
fn s102_r037_no_to_view_ends_it_and_nothing_was_seen() {
    let mut table = Table::new(true);
    let answer = table.view_question.take().unwrap().no();
    table.local(LocalEvent::ViewAnswered(answer));
    assert_eq!((table.closed, table.told.as_slice()), (Some(EndReason::Declined), [Tell::ViewDeclined].as_slice()));
    assert!(!table.view.is_open());
    assert!(table.session.seat().is_some(), "the seat is free for the next one");
}

#[test]
fn with_nobody_there_a_question_is_not_answered_and_a_session_ends() {
    let mut table = Table::new(true);
    table.local(LocalEvent::NobodyThere);
    assert_eq!((table.closed, table.question_open), (Some(EndReason::NoAnswer), false));
    assert_eq!(table.told, [Tell::NoAnswer]);
    let mut table = Table::viewing(true);
    table.local(LocalEvent::NobodyThere);
    assert_eq!(table.closed, Some(EndReason::NoviceStopped));
}

#[test]
fn r036_no_answer_within_two_minutes_is_a_no() {
    let mut table = Table::new(true);
    assert_eq!(table.session.deadline(), Some(Moment::new(Duration::from_secs(120))));
    table.wait(Duration::from_millis(119_999));
    assert!(table.closed.is_none());
    table.wait(Duration::from_millis(1));
    assert_eq!((table.closed, table.question_open), (Some(EndReason::NoAnswer), false));
    assert_eq!(table.session.deadline(), None, "there is nothing left to wait for");
    let late = table.view_question.take().unwrap().yes();
    table.local(LocalEvent::ViewAnswered(late));
    assert!(!table.view.is_open(), "a yes that comes after the end opens nothing");
}

#[test]
fn r040a_after_a_no_nobody_nags_and_after_three_nobody_is_asked() {
    let mut table = Table::viewing(true);
    for _ in 0..3 {
        table.peer(PeerEvent::RequestControl);
        table.say_no_to_control();
        assert_eq!(table.told.last(), Some(&Tell::ControlRefused));
        table.wait(Duration::from_millis(9_999));
        table.peer(PeerEvent::RequestControl);
        assert!(table.control_questions.is_empty(), "too early to ask again");
        table.wait(Duration::from_millis(1));
    }
    table.peer(PeerEvent::RequestControl);
    assert!(table.control_questions.is_empty());
    assert_eq!(table.told.last(), Some(&Tell::ControlDenied));
}

#[test]
fn s106_r045_where_settings_forbid_control_nobody_is_asked() {
    let mut table = Table::viewing(false);
    table.peer(PeerEvent::RequestControl);
    assert!(table.control_questions.is_empty());
    assert_eq!(table.told.last(), Some(&Tell::ControlDenied));
}

#[test]
fn a_late_yes_to_an_older_question_opens_nothing() {
    let mut table = Table::viewing(true);
    table.peer(PeerEvent::RequestControl);
    let old = table.control_questions.pop().unwrap();
    table.peer(PeerEvent::ReleaseControl);
    assert!(!table.question_open);
    table.peer(PeerEvent::RequestControl);
    table.local(LocalEvent::ControlAnswered(old.yes()));
    assert!(!table.input.is_open());
    table.say_yes_to_control();
    assert!(table.input.is_open(), "the newer question is the one that counts");
}

#[test]
fn a_late_yes_from_the_session_before_opens_nothing() {
    let mut table = Table::new(true);
    let old = table.view_question.take().unwrap();
    table.peer(PeerEvent::Disconnect);
    let seat = table.session.seat().unwrap();
    let (mut next, effects) = Session::open(proofs::admission(), None, seat, table.now);
    assert!(next.handle_local(table.now, LocalEvent::ViewAnswered(old.yes())).is_empty());
    assert!(!table.view.is_open() && matches!(next.state(), State::AwaitingConsent(_)));
    let [Effect::AskView(question)] = <[Effect; 1]>::try_from(effects).unwrap() else { panic!("the novice is asked") };
    let _granted = next.handle_local(table.now, LocalEvent::ViewAnswered(question.yes()));
    assert!(table.view.is_open());
}

#[test]
fn esc_while_being_asked_is_a_no() {
    let mut table = Table::viewing(true);
    table.peer(PeerEvent::RequestControl);
    table.local(LocalEvent::Esc);
    assert_eq!((table.question_open, table.told.last()), (false, Some(&Tell::ControlRefused)));
    table.say_yes_to_control();
    assert!(!table.input.is_open());
}

#[test]
fn a_dead_watcher_takes_control_back_and_keeps_it() {
    let mut table = Table::controlling();
    table.local(LocalEvent::WatcherLost);
    assert!(!table.input.is_open());
    table.local(LocalEvent::KeysReleased);
    table.peer(PeerEvent::RequestControl);
    assert_eq!(table.told.last(), Some(&Tell::ControlDenied), "without ESC there is no control");
}

#[test]
fn a_request_that_comes_while_keys_are_being_lifted_is_not_lost() {
    let mut table = Table::controlling();
    table.local(LocalEvent::Esc);
    table.peer(PeerEvent::RequestControl);
    assert!(table.control_questions.is_empty());
    table.local(LocalEvent::KeysReleased);
    assert_eq!(table.control_questions.len(), 1);
}

#[test]
fn r049_an_ended_ticket_ends_its_session() {
    let mut table = Table::controlling();
    table.local(LocalEvent::TicketEnded);
    assert_eq!(table.closed, Some(EndReason::TicketEnded));
    assert!(!table.input.is_open() && !table.view.is_open());
    assert_eq!(table.told.last(), Some(&Tell::Goodbye));
}

#[test]
fn s101_a_lost_expert_sees_again_with_the_secret_and_has_to_ask_for_control_again() {
    let mut table = Table::controlling();
    table.promise(7);
    table.key();
    let old = table.stamp.as_ref().unwrap().stamp(());
    table.peer(PeerEvent::ConnectionLost);
    assert!(!table.view.is_open() && !table.input.is_open() && !table.keys_down && !table.connected);
    assert!(matches!(table.session.state(), State::Lost(_)) && table.stamp.is_none());
    assert_eq!((table.seen.last(), table.closed), (Some(&Milestone::Lost), None));
    assert_eq!(table.session.deadline(), Some(table.now.after(RETURN_WITHIN)));
    table.local(LocalEvent::KeysReleased);

    assert!(!table.returns_with(8), "another secret");
    assert!(!table.view.is_open() && matches!(table.session.state(), State::Lost(_)));
    assert!(table.returns_with(7));
    assert!(table.view.is_open() && table.connected);
    assert_eq!((table.seen.last(), table.told.last()), (Some(&Milestone::Returned), Some(&Tell::ViewGranted)));
    assert!(table.view.admit(old).is_none(), "a frame of before the loss");
    let landed = table.landed.len();
    table.key();
    assert_eq!(table.landed.len(), landed);
    table.peer(PeerEvent::RequestControl);
    assert_eq!(table.control_questions.len(), 1, "a second yes is a second yes");
    assert_eq!(table.session.deadline(), Some(table.now.after(ANSWER_WITHIN)));
}

#[test]
fn a_secret_is_good_for_one_return_and_for_a_minute() {
    let mut table = Table::viewing(true);
    table.promise(7);
    table.peer(PeerEvent::ConnectionLost);
    assert!(table.returns_with(7) && !table.returns_with(7), "spent");
    table.promise(8);
    table.promise(9);
    table.local(LocalEvent::ExpertSilent);
    assert!(!table.returns_with(8), "the last promise is the one that counts");
    table.wait(RETURN_WITHIN.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(table.returns_with(9));
    table.promise(10);
    table.peer(PeerEvent::ConnectionLost);
    table.wait(RETURN_WITHIN);
    assert_eq!(table.closed, Some(EndReason::ConnectionLost));
    assert!(!table.returns_with(10) && !table.view.is_open());
    assert!(table.session.seat().is_some(), "the seat is free for the next one");
}

#[test]
fn an_expert_who_is_back_before_the_loss_was_noticed_moves_to_the_new_connection() {
    let mut table = Table::controlling();
    table.promise(7);
    table.key();
    assert!(table.returns_with(7));
    assert!(table.view.is_open() && !table.input.is_open() && !table.keys_down);
    assert!(table.seen.ends_with(&[Milestone::Lost, Milestone::Returned]), "{:?}", table.seen);
}

#[test]
fn without_a_promise_a_loss_is_the_end() {
    let mut table = Table::viewing(true);
    assert!(!table.returns_with(0));
    table.peer(PeerEvent::ConnectionLost);
    assert_eq!(table.closed, Some(EndReason::ConnectionLost));
    let mut table = Table::new(true);
    table.promise(7);
    table.peer(PeerEvent::ConnectionLost);
    assert_eq!(table.closed, Some(EndReason::ConnectionLost), "nobody has said yes yet");
}

#[test]
fn while_an_expert_is_lost_the_novice_can_end_it_and_so_can_everything_else_that_could() {
    for (event, reason) in [
        (LocalEvent::Stop, EndReason::NoviceStopped),
        (LocalEvent::NobodyThere, EndReason::NoviceStopped),
        (LocalEvent::TicketEnded, EndReason::TicketEnded),
        (LocalEvent::HostStopping, EndReason::HostStopping),
        (LocalEvent::DesktopLost, EndReason::DesktopLost),
    ] {
        let mut table = Table::viewing(true);
        table.promise(7);
        table.peer(PeerEvent::ConnectionLost);
        table.local(event);
        assert_eq!(table.closed, Some(reason));
        assert!(!table.returns_with(7) && !table.view.is_open());
    }
    let mut table = Table::viewing(true);
    table.promise(7);
    table.peer(PeerEvent::ConnectionLost);
    table.local(LocalEvent::ControlForbidden);
    assert!(table.returns_with(7));
    table.peer(PeerEvent::RequestControl);
    assert_eq!(table.told.last(), Some(&Tell::ControlDenied), "what policy said meanwhile counts");
}

#[derive(Clone, Debug)]
enum Happens {
    ViewYes,
    ViewNo,
    ControlYes(usize),
    ControlNo(usize),
    Esc,
    WatcherShutsFirst,
    WatcherLost,
    TakeBack,
    Forbidden,
    KeysReleased,
    Stop,
    NobodyThere,
    TicketEnded,
    Silent,
    Request,
    Release,
    Key,
    Disconnect,
    Lost,
    Broken,
    Promise(u8),
    Return(u8),
    Wait(u16),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::ViewYes),
        1 => Just(Happens::ViewNo),
        6 => (0..3_usize).prop_map(Happens::ControlYes),
        2 => (0..3_usize).prop_map(Happens::ControlNo),
        3 => Just(Happens::Esc),
        2 => Just(Happens::WatcherShutsFirst),
        1 => Just(Happens::WatcherLost),
        2 => Just(Happens::TakeBack),
        1 => Just(Happens::Forbidden),
        4 => Just(Happens::KeysReleased),
        1 => Just(Happens::Stop),
        1 => Just(Happens::NobodyThere),
        1 => Just(Happens::TicketEnded),
        1 => Just(Happens::Silent),
        6 => Just(Happens::Request),
        3 => Just(Happens::Release),
        8 => Just(Happens::Key),
        1 => Just(Happens::Disconnect),
        3 => Just(Happens::Lost),
        1 => Just(Happens::Broken),
        4 => (0..2_u8).prop_map(Happens::Promise),
        3 => (0..2_u8).prop_map(Happens::Return),
        4 => (0..40_000_u16).prop_map(Happens::Wait),
    ]
}

/// The same rules told once more, as flags, the way nobody should build the product.
#[derive(Debug, Default)]
struct Model {
    seen_yes: bool,
    over: bool,
    asked: bool,
    asked_at: u64,
    control: bool,
    lifting: bool,
    again: bool,
    gate_shut_early: bool,
    forbidden: bool,
    noes: u8,
    quiet_until: u64,
    now: u64,
    promise: Option<u8>,
    lost_at: Option<u64>,
}

impl Model {
    fn request(&mut self) {
        if !self.seen_yes || self.over || self.asked || self.control || self.lost_at.is_some() {
            return;
        }
        if self.lifting {
            self.again = true;
        } else if !self.forbidden && self.noes < 3 && self.now >= self.quiet_until {
            (self.asked, self.asked_at) = (true, self.now);
        }
    }

    fn refuse(&mut self) {
        self.asked = false;
        self.noes += 1;
        self.quiet_until = self.now + 10_000;
    }

    fn take_back(&mut self) {
        if self.asked {
            self.refuse();
        } else if self.control {
            (self.control, self.lifting) = (false, true);
        }
    }

    fn forbid(&mut self) {
        self.forbidden |= self.seen_yes && !self.over;
        if self.control {
            (self.control, self.lifting) = (false, true);
        }
        self.asked = false;
    }

    /// The wire brings nothing any more.
    fn is_deaf(&self) -> bool {
        self.lost_at.is_some()
    }

    fn lose(&mut self) {
        if self.is_deaf() {
            return;
        }
        if !self.seen_yes || self.promise.is_none() {
            return self.end();
        }
        (self.control, self.asked, self.lifting, self.again) = (false, false, false, false);
        self.lost_at = Some(self.now);
    }

    fn come_back(&mut self, secret: u8) -> bool {
        if self.over || !self.seen_yes || self.promise != Some(secret) {
            return false;
        }
        self.lose();
        (self.lost_at, self.promise) = (None, None);
        true
    }

    fn end(&mut self) {
        *self = Self { over: true, ..Self::default() };
    }

    fn input_lands(&self) -> bool {
        self.control && !self.gate_shut_early
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Random lives of a session: the gates are open exactly when the model says so, after every step.
    #[test]
    fn s052_s053_s054_s055_r042_r043_r044_r047_the_gates_follow_the_model(steps in prop::collection::vec(happens(), 1..60)) {
        let mut table = Table::new(true);
        let mut model = Model::default();
        for step in steps {
            let landed = table.landed.len();
            match step {
                Happens::ViewYes | Happens::ViewNo => {
                    let Some(question) = table.view_question.take() else { continue };
                    let yes = matches!(step, Happens::ViewYes);
                    table.local(LocalEvent::ViewAnswered(if yes { question.yes() } else { question.no() }));
                    if !model.over {
                        if yes { model.seen_yes = true } else { model.end() }
                    }
                }
                Happens::ControlYes(i) | Happens::ControlNo(i) => {
                    if i >= table.control_questions.len() { continue }
                    // The newest question may be open; every older one is stale.
                    let index = table.control_questions.len() - 1 - i;
                    let newest = i == 0;
                    let question = table.control_questions.remove(index);
                    let yes = matches!(step, Happens::ControlYes(_));
                    table.local(LocalEvent::ControlAnswered(if yes { question.yes() } else { question.no() }));
                    if model.asked && newest {
                        if yes {
                            (model.asked, model.control, model.gate_shut_early) = (false, true, false);
                        } else {
                            model.refuse();
                        }
                    }
                }
                Happens::Esc => { table.local(LocalEvent::Esc); model.take_back() }
                Happens::WatcherShutsFirst => { table.input.shut(); model.gate_shut_early = true }
                Happens::TakeBack => { table.local(LocalEvent::TakeBack); model.take_back() }
                Happens::WatcherLost => { table.local(LocalEvent::WatcherLost); model.forbid() }
                Happens::Forbidden => { table.local(LocalEvent::ControlForbidden); model.forbid() }
                Happens::KeysReleased => {
                    table.local(LocalEvent::KeysReleased);
                    if model.lifting {
                        model.lifting = false;
                        if std::mem::take(&mut model.again) { model.request() }
                    }
                }
                Happens::Stop => { table.local(LocalEvent::Stop); model.end() }
                Happens::NobodyThere => { table.local(LocalEvent::NobodyThere); model.end() }
                Happens::TicketEnded => { table.local(LocalEvent::TicketEnded); model.end() }
                Happens::Silent => { table.local(LocalEvent::ExpertSilent); if !model.over { model.lose() } }
                Happens::Promise(secret) => {
                    table.promise(secret);
                    if model.seen_yes && !model.over && !model.is_deaf() { model.promise = Some(secret) }
                }
                Happens::Return(secret) => {
                    prop_assert_eq!(table.returns_with(secret), model.come_back(secret), "{:?}", model);
                }
                Happens::Request => { table.peer(PeerEvent::RequestControl); model.request() }
                Happens::Release => {
                    table.peer(PeerEvent::ReleaseControl);
                    if model.is_deaf() { continue }
                    model.asked = false;
                    model.again = false;
                    if model.control { (model.control, model.lifting) = (false, true) }
                }
                Happens::Key => {
                    table.key();
                    prop_assert_eq!(table.landed.len() > landed, model.input_lands());
                }
                Happens::Disconnect => { table.peer(PeerEvent::Disconnect); if !model.is_deaf() { model.end() } }
                Happens::Lost => { table.peer(PeerEvent::ConnectionLost); if !model.over { model.lose() } }
                Happens::Broken => { table.peer(PeerEvent::ProtocolError); if !model.is_deaf() { model.end() } }
                Happens::Wait(ms) => {
                    table.wait(Duration::from_millis(u64::from(ms)));
                    model.now += u64::from(ms);
                    if !model.over && !model.seen_yes && model.now >= 120_000 { model.end() }
                    if model.asked && model.now >= model.asked_at + 120_000 { model.refuse() }
                    if model.lost_at.is_some_and(|at| model.now >= at + 60_000) { model.end() }
                }
            }
            prop_assert_eq!(table.view.is_open(), model.seen_yes && !model.over && model.lost_at.is_none(), "view gate, {:?}", model);
            prop_assert_eq!(table.input.is_open(), model.input_lands(), "input gate, {:?}", model);
            prop_assert_eq!(table.closed.is_some(), model.over);
            prop_assert!(!table.keys_down || table.input.is_open() || model.gate_shut_early, "a key stays down behind a shut gate");
            if table.stamp.is_some() { prop_assert!(table.view.is_open()) }
        }
    }
}
