//! The command line. It is a contract: what stands here may only grow.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ra_rendezvous::RelayUrl;

/// Open a Remote Assistance invitation: see the novice's desktop, and help.
#[derive(Debug, Parser)]
#[command(
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  expert-connect Invitation.MsRcIncident\n  expert-connect show Invitation.MsRcIncident\n  expert-connect offer kim-pc\n  expert-connect listen Invitation.MsRcIncident\n  \
                  expert-connect help.MsRcIncident --yes --password-file secret --no-window --screenshot seen.png --for 10s\n\n\
                  In the window: Ctrl+Alt+C asks for control, Ctrl+Alt+E gives it back, Ctrl+Alt+S shows and\n  \
                  hides delay, frame rate, data rate and codecs."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The invitation (.MsRcIncident)
    #[arg(required = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) connect: Connect,

    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Offer help to a computer without an invitation; its policy and its user decide
    #[command(
        after_help = "Examples:\n  expert-connect offer kim-pc.example.org\n  expert-connect offer kim-pc --account lee"
    )]
    Offer {
        /// The computer, by its name or address
        #[arg(value_name = "HOST[:PORT]")]
        host: String,

        /// Be known by the password of this account of that computer, where its administrator allows that, instead of by your key
        #[arg(long, value_name = "NAME")]
        account: Option<String>,

        #[command(flatten)]
        connect: Box<Connect>,

        #[command(flatten)]
        common: Common,
    },
    /// Wait until the novice's computer calls: `novice-host invite --dial` there, a port that can be reached here
    #[command(after_help = "\
Examples:
  expert-connect listen Invitation.MsRcIncident
  expert-connect listen help.MsRcIncident --listen 192.0.2.5:4000 --yes --password-file secret

Only the computer that made the invitation is heard; whoever else calls is sent away.")]
    Listen {
        /// The invitation (.MsRcIncident)
        #[arg(value_name = "FILE")]
        file: PathBuf,

        // Not a doc comment, since the address would read as a link there.
        #[arg(long, value_name = "ADDR:PORT")]
        #[arg(help = "Where to wait for the call; port 0 picks a free one [default: [::]:3389]")]
        listen: Option<SocketAddr>,

        #[command(flatten)]
        connect: Box<Connect>,

        #[command(flatten)]
        common: Common,
    },
    /// Help somebody who has told you a code: works behind every router
    #[command(
        after_help = "Examples:\n  expert-connect code 7K3M-Q9TX-2V6H-PC4D --relay https://relay.example.org\n  expert-connect code 'ra://7K3M-Q9TX-2V6H-PC4D?r=https://relay.example.org'"
    )]
    Code {
        /// The code, or the link with it; without it you are asked
        #[arg(value_name = "CODE|LINK")]
        code: Option<String>,

        /// A relay that both sides can reach; without any, those of the link or of the settings
        #[arg(long, value_name = "URL")]
        relay: Vec<RelayUrl>,

        #[command(flatten)]
        connect: Box<Connect>,

        #[command(flatten)]
        common: Common,
    },
    /// Let another program of this computer be the viewer: a port here leads to the novice's computer
    #[command(
        after_help = "Example:\n  expert-connect forward 7K3M-Q9TX-2V6H-PC4D --relay https://relay.example.org\n  xfreerdp Forwarded.MsRcIncident /assistance:PASSWORD /cert:ignore"
    )]
    Forward(Box<Forward>),
    /// Your own key, by which computers know you when you offer help
    #[command(subcommand, after_help = "Example:\n  expert-connect identity show")]
    Identity(Identity),
    /// Print what can be read in an invitation; connect to nothing, ask nothing
    #[command(after_help = "Example:\n  expert-connect show Invitation.MsRcIncident --password-file secret")]
    Show {
        /// The invitation (.MsRcIncident)
        #[arg(value_name = "FILE")]
        file: PathBuf,

        #[command(flatten)]
        password: PasswordSource,

        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Print it as it would stand in a list of helpers; made at the first use
    Show {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// The code, or the link with it; without it you are asked
    #[arg(value_name = "CODE|LINK")]
    pub(crate) code: Option<String>,

    /// A relay that both sides can reach; without any, those of the link or of the settings
    #[arg(long, value_name = "URL")]
    pub(crate) relay: Vec<RelayUrl>,

    /// Where the other program will connect to; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:3390")]
    pub(crate) listen: SocketAddr,

    /// Where the invitation for the other program goes
    #[arg(long, value_name = "FILE", default_value = "Forwarded.MsRcIncident")]
    pub(crate) save: PathBuf,

    #[command(flatten)]
    pub(crate) password: PasswordSource,

    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) password: PasswordSource,

    /// Skip the question whether to connect; never a question about a key, never anything on the novice's side
    #[arg(long)]
    pub(crate) yes: bool,

    /// How you are called on the novice's side [default: your full name]
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,

    /// Try the addresses strictly one after the other, 30 s each
    #[arg(long)]
    pub(crate) sequential: bool,

    /// Ask for control as soon as the picture is there
    #[arg(long)]
    pub(crate) request_control: bool,

    /// How the desktop is shown; both show it 1:1 where the screen has room
    #[arg(long, value_enum, default_value_t = Scale::Fit)]
    pub(crate) scale: Scale,

    /// Fill the screen
    #[arg(long, conflicts_with = "no_window")]
    pub(crate) fullscreen: bool,

    /// Show no window
    #[arg(long)]
    pub(crate) no_window: bool,

    /// Write what is seen to a PNG when the session ends, and on SIGUSR1
    #[arg(long, value_name = "FILE.png")]
    pub(crate) screenshot: Option<PathBuf>,

    /// End the session this long after the novice's yes: 30s, 10m, 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) time_limit: Option<Duration>,

    /// Type this once control is granted; `-` types each line of standard input when it comes
    #[arg(long = "type", value_name = "TEXT")]
    pub(crate) text: Option<String>,
}

/// Where the password comes from, if not from the terminal. Never from an argument: those are for all to see.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the password from the first line of an open descriptor
    #[arg(long, value_name = "N")]
    pub(crate) password_fd: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print one JSON object a line on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Log more on standard error; repeat for more
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// Log errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// How the log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// Shrink the desktop to the window
    Fit,
    /// A pixel is a pixel; what does not fit follows the pointer
    #[value(name = "1:1")]
    OneToOne,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// `30s`, `10m`, `2h`, `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number and s, m, h or d, for example 30s".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|&seconds| seconds <= LONGEST).map(Duration::from_secs).ok_or_else(wrong)
}

/// A limit of a century is none; it keeps every clock from running over.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "s", "5", "-5s", "+5s", "5é", "1.5s", "99999999999999999999d", "99999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
