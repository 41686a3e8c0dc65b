//! Ten thousand connections that come to nothing, while somebody is being helped and misses nothing.
//!
//! Every change of the desktop has a number and must be seen by the expert before the next one is made, so a frame that is
//! lost, late for ever or out of order is a failure. The strangers do not wait for anybody.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use integration::hostile::{CONNECTION_REQUEST, Dice, Stranger, call, is_closed};
use integration::{Expert, Failure, Outcome, PATIENCE, Person, Stage};
use ra_ticket::Invitation;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use crate::claimant::{Claimants, Turned};
use crate::session::typed;
use crate::tickets::{invite, serve, table, tickets};

/// Strangers' connections, at least: they go on until the changes are seen too.
const CONNECTIONS: usize = 10_000;
/// Changes that are seen while they come, at least.
const CHANGES: usize = 100;
/// Strangers who come at the same time.
const CREWS: u8 = 4;
/// Visits before a crew comes from its next address.
const VISITS_FROM_ONE_ADDRESS: usize = 25;
/// Sleepers that a crew keeps. Those of all crews are more than the places of the door (32), so that some are shown out
/// all the time and none has to be waited for.
const SLEEPERS: usize = 12;
/// Tries with a wrong password: as many as lock a ticket (R39), and some before the locked one.
const WRONG_PASSWORDS: usize = 12;

/// What the strangers may cost in resident memory, bytes: 32 unproved connections that may send 64 KiB each and are given
/// as much by the TLS of both directions make 4 MiB, and the allocator keeps as much again.
const ALLOWED_GROWTH: u64 = 8 << 20;
/// Descriptors that may be open for strangers at one time: 32 at the door, and as many that are on their way out.
const ALLOWED_DESCRIPTORS: usize = 64;

/// The shortest time that a socket can be told to wait.
const AT_ONCE: Duration = Duration::from_micros(1);

/// What a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The whole way to Client Info, with a session id that nobody has given out.
    Unknown,
    /// The same with the session id of a ticket whose time is over.
    Expired,
    /// The same with that of a ticket that was ended.
    Ended,
    /// Bytes of any value.
    Garbage,
    /// A good connection request, then bytes of any value in place of TLS.
    GarbageForTls,
    /// A good connection request, the beginning of a TLS hello, and gone.
    HelloThenGone,
    /// Nothing at all, until it is shown out.
    Silent,
    /// A part of what should come, until it is shown out.
    HalfOpen,
    /// The shipped viewer with a ticket that is open and a wrong password.
    WrongPassword,
}

/// What a kind did and what came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    came: usize,
    /// Closed after Client Info without a byte of an answer.
    turned_away_in_silence: usize,
}

type Tally = BTreeMap<Kind, Count>;

/// The strangers of a storm, and when they may stop.
struct Storm {
    host: SocketAddr,
    claimants: Claimants,
    unknown: String,
    expired: String,
    ended: String,
    came: AtomicUsize,
    changes_seen: AtomicUsize,
    /// Something went wrong: home, everybody.
    off: AtomicBool,
}

/// Sends everybody home when the one who looks on has seen enough, or fails.
struct Whistle<'a>(&'a Storm);

impl Drop for Whistle<'_> {
    fn drop(&mut self) {
        self.0.off.store(true, Ordering::Relaxed);
    }
}

/// What the expert saw meanwhile.
struct Watched {
    changes: usize,
    slowest: Duration,
    most_descriptors: usize,
    most_resident: u64,
}

#[test]
fn r030_r031_r032_r039_ten_thousand_are_refused_while_a_session_loses_no_frame() -> Outcome {
    let stage = Stage::new()?;
    let (_, file) = invite(&stage, "help.MsRcIncident", "60m")?;
    let other = invite_to_guess(&stage)?;
    let (over, expired) = invite(&stage, "expired.MsRcIncident", "1s")?;
    let (early, ended) = invite(&stage, "ended.MsRcIncident", "60m")?;
    tickets(&stage, &["expire", &early])?;
    until_expired(&stage, &over)?;

    let mut novice = serve(&stage)?;
    let mut expert = stage.expert_called("expert").opens(&file).args(["--request-control", "--type", "-"]).watches()?;
    novice.says("y", "view")?;
    novice.says("y", "control")?;
    novice.wait_event("controlling")?;
    expert.wait_event("controlling")?;

    let storm = Storm {
        host: stage.addr(),
        claimants: Claimants::new()?,
        unknown: ra_ticket::SessionId::from_entropy(&[7; 48]).expose().to_owned(),
        expired: session_id(&expired)?,
        ended: session_id(&ended)?,
        came: AtomicUsize::new(0),
        changes_seen: AtomicUsize::new(0),
        off: AtomicBool::new(false),
    };
    let mut typist = Typist { text: String::new(), changes: 0 };
    // What the first changes need for themselves is no growth.
    for _ in 0..5 {
        typist.change(&expert)?;
    }
    let (calm_descriptors, calm_resident) = (novice.process().descriptors()?, novice.process().resident()?);
    let calm = said(&novice);

    let began = Instant::now();
    let (watched, tally) = thread::scope(|scope| {
        let whistle = Whistle(&storm);
        let crews: Vec<_> = (0..CREWS).map(|crew| scope.spawn(move || whistle.0.crew(crew))).collect();
        let guessing = scope.spawn(|| guesses(&stage, &other));
        let watched = watch(&storm, &novice, &expert, &mut typist);
        drop(whistle);
        let mut tally = Tally::new();
        for crew in crews {
            for (kind, count) in joined(crew)? {
                let sum = tally.entry(kind).or_default();
                sum.came += count.came;
                sum.turned_away_in_silence += count.turned_away_in_silence;
            }
        }
        tally.insert(Kind::WrongPassword, joined(guessing)?);
        watched.map(|watched| (watched, tally))
    })?;
    let took = began.elapsed();

    let came: usize = tally.values().map(|count| count.came).sum();
    assert!(came >= CONNECTIONS && watched.changes >= CHANGES, "{came} connections, {} changes", watched.changes);
    for kind in [Kind::Unknown, Kind::Expired, Kind::Ended] {
        let Count { came, turned_away_in_silence } = tally.get(&kind).copied().unwrap_or_default();
        // The others were shown out on the way, for somebody who came later.
        assert!(came >= 500 && turned_away_in_silence * 2 > came, "{kind:?}: {turned_away_in_silence} of {came}");
    }
    // The novice heard of those who had a ticket, and of nobody else (R31).
    let heard = said(&novice);
    let of_guesses = [("expert_connecting", None), ("refused", Some("wrong_password")), ("refused", Some("locked"))];
    for (name, cause) in &heard.events[calm.events.len()..] {
        assert!(of_guesses.contains(&(name, cause.as_deref())), "{name} {cause:?}: {}", novice.report());
    }
    let refused = heard.events.iter().filter(|(name, _)| name == "refused").count();
    assert_eq!(refused, WRONG_PASSWORDS, "{}", novice.report());
    assert_eq!(heard.events.len() - calm.events.len(), 2 * WRONG_PASSWORDS, "{}", novice.report());
    assert_eq!(heard.err, calm.err, "nor does its log speak of strangers");

    // All of it is over: every descriptor is back, the memory is bounded, and the session goes on.
    assert!(watched.most_descriptors <= calm_descriptors + ALLOWED_DESCRIPTORS, "{} open", watched.most_descriptors);
    until_closed(&novice, calm_descriptors)?;
    let resident = novice.process().resident()?;
    let most = watched.most_resident.max(resident);
    assert!(most < calm_resident + ALLOWED_GROWTH, "from {calm_resident} to {most} bytes");
    typist.change(&expert)?;
    // Who has a right to come gets through to where the seat is taken.
    let mut late = stage.expert_called("late").opens(&file).start()?;
    assert_eq!(late.exit_code()?, Some(87), "{}", late.report());
    assert!(!novice.has_seen("ended") && !novice.has_seen("revoked"), "{}", novice.report());

    let kinds: serde_json::Map<_, _> = tally
        .iter()
        .map(|(kind, count)| {
            (format!("{kind:?}"), json!({ "came": count.came, "after_client_info": count.turned_away_in_silence }))
        })
        .collect();
    let figures = json!({
        "connections": came,
        "kinds": kinds,
        "seconds": took.as_secs_f64(),
        "changes": watched.changes,
        "slowest_change_ms": watched.slowest.as_secs_f64() * 1000.0,
        "resident_before": calm_resident,
        "resident_most": most,
        "resident_after": resident,
        "descriptors_before": calm_descriptors,
        "descriptors_most": watched.most_descriptors,
    });
    println!("FIGURES refusals {figures}");
    Ok(())
}

/// Makes a change after the other and waits for each to be seen, until there were enough of everything.
fn watch(storm: &Storm, novice: &Person, expert: &Expert, typist: &mut Typist) -> Result<Watched, Failure> {
    let mut watched = Watched { changes: 0, slowest: Duration::ZERO, most_descriptors: 0, most_resident: 0 };
    while storm.goes_on() {
        let took = typist.change(expert)?;
        watched.changes += 1;
        watched.slowest = watched.slowest.max(took);
        watched.most_descriptors = watched.most_descriptors.max(novice.process().descriptors()?);
        watched.most_resident = watched.most_resident.max(novice.process().resident()?);
        storm.changes_seen.store(watched.changes, Ordering::Relaxed);
    }
    Ok(watched)
}

/// The expert's hands: what they type is the novice's picture that changes, and its number.
struct Typist {
    text: String,
    changes: usize,
}

impl Typist {
    /// Types the next number and waits until it stands in the picture behind all numbers before it.
    fn change(&mut self, expert: &Expert) -> Result<Duration, Failure> {
        self.changes += 1;
        let number = format!(" {}", self.changes);
        self.text.push_str(&number);
        let shown = self.text.len().saturating_sub(integration::picture::DEMO_FIELD.cells);
        let wanted = &self.text[shown..];
        let began = Instant::now();
        expert.type_line(&number)?;
        expert.sees(&format!("change{number}"), |picture| (typed(picture) == wanted).then_some(()))?;
        Ok(began.elapsed())
    }
}

impl Storm {
    fn goes_on(&self) -> bool {
        !self.off.load(Ordering::Relaxed)
            && (self.came.load(Ordering::Relaxed) < CONNECTIONS || self.changes_seen.load(Ordering::Relaxed) < CHANGES)
    }

    /// One stranger after the other, as fast as the host is done with them.
    fn crew(&self, crew: u8) -> Result<Tally, Failure> {
        let mut dice = Dice::new(0x5702_4000 + u64::from(crew));
        let mut tally = Tally::new();
        let mut sleepers = Sleepers::default();
        let mut visits = 0;
        while self.goes_on() {
            let kind = Kind::any(&mut dice);
            let from = source(crew, visits);
            visits += 1;
            self.came.fetch_add(1, Ordering::Relaxed);
            let count = tally.entry(kind).or_default();
            count.came += 1;
            if self.visit(kind, from, &mut dice, &mut sleepers)? == Some(Turned::InSilence) {
                count.turned_away_in_silence += 1;
            }
            sleepers.leave_but(SLEEPERS)?;
        }
        sleepers.leave_but(0)?;
        Ok(tally)
    }

    /// Comes to nothing in one of the ways there are.
    fn visit(
        &self,
        kind: Kind,
        from: Ipv4Addr,
        dice: &mut Dice,
        sleepers: &mut Sleepers,
    ) -> Result<Option<Turned>, Failure> {
        let session_id = match kind {
            Kind::Unknown => &self.unknown,
            Kind::Expired => &self.expired,
            Kind::Ended => &self.ended,
            _ => {
                let Some(mut stream) = call(from, self.host)? else { return Ok(None) };
                // Who is closed to while still speaking was refused, which is what this is about.
                let _other_side = stream.write_all(&kind.words(dice));
                match kind {
                    Kind::HelloThenGone => {}
                    Kind::Silent | Kind::HalfOpen => sleepers.0.push(stream),
                    _ if is_closed(&mut stream, PATIENCE) => {}
                    _ => return Err(Failure::new(format!("{kind:?} was not refused in {PATIENCE:?}"))),
                }
                return Ok(None);
            }
        };
        match self.claimants.claim(session_id, from, self.host)? {
            Turned::LetIn => Err(Failure::new(format!("{kind:?}: the host went on with it"))),
            turned => Ok(Some(turned)),
        }
    }
}

/// Connections that wait to be shown out.
#[derive(Default)]
struct Sleepers(Vec<TcpStream>);

impl Sleepers {
    /// Forgets those that the host has closed, and waits for that until no more than so many are left.
    ///
    /// Which of them go first is for the host to choose: the oldest of whoever takes most room.
    fn leave_but(&mut self, count: usize) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wait = if self.0.len() > count { PATIENCE } else { Duration::ZERO };
            let mut fds: Vec<_> = self.0.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
            poll(&mut fds, Timespec::try_from(wait).ok().as_ref())?;
            let speaks: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            let mut speaks = speaks.into_iter();
            // One that was told something (an answer to its request, half of a handshake) is not closed for that.
            self.0.retain_mut(|stream| !speaks.next().unwrap_or_default() || !is_closed(stream, AT_ONCE));
            if self.0.len() <= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("of {} who say nothing nobody was shown out", self.0.len())));
            }
        }
    }
}

impl Kind {
    /// Any kind but those who need a program of their own.
    fn any(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..15 => Self::Unknown,
            15..25 => Self::Expired,
            25..35 => Self::Ended,
            35..45 => Self::Garbage,
            45..55 => Self::GarbageForTls,
            55..70 => Self::HelloThenGone,
            70..85 => Self::Silent,
            _ => Self::HalfOpen,
        }
    }

    /// What it says first. Garbage is never taken for the beginning of something longer: it is refused at once.
    fn words(self, dice: &mut Dice) -> Vec<u8> {
        let garbage = |dice: &mut Dice| {
            let count = dice.below(4096);
            [&[0xFF; 8][..], &dice.bytes(count)].concat()
        };
        match self {
            Self::Garbage => garbage(dice),
            Self::GarbageForTls => [CONNECTION_REQUEST, &garbage(dice)].concat(),
            Self::HelloThenGone => Stranger::HalfHello.words(dice),
            Self::HalfOpen if dice.below(2) == 0 => Stranger::HalfHello.words(dice),
            Self::HalfOpen => CONNECTION_REQUEST[..1 + dice.below(CONNECTION_REQUEST.len() - 1)].to_vec(),
            Self::Silent | Self::Unknown | Self::Expired | Self::Ended | Self::WrongPassword => Vec::new(),
        }
    }
}

/// An invitation of type 1: with one of type 2 a wrong password is found out without a connection.
fn invite_to_guess(stage: &Stage) -> Result<PathBuf, Failure> {
    let file = stage.path().join("other.MsRcIncident");
    let invite = stage.novice().invites("Kim Aalbers").with("--save", &file).args(["--kind", "v1", "--no-serve"]);
    let mut novice = invite.start()?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    Ok(file)
}

/// Wrong passwords for an open ticket, with the shipped viewer: five are judged, then the ticket is locked (R39).
fn guesses(stage: &Stage, file: &Path) -> Result<Count, Failure> {
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let mut codes = Vec::new();
    for _ in 0..WRONG_PASSWORDS {
        let mut expert = stage.expert_called("guesser").opens(file).with("--password-file", &wrong).start()?;
        codes.push(expert.exit_code()?);
    }
    let judged = codes.iter().take_while(|code| **code == Some(83)).count();
    let rest_is_refused = codes[judged..].iter().all(|code| [Some(83), Some(84)].contains(code));
    if judged == 5 && rest_is_refused {
        Ok(Count { came: WRONG_PASSWORDS, turned_away_in_silence: 0 })
    } else {
        Err(Failure::new(format!("the viewer with a wrong password ended with {codes:?}")))
    }
}

/// The addresses of a crew, one after the other.
fn source(crew: u8, visit: usize) -> Ipv4Addr {
    let [.., high, low] = (visit / VISITS_FROM_ONE_ADDRESS).to_be_bytes();
    Ipv4Addr::new(127, 240 + crew, high, low.max(1))
}

/// What the session id in an invitation is, for one who holds the file.
fn session_id(file: &Path) -> Result<String, Failure> {
    let invitation = Invitation::parse(&fs::read(file)?).map_err(|error| Failure::new(error.to_string()))?;
    let ticket = invitation.rc_ticket().ok_or_else(|| Failure::new("an invitation without an RC ticket"))?;
    Ok(ticket.session_id().expose().to_owned())
}

/// Who hung up in the middle of a word is noticed a moment later.
fn until_closed(novice: &Person, calm: usize) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    while novice.process().descriptors()? > calm {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("more than {calm} descriptors are still open")).seen(novice.report()));
        }
        thread::yield_now();
    }
    Ok(())
}

fn until_expired(stage: &Stage, ticket: &str) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    while !table(stage)?.contains(&(ticket.to_owned(), "expired".to_owned())) {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{ticket} never expired")));
        }
    }
    Ok(())
}

/// What a novice was told until now, without its questions.
struct Said {
    events: Vec<(String, Option<String>)>,
    err: String,
}

fn said(novice: &Person) -> Said {
    novice.process().look(|seen| Said {
        events: seen.events.iter().map(|e| (e.name().to_owned(), e.text("cause").map(str::to_owned))).collect(),
        err: seen.err.clone(),
    })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    thread.join().map_err(|_| Failure::new("a stranger's thread panicked"))?
}
