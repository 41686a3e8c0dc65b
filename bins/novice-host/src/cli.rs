//! The command line of `novice-host`: a contract (docs/cli), read by clap.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ra_desktop::MonitorChoice;
use ra_rendezvous::RelayUrl;
use ra_ticket::Endpoint;

use crate::words;

/// Get help on this computer: invite somebody, decide what they may do, take it back.
#[derive(Debug, Parser)]
#[command(
    name = "novice-host",
    version,
    about,
    after_help = "\
Example: invite somebody for one hour, and wait here until they come
  novice-host invite

Without a command it asks what it needs, step by step."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Print one JSON object a line on standard output, and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more to standard error; twice for still more
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an invitation file and wait until the person it is for has helped
    #[command(after_help = "\
Example: an invitation for the next two hours, with a password that you choose
  novice-host invite --expires 2h --password-file my-password.txt

Example: nobody can connect to this computer, so it calls the helper, who waits with
`expert-connect listen Invitation.MsRcIncident` where everybody can connect to
  novice-host invite --dial lees-pc.example.org:3389

Example: no file; a code to be read out on the telephone, whatever routers are in between
  novice-host invite --code --relay https://relay.example.org")]
    Invite(Box<Invite>),
    /// Wait for the persons whose invitations are still open
    #[command(after_help = "\
Example: go on waiting after a restart
  novice-host serve")]
    Serve(Serve),
    /// Put the questions of a host into this session too
    #[command(after_help = "\
It only asks: it sees nothing of the desktop and does nothing on it. The first answer
in any of your sessions decides.

Example: be asked in this terminal, while novice-host serve runs elsewhere
  novice-host agent --ask-on terminal")]
    Agent(Agent),
    /// Look at the invitations you made, and end them
    #[command(after_help = "\
Example: end every invitation that is still open
  novice-host tickets expire --all")]
    Tickets(OfWhichTickets),
    /// Look at the account that helpers with an invitation are logged on as
    #[command(
        subcommand,
        after_help = "\
Example: is HelpAssistant enabled, and until when may it log on
  novice-host account status"
    )]
    Account(Account),
    /// Look at who was refused here, and what happened in sessions
    #[command(
        subcommand,
        after_help = "\
Example: who tried to get in without an invitation
  novice-host audit show"
    )]
    Audit(Audit),
    /// Say who will be able to reach this computer, and what to do where somebody will not
    #[command(after_help = "\
It asks the router for a way in, as an invitation would, and gives it back. As root it also
reads the rules of the firewall.

Example: will a file that I mail work
  novice-host doctor")]
    Doctor(Doctor),
    /// Look at your own switches, and set them; as root: those of the computer
    #[command(
        subcommand,
        after_help = "\
Example: nobody may use your mouse and keyboard, whatever you answer later
  novice-host settings set fAllowFullControl off"
    )]
    Settings(Settings),
    /// Look at what the administrator of this computer allows
    #[command(
        subcommand,
        after_help = "\
Example: what is allowed here, and which file says so
  novice-host policy show"
    )]
    Policy(Policy),
}

/// What is looked at.
#[derive(Debug, Clone, Args)]
pub(crate) struct Doctor {
    // Not a doc comment, since the address would read as a link there.
    #[arg(long, value_name = "ADDR:PORT")]
    #[arg(help = "Where an invitation would wait for connections [default: [::]:3389]")]
    pub(crate) listen: Vec<SocketAddr>,
}

/// Where to wait and what to share.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    // Not a doc comment, since the address would read as a link there.
    #[arg(long, value_name = "ADDR:PORT")]
    #[arg(help = "Where to wait for connections; port 0 picks a free one [default: [::]:3389]")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Which desktop to share; `auto` never chooses `demo`
    #[arg(long, value_enum, default_value_t = Desktop::Auto)]
    pub(crate) desktop: Desktop,
    /// Which monitor to share: `all`, `primary`, its number from the left, or its name; nothing beside it is shown
    #[arg(long, value_name = "MONITOR", default_value_t = MonitorChoice::All)]
    pub(crate) monitor: MonitorChoice,
}

/// What `invite` can be told.
#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Your name, as the other person sees it [default: the full name of your account]
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Where the invitation goes
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    pub(crate) save: PathBuf,
    /// For how long it can be used: 30s, 60m, 6h, 2d
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = words::parse_duration)]
    pub(crate) expires: Duration,
    /// Read the password from the first line of a file, instead of making one up
    #[arg(long, value_name = "FILE", group = "password")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from the first line of an open file descriptor
    #[arg(long, value_name = "N", group = "password")]
    pub(crate) password_fd: Option<u32>,
    /// No password: whoever has the file can ask to see your desktop (only with --kind v1)
    #[arg(long, group = "password")]
    pub(crate) no_password: bool,
    /// Which programs can open it: of both generations, newer, older
    #[arg(long, value_enum, default_value_t = Kind::Both)]
    pub(crate) kind: Kind,
    /// Write this address into the invitation, as it is, instead of this computer's own
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Vec<Endpoint>,
    /// Call your helper, who waits there with `expert-connect listen`; again and again until they help
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "no_serve")]
    pub(crate) dial: Vec<Endpoint>,
    /// The official helper that it is for; needed where policy allows no others
    #[arg(long = "for", value_name = "NAME")]
    pub(crate) helper: Option<String>,
    /// The other person may look, and can never ask for control
    #[arg(long)]
    pub(crate) view_only: bool,
    /// Only make the invitation; `novice-host serve` waits for the person
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// Say a code instead of writing a file: it works behind every router, and needs a relay
    #[arg(long, conflicts_with_all = ["save", "kind", "no_password", "no_serve", "advertise"])]
    pub(crate) code: bool,
    /// A relay that both sides can reach, for a code or beside the addresses of a file; without any, those that are listed
    /// in the settings
    #[arg(long, value_name = "URL")]
    pub(crate) relay: Vec<RelayUrl>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Which connection strings an invitation carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Type 2 that also carries what type 1 has.
    Both,
    /// Type 2: encrypted with the password.
    V2,
    /// Type 1: not encrypted.
    V1,
}

/// Which desktop is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Desktop {
    /// The one that is there.
    Auto,
    /// An X server's.
    X11,
    /// A built-in picture that reacts, to try things out with.
    Demo,
}

/// Which table of tickets, and what to do there.
#[derive(Debug, Args)]
pub(crate) struct OfWhichTickets {
    /// Those of the host that runs as a service of this computer: your own, or as an administrator everybody's
    #[arg(long, global = true)]
    pub(crate) machine: bool,
    #[command(subcommand)]
    pub(crate) what: Tickets,
}

/// Where an agent asks.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// In a window of the display, or on this terminal; `auto` takes the window where there is a display
    #[arg(long, value_enum, default_value_t = AskOn::Auto)]
    pub(crate) ask_on: AskOn,
}

/// Where an agent asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AskOn {
    /// The display, if there is one.
    Auto,
    /// The display that `DISPLAY` names.
    Window,
    /// The terminal of the process.
    Terminal,
}

/// The table of tickets.
#[derive(Debug, Subcommand)]
pub(crate) enum Tickets {
    /// Every invitation you made in the last 90 days, and where it stands
    List,
    /// One of them, with all that is known
    Show {
        /// Its name in the list
        #[arg(value_name = "ID")]
        ticket: String,
    },
    /// End invitations now; a session that uses one ends with it
    Expire {
        /// Their names in the list
        #[arg(value_name = "ID", required_unless_present = "all")]
        tickets: Vec<String>,
        /// All that are open
        #[arg(long, conflicts_with = "tickets")]
        all: bool,
    },
}

/// The HelpAssistant account.
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Enabled or disabled, its right to log on, and when that goes
    Status,
}

/// The audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// All of it, the oldest line first
    Show,
}

/// The policy of this computer.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// What is allowed on this computer, and which files say so
    Show,
    /// Every setting with its value, and which layer and file decided it
    Explain,
    /// Is this file a valid policy?
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write the group policy of this computer where its users can read it (root)
    Publish,
}

/// The local switches.
#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// Every switch, and where it stands
    Show,
    /// Set a switch
    Set {
        /// Its name, such as fAllowToGetHelp
        #[arg(value_name = "NAME")]
        name: String,
        /// on, off, a number, a time such as 6h, or default
        #[arg(value_name = "VALUE")]
        value: String,
    },
}

impl Serve {
    /// Where to listen: as told, else everywhere on the port of the protocol.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.listen)
    }
}

impl Doctor {
    /// Where an invitation would wait.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.listen)
    }
}

fn addresses(listen: &[SocketAddr]) -> Vec<SocketAddr> {
    if listen.is_empty() { vec![SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, PORT))] } else { listen.to_vec() }
}

/// The name that seed A gives the file's extension, and the word for it.
pub(crate) const DEFAULT_FILE: &str = "Invitation.MsRcIncident";
/// Remote Desktop's own. Source: S51.
const PORT: u16 = 3389;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn invite(line: &str) -> Invite {
        match parse(line).unwrap().command {
            Some(Command::Invite(invite)) => *invite,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn s005_s051_the_defaults_are_the_original_s_file_name_and_port() {
        let invite = invite("novice-host invite");
        assert_eq!(invite.save, PathBuf::from("Invitation.MsRcIncident"));
        assert_eq!(invite.serve.addresses(), ["[::]:3389".parse().unwrap()]);
        assert_eq!(
            (invite.expires, invite.kind, invite.serve.desktop),
            (Duration::from_secs(3600), Kind::Both, Desktop::Auto)
        );
    }

    #[test]
    fn a_password_comes_from_one_place() {
        assert!(parse("novice-host invite --no-password --password-fd 3").is_err());
        assert!(parse("novice-host invite --password-file a --password-fd 3").is_err());
        assert!(parse("novice-host invite --password secret").is_err(), "never in argv");
    }

    #[test]
    fn what_starts_with_a_session_is_an_agent_with_a_window() {
        for file in [
            include_str!("../systemd/user/remote-assistance-agent.service"),
            include_str!("../autostart/remote-assistance-agent.desktop"),
        ] {
            let line = file.lines().find_map(|line| line.strip_prefix("ExecStart=").or(line.strip_prefix("Exec=")));
            let Some(Command::Agent(agent)) = parse(line.unwrap()).unwrap().command else { panic!("{file}") };
            assert_eq!(agent.ask_on, AskOn::Window);
        }
    }

    #[test]
    fn options_of_every_command_stand_anywhere() {
        assert!(
            parse("novice-host invite --json --listen 127.0.0.1:0 --advertise 127.0.0.1:4000").unwrap().common.json
        );
        assert!(parse("novice-host --json tickets list").unwrap().common.json);
        assert!(parse("novice-host").unwrap().command.is_none());
        assert!(parse("novice-host tickets expire").is_err());
        assert!(parse("novice-host tickets expire A B").is_ok());
        assert!(parse("novice-host tickets list --machine").is_ok());
    }
}
