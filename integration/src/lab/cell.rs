//! One cell of the NAT table, played with the shipped programs: does the expert see the novice's desktop?

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{Lab, Site};
use crate::{Cast, Expert, Failure, Person, Process, Stage};

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
    /// Who dialled.
    pub by: Dialler,
    /// Seconds from the expert's start to the first frame, with a novice who says yes at once.
    pub seconds: f64,
    /// Where the expert says that it is connected to.
    pub endpoint: String,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialler {
    /// As the file says.
    Expert,
    /// The reverse connection.
    Novice,
}

impl Verdict {
    /// Whether the expert saw something.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }
}

/// Plays a cell in a laboratory of its own.
///
/// # Errors
/// When somebody does something else than to connect or to say that nobody can be reached.
pub fn play(cell: &Cell) -> Result<Verdict, Failure> {
    let lab = Site::of(&cell.novice, &cell.expert).up()?;
    let stage = Stage::new()?;
    let verdict = play_in(&lab, &stage, cell.via);
    verdict.map_err(|failure| failure.seen(format!("in the cell {cell:?}")))
}

fn play_in(lab: &Lab, stage: &Stage, via: Via) -> Result<Verdict, Failure> {
    let mut invite = invites(stage, lab, "novice");
    // What the expert's side tells in the conversation: where it seems to be.
    let told = lab.outside("expert").or_else(|| lab.addresses("expert").first().copied());
    let told = told
        .filter(|_| via == Via::Messenger && knows_the_reverse_connection())
        .map(|ip| std::net::SocketAddr::new(ip, PORT));
    if let Some(told) = told {
        invite = invite.args(["--dial", &told.to_string()]);
    }
    let mut novice = invite.start()?;
    novice.wait_event("listening")?;
    let start = Instant::now();
    let dials = opens(stage, lab, "expert").watches()?;
    if let Some((endpoint, at)) = connected(dials, &mut novice, PATIENCE_OF_FILE)? {
        let seconds = (at - start).as_secs_f64();
        return Ok(Verdict::Connected(Connection { by: Dialler::Expert, seconds, endpoint }));
    }
    if told.is_some() {
        let again = Instant::now();
        let file = stage.invitation();
        let listens = stage.expert_called("listener").arg("listen").opens(&file);
        let listens = listens.through(lab.at("expert")).watches()?;
        if let Some((endpoint, at)) = connected(listens, &mut novice, PATIENCE_OF_LISTENER)? {
            let seconds = (at - again).as_secs_f64();
            return Ok(Verdict::Connected(Connection { by: Dialler::Novice, seconds, endpoint }));
        }
    }
    if novice.has_seen("expert_connecting") || novice.has_seen("consent_asked") {
        return Err(Failure::new("somebody reached the novice, and no session came of it").seen(novice.report()));
    }
    Ok(Verdict::Apart { after: start.elapsed().as_secs_f64() })
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
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    let at = Instant::now();
    let word = expert.sees("the word of the run", crate::Picture::demo_word)?;
    let told = novice.told_word();
    if told.as_ref() == Some(&word) {
        Ok(Some((endpoint, at)))
    } else {
        Err(Failure::new(format!("the expert reads {word:?}, the novice's desktop shows {told:?}")))
    }
}

/// Whether the programs under test can be told to dial the other way round.
fn knows_the_reverse_connection() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let host = crate::stage::program("RA_NOVICE_HOST", "novice-host");
        let help = Process::run(std::process::Command::new(host).args(["invite", "--help"]));
        help.is_ok_and(|help| help.out.contains("--dial"))
    })
}

/// Remote Desktop's own.
const PORT: u16 = 3389;

/// The exit status of an expert's program that reached nobody.
const UNREACHABLE: i32 = 69;

/// The dialler gives up after 30 s for each endpoint, which it tries beside each other; so this is never reached.
const PATIENCE_OF_FILE: Duration = Duration::from_secs(120);

/// Who waits cannot know that nobody will come. A novice who can reach the expert does so within two of its intervals.
const PATIENCE_OF_LISTENER: Duration = Duration::from_secs(15);
