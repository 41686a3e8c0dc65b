//! The expert's program: open an invitation, see the novice's desktop, help.
//!
//! It reads the file, asks what has to be asked, and lets `ra_expert` do the rest; it shows what the engine
//! reports, as text, as JSON and in a window, and turns the end into an exit status.

mod cli;
#[cfg(feature = "p2p")]
mod code;
mod engine;
mod failure;
#[cfg(feature = "p2p")]
mod forward;
mod listen;
mod log;
mod message;
mod offer;
mod open;
#[cfg(feature = "p2p")]
mod relayed;
#[cfg(feature = "p2p")]
mod relays;
mod report;
mod state;
mod terminal;
mod typing;
#[cfg(feature = "window")]
mod window;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ra_expert::{EndReason, Face, Fingerprint, Options, Plan, Viewer, ViewerEvent, Way};
use ra_rendezvous::{RelayUrl, Route};
use ra_ticket::{AccountName, AccountPassword, Endpoint, Invitation, KeyFingerprint};
use zeroize::Zeroizing;

use crate::cli::{Cli, Command, Common, Connect, PasswordSource};
use crate::engine::Signals;
use crate::failure::Failure;
use crate::message::Message;
use crate::report::Report;
use crate::state::State;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli {
        Cli { command: Some(Command::Show { file, password, common }), .. } => {
            log::start(&common);
            show(&file, &password, &common)
        }
        Cli { command: Some(Command::Offer { host, account, connect, common }), .. } => {
            log::start(&common);
            offer::offer(&host, account.as_deref(), *connect, &common)
        }
        Cli { command: Some(Command::Listen { file, listen, connect: options, common }), .. } => {
            log::start(&common);
            connect(&file, *options, &common, &Reach::Wait(listen))
        }
        Cli { command: Some(Command::Code { code, relay, connect, common }), .. } => {
            log::start(&common);
            by_code(code.as_deref(), &relay, *connect, &common)
        }
        Cli { command: Some(Command::Forward(options)), .. } => {
            log::start(&options.common);
            forward_by_code(&options)
        }
        Cli { command: Some(Command::Identity(cli::Identity::Show { common })), .. } => {
            log::start(&common);
            offer::show_identity(&common)
        }
        Cli { file: Some(file), connect: options, common, .. } => {
            log::start(&common);
            connect(&file, options, &common, &Reach::Dial)
        }
        // clap demands one of the two.
        Cli { .. } => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let status = failure.exit_status();
            // Somebody who closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "{:?}", miette::Report::new(failure));
            ExitCode::from(status)
        }
    }
}

#[cfg(feature = "p2p")]
use crate::{code::code as by_code, forward::forward as forward_by_code, relayed::ByRoute};

/// There is none in this build.
#[cfg(not(feature = "p2p"))]
enum ByRoute {}

#[cfg(not(feature = "p2p"))]
impl ByRoute {
    fn of(_: &Plan, _: &Report, _: &Common) -> Result<Option<Self>, Failure> {
        Ok(None)
    }

    fn way(&self) -> Way {
        match *self {}
    }

    fn enter(&self) {
        match *self {}
    }

    fn close(self) {
        match self {}
    }
}

#[cfg(not(feature = "p2p"))]
fn by_code(_: Option<&str>, _: &[RelayUrl], _: Connect, _: &Common) -> Result<(), Failure> {
    Err(Failure::CodesNotBuilt)
}

#[cfg(not(feature = "p2p"))]
fn forward_by_code(_: &cli::Forward) -> Result<(), Failure> {
    Err(Failure::CodesNotBuilt)
}

/// `expert-connect show FILE`
fn show(file: &Path, password: &PasswordSource, common: &Common) -> Result<(), Failure> {
    let invitation = open::invitation(file)?;
    let message = Message::new(&invitation, Timestamp::now(), TimeZone::system());
    let opened = match open::given_password(password)? {
        Some(password) => Some(Plan::open(&invitation, Some(&password)).map_err(open::unusable)?),
        None => None,
    };
    if common.json {
        let endpoints = listed(&invitation, opened.as_ref());
        let route = opened.as_ref().and_then(relay_of);
        Report::new(true, message.name()).opened(&message, invitation.password_needed(), &endpoints, route);
    } else {
        report::print(message.text().trim_end());
        report::print(message.details(opened.as_ref().map(Plan::endpoints)).trim_end());
        if let Some(relay) = opened.as_ref().and_then(relay_of) {
            report::print(&format!("  By relay:  {relay}"));
        }
    }
    Ok(())
}

/// Who calls whom.
enum Reach {
    /// The addresses in the invitation are dialled.
    Dial,
    /// The novice's computer calls here, or at the usual port.
    Wait(Option<SocketAddr>),
}

/// `expert-connect FILE`, `expert-connect listen FILE`
fn connect(file: &Path, options: Connect, common: &Common, reach: &Reach) -> Result<(), Failure> {
    let signals = Signals::watch().map_err(|error| Failure::Engine(error.to_string()))?;
    let invitation = open::invitation(file)?;
    let message = Message::new(&invitation, Timestamp::now(), TimeZone::system());
    // A password that needs no asking is tried first: a wrong one is not worth a question.
    let given = open::given_password(&options.password)?;
    let known = match given {
        Some(password) => Some(open::plan(&invitation, Some(password))?),
        None if !invitation.password_needed() => Some(open::plan(&invitation, None)?),
        None => None,
    };
    let report = Report::new(common.json, message.name());
    if common.json {
        let route = known.as_ref().and_then(relay_of);
        report.opened(&message, invitation.password_needed(), &listed(&invitation, known.as_ref()), route);
    } else {
        report::print(&message.text());
    }
    if !options.yes && !wants_to_connect(&message.text(), common)? {
        return Ok(());
    }
    let plan = match known {
        Some(plan) => plan,
        None => open::plan(&invitation, None)?,
    };

    let by_route = match reach {
        Reach::Dial => ByRoute::of(&plan, &report, common)?,
        Reach::Wait(_) => None,
    };
    let way = match (reach, &by_route) {
        (Reach::Dial, None) => Way::Dial,
        (Reach::Dial, Some(route)) => route.way(),
        (Reach::Wait(at), _) => listen::way(&plan, *at)?,
    };

    let novice = message.name();
    let mut wishes = wishes(&options);
    // Official helpers may have to show it; nobody needs one to open an invitation.
    wishes.identity = State::of_this_user().and_then(|state| state.identity()).unwrap_or_default().map(Arc::new);
    let reason = {
        let _here = by_route.as_ref().map(ByRoute::enter);
        session(plan, way, options, wishes, Headless { report, state: None }, &signals, novice)
    };
    if let Some(route) = by_route {
        route.close();
    }
    conclude(reason?, common)
}

/// Runs a session with or without a window, to its end.
pub(crate) fn session(
    plan: Plan,
    way: Way,
    options: Connect,
    wishes: Options,
    face: Headless,
    signals: &Signals,
    novice: String,
) -> Result<EndReason, Failure> {
    if options.no_window {
        let viewer = Viewer::new(plan, wishes, Arc::new(face)).by(way);
        types_standard_input(&options, &viewer)?;
        engine::finish(engine::start(viewer, signals, options.screenshot)?)
    } else {
        in_window(plan, way, options, wishes, face, signals, novice)
    }
}

/// What the end of a session is for this program.
pub(crate) fn conclude(reason: EndReason, common: &Common) -> Result<(), Failure> {
    match reason {
        EndReason::Asked | EndReason::NoviceEnded => {
            if !common.json {
                report::print(&reason.to_string());
            }
            Ok(())
        }
        reason => Err(Failure::Ended(reason)),
    }
}

/// The relay by which the novice's computer can be found too, where the invitation names one.
fn relay_of(plan: &Plan) -> Option<String> {
    let route: Route = plan.route()?.parse().ok()?;
    route.relays.first().map(RelayUrl::host)
}

/// The addresses that can be read, in the order of the attempts.
fn listed(invitation: &Invitation, plan: Option<&Plan>) -> Vec<String> {
    let readable = invitation.rc_ticket().map(|ticket| ticket.addresses()).unwrap_or_default();
    plan.map_or(readable, Plan::endpoints).iter().map(ToString::to_string).collect()
}

#[cfg(feature = "window")]
fn in_window(
    plan: Plan,
    way: Way,
    options: Connect,
    wishes: Options,
    face: Headless,
    signals: &Signals,
    novice: String,
) -> Result<EndReason, Failure> {
    let screenshot = options.screenshot.clone();
    let window = window::Window::prepare(novice, &options)?;
    let face = window.face(face);
    let viewer = Viewer::new(plan, wishes, Arc::new(face)).by(way);
    types_standard_input(&options, &viewer)?;
    let (picture, controls, counters) = (viewer.picture(), viewer.controls(), viewer.counters());
    let engine = engine::start(viewer, signals, screenshot)?;
    let shown = window.run(picture, controls, counters);
    // Even without a window the session ends in good order first.
    let reason = engine::finish(engine);
    shown.and(reason)
}

#[cfg(not(feature = "window"))]
fn in_window(
    _: Plan,
    _: Way,
    _: Connect,
    _: Options,
    _: Headless,
    _: &Signals,
    _: String,
) -> Result<EndReason, Failure> {
    Err(Failure::WindowNotBuilt)
}

/// Asks the last question of this side; `text` says about what, where standard output is for programs.
pub(crate) fn wants_to_connect(text: &str, common: &Common) -> Result<bool, Failure> {
    let mut terminal =
        Terminal::open().map_err(|_| Failure::NoTerminal { missing: "whether to connect; --yes says so" })?;
    let ask = |terminal: &mut Terminal| {
        if common.json {
            terminal.say(&format!("{text}\n"))?;
        }
        terminal.ask("Do you want to connect?")
    };
    // A terminal that hangs up has said no.
    Ok(ask(&mut terminal).unwrap_or(false))
}

fn types_standard_input(options: &Connect, viewer: &Viewer) -> Result<(), Failure> {
    if options.text.as_deref() == Some(typing::STANDARD_INPUT) {
        typing::lines_of_standard_input(viewer.controls()).map_err(|error| Failure::Engine(error.to_string()))?;
    }
    Ok(())
}

pub(crate) fn wishes(options: &Connect) -> Options {
    let mut wishes = Options::default();
    wishes.name = options.name.clone().or_else(full_name).unwrap_or_default();
    wishes.sequential = options.sequential;
    wishes.request_control = options.request_control;
    wishes.time_limit = options.time_limit;
    wishes.text = options.text.clone().filter(|text| text != typing::STANDARD_INPUT).map(Zeroizing::new);
    wishes
}

/// The full name of the profile, as the account database has it.
fn full_name() -> Option<String> {
    let own = rustix::process::getuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let account = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).is_some_and(|&number| number == own))?;
    let full = account.get(4).and_then(|details| details.split(',').next()).unwrap_or_default().trim();
    let name = if full.is_empty() { account.first().copied().unwrap_or_default() } else { full };
    (!name.is_empty()).then(|| name.to_owned())
}

/// The face without a window: prints, and asks about keys on the terminal.
pub(crate) struct Headless {
    report: Report,
    /// Where a computer is remembered that help was offered to.
    state: Option<State>,
}

impl Face for Headless {
    fn event(&self, event: &ViewerEvent) {
        self.report.event(event);
    }

    fn accept_computer(&self, endpoint: &Endpoint, key: KeyFingerprint) -> bool {
        let question = format!(
            "\nThis is your first offer to {endpoint}. Its key is\n\n  {key}\n\n\
             Compare it with the one that its user or administrator reads to you.\n\
             If it is another one, somebody else answers there.\nIs this the computer you mean?"
        );
        // Without a terminal, and on a terminal that hangs up, the answer is no.
        let yes = Terminal::open().and_then(|mut terminal| terminal.ask(&question)).unwrap_or(false);
        if yes
            && let Some(state) = &self.state
            && let Err(failure) = state.remember(endpoint, key)
        {
            tracing::warn!(%failure, "the computer will be asked about again next time");
        }
        yes
    }

    fn account_password(&self, account: &AccountName) -> Option<AccountPassword> {
        let question = format!("Password of the account {account} on that computer: ");
        let typed = Terminal::open().and_then(|mut terminal| terminal.ask_password(&question)).ok()?;
        AccountPassword::new(&typed).ok()
    }

    fn accept_key(&self, endpoint: &Endpoint, key: &Fingerprint) -> bool {
        let question = format!(
            "\nThe invitation does not say by which key the novice's computer can be recognised.\n\
             {endpoint} shows a certificate with the SHA-256 fingerprint\n\n  {key}\n\n\
             Compare it with the novice by another way, such as the telephone. If it is another one, somebody\n\
             stands in between and would receive the proof of the password.\nIs this the novice's computer?"
        );
        // Without a terminal, and on a terminal that hangs up, the answer is no.
        Terminal::open().and_then(|mut terminal| terminal.ask(&question)).unwrap_or(false)
    }
}
