//! `expert-connect code`: from sixteen characters to a session.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ra_expert::{Plan, Way};
use ra_p2p::{Caller, Met, P2pError, Path, Relays};
use ra_rendezvous::{Link, MeetingError, Refusal, RelayUrl, Slip};
use ra_ticket::{Invitation, Password};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::cli::{Common, Connect, PasswordSource};
use crate::engine::Signals;
use crate::failure::Failure;
use crate::message::Message;
use crate::open;
use crate::relayed::{BackToMet, GOODBYE, endpoint, runtime};
use crate::relays::Official;
use crate::report::{self, Report};
use crate::state::State;
use crate::terminal::Terminal;
use crate::{Headless, conclude, session, wants_to_connect, wishes};

/// `expert-connect code CODE|LINK`
pub(crate) fn code(text: Option<&str>, relays: &[RelayUrl], options: Connect, common: &Common) -> Result<(), Failure> {
    let signals = Signals::watch().map_err(|error| Failure::Engine(error.to_string()))?;
    let link = link(text, relays)?;
    if !options.yes && !wants_to_connect(QUESTION, common)? {
        return Ok(());
    }
    let runtime = runtime()?;
    let mut met = meet(&runtime, link, &options.password, common)?;
    let (invitation, password) = read(&met.take_slip().ok_or(Failure::Meeting(P2pError::BrokeOff))?)?;
    let plan = Plan::open(&invitation, Some(&password)).map_err(|_| BROKEN)?;
    let novice = Message::new(&invitation, Timestamp::now(), TimeZone::system()).name();
    let report = Report::new(common.json, novice.clone());
    tell_met(&met, &report, common);
    let pipe = runtime.block_on(met.pipe()).map_err(Failure::Meeting)?;
    let met = Arc::new(met);
    let way = Way::over(pipe.stream, endpoint(&pipe.path)).with_redial(BackToMet::new(Arc::clone(&met), &runtime));
    watch_path(&runtime, &met, report.clone(), common.json);

    let mut wishes = wishes(&options);
    wishes.identity = State::of_this_user().and_then(|state| state.identity()).unwrap_or_default().map(Arc::new);
    let reason = {
        let _here = runtime.enter();
        session(plan, way, options, wishes, Headless { report, state: None }, &signals, novice)
    };
    runtime.block_on(met.close());
    runtime.shutdown_timeout(GOODBYE);
    conclude(reason?, common)
}

/// What was typed, with the relays that it names or else those that are known here.
pub(crate) fn link(text: Option<&str>, relays: &[RelayUrl]) -> Result<Link, Failure> {
    let typed = match text {
        Some(text) => zeroize::Zeroizing::new(text.to_owned()),
        None => Terminal::open()
            .map_err(|_| Failure::NoTerminal { missing: "the code" })?
            .ask_line("The novice's code: ")
            .map_err(Failure::PasswordSource)?,
    };
    let mut link: Link = typed.parse().map_err(Failure::Code)?;
    link.relays = Official::read().for_a_code(relays, link.relays)?;
    Ok(link)
}

/// Finds the novice's computer and proves the code, asking for the password where one goes with it.
pub(crate) fn meet(runtime: &Runtime, link: Link, source: &PasswordSource, common: &Common) -> Result<Met, Failure> {
    if !common.json {
        report::print("looking for the novice's computer");
    }
    let given = open::given_password(source)?;
    let mut caller = runtime.block_on(Caller::find(link.code, Relays::new(link.relays))).map_err(Failure::Meeting)?;
    let mut attempt = 1;
    loop {
        let password = match (&given, caller.needs_password()) {
            (_, false) => None,
            (Some(password), true) => Some(zeroize::Zeroizing::new(password.expose().to_owned())),
            (None, true) => Some(
                Terminal::open()
                    .and_then(|mut terminal| terminal.ask_password("Password that goes with the code: "))
                    .map_err(|_| Failure::NoTerminal { missing: "the password; use --password-file" })?,
            ),
        };
        match runtime.block_on(caller.prove(password.as_ref().map(|text| text.as_str()))) {
            Ok(met) => return Ok(met),
            Err((Some(again), P2pError::Meeting(MeetingError::Refused(Refusal::Wrong { left }))))
                if given.is_none() && again.needs_password() && attempt < open::ATTEMPTS =>
            {
                attempt += 1;
                caller = again;
                if let Ok(mut terminal) = Terminal::open() {
                    let _ = terminal.say(&format!("Wrong password. The code bears {left} more wrong ones.\n"));
                }
            }
            Err((_, error)) => return Err(Failure::Meeting(error)),
        }
    }
}

/// The invitation that was handed over, and its password.
pub(crate) fn read(slip: &Slip) -> Result<(Invitation, Password), Failure> {
    let read = || Some((Invitation::parse(&slip.invitation).ok()?, Password::new(&slip.password).ok()?));
    read().ok_or(BROKEN)
}

/// Tells the words that have to be the same on both screens.
pub(crate) fn tell_met(met: &Met, report: &Report, common: &Common) {
    let (words, path) = (met.words().join(" "), met.path());
    report.note("met", &json!({ "words": words, "via": via(&path), "peer": path.to_string() }));
    if !common.json {
        report::print(&format!("found it; the words on both screens: {words}"));
        report::print(in_words(&path));
    }
}

fn watch_path(runtime: &Runtime, met: &Arc<Met>, report: Report, json: bool) {
    let met = Arc::downgrade(met);
    runtime.spawn(async move {
        let Some(mut known) = met.upgrade().map(|met| met.path()) else { return };
        loop {
            let Some(held) = met.upgrade() else { return };
            let path = held.path_other_than(&known).await;
            report.note("path", &json!({ "via": via(&path), "peer": path.to_string() }));
            if !json && via(&path) != via(&known) {
                report::print(in_words(&path));
            }
            known = path;
        }
    });
}

/// As the events name it.
const fn via(path: &Path) -> &'static str {
    match path {
        Path::Direct(_) => "direct",
        Path::Relay(_) => "relay",
    }
}

const fn in_words(path: &Path) -> &'static str {
    match path {
        Path::Direct(_) => "the two computers talk to each other directly",
        Path::Relay(_) => "the two computers talk through the relay, which cannot read it",
    }
}

/// The other side proved the code, and then handed over what is no invitation.
pub(crate) const BROKEN: Failure = Failure::Meeting(P2pError::Meeting(MeetingError::Malformed));
const QUESTION: &str = "You have a code from somebody who wants your help.";
