//! What the novice is doing when the program is killed: each act with its past, its moment, and its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use integration::{Cast, Event, Failure, Outcome, PATIENCE, Person, Signal, Stage};

use super::names_in;
use crate::tickets::{invite, serve, table, tickets};

/// The four parts of a ticket's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Invite,
    Connect,
    Consent,
    Expire,
}

/// Something that the novice's program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// The very first invitation: the state, the key and the table are made too.
    FirstInvitation,
    /// One more, which replaces an older file.
    Invitation,
    /// One that is hosted, up to the open port.
    HostedInvitation,
    /// An expert comes and proves the password.
    ExpertComes,
    /// The novice says yes.
    Yes,
    /// The novice says no.
    No,
    /// `tickets expire` is killed.
    ExpireCommand,
    /// The host is killed while somebody runs `tickets expire`.
    ExpireUnderHost,
    /// The time of the ticket is over.
    TimeRunsOut,
    /// The host is asked to stop, which ends its ticket.
    HostStops,
}

/// A state with a history: an open ticket, one that was ended and one whose time is over.
pub(super) struct Past {
    stage: Stage,
    pub(super) rows: BTreeMap<String, String>,
    /// What lies in the state directory when all is well.
    pub(super) state_files: BTreeSet<String>,
}

/// What the program has said.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) invited: Vec<String>,
    pub(super) ended: Vec<String>,
    pub(super) declined: u64,
}

/// A stage where an act is about to begin.
pub(super) struct Scene<'a> {
    // Programs end before the stage is taken down.
    victim: Option<Person>,
    others: Vec<Person>,
    pub(super) stage: Stage,
    pub(super) past: &'a Past,
    pub(super) act: Act,
    /// The ticket that it is about, where there is one before it begins.
    pub(super) ticket: Option<String>,
    pub(super) rows_before: usize,
}

impl Phase {
    pub(super) const ALL: [Self; 4] = [Self::Invite, Self::Connect, Self::Consent, Self::Expire];
}

impl Act {
    pub(super) const ALL: [Self; 10] = [
        Self::FirstInvitation,
        Self::Invitation,
        Self::HostedInvitation,
        Self::ExpertComes,
        Self::Yes,
        Self::No,
        Self::ExpireCommand,
        Self::ExpireUnderHost,
        Self::TimeRunsOut,
        Self::HostStops,
    ];

    pub(super) fn phase(self) -> Phase {
        match self {
            Self::FirstInvitation | Self::Invitation | Self::HostedInvitation => Phase::Invite,
            Self::ExpertComes => Phase::Connect,
            Self::Yes | Self::No => Phase::Consent,
            Self::ExpireCommand | Self::ExpireUnderHost | Self::TimeRunsOut | Self::HostStops => Phase::Expire,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FirstInvitation => "the first invitation of all",
            Self::Invitation => "one more invitation, in place of an older file",
            Self::HostedInvitation => "an invitation up to the open port",
            Self::ExpertComes => "an expert comes, up to the question",
            Self::Yes => "the novice says yes",
            Self::No => "the novice says no",
            Self::ExpireCommand => "`tickets expire` is killed",
            Self::ExpireUnderHost => "the host is killed during `tickets expire`",
            Self::TimeRunsOut => "the time runs out",
            Self::HostStops => "the host stops and ends its ticket",
        }
    }

    /// True for the one that has no past.
    pub(super) fn is_first(self) -> bool {
        self == Self::FirstInvitation
    }
}

impl Past {
    pub(super) fn new() -> Result<Self, Failure> {
        let stage = Stage::new()?;
        let (over, _) = invite(&stage, "over.MsRcIncident", "1s")?;
        let (ended, file) = invite(&stage, "ended.MsRcIncident", "60m")?;
        invite(&stage, "open.MsRcIncident", "60m")?;
        tickets(&stage, &["expire", &ended])?;
        let deadline = Instant::now() + PATIENCE;
        let rows = loop {
            let rows: BTreeMap<_, _> = table(&stage)?.into_iter().collect();
            if rows[&over] == "expired" {
                break rows;
            }
            if Instant::now() > deadline {
                return Err(Failure::new("a ticket of one second never expired"));
            }
        };
        // A host leaves its socket and its lock behind too, and its audit log where somebody was refused.
        let mut host = serve(&stage)?;
        stage.expert_called("expert").opens(&file).start()?.wait_exit()?;
        let mut state_files = names_in(&stage.path().join("novice/state"))?;
        host.signal(Signal::TERM)?;
        host.wait_exit()?;
        state_files.extend(names_in(&stage.path().join("novice/state"))?);
        Ok(Self { stage, rows, state_files })
    }
}

impl<'a> Scene<'a> {
    /// Goes as far as the act begins.
    pub(super) fn set(past: &'a Past, act: Act) -> Result<Self, Failure> {
        let stage = Stage::new()?;
        if !act.is_first() {
            copy(&past.stage.path().join("novice"), &stage.path().join("novice"))?;
        }
        let rows_before = if act.is_first() { 0 } else { past.rows.len() };
        let mut scene = Self { victim: None, others: Vec::new(), stage, past, act, ticket: None, rows_before };
        match act {
            Act::FirstInvitation | Act::HostedInvitation => {}
            Act::Invitation => {
                invite(&scene.stage, "help.MsRcIncident", "60m")?;
                scene.rows_before += 1;
            }
            Act::ExpireCommand => {
                scene.ticket = Some(invite(&scene.stage, "help.MsRcIncident", "60m")?.0);
                scene.rows_before += 1;
            }
            Act::TimeRunsOut => scene.host("2s")?,
            Act::ExpertComes | Act::ExpireUnderHost | Act::HostStops => scene.host("60m")?,
            Act::Yes | Act::No => {
                scene.host("60m")?;
                scene.others.push(scene.stage.expert().start()?);
                scene.victim()?.wait_event("consent_asked")?;
            }
        }
        Ok(scene)
    }

    /// Hosts a fresh ticket.
    fn host(&mut self, expires: &str) -> Outcome {
        let mut host = self.stage.novice().invites("Kim Aalbers").with("--expires", expires).start()?;
        self.ticket = host.wait_event("invited")?.text("ticket").map(str::to_owned);
        host.wait_event("listening")?;
        self.rows_before += 1;
        self.victim = Some(host);
        Ok(())
    }

    /// The act begins.
    fn begin(&mut self) -> Outcome {
        let ticket = self.ticket.clone().unwrap_or_default();
        let expire = |stage: &Stage| stage.novice().args(["tickets", "expire", &ticket]).start();
        match self.act {
            Act::FirstInvitation | Act::Invitation => {
                self.victim = Some(inviting(&self.stage).arg("--no-serve").start()?)
            }
            Act::HostedInvitation => self.victim = Some(inviting(&self.stage).start()?),
            Act::ExpertComes => self.others.push(self.stage.expert().start()?),
            Act::Yes => self.victim()?.type_line("y")?,
            Act::No => self.victim()?.type_line("n")?,
            Act::ExpireCommand => self.victim = Some(expire(&self.stage)?),
            Act::ExpireUnderHost => self.others.push(expire(&self.stage)?),
            // It goes by itself.
            Act::TimeRunsOut => {}
            Act::HostStops => self.victim()?.signal(Signal::TERM)?,
        }
        Ok(())
    }

    /// The event that the act leads to; `None` where that is the end of the program.
    fn leads_to(&self) -> Option<&'static str> {
        match self.act {
            Act::FirstInvitation | Act::Invitation | Act::ExpireCommand | Act::HostStops => None,
            Act::HostedInvitation => Some("listening"),
            Act::ExpertComes => Some("consent_asked"),
            Act::Yes => Some("viewing"),
            Act::No => Some("refused"),
            Act::ExpireUnderHost | Act::TimeRunsOut => Some("ticket_ended"),
        }
    }

    /// Plays the act undisturbed and tells how long it took.
    pub(super) fn rehearse(mut self) -> Result<Duration, Failure> {
        let began = Instant::now();
        self.begin()?;
        let end = self.leads_to();
        let victim = self.victim()?;
        match end {
            Some(event) => victim.wait_event(event).map(drop)?,
            None => victim.wait_exit().map(drop)?,
        }
        Ok(began.elapsed())
    }

    /// Plays it and kills the program after a while; false when it had ended by itself, which is no kill.
    pub(super) fn kill_after(&mut self, delay: Duration) -> Result<bool, Failure> {
        let began = Instant::now();
        self.begin()?;
        let victim = self.victim()?;
        // The delay is the point that was drawn, so it is waited for on purpose; the end of the program cuts it short.
        let left = delay.saturating_sub(began.elapsed());
        let _nothing_else_is_waited_for = victim.process().until("its killer", left, |_| None::<()>);
        // It may have ended meanwhile; how it ended tells.
        let _gone = victim.signal(Signal::KILL);
        let killed = victim.wait_exit()?.signal() == Some(Signal::KILL.as_raw());
        // What others have begun comes to its end; whether well does not matter without the one who was killed.
        for other in &mut self.others {
            if self.act == Act::ExpireUnderHost {
                other.wait_exit()?;
            }
        }
        Ok(killed)
    }

    /// All that the programs of this scene have said.
    pub(super) fn journal(&self) -> Journal {
        let mut journal = Journal::default();
        for person in self.victim.iter().chain(&self.others) {
            person.process().look(|seen| seen.events.iter().for_each(|event| journal.hear(event)));
        }
        journal
    }

    /// Whether the program came to say what the act leads to.
    pub(super) fn was_told(&self) -> bool {
        self.leads_to().is_some_and(|event| self.victim.as_ref().is_some_and(|victim| victim.has_seen(event)))
    }

    /// Whether this act may end that ticket.
    pub(super) fn may_end(&self, ticket: &str) -> bool {
        self.act.phase() == Phase::Expire && self.ticket.as_deref() == Some(ticket)
    }

    /// All that was seen of everybody.
    pub(super) fn report(&self) -> String {
        self.victim.iter().chain(&self.others).map(Person::report).collect::<Vec<_>>().join("\n")
    }

    fn victim(&mut self) -> Result<&mut Person, Failure> {
        self.victim.as_mut().ok_or_else(|| Failure::new("nobody runs yet"))
    }
}

impl Journal {
    fn hear(&mut self, event: &Event) {
        let ticket = event.text("ticket").unwrap_or_default().to_owned();
        match event.name() {
            "invited" => self.invited.push(ticket),
            "ticket_ended" => self.ended.push(ticket),
            "refused" if event.text("cause") == Some("declined") => self.declined += 1,
            _ => {}
        }
    }
}

fn inviting(stage: &Stage) -> Cast<'_> {
    stage.novice().invites("Kim Aalbers")
}

/// Copies a directory of plain files and directories; what a program left of its sockets stays behind.
fn copy(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
