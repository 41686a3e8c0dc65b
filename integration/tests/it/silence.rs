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
    // An open ticket is answered, if only with a RESULT for the wrong password.
    let word = tries(&open, &wrong, 83)?;
    assert!(word > 2 * FAREWELL, "{word} bytes after Client Info");
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
    ClientInfo,
    Novice(usize),
    End,
}

/// Finds the Client Info in what an expert sends: after the handshake only it and the first message are long.
#[derive(Default)]
struct Sent {
    /// What has come of a header so far.
    header: Vec<u8>,
    /// Bytes of a body that are still to come.
    body: usize,
    long: u8,
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

    /// Waits for the end of a connection: how many bytes the novice's computer sent after the Client Info.
    fn last_word(&self) -> Result<usize, Failure> {
        let mut word = None;
        loop {
            let chunk =
                self.chunks.recv_timeout(PATIENCE).map_err(|e| Failure::new(format!("no end of a line: {e}")))?;
            match (chunk, &mut word) {
                (Chunk::ClientInfo, word) => *word = Some(0),
                (Chunk::Novice(bytes), Some(word)) => *word += bytes,
                (Chunk::Novice(_), None) => {}
                (Chunk::End, Some(word)) => return Ok(*word),
                (Chunk::End, None) => return Err(Failure::new("the expert did not get as far as Client Info")),
            }
        }
    }
}

impl Sent {
    /// True when the Client Info begins among these bytes.
    fn takes(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while let Some((first, rest)) = bytes.split_first() {
            if self.body > 0 {
                let skipped = self.body.min(bytes.len());
                (self.body, bytes) = (self.body - skipped, &bytes[skipped..]);
                continue;
            }
            self.header.push(*first);
            bytes = rest;
            let length = |at: usize| usize::from(u16::from_be_bytes([self.header[at], self.header[at + 1]]));
            let body = match (self.header[0], self.header.len()) {
                (TPKT, 4) => length(2).saturating_sub(4),
                (TPKT, _) | (_, ..5) => continue,
                (APPLICATION_DATA, _) => {
                    self.long += u8::from(length(3) > LONG);
                    found |= self.long == 2 && length(3) > LONG;
                    length(3)
                }
                _ => length(3),
            };
            self.body = body;
            self.header.clear();
        }
        found
    }
}

fn pass_on(near: &TcpStream, to: SocketAddr, sender: &Sender<Chunk>) -> std::io::Result<()> {
    let far = TcpStream::connect(to)?;
    let (near_again, far_again, also) = (near.try_clone()?, far.try_clone()?, sender.clone());
    let there = std::thread::spawn(move || {
        let mut sent = Sent::default();
        copy(&near_again, &far_again, |bytes| !sent.takes(bytes) || also.send(Chunk::ClientInfo).is_ok());
    });
    // All is noted before it is passed on, so that an answer is never noted before its question.
    copy(&far, near, |bytes| sender.send(Chunk::Novice(bytes.len())).is_ok());
    let _ended = there.join();
    Ok(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, mut note: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || !note(&buffer[..n]) || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}

/// The first byte of X.224 in TPKT, before TLS.
const TPKT: u8 = 3;
/// The kind of a TLS 1.3 record after the first words of the handshake.
const APPLICATION_DATA: u8 = 23;
/// Bytes. Of what an expert sends until it is let in, MCS Connect Initial and Client Info alone are longer.
const LONG: usize = 200;
/// The `close_notify` of TLS 1.3: a header of 5 bytes, the alert of 2, its kind, and 16 bytes that authenticate it.
const FAREWELL: usize = 24;
