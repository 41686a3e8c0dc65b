//! The laboratory of `integration/lab`: two sites, each behind a router of choice, and the Internet between them, in network
//! namespaces of this machine.
//!
//! A [`Lab`] goes when it is dropped, and also when the process that holds it is killed: `natlab` holds it only as long as
//! somebody holds `natlab`. Programs are started in it through the words of [`Lab::at`]; [`cell`] plays one cell of the
//! NAT table, and [`table`] knows the cells.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::{Failure, Output, Process, probe};

pub mod cell;
pub mod relay;
pub mod table;

/// What to build.
#[derive(Clone, Debug, Default)]
pub struct Site {
    words: Vec<String>,
}

/// A laboratory that is up.
pub struct Lab {
    id: String,
    description: Value,
    keeper: Process,
    held: Option<OwnedFd>,
}

/// What the packet filter of a router sends inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The outside port.
    pub port: u64,
    /// The address and the port inside.
    pub to: String,
}

/// Whether the laboratory can run here, tried once; says so and skips when it cannot. Where what is missing could have been
/// installed, that is a failure.
///
/// # Panics
/// When a program is missing that the verb `test` should have installed.
#[must_use]
pub fn ready(test: &str) -> bool {
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    if !probe::has_all(test, TOOLS) {
        return false;
    }
    match TRIED.get_or_init(check) {
        Ok(()) => true,
        Err(missing) => {
            probe::skip(test, missing);
            false
        }
    }
}

/// Asks `natlab check`, and gives what is missing.
///
/// # Errors
/// When the laboratory cannot run here.
pub fn check() -> Result<(), String> {
    let output = natlab(&["check"]).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("natlab check fails").to_owned())
}

impl Site {
    /// A novice and an expert, each at a place of this kind; `natlab kinds` lists them.
    #[must_use]
    pub fn of(novice: &str, expert: &str) -> Self {
        Self::default().with(&["--novice", novice, "--expert", expert])
    }

    /// One of the further options of `natlab hold`.
    #[must_use]
    pub fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|w| (*w).to_owned()));
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// When `natlab` cannot.
    #[track_caller]
    pub fn up(&self) -> Result<Lab, Failure> {
        let mut command = natlab(&["hold"]);
        command.args(&self.words);
        let (keeper, held) = Process::start_held(&mut command)?;
        let line = keeper.until("the laboratory", BUILDING, |seen| seen.out.lines().next().map(str::to_owned))?;
        let description: Value =
            serde_json::from_str(&line).map_err(|e| Failure::new(format!("natlab: {e}: {line}")))?;
        let id = description["id"].as_str().unwrap_or_default().to_owned();
        Ok(Lab { id, description, keeper, held: Some(held) })
    }
}

impl Lab {
    /// The words that start a program on a node, for [`Cast::through`](crate::Cast::through).
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn at(&self, node: &str) -> Vec<String> {
        let words = self.description["enter"][node].as_array();
        let Some(words) = words else { panic!("the laboratory has no node {node}") };
        words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The addresses of a node, IPv4 first.
    #[must_use]
    pub fn addresses(&self, node: &str) -> Vec<IpAddr> {
        let listed = self.description["addresses"][node].as_array().into_iter().flatten();
        listed.filter_map(Value::as_str).filter_map(|text| text.parse().ok()).collect()
    }

    /// The IPv4 address that others see a side come from: that of its router, or its own. `None` without IPv4.
    ///
    /// It is that of the time when the laboratory was built.
    #[must_use]
    pub fn outside(&self, side: &str) -> Option<IpAddr> {
        match self.description["outside"][side].as_str() {
            Some(text) => text.parse().ok(),
            None => self.addresses(side).into_iter().find(IpAddr::is_ipv4),
        }
    }

    /// Whether a side sits behind a router of its own.
    #[must_use]
    pub fn has_router(&self, side: &str) -> bool {
        self.description["enter"][format!("{side}-router")].is_array()
    }

    /// Runs a tool on a node to its end.
    ///
    /// # Errors
    /// When it cannot be started, or does not end.
    #[track_caller]
    pub fn run(&self, node: &str, words: &[&str]) -> Result<Output, Failure> {
        let through = self.at(node);
        Process::run(Command::new(&through[0]).args(&through[1..]).args(words))
    }

    /// As [`Lab::run`], for a tool that must succeed; gives its standard output.
    ///
    /// # Errors
    /// When it fails.
    #[track_caller]
    pub fn tool(&self, node: &str, words: &[&str]) -> Result<String, Failure> {
        let output = self.run(node, words)?;
        if output.code() == Some(0) {
            return Ok(output.out);
        }
        Err(Failure::new(format!("{words:?} on {node} failed")).seen(output.err))
    }

    /// What a side's router sends inwards now: read from its packet filter, whatever its daemon says.
    ///
    /// # Errors
    /// When that side has no router.
    #[track_caller]
    pub fn forwards(&self, side: &str) -> Result<Vec<Forward>, Failure> {
        let chain = ["nft", "-j", "list", "chain", "inet", "natlab", "miniupnpd_pre"];
        let listed = self.tool(&format!("{side}-router"), &chain)?;
        let listed: Value = serde_json::from_str(&listed).map_err(|e| Failure::new(e.to_string()))?;
        let forward = |entry: &Value| {
            let expressions = entry["rule"]["expr"].as_array()?;
            let matched = expressions.iter().map(|e| &e["match"]);
            let port = matched.into_iter().find(|m| m["left"]["payload"]["field"] == "dport")?["right"].as_u64()?;
            let dnat = expressions.iter().map(|e| &e["dnat"]).find(|dnat| dnat.is_object())?;
            Some(Forward { port, to: format!("{}:{}", dnat["addr"].as_str()?, dnat["port"].as_u64()?) })
        };
        Ok(listed["nftables"].as_array().into_iter().flatten().filter_map(forward).collect())
    }

    /// Waits until a side's router sends inwards what was expected.
    ///
    /// # Errors
    /// When it does not, in `patience`.
    #[track_caller]
    pub fn forwards_become(
        &self,
        side: &str,
        patience: Duration,
        right: impl Fn(&[Forward]) -> bool,
    ) -> Result<Vec<Forward>, Failure> {
        let deadline = std::time::Instant::now() + patience;
        loop {
            // Each look starts a program, so this does not spin.
            let now = self.forwards(side)?;
            if right(&now) {
                return Ok(now);
            }
            if std::time::Instant::now() > deadline {
                return Err(Failure::new(format!("the router of {side} sends inwards: {now:?}")));
            }
        }
    }

    /// Switches a side's router off and on again: it has forgotten every mapping, and may have another address.
    ///
    /// # Errors
    /// When it does not come back.
    #[track_caller]
    pub fn reboot(&mut self, side: &str, address: Address) -> Result<(), Failure> {
        match address {
            Address::Same => self.act(&["reboot-router", side])?,
            Address::New => self.act(&["reboot-router", side, "--change-ip"])?,
        };
        let described = self.act(&["describe"])?;
        self.description = serde_json::from_str(&described).map_err(|e| Failure::new(e.to_string()))?;
        Ok(())
    }

    /// Cuts the line of a side or a relay: every packet is lost in silence, and no device notices.
    ///
    /// # Errors
    /// When there is no such line.
    #[track_caller]
    pub fn cut(&self, line: &str) -> Result<(), Failure> {
        self.act(&["line", line, "cut"]).map(drop)
    }

    /// Mends a line that was cut.
    ///
    /// # Errors
    /// When there is no such line.
    #[track_caller]
    pub fn mend(&self, line: &str) -> Result<(), Failure> {
        self.act(&["line", line, "mend"]).map(drop)
    }

    #[track_caller]
    fn act(&self, words: &[&str]) -> Result<String, Failure> {
        let output = Process::run(natlab(&words[..1]).args(["--id", &self.id]).args(&words[1..]))?;
        if output.code() == Some(0) {
            return Ok(output.out);
        }
        Err(Failure::new(format!("natlab {words:?} failed")).seen(output.err))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.held.take());
        if let Err(failure) = self.keeper.wait_exit_within(BUILDING) {
            eprintln!("the laboratory {} did not go: {failure}", self.id);
        }
    }
}

/// The outside address of a router that was switched off and on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// As before.
    Same,
    /// The provider gave another one.
    New,
}

fn natlab(words: &[&str]) -> Command {
    let program: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/natlab");
    let mut command = Command::new(program);
    command.args(words);
    command
}

/// What the laboratory is built with.
const TOOLS: &[&str] = &["ip", "ss", "nft", "unshare", "nsenter", "miniupnpd", "upnpc", "nc", "conntrack", "python3"];

/// One takes two seconds to build and one to take down; other tests use the machine at the same time.
const BUILDING: Duration = Duration::from_secs(60);
