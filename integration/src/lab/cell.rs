//! One cell of the NAT table, played with the shipped programs: does the expert see the novice's desktop?

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::relay::Relay;
use super::{Lab, Site};
use crate::{Cast, Expert, Failure, Person, Stage};

/// Who is where, and how the invitation comes to the expert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The route of the invitation.
    pub via: Via,
    /// What the novice is behind; a kind of `natlab`.
    pub novice: String,
    /// What the expert is behind.
    pub expert: String,
}

/// How the invitation comes to the expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// As a file, once: the expert dials.
    Email,
    /// In a conversation, in which the expert's side can tell an address too: either side dials.
    Messenger,
    /// As a code that is read out; both know the same relay.
    Code,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The expert saw the right picture.
    Connected(Connection),
    /// Nobody reached anybody; so many seconds after the expert began, that was certain or was given up.
    Apart {
        /// Seconds.
        after: f64,
    },
}

/// A session that came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// By which way.
    pub way: Way,
    /// Seconds from the expert's start to the first frame, with a novice who says yes at once.
    pub seconds: f64,
    /// Where the expert says that it is connected to.
    pub endpoint: String,
}

/// The way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The expert dialled what stands in the file.
    ExpertDialled,
    /// The reverse connection.
    NoviceDialled,
    /// By code, and soon from computer to computer: within [`STRAIGHT_WITHIN`].
    Direct,
    /// By code, and still through the relay then.
    Relayed,
}

/// How long two computers that met at a relay may take to find the direct way.
pub const STRAIGHT_WITHIN: Duration = Duration::from_secs(3);

impl Verdict {
    /// Whether the expert saw something.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }

    /// The connection, if one came about.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Connected(connection) => Some(connection),
            Self::Apart { .. } => None,
        }
    }
}

/// Plays a cell in a laboratory of its own.
///
/// # Errors
/// When somebody does something else than to connect or to say that nobody can be reached.
pub fn play(cell: &Cell) -> Result<Verdict, Failure> {
    let lab = Site::of(&cell.novice, &cell.expert).up()?;
    let stage = Stage::new()?;
    let verdict = match cell.via {
        Via::Code => play_by_code(&lab, &stage),
        Via::Email | Via::Messenger => play_by_file(&lab, &stage, cell.via),
    };
    verdict.map_err(|failure| failure.seen(format!("in the cell {cell:?}")))
}

fn play_by_file(lab: &Lab, stage: &Stage, via: Via) -> Result<Verdict, Failure> {
    let mut invite = invites(stage, lab, "novice");
    let told = if via == Via::Messenger { tells(lab) } else { Vec::new() };
    for at in &told {
        invite = invite.args(["--dial", &at.to_string()]);
    }
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let start = Instant::now();
    let dials = opens(stage, lab, "expert").watches()?;
    if let Some((endpoint, at)) = connected(dials, &mut novice, PATIENCE_OF_FILE)? {
        let seconds = (at - start).as_secs_f64();
        return Ok(Verdict::Connected(Connection { way: Way::ExpertDialled, seconds, endpoint }));
    }
    if !told.is_empty() {
        let again = Instant::now();
        let file = stage.invitation();
        let listens = stage.expert_called("listener").arg("listen").opens(&file);
        let listens = listens.through(lab.at("expert")).watches()?;
        if let Some((endpoint, at)) = connected(listens, &mut novice, PATIENCE_OF_LISTENER)? {
            let seconds = (at - again).as_secs_f64();
            return Ok(Verdict::Connected(Connection { way: Way::NoviceDialled, seconds, endpoint }));
        }
    }
    if novice.has_seen("expert_connecting") || novice.has_seen("consent_asked") {
        return Err(Failure::new("somebody reached the novice, and no session came of it").seen(novice.report()));
    }
    Ok(Verdict::Apart { after: start.elapsed().as_secs_f64() })
}

/// What the expert's side tells in a conversation: where it seems to be.
fn tells(lab: &Lab) -> Vec<SocketAddr> {
    let v6 = lab.addresses("expert").into_iter().find(IpAddr::is_ipv6);
    lab.outside("expert").into_iter().chain(v6).map(|ip| SocketAddr::new(ip, PORT)).collect()
}

fn play_by_code(lab: &Lab, stage: &Stage) -> Result<Verdict, Failure> {
    let relay = Relay::start(lab, "relay", stage.path())?;
    let mut novice = says_a_code(stage, lab, &[&relay]).start()?;
    let code = code_of(&mut novice)?;
    let start = Instant::now();
    let mut expert = types_a_code(stage, lab, &[&relay], &code).watches()?;
    if let Err(failure) = expert.wait_event("met") {
        return match expert.exit_code()? {
            Some(UNREACHABLE) => Ok(Verdict::Apart { after: start.elapsed().as_secs_f64() }),
            _ => Err(failure),
        };
    }
    let at = sees(&mut expert, &mut novice)?;
    let endpoint = expert.wait_event("connected")?.text("endpoint").unwrap_or_default().to_owned();
    let straight = expert.process().until("the direct way", STRAIGHT_WITHIN, |seen| {
        let told = seen.events.iter().rev().find(|event| ["met", "path"].contains(&event.name()))?;
        (told.text("via") == Some("direct")).then_some(())
    });
    let way = if straight.is_ok() { Way::Direct } else { Way::Relayed };
    Ok(Verdict::Connected(Connection { way, seconds: (at - start).as_secs_f64(), endpoint }))
}

/// A novice in the laboratory who says a code.
#[must_use]
pub fn says_a_code<'a>(stage: &'a Stage, lab: &Lab, relays: &[&Relay]) -> Cast<'a> {
    let novice = stage.novice().args(["invite", "--code", "--name", "Kim Aalbers", "--desktop", "demo"]);
    Relay::known_to(relays, novice).through(lab.at("novice"))
}

/// An expert in the laboratory who types one.
#[must_use]
pub fn types_a_code<'a>(stage: &'a Stage, lab: &Lab, relays: &[&Relay], code: &str) -> Cast<'a> {
    let expert = stage.expert_called("expert").args(["code", code, "--yes", "--no-window", "--name", "Piet Jansen"]);
    Relay::known_to(relays, expert).through(lab.at("expert"))
}

/// The code that stands on the novice's terminal.
///
/// # Errors
/// When none comes.
#[track_caller]
pub fn code_of(novice: &mut Person) -> Result<String, Failure> {
    novice.wait_event("invited")?;
    novice.until("a code on the terminal", |seen| {
        let (_, rest) = seen.terminal.split_once("Code: ")?;
        // The whole of it is there when the line has an end.
        rest.contains('\n').then(|| rest.split_whitespace().next().unwrap_or_default().to_owned())
    })
}

/// A novice at a node of the laboratory who is about to invite, as somebody does who knows nothing of networks.
#[must_use]
pub fn invites<'a>(stage: &'a Stage, lab: &Lab, node: &str) -> Cast<'a> {
    let invite = stage.novice().invites("Kim Aalbers").without("--listen", 1).without("--advertise", 1);
    invite.through(lab.at(node))
}

/// An expert in the laboratory who is about to open the file.
#[must_use]
pub fn opens<'a>(stage: &'a Stage, lab: &Lab, home: &str) -> Cast<'a> {
    stage.expert_called(home).opens(&stage.invitation()).through(lab.at("expert"))
}

/// Waits for the connection, says yes, and reads the word of the run in the picture: gives the endpoint and the moment of the
/// first frame, or nothing when the expert's program says that it reached nobody, or was still alone after `patience`.
fn connected(
    mut expert: Expert,
    novice: &mut Person,
    patience: Duration,
) -> Result<Option<(String, Instant)>, Failure> {
    let endpoint = match expert.wait_event_within("connected", patience) {
        Ok(connected) => connected.text("endpoint").unwrap_or_default().to_owned(),
        Err(failure) => {
            if expert.process().runs() {
                expert.signal(rustix::process::Signal::TERM)?;
                expert.wait_exit()?;
                return Ok(None);
            }
            return match expert.exit_code()? {
                Some(UNREACHABLE) if !expert.has_seen("connected") => Ok(None),
                _ => Err(failure),
            };
        }
    };
    Ok(Some((endpoint, sees(&mut expert, novice)?)))
}

/// The novice says yes, and the expert reads the word of this run in the picture; gives the moment of the first frame.
///
/// # Errors
/// When there is no question, no picture, or another word in it.
#[track_caller]
pub fn sees(expert: &mut Expert, novice: &mut Person) -> Result<Instant, Failure> {
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    let at = Instant::now();
    let word = expert.sees("the word of the run", crate::Picture::demo_word)?;
    let told = novice.told_word();
    if told.as_ref() == Some(&word) {
        Ok(at)
    } else {
        Err(Failure::new(format!("the expert reads {word:?}, the novice's desktop shows {told:?}")))
    }
}

/// Remote Desktop's own.
const PORT: u16 = 3389;

/// The exit status of an expert's program that reached nobody.
const UNREACHABLE: i32 = 69;

/// The dialler gives up after 30 s for each endpoint, which it tries beside each other; so this is never reached.
const PATIENCE_OF_FILE: Duration = Duration::from_secs(120);

/// Who waits cannot know that nobody will come. A novice who can reach the expert does so within two of its intervals.
const PATIENCE_OF_LISTENER: Duration = Duration::from_secs(15);
