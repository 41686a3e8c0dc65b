//! A relay on loopback, whose certificate only those believe who are told of it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Cast, Failure, programs_dir};

/// A relay that ends with its test.
pub struct Relay {
    child: Child,
    url: String,
    certificate: PathBuf,
}

impl Relay {
    /// Starts one on a free port; its certificate goes into this folder.
    ///
    /// # Errors
    /// When it cannot be started.
    #[track_caller]
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        let certificate = folder.join("relay-authority.pem");
        let mut command = Command::new(programs_dir().join("lab-relay"));
        command.args(["--name", "127.0.0.1", "--write-ca"]).arg(&certificate);
        // Its standard input is the string by which it hangs: it ends when ours is closed.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("ready ") {
            Some(port) => Ok(Self { child, url: format!("https://127.0.0.1:{port}"), certificate }),
            None => Err(Failure::new("the relay did not start").seen(line)),
        }
    }

    /// Its address, as the option `--relay` takes it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has somebody believe this relay, and nobody else.
    #[must_use]
    pub fn believed_by<'a>(&self, cast: Cast<'a>) -> Cast<'a> {
        cast.env("SSL_CERT_FILE", &self.certificate)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has nothing left to do; were it to hang, the test is over all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
