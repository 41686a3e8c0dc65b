//! The novice's program: invite somebody, decide what they may do, take it back.
//!
//! It parses arguments, shows a face and returns an exit status. Who may see and who may touch is decided in
//! `ra-session`, carried out by `ra-novice`; this program only brings the novice's answers there. It is quiet about
//! everything that could not be an expert with an open invitation.

mod account;
mod agent;
mod ask;
mod audit;
mod cli;
#[cfg(feature = "p2p")]
mod code;
mod doctor;
mod failure;
mod hosting;
mod invite;
mod log;
#[cfg(feature = "p2p")]
mod outside;
mod policy;
mod port_holder;
mod prompt;
mod reach;
#[cfg(feature = "p2p")]
mod relayed;
mod relays;
#[cfg(feature = "p2p")]
mod route;
mod switches;
mod tell;
mod terminal;
mod tickets;
mod words;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use ra_session::UnixTime;

use crate::cli::{Cli, Command};
use crate::tell::Teller;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::start(&cli.common);
    let teller = Teller::new(cli.common.json);
    let outcome = match &cli.command {
        None => ask::step_by_step().and_then(|wish| invite::run(&wish, &teller)),
        Some(Command::Invite(options)) => invite::run(options, &teller),
        Some(Command::Serve(options)) => hosting::serve(options, &teller),
        Some(Command::Tickets(what)) => tickets::run(what, &teller),
        Some(Command::Account(what)) => account::run(what, &teller),
        Some(Command::Audit(what)) => audit::run(what, &teller),
        Some(Command::Agent(options)) => agent::run(options, &teller),
        Some(Command::Doctor(options)) => doctor::run(options, &teller),
        Some(Command::Settings(what)) => switches::run(what, &teller),
        Some(Command::Policy(what)) => policy::run(what, &teller),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}

/// The calendar of this program: the one place that reads it for tickets.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| since.as_secs()))
}
