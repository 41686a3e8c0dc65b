//! Relays on the public segment of the laboratory, each with a certificate of its own making.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::Lab;
use crate::{Cast, Failure, PATIENCE, Process, programs_dir};

/// A relay that ends when it is dropped.
pub struct Relay {
    url: String,
    certificate: PathBuf,
    process: Process,
    _held: OwnedFd,
    /// How it is started, first and again.
    words: Vec<OsString>,
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
        let mut words: Vec<OsString> = lab.at(node).into_iter().map(OsString::from).collect();
        words.push(programs_dir().join("lab-relay").into());
        let options = ["--address", "::", "--port", "443", "--quic-port", "7842", "--name", &name];
        words.extend(options.map(OsString::from));
        words.extend(["--write-ca".into(), certificate.clone().into_os_string()]);
        words.extend(["--keep".into(), folder.join(format!("{node}-own.pem")).into_os_string()]);
        let (process, held) = started(&words)?;
        Ok(Self { url: format!("https://{name}"), certificate, process, _held: held, words })
    }

    /// Starts it anew where it was, with the certificate and the key that it had; gives the moment at which it takes
    /// connections.
    ///
    /// # Errors
    /// When it still runs, or cannot be started.
    #[track_caller]
    pub fn revive(&mut self) -> Result<Instant, Failure> {
        (self.process, self._held) = started(&self.words)?;
        Ok(Instant::now())
    }

    /// Has somebody's program believe this relay and nobody else, without telling where it is.
    #[must_use]
    pub fn believed_by<'a>(&self, cast: Cast<'a>) -> Cast<'a> {
        cast.env("SSL_CERT_FILE", &self.certificate)
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

fn started(words: &[OsString]) -> Result<(Process, OwnedFd), Failure> {
    let (process, held) = Process::start_held(Command::new(&words[0]).args(&words[1..]))?;
    process.until("the relay", PATIENCE, |seen| seen.out.starts_with("ready ").then_some(()))?;
    Ok((process, held))
}
