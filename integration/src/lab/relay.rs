//! Relays on the public segment of the laboratory, each with a certificate of its own making.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Lab;
use crate::{Cast, Failure, PATIENCE, Process, programs_dir};

/// A relay that ends when it is dropped.
pub struct Relay {
    url: String,
    certificate: PathBuf,
    process: Process,
    _held: OwnedFd,
}

impl Relay {
    /// Starts one on this node, where everybody in the laboratory can reach it by HTTPS, and by QUIC to learn what the routers
    /// in between do. Its certificate goes into this folder.
    ///
    /// # Errors
    /// When it cannot be started.
    #[track_caller]
    pub fn start(lab: &Lab, node: &str, folder: &Path) -> Result<Self, Failure> {
        let name = format!("{node}.natlab");
        let certificate = folder.join(format!("{node}-authority.pem"));
        let through = lab.at(node);
        let mut command = Command::new(&through[0]);
        command.args(&through[1..]).arg(programs_dir().join("lab-relay"));
        command.args(["--address", "::", "--port", "443", "--quic-port", "7842", "--name", &name, "--write-ca"]);
        let (process, held) = Process::start_held(command.arg(&certificate))?;
        process.until("the relay", PATIENCE, |seen| seen.out.starts_with("ready ").then_some(()))?;
        Ok(Self { url: format!("https://{name}"), certificate, process, _held: held })
    }

    /// Tells somebody's program about these relays, and whom to believe: nobody else.
    #[must_use]
    pub fn known_to<'a>(relays: &[&Self], mut cast: Cast<'a>) -> Cast<'a> {
        let mut believed = String::new();
        for relay in relays {
            cast = cast.args(["--relay", &relay.url]);
            believed.push_str(&std::fs::read_to_string(&relay.certificate).unwrap_or_default());
        }
        // One file for all of them; several plays may write the same.
        let Some(first) = relays.first() else { return cast };
        let file = first.certificate.with_extension(format!("{}.pem", relays.len()));
        let _missed_by_the_program = std::fs::write(&file, believed);
        cast.env("SSL_CERT_FILE", file)
    }

    /// Kills it, as a power cut would.
    ///
    /// # Errors
    /// When it has gone already.
    #[track_caller]
    pub fn kill(&mut self) -> Result<(), Failure> {
        self.process.signal(rustix::process::Signal::KILL)?;
        self.process.wait_exit().map(drop)
    }
}
