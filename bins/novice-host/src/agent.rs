//! `novice-host agent`: puts the questions of a host into this session too, and brings back what the person says.
//!
//! It only asks. It sees nothing of the desktop, injects nothing, and holds no rule: who may ask and whose answer counts is
//! the host's to say. It waits for a host for as long as it runs.

mod canvas;
mod window;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ra_novice::agents::{HostLine, On, Scene, Speaker, meeting_place};
use ra_novice::places::{Inquiry, Kind};
use ra_novice::prompt::Status;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli;
use crate::failure::Failure;
use crate::hosting::look;
use crate::prompt;
use crate::tell::{self, Teller};
use crate::terminal::{Answer, Before, Key, Screen, Terminal};

/// Asks until it is told to stop, or until its session goes.
pub(crate) fn run(options: &cli::Agent, teller: &Teller) -> Result<(), Failure> {
    let place = meeting_place().ok_or_else(|| {
        Failure::other("XDG_RUNTIME_DIR is not set, so there is no place to meet a host")
            .advice("Start the agent in a session of yours, not through su or sudo.")
    })?;
    let (over, mut ended) = mpsc::unbounded_channel();
    let has_display = std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty());
    let _terminal = match options.ask_on {
        cli::AskOn::Auto if has_display => window::open(&place, teller, over).map(|()| None)?,
        cli::AskOn::Window => window::open(&place, teller, over).map(|()| None)?,
        cli::AskOn::Auto | cli::AskOn::Terminal => Some(on_terminal(&place, teller, over)?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::chain(&error))?.block_on(async {
        let listen = |kind| signal(kind).map_err(|error| Failure::chain(&error));
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (mut hangup, mut quit) = (listen(SignalKind::hangup())?, listen(SignalKind::quit())?);
        tokio::select! {
            end = ended.recv() => end.unwrap_or(Ok(())),
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
            _ = quit.recv() => Ok(()),
        }
    })
}

/// How an agent ends: in good order, or because it can ask no longer.
type Over = mpsc::UnboundedSender<Result<(), Failure>>;

/// Where this agent asks. Called from one thread, one thing after the other.
trait Face: Send {
    /// No host runs.
    fn alone(&mut self);
    /// Whether this agent will be asked, in words, unless that goes without saying.
    fn say(&mut self, text: &str);
    /// Puts a question, and says [`asked`] once it stands there and its reader is armed.
    fn ask(&mut self, number: u64, inquiry: Inquiry);
    /// Takes it away.
    fn withdraw(&mut self);
    /// Shows what goes on.
    fn show(&mut self, status: &Status);
}

/// Follows whichever host there is, on a thread of its own.
fn follow(mut line: HostLine, mut face: impl Face + 'static, teller: &Teller, over: Over) -> Result<(), Failure> {
    let teller = teller.clone();
    let thread = std::thread::Builder::new().name("host".to_owned()).spawn(move || {
        loop {
            face.alone();
            if let Err(error) = line.connect() {
                // Whoever waits for it is gone when the program ends.
                let _ = over.send(Err(Failure::chain(&error)));
                return;
            }
            while let Ok(scene) = line.hear() {
                play(scene, &mut face, &teller);
            }
            teller.event("host_gone", json!({}));
        }
    });
    thread.map(drop).map_err(|error| Failure::chain(&error))
}

fn play(scene: Scene, face: &mut impl Face, teller: &Teller) {
    match scene {
        Scene::Welcome { counts } => {
            if !counts {
                face.say("Somebody was given control before this agent came, so it is not asked. Start the host anew.");
            }
            teller.event("registered", json!({ "counts": counts }));
        }
        Scene::Unwelcome(why) => {
            face.say(&format!("The host does not ask here: {why}."));
            teller.event("turned_away", json!({ "why": why }));
        }
        Scene::Ask(number, inquiry) => face.ask(number, inquiry),
        Scene::Withdraw => {
            face.withdraw();
            teller.event("withdrawn", json!({}));
        }
        Scene::Show(status) => face.show(&status),
    }
}

/// Tells programs that a question can be answered now.
fn asked(inquiry: &Inquiry, teller: &Teller) {
    let (name, peer) = (&inquiry.about.name, inquiry.about.peer.to_string());
    teller.event("consent_asked", json!({ "kind": inquiry.kind.name(), "name": name, "peer": peer }));
}

/// Brings the answer to the host.
fn answer(number: u64, kind: Kind, yes: bool, speaker: &Speaker, teller: &Teller) {
    speaker.answer(number, yes);
    teller.event("answered", json!({ "kind": kind.name(), "answer": if yes { "yes" } else { "no" } }));
}

/// Takes the terminal of this process for the agent's face; it is given back when dropped.
fn on_terminal(place: &Path, teller: &Teller, over: Over) -> Result<Terminal, Failure> {
    let line = HostLine::watch(place, On::Terminal).map_err(|error| Failure::chain(&error))?;
    let (speaker, busy) = (line.speaker(), Arc::new(AtomicBool::new(false)));
    let (says, session, ends) = (speaker.clone(), Arc::clone(&busy), over.clone());
    let on_key = move |key| match key {
        Key::Esc => says.take_back(),
        Key::Quit if session.load(Ordering::Relaxed) => says.stop(),
        Key::Quit | Key::HangUp => {
            let _ = ends.send(Ok(()));
        }
    };
    let terminal = Terminal::open(look(), on_key).ok_or_else(|| {
        Failure::other("there is no terminal here, so nobody could be asked").advice("Start the agent in a terminal.")
    })?;
    tell::share(terminal.screen());
    let face = TerminalFace { screen: terminal.screen(), speaker, busy, teller: teller.clone() };
    follow(line, face, teller, over)?;
    Ok(terminal)
}

struct TerminalFace {
    screen: Screen,
    speaker: Speaker,
    /// True while somebody sees this desktop: then `q` ends that, and not the agent.
    busy: Arc<AtomicBool>,
    teller: Teller,
}

impl Face for TerminalFace {
    fn alone(&mut self) {
        self.busy.store(false, Ordering::Relaxed);
        self.screen.withdraw();
        self.screen.set_status(vec!["No host runs now. q: stop".to_owned(), "q: stop".to_owned()]);
    }

    fn say(&mut self, text: &str) {
        self.screen.write_line(text);
    }

    fn ask(&mut self, number: u64, inquiry: Inquiry) {
        let (speaker, teller, kind) = (self.speaker.clone(), self.teller.clone(), inquiry.kind);
        let on_answer = move |said| match said {
            Answer::Yes => answer(number, kind, true, &speaker, &teller),
            Answer::No => answer(number, kind, false, &speaker, &teller),
            // Neither a yes nor a no: the line to the host breaks off.
            Answer::HungUp => {}
        };
        // A terminal that is gone says so by its own way.
        // The host knows better whether anybody could type a moment ago; here it is always possible.
        if self.screen.ask(&prompt::in_words(&inquiry), Before::LateKeys, Box::new(on_answer)).is_ok() {
            asked(&inquiry, &self.teller);
        }
    }

    fn withdraw(&mut self) {
        self.screen.withdraw();
    }

    fn show(&mut self, status: &Status) {
        self.busy.store(*status != Status::Waiting, Ordering::Relaxed);
        self.screen.set_status(prompt::status_lines(status, "Questions of the host come here too."));
    }
}
