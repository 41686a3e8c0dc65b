//! What goes over the wire when nobody is let in: nothing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use integration::{Failure, Outcome, PATIENCE, Stage};

#[test]
fn s050_r028_r030_r032_whoever_is_not_let_in_is_closed_on_without_a_word() -> Outcome {
    let (stage, front) = (Stage::new()?, Stage::new()?);
    let invite = |name: &str, expires: &str| -> Result<(String, PathBuf), Failure> {
        let file = stage.path().join(name);
        let invite = stage.novice().invites("Kim Aalbers").args(["--kind", "v1", "--no-serve"]);
        let invite =
            invite.with("--save", &file).with("--expires", expires).with("--advertise", front.addr().to_string());
        let mut novice = invite.start()?;
        let ticket = novice.wait_event("invited")?.text("ticket").unwrap_or_default().to_owned();
        assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
        Ok((ticket, file))
    };
    let (_, open) = invite("open.MsRcIncident", "60m")?;
    let (ended, ended_file) = invite("ended.MsRcIncident", "60m")?;
    let (expired, expired_file) = invite("expired.MsRcIncident", "1s")?;
    let addr = stage.addr().to_string();
    let mut novice = stage.novice().args(["serve", "--listen", &addr, "--desktop", "demo"]).start()?;
    novice.wait_event("listening")?;
    let mut end = stage.novice().args(["tickets", "expire", &ended]).start()?;
    assert_eq!(end.exit_code()?, Some(0), "{}", end.report());
    novice.until("the end of the short ticket", |_| {
        let mut show = stage.novice().args(["tickets", "show", &expired]).start().ok()?;
        (show.wait_event("ticket").ok()?.text("status") == Some("expired")).then_some(())
    })?;

    let tap = Tap::between(front.addr(), stage.addr())?;
    let wrong = stage.write("wrong", "Rose0000AAAA\n")?;
    let tries = |file: &Path, password: &Path, code: i32| -> Result<usize, Failure> {
        let mut expert = stage.expert_called("expert").opens(file).with("--password-file", password).start()?;
        assert_eq!(expert.exit_code()?, Some(code), "{}", expert.report());
        tap.last_word()
    };
    // So much is a word: the RESULT for a wrong password.
    let word = tries(&open, &wrong, 83)?;
    assert!(word > 2 * FAREWELL, "{word} bytes");
    for file in [&expired_file, &ended_file] {
        let said = tries(file, &stage.password_file(), 69)?;
        assert!(said <= FAREWELL, "{said} bytes after Client Info for {}", file.display());
    }
    stage.policy("fAllowToGetHelp = 0\n")?;
    let said = tries(&open, &stage.password_file(), 69)?;
    assert!(said <= FAREWELL, "{said} bytes after Client Info where policy says no");
    assert!(!novice.has_seen("consent_asked"), "{}", novice.report());
    Ok(())
}

/// Listens in on a line that is encrypted: it knows no more than who sent how much, and when.
struct Tap {
    chunks: Receiver<Chunk>,
}

enum Chunk {
    Expert(usize),
    Novice(usize),
    End,
}

impl Tap {
    /// Takes connections at `at`, one after the other, and passes them on to `to`.
    fn between(at: SocketAddr, to: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(at)?;
        let (sender, chunks) = channel();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let _test_has_ended = pass_on(&near, to, &sender);
                let _test_has_ended = sender.send(Chunk::End);
            }
        });
        Ok(Self { chunks })
    }

    /// Waits for the end of a connection: how many bytes the novice's computer sent after the last message of the expert.
    fn last_word(&self) -> Result<usize, Failure> {
        let mut word = 0;
        loop {
            let chunk =
                self.chunks.recv_timeout(PATIENCE).map_err(|e| Failure::new(format!("no end of a line: {e}")))?;
            match chunk {
                Chunk::Novice(bytes) => word += bytes,
                Chunk::Expert(bytes) if bytes > FAREWELL => word = 0,
                Chunk::Expert(_) => {}
                Chunk::End => return Ok(word),
            }
        }
    }
}

fn pass_on(near: &TcpStream, to: SocketAddr, sender: &Sender<Chunk>) -> std::io::Result<()> {
    let far = TcpStream::connect(to)?;
    let (near_again, far_again, also) = (near.try_clone()?, far.try_clone()?, sender.clone());
    let there = std::thread::spawn(move || copy(&near_again, &far_again, |n| also.send(Chunk::Expert(n)).is_ok()));
    // A chunk is counted before it is passed on, so that an answer is never counted before its question.
    copy(&far, near, |n| sender.send(Chunk::Novice(n)).is_ok());
    let _ended = there.join();
    Ok(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, count: impl Fn(usize) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || !count(n) || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}

/// The `close_notify` of TLS 1.3: a header of 5 bytes, the alert of 2, its kind, and 16 bytes that authenticate it.
const FAREWELL: usize = 24;
