//! The life of a ticket on a clock that is moved by hand: to the second, over the hour, across time zones, and back.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test stops at the first surprise")]

mod proofs;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use proptest::prelude::*;
use ra_session::account::{Account, LogonRefused, LogonRight};
use ra_session::invitations::{EndCause, Guard, Invitations, Judgement, Source, Status, Ticket, TicketId};
use ra_session::{
    Effect, EndReason, InputGate, LocalEvent, Moment, PeerEvent, Seat, Session, State, Tell, UnixTime, ViewGate,
};
use ra_ticket::{AssistantPassword, Expiry, PassStub, Password, SessionId};

const HOUR: u64 = 60 * 60;
/// 15 June 2001, 14:00 UTC: 16:00 in Amsterdam and 15:00 in London, both in summer.
const FOUR_IN_AMSTERDAM: UnixTime = UnixTime(992_613_600);
const AMSTERDAM: u64 = 2 * HOUR;
const LONDON: u64 = HOUR;

/// What the novice's machine keeps: tickets and the account, kept in step as a store does.
struct Machine {
    table: Invitations,
    account: Account,
    made: u8,
}

impl Machine {
    fn new() -> Self {
        Self { table: Invitations::default(), account: Account::new(secret(0)), made: 0 }
    }

    fn invite(&mut self, now: UnixTime, length: Duration) -> TicketId {
        self.made += 1;
        let id = TicketId::from_entropy([self.made; 5]);
        self.table.add(Ticket {
            id: id.clone(),
            session_id: SessionId::from_entropy(&[self.made; 48]),
            challenge: Password::new("Tulip-4711").unwrap().proof(&stub()).into(),
            pass_stub: Some(stub()),
            issued: now,
            expires: now.after(length),
            view_only: false,
            helper: None,
            assistant: self.account.ticket_made(secret(self.made)),
            status: Status::Open,
            guard: Guard::default(),
        });
        id
    }

    fn time_passes(&mut self, now: UnixTime) -> Vec<TicketId> {
        let gone = self.table.expire(now);
        if !gone.is_empty() && !self.table.any_open(now) {
            let last = gone.iter().filter_map(|id| self.table.ticket(id)).map(|ticket| ticket.expires).max();
            self.account.none_open(last.unwrap());
        }
        self.account.pass_time(now);
        gone
    }

    /// An expert comes with the invitation and the right password: is it let in, by the novice's clock?
    fn lets_in(&mut self, id: &TicketId, now: UnixTime) -> bool {
        let ticket = self.table.ticket(id).unwrap();
        let (session, assistant) = (ticket.session_id.clone(), ticket.assistant.clone());
        let found = self.table.find(&session, now);
        let proof = Password::new("Tulip-4711").unwrap().proof(&stub()).to_hex();
        let from = Source::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let judged = self.table.judge(id, from, Some(&proof), now);
        let logged_on = self.account.log_on(&assistant, now);
        let redeemed = matches!(judged, Judgement::Redeemed(_));
        assert_eq!(found.is_some(), redeemed, "first words and proof are judged alike");
        assert!(redeemed || matches!(judged, Judgement::Gone), "no other word about it: {judged:?}");
        redeemed && logged_on.is_ok()
    }
}

fn secret(seed: u8) -> AssistantPassword {
    AssistantPassword::from_entropy(&[seed; 32])
}

fn stub() -> PassStub {
    PassStub::parse("g*3Kdr_7XwzQb0").unwrap()
}

/// Hours and minutes on a wall in a zone that is `ahead` of UTC.
fn wall(at: UnixTime, ahead: u64) -> (u64, u64) {
    let minutes = (at.0 + ahead) / 60;
    (minutes / 60 % 24, minutes % 60)
}

/// KB300692's own example. The invitation is good until 16:00 in Amsterdam, where the novice is; the expert is in London.
#[test]
fn s030_s034_s035_r022_r023_what_is_over_in_amsterdam_is_over_whatever_a_clock_in_london_says() {
    let made = UnixTime(FOUR_IN_AMSTERDAM.0 - HOUR);
    let mut novice = Machine::new();
    let ticket = novice.invite(made, Duration::from_secs(HOUR));
    let file = Expiry::of(u32::try_from(made.0).unwrap(), 60);
    assert_eq!(file.unix_seconds(), FOUR_IN_AMSTERDAM.0);
    assert_eq!(wall(FOUR_IN_AMSTERDAM, AMSTERDAM), (16, 0));

    let before = UnixTime(FOUR_IN_AMSTERDAM.0 - 60);
    assert!(!file.has_passed(before.0) && novice.lets_in(&ticket, before));

    // 15:35 in London looks earlier than 16:00 and is not.
    let now = UnixTime(FOUR_IN_AMSTERDAM.0 + 35 * 60);
    assert_eq!((wall(now, LONDON), wall(now, AMSTERDAM)), ((15, 35), (16, 35)));
    assert!(file.has_passed(now.0), "the expert is shown that it is over");
    assert!(!novice.lets_in(&ticket, now));

    // The expert turns the clock back by an hour and may try: the file says open. The novice's table never hears of it.
    let set_back = now.0 - HOUR;
    assert!(!file.has_passed(set_back));
    assert!(!novice.lets_in(&ticket, now));
    assert_eq!(novice.time_passes(now), [ticket]);
}

#[test]
fn s024_s031_r030_r053_a_ticket_can_be_ended_in_each_second_of_its_life() {
    for second in [0, 1, 1799, 3598, 3599] {
        let mut novice = Machine::new();
        let ticket = novice.invite(UnixTime(0), Duration::from_secs(HOUR));
        let now = UnixTime(second);
        assert!(novice.lets_in(&ticket, now));
        assert!(novice.table.end(&ticket, EndCause::Owner, now));
        assert!(!novice.lets_in(&ticket, now), "in the same second");
        assert!(!novice.lets_in(&ticket, UnixTime(0)), "nor at an earlier one");
    }
}

/// Looks at both gates, and says yes to everything.
struct Running {
    session: Session,
    input: InputGate,
    view: ViewGate,
    told: Vec<Tell>,
    closed: Option<EndReason>,
}

impl Running {
    fn start() -> Self {
        let (seat, input, view) = Seat::new();
        let (session, effects) = Session::open(proofs::admission(), Some(proofs::control()), seat, Moment::default());
        let mut running = Self { session, input, view, told: Vec::new(), closed: None };
        running.carry_out(effects, Moment::default());
        running
    }

    fn local(&mut self, at: Moment, event: LocalEvent) {
        let effects = self.session.handle_local(at, event);
        self.carry_out(effects, at);
    }

    fn peer(&mut self, at: Moment, event: PeerEvent) {
        let effects = self.session.handle_peer(at, event);
        self.carry_out(effects, at);
    }

    fn time(&mut self, at: Moment) {
        let effects = self.session.handle_time(at);
        self.carry_out(effects, at);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, at: Moment) {
        for effect in effects {
            match effect {
                Effect::AskView(question) => self.local(at, LocalEvent::ViewAnswered(question.yes())),
                Effect::AskControl(question) => self.local(at, LocalEvent::ControlAnswered(question.yes())),
                Effect::Tell(tell) => self.told.push(tell),
                Effect::Close(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
    }
}

/// The session has no deadline that a ticket could give it: days after its end it looks on, and control can be asked for.
#[test]
fn s060_r048_r049_time_running_out_ends_no_session_and_an_early_end_does() {
    let mut novice = Machine::new();
    let ticket = novice.invite(UnixTime(0), Duration::from_secs(60));
    assert!(novice.lets_in(&ticket, UnixTime(1)));
    let mut running = Running::start();
    assert!(running.view.is_open());
    for seconds in [60, 61, HOUR, 30 * 24 * HOUR] {
        novice.time_passes(UnixTime(seconds));
        let at = Moment::new(Duration::from_secs(seconds));
        running.time(at);
        assert!(running.view.is_open() && running.closed.is_none(), "after {seconds} s");
        assert_eq!(running.session.deadline(), None, "nothing is waited for");
        assert!(!novice.lets_in(&ticket, UnixTime(seconds)), "and nobody else comes in");
    }
    let late = Moment::new(Duration::from_secs(31 * 24 * HOUR));
    running.peer(late, PeerEvent::RequestControl);
    assert!(running.input.is_open() && matches!(running.session.state(), State::Controlling(_)));

    running.local(late, LocalEvent::TicketEnded);
    assert_eq!((running.closed, running.told.last()), (Some(EndReason::TicketEnded), Some(&Tell::Goodbye)));
    assert!(!running.input.is_open() && !running.view.is_open());
}

#[test]
fn s008_s009_s013_s057_s058_r002_r057_r058_r060_the_hour_of_the_account_follows_the_table() {
    let mut novice = Machine::new();
    assert_eq!((novice.account.is_enabled(), novice.account.right()), (false, LogonRight::None), "installed");

    let first = novice.invite(UnixTime(0), Duration::from_secs(600));
    assert_eq!((novice.account.is_enabled(), novice.account.right()), (true, LogonRight::Held), "first ticket");
    assert!(novice.lets_in(&first, UnixTime(599)));

    // Noticed late, as by a computer that slept: the hour counts from the end and not from the notice.
    let gone = novice.time_passes(UnixTime(700));
    assert_eq!(gone, [first]);
    let end = UnixTime(600 + HOUR);
    assert_eq!((novice.account.is_enabled(), novice.account.right()), (false, LogonRight::Until(end)), "t0");

    // t0 + 59 min: a new ticket keeps the right and cancels the timer.
    let again = novice.invite(UnixTime(600 + 59 * 60), Duration::from_secs(2 * HOUR));
    assert_eq!((novice.account.is_enabled(), novice.account.right()), (true, LogonRight::Held));
    novice.time_passes(UnixTime(600 + HOUR));
    assert!(novice.lets_in(&again, UnixTime(600 + HOUR)), "nothing happens at the end of the old hour");

    // The last one ends: 59:59 later the right is there, one second on it is not.
    let t0 = 600 + 59 * 60 + 2 * HOUR;
    novice.time_passes(UnixTime(t0));
    novice.time_passes(UnixTime(t0 + HOUR - 1));
    assert_eq!(novice.account.right(), LogonRight::Until(UnixTime(t0 + HOUR)));
    novice.time_passes(UnixTime(t0 + HOUR));
    assert_eq!(novice.account.right(), LogonRight::None);
    assert_eq!(novice.account.log_on(&secret(2), UnixTime(t0)).unwrap_err(), LogonRefused::Disabled);
}

proptest! {
    /// By the second, whatever the length: the last second lets in, the next one does not, and no second after it.
    #[test]
    fn s060_r052_r064_a_ticket_ends_in_the_second_that_was_said(start in 0..u64::from(u32::MAX), length in 1..142_560_u64 * 60) {
        let mut novice = Machine::new();
        let ticket = novice.invite(UnixTime(start), Duration::from_secs(length));
        prop_assert_eq!(novice.table.next_expiry(), Some(UnixTime(start + length)));
        prop_assert_eq!(novice.time_passes(UnixTime(start + length - 1)), []);
        prop_assert!(novice.lets_in(&ticket, UnixTime(start + length - 1)));
        prop_assert!(!novice.lets_in(&ticket, UnixTime(start + length)));
        prop_assert_eq!(novice.time_passes(UnixTime(start + length)), std::slice::from_ref(&ticket));
        prop_assert_eq!(novice.table.ticket(&ticket).unwrap().status, Status::Expired);
    }

    /// A clock that jumps in both directions: what was seen over once lets nobody in again and gets no longer life.
    #[test]
    fn s034_s108_r063_no_clock_brings_a_ticket_back(
        lengths in prop::collection::vec(1..5_000_u64, 1..6),
        jumps in prop::collection::vec(0..10_000_u64, 1..60),
    ) {
        let mut novice = Machine::new();
        let tickets: Vec<_> = lengths.iter().map(|s| novice.invite(UnixTime(0), Duration::from_secs(*s))).collect();
        let mut over = vec![false; tickets.len()];
        for now in jumps.into_iter().map(UnixTime) {
            novice.time_passes(now);
            for ((ticket, length), over) in tickets.iter().zip(&lengths).zip(&mut over) {
                *over |= now.0 >= *length;
                prop_assert_eq!(novice.lets_in(ticket, now), !*over, "{} at {:?}", ticket, now);
                // There is nothing that gives it more time.
                prop_assert_eq!(novice.table.ticket(ticket).unwrap().expires, UnixTime(*length));
            }
        }
    }
}
