//! The novice's program: invite somebody, decide what they may do, take it back.
//!
//! It parses arguments, shows a face and returns an exit status. Who may see and who may touch is decided in
//! `ra-session`, carried out by `ra-novice`; this program only brings the novice's answers there. It is quiet about
//! everything that could not be an expert with an open invitation.

mod ask;
mod cli;
mod failure;
mod hosting;
mod invite;
mod policy;
mod port_holder;
mod prompt;
mod tell;
mod terminal;
mod tickets;
mod words;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser as _;
use ra_session::UnixTime;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Common, LogFormat};
use crate::tell::{LogLine, Teller};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(&cli.common);
    let teller = Teller::new(cli.common.json);
    let outcome = match &cli.command {
        None => ask::step_by_step().and_then(|wish| invite::run(&wish, &teller)),
        Some(Command::Invite(options)) => invite::run(options, &teller),
        Some(Command::Serve(options)) => hosting::serve(options, &teller),
        Some(Command::Tickets(what)) => tickets::run(what, &teller),
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

/// Logs go to standard error, around the live line of the terminal.
///
/// What belongs into the audit log stays out of it whatever is asked for: connections that were refused because of
/// their ticket or of policy are nobody's business at this screen (R31).
fn start_logging(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    };
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    if let Ok(silent) = "audit=off".parse() {
        filter = filter.add_directive(silent);
    }
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && rustix::termios::isatty(rustix::stdio::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LogLine);
    match common.log_format {
        LogFormat::Text => log.with_ansi(colours).init(),
        LogFormat::Json => log.json().init(),
    }
}
