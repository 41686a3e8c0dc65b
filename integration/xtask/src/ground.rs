//! The ground the verbs stand on: where the project is, and how another program is run.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;

/// Why a verb ends without success, as it is told to the person at the keyboard.
pub(crate) struct Trouble(pub(crate) String);

/// What a verb returns.
pub(crate) type Done = Result<(), Trouble>;

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The top of the project.
pub(crate) fn root() -> PathBuf {
    // Cargo tells it at run time; the other one is for a program that is started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut root = PathBuf::from(manifest);
    root.pop();
    root.pop();
    root
}

/// Prepares cargo, at the top of the project.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root()).stdin(Stdio::null());
    // What cargo told this program about itself must not reach the programs it starts.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    command
}

/// Prepares any other program, at the top of the project.
pub(crate) fn program(name: &str, words: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(words).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a program with its output where ours goes.
pub(crate) fn run(command: &mut Command) -> Done {
    let status = command.status().map_err(|e| Trouble::new(format!("cannot start {}: {e}", words(command))))?;
    judge(command, status)
}

/// Runs a program and returns its standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<String, Trouble> {
    let output = command.output().map_err(|e| Trouble::new(format!("cannot start {}: {e}", words(command))))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Trouble::new(format!("{} failed: {}", words(command), said.trim())))
    }
}

/// Whether a program runs and succeeds; what it says is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Runs a program, passes its output on line by line, and lets somebody listen.
pub(crate) fn run_listening(command: &mut Command, mut hear: impl FnMut(&str)) -> Result<ExitStatus, Trouble> {
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|e| Trouble::new(format!("cannot start {}: {e}", words(command))))?;
    let (lines, heard) = mpsc::channel();
    let mut readers = Vec::new();
    let streams: [(bool, Option<Box<dyn Read + Send>>); 2] = [
        (false, child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>)),
        (true, child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>)),
    ];
    for (is_error, stream) in streams {
        let Some(stream) = stream else { continue };
        let lines = lines.clone();
        readers.push(std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                if lines.send((is_error, std::mem::take(&mut line))).is_err() {
                    break;
                }
            }
        }));
    }
    drop(lines);
    for (is_error, line) in heard {
        // A closed pipe on our side must not stop the run.
        let _nobody_reads = if is_error {
            std::io::stderr().write_all(&line)
        } else {
            std::io::stdout().write_all(&line).and_then(|()| std::io::stdout().flush())
        };
        hear(String::from_utf8_lossy(&line).trim_end());
    }
    Ok(child.wait()?)
}

/// The tracked files, and those that could be.
pub(crate) fn files() -> Result<Vec<String>, Trouble> {
    let list = output_of(&mut program("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    Ok(list.lines().filter(|f| root().join(f).is_file()).map(str::to_owned).collect())
}

fn judge(command: &Command, status: ExitStatus) -> Done {
    if status.success() { Ok(()) } else { Err(Trouble::new(format!("{} failed ({status})", words(command)))) }
}

/// The command as one could type it.
fn words(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let args = command.get_args().map(|a| a.to_string_lossy());
    std::iter::once(name.to_string_lossy()).chain(args).collect::<Vec<_>>().join(" ")
}
