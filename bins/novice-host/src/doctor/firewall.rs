//! What the firewall of this computer does with somebody who connects to the port: as far as it can be read without being root, and
//! honest about the rest.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::nftables::{Judged, Packet, judge};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Firewall {
    /// Whether it lets somebody in.
    pub(super) judged: Judged,
    /// Who keeps the rules, and so takes a new one.
    pub(super) keeper: Keeper,
}

/// A program that keeps firewall rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    Firewalld,
    Ufw,
    /// The rules themselves.
    Nftables,
}

impl Firewall {
    /// Looks at it. Changes nothing, and takes no longer than a few seconds.
    pub(super) fn look(interface: &str, port: u16) -> Self {
        let firewalld = run("firewall-cmd", &["--state"]).is_some_and(|ran| ran.succeeded);
        let ufw = read("/etc/ufw/ufw.conf").is_some_and(|text| setting(&text, "ENABLED") == Some("yes"));
        let keeper = match (firewalld, ufw) {
            (true, _) => Keeper::Firewalld,
            (false, true) => Keeper::Ufw,
            (false, false) => Keeper::Nftables,
        };
        let packet = Packet { interface, port };
        // The kernel's own rules say what happens, whoever wrote them. Only root can read them.
        let judged = of_the_kernel(packet).unwrap_or_else(|| match keeper {
            Keeper::Firewalld => of_firewalld(port),
            Keeper::Ufw => of_ufw(&read("/etc/ufw/user.rules").unwrap_or_default(), port),
            Keeper::Nftables if find("nft").is_none() => {
                Judged::NotKnown("nft is not installed, so no rules were read".to_owned())
            }
            Keeper::Nftables => Judged::NotKnown("the rules can be read by root only".to_owned()),
        });
        Self { judged, keeper }
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let (state, why) = match &self.judged {
            Judged::Open => ("open", None),
            Judged::Closed(by) => ("closed", Some(by)),
            Judged::NotKnown(why) => ("not_known", Some(why)),
        };
        json!({ "state": state, "why": why, "keeper": self.keeper.name() })
    }
}

impl Keeper {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Firewalld => "firewalld",
            Self::Ufw => "ufw",
            Self::Nftables => "nftables",
        }
    }

    /// What lets somebody in, for the person who is root here.
    pub(super) fn opens(self, port: u16) -> String {
        match self {
            Self::Firewalld if port == super::PORT => "with the service file of this package: \
                 firewall-cmd --permanent --add-service=remote-assistance && firewall-cmd --reload"
                .to_owned(),
            Self::Firewalld => format!("firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload"),
            Self::Ufw if port == super::PORT => {
                "with the profile of this package: ufw allow \"Remote Assistance\"".to_owned()
            }
            Self::Ufw => format!("ufw allow {port}/tcp"),
            Self::Nftables => format!("a rule like: nft insert rule inet filter input tcp dport {port} accept"),
        }
    }
}

/// `None` when they cannot be read.
fn of_the_kernel(packet: Packet<'_>) -> Option<Judged> {
    let ran = run("nft", &["-j", "list", "ruleset"]).filter(|ran| ran.succeeded)?;
    let judged = judge(&serde_json::from_str(&ran.text).ok()?, packet);
    let old_tables = read("/proc/net/ip_tables_names").is_some_and(|names| names.lines().any(|name| name == "filter"));
    match judged {
        Judged::Open if old_tables => {
            Some(Judged::NotKnown("the rules of the older iptables, which nft does not list".to_owned()))
        }
        judged => Some(judged),
    }
}

fn of_firewalld(port: u16) -> Judged {
    let asked = |question: &str| run("firewall-cmd", &[question]);
    let queries = [format!("--query-port={port}/tcp"), "--query-service=remote-assistance".to_owned()];
    let of_the_port = if port == super::PORT { &queries[..] } else { &queries[..1] };
    let mut denied = false;
    for query in of_the_port {
        match asked(query) {
            Some(ran) if ran.succeeded => return Judged::Open,
            // It says "no" for no; else it was not allowed to say.
            Some(ran) => denied |= ran.text.trim() != "no",
            None => denied = true,
        }
    }
    if denied {
        return Judged::NotKnown("firewalld does not say without being root".to_owned());
    }
    Judged::Closed("firewalld: the default zone lets no such service or port in".to_owned())
}

/// Reads the rules that ufw keeps. Source: the comments that it writes before each rule.
fn of_ufw(rules: &str, port: u16) -> Judged {
    if rules.is_empty() {
        return Judged::NotKnown("the rules of ufw can be read by root only".to_owned());
    }
    for line in rules.lines() {
        let Some(tuple) = line.strip_prefix("### tuple ### ") else { continue };
        let fields: Vec<&str> = tuple.split_whitespace().collect();
        let [action, protocol, ports, destination, "any", source, direction, ..] = fields[..] else { continue };
        let here = ports == "any" || ports.split(',').any(|one| is_in(one, port));
        let anybody = source == "0.0.0.0/0" && destination == "0.0.0.0/0" && direction == "in";
        if matches!(protocol, "tcp" | "any") && here && anybody {
            return match action {
                "allow" | "limit" => Judged::Open,
                _ => Judged::Closed(format!("ufw: the rule \"{action} {ports}\"")),
            };
        }
    }
    Judged::Closed("ufw: no rule lets this port in".to_owned())
}

fn is_in(range: &str, port: u16) -> bool {
    match range.split_once(':') {
        Some((first, last)) => {
            first.parse().is_ok_and(|first: u16| first <= port) && last.parse().is_ok_and(|last: u16| port <= last)
        }
        None => range.parse() == Ok(port),
    }
}

/// The value of `NAME=value` in a file that a shell would read.
fn setting<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix('=').map(|value| value.trim_matches('"'));
    text.lines().filter_map(|line| value(line.trim())).next_back()
}

/// A file of the system, if it is there, can be read and is not absurdly long.
fn read(path: &str) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

struct Ran {
    succeeded: bool,
    text: String,
}

/// Runs a program of the system; `None` when it is not there, or does not end in time.
fn run(program: &str, arguments: &[&str]) -> Option<Ran> {
    let mut command = Command::new(find(program)?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).env("LC_ALL", "C");
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.take(LONGEST).read_to_string(&mut text);
        drop(sender.send(read.ok().map(|_| text)));
    });
    let deadline = Instant::now() + PATIENCE;
    let text = receiver.recv_timeout(PATIENCE).ok().flatten();
    // Whoever has closed its output ends in a moment; whoever has not is ended.
    let ended = text.is_some().then(|| wait(&mut child, deadline)).flatten();
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    Some(Ran { succeeded: ended?, text: text? })
}

/// A program of the system. Users do not have the places of administrators' programs in their path.
fn find(program: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    places.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}

/// Waits for its end; `None` when that does not come.
fn wait(child: &mut std::process::Child, deadline: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// A program of the system answers in milliseconds; one that asks for a password does not answer at all.
const PATIENCE: Duration = Duration::from_secs(3);
/// More rules than any computer has.
const LONGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s083_the_rules_of_ufw_are_read() {
        let rules = "\
*filter
### RULES ###

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT

### tuple ### deny tcp 3390 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 3300:3400,5000 0.0.0.0/0 any 0.0.0.0/0 in Remote%20Assistance -
### tuple ### allow tcp 8080 0.0.0.0/0 any 192.168.1.0/24 in
### tuple ### allow any 9000 0.0.0.0/0 any 0.0.0.0/0 out
";
        assert_eq!(of_ufw(rules, 22), Judged::Open);
        assert_eq!(of_ufw(rules, 3389), Judged::Open);
        assert_eq!(of_ufw(rules, 5000), Judged::Open);
        assert_eq!(of_ufw(rules, 3390), Judged::Closed("ufw: the rule \"deny 3390\"".to_owned()));
        for port in [8080, 9000, 3401] {
            assert!(matches!(of_ufw(rules, port), Judged::Closed(_)), "{port}");
        }
        assert!(matches!(of_ufw("", 3389), Judged::NotKnown(_)));
        assert_eq!(setting("# x\nENABLED=no\nENABLED=\"yes\"\n", "ENABLED"), Some("yes"));
    }

    #[test]
    fn s083_the_files_of_the_package_open_the_port_of_the_protocol() {
        let service = include_str!("../../firewall/remote-assistance.xml");
        assert!(service.contains("<port protocol=\"tcp\" port=\"3389\"/>"));
        let profile = include_str!("../../firewall/remote-assistance");
        assert_eq!(setting(profile, "ports"), Some("3389/tcp"));
        assert!(profile.contains("[Remote Assistance]"));
        assert!(Keeper::Firewalld.opens(3389).contains("--add-service=remote-assistance"));
        assert!(Keeper::Ufw.opens(3389).contains("\"Remote Assistance\""));
        assert!(Keeper::Firewalld.opens(4000).contains("4000/tcp") && Keeper::Ufw.opens(4000).contains("4000/tcp"));
    }

    #[test]
    fn a_program_that_is_not_there_or_fails_is_no_answer() {
        assert!(run("there-is-no-such-program", &[]).is_none());
        assert!(run("false", &[]).is_some_and(|ran| !ran.succeeded));
        assert_eq!(run("echo", &["no"]).map(|ran| (ran.succeeded, ran.text)), Some((true, "no\n".to_owned())));
    }
}
